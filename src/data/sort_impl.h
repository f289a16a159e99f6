// Numbers as keys of 64 bits that sort like the numbers, and a radix sort for them.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_SORT_IMPL_H
#define SLIPWAY_DATA_SORT_IMPL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t key_of_f64(double value) // not for NaN; zero has one key
{
    uint64_t bits;
    if (value == 0) value = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static inline double f64_of_key(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t key_of_i64(int64_t value)
{
    return (uint64_t)value ^ (uint64_t)1 << 63;
}

static inline int64_t i64_of_key(uint64_t key)
{
    return (int64_t)(key ^ (uint64_t)1 << 63);
}

// Ascending and stable. `scratch`: n keys. Carries `payload` (n, or NULL; with its own scratch) along.
void sort_keys(uint64_t *keys, uint64_t *scratch, uint32_t *payload, uint32_t *payload_scratch, size_t n);

#endif
