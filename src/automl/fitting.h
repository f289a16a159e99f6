// One fit of a run's configuration on some rows, and its measure on others: the run itself does one, cross-validation
// one a fold.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_FITTING_H
#define SLIPWAY_AUTOML_FITTING_H

#include "automl/setup.h"
#include "automl/target.h"

// What a fit may need; all borrowed.
typedef struct fitting {
    const frame *f;
    const setup *s;
    target *t; // counted over the training rows by each fit
    uint64_t seed;
    pool *workers;
} fitting;

typedef struct fitted { // owned
    preparation *preparation;
    graph *graph; // checked, with its outputs
} fitted;

// First the preparation, then the family; between them somebody may want to say something. Both borrow the rows for the
// call. ERR_MEMORY, before anything is taken, if the family would not fit into the memory there is.
MUST_CHECK int fitting_prepare(fitted *out, const fitting *w, const uint32_t *rows, size_t n_rows, err *e);
MUST_CHECK int fitting_train(fitted *io, const fitting *w, const uint32_t *rows, size_t n_rows,
                             const family_progress *progress, err *e);
void fitted_clear(fitted *f); // a zeroed one is fine

// As a package; JSON members may be NULL.
MUST_CHECK int fitted_package(package **out, const fitted *f, const fitting *w, const json_t *options,
                              const json_t *metrics, const json_t *training, err *e);

// The metrics on the rows, by way of a package that is written, read and opened like one that is served. Its scores of
// them are added to *scored; NULL: nobody wants them.
MUST_CHECK int fitted_measure(metrics *out, baseline *scored, const fitted *f, const fitting *w, const uint32_t *rows,
                              size_t n_rows, err *e);

#endif
