// Random allocations, marks, rewinds and resets: objects stay whole and apart, the ceiling holds.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include "base/rng.h"
#include "check.h"

enum { OBJECTS_MAX = 400, MARKS_MAX = 16, CEILING = 1 << 18 };

typedef struct object {
    unsigned char *at;
    size_t len;
    unsigned char fill;
} object;

static void check_objects(const object *objects, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < objects[i].len; k++) assert_int_equal(objects[i].at[k], objects[i].fill);
}

static void test_random(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 0);
    for (int round = 0; round < 60; round++) {
        arena a;
        arena_init(&a, CEILING);
        object objects[OBJECTS_MAX];
        arena_mark marks[MARKS_MAX];
        size_t n = 0, n_marks = 0, at_mark[MARKS_MAX], live = 0;
        for (int step = 0; step < 1000; step++) {
            uint64_t what = rng_below(&r, 100);
            if (what < 85 && n < OBJECTS_MAX) {
                size_t len = (size_t)rng_below(&r, rng_below(&r, 20) == 0 ? 20000 : 300);
                size_t alignment = (size_t)1 << rng_below(&r, 9);
                unsigned char *p = arena_aligned(&a, alignment, len, 1);
                assert_true(a.used <= CEILING);
                if (!p) {
                    assert_true(live + len + 8192 > CEILING / 4); // refused only when it is fairly full
                    continue;
                }
                assert_int_equal((uintptr_t)p % alignment, 0);
                objects[n] = (object){.at = p, .len = len, .fill = (unsigned char)rng_u64(&r)};
                memset(p, objects[n].fill, len);
                live += len;
                n++;
            } else if (what < 90 && n_marks < MARKS_MAX) {
                at_mark[n_marks] = n;
                marks[n_marks++] = arena_get_mark(&a);
            } else if (what < 97 && n_marks > 0) {
                arena_rewind(&a, marks[--n_marks]);
                while (n > at_mark[n_marks]) live -= objects[--n].len;
            } else if (what == 99 && rng_below(&r, 5) == 0) {
                check_objects(objects, n);
                arena_reset(&a);
                n = n_marks = live = 0;
            }
        }
        check_objects(objects, n);
        arena_clear(&a);
        assert_int_equal(a.used, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
