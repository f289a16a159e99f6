// base/arena: ceilings, marks, resets and alignment.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "base/mem.h"
#include "check.h"

static void test_alloc(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 20);
    assert_int_equal(a.used, 0);
    // Objects of many sizes: aligned, apart from each other, whole until the end.
    unsigned char *p[200];
    for (size_t i = 0; i < 200; i++) {
        p[i] = arena_alloc(&a, i, 7);
        assert_non_null(p[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++)
        for (size_t k = 0; k < i * 7; k++) assert_int_equal(p[i][k], i);
    unsigned char *zeros = arena_zalloc(&a, 100, 8);
    assert_non_null(zeros);
    for (size_t k = 0; k < 800; k++) assert_int_equal(zeros[k], 0);
    assert_string_equal(arena_strndup(&a, "launch", 3), "lau");
    assert_true(a.used <= a.ceiling);
    arena_clear(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 1, 1)); // usable again
    arena_clear(&a);
}

static void test_aligned(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 20);
    for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
        char *p = arena_aligned(&a, alignment, 5, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignment, 0);
        memset(p, 0, 5);
    }
    arena_clear(&a);
}

static void test_ceiling(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 10000);
    size_t n = 0;
    while (arena_alloc(&a, 100, 1)) n++;
    assert_true(n >= 10000 / (2 * 164) && n <= 100); // blocks have heads; never more than the ceiling
    assert_true(a.used <= 10000);
    arena_clear(&a);
    assert_null(arena_alloc(&a, 10001, 1));
    assert_non_null(arena_alloc(&a, 9000, 1));
    arena_clear(&a);

    arena_init(&a, 0);
    assert_null(arena_alloc(&a, 1, 1));
    assert_null(arena_zalloc(&a, 1, 1));
    assert_null(arena_strndup(&a, "x", 1));

    arena_init(&a, SIZE_MAX);
    volatile size_t half = SIZE_MAX / 2 + 1, huge = PTRDIFF_MAX;
    assert_null(arena_alloc(&a, half, 2));
    assert_null(arena_zalloc(&a, huge, 1));
    assert_null(arena_aligned(&a, 4096, huge, 1));
    arena_clear(&a);
}

static void test_marks(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 4 << 20);
    arena_mark empty = arena_get_mark(&a);
    char *kept = arena_strndup(&a, "kept", 4);
    arena_mark mark = arena_get_mark(&a);
    size_t used = a.used;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) assert_non_null(arena_alloc(&a, 1000, 1)); // over many blocks
        arena_rewind(&a, mark);
        assert_int_equal(a.used, used);
        assert_string_equal(kept, "kept");
    }
    char *small = arena_alloc(&a, 16, 1); // within the block of the mark
    assert_non_null(small);
    arena_rewind(&a, mark);
    assert_string_equal(kept, "kept");
    arena_rewind(&a, empty);
    assert_int_equal(a.used, 0);
    arena_clear(&a);
}

static void test_reset(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 8 << 20);
    arena_reset(&a); // nothing there
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 2000; i++) {
            char *p = arena_alloc(&a, 100, 10);
            assert_non_null(p);
            memset(p, round, 1000);
        }
        size_t before = a.used;
        arena_reset(&a);
        assert_true(a.used <= before);
    }
    arena_clear(&a);
    assert_int_equal(a.used, 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 20);
    mem_fail_at(1, 1);
    assert_null(arena_alloc(&a, 10, 1));
    mem_fail_at(0, 0);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 10, 1));
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc), cmocka_unit_test(test_aligned), cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_marks), cmocka_unit_test(test_reset),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
