// Metrics: what is refused, names, JSON, and counts without a confusion matrix. Values are compared in tests/golden.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "evaluate/metrics.h"

static const int32_t truth[] = {0, 1, 1, 0};
static const float scores[] = {0.75f, 0.25f, 0.5f, 0.5f, 0.25f, 0.75f, 1, 0};

static void test_refused(void **state)
{
    (void)state;
    metrics m = {0};
    err e = ERR_NONE;
    assert_int_equal(metrics_classification(&m, truth, scores, 0, 2, &e), ERR_INPUT);
    assert_int_equal(metrics_classification(&m, truth, scores, 4, 1, &e), ERR_INPUT);
    assert_int_equal(metrics_regression(&m, NULL, NULL, 0, &e), ERR_INPUT);
    float with_nan[8];
    memcpy(with_nan, scores, sizeof scores);
    with_nan[5] = NAN;
    assert_int_equal(metrics_classification(&m, truth, with_nan, 4, 2, &e), ERR_INPUT);
    assert_int_equal(e.at, 2);
    double wrong[] = {1, INFINITY};
    assert_int_equal(metrics_regression(&m, wrong, scores, 2, &e), ERR_INPUT);
    assert_int_equal(e.at, 1);
    assert_null(m.confusion);
}

static void test_names(void **state)
{
    (void)state;
    metrics m = {0};
    err e = ERR_NONE;
    assert_int_equal(metrics_classification(&m, truth, scores, 4, 2, &e), 0);
    double value;
    bool more;
    assert_int_equal(metrics_get(&m, "accuracy", &value, &more, &e), 0);
    assert_true(value == 0.75 && more); // the tie goes to the first class
    assert_int_equal(metrics_get(&m, "log_loss", &value, &more, &e), 0);
    assert_false(more);
    assert_int_equal(metrics_get(&m, "acuracy", &value, &more, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "no metric \"acuracy\"; did you mean \"accuracy\"?");
    assert_int_equal(metrics_get(&m, "rmse", &value, &more, &e), ERR_NOT_FOUND);
    assert_string_equal(e.msg, "rmse is a metric of regression");
    metrics_clear(&m);
}

static void test_json(void **state)
{
    (void)state;
    metrics m = {0};
    err e = ERR_NONE;
    const int32_t ones[] = {1, 1, 1, 1};
    assert_int_equal(metrics_classification(&m, ones, scores, 4, 2, &e), 0);
    json_t *j = NULL;
    assert_int_equal(metrics_to_json(&m, (const char *const[]){"no", "yes"}, &j, &e), 0);
    assert_true(json_is_null(json_object_get(j, "roc_auc"))); // one class only
    assert_null(json_object_get(j, "rmse"));
    json_t *yes = json_array_get(json_object_get(j, "classes"), 1);
    assert_string_equal(json_string_value(json_object_get(yes, "name")), "yes");
    assert_int_equal(json_integer_value(json_object_get(yes, "support")), 4);
    json_t *line = json_array_get(json_object_get(j, "confusion"), 1);
    assert_int_equal(json_integer_value(json_array_get(line, 0)), 3);
    json_decref(j);
    metrics_clear(&m);
}

static void test_many_classes(void **state)
{
    (void)state;
    enum { N = METRICS_CONFUSION_MAX + 1 };
    float *wide = mem_zalloc(2 * N, sizeof *wide);
    assert_non_null(wide);
    wide[7] = wide[N + 8] = 1;
    const int32_t two[] = {7, 7};
    metrics m = {0};
    err e = ERR_NONE;
    assert_int_equal(metrics_classification(&m, two, wide, 2, N, &e), 0);
    assert_null(m.confusion);
    assert_true(m.accuracy == 0.5 && m.by_class[7].recall == 0.5 && m.by_class[8].precision == 0);
    assert_true(m.recall == 0.25); // of the two classes that were seen
    assert_true(isnan(m.roc_auc));
    mem_free(wide);
    metrics_clear(&m);
}

static void test_memory_faults(void **state)
{
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        metrics m = {0};
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        int rc = metrics_classification(&m, truth, scores, 4, 2, &e);
        mem_fail_at(0, 0);
        if (rc == 0) {
            metrics_clear(&m);
            assert_true(nth > 4);
            return;
        }
        assert_int_equal(rc, ERR_MEMORY);
        assert_null(m.confusion);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_names),         cmocka_unit_test(test_json),
        cmocka_unit_test(test_many_classes), cmocka_unit_test(test_memory_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
