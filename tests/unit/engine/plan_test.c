// Plans and sessions: errors at load, folding, lifetimes, rows apart, steady state, ceilings, failing allocations.
// SPDX-License-Identifier: Apache-2.0
#include "engine/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "engine/plan_impl.h"

enum { MEMORY = 64 << 20 };

typedef struct model {
    graph *g;
    value_id at; // the last value
} model;

static model new_model(dtype t, int64_t columns)
{
    model m;
    assert_int_equal(graph_new(&m.g, MEMORY, NULL), 0);
    m.at = graph_add_input(m.g, "x", value_type_rows(t, columns), NULL);
    return m;
}

static value_id constant(model *m, dtype t, shape s, const void *data)
{
    return graph_add_constant(m->g, "c", &(tensor){.type = t, .shape = s, .data = (void *)(uintptr_t)data}, NULL);
}

// A node on the last value and others.
static void add(model *m, const char *domain, const char *op, value_id other, const attribute *a, size_t n)
{
    value_id in[2] = {m->at, other};
    value_id out = graph_add_value(m->g, "v", (value_type){.n_dims = -1}, NULL);
    assert_int_equal(graph_add_node(m->g, domain, op, in, other == VALUE_NONE ? 1 : 2, &out, 1, a, n, NULL), 0);
    m->at = out;
}

static void end(model *m, dtype t)
{
    if (m->g->values[m->at].kind == VALUE_COMPUTED) m->g->values[m->at].type.type = t;
    assert_int_equal(graph_add_output(m->g, m->at, NULL), 0);
    err e = ERR_NONE;
    if (graph_check(m->g, &e) < 0) fail_msg("%s", e.msg);
}

static plan *must_plan(const graph *g)
{
    plan *p;
    err e = ERR_NONE;
    if (plan_new(&p, g, NULL, &e) < 0) fail_msg("%s", e.msg);
    return p;
}

static tensor rows_of(dtype t, int64_t rows, int64_t columns, void *data)
{
    return (tensor){.type = t, .shape = {.n_dims = 2, .dims = {rows, columns}}, .data = data};
}

// x (N, 3) float32 -> + c -> * c -> Softmax
static model arithmetic(void)
{
    model m = new_model(DTYPE_F32, 3);
    value_id c = constant(&m, DTYPE_F32, (shape){1, {3}}, (float[]){1, 2, 3});
    add(&m, "", "Add", c, NULL, 0);
    add(&m, "", "Mul", c, NULL, 0);
    add(&m, "", "Softmax", VALUE_NONE, NULL, 0);
    end(&m, DTYPE_F32);
    return m;
}

static void unknown_operators_are_named(void **state)
{
    (void)state;
    model m = new_model(DTYPE_F32, 3);
    add(&m, "", "Relu", VALUE_NONE, NULL, 0);
    add(&m, "", "Frobnicate", VALUE_NONE, NULL, 0);
    end(&m, DTYPE_F32);
    plan *p;
    err e = ERR_NONE;
    assert_int_equal(plan_new(&p, m.g, NULL, &e), ERR_UNSUPPORTED);
    assert_string_equal(e.msg, "node 1 '': there is no operator ai.onnx.Frobnicate of opset 17 here");
    assert_int_equal(graph_set_opset(m.g, "", OPERATOR_OPSET_NEWEST + 1, NULL), 0);
    assert_int_equal(plan_new(&p, m.g, NULL, &e), ERR_UNSUPPORTED);
    assert_non_null(strstr(e.msg, "ai.onnx.Relu of opset 29"));
    graph_free(m.g);
}

static void contradictions_are_found_at_load(void **state)
{
    (void)state;
    plan *p;
    err e = ERR_NONE;
    model m = new_model(DTYPE_F32, 3);
    add(&m, "", "Add", constant(&m, DTYPE_F32, (shape){1, {2}}, (float[]){1, 2}), NULL, 0);
    end(&m, DTYPE_F32);
    assert_int_equal(plan_new(&p, m.g, NULL, &e), ERR_INPUT);
    assert_string_equal(e.msg, "node 0 (Add): broadcast: sizes 3 and 2 do not fit");
    graph_free(m.g);

    m = new_model(DTYPE_F32, 3);
    add(&m, "", "Add", constant(&m, DTYPE_I64, (shape){0, {0}}, (int64_t[]){1}), NULL, 0);
    end(&m, DTYPE_F32);
    assert_int_equal(plan_new(&p, m.g, NULL, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "inputs 0 and 1 are float32 and int64"));
    graph_free(m.g);

    m = new_model(DTYPE_F32, 3);
    add(&m, "", "Relu", VALUE_NONE, NULL, 0);
    end(&m, DTYPE_I64);
    assert_int_equal(plan_new(&p, m.g, NULL, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "is declared as int64, but computed as float32"));
    graph_free(m.g);
}

