// ONNX files: protocol buffers read and written by our own code, within limits.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPH_ONNX_H
#define SLIPWAY_GRAPH_ONNX_H

#include "base/buf.h"
#include "graph/graph.h"

// Nothing nests without bound: bodies of If, Loop and Scan are refused.
typedef struct onnx_limits {
    size_t memory_max; // bytes of the graph in memory
    size_t nodes_max, values_max;
} onnx_limits;

#define ONNX_LIMITS_DEFAULT ((onnx_limits){.memory_max = (size_t)4 << 30, .nodes_max = 1 << 20, .values_max = 1 << 22})

// Reads and checks (graph_check). The bytes are borrowed for the call. ERR_FORMAT says byte and field; ERR_UNSUPPORTED
// what the model has that we do not read: functions, sparse or external data, graphs as attributes, sequences and maps.
// An input with an initializer of its name (how old files have weights) becomes a constant.
MUST_CHECK int onnx_read(graph **out, str file, const onnx_limits *limits, err *e);

// Appends the file. Equal graphs give equal bytes. On failure the buffer has a part of it.
MUST_CHECK int onnx_write(const graph *g, buf *out, err *e);

#endif
