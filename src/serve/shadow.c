// Copies in a ring, the thread that predicts them, and the comparison.
// SPDX-License-Identifier: Apache-2.0
#include "serve/shadow.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { UNIT = 16, NICE = 19, FAULT_MAX = 240 };
enum { PREDICT_MEMORY_MAX = 256 << 20, PREDICT_MEMORY_KEPT = 1 << 20 };

// A copy in the ring. Its arrays follow in the order of the primary's columns, then scores and labels, then the bytes
// of texts. What is free in the ring is zero, so that a copy which is still being written has no state yet.
typedef enum copy_state { COPY_NONE, COPY_READY, COPY_SKIP } copy_state;
typedef struct copy {
    _Atomic uint32_t state;
    uint32_t size; // with what follows; a multiple of UNIT
    uint32_t n_rows, n_scores;
} copy;
_Static_assert(sizeof(copy) == UNIT, "a copy's head is the unit of the ring");

struct shadow {
    shadow *next; // the list's
    atomic_size_t n_owners;
    int64_t id;
    served *primary, *version; // held
    char fault[FAULT_MAX];     // "" if there is none
    int32_t *columns;          // of each of the version's: the primary's; -1: it is missing
    int32_t *classes;          // of each of the primary's: the version's; -1: it has none. NULL for values
    char *ring;                // SHADOW_WAITING_BYTES_MAX
    pthread_t thread;
    atomic_bool ended;                      // the thread's last act
    _Alignas(64) atomic_uint_fast64_t head; // bytes given out so far: by whoever offers
    atomic_uint_fast64_t tail;              // bytes free again: by the thread
    atomic_uint_fast64_t dropped_busy, dropped_large, refused;
    // Written by the thread:
    _Alignas(64) counter requests, failed, rows, other_label, spent_ns, latency[LATENCY_STEPS];
    _Atomic double difference;
};

void shadow_drop(shadow *s)
{
    if (s) atomic_fetch_sub(&s->n_owners, 1);
}

const served *shadow_version(const shadow *s)
{
    return s->version;
}

const char *shadow_fault(const shadow *s)
{
    return s->fault[0] ? s->fault : NULL;
}

void shadow_read(const shadow *s, shadow_reading *out)
{
    *out = (shadow_reading){
        .seen = {.requests = counter_get(&s->requests), .failed = counter_get(&s->failed) + counter_get(&s->refused)},
        .rows = counter_get(&s->rows),
        .other_label = counter_get(&s->other_label),
        .difference = atomic_load_explicit(&s->difference, memory_order_relaxed),
        .dropped_busy = counter_get(&s->dropped_busy),
        .dropped_large = counter_get(&s->dropped_large),
        .spent_ns = counter_get(&s->spent_ns)};
    for (size_t k = 0; k < LATENCY_STEPS; k++) out->seen.latency[k] = counter_get(&s->latency[k]);
}

// ---- leaving copies

static size_t padded(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

// Bytes of a copy; one that is too large may be counted short.
static size_t copy_size(const batch *in, const prediction *out)
{
    size_t size = sizeof(copy) + padded(out->n_rows * out->n_scores * sizeof(float), 8) +
                  (out->labels ? padded(out->n_rows * sizeof(int32_t), 8) : 0);
    for (size_t i = 0; i < in->schema->n_inputs && size <= SHADOW_COPY_BYTES_MAX; i++) {
        const batch_column *c = &in->columns[i];
        if (c->f32) size += padded(in->n_rows * sizeof *c->f32, 8);
        if (c->i64) size += in->n_rows * sizeof *c->i64;
        if (c->strings) size += in->n_rows * sizeof *c->strings;
        for (size_t row = 0; c->strings && row < in->n_rows; row++) size += c->strings[row].len;
    }
    return padded(size, UNIT);
}

// Room in the ring, or NULL. Several may ask at once: whoever moves the head has what it passed.
static copy *reserve(shadow *s, size_t size)
{
    uint64_t at = atomic_load_explicit(&s->head, memory_order_relaxed), skip;
    do {
        uint64_t to_end = SHADOW_WAITING_BYTES_MAX - at % SHADOW_WAITING_BYTES_MAX;
        skip = size > to_end ? to_end : 0; // a copy lies in one piece
        // Acquire: what the thread zeroed before it moved the tail is seen.
        uint64_t free_from = atomic_load_explicit(&s->tail, memory_order_acquire);
        if (at + skip + size - free_from > SHADOW_WAITING_BYTES_MAX) return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&s->head, &at, at + skip + size, memory_order_relaxed,
                                                    memory_order_relaxed));
    if (skip > 0) {
        copy *unused = (copy *)(s->ring + at % SHADOW_WAITING_BYTES_MAX);
        unused->size = (uint32_t)skip;
        atomic_store_explicit(&unused->state, COPY_SKIP, memory_order_release);
    }
    copy *c = (copy *)(s->ring + (at + skip) % SHADOW_WAITING_BYTES_MAX);
    c->size = (uint32_t)size;
    return c;
}

