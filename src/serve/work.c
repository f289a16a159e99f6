// Workers for requests that would hold up an event loop: large or compressed bodies. Each sleeps until there is a job.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include "base/mem.h"
#include "serve/loop_impl.h"

bool work_add(common *s, job *j)
{
    bool ok;
    pthread_mutex_lock(&s->lock);
    ok = s->n_queued < JOBS_QUEUED_MAX;
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
                    .slot = s->n_loops + at->index,
                    .stopping = &s->stopping,
                    .instance = s->instance,
                    .registry = &opened,
                    .loopback = s->loopback};
    mem_free(at);
    for (job *j; (j = next_job(s));) {
        mine.models = j->models;
        if (dispatch_run(&mine, &j->match, &j->request, j->gzip, &j->response) != HANDLER_AWAY)
            loop_job_done(j->home, j);
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
        loop_job_done(j->home, j);
    }
    s->first = s->last = NULL;
    s->n_queued = 0;
}
