// Counting by hand: windows that end, rows that are not counted, missing and unknown values, verdicts.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mem.h"
#include "serve/drift.h"

enum { SLOTS = 3, WINDOW_MS = 60000 };
static const int64_t start_ms = (int64_t)WINDOW_MS * 1000;

static char *kinds[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"rare"}};
static char *classes[] = {(char[]){"no"}, (char[]){"yes"}};
static schema_input inputs[] = {
    {.name = (char[]){"x"}, .type = COLUMN_REAL},
    {.name = (char[]){"kind"}, .type = COLUMN_CATEGORY, .n_categories = 3, .categories = kinds},
    {.name = (char[]){"day"}, .type = COLUMN_DATETIME},
};
static const schema inputs_and_target = {
    .n_inputs = 3,
    .inputs = inputs,
    .target = {.task = TASK_CLASSIFICATION, .n_classes = 2, .classes = classes},
};
static distribution before[] = {
    {.n_bins = 3, .edges = {0, 1}, .counts = {100, 100, 100}, .missing = 0},
    {.n_bins = 3, .members = {0, 1}, .counts = {150, 145, 5}},
    {.n_bins = 2, .edges = {86400000}, .counts = {150, 100}, .missing = 50},
};
static const baseline trained = {
    .n_inputs = 3,
    .inputs = before,
    .n_rows = 300,
    .n_score_rows = 100,
    .scores = {.n_bins = 2, .edges = {0.5}, .counts = {60, 40}},
    .classes = {.n_bins = 3, .members = {0, 1}, .counts = {60, 40, 0}},
};

static drift *new_drift(void)
{
    err e = ERR_NONE;
    drift *d;
    check_ok(drift_new(&d, &inputs_and_target, &trained, SLOTS, WINDOW_MS, &e), &e);
    return d;
}

// n equal rows.
static void count_rows(drift *d, size_t slot, size_t n, float x, const char *kind, int64_t day, int64_t now_ms)
{
    err e = ERR_NONE;
    arena a;
    batch in;
    arena_init(&a, 16 << 20);
    check_ok(batch_new(&in, &inputs_and_target, n, &a, &e), &e);
    float *scores = arena_alloc(&a, n, 2 * sizeof *scores);
    int32_t *labels = arena_alloc(&a, n, sizeof *labels);
    assert_true(scores && labels);
    for (size_t i = 0; i < n; i++) {
        in.columns[0].f32[i] = x;
        in.columns[1].strings[i] = str_of(kind);
        in.columns[2].i64[i] = day;
        scores[2 * i] = 0.25F;
        scores[2 * i + 1] = 0.75F;
        labels[i] = 1;
    }
    const prediction out = {.n_rows = n, .n_scores = 2, .scores = scores, .labels = labels};
    drift_count(d, slot, &in, &out, now_ms);
    arena_clear(&a);
}

static drift_reading reading_of(const drift *d, int64_t now_ms)
{
    err e = ERR_NONE;
    drift_reading r;
    check_ok(drift_read(&r, d, now_ms, &e), &e);
    assert_int_equal(r.n_inputs, 3);
    return r;
}

static uint64_t rows_at(const drift *d, int64_t now_ms)
{
    drift_reading r = reading_of(d, now_ms);
    uint64_t n = r.n_rows;
    drift_reading_clear(&r);
    return n;
}

static void values_find_their_bins(void **state)
{
    (void)state;
    drift *d = new_drift();
    count_rows(d, 0, 1, -5, "a", 0, start_ms);
    count_rows(d, 1, 1, 0, "b", 86400000, start_ms);
    count_rows(d, 1, 1, 0.5F, "rare", 86400001, start_ms);
    count_rows(d, 2, 1, INFINITY, "never seen", 90000000, start_ms);
    count_rows(d, 2, 1, NAN, "", WIRE_I64_MISSING, start_ms);
    drift_reading r = reading_of(d, start_ms);
    assert_int_equal(r.n_rows, 5);
    assert_int_equal(r.from_ms, start_ms);
    const uint64_t x[] = {2, 1, 1}, kind[] = {1, 1, 2}, day[] = {2, 2}, scores[] = {0, 5}, labels[] = {0, 5, 0};
    assert_memory_equal(r.inputs[0].counts, x, sizeof x);
    assert_memory_equal(r.inputs[1].counts, kind, sizeof kind);
    assert_memory_equal(r.inputs[2].counts, day, sizeof day);
    assert_memory_equal(r.scores.counts, scores, sizeof scores);
    assert_memory_equal(r.classes.counts, labels, sizeof labels);
    for (size_t i = 0; i < 3; i++) assert_int_equal(r.inputs[i].missing, 1);
    assert_int_equal(r.inputs[1].unknown, 1);
    assert_int_equal(r.inputs[0].unknown, 0);
    drift_reading_clear(&r);
    drift_free(d);
}

