// The schema: what a model wants to be given and what it answers. Part of every manifest.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_SCHEMA_H
#define SLIPWAY_DATA_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/nearest.h" // for "did you mean"
#include "base/str.h"

typedef enum column_type {
    COLUMN_INTEGER,
    COLUMN_REAL,
    COLUMN_BOOLEAN,
    COLUMN_CATEGORY,
    COLUMN_DATETIME,   // milliseconds since 1970-01-01T00:00:00Z
    COLUMN_TEXT,       // free text: many words, seldom twice the same
    COLUMN_IDENTIFIER, // a name of the row: nearly every value once
    COLUMN_TYPES_N,
} column_type;

const char *column_type_name(column_type t);              // "integer", "real", ...
int column_type_find(const char *name, column_type *out); // 0, or ERR_NOT_FOUND

// How values of a type travel to a graph. Numbers are float32 (integers and booleans too: features are rounded to
// float32 anyway, and people send 30.5 for an age that was always whole in training); dates are int64; the rest text.
typedef enum wire { WIRE_F32, WIRE_I64, WIRE_STRING } wire;
wire column_wire(column_type t);

// Missing values on the wire: NaN for f32, WIRE_I64_MISSING, and the empty string. The manifest names them.
#define WIRE_I64_MISSING INT64_MIN

typedef enum task { TASK_CLASSIFICATION, TASK_REGRESSION, TASKS_N } task; // two or more classes; one value
const char *task_name(task t);
int task_find(const char *name, task *out);

enum { QUANTILES_N = 11 }; // 0, 10, ... 100 per cent

// One input column. Texts and arrays are owned by the schema.
typedef struct schema_input {
    char *name;
    column_type type;
    bool missing_ok;     // the model has an answer for a missing value (imputed, or its trees know the way)
    double missing_rate; // in the training rows: the reference for drift, like what follows
    // Numbers and dates (over the training rows; NaN if there were none):
    double min, max, mean, quantiles[QUANTILES_N];
    // Categories, booleans excepted: sorted by bytes, with their counts in the training rows.
    size_t n_categories;
    char **categories;
    uint64_t *counts;
    // Where it goes: the graph input's name, and the column within it (0 for the usual (N, 1) input).
    char *tensor;
    size_t slot;
} schema_input;

typedef struct schema_target {
    char *name;
    task task;
    column_type type;
    // Classification: class names in the order of the scores. A boolean target has "false", "true".
    size_t n_classes;
    char **classes;
    uint64_t *counts;
    // Regression: of the training rows.
    double min, max, mean;
} schema_target;

typedef struct schema { // immutable once made, so any thread may read
    size_t n_inputs;
    schema_input *inputs;
    schema_target target;
} schema;

void schema_clear(schema *s); // gives back what it owns; a zeroed schema is fine

MUST_CHECK int schema_to_json(const schema *s, json_t **out, err *e);  // *out owned by the caller
MUST_CHECK int schema_from_json(schema *out, const json_t *j, err *e); // every field checked; limits: 65,536 inputs
// The input of that name, or -1. Linear below 16 inputs, hashed above is the caller's business (serve/decode).
int64_t schema_find(const schema *s, str name);

#endif
