// The table of recipes.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "recipe/tabular.h"

static const recipe_row *const rows[] = {&recipe_tabular_classification, &recipe_tabular_regression};

const recipe_row *recipe_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

const recipe_row *const *recipe_rows(size_t *n)
{
    *n = sizeof rows / sizeof *rows;
    return rows;
}

const recipe_row *recipe_for(const frame *f, int64_t target)
{
    const recipe_row *best = NULL;
    int best_fit = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fit = rows[i]->fits(f, target);
        if (fit <= best_fit) continue;
        best = rows[i];
        best_fit = fit;
    }
    return best;
}
