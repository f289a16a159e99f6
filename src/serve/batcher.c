// One lock guards the queue; batches are put together, run and taken apart outside of it.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/batcher.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    ROWS_MAX = 65536,      // of a batch, whatever the cost says
    CALLS_WORTH = 8,       // a batch's rows cost at least so many times what its call costs
    WAIT_NS_MIN = 100000,  // below that a sleep is not worth what it costs
    WAIT_NS_MAX = 5000000, // however dear a call is
    GAP_SHARE = 8,
    STANDING_NS = 500 * 1000 * 1000, // a queue that was not empty for so long is no burst
    SHORT_CALLS = 6,                 // calls that a standing queue may hold
    KEPT_BYTES = 16 << 20,
};
#define BATCH_NS UINT64_C(5000000) // what a batch may take anyway
#define GAP_NS_MAX 1e9

typedef struct queue { // first come first served
    waiting *first, *last;
} queue;

struct batcher {
    batcher_options o;
    pthread_t thread;
    pthread_mutex_t lock; // guards what follows, down to the counters
    pthread_cond_t wake;
    queue queues[URGENCIES_N];
    bool started, ending, joined;
    int start_rc;
    err start_error;
    double gap_ns; // between requests: a moving mean
    uint64_t last_ns;
    // Written under the lock, read without it: counters.
    atomic_size_t n_waiting, n_rows;
    _Atomic uint64_t standing_ns; // since when the queue was not short; 0: it is
    _Atomic uint64_t refused_ns;  // when one was refused that would have waited too long; 0: none yet
    _Atomic uint64_t busy_ns;     // when the batch that runs began; 0: none does
    // The thread's own.
    size_t row_bytes;
    arena memory;
    waiting **members; // (members_max) of the batch at hand
    size_t members_max, n_members;
    size_t *shares; // (members_max) rows of each
};

// ---- rules

size_t batch_rows_max(const cost *c, size_t row_bytes, size_t bytes_max)
{
    double row = atomic_load_explicit(&c->row_ns, memory_order_relaxed);
    double call = atomic_load_explicit(&c->call_ns, memory_order_relaxed);
    double worth = CALLS_WORTH * call > (double)BATCH_NS ? CALLS_WORTH * call : (double)BATCH_NS;
    double rows = row > 0 ? worth / row : ROWS_MAX;
    size_t most = rows > ROWS_MAX ? ROWS_MAX : rows < 1 ? 1 : (size_t)rows;
    size_t fit = row_bytes ? bytes_max / row_bytes : ROWS_MAX;
    if (fit < 1) fit = 1;
    return most < fit ? most : fit;
}

uint64_t batch_wait_ns(const cost *c, double gap_ns)
{
    double row = atomic_load_explicit(&c->row_ns, memory_order_relaxed);
    double call = atomic_load_explicit(&c->call_ns, memory_order_relaxed);
    double most = (call - row) / 2;
    if (most > WAIT_NS_MAX) most = WAIT_NS_MAX;
    return most < WAIT_NS_MIN || gap_ns >= most ? 0 : (uint64_t)most;
}

unsigned urgency_parse(str field)
{
    for (size_t i = 0; i + 2 < field.len; i++) {
        bool begins = i == 0 || field.data[i - 1] == ',' || field.data[i - 1] == ' ' || field.data[i - 1] == '\t';
        if (!begins || field.data[i] != 'u' || field.data[i + 1] != '=') continue;
        char digit = field.data[i + 2];
        bool ends = i + 3 == field.len || !(field.data[i + 3] >= '0' && field.data[i + 3] <= '9');
        if (digit >= '0' && digit < '0' + URGENCIES_N && ends) return (unsigned)(digit - '0');
    }
    return URGENCY_DEFAULT;
}

// ---- admission

// What the queue may be worth in time: seconds for a burst; for a queue that stands, what it takes to keep the next
// batch full.
static double wait_max(const batcher *b, uint64_t now_ns)
{
    uint64_t standing = atomic_load_explicit(&b->standing_ns, memory_order_relaxed);
    uint64_t refused = atomic_load_explicit(&b->refused_ns, memory_order_relaxed);
    bool strict = (standing && now_ns > standing + STANDING_NS) || (refused && now_ns < refused + STANDING_NS);
    if (!strict) return (double)b->o.wait_ns_max;
    double target = SHORT_CALLS * cost_of(b->o.cost, 1);
    if (target < (double)BATCH_NS) target = (double)BATCH_NS;
    return target < (double)b->o.wait_ns_max ? target : (double)b->o.wait_ns_max;
}

