// What every test program includes: cmocka, checks that print our errors, a temporary folder, a seed.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_CHECK_H
#define SLIPWAY_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

// The call must return 0; if not, the message of *e is shown.
#define check_ok(call, e)                                                                  \
    do {                                                                                   \
        int check_rc_ = (call);                                                            \
        if (check_rc_ != 0) fail_msg("%s: %s (%s)", #call, (e)->msg, err_name(check_rc_)); \
    } while (0)

// The call must fail with this code and set *e to it.
#define check_fails(call, wanted, e)                                                                         \
    do {                                                                                                     \
        int check_rc_ = (call);                                                                              \
        if (check_rc_ != (wanted))                                                                           \
            fail_msg("%s: gave %s (%s), wanted %s", #call, err_name(check_rc_), (e)->msg, err_name(wanted)); \
        assert_int_equal((e)->code, (wanted));                                                               \
        assert_true((e)->msg[0] != '\0');                                                                    \
    } while (0)

// And its message must hold this text.
#define check_says(e, text)                                                                      \
    do {                                                                                         \
        if (!strstr((e)->msg, (text))) fail_msg("\"%s\" does not say \"%s\"", (e)->msg, (text)); \
    } while (0)

// A new folder for the test's files; check_folder_free() removes it with all that is in it.
static inline char *check_folder(void)
{
    const char *parent = getenv("TMPDIR");
    size_t size = strlen(parent ? parent : "/tmp") + 32;
    char *path = malloc(size);
    if (!path) abort();
    snprintf(path, size, "%s/slipway-test-XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(path)) fail_msg("%s: %s", path, strerror(errno));
    return path;
}

// Calls back with the path of each entry of a folder and returns how many there are.
static inline size_t check_entries(const char *path, void (*each)(const char *entry))
{
    size_t n = 0;
    DIR *dir = opendir(path);
    if (!dir) return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        n++;
        char inner[4096];
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int)sizeof inner) abort();
        if (each) each(inner);
    }
    closedir(dir);
    return n;
}

static inline void check_remove(const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) check_entries(path, check_remove);
    remove(path);
}

static inline void check_folder_free(char *path)
{
    check_remove(path);
    free(path);
}

// The seed of a property test: SEED from the environment, or a new one; printed, so that a failure can be replayed.
static inline uint64_t check_seed(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : clock_monotonic_ns() ^ (uint64_t)clock_utc_ms() << 20;
    printf("SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

#endif