static char *put(char *to, const void *from, size_t size)
{
    if (size > 0) memcpy(to, from, size);
    return to + padded(size, 8);
}

static void fill(copy *c, const batch *in, const prediction *out)
{
    char *to = (char *)(c + 1);
    const size_t n = in->n_rows;
    c->n_rows = (uint32_t)n;
    c->n_scores = (uint32_t)out->n_scores;
    for (size_t i = 0; i < in->schema->n_inputs; i++) {
        const batch_column *from = &in->columns[i];
        if (from->f32) to = put(to, from->f32, n * sizeof *from->f32);
        if (from->i64) to = put(to, from->i64, n * sizeof *from->i64);
        if (from->strings) to = put(to, from->strings, n * sizeof *from->strings);
    }
    to = put(to, out->scores, n * out->n_scores * sizeof *out->scores);
    if (out->labels) to = put(to, out->labels, n * sizeof *out->labels);
    for (size_t i = 0; i < in->schema->n_inputs; i++) // after all that wants to be aligned
        for (size_t row = 0; in->columns[i].strings && row < n; row++) {
            str text = in->columns[i].strings[row];
            if (text.len > 0) memcpy(to, text.data, text.len);
            to += text.len;
        }
}

void shadow_offer(shadow *s, const served *by, const batch *in, const prediction *out)
{
    if (by != s->primary || in->n_rows != out->n_rows) return;
    if (s->fault[0]) {
        atomic_fetch_add_explicit(&s->refused, 1, memory_order_relaxed);
        return;
    }
    size_t size = copy_size(in, out);
    copy *c = size <= SHADOW_COPY_BYTES_MAX ? reserve(s, size) : NULL;
    if (!c) {
        atomic_fetch_add_explicit(size <= SHADOW_COPY_BYTES_MAX ? &s->dropped_busy : &s->dropped_large, 1,
                                  memory_order_relaxed);
        return;
    }
    fill(c, in, out);
    atomic_store_explicit(&c->state, COPY_READY, memory_order_release);
}

// ---- predicting them

// What fill() wrote, as views.
static int open_copy(const shadow *s, const copy *c, batch_column *columns, prediction *answered, arena *a, err *e)
{
    const schema *from = model_schema(s->primary->model);
    char *at = (char *)(c + 1);
    const size_t n = c->n_rows;
    for (size_t i = 0; i < from->n_inputs; i++) {
        wire w = column_wire(from->inputs[i].type);
        columns[i] = (batch_column){0};
        if (w == WIRE_F32) columns[i].f32 = (float *)at;
        if (w == WIRE_I64) columns[i].i64 = (int64_t *)at;
        if (w == WIRE_STRING && !(columns[i].strings = arena_alloc(a, n, sizeof(str))))
            return err_set(e, ERR_MEMORY, "no memory for a copy");
        if (w == WIRE_STRING) memcpy(columns[i].strings, at, n * sizeof(str));
        at += padded(n * (w == WIRE_F32 ? sizeof(float) : w == WIRE_I64 ? sizeof(int64_t) : sizeof(str)), 8);
    }
    *answered = (prediction){.n_rows = n, .n_scores = c->n_scores, .scores = (const float *)at};
    at += padded(n * c->n_scores * sizeof(float), 8);
    if (s->classes) {
        answered->labels = (const int32_t *)at;
        at += padded(n * sizeof(int32_t), 8);
    }
    for (size_t i = 0; i < from->n_inputs; i++)
        for (size_t row = 0; columns[i].strings && row < n; row++) {
            columns[i].strings[row].data = at; // its length is that of the text that was copied
            at += columns[i].strings[row].len;
        }
    return 0;
}

static bool is_missing(const batch_column *c, size_t row)
{
    return c->f32 ? isnan(c->f32[row]) : c->i64 ? c->i64[row] == WIRE_I64_MISSING : c->strings[row].len == 0;
}

// The primary's columns as the version wants them.
static int arrange(const shadow *s, batch *in, const batch_column *from, size_t n_rows, arena *a, err *e)
{
    const schema *wants = model_schema(s->version->model);
    TRY(batch_new(in, wants, n_rows, a, e)); // all missing
    for (size_t i = 0; i < wants->n_inputs; i++) {
        if (s->columns[i] < 0) continue;
        in->columns[i] = from[s->columns[i]];
        for (size_t row = 0; !wants->inputs[i].missing_ok && row < n_rows; row++)
            if (is_missing(&in->columns[i], row))
                return err_set(e, ERR_INPUT, "column \"%.80s\" is missing", wants->inputs[i].name);
    }
    return 0;
}

