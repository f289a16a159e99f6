// Sorting makes quantiles, the median and the mode one walk each.
// SPDX-License-Identifier: Apache-2.0
#include "prepare/statistics.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS, PASSES = 64 / DIGIT_BITS, INSERTION_MAX = 48 };

// Bits whose unsigned order is that of the numbers: negative ones turned over, the others above them.
static uint64_t key_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static void insertion_sort(double *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        double v = values[i];
        uint64_t key = key_of(v);
        size_t j = i;
        for (; j > 0 && key_of(values[j - 1]) > key; j--) values[j] = values[j - 1];
        values[j] = v;
    }
}

void sort_f64(double *values, double *scratch, size_t n)
{
    if (n <= INSERTION_MAX) {
        insertion_sort(values, n);
        return;
    }
    size_t counts[PASSES][DIGITS] = {{0}};
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_of(values[i]);
        for (int pass = 0; pass < PASSES; pass++) counts[pass][key >> (DIGIT_BITS * pass) & (DIGITS - 1)]++;
    }
    double *from = values, *to = scratch;
    for (int pass = 0; pass < PASSES; pass++) {
        size_t *at = counts[pass];
        int shift = DIGIT_BITS * pass;
        if (at[key_of(from[0]) >> shift & (DIGITS - 1)] == n) continue; // one digit for all: nothing to move
        size_t sum = 0;
        for (int digit = 0; digit < DIGITS; digit++) {
            size_t count = at[digit];
            at[digit] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) to[at[key_of(from[i]) >> shift & (DIGITS - 1)]++] = from[i];
        double *swap = from;
        from = to;
        to = swap;
    }
    if (from != values) memcpy(values, from, n * sizeof *values);
}

// Between the neighbours of place share * (n - 1), in proportion; NumPy calls it "linear".
static double quantile_of(const double *sorted, size_t n, double share)
{
    double place = share * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n) return sorted[n - 1];
    double part = place - (double)below;
    return sorted[below] + (sorted[below + 1] - sorted[below]) * part; // equal neighbours give themselves
}

static double mode_of(const double *sorted, size_t n)
{
    double best = sorted[0];
    size_t best_count = 0;
    for (size_t i = 0; i < n;) {
        size_t j = i + 1;
        while (j < n && sorted[j] == sorted[i]) j++;
        if (j - i > best_count) {
            best = sorted[i];
            best_count = j - i;
        }
        i = j;
    }
    return best;
}

void number_statistics_of(number_statistics *out, double *values, double *scratch, size_t n)
{
    *out = (number_statistics){.n = n, .min = NAN, .max = NAN, .mean = NAN, .median = NAN, .mode = NAN};
    for (int q = 0; q < QUANTILES_N; q++) out->quantiles[q] = NAN;
    if (n == 0) return;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    out->mean = sum / (double)n;
    sort_f64(values, scratch, n);
    out->min = values[0];
    out->max = values[n - 1];
    out->median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
    out->mode = mode_of(values, n);
    for (int q = 0; q < QUANTILES_N; q++) out->quantiles[q] = quantile_of(values, n, (double)q / (QUANTILES_N - 1));
}

void spread_of(double *mean, double *std, const double *values, size_t n, size_t n_filled, double fill, int ddof)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += values[i];
    if (n_filled) sum += fill * (double)n_filled;
    size_t n_all = n + n_filled;
    *mean = n_all ? sum / (double)n_all : 0;
    for (size_t i = 0; i < n; i++) squares += (values[i] - *mean) * (values[i] - *mean);
    if (n_filled) squares += (fill - *mean) * (fill - *mean) * (double)n_filled;
    *std = n_all > (size_t)ddof ? sqrt(squares / (double)(n_all - (size_t)ddof)) : 0;
}
