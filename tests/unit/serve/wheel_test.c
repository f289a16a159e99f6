// Deadlines come in time whatever was put off, and none is lost after a long sleep.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "serve/wheel.h"

enum { MS = 1000000, N = 500 };

static void deadlines_come_in_time(void **state)
{
    (void)state;
    static wheel w;
    static wheel_entry entries[N];
    rng r = rng_new(7, 0);
    uint64_t now = UINT64_C(123456789) * MS;
    wheel_init(&w, now);
    assert_int_equal(wheel_wait_ms(&w, now), -1);
    size_t n_waiting = 0, n_expired = 0;
    for (int step = 0; step < 200000; step++) {
        wheel_entry *e = &entries[rng_below(&r, N)];
        if (step < 150000) {
            if (!e->after) n_waiting++;
            wheel_set(&w, e, now + rng_below(&r, step % 2 ? 100 : 100000) * MS);
        }
        if (rng_below(&r, 10) == 0 && e->after) {
            wheel_remove(&w, e);
            n_waiting--;
        }
        int wait = wheel_wait_ms(&w, now);
        assert_true(n_waiting == 0 || wait >= 0);
        now += (rng_below(&r, 1000) == 0 ? 60000 : rng_below(&r, 30)) * (uint64_t)MS;
        for (wheel_entry *x; (x = wheel_expired(&w, now));) {
            assert_true(x->deadline_ns <= now);
            n_waiting--;
            n_expired++;
        }
        if (step % 64 == 0)
            for (size_t i = 0; i < N; i++)
                if (entries[i].after) assert_true(entries[i].deadline_ns + 2 * ((uint64_t)1 << WHEEL_TICK_BITS) > now);
    }
    assert_int_equal(n_waiting, 0);
    assert_true(n_expired > 10000);
    assert_int_equal(wheel_wait_ms(&w, now), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(deadlines_come_in_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