static int predict(const shadow *s, const copy *c, prediction *answered, prediction *out, uint64_t *spent_ns, arena *a,
                   err *e)
{
    batch in;
    running *how = s->version->running;
    batch_column *from = arena_alloc(a, model_schema(s->primary->model)->n_inputs, sizeof *from);
    if (!from) return err_set(e, ERR_MEMORY, "no memory for a copy");
    TRY(open_copy(s, c, from, answered, a, e));
    TRY(arrange(s, &in, from, c->n_rows, a, e));
    // This thread waits behind all others; what the prediction costs is the time that it ran.
    uint64_t start = how->queue ? clock_monotonic_ns() : clock_thread_ns();
    TRY(running_predict(how, &in, out, a, e));
    *spent_ns = (how->queue ? clock_monotonic_ns() : clock_thread_ns()) - start;
    return 0;
}

static void compare(shadow *s, const prediction *answered, const prediction *out)
{
    double sum = 0;
    size_t n_other = 0;
    for (size_t row = 0; row < answered->n_rows; row++) {
        const float *theirs = answered->scores + row * answered->n_scores, *ours = out->scores + row * out->n_scores;
        int32_t label = s->classes ? answered->labels[row] : 0, same = s->classes ? s->classes[label] : 0;
        double difference = fabs((double)theirs[label] - (same >= 0 ? (double)ours[same] : 0));
        n_other += s->classes && out->labels[row] != same;
        sum += isfinite(difference) ? difference : 0;
    }
    counter_add(&s->rows, answered->n_rows);
    counter_add(&s->other_label, n_other);
    atomic_store_explicit(&s->difference, atomic_load_explicit(&s->difference, memory_order_relaxed) + sum,
                          memory_order_relaxed);
}

static void try_copy(shadow *s, const copy *c, arena *a)
{
    prediction answered, out;
    uint64_t spent_ns;
    err e = ERR_NONE;
    int rc = predict(s, c, &answered, &out, &spent_ns, a, &e);
    if (rc == ERR_BUSY || rc == ERR_MEMORY) atomic_fetch_add_explicit(&s->dropped_busy, 1, memory_order_relaxed);
    if (rc == ERR_BUSY || rc == ERR_MEMORY || rc == ERR_CANCELLED) return;
    if (rc < 0) {
        if (counter_get(&s->failed) == 0)
            log_event(LOG_WARN, "shadow failed", "%s, version %" PRId64 ": %s", s->version->name, s->version->version,
                      e.msg);
        counter_add(&s->failed, 1);
        return;
    }
    compare(s, &answered, &out);
    counter_add(&s->requests, 1);
    counter_add(&s->spent_ns, spent_ns);
    counter_add(&s->latency[latency_step(spent_ns)], 1);
}

static bool is_owned(const shadow *s)
{
    return atomic_load_explicit(&s->n_owners, memory_order_acquire) > 0;
}

// Those that lie before `until`, in the order in which they were left.
static void try_copies(shadow *s, uint64_t until, arena *a)
{
    for (uint64_t at; (at = counter_get(&s->tail)) < until && is_owned(s);) {
        copy *c = (copy *)(s->ring + at % SHADOW_WAITING_BYTES_MAX);
        uint32_t state = atomic_load_explicit(&c->state, memory_order_acquire);
        if (state == COPY_NONE) return; // somebody is still at it
        if (state == COPY_READY) try_copy(s, c, a);
        size_t size = c->size;
        memset(c, 0, size);
        atomic_store_explicit(&s->tail, at + size, memory_order_release);
        if (a->used > PREDICT_MEMORY_KEPT)
            arena_clear(a);
        else
            arena_reset(a);
    }
}

static void *run(void *context)
{
    shadow *s = context;
    const struct timespec pause = {.tv_nsec = SHADOW_LOOK_MS * 1000000};
    uint64_t until = 0;
    arena a;
    arena_init(&a, PREDICT_MEMORY_MAX);
    int rc =
        setpriority(PRIO_PROCESS, 0, NICE); // on Linux of this thread alone; without leave nothing is lost but that
    (void)rc;
    while (is_owned(s)) {
        uint64_t left = counter_get(&s->head); // ripe at the next look
        try_copies(s, until, &a);
        until = left;
        nanosleep(&pause, NULL);
    }
    arena_clear(&a);
    atomic_store_explicit(&s->ended, true, memory_order_release);
    return NULL;
}

// ---- what fits to what

