// Loading a version to be run.
// SPDX-License-Identifier: Apache-2.0
#include "serve/runtime.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/mem.h"

enum { START_MS_MAX = 120000 }; // for the largest models; a start is stopped with the server
static const size_t MEASURE_MEMORY_MAX = (size_t)1 << 30, BATCH_BYTES_MAX = (size_t)32 << 20;

struct runtime {
    runtime_options o;
    pthread_mutex_t lock; // guards what follows, and `queue` of those in the ring while they are opened
    running all;          // head of a ring
    bool stopped;
    atomic_uint n_explaining; // a counter alone: nothing is read through it
};

int runtime_new(runtime **out, const runtime_options *o, err *e)
{
    runtime *rt = mem_zalloc(1, sizeof *rt);
    if (!rt) return err_set(e, ERR_MEMORY, "no memory for a runtime");
    rt->o = *o;
    rt->all.before = rt->all.after = &rt->all;
    pthread_mutex_init(&rt->lock, NULL);
    *out = rt;
    return 0;
}

void runtime_stop(runtime *rt)
{
    if (!rt) return;
    pthread_mutex_lock(&rt->lock);
    rt->stopped = true;
    for (running *r = rt->all.after; r != &rt->all; r = r->after) {
        if (r->queue)
            batcher_stop(r->queue);
        else if (r->runner)
            runner_abort(r->runner); // it is being loaded
    }
    pthread_mutex_unlock(&rt->lock);
}

void runtime_free(runtime *rt)
{
    if (!rt) return;
    pthread_mutex_destroy(&rt->lock);
    mem_free(rt);
}

// ---- explanations

bool running_explain_begin(running *r)
{
    atomic_uint *n = &r->home->n_explaining;
    if (atomic_fetch_add_explicit(n, 1, memory_order_relaxed) < EXPLAIN_AT_ONCE_MAX) return true;
    atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
    return false;
}

void running_explain_end(running *r)
{
    atomic_fetch_sub_explicit(&r->home->n_explaining, 1, memory_order_relaxed);
}

// ---- in this process

typedef struct measuring {
    const running *r;
    arena memory;
} measuring;

static int predict_blank(void *context, size_t n_rows, err *e)
{
    measuring *x = context;
    batch b;
    prediction out;
    arena_reset(&x->memory);
    TRY(batch_blank(&b, model_schema(x->r->model), n_rows, &x->memory, e));
    return x->r->runner ? runner_run(x->r->runner, &b, &out, &x->memory, e)
                        : model_predict(x->r->model, &b, &out, &x->memory, e);
}

static int measure(running *r, err *e)
{
    measuring x = {.r = r};
    arena_init(&x.memory, MEASURE_MEMORY_MAX);
    int rc = cost_measure(&r->cost, predict_blank, &x, e);
    arena_clear(&x.memory);
    return rc;
}

static int run_here(void *context, const batch *in, prediction *out, arena *a, err *e)
{
    const running *r = context;
    return model_predict(r->model, in, out, a, e);
}

static const batcher_engine engine_here = {.run = run_here};

// ---- in a process of its own

static int start_runner(void *context, err *e)
{
    running *r = context;
    runner_facts facts;
    TRY(runner_start(r->runner, &facts, e));
    r->merges = facts.rows_apart;
    r->memory = facts.memory;
    return measure(r, e);
}

static int run_there(void *context, const batch *in, prediction *out, arena *a, err *e)
{
    return runner_run(((running *)context)->runner, in, out, a, e);
}

static uint64_t tend_runner(void *context)
{
    running *r = context;
    uint64_t next = runner_tend(r->runner), n = runner_restarts(r->runner);
    atomic_fetch_add_explicit(&r->meter->restarts, n - r->n_restarts, memory_order_relaxed);
    r->n_restarts = n;
    return next;
}

static void stop_runner(void *context)
{
    runner_stop(((running *)context)->runner);
}

static void abort_runner(void *context)
{
    runner_abort(((running *)context)->runner);
}

static const batcher_engine engine_there = {
    .start = start_runner, .run = run_there, .tend = tend_runner, .stop = stop_runner, .abort = abort_runner};

// ---- versions

