// Preparations against scikit-learn's transformers: prepare.json, written by make.py.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/files.h"
#include "base/json.h"
#include "base/mem.h"
#include "prepare/prepare.h"

// Statistics agree to about 1e-15, but are kept as float32, and so are the values: 2^-24 each of value, offset and
// scale, and a subtraction that cancels at most five of 24 bits here (heights of 170 around their mean).
static const double tolerance = 4e-6, tolerance_relative = 1e-6;

static json_t *golden;

static int load(void **state)
{
    (void)state;
    buf text;
    err e = ERR_NONE;
    if (file_read(TEST_SOURCE_DIR "/tests/golden/prepare/prepare.json", 1 << 20, &text, &e) < 0) return -1;
    int rc = json_parse(&golden, buf_str(&text), &e);
    buf_clear(&text);
    return rc;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

static void add_column(frame_builder *b, const json_t *c)
{
    err e = ERR_NONE;
    const char *name = json_string_value(json_object_get(c, "name"));
    const json_t *values = json_object_get(c, "values");
    size_t n = json_array_size(values);
    column_type type;
    assert_int_equal(column_type_find(json_string_value(json_object_get(c, "type")), &type), 0);
    double *f64 = mem_alloc(n, sizeof *f64);
    int64_t *i64 = mem_alloc(n, sizeof *i64);
    str *strings = mem_zalloc(n, sizeof *strings);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(values, i);
        f64[i] = json_is_null(v) ? NAN : json_number_value(v);
        i64[i] = json_is_null(v) ? FRAME_I64_MISSING : json_integer_value(v);
        if (json_is_string(v)) strings[i] = str_of(json_string_value(v));
    }
    if (type == COLUMN_REAL)
        check_ok(frame_builder_add_f64(b, name, type, f64, &e), &e);
    else if (type == COLUMN_CATEGORY)
        check_ok(frame_builder_add_strings(b, name, type, strings, &e), &e);
    else
        check_ok(frame_builder_add_i64(b, name, type, i64, &e), &e);
    mem_free(f64);
    mem_free(i64);
    mem_free(strings);
}

static frame *make_frame(void)
{
    err e = ERR_NONE;
    const json_t *columns = json_object_get(golden, "columns"), *c;
    size_t i, n_rows = json_array_size(json_object_get(json_array_get(columns, 0), "values"));
    frame_builder *b = NULL;
    frame *f = NULL;
    check_ok(frame_builder_new(&b, n_rows, &e), &e);
    json_array_foreach(columns, i, c) add_column(b, c);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static prepare_options read_options_of(const json_t *j)
{
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    assert_int_equal(impute_find(json_string_value(json_object_get(j, "impute_number")), &o.impute_number), 0);
    assert_int_equal(impute_find(json_string_value(json_object_get(j, "impute_text")), &o.impute_text), 0);
    assert_int_equal(scale_find(json_string_value(json_object_get(j, "scale")), &o.scale), 0);
    assert_int_equal(encode_find(json_string_value(json_object_get(j, "encode")), &o.encode), 0);
    o.constant_number = json_number_value(json_object_get(j, "constant_number"));
    o.constant_text = json_string_value(json_object_get(j, "constant_text"));
    o.ddof = (int)json_integer_value(json_object_get(j, "ddof"));
    o.indicator = json_is_true(json_object_get(j, "indicator"));
    return o;
}

static void check_case(const frame *f, const json_t *c, size_t number, pool *workers)
{
    err e = ERR_NONE;
    size_t n_train = (size_t)json_integer_value(json_object_get(golden, "train")), n_rows = frame_n_rows(f);
    uint32_t *rows = mem_alloc(n_rows, sizeof *rows);
    for (size_t i = 0; i < n_rows; i++) rows[i] = (uint32_t)i;
    prepare_options o = read_options_of(json_object_get(c, "options"));
    preparation *p = NULL;
    check_ok(preparation_fit(&p, f, -1, rows, n_train, &o, workers, &e), &e);
    size_t n_features;
    const feature *features = preparation_features(p, &n_features);
    const json_t *want = json_object_get(c, "want");
    assert_int_equal(json_array_size(want), n_rows);
    assert_int_equal(json_array_size(json_array_get(want, 0)), n_features);
    float *x = mem_alloc(n_rows, n_features * sizeof *x);
    check_ok(preparation_apply(p, f, rows, n_rows, x, workers, &e), &e);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t k = 0; k < n_features; k++) {
            const json_t *v = json_array_get(json_array_get(want, i), k);
            double got = (double)x[k * n_rows + i], wanted = json_is_null(v) ? NAN : json_number_value(v);
            if (isnan(wanted) && isnan(got)) continue;
            if (!(fabs(got - wanted) <= tolerance + tolerance_relative * fabs(wanted)))
                fail_msg("case %zu, row %zu, %s: %.9g, scikit-learn has %.9g", number, i, features[k].name, got,
                         wanted);
        }
    mem_free(x);
    mem_free(rows);
    preparation_free(p);
}

static void agrees_with_scikit_learn(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = make_frame();
    pool *workers = NULL;
    check_ok(pool_new(&workers, 3, &e), &e);
    const json_t *cases = json_object_get(golden, "cases"), *c;
    size_t i;
    assert_true(json_array_size(cases) >= 7);
    json_array_foreach(cases, i, c) check_case(f, c, i, workers);
    pool_free(workers);
    frame_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_scikit_learn)};
    return cmocka_run_group_tests(tests, load, unload);
}
