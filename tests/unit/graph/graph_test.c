// Graphs: building, names, the checker and its errors.
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"

enum { MEMORY = 64 << 20 };

static graph *new_graph(void)
{
    graph *g;
    assert_int_equal(graph_new(&g, MEMORY, NULL), 0);
    return g;
}

// A node of one input and one output; returns the output.
static value_id chain(graph *g, value_id in, const char *op)
{
    value_id out = graph_add_value(g, "x", value_type_rows(DTYPE_F32, 1), NULL);
    assert_true(out >= 0);
    assert_int_equal(graph_add_node(g, "", op, &in, 1, &out, 1, NULL, 0, NULL), 0);
    return out;
}

static void hints_become_unique_names(void **state)
{
    (void)state;
    graph *g = new_graph();
    const char *want[] = {"features", "features_2", "features_3", "features_3_2", "features_4"};
    const char *hints[] = {"features", "features", "features", "features_3", "features"};
    for (size_t i = 0; i < 5; i++) {
        int id = graph_add_value(g, hints[i], value_type_rows(DTYPE_F32, 1), NULL);
        assert_string_equal(g->values[id].name, want[i]);
        assert_int_equal(graph_find_value(g, want[i]), id);
    }
    assert_int_equal(graph_find_value(g, "other"), VALUE_NONE);
    err e = ERR_NONE;
    assert_int_equal(graph_add_input(g, "features", value_type_rows(DTYPE_F32, 1), &e), ERR_EXISTS);
    assert_string_equal(e.msg, "the name 'features' of an input is taken");
    graph_free(g);
}

static void everything_given_is_copied(void **state)
{
    (void)state;
    graph *g = new_graph();
    char name[] = "in", text[] = "a";
    float numbers[] = {1, 2};
    str strings[] = {{text, 1}, {NULL, 0}};
    int in = graph_add_input(g, name, value_type_rows(DTYPE_F32, 2), NULL);
    tensor t = {.type = DTYPE_STRING, .shape = {.n_dims = 1, .dims = {2}}, .data = strings};
    int constant = graph_add_constant(g, "c", &t, NULL);
    value_id out = graph_add_value(g, "out", value_type_rows(DTYPE_F32, 2), NULL);
    attribute a[] = {attribute_floats("numbers", numbers, 2), attribute_strings("strings", strings, 2)};
    assert_int_equal(graph_add_node(g, "ai.onnx.ml", "Odd", &(value_id){in}, 1, &out, 1, a, 2, NULL), 0);
    assert_int_equal(graph_add_metadata(g, "key", (str){text, 1}, NULL), 0);
    assert_int_equal(graph_add_metadata(g, "key", STR("second"), NULL), 0);
    name[0] = text[0] = 'X';
    numbers[0] = 7;
    assert_string_equal(g->values[in].name, "in");
    assert_true(str_equal(((const str *)g->values[constant].data.data)[0], STR("a")));
    const attribute *copy = node_attribute(&g->nodes[0], "numbers");
    assert_true(copy->floats[0] == 1);
    assert_true(str_equal(node_attribute(&g->nodes[0], "strings")->strings[0], STR("a")));
    assert_null(node_attribute(&g->nodes[0], "none"));
    assert_int_equal(g->n_metadata, 1);
    assert_true(str_equal(graph_find_metadata(g, "key")->value, STR("second")));
    assert_int_equal(graph_opset(g, "ai.onnx.ml"), GRAPH_OPSET_ML);
    assert_int_equal(graph_opset(g, "other"), -1);
    graph_free(g);
}

static void nodes_are_put_into_order(void **state)
{
    (void)state;
    graph *g = new_graph();
    int in = graph_add_input(g, "in", value_type_rows(DTYPE_F32, 1), NULL);
    value_id v[4] = {in};
    for (int i = 1; i < 4; i++) v[i] = graph_add_value(g, "v", value_type_rows(DTYPE_F32, 1), NULL);
    const char *ops[] = {"First", "Second", "Third"};
    for (int i = 2; i >= 0; i--)
        assert_int_equal(graph_add_node(g, "", ops[i], &v[i], 1, &v[i + 1], 1, NULL, 0, NULL), 0);
    assert_int_equal(graph_add_output(g, v[3], NULL), 0);
    err e = ERR_NONE;
    assert_int_equal(graph_check(g, &e), 0);
    for (int i = 0; i < 3; i++) assert_string_equal(g->nodes[i].op, ops[i]);
    graph_free(g);
}

static void a_cycle_is_named(void **state)
{
    (void)state;
    graph *g = new_graph();
    int in = graph_add_input(g, "in", value_type_rows(DTYPE_F32, 1), NULL);
    value_id a = graph_add_value(g, "a", value_type_rows(DTYPE_F32, 1), NULL);
    value_id b = graph_add_value(g, "b", value_type_rows(DTYPE_F32, 1), NULL);
    value_id first = chain(g, in, "Before");
    value_id pair[2] = {first, b};
    assert_int_equal(graph_add_node(g, "", "Behind", &b, 1,
                                    &(value_id){graph_add_value(g, "c", value_type_rows(1, 1), NULL)}, 1, NULL, 0,
                                    NULL),
                     0);
    assert_int_equal(graph_add_node(g, "", "Ring", pair, 2, &a, 1, NULL, 0, NULL), 0);
    assert_int_equal(graph_add_node(g, "", "Ring", &a, 1, &b, 1, NULL, 0, NULL), 0);
    assert_int_equal(graph_add_output(g, b, NULL), 0);
    err e = ERR_NONE;
    assert_int_equal(graph_check(g, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "(Ring) is on a cycle"));
    graph_free(g);
}

