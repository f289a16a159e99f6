// The request body decoder over any bytes, against a schema with every type. What it accepts lies in memory, has the
// shape it says, and is accepted again with the same values.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include "helpers/batches.h"
#include "serve/decode.h"
#include "unit/serve/schema_of_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static decoder *d;
    if (!d) must(decoder_new(&d, &schema_of_all, NULL) == 0);
    uint64_t sums[2] = {0, 0};
    int rcs[2];
    explain_wish wishes[2];
    for (int i = 0; i < 2; i++) {
        arena a;
        batch b;
        body_form form;
        place at;
        err e = ERR_NONE;
        arena_init(&a, 1 << 20);
        rcs[i] = decode_predict(&b, &form, &wishes[i], d, (str){(const char *)data, size}, ROWS_MAX, &at, &a, &e);
        if (rcs[i] == 0) {
            sums[i] = batch_sum(&b, ROWS_MAX);
            must(wishes[i].class >= EXPLAIN_PREDICTED && wishes[i].class < (int32_t)schema_of_all.target.n_classes);
            must(wishes[i].top <= INT32_MAX);
        } else {
            must(rcs[i] == ERR_FORMAT || rcs[i] == ERR_INPUT || rcs[i] == ERR_MEMORY);
            must(at.code && e.code == rcs[i] && e.msg[0]);
            must(rcs[i] != ERR_FORMAT || (e.at >= 0 && (size_t)e.at <= size));
        }
        arena_clear(&a);
    }
    must(rcs[0] == rcs[1] && sums[0] == sums[1]);
    if (rcs[0] == 0)
        must(wishes[0].wanted == wishes[1].wanted && wishes[0].class == wishes[1].class &&
             wishes[0].top == wishes[1].top);
    return 0;
}
