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
    uint64_t seed;      // SPLIT_NUMPY: below 2^32
} split_options;

#define SPLIT_OPTIONS_DEFAULT ((split_options){.kind = SPLIT_STRATIFIED, .test_share = 0.2, .seed = 42})
const char *split_options_fault(const split_options *o); // NULL, or why they make no sense

typedef struct split {
    size_t n_train, n_test;
    uint32_t *train, *test; // row numbers, ascending except for SPLIT_NUMPY (then in scikit-learn's order); owned
} split;

// rows: the n_rows candidates (what cleaning left), borrowed; stratum: class of each of those (-1: none), or NULL.
// The test part has ceil(test_share * n_rows) rows, at least one and not all of them; ERR_INPUT below two rows.
//   stratified  in proportion to the classes, by largest remainder; a class of two rows or more is in both parts, even
//               if the test part grows by that; a class of one row is trained on. Without strata: random.
//   group       whole groups in random order, as far as they fit; missing values are one group. ERR_INPUT below two.
//   time        dates, integers or reals (else ERR_INPUT), ties by row; missing times count as the earliest.
// ERR_NOT_FOUND for an unknown column suggests the nearest. Any thread.
MUST_CHECK int split_make(split *out, const frame *f, const uint32_t *rows, size_t n_rows, const int32_t *stratum,
                          const split_options *o, err *e);
void split_clear(split *s);

// k folds (2 or more) over the rows: fold[i] of 0..k-1 for rows[i], each tested by a model of all others. As even as
// can be; where strata are given (and the kind is STRATIFIED) also class by class; whole groups for GROUP. TIME: k + 1
// blocks, fold[i] of 0..k in order of time; block b >= 1 is tested by a model of the blocks before it. SPLIT_NUMPY:
// scikit-learn's KFold(k, shuffle=True, random_state=seed).
MUST_CHECK int split_folds(uint32_t *fold, size_t k, const frame *f, const uint32_t *rows, size_t n_rows,
                           const int32_t *stratum, const split_options *o, err *e);

// NumPy's legacy generator (MT19937 with masked rejection), as RandomState(seed).permutation(n).
void numpy_permutation(uint32_t *out, size_t n, uint32_t seed);

#endif
