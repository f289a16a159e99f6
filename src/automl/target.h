// The target of a training run: its classes or values, row by row of the frame.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_TARGET_H
#define SLIPWAY_AUTOML_TARGET_H

#include "data/frame.h"
#include "data/schema.h"

enum { TARGET_CLASSES_MAX = 1000 };

// Exactly one of the arrays is there, by the task; both have an element for every row of the frame. All is owned.
typedef struct target {
    size_t column;
    schema holder;     // its target is filled, counts and ranges by target_count(); no inputs
    int32_t *class_of; // -1 where the target is missing, or the row was not among those given
    double *value_of;  // NaN likewise
} target;

// rows: those to train and test with, each with a value. Classes are in the order of numbers, or of bytes; a boolean
// has false and true. Text where a number is wanted, an infinite number, one class only and too many classes are
// ERR_INPUT or ERR_LIMIT. On failure *out is untouched.
MUST_CHECK int target_make(target *out, const frame *f, size_t column, task t, const uint32_t *rows, size_t n_rows,
                           err *e);
void target_clear(target *t); // a zeroed one is fine

// What the schema says of the training rows: counts of classes, or range and mean. ERR_INPUT if they are all of one
// class.
MUST_CHECK int target_count(target *t, const uint32_t *rows, size_t n_rows, err *e);

#endif
