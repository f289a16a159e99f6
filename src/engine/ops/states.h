// What `make` of some operators returns: the row program compiles from it, so both read attributes in one place.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_OPS_STATES_H
#define SLIPWAY_ENGINE_OPS_STATES_H

#include "engine/label_table.h"
#include "math/trees.h"

// Imputer: one value for all columns (n is 1), or one for each.
typedef struct imputer {
    const float *floats;
    const int64_t *ints;
    size_t n;
    float replaced_float;
    int64_t replaced_int;
} imputer;

// Scaler: (x - offset) * scale; one pair for all columns, or one for each.
typedef struct scaler {
    const float *offset, *scale;
    size_t n;
} scaler;

// LabelEncoder. From keys to values; whichever attributes or tensors had them.
typedef struct encoder {
    dtype key_type, value_type;
    size_t n;
    const void *keys, *values;
    union {
        str string;
        int64_t integer;
        float real;
    } otherwise;
    int32_t nan_at; // the position of NaN among the keys (since opset 4), or -1
    label_table table;
} encoder;

// OneHotEncoder.
typedef struct one_hot {
    bool strings, zeros;
    size_t n;
    const void *categories;
    label_table table;
} one_hot;

// TreeEnsembleClassifier and TreeEnsembleRegressor.
typedef struct tree_state {
    bool classify;
    size_t n_scores;
    const str *label_strings; // (n_scores) of a classifier; one of the two lists
    const int64_t *label_ints;
    trees *trees;
} tree_state;

#endif
