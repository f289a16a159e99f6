// What the recipes for tables share.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_RECIPE_TABULAR_H
#define SLIPWAY_RECIPE_TABULAR_H

#include "recipe/recipe.h"

extern const recipe_row recipe_tabular_classification, recipe_tabular_regression;

// Whether the values name classes rather than measure something: categories and booleans do, and integers with at most
// CLASS_NUMBERS_MAX different values that come twice each on average.
enum { CLASS_NUMBERS_MAX = 20 };
bool values_are_classes(const column *c, size_t n_rows);

// Whether they are numbers to be predicted as such: reals, and the other integers.
bool values_are_measures(const column *c, size_t n_rows);

#endif
