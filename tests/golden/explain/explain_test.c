// Explanations against shap's TreeExplainer over forests of scikit-learn, in explain.json (make.py writes it).
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/mem.h"
#include "check.h"
#include "helpers/expectations.h"
#include "model/model.h"

// Leaves are float32 in the graph and float64 in scikit-learn: 2^-25 each, of values of about 1 to 10.
static const double tolerance = 1e-6;

enum { ROWS_MAX = 16, FEATURES_MAX = 16, MEMORY = 64 << 20 };

static int load(void **state)
{
    (void)state;
    return expectations_load(TEST_SOURCE_DIR "/tests/golden/explain/explain.json");
}

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return c && at ? (int)(at - digits) : -1;
}

static str decode_base64(const char *text, arena *a)
{
    size_t len = strlen(text), n = 0;
    char *out = arena_alloc(a, len, 1);
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < len && digit_of(text[i]) >= 0; i++) {
        bits = bits << 6 | (uint32_t)digit_of(text[i]);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        out[n++] = (char)(bits >> have);
    }
    return (str){out, n};
}

static double number(const json_t *list, size_t i)
{
    const json_t *v = json_array_get(list, i);
    return json_is_null(v) ? NAN : json_number_value(v);
}

static void check_case(const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "name"));
    size_t n_features = (size_t)json_integer_value(json_object_get(one, "n_features"));
    size_t n_outputs = (size_t)json_integer_value(json_object_get(one, "n_outputs"));
    const json_t *rows = json_object_get(one, "rows");
    size_t n_rows = json_array_size(rows);
    arena a;
    arena_init(&a, MEMORY);
    err e = ERR_NONE;
    package *p;
    model *m;
    check_ok(package_from_onnx(&p, decode_base64(json_string_value(json_object_get(one, "onnx")), &a), &e), &e);
    // A model made elsewhere does not say that what is missing has a way; scikit-learn's does.
    for (size_t i = 0; i < n_features; i++) p->schema.inputs[i].missing_ok = true;
    check_ok(model_open(&m, p, &e), &e);
    check_ok(model_explains(m, &e), &e);
    batch b;
    check_ok(batch_new(&b, model_schema(m), n_rows, &a, &e), &e);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t k = 0; k < n_features; k++) b.columns[k].f32[i] = (float)number(json_array_get(rows, i), k);
    prediction predicted;
    check_ok(model_predict(m, &b, &predicted, &a, &e), &e);
    for (size_t out = 0; out < n_outputs; out++) {
        explanation x;
        check_ok(explanation_new(&x, m, &predicted, (int32_t)out, &a, &e), &e);
        check_ok(model_explain(m, &b, 0, n_rows, &predicted, &x, &a, &e), &e);
        assert_false(x.margin);
        const json_t *want = json_array_get(json_object_get(one, "values"), out);
        double base = number(json_object_get(one, "base"), out);
        for (size_t i = 0; i < n_rows; i++) {
            if (!(fabs(x.base[i] - base) <= tolerance)) fail_msg("%s: base %.17g, not %.17g", name, x.base[i], base);
            for (size_t k = 0; k < n_features; k++) {
                double value = number(json_array_get(want, i), k), got = x.contributions[i * n_features + k];
                if (!(fabs(got - value) <= tolerance))
                    fail_msg("%s: output %zu, row %zu, column %zu: %.17g, not %.17g", name, out, i, k, got, value);
            }
        }
    }
    model_drop(m);
    arena_clear(&a);
}

static void as_shap_says(void **state)
{
    (void)state;
    const json_t *cases = json_object_get(expectations, "cases");
    assert_true(json_array_size(cases) >= 6);
    for (size_t i = 0; i < json_array_size(cases); i++) check_case(json_array_get(cases, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_shap_says)};
    return cmocka_run_group_tests(tests, load, expectations_unload);
}
