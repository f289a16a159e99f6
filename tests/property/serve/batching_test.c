// The same request has the same answer, to the byte, alone or among others, here or in a runner: random mixes of
// requests from several threads, through the queue of a version, for a net that runs as a plain graph, one whose rows
// cannot be merged, and a forest.
// SPDX-License-Identifier: Apache-2.0
#include "helpers/children.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "automl/training.h"
#include "base/mem.h"
#include "helpers/nets.h"
#include "model/model.h"
#include "serve/batcher.h"
#include "serve/runner.h"

enum { SENDERS = 4, ROUNDS = 40, IN_FLIGHT = 12, ROWS_MAX = 40 };

static int run(void *context, const batch *in, prediction *out, arena *a, err *e)
{
    return model_predict(context, in, out, a, e);
}

static const batcher_engine here = {.run = run};

static int start_there(void *context, err *e)
{
    return runner_start(context, NULL, e);
}

static int run_there(void *context, const batch *in, prediction *out, arena *a, err *e)
{
    return runner_run(context, in, out, a, e);
}

static void stop_there(void *context)
{
    runner_stop(context);
}

static const batcher_engine there = {.start = start_there, .run = run_there, .stop = stop_there};

typedef struct sent {
    waiting waiting; // first
    batch in;
    prediction out, alone;
    arena memory;
    sem_t done;
    int rc, alone_rc;
    err e, alone_e;
} sent;

typedef struct sender {
    const model *m;
    batcher *b;
    uint64_t seed, index;
} sender;

static void done(waiting *w, int rc, const err *e)
{
    sent *s = (sent *)w;
    s->rc = rc;
    if (rc < 0) s->e = *e;
    sem_post(&s->done);
}

static void fill(batch *b, rng *r)
{
    static const str words[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"a longer one", 12}, {"", 0}};
    for (size_t i = 0; i < b->schema->n_inputs; i++) {
        const batch_column *c = &b->columns[i];
        for (size_t row = 0; row < b->n_rows; row++) {
            bool whole = b->schema->inputs[i].type == COLUMN_INTEGER;
            if (c->f32) c->f32[row] = whole ? (float)rng_below(r, 9) : ((float)rng_below(r, 20001) - 10000) / 500;
            if (c->i64) c->i64[row] = (int64_t)rng_below(r, 100);
            if (c->strings) c->strings[row] = words[rng_below(r, 200) ? rng_below(r, 4) : 4]; // missing is refused
        }
    }
}

static void check_same(const sent *s)
{
    assert_int_equal(s->rc, s->alone_rc);
    if (s->rc < 0) {
        assert_string_equal(s->e.msg, s->alone_e.msg);
        return;
    }
    const prediction *p = &s->out, *q = &s->alone;
    assert_int_equal(p->n_rows, q->n_rows);
    assert_int_equal(p->n_scores, q->n_scores);
    assert_memory_equal(p->scores, q->scores, p->n_rows * p->n_scores * sizeof *p->scores);
    if (q->labels) assert_memory_equal(p->labels, q->labels, p->n_rows * sizeof *p->labels);
}

static void *send(void *context)
{
    const sender *x = context;
    rng r = rng_new(x->seed, x->index);
    for (int round = 0; round < ROUNDS; round++) {
        static _Thread_local sent all[IN_FLIGHT];
        size_t n = 1 + rng_below(&r, IN_FLIGHT);
        err e = ERR_NONE;
        for (size_t i = 0; i < n; i++) {
            sent *s = &all[i];
            *s = (sent){0};
            arena_init(&s->memory, 1 << 22);
            sem_init(&s->done, 0, 0);
            check_ok(batch_new(&s->in, model_schema(x->m), 1 + rng_below(&r, ROWS_MAX), &s->memory, &e), &e);
            fill(&s->in, &r);
            s->alone_rc = model_predict(x->m, &s->in, &s->alone, &s->memory, &s->alone_e);
        }
        for (size_t i = 0; i < n; i++) {
            sent *s = &all[i];
            s->waiting = (waiting){.in = &s->in,
                                   .out = &s->out,
                                   .memory = &s->memory,
                                   .urgency = (unsigned)rng_below(&r, URGENCIES_N),
                                   .done = done};
            unsigned retry_s;
            int rc;
            while ((rc = batcher_add(x->b, &s->waiting, &retry_s, &e)) == ERR_BUSY) sched_yield();
            check_ok(rc, &e);
        }
        for (size_t i = 0; i < n; i++) {
            sem_wait(&all[i].done);
            check_same(&all[i]);
            sem_destroy(&all[i].done);
            arena_clear(&all[i].memory);
        }
    }
    return NULL;
}

