// A table from labels (texts, integers, floats) to their positions in a list: for LabelEncoder and OneHotEncoder.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_LABEL_TABLE_H
#define SLIPWAY_ENGINE_LABEL_TABLE_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/tensor.h"

typedef struct label_slot {
    uint32_t check;   // the other half of the hash
    int32_t position; // or -1: empty
} label_slot;

// Immutable once made, so any thread. The keys are borrowed as long as the table lives.
typedef struct label_table {
    dtype type;       // of the keys: string, int64, float32
    const void *keys; // (n_keys)
    size_t n_keys, mask;
    uint64_t seed;
    label_slot *slots; // (mask + 1)
} label_table;

typedef enum label_repeat { LABEL_FIRST_WINS, LABEL_LAST_WINS } label_repeat;

// Slots live in `a`. Seeds are tried until labels lie close to where they belong. Floats: -0 is 0 and NaN is
// never found.
MUST_CHECK int label_table_make(label_table *out, dtype type, const void *keys, size_t n_keys, label_repeat repeat,
                                arena *a, err *e);

// The position, or -1.
int32_t label_find_string(const label_table *t, str key);
int32_t label_find_int(const label_table *t, int64_t key);
int32_t label_find_float(const label_table *t, float key);

#endif
