// What a version costs is found by trying, and follows what requests took.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "serve/cost.h"

typedef struct fake {
    uint64_t call_ns, row_ns;
    size_t n_runs;
    int rc;
} fake;

static int spend(void *context, size_t n_rows, err *e)
{
    fake *f = context;
    f->n_runs++;
    uint64_t end = clock_monotonic_ns() + f->call_ns + n_rows * f->row_ns;
    while (clock_monotonic_ns() < end) continue;
    return f->rc < 0 ? err_set(e, f->rc, "no such rows") : 0;
}

static void finds_call_and_row(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fake f = {.call_ns = 200000, .row_ns = 20000};
    cost c = {0};
    check_ok(cost_measure(&c, spend, &f, &e), &e);
    double one = cost_of(&c, 1), many = cost_of(&c, COST_ROWS);
    assert_true(one >= 219000 && many >= 839000 && many > 2 * one);
}

static void a_refusal_is_no_failure(void **state)
{
    (void)state;
    err e = ERR_NONE;
    cost c = {0};
    fake f = {.call_ns = 1000, .rc = ERR_INPUT};
    check_ok(cost_measure(&c, spend, &f, &e), &e);
    assert_true(cost_of(&c, 1) > 0);
    f.rc = ERR_MEMORY;
    check_fails(cost_measure(&c, spend, &f, &e), ERR_MEMORY, &e);
}

static void long_runs_are_few(void **state)
{
    (void)state;
    err e = ERR_NONE;
    cost c = {0};
    fake f = {.call_ns = 210000000};
    check_ok(cost_measure(&c, spend, &f, &e), &e);
    assert_int_equal(f.n_runs, 1);
}

static void follows_what_is_seen(void **state)
{
    (void)state;
    cost c = {0};
    atomic_init(&c.call_ns, 1000);
    atomic_init(&c.row_ns, 100);
    for (int i = 0; i < 200; i++) cost_add(&c, 10, 8000); // four times what was thought
    assert_true(cost_of(&c, 10) > 7900 && cost_of(&c, 10) < 8100);
    cost_add(&c, 10, UINT64_C(1) << 40); // one that was held up
    assert_true(cost_of(&c, 10) < 12000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_call_and_row),
        cmocka_unit_test(a_refusal_is_no_failure),
        cmocka_unit_test(long_runs_are_few),
        cmocka_unit_test(follows_what_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
