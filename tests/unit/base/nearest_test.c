// nearest_name: what is near and what is not.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/nearest.h"

static const char *const names[] = {"survived", "age", NULL, "sex", "fare", "embarked", "Survived2"};
enum { N_NAMES = sizeof names / sizeof *names };

static void test_near(void **state)
{
    (void)state;
    assert_string_equal(nearest_name("survivd", names, N_NAMES), "survived");
    assert_string_equal(nearest_name("SURVIVED", names, N_NAMES), "survived");
    assert_string_equal(nearest_name("survived2", names, N_NAMES), "Survived2");
    assert_string_equal(nearest_name("farr", names, N_NAMES), "fare");
    assert_string_equal(nearest_name("aeg", names, N_NAMES), "age"); // one swap
}

static void test_far(void **state)
{
    (void)state;
    assert_null(nearest_name("zzz", names, N_NAMES));
    assert_null(nearest_name("", names, N_NAMES));
    assert_null(nearest_name("sex", names, 0));
    assert_null(nearest_name("ticket", names, N_NAMES));
}

static void test_tie_is_the_first(void **state)
{
    (void)state;
    static const char *const alike[] = {"x_2", "x_1", "x_3"};
    assert_ptr_equal(nearest_name("x_9", alike, 3), alike[0]);
}

static void test_long_names(void **state)
{
    (void)state;
    char a[400], b[400];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    a[399] = b[300] = '\0';
    const char *one[] = {b};
    assert_ptr_equal(nearest_name(a, one, 1), b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near),
        cmocka_unit_test(test_far),
        cmocka_unit_test(test_tie_is_the_first),
        cmocka_unit_test(test_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
