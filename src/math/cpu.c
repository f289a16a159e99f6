// CPU levels by CPUID, as the compiler's run time reads it.
// SPDX-License-Identifier: Apache-2.0
#include "math/cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

static const char *const names[CPU_LEVELS_N] = {
    [CPU_PLAIN] = "plain",
    [CPU_AVX2] = "avx2",
    [CPU_AVX512] = "avx512",
};

// The level plus one; 0 until somebody asks. Every thread would find the same, so a race does no harm.
static atomic_int level_known;

static cpu_level level_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                __builtin_cpu_supports("bmi2");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
    if (avx2) return avx512 ? CPU_AVX512 : CPU_AVX2; // F16C came with every AVX2
#endif
    return CPU_PLAIN;
}

cpu_level cpu_level_get(void)
{
    int known = atomic_load_explicit(&level_known, memory_order_relaxed);
    if (known == 0) {
        known = (int)level_best() + 1;
        atomic_store_explicit(&level_known, known, memory_order_relaxed);
    }
    return (cpu_level)(known - 1);
}

const char *cpu_level_name(cpu_level l)
{
    return (unsigned)l < CPU_LEVELS_N ? names[l] : "unknown";
}

int cpu_level_pin(const char *name, err *e)
{
    for (int l = 0; l < CPU_LEVELS_N; l++) {
        if (strcmp(name, names[l]) != 0) continue;
        if (l > (int)level_best())
            return err_set(e, ERR_UNSUPPORTED, "this machine has no '%s', only '%s'", name, names[level_best()]);
        atomic_store_explicit(&level_known, l + 1, memory_order_relaxed);
        return 0;
    }
    return err_set(e, ERR_INPUT, "'%.40s' is no CPU level: plain, avx2 or avx512", name);
}
