// Least significant digit first, eight bits a pass; a digit that all keys share costs no pass.
// SPDX-License-Identifier: Apache-2.0
#include "data/sort_impl.h"

enum { DIGITS = 8, VALUES = 256 };

static void sort_few(uint64_t *keys, uint32_t *payload, size_t n) // by insertion
{
    for (size_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        uint32_t load = payload ? payload[i] : 0;
        size_t at = i;
        for (; at > 0 && keys[at - 1] > key; at--) {
            keys[at] = keys[at - 1];
            if (payload) payload[at] = payload[at - 1];
        }
        keys[at] = key;
        if (payload) payload[at] = load;
    }
}

void sort_keys(uint64_t *keys, uint64_t *scratch, uint32_t *payload, uint32_t *payload_scratch, size_t n)
{
    if (n < 64) {
        sort_few(keys, payload, n);
        return;
    }
    size_t counts[DIGITS][VALUES] = {{0}};
    for (size_t i = 0; i < n; i++)
        for (unsigned d = 0; d < DIGITS; d++) counts[d][keys[i] >> 8 * d & 0xFF]++;
    uint64_t *from = keys, *to = scratch;
    uint32_t *load_from = payload, *load_to = payload_scratch;
    for (unsigned d = 0; d < DIGITS; d++) {
        if (counts[d][from[0] >> 8 * d & 0xFF] == n) continue;
        size_t start = 0;
        for (unsigned v = 0; v < VALUES; v++) {
            size_t count = counts[d][v];
            counts[d][v] = start;
            start += count;
        }
        for (size_t i = 0; i < n; i++) {
            size_t at = counts[d][from[i] >> 8 * d & 0xFF]++;
            to[at] = from[i];
            if (payload) load_to[at] = load_from[i];
        }
        uint64_t *swap = from;
        from = to;
        to = swap;
        uint32_t *load_swap = load_from;
        load_from = load_to;
        load_to = load_swap;
    }
    if (from == keys) return;
    memcpy(keys, from, n * sizeof *keys);
    if (payload) memcpy(payload, load_from, n * sizeof *payload);
}
