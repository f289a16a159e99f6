// Profiles: statistics, findings, likely targets; the same for any number of threads.
// SPDX-License-Identifier: Apache-2.0
#include "data/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

enum { N = 400 };
enum { ID, NUMBER, EMPTY, SAME, CITY, NOTE, GAPS, LEAK_NUMBER, LEAK_CATEGORY, MANY, TARGET, N_COLUMNS };

static frame *f;

static int set_up(void **state)
{
    (void)state;
    json_init();
    static char many[N][8];
    err e = ERR_NONE;
    frame_builder *b;
    rng r = rng_new(1, 0);
    int64_t id[N], same[N];
    double number[N], empty[N], gaps[N], leak[N];
    str city[N], note[N], leak_category[N], values[N], target[N];
    for (int i = 0; i < N; i++) {
        bool rare = i % 40 == 7; // 10 of 400
        id[i] = i + 1;
        number[i] = (double)rng_below(&r, 1000) / 4;
        empty[i] = NAN;
        same[i] = 7;
        city[i] = i % 5 == 0 ? STR("Oslo") : i % 2 ? STR("Bergen") : STR("Bodo");
        note[i] = i % 2 ? STR("a few words here") : STR("and some others there");
        gaps[i] = i % 2 ? NAN : rng_f64(&r);
        leak[i] = rare ? 100 + rng_f64(&r) : rng_f64(&r);
        leak_category[i] = rare ? STR("lost") : i % 3 ? STR("kept") : STR("new");
        snprintf(many[i], sizeof many[i], "v%d", i % 150);
        values[i] = str_of(many[i]);
        target[i] = rare ? STR("yes") : STR("no");
    }
    assert_int_equal(frame_builder_new(&b, N, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "id", COLUMN_IDENTIFIER, id, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "number", COLUMN_REAL, number, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "empty", COLUMN_REAL, empty, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "same", COLUMN_INTEGER, same, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "city", COLUMN_CATEGORY, city, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "note", COLUMN_TEXT, note, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "gaps", COLUMN_REAL, gaps, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "leak_number", COLUMN_REAL, leak, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "leak_category", COLUMN_CATEGORY, leak_category, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "many", COLUMN_CATEGORY, values, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "churn", COLUMN_CATEGORY, target, &e), 0);
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

static void test_numbers(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    frame *small;
    const double reals[] = {2, -1, NAN, 7.5, 2, INFINITY, -0.0, 0};
    const int64_t whole[] = {5, 1, 4, 2, FRAME_I64_MISSING, 3, 3, 3};
    assert_int_equal(frame_builder_new(&b, 8, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "real", COLUMN_REAL, reals, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "whole", COLUMN_INTEGER, whole, &e), 0);
    assert_int_equal(frame_builder_take(b, &small, &e), 0);
    frame_builder_free(b);
    profile p;
    assert_int_equal(profile_make(&p, small, -1, NULL, &e), 0);
    const column_profile *c = &p.columns[0];
    assert_int_equal(c->n_missing, 1);
    assert_int_equal(c->n_distinct, 5);
    assert_true(c->min == -1 && isinf(c->max) && c->quantiles[5] == 2);
    c = &p.columns[1]; // 1 2 3 3 3 4 5
    assert_int_equal(c->n_distinct, 5);
    assert_true(c->mean == 3 && c->min == 1 && c->max == 5);
    assert_true(fabs(c->std - 1.1952286093343936) < 1e-15);                   // numpy.std
    assert_true(c->quantiles[0] == 1 && fabs(c->quantiles[1] - 1.6) < 1e-15); // numpy.quantile(.., 0.1)
    assert_true(fabs(c->quantiles[9] - 4.4) < 1e-15 && c->quantiles[10] == 5);
    profile_clear(&p);
    frame_free(small);
}

static void test_duplicates(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    frame *small;
    const double reals[] = {1, 1, NAN, NAN, 1, 0};
    const str texts[] = {STR("a"), STR("a"), {0}, {0}, STR("b"), STR("a")};
    assert_int_equal(frame_builder_new(&b, 6, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "x", COLUMN_REAL, reals, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "t", COLUMN_TEXT, texts, &e), 0);
    assert_int_equal(frame_builder_take(b, &small, &e), 0);
    frame_builder_free(b);
    profile p;
    assert_int_equal(profile_make(&p, small, -1, NULL, &e), 0);
    assert_int_equal(p.n_duplicate_rows, 2);
    assert_int_equal(p.findings[p.n_findings - 1].kind, FINDING_DUPLICATES);
    profile_clear(&p);
    frame_free(small);
}

static bool found(const profile *p, finding_kind kind, int64_t index)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_findings; i++) n += p->findings[i].kind == kind && p->findings[i].column == index;
    assert_true(n <= 1);
    return n;
}

