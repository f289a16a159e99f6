// Tree ensembles flattened for scoring: one layout for every row, walked without branches, and its plain twin.
// Results are onnxruntime's: sums in float32 in the order of the trees, and its treatment of binary classifiers.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MATH_TREES_H
#define SLIPWAY_MATH_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

typedef enum trees_mode {
    TREES_LEQ, // x <= value goes to the true child; NaN compares false, but for NEQ
    TREES_LT,
    TREES_GTE,
    TREES_GT,
    TREES_EQ,
    TREES_NEQ,
    TREES_LEAF,
} trees_mode;

typedef enum trees_join { TREES_SUM, TREES_AVERAGE, TREES_MIN, TREES_MAX } trees_join;

typedef enum trees_link {
    TREES_NONE,
    TREES_LOGISTIC,
    TREES_SOFTMAX,
    TREES_SOFTMAX_ZERO, // softmax of the scores that are not 0
    TREES_PROBIT,
} trees_link;

// The ensemble as ONNX lists it; all borrowed for the call. Nodes of a tree stand together, its root first.
typedef struct trees_spec {
    size_t n_nodes;
    const int64_t *tree_ids, *node_ids, *feature_ids, *true_ids, *false_ids; // (n_nodes)
    const int64_t *missing_true;                                             // (n_nodes) NaN goes to true; or NULL
    const uint8_t *modes;                                                    // (n_nodes) trees_mode
    const float *values;                                                     // (n_nodes)
    const double *values_f64;                                                // or NULL: the float ones
    const float *covers; // (n_nodes) weight of the training rows that came there; or NULL
    size_t n_weights;    // of leaves
    const int64_t *weight_trees, *weight_nodes, *weight_scores; // (n_weights)
    const float *weights;                                       // (n_weights)
    const double *weights_f64;                                  // or NULL
    size_t n_scores;                                            // classes or targets
    bool classify;                                              // then SUM
    trees_join join;
    trees_link link;
    size_t n_base;
    const float *base;      // (n_base)
    const double *base_f64; // or NULL
} trees_spec;

typedef struct trees trees; // immutable, so any thread

// Made in `a`, where it lives. With `wide` the float64 arrays are kept too, for trees_run_f64. ERR_INPUT names node and
// tree: an unknown child, a node reached twice, a score that is not there.
MUST_CHECK int trees_make(trees **out, const trees_spec *spec, bool wide, arena *a, err *e);

size_t trees_n_features(const trees *t); // rows must have at least that many
size_t trees_n_scores(const trees *t);

// Rows of x are `stride` floats apart. Writes the final scores (n_rows, n_scores), and for classifiers the index of
// each row's class (labels may be NULL). A row's results depend on that row alone.
void trees_run(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores, int32_t *labels);

// The slow twin: the same bytes, node by node as ONNX tells it.
void trees_run_plain(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores, int32_t *labels);

// float64 rows against float64 thresholds, sums in float64. scratch: (n_scores).
void trees_run_f64(const trees *t, const double *x, size_t n_rows, size_t stride, float *scores, int32_t *labels,
                   double *scratch);

#endif
