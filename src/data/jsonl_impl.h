// JSON Lines, for the reader.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_JSONL_IMPL_H
#define SLIPWAY_DATA_JSONL_IMPL_H

#include "base/pool.h"
#include "data/budget_impl.h"
#include "data/read.h"
#include "data/source_impl.h"

// part_size: bytes that a task reads at once; 0: picked.
MUST_CHECK int jsonl_read(frame **out, const source *s, const read_options *o, size_t part_size, budget *b, pool *p,
                          err *e);

#endif
