// Bins between the deciles of the training rows, and the most frequent categories; fewer bins where rows are few, so
// that what is called drift is not the baseline's own noise.
// SPDX-License-Identifier: Apache-2.0
#include "model/baseline.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/task_error.h"
#include "model/driver.h"
#include "prepare/statistics.h"

enum { DECILES = QUANTILES_N - 1, BIN_ROWS_MIN = 50, MEMBERS_MAX = 20, MEMBER_ROWS_MIN = 10 };
_Static_assert((int)DECILES <= (int)BASELINE_BINS_MAX && (int)MEMBERS_MAX < (int)BASELINE_BINS_MAX, "bins have room");

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for reference distributions");
}

void baseline_clear(baseline *r)
{
    mem_free(r->inputs);
    *r = (baseline){0};
}

float baseline_score(const schema_target *t, const float *scores, size_t n_scores)
{
    if (n_scores == 0) return NAN;
    if (t->task == TASK_REGRESSION) return scores[0];
    if (n_scores == 2) return scores[1];
    float best = scores[0];
    for (size_t i = 1; i < n_scores; i++)
        if (scores[i] > best || isnan(scores[i])) best = scores[i];
    return best;
}

// ---- numbers

// The deciles that are edges of bins, as values travel: all of them, every second, or the median.
static void set_edges(distribution *d, const double quantiles[QUANTILES_N], double max, uint64_t n_rows, bool dates)
{
    size_t step = n_rows >= DECILES * BIN_ROWS_MIN ? 1 : n_rows >= DECILES / 2 * BIN_ROWS_MIN ? 2 : DECILES / 2;
    double last = dates ? max : (double)(float)max;
    size_t n = 0;
    for (size_t q = step; q < DECILES; q += step) {
        double edge = dates ? floor(quantiles[q]) : (double)(float)quantiles[q];
        if (!(edge < last) || (n > 0 && edge <= d->edges[n - 1])) continue; // nothing lies above, or between
        d->edges[n++] = edge;
    }
    d->n_bins = n + 1;
}

// Interpolated deciles may have nothing between them.
static void join_empty_bins(distribution *d)
{
    size_t n = 0, before = 0;
    for (size_t i = 0; i < d->n_bins; i++) {
        if (d->counts[i] == 0) continue;
        if (n > 0) d->edges[n - 1] = d->edges[before];
        d->counts[n++] = d->counts[i];
        before = i;
    }
    for (size_t i = n; i < d->n_bins; i++) d->counts[i] = 0;
    d->n_bins = n > 0 ? n : 1;
}

typedef struct counting { // what the tasks share, one task an input
    const schema *s;
    const frame *f;
    const uint32_t *rows;
    size_t n_rows;
    distribution *inputs;
    task_error errors;
} counting;

static int count_numbers(distribution *d, const counting *t, const schema_input *in, err *e)
{
    int64_t index = frame_find(t->f, in->name);
    if (index < 0) return err_set(e, ERR_INPUT, "column \"%.80s\" is missing", in->name);
    const column *c = frame_column(t->f, (size_t)index);
    bool dates = column_wire(in->type) == WIRE_I64;
    uint64_t n_missing = 0;
    for (size_t i = 0; i < t->n_rows; i++) n_missing += column_missing(c, t->rows[i]);
    d->missing = n_missing;
    set_edges(d, in->quantiles, in->max, t->n_rows - n_missing, dates);
    for (size_t i = 0; i < t->n_rows; i++) {
        uint32_t row = t->rows[i];
        if (column_missing(c, row)) continue;
        double x = c->storage == STORAGE_F64 ? c->f64[row] : (double)c->i64[row];
        d->counts[distribution_bin(d, dates ? x : (double)(float)x)]++; // as it travels
    }
    join_empty_bins(d);
    return 0;
}

// ---- members of a list

