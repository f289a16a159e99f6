// A ring of records for each event loop, and the thread that empties them.
// SPDX-License-Identifier: Apache-2.0
#include "serve/observer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/observer_impl.h"

enum { RING_RECORDS = 2048, WAKE_MS = 100, LINES_MAX = 4 << 20 };

// One writer (its loop), one reader (the thread): the writer publishes `head` after the record, the reader `tail` after
// it has read, each with release order, and each reads the other's with acquire order.
typedef struct ring {
    _Alignas(64) atomic_size_t head;
    atomic_uint_fast64_t n_dropped; // written by the loop alone
    _Alignas(64) atomic_size_t tail;
    request_record records[RING_RECORDS];
} ring;

struct observer {
    access_log *log;
    otlp *otlp;
    trace_sampling sampling;
    size_t n_loops;
    ring **rings;
    buf lines;
    atomic_uint_fast64_t n_lines_lost, n_spans_lost;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; // guards `end`
    pthread_cond_t wake;
    bool end;
};

const trace_sampling *observer_sampling(const observer *o)
{
    return &o->sampling;
}

request_record *observer_record(observer *o, size_t loop)
{
    ring *r = o->rings[loop];
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head - atomic_load_explicit(&r->tail, memory_order_acquire) == RING_RECORDS) {
        atomic_fetch_add_explicit(&r->n_dropped, 1, memory_order_relaxed);
        return NULL;
    }
    return &r->records[head % RING_RECORDS];
}

void observer_commit(observer *o, size_t loop)
{
    ring *r = o->rings[loop];
    atomic_store_explicit(&r->head, atomic_load_explicit(&r->head, memory_order_relaxed) + 1, memory_order_release);
}

void observer_lost(const observer *o, uint64_t *n_records, uint64_t *n_spans)
{
    *n_records = *n_spans = 0;
    if (!o) return;
    *n_records = atomic_load_explicit(&o->n_lines_lost, memory_order_relaxed);
    *n_spans = atomic_load_explicit(&o->n_spans_lost, memory_order_relaxed);
    for (size_t i = 0; i < o->n_loops; i++)
        *n_records += atomic_load_explicit(&o->rings[i]->n_dropped, memory_order_relaxed);
}

static void drain(observer *o)
{
    const int64_t utc_ns = clock_utc_ms() * 1000000;
    const uint64_t now_ns = clock_monotonic_ns();
    uint64_t n_lines = 0;
    for (size_t i = 0; i < o->n_loops; i++) {
        ring *r = o->rings[i];
        size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
        size_t head = atomic_load_explicit(&r->head, memory_order_acquire);
        for (; tail != head; tail++) {
            const request_record *record = &r->records[tail % RING_RECORDS];
            observed seen = {record, utc_ns - (int64_t)(now_ns - record->start_ns)};
            if (o->log) access_log_line(&seen, &o->lines), n_lines++;
            if (o->otlp && record->trace.sampled) otlp_add(o->otlp, &seen);
            atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
        }
    }
    if (n_lines > 0 && (o->lines.failed || !access_log_write(o->log, buf_str(&o->lines))))
        atomic_fetch_add_explicit(&o->n_lines_lost, n_lines, memory_order_relaxed);
    buf_reset(&o->lines);
}

// True: the observer ends.
static bool wait_a_moment(observer *o)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAKE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&o->lock);
    while (!o->end && pthread_cond_timedwait(&o->wake, &o->lock, &until) == 0) continue;
    bool end = o->end;
    pthread_mutex_unlock(&o->lock);
    return end;
}

static void *run(void *context)
{
    observer *o = context;
    for (bool end = false; !end;) {
        end = wait_a_moment(o);
        drain(o);
        if (o->otlp) atomic_fetch_add_explicit(&o->n_spans_lost, otlp_send(o->otlp, end), memory_order_relaxed);
    }
    return NULL;
}

static int start(observer *o, err *e)
{
    sigset_t all, before; // signals are for the thread that runs the server
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    o->started = pthread_create(&o->thread, NULL, run, o) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return o->started ? 0 : err_set(e, ERR_MEMORY, "a thread cannot be started");
}

static int make_rings(observer *o, size_t n_loops, err *e)
{
    o->rings = mem_zalloc(n_loops, sizeof *o->rings);
    if (!o->rings) return err_set(e, ERR_MEMORY, "no memory for records of requests");
    o->n_loops = n_loops;
    for (size_t i = 0; i < n_loops; i++) {
        o->rings[i] = mem_aligned(_Alignof(ring), 1, sizeof(ring));
        if (!o->rings[i]) return err_set(e, ERR_MEMORY, "no memory for records of requests");
        atomic_init(&o->rings[i]->head, 0);
        atomic_init(&o->rings[i]->tail, 0);
        atomic_init(&o->rings[i]->n_dropped, 0);
    }
    return 0;
}

int observer_new(observer **out, const char *path, size_t n_loops, err *e)
{
    *out = NULL;
    observer *o = mem_zalloc(1, sizeof *o);
    if (!o) return err_set(e, ERR_MEMORY, "no memory for an observer");
    buf_init(&o->lines, LINES_MAX);
    pthread_mutex_init(&o->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&o->wake, &clock);
    pthread_condattr_destroy(&clock);
    int rc = path ? access_log_open(&o->log, path, e) : 0;
    if (rc == 0) rc = otlp_open(&o->otlp, &o->sampling, e);
    if (rc < 0 || (!o->log && !o->otlp)) {
        observer_free(o);
        return rc;
    }
    rc = make_rings(o, n_loops, e);
    if (rc == 0) rc = start(o, e);
    if (rc < 0) {
        observer_free(o);
        return rc;
    }
    *out = o;
    return 0;
}

void observer_free(observer *o)
{
    if (!o) return;
    if (o->started) {
        pthread_mutex_lock(&o->lock);
        o->end = true;
        pthread_cond_signal(&o->wake);
        pthread_mutex_unlock(&o->lock);
        pthread_join(o->thread, NULL);
    }
    access_log_close(o->log);
    otlp_close(o->otlp);
    for (size_t i = 0; i < o->n_loops && o->rings; i++) mem_free(o->rings[i]);
    mem_free(o->rings);
    buf_clear(&o->lines);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->wake);
    mem_free(o);
}
