// CPU levels: which instructions kernels may use, found at start and pinned by --cpu-level.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MATH_CPU_H
#define SLIPWAY_MATH_CPU_H

#include "base/err.h"

typedef enum cpu_level {
    CPU_PLAIN,  // portable C, what every other level is tested against
    CPU_AVX2,   // with FMA, BMI2, F16C
    CPU_AVX512, // F, BW, DQ, VL, CD
    CPU_LEVELS_N,
} cpu_level;

cpu_level cpu_level_get(void);           // any thread; the best this machine has, or what was pinned
const char *cpu_level_name(cpu_level l); // "plain", "avx2", "avx512"

// Before the first kernel runs. ERR_INPUT for an unknown name, ERR_UNSUPPORTED for a level this machine lacks.
MUST_CHECK int cpu_level_pin(const char *name, err *e);

#endif
