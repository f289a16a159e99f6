// base/pool: every task once, in any number of rounds, on any number of threads.
// SPDX-License-Identifier: Apache-2.0
#include "base/pool.h"

#include <stdatomic.h>
#include <time.h>

#include "base/mem.h"
#include "check.h"

enum { TASKS = 1000, WORKERS_MAX = 8 };

typedef struct sums {
    uint32_t done[TASKS];          // each task writes its own
    uint64_t scratch[WORKERS_MAX]; // each worker its own
    size_t n_workers;
    atomic_int out_of_range;
} sums;

static void add(void *context, size_t task, size_t worker)
{
    sums *s = context;
    if (worker >= s->n_workers) {
        s->out_of_range = 1;
        return;
    }
    s->done[task]++;
    s->scratch[worker] += task;
}

static void test_every_task_once(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 8};
    for (size_t k = 0; k < 4; k++) {
        pool *p;
        err e = ERR_NONE;
        check_ok(pool_new(&p, sizes[k], &e), &e);
        assert_int_equal(pool_size(p), sizes[k]);
        for (size_t n = 0; n <= TASKS; n = n < 20 ? n + 1 : n * 7) {
            sums s = {.n_workers = sizes[k]};
            pool_run(p, n, add, &s);
            assert_int_equal(s.out_of_range, 0);
            uint64_t total = 0;
            for (size_t i = 0; i < TASKS; i++) assert_int_equal(s.done[i], i < n);
            for (size_t w = 0; w < WORKERS_MAX; w++) total += s.scratch[w];
            assert_true(total == n * (n - (n > 0)) / 2);
        }
        pool_free(p);
    }
}

static void test_many_rounds(void **state)
{
    (void)state;
    // Short rounds in a row: a worker that wakes late must not start a task of a later round twice, nor miss it.
    static const size_t sizes[] = {2, 3, 8};
    for (size_t k = 0; k < 3; k++) {
        pool *p;
        err e = ERR_NONE;
        check_ok(pool_new(&p, sizes[k], &e), &e);
        sums s = {.n_workers = sizes[k]};
        for (uint32_t round = 1; round <= 3000; round++) {
            size_t n = 2 + round % 5;
            pool_run(p, n, add, &s);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(s.done[i], 1);
                s.done[i] = 0;
            }
        }
        assert_int_equal(s.out_of_range, 0);
        pool_free(p);
    }
}

// Tasks that wait for each other: done only if as many threads as the pool has are at work together.
typedef struct meeting {
    atomic_size_t here;
    size_t wanted;
    atomic_int late;
} meeting;

static void meet(void *context, size_t task, size_t worker)
{
    (void)task, (void)worker;
    meeting *m = context;
    m->here++;
    for (int i = 0; m->here < m->wanted; i++) {
        if (i == 10000) {
            m->late = 1;
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void test_together(void **state)
{
    (void)state;
    pool *p;
    err e = ERR_NONE;
    check_ok(pool_new(&p, 3, &e), &e);
    for (int round = 0; round < 5; round++) {
        meeting m = {.wanted = 3};
        pool_run(p, 3, meet, &m);
        assert_int_equal(m.late, 0);
        assert_int_equal(m.here, 3);
    }
    pool_free(p);
}

// The task that a worker has last takes longest: pool_run() does not return before it.
static void finish_late(void *context, size_t task, size_t worker)
{
    if (worker > 0) nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    ((unsigned char *)context)[task] = 1;
}

static void test_waits(void **state)
{
    (void)state;
    pool *p;
    err e = ERR_NONE;
    check_ok(pool_new(&p, 3, &e), &e);
    for (int round = 0; round < 200; round++) {
        unsigned char done[64] = {0};
        pool_run(p, 64, finish_late, done);
        for (size_t i = 0; i < 64; i++) assert_int_equal(done[i], 1);
    }
    pool_free(p);
}

static void test_without_threads(void **state)
{
    (void)state;
    sums s = {.n_workers = 1};
    pool_run(NULL, 10, add, &s);
    for (size_t i = 0; i < 10; i++) assert_int_equal(s.done[i], 1);
    pool_run(NULL, 0, add, &s);
    assert_int_equal(pool_size(NULL), 1);
    pool_free(NULL);
}

static void test_sizes(void **state)
{
    (void)state;
    pool *p = NULL;
    err e = ERR_NONE;
    check_ok(pool_new(&p, 0, &e), &e);
    assert_true(pool_size(p) >= 1);
    pool_free(p);
    p = NULL;
    check_fails(pool_new(&p, 100000, &e), ERR_LIMIT, &e);
    assert_null(p);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        mem_fail_at(nth, 0);
        check_fails(pool_new(&p, 4, &e), ERR_MEMORY, &e);
        mem_fail_at(0, 0);
        assert_null(p);
    }
    // Made and ended without a round.
    for (int i = 0; i < 20; i++) {
        check_ok(pool_new(&p, 8, &e), &e);
        pool_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once), cmocka_unit_test(test_many_rounds),     cmocka_unit_test(test_together),
        cmocka_unit_test(test_waits),           cmocka_unit_test(test_without_threads), cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
