// Preparation: column operations fitted on training rows, emitted as graph nodes. Training sees exactly what serving
// computes, because both run the same graph.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_PREPARE_PREPARE_H
#define SLIPWAY_PREPARE_PREPARE_H

#include "base/json.h"
#include "base/pool.h"
#include "data/batch.h"
#include "data/frame.h"
#include "graph/graph.h"

typedef enum impute_kind { IMPUTE_NONE, IMPUTE_MEAN, IMPUTE_MEDIAN, IMPUTE_MODE, IMPUTE_CONSTANT } impute_kind;
typedef enum scale_kind { SCALE_NONE, SCALE_STANDARD, SCALE_MINMAX } scale_kind;
typedef enum encode_kind { ENCODE_ONE_HOT, ENCODE_ORDINAL } encode_kind;

typedef struct prepare_options {
    size_t n_columns; // 0: every column that can be used (not identifiers, free text, constants)
    const char *const *columns;
    size_t n_dropped;
    const char *const *dropped;
    impute_kind impute_number; // for numbers, booleans and dates; before scaling, as pipelines elsewhere do it
    impute_kind impute_text;   // for categories; NONE: missing is a category of its own if training rows have it
    double constant_number;    // for IMPUTE_CONSTANT; of dates: milliseconds since 1970
    const char *constant_text;
    bool indicator;   // one more feature, 0 or 1, for each imputed column that has missing values in the training rows
    scale_kind scale; // numbers and dates; booleans and features made from categories are left alone
    int ddof;         // of the standard deviation: 0 or 1
    encode_kind encode;
    size_t one_hot_max; // categories of a column; one with more is encoded as ordinal
} prepare_options;

#define PREPARE_OPTIONS_FIELDS                                                                                    \
    {                                                                                                             \
        .impute_number = IMPUTE_MEDIAN, .impute_text = IMPUTE_NONE, .constant_text = "missing", .one_hot_max = 64 \
    }
#define PREPARE_OPTIONS_DEFAULT ((prepare_options)PREPARE_OPTIONS_FIELDS)

// Names as options and manifests have them: "median", "standard", "one-hot", ... find: 0, or ERR_NOT_FOUND.
const char *impute_name(impute_kind k);
const char *scale_name(scale_kind k);
const char *encode_name(encode_kind k);
MUST_CHECK int impute_find(const char *name, impute_kind *out);
MUST_CHECK int scale_find(const char *name, scale_kind *out);
MUST_CHECK int encode_find(const char *name, encode_kind *out);

// What becomes of a column: a number is imputed and scaled (a mode is the most frequent value, of equals the smallest;
// a column without spread is scaled by 1). A date counts from the earliest one in training, so that float32 keeps its
// seconds. A category in one-hot form is one feature a value of the training rows, all 0 for an unknown one; in ordinal
// form its place 0..k-1 among them, sorted by bytes, -1 for an unknown one.
const char *prepare_options_fault(const prepare_options *o); // NULL, or why they make no sense together
MUST_CHECK int prepare_options_to_json(const prepare_options *o, json_t **out, err *e);

// Why a column is no feature although nobody dropped it.
typedef enum left_out_reason { LEFT_OUT_IDENTIFIER, LEFT_OUT_TEXT, LEFT_OUT_CONSTANT, LEFT_OUT_EMPTY } left_out_reason;
const char *left_out_text(left_out_reason r); // "identifier", "free text", "one value only", "no values"

typedef struct left_out {
    size_t column; // index in the frame
    left_out_reason reason;
} left_out;

// The columns that a preparation uses, ascending. Arrays are owned.
typedef struct column_choice {
    size_t n_columns, n_left_out;
    size_t *columns;
    left_out *left_out;
} column_choice;

// target: column index in the frame, never chosen; or -1. rows: those that decide what is constant. Errors as for
// preparation_fit(). On failure *out is untouched.
MUST_CHECK int column_choice_make(column_choice *out, const frame *f, int64_t target, const uint32_t *rows,
                                  size_t n_rows, const prepare_options *o, err *e);
void column_choice_clear(column_choice *c); // a zeroed one is fine

typedef enum feature_kind { FEATURE_NUMBER, FEATURE_CATEGORY } feature_kind;

typedef struct feature {
    char *name;   // "age", "sex=female", "age is missing"
    size_t input; // the schema input it comes from
    feature_kind kind;
    size_t n_categories; // of a FEATURE_CATEGORY: values are 0..n_categories-1, unknown is -1
} feature;

typedef struct preparation preparation; // immutable once fitted, so any thread

// target: column index in the frame, never a feature; or -1. rows: the training rows, borrowed for the call. Statistics
// come from these rows alone. Unknown column names are ERR_NOT_FOUND with the nearest name; a named column that cannot
// be used (free text, no values in the training rows, values that float32 does not hold) and none to use are ERR_INPUT.
MUST_CHECK int preparation_fit(preparation **out, const frame *f, int64_t target, const uint32_t *rows, size_t n_rows,
                               const prepare_options *o, pool *workers, err *e);
void preparation_free(preparation *p); // NULL is fine

// A schema with the inputs filled and a zero target; owned by the preparation.
const schema *preparation_schema(const preparation *p);
const feature *preparation_features(const preparation *p, size_t *n);
const left_out *preparation_left_out(const preparation *p, size_t *n);

// Adds inputs and nodes to a graph (engine/row_program.h lists them); *features is the float32 (N, n_features) matrix.
// May be called for many graphs.
MUST_CHECK int preparation_emit(const preparation *p, graph *g, value_id *features, err *e);

// The matrix of a frame's rows, column-major (n_features, n_rows): computed by running the emitted graph.
MUST_CHECK int preparation_apply(const preparation *p, const frame *f, const uint32_t *rows, size_t n_rows, float *out,
                                 pool *workers, err *e);

// Rows of `rows` without a missing value in the columns (NULL, 0: all columns): "drop rows with missing values".
// Writes the kept ones to out (room for n_rows) and returns how many.
size_t rows_complete(const frame *f, const size_t *columns, size_t n_columns, const uint32_t *rows, size_t n_rows,
                     uint32_t *out);

#endif
