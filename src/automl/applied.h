// A model over a file of rows: its predictions as text, and how good they are where the truth is known. `predict`,
// `evaluate` and batch jobs all go through it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_APPLIED_H
#define SLIPWAY_AUTOML_APPLIED_H

#include "base/buf.h"
#include "base/json.h"
#include "data/read.h"
#include "model/model.h"

// Reads rows for a model: columns are typed as in its training, unless the options name a type themselves.
MUST_CHECK int applied_read(frame **out, const model *m, const char *path, const read_options *o, pool *p, err *e);

typedef enum applied_form {
    APPLIED_CSV,
    APPLIED_JSONL, // an object a row, as the server answers a row
} applied_form;

// What comes before the rows: the names of CSV's columns. kept: the rows' own columns are copied in front of the
// predictions (CSV alone); NULL: they are not.
void applied_head(buf *out, applied_form form, const schema_target *target, const frame *kept);
// Rows `from` to `to` (excluded), with LF at the end of each.
void applied_rows(buf *out, applied_form form, const schema_target *target, const frame *kept, const prediction *p,
                  size_t from, size_t to);
// One row as a JSON object, without LF.
void applied_object(buf *out, const schema_target *target, const prediction *p, size_t row);

// A class as a JSON value of the target's type.
void applied_label(buf *out, const schema_target *target, size_t class);

// Predicts the rows whose target is known and compares: *out is metrics_to_json()'s, *n_rows how many they were. What
// predicting takes comes from `a`.
MUST_CHECK int applied_measure(json_t **out, size_t *n_rows, const model *m, const frame *f, pool *p, arena *a, err *e);

#endif
