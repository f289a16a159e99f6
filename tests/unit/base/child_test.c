// base/child: exit states, output, limits, deadlines, and nothing left running.
// SPDX-License-Identifier: Apache-2.0
#include "base/child.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "check.h"

static child_options shell(const char **argv, const char *script)
{
    argv[0] = "sh";
    argv[1] = "-c";
    argv[2] = script;
    argv[3] = NULL;
    return (child_options){.argv = argv, .output_max = 10000, .time_ms_max = 20000};
}

// Runs the script, checks status and output.
static void check_script(const char *script, int status, const char *output)
{
    const char *argv[4];
    child_options o = shell(argv, script);
    child_result r;
    err e = ERR_NONE;
    check_ok(child_run(&r, &o, &e), &e);
    buf_add_char(&r.output, '\0');
    assert_string_equal(r.output.data, output);
    assert_int_equal(r.status, status);
    buf_clear(&r.output);
}

static void test_status(void **state)
{
    (void)state;
    check_script("exit 0", 0, "");
    check_script("echo out; echo err >&2; exit 3", 3, "out\nerr\n");
    check_script("kill -TERM $$", -SIGTERM, "");
    check_script("cat; echo end", 0, "end\n"); // standard input is empty
}

static void test_not_started(void **state)
{
    (void)state;
    err e = ERR_NONE;
    child_result r = {.status = 77};
    const char *argv[] = {"no-such-program-anywhere", NULL};
    child_options o = {.argv = argv};
    check_fails(child_run(&r, &o, &e), ERR_NOT_FOUND, &e);
    check_says(&e, "no-such-program-anywhere");
    argv[0] = "/etc/passwd";
    check_fails(child_run(&r, &o, &e), ERR_DENIED, &e);
    argv[0] = "true";
    o.folder = "/no/such/folder";
    check_fails(child_run(&r, &o, &e), ERR_NOT_FOUND, &e);
    check_says(&e, "its folder");
    assert_int_equal(r.status, 77); // untouched
}

static void test_surroundings(void **state)
{
    (void)state;
    const char *argv[4], *environment[] = {"PATH=/usr/bin:/bin", "COLOUR=blue", NULL};
    child_options o = shell(argv, "pwd; echo $COLOUR; echo ${HOME-none}; trap");
    o.environment = environment;
    o.folder = "/usr";
    child_result r;
    err e = ERR_NONE;
    check_ok(child_run(&r, &o, &e), &e);
    assert_true(str_equal(buf_str(&r.output), STR("/usr\nblue\nnone\n")));
    buf_clear(&r.output);
}

static void test_descriptors_closed(void **state)
{
    (void)state;
    int fds[20];
    for (int i = 0; i < 20; i++) fds[i] = open("/dev/null", O_RDONLY); // without O_CLOEXEC
    // ls itself opens the folder as 3.
    check_script("exec ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 ");
    for (int i = 0; i < 20; i++) close(fds[i]);
    // And the caller has lost none and gained none.
    int next = open("/dev/null", O_RDONLY);
    assert_int_equal(next, fds[0]);
    close(next);
}

