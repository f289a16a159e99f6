// How long what is asked now would wait.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "serve/admission.h"

static void jobs(void **state)
{
    (void)state;
    job_times t = {0};
    assert_true(job_wait_ns(&t, 1000, 2) == 0); // nothing is known yet
    job_times_add(&t, 1000000);
    assert_true(job_wait_ns(&t, 10, 2) == 5e6);
    for (int i = 0; i < 200; i++) job_times_add(&t, 3000000);
    assert_true(job_wait_ns(&t, 1, 1) > 2.9e6 && job_wait_ns(&t, 1, 1) <= 3e6);
    assert_true(job_wait_ns(&t, 0, 1) == 0);
}

static void loops(void **state)
{
    (void)state;
    loop_lag l = {0};
    assert_int_equal(loop_lag_of(&l, 50, 100, true), 0);    // the first call
    assert_int_equal(loop_lag_of(&l, 130, 1000, true), 30); // its events were worked on for 30, then it slept
    assert_int_equal(loop_lag_of(&l, 1010, 1011, false), 10);
    assert_int_equal(loop_lag_of(&l, 1500, 1501, false), 500); // there may be one that waits since the last full look
    assert_int_equal(loop_lag_of(&l, 1800, 1801, true), 800);
    assert_int_equal(loop_lag_of(&l, 1900, 1901, true), 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(jobs), cmocka_unit_test(loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
