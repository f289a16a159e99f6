// Frames built by hand.
// SPDX-License-Identifier: Apache-2.0
#include "data/frame.h"

#include <stdio.h>

#include "check.h"

static frame *build(const char *category)
{
    err e = ERR_NONE;
    frame_builder *b;
    frame *f;
    const double reals[] = {0.5, NAN, 1e22, -0.0};
    const int64_t whole[] = {3, FRAME_I64_MISSING, -7, 0};
    const int64_t flags[] = {1, 0, FRAME_I64_MISSING, 1};
    const int64_t dates[] = {0, 1769860800000, FRAME_I64_MISSING, -1};
    const str categories[] = {STR("b"), {0}, str_of(category), STR("b")};
    const str texts[] = {STR("same words"), STR("same words"), {0}, STR("other")};
    assert_int_equal(frame_builder_new(&b, 4, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "real", COLUMN_REAL, reals, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "whole", COLUMN_INTEGER, whole, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "flag", COLUMN_BOOLEAN, flags, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "date", COLUMN_DATETIME, dates, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "category", COLUMN_CATEGORY, categories, &e), 0);
    assert_int_equal(frame_builder_add_strings(b, "text", COLUMN_TEXT, texts, &e), 0);
    assert_int_equal(frame_builder_take(b, &f, &e), 0);
    frame_builder_free(b);
    return f;
}

static void test_columns(void **state)
{
    (void)state;
    frame *f = build("a");
    assert_int_equal(frame_n_rows(f), 4);
    assert_int_equal(frame_n_columns(f), 6);
    assert_int_equal(frame_find(f, "text"), 5);
    assert_int_equal(frame_find(f, "tex"), -1);
    err e = ERR_NONE;
    size_t at = 0;
    check_ok(frame_require(f, "text", "", &at, &e), &e);
    assert_int_equal(at, 5);
    check_fails(frame_require(f, "tex", " to predict", &at, &e), ERR_NOT_FOUND, &e);
    assert_string_equal(e.msg, "no column \"tex\" to predict; did you mean \"text\"?");
    check_fails(frame_require(f, "nothing like it", "", &at, &e), ERR_NOT_FOUND, &e);
    assert_string_equal(e.msg, "no column \"nothing like it\"");
    static const char *const want[6][4] = {
        {"0.5", "", "1e22", "-0"},     {"3", "", "-7", "0"},
        {"true", "false", "", "true"}, {"1970-01-01T00:00:00Z", "2026-01-31T12:00:00Z", "", "1969-12-31T23:59:59.999Z"},
        {"b", "", "a", "b"},           {"same words", "same words", "", "other"},
    };
    for (size_t i = 0; i < 6; i++) {
        const column *c = frame_column(f, i);
        assert_int_equal(c->n_missing, 1);
        for (size_t row = 0; row < 4; row++) {
            char text[COLUMN_TEXT_SIZE];
            str value = column_text(c, row, text);
            if (!str_equal(value, str_of(want[i][row])))
                fail_msg("%s, row %zu: " STR_FORMAT, c->name, row, STR_ARGS(value));
            assert_int_equal(column_missing(c, row), !*want[i][row]);
        }
    }
    const column *c = frame_column(f, 4);
    assert_int_equal(c->n_strings, 2); // distinct, sorted by bytes
    assert_true(str_equal(c->strings[0], STR("a")) && str_equal(c->strings[1], STR("b")));
    assert_int_equal(frame_column(f, 5)->n_strings, 3); // one a value
    frame_free(f);
}

static void test_fingerprint(void **state)
{
    (void)state;
    frame *a = build("a"), *b = build("a"), *c = build("c");
    char ha[65], hb[65], hc[65];
    frame_fingerprint(a, ha);
    frame_fingerprint(b, hb);
    frame_fingerprint(c, hc);
    assert_string_equal(ha, hb);
    assert_string_not_equal(ha, hc);
    frame_free(a);
    frame_free(b);
    frame_free(c);
}

static void test_refused(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    frame *f = NULL;
    const int64_t two[] = {2};
    const double real[] = {1};
    assert_int_equal(frame_builder_new(&b, 1, &e), 0);
    assert_int_equal(frame_builder_add_i64(b, "flag", COLUMN_BOOLEAN, two, &e), ERR_INPUT);
    assert_int_equal(frame_builder_add_i64(b, "x", COLUMN_REAL, two, &e), ERR_INPUT);
    assert_int_equal(frame_builder_add_f64(b, "x", COLUMN_INTEGER, real, &e), ERR_INPUT);
    assert_int_equal(frame_builder_add_i64(b, "x", COLUMN_INTEGER, two, &e), 0);
    assert_int_equal(frame_builder_add_f64(b, "x", COLUMN_REAL, real, &e), 0);
    assert_int_equal(frame_builder_take(b, &f, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "columns 1 and 2 are both called \"x\""));
    assert_null(f);
    assert_int_equal(frame_builder_take(b, &f, &e), 0); // empty now
    assert_int_equal(frame_n_columns(f), 0);
    frame_free(f);
    frame_builder_free(b);
}

static void test_many_columns(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame_builder *b;
    frame *f;
    char name[32];
    assert_int_equal(frame_builder_new(&b, 0, &e), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(frame_builder_add_f64(b, name, COLUMN_REAL, NULL, &e), 0);
    }
    assert_int_equal(frame_builder_take(b, &f, &e), 0);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "c%d", i);
        assert_int_equal(frame_find(f, name), i);
    }
    frame_free(f);
    frame_builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