static double expected_wait(const batcher *b, size_t n_waiting, size_t n_rows, uint64_t now_ns)
{
    double row = atomic_load_explicit(&b->o.cost->row_ns, memory_order_relaxed);
    double call = atomic_load_explicit(&b->o.cost->call_ns, memory_order_relaxed);
    double calls = (double)n_waiting;
    if (*b->o.merges) {
        size_t most = batch_rows_max(b->o.cost, b->row_bytes, b->o.batch_bytes_max);
        double full = (double)(n_rows / most + (n_waiting > 0));
        if (full < calls) calls = full;
    }
    double wait = calls * call + (double)n_rows * row;
    uint64_t busy = atomic_load_explicit(&b->busy_ns, memory_order_relaxed);
    if (busy == 0) return wait;
    // Half of a batch is the mean of what is left of it; one that takes longer than it should may take as long again.
    double spent = now_ns > busy ? (double)(now_ns - busy) : 0, usual = cost_of(b->o.cost, 1) / 2;
    return wait + (spent > usual ? spent : usual);
}

int batcher_admits(batcher *b, size_t n_rows, uint64_t deadline_ns, unsigned *retry_s, err *e)
{
    uint64_t now = clock_monotonic_ns();
    size_t n_waiting = atomic_load_explicit(&b->n_waiting, memory_order_relaxed);
    size_t rows = atomic_load_explicit(&b->n_rows, memory_order_relaxed);
    double wait = expected_wait(b, n_waiting, rows, now);
    *retry_s = 1 + (unsigned)(wait > 60e9 ? 60 : wait / 1e9);
    if (n_waiting >= b->o.requests_max || (rows > 0 && rows + n_rows > b->o.rows_max))
        return err_set(e, ERR_BUSY, "this model has as many requests as may wait for it");
    if (wait > wait_max(b, now)) {
        atomic_store_explicit(&b->refused_ns, now, memory_order_relaxed);
        return err_set(e, ERR_BUSY, "this model is overloaded: a request would wait %.0f ms", wait / 1e6);
    }
    if (deadline_ns && (double)now + wait + cost_of(b->o.cost, n_rows) > (double)deadline_ns && n_waiting > 0)
        return err_set(e, ERR_BUSY, "this model is overloaded: the answer would come after the request's deadline");
    return 0;
}

static void push(batcher *b, waiting *w)
{
    queue *q = &b->queues[w->urgency];
    w->next = NULL;
    if (q->last)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
    atomic_fetch_add_explicit(&b->n_waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->o.meter->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&b->n_rows, w->in->n_rows - w->n_done, memory_order_relaxed);
}

int batcher_add(batcher *b, waiting *w, unsigned *retry_s, err *e)
{
    int rc = batcher_admits(b, w->in->n_rows, w->deadline_ns, retry_s, e);
    if (rc < 0) {
        atomic_fetch_add_explicit(&b->o.meter->refused, 1, memory_order_relaxed);
        return rc;
    }
    w->begin_ns = w->since_ns = clock_monotonic_ns();
    w->n_done = 0;
    if (w->urgency >= URGENCIES_N) w->urgency = URGENCIES_N - 1;
    *w->out = (prediction){.n_rows = w->in->n_rows};
    pthread_mutex_lock(&b->lock);
    if (b->ending) {
        rc = err_set(e, ERR_CANCELLED, "the model is being unloaded, or the server stops");
    } else {
        double gap = b->last_ns ? (double)(w->since_ns - b->last_ns) : GAP_NS_MAX;
        if (gap > GAP_NS_MAX) gap = GAP_NS_MAX;
        b->gap_ns += (gap - b->gap_ns) / GAP_SHARE;
        b->last_ns = w->since_ns;
        push(b, w);
        pthread_cond_signal(&b->wake);
    }
    pthread_mutex_unlock(&b->lock);
    return rc;
}

// ---- the next batch

// The one whose turn it is: each step of urgency is worth URGENCY_MS of waiting. NULL: nobody waits.
static queue *next_queue(batcher *b)
{
    queue *best = NULL;
    uint64_t best_rank = UINT64_MAX;
    for (size_t u = 0; u < URGENCIES_N; u++) {
        queue *q = &b->queues[u];
        if (!q->first) continue;
        uint64_t rank = q->first->since_ns + u * URGENCY_MS * UINT64_C(1000000);
        if (rank < best_rank) {
            best = q;
            best_rank = rank;
        }
    }
    return best;
}

