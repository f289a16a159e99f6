// The search for the best split of a node: every threshold of the features that it is shown, exactly.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TREE_SEARCH_H
#define SLIPWAY_TREE_SEARCH_H

#include "base/err.h"
#include "tree/ranks.h"

typedef enum tree_criterion {
    CRITERION_GINI,
    CRITERION_ENTROPY,
    CRITERION_SQUARED, // regression
    CRITERIA_N,
} tree_criterion;

// A training row inside a node. All sums over items are sums of integers, so that they do not depend on the order:
// weights add up to less than 2^32 over a tree, and |weight * target| to less than 2^62.
typedef struct tree_item {
    uint32_t row, weight; // weight > 0
    int64_t target;       // class, or value in fixed point
} tree_item;

// What is summed over a node, or over one side of a split.
typedef struct tree_side {
    uint64_t rows, weight;
    uint64_t squares; // gini: of class weights
    int64_t sum;      // squared: of weight * target; entropy: of w log2 w over class weights w, in units of 2^-24
} tree_side;

typedef struct tree_split {
    int64_t feature; // -1: there is none
    uint32_t cut;    // codes up to this one go left
    float threshold; // infinity: only what is missing goes right
    bool missing_left;
    double score; // of both sides together, see search_score()
} tree_split;

// How a feature's codes are brought into order. Both ways see the same candidates in the same order.
typedef enum search_way { SEARCH_AUTO, SEARCH_COUNT, SEARCH_SORT } search_way;

typedef struct search search; // scratch and settings of one worker; one thread at a time

typedef struct search_options {
    const ranks *ranks; // borrowed until search_free()
    tree_criterion criterion;
    size_t n_classes;         // 0 for CRITERION_SQUARED
    uint64_t leaf_rows_min;   // on each side
    uint64_t leaf_weight_min; // on each side
    size_t items_max;         // of a node
    uint64_t weight_max;      // of a node
    search_way way;           // AUTO, except in tests
} search_options;

MUST_CHECK int search_new(search **out, const search_options *o, err *e);
void search_free(search *s);                   // NULL is fine
size_t search_memory(const search_options *o); // bytes of one, at most; o->ranks may be NULL

// Sums up a node, and keeps its class weights for search_feature() until search_leave().
tree_side search_enter(search *s, const tree_item *items, size_t n);
void search_leave(search *s, const tree_item *items, size_t n);
const uint32_t *search_class_weights(const search *s); // (n_classes) of the node that was entered

// How even a side is: more is better, and splitting never makes the sum less (but for rounding). Times 1 / weight it is
// minus the impurity, up to a constant: gini: sum of w^2 / W; entropy: sum of w log2(w / W); squared: S^2 / W.
double search_score(const search *s, const tree_side *of);

// Improves *best by the splits of one feature. Returns false if the feature is constant in the node (missing counts as
// a value). Ties keep the earlier split. A missing value is tried on both sides; where none is in the node, later ones
// go with the side of more rows.
bool search_feature(search *s, const tree_item *items, size_t n, const tree_side *node, size_t feature,
                    tree_split *best);

#endif
