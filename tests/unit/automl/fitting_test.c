// A fit that will not fit into memory is refused before it starts.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "automl/fitting.h"
#include "automl/memory.h"

static bool was_fitted;

static size_t far_too_much(const family_data *d, const void *options, size_t n_threads)
{
    (void)options, (void)n_threads;
    assert_int_equal(d->n_rows, 4);
    return (size_t)1 << 60;
}

static int never(family_outputs *out, graph *g, value_id features, const family_data *d, const void *options,
                 uint64_t seed, pool *p, const family_progress *progress, err *e)
{
    (void)out, (void)g, (void)features, (void)d, (void)options, (void)seed, (void)p, (void)progress;
    was_fitted = true;
    return err_set(e, ERR_INTERNAL, "fitted");
}

static void refused_for_memory(void **state)
{
    (void)state;
    err e = ERR_NONE;
    const double x[] = {1, 2, 3, 4};
    const int64_t y[] = {0, 1, 0, 1};
    static const uint32_t rows[] = {0, 1, 2, 3};
    frame_builder *b = NULL;
    frame *f = NULL;
    check_ok(frame_builder_new(&b, 4, &e), &e);
    check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), &e);
    check_ok(frame_builder_add_i64(b, "y", COLUMN_BOOLEAN, y, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    target t;
    check_ok(target_make(&t, f, 1, TASK_CLASSIFICATION, rows, 4, &e), &e);
    const family_row greedy = {.name = "greedy forest", .memory_estimate = far_too_much, .fit = never};
    const setup s = {.target = 1, .family = &greedy, .prepare = PREPARE_OPTIONS_DEFAULT};
    const fitting w = {.f = f, .s = &s, .t = &t};
    fitted made;
    check_ok(fitting_prepare(&made, &w, rows, 4, &e), &e);
    check_fails(fitting_train(&made, &w, rows, 4, NULL, &e), ERR_MEMORY, &e);
    check_says(&e, "4 rows of 1 features need about 1073741824.0 GiB to train a greedy forest");
    assert_false(was_fitted);
    fitted_clear(&made);
    target_clear(&t);
    frame_free(f);
}

static void memory_is_known(void **state)
{
    (void)state;
    uint64_t there = memory_available();
    assert_true(there > (uint64_t)1 << 20); // this test runs, so there is some
    assert_true(there < (uint64_t)1 << 60); // and Linux says how much
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refused_for_memory), cmocka_unit_test(memory_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
