// A batch: rows for a model, typed by its schema, column by column.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_BATCH_H
#define SLIPWAY_DATA_BATCH_H

#include "base/arena.h"
#include "data/frame.h"
#include "data/schema.h"

// Exactly one array is set, by column_wire() of the input's type; missing as the schema says.
typedef struct batch_column {
    float *f32;
    int64_t *i64;
    str *strings;
} batch_column;

// One thread at a time. Arrays live in the arena that made them (a request's, or a call's).
typedef struct batch {
    const schema *schema; // borrowed
    size_t n_rows;
    batch_column *columns; // schema->n_inputs
} batch;

// Room for n_rows, every value missing.
MUST_CHECK int batch_new(batch *out, const schema *s, size_t n_rows, arena *a, err *e);

// The rows (NULL: all) of a frame whose columns have the schema's names; other columns are ignored, an absent one is
// ERR_INPUT. Values are converted the way requests are: a column of another type is ERR_INPUT naming column and row.
MUST_CHECK int batch_from_frame(batch *out, const schema *s, const frame *f, const uint32_t *rows, size_t n_rows,
                                arena *a, err *e);

// One value from text by the input's type, the way CSV reads it; used where a string meets a number. Empty is missing.
MUST_CHECK int batch_parse(const batch *b, size_t input, size_t row, str text, err *e);

// Numbers and dates as CSV and JSON have them. Return 0, or ERR_INPUT.
MUST_CHECK int parse_f64(str text, double *out);
MUST_CHECK int parse_i64(str text, int64_t *out);
MUST_CHECK int parse_datetime(str text, int64_t *utc_ms); // ISO 8601 (T or space, Z or offset), and dates alone
MUST_CHECK int parse_boolean(str text, int64_t *out);     // true false yes no t f y n, any case

#endif
