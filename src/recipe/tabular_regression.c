// A number from the columns of a table: a price, a demand, the progress of a disease.
// SPDX-License-Identifier: Apache-2.0
#include "recipe/tabular.h"

static int fits(const frame *f, int64_t target)
{
    return target >= 0 && values_are_measures(frame_column(f, (size_t)target), frame_n_rows(f));
}

static const char *const families[] = {"forest", NULL};

const recipe_row recipe_tabular_regression = {
    .name = "tabular-regression",
    .about = "predicts a number for a row",
    .task = TASK_REGRESSION,
    .driver = "once",
    .metric = "rmse",
    .families = families,
    .prepare = PREPARE_OPTIONS_FIELDS,
    .fits = fits,
};
