// What every accepted batch must keep to, for fuzz targets: values lie in memory, missing ones are allowed.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_BATCHES_H
#define SLIPWAY_TESTS_HELPERS_BATCHES_H

#include <math.h>
#include <stdint.h>

#include "data/batch.h"

// assert() that a release build keeps.
#define must(truth) ((truth) ? (void)0 : __builtin_trap())

static inline uint64_t batch_mix(uint64_t hash, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++) hash = (hash ^ ((const uint8_t *)data)[i]) * 1099511628211u;
    return hash;
}

// A hash of all values: equal for equal batches.
static inline uint64_t batch_sum(const batch *b, size_t rows_max)
{
    uint64_t hash = b->n_rows;
    must(b->n_rows > 0 && b->n_rows <= rows_max);
    for (size_t i = 0; i < b->schema->n_inputs; i++) {
        const batch_column *c = &b->columns[i];
        bool missing_ok = b->schema->inputs[i].missing_ok;
        for (size_t row = 0; row < b->n_rows; row++) {
            if (c->f32) {
                must(!isinf(c->f32[row]) && (missing_ok || !isnan(c->f32[row])));
                hash = batch_mix(hash, &c->f32[row], sizeof *c->f32);
            } else if (c->i64) {
                must(missing_ok || c->i64[row] != WIRE_I64_MISSING);
                hash = batch_mix(hash, &c->i64[row], sizeof *c->i64);
            } else {
                must(missing_ok || c->strings[row].len > 0);
                hash = batch_mix(hash, c->strings[row].data, c->strings[row].len);
            }
        }
    }
    return hash;
}

#endif
