// What predictions of a version cost, measured: so much a call, and so much a row.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_COST_H
#define SLIPWAY_SERVE_COST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

// Any thread: what two write at once, one of them loses, which a mean forgives.
typedef struct cost {
    _Atomic double call_ns, row_ns;
} cost;

// Predicts n_rows rows that say nothing; for cost_measure().
typedef int cost_run(void *context, size_t n_rows, err *e);

// Runs one row and COST_ROWS rows a few times and keeps the best of each: what the version costs when nothing disturbs
// it. Ends early where runs are long. ERR_INPUT of the run is no failure: such rows may be none of this model, and the
// cost is that of the refusal until the first requests correct it.
enum { COST_ROWS = 32 };
MUST_CHECK int cost_measure(cost *c, cost_run *run, void *context, err *e);

// A request of n_rows rows took so long. Moves the mean by a sixteenth, call and row alike.
void cost_add(cost *c, size_t n_rows, uint64_t spent_ns);

// What one of n_rows rows will take.
static inline double cost_of(const cost *c, size_t n_rows)
{
    return atomic_load_explicit(&c->call_ns, memory_order_relaxed) +
           (double)n_rows * atomic_load_explicit(&c->row_ns, memory_order_relaxed);
}

#endif
