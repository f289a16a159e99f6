// The random forest (Breiman, 2001): trees on bootstrapped rows, each split chosen among a few random features; leaves
// hold class shares or means, and trees are averaged. Splits are exact, and equal to scikit-learn's in kind.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_LEARN_FOREST_H
#define SLIPWAY_LEARN_FOREST_H

#include "learn/family.h"
#include "tree/ensemble.h"

typedef enum forest_criterion {
    FOREST_AUTO_CRITERION, // gini, or squared error
    FOREST_GINI,
    FOREST_ENTROPY,
    FOREST_LOG_LOSS, // another name of entropy
    FOREST_SQUARED_ERROR,
    FOREST_CRITERIA_N,
} forest_criterion;

typedef enum forest_features { // of n features, at least one:
    FOREST_AUTO_FEATURES,      // sqrt for classification, all for regression
    FOREST_SQRT,
    FOREST_LOG2,
    FOREST_ALL,
    FOREST_SHARE, // features_share of them
    FOREST_FEATURES_N,
} forest_features;

typedef enum forest_class_weights {
    FOREST_WEIGHTS_NONE,
    FOREST_WEIGHTS_BALANCED, // rows of a class weigh n_rows / (n_classes * rows of the class)
    FOREST_WEIGHTS_N,
} forest_class_weights;

typedef struct forest_options {
    int64_t n_trees;
    int64_t depth_max;      // 0: no limit
    int64_t leaves_max;     // of a tree; 0: no limit; else the best splits come first
    int64_t split_rows_min; // a node of fewer rows is a leaf
    int64_t leaf_rows_min;
    double leaf_weight_share; // of the weight of all rows, at least, in each leaf
    double impurity_decrease_min;
    int criterion;    // forest_criterion
    int features_max; // forest_features: shown to each split; more while they are constant in the node
    double features_share;
    bool bootstrap;    // draw rows with replacement, by their weights; else every tree sees all rows with their weights
    double rows_share; // of the rows, how many are drawn
    int class_weights; // forest_class_weights
} forest_options;

extern const family_row forest_family;

enum { FOREST_ROWS_MAX = 1 << 30 };

// What forest_family.fit() adds to a graph, before it is added. *out is owned by the caller: ensemble_clear().
//
// Missing values: a split learns the side they go to, where the node has any; else they follow the larger side. If no
// value was missing in training, a missing one goes right everywhere.
// Without the bootstrap, row weights are rounded to whole numbers that add up to 2^31, and none is rounded to 0:
// weights are off by n_rows / 2^32 of the mean weight. With it, weights are chances of being drawn (as in
// scikit-learn 1.9), exact to n_rows / 2^53 of the mean. Regression adds targets in fixed point, to at least 30 bits of
// their range (46 bits for 65,000 rows). ERR_INPUT: no rows or features, one class only, a weight or value that is not
// finite, an option for the other task.
MUST_CHECK int forest_grow(ensemble *out, const family_data *d, const forest_options *o, uint64_t seed, pool *p,
                           const family_progress *progress, err *e);

#endif