static void inputs_are_checked(void **state)
{
    (void)state;
    model m = arithmetic();
    plan *p = must_plan(m.g);
    session *s;
    assert_int_equal(session_new(&s, p, MEMORY, NULL), 0);
    float x[6] = {0};
    tensor out, in = rows_of(DTYPE_F32, 2, 2, x);
    err e = ERR_NONE;
    assert_int_equal(session_run(s, &in, &out, &e), ERR_INPUT);
    assert_string_equal(e.msg, "input 'x' has 2 in dimension 1, not 3");
    in = rows_of(DTYPE_I64, 2, 3, x);
    assert_int_equal(session_run(s, &in, &out, &e), ERR_INPUT);
    assert_string_equal(e.msg, "input 'x' is int64, not float32");
    in = rows_of(DTYPE_F32, 2, 3, x); // and the session is still good
    assert_int_equal(session_run(s, &in, &out, &e), 0);
    in = rows_of(DTYPE_F32, 0, 3, NULL);
    assert_int_equal(session_run(s, &in, &out, &e), 0);
    assert_int_equal(out.shape.dims[0], 0);
    session_free(s);
    plan_free(p);
    graph_free(m.g);
}

static void constants_fold_and_dead_nodes_go(void **state)
{
    (void)state;
    model m = new_model(DTYPE_F32, 3);
    value_id x = m.at, c = constant(&m, DTYPE_F32, (shape){1, {3}}, (float[]){1, 2, 3});
    m.at = c;
    add(&m, "", "Add", c, NULL, 0); // folds
    value_id folded = m.at;
    m.at = x;
    add(&m, "", "Relu", VALUE_NONE, NULL, 0); // nobody needs it
    m.at = x;
    add(&m, "", "Mul", folded, NULL, 0);
    end(&m, DTYPE_F32);
    plan *p = must_plan(m.g);
    assert_int_equal(p->n_steps, 1);
    session *s;
    assert_int_equal(session_new(&s, p, MEMORY, NULL), 0);
    tensor out, in = rows_of(DTYPE_F32, 1, 3, (float[]){1, 10, 100});
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
    assert_memory_equal(out.data, ((float[]){2, 40, 600}), 3 * sizeof(float));
    session_free(s);
    plan_free(p);
    // What training changes must not fold.
    m.g->values[c].kind = VALUE_PARAMETER;
    p = must_plan(m.g);
    assert_int_equal(p->n_steps, 2);
    plan_free(p);
    graph_free(m.g);
}

static void lifetimes_bound_memory(void **state)
{
    (void)state;
    enum { ROWS = 4096, STEPS = 40 };
    model m = new_model(DTYPE_F32, 1);
    for (int i = 0; i < STEPS; i++) add(&m, "", "Neg", VALUE_NONE, NULL, 0);
    end(&m, DTYPE_F32);
    plan *p = must_plan(m.g);
    session *s;
    assert_int_equal(session_new(&s, p, 4 * ROWS * sizeof(float), NULL), 0); // three of 40 values at once
    static float x[8 * ROWS] = {1};
    tensor out, in = rows_of(DTYPE_F32, ROWS, 1, x);
    err e = ERR_NONE;
    if (session_run(s, &in, &out, &e) < 0) fail_msg("%s", e.msg);
    assert_true(((const float *)out.data)[0] == 1);
    in = rows_of(DTYPE_F32, 8 * ROWS, 1, x); // past the ceiling
    assert_int_equal(session_run(s, &in, &out, &e), ERR_MEMORY);
    in = rows_of(DTYPE_F32, ROWS, 1, x);
    assert_int_equal(session_run(s, &in, &out, &e), 0);
    session_free(s);
    plan_free(p);
    graph_free(m.g);
}

