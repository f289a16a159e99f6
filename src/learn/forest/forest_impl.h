// What the two files of the forest share.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_LEARN_FOREST_IMPL_H
#define SLIPWAY_LEARN_FOREST_IMPL_H

#include "learn/forest/forest.h"

size_t forest_memory_estimate(const family_data *d, const void *options, size_t n_threads);
MUST_CHECK int forest_fit(family_outputs *out, graph *g, value_id features, const family_data *d, const void *options,
                          uint64_t seed, pool *p, const family_progress *progress, err *e);

#endif
