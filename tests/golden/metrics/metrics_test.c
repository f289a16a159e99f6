// Every metric against scikit-learn's answers in metrics.json (make.py writes it).
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/mem.h"
#include "evaluate/metrics.h"
#include "helpers/expectations.h"

// Both sides add up to a few hundred float64 terms, in different orders.
static const double tolerance = 1e-14, tolerance_relative = 1e-12;

static int load(void **state)
{
    (void)state;
    return expectations_load(TEST_SOURCE_DIR "/tests/golden/metrics/metrics.json");
}

static float *floats(const json_t *list)
{
    size_t n = json_array_size(list);
    float *out = mem_alloc(n, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < n; i++) out[i] = (float)json_number_value(json_array_get(list, i));
    return out;
}

static void same(const char *name, const char *what, double got, const json_t *want)
{
    if (json_is_null(want)) {
        if (!isnan(got)) fail_msg("%s: %s is %.17g, should be undefined", name, what, got);
        return;
    }
    double number = json_number_value(want);
    if (!(fabs(got - number) <= tolerance + tolerance_relative * fabs(number)))
        fail_msg("%s: %s is %.17g, should be %.17g", name, what, got, number);
}

static void check_names(const metrics *m, const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "name"));
    const char *key;
    json_t *want;
    json_object_foreach(json_object_get(one, "want"), key, want)
    {
        double value;
        bool more;
        err e = ERR_NONE;
        assert_int_equal(metrics_get(m, key, &value, &more, &e), 0);
        same(name, key, value, want);
    }
}

static void test_classification(void **state)
{
    (void)state;
    size_t index;
    json_t *one;
    json_t *list = json_object_get(expectations, "classification");
    assert_true(json_array_size(list) >= 12);
    json_array_foreach(list, index, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        size_t n_classes = (size_t)json_integer_value(json_object_get(one, "n_classes"));
        json_t *truth = json_object_get(one, "truth");
        size_t n_rows = json_array_size(truth);
        int32_t *classes = mem_alloc(n_rows, sizeof *classes);
        assert_non_null(classes);
        for (size_t i = 0; i < n_rows; i++) classes[i] = (int32_t)json_integer_value(json_array_get(truth, i));
        float *scores = floats(json_object_get(one, "scores"));
        metrics m = {0};
        err e = ERR_NONE;
        assert_int_equal(metrics_classification(&m, classes, scores, n_rows, n_classes, &e), 0);
        check_names(&m, one);
        json_t *confusion = json_object_get(one, "confusion"), *by_class = json_object_get(one, "by_class");
        for (size_t i = 0; i < n_classes * n_classes; i++)
            assert_int_equal(m.confusion[i], json_integer_value(json_array_get(confusion, i)));
        for (size_t c = 0; c < n_classes; c++) {
            json_t *want = json_array_get(by_class, c);
            same(name, "precision of a class", m.by_class[c].precision, json_array_get(want, 0));
            same(name, "recall of a class", m.by_class[c].recall, json_array_get(want, 1));
            same(name, "f1 of a class", m.by_class[c].f1, json_array_get(want, 2));
            assert_int_equal(m.by_class[c].support, json_integer_value(json_array_get(want, 3)));
        }
        metrics_clear(&m);
        mem_free(classes);
        mem_free(scores);
    }
}

static void test_regression(void **state)
{
    (void)state;
    size_t index;
    json_t *one;
    json_t *list = json_object_get(expectations, "regression");
    assert_true(json_array_size(list) >= 6);
    json_array_foreach(list, index, one)
    {
        json_t *values = json_object_get(one, "truth");
        size_t n_rows = json_array_size(values);
        double *truth = mem_alloc(n_rows, sizeof *truth);
        assert_non_null(truth);
        for (size_t i = 0; i < n_rows; i++) truth[i] = json_number_value(json_array_get(values, i));
        float *scores = floats(json_object_get(one, "scores"));
        metrics m = {0};
        err e = ERR_NONE;
        assert_int_equal(metrics_regression(&m, truth, scores, n_rows, &e), 0);
        check_names(&m, one);
        metrics_clear(&m);
        mem_free(truth);
        mem_free(scores);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classification),
        cmocka_unit_test(test_regression),
    };
    return cmocka_run_group_tests(tests, load, expectations_unload);
}
