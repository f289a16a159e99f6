// The operator row: all that the engine knows of one ONNX operator. One file per operator group under ops/, one row per
// operator and range of opset versions.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_OPERATOR_H
#define SLIPWAY_ENGINE_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "graph/graph.h"
#include "math/cpu.h"

// What is known of a value when shapes are inferred: at load (dimensions may be symbolic) and again before a run (they
// are numbers). `data` is set where the value itself is known: constants, and what was computed from them.
typedef struct op_value {
    value_type type;    // DTYPE_NONE: an optional input that is not there
    const tensor *data; // or NULL
    bool rows;          // axis 0 is the rows of the batch: set for rows_apart() only
} op_value;

// Whether row i of every output (axis 0) depends on nothing but row i of the inputs that have rows: what batching
// rests on.
typedef enum op_rows {
    OP_ROWS_APART, // always
    OP_ROWS_MIXED, // never proven
    OP_ROWS_ASK,   // depends on attributes and ranks: ask rows_apart()
} op_rows;

// One execution. Inputs are views; absent optional ones have type DTYPE_NONE.
typedef struct op_call {
    const void *state; // what `make` returned; NULL for operators without
    const tensor *inputs;
    size_t n_inputs;
    tensor *outputs; // type and shape are set, data is there to fill, unless the row says shape_from_data
    size_t n_outputs;
    arena *memory;  // for outputs of shape_from_data rows, and for strings: lives until the end of the run
    arena *scratch; // gone after the call
} op_call;

typedef int op_run(const op_call *c, err *e);

typedef struct op_fast {
    cpu_level level; // the least level it runs on
    op_run *run;
    bool exact; // gives the same bytes as the reference
} op_fast;

// The newest opsets whose changes were looked at; a later one has no rows.
enum { OPERATOR_OPSET_NEWEST = 28, OPERATOR_OPSET_NEWEST_ML = 5 };

typedef struct op_row {
    const char *domain, *name;
    int since, until; // opset versions of the domain that this row implements; until 0: to OPERATOR_OPSET_NEWEST
    int inputs_min, inputs_max, outputs_min, outputs_max; // *_max -1: variadic

    // Types and shapes of the outputs from those of the inputs; unknown stays unknown, contradictions are ERR_INPUT.
    int (*infer)(const node *n, const op_value *in, op_value *out, err *e);
    // Reads and checks attributes into an immutable state that lives in `a` as long as the plan. NULL: nothing to read.
    // Called after infer, at load only.
    int (*make)(const void **state, const node *n, const op_value *in, arena *a, err *e);
    op_run *run;         // the plain reference kernel, always there
    const op_fast *fast; // n_fast of them, best level last
    size_t n_fast;
    bool shape_from_data; // the output's shape is known only by running: the kernel allocates it in c->memory
    op_rows rows;
    bool (*rows_apart)(const node *n, const op_value *in); // for OP_ROWS_ASK
    // Adds the nodes that compute d(loss)/d(input) from d(loss)/d(output): graph to graph, before fusion and planning.
    // VALUE_NONE where there is none. NULL: not differentiable, and training says so by name.
    int (*gradient)(graph *g, const node *n, const value_id *d_outputs, value_id *d_inputs, err *e);
} op_row;

// The row for a node under the graph's opsets, or NULL. Any thread.
const op_row *operator_find(const char *domain, const char *name, int64_t version);
// All rows, for listings.
const op_row *const *operator_rows(size_t *n);

#endif
