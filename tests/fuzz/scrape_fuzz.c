// Metrics of a server that may be anybody's: what is read lies in the text or the arena, and is told without a fault.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "cmd/top_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    arena a;
    scrape s, none = {.n = 0};
    top_sample t;
    json_t *j;
    arena_init(&a, 64 << 20);
    str text = {(const char *)data, len};
    if (scrape_read(&s, text, &a, NULL) == 0) {
        for (size_t i = 0; i < s.n; i++) {
            const metric *m = &s.metrics[i];
            if (m->name.len == 0 || m->name.data < text.data || m->name.data + m->name.len > text.data + len) abort();
            for (size_t k = 0; k < m->n_labels; k++)
                if (m->labels[k].value.len > len) abort();
        }
        if (top_sample_take(&t, &none, &s, 1, &a, NULL) < 0) abort();
        if (t.n > s.n) abort();
        if (top_sample_to_json(&t, &j, NULL) == 0) json_decref(j); // not of names that are no UTF-8
        if (top_sample_take(&t, &s, &s, 1, &a, NULL) < 0) abort();
        for (size_t i = 0; i < t.n; i++)
            if (t.versions[i].requests > 0) abort(); // nothing rose
    }
    arena_clear(&a);
    return 0;
}
