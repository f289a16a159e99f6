// Loading a version to be run.
// SPDX-License-Identifier: Apache-2.0
#include "serve/runtime.h"

#include <pthread.h>

#include "base/mem.h"

static const size_t MEASURE_MEMORY_MAX = (size_t)1 << 30, BATCH_BYTES_MAX = (size_t)32 << 20;

struct runtime {
    runtime_options o;
    pthread_mutex_t lock; // guards the ring
    running all;          // head of a ring
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
    for (running *r = rt->all.after; r != &rt->all; r = r->after)
        if (r->queue) batcher_stop(r->queue);
    pthread_mutex_unlock(&rt->lock);
}

void runtime_free(runtime *rt)
{
    if (!rt) return;
    pthread_mutex_destroy(&rt->lock);
    mem_free(rt);
}

// ---- in this process

typedef struct measuring {
    const model *m;
    arena memory;
} measuring;

static int predict_blank(void *context, size_t n_rows, err *e)
{
    measuring *x = context;
    batch b;
    prediction out;
    arena_reset(&x->memory);
    TRY(batch_blank(&b, model_schema(x->m), n_rows, &x->memory, e));
    return model_predict(x->m, &b, &out, &x->memory, e);
}

static int measure(running *r, err *e)
{
    measuring x = {.m = r->model};
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

// ---- versions

static int make_queue(running *r, const batcher_engine *engine, batch_meter *meter, err *e)
{
    const runtime_options *o = &r->home->o;
    return batcher_new(&r->queue,
                       &(batcher_options){.schema = model_schema(r->model),
                                          .engine = engine,
                                          .context = r,
                                          .cost = &r->cost,
                                          .meter = meter,
                                          .merges = &r->merges,
                                          .requests_max = o->queue_requests_max,
                                          .rows_max = o->queue_rows_max,
                                          .wait_ns_max = o->queue_ms_max * UINT64_C(1000000),
                                          .batch_bytes_max = BATCH_BYTES_MAX},
                       e);
}

static int open_here(running *r, batch_meter *meter, err *e)
{
    r->merges = model_rows_apart(r->model);
    TRY(measure(r, e));
    if (cost_of(&r->cost, 1) <= INLINE_NS_MAX) return 0;
    return make_queue(r, &engine_here, meter, e);
}

static void enlist(runtime *rt, running *r)
{
    pthread_mutex_lock(&rt->lock);
    r->before = rt->all.before;
    r->after = &rt->all;
    r->before->after = r->after->before = r;
    pthread_mutex_unlock(&rt->lock);
}

static void forget(runtime *rt, running *r)
{
    pthread_mutex_lock(&rt->lock);
    r->before->after = r->after;
    r->after->before = r->before;
    pthread_mutex_unlock(&rt->lock);
}

int running_open(running **out, runtime *rt, model **m, package *p, batch_meter *meter, err *e)
{
    running *r = mem_zalloc(1, sizeof *r);
    if (!r) {
        package_free(p);
        return err_set(e, ERR_MEMORY, "no memory for a version");
    }
    r->home = rt;
    int rc = model_open(m, p, e);
    if (rc < 0) {
        mem_free(r);
        return rc;
    }
    r->model = *m;
    if ((rc = open_here(r, meter, e)) < 0) {
        mem_free(r);
        model_drop(*m);
        *m = NULL;
        return rc;
    }
    enlist(rt, r);
    *out = r;
    return 0;
}

void running_close(running *r)
{
    if (!r) return;
    forget(r->home, r);
    batcher_free(r->queue);
    mem_free(r);
}
