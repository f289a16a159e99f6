// base/buf: growing, ceilings, and failures that are kept.
// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include "base/mem.h"
#include "check.h"

static void test_grow(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 1 << 20);
    err e = ERR_NONE;
    for (int i = 0; i < 10000; i++) buf_format(&b, "%d,", i);
    check_ok(buf_check(&b, &e), &e);
    assert_int_equal(b.len, 48890);
    assert_memory_equal(b.data, "0,1,2,3,", 8);
    assert_memory_equal(b.data + b.len - 5, "9999,", 5);
    buf_reset(&b);
    buf_add_text(&b, "text");
    buf_add_char(&b, '-');
    buf_add_str(&b, STR("view"));
    buf_add(&b, NULL, 0);
    buf_add(&b, "\0x", 2);
    assert_int_equal(b.len, 11);
    assert_memory_equal(buf_str(&b).data, "text-view\0x", 11);
    buf_clear(&b);
    assert_int_equal(b.ceiling, 1 << 20);
}

static void test_ceiling(void **state)
{
    (void)state;
    buf b;
    err e = ERR_NONE;
    buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++) buf_add_char(&b, 'x');
    check_ok(buf_check(&b, &e), &e);
    buf_add_char(&b, 'x');
    check_fails(buf_check(&b, &e), ERR_LIMIT, &e);
    check_says(&e, "1000");
    assert_int_equal(b.len, 1000);
    buf_add_text(&b, ""); // kept until the reset
    assert_null(buf_reserve(&b, 0));
    check_fails(buf_check(&b, &e), ERR_LIMIT, &e);
    buf_reset(&b);
    assert_non_null(buf_reserve(&b, 1000));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_clear(&b);

    buf_init(&b, 0);
    buf_add(&b, "", 0);
    check_ok(buf_check(&b, &e), &e);
    buf_add_char(&b, 'x');
    check_fails(buf_check(&b, &e), ERR_LIMIT, &e);
    buf_clear(&b);
}

static void test_format_at_ceiling(void **state)
{
    (void)state;
    buf b;
    err e = ERR_NONE;
    buf_init(&b, 8);
    buf_format(&b, "%s", "1234567"); // with the NUL that snprintf writes: exactly the ceiling
    check_ok(buf_check(&b, &e), &e);
    assert_int_equal(b.len, 7);
    buf_format(&b, "%s", "8");
    check_fails(buf_check(&b, &e), ERR_LIMIT, &e);
    buf_clear(&b);
}

static void test_no_memory(void **state)
{
    (void)state;
    buf b;
    err e = ERR_NONE;
    buf_init(&b, 1 << 20);
    buf_add_text(&b, "before");
    mem_fail_at(1, 0);
    assert_null(buf_reserve(&b, 5000));
    mem_fail_at(0, 0);
    check_fails(buf_check(&b, &e), ERR_MEMORY, &e);
    assert_memory_equal(b.data, "before", 6);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_format_at_ceiling),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
