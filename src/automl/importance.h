// Permutation importance: how much worse a model gets on labelled rows when one of its columns is shuffled (Breiman,
// 2001, "Random forests"; Fisher, Rudin and Dominici, 2019, for any model). It asks the model's predictions alone, so
// every model has it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_IMPORTANCE_H
#define SLIPWAY_AUTOML_IMPORTANCE_H

#include "base/pool.h"
#include "model/model.h"

typedef struct importance_options {
    const char *metric; // by its name in evaluate/metrics.h; NULL: what the model's recipe decides by
    size_t n_repeats;   // shuffles of each column
    uint64_t seed;
} importance_options;

#define IMPORTANCE_OPTIONS_DEFAULT ((importance_options){.n_repeats = 5, .seed = 1})

typedef struct importance {
    size_t n_columns, n_repeats, n_rows;
    const char *metric;
    double measured;            // the metric with no column shuffled
    double *drops;              // (n_columns, n_repeats) how much worse, above 0, whichever way the metric counts
    double *means, *deviations; // (n_columns) of the drops; the deviation is the sample's, 0 for a single repeat
} importance;

// Rows without a true value are left out. Arrays live in `a`, and all rows as a batch. The same seed gives the same
// bytes, whatever the pool. A column that the model never looks at drops by exactly 0.
MUST_CHECK int importance_permutation(importance *out, const model *m, const frame *f, const importance_options *o,
                                      pool *p, arena *a, err *e);

#endif