static void a_value_used_twice_is_freed_once(void **state)
{
    (void)state;
    model m = new_model(DTYPE_F32, 1);
    add(&m, "", "Neg", VALUE_NONE, NULL, 0);
    for (int i = 0; i < 6; i++) {
        value_id before = m.at;
        add(&m, "", "Add", before, NULL, 0);
        add(&m, "", "Add", m.at, NULL, 0);
    }
    end(&m, DTYPE_F32);
    plan *p = must_plan(m.g);
    session *s;
    assert_int_equal(session_new(&s, p, MEMORY, NULL), 0);
    tensor out, in = rows_of(DTYPE_F32, 1, 1, (float[]){-1});
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
    assert_true(((const float *)out.data)[0] == 4096);
    session_free(s);
    plan_free(p);
    graph_free(m.g);
}

// Shape -> Slice -> Concat -> Reshape: sizes that are known only while running.
static void sizes_may_be_computed(void **state)
{
    (void)state;
    model m = new_model(DTYPE_F32, 4);
    value_id x = m.at, one = constant(&m, DTYPE_I64, (shape){1, {1}}, (int64_t[]){1});
    add(&m, "", "Shape", VALUE_NONE, NULL, 0);
    add(&m, "", "Gather", constant(&m, DTYPE_I64, (shape){1, {1}}, (int64_t[]){0}), NULL, 0);
    add(&m, "", "Add", one, NULL, 0);
    add(&m, "", "Sub", one, NULL, 0);
    int64_t axis = 0;
    attribute a = attribute_int("axis", &axis);
    add(&m, "", "Concat", constant(&m, DTYPE_I64, (shape){1, {2}}, (int64_t[]){2, 2}), &a, 1);
    value_id shape_value = m.at;
    m.at = x;
    add(&m, "", "Reshape", shape_value, NULL, 0);
    add(&m, "", "Neg", VALUE_NONE, NULL, 0);
    end(&m, DTYPE_F32);
    plan *p = must_plan(m.g);
    assert_false(plan_rows_apart(p)); // true in fact, but not proven
    session *s;
    assert_int_equal(session_new(&s, p, MEMORY, NULL), 0);
    float data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    for (int64_t rows = 1; rows <= 3; rows++) {
        tensor out, in = rows_of(DTYPE_F32, rows, 4, data);
        err e = ERR_NONE;
        if (session_run(s, &in, &out, &e) < 0) fail_msg("%s", e.msg);
        assert_int_equal(out.shape.n_dims, 3);
        assert_int_equal(out.shape.dims[0], rows);
        assert_true(((const float *)out.data)[rows * 4 - 1] == -data[rows * 4 - 1]);
    }
    session_free(s);
    plan_free(p);
    graph_free(m.g);
}

static void rows_are_proven_apart(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        bool apart;
        int64_t axis;
    } cases[] = {
        {"Softmax", true, 1},    {"Softmax", false, 0}, {"ArgMax", true, 1},      {"ArgMax", false, 0},
        {"Flatten", true, 1},    {"Flatten", false, 0}, {"LogSoftmax", false, 0}, {"Shape", false, 0},
        {"Transpose", false, 0}, {"Identity", true, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model m = new_model(DTYPE_F32, 3);
        attribute a = attribute_int("axis", &cases[i].axis);
        bool has_axis = cases[i].op[0] != 'I' && cases[i].op[0] != 'T' && strcmp(cases[i].op, "Shape") != 0;
        add(&m, "", cases[i].op, VALUE_NONE, &a, has_axis);
        end(&m, DTYPE_NONE);
        plan *p = must_plan(m.g);
        if (plan_rows_apart(p) != cases[i].apart) fail_msg("%s axis %d", cases[i].op, (int)cases[i].axis);
        plan_free(p);
        graph_free(m.g);
    }
    // A constant with as many rows as it likes must not be joined to them.
    static const struct {
        shape s;
        bool apart;
    } others[] = {
        {{1, {3}}, true}, {{2, {1, 3}}, true}, {{2, {2, 3}}, false}, {{0, {0}}, true}, {{3, {2, 1, 3}}, false}};
    float zeros[6] = {0};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        model m = new_model(DTYPE_F32, 3);
        add(&m, "", "Add", constant(&m, DTYPE_F32, others[i].s, zeros), NULL, 0);
        end(&m, DTYPE_F32);
        plan *p = must_plan(m.g);
        if (plan_rows_apart(p) != others[i].apart) fail_msg("Add %zu", i);
        plan_free(p);
        graph_free(m.g);
    }
}

