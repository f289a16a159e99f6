// Predictions as JSON, in the form that the request had. The shapes are in docs/protocols/rest.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_ENCODE_H
#define SLIPWAY_SERVE_ENCODE_H

#include "base/buf.h"
#include "model/driver.h"
#include "serve/decode.h"

typedef struct encoder encoder; // immutable, so any thread; everything that does not change is text already

MUST_CHECK int encoder_new(encoder **out, const schema *s, const char *name, int64_t version, err *e);
void encoder_free(encoder *w); // NULL is fine

// What the labels of a model of classes are, all of them: for protocols with typed answers.
typedef enum label_kind { LABEL_TEXT, LABEL_INTEGER, LABEL_REAL, LABEL_BOOLEAN } label_kind;
label_kind encoder_label_kind(const encoder *w);
str encoder_label(const encoder *w, size_t class); // the JSON of one, as encode_label() writes it; a view

// Appends; failure is in out->failed. Scores that are no finite number are null.
void encode_prediction(const encoder *w, body_form form, const prediction *p, buf *out);

// The same with explanations: rows get "explanation", as explained_object() of automl/explained.h writes it; columns
// get "explanations" beside them, whose members are arrays. `top` is of rows: 0 for all. scratch: for their order.
MUST_CHECK int encode_explained(const encoder *w, body_form form, const schema *s, const prediction *p,
                                const explanation *x, size_t top, buf *out, arena *scratch, err *e);

// An array of labels, or of values: what MLflow and KServe call predictions.
void encode_values(const encoder *w, const prediction *p, buf *out);

// A class name as a JSON value of the target's type: 1, true, "male".
void encode_label(column_type t, const char *name, buf *out);

#endif
