// Models made elsewhere: by the plan, row by row where rows are not apart, with labels that are numbers.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "graph/onnx.h"
#include "model/model.h"

#define N(array) (sizeof(array) / sizeof *(array))

static graph *new_graph(void)
{
    err e = ERR_NONE;
    graph *g = NULL;
    check_ok(graph_new(&g, 1 << 22, &e), &e);
    return g;
}

static value_id input(graph *g, const char *name)
{
    err e = ERR_NONE;
    int id = graph_add_input(g, name, value_type_rows(DTYPE_F32, 1), &e);
    assert_true(id >= 0);
    return id;
}

static value_id add(graph *g, const char *domain, const char *op, value_id a, value_id b, const attribute *attributes,
                    size_t n, value_type type)
{
    err e = ERR_NONE;
    int out = graph_add_value(g, "v", type, &e);
    assert_true(out >= 0);
    assert_true(
        graph_add_node(g, domain, op, (value_id[]){a, b}, b == VALUE_NONE ? 1 : 2, &out, 1, attributes, n, &e) >= 0);
    return out;
}

// Takes the graph.
static int open_graph(model **out, graph *g, err *e)
{
    buf file;
    buf_init(&file, 1 << 22);
    check_ok(graph_check(g, e), e);
    check_ok(onnx_write(g, &file, e), e);
    graph_free(g);
    package *p = NULL;
    check_ok(package_from_onnx(&p, buf_str(&file), e), e);
    buf_clear(&file);
    return model_open(out, p, e);
}

// value = x + 10 y
static graph *sum_graph(void)
{
    err e = ERR_NONE;
    graph *g = new_graph();
    value_id x = input(g, "x"), y = input(g, "y");
    float ten = 10;
    int constant = graph_add_constant(g, "ten", &(tensor){.type = DTYPE_F32, .data = &ten}, &e);
    assert_true(constant >= 0);
    value_id tens = add(g, "", "Mul", y, constant, NULL, 0, value_type_rows(DTYPE_F32, 1));
    value_id sum = add(g, "", "Add", x, tens, NULL, 0, value_type_rows(DTYPE_F32, 1));
    assert_true(graph_add_output(g, sum, &e) >= 0);
    return g;
}

// value = x - the sum of x over the batch: rows are not apart
static graph *mixed_graph(void)
{
    err e = ERR_NONE;
    graph *g = new_graph();
    value_id x = input(g, "x");
    int64_t axis = 0;
    int constant = graph_add_constant(
        g, "axis", &(tensor){.type = DTYPE_I64, .shape = {.n_dims = 1, .dims = {1}}, .data = &axis}, &e);
    assert_true(constant >= 0);
    value_type one = value_type_rows(DTYPE_F32, 1);
    one.dims[0] = (dim){.size = 1};
    value_id sum = add(g, "", "ReduceSum", x, constant, NULL, 0, one);
    value_id rest = add(g, "", "Sub", x, sum, NULL, 0, value_type_rows(DTYPE_F32, 1));
    assert_true(graph_add_output(g, rest, &e) >= 0);
    return g;
}

