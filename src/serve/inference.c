// Predictions, counted and measured: at once, or through the queue of their version.
// SPDX-License-Identifier: Apache-2.0
#include "serve/inference.h"

#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/admission.h"
#include "serve/explaining.h"
#include "serve/quota.h"
#include "serve/shadow.h"

enum { MEASURED_EVERY = 256 }; // requests of a thread: two looks at the clock cost as much as a small model's row

// ---- too much to do

static int refuse(const request *q, response *r, int rc, unsigned retry_s)
{
    r->status = 503;
    r->at.code = "overloaded";
    size_t size = 40;
    char *extra = arena_alloc(q->memory, size, 1);
    if (extra) {
        snprintf(extra, size, "Retry-After: %u\r\n", retry_s);
        r->extra = extra;
    }
    return rc;
}

int inference_begin(const serving *s, const request *q, const served *version, response *r, err *e)
{
    const running *how = version->running;
    unsigned retry_s = 1;
    int rc = 0;
    if (how->queue)
        rc = batcher_admits(how->queue, 1, q->deadline_ns, &retry_s, e);
    else if (s->lag_ns > LAG_MS_MAX * UINT64_C(1000000) && cost_of(&how->cost, 1) > REFUSAL_NS)
        rc = err_set(e, ERR_BUSY, "the server is overloaded");
    if (rc < 0) {
        atomic_fetch_add_explicit(&version->meter->batches.refused, 1, memory_order_relaxed);
        return refuse(q, r, rc, retry_s);
    }
    if (q->head_only) return HANDLER_WORKER; // to go on with when all of it is there
    if (!how->queue) return 0;
    return serving_may_block(s) ? 0 : HANDLER_WORKER;
}

// ---- what a key and a tenant may use

static const char *retry_after(const request *q, int64_t seconds, bool never)
{
    size_t size = 80;
    char *extra = arena_alloc(q->memory, size, 1);
    if (extra)
        snprintf(extra, size, "Retry-After: %" PRId64 "\r\n%s", seconds, never ? "x-should-retry: false\r\n" : "");
    return extra;
}

// Not all at the same moment: up to a tenth later, at most a minute.
static int64_t spread(int64_t seconds)
{
    int64_t most = seconds / 10 < 60 ? seconds / 10 : 60;
    return seconds + (int64_t)(clock_monotonic_ns() / 1000 % (uint64_t)(most + 1));
}

static int refuse_use(const request *q, response *r, const quota_answer *a, err *e)
{
    r->status = 429;
    r->at.code = a->verdict == QUOTA_EXHAUSTED ? "quota" : "rate";
    r->extra = retry_after(q, spread(a->retry_s), a->verdict == QUOTA_EXHAUSTED);
    bool of_key = strncmp(a->subject, "key:", 4) == 0;
    if (a->verdict == QUOTA_TOO_FAST)
        return err_set(e, ERR_BUSY, "more requests than this %s may send a minute", of_key ? "key" : "tenant");
    return err_set(e, ERR_BUSY, "the %s of this %s for this %s are used up", usage_unit_name(a->unit),
                   of_key ? "key" : "tenant", a->monthly ? "month" : "day");
}

// 0: taken, and to be given back if there is no answer. HANDLER_WORKER: the registry has to be asked.
static int take_quota(serving *s, const request *q, response *r, const inference *i, int64_t now_ms, err *e)
{
    if (!q->who->of_key && !q->who->of_tenant) return 0;
    registry *g = NULL;
    int64_t n_rows = (int64_t)i->in.n_rows;
    quota_answer a = quota_take(q->who, n_rows, NULL, now_ms, e);
    if (a.verdict == QUOTA_ASK) {
        if (!serving_may_block(s)) return HANDLER_WORKER;
        TRY(serving_registry(s, &g, e));
        a = quota_take(q->who, n_rows, g, now_ms, e);
    }
    if (a.verdict == QUOTA_TAKEN) return 0;
    if (a.verdict == QUOTA_BROKEN) return e ? e->code : ERR_IO;
    return refuse_use(q, r, &a, e);
}