static waiting *pop(batcher *b, queue *q)
{
    waiting *w = q->first;
    q->first = w->next;
    if (!q->first) q->last = NULL;
    atomic_fetch_sub_explicit(&b->n_waiting, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->o.meter->waiting, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->n_rows, w->in->n_rows - w->n_done, memory_order_relaxed);
    return w;
}

// Under the lock. Fills `members` up to `rows`. What is over, or waited for too long, goes to *dropped.
static size_t take(batcher *b, size_t rows, waiting **dropped)
{
    uint64_t now = clock_monotonic_ns();
    size_t n_rows = 0;
    double most_ns = wait_max(b, now); // less than when it was let in, if the burst turned out to be none
    b->n_members = 0;
    for (queue *q; b->n_members < b->members_max && n_rows < rows && (q = next_queue(b));) {
        waiting *w = pop(b, q);
        bool late = w->n_done == 0 && (double)(now - w->begin_ns) > most_ns;
        if (late) atomic_store_explicit(&b->refused_ns, now, memory_order_relaxed);
        if (late || (w->over && w->over(w, now, NULL) < 0)) {
            w->next = *dropped;
            *dropped = w;
            continue;
        }
        size_t left = w->in->n_rows - w->n_done, n = left < rows - n_rows ? left : rows - n_rows;
        b->members[b->n_members] = w;
        b->shares[b->n_members++] = n;
        n_rows += n;
        if (!*b->o.merges) break;
    }
    bool shortened = atomic_load_explicit(&b->n_waiting, memory_order_relaxed) == 0;
    if (shortened)
        atomic_store_explicit(&b->standing_ns, 0, memory_order_relaxed);
    else if (atomic_load_explicit(&b->standing_ns, memory_order_relaxed) == 0)
        atomic_store_explicit(&b->standing_ns, now, memory_order_relaxed);
    return n_rows;
}

static bool wait_until(batcher *b, uint64_t until_ns)
{
    if (until_ns > INT64_MAX) until_ns = INT64_MAX;
    struct timespec t = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    return pthread_cond_timedwait(&b->wake, &b->lock, &t) == 0;
}

// Under the lock. While those who come soon make it worth it; not longer than twice the usual gap after the last.
static void gather(batcher *b, size_t rows)
{
    uint64_t most = *b->o.merges ? batch_wait_ns(b->o.cost, b->gap_ns) : 0;
    if (most == 0) return;
    uint64_t end = clock_monotonic_ns() + most;
    while (!b->ending && atomic_load_explicit(&b->n_rows, memory_order_relaxed) < rows) {
        uint64_t gap = 2 * (uint64_t)b->gap_ns, until = b->last_ns + (gap > WAIT_NS_MIN ? gap : WAIT_NS_MIN);
        if (until > end) until = end;
        if (clock_monotonic_ns() >= until || !wait_until(b, until)) return;
    }
}

// ---- a batch, put together, run and taken apart

static void finish(batcher *b, waiting *w, int rc, const err *e)
{
    batch_meter *m = b->o.meter;
    counter *what = rc == 0               ? &m->answered
                    : rc == ERR_CANCELLED ? &m->dropped_gone
                    : rc == ERR_TIMEOUT   ? &m->dropped_expired
                    : rc == ERR_BUSY      ? &m->refused
                                          : &m->failed;
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
    if (rc == 0) atomic_fetch_add_explicit(&m->answered_rows, w->in->n_rows, memory_order_relaxed);
    w->done(w, rc, e);
}

static void drop(batcher *b, waiting *w)
{
    for (waiting *next; w; w = next) {
        next = w->next;
        err e = ERR_NONE;
        int rc = w->over ? w->over(w, clock_monotonic_ns(), &e) : 0;
        if (rc == 0) rc = err_set(&e, ERR_BUSY, "this model is overloaded: the request has waited too long");
        finish(b, w, rc, &e);
    }
}

static void piece_of(batch *out, const batch *in, size_t first, size_t n, batch_column *columns)
{
    for (size_t i = 0; i < in->schema->n_inputs; i++) {
        const batch_column *c = &in->columns[i];
        columns[i] = (batch_column){.f32 = c->f32 ? c->f32 + first : NULL,
                                    .i64 = c->i64 ? c->i64 + first : NULL,
                                    .strings = c->strings ? c->strings + first : NULL};
    }
    *out = (batch){.schema = in->schema, .n_rows = n, .columns = columns};
}

