// What the ONNX reader needs of a graph beyond building it: it names values before they are defined.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPH_GRAPH_IMPL_H
#define SLIPWAY_GRAPH_GRAPH_IMPL_H

#include "base/arena.h"
#include "graph/graph.h"

enum { NAME_LEN_MAX = 1 << 16 }; // bytes of any name in a graph

arena *graph_memory(graph *g); // where everything of the graph lives

// The value of that name; a new one of VALUE_COMPUTED and unknown type if there is none.
MUST_CHECK int graph_name_value(graph *g, str name, err *e);
// As graph_add_node(), but everything that `n` points to is in the graph's memory already.
MUST_CHECK int graph_take_node(graph *g, const node *n, err *e);
MUST_CHECK int graph_take_input(graph *g, value_id value, err *e);
void graph_forget_opsets(graph *g);

// "node 17 'scale' (Scaler)": for errors. Returns `text`.
enum { NODE_TEXT_SIZE = 160 };
const char *node_text(const graph *g, size_t index, char text[NODE_TEXT_SIZE]);

#endif
