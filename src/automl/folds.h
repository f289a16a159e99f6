// Cross-validation: the configuration fitted and measured once a fold, the preparation inside the fold too.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_FOLDS_H
#define SLIPWAY_AUTOML_FOLDS_H

#include "automl/fitting.h"

// Borrows the rows for the call; metrics of k folds into out, an array of k zeroed ones (owned by the caller also after
// a failure). progress counts folds. Folds are run one after the other, each on the whole pool.
MUST_CHECK int folds_measure(metrics *out, size_t k, const fitting *w, const uint32_t *rows, size_t n_rows,
                             const split_options *o, const family_progress *progress, err *e);

// {"folds": [...], "mean": {...}, "std": {...}}: mean and standard deviation (k - 1) of each metric over the folds
// where it is defined.
MUST_CHECK int folds_to_json(const metrics *folds, size_t k, const schema_target *t, json_t **out, err *e);

// The same two numbers of one metric, NaN where there are none.
MUST_CHECK int folds_summary(const metrics *folds, size_t k, const char *name, double *mean, double *std, err *e);

#endif
