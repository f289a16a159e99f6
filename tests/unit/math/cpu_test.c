// CPU levels: names, pinning, and levels that are not there.
// SPDX-License-Identifier: Apache-2.0
#include "math/cpu.h"

#include "check.h"

static void levels_are_pinned(void **state)
{
    (void)state;
    cpu_level best = cpu_level_get();
    err e = ERR_NONE;
    assert_string_equal(cpu_level_name(CPU_PLAIN), "plain");
    assert_string_equal(cpu_level_name(CPU_AVX512), "avx512");
    check_ok(cpu_level_pin("plain", &e), &e);
    assert_int_equal(cpu_level_get(), CPU_PLAIN);
    check_fails(cpu_level_pin("sse9", &e), ERR_INPUT, &e);
    assert_int_equal(cpu_level_get(), CPU_PLAIN);
    for (int l = best + 1; l < CPU_LEVELS_N; l++)
        check_fails(cpu_level_pin(cpu_level_name((cpu_level)l), &e), ERR_UNSUPPORTED, &e);
    check_ok(cpu_level_pin(cpu_level_name(best), &e), &e);
    assert_int_equal(cpu_level_get(), best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels_are_pinned)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
