// The layout of tree ensembles, which trees_make.c writes and trees.c scores with.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MATH_TREES_IMPL_H
#define SLIPWAY_MATH_TREES_IMPL_H

#include "math/trees.h"

enum { MIXED = 1 << 15 };     // in narrow.feature
#define MIXED_WIDE (1u << 31) // in wide.feature

typedef struct narrow { // 8 bytes
    float value;        // NaN in leaves, so that no comparison holds
    uint16_t feature;   // and MIXED: NaN goes where `<=` goes
    uint16_t child;     // how far the first child is; 0 in leaves
} narrow;

typedef struct wide { // where a narrow one has no room
    float value;
    uint32_t feature, child;
} wide;

typedef struct shallow shallow; // of trees_shallow.c

struct trees {
    size_t n_nodes, n_trees, n_features, n_scores;
    // As ONNX tells it, in our numbering; (n_nodes)
    uint8_t *modes, *missing_true;
    uint32_t *features, *yes, *no;
    float *values;
    double *values_f64; // NULL unless wide
    float *covers;      // NULL: not known, or no sums of their children's
    uint32_t *roots;    // (n_trees)
    // Weights of node i: weight_from[i] up to weight_from[i + 1], in the order of the list.
    uint32_t *weight_from, *weight_scores;
    float *weights;
    double *weights_f64;
    // Flattened; one of the two, or none where a comparison is none of `<=`.
    narrow *narrow_nodes;
    wide *wide_nodes;
    bool mixed;
    uint32_t *depths; // (n_trees)
    // Every leaf has weights for the same scores in the same order, so that they are a matrix (leaves, n_uniform).
    size_t n_uniform;                     // 0: not so
    uint32_t *uniform_scores, *leaf_rows; // (n_uniform); (n_nodes) the row of a leaf
    float *leaf_weights;
    shallow *shallow; // NULL: the trees are too deep or too uneven for it, or the processor is
    // The end
    bool classify, one_class_id, all_positive;
    trees_join join;
    trees_link link;
    size_t n_base;
    float *base;
    double *base_f64;
};

// Where it fits the trees and the processor, t->shallow. Needs the flattened nodes.
MUST_CHECK int shallow_make(trees *t, arena *a, err *e);
// Adds the weights of each row's leaves to its score, in the order of the trees: the same bytes as walking.
void shallow_run(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores);

// Without the sign of zero: scores start at -0, which nothing but the absence of weights leaves there.
static inline float plus_zero(float w)
{
    return w + 0.0f;
}

#endif