// Signals that we ignore or block are not ignored or blocked there.
static void test_signals_reset(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    check_script("grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t'", 0,
                 "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
    sigset_t now;
    sigprocmask(SIG_SETMASK, &before, &now);
    assert_int_equal(sigismember(&now, SIGTERM), 1); // ours are as they were
    signal(SIGPIPE, SIG_DFL);
}

static void test_output_limit(void **state)
{
    (void)state;
    const char *argv[4];
    child_options o = shell(argv, "head -c 3000000 /dev/zero | tr '\\0' x; echo end");
    child_result r;
    err e = ERR_NONE;
    check_ok(child_run(&r, &o, &e), &e);
    assert_int_equal(r.output.len, 10000);
    assert_int_equal(r.status, 0);
    buf_clear(&r.output);
    o.output_max = 0;
    check_ok(child_run(&r, &o, &e), &e);
    assert_int_equal(r.output.len, 0);
    buf_clear(&r.output);
}

static void test_deadline(void **state)
{
    (void)state;
    const char *argv[4];
    child_options o = shell(argv, "sleep 60 & sleep 60");
    o.time_ms_max = 100;
    child_result r;
    err e = ERR_NONE;
    uint64_t begin = clock_monotonic_ns();
    check_fails(child_run(&r, &o, &e), ERR_TIMEOUT, &e);
    check_says(&e, "100 ms");
    assert_true(clock_monotonic_ns() - begin < 5000000000u);
    // Also of one that closed its output, and of one that ignores what can be ignored.
    o.argv = shell(argv, "exec >&- 2>&-; trap '' TERM INT HUP; sleep 60; sleep 60").argv;
    check_fails(child_run(&r, &o, &e), ERR_TIMEOUT, &e);
    assert_true(clock_monotonic_ns() - begin < 10000000000u);
}

// A grandchild that holds the output open does not hold us, and does not outlive the call.
static void test_grandchild(void **state)
{
    (void)state;
    const char *argv[4];
    child_options o = shell(argv, "sleep 60 & echo $!");
    child_result r;
    err e = ERR_NONE;
    uint64_t begin = clock_monotonic_ns();
    check_ok(child_run(&r, &o, &e), &e);
    assert_true(clock_monotonic_ns() - begin < 5000000000u);
    buf_add_char(&r.output, '\0');
    pid_t pid = (pid_t)strtol(r.output.data, NULL, 10);
    assert_true(pid > 1);
    // Killed; init may take a moment to collect it: gone, or a zombie.
    int gone = 0;
    for (int i = 0; i < 500 && !gone; i++) {
        char path[64], line[512] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "r");
        if (!f || !fgets(line, sizeof line, f) || strstr(line, ") Z ")) gone = 1;
        if (f) fclose(f);
        if (!gone) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(gone);
    buf_clear(&r.output);
}

static void test_limits(void **state)
{
    (void)state;
    const char *argv[4];
    child_options o = shell(argv, "ulimit -v; ulimit -t; ulimit -c");
    o.memory_max = (uint64_t)200 << 20;
    o.cpu_seconds_max = 7;
    child_result r;
    err e = ERR_NONE;
    check_ok(child_run(&r, &o, &e), &e);
    assert_true(str_equal(buf_str(&r.output), STR("204800\n7\n0\n")));
    buf_clear(&r.output);
    // And they bite: dd wants a block of 1 GiB.
    o.argv = shell(argv, "dd if=/dev/zero of=/dev/null bs=1G count=1").argv;
    check_ok(child_run(&r, &o, &e), &e);
    assert_int_not_equal(r.status, 0);
    buf_clear(&r.output);
    o = shell(argv, "while :; do :; done");
    o.cpu_seconds_max = 1;
    check_ok(child_run(&r, &o, &e), &e);
    assert_true(r.status == -SIGXCPU || r.status == -SIGKILL);
    buf_clear(&r.output);
}

static void test_many(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) check_script("echo $((6 * 7))", 0, "42\n");
}

// Reads until the end of its output, or 20 seconds.
static void read_all(child *c, buf *out)
{
    for (int i = 0; i < 2000 && child_read(c, out, 100); i++) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    buf_add_char(out, '\0');
}

static void test_beside(void **state)
{
    (void)state;
    const char *argv[4];
    child_options o = shell(argv, "echo one; echo two >&2; nice; exit 4");
    o.nice = 7;
    child *c;
    err e = ERR_NONE;
    buf out;
    buf_init(&out, 1000);
    check_ok(child_start(&c, &o, &e), &e);
    read_all(c, &out);
    assert_int_equal(strncmp(out.data, "one\ntwo\n", 8), 0);
    assert_true(strtol(out.data + 8, NULL, 10) >= 7);
    assert_int_equal(child_output(c), -1);
    child_use use = child_collect(c);
    assert_int_equal(use.status, 4);
    assert_true(use.memory_max > 100000);
    buf_clear(&out);
}

// What it started goes with it; what it said in pieces comes in order.
static void test_killed(void **state)
{
    (void)state;
    const char *argv[4];
    child_options o =
        shell(argv, "sleep 300 & echo $!; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; sleep 300");
    child *c;
    err e = ERR_NONE;
    buf out;
    buf_init(&out, 1 << 20);
    check_ok(child_start(&c, &o, &e), &e);
    for (int i = 0; i < 2000 && (out.len < 10 || memcmp(out.data + out.len - 10, "line 1999\n", 10) != 0); i++) {
        assert_true(child_read(c, &out, 7000));
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_false(child_ended(c));
    assert_true(child_memory(c) > 100000);
    pid_t grandchild = (pid_t)strtol(out.data, NULL, 10);
    assert_int_equal(kill(grandchild, 0), 0);
    child_kill(c);
    assert_int_equal(child_collect(c).status, -SIGKILL);
    for (int i = 0; i < 500 && kill(grandchild, 0) == 0; i++) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    char path[64], line[64] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)grandchild);
    FILE *f = fopen(path, "r"); // nobody may have collected it yet
    if (f) {
        if (fgets(line, sizeof line, f)) assert_non_null(strstr(line, ") Z "));
        fclose(f);
    }
    buf_clear(&out);
    const char *none[] = {"no-such-program-anywhere", NULL};
    o.argv = none;
    check_fails(child_start(&c, &o, &e), ERR_NOT_FOUND, &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_killed),        cmocka_unit_test(test_not_started),
        cmocka_unit_test(test_surroundings),  cmocka_unit_test(test_descriptors_closed),
        cmocka_unit_test(test_signals_reset), cmocka_unit_test(test_output_limit),
        cmocka_unit_test(test_deadline),      cmocka_unit_test(test_grandchild),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
