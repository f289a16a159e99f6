// The body of a run: any bytes are options or an error with a place, and options make sense.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "automl/asked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *j;
    if (json_parse(&j, (str){(const char *)data, size}, NULL) < 0) return 0;
    arena a;
    arena_init(&a, 1 << 20);
    char pointer[ASKED_POINTER_SIZE];
    training_options o;
    err e = ERR_NONE;
    int rc = json_is_object(j) ? asked_options(&o, j, &a, pointer, &e) : 0;
    if (rc < 0 && (e.code != rc || !e.msg[0] || memchr(pointer, '\0', sizeof pointer) == NULL)) abort();
    if (rc == 0 && json_is_object(j)) {
        if (split_options_fault(&o.split) || prepare_options_fault(&o.prepare) || read_options_fault(&o.read)) abort();
        for (size_t i = 0; i < o.n_settings; i++)
            if (!strchr(o.settings[i], '=')) abort();
    }
    json_decref(j);
    arena_clear(&a);
    return 0;
}
