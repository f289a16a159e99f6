// A schema with an input of every type, for the tests of request bodies.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_SCHEMA_OF_ALL_H
#define SLIPWAY_TESTS_SCHEMA_OF_ALL_H

#include "data/schema.h"

enum { AGE, FARE, ALONE, SEX, BORN, NOTE, TICKET, ODD, INPUTS_OF_ALL_N };

static char *sexes[] = {(char *)"female", (char *)"male"};
static uint64_t sex_counts[] = {3, 5};
static char *classes[] = {(char *)"0", (char *)"1"};

static schema_input inputs_of_all[INPUTS_OF_ALL_N] = {
    [AGE] = {.name = (char *)"age", .type = COLUMN_INTEGER, .missing_ok = true, .quantiles = {[5] = 28}},
    [FARE] = {.name = (char *)"fare", .type = COLUMN_REAL, .quantiles = {[5] = 14.5}},
    [ALONE] = {.name = (char *)"alone", .type = COLUMN_BOOLEAN, .missing_ok = true},
    [SEX] =
        {.name = (char *)"sex", .type = COLUMN_CATEGORY, .n_categories = 2, .categories = sexes, .counts = sex_counts},
    [BORN] = {.name = (char *)"born", .type = COLUMN_DATETIME, .missing_ok = true, .quantiles = {[5] = 86400000}},
    [NOTE] = {.name = (char *)"note", .type = COLUMN_TEXT, .missing_ok = true},
    [TICKET] = {.name = (char *)"ticket", .type = COLUMN_IDENTIFIER, .missing_ok = true},
    [ODD] = {.name = (char *)"a\"/~\\b", .type = COLUMN_REAL, .missing_ok = true},
};

static const schema schema_of_all = {
    .n_inputs = INPUTS_OF_ALL_N,
    .inputs = inputs_of_all,
    .target = {.name = (char *)"survived",
               .task = TASK_CLASSIFICATION,
               .type = COLUMN_INTEGER,
               .n_classes = 2,
               .classes = classes},
};

#endif
