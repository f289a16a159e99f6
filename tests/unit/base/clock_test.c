// base/clock: dates before, at and after the turning points of the calendar.
// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

#include "check.h"

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {-1, "1969-12-31T23:59:59.999Z"},
                 {951782399999, "2000-02-28T23:59:59.999Z"},
                 {951782400000, "2000-02-29T00:00:00.000Z"},
                 {951868800000, "2000-03-01T00:00:00.000Z"},
                 {-2203891200001, "1900-02-28T23:59:59.999Z"}, // 1900 had no leap day
                 {-2203891200000, "1900-03-01T00:00:00.000Z"},
                 {253402300799999, "9999-12-31T23:59:59.999Z"},
                 {-62135596800000, "0001-01-01T00:00:00.000Z"},
                 {INT64_MAX, "9223372036854775807 ms"},
                 {INT64_MIN, "-9223372036854775808 ms"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CLOCK_TEXT_SIZE];
        assert_string_equal(clock_format_utc(cases[i].ms, text), cases[i].text);
    }
}

// The C library agrees on every 41st hour of 600 years.
static void test_against_gmtime(void **state)
{
    (void)state;
    for (int64_t second = -9466848000; second < 9466848000; second += 41 * 3600 + 7) {
        char text[CLOCK_TEXT_SIZE], wanted[64];
        time_t t = (time_t)second;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
        assert_string_equal(clock_format_utc(second * 1000, text), wanted);
    }
}

static void test_now(void **state)
{
    (void)state;
    uint64_t a = clock_monotonic_ns(), b = clock_monotonic_ns();
    assert_true(b >= a);
    assert_true(clock_utc_ms() > 1577836800000); // after 2020
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_against_gmtime),
        cmocka_unit_test(test_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
