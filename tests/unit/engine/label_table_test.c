// Tables of labels: found, not found, repeated, many of them.
// SPDX-License-Identifier: Apache-2.0
#include "engine/label_table.h"

#include <math.h>

#include "base/mem.h"
#include "check.h"

static label_table make(dtype type, const void *keys, size_t n, label_repeat repeat, arena *a)
{
    label_table t;
    err e = ERR_NONE;
    check_ok(label_table_make(&t, type, keys, n, repeat, a, &e), &e);
    return t;
}

static void texts_are_found(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 24);
    str keys[] = {STR("a"), STR("b"), {NULL, 0}, STR("a"), STR("a much longer label than the others")};
    label_table first = make(DTYPE_STRING, keys, 5, LABEL_FIRST_WINS, &a);
    label_table last = make(DTYPE_STRING, keys, 5, LABEL_LAST_WINS, &a);
    assert_int_equal(label_find_string(&first, STR("a")), 0);
    assert_int_equal(label_find_string(&last, STR("a")), 3);
    assert_int_equal(label_find_string(&first, STR("")), 2);
    assert_int_equal(label_find_string(&first, keys[4]), 4);
    assert_int_equal(label_find_string(&first, STR("c")), -1);
    label_table none = make(DTYPE_STRING, keys, 0, LABEL_FIRST_WINS, &a);
    assert_int_equal(label_find_string(&none, STR("a")), -1);
    arena_clear(&a);
}

static void numbers_are_found(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, 1 << 24);
    int64_t ints[] = {0, -1, INT64_MIN, INT64_MAX, 7};
    label_table t = make(DTYPE_I64, ints, 5, LABEL_FIRST_WINS, &a);
    for (int32_t i = 0; i < 5; i++) assert_int_equal(label_find_int(&t, ints[i]), i);
    assert_int_equal(label_find_int(&t, 8), -1);
    float floats[] = {-0.0f, 1.5f, NAN, INFINITY};
    t = make(DTYPE_F32, floats, 4, LABEL_FIRST_WINS, &a);
    assert_int_equal(label_find_float(&t, 0.0f), 0);
    assert_int_equal(label_find_float(&t, 1.5f), 1);
    assert_int_equal(label_find_float(&t, INFINITY), 3);
    assert_int_equal(label_find_float(&t, NAN), -1);
    arena_clear(&a);
}

static void many_labels_have_room(void **state)
{
    (void)state;
    enum { N = 50000 };
    arena a;
    arena_init(&a, 1 << 24);
    int64_t *keys = mem_alloc(N, sizeof *keys);
    for (int64_t i = 0; i < N; i++) keys[i] = i * 1024;
    label_table t = make(DTYPE_I64, keys, N, LABEL_FIRST_WINS, &a);
    for (int32_t i = 0; i < N; i++) {
        assert_int_equal(label_find_int(&t, keys[i]), i);
        assert_int_equal(label_find_int(&t, keys[i] + 1), -1);
    }
    err e = ERR_NONE;
    arena small;
    arena_init(&small, 4096);
    check_fails(label_table_make(&t, DTYPE_I64, keys, N, LABEL_FIRST_WINS, &small, &e), ERR_MEMORY, &e);
    mem_free(keys);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_found),
        cmocka_unit_test(numbers_are_found),
        cmocka_unit_test(many_labels_have_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
