// Workers for what would hold up an event loop: large or compressed bodies, routes that block, bodies in pieces. Each
// sleeps until there is a job.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/loop_impl.h"

bool work_add(common *s, job *j, bool must)
{
    bool ok;
    pthread_mutex_lock(&s->lock);
    ok = must || (s->n_queued < JOBS_QUEUED_MAX &&
                  job_wait_ns(&s->job_times, s->n_queued, s->n_workers) <= s->options.runtime.queue_ms_max * 1e6);
    if (ok) {
        j->next = NULL;
        if (s->last)
            s->last->next = j;
        else
            s->first = j;
        s->last = j;
        s->n_queued++;
        pthread_cond_signal(&s->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

// NULL: the workers are to end.
static job *next_job(common *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->first && !s->workers_end) pthread_cond_wait(&s->wake, &s->lock);
    job *j = s->workers_end ? NULL : s->first;
    if (j) {
        s->first = j->next;
        if (!s->first) s->last = NULL;
        s->n_queued--;
    }
    pthread_mutex_unlock(&s->lock);
    return j;
}

void work_finish(job *j, int rc, const err *e)
{
    if (rc == 0 && j->response.body->failed) {
        err full = ERR_NONE;
        dispatch_end(&j->match, &j->response, buf_check(j->response.body, &full), &full);
    } else {
        dispatch_end(&j->match, &j->response, rc, e);
    }
    loop_job_done(j->home, j);
}

void job_close(job *j)
{
    body_sink *sinks[] = {j->sink, j->response.sink};
    response_stream *streams[] = {j->stream, j->response.stream};
    for (size_t i = 0; i < 2; i++) {
        if (sinks[i]) sinks[i]->close(sinks[i]);
        if (streams[i]) streams[i]->close(streams[i]);
    }
    j->sink = j->response.sink = NULL;
    j->stream = j->response.stream = NULL;
}

void work_close(common *s, job *j)
{
    bool blocks = j->sink || j->response.sink || (j->stream && j->stream->blocks) ||
                  (j->response.stream && j->response.stream->blocks);
    j->connection = NULL;
    j->kind = JOB_CLOSE;
    if (blocks) {
        (void)work_add(s, j, true);
        return;
    }
    job_close(j);
    loop_give_job(j->home, j);
}

// Requests that end.

int request_over(const request *q, uint64_t now_ns, err *e)
{
    if (q->gone && atomic_load_explicit(q->gone, memory_order_relaxed))
        return err_set(e, ERR_CANCELLED, "the client left before it was answered");
    if (q->deadline_ns > 0 && now_ns > q->deadline_ns)
        return err_set(e, ERR_TIMEOUT, "the deadline of X-Request-Timeout passed while the request waited");
    return 0;
}

// False: the request is in the hands of somebody who will call work_finish().
static bool run_request(serving *s, job *j)
{
    err e = ERR_NONE;
    int rc = request_over(&j->request, clock_monotonic_ns(), &e);
    if (rc == 0) return dispatch_run(s, &j->match, &j->request, j->gzip, &j->response) != HANDLER_AWAY;
    if (rc == ERR_TIMEOUT) j->response.at.code = "request_timeout";
    dispatch_end(&j->match, &j->response, rc, &e);
    return true;
}

static void run_piece(serving *s, job *j)
{
    err e = ERR_NONE;
    s->who = j->request.who;
    int rc = j->piece.len > 0 ? j->sink->write(j->sink, j->piece, &e) : 0;
    if (rc == 0 && j->ends) {
        rc = j->sink->end(j->sink, s, &j->request, &j->response, &e);
        if (rc == 0) rc = buf_check(j->response.body, &e);
    }
    dispatch_end(&j->match, &j->response, rc, &e);
    if (rc == 0 && !j->ends) return;
    j->sink->close(j->sink);
    j->sink = NULL;
}

static void run_next(job *j)
{
    j->failure = ERR_NONE;
    j->response.failure = j->stream->next(j->stream, &j->body, &j->ended, &j->failure);
}

static bool run_job(serving *s, job *j)
{
    switch (j->kind) {
    case JOB_REQUEST: return run_request(s, j);
    case JOB_PIECE: run_piece(s, j); return true;
    case JOB_NEXT: run_next(j); return true;
    default: job_close(j); return true;
    }
}

// The threads.

typedef struct start {
    common *shared;
    size_t index;
} start;

static void *run(void *context)
{
    start *at = context;
    common *s = at->shared;
    registry *opened = NULL;
    serving mine = {.options = &s->options,
                    .meters = s->meters,
                    .n_meters = s->n_loops,
                    .observer = s->observer,
                    .slot = s->n_loops + at->index,
                    .stopping = &s->stopping,
                    .instance = s->instance,
                    .registry = &opened,
                    .jobs = s->jobs,
                    .sites = &s->sites,
                    .catalog = s->catalog,
                    .loopback = s->loopback};
    mem_free(at);
    for (job *j; (j = next_job(s));) {
        mine.models = j->models;
        uint64_t start_ns = clock_monotonic_ns();
        bool done = run_job(&mine, j); // if not, it may be gone
        job_times_add(&s->job_times, clock_monotonic_ns() - start_ns);
        if (done) loop_job_done(j->home, j);
    }
    registry_close(opened);
    return NULL;
}

int work_start(common *s, err *e)
{
    // Signals are for the thread that called server_run().
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    for (; s->n_started < s->n_workers && rc == 0;) {
        start *at = mem_alloc(1, sizeof *at);
        if (!at) {
            rc = err_set(e, ERR_MEMORY, "no memory for a worker");
            break;
        }
        *at = (start){.shared = s, .index = s->n_started};
        if (pthread_create(&s->workers[s->n_started], NULL, run, at) != 0) {
            mem_free(at);
            rc = err_set(e, ERR_MEMORY, "a worker cannot be started");
            break;
        }
        s->n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

void work_end(common *s)
{
    pthread_mutex_lock(&s->lock);
    s->workers_end = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n_started; i++) pthread_join(s->workers[i], NULL);
    s->n_started = 0;
    // Their connections were closed at the deadline of the stop; the loops free them with the rest.
    for (job *j = s->first, *next; j; j = next) {
        next = j->next;
        job_close(j);
        loop_job_done(j->home, j);
    }
    s->first = s->last = NULL;
    s->n_queued = 0;
}
