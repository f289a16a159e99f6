// What a model is: nodes over values. The representation that is read from and written to ONNX files, checked, trained
// into, and compiled by the engine.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPH_GRAPH_H
#define SLIPWAY_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "graph/tensor.h"

typedef int32_t value_id; // index into graph.values
#define VALUE_NONE (-1)   // an optional input or output that is not there

// Only constants fold; parameters are what training changes (both are stored as initializers).
typedef enum value_kind { VALUE_COMPUTED, VALUE_INPUT, VALUE_CONSTANT, VALUE_PARAMETER } value_kind;

enum { DIM_UNKNOWN = -1 };

typedef struct dim {
    int64_t size;     // >= 0, or DIM_UNKNOWN
    const char *name; // of a symbolic dimension ("N"), or NULL
} dim;

typedef struct value_type {
    dtype type;
    int n_dims; // -1: unknown rank
    dim dims[TENSOR_DIMS_MAX];
} value_type;

typedef struct graph_value {
    const char *name;
    value_kind kind;
    value_type type;
    tensor data; // constants and parameters
} graph_value;

typedef enum attribute_kind { // ONNX's numbers
    ATTRIBUTE_FLOAT = 1,
    ATTRIBUTE_INT = 2,
    ATTRIBUTE_STRING = 3,
    ATTRIBUTE_TENSOR = 4,
    ATTRIBUTE_GRAPH = 5,
    ATTRIBUTE_FLOATS = 6,
    ATTRIBUTE_INTS = 7,
    ATTRIBUTE_STRINGS = 8,
} attribute_kind;

typedef struct graph graph;

typedef struct attribute {
    const char *name;
    attribute_kind kind;
    size_t n; // of floats, ints, strings; 1 for single values
    union {
        const float *floats;
        const int64_t *ints;
        const str *strings;
        const tensor *tensor;
        const graph *graph; // a body of If, Loop, Scan
    };
} attribute;

typedef struct node {
    const char *name;   // may be ""
    const char *domain; // "" is ai.onnx; "ai.onnx.ml"; ours is "slipway"
    const char *op;
    size_t n_inputs, n_outputs, n_attributes;
    const value_id *inputs, *outputs;
    const attribute *attributes;
} node;

typedef struct opset {
    const char *domain;
    int64_t version;
} opset;

typedef struct graph_metadata {
    const char *key;
    str value;
} graph_metadata;

// Everything a graph points to lives in its own arena. Built by one thread; immutable after graph_check(), so any
// thread may read.
struct graph {
    const char *name;
    int64_t ir_version;
    size_t n_opsets, n_values, n_nodes, n_inputs, n_outputs, n_metadata;
    opset *opsets;
    graph_value *values;
    node *nodes; // in an order that can be run, after graph_check()
    value_id *inputs, *outputs;
    graph_metadata *metadata;
};

enum { GRAPH_IR_VERSION = 8, GRAPH_OPSET = 17, GRAPH_OPSET_ML = 3 }; // what we write

MUST_CHECK int graph_new(graph **out, size_t memory_max, err *e);
void graph_free(graph *g);          // NULL is fine
size_t graph_bytes(const graph *g); // of memory that it takes

// Building. Everything given is copied. Ids are returned; negative is an err_code.
// Names of inputs are the graph's interface, so one that is taken is ERR_EXISTS; those of constants and computed values
// start with `hint`, made unique ("features", "features_2").
MUST_CHECK int graph_add_input(graph *g, const char *name, value_type type, err *e);
MUST_CHECK int graph_add_constant(graph *g, const char *hint, const tensor *data, err *e);
MUST_CHECK int graph_add_output(graph *g, value_id value, err *e);
MUST_CHECK int graph_add_metadata(graph *g, const char *key, str value, err *e); // replaces an equal key
MUST_CHECK int graph_add_value(graph *g, const char *hint, value_type type, err *e);
// Adds a node with the outputs given (from graph_add_value). Imports the domain's opset at the version that we write
// (GRAPH_OPSET, GRAPH_OPSET_ML, 1 for others) if it is not imported yet.
MUST_CHECK int graph_add_node(graph *g, const char *domain, const char *op, const value_id *inputs, size_t n_inputs,
                              const value_id *outputs, size_t n_outputs, const attribute *attributes,
                              size_t n_attributes, err *e);

// Imports a domain's operators at a version; replaces an earlier import of it.
MUST_CHECK int graph_set_opset(graph *g, const char *domain, int64_t version, err *e);

// Shorthands for attributes of graph_add_node; the arrays are copied there.
static inline attribute attribute_ints(const char *name, const int64_t *v, size_t n)
{
    return (attribute){.name = name, .kind = ATTRIBUTE_INTS, .n = n, .ints = v};
}
static inline attribute attribute_int(const char *name, const int64_t *v)
{
    return (attribute){.name = name, .kind = ATTRIBUTE_INT, .n = 1, .ints = v};
}
static inline attribute attribute_floats(const char *name, const float *v, size_t n)
{
    return (attribute){.name = name, .kind = ATTRIBUTE_FLOATS, .n = n, .floats = v};
}
static inline attribute attribute_float(const char *name, const float *v)
{
    return (attribute){.name = name, .kind = ATTRIBUTE_FLOAT, .n = 1, .floats = v};
}
static inline attribute attribute_strings(const char *name, const str *v, size_t n)
{
    return (attribute){.name = name, .kind = ATTRIBUTE_STRINGS, .n = n, .strings = v};
}
static inline attribute attribute_string(const char *name, const str *v)
{
    return (attribute){.name = name, .kind = ATTRIBUTE_STRING, .n = 1, .strings = v};
}

const attribute *node_attribute(const node *n, const char *name); // NULL if it is not there
int64_t graph_opset(const graph *g, const char *domain);          // -1 if the domain is not imported
const graph_metadata *graph_find_metadata(const graph *g, const char *key);
value_id graph_find_value(const graph *g, const char *name); // VALUE_NONE if there is none

// Structure: every name defined once and before its use, no cycle (nodes are put into a runnable order), inputs and
// outputs present, types and shapes sane, sizes of constants equal to their shapes, opsets imported. Errors name the
// node. Whether operators are known is the engine's to say.
MUST_CHECK int graph_check(graph *g, err *e);

// Shorthand: float32 (N, columns) and the like; columns < 0 gives rank 1.
value_type value_type_rows(dtype t, int64_t columns);

#endif
