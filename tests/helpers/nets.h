// A net for tests: numbers, a text and a date, through MatMul, Gemm and Softmax, so that the engine runs it as a plain
// graph. `n_layers` makes it as slow as one likes; its file stays small, because the layers share their weights.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_NETS_H
#define SLIPWAY_TESTS_HELPERS_NETS_H

#include "base/mem.h"
#include "base/rng.h"
#include "graph/graph.h"
#include "graph/onnx.h"
#include "model/package.h"

typedef struct net_options {
    int64_t width, n_layers, n_classes;
    bool mixed; // a layer subtracts the mean of the batch: rows are not apart
    uint64_t seed;
} net_options;

enum { NET_NUMBERS = 4 };

static inline int net_weights(graph *g, rng *r, int64_t n_rows, int64_t n_columns, err *e)
{
    size_t n = (size_t)(n_rows * n_columns);
    float *w = mem_alloc(n, sizeof *w);
    if (!w) return err_set(e, ERR_MEMORY, "no memory for weights");
    for (size_t i = 0; i < n; i++) w[i] = ((float)rng_below(r, 2001) - 1000) / 2000 / (float)n_rows * 4;
    tensor t = {.type = DTYPE_F32, .shape = {.n_dims = 2, .dims = {n_rows, n_columns}}, .data = w};
    int id = graph_add_constant(g, "w", &t, e);
    mem_free(w);
    return id;
}

// One node with one output of (N, columns); its id.
static inline int net_node(graph *g, const char *domain, const char *op, const value_id *in, size_t n_in,
                           value_type type, const attribute *attributes, size_t n, err *e)
{
    for (size_t i = 0; i < n_in; i++)
        if (in[i] < 0) return in[i];
    value_id out = graph_add_value(g, op, type, e);
    if (out < 0) return out;
    int rc = graph_add_node(g, domain, op, in, n_in, &out, 1, attributes, n, e);
    return rc < 0 ? rc : out;
}

static inline int net_fill(graph *g, const net_options *o, err *e)
{
    rng r = rng_new(o->seed, 0);
    static const str words[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    static const float codes[] = {-1, 0.25f, 1}, other = 0.5f;
    static const int64_t to_float = 1, axis = 1, off = 0, zero = 0;
    value_type one = value_type_rows(DTYPE_F32, 1), wide = value_type_rows(DTYPE_F32, o->width);
    int x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, NET_NUMBERS), e);
    int word = graph_add_input(g, "word", value_type_rows(DTYPE_STRING, 1), e);
    int day = graph_add_input(g, "day", value_type_rows(DTYPE_I64, 1), e);
    int code =
        net_node(g, "ai.onnx.ml", "LabelEncoder", (value_id[]){word}, 1, one,
                 (attribute[]){attribute_strings("keys_strings", words, 3), attribute_floats("values_floats", codes, 3),
                               attribute_float("default_float", &other)},
                 3, e);
    int when = net_node(g, "", "Cast", (value_id[]){day}, 1, one, (attribute[]){attribute_int("to", &to_float)}, 1, e);
    int h = net_node(g, "", "Concat", (value_id[]){x, code, when}, 3, value_type_rows(DTYPE_F32, NET_NUMBERS + 2),
                     (attribute[]){attribute_int("axis", &axis)}, 1, e);
    if (o->mixed && h >= 0) {
        value_type row = value_type_rows(DTYPE_F32, NET_NUMBERS + 2);
        row.dims[0] = (dim){.size = 1};
        int mean = net_node(g, "", "ReduceMean", (value_id[]){h}, 1, row,
                            (attribute[]){attribute_ints("axes", &zero, 1)}, 1, e);
        h = net_node(g, "", "Sub", (value_id[]){h, mean}, 2, value_type_rows(DTYPE_F32, NET_NUMBERS + 2), NULL, 0, e);
    }
    int first = net_weights(g, &r, NET_NUMBERS + 2, o->width, e), again = net_weights(g, &r, o->width, o->width, e);
    int bias = net_weights(g, &r, 1, o->width, e), last = net_weights(g, &r, o->width, o->n_classes, e);
    h = net_node(g, "", "MatMul", (value_id[]){h, first}, 2, wide, NULL, 0, e);
    h = net_node(g, "", "Add", (value_id[]){h, bias}, 2, wide, NULL, 0, e);
    h = net_node(g, "", "Relu", &h, 1, wide, NULL, 0, e);
    for (int64_t i = 0; i < o->n_layers && h >= 0; i++) {
        h = net_node(g, "", "Gemm", (value_id[]){h, again, bias}, 3, wide, NULL, 0, e);
        h = net_node(g, "", "Relu", &h, 1, wide, NULL, 0, e);
    }
    value_type scores_type = value_type_rows(DTYPE_F32, o->n_classes);
    h = net_node(g, "", "Gemm", (value_id[]){h, last}, 2, scores_type, NULL, 0, e);
    int scores = net_node(g, "", "Softmax", &h, 1, scores_type, (attribute[]){attribute_int("axis", &axis)}, 1, e);
    int label = net_node(g, "", "ArgMax", &scores, 1, value_type_rows(DTYPE_I64, -1),
                         (attribute[]){attribute_int("axis", &axis), attribute_int("keepdims", &off)}, 2, e);
    if (label < 0) return label;
    TRY(graph_add_output(g, label, e));
    return graph_add_output(g, scores, e);
}

// The package of a file that was made elsewhere.
static inline int net_package(package **out, const net_options *o, err *e)
{
    graph *g;
    TRY(graph_new(&g, (size_t)1 << 26, e));
    buf file;
    buf_init(&file, (size_t)1 << 26);
    int rc = net_fill(g, o, e);
    if (rc >= 0) rc = graph_check(g, e);
    if (rc >= 0) rc = onnx_write(g, &file, e);
    if (rc >= 0) rc = package_from_onnx(out, buf_str(&file), e);
    buf_clear(&file);
    graph_free(g);
    return rc;
}

#endif
