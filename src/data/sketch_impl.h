// How many different values there are, about: in fixed memory, whatever their order (HyperLogLog).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_SKETCH_IMPL_H
#define SLIPWAY_DATA_SKETCH_IMPL_H

#include <stddef.h>
#include <stdint.h>

enum { SKETCH_BITS = 14, SKETCH_N = 1 << SKETCH_BITS }; // a standard error of 0.8 %

typedef struct sketch { // one thread at a time
    uint8_t registers[SKETCH_N];
} sketch;

static inline void sketch_add(sketch *s, uint64_t hash) // 64 good bits
{
    size_t at = hash >> (64 - SKETCH_BITS);
    uint8_t rank = (uint8_t)(__builtin_clzll(hash << SKETCH_BITS | (uint64_t)1 << (SKETCH_BITS - 1)) + 1);
    if (s->registers[at] < rank) s->registers[at] = rank;
}

void sketch_join(sketch *s, const sketch *more);
double sketch_estimate(const sketch *s);

#endif
