// A package made usable: the one way to a prediction, for the command line, the server and the search alike.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_MODEL_H
#define SLIPWAY_MODEL_MODEL_H

#include "base/pool.h"
#include "model/driver.h"
#include "model/package.h"

typedef struct model model; // immutable and counted, so any thread

// Takes the package, also on failure. Warm when it returns: the first prediction costs what the next ones do.
MUST_CHECK int model_open(model **out, package *p, err *e);
// The same where the driver has a light form of it. Else, and with `describe` whatever it is, the model only describes:
// schema and package are there, and *light is false. Who wants its predictions opens it in a process of its own. A
// fault of the package is found here only as far as that goes.
MUST_CHECK int model_open_light(model **out, package *p, bool describe, bool *light, err *e);
model *model_hold(model *m); // one more owner; returns m
void model_drop(model *m);   // one less; the last frees it; NULL is fine

const package *model_package(const model *m); // views, valid while the model is held
const schema *model_schema(const model *m);
size_t model_memory(
    const model *m); // bytes: graph, compiled form and what of the package is in memory, the schema apart
bool model_rows_apart(const model *m); // whether requests may be merged into one batch

// Not of a model that only describes, which keeps no rows apart either.
// The scores of a batch made for model_schema(). Everything it takes comes from `a`, out included; there is no other
// allocation in the steady state. The same row gives the same bytes whatever else is in the batch.
MUST_CHECK int model_predict(const model *m, const batch *in, prediction *out, arena *a, err *e);

// Rows of a frame (NULL: all) in blocks through the pool; out as for model_predict(): arrays from `a`.
MUST_CHECK int model_predict_frame(const model *m, const frame *f, const uint32_t *rows, size_t n_rows, prediction *out,
                                   pool *p, arena *a, err *e);

// The scores (n_rows, n_scores) of a long batch, in blocks, so that it takes little at once. scratch is given back.
MUST_CHECK int model_predict_scores(const model *m, const batch *in, float *scores, arena *scratch, err *e);
size_t model_n_scores(const model *m); // classes, or 1

// Explanations: what each column adds to each row's answer (docs/explain.md).

// 0, or why this model has none: ERR_UNSUPPORTED.
MUST_CHECK int model_explains(const model *m, err *e);
// About what explaining so many rows takes, in nanoseconds: many times a prediction.
double model_explain_ns(const model *m, size_t n_rows);
enum { EXPLAIN_PREDICTED = -1 };
// Room in `a` for the rows of a batch that was predicted, and the class of each: `class`, or EXPLAIN_PREDICTED for that
// which the row was given. Ignored for regression. ERR_INPUT: no such class.
MUST_CHECK int explanation_new(explanation *out, const model *m, const prediction *p, int32_t class, arena *a, err *e);
// Rows first..first+n-1, into out; rows of one batch may be explained piece by piece. base and contributions add up to
// `explained`, and that is what was answered, or the call fails with ERR_INTERNAL. A row's results depend on that row
// alone, to the bit. scratch is given back.
MUST_CHECK int model_explain(const model *m, const batch *in, size_t first, size_t n, const prediction *p,
                             explanation *out, arena *scratch, err *e);
// Predicts and explains all rows of a frame in blocks through the pool; arrays from `a`.
MUST_CHECK int model_explain_frame(const model *m, const frame *f, int32_t class, prediction *p, explanation *out,
                                   pool *workers, arena *a, err *e);

#endif
