// A slot is written by its thread alone, without a lock prefix; whoever reads adds the slots up. A window that is over
// is taken again: its number is withdrawn before its counts are cleared. Counts are stored with release and loaded with
// acquire (plain moves on x86), so a reader that met one of the new window also meets, when it looks at the number
// again, that it is no longer the old one; then it starts anew.
// SPDX-License-Identifier: Apache-2.0
#include "serve/drift.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "engine/label_table.h"
#include "serve/guards.h"

enum { EDGES_FEW = 12, SECOND_BITS = 10, WINDOWS_N = 2, READS_MAX = 8 }; // a second of 1024 ms will do
static const size_t TABLES_MEMORY_MAX = (size_t)1 << 30;
#define NO_WINDOW INT64_MIN

typedef atomic_uint_least32_t count;

// One input, or the scores. Its counts: of the bins, then missing, then unknown.
typedef struct watched {
    wire wire;
    uint32_t n_bins, at;                // of its counts in a window's
    float edges[BASELINE_BINS_MAX - 1]; // infinite past the last
    int64_t dates[BASELINE_BINS_MAX - 1];
    label_table table; // of all categories
    uint8_t *bin_of;   // category -> bin
} watched;

typedef struct window {
    _Atomic int64_t number; // now_ms / window_ms, or NO_WINDOW
    count n_rows;
    count counts[];
} window;

typedef struct slot { // a thread's own, but for its windows
    _Alignas(64) int64_t second;
    uint32_t left; // rows that are still counted in this second
    window *now, *windows[WINDOWS_N];
} slot;

struct drift {
    arena tables;
    const schema *schema;
    const baseline *baseline;
    int64_t window_ms;
    size_t n_watched, n_counts, n_slots, window_size;
    watched *inputs; // n_watched
    watched scores;
    uint8_t *class_bin; // class -> bin; NULL for regression
    uint32_t classes_at;
    char *windows; // n_slots * WINDOWS_N of window_size
    slot *slots;
};

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory to watch for drift");
}

// ---- making

static uint32_t take_counts(drift *d, size_t n_bins)
{
    size_t at = d->n_counts;
    d->n_counts += n_bins + 2;
    return (uint32_t)at;
}

static void watch_numbers(watched *w, drift *d, const distribution *b, wire travels)
{
    w->wire = travels;
    w->n_bins = (uint32_t)b->n_bins;
    w->at = take_counts(d, b->n_bins);
    for (size_t i = 0; i < BASELINE_BINS_MAX - 1; i++) {
        bool there = i + 1 < b->n_bins;
        w->edges[i] = there ? (float)b->edges[i] : INFINITY;
        w->dates[i] = there && fabs(b->edges[i]) < 9e18 ? (int64_t)floor(b->edges[i]) : INT64_MAX;
    }
}

// Bins of the members of a list; all others are the last.
static uint8_t *bins_of(drift *d, const distribution *b, size_t n)
{
    uint8_t *bins = arena_alloc(&d->tables, n, 1);
    if (!bins) return NULL;
    if (n > 0) memset(bins, (int)b->n_bins - 1, n);
    for (size_t i = 0; i + 1 < b->n_bins; i++) bins[b->members[i]] = (uint8_t)i;
    return bins;
}

static int watch_texts(watched *w, drift *d, const distribution *b, const schema_input *in, err *e)
{
    w->wire = WIRE_STRING;
    w->n_bins = (uint32_t)b->n_bins;
    w->at = take_counts(d, b->n_bins);
    str *keys = arena_alloc(&d->tables, in->n_categories, sizeof *keys);
    w->bin_of = bins_of(d, b, in->n_categories);
    if (!keys || !w->bin_of) return no_memory(e);
    for (size_t k = 0; k < in->n_categories; k++) keys[k] = str_of(in->categories[k]);
    return label_table_make(&w->table, DTYPE_STRING, keys, in->n_categories, LABEL_FIRST_WINS, &d->tables, e);
}

