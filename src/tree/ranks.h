// Ranked features: every value replaced by its place among the distinct values of its column. Computed once, so that
// trees count and sort small integers instead of floats, and lose nothing by it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TREE_RANKS_H
#define SLIPWAY_TREE_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

typedef struct ranks_column {
    uint32_t n_distinct; // values that are not missing
    bool has_missing;
    float *values;     // (n_distinct) ascending; infinities are values, both zeros are 0
    uint16_t *codes16; // (n_rows) places in `values`, n_distinct for missing; NULL where 16 bits do not hold them
    uint32_t *codes32; // (n_rows) the same; NULL where codes16 is there
} ranks_column;

typedef struct ranks { // immutable once made, so any thread
    size_t n_rows, n_columns;
    ranks_column *columns; // owned, with what they point to
} ranks;

// x: (n_columns, n_rows), column-major; NaN is missing. Borrowed for the call. At most 2^31 - 1 rows. The pool may be
// NULL and changes nothing in the result.
MUST_CHECK int ranks_make(ranks *out, const float *x, size_t n_rows, size_t n_columns, pool *p, err *e);
void ranks_clear(ranks *r); // a zeroed one is fine

// Bytes that ranks_make() takes at most, scratch included.
size_t ranks_memory(size_t n_rows, size_t n_columns, size_t n_threads);

static inline uint32_t ranks_code(const ranks_column *c, size_t row)
{
    return c->codes16 ? c->codes16[row] : c->codes32[row];
}

// A threshold t with values[left] <= t < values[right] in float32: halfway between them, rounded.
float ranks_threshold(const ranks_column *c, uint32_t left, uint32_t right);

// Items sorted by their upper 32 bits, in place of equal ones as they were; only the lowest n_bits of those 32 may
// differ from 0. Returns the array (of the two, n each) that holds the result.
uint64_t *ranks_sort(uint64_t *items, uint64_t *spare, size_t n, unsigned n_bits);

#endif
