// The body of KServe's first protocol over any bytes, against a schema with every type. What is accepted lies in
// memory, has the shape it says, and is accepted again with the same values.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include "helpers/batches.h"
#include "serve/kserve.h"
#include "unit/serve/schema_of_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 300 };

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
            sums[i] = batch_sum(&b, ROWS_MAX);
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