static int put_together(batcher *b, batch *out, size_t n_rows, err *e)
{
    TRY(batch_new(out, b->o.schema, n_rows, &b->memory, e));
    size_t at = 0;
    for (size_t k = 0; k < b->n_members; k++) {
        const waiting *w = b->members[k];
        size_t n = b->shares[k], from = w->n_done;
        for (size_t i = 0; n > 0 && i < b->o.schema->n_inputs; i++) {
            const batch_column *c = &w->in->columns[i], *to = &out->columns[i];
            if (c->f32) memcpy(to->f32 + at, c->f32 + from, n * sizeof *c->f32);
            if (c->i64) memcpy(to->i64 + at, c->i64 + from, n * sizeof *c->i64);
            if (c->strings) memcpy(to->strings + at, c->strings + from, n * sizeof *c->strings);
        }
        at += n;
    }
    return 0;
}

// n of the rows of p, from `first` on, become the next rows of the request's answer.
static int take_scores(waiting *w, const prediction *p, size_t first, size_t n, err *e)
{
    prediction *out = w->out;
    if (!out->scores) {
        float *scores = arena_alloc(w->memory, w->in->n_rows, p->n_scores * sizeof *scores);
        int32_t *labels = p->labels ? arena_alloc(w->memory, w->in->n_rows, sizeof *labels) : NULL;
        if (!scores || (p->labels && !labels)) return err_set(e, ERR_MEMORY, "no memory for the scores of a request");
        *out = (prediction){.n_rows = w->in->n_rows, .n_scores = p->n_scores, .scores = scores, .labels = labels};
    }
    if (n == 0) return 0;
    memcpy((float *)out->scores + w->n_done * p->n_scores, p->scores + first * p->n_scores,
           n * p->n_scores * sizeof *p->scores);
    if (p->labels) memcpy((int32_t *)out->labels + w->n_done, p->labels + first, n * sizeof *p->labels);
    return 0;
}

static int run(batcher *b, const batch *in, prediction *out, arena *a, err *e)
{
    uint64_t start = clock_monotonic_ns();
    atomic_store_explicit(&b->busy_ns, start, memory_order_relaxed);
    int rc = b->o.engine->run(b->o.context, in, out, a, e);
    uint64_t spent = clock_monotonic_ns() - start;
    atomic_store_explicit(&b->busy_ns, 0, memory_order_relaxed);
    if (rc == 0) {
        cost_add(b->o.cost, in->n_rows, spent);
        batch_meter_add(b->o.meter, in->n_rows, spent);
    }
    return rc;
}

// A request as if it were the only one: what it is answered, failures included, is what others' rows cannot change.
static void run_alone(batcher *b, waiting *w)
{
    err e = ERR_NONE;
    int rc = w->over ? w->over(w, clock_monotonic_ns(), &e) : 0;
    if (rc == 0) rc = run(b, w->in, w->out, w->memory, &e);
    finish(b, w, rc, &e);
}

static void requeue(batcher *b, waiting *w)
{
    pthread_mutex_lock(&b->lock);
    w->since_ns = clock_monotonic_ns(); // behind the others: a long request is a row of short ones
    push(b, w);
    pthread_mutex_unlock(&b->lock);
}

static void take_apart(batcher *b, const prediction *p)
{
    size_t at = 0;
    for (size_t k = 0; k < b->n_members; k++) {
        waiting *w = b->members[k];
        err e = ERR_NONE;
        int rc = take_scores(w, p, at, b->shares[k], &e);
        at += b->shares[k];
        w->n_done += b->shares[k];
        if (rc == 0 && w->n_done < w->in->n_rows)
            requeue(b, w);
        else
            finish(b, w, rc, &e);
    }
}

static void run_members(batcher *b, size_t n_rows)
{
    waiting *first = b->members[0];
    if (b->n_members == 1 && n_rows == first->in->n_rows) {
        run_alone(b, first);
        return;
    }
    err e = ERR_NONE;
    batch in;
    prediction out;
    batch_column *columns = NULL;
    int rc = 0;
    if (b->n_members == 1) {
        columns = arena_alloc(&b->memory, b->o.schema->n_inputs, sizeof *columns);
        if (columns)
            piece_of(&in, first->in, first->n_done, n_rows, columns);
        else
            rc = err_set(&e, ERR_MEMORY, "no memory for a batch");
    } else {
        rc = put_together(b, &in, n_rows, &e);
    }
    if (rc == 0) rc = run(b, &in, &out, &b->memory, &e);
    if (rc == 0) {
        take_apart(b, &out);
    } else if (rc == ERR_BUSY || rc == ERR_TIMEOUT || rc == ERR_CANCELLED || rc == ERR_IO) {
        for (size_t k = 0; k < b->n_members; k++) // not their rows' fault: again would be no better
            finish(b, b->members[k], rc, &e);
    } else {
        for (size_t k = 0; k < b->n_members; k++) {
            *b->members[k]->out = (prediction){.n_rows = b->members[k]->in->n_rows};
            run_alone(b, b->members[k]);
        }
    }
    if (b->memory.used > KEPT_BYTES)
        arena_clear(&b->memory);
    else
        arena_reset(&b->memory);
}

