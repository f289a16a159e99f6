// The number of threads changes no byte of a package: every example, with cross-validation, on 1, 2, 3 and 8.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "automl/training.h"

static const struct {
    const char *file, *target;
    bool indicator;
    scale_kind scale;
} runs[] = {
    {"titanic.csv", "survived", true, SCALE_STANDARD},  {"iris.csv", "species", false, SCALE_NONE},
    {"wine.csv", "cultivar", false, SCALE_MINMAX},      {"breast_cancer.csv", "diagnosis", false, SCALE_STANDARD},
    {"diabetes.csv", "progression", false, SCALE_NONE},
};

static void digest_of(size_t run, size_t n_threads, uint64_t seed, char digest[SHA256_HEX_SIZE])
{
    err e = ERR_NONE;
    char path[512];
    snprintf(path, sizeof path, "%s/examples/%s", TEST_SOURCE_DIR, runs[run].file);
    static const char *const settings[] = {"n_trees=12"};
    training_options o = TRAINING_OPTIONS_DEFAULT;
    o.path = path;
    o.target = runs[run].target;
    o.settings = settings;
    o.n_settings = 1;
    o.seed = o.split.seed = seed;
    o.folds = 2;
    o.prepare_given = true;
    o.prepare.indicator = runs[run].indicator;
    o.prepare.scale = runs[run].scale;
    pool *p = NULL;
    training_result r;
    check_ok(pool_new(&p, n_threads, &e), &e);
    check_ok(training_run(&r, &o, p, NULL, &e), &e);
    memcpy(digest, r.package->digest, SHA256_HEX_SIZE);
    training_result_clear(&r);
    pool_free(p);
}

static void threads_change_no_byte(void **state)
{
    (void)state;
    uint64_t seed = check_seed() & INT32_MAX;
    static const size_t counts[] = {1, 2, 3, 8, 1};
    for (size_t run = 0; run < sizeof runs / sizeof *runs; run++) {
        char first[SHA256_HEX_SIZE], other[SHA256_HEX_SIZE];
        digest_of(run, counts[0], seed, first);
        for (size_t i = 1; i < sizeof counts / sizeof *counts; i++) {
            digest_of(run, counts[i], seed, other);
            if (strcmp(first, other) != 0)
                fail_msg("%s: %zu threads give another package than one", runs[run].file, counts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_change_no_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