// The most frequent ones, in the order of the list; the lower place of equals.
static void count_members(distribution *d, const uint64_t *counts, size_t n)
{
    size_t n_members = 0;
    for (size_t k = 0; k < n; k++) {
        if (counts[k] < MEMBER_ROWS_MIN) continue;
        size_t at = n_members < MEMBERS_MAX ? n_members++ : MEMBERS_MAX; // by falling count, for now
        if (at == MEMBERS_MAX && counts[d->members[MEMBERS_MAX - 1]] >= counts[k]) continue;
        if (at == MEMBERS_MAX) at--;
        for (; at > 0 && counts[d->members[at - 1]] < counts[k]; at--) d->members[at] = d->members[at - 1];
        d->members[at] = (uint32_t)k;
    }
    for (size_t i = 1; i < n_members; i++) {
        uint32_t member = d->members[i];
        size_t at = i;
        for (; at > 0 && d->members[at - 1] > member; at--) d->members[at] = d->members[at - 1];
        d->members[at] = member;
    }
    d->n_bins = n_members + 1;
    for (size_t k = 0, at = 0; k < n; k++) {
        bool named = at < n_members && d->members[at] == k;
        d->counts[named ? at : n_members] += counts[k];
        at += named;
    }
}

static void count_categories(distribution *d, const counting *t, const schema_input *in)
{
    uint64_t n_there = 0;
    for (size_t k = 0; k < in->n_categories; k++) n_there += in->counts[k];
    d->missing = t->n_rows > n_there ? t->n_rows - n_there : 0;
    count_members(d, in->counts, in->n_categories);
}

static void count_input(void *context, size_t i, size_t worker)
{
    (void)worker;
    counting *t = context;
    const schema_input *in = &t->s->inputs[i];
    err e = ERR_NONE;
    int rc = 0;
    if (task_error_before(&t->errors, i)) return;
    if (column_wire(in->type) == WIRE_STRING)
        count_categories(&t->inputs[i], t, in);
    else
        rc = count_numbers(&t->inputs[i], t, in, &e);
    if (rc < 0) task_error_set(&t->errors, i, rc, &e);
}

int baseline_of_inputs(baseline *out, const schema *s, const frame *f, const uint32_t *rows, size_t n_rows,
                       pool *workers, err *e)
{
    size_t n = s->n_inputs < BASELINE_INPUTS_MAX ? s->n_inputs : BASELINE_INPUTS_MAX;
    counting t = {.s = s, .f = f, .rows = rows, .n_rows = n_rows};
    t.inputs = mem_zalloc(n, sizeof *t.inputs);
    if (!t.inputs) return no_memory(e);
    task_error_init(&t.errors);
    pool_run(workers, n, count_input, &t);
    int rc = task_error_end(&t.errors, e);
    if (rc < 0)
        mem_free(t.inputs);
    else
        *out = (baseline){.n_inputs = n, .inputs = t.inputs, .n_rows = n_rows};
    return rc;
}

// ---- scores

static int count_scores(distribution *d, const schema_target *t, const prediction *p, err *e)
{
    double *values = mem_alloc(p->n_rows, sizeof *values), *scratch = mem_alloc(p->n_rows, sizeof *scratch);
    size_t n = 0;
    int rc = values && scratch ? 0 : no_memory(e);
    for (size_t row = 0; row < p->n_rows && rc == 0; row++) {
        float score = baseline_score(t, p->scores + row * p->n_scores, p->n_scores);
        if (!isnan(score)) values[n++] = (double)score;
    }
    if (rc == 0) {
        number_statistics s;
        number_statistics_of(&s, values, scratch, n);
        d->missing = p->n_rows - n;
        set_edges(d, s.quantiles, s.max, n, false);
        for (size_t i = 0; i < n; i++) d->counts[distribution_bin(d, values[i])]++;
        join_empty_bins(d);
    }
    mem_free(values);
    mem_free(scratch);
    return rc;
}

static int count_classes(distribution *d, const schema_target *t, const prediction *p, err *e)
{
    uint64_t *counts = mem_zalloc(t->n_classes, sizeof *counts);
    if (!counts) return no_memory(e);
    for (size_t row = 0; row < p->n_rows; row++) {
        int32_t label = p->labels[row];
        if (label >= 0 && (size_t)label < t->n_classes)
            counts[label]++;
        else
            d->missing++;
    }
    count_members(d, counts, t->n_classes);
    mem_free(counts);
    return 0;
}

int baseline_of_scores(baseline *io, const schema_target *t, const prediction *p, err *e)
{
    distribution scores = {0}, classes = {0};
    TRY(count_scores(&scores, t, p, e));
    if (p->labels) TRY(count_classes(&classes, t, p, e));
    io->scores = scores;
    io->classes = classes;
    io->n_score_rows = p->n_rows;
    return 0;
}
