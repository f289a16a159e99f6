// The true values of a target in a frame, as a learner and metrics want them.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_TRUTH_H
#define SLIPWAY_MODEL_TRUTH_H

#include "base/err.h"
#include "data/frame.h"
#include "data/schema.h"

typedef struct truth {
    size_t n_rows;    // rows that have a true value
    uint32_t *rows;   // (n_rows) their numbers in the frame, ascending; owned
    int32_t *classes; // (n_rows) class ids of the target, or NULL for regression; owned
    double *values;   // (n_rows), or NULL for classification; owned
} truth;

// The frame has to hold a column of the target's name (ERR_NOT_FOUND with the nearest name) with at least one value
// (ERR_INPUT). A value that is none of the target's classes, or no number, is ERR_INPUT naming row and value.
MUST_CHECK int truth_of_frame(truth *out, const schema_target *target, const frame *f, err *e);
void truth_clear(truth *t); // a zeroed one is fine

#endif