// ---- through a queue

typedef struct call {
    waiting waiting; // first: the batcher gives back its address
    const request *request;
    response *response;
    inference *inference;
    int64_t taken_ms; // from the quota
    sem_t done;       // of inference_predict(): its thread waits
    int rc;
    err error;
} call;

static int over(const waiting *w, uint64_t now_ns, err *e)
{
    return request_over(((const call *)w)->request, now_ns, e);
}

// What a request is answered with whose model did not answer.
static void blame(response *r, int rc)
{
    if (rc == ERR_BUSY || rc == ERR_IO || rc == ERR_MEMORY) {
        r->status = 503;
        if (!r->at.code) r->at.code = rc == ERR_MEMORY ? "memory" : rc == ERR_BUSY ? "overloaded" : "model_unavailable";
        if (!r->extra) r->extra = "Retry-After: 1\r\n";
    }
    if (rc == ERR_TIMEOUT && !r->at.code) r->at.code = "request_timeout";
}

static void count_queued(const waiting *w, int rc)
{
    const served *v = ((const call *)w)->inference->version;
    if (rc < 0) return;
    if (v->drift) drift_count(v->drift, v->n_slots - 1, w->in, w->out, clock_coarse_ms());
    served_answered(v, v->n_slots - 1, w->in->n_rows, ((const call *)w)->taken_ms);
    served_took(v, v->n_slots - 1, clock_monotonic_ns() - w->since_ns);
    if (atomic_load_explicit(&v->timed, memory_order_relaxed)) served_observe(v, v->n_slots - 1, w->out);
}

// A shadow's copy of what was asked and answered.
static void shade(const response *r, const inference *i)
{
    if (r->shadow) shadow_offer(r->shadow, i->version, &i->in, &i->out);
}

static void finish_later(waiting *w, int rc, const err *e)
{
    call *c = (call *)w;
    err mine = ERR_NONE;
    count_queued(w, rc);
    if (rc < 0) {
        blame(c->response, rc);
        quota_give_back(c->request->who, (int64_t)c->inference->in.n_rows, c->taken_ms);
    }
    if (rc == 0) shade(c->response, c->inference);
    if (rc == 0 && (rc = c->inference->finish(c->request, c->response, c->inference, &mine)) < 0) e = &mine;
    work_finish(c->request->job, rc, e);
}

static void finish_waited(waiting *w, int rc, const err *e)
{
    call *c = (call *)w;
    c->rc = rc;
    count_queued(w, rc);
    if (rc < 0) c->error = *e;
    sem_post(&c->done);
}

static int enqueue(call **out, const request *q, response *r, inference *i, void (*done)(waiting *, int, const err *),
                   err *e)
{
    call *c = arena_alloc(q->memory, 1, sizeof *c);
    if (!c) return err_set(e, ERR_MEMORY, "no memory for a request");
    *c = (call){.request = q, .response = r, .inference = i, .taken_ms = clock_coarse_ms()};
    c->waiting = (waiting){.in = &i->in,
                           .out = &i->out,
                           .memory = q->memory,
                           .urgency = urgency_parse(request_field(q, FIELD_PRIORITY)),
                           .deadline_ns = q->deadline_ns,
                           .over = over,
                           .done = done};
    if (done == finish_waited) sem_init(&c->done, 0, 0);
    *out = c;
    unsigned retry_s;
    int rc = batcher_add(i->version->running->queue, &c->waiting, &retry_s, e);
    if (rc < 0) {
        if (done == finish_waited) sem_destroy(&c->done);
        return rc == ERR_BUSY ? refuse(q, r, rc, retry_s) : rc;
    }
    return 0;
}

static int wait_for_queue(const request *q, response *r, inference *i, err *e)
{
    call *c;
    TRY(enqueue(&c, q, r, i, finish_waited, e));
    while (sem_wait(&c->done) < 0) continue; // a signal
    sem_destroy(&c->done);
    if (c->rc == 0) return 0;
    if (e) *e = c->error;
    blame(r, c->rc);
    return c->rc;
}

