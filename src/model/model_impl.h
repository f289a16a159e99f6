// What a model is made of.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_MODEL_IMPL_H
#define SLIPWAY_MODEL_MODEL_IMPL_H

#include <stdatomic.h>

#include "model/model.h"

struct model {
    // Owners. Relaxed going up: who holds one may pass it on. Down with release, and acquire before the last frees, so
    // that all others' reads are over.
    atomic_size_t owners;
    package *package;
    const driver_row *driver;
    driver_model *loaded;
};

#endif
