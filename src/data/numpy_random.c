// NumPy's legacy RandomState, as far as permutations need it: MT19937 (Matsumoto and Nishimura, 1998), seeded by one
// word, and bounded numbers by masking and rejecting.
// SPDX-License-Identifier: Apache-2.0
#include "data/split.h"

enum { STATE_N = 624, STATE_M = 397 };

typedef struct twister {
    uint32_t state[STATE_N];
    size_t at;
} twister;

static void twister_init(twister *t, uint32_t seed)
{
    for (uint32_t i = 0; i < STATE_N; i++) {
        t->state[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    t->at = STATE_N;
}

static uint32_t twist(uint32_t high, uint32_t low)
{
    uint32_t y = (high & 0x80000000u) | (low & 0x7FFFFFFFu);
    return y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
}

static uint32_t twister_u32(twister *t)
{
    uint32_t *s = t->state;
    if (t->at == STATE_N) {
        for (size_t i = 0; i < STATE_N; i++) s[i] = s[(i + STATE_M) % STATE_N] ^ twist(s[i], s[(i + 1) % STATE_N]);
        t->at = 0;
    }
    uint32_t y = s[t->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

static uint32_t twister_up_to(twister *t, uint32_t max) // 0..max
{
    if (max == 0) return 0;
    uint32_t mask = UINT32_MAX >> __builtin_clz(max);
    uint32_t value;
    do value = twister_u32(t) & mask;
    while (value > max);
    return value;
}

void numpy_permutation(uint32_t *out, size_t n, uint32_t seed)
{
    twister t;
    twister_init(&t, seed);
    for (size_t i = 0; i < n; i++) out[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        uint32_t j = twister_up_to(&t, (uint32_t)i);
        uint32_t swap = out[i];
        out[i] = out[j];
        out[j] = swap;
    }
}