// x <= 1: class 5, else class -3, and never 7; through a Mul by 1, which no row program has
static graph *class_graph(void)
{
    err e = ERR_NONE;
    graph *g = new_graph();
    value_id x = input(g, "x");
    float one = 1;
    int constant = graph_add_constant(g, "one", &(tensor){.type = DTYPE_F32, .data = &one}, &e);
    value_id same = add(g, "", "Mul", x, constant, NULL, 0, value_type_rows(DTYPE_F32, 1));
    static const int64_t labels[] = {5, -3, 7}, zeros[] = {0, 0, 0}, nodes[] = {0, 1, 2}, yes[] = {1, 0, 0},
                         no[] = {2, 0, 0}, leaf_trees[] = {0, 0, 0}, leaves[] = {1, 2, 2}, ids[] = {0, 1, 2};
    static const float values[] = {1, 0, 0}, weights[] = {0.75F, 0.5F, 0.25F};
    const str modes[] = {STR("BRANCH_LEQ"), STR("LEAF"), STR("LEAF")};
    const attribute attributes[] = {
        attribute_ints("classlabels_int64s", labels, 3),
        attribute_ints("nodes_treeids", zeros, 3),
        attribute_ints("nodes_nodeids", nodes, 3),
        attribute_ints("nodes_featureids", zeros, 3),
        attribute_strings("nodes_modes", modes, 3),
        attribute_floats("nodes_values", values, 3),
        attribute_ints("nodes_truenodeids", yes, 3),
        attribute_ints("nodes_falsenodeids", no, 3),
        attribute_ints("class_treeids", leaf_trees, 3),
        attribute_ints("class_nodeids", leaves, 3),
        attribute_ints("class_ids", ids, 3),
        attribute_floats("class_weights", weights, 3),
    };
    int label = graph_add_value(g, "label", value_type_rows(DTYPE_I64, -1), &e);
    int scores = graph_add_value(g, "scores", value_type_rows(DTYPE_F32, 3), &e);
    assert_true(label >= 0 && scores >= 0);
    assert_true(graph_add_node(g, "ai.onnx.ml", "TreeEnsembleClassifier", &same, 1, (value_id[]){label, scores}, 2,
                               attributes, N(attributes), &e) >= 0);
    assert_true(graph_add_output(g, label, &e) >= 0 && graph_add_output(g, scores, &e) >= 0);
    return g;
}

