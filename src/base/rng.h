// Seeded random numbers, one independent stream for each (seed, stream): never time, addresses or thread ids.
// Xoshiro256** 1.0 (Blackman and Vigna, 2018), its state filled by SplitMix64 from seed and stream.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_RNG_H
#define SLIPWAY_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct rng { // one thread at a time
    uint64_t s[4];
} rng;

rng rng_new(uint64_t seed, uint64_t stream);
uint64_t rng_u64(rng *r);
uint64_t rng_below(rng *r, uint64_t n); // uniform in 0..n-1, without bias (Lemire, 2019); n > 0
double rng_f64(rng *r);                 // uniform in [0, 1), 53 bits
double rng_normal(rng *r);              // mean 0, standard deviation 1 (polar method of Marsaglia)
void rng_shuffle(rng *r, uint32_t *items, size_t n);

#endif
