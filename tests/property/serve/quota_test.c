// Quotas under threads, several servers and kill -9: what is recorded is never below what was answered, at most one
// lease a killed server above it, and never above the quota.
// Threads: no
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/quota.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "registry/registry.h"

enum { SERVERS = 3, THREADS = 3, ROUNDS = 4, ROWS_MAX = 5 };
#define SUBJECT "tenant:acme"

typedef struct shared {          // between processes
    atomic_llong requests, rows; // answered: counted after they were taken
    atomic_llong started;
} shared;

typedef struct client {
    const principal *who;
    const char *dir;
    shared *all;
    uint64_t seed, stream;
    atomic_bool *ends;
} client;

// Half of the time as an event loop, which may not ask, and then as a worker, which may.
static void *ask(void *context)
{
    client *c = context;
    rng random = rng_new(c->seed, c->stream);
    registry *r;
    err e = ERR_NONE;
    if (registry_open(&r, c->dir, NULL, &e) < 0) _exit(9);
    while (!atomic_load(c->ends)) {
        int64_t rows = 1 + (int64_t)rng_below(&random, ROWS_MAX), now = clock_utc_ms();
        quota_answer a = quota_take(c->who, rows, NULL, now, &e);
        if (a.verdict == QUOTA_ASK) a = quota_take(c->who, rows, r, now, &e);
        if (a.verdict == QUOTA_BROKEN && e.code != ERR_BUSY) {
            fprintf(stderr, "%s\n", e.msg);
            _exit(8);
        }
        if (a.verdict == QUOTA_EXHAUSTED) {
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
            continue;
        }
        if (a.verdict != QUOTA_TAKEN) continue;
        if (rng_below(&random, 50) == 0) { // the model failed
            quota_give_back(c->who, rows, now);
            continue;
        }
        atomic_fetch_add(&c->all->requests, 1);
        atomic_fetch_add(&c->all->rows, rows);
        if (rng_below(&random, 20) == 0) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    registry_close(r);
    return NULL;
}

// Until it is killed, or told to end by a byte in the pipe; then it settles and exits with 0.
static void serve(const char *dir, shared *all, uint64_t seed, uint64_t server, int pipe_fd)
{
    registry *r;
    quota_book *b;
    err e = ERR_NONE;
    allowance *a;
    atomic_bool ends = false;
    char byte;
    pthread_t threads[THREADS];
    client clients[THREADS];
    if (registry_open(&r, dir, NULL, &e) < 0 || quota_book_new(&b, &e) < 0 || quota_book_find(b, SUBJECT, &a, &e) < 0 ||
        quota_book_load(b, r, &e) < 0)
        _exit(7);
    const principal who = {.id = "key:x", .tenant = "acme", .of_tenant = a};
    for (size_t i = 0; i < THREADS; i++) {
        clients[i] = (client){&who, dir, all, seed, server * THREADS + i, &ends};
        if (pthread_create(&threads[i], NULL, ask, &clients[i]) != 0) _exit(6);
    }
    atomic_fetch_add(&all->started, 1);
    while (read(pipe_fd, &byte, 1) < 0) { // non-blocking
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        (void)!quota_book_tend(b, r, &e);
    }
    atomic_store(&ends, true);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    int rc = quota_book_settle(b, r, &e);
    quota_book_free(b);
    registry_close(r);
    _exit(rc < 0 ? 5 : 0);
}

static int add_up(void *context, const usage_record *u, err *e)
{
    usage *sum = context;
    (void)e;
    for (int i = 0; i < UNITS_N; i++) sum->units[i] += u->used.units[i];
    return 0;
}

static usage recorded(registry *r)
{
    usage sum = {{0}};
    err e = ERR_NONE;
    check_ok(registry_usage_each(r, 0, 99999999, add_up, &sum, &e), &e);
    return sum;
}

static void run_round(uint64_t seed, int64_t limit, int n_killed)
{
    char *folder = check_folder(), *dir = path_join(folder, "data");
    registry *r;
    err e = ERR_NONE;
    quota q = QUOTA_DEFAULT;
    shared *all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    check_ok(registry_open(&r, dir, NULL, &e), &e);
    snprintf(q.subject, sizeof q.subject, SUBJECT);
    q.month[UNIT_REQUESTS] = limit; // of the month, so that midnight changes nothing
    check_ok(registry_quota_set(r, &q, &e), &e);
    registry_close(r);
    pid_t servers[SERVERS];
    int pipes[SERVERS][2];
    for (size_t i = 0; i < SERVERS; i++) {
        assert_int_equal(pipe2(pipes[i], O_NONBLOCK | O_CLOEXEC), 0);
        servers[i] = fork();
        if (servers[i] == 0) serve(dir, all, seed, i, pipes[i][0]);
        assert_true(servers[i] > 0);
    }
    while (atomic_load(&all->started) < SERVERS) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 200000000 + (long)(seed % 50) * 1000000}, NULL);
    for (int i = 0; i < SERVERS; i++) {
        if (i < n_killed)
            kill(servers[i], SIGKILL);
        else
            assert_int_equal(write(pipes[i][1], "x", 1), 1);
    }
    for (int i = 0; i < SERVERS; i++) {
        int status;
        assert_int_equal(waitpid(servers[i], &status, 0), servers[i]);
        if (i >= n_killed) assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    check_ok(registry_open(&r, dir, NULL, &e), &e);
    usage used = recorded(r);
    registry_close(r);
    int64_t answered = atomic_load(&all->requests), rows = atomic_load(&all->rows);
    int64_t lost_max = (int64_t)n_killed * QUOTA_LEASE_MAX;
    print_message("  limit %lld, killed %d: answered %lld, recorded %lld\n", (long long)limit, n_killed,
                  (long long)answered, (long long)used.units[UNIT_REQUESTS]);
    assert_true(answered > 0);
    assert_true(used.units[UNIT_REQUESTS] >= answered);
    assert_true(used.units[UNIT_ROWS] >= rows);
    assert_true(used.units[UNIT_REQUESTS] <= answered + lost_max);
    if (n_killed == 0) { // everything was settled
        assert_int_equal(used.units[UNIT_REQUESTS], answered);
        assert_int_equal(used.units[UNIT_ROWS], rows);
    }
    if (limit != QUOTA_NONE) assert_true(used.units[UNIT_REQUESTS] <= limit);
    munmap(all, sizeof *all);
    check_folder_free(folder);
    mem_free(dir);
}

static void usage_is_exact_and_bounded(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    static const int64_t limits[ROUNDS] = {QUOTA_NONE, 7, 500, 5000};
    for (int i = 0; i < ROUNDS; i++) {
        run_round(seed + (uint64_t)i, limits[i], 0);
        run_round(seed + (uint64_t)i, limits[i], 1 + i % SERVERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(usage_is_exact_and_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
