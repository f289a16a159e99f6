// Classes from the columns of a table: churn, survival, the kind of a flower.
// SPDX-License-Identifier: Apache-2.0
#include "recipe/tabular.h"

static int fits(const frame *f, int64_t target)
{
    return target >= 0 && values_are_classes(frame_column(f, (size_t)target), frame_n_rows(f));
}

static const char *const families[] = {"forest", NULL};

const recipe_row recipe_tabular_classification = {
    .name = "tabular-classification",
    .about = "tells which of two or more classes a row belongs to",
    .task = TASK_CLASSIFICATION,
    .driver = "once",
    .metric = "accuracy",
    .families = families,
    .prepare = PREPARE_OPTIONS_FIELDS,
    .fits = fits,
};
