// Statistics of one column's values, in float64 and in one order.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_PREPARE_STATISTICS_H
#define SLIPWAY_PREPARE_STATISTICS_H

#include <stddef.h>

#include "data/schema.h"

typedef struct number_statistics { // NaN where there is no value
    size_t n;                      // values that are there
    double min, max, mean, median, quantiles[QUANTILES_N];
    double mode; // the most frequent value, the smallest of equals
} number_statistics;

// values: n of them, no NaN; sorted afterwards. scratch: room for n.
void number_statistics_of(number_statistics *out, double *values, double *scratch, size_t n);

// Mean and standard deviation of n values and n_filled more that all equal `fill`, in two passes. Fewer values than
// ddof + 1 have no deviation: 0.
void spread_of(double *mean, double *std, const double *values, size_t n, size_t n_filled, double fill, int ddof);

// Ascending, -0 before 0; no NaN. scratch: room for n.
void sort_f64(double *values, double *scratch, size_t n);

#endif
