// HyperLogLog with the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017,
// algorithm 6), which needs no corrections for small or large numbers.
// SPDX-License-Identifier: Apache-2.0
#include "data/sketch_impl.h"

#include <math.h>

enum { RANK_MAX = 64 - SKETCH_BITS + 1 };

void sketch_join(sketch *s, const sketch *more)
{
    for (size_t i = 0; i < SKETCH_N; i++)
        if (s->registers[i] < more->registers[i]) s->registers[i] = more->registers[i];
}

static double sigma(double x)
{
    if (x == 1) return INFINITY;
    double y = 1, sum = x, before;
    do {
        x *= x;
        before = sum;
        sum += x * y;
        y += y;
    } while (sum != before);
    return sum;
}

static double tau(double x)
{
    if (x == 0 || x == 1) return 0;
    double y = 1, sum = 1 - x, before;
    do {
        x = sqrt(x);
        before = sum;
        y *= 0.5;
        sum -= (1 - x) * (1 - x) * y;
    } while (sum != before);
    return sum / 3;
}

double sketch_estimate(const sketch *s)
{
    size_t counts[RANK_MAX + 1] = {0};
    for (size_t i = 0; i < SKETCH_N; i++) counts[s->registers[i]]++;
    double m = SKETCH_N;
    double z = m * tau(1 - (double)counts[RANK_MAX] / m);
    for (size_t k = RANK_MAX - 1; k >= 1; k--) z = 0.5 * (z + (double)counts[k]);
    z += m * sigma((double)counts[0] / m);
    return m / (2 * log(2)) * m / z;
}
