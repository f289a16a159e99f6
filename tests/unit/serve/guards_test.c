// Guards on numbers known by hand, the stability index against NumPy, and the choice by weight.
// SPDX-License-Identifier: Apache-2.0
#include "serve/guards.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "serve/rollout.h"

// numpy 2.4.6: a, e = (np.maximum(c / c.sum(), 1e-4) for c in (actual, expected)); ((a - e) * np.log(a / e)).sum()
static void the_index_is_numpys(void **state)
{
    (void)state;
    const uint64_t actual[] = {120, 80, 95, 105, 0, 100}, expected[] = {100, 100, 100, 100, 100, 0};
    const uint64_t same[] = {240, 160, 190, 210, 0, 200}, nothing[6] = {0};
    assert_true(fabs(psi_of(actual, expected, 6) - 3.056060242234821) < 1e-12);
    assert_true(fabs(psi_of(actual, same, 6)) < 1e-15);
    assert_true(isnan(psi_of(actual, nothing, 6)));
}

static reading sound(uint64_t n, size_t step)
{
    reading r = {.requests = n};
    r.latency[step] = n;
    for (size_t k = 0; k < SCORE_BINS; k++) r.scores[k] = n / SCORE_BINS;
    return r;
}

static void each_guard(void **state)
{
    (void)state;
    const guards g = GUARDS_DEFAULT;
    reading primary = sound(1000, 4), canary = sound(1000, 4);
    assert_null(guards_judge(&g, &primary, &canary).broken);
    canary.failed = 21; // 2.06 per cent
    assert_string_equal(guards_judge(&g, &primary, &canary).broken, "error_rate");
    primary.failed = 21; // the primary does no better
    assert_null(guards_judge(&g, &primary, &canary).broken);
    canary = sound(1000, 8);
    assert_null(guards_judge(&g, &primary, &canary).broken); // four times as long, but still below 100 us
    canary = sound(1000, 20);
    assert_string_equal(guards_judge(&g, &primary, &canary).broken, "latency");
    canary = sound(1000, 4);
    canary.scores[0] += 900;
    assert_string_equal(guards_judge(&g, &primary, &canary).broken, "scores");
    const guards off = {.requests_min = 50, .window_s = 1};
    assert_null(guards_judge(&off, &primary, &canary).broken);
    canary = sound(400, 20); // too few to say anything
    assert_false(guards_judge(&g, &primary, &canary).enough);
    assert_null(guards_judge(&g, &primary, &canary).broken);
}

static void weights_are_kept(void **state)
{
    (void)state;
    snapshot_model m = {.canary_seed = 7};
    const size_t n = 100000;
    for (int weight = 0; weight <= WEIGHT_ALL; weight += 125) {
        size_t taken = 0;
        m.deployment.weight = weight;
        for (uint64_t lot = 0; lot < n; lot++) taken += rollout_takes_canary(&m, (str){0}, lot * 0x9E3779B97F4A7C15);
        double share = (double)taken / (double)n, want = weight / 1000.0;
        assert_true(fabs(share - want) <= 5 * sqrt(want * (1 - want) / (double)n) + 1e-12);
    }
    for (int key = 0; key < 1000; key++) { // sticky, and still in when the weight grows
        char text[24];
        snprintf(text, sizeof text, "user-%d", key);
        bool before = false;
        for (m.deployment.weight = 0; m.deployment.weight <= WEIGHT_ALL; m.deployment.weight += 50) {
            bool now = rollout_takes_canary(&m, str_of(text), 1);
            assert_int_equal(now, rollout_takes_canary(&m, str_of(text), 2));
            assert_true(now || !before);
            before = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_is_numpys),
        cmocka_unit_test(each_guard),
        cmocka_unit_test(weights_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