static void test_findings(void **state)
{
    (void)state;
    err e = ERR_NONE;
    profile p;
    assert_int_equal(profile_make(&p, f, TARGET, NULL, &e), 0);
    for (int64_t i = 0; i < N_COLUMNS; i++) {
        assert_int_equal(found(&p, FINDING_IDENTIFIER, i), i == ID);
        assert_int_equal(found(&p, FINDING_CONSTANT, i), i == EMPTY || i == SAME);
        assert_int_equal(found(&p, FINDING_TEXT, i), i == NOTE);
        assert_int_equal(found(&p, FINDING_MISSING, i), i == GAPS);
        assert_int_equal(found(&p, FINDING_MANY, i), i == MANY);
        assert_int_equal(found(&p, FINDING_IMBALANCE, i), i == TARGET);
        assert_int_equal(found(&p, FINDING_LEAK, i), i == LEAK_NUMBER || i == LEAK_CATEGORY);
    }
    assert_false(found(&p, FINDING_DUPLICATES, -1));
    assert_string_equal(p.findings[0].text, "\"gaps\" is missing in 50% of the rows.");
    const column_profile *c = &p.columns[CITY];
    assert_int_equal(c->n_top, 3);
    assert_true(str_equal(c->top[0], STR("Bergen")) && c->top_counts[0] == 160);
    assert_true(str_equal(c->top[1], STR("Bodo")) && c->top_counts[1] == 160); // a tie goes by bytes
    assert_true(str_equal(c->top[2], STR("Oslo")) && c->top_counts[2] == 80);
    assert_int_equal(p.columns[NOTE].n_distinct, 2);
    assert_int_equal(p.columns[MANY].n_top, PROFILE_TOP_N);
    size_t likely[3];
    assert_int_equal(profile_likely_targets(&p, f, likely, 3), 3);
    assert_int_equal(likely[0], TARGET);
    profile_clear(&p);
}

static void test_regression_leak(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    frame *small;
    double x[100], y[100], z[100];
    rng r = rng_new(2, 0);
    for (int i = 0; i < 100; i++) {
        x[i] = rng_f64(&r);
        y[i] = 3 * x[i] - 1;
        z[i] = rng_f64(&r) + x[i];
    }
    assert_int_equal(frame_builder_new(&b, 100, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "z", COLUMN_REAL, z, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "y", COLUMN_REAL, y, &e), 0);
    assert_int_equal(frame_builder_take(b, &small, &e), 0);
    frame_builder_free(b);
    profile p;
    assert_int_equal(profile_make(&p, small, 2, NULL, &e), 0);
    assert_int_equal(p.n_findings, 1);
    assert_true(found(&p, FINDING_LEAK, 0));
    profile_clear(&p);
    frame_free(small);
}

static char *json_of(pool *workers)
{
    err e = ERR_NONE;
    profile p;
    json_t *j;
    buf out;
    assert_int_equal(profile_make(&p, f, TARGET, workers, &e), 0);
    assert_int_equal(profile_to_json(&p, f, &j, &e), 0);
    buf_init(&out, 1 << 20);
    assert_int_equal(json_format(j, true, &out, &e), 0);
    buf_add_char(&out, '\0');
    json_decref(j);
    profile_clear(&p);
    return out.data;
}

static void test_any_pool(void **state)
{
    (void)state;
    err e = ERR_NONE;
    char *one = json_of(NULL);
    for (size_t n = 2; n < 5; n++) {
        pool *workers;
        assert_int_equal(pool_new(&workers, n, &e), 0);
        char *many = json_of(workers);
        assert_string_equal(one, many);
        mem_free(many);
        pool_free(workers);
    }
    assert_non_null(strstr(one, "\"kind\": \"leak\""));
    mem_free(one);
}

static void test_empty(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    frame *none;
    const double no[1] = {0};
    assert_int_equal(frame_builder_new(&b, 0, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "x", COLUMN_REAL, no, &e), 0);
    assert_int_equal(frame_builder_take(b, &none, &e), 0);
    frame_builder_free(b);
    profile p;
    assert_int_equal(profile_make(&p, none, 0, NULL, &e), 0);
    assert_int_equal(p.n_findings, 0);
    assert_true(isnan(p.columns[0].mean));
    profile_clear(&p);
    frame_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_duplicates), cmocka_unit_test(test_findings),
        cmocka_unit_test(test_regression_leak), cmocka_unit_test(test_any_pool),   cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
