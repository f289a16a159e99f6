// Prepared data as a file: the features that a model would be trained on.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_FEATURES_H
#define SLIPWAY_AUTOML_FEATURES_H

#include "automl/training.h"

// CSV of the rows that cleaning left: the features, then the target (NULL: none) as it is, then "split": train or test.
// f: the frame that was prepared.
MUST_CHECK int features_format(const training_prepared *p, const frame *f, const char *target, buf *out, pool *workers,
                               err *e);

#endif