static int32_t find_input(const schema *s, const char *name)
{
    for (size_t i = 0; i < s->n_inputs; i++)
        if (strcmp(s->inputs[i].name, name) == 0) return (int32_t)i;
    return -1;
}

static int match_columns(shadow *s, const schema *has, const schema *wants, err *e)
{
    s->columns = mem_alloc(wants->n_inputs, sizeof *s->columns);
    if (!s->columns) return err_set(e, ERR_MEMORY, "no memory for a shadow");
    for (size_t i = 0; i < wants->n_inputs; i++) {
        const schema_input *in = &wants->inputs[i];
        int32_t at = s->columns[i] = find_input(has, in->name);
        if (at < 0 && !in->missing_ok)
            snprintf(s->fault, sizeof s->fault, "it wants a column \"%.80s\", which version %" PRId64 " is not sent",
                     in->name, s->primary->version);
        if (at >= 0 && column_wire(has->inputs[at].type) != column_wire(in->type))
            snprintf(s->fault, sizeof s->fault, "column \"%.80s\" is %s to it, and %s to version %" PRId64, in->name,
                     column_type_name(in->type), column_type_name(has->inputs[at].type), s->primary->version);
    }
    for (size_t i = 0; i < has->n_inputs && !s->fault[0]; i++)
        if (find_input(wants, has->inputs[i].name) < 0)
            snprintf(s->fault, sizeof s->fault, "it knows no column \"%.80s\", which version %" PRId64 " is sent",
                     has->inputs[i].name, s->primary->version);
    return 0;
}

static int match_classes(shadow *s, const schema_target *has, const schema_target *wants, err *e)
{
    if (has->task != wants->task) {
        snprintf(s->fault, sizeof s->fault, "its task is %s", task_name(wants->task));
        return 0;
    }
    if (has->task != TASK_CLASSIFICATION) return 0;
    s->classes = mem_alloc(has->n_classes, sizeof *s->classes);
    if (!s->classes) return err_set(e, ERR_MEMORY, "no memory for a shadow");
    for (size_t i = 0; i < has->n_classes; i++) {
        s->classes[i] = -1;
        for (size_t k = 0; k < wants->n_classes; k++)
            if (strcmp(has->classes[i], wants->classes[k]) == 0) s->classes[i] = (int32_t)k;
    }
    return 0;
}

// ---- their lives

static void shadow_free(shadow *s)
{
    served_drop(s->primary);
    served_drop(s->version);
    mem_free(s->columns);
    mem_free(s->classes);
    mem_free(s->ring);
    mem_free(s);
}

static int begin(shadow *s, err *e)
{
    const schema *has = model_schema(s->primary->model), *wants = model_schema(s->version->model);
    if (!(s->ring = mem_zalloc(SHADOW_WAITING_BYTES_MAX, 1))) return err_set(e, ERR_MEMORY, "no memory for copies");
    TRY(match_columns(s, has, wants, e));
    TRY(match_classes(s, &has->target, &wants->target, e));
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : err_set(e, ERR_MEMORY, "a thread cannot be started");
}

static bool hold_if_owned(shadow *s)
{
    size_t n = atomic_load(&s->n_owners);
    while (n > 0 && !atomic_compare_exchange_weak(&s->n_owners, &n, n + 1)) continue;
    return n > 0;
}

int shadows_take(shadows *all, shadow **out, int64_t id, served *primary, served *version, err *e)
{
    for (shadow *s = all->first; s; s = s->next) {
        if (s->id != id || s->primary != primary || s->version != version || !hold_if_owned(s)) continue;
        *out = s;
        return 0;
    }
    shadow *s = mem_aligned(_Alignof(shadow), 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a shadow");
    memset(s, 0, sizeof *s);
    atomic_init(&s->n_owners, 1);
    s->id = id;
    s->primary = served_hold(primary);
    s->version = served_hold(version);
    int rc = begin(s, e);
    if (rc < 0) {
        shadow_free(s);
        return rc;
    }
    log_event(LOG_INFO, "shadow begins", "%s, version %" PRId64 " beside %" PRId64 "%s%s", version->name,
              version->version, primary->version, s->fault[0] ? ": " : "", s->fault);
    s->next = all->first;
    *out = all->first = s;
    return 0;
}

static void sweep(shadows *all, bool wait)
{
    for (shadow **at = &all->first, *s; (s = *at);) {
        if (!wait && !atomic_load_explicit(&s->ended, memory_order_acquire)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        pthread_join(s->thread, NULL);
        shadow_free(s);
    }
}

void shadows_sweep(shadows *all)
{
    sweep(all, false);
}

void shadows_clear(shadows *all)
{
    sweep(all, true);
}
