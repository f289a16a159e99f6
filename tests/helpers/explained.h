// A small ensemble over columns "a" and "b" as a model: "both", a > 0.5 and b > 0.5, with the weight of each node.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_EXPLAINED_H
#define SLIPWAY_TESTS_HELPERS_EXPLAINED_H

#include "graph/onnx.h"
#include "model/model.h"

typedef struct both_options {
    bool no_covers; // ones instead, as many exporters write
    bool summed;    // the tree's first feature is a + b
} both_options;

// The graph's nodes: Concat of both columns, then the trees.
static inline int both_graph(graph *g, const both_options *o, err *e)
{
    static const int64_t zeros[5], nodes[] = {0, 1, 2, 3, 4}, features[] = {0, 0, 1, 0, 0}, yes[] = {1, 0, 3, 0, 0},
                                   no[] = {2, 0, 4, 0, 0}, leaves[] = {1, 3, 4}, one = 1;
    static const float values[] = {0.5f, 0, 0.5f, 0, 0}, covers[] = {8, 4, 4, 2, 2}, ones[] = {1, 1, 1, 1, 1},
                       weights[] = {0, 0, 1};
    const str modes[] = {STR("BRANCH_LEQ"), STR("LEAF"), STR("BRANCH_LEQ"), STR("LEAF"), STR("LEAF")};
    int a = graph_add_input(g, "a", value_type_rows(DTYPE_F32, 1), e);
    int b = graph_add_input(g, "b", value_type_rows(DTYPE_F32, 1), e);
    int sum = graph_add_value(g, "sum", value_type_rows(DTYPE_F32, 1), e);
    int x = graph_add_value(g, "x", value_type_rows(DTYPE_F32, 2), e);
    int y = graph_add_value(g, "y", value_type_rows(DTYPE_F32, 1), e);
    if (a < 0 || b < 0 || sum < 0 || x < 0 || y < 0) return ERR_MEMORY;
    if (o->summed) TRY(graph_add_node(g, "", "Add", (value_id[]){a, b}, 2, &sum, 1, NULL, 0, e));
    attribute axis = attribute_int("axis", &one);
    TRY(graph_add_node(g, "", "Concat", (value_id[]){o->summed ? sum : a, b}, 2, &x, 1, &axis, 1, e));
    const attribute list[] = {attribute_ints("nodes_treeids", zeros, 5),
                              attribute_ints("nodes_nodeids", nodes, 5),
                              attribute_ints("nodes_featureids", features, 5),
                              attribute_ints("nodes_truenodeids", yes, 5),
                              attribute_ints("nodes_falsenodeids", no, 5),
                              attribute_strings("nodes_modes", modes, 5),
                              attribute_floats("nodes_values", values, 5),
                              attribute_floats("nodes_hitrates", o->no_covers ? ones : covers, 5),
                              attribute_ints("target_treeids", zeros, 3),
                              attribute_ints("target_nodeids", leaves, 3),
                              attribute_ints("target_ids", zeros, 3),
                              attribute_floats("target_weights", weights, 3),
                              attribute_int("n_targets", &one)};
    TRY(graph_add_node(g, "ai.onnx.ml", "TreeEnsembleRegressor", &x, 1, &y, 1, list, sizeof list / sizeof *list, e));
    TRY(graph_add_output(g, y, e));
    return graph_check(g, e);
}

static inline int both_model(model **out, const both_options *o, err *e)
{
    graph *g;
    package *p = NULL;
    buf text;
    TRY(graph_new(&g, 1 << 20, e));
    buf_init(&text, 1 << 20);
    int rc = both_graph(g, o, e);
    if (rc == 0) rc = onnx_write(g, &text, e);
    if (rc == 0) rc = package_from_onnx(&p, buf_str(&text), e);
    if (rc == 0) rc = model_open(out, p, e);
    buf_clear(&text);
    graph_free(g);
    return rc;
}

// The rows (1, 1), (0, 1), (1, 0), again and again, and their answers.
static inline int both_rows(batch *b, prediction *p, const model *m, size_t n, arena *a, err *e)
{
    TRY(batch_new(b, model_schema(m), n, a, e));
    for (size_t i = 0; i < n; i++) {
        b->columns[0].f32[i] = i % 3 == 1 ? 0 : 1;
        b->columns[1].f32[i] = i % 3 == 2 ? 0 : 1;
    }
    return model_predict(m, b, p, a, e);
}

#endif
