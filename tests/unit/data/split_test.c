// Splits and folds of every kind: complete, disjoint, seeded, and true to their promise.
// SPDX-License-Identifier: Apache-2.0
#include "data/split.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { N = 200 };

static uint32_t rows[N];
static int32_t classes[N];
static frame *f;

static int set_up(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    int64_t group[N], time[N];
    double real_time[N];
    str text[N];
    for (int i = 0; i < N; i++) {
        rows[i] = (uint32_t)i;
        classes[i] = i < 120 ? 0 : i < 195 ? 2 : i < 197 ? 1 : i < 198 ? 3 : -1; // 120, 75, 2, 1 and 2 rows
        group[i] = i % 7 == 0 ? FRAME_I64_MISSING : i % 23;
        time[i] = (i * 37) % 50;
        real_time[i] = i == 5 ? NAN : 1.0 / (i + 1);
        text[i] = i % 3 ? STR("a") : STR("b");
    }
    assert_int_equal(frame_builder_new(&b, N, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "group", COLUMN_INTEGER, group, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "time", COLUMN_DATETIME, time, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "real_time", COLUMN_REAL, real_time, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "text", COLUMN_CATEGORY, text, &e), 0);
    assert_int_equal(frame_builder_take(b, &f, &e), 0);
    frame_builder_free(b);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    frame_free(f);
    return 0;
}

static void check_parts(const split *s, size_t n)
{
    bool seen[N] = {false};
    assert_int_equal(s->n_train + s->n_test, n);
    assert_true(s->n_train > 0 && s->n_test > 0);
    for (size_t i = 0; i < s->n_train + s->n_test; i++) {
        uint32_t row = i < s->n_train ? s->train[i] : s->test[i - s->n_train];
        assert_true(row < N && !seen[row]);
        seen[row] = true;
        if (i && i != s->n_train) assert_true((i < s->n_train ? s->train[i - 1] : s->test[i - s->n_train - 1]) < row);
    }
}

static split make(split_options o, const int32_t *stratum)
{
    err e = ERR_NONE;
    split s;
    if (split_make(&s, f, rows, N, stratum, &o, &e) < 0) fail_msg("%s", e.msg);
    check_parts(&s, N);
    return s;
}

static void test_random(void **state)
{
    (void)state;
    split_options o = {.kind = SPLIT_RANDOM, .test_share = 0.203, .seed = 1};
    split a = make(o, NULL), b = make(o, NULL);
    assert_int_equal(a.n_test, 41); // rounded up
    assert_memory_equal(a.test, b.test, a.n_test * sizeof *a.test);
    o.seed = 2;
    split c = make(o, NULL);
    assert_memory_not_equal(a.test, c.test, a.n_test * sizeof *a.test);
    split_clear(&a);
    split_clear(&b);
    split_clear(&c);
}

static void test_stratified(void **state)
{
    (void)state;
    split_options o = SPLIT_OPTIONS_DEFAULT;
    split s = make(o, classes);
    size_t n[5] = {0};
    for (size_t i = 0; i < s.n_test; i++) n[classes[s.test[i]] < 0 ? 4 : classes[s.test[i]]]++;
    assert_int_equal(n[0], 24);
    assert_int_equal(n[2], 15);
    assert_int_equal(n[1], 1);
    assert_int_equal(n[3], 0); // its one row is trained on
    assert_int_equal(n[4], 1);
    split_clear(&s);
    o.test_share = 0.999;
    s = make(o, classes);
    memset(n, 0, sizeof n);
    for (size_t i = 0; i < s.n_train; i++) n[classes[s.train[i]] < 0 ? 4 : classes[s.train[i]]]++;
    for (int c = 0; c < 5; c++) assert_true(n[c] >= 1);
    split_clear(&s);
    const int32_t apart[] = {0, 1, 2}; // one row each: somebody must go
    err e = ERR_NONE;
    assert_int_equal(split_make(&s, f, rows, 3, apart, &o, &e), 0);
    check_parts(&s, 3);
    split_clear(&s);
}

static void test_group(void **state)
{
    (void)state;
    split_options o = {.kind = SPLIT_GROUP, .column = "group", .test_share = 0.3, .seed = 3};
    split s = make(o, NULL);
    const column *c = frame_column(f, 0);
    for (size_t i = 0; i < s.n_test; i++)
        for (size_t k = 0; k < s.n_train; k++) assert_true(c->i64[s.test[i]] != c->i64[s.train[k]]);
    assert_true(s.n_test > 40 && s.n_test <= 60);
    split_clear(&s);
    o.column = "text"; // groups of a third and two thirds: neither fits, the smaller is tested on
    s = make(o, NULL);
    assert_int_equal(s.n_test, 67);
    split_clear(&s);
    err e = ERR_NONE;
    const uint32_t same[] = {0, 3, 6};
    assert_int_equal(split_make(&s, f, same, 3, NULL, &o, &e), ERR_INPUT);
}