// Under the lock, which it leaves to tend the engine. Until something waits, or the end.
static void wait_for_work(batcher *b)
{
    while (!b->ending && !next_queue(b)) {
        if (!b->o.engine->tend) {
            pthread_cond_wait(&b->wake, &b->lock);
            continue;
        }
        pthread_mutex_unlock(&b->lock);
        uint64_t next = b->o.engine->tend(b->o.context);
        pthread_mutex_lock(&b->lock);
        if (!b->ending && !next_queue(b)) wait_until(b, next);
    }
}

static void *serve(void *context)
{
    batcher *b = context;
    err e = ERR_NONE;
    int rc = b->o.engine->start ? b->o.engine->start(b->o.context, &e) : 0;
    pthread_mutex_lock(&b->lock);
    b->started = true;
    b->start_rc = rc;
    b->start_error = e;
    pthread_cond_broadcast(&b->wake);
    while (rc == 0) {
        wait_for_work(b);
        if (b->ending) break;
        size_t rows = batch_rows_max(b->o.cost, b->row_bytes, b->o.batch_bytes_max);
        gather(b, rows);
        waiting *dropped = NULL;
        size_t n_rows = take(b, rows, &dropped);
        pthread_mutex_unlock(&b->lock);
        drop(b, dropped);
        if (b->n_members > 0) run_members(b, n_rows);
        pthread_mutex_lock(&b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    if (b->o.engine->stop) b->o.engine->stop(b->o.context);
    return NULL;
}

// ---- birth and death

static size_t bytes_of_row(const schema *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->n_inputs; i++) {
        wire w = column_wire(s->inputs[i].type);
        bytes += w == WIRE_F32 ? sizeof(float) : w == WIRE_I64 ? sizeof(int64_t) : sizeof(str);
    }
    return bytes;
}

static int start(batcher *b, err *e)
{
    sigset_t all, before; // signals are for the thread that called server_run()
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int made = pthread_create(&b->thread, NULL, serve, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (made != 0) {
        b->joined = true;
        return err_set(e, ERR_MEMORY, "a thread cannot be started");
    }
    pthread_mutex_lock(&b->lock);
    while (!b->started) pthread_cond_wait(&b->wake, &b->lock);
    pthread_mutex_unlock(&b->lock);
    if (b->start_rc < 0 && e) *e = b->start_error;
    return b->start_rc;
}

int batcher_new(batcher **out, const batcher_options *o, err *e)
{
    batcher *b = mem_zalloc(1, sizeof *b);
    if (!b) return err_set(e, ERR_MEMORY, "no memory for a queue");
    b->o = *o;
    b->gap_ns = GAP_NS_MAX;
    b->row_bytes = bytes_of_row(o->schema);
    b->members_max = o->requests_max;
    arena_init(&b->memory, (size_t)2 << 30);
    pthread_mutex_init(&b->lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&b->wake, &clock);
    pthread_condattr_destroy(&clock);
    b->members = mem_alloc(b->members_max, sizeof(waiting *));
    b->shares = mem_alloc(b->members_max, sizeof *b->shares);
    int rc = 0;
    if (!b->members || !b->shares) {
        b->joined = true; // there is no thread
        rc = err_set(e, ERR_MEMORY, "no memory for a queue");
    }
    if (rc == 0) rc = start(b, e);
    if (rc < 0)
        batcher_free(b);
    else
        *out = b;
    return rc;
}

void batcher_stop(batcher *b)
{
    pthread_mutex_lock(&b->lock);
    bool mine = !b->joined;
    b->ending = b->joined = true;
    pthread_cond_broadcast(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (!mine) return;
    if (b->o.engine->abort) b->o.engine->abort(b->o.context);
    pthread_join(b->thread, NULL);
    err e = ERR_NONE;
    int rc = err_set(&e, ERR_CANCELLED, "the model is being unloaded, or the server stops");
    for (queue *q; (q = next_queue(b));) finish(b, pop(b, q), rc, &e);
}

void batcher_free(batcher *b)
{
    if (!b) return;
    batcher_stop(b);
    arena_clear(&b->memory);
    mem_free(b->members);
    mem_free(b->shares);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    mem_free(b);
}
