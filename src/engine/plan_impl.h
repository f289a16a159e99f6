// The inside of a plan, which the row program compiles from.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_PLAN_IMPL_H
#define SLIPWAY_ENGINE_PLAN_IMPL_H

#include "base/arena.h"
#include "engine/operator.h"
#include "engine/plan.h"

// A node that runs.
typedef struct step {
    const node *n;
    size_t index; // of the node in the graph, for errors
    const op_row *row;
    op_run *run;
    const void *state;
} step;

struct plan {
    const graph *g;
    arena memory;
    size_t n_steps;
    step *steps;      // in the order of the run
    op_value *values; // (g->n_values) inferred; data where it is known
    uint32_t *last;   // (g->n_values) the step after which a value is not needed; UINT32_MAX: never given back
    size_t arity_max; // inputs or outputs of a step
    bool rows_apart;
    uint32_t *symbols; // (n_inputs, TENSOR_DIMS_MAX) which symbolic size a dimension of an input is, or UINT32_MAX
    size_t n_symbols;
};

// Puts "node 3 'x' (Op): " before the message; returns rc.
int step_error(const step *s, int rc, err *e);

#endif
