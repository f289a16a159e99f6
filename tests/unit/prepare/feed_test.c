// Batches as the inputs of graphs: what is passed as it is, what is copied, what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "prepare/feed.h"

#define N(array) (sizeof(array) / sizeof *(array))

// a, b -> two slots of "pair" (float); n -> "count" (int64 or what is asked for); t -> "text"; d -> "date"
static char a_[] = "a", b_[] = "b", n_[] = "n", t_[] = "t", d_[] = "d";
static char pair_[] = "pair", count_[] = "count", text_[] = "text", date_[] = "date", elsewhere_[] = "elsewhere";
static schema_input inputs[] = {
    {.name = a_, .type = COLUMN_REAL, .tensor = pair_, .slot = 1, .missing_ok = true},
    {.name = b_, .type = COLUMN_REAL, .tensor = pair_, .slot = 0, .missing_ok = true},
    {.name = n_, .type = COLUMN_INTEGER, .tensor = count_},
    {.name = t_, .type = COLUMN_CATEGORY, .tensor = text_, .missing_ok = true},
    {.name = d_, .type = COLUMN_DATETIME, .tensor = date_, .missing_ok = true},
};
static const schema columns = {.n_inputs = N(inputs), .inputs = inputs};

static graph *make_graph(dtype count_type, bool rank_one)
{
    err e = ERR_NONE;
    graph *g = NULL;
    check_ok(graph_new(&g, 1 << 20, &e), &e);
    assert_true(graph_add_input(g, "text", value_type_rows(DTYPE_STRING, 1), &e) >= 0);
    assert_true(graph_add_input(g, "count", value_type_rows(count_type, rank_one ? -1 : 1), &e) >= 0);
    assert_true(graph_add_input(g, "pair", value_type_rows(DTYPE_F32, 2), &e) >= 0);
    assert_true(graph_add_input(g, "date", value_type_rows(DTYPE_I64, 1), &e) >= 0);
    return g;
}

static batch make_batch(arena *a)
{
    err e = ERR_NONE;
    batch b;
    check_ok(batch_new(&b, &columns, 3, a, &e), &e);
    for (size_t i = 0; i < 3; i++) {
        b.columns[0].f32[i] = 10 + (float)i;
        b.columns[1].f32[i] = 20 + (float)i;
        b.columns[2].f32[i] = (float)i - 1;
        b.columns[3].strings[i] = STR("x");
        b.columns[4].i64[i] = 7;
    }
    return b;
}

static void points_and_gathers(void **state)
{
    (void)state;
    err e = ERR_NONE;
    arena a;
    arena_init(&a, 1 << 20);
    graph *g = make_graph(DTYPE_F32, false);
    batch b = make_batch(&a);
    feed *f = NULL;
    check_ok(feed_new(&f, &columns, g, &e), &e);
    assert_int_equal(feed_n_tensors(f), 4);
    tensor t[4];
    check_ok(feed_tensors(f, &b, 1, 2, t, &a, &e), &e);
    assert_ptr_equal(t[0].data, b.columns[3].strings + 1); // as they are
    assert_ptr_equal(t[1].data, b.columns[2].f32 + 1);
    assert_ptr_equal(t[3].data, b.columns[4].i64 + 1);
    const float pair[] = {21, 11, 22, 12};
    assert_int_equal(t[2].shape.dims[0], 2);
    assert_int_equal(t[2].shape.dims[1], 2);
    assert_memory_equal(t[2].data, pair, sizeof pair);
    feed_free(f);
    graph_free(g);
    arena_clear(&a);
}

static void converts(void **state)
{
    (void)state;
    static const dtype types[] = {DTYPE_I64, DTYPE_I32, DTYPE_F64};
    for (size_t k = 0; k < N(types); k++) {
        err e = ERR_NONE;
        arena a;
        arena_init(&a, 1 << 20);
        graph *g = make_graph(types[k], true);
        batch b = make_batch(&a);
        feed *f = NULL;
        tensor t[4];
        check_ok(feed_new(&f, &columns, g, &e), &e);
        check_ok(feed_tensors(f, &b, 0, 3, t, &a, &e), &e);
        assert_int_equal(t[1].shape.n_dims, 1);
        for (int i = 0; i < 3; i++) {
            if (types[k] == DTYPE_I64) assert_true(((int64_t *)t[1].data)[i] == i - 1);
            if (types[k] == DTYPE_I32) assert_true(((int32_t *)t[1].data)[i] == i - 1);
            if (types[k] == DTYPE_F64) assert_true(((double *)t[1].data)[i] == i - 1);
        }
        static const float bad[] = {0.5F, 1e30F, -INFINITY};
        for (size_t i = 0; i < N(bad) && types[k] != DTYPE_F64; i++) {
            b.columns[2].f32[1] = bad[i];
            check_fails(feed_tensors(f, &b, 0, 3, t, &a, &e), ERR_INPUT, &e);
            assert_int_equal(e.at, 2);
            check_says(&e, "\"n\"");
        }
        feed_free(f);
        graph_free(g);
        arena_clear(&a);
    }
}

static void missing_where_it_may_not_be(void **state)
{
    (void)state;
    err e = ERR_NONE;
    arena a;
    arena_init(&a, 1 << 20);
    graph *g = make_graph(DTYPE_F32, false);
    batch b = make_batch(&a);
    feed *f = NULL;
    tensor t[4];
    check_ok(feed_new(&f, &columns, g, &e), &e);
    b.columns[0].f32[2] = NAN; // fine there
    b.columns[3].strings[2] = (str){0};
    check_ok(feed_tensors(f, &b, 0, 3, t, &a, &e), &e);
    b.columns[2].f32[2] = NAN;
    check_ok(feed_tensors(f, &b, 0, 2, t, &a, &e), &e); // not among these rows
    check_fails(feed_tensors(f, &b, 0, 3, t, &a, &e), ERR_INPUT, &e);
    check_says(&e, "\"n\": missing");
    assert_int_equal(e.at, 3);
    feed_free(f);
    graph_free(g);
    arena_clear(&a);
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    err e = ERR_NONE;
    feed *f = NULL;
    graph *g = make_graph(DTYPE_STRING, false); // a number cannot go there
    check_fails(feed_new(&f, &columns, g, &e), ERR_FORMAT, &e);
    graph_free(g);

    g = make_graph(DTYPE_F32, false);
    assert_true(graph_add_input(g, "more", value_type_rows(DTYPE_F32, 1), &e) >= 0);
    check_fails(feed_new(&f, &columns, g, &e), ERR_FORMAT, &e);
    check_says(&e, "asks for 6 columns");
    graph_free(g);

    g = make_graph(DTYPE_F32, false);
    inputs[0].slot = 0; // like b's
    check_fails(feed_new(&f, &columns, g, &e), ERR_FORMAT, &e);
    inputs[0].slot = 2;
    check_fails(feed_new(&f, &columns, g, &e), ERR_FORMAT, &e);
    inputs[0].slot = 1;
    inputs[0].tensor = elsewhere_;
    check_fails(feed_new(&f, &columns, g, &e), ERR_FORMAT, &e);
    check_says(&e, "elsewhere");
    inputs[0].tensor = pair_;
    check_ok(feed_new(&f, &columns, g, &e), &e);
    feed_free(f);
    graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_and_gathers),
        cmocka_unit_test(converts),
        cmocka_unit_test(missing_where_it_may_not_be),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