static int watch(drift *d, err *e)
{
    const baseline *b = d->baseline;
    d->n_watched = b->n_inputs;
    d->inputs = arena_zalloc(&d->tables, b->n_inputs, sizeof *d->inputs);
    if (!d->inputs) return no_memory(e);
    for (size_t i = 0; i < b->n_inputs; i++) {
        const schema_input *in = &d->schema->inputs[i];
        if (column_wire(in->type) == WIRE_STRING)
            TRY(watch_texts(&d->inputs[i], d, &b->inputs[i], in, e));
        else
            watch_numbers(&d->inputs[i], d, &b->inputs[i], column_wire(in->type));
    }
    watch_numbers(&d->scores, d, &b->scores, WIRE_F32);
    if (b->classes.n_bins == 0) return 0;
    d->classes_at = take_counts(d, b->classes.n_bins);
    d->class_bin = bins_of(d, &b->classes, d->schema->target.n_classes);
    return d->class_bin ? 0 : no_memory(e);
}

int drift_new(drift **out, const schema *s, const baseline *b, size_t n_slots, int64_t window_ms, err *e)
{
    drift *d = mem_zalloc(1, sizeof *d);
    if (!d) return no_memory(e);
    arena_init(&d->tables, TABLES_MEMORY_MAX);
    d->schema = s;
    d->baseline = b;
    d->window_ms = window_ms;
    d->n_slots = n_slots;
    int rc = watch(d, e);
    if (rc < 0) goto failed;
    d->window_size = (sizeof(window) + d->n_counts * sizeof(count) + 63) / 64 * 64;
    d->slots = mem_aligned(_Alignof(slot), n_slots, sizeof *d->slots);
    d->windows = mem_aligned(64, n_slots, WINDOWS_N * d->window_size);
    if (!d->slots || !d->windows) {
        rc = no_memory(e);
        goto failed;
    }
    memset(d->slots, 0, n_slots * sizeof *d->slots);
    memset(d->windows, 0, n_slots * WINDOWS_N * d->window_size);
    for (size_t i = 0; i < n_slots; i++) {
        d->slots[i].second = INT64_MIN;
        for (size_t k = 0; k < WINDOWS_N; k++) {
            window *w = (window *)(void *)(d->windows + (i * WINDOWS_N + k) * d->window_size);
            atomic_init(&w->number, NO_WINDOW);
            d->slots[i].windows[k] = w;
        }
    }
    *out = d;
    return 0;
failed:
    drift_free(d);
    return rc;
}

void drift_free(drift *d)
{
    if (!d) return;
    arena_clear(&d->tables);
    mem_free(d->slots);
    mem_free(d->windows);
    mem_free(d);
}

size_t drift_memory(const drift *d)
{
    return d ? sizeof *d + d->n_slots * (sizeof *d->slots + WINDOWS_N * d->window_size) + d->tables.used : 0;
}

int64_t drift_window_ms(const drift *d)
{
    return d->window_ms;
}

// ---- counting

static inline void add(count *c)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_release);
}

// The windows of a number take turns.
static void begin_second(const drift *d, slot *t, int64_t now_ms)
{
    int64_t number = now_ms / d->window_ms;
    window *w = t->windows[number % WINDOWS_N];
    t->second = now_ms >> SECOND_BITS;
    t->left = DRIFT_ROWS_A_SECOND;
    t->now = w;
    if (atomic_load_explicit(&w->number, memory_order_relaxed) == number) return;
    atomic_store_explicit(&w->number, NO_WINDOW, memory_order_relaxed);
    atomic_store_explicit(&w->n_rows, 0, memory_order_release);
    for (size_t i = 0; i < d->n_counts; i++) atomic_store_explicit(&w->counts[i], 0, memory_order_release);
    atomic_store_explicit(&w->number, number, memory_order_release);
}

