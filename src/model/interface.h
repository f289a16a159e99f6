// The interface of a graph: what it asks for and answers, seen as columns and scores. docs/formats/package.md has the
// rules.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_INTERFACE_H
#define SLIPWAY_MODEL_INTERFACE_H

#include "base/err.h"
#include "data/schema.h"
#include "graph/graph.h"

// Where the answer is, as indices into graph.outputs.
typedef struct interface_outputs {
    int label;  // -1: a regression
    int scores; // classification: (N, C); regression: the value, (N) or (N, 1)
} interface_outputs;

// All: any thread; the graph has passed graph_check(). What cannot be served is ERR_UNSUPPORTED, naming the input or
// output.
MUST_CHECK int interface_find_outputs(interface_outputs *out, const graph *g, err *e);

// Whether the schema feeds every input of the graph, slot by slot, and the outputs answer its target. A difference is
// ERR_FORMAT.
MUST_CHECK int interface_check(const schema *s, const graph *g, err *e);

// The schema of a model made elsewhere. Owned by the caller: schema_clear().
MUST_CHECK int interface_derive(schema *out, const graph *g, err *e);

#endif
