// The options of the forest, and its row.
// SPDX-License-Identifier: Apache-2.0
#include "learn/forest/forest_impl.h"

static const char *const criteria[] = {
    [FOREST_AUTO_CRITERION] = "auto",
    [FOREST_GINI] = "gini",
    [FOREST_ENTROPY] = "entropy",
    [FOREST_LOG_LOSS] = "log_loss",
    [FOREST_SQUARED_ERROR] = "squared_error",
    [FOREST_CRITERIA_N] = NULL,
};

static const char *const features[] = {
    [FOREST_AUTO_FEATURES] = "auto", [FOREST_SQRT] = "sqrt",     [FOREST_LOG2] = "log2", [FOREST_ALL] = "all",
    [FOREST_SHARE] = "share",        [FOREST_FEATURES_N] = NULL,
};

static const char *const class_weights[] = {
    [FOREST_WEIGHTS_NONE] = "none",
    [FOREST_WEIGHTS_BALANCED] = "balanced",
    [FOREST_WEIGHTS_N] = NULL,
};

#define AT(field) .offset = offsetof(forest_options, field)

static const option_row options[] = {
    {"n_trees", OPTION_INTEGER, AT(n_trees), 1, ENSEMBLE_TREES_MAX, 100, NULL, "Trees in the forest"},
    {"depth_max", OPTION_INTEGER, AT(depth_max), 0, INT32_MAX, 0, NULL, "Levels of splits in a tree; 0: no limit"},
    {"leaves_max", OPTION_INTEGER, AT(leaves_max), 0, INT32_MAX, 0, NULL,
     "Leaves of a tree, the best splits first; 0: no limit"},
    {"split_rows_min", OPTION_INTEGER, AT(split_rows_min), 2, INT32_MAX, 2, NULL, "Rows that a node needs to be split"},
    {"leaf_rows_min", OPTION_INTEGER, AT(leaf_rows_min), 1, INT32_MAX, 1, NULL, "Rows that each leaf keeps"},
    {"leaf_weight_share", OPTION_REAL, AT(leaf_weight_share), 0, 0.5, 0, NULL,
     "Share of the weight of all rows that each leaf keeps"},
    {"impurity_decrease_min", OPTION_REAL, AT(impurity_decrease_min), 0, 1e300, 0, NULL,
     "How much a split must win to be made"},
    {"criterion", OPTION_CHOICE, AT(criterion), 0, 0, FOREST_AUTO_CRITERION, criteria,
     "What makes a split good; auto: gini, or squared_error for regression"},
    {"features_max", OPTION_CHOICE, AT(features_max), 0, 0, FOREST_AUTO_FEATURES, features,
     "Features shown to each split; auto: sqrt, or all for regression"},
    {"features_share", OPTION_REAL, AT(features_share), 1e-9, 1, 1, NULL,
     "Share of the features shown to each split, with features_max=share"},
    {"bootstrap", OPTION_BOOLEAN, AT(bootstrap), 0, 1, 1, NULL, "Draw each tree's rows with replacement"},
    {"rows_share", OPTION_REAL, AT(rows_share), 1e-9, 1, 1, NULL, "Share of the rows that each tree draws"},
    {"class_weights", OPTION_CHOICE, AT(class_weights), 0, 0, FOREST_WEIGHTS_NONE, class_weights,
     "balanced: rare classes weigh as much as frequent ones"},
};

static const char *options_fault(const void *given)
{
    const forest_options *o = given;
    if (o->leaves_max == 1) return "leaves_max is 1: it must be 0 (no limit) or at least 2";
    if (!o->bootstrap && o->rows_share < 1) return "rows_share is below 1 without bootstrap";
    if (o->features_max != FOREST_SHARE && o->features_share < 1)
        return "features_share is used with features_max=share";
    return NULL;
}

const family_row forest_family = {
    .name = "forest",
    .about = "Random forest: many trees on random rows and features, averaged",
    .tasks = 1u << TASK_CLASSIFICATION | 1u << TASK_REGRESSION,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(forest_options),
    .takes_missing = true,
    .takes_categories = false,
    .options_fault = options_fault,
    .memory_estimate = forest_memory_estimate,
    .fit = forest_fit,
};
