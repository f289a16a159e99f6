// Copies left by several threads at once come out as they went in: a shadow of the same model differs nowhere.
// SPDX-License-Identifier: Apache-2.0
#include "serve/shadow.h"

#include <pthread.h>
#include <time.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "helpers/nets.h"

enum { OFFERERS = 4, OFFERS = 150, ROWS_MAX = 2000, ROWS_TOO_MANY = 100000 };

typedef struct place_of_work {
    runtime *runtime;
    buf file;
    batch_meter meter;
    served *versions[2]; // the same model twice
    shadows all;
    shadow *shadow;
} place_of_work;

static served *open_version(place_of_work *w, int64_t version)
{
    err e = ERR_NONE;
    package *p;
    served *v = mem_zalloc(1, sizeof *v);
    assert_non_null(v);
    atomic_init(&v->n_owners, 1);
    v->version = version;
    check_ok(package_from_onnx(&p, buf_str(&w->file), &e), &e);
    check_ok(running_open(&v->running, w->runtime, "test", &v->model, p, &w->meter, &e), &e);
    return v;
}

static void begin(place_of_work *w)
{
    err e = ERR_NONE;
    graph *g;
    const net_options o = {.width = 8, .n_layers = 1, .n_classes = 3, .seed = 1};
    runtime_options how = RUNTIME_OPTIONS_DEFAULT;
    how.isolate = ISOLATE_NEVER;
    *w = (place_of_work){0};
    buf_init(&w->file, 1 << 24);
    check_ok(graph_new(&g, 1 << 24, &e), &e);
    assert_true(net_fill(g, &o, &e) >= 0);
    check_ok(graph_check(g, &e), &e);
    check_ok(onnx_write(g, &w->file, &e), &e);
    graph_free(g);
    check_ok(runtime_new(&w->runtime, &how, &e), &e);
    for (int i = 0; i < 2; i++) w->versions[i] = open_version(w, i + 1);
    check_ok(shadows_take(&w->all, &w->shadow, 7, w->versions[0], w->versions[1], &e), &e);
}

static void pause_a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static void end(place_of_work *w)
{
    shadow_drop(w->shadow);
    for (int i = 0; w->all.first && i < 1000; i++) { // its thread ends by itself
        shadows_sweep(&w->all);
        pause_a_moment();
    }
    assert_null(w->all.first);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(atomic_load(&w->versions[i]->n_owners), 1);
        served_drop(w->versions[i]);
    }
    runtime_stop(w->runtime);
    runtime_free(w->runtime);
    buf_clear(&w->file);
}

// What was seen, once `n` copies have come to an end, one way or the other.
static shadow_reading wait_for(const place_of_work *w, uint64_t n)
{
    shadow_reading r = {0};
    for (int i = 0; i < 6000; i++) {
        shadow_read(w->shadow, &r);
        if (r.seen.requests + r.seen.failed + r.dropped_busy + r.dropped_large == n) return r;
        pause_a_moment();
    }
    fail_msg("%d of %d", (int)r.seen.requests, (int)n);
    return r;
}

static void offer(const place_of_work *w, size_t n_rows, int n_times, rng *random, arena *a)
{
    err e = ERR_NONE;
    batch in;
    prediction out;
    check_ok(batch_new(&in, model_schema(w->versions[0]->model), n_rows, a, &e), &e);
    static const str words[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"another word", 12}};
    for (size_t i = 0; i < in.schema->n_inputs; i++)
        for (size_t row = 0; row < n_rows; row++) {
            const batch_column *c = &in.columns[i];
            if (c->f32) c->f32[row] = (float)rng_below(random, 1000) - 500; // whole: one is a day
            if (c->i64) c->i64[row] = (int64_t)rng_below(random, 1000);
            if (c->strings) c->strings[row] = words[rng_below(random, 4)];
        }
    check_ok(model_predict(w->versions[0]->model, &in, &out, a, &e), &e);
    for (int i = 0; i < n_times; i++) shadow_offer(w->shadow, w->versions[0], &in, &out);
    shadow_offer(w->shadow, w->versions[1], &in, &out); // another one's answers are not looked at
}

typedef struct offerer {
    const place_of_work *at;
    uint64_t seed;
} offerer;

static void *offer_many(void *context)
{
    const offerer *o = context;
    rng random = rng_new(o->seed, 1);
    arena a;
    arena_init(&a, 1 << 28);
    for (int i = 0; i < OFFERS; i++) {
        offer(o->at, 1 + rng_below(&random, i % 8 == 0 ? ROWS_MAX : 20), 1, &random, &a);
        arena_reset(&a);
    }
    arena_clear(&a);
    return NULL;
}

static void copies_come_out_as_they_went_in(void **state)
{
    (void)state;
    place_of_work w;
    pthread_t threads[OFFERERS];
    offerer all[OFFERERS];
    begin(&w);
    for (size_t i = 0; i < OFFERERS; i++) {
        all[i] = (offerer){&w, i};
        assert_int_equal(pthread_create(&threads[i], NULL, offer_many, &all[i]), 0);
    }
    for (size_t i = 0; i < OFFERERS; i++) pthread_join(threads[i], NULL);
    shadow_reading r = wait_for(&w, (uint64_t)OFFERERS * OFFERS);
    assert_int_equal(r.seen.failed, 0);
    assert_int_equal(r.dropped_large, 0);
    assert_true(r.seen.requests > 0 && r.rows >= r.seen.requests);
    assert_int_equal(r.other_label, 0);
    assert_true(r.difference == 0);
    end(&w);
}

static void what_does_not_fit_is_dropped(void **state)
{
    (void)state;
    place_of_work w;
    rng random = rng_new(3, 1);
    arena a;
    arena_init(&a, 1 << 28);
    begin(&w);
    offer(&w, ROWS_TOO_MANY, 1, &random, &a);
    shadow_reading r = wait_for(&w, 1);
    assert_int_equal(r.dropped_large, 1);
    offer(&w, ROWS_TOO_MANY / 4, 8, &random, &a); // more than waits at once
    r = wait_for(&w, 9);
    assert_int_equal(r.dropped_large, 1);
    assert_true(r.dropped_busy > 0 && r.seen.requests > 0);
    offer(&w, 1, 1, &random, &a);
    assert_int_equal(wait_for(&w, 10).other_label, 0);
    arena_clear(&a);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_come_out_as_they_went_in),
        cmocka_unit_test(what_does_not_fit_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
