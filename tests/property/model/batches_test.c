// A row's answer does not depend on the rows beside it, on the size of blocks, or on the pool; and the row program
// gives the bytes that the plain graph gives.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "automl/training.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"
#include "model/once.h"

typedef struct fixture {
    frame *f;
    model *m;
    size_t n_rows, n_scores;
    arena memory;
    prediction whole; // of all rows at once
} fixture;

static fixture train(const char *file, const char *target, size_t one_hot_max)
{
    err e = ERR_NONE;
    char path[512];
    snprintf(path, sizeof path, "%s/examples/%s", TEST_SOURCE_DIR, file);
    static const char *const settings[] = {"n_trees=15"};
    training_options o = TRAINING_OPTIONS_DEFAULT;
    o.path = path;
    o.target = target;
    o.settings = settings;
    o.n_settings = 1;
    o.prepare_given = true;
    o.prepare.indicator = true;
    o.prepare.scale = SCALE_STANDARD;
    o.prepare.one_hot_max = one_hot_max;
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    fixture x = {.f = r.frame, .n_rows = r.n_rows};
    check_ok(model_open(&x.m, r.package, &e), &e);
    r.frame = NULL;
    r.package = NULL;
    training_result_clear(&r);
    arena_init(&x.memory, (size_t)1 << 28);
    batch b;
    check_ok(batch_from_frame(&b, model_schema(x.m), x.f, NULL, 0, &x.memory, &e), &e);
    check_ok(model_predict(x.m, &b, &x.whole, &x.memory, &e), &e);
    x.n_scores = x.whole.n_scores;
    return x;
}

static void clear(fixture *x)
{
    arena_clear(&x->memory);
    model_drop(x->m);
    frame_free(x->f);
}

static void check_same(const fixture *x, const prediction *p, const uint32_t *rows, size_t n)
{
    assert_int_equal(p->n_rows, n);
    assert_int_equal(p->n_scores, x->n_scores);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(p->scores + i * x->n_scores, x->whole.scores + rows[i] * x->n_scores,
                            x->n_scores * sizeof *p->scores);
        if (x->whole.labels) assert_int_equal(p->labels[i], x->whole.labels[rows[i]]);
    }
}

static void random_batches(const fixture *x, rng *r)
{
    err e = ERR_NONE;
    for (int round = 0; round < 200; round++) {
        arena a;
        arena_init(&a, (size_t)1 << 28);
        size_t n = round == 0 ? 0 : round < 40 ? 1 : 1 + rng_below(r, 300);
        uint32_t *rows = mem_alloc(n, sizeof *rows);
        for (size_t i = 0; i < n; i++) rows[i] = (uint32_t)rng_below(r, x->n_rows);
        batch b;
        prediction p;
        check_ok(batch_from_frame(&b, model_schema(x->m), x->f, rows, n, &a, &e), &e);
        check_ok(model_predict(x->m, &b, &p, &a, &e), &e);
        check_same(x, &p, rows, n);
        mem_free(rows);
        arena_clear(&a);
    }
}

static void pools_and_blocks(const fixture *x, rng *r)
{
    err e = ERR_NONE;
    enum { MANY = 5000 }; // several blocks
    uint32_t *rows = mem_alloc(MANY, sizeof *rows);
    for (size_t i = 0; i < MANY; i++) rows[i] = (uint32_t)rng_below(r, x->n_rows);
    static const size_t threads[] = {1, 2, 3, 8};
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        arena a;
        arena_init(&a, (size_t)1 << 28);
        pool *p = NULL;
        prediction q;
        check_ok(pool_new(&p, threads[t], &e), &e);
        check_ok(model_predict_frame(x->m, x->f, rows, MANY, &q, p, &a, &e), &e);
        check_same(x, &q, rows, MANY);
        pool_free(p);
        arena_clear(&a);
    }
    mem_free(rows);
}

// The driver without row programs.
static void slow_twin(const fixture *x)
{
    err e = ERR_NONE;
    driver_model *plain = NULL;
    check_ok(driver_once_plain.load(&plain, model_package(x->m), &e), &e);
    assert_true(driver_once_plain.rows_apart(plain));
    arena a;
    arena_init(&a, (size_t)1 << 28);
    batch b;
    check_ok(batch_from_frame(&b, model_schema(x->m), x->f, NULL, 0, &a, &e), &e);
    driver_limits limits = {.memory_max = (size_t)1 << 30, .steps_max = driver_once_plain.steps_max};
    for (int round = 0; round < 2; round++) { // the second on the session of the first
        driver_run *run = NULL;
        prediction p;
        bool done = false;
        check_ok(driver_once_plain.begin(&run, plain, &b, &limits, &a, &e), &e);
        while (!done) check_ok(driver_once_plain.step(run, &done, &e), &e);
        check_ok(driver_once_plain.result(run, &p, &e), &e);
        assert_memory_equal(p.scores, x->whole.scores, x->n_rows * x->n_scores * sizeof *p.scores);
        if (x->whole.labels) assert_memory_equal(p.labels, x->whole.labels, x->n_rows * sizeof *p.labels);
        driver_once_plain.end(run);
    }
    arena_clear(&a);
    driver_once_plain.unload(plain);
}

// After the first, a prediction takes nothing from the heap but its arena's blocks.
static void steady_state(const fixture *x)
{
    err e = ERR_NONE;
    arena a;
    arena_init(&a, (size_t)1 << 28);
    size_t used = 0;
    for (int round = 0; round < 5; round++) {
        batch b;
        prediction p;
        static const uint32_t rows[] = {0, 1, 2};
        check_ok(batch_from_frame(&b, model_schema(x->m), x->f, rows, 3, &a, &e), &e);
        mem_fail_at(SIZE_MAX, 0); // counts from here
        size_t before = a.used;
        check_ok(model_predict(x->m, &b, &p, &a, &e), &e);
        uint64_t n_requests = mem_fail_at(0, 0);
        if (a.used == before) assert_int_equal(n_requests, 0);
        if (round > 1) assert_int_equal(a.used, used);
        used = a.used;
        arena_reset(&a);
    }
    arena_clear(&a);
}

static void check_model(const char *file, const char *target, size_t one_hot_max)
{
    rng r = rng_new(check_seed(), 0);
    fixture x = train(file, target, one_hot_max);
    assert_true(model_rows_apart(x.m));
    random_batches(&x, &r);
    pools_and_blocks(&x, &r);
    slow_twin(&x);
    steady_state(&x);
    clear(&x);
}

static void classes(void **state)
{
    (void)state;
    check_model("titanic.csv", "survived", 64);
}

static void ordinals(void **state)
{
    (void)state;
    check_model("titanic.csv", "survived", 2);
}

static void numbers(void **state)
{
    (void)state;
    check_model("diabetes.csv", "progression", 64);
}

static void owners(void **state)
{
    (void)state;
    fixture x = train("iris.csv", "species", 64);
    model *second = model_hold(x.m);
    model_drop(x.m); // one owner less: still there
    assert_ptr_equal(second, x.m);
    assert_int_equal(model_schema(second)->target.n_classes, 3);
    assert_true(model_memory(second) > 0);
    clear(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(ordinals), cmocka_unit_test(numbers),
                                       cmocka_unit_test(owners)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
