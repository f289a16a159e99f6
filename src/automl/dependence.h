// Partial dependence (Friedman, 2001, "Greedy function approximation"): what a model answers on the average over rows,
// were one column the same in all of them. It asks predictions alone, so every model has it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_DEPENDENCE_H
#define SLIPWAY_AUTOML_DEPENDENCE_H

#include "base/pool.h"
#include "model/model.h"

enum { DEPENDENCE_POINTS = 20, DEPENDENCE_TEXTS_MAX = 50 };

typedef struct dependence {
    size_t column; // of the schema
    size_t n_points, n_scores;
    // Exactly one is set, by the column's wire: (n_points), ascending.
    batch_column points;
    double *means; // (n_points, n_scores)
} dependence;

// Points are the values that the rows have: of numbers and dates all if there are at most DEPENDENCE_POINTS, else those
// at as many even steps through the sorted rows; of texts the DEPENDENCE_TEXTS_MAX most frequent ones. ERR_NOT_FOUND:
// no such column; ERR_INPUT: it has no values, or there are no rows. Arrays live in `a`; texts are views into the
// frame.
MUST_CHECK int dependence_partial(dependence *out, const model *m, const frame *f, const char *name, pool *p, arena *a,
                                  err *e);

#endif
