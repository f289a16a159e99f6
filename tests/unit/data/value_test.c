// Values as text.
// SPDX-License-Identifier: Apache-2.0
#include "data/value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_numbers(void **state)
{
    (void)state;
    double value = 0;
    assert_int_equal(parse_f64(STR("  1e5\t"), &value), 0);
    assert_true(value == 1e5);
    assert_int_equal(parse_f64(STR("+.5"), &value), 0);
    assert_int_equal(parse_f64(STR("-Infinity"), &value), 0);
    assert_true(isinf(value) && value < 0);
    assert_int_equal(parse_f64(STR("INF"), &value), 0);
    static const char *const bad[] = {"", " ", "infinit", "nan", "1 2", "1_000", "--inf"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse_f64(str_of(bad[i]), &value) != ERR_INPUT) fail_msg("'%s' is accepted", bad[i]);
    int64_t whole = 5;
    assert_int_equal(parse_i64(STR(" -12 "), &whole), 0);
    assert_int_equal(whole, -12);
    assert_int_equal(parse_i64(STR("-9223372036854775808"), &whole), ERR_LIMIT); // it means "missing"
    assert_int_equal(parse_i64(STR("1.0"), &whole), ERR_INPUT);
    assert_int_equal(whole, -12);
}

static void test_booleans(void **state)
{
    (void)state;
    int64_t value = -1;
    assert_int_equal(parse_boolean(STR("TRUE"), &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(parse_boolean(STR(" n "), &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(parse_boolean(STR("1"), &value), ERR_INPUT);
    assert_int_equal(parse_boolean(STR("yess"), &value), ERR_INPUT);
    assert_int_equal(parse_boolean(STR(""), &value), ERR_INPUT);
}

static void test_datetimes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *canonical;
    } good[] = {
        {"1970-01-01", 0, "1970-01-01T00:00:00Z"},
        {"2000-02-29", 951782400000, "2000-02-29T00:00:00Z"},
        {"2026-01-31T12:00:00Z", 1769860800000, "2026-01-31T12:00:00Z"},
        {"2026-01-31 13:00:00.5+01:00", 1769860800500, "2026-01-31T12:00:00.500Z"},
        {"2026-01-31t06:30-0530", 1769860800000, "2026-01-31T12:00:00Z"},
        {"2026-01-31T11:00:00,123456-01", 1769860800123, "2026-01-31T12:00:00.123Z"},
        {"1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999Z"},
        {"0000-01-01", -62167219200000, "0000-01-01T00:00:00Z"},
        {"9999-12-31T23:59:59.999", 253402300799999, "9999-12-31T23:59:59.999Z"},
        {"2016-12-31T23:59:60Z", 1483228800000, "2017-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = 0;
        if (parse_datetime(str_of(good[i].text), &ms) != 0) fail_msg("%s is refused", good[i].text);
        if (ms != good[i].ms) fail_msg("%s: %lld", good[i].text, (long long)ms);
        char text[DATETIME_TEXT_SIZE + 1];
        text[format_datetime(ms, text)] = '\0';
        assert_string_equal(text, good[i].canonical);
    }
    static const char *const bad[] = {
        "",
        "2026",
        "2026-1-31",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "1900-02-29",
        "2026-01-32",
        "2026-01-31T",
        "2026-01-31T24:00",
        "20260131",
        "12:00:00",
        "2026-01-31T12:60:00",
        "2026-01-31T12:00:61",
        "2026-01-31T12:00:00.",
        "2026-01-31T12:00:00+1",
        "2026-01-31T12:00:00+01:",
        "2026-01-31Z",
        "2026-01-31T12:00:00Zx",
        "31/01/2026",
    };
    int64_t ms = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (parse_datetime(str_of(bad[i]), &ms) != ERR_INPUT) fail_msg("%s is accepted", bad[i]);
    assert_int_equal(ms, 7);
    char text[DATETIME_TEXT_SIZE + 1];
    text[format_datetime(253402300800000, text)] = '\0';
    assert_string_equal(text, "253402300800000");
}

// Every day of 900 years, there and back.
static void test_every_day(void **state)
{
    (void)state;
    for (int64_t day = -200000; day < 130000; day++) {
        char text[DATETIME_TEXT_SIZE];
        int64_t back;
        size_t n = format_datetime(day * 86400000, text);
        assert_int_equal(parse_datetime((str){text, n}, &back), 0);
        assert_true(back == day * 86400000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_datetimes),
        cmocka_unit_test(test_every_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
