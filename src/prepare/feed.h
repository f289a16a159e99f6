// The feed: a batch's columns as the inputs of a graph. A column with a graph input of its own and of the same type is
// passed as it is; only columns that share an input, or that the graph wants in another type, are copied.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_PREPARE_FEED_H
#define SLIPWAY_PREPARE_FEED_H

#include "base/arena.h"
#include "data/batch.h"
#include "graph/graph.h"

typedef struct feed feed; // immutable, so any thread

// Every input of the graph that is not an initializer must be (N) or (N, k), and each of its k slots the place of one
// schema input; else ERR_FORMAT naming it. Keeps no reference to schema or graph.
MUST_CHECK int feed_new(feed **out, const schema *s, const graph *g, err *e);
void feed_free(feed *f); // NULL is fine

size_t feed_n_tensors(const feed *f); // as many as the graph has inputs; those that are initializers get DTYPE_NONE

// Rows first..first+n-1 of the batch as tensors (feed_n_tensors of them): views into the batch, or copies in `a`. A
// missing value where the schema allows none, or one that the graph's type does not hold, is ERR_INPUT naming column
// and row.
MUST_CHECK int feed_tensors(const feed *f, const batch *b, size_t first, size_t n, tensor *out, arena *a, err *e);

#endif