static frame *table(const double *x, const double *y, size_t n)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    check_ok(frame_builder_new(&b, n, &e), &e);
    check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), &e);
    if (y) check_ok(frame_builder_add_f64(b, "y", COLUMN_REAL, y, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static void values_by_the_plan(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m = NULL;
    check_ok(open_graph(&m, sum_graph(), &e), &e);
    assert_true(model_rows_apart(m));
    assert_int_equal(model_schema(m)->target.task, TASK_REGRESSION);
    const double x[] = {1, 2, 3}, y[] = {4, 5, 6};
    frame *f = table(x, y, 3);
    arena a;
    arena_init(&a, 1 << 20);
    prediction p;
    check_ok(model_predict_frame(m, f, NULL, 0, &p, NULL, &a, &e), &e);
    assert_int_equal(p.n_rows, 3);
    assert_int_equal(p.n_scores, 1);
    assert_null(p.labels);
    assert_true(p.scores[0] == 41 && p.scores[1] == 52 && p.scores[2] == 63);
    static const uint32_t rows[] = {2, 0};
    check_ok(model_predict_frame(m, f, rows, 2, &p, NULL, &a, &e), &e);
    assert_true(p.n_rows == 2 && p.scores[0] == 63 && p.scores[1] == 41);
    check_ok(model_predict_frame(m, f, rows, 0, &p, NULL, &a, &e), &e);
    assert_int_equal(p.n_rows, 0);
    arena_clear(&a);
    frame_free(f);
    model_drop(m);
}

static void rows_one_by_one(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m = NULL;
    check_ok(open_graph(&m, mixed_graph(), &e), &e);
    assert_false(model_rows_apart(m));
    const double x[] = {1, 2, 3};
    frame *f = table(x, NULL, 3);
    arena a;
    arena_init(&a, 1 << 24);
    prediction p;
    check_ok(model_predict_frame(m, f, NULL, 0, &p, NULL, &a, &e), &e);
    for (size_t i = 0; i < 3; i++) assert_true(p.scores[i] == 0); // each alone: x - x
    batch b;
    check_ok(batch_new(&b, model_schema(m), 70000, &a, &e), &e);
    check_fails(model_predict(m, &b, &p, &a, &e), ERR_LIMIT, &e);
    check_says(&e, "one by one");
    arena_clear(&a);
    frame_free(f);
    model_drop(m);
}

static void labels_that_are_numbers(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m = NULL;
    check_ok(open_graph(&m, class_graph(), &e), &e);
    const schema *s = model_schema(m);
    assert_int_equal(s->target.n_classes, 3);
    assert_string_equal(s->target.classes[0], "5");
    assert_string_equal(s->target.classes[1], "-3");
    const double x[] = {0, 2, 1};
    frame *f = table(x, NULL, 3);
    arena a;
    arena_init(&a, 1 << 20);
    prediction p;
    check_ok(model_predict_frame(m, f, NULL, 0, &p, NULL, &a, &e), &e);
    assert_true(p.labels[0] == 0 && p.labels[1] == 1 && p.labels[2] == 0);
    assert_true(p.scores[0] == 0.75F && p.scores[1] == 0 && p.scores[4] == 0.5F);
    arena_clear(&a);
    frame_free(f);
    model_drop(m);
}

static void missing_values_named_by_row(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m = NULL;
    check_ok(open_graph(&m, sum_graph(), &e), &e);
    enum { ROWS = 3000, AT = 2500 }; // past the first block
    static double x[ROWS], y[ROWS];
    y[AT] = NAN;
    frame *f = table(x, y, ROWS);
    arena a;
    arena_init(&a, 1 << 20);
    prediction p;
    pool *workers = NULL;
    check_ok(pool_new(&workers, 3, &e), &e);
    check_fails(model_predict_frame(m, f, NULL, 0, &p, workers, &a, &e), ERR_INPUT, &e);
    check_says(&e, "row 2501: column \"y\": missing");
    assert_int_equal(e.at, AT + 1);
    pool_free(workers);
    arena_clear(&a);
    frame_free(f);
    model_drop(m);
}

static void columns_that_are_not_there(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m = NULL;
    check_ok(open_graph(&m, sum_graph(), &e), &e);
    const double x[] = {1};
    frame *f = table(x, NULL, 1);
    arena a;
    arena_init(&a, 1 << 20);
    prediction p;
    check_fails(model_predict_frame(m, f, NULL, 0, &p, NULL, &a, &e), ERR_INPUT, &e);
    check_says(&e, "\"y\"");
    arena_clear(&a);
    frame_free(f);
    model_drop(m);
}

static void memory_has_a_ceiling(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m = NULL;
    check_ok(open_graph(&m, sum_graph(), &e), &e);
    arena rows, small;
    arena_init(&rows, 1 << 24);
    arena_init(&small, 4096);
    batch b;
    prediction p;
    check_ok(batch_new(&b, model_schema(m), 10000, &rows, &e), &e);
    for (size_t i = 0; i < 10000; i++) b.columns[0].f32[i] = b.columns[1].f32[i] = 1;
    check_fails(model_predict(m, &b, &p, &small, &e), ERR_MEMORY, &e);
    check_ok(model_predict(m, &b, &p, &rows, &e), &e); // the model is as it was
    assert_true(p.scores[9999] == 11);
    arena_clear(&small);
    arena_clear(&rows);
    model_drop(m);
}

static void drivers(void **state)
{
    (void)state;
    size_t n;
    const driver_row *const *rows = driver_rows(&n);
    for (size_t i = 0; i < n; i++) assert_ptr_equal(driver_find(rows[i]->name), rows[i]);
    assert_null(driver_find("twice"));

    err e = ERR_NONE;
    graph *g = sum_graph();
    package *made = NULL, *other = NULL;
    buf file;
    buf_init(&file, 1 << 20);
    check_ok(graph_check(g, &e), &e);
    check_ok(onnx_write(g, &file, &e), &e);
    check_ok(package_from_onnx(&made, buf_str(&file), &e), &e);
    package_parts parts = {.recipe = "", .driver = "twice", .schema = &made->schema, .graph = g};
    check_ok(package_make(&other, &parts, &e), &e);
    model *m = NULL;
    check_fails(model_open(&m, other, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "\"twice\"");
    package_free(made);
    buf_clear(&file);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_by_the_plan),
        cmocka_unit_test(rows_one_by_one),
        cmocka_unit_test(labels_that_are_numbers),
        cmocka_unit_test(missing_values_named_by_row),
        cmocka_unit_test(columns_that_are_not_there),
        cmocka_unit_test(memory_has_a_ceiling),
        cmocka_unit_test(drivers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
