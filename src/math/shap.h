// Exact Shapley values of tree ensembles (TreeSHAP, path dependent): what each feature adds to a score of a row.
//
// The game is that of Lundberg, Erion and Lee (2018), "Consistent individualized feature attribution for tree
// ensembles", algorithm 1: a feature that is known sends the row down its own branch, one that is not known down both,
// by the shares of training rows that went there. On the way to a leaf of value v, where d different features are
// asked, feature k contributes the factor o_k (1 if the row would pass, else 0) if it is known, and z_k (the product of
// its shares) if it is not. The Shapley weights s! (d - s - 1)! / d! are the Beta integrals of t^s (1 - t)^(d - s - 1)
// over 0..1, so that the value of feature j at that leaf is
//     v * integral of (o_j - z_j) * product over k != j of (o_k t + z_k (1 - t)) dt,
// a polynomial of degree d - 1, which Gauss and Legendre's rule with d / 2 points integrates exactly. All factors lie
// in 0..1 and all weights are positive: nothing cancels. The products are carried down the tree at those points and
// their sums carried up, where each edge gives its part, as in Yu, Xu, Hu and Du (2022), "Linear TreeSHAP", who
// interpolate polynomials instead: O(nodes * depth) a row, not O(nodes * depth^2).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MATH_SHAP_H
#define SLIPWAY_MATH_SHAP_H

#include "math/trees.h"

// How an answered score follows from the sum of leaves that is explained.
typedef struct shap_output {
    size_t score;        // of the trees
    double sign, offset; // explained = offset + sign * sum of the leaves
    bool margin;         // the answer is the link of what is explained; else it is that itself
    trees_link link;     // where it is a margin
} shap_output;

// Whether the trees can be explained, and how score `k` (a class, or a target) of their answer. ERR_UNSUPPORTED says
// why not: the least or largest of trees is no sum; the nodes do not say how many training rows reached them.
MUST_CHECK int shap_find_output(shap_output *out, const trees *t, size_t k, err *e);

// Steps that a row takes, and that a call takes before its first row, in nanoseconds of an ordinary processor: for
// those who decide where to run it.
double shap_row_ns(const trees *t);
double shap_call_ns(const trees *t);

// Features are explained in groups, whose values are the sums of their features'.
typedef struct shap_groups {
    const uint32_t *of; // (n_features of the rows) the group of each
    size_t n;
} shap_groups;

// outputs: (n_rows) of each row, all of the same score. values: (n_rows, groups->n) of sign * contribution. base:
// (n_rows) what is expected without knowing anything. explained: (n_rows) offset + sign * the sum of the row's leaves,
// added in float64; base + values add up to it, or the call fails with ERR_INTERNAL. NaN goes where the trees send it.
// A row's results depend on that row alone, to the bit, and not on the CPU level. scratch is given back.
MUST_CHECK int shap_run(const trees *t, const shap_output *outputs, const shap_groups *groups, const float *x,
                        size_t n_rows, size_t stride, double *base, double *values, double *explained, arena *scratch,
                        err *e);

// The slow twin: the same to about 1e-12 of the largest sum, by the definition over all sets of features; at most 20
// different ones may be asked.
MUST_CHECK int shap_run_plain(const trees *t, const shap_output *outputs, const shap_groups *groups, const float *x,
                              size_t n_rows, size_t stride, double *base, double *values, double *explained,
                              arena *scratch, err *e);

#endif
