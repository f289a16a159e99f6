// Splits: which rows are trained on and which are kept unseen; folds for cross-validation.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_SPLIT_H
#define SLIPWAY_DATA_SPLIT_H

#include "base/err.h"
#include "data/frame.h"

typedef enum split_kind {
    SPLIT_RANDOM,
    SPLIT_STRATIFIED, // by class, so that every class is in both parts
    SPLIT_GROUP,      // rows with the same value of `column` stay together
    SPLIT_TIME,       // the latest rows by `column` are tested on
    SPLIT_NUMPY,      // NumPy's legacy RandomState(seed).permutation: scikit-learn's train_test_split
} split_kind;

typedef struct split_options {
    split_kind kind;
    const char *column; // of groups or times; else NULL
    double test_share;  // of the rows, above 0 and below 1
    uint64_t seed;
} split_options;

#define SPLIT_OPTIONS_DEFAULT ((split_options){.kind = SPLIT_STRATIFIED, .test_share = 0.2, .seed = 42})
const char *split_options_fault(const split_options *o); // NULL, or why they make no sense

typedef struct split {
    size_t n_train, n_test;
    uint32_t *train, *test; // row numbers, ascending except for SPLIT_NUMPY (then in scikit-learn's order); owned
} split;

// rows: the n_rows candidates (what cleaning left), borrowed; stratum: class of each of those, or NULL for none.
MUST_CHECK int split_make(split *out, const frame *f, const uint32_t *rows, size_t n_rows, const int32_t *stratum,
                          const split_options *o, err *e);
void split_clear(split *s);

// k folds over the rows: fold[i] of 0..k-1 for rows[i]. Stratified where strata are given; kind GROUP and TIME as
// above (time: fold i is tested by what comes later; fold 0 is only ever trained on, so k + 1 blocks are made).
// SPLIT_NUMPY: scikit-learn's KFold(k, shuffle=True, random_state=seed).
MUST_CHECK int split_folds(uint32_t *fold, size_t k, const frame *f, const uint32_t *rows, size_t n_rows,
                           const int32_t *stratum, const split_options *o, err *e);

// NumPy's legacy generator (MT19937 with masked rejection), as RandomState(seed).permutation(n).
void numpy_permutation(uint32_t *out, size_t n, uint32_t seed);

#endif