static void test_time(void **state)
{
    (void)state;
    split_options o = {.kind = SPLIT_TIME, .column = "time", .test_share = 0.25};
    split s = make(o, NULL);
    const column *c = frame_column(f, 1);
    for (size_t i = 0; i < s.n_test; i++)
        for (size_t k = 0; k < s.n_train; k++) assert_true(c->i64[s.test[i]] >= c->i64[s.train[k]]);
    split_clear(&s);
    o.column = "real_time";
    s = make(o, NULL);
    assert_int_equal(s.n_test, 50);
    for (size_t i = 0; i < s.n_test; i++) assert_true(s.test[i] < 51 && s.test[i] != 5);
    split_clear(&s);
}

static void test_faults(void **state)
{
    (void)state;
    err e = ERR_NONE;
    split s = {.n_test = 7};
    split_options o = {.kind = SPLIT_TIME, .column = "text", .test_share = 0.25};
    assert_int_equal(split_make(&s, f, rows, N, NULL, &o, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "\"text\" holds values of type category"));
    o.column = "tiem";
    assert_int_equal(split_make(&s, f, rows, N, NULL, &o, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "no column \"tiem\" to split by; did you mean \"time\"?");
    o = SPLIT_OPTIONS_DEFAULT;
    assert_int_equal(split_make(&s, f, rows, 1, NULL, &o, &e), ERR_INPUT);
    assert_int_equal(split_make(&s, f, rows, 0, NULL, &o, &e), ERR_INPUT);
    o.test_share = 1;
    assert_int_equal(split_make(&s, f, rows, N, NULL, &o, &e), ERR_INPUT);
    o = (split_options){.kind = SPLIT_NUMPY, .test_share = 0.5, .seed = (uint64_t)1 << 32};
    assert_int_equal(split_make(&s, f, rows, N, NULL, &o, &e), ERR_INPUT);
    o = (split_options){.kind = SPLIT_RANDOM, .test_share = 0.5, .column = "time"};
    assert_non_null(split_options_fault(&o));
    o = (split_options){.kind = SPLIT_GROUP, .test_share = NAN, .column = "time"};
    assert_non_null(split_options_fault(&o));
    o = (split_options){.kind = SPLIT_GROUP, .test_share = 0.5};
    assert_non_null(split_options_fault(&o));
    assert_int_equal(s.n_test, 7);
    uint32_t fold[N] = {99};
    o = SPLIT_OPTIONS_DEFAULT;
    assert_int_equal(split_folds(fold, 1, f, rows, N, NULL, &o, &e), ERR_INPUT);
    assert_int_equal(split_folds(fold, 4, f, rows, 3, NULL, &o, &e), ERR_INPUT);
    o = (split_options){.kind = SPLIT_GROUP, .test_share = 0.5, .column = "text"};
    assert_int_equal(split_folds(fold, 3, f, rows, N, NULL, &o, &e), ERR_INPUT);
    assert_int_equal(fold[0], 99);
}

static void folds(uint32_t fold[N], size_t k, split_options o, const int32_t *stratum, size_t least, size_t most)
{
    err e = ERR_NONE;
    size_t n[16] = {0};
    if (split_folds(fold, k, f, rows, N, stratum, &o, &e) < 0) fail_msg("%s", e.msg);
    for (size_t i = 0; i < N; i++) n[fold[i]]++;
    for (size_t i = 0; i < k + (o.kind == SPLIT_TIME); i++)
        if (n[i] < least || n[i] > most) fail_msg("fold %zu has %zu rows", i, n[i]);
}

static void test_folds(void **state)
{
    (void)state;
    uint32_t fold[N];
    split_options o = {.kind = SPLIT_RANDOM, .test_share = 0.2, .seed = 4};
    folds(fold, 7, o, NULL, 28, 29);
    o.kind = SPLIT_STRATIFIED;
    folds(fold, 5, o, classes, 40, 40);
    size_t ones[5] = {0};
    for (size_t i = 0; i < N; i++) ones[fold[i]] += classes[i] == 0;
    for (size_t k = 0; k < 5; k++) assert_int_equal(ones[k], 24);
    o.kind = SPLIT_GROUP;
    o.column = "group";
    folds(fold, 4, o, NULL, 45, 55);
    const column *c = frame_column(f, 0);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < i; k++)
            if (c->i64[i] == c->i64[k]) assert_int_equal(fold[i], fold[k]);
    o.kind = SPLIT_TIME;
    o.column = "time";
    folds(fold, 3, o, NULL, 50, 50);
    c = frame_column(f, 1);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++)
            if (fold[i] < fold[k]) assert_true(c->i64[i] <= c->i64[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_stratified), cmocka_unit_test(test_group),
        cmocka_unit_test(test_time),   cmocka_unit_test(test_faults),     cmocka_unit_test(test_folds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
