// Processes that add, load and remove the same few packages while others collect: a blob that a version names is always
// there. ROUNDS= says how many each does.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/wait.h>

#include "base/files.h"
#include "base/rng.h"
#include "check.h"
#include "helpers/packages.h"
#include "registry/registry.h"

enum { WORKERS = 3, COLLECTORS = 2, TAGS_N = 3, OPENERS = 4 };

static _Noreturn void stop(int who, const char *what, const err *e)
{
    fprintf(stderr, "worker %d: %s: %s\n", who, what, e->msg);
    _exit(1);
}

static _Noreturn void work(const char *dir, int who, int rounds, uint64_t seed)
{
    registry *r;
    package *packages[TAGS_N];
    char name[16];
    err e = ERR_NONE;
    rng random = rng_new(seed, (uint64_t)who);
    snprintf(name, sizeof name, "m%d", who);
    if (registry_open(&r, dir, NULL, &e) < 0) stop(who, "open", &e);
    for (int tag = 0; tag < TAGS_N; tag++)
        if (sample_package(&packages[tag], tag, &e) < 0) stop(who, "package", &e);
    for (int i = 0; i < rounds; i++) {
        int64_t version;
        package *p;
        int tag = (int)rng_below(&random, TAGS_N);
        if (registry_deploy(r, name, packages[tag], "", ALIAS_DEFAULT, &version, NULL, &e) < 0) stop(who, "deploy", &e);
        if (registry_load(r, name, version, &p, &e) < 0) stop(who, "load", &e);
        if (strcmp(p->digest, packages[tag]->digest) != 0) stop(who, "another package", &e);
        package_free(p);
        if (rng_below(&random, 2) && registry_remove(r, name, 0, true, &e) < 0) stop(who, "remove", &e);
    }
    registry_close(r);
    _exit(0);
}

static _Noreturn void collect(const char *dir, int who)
{
    registry *r;
    int64_t n, bytes;
    err e = ERR_NONE;
    if (registry_open(&r, dir, NULL, &e) < 0) stop(who, "open", &e);
    for (;;) {
        int rc = registry_gc(r, &n, &bytes, &e);
        if (rc < 0 && rc != ERR_BUSY) stop(who, "gc", &e);
    }
}

static void print_line(void *context, const char *line)
{
    (void)context;
    print_message("  %s\n", line);
}

static void collectors_and_adders_agree(void **state)
{
    (void)state;
    const char *given = getenv("ROUNDS");
    int rounds = given ? (int)strtol(given, NULL, 10) : 60;
    uint64_t seed = check_seed();
    char *folder = check_folder(), *dir = path_join(folder, "data");
    pid_t workers[WORKERS], collectors[COLLECTORS];
    int64_t n, bytes;
    int status;
    registry *r;
    err e = ERR_NONE;
    fflush(NULL);
    for (int i = 0; i < WORKERS; i++) // the registry is made by whoever comes first
        if ((workers[i] = fork()) == 0) work(dir, i, rounds, seed);
    for (int i = 0; i < COLLECTORS; i++)
        if ((collectors[i] = fork()) == 0) collect(dir, WORKERS + i);
    bool fine = true;
    for (int i = 0; i < WORKERS; i++) fine = waitpid(workers[i], &status, 0) == workers[i] && status == 0 && fine;
    for (int i = 0; i < COLLECTORS; i++) {
        kill(collectors[i], SIGKILL);
        waitpid(collectors[i], &status, 0);
        fine = WIFSIGNALED(status) && fine;
    }
    assert_true(fine);
    check_ok(registry_open(&r, dir, NULL, &e), &e);
    check_ok(registry_gc(r, &n, &bytes, &e), &e);
    check_ok(registry_fsck(r, print_line, NULL, &n, &e), &e);
    assert_int_equal(n, 0);
    registry_close(r);
    mem_free(dir);
    check_folder_free(folder);
}

// Whoever opens a registry while another is making it finds it whole, or makes it.
static void openers_of_a_new_one_agree(void **state)
{
    (void)state;
    bool fine = true;
    for (int round = 0; round < 25; round++) {
        pid_t openers[OPENERS];
        int status;
        char *folder = check_folder();
        fflush(NULL);
        for (int i = 0; i < OPENERS; i++) {
            if ((openers[i] = fork()) != 0) continue;
            registry *r;
            err e = ERR_NONE;
            if (registry_open(&r, folder, NULL, &e) < 0) stop(i, "open", &e);
            registry_close(r);
            _exit(0);
        }
        for (int i = 0; i < OPENERS; i++) fine = waitpid(openers[i], &status, 0) == openers[i] && status == 0 && fine;
        check_folder_free(folder);
    }
    assert_true(fine);
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(openers_of_a_new_one_agree),
                                       cmocka_unit_test(collectors_and_adders_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
