// The body of an inference request, JSON and binary, over any bytes, against a schema with every type, or one with a
// tensor of several columns. The first two bytes say which, and how much of the rest is JSON, as
// Inference-Header-Content-Length does. What is accepted lies in memory, has the shape it says, and is accepted again
// with the same values.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include "helpers/batches.h"
#include "serve/v2_decode.h"
#include "unit/serve/schema_alike.h"
#include "unit/serve/schema_of_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 300 };

static uint64_t sum_of(const v2_infer *q)
{
    must(q->n_outputs > 0 && q->n_outputs <= V2_OUTPUTS_MAX);
    return batch_mix(batch_sum(&q->in, ROWS_MAX), q->id.data, q->id.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static decoder *all, *alike;
    if (!all) must(decoder_new(&all, &schema_of_all, NULL) == 0 && decoder_new(&alike, &schema_alike, NULL) == 0);
    if (size < 2) return 0;
    const bool wide = data[1] & 0x80;
    const char *text = (const char *)data + 2;
    size_t len = (size_t)data[0] | (size_t)(data[1] & 0x7F) << 8, left = size - 2;
    if (len > left) len = left;
    uint64_t sums[2] = {0, 0};
    int rcs[2];
    for (int i = 0; i < 2; i++) {
        arena a;
        v2_infer q;
        place at;
        err e = ERR_NONE;
        arena_init(&a, 1 << 20);
        rcs[i] = v2_decode(&q, wide ? alike : all, wide ? &schema_alike : &schema_of_all, (str){text, len},
                           (str){text + len, left - len}, ROWS_MAX, &at, &a, &e);
        if (rcs[i] == 0) {
            sums[i] = sum_of(&q);
        } else {
            must(rcs[i] == ERR_FORMAT || rcs[i] == ERR_INPUT || rcs[i] == ERR_MEMORY || rcs[i] == ERR_UNSUPPORTED);
            must(at.code && e.code == rcs[i] && e.msg[0]);
            must(rcs[i] != ERR_FORMAT || (e.at >= 0 && (size_t)e.at <= len));
        }
        arena_clear(&a);
    }
    must(rcs[0] == rcs[1] && sums[0] == sums[1]);
    return 0;
}
