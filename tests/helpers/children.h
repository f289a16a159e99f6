// The children of a test: found, waited for, looked at. A test program that starts runners is one, too: its main()
// calls children_main() first.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_CHILDREN_H
#define SLIPWAY_TESTS_HELPERS_CHILDREN_H

#include "check.h"

#include <ctype.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/json.h"
#include "serve/runner.h"

// Does not return if the program was started as a runner.
static inline void children_main(int argc, char **argv)
{
    json_init();
    if (argc > 1 && strcmp(argv[1], RUNNER_WORD) == 0) exit(runner_child_main());
}

static inline void children_nap(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static pid_t children_found;
static char children_state;

static inline void children_look(const char *entry)
{
    const char *name = strrchr(entry, '/') + 1;
    if (!isdigit((unsigned char)name[0])) return;
    char path[64], text[512] = "", state;
    int parent;
    snprintf(path, sizeof path, "/proc/%.20s/stat", name);
    FILE *f = fopen(path, "r");
    if (!f) return;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    char *end = n ? strrchr(text, ')') : NULL;
    if (!end || sscanf(end + 1, " %c %d", &state, &parent) != 2 || parent != getpid()) return;
    children_found = (pid_t)strtol(name, NULL, 10);
    children_state = state;
}

// One that lives; 0: there is none.
static inline pid_t children_any(void)
{
    children_found = 0;
    check_entries("/proc", children_look);
    return children_found;
}

static inline void children_none_left(void)
{
    int status;
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1); // not one, not even a dead one
    assert_int_equal(errno, ECHILD);
}

static inline size_t children_descriptors(void)
{
    return check_entries("/proc/self/fd", NULL);
}

#endif