static void faults_are_told(void **state)
{
    (void)state;
    err e = ERR_NONE;
    for (int fault = 0; fault < 7; fault++) {
        graph *g = new_graph();
        int in = graph_add_input(g, "in", value_type_rows(DTYPE_F32, 1), NULL);
        value_id nowhere = graph_add_value(g, "nowhere", value_type_rows(DTYPE_F32, 1), NULL);
        value_id out = chain(g, fault == 0 ? nowhere : in, fault == 1 ? "" : "Op");
        attribute twice[2] = {attribute_float("alpha", &(float){1}), attribute_float("alpha", &(float){2})};
        if (fault == 2) assert_int_equal(graph_add_node(g, "", "Op", &in, 1, &out, 1, NULL, 0, NULL), 0);
        if (fault == 3) assert_int_equal(graph_add_node(g, "", "Op", &in, 1, &nowhere, 1, twice, 2, NULL), 0);
        if (fault != 4) assert_int_equal(graph_add_output(g, fault == 5 ? nowhere : out, NULL), 0);
        if (fault == 6) assert_int_equal(graph_add_node(g, "", "Op", &in, 1, &(value_id){in}, 1, NULL, 0, NULL), 0);
        static const char *const want[] = {
            "'nowhere' is defined nowhere", "names no operator", "'x' is defined twice",
            "'alpha' is there twice",       "no outputs",        "output 'nowhere' is computed by no node",
            "'in' is defined twice"};
        assert_int_equal(graph_check(g, &e), ERR_INPUT);
        if (!strstr(e.msg, want[fault])) fail_msg("fault %d: %s", fault, e.msg);
        graph_free(g);
    }
}

static void sizes_that_cannot_be(void **state)
{
    (void)state;
    graph *g = new_graph();
    value_type type = value_type_rows(DTYPE_F32, 1);
    type.dims[1].size = -2;
    err e = ERR_NONE;
    assert_int_equal(graph_add_input(g, "in", type, &e), ERR_INPUT);
    type.n_dims = TENSOR_DIMS_MAX + 1;
    assert_int_equal(graph_add_input(g, "in", type, &e), ERR_LIMIT);
    tensor t = {.type = DTYPE_F32, .shape = {.n_dims = 2, .dims = {INT64_MAX, 2}}};
    assert_int_equal(graph_add_constant(g, "c", &t, &e), ERR_LIMIT);
    shape zero = {.n_dims = 3, .dims = {INT64_MAX, INT64_MAX, 0}};
    assert_int_equal(shape_count(&zero), 0);
    assert_int_equal(graph_add_output(g, 99, &e), ERR_INPUT);
    graph_free(g);
}

// Many nodes, in the worst order.
static void large_graphs_are_no_trouble(void **state)
{
    (void)state;
    enum { N = 200000 };
    graph *g;
    assert_int_equal(graph_new(&g, (size_t)1 << 30, NULL), 0);
    value_id in = graph_add_input(g, "in", value_type_rows(DTYPE_F32, 1), NULL);
    value_id before = graph_add_value(g, "v", value_type_rows(DTYPE_F32, 1), NULL);
    assert_int_equal(graph_add_output(g, before, NULL), 0);
    for (int i = 0; i < N; i++) {
        value_id next = i + 1 < N ? graph_add_value(g, "v", value_type_rows(DTYPE_F32, 1), NULL) : in;
        assert_int_equal(graph_add_node(g, "", "Op", &next, 1, &before, 1, NULL, 0, NULL), 0);
        before = next;
    }
    err e = ERR_NONE;
    assert_int_equal(graph_check(g, &e), 0);
    assert_int_equal(g->nodes[0].inputs[0], in);
    graph_free(g);
}

static int build_small(err *e)
{
    graph *g;
    TRY(graph_new(&g, MEMORY, e));
    value_id in = graph_add_input(g, "in", value_type_rows(DTYPE_F32, 1), e);
    int rc = in;
    for (int i = 0; rc >= 0 && i < 40; i++) {
        int out = rc = graph_add_value(g, "v", value_type_rows(DTYPE_F32, 1), e);
        if (rc < 0) break;
        attribute a = attribute_strings("names", (str[]){STR("a"), STR("b")}, 2);
        rc = graph_add_node(g, "", "Op", &in, 1, &(value_id){out}, 1, &a, 1, e);
        in = out;
    }
    if (rc >= 0) rc = graph_add_output(g, in, e);
    if (rc >= 0) rc = graph_check(g, e);
    graph_free(g);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int rc = ERR_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        rc = build_small(&e);
        mem_fail_at(0, 0);
        if (rc < 0) assert_int_equal(e.code, ERR_MEMORY);
    }
}

static void the_ceiling_holds(void **state)
{
    (void)state;
    graph *g;
    assert_int_equal(graph_new(&g, 64 << 10, NULL), 0);
    err e = ERR_NONE;
    int rc = 0;
    for (int i = 0; rc >= 0 && i < 100000; i++) rc = graph_add_value(g, "v", value_type_rows(DTYPE_F32, 1), &e);
    assert_int_equal(rc, ERR_MEMORY);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hints_become_unique_names),
        cmocka_unit_test(everything_given_is_copied),
        cmocka_unit_test(nodes_are_put_into_order),
        cmocka_unit_test(a_cycle_is_named),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(sizes_that_cannot_be),
        cmocka_unit_test(large_graphs_are_no_trouble),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_ceiling_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
