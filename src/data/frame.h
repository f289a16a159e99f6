// The frame: typed columns in memory, missing values kept as missing.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_FRAME_H
#define SLIPWAY_DATA_FRAME_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/schema.h"

typedef enum storage { STORAGE_F64, STORAGE_I64, STORAGE_STRING } storage;

#define FRAME_I64_MISSING INT64_MIN // integers, booleans (0, 1), dates
#define FRAME_CODE_MISSING (-1)     // texts; reals use NaN

// A view of one column, valid as long as its frame. n_rows values in exactly one of the arrays.
typedef struct column {
    const char *name; // NUL-terminated UTF-8
    column_type type;
    storage
        storage; // reals: F64; integers, booleans, dates: I64; categories, texts: STRING; identifiers: I64 or STRING
    const double *f64;
    const int64_t *i64;
    const int32_t *codes; // into strings
    const str *strings; // categories: distinct, sorted by bytes; texts, identifiers: the values there are, in row order
    size_t n_strings;
    size_t n_missing;
} column;

#define FRAME_ROWS_MAX ((size_t)INT32_MAX - 1) // so that rows and codes fit 32 bits

typedef struct frame frame; // immutable once made, so any thread may read

size_t frame_n_rows(const frame *f);
size_t frame_n_columns(const frame *f);
const column *frame_column(const frame *f, size_t index);
int64_t frame_find(const frame *f, const char *name); // -1 if there is none
// The same where the column has to be there: ERR_NOT_FOUND says 'no column "NAME"' and the nearest name. why: what it
// was wanted for, as the message goes on (" to predict"), or "".
MUST_CHECK int frame_require(const frame *f, const char *name, const char *why, size_t *out, err *e);
void frame_free(frame *f); // NULL is fine

static inline bool column_missing(const column *c, size_t row)
{
    switch (c->storage) {
    case STORAGE_F64: return isnan(c->f64[row]);
    case STORAGE_I64: return c->i64[row] == FRAME_I64_MISSING;
    default: return c->codes[row] < 0;
    }
}

// A column's value as text, the way it is written to CSV and compared with class names ("3", "0.5", "true",
// "2026-01-31T12:00:00Z"); empty if missing. `text` holds at least COLUMN_TEXT_SIZE bytes for numbers; strings are
// views.
enum { COLUMN_TEXT_SIZE = 64 };
str column_text(const column *c, size_t row, char text[COLUMN_TEXT_SIZE]);

// Builds a frame by hand: for tests, readers and drivers. Borrows nothing; values are copied. One thread at a time.
// Types must fit the storage (ERR_INPUT): f64 reals, i64 integers, booleans, dates, identifiers, strings the rest.
typedef struct frame_builder frame_builder;
MUST_CHECK int frame_builder_new(frame_builder **out, size_t n_rows, err *e);
void frame_builder_free(frame_builder *b); // NULL is fine
MUST_CHECK int frame_builder_add_f64(frame_builder *b, const char *name, column_type t, const double *values, err *e);
MUST_CHECK int frame_builder_add_i64(frame_builder *b, const char *name, column_type t, const int64_t *values, err *e);
MUST_CHECK int frame_builder_add_strings(frame_builder *b, const char *name, column_type t, const str *values,
                                         err *e);                         // empty: missing
MUST_CHECK int frame_builder_take(frame_builder *b, frame **out, err *e); // the builder is empty afterwards

// A hash of names, types and values, independent of how the file wrote them: the data fingerprint of a manifest.
void frame_fingerprint(const frame *f, char hex[65]);

#endif
