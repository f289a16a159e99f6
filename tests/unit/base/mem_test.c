// base/mem: sizes that overflow, and the nth request that fails.
// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include "check.h"

static void test_alloc(void **state)
{
    (void)state;
    char *p = mem_alloc(10, 3);
    assert_non_null(p);
    memset(p, 1, 30);
    p = mem_realloc(p, 100, 10);
    assert_non_null(p);
    assert_int_equal(p[29], 1);
    mem_free(p);
    mem_free(NULL);

    unsigned char *zeros = mem_zalloc(1000, 4);
    assert_non_null(zeros);
    for (size_t i = 0; i < 4000; i++) assert_int_equal(zeros[i], 0);
    mem_free(zeros);
}

static void test_empty(void **state)
{
    (void)state;
    void *a = mem_alloc(0, 8), *b = mem_zalloc(8, 0), *c = mem_realloc(NULL, 0, 0), *d = mem_aligned(64, 0, 1);
    assert_true(a && b && c && d);
    assert_ptr_not_equal(a, b);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
}

static void test_overflow(void **state)
{
    (void)state;
    volatile size_t half = SIZE_MAX / 2 + 1, huge = (size_t)PTRDIFF_MAX + 1;
    assert_null(mem_alloc(half, 2));
    assert_null(mem_alloc(2, half));
    assert_null(mem_alloc(huge, 1));
    assert_null(mem_zalloc(half, 4));
    assert_null(mem_zalloc(1, huge));
    assert_null(mem_aligned(4096, PTRDIFF_MAX, 1));
    char *p = mem_alloc(1, 1);
    *p = 'x';
    assert_null(mem_realloc(p, half, 2)); // and p is untouched
    assert_int_equal(*p, 'x');
    mem_free(p);
}

static void test_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
        char *p = mem_aligned(alignment, 33, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignment, 0);
        memset(p, 0, 33);
        mem_free(p);
    }
}

static void test_text(void **state)
{
    (void)state;
    char *whole = mem_strdup("slipway"), *part = mem_strndup("slipway", 4), *none = mem_strndup("", 0);
    assert_string_equal(whole, "slipway");
    assert_string_equal(part, "slip");
    assert_string_equal(none, "");
    mem_free(whole);
    mem_free(part);
    mem_free(none);
    volatile size_t all = SIZE_MAX;
    assert_null(mem_strndup("x", all));
}

static void test_nth(void **state)
{
    (void)state;
    mem_fail_at(2, 0);
    void *a = mem_alloc(1, 1), *b = mem_alloc(1, 1), *c = mem_zalloc(1, 1);
    assert_true(a && !b && c);
    assert_int_equal(mem_fail_at(1, 1), 3);
    assert_null(mem_aligned(16, 1, 1));
    assert_null(mem_realloc(a, 2, 1));
    assert_null(mem_strdup("x"));
    assert_int_equal(mem_fail_at(0, 0), 3);
    void *d = mem_alloc(1, 1);
    assert_non_null(d);
    mem_free(a);
    mem_free(c);
    mem_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),   cmocka_unit_test(test_empty), cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_aligned), cmocka_unit_test(test_text),  cmocka_unit_test(test_nth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