static void the_steady_state_allocates_nothing(void **state)
{
    (void)state;
    model m = arithmetic();
    plan *p = must_plan(m.g);
    session *s;
    assert_int_equal(session_new(&s, p, MEMORY, NULL), 0);
    float x[30] = {0};
    tensor out, in = rows_of(DTYPE_F32, 10, 3, x);
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
    mem_fail_at(1, 1); // any request would fail
    for (int i = 0; i < 3; i++) assert_int_equal(session_run(s, &in, &out, NULL), 0);
    in = rows_of(DTYPE_F32, 4, 3, x); // smaller fits too
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
    assert_int_equal(mem_fail_at(0, 0), 0);
    session_free(s);
    plan_free(p);
    graph_free(m.g);
}

// Texts live in an arena, of which each object is a block under the address sanitizer: only there they allocate.
static void texts_take_their_memory_once(void **state)
{
    (void)state;
    model m = new_model(DTYPE_I64, 1);
    int64_t to = DTYPE_STRING;
    attribute a = attribute_int("to", &to);
    add(&m, "", "Cast", VALUE_NONE, &a, 1);
    end(&m, DTYPE_STRING);
    plan *p = must_plan(m.g);
    session *s;
    assert_int_equal(session_new(&s, p, MEMORY, NULL), 0);
    static int64_t x[5000];
    for (int64_t i = 0; i < 5000; i++) x[i] = i;
    tensor out, in = rows_of(DTYPE_I64, 5000, 1, x);
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
#if !defined(__SANITIZE_ADDRESS__)
    mem_fail_at(1, 1);
    assert_int_equal(session_run(s, &in, &out, NULL), 0);
    assert_int_equal(mem_fail_at(0, 0), 0);
#endif
    assert_true(str_equal(((const str *)out.data)[4321], STR("4321")));
    session_free(s);
    plan_free(p);
    graph_free(m.g);
}

static int plan_and_run(const graph *g, const tensor *in, tensor *out, err *e)
{
    plan *p;
    session *s = NULL;
    TRY(plan_new(&p, g, NULL, e));
    int rc = session_new(&s, p, MEMORY, e);
    if (rc == 0) rc = session_run(s, in, out, e);
    if (rc == 0) rc = session_run(s, in, out, e);
    session_free(s);
    plan_free(p);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    model m = new_model(DTYPE_STRING, 1);
    str keys[] = {STR("a"), STR("b")};
    float values[] = {1, 2};
    attribute encode[] = {attribute_strings("keys_strings", keys, 2), attribute_floats("values_floats", values, 2)};
    add(&m, "ai.onnx.ml", "LabelEncoder", VALUE_NONE, encode, 2);
    int64_t to = DTYPE_STRING;
    attribute cast = attribute_int("to", &to);
    add(&m, "", "Cast", VALUE_NONE, &cast, 1);
    end(&m, DTYPE_STRING);
    str x[] = {STR("a"), STR("b"), STR("c")};
    tensor out, in = rows_of(DTYPE_STRING, 3, 1, x);
    int rc = ERR_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        rc = plan_and_run(m.g, &in, &out, &e);
        mem_fail_at(0, 0);
        if (rc < 0) assert_int_equal(e.code, ERR_MEMORY);
    }
    graph_free(m.g);
}

static void integers_are_not_divided_by_zero(void **state)
{
    (void)state;
    model m = new_model(DTYPE_I64, 1);
    value_id x = m.at;
    m.at = constant(&m, DTYPE_I64, (shape){0, {0}}, (int64_t[]){INT64_MIN});
    add(&m, "", "Div", x, NULL, 0);
    end(&m, DTYPE_I64);
    tensor out, in = rows_of(DTYPE_I64, 1, 1, (int64_t[]){0});
    err e = ERR_NONE;
    assert_int_equal(plan_and_run(m.g, &in, &out, &e), ERR_INPUT);
    assert_string_equal(e.msg, "node 0 (Div): an integer is divided by zero");
    in.data = (int64_t[]){-1};
    assert_int_equal(plan_and_run(m.g, &in, &out, &e), 0);
    graph_free(m.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_operators_are_named),
        cmocka_unit_test(contradictions_are_found_at_load),
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(constants_fold_and_dead_nodes_go),
        cmocka_unit_test(lifetimes_bound_memory),
        cmocka_unit_test(a_value_used_twice_is_freed_once),
        cmocka_unit_test(sizes_may_be_computed),
        cmocka_unit_test(rows_are_proven_apart),
        cmocka_unit_test(the_steady_state_allocates_nothing),
        cmocka_unit_test(texts_take_their_memory_once),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(integers_are_not_divided_by_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
