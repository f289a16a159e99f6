// Row program: a graph of column preparation and trees compiled into one pass over rows, without tensors between.
// Its slow twin is the plain graph (plan.h); both give the same bytes.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_ROW_PROGRAM_H
#define SLIPWAY_ENGINE_ROW_PROGRAM_H

#include "base/arena.h"
#include "base/err.h"
#include "graph/graph.h"
#include "math/shap.h"

typedef struct row_program row_program; // immutable, so any thread

// ERR_UNSUPPORTED (no fault: the caller uses the plan instead) if the graph holds anything but columns of (N, k) inputs
// through Cast, Imputer, Scaler, LabelEncoder, OneHotEncoder, Concat, Reshape and the like into one tree ensemble, or
// into a float matrix as its only output. Borrows the graph until row_program_free().
//
// What preparation_emit() writes, all of it to be compiled (each part only where it is needed; ONNX names):
//   numbers   float (N, 1) inputs, or one float (N, k) input "features_in"
//   dates     int64 (N, 1) inputs -> Concat axis 1 (absent for one date) -> Equal(missing, scalar) = gone;
//             Where(gone, origins (1, d), dates) -> Sub(origins) -> Cast(float) -> Where(gone, NaN scalar, .)
//   both      Concat axis 1 of all numbers, then dates (absent for a single part) = raw;
//             raw -> Imputer(k values, replaced NaN) -> Scaler(k offsets, k scales); either may be absent
//   marks     raw -> Gather(axis 1, indices) -> IsNaN -> Cast(float)
//   texts     string (N, 1) -> OneHotEncoder(cats_strings, zeros 1) -> Flatten(axis 1)
//             string -> LabelEncoder(keys_strings, values_int64s, default -1) -> OneHotEncoder(cats_int64s) -> Flatten
//             string -> LabelEncoder(keys_strings, values_floats, default -1): codes, or 1 for missing ("") and else 0
//   features  Concat axis 1 of all (absent for a single part), or Identity where an input is the only feature
MUST_CHECK int row_program_compile(row_program **out, const graph *g, err *e);
void row_program_free(row_program *p);          // NULL is fine
size_t row_program_bytes(const row_program *p); // of memory that it takes, the graph apart

size_t row_program_n_features(const row_program *p);
size_t row_program_n_scores(const row_program *p); // classes, or targets; 0 if there are no trees

// inputs as for session_run(). Each output may be NULL: scores (n_rows, n_scores); labels (n_rows), indices of the
// ensemble's classes; features (n_rows, n_features), the prepared values.
// scratch: a bounded amount, given back. No other allocation.
MUST_CHECK int row_program_run(const row_program *p, const tensor *inputs, size_t n_rows, float *scores,
                               int32_t *labels, float *features, arena *scratch, err *e);

// Explanations, of row programs with trees (math/shap.h).

// The column of a graph input that a feature is made of.
typedef struct row_source {
    enum { SOURCE_NONE, SOURCE_ONE, SOURCE_SEVERAL } kind; // of a constant; of more than one column
    uint32_t input, at;
} row_source;
const row_source *row_program_sources(const row_program *p); // (n_features); a view
const trees *row_program_trees(const row_program *p);        // a view; NULL if there are none

// outputs, base, values, explained: as for shap_run(), but that outputs may be of different scores.
MUST_CHECK int row_program_explain(const row_program *p, const tensor *inputs, size_t n_rows,
                                   const shap_output *outputs, const shap_groups *groups, double *base, double *values,
                                   double *explained, arena *scratch, err *e);

#endif