// Without a branch on the number of edges: those past the last are infinite.
static inline size_t bin_of_float(const watched *w, float x)
{
    uint32_t bin = 0;
    if (w->n_bins <= EDGES_FEW + 1)
        for (size_t i = 0; i < EDGES_FEW; i++) bin += w->edges[i] < x;
    else
        for (size_t i = 0; i < BASELINE_BINS_MAX - 1; i++) bin += w->edges[i] < x;
    return bin < w->n_bins ? bin : w->n_bins - 1; // nothing finite lies past infinity
}

static inline size_t bin_of_date(const watched *w, int64_t x)
{
    size_t bin = 0;
    for (size_t i = 0; i + 1 < w->n_bins; i++) bin += w->dates[i] < x;
    return bin;
}

static inline size_t place_of_float(const watched *w, float x)
{
    return isnan(x) ? w->n_bins : bin_of_float(w, x);
}

static inline size_t place_of_text(const watched *w, str x)
{
    if (x.len == 0) return w->n_bins;
    int32_t category = label_find_string(&w->table, x);
    return category < 0 ? w->n_bins + 1 : w->bin_of[category];
}

static void count_input(const watched *w, count *all, const batch_column *c, size_t n, size_t stride)
{
    count *own = all + w->at;
    switch (w->wire) {
    case WIRE_F32:
        for (size_t i = 0; i < n; i++) add(&own[place_of_float(w, c->f32[i * stride])]);
        break;
    case WIRE_I64:
        for (size_t i = 0; i < n; i++) {
            int64_t x = c->i64[i * stride];
            add(&own[x == WIRE_I64_MISSING ? w->n_bins : bin_of_date(w, x)]);
        }
        break;
    default:
        for (size_t i = 0; i < n; i++) add(&own[place_of_text(w, c->strings[i * stride])]);
    }
}

static void count_answers(const drift *d, count *all, const prediction *out, size_t n, size_t stride)
{
    const schema_target *t = &d->schema->target;
    for (size_t i = 0; i < n; i++) {
        size_t row = i * stride;
        float score = baseline_score(t, out->scores + row * out->n_scores, out->n_scores);
        add(&all[d->scores.at + place_of_float(&d->scores, score)]);
        if (!d->class_bin || !out->labels) continue;
        size_t n_bins = d->baseline->classes.n_bins;
        uint32_t class = (uint32_t)out->labels[row];
        add(&all[d->classes_at + (class < t->n_classes ? d->class_bin[class] : n_bins)]);
    }
}

void drift_count(drift *d, size_t slot_index, const batch *in, const prediction *out, int64_t now_ms)
{
    slot *t = &d->slots[slot_index];
    if (now_ms >> SECOND_BITS != t->second) begin_second(d, t, now_ms);
    if (t->left == 0) return;
    size_t n = in->n_rows < DRIFT_ROWS_A_REQUEST ? in->n_rows : DRIFT_ROWS_A_REQUEST;
    if (n > t->left) n = t->left;
    if (n == 0) return;
    size_t stride = in->n_rows / n;
    t->left -= (uint32_t)n;
    window *w = t->now;
    atomic_store_explicit(&w->n_rows, atomic_load_explicit(&w->n_rows, memory_order_relaxed) + (uint32_t)n,
                          memory_order_release);
    for (size_t i = 0; i < d->n_watched; i++) count_input(&d->inputs[i], w->counts, &in->columns[i], n, stride);
    count_answers(d, w->counts, out, n, stride);
}

// ---- reading

// Adds a window's counts, if it is one of the two that count. False: it changed meanwhile.
static bool add_window(uint64_t *sums, uint64_t *n_rows, int64_t *oldest, uint32_t *copy, const drift *d,
                       const window *w, int64_t number)
{
    int64_t has = atomic_load_explicit(&w->number, memory_order_acquire);
    if (has == NO_WINDOW || has < number - 1 || has > number) return has != NO_WINDOW;
    uint32_t n = atomic_load_explicit(&w->n_rows, memory_order_acquire);
    for (size_t i = 0; i < d->n_counts; i++) copy[i] = atomic_load_explicit(&w->counts[i], memory_order_acquire);
    if (atomic_load_explicit(&w->number, memory_order_relaxed) != has) return false;
    for (size_t i = 0; i < d->n_counts; i++) sums[i] += copy[i];
    *n_rows += n;
    if (has < *oldest) *oldest = has;
    return true;
}

