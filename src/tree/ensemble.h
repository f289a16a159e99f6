// The ensemble: many trees whose leaf values are added up, and its emission as an ai.onnx.ml tree ensemble.
//
// The grid. Leaf values are whole multiples of one power of two, the unit, and the absolute values that can meet in a
// sum are at most 2^24 units together. Then every partial sum, in any order and on any number of threads, is exact in
// float32, and every runtime's raw score is bit-equal to ours. There are no base values: they would have to lie on the
// grid too, and win nothing.
//   Classification: the unit is 2^-24. Tree t owns floor((t+1) 2^24 / T) - floor(t 2^24 / T) units; each of its leaves
//     deals them out over its classes by their weights, by largest remainder (ties to the lower class). So the scores
//     of a row add up to exactly 1. A score is off from the mean of the leaves' exact shares by less than 2 T 2^-24:
//     one unit a tree for its share, one for the remainder (T = 100: 1.2e-5 at worst, about 1e-6 as a rule).
//   Regression: a leaf holds (mean of its rows) / T, rounded to the unit, which is the least power of two for which the
//     largest absolute leaf values of all trees add up to at most 2^24 units. That sum is about M, the largest absolute
//     mean of a leaf, so the unit is at most 2^-23 M, and a score is off by at most half a unit a tree, T 2^-24 M (T =
//     100: 6e-6 M at worst, about 3e-7 M as a rule).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TREE_ENSEMBLE_H
#define SLIPWAY_TREE_ENSEMBLE_H

#include "data/schema.h"
#include "graph/graph.h"
#include "tree/grow.h"

enum { ENSEMBLE_UNITS = 1 << 24, ENSEMBLE_TREES_MAX = 10000 };

typedef struct ensemble { // immutable once made, so any thread
    size_t n_features, n_outputs, n_trees, n_nodes, n_values;
    bool missing_tracked; // else what is missing goes right everywhere, as x <= t is false
    uint32_t *roots;      // (n_trees + 1) first node of each tree, then n_nodes
    // (n_nodes) in preorder: the left child of a branch follows it.
    int32_t *features;      // -1: a leaf
    float *thresholds;      // x <= threshold goes left; infinity: all but what is missing
    uint32_t *rights;       // right child, counted from the tree's root
    float *covers;          // weight of the training rows that came here
    uint8_t *missing_left;  // 0 or 1
    uint32_t *value_starts; // (n_nodes + 1) into the arrays below; empty for branches
    // (n_values) what leaves add to which output. Two classes: both in every leaf. More: those that are not 0, and each
    // class at least once in the ensemble.
    uint32_t *value_outputs;
    float *values;
} ensemble;

// From grown trees, borrowed for the call; n_trees of 1..ENSEMBLE_TREES_MAX.
MUST_CHECK int ensemble_classifier(ensemble *out, const tree *trees, size_t n_trees, size_t n_features,
                                   size_t n_classes, bool missing_tracked, err *e);
// A leaf's value is offset + sum / weight * scale.
MUST_CHECK int ensemble_regressor(ensemble *out, const tree *trees, size_t n_trees, size_t n_features, double offset,
                                  double scale, bool missing_tracked, err *e);
void ensemble_clear(ensemble *m); // a zeroed one is fine

// The plain evaluation, the twin of every faster one. row: n_features; scores: n_outputs.
void ensemble_scores(const ensemble *m, const float *row, float *scores);

// Adds a TreeEnsembleClassifier (label (N), scores (N, n_outputs)) or TreeEnsembleRegressor (scores (N, 1); *label is
// VALUE_NONE) over features (N, n_features). Labels are strings; int64 where the target is of integers.
MUST_CHECK int ensemble_emit(const ensemble *m, graph *g, value_id features, const schema_target *target,
                             value_id *label, value_id *scores, err *e);

// Bytes of an ensemble, and those that its emission takes (in the graph and besides), at most.
size_t ensemble_memory(size_t n_nodes, size_t n_values);
size_t ensemble_emit_memory(size_t n_nodes, size_t n_values);

#endif
