// The parts of `slipway explain` that are about a model on the whole, and not about each row.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_EXPLAIN_MODEL_H
#define SLIPWAY_CMD_EXPLAIN_MODEL_H

#include "automl/importance.h"
#include "base/buf.h"

// Both append CSV, or JSON if --json was given. What they take comes from `a`.

// A line for each column, the one that matters most first.
MUST_CHECK int explain_importance(buf *out, const model *m, const frame *f, const importance_options *o, pool *p,
                                  arena *a, err *e);
// A line for each value of the column.
MUST_CHECK int explain_dependence(buf *out, const model *m, const frame *f, const char *name, pool *p, arena *a,
                                  err *e);

#endif
