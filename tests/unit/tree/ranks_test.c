// Ranked features: order, ties, missing, thresholds.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <float.h>
#include <math.h>

#include "base/mem.h"
#include "tree/ranks.h"

static void test_order(void **state)
{
    (void)state;
    const float x[] = {3, -0.0f, NAN, INFINITY, 0, -INFINITY, 3, NAN, -1e-40f};
    enum { N = sizeof x / sizeof *x };
    const uint32_t want[N] = {3, 2, 5, 4, 2, 0, 3, 5, 1};
    ranks r;
    err e = ERR_NONE;
    check_ok(ranks_make(&r, x, N, 1, NULL, &e), &e);
    assert_int_equal(r.columns[0].n_distinct, 5);
    assert_true(r.columns[0].has_missing);
    for (size_t row = 0; row < N; row++) assert_int_equal(ranks_code(&r.columns[0], row), want[row]);
    const float values[] = {-INFINITY, -1e-40f, 0, 3, INFINITY};
    assert_memory_equal(r.columns[0].values, values, sizeof values);
    ranks_clear(&r);
}

static void test_all_missing(void **state)
{
    (void)state;
    const float x[] = {NAN, NAN, 1, 1};
    ranks r;
    err e = ERR_NONE;
    check_ok(ranks_make(&r, x, 2, 2, NULL, &e), &e);
    assert_int_equal(r.columns[0].n_distinct, 0);
    assert_true(r.columns[0].has_missing);
    assert_int_equal(r.columns[1].n_distinct, 1);
    assert_false(r.columns[1].has_missing);
    ranks_clear(&r);
}

static void test_thresholds(void **state)
{
    (void)state;
    float one_up = nextafterf(1, 2);
    const float x[] = {-INFINITY, -FLT_MAX, -1, 0, FLT_TRUE_MIN, 1, one_up, 4, FLT_MAX, INFINITY};
    enum { N = sizeof x / sizeof *x };
    ranks r;
    err e = ERR_NONE;
    check_ok(ranks_make(&r, x, N, 1, NULL, &e), &e);
    const ranks_column *c = &r.columns[0];
    assert_int_equal(c->n_distinct, N);
    for (uint32_t a = 0; a < N; a++) {
        for (uint32_t b = a + 1; b < N; b++) {
            float t = ranks_threshold(c, a, b);
            assert_true(t >= c->values[a] && t < c->values[b]);
        }
    }
    assert_true(ranks_threshold(c, 5, 7) == 2.5f);
    assert_true(ranks_threshold(c, 2, 5) == 0);
    ranks_clear(&r);
}

// More distinct values than 16 bits hold.
static void test_wide(void **state)
{
    (void)state;
    enum { N = 70000 };
    float *x = mem_alloc(N, sizeof *x);
    assert_non_null(x);
    for (size_t row = 0; row < N; row++) x[row] = (float)((row * 7919) % N);
    ranks r;
    err e = ERR_NONE;
    check_ok(ranks_make(&r, x, N, 1, NULL, &e), &e);
    assert_null(r.columns[0].codes16);
    for (size_t row = 0; row < N; row++) assert_int_equal(ranks_code(&r.columns[0], row), (row * 7919) % N);
    ranks_clear(&r);
    mem_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_all_missing),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
