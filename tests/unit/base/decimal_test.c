// Decimals: what is written, what is read, what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect_f64(double value, const char *want)
{
    char text[DECIMAL_TEXT_SIZE + 1];
    text[decimal_format_f64(value, text)] = '\0';
    assert_string_equal(text, want);
}

static void expect_f32(float value, const char *want)
{
    char text[DECIMAL_TEXT_SIZE + 1];
    text[decimal_format_f32(value, text)] = '\0';
    assert_string_equal(text, want);
}

static void test_format(void **state)
{
    (void)state;
    expect_f64(0, "0");
    expect_f64(-0.0, "-0");
    expect_f64(3, "3");
    expect_f64(-17.25, "-17.25");
    expect_f64(100, "100");
    expect_f64(0.1, "0.1");
    expect_f64(0.1 + 0.2, "0.30000000000000004");
    expect_f64(1e-6, "0.000001");
    expect_f64(1.5e-7, "1.5e-7");
    expect_f64(1e20, "100000000000000000000");
    expect_f64(1e21, "1e21");
    expect_f64(123456789012345680000.0, "123456789012345680000");
    expect_f64(9007199254740993.0, "9007199254740992");
    expect_f64(5e-324, "5e-324");
    expect_f64(DBL_MAX, "1.7976931348623157e308");
    expect_f64(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    expect_f64(5.6843418860808015e-14, "5.684341886080802e-14"); // 2^-44, from the wider side
    expect_f64(NAN, "nan");
    expect_f64(INFINITY, "inf");
    expect_f64(-INFINITY, "-inf");
    expect_f32(0.1f, "0.1");
    expect_f32(16777216.0f, "16777216");
    expect_f32(1.0f / 3, "0.33333334");
    expect_f32(1e-45f, "1e-45");
    expect_f32(FLT_MAX, "3.4028235e38");
    expect_f32(-INFINITY, "-inf");
    char text[DECIMAL_TEXT_SIZE + 1];
    text[decimal_format_i64(INT64_MIN, text)] = '\0';
    assert_string_equal(text, "-9223372036854775808");
    text[decimal_format_i64(0, text)] = '\0';
    assert_string_equal(text, "0");
}

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double want;
    } good[] = {
        {"0", 0},
        {"+1.5", 1.5},
        {".5", 0.5},
        {"5.", 5},
        {"1e5", 1e5},
        {"1E+2", 100},
        {"-2e-3", -0.002},
        {"1e-400", 0},
        {"0e999999999999", 0},
        {"007", 7},
        {"0.000000000000000000000000000001", 1e-30},
        {"9007199254740993", 9007199254740992.0},
        {"123456789.12345678", 123456789.12345678},
        {"2.4703282292062327e-324", 0},
        {"2.4703282292062328e-324", 5e-324},
        {"12345678901234567890123", 12345678901234567890123.0},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value = -1;
        if (decimal_parse_f64(str_of(good[i].text), &value) != 0) fail_msg("%s is refused", good[i].text);
        if (value != good[i].want) fail_msg("%s: %a", good[i].text, value);
    }
    double value;
    assert_int_equal(decimal_parse_f64(STR("1e999"), &value), 0);
    assert_true(isinf(value));
    assert_int_equal(decimal_parse_f64(STR("-0"), &value), 0);
    assert_true(signbit(value));
    static const char *const bad[] = {"",   "+",  "-",   ".",    "e5",  "1e",  "1e+",  "1x",
                                      " 1", "1 ", "--1", "0x10", "1,5", "nan", "1.2.3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        value = 7;
        if (decimal_parse_f64(str_of(bad[i]), &value) != ERR_INPUT) fail_msg("'%s' is accepted", bad[i]);
        assert_true(value == 7);
    }
    assert_int_equal(decimal_scan_f64(STR("12.5,7"), &value), 4);
    assert_true(value == 12.5);
    assert_int_equal(decimal_scan_f64(STR("3e,"), &value), 1);
}

static void test_parse_json(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "0.5", "10", "-1.25e-3", "1E5", "0e1"};
    static const char *const bad[] = {"+1", "01", "-01", ".5", "5.", "5.e1", "1e", "1e+", "-", "", "-.5", "00"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (decimal_scan_json(str_of(good[i]), &value) != strlen(good[i])) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (decimal_scan_json(str_of(bad[i]), &value) != 0) fail_msg("%s is accepted", bad[i]);
}

static void test_parse_integer(void **state)
{
    (void)state;
    int64_t value = 1;
    assert_int_equal(decimal_parse_i64(STR("9223372036854775807"), &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(decimal_parse_i64(STR("-9223372036854775808"), &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(decimal_parse_i64(STR("+007"), &value), 0);
    assert_int_equal(value, 7);
    static const char *const large[] = {"9223372036854775808", "-9223372036854775809", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        assert_int_equal(decimal_parse_i64(str_of(large[i]), &value), ERR_LIMIT);
    static const char *const bad[] = {"", "-", "1.0", "1e3", " 1", "1 ", "99999999999999999999999x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(decimal_parse_i64(str_of(bad[i]), &value), ERR_INPUT);
    assert_int_equal(value, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_parse_json),
        cmocka_unit_test(test_parse_integer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
