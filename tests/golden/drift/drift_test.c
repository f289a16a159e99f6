// From rows to verdicts: a baseline made of training values, live values counted batch by batch, and NumPy's answers in
// drift.json (make.py writes it).
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "helpers/expectations.h"
#include "prepare/statistics.h"
#include "serve/drift.h"

// A few dozen terms of float64, added in another order.
static const double tolerance = 1e-13, tolerance_relative = 1e-12;

enum { ROWS_A_REQUEST = 100, STEP_MS = 2000, WINDOW_MS = 3600000, CATEGORIES_MOST = 256 };

static int load(void **state)
{
    (void)state;
    return expectations_load(TEST_SOURCE_DIR "/tests/golden/drift/drift.json");
}

static bool is_text(const json_t *list)
{
    return json_is_string(json_array_get(list, 0));
}

static double number_at(const json_t *list, size_t i)
{
    const json_t *x = json_array_get(list, i);
    return json_is_null(x) ? NAN : json_number_value(x);
}

static str text_at(const json_t *list, size_t i)
{
    return str_of(json_string_value(json_array_get(list, i)));
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// What the preparation would write into the schema.
static void describe_numbers(schema_input *in, const json_t *train)
{
    size_t n = json_array_size(train), n_there = 0;
    double *values = mem_alloc(n, sizeof *values), *scratch = mem_alloc(n, sizeof *scratch);
    assert_true(values && scratch);
    for (size_t i = 0; i < n; i++)
        if (!isnan(number_at(train, i))) values[n_there++] = number_at(train, i);
    number_statistics s;
    number_statistics_of(&s, values, scratch, n_there);
    in->max = s.max;
    memcpy(in->quantiles, s.quantiles, sizeof s.quantiles);
    mem_free(values);
    mem_free(scratch);
}

static void describe_texts(schema_input *in, const json_t *train)
{
    static char *names[CATEGORIES_MOST];
    static uint64_t numbers[CATEGORIES_MOST];
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(train); i++) {
        char *text = (char *)(uintptr_t)json_string_value(json_array_get(train, i));
        size_t k = 0;
        while (k < n && strcmp(names[k], text) != 0) k++;
        if (k == n && *text) names[n++] = text;
        assert_true(n < CATEGORIES_MOST);
    }
    qsort(names, n, sizeof *names, compare_texts);
    memset(numbers, 0, sizeof numbers);
    for (size_t i = 0; i < json_array_size(train); i++)
        for (size_t k = 0; k < n; k++) numbers[k] += strcmp(names[k], json_string_value(json_array_get(train, i))) == 0;
    in->categories = names;
    in->counts = numbers;
    in->n_categories = n;
}

static frame *frame_of(const json_t *train)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    size_t n = json_array_size(train);
    double *values = mem_alloc(n, sizeof *values);
    str *texts = mem_alloc(n, sizeof *texts);
    assert_true(values && texts);
    check_ok(frame_builder_new(&b, n, &e), &e);
    for (size_t i = 0; i < n; i++)
        if (is_text(train))
            texts[i] = text_at(train, i);
        else
            values[i] = number_at(train, i);
    if (is_text(train))
        check_ok(frame_builder_add_strings(b, "x", COLUMN_CATEGORY, texts, &e), &e);
    else
        check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, values, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    mem_free(values);
    mem_free(texts);
    return f;
}

static baseline baseline_of_rows(const schema *s, const json_t *train)
{
    err e = ERR_NONE;
    size_t n = json_array_size(train);
    uint32_t *rows = mem_alloc(n, sizeof *rows);
    float *scores = mem_zalloc(n, sizeof *scores);
    assert_true(rows && scores);
    for (size_t i = 0; i < n; i++) rows[i] = (uint32_t)i;
    frame *f = frame_of(train);
    baseline b;
    check_ok(baseline_of_inputs(&b, s, f, rows, n, NULL, &e), &e);
    const prediction p = {.n_rows = n, .n_scores = 1, .scores = scores};
    check_ok(baseline_of_scores(&b, &s->target, &p, &e), &e);
    frame_free(f);
    mem_free(rows);
    mem_free(scores);
    return b;
}

// By two threads' slots in turn.
static void count_all(drift *d, const schema *s, const json_t *live, int64_t *now_ms)
{
    static const float scores[ROWS_A_REQUEST];
    err e = ERR_NONE;
    for (size_t first = 0; first < json_array_size(live); first += ROWS_A_REQUEST, *now_ms += STEP_MS) {
        size_t n = json_array_size(live) - first < ROWS_A_REQUEST ? json_array_size(live) - first : ROWS_A_REQUEST;
        arena a;
        batch in;
        arena_init(&a, 1 << 20);
        check_ok(batch_new(&in, s, n, &a, &e), &e);
        for (size_t i = 0; i < n; i++)
            if (is_text(live))
                in.columns[0].strings[i] = text_at(live, first + i);
            else
                in.columns[0].f32[i] = (float)number_at(live, first + i);
        const prediction out = {.n_rows = n, .n_scores = 1, .scores = scores};
        drift_count(d, first / ROWS_A_REQUEST % 2, &in, &out, *now_ms);
        arena_clear(&a);
    }
}

static void same(const json_t *one, const char *what, double got)
{
    double want = json_number_value(json_object_get(one, what));
    if (!(fabs(got - want) <= tolerance + tolerance_relative * fabs(want)))
        fail_msg("%s: %s is %.17g, should be %.17g", json_string_value(json_object_get(one, "name")), what, got, want);
}

static void drift_is_numpys(void **state)
{
    (void)state;
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(expectations, "cases"), i, one)
    {
        err e = ERR_NONE;
        const json_t *train = json_object_get(one, "train"), *live = json_object_get(one, "live");
        schema_input in = {.name = (char[]){"x"}, .tensor = (char[]){"x"}, .type = COLUMN_REAL};
        schema s = {.n_inputs = 1, .inputs = &in, .target = {.task = TASK_REGRESSION}};
        if (is_text(train)) in.type = COLUMN_CATEGORY;
        if (is_text(train))
            describe_texts(&in, train);
        else
            describe_numbers(&in, train);
        baseline b = baseline_of_rows(&s, train);
        drift *d;
        drift_reading r;
        int64_t now_ms = 1000 * (int64_t)WINDOW_MS;
        check_ok(drift_new(&d, &s, &b, 2, WINDOW_MS, &e), &e);
        count_all(d, &s, live, &now_ms);
        check_ok(drift_read(&r, d, now_ms, &e), &e);
        assert_int_equal(r.n_rows, json_array_size(live));
        drift_measure m = drift_measure_of(&r.inputs[0], &b.inputs[0]);
        same(one, "psi", m.psi);
        same(one, "by_chance", m.by_chance);
        same(one, "missing", m.missing);
        same(one, "missing_before", m.missing_before);
        same(one, "unknown", m.unknown);
        drift_reading_clear(&r);
        drift_free(d);
        baseline_clear(&b);
    }
    assert_int_equal(i, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(drift_is_numpys)};
    return cmocka_run_group_tests(tests, load, expectations_unload);
}