// ---- at once

static int predict_here(const serving *s, const request *q, inference *i, int64_t now_ms, err *e)
{
    const served *v = i->version;
    model_meter_slot *meter = &v->meter->slots[s->slot];
    cost *measured = &v->running->cost;
    bool timed = atomic_load_explicit(&v->timed, memory_order_relaxed);
    bool look = timed || counter_get(&v->counts->slots[s->slot].requests) % MEASURED_EVERY == 0;
    uint64_t start = look ? clock_monotonic_ns() : 0;
    TRY(model_predict(v->model, &i->in, &i->out, q->memory, e));
    uint64_t spent = look ? clock_monotonic_ns() - start : 0;
    if (look) {
        cost_add(measured, i->in.n_rows, spent);
        served_measured(v, s->slot, spent);
        served_took(v, s->slot, spent);
    }
    if (timed) served_observe(v, s->slot, &i->out);
    counter_add(&meter->rows, i->in.n_rows);
    counter_add(&meter->requests, 1);
    served_answered(v, s->slot, i->in.n_rows, now_ms);
    if (v->drift) drift_count(v->drift, s->slot, &i->in, &i->out, now_ms);
    return 0;
}

static bool holds_up(const serving *s, const inference *i)
{
    const running *how = i->version->running;
    return !serving_may_block(s) && (how->queue || cost_of(&how->cost, i->in.n_rows) > INLINE_NS_MAX);
}

// For records of requests.
static void name_who_answers(response *r, const inference *i)
{
    r->model = i->version->meter->name;
    r->version = i->version->version;
    r->n_rows += i->in.n_rows;
}

// Explanations are made by whoever asked, also where a queue predicts: its thread has others to answer.
static int predict_and_explain(serving *s, const request *q, response *r, inference *i, err *e)
{
    int rc = explaining_admits(s, q, r, i, e);
    if (rc != 0) return rc;
    const int64_t now = clock_coarse_ms();
    if ((rc = take_quota(s, q, r, i, now, e)) != 0) return rc;
    name_who_answers(r, i);
    rc = i->version->running->queue ? wait_for_queue(q, r, i, e) : predict_here(s, q, i, now, e);
    if (rc == 0) rc = explaining_run(q, r, i, e);
    if (rc < 0)
        quota_give_back(q->who, (int64_t)i->in.n_rows, now);
    else
        shade(r, i);
    return rc;
}

int inference_predict(serving *s, const request *q, response *r, inference *i, err *e)
{
    if (i->explain.wanted) return predict_and_explain(s, q, r, i, e);
    if (holds_up(s, i)) return HANDLER_WORKER;
    const int64_t now = clock_coarse_ms();
    int rc = take_quota(s, q, r, i, now, e);
    if (rc != 0) return rc;
    name_who_answers(r, i);
    rc = i->version->running->queue ? wait_for_queue(q, r, i, e) : predict_here(s, q, i, now, e);
    if (rc < 0)
        quota_give_back(q->who, (int64_t)i->in.n_rows, now);
    else
        shade(r, i);
    return rc;
}

int inference_run(serving *s, const request *q, response *r, inference *i, err *e)
{
    if (i->explain.wanted) {
        int rc = predict_and_explain(s, q, r, i, e);
        return rc != 0 ? rc : i->finish(q, r, i, e);
    }
    if (holds_up(s, i)) return HANDLER_WORKER;
    const int64_t now = clock_coarse_ms();
    int rc = take_quota(s, q, r, i, now, e);
    if (rc != 0) return rc;
    name_who_answers(r, i);
    if (i->version->running->queue) {
        call *c;
        if ((rc = enqueue(&c, q, r, i, finish_later, e)) == 0) return HANDLER_AWAY; // the request may be gone by now
    } else {
        rc = predict_here(s, q, i, now, e);
    }
    if (rc < 0) {
        quota_give_back(q->who, (int64_t)i->in.n_rows, now);
        return rc;
    }
    shade(r, i);
    return i->finish(q, r, i, e);
}
