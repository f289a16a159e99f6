// Row programs: what they refuse, what they say, and that they allocate nothing beside their scratch. That they give
// the bytes of their graphs is a property test.
// SPDX-License-Identifier: Apache-2.0
#include "engine/row_program.h"

#include <math.h>

#include "base/mem.h"
#include "check.h"

enum { MEMORY = 64 << 20 };

static graph *new_graph(void)
{
    graph *g;
    assert_int_equal(graph_new(&g, MEMORY, NULL), 0);
    return g;
}

static value_id add(graph *g, const char *domain, const char *op, const value_id *in, size_t n, const attribute *a,
                    size_t n_a, dtype t)
{
    value_id out = graph_add_value(g, "v", value_type_rows(t, 1), NULL);
    g->values[out].type.n_dims = -1;
    assert_int_equal(graph_add_node(g, domain, op, in, n, &out, 1, a, n_a, NULL), 0);
    return out;
}

static void end(graph *g, value_id out)
{
    err e = ERR_NONE;
    assert_int_equal(graph_add_output(g, out, &e), 0);
    check_ok(graph_check(g, &e), &e);
}

// float (N, 2) -> Imputer -> Scaler
static graph *numbers(void)
{
    graph *g = new_graph();
    value_id x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 2), NULL);
    float fills[] = {1, 2}, offsets[] = {1, 0}, scales[] = {2, 4}, nan = NAN;
    attribute impute[] = {attribute_floats("imputed_value_floats", fills, 2),
                          attribute_float("replaced_value_float", &nan)};
    x = add(g, "ai.onnx.ml", "Imputer", &x, 1, impute, 2, DTYPE_F32);
    attribute scale[] = {attribute_floats("offset", offsets, 2), attribute_floats("scale", scales, 2)};
    end(g, add(g, "ai.onnx.ml", "Scaler", &x, 1, scale, 2, DTYPE_F32));
    return g;
}

static void numbers_are_prepared(void **state)
{
    (void)state;
    graph *g = numbers();
    row_program *p;
    err e = ERR_NONE;
    check_ok(row_program_compile(&p, g, &e), &e);
    assert_int_equal(row_program_n_features(p), 2);
    assert_int_equal(row_program_n_scores(p), 0);
    float x[] = {NAN, 1, 3, NAN}, out[4];
    arena scratch;
    arena_init(&scratch, MEMORY);
    tensor in = {.type = DTYPE_F32, .shape = {.n_dims = 2, .dims = {2, 2}}, .data = x};
    check_ok(row_program_run(p, &in, 2, NULL, NULL, out, &scratch, &e), &e);
    assert_memory_equal(out, ((float[]){0, 4, 4, 8}), sizeof out);
    in.shape.dims[1] = 3;
    check_fails(row_program_run(p, &in, 2, NULL, NULL, out, &scratch, &e), ERR_INPUT, &e);
    in = (tensor){.type = DTYPE_I64, .shape = {.n_dims = 2, .dims = {2, 2}}, .data = x};
    check_fails(row_program_run(p, &in, 2, NULL, NULL, out, &scratch, &e), ERR_INPUT, &e);
    assert_string_equal(e.msg, "input 'x' is int64, not float32");
    arena_clear(&scratch);
    row_program_free(p);
    graph_free(g);
}

static void scratch_is_all_it_takes(void **state)
{
    (void)state;
    graph *g = numbers();
    row_program *p;
    err e = ERR_NONE;
    check_ok(row_program_compile(&p, g, &e), &e);
    static float x[2000], out[2000];
    tensor in = {.type = DTYPE_F32, .shape = {.n_dims = 2, .dims = {1000, 2}}, .data = x};
    arena scratch;
    arena_init(&scratch, 4096); // a block of rows at a time, however many there are
    check_ok(row_program_run(p, &in, 1000, NULL, NULL, out, &scratch, &e), &e);
    arena_clear(&scratch);
    arena_init(&scratch, 16);
    check_fails(row_program_run(p, &in, 1000, NULL, NULL, out, &scratch, &e), ERR_MEMORY, &e);
    arena_clear(&scratch);
    row_program_free(p);
    graph_free(g);
}

static void what_is_no_row_program_is_refused(void **state)
{
    (void)state;
    err e = ERR_NONE;
    row_program *p;
    graph *g = new_graph(); // an operator that it does not have
    value_id x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 2), NULL);
    end(g, add(g, "", "Sigmoid", &x, 1, NULL, 0, DTYPE_F32));
    check_fails(row_program_compile(&p, g, &e), ERR_UNSUPPORTED, &e);
    assert_string_equal(e.msg, "node 0 (Sigmoid): row programs do not have it");
    graph_free(g);

    g = new_graph(); // rows that are not kept apart
    x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 2), NULL);
    int64_t axis = 0;
    attribute a = attribute_int("axis", &axis);
    end(g, add(g, "", "Concat", (value_id[]){x, x}, 2, &a, 1, DTYPE_F32));
    check_fails(row_program_compile(&p, g, &e), ERR_UNSUPPORTED, &e);
    assert_string_equal(e.msg, "rows are not kept apart");
    graph_free(g);

    g = new_graph(); // an output that is no float matrix
    x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 2), NULL);
    end(g, add(g, "", "IsNaN", &x, 1, NULL, 0, DTYPE_BOOL));
    check_fails(row_program_compile(&p, g, &e), ERR_UNSUPPORTED, &e);
    graph_free(g);

    g = new_graph(); // a graph that no plan takes either: a fault, not "use the plan"
    x = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 2), NULL);
    float one = 1;
    attribute bad[] = {attribute_floats("offset", &one, 1)};
    end(g, add(g, "ai.onnx.ml", "Scaler", &x, 1, bad, 1, DTYPE_F32));
    check_fails(row_program_compile(&p, g, &e), ERR_INPUT, &e);
    graph_free(g);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    graph *g = numbers();
    int rc = ERR_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        row_program *p;
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        rc = row_program_compile(&p, g, &e);
        mem_fail_at(0, 0);
        if (rc < 0)
            assert_int_equal(e.code, ERR_MEMORY);
        else
            row_program_free(p);
    }
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_prepared),
        cmocka_unit_test(scratch_is_all_it_takes),
        cmocka_unit_test(what_is_no_row_program_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
