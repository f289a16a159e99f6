// The lowest task's failure is the one that is reported, whatever fails first.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/pool.h"
#include "base/task_error.h"

static void fail_from_three(void *context, size_t number, size_t worker)
{
    (void)worker;
    task_error *t = context;
    if (task_error_before(t, number) || number < 3) return;
    err e;
    int rc = err_set_at(&e, ERR_INPUT, (int64_t)number, "task %zu", number);
    task_error_set(t, number, rc, &e);
}

static void lowest_wins(void **state)
{
    (void)state;
    err e = ERR_NONE;
    pool *p = NULL;
    check_ok(pool_new(&p, 4, &e), &e);
    for (int round = 0; round < 200; round++) {
        task_error t;
        task_error_init(&t);
        pool_run(p, 64, fail_from_three, &t);
        check_fails(task_error_end(&t, &e), ERR_INPUT, &e);
        assert_int_equal(e.at, 3);
        assert_string_equal(e.msg, "task 3");
    }
    pool_free(p);
}

static void nothing_failed(void **state)
{
    (void)state;
    err e = ERR_NONE;
    task_error t;
    task_error_init(&t);
    pool_run(NULL, 3, fail_from_three, &t);
    check_ok(task_error_end(&t, &e), &e);
    assert_int_equal(e.code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lowest_wins), cmocka_unit_test(nothing_failed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
