// exp and log that give the same bits on every machine, for model paths: the C library's do not.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MATH_SCALAR_H
#define SLIPWAY_MATH_SCALAR_H

// Any thread. Computed in float64 and rounded once: within 0.5001 units in the last place. NaN gives NaN, exp goes to 0
// and infinity where it must, log(0) is -infinity, log of less is NaN.
float exp_f32(float x);
float log_f32(float x);

// The same in float64, within 2 units in the last place.
double exp_f64(double x);
double log_f64(double x);

#endif
