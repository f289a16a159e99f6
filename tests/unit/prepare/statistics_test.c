// Sorting, quantiles, mode and spread on cases whose answers are known.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "prepare/statistics.h"

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void sorts_like_qsort(void **state)
{
    (void)state;
    enum { MOST = 3000 };
    static double values[MOST], scratch[MOST], want[MOST];
    static const size_t sizes[] = {0, 1, 2, 47, 48, 49, 257, MOST};
    rng r = rng_new(check_seed(), 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < 4; kind++) {
            size_t n = sizes[s];
            for (size_t i = 0; i < n; i++) {
                double v = rng_normal(&r);
                if (kind == 1) v = (double)rng_below(&r, 5) - 2; // many ties
                if (kind == 2) v = ldexp(v, (int)rng_below(&r, 2000) - 1000);
                if (kind == 3) v = 1700000000000.0 + (double)rng_below(&r, 1000); // high digits all the same
                values[i] = want[i] = v;
            }
            sort_f64(values, scratch, n);
            qsort(want, n, sizeof *want, compare);
            assert_memory_equal(values, want, n * sizeof *want);
        }
}

static void sorts_infinities_and_zeros(void **state)
{
    (void)state;
    double values[60], scratch[60];
    for (size_t i = 0; i < 60; i++) values[i] = i % 3 == 0 ? INFINITY : i % 3 == 1 ? -INFINITY : i % 2 ? 0.0 : -0.0;
    sort_f64(values, scratch, 60);
    for (size_t i = 0; i < 60; i++) {
        if (i < 20)
            assert_true(values[i] == -INFINITY);
        else if (i < 40)
            assert_true(values[i] == 0 && !!signbit(values[i]) == (i < 30));
        else
            assert_true(values[i] == INFINITY);
    }
}

static void describes(void **state)
{
    (void)state;
    double values[] = {3, 1, 2, 2, 7, 3}, scratch[6];
    number_statistics s;
    number_statistics_of(&s, values, scratch, 6);
    assert_int_equal(s.n, 6);
    assert_true(s.min == 1 && s.max == 7 && s.mean == 3 && s.median == 2.5);
    assert_true(s.mode == 2); // as often as 3, and smaller
    assert_true(s.quantiles[0] == 1 && s.quantiles[QUANTILES_N - 1] == 7 && s.quantiles[5] == 2.5);
    assert_true(fabs(s.quantiles[9] - 5) < 1e-15); // place 4.5 of 1 2 2 3 3 7
}

static void describes_nothing(void **state)
{
    (void)state;
    number_statistics s;
    number_statistics_of(&s, NULL, NULL, 0);
    assert_int_equal(s.n, 0);
    assert_true(isnan(s.min) && isnan(s.max) && isnan(s.mean) && isnan(s.median) && isnan(s.mode) &&
                isnan(s.quantiles[3]));
}

static void spreads(void **state)
{
    (void)state;
    const double values[] = {1, 2, 3, 4};
    double mean, std;
    spread_of(&mean, &std, values, 4, 0, NAN, 0);
    assert_true(mean == 2.5 && std == sqrt(1.25));
    spread_of(&mean, &std, values, 4, 0, NAN, 1);
    assert_true(std == sqrt(5.0 / 3));
    spread_of(&mean, &std, values, 4, 4, 2.5, 0); // imputed by the mean: half the variance
    assert_true(mean == 2.5 && std == sqrt(0.625));
    spread_of(&mean, &std, values, 1, 0, NAN, 1);
    assert_true(mean == 1 && std == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_like_qsort), cmocka_unit_test(sorts_infinities_and_zeros),
        cmocka_unit_test(describes),        cmocka_unit_test(describes_nothing),
        cmocka_unit_test(spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
