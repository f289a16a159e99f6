// A schema with three columns that are one tensor, and one beside them.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_SCHEMA_ALIKE_H
#define SLIPWAY_TESTS_SCHEMA_ALIKE_H

#include "data/schema.h"

static schema_input alike_inputs[] = {
    {.name = (char *)"X[0]", .type = COLUMN_REAL, .tensor = (char *)"X", .slot = 0},
    {.name = (char *)"X[1]", .type = COLUMN_REAL, .tensor = (char *)"X", .slot = 1, .missing_ok = true},
    {.name = (char *)"X[2]", .type = COLUMN_REAL, .tensor = (char *)"X", .slot = 2},
    {.name = (char *)"note", .type = COLUMN_TEXT, .tensor = (char *)"note", .missing_ok = true},
};
static const schema schema_alike = {
    .n_inputs = 4,
    .inputs = alike_inputs,
    .target = {.name = (char *)"y", .task = TASK_REGRESSION, .type = COLUMN_REAL},
};

#endif