static drift_seen seen_at(const uint64_t *sums, size_t at, size_t n_bins)
{
    drift_seen s = {.missing = sums[at + n_bins], .unknown = sums[at + n_bins + 1]};
    memcpy(s.counts, sums + at, n_bins * sizeof *sums);
    s.counts[n_bins - 1] += s.unknown;
    return s;
}

int drift_read(drift_reading *out, const drift *d, int64_t now_ms, err *e)
{
    int64_t number = now_ms / d->window_ms, oldest = number;
    drift_reading r = {.n_inputs = d->n_watched};
    uint64_t *sums = mem_zalloc(d->n_counts, sizeof *sums);
    uint32_t *copy = mem_alloc(d->n_counts, sizeof *copy);
    r.inputs = mem_zalloc(d->n_watched, sizeof *r.inputs);
    int rc = sums && copy && r.inputs ? 0 : no_memory(e);
    for (size_t i = 0; i < d->n_slots * WINDOWS_N && rc == 0; i++) {
        const window *w = d->slots[i / WINDOWS_N].windows[i % WINDOWS_N];
        for (int k = 0; k < READS_MAX && !add_window(sums, &r.n_rows, &oldest, copy, d, w, number); k++) continue;
    }
    for (size_t i = 0; i < d->n_watched && rc == 0; i++)
        r.inputs[i] = seen_at(sums, d->inputs[i].at, d->inputs[i].n_bins);
    if (rc == 0) {
        r.scores = seen_at(sums, d->scores.at, d->scores.n_bins);
        if (d->class_bin) r.classes = seen_at(sums, d->classes_at, d->baseline->classes.n_bins);
        r.from_ms = oldest * d->window_ms;
    }
    mem_free(sums);
    mem_free(copy);
    if (rc < 0)
        mem_free(r.inputs);
    else
        *out = r;
    return rc;
}

void drift_reading_clear(drift_reading *r)
{
    mem_free(r->inputs);
    *r = (drift_reading){0};
}

// ---- measuring

static uint64_t sum_of(const uint64_t *numbers, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += numbers[i];
    return sum;
}

drift_measure drift_measure_of(const drift_seen *seen, const distribution *before)
{
    size_t n = before->n_bins, n_used = 0;
    uint64_t now[BASELINE_BINS_MAX + 1], then[BASELINE_BINS_MAX + 1];
    memcpy(now, seen->counts, n * sizeof *now);
    memcpy(then, before->counts, n * sizeof *then);
    now[n] = seen->missing;
    then[n] = before->missing;
    uint64_t rows = sum_of(now, n + 1), rows_before = sum_of(then, n + 1);
    drift_measure m = {.n_rows = rows, .psi = psi_of(now, then, n + 1), .by_chance = NAN};
    m.missing = rows > 0 ? (double)seen->missing / (double)rows : NAN;
    m.unknown = rows > 0 ? (double)seen->unknown / (double)rows : NAN;
    m.missing_before = rows_before > 0 ? (double)before->missing / (double)rows_before : NAN;
    for (size_t i = 0; i <= n; i++) n_used += now[i] > 0 || then[i] > 0;
    if (rows > 0 && rows_before > 0) m.by_chance = (double)(n_used - 1) * (1 / (double)rows + 1 / (double)rows_before);
    if (rows < DRIFT_ROWS_MIN || isnan(m.psi)) return m;
    m.verdict = m.psi < DRIFT_MODERATE ? "stable" : m.psi < DRIFT_STRONG ? "moderate" : "drifted";
    return m;
}
