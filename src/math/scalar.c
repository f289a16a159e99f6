// Series after the usual reductions: exp(x) = 2^k exp(r) with |r| <= ln(2)/2; log(x) = k ln(2) + log(m) by the inverse
// hyperbolic tangent, m in [sqrt(1/2), sqrt(2)). Plain float64 arithmetic in one order, without contraction.
// SPDX-License-Identifier: Apache-2.0
#include "math/scalar.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

// ln(2) in two parts: the first has 32 bits, so that k times it is exact for every exponent.
static const double LN2_HIGH = 0x1.62e42fee00000p-1, LN2_LOW = 0x1.a39ef35793c76p-33, LOG2_E = 0x1.71547652b82fep+0;

static double power_of_two(int k) // -1022 <= k <= 1023
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double exp_f64(double x)
{
    if (!(x == x)) return x;
    if (x > 709.8) return INFINITY;
    if (x < -745.2) return 0;
    double k = floor(x * LOG2_E + 0.5);
    double r = (x - k * LN2_HIGH) - k * LN2_LOW;
    // Taylor's series to r^13: the rest is below 2^-58 for |r| <= 0.3466.
    static const double inverse[] = {
        1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
        1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
    double sum = 0;
    for (int i = 13; i >= 0; i--) sum = sum * r + inverse[i];
    // In two steps, so that results below the normal range are rounded once.
    int half = (int)k / 2;
    return sum * power_of_two(half) * power_of_two((int)k - half);
}

float exp_f32(float x)
{
    return (float)exp_f64((double)x);
}

double log_f64(double x)
{
    if (!(x == x) || x == INFINITY) return x;
    if (x <= 0) return x == 0 ? -INFINITY : NAN;
    int k = 0;
    double m = 2 * frexp(x, &k); // frexp is exact
    k--;
    if (m > 0x1.6a09e667f3bcdp+0) {
        m /= 2;
        k++;
    }
    double t = (m - 1) / (m + 1), t2 = t * t; // |t| <= 0.1716: the series to t^23 leaves less than 2^-60
    double sum = 0;
    for (int i = 23; i >= 3; i -= 2) sum = (sum + 1.0 / i) * t2;
    return (double)k * LN2_HIGH + (2 * t * sum + ((double)k * LN2_LOW + 2 * t));
}

float log_f32(float x)
{
    return (float)log_f64((double)x);
}
