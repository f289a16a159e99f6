// Writing CSV cells.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/write.h"

static void check_cell(str cell, const char *want)
{
    buf out;
    buf_init(&out, 1024);
    csv_add_cell(&out, cell, true);
    buf_add_char(&out, '\0');
    assert_int_equal(out.failed, 0);
    assert_string_equal(out.data, want);
    buf_clear(&out);
}

static void test_quotes_only_where_needed(void **state)
{
    (void)state;
    check_cell(STR("plain"), "plain");
    check_cell(STR(""), "");
    check_cell(STR("a,b"), "\"a,b\"");
    check_cell(STR("say \"hi\""), "\"say \"\"hi\"\"\"");
    check_cell(STR("two\nlines"), "\"two\nlines\"");
    check_cell(STR("cr\r"), "\"cr\r\"");
    check_cell(STR(" blank"), "\" blank\"");
    check_cell(STR("é;x"), "é;x");
}

static void test_separates_cells(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1024);
    csv_add_cell(&out, STR("a"), true);
    csv_add_cell(&out, STR(""), false);
    csv_add_cell(&out, STR("c"), false);
    assert_true(str_equal(buf_str(&out), STR("a,,c")));
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotes_only_where_needed),
        cmocka_unit_test(test_separates_cells),
    };
    return cmocka_run_group_tests_name("data/write", tests, NULL, NULL);
}