static void two_windows_count(void **state)
{
    (void)state;
    drift *d = new_drift();
    count_rows(d, 0, 10, 1, "a", 0, start_ms);
    count_rows(d, 1, 20, 1, "a", 0, start_ms + WINDOW_MS - 1);
    assert_int_equal(rows_at(d, start_ms + WINDOW_MS - 1), 30);
    count_rows(d, 0, 7, 1, "a", 0, start_ms + WINDOW_MS);
    assert_int_equal(rows_at(d, start_ms + WINDOW_MS), 37);
    assert_int_equal(rows_at(d, start_ms + 2 * WINDOW_MS), 7); // the first one is over, whoever counted since
    count_rows(d, 0, 1, 1, "a", 0, start_ms + 2 * WINDOW_MS);  // and its place is taken
    drift_reading r = reading_of(d, start_ms + 2 * WINDOW_MS);
    assert_int_equal(r.n_rows, 8);
    assert_int_equal(r.inputs[0].counts[1], 8);
    assert_int_equal(r.from_ms, start_ms + WINDOW_MS);
    drift_reading_clear(&r);
    assert_int_equal(rows_at(d, start_ms + 10 * WINDOW_MS), 0);
    drift_free(d);
}

static void a_second_has_its_fill(void **state)
{
    (void)state;
    drift *d = new_drift();
    count_rows(d, 0, 5000, 1, "a", 0, start_ms); // spread over the request
    assert_int_equal(rows_at(d, start_ms), DRIFT_ROWS_A_REQUEST);
    for (int i = 0; i < 100; i++) count_rows(d, 0, 100, 1, "a", 0, start_ms);
    assert_int_equal(rows_at(d, start_ms), DRIFT_ROWS_A_SECOND);
    count_rows(d, 1, 1, 1, "a", 0, start_ms); // another thread's second
    assert_int_equal(rows_at(d, start_ms), DRIFT_ROWS_A_SECOND + 1);
    count_rows(d, 0, 3, 1, "a", 0, start_ms + 2048);
    assert_int_equal(rows_at(d, start_ms + 2048), DRIFT_ROWS_A_SECOND + 4);
    drift_free(d);
}

static void verdicts_wait_for_rows(void **state)
{
    (void)state;
    drift_seen seen = {.counts = {166, 166, 167}};
    drift_measure m = drift_measure_of(&seen, &before[0]);
    assert_int_equal(m.n_rows, 499);
    assert_null(m.verdict);
    assert_true(m.psi < 1e-4);
    seen.counts[0]++;
    m = drift_measure_of(&seen, &before[0]);
    assert_string_equal(m.verdict, "stable");
    assert_true(fabs(m.by_chance - 2 * (1 / 500.0 + 1 / 300.0)) < 1e-15);
    seen = (drift_seen){.counts = {100, 150, 250}};
    assert_string_equal(drift_measure_of(&seen, &before[0]).verdict, "moderate");
    seen = (drift_seen){.counts = {50, 150, 300}};
    assert_string_equal(drift_measure_of(&seen, &before[0]).verdict, "drifted");
    seen = (drift_seen){.missing = 1000}; // nothing but holes, where there were none
    m = drift_measure_of(&seen, &before[0]);
    assert_string_equal(m.verdict, "drifted");
    assert_true(m.missing == 1 && m.missing_before == 0 && m.unknown == 0);
    seen = (drift_seen){.missing = 0};
    m = drift_measure_of(&seen, &before[0]);
    assert_true(isnan(m.psi) && isnan(m.by_chance) && isnan(m.missing) && isnan(m.unknown));
    assert_null(m.verdict);
}

typedef struct busy { // a thread that answers one row after the other, in windows that pass quickly
    drift *d;
    atomic_bool ended;
    _Atomic int64_t now_ms;
} busy;

static void *answer_rows(void *context)
{
    busy *b = context;
    err e = ERR_NONE;
    arena a;
    batch in;
    const float scores[] = {0.25F, 0.75F};
    const int32_t labels[] = {1};
    const prediction out = {.n_rows = 1, .n_scores = 2, .scores = scores, .labels = labels};
    arena_init(&a, 1 << 20);
    check_ok(batch_new(&in, &inputs_and_target, 1, &a, &e), &e);
    for (int64_t now_ms = start_ms; !atomic_load(&b->ended); now_ms += WINDOW_MS / 4) {
        atomic_store(&b->now_ms, now_ms);
        drift_count(b->d, 0, &in, &out, now_ms);
    }
    arena_clear(&a);
    return NULL;
}

// A window that is taken anew while it is read is never half of the old one: rows are counted before their values, so
// there are as many values as rows, but for the one under way.
static void who_reads_sees_whole_windows(void **state)
{
    (void)state;
    busy b = {.d = new_drift(), .now_ms = start_ms};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_rows, &b), 0);
    uint64_t most = 0;
    for (int i = 0; i < 20000; i++) {
        drift_reading r = reading_of(b.d, atomic_load(&b.now_ms));
        uint64_t there = r.inputs[0].missing + r.inputs[0].counts[0] + r.inputs[0].counts[1] + r.inputs[0].counts[2];
        assert_true(there + 1 >= r.n_rows);
        if (r.n_rows > most) most = r.n_rows;
        drift_reading_clear(&r);
    }
    atomic_store(&b.ended, true);
    pthread_join(thread, NULL);
    assert_true(most > 0 && most <= 8); // four rows a window
    drift_free(b.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_find_their_bins),       cmocka_unit_test(two_windows_count),
        cmocka_unit_test(a_second_has_its_fill),        cmocka_unit_test(verdicts_wait_for_rows),
        cmocka_unit_test(who_reads_sees_whole_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
