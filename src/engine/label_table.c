// Open addressing; the table is at least twice as large as the list, and of several seeds the one with the shortest
// way to the farthest label is kept, so that nearly every look-up is one probe.
// SPDX-License-Identifier: Apache-2.0
#include "engine/label_table.h"

#include <string.h>

#include "base/hash.h"

enum { SEEDS = 8, PROBES_GOOD = 3, PROBES_MAX = 256, KEYS_MAX = 1 << 28 };

static uint64_t hash_int(uint64_t key, uint64_t seed)
{
    uint64_t h = (key ^ seed) * 0x9E3779B97F4A7C15u; // the golden ratio: spreads neighbours
    h ^= h >> 29;
    h *= 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

static uint64_t float_bits(float key)
{
    uint32_t bits;
    float plain = key == 0 ? 0 : key; // -0 is 0
    memcpy(&bits, &plain, sizeof bits);
    return bits;
}

static uint64_t hash_of(const label_table *t, size_t position)
{
    switch (t->type) {
    case DTYPE_STRING: {
        const str *s = (const str *)t->keys + position;
        return hash_bytes(s->data, s->len, t->seed);
    }
    case DTYPE_I64: return hash_int((uint64_t)((const int64_t *)t->keys)[position], t->seed);
    default: return hash_int(float_bits(((const float *)t->keys)[position]), t->seed);
    }
}

static bool equal_keys(const label_table *t, size_t i, size_t k)
{
    switch (t->type) {
    case DTYPE_STRING: return str_equal(((const str *)t->keys)[i], ((const str *)t->keys)[k]);
    case DTYPE_I64: return ((const int64_t *)t->keys)[i] == ((const int64_t *)t->keys)[k];
    default: return ((const float *)t->keys)[i] == ((const float *)t->keys)[k];
    }
}

// Fills the table; returns the probes of the label that is farthest off, or -1 if one would be too far.
static int fill(label_table *t, label_repeat repeat)
{
    int most = 0;
    for (size_t i = 0; i <= t->mask; i++) t->slots[i] = (label_slot){.position = -1};
    for (size_t i = 0; i < t->n_keys; i++) {
        uint64_t h = hash_of(t, i);
        size_t slot = (size_t)h & t->mask;
        int probes = 1;
        while (t->slots[slot].position >= 0 && !equal_keys(t, (size_t)t->slots[slot].position, i)) {
            slot = (slot + 1) & t->mask;
            if (++probes > PROBES_MAX) return -1;
        }
        if (t->slots[slot].position < 0 || repeat == LABEL_LAST_WINS)
            t->slots[slot] = (label_slot){.check = (uint32_t)(h >> 32), .position = (int32_t)i};
        if (probes > most) most = probes;
    }
    return most;
}

int label_table_make(label_table *out, dtype type, const void *keys, size_t n_keys, label_repeat repeat, arena *a,
                     err *e)
{
    if (n_keys > KEYS_MAX) return err_set(e, ERR_LIMIT, "%zu labels, at most %d", n_keys, (int)KEYS_MAX);
    size_t size = 4;
    while (size < 2 * n_keys) size *= 2;
    label_table t = {.type = type, .keys = keys, .n_keys = n_keys, .mask = size - 1};
    t.slots = arena_alloc(a, size, sizeof *t.slots);
    if (!t.slots) return err_set(e, ERR_MEMORY, "no memory for a table of %zu labels", n_keys);
    int best = -1;
    uint64_t best_seed = 0;
    for (uint64_t seed = 0; seed < SEEDS && (best < 0 || best > PROBES_GOOD); seed++) {
        t.seed = seed;
        int most = fill(&t, repeat);
        if (most >= 0 && (best < 0 || most < best)) {
            best = most;
            best_seed = seed;
        }
    }
    if (best < 0) return err_set(e, ERR_LIMIT, "%zu labels whose hashes collide", n_keys);
    if (t.seed != best_seed) {
        t.seed = best_seed;
        fill(&t, repeat);
    }
    *out = t;
    return 0;
}

int32_t label_find_string(const label_table *t, str key)
{
    uint64_t h = hash_bytes(key.data, key.len, t->seed);
    for (size_t slot = (size_t)h & t->mask;; slot = (slot + 1) & t->mask) {
        const label_slot *s = &t->slots[slot];
        if (s->position < 0) return -1;
        if (s->check == (uint32_t)(h >> 32) && str_equal(((const str *)t->keys)[s->position], key)) return s->position;
    }
}

int32_t label_find_int(const label_table *t, int64_t key)
{
    for (size_t slot = (size_t)hash_int((uint64_t)key, t->seed) & t->mask;; slot = (slot + 1) & t->mask) {
        int32_t position = t->slots[slot].position;
        if (position < 0 || ((const int64_t *)t->keys)[position] == key) return position;
    }
}

int32_t label_find_float(const label_table *t, float key)
{
    for (size_t slot = (size_t)hash_int(float_bits(key), t->seed) & t->mask;; slot = (slot + 1) & t->mask) {
        int32_t position = t->slots[slot].position;
        if (position < 0 || ((const float *)t->keys)[position] == key) return position;
    }
}
