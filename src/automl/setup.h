// What a run is made of, once its options have met the data: target, recipe, family with its options, preparation.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_SETUP_H
#define SLIPWAY_AUTOML_SETUP_H

#include "automl/training.h"

typedef struct setup { // family_options are owned, the rest is borrowed
    size_t target;     // column index
    const recipe_row *recipe;
    const family_row *family;
    void *family_options;
    prepare_options prepare;
} setup;

// p: a profile of the frame, for the columns that a run without a target is told of; or NULL, and it is made if needed.
MUST_CHECK int setup_make(setup *out, const training_options *o, const frame *f, const profile *p, pool *workers,
                          err *e);
void setup_clear(setup *s); // a zeroed one is fine

// Everything that changes the package but the data: the member "options" of a manifest. *out: json_decref().
MUST_CHECK int setup_to_json(const setup *s, const training_options *o, json_t **out, err *e);

#endif
