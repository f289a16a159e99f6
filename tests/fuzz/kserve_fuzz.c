// The body of KServe's first protocol over any bytes, against a schema with every type. What is accepted lies in
// memory, has the shape it says, and is accepted again. SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdint.h>

#include "serve/kserve.h"
#include "unit/serve/schema_of_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// assert() that a release build keeps.
#define must(truth) ((truth) ? (void)0 : __builtin_trap())

enum { ROWS_MAX = 300 };

static uint64_t sum_of(const batch *b)
{
    uint64_t sum = b->n_rows;
    must(b->n_rows > 0 && b->n_rows <= ROWS_MAX);
    for (size_t i = 0; i < b->schema->n_inputs; i++) {
        const batch_column *c = &b->columns[i];
        bool missing_ok = b->schema->inputs[i].missing_ok;
        for (size_t row = 0; row < b->n_rows; row++) {
            if (c->f32) must(!isinf(c->f32[row]) && (missing_ok || !isnan(c->f32[row])));
            if (c->i64) sum = 31 * sum + (uint64_t)c->i64[row];
            if (c->strings) must(missing_ok || c->strings[row].len > 0);
            for (size_t k = 0; c->strings && k < c->strings[row].len; k++)
                sum = 31 * sum + (unsigned char)c->strings[row].data[k];
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static decoder *d;
    if (!d) must(decoder_new(&d, &schema_of_all, NULL) == 0);
    uint64_t sums[2] = {0, 0};
    int rcs[2];
    for (int i = 0; i < 2; i++) {
        arena a;
        batch b;
        kserve_signature signature;
        place at;
        err e = ERR_NONE;
        arena_init(&a, 1 << 20);
        rcs[i] = kserve_decode(&b, &signature, d, (str){(const char *)data, size}, ROWS_MAX, &at, &a, &e);
        if (rcs[i] == 0) {
            sums[i] = sum_of(&b);
        } else {
            must(rcs[i] == ERR_FORMAT || rcs[i] == ERR_INPUT || rcs[i] == ERR_MEMORY);
            must(at.code && e.code == rcs[i] && e.msg[0]);
            must(rcs[i] != ERR_FORMAT || (e.at >= 0 && (size_t)e.at <= size));
        }
        arena_clear(&a);
    }
    must(rcs[0] == rcs[1] && sums[0] == sums[1]);
    return 0;
}
