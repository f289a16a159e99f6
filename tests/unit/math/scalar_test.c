// exp and log against the C library in more bits, and at their ends.
// SPDX-License-Identifier: Apache-2.0
#include "math/scalar.h"

#include <float.h>
#include <math.h>

#include "base/rng.h"
#include "check.h"

// Units in the last place between a float64 and what the long double library says.
static double units_off(double have, long double want)
{
    double near = (double)want;
    double unit = fabs(nextafter(near, (double)INFINITY) - near);
    return (double)(fabsl((long double)have - want) / (long double)unit);
}

static void close_to_the_library(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 0);
    double exp_worst = 0, log_worst = 0;
    for (int i = 0; i < 200000; i++) {
        double x = (rng_f64(&r) - 0.5) * 1400;
        double off = units_off(exp_f64(x), expl((long double)x));
        if (off > exp_worst) exp_worst = off;
        double y = ldexp(1 + rng_f64(&r), (int)rng_below(&r, 2000) - 1000);
        off = units_off(log_f64(y), logl((long double)y));
        if (off > log_worst) log_worst = off;
    }
    if (exp_worst > 2 || log_worst > 2) fail_msg("exp %.2f, log %.2f units off", exp_worst, log_worst);
}

static void float32_is_rounded_once(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 1);
    int n_off = 0;
    for (int i = 0; i < 200000; i++) {
        float x = (float)((rng_f64(&r) - 0.5) * 170);
        n_off += exp_f32(x) != (float)expl((long double)x);
        float y = (float)ldexp(1 + rng_f64(&r), (int)rng_below(&r, 200) - 100);
        n_off += log_f32(y) != (float)logl((long double)y);
    }
    assert_true(n_off <= 1); // a result as near to the middle of two floats as float64 can be wrong: one in 2^28
}

static void ends(void **state)
{
    (void)state;
    assert_true(exp_f64(0) == 1 && exp_f32(0) == 1);
    assert_true(exp_f32(-200) == 0 && exp_f32(200) == INFINITY && exp_f32(INFINITY) == INFINITY);
    assert_true(exp_f32(-INFINITY) == 0 && isnan(exp_f32(NAN)));
    assert_true(exp_f64(-745) > 0 && exp_f64(-746) == 0 && exp_f64(709) < (double)INFINITY);
    assert_true(log_f64(1) == 0 && log_f32(0) == -INFINITY && isnan(log_f32(-1)) && isnan(log_f32(NAN)));
    assert_true(log_f32(INFINITY) == INFINITY);
    assert_true(log_f32(FLT_TRUE_MIN) == (float)logl((long double)FLT_TRUE_MIN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_to_the_library),
        cmocka_unit_test(float32_is_rounded_once),
        cmocka_unit_test(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
