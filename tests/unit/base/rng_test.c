// base/rng: fixed first values (models depend on them for ever), and that the numbers are spread as promised.
// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#include <math.h>

#include "check.h"

// The state 1, 2, 3, 4 gives the values that the authors' code gives; the seeded ones come from a program of our own
// in Python, written from the paper.
static void test_first_values(void **state)
{
    (void)state;
    rng r = {.s = {1, 2, 3, 4}};
    static const uint64_t known[] = {11520, 0, 1509978240, 1215971899390074240};
    for (size_t i = 0; i < 4; i++) assert_true(rng_u64(&r) == known[i]);

    static const struct {
        uint64_t seed, stream, first[3];
    } seeded[] = {{42, 0, {0x19e479e2aaa77bfbu, 0x5e3efe753be27527u, 0xc3ed7125b780200au}},
                  {42, 1, {0x0cee3ac9ad457c96u, 0x719a1abe9d3f4270u, 0x7256f0ab739bfce7u}},
                  {0, 0, {0xfb5405f7bd79c540u, 0x780c98e26cea5883u, 0x2a146e0980febc66u}}};
    for (size_t c = 0; c < 3; c++) {
        r = rng_new(seeded[c].seed, seeded[c].stream);
        for (size_t i = 0; i < 3; i++) assert_true(rng_u64(&r) == seeded[c].first[i]);
    }
}

static void test_streams_differ(void **state)
{
    (void)state;
    uint64_t first[100];
    for (uint64_t k = 0; k < 100; k++) {
        rng r = rng_new(k / 10, k % 10);
        first[k] = rng_u64(&r);
        for (uint64_t i = 0; i < k; i++) assert_true(first[i] != first[k]);
    }
}

static void test_below(void **state)
{
    (void)state;
    rng r = rng_new(1, 2);
    for (int i = 0; i < 100; i++) assert_int_equal(rng_below(&r, 1), 0);
    for (int i = 0; i < 1000; i++) assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
    // Six faces, 60,000 throws: chi-squared with 5 degrees of freedom; 25.7 is its 99.99 % point, and the seed is
    // fixed.
    double n[6] = {0}, chi = 0;
    for (int i = 0; i < 60000; i++) n[rng_below(&r, 6)]++;
    for (int k = 0; k < 6; k++) chi += (n[k] - 10000) * (n[k] - 10000) / 10000;
    assert_true(chi < 25.7);
    // n = 3 * 2^62: a product without rejection would give half of the numbers a remainder of 0 by 3, a remainder
    // without rejection would favour the small ones.
    uint64_t third = (uint64_t)1 << 62, by_three = 0, low = 0;
    for (int i = 0; i < 30000; i++) {
        uint64_t x = rng_below(&r, 3 * third);
        by_three += x % 3 == 0;
        low += x < third;
    }
    assert_true(by_three > 9600 && by_three < 10400); // 10000 +- 4.9 standard deviations
    assert_true(low > 9600 && low < 10400);
}

static void test_reals(void **state)
{
    (void)state;
    enum { N = 100000 };
    rng r = rng_new(7, 0);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double x = rng_f64(&r);
        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    assert_true(fabs(sum / N - 0.5) < 0.005); // five standard errors of 0.29 / sqrt(N)
    sum = 0;
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r);
        assert_true(isfinite(x));
        sum += x;
        squares += x * x;
    }
    assert_true(fabs(sum / N) < 0.016);
    assert_true(fabs(squares / N - 1) < 0.025);
}

static void test_shuffle(void **state)
{
    (void)state;
    // Every one of the 6 orders of 3 items, about as often.
    rng r = rng_new(3, 0);
    int n[27] = {0}, seen = 0;
    for (int i = 0; i < 6000; i++) {
        uint32_t items[3] = {0, 1, 2};
        rng_shuffle(&r, items, 3);
        n[items[0] * 9 + items[1] * 3 + items[2]]++;
    }
    for (int k = 0; k < 27; k++) {
        if (n[k] == 0) continue;
        seen++;
        assert_true(n[k] > 850 && n[k] < 1150);
    }
    assert_int_equal(seen, 6);
    uint32_t one = 5;
    rng_shuffle(&r, &one, 1);
    rng_shuffle(&r, NULL, 0);
    assert_int_equal(one, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_values), cmocka_unit_test(test_streams_differ), cmocka_unit_test(test_below),
        cmocka_unit_test(test_reals),        cmocka_unit_test(test_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
