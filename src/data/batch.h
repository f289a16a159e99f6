// A batch: rows for a model, typed by its schema, column by column.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_BATCH_H
#define SLIPWAY_DATA_BATCH_H

#include "base/arena.h"
#include "data/frame.h"
#include "data/schema.h"
#include "data/value.h"

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

// Rows that say nothing, to try a model with: zeros, and "0" for texts.
MUST_CHECK int batch_blank(batch *out, const schema *s, size_t n_rows, arena *a, err *e);

// The rows (NULL: all of them, n_rows is ignored) of a frame whose columns have the schema's names; other columns are
// ignored, an absent one is ERR_INPUT. Texts are views into the frame. Values are converted the way requests are:
//   integer, real   any finite number that float32 can hold, and texts that CSV would read as one
//   boolean         booleans, the numbers 0 and 1, and texts that CSV would read as a boolean
//   datetime        dates, and texts that CSV would read as one
//   the others      texts; numbers, booleans and dates as column_text() writes them
// Anything else is ERR_INPUT naming column and row (e->at: the row of the frame, 1 is the first).
// A file for a model is best read with read_types_for(): "yes" stays "yes" where the model knows it as a category.
MUST_CHECK int batch_from_frame(batch *out, const schema *s, const frame *f, const uint32_t *rows, size_t n_rows,
                                arena *a, err *e);

// Rows first..first+n-1 as a batch of their own: a view. columns: (n_inputs), the caller's.
batch batch_part(const batch *b, size_t first, size_t n, batch_column *columns);

// One value from text by the input's type, the way CSV reads it; used where a string meets a number. Empty is missing.
// A text for a text is kept as a view. ERR_INPUT says what was expected; the value stays as it was.
MUST_CHECK int batch_parse(const batch *b, size_t input, size_t row, str text, err *e);

#endif