static int make_queue(running *r, const batcher_engine *engine, err *e)
{
    const runtime_options *o = &r->home->o;
    batcher *queue;
    TRY(batcher_new(&queue,
                    &(batcher_options){.schema = model_schema(r->model),
                                       .engine = engine,
                                       .context = r,
                                       .cost = &r->cost,
                                       .meter = r->meter,
                                       .merges = &r->merges,
                                       .requests_max = o->queue_requests_max,
                                       .rows_max = o->queue_rows_max,
                                       .wait_ns_max = o->queue_ms_max * UINT64_C(1000000),
                                       .batch_bytes_max = BATCH_BYTES_MAX},
                    e));
    pthread_mutex_lock(&r->home->lock);
    r->queue = queue;
    pthread_mutex_unlock(&r->home->lock);
    return 0;
}

// From now on runtime_stop() knows it.
static int enlist(runtime *rt, running *r, err *e)
{
    pthread_mutex_lock(&rt->lock);
    bool stopped = rt->stopped;
    r->before = rt->all.before;
    r->after = &rt->all;
    r->before->after = r->after->before = r;
    pthread_mutex_unlock(&rt->lock);
    return stopped ? err_set(e, ERR_CANCELLED, "the server stops") : 0;
}

static void forget(runtime *rt, running *r)
{
    pthread_mutex_lock(&rt->lock);
    r->before->after = r->after;
    r->after->before = r->before;
    pthread_mutex_unlock(&rt->lock);
}

static int open_here(running *r, err *e)
{
    r->merges = model_rows_apart(r->model);
    TRY(enlist(r->home, r, e));
    TRY(measure(r, e));
    if (cost_of(&r->cost, 1) <= INLINE_NS_MAX) return 0;
    return make_queue(r, &engine_here, e);
}

static int open_there(running *r, const char *label, err *e)
{
    const runtime_options *o = &r->home->o;
    TRY(runner_new(&r->runner, model_package(r->model), model_schema(r->model),
                   &(runner_options){.label = label,
                                     .memory_max = o->runner_memory_max,
                                     .start_ms_max = START_MS_MAX,
                                     .run_ms_max = o->runner_ms_max},
                   e));
    TRY(enlist(r->home, r, e));
    return make_queue(r, &engine_there, e);
}

int running_open(running **out, runtime *rt, const char *label, model **m, package *p, batch_meter *meter, err *e)
{
    running *r = mem_zalloc(1, sizeof *r);
    if (!r) {
        package_free(p);
        return err_set(e, ERR_MEMORY, "no memory for a version");
    }
    r->home = rt;
    r->meter = meter;
    model *opened;
    bool here = rt->o.isolate == ISOLATE_NEVER;
    int rc = here ? model_open(&opened, p, e) : model_open_light(&opened, p, rt->o.isolate == ISOLATE_ALWAYS, &here, e);
    if (rc < 0) {
        mem_free(r);
        return rc;
    }
    r->model = opened;
    rc = here ? open_here(r, e) : open_there(r, label, e);
    if (rc < 0) {
        running_close(r);
        model_drop(opened);
        return rc;
    }
    *m = opened;
    *out = r;
    return 0;
}

bool running_ready(const running *r)
{
    return !r->runner || runner_ready(r->runner);
}

size_t running_memory(const running *r)
{
    return r->memory + model_memory(r->model);
}

typedef struct patient {
    waiting waiting; // first: the batcher gives back its address
    sem_t done;
    int rc;
    err error;
} patient;

static void wake(waiting *w, int rc, const err *e)
{
    patient *p = (patient *)w;
    p->rc = rc;
    if (rc < 0) p->error = *e;
    sem_post(&p->done);
}

int running_predict(running *r, const batch *in, prediction *out, arena *a, err *e)
{
    if (!r->queue) return model_predict(r->model, in, out, a, e);
    unsigned unused;
    patient p = {.waiting = {.in = in, .out = out, .memory = a, .urgency = URGENCIES_N - 1, .done = wake}};
    sem_init(&p.done, 0, 0);
    int rc = batcher_add(r->queue, &p.waiting, &unused, e);
    if (rc == 0) {
        while (sem_wait(&p.done) < 0) continue; // a signal
        rc = p.rc;
        if (rc < 0 && e) *e = p.error;
    }
    sem_destroy(&p.done);
    return rc;
}

void running_close(running *r)
{
    if (!r) return;
    if (r->after) forget(r->home, r);
    batcher_free(r->queue);
    runner_free(r->runner);
    mem_free(r);
}
