// Splits and folds are scikit-learn's, row for row. Data and generator: split_golden.h, split_golden.py.
// SPDX-License-Identifier: Apache-2.0
#include "data/split.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/mem.h"

typedef struct split_case {
    size_t n;
    uint32_t seed;
    double share;
    size_t n_test;
    uint32_t first;
    uint64_t test, train;
} split_case;

typedef struct fold_case {
    size_t n;
    uint32_t seed;
    size_t k;
    uint64_t folds;
} fold_case;

#include "golden/data/split_golden.h"

static uint64_t checksum(const uint32_t *rows, size_t n)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ rows[i]) * 0x100000001B3u;
    return h;
}

static uint32_t *all_rows(size_t n)
{
    uint32_t *rows = mem_alloc(n, sizeof *rows);
    assert_non_null(rows);
    for (size_t i = 0; i < n; i++) rows[i] = (uint32_t)i;
    return rows;
}

static void test_splits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof split_cases / sizeof *split_cases; i++) {
        const split_case *c = &split_cases[i];
        err e = ERR_NONE;
        split s;
        uint32_t *rows = all_rows(c->n);
        split_options o = {.kind = SPLIT_NUMPY, .test_share = c->share, .seed = c->seed};
        assert_int_equal(split_make(&s, NULL, rows, c->n, NULL, &o, &e), 0);
        assert_int_equal(s.n_test, c->n_test);
        assert_int_equal(s.test[0], c->first);
        assert_true(checksum(s.test, s.n_test) == c->test);
        assert_true(checksum(s.train, s.n_train) == c->train);
        split_clear(&s);
        mem_free(rows);
    }
}

static void test_folds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fold_cases / sizeof *fold_cases; i++) {
        const fold_case *c = &fold_cases[i];
        err e = ERR_NONE;
        uint32_t *rows = all_rows(c->n), *fold = all_rows(c->n);
        split_options o = {.kind = SPLIT_NUMPY, .test_share = 0.5, .seed = c->seed};
        assert_int_equal(split_folds(fold, c->k, NULL, rows, c->n, NULL, &o, &e), 0);
        assert_true(checksum(fold, c->n) == c->folds);
        mem_free(rows);
        mem_free(fold);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_splits), cmocka_unit_test(test_folds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