static void mixes(const model *m, runner *r, bool merges)
{
    err e = ERR_NONE;
    assert_int_equal(model_rows_apart(m), merges);
    cost c = {0};
    atomic_init(&c.call_ns, 1e6); // so that it waits for others, and cuts long requests into pieces
    atomic_init(&c.row_ns, 1e5);
    batch_meter meter = {0};
    batcher *b;
    check_ok(batcher_new(&b,
                         &(batcher_options){.schema = model_schema(m),
                                            .engine = r ? &there : &here,
                                            .context = r ? (void *)r : (void *)(uintptr_t)m,
                                            .cost = &c,
                                            .meter = &meter,
                                            .merges = &merges,
                                            .requests_max = 1024,
                                            .rows_max = 1 << 20,
                                            .wait_ns_max = UINT64_C(1) << 50,
                                            .batch_bytes_max = 16384},
                         &e),
             &e);
    uint64_t seed = check_seed();
    pthread_t threads[SENDERS];
    sender senders[SENDERS];
    for (size_t i = 0; i < SENDERS; i++) {
        senders[i] = (sender){.m = m, .b = b, .seed = seed, .index = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send, &senders[i]), 0);
    }
    for (size_t i = 0; i < SENDERS; i++) pthread_join(threads[i], NULL);
    uint64_t n_large = 0; // batches of more rows than a request has
    for (size_t i = 7; i <= BATCH_BUCKETS_N; i++) n_large += meter.sizes[i];
    assert_int_equal(n_large > 0, merges);
    batcher_free(b);
}

// Here, then in a process of its own.
static void both(package *p, bool merges)
{
    err e = ERR_NONE;
    model *m;
    runner *r;
    check_ok(model_open(&m, p, &e), &e);
    mixes(m, NULL, merges);
    runner_options o = {.start_ms_max = 60000, .run_ms_max = 60000};
    check_ok(runner_new(&r, model_package(m), model_schema(m), &o, &e), &e);
    mixes(m, r, merges);
    runner_free(r);
    model_drop(m);
    children_none_left();
}

static void a_net(void **state)
{
    (void)state;
    err e = ERR_NONE;
    package *p;
    check_ok(net_package(&p, &(net_options){.width = 19, .n_layers = 3, .n_classes = 5, .seed = 7}, &e), &e);
    both(p, true);
}

static void a_net_that_mixes_rows(void **state)
{
    (void)state;
    err e = ERR_NONE;
    package *p;
    check_ok(net_package(&p, &(net_options){.width = 8, .n_layers = 1, .n_classes = 2, .mixed = true, .seed = 7}, &e),
             &e);
    both(p, false);
}

static void a_forest(void **state)
{
    (void)state;
    err e = ERR_NONE;
    static const char *const settings[] = {"n_trees=9"};
    training_options o = TRAINING_OPTIONS_DEFAULT;
    o.path = TEST_SOURCE_DIR "/examples/titanic.csv";
    o.target = "survived";
    o.settings = settings;
    o.n_settings = 1;
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    package *p = r.package;
    r.package = NULL;
    training_result_clear(&r);
    both(p, true);
}

int main(int argc, char **argv)
{
    children_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_net),
        cmocka_unit_test(a_net_that_mixes_rows),
        cmocka_unit_test(a_forest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
