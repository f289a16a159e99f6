// A graph made runnable: a plan that any number of threads share, and sessions that each thread runs it with.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_PLAN_H
#define SLIPWAY_ENGINE_PLAN_H

#include <stdbool.h>

#include "base/err.h"
#include "graph/graph.h"

typedef struct plan plan;       // immutable, so any thread
typedef struct session session; // one thread at a time

typedef struct plan_options {
    bool plain;        // reference kernels only: the slow twin
    size_t memory_max; // bytes of the plan: states of operators and folded constants; 0: PLAN_MEMORY_MAX
} plan_options;

#define PLAN_MEMORY_MAX ((size_t)4 << 30)

// Knows every operator of the graph (else ERR_UNSUPPORTED naming node, operator and opset), infers shapes, folds
// constants (never parameters), leaves out what no output needs. Borrows the graph, which was checked, until
// plan_free(). NULL for the options: none.
MUST_CHECK int plan_new(plan **out, const graph *g, const plan_options *o, err *e);
void plan_free(plan *p);          // NULL is fine
size_t plan_bytes(const plan *p); // of memory that it takes, the graph and sessions apart

// Whether axis 0 was proven to keep rows apart, so that requests may be merged.
bool plan_rows_apart(const plan *p);
// The inferred type of an output, by its index.
value_type plan_output_type(const plan *p, size_t output);

// memory_max: ceiling of everything that a run takes beside its inputs; a run past it is ERR_MEMORY and the session
// stays usable.
MUST_CHECK int session_new(session **out, const plan *p, size_t memory_max, err *e);
void session_free(session *s); // NULL is fine

// inputs: one view for each graph input, in the graph's order, checked against the graph's types. outputs: one view for
// each graph output, valid until the next run. Steady state (the same shapes again): no allocation.
MUST_CHECK int session_run(session *s, const tensor *inputs, tensor *outputs, err *e);

#endif
