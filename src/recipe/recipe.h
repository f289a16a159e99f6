// The recipe row: a solution. How rows are read, what is tried, which metric decides. The stages know none by name.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_RECIPE_RECIPE_H
#define SLIPWAY_RECIPE_RECIPE_H

#include "data/frame.h"
#include "learn/family.h"
#include "prepare/prepare.h"

typedef struct recipe_row {
    const char *name;  // "tabular-classification"
    const char *about; // one line for a person
    task task;
    const char *driver;          // of the packages it makes
    const char *metric;          // that decides, by its name in evaluate/
    const char *const *families; // to try, the first is the default; NULL-terminated
    prepare_options prepare;     // the default preparation
    // Whether this recipe is meant for such data when nobody named one: more is better, 0 is no. target: column index.
    int (*fits)(const frame *f, int64_t target);
} recipe_row;

const recipe_row *recipe_find(const char *name); // NULL if unknown
const recipe_row *const *recipe_rows(size_t *n);
const recipe_row *recipe_for(const frame *f, int64_t target); // the best fit; NULL if the target suits none

#endif
