// Interfaces of graphs made elsewhere: the schema that is derived, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "model/interface.h"

#include "check.h"

static graph *new_graph(void)
{
    graph *g;
    assert_int_equal(graph_new(&g, 16 << 20, NULL), 0);
    return g;
}

static value_type rows_of(dtype t, int64_t columns)
{
    return value_type_rows(t, columns);
}

// One node from all inputs to the outputs, with attributes.
static void join(graph *g, const value_type *outputs, size_t n_outputs, const attribute *a, size_t n_attributes)
{
    value_id out[4];
    const char *names[] = {"first", "second", "third", "fourth"};
    for (size_t i = 0; i < n_outputs; i++) {
        out[i] = graph_add_value(g, names[i], outputs[i], NULL);
        assert_true(out[i] >= 0);
    }
    assert_int_equal(graph_add_node(g, "ai.onnx.ml", "TreeEnsembleClassifier", g->inputs, g->n_inputs, out, n_outputs,
                                    a, n_attributes, NULL),
                     0);
    for (size_t i = 0; i < n_outputs; i++) assert_int_equal(graph_add_output(g, out[i], NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
}

static void assert_refused(graph *g, int code, const char *says)
{
    schema s = {0};
    err e = ERR_NONE;
    int rc = interface_derive(&s, g, &e);
    if (rc != code || !strstr(e.msg, says)) fail_msg("%d %s, wanted %s", rc, e.msg, says);
    assert_int_equal(s.n_inputs, 0);
    graph_free(g);
}

static void columns_of_every_type(void **state)
{
    (void)state;
    graph *g = new_graph();
    assert_true(graph_add_input(g, "f", rows_of(DTYPE_F32, 3), NULL) >= 0);
    assert_true(graph_add_input(g, "d", rows_of(DTYPE_F64, 1), NULL) >= 0);
    assert_true(graph_add_input(g, "i", rows_of(DTYPE_I64, -1), NULL) >= 0);
    assert_true(graph_add_input(g, "b", rows_of(DTYPE_BOOL, 1), NULL) >= 0);
    assert_true(graph_add_input(g, "s", rows_of(DTYPE_STRING, 1), NULL) >= 0);
    value_type out = rows_of(DTYPE_F32, 1);
    join(g, &out, 1, NULL, 0);
    schema s;
    assert_int_equal(interface_derive(&s, g, NULL), 0);
    const struct {
        const char *name, *tensor;
        size_t slot;
        column_type type;
    } want[] = {
        {"f[0]", "f", 0, COLUMN_REAL}, {"f[1]", "f", 1, COLUMN_REAL}, {"f[2]", "f", 2, COLUMN_REAL},
        {"d", "d", 0, COLUMN_REAL},    {"i", "i", 0, COLUMN_INTEGER}, {"b", "b", 0, COLUMN_BOOLEAN},
        {"s", "s", 0, COLUMN_TEXT},
    };
    assert_int_equal(s.n_inputs, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(s.inputs[i].name, want[i].name);
        assert_string_equal(s.inputs[i].tensor, want[i].tensor);
        assert_int_equal(s.inputs[i].slot, want[i].slot);
        assert_int_equal(s.inputs[i].type, want[i].type);
        assert_false(s.inputs[i].missing_ok);
    }
    assert_int_equal(s.target.task, TASK_REGRESSION);
    assert_string_equal(s.target.name, "first");
    assert_int_equal(interface_check(&s, g, NULL), 0);
    schema_clear(&s);
    graph_free(g);
}

static graph *one_input(void)
{
    graph *g = new_graph();
    assert_true(graph_add_input(g, "x", rows_of(DTYPE_F32, 4), NULL) >= 0);
    return g;
}

static void classes_come_from_the_node(void **state)
{
    (void)state;
    graph *g = one_input();
    str names[] = {STR("no"), STR("yes")};
    attribute a = attribute_strings("classlabels_strings", names, 2);
    value_type out[] = {rows_of(DTYPE_STRING, -1), rows_of(DTYPE_F32, 2)};
    join(g, out, 2, &a, 1);
    schema s;
    assert_int_equal(interface_derive(&s, g, NULL), 0);
    assert_int_equal(s.target.task, TASK_CLASSIFICATION);
    assert_int_equal(s.target.type, COLUMN_CATEGORY);
    assert_int_equal(s.target.n_classes, 2);
    assert_string_equal(s.target.classes[1], "yes");
    assert_int_equal(interface_check(&s, g, NULL), 0);
    schema_clear(&s);
    graph_free(g);

    g = one_input();
    int64_t numbers[] = {-3, 0, 12};
    a = attribute_ints("classlabels_int64s", numbers, 3);
    value_type reversed[] = {rows_of(DTYPE_F32, 3), rows_of(DTYPE_I64, 1)};
    join(g, reversed, 2, &a, 1);
    assert_int_equal(interface_derive(&s, g, NULL), 0);
    assert_int_equal(s.target.type, COLUMN_INTEGER);
    assert_string_equal(s.target.name, "second");
    assert_string_equal(s.target.classes[0], "-3");
    interface_outputs found;
    assert_int_equal(interface_find_outputs(&found, g, NULL), 0);
    assert_int_equal(found.label, 1);
    assert_int_equal(found.scores, 0);
    schema_clear(&s);
    graph_free(g);
}

// label = Cast(ArrayFeatureExtractor(constant, index)), as skl2onnx writes it for general classifiers.
static void classes_come_from_a_constant(void **state)
{
    (void)state;
    graph *g = one_input();
    str texts[] = {STR("a"), STR("b"), STR("c")};
    tensor t = {.type = DTYPE_STRING, .shape = {1, {3}}, .data = texts};
    int constant = graph_add_constant(g, "classes", &t, NULL);
    int index = graph_add_value(g, "index", rows_of(DTYPE_I64, 1), NULL);
    int scores = graph_add_value(g, "scores", rows_of(DTYPE_F32, 3), NULL);
    int picked = graph_add_value(g, "picked", rows_of(DTYPE_STRING, 1), NULL);
    int label = graph_add_value(g, "label", rows_of(DTYPE_STRING, 1), NULL);
    assert_int_equal(graph_add_node(g, "", "Odd", g->inputs, 1, (value_id[]){index, scores}, 2, NULL, 0, NULL), 0);
    assert_int_equal(graph_add_node(g, "ai.onnx.ml", "ArrayFeatureExtractor", (value_id[]){constant, index}, 2, &picked,
                                    1, NULL, 0, NULL),
                     0);
    assert_int_equal(graph_add_node(g, "", "Cast", &picked, 1, &label, 1, NULL, 0, NULL), 0);
    assert_int_equal(graph_add_output(g, label, NULL), 0);
    assert_int_equal(graph_add_output(g, scores, NULL), 0);
    assert_int_equal(graph_check(g, NULL), 0);
    schema s;
    assert_int_equal(interface_derive(&s, g, NULL), 0);
    assert_int_equal(s.target.n_classes, 3);
    assert_string_equal(s.target.classes[2], "c");
    schema_clear(&s);
    graph_free(g);
}

static void numbered_classes_need_no_names(void **state)
{
    (void)state;
    graph *g = one_input();
    value_type out[] = {rows_of(DTYPE_I64, -1), rows_of(DTYPE_F32, 3)};
    join(g, out, 2, NULL, 0);
    schema s;
    assert_int_equal(interface_derive(&s, g, NULL), 0);
    assert_string_equal(s.target.classes[2], "2");
    schema_clear(&s);
    graph_free(g);
}

static void outputs_that_cannot_be_served(void **state)
{
    (void)state;
    graph *g = one_input();
    value_type text[] = {rows_of(DTYPE_STRING, -1), rows_of(DTYPE_F32, 3)};
    join(g, text, 2, NULL, 0);
    assert_refused(g, ERR_UNSUPPORTED, "output \"first\" (string (N)) is text, and no node or constant says");

    g = one_input();
    value_type open[] = {rows_of(DTYPE_I64, -1),
                         {.type = DTYPE_F32, .n_dims = 2, .dims = {{DIM_UNKNOWN, "N"}, {DIM_UNKNOWN, "C"}}}};
    join(g, open, 2, NULL, 0);
    assert_refused(g, ERR_UNSUPPORTED, "output \"second\" (float32 (N, ?)) does not say how many classes");

    g = one_input();
    value_type wide = rows_of(DTYPE_F32, 3);
    join(g, &wide, 1, NULL, 0);
    assert_refused(g, ERR_UNSUPPORTED, "output \"first\" (float32 (N, 3)) is not one float for each row");

    g = one_input();
    value_type three[] = {rows_of(DTYPE_I64, -1), rows_of(DTYPE_F32, 3), rows_of(DTYPE_F32, 1)};
    join(g, three, 3, NULL, 0);
    assert_refused(g, ERR_UNSUPPORTED, "output \"third\" (float32 (N, 1)) is one too many");

    g = one_input();
    value_type twice[] = {rows_of(DTYPE_I64, -1), rows_of(DTYPE_I64, -1)};
    join(g, twice, 2, NULL, 0);
    assert_refused(g, ERR_UNSUPPORTED, "output \"second\" (int64 (N)) is neither");

    g = one_input();
    str names[] = {STR("no"), STR("yes")};
    attribute a = attribute_strings("classlabels_strings", names, 2);
    value_type other[] = {rows_of(DTYPE_STRING, -1), rows_of(DTYPE_F32, 3)};
    join(g, other, 2, &a, 1);
    assert_refused(g, ERR_UNSUPPORTED, "output \"second\" has 3 scores for 2 classes");

    g = one_input();
    str unsound[] = {STR("no"), STR("y\xff")};
    a = attribute_strings("classlabels_strings", unsound, 2);
    value_type two[] = {rows_of(DTYPE_STRING, -1), rows_of(DTYPE_F32, 2)};
    join(g, two, 2, &a, 1);
    assert_refused(g, ERR_UNSUPPORTED, "class name that is empty or not UTF-8");
}

static void assert_input_refused(value_type t, const char *says)
{
    graph *g = new_graph();
    assert_true(graph_add_input(g, "x", t, NULL) >= 0);
    value_type out = rows_of(DTYPE_F32, 1);
    join(g, &out, 1, NULL, 0);
    assert_refused(g, ERR_UNSUPPORTED, says);
}

static void inputs_that_cannot_be_served(void **state)
{
    (void)state;
    dim n = {DIM_UNKNOWN, "N"};
    assert_input_refused((value_type){DTYPE_F32, 3, {n, {2, NULL}, {2, NULL}}},
                         "input \"x\" (float32 (N, 2, 2)) has another shape");
    assert_input_refused((value_type){DTYPE_F32, 0, {{0, NULL}}}, "another shape");
    assert_input_refused((value_type){DTYPE_F32, 2, {{1, NULL}, {4, NULL}}}, "fixed number of rows");
    assert_input_refused((value_type){DTYPE_F32, 2, {n, {DIM_UNKNOWN, NULL}}}, "does not say how many columns");
    assert_input_refused((value_type){DTYPE_F32, 2, {n, {70000, NULL}}}, "more than 65536");
    assert_input_refused((value_type){DTYPE_U8, 2, {n, {1, NULL}}}, "of a type that no column has");
}

static void schemas_that_differ_from_the_graph(void **state)
{
    (void)state;
    graph *g = one_input();
    value_type out[] = {rows_of(DTYPE_I64, -1), rows_of(DTYPE_F32, 3)};
    join(g, out, 2, NULL, 0);
    schema s;
    err e = ERR_NONE;
    assert_int_equal(interface_derive(&s, g, NULL), 0);
    s.inputs[1].slot = 4;
    assert_int_equal(interface_check(&s, g, &e), ERR_FORMAT);
    assert_string_equal(e.msg, "column \"x[1]\" goes to slot 4 of \"x\", which has 4");
    s.inputs[1].slot = 1;
    s.inputs[1].type = COLUMN_TEXT;
    assert_int_equal(interface_check(&s, g, &e), ERR_FORMAT);
    assert_string_equal(e.msg, "column \"x[1]\" of type text cannot go to \"x\", which is float32");
    s.inputs[1].type = COLUMN_REAL;
    s.target.task = TASK_REGRESSION;
    assert_int_equal(interface_check(&s, g, &e), ERR_FORMAT);
    assert_string_equal(e.msg, "the schema says regression, the graph's outputs say classification");
    s.target.task = TASK_CLASSIFICATION;
    assert_int_equal(interface_check(&s, g, &e), 0);
    schema_clear(&s);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_of_every_type),
        cmocka_unit_test(classes_come_from_the_node),
        cmocka_unit_test(classes_come_from_a_constant),
        cmocka_unit_test(numbered_classes_need_no_names),
        cmocka_unit_test(outputs_that_cannot_be_served),
        cmocka_unit_test(inputs_that_cannot_be_served),
        cmocka_unit_test(schemas_that_differ_from_the_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
