// The family row: a kind of model that can be fitted. One folder each under learn/; fit yields graph nodes.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_LEARN_FAMILY_H
#define SLIPWAY_LEARN_FAMILY_H

#include "base/options.h"
#include "base/pool.h"
#include "data/schema.h"
#include "graph/graph.h"
#include "prepare/prepare.h"

// Training data, all borrowed for the call.
typedef struct family_data {
    size_t n_rows, n_features;
    const float *x;          // (n_features, n_rows), column-major; NaN is missing
    const feature *features; // n_features
    const schema_target *target;
    const int32_t *classes; // classification: (n_rows) of 0..n_classes-1; else NULL
    const double *values;   // regression: (n_rows); else NULL
    const float *weights;   // (n_rows) > 0, or NULL for 1
} family_data;

// What a fitted family added to the graph. Classification: label (N) of the target's class names, scores (N, n_classes)
// that add up to 1. Regression: label is VALUE_NONE, scores (N, 1).
typedef struct family_outputs {
    value_id label, scores;
} family_outputs;

// Called between units of work (trees, epochs) on the thread that called fit; returning non-zero stops the fit with
// ERR_CANCELLED.
typedef struct family_progress {
    int (*report)(void *context, size_t done, size_t total);
    void *context;
} family_progress;

typedef struct family_row {
    const char *name;  // "forest"
    const char *about; // one line for a person
    unsigned tasks;    // bits 1u << TASK_...
    const option_row *options;
    size_t n_options, options_size;
    bool takes_missing;    // NaN features need no imputation
    bool takes_categories; // FEATURE_CATEGORY needs no one-hot
    const char *(*options_fault)(const void *options);
    // Bytes that a fit of this size will take at most on a pool of so many threads, its part of the graph included, so
    // that one that will not fit says so at once. Looks at sizes, the target and whether there are weights, not at
    // values.
    size_t (*memory_estimate)(const family_data *d, const void *options, size_t n_threads);
    // Adds nodes that compute label and scores from `features` (N, n_features). The same data, options and seed give
    // the same nodes, bit for bit, whatever the pool's size. progress may be NULL. On failure the graph is not to be
    // used.
    int (*fit)(family_outputs *out, graph *g, value_id features, const family_data *d, const void *options,
               uint64_t seed, pool *p, const family_progress *progress, err *e);
} family_row;

const family_row *family_find(const char *name); // NULL if unknown
const family_row *const *family_rows(size_t *n);

#endif
