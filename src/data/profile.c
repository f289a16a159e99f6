// Profiles: every column on its own, equal rows by hash, then what is worth saying.
// SPDX-License-Identifier: Apache-2.0
#include "data/profile.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "data/dictionary_impl.h"
#include "data/sort_impl.h"

static const char *const kind_names[FINDING_KINDS_N] = {
    [FINDING_MISSING] = "missing",
    [FINDING_CONSTANT] = "constant",
    [FINDING_IDENTIFIER] = "identifier",
    [FINDING_TEXT] = "text",
    [FINDING_MANY] = "many",
    [FINDING_IMBALANCE] = "imbalance",
    [FINDING_LEAK] = "leak",
    [FINDING_DUPLICATES] = "duplicates",
};

const char *finding_kind_name(finding_kind k)
{
    assert((unsigned)k < FINDING_KINDS_N);
    return kind_names[k];
}

// ---- one column ----

static double value_of_key(const column *c, uint64_t key)
{
    return c->storage == STORAGE_F64 ? f64_of_key(key) : (double)i64_of_key(key);
}

// The keys of the values that are there, unsorted; returns how many.
static size_t fill_keys(const column *c, size_t n_rows, uint64_t *keys, uint32_t *rows)
{
    size_t n = 0;
    for (size_t row = 0; row < n_rows; row++) {
        if (column_missing(c, row)) continue;
        if (rows) rows[n] = (uint32_t)row;
        keys[n++] = c->storage == STORAGE_F64 ? key_of_f64(c->f64[row]) : key_of_i64(c->i64[row]);
    }
    return n;
}

static double quantile(const column *c, const uint64_t *keys, size_t n, double share)
{
    double at = share * (double)(n - 1);
    size_t below = (size_t)at;
    double low = value_of_key(c, keys[below]);
    double high = value_of_key(c, keys[below + 1 < n ? below + 1 : below]);
    double part = at - (double)below;
    return low == high || part == 0 ? low : low + (high - low) * part; // inf - inf never meets
}

static int profile_numbers(column_profile *p, const column *c, size_t n_rows)
{
    p->min = p->max = p->mean = p->std = NAN;
    for (size_t i = 0; i < QUANTILES_N; i++) p->quantiles[i] = NAN;
    size_t room = n_rows - c->n_missing;
    uint64_t *keys = mem_alloc(room, sizeof *keys), *scratch = mem_alloc(room, sizeof *scratch);
    if (!keys || !scratch) {
        mem_free(keys);
        mem_free(scratch);
        return ERR_MEMORY;
    }
    size_t n = fill_keys(c, n_rows, keys, NULL);
    sort_keys(keys, scratch, NULL, NULL, n);
    mem_free(scratch);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        p->n_distinct += i == 0 || keys[i] != keys[i - 1];
        sum += value_of_key(c, keys[i]);
    }
    if (n) {
        p->min = value_of_key(c, keys[0]);
        p->max = value_of_key(c, keys[n - 1]);
        p->mean = sum / (double)n;
        for (size_t i = 0; i < n; i++) {
            double apart = value_of_key(c, keys[i]) - p->mean;
            squares += apart * apart;
        }
        p->std = sqrt(squares / (double)n);
        for (size_t i = 0; i < QUANTILES_N; i++) p->quantiles[i] = quantile(c, keys, n, (double)i / (QUANTILES_N - 1));
    }
    mem_free(keys);
    return 0;
}

static void keep_top(column_profile *p, str text, uint64_t count)
{
    size_t at = p->n_top;
    while (at > 0 &&
           (p->top_counts[at - 1] < count || (p->top_counts[at - 1] == count && str_compare(text, p->top[at - 1]) < 0)))
        at--;
    if (at == PROFILE_TOP_N) return;
    if (p->n_top < PROFILE_TOP_N) p->n_top++;
    for (size_t i = p->n_top - 1; i > at; i--) {
        p->top[i] = p->top[i - 1];
        p->top_counts[i] = p->top_counts[i - 1];
    }
    p->top[at] = text;
    p->top_counts[at] = count;
}

static int profile_categories(column_profile *p, const column *c, size_t n_rows)
{
    uint64_t *counts = mem_zalloc(c->n_strings, sizeof *counts);
    if (!counts) return ERR_MEMORY;
    for (size_t row = 0; row < n_rows; row++)
        if (c->codes[row] >= 0) counts[c->codes[row]]++;
    for (size_t i = 0; i < c->n_strings; i++) {
        p->n_distinct += counts[i] > 0;
        if (counts[i]) keep_top(p, c->strings[i], counts[i]);
    }
    mem_free(counts);
    return 0;
}

static int profile_texts(column_profile *p, const column *c)
{
    dictionary d;
    dictionary_init(&d, NULL);
    uint64_t *counts = mem_zalloc(c->n_strings, sizeof *counts);
    int rc = counts ? 0 : ERR_MEMORY;
    for (size_t i = 0; i < c->n_strings && rc == 0; i++) {
        str text = c->strings[i];
        int32_t code = dictionary_add(&d, text, hash_bytes(text.data, text.len, 0), true);
        if (code < 0)
            rc = code;
        else
            counts[code]++;
    }
    p->n_distinct = d.n;
    for (size_t i = 0; i < d.n && rc == 0; i++) keep_top(p, dictionary_text(&d, i), counts[i]);
    dictionary_clear(&d);
    mem_free(counts);
    return rc;
}

static int profile_column(column_profile *p, const column *c, size_t n_rows)
{
    p->n_missing = c->n_missing;
    if (c->storage != STORAGE_STRING)
        TRY(profile_numbers(p, c, n_rows));
    else if (c->type == COLUMN_CATEGORY)
        TRY(profile_categories(p, c, n_rows));
    else
        TRY(profile_texts(p, c));
    p->constant = n_rows > 0 && p->n_distinct + (p->n_missing > 0) <= 1;
    return 0;
}

// ---- equal rows ----

enum { BLOCK_ROWS = 1 << 16 };

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static void hash_rows(const frame *f, uint64_t *hashes, size_t first, size_t end)
{
    for (size_t row = first; row < end; row++) hashes[row] = 0;
    for (size_t i = 0; i < frame_n_columns(f); i++) {
        const column *c = frame_column(f, i);
        for (size_t row = first; row < end; row++) {
            uint64_t value;
            if (column_missing(c, row))
                value = 0x5bd1e995;
            else if (c->storage == STORAGE_F64)
                value = key_of_f64(c->f64[row]);
            else if (c->storage == STORAGE_I64)
                value = key_of_i64(c->i64[row]);
            else if (c->type == COLUMN_CATEGORY)
                value = (uint64_t)c->codes[row];
            else
                value = hash_bytes(c->strings[c->codes[row]].data, c->strings[c->codes[row]].len, 0);
            hashes[row] = mix(hashes[row], value);
        }
    }
}

static bool rows_equal(const frame *f, size_t a, size_t b)
{
    for (size_t i = 0; i < frame_n_columns(f); i++) {
        const column *c = frame_column(f, i);
        bool missing = column_missing(c, a);
        if (missing != column_missing(c, b)) return false;
        if (missing) continue;
        if (c->storage == STORAGE_F64 && c->f64[a] != c->f64[b]) return false;
        if (c->storage == STORAGE_I64 && c->i64[a] != c->i64[b]) return false;
        if (c->storage == STORAGE_STRING && !str_equal(c->strings[c->codes[a]], c->strings[c->codes[b]])) return false;
    }
    return true;
}

// ---- what tells the target ----

enum { CLASSES_MAX = 20, LEAK_ROWS_MIN = 50, INTERVAL_ROWS_MIN = 10, ROWS_A_VALUE = 20 };

typedef struct target_view {
    const column *column; // NULL without a target
    size_t n_classes;     // 0: a number to be estimated
    int32_t *classes;     // of every row, -1 if missing; owned
    uint64_t *counts;     // n_classes; owned
    str names[CLASSES_MAX];
    char texts[CLASSES_MAX][COLUMN_TEXT_SIZE];
} target_view;

// Classes of a category, a boolean, or few whole numbers.
static int view_target(target_view *v, const frame *f, int64_t target, const column_profile *p)
{
    if (target < 0) return 0;
    const column *c = v->column = frame_column(f, (size_t)target);
    size_t n = frame_n_rows(f), n_distinct = p[target].n_distinct;
    bool whole = c->type == COLUMN_INTEGER || c->type == COLUMN_BOOLEAN;
    if ((!whole && c->type != COLUMN_CATEGORY) || n_distinct > CLASSES_MAX) return 0;
    v->classes = mem_alloc(n, sizeof *v->classes);
    v->counts = mem_zalloc(CLASSES_MAX, sizeof *v->counts);
    if (!v->classes || !v->counts) return ERR_MEMORY;
    size_t first_row[CLASSES_MAX];
    for (size_t row = 0; row < n; row++) {
        v->classes[row] = -1;
        if (column_missing(c, row)) continue;
        size_t k = 0;
        while (k < v->n_classes &&
               (whole ? c->i64[first_row[k]] != c->i64[row] : c->codes[first_row[k]] != c->codes[row]))
            k++;
        if (k == v->n_classes) {
            first_row[k] = row;
            v->names[k] = column_text(c, row, v->texts[k]);
            v->n_classes++;
        }
        v->classes[row] = (int32_t)k;
        v->counts[k]++;
    }
    return 0;
}

// Share of the rows whose class is the most frequent one of their label (0..n_labels-1).
static int purity_of(double *out, const target_view *v, const uint32_t *label, size_t n_labels, size_t n_rows)
{
    uint64_t *table = mem_zalloc(n_labels * v->n_classes, sizeof *table);
    if (!table) return ERR_MEMORY;
    uint64_t n = 0, right = 0;
    for (size_t row = 0; row < n_rows; row++) {
        if (v->classes[row] < 0) continue;
        table[label[row] * v->n_classes + (size_t)v->classes[row]]++;
        n++;
    }
    for (size_t k = 0; k < n_labels; k++) {
        uint64_t most = 0;
        for (size_t c = 0; c < v->n_classes; c++) {
            uint64_t count = table[k * v->n_classes + c];
            most = count > most ? count : most;
        }
        right += most;
    }
    mem_free(table);
    *out = n ? (double)right / (double)n : 0;
    return 0;
}

// Intervals of a number that each have one class, as far as that goes (1R: Holte, 1993): an interval ends where a row
// of another class follows, once its most frequent class has enough rows. Equal values stay together; missing is label
// 0.
static int label_numbers(const target_view *v, const column *c, size_t n_rows, uint32_t *label, size_t *n_labels)
{
    size_t room = n_rows - c->n_missing;
    uint64_t *keys = mem_alloc(room, 2 * sizeof *keys);
    uint32_t *rows = mem_alloc(room, 2 * sizeof *rows);
    if (!keys || !rows) {
        mem_free(keys);
        mem_free(rows);
        return ERR_MEMORY;
    }
    size_t n = fill_keys(c, n_rows, keys, rows);
    sort_keys(keys, keys + room, rows, rows + room, n);
    memset(label, 0, n_rows * sizeof *label);
    uint32_t interval = 1;
    size_t counts[CLASSES_MAX] = {0}, most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t class = v->classes[rows[i]];
        if (class >= 0 && i > 0 && keys[i] != keys[i - 1] && (size_t) class != most &&
            counts[most] >= INTERVAL_ROWS_MIN) {
            interval++;
            memset(counts, 0, sizeof counts);
        }
        label[rows[i]] = interval;
        if (class >= 0 && ++counts[class] > counts[most]) most = (size_t) class;
    }
    *n_labels = (size_t)interval + 1;
    mem_free(keys);
    mem_free(rows);
    return 0;
}

static int label_rows(const target_view *v, const column *c, size_t n_rows, uint32_t *label, size_t *n_labels)
{
    if (c->storage != STORAGE_STRING) return label_numbers(v, c, n_rows, label, n_labels);
    for (size_t row = 0; row < n_rows; row++) label[row] = (uint32_t)(c->codes[row] + 1);
    *n_labels = c->n_strings + 1;
    return 0;
}

static double correlation(const column *a, const column *b, size_t n_rows, size_t *n)
{
    double mean_a = 0, mean_b = 0, aa = 0, bb = 0, ab = 0;
    size_t seen = 0;
    for (size_t row = 0; row < n_rows; row++) { // Welford's recurrence, for two at once
        if (column_missing(a, row) || column_missing(b, row)) continue;
        double x = a->storage == STORAGE_F64 ? a->f64[row] : (double)a->i64[row];
        double y = b->storage == STORAGE_F64 ? b->f64[row] : (double)b->i64[row];
        seen++;
        double dx = x - mean_a, dy = y - mean_b;
        mean_a += dx / (double)seen;
        mean_b += dy / (double)seen;
        aa += dx * (x - mean_a);
        bb += dy * (y - mean_b);
        ab += dx * (y - mean_b);
    }
    *n = seen;
    return ab / sqrt(aa * bb);
}

// How well the column alone tells the target: 0 not at all, 1 perfectly. Below LEAK_ROWS_MIN rows nothing is said.
static int leak_of(double *out, const target_view *v, const column *c, const column_profile *p, size_t n_rows)
{
    *out = 0;
    bool usable = c != v->column && !p->constant && c->type != COLUMN_IDENTIFIER && c->type != COLUMN_TEXT;
    if (!usable || n_rows < LEAK_ROWS_MIN) return 0;
    if (v->n_classes == 0) {
        if (c->storage == STORAGE_STRING || v->column->storage == STORAGE_STRING) return 0;
        size_t n;
        double r = fabs(correlation(c, v->column, n_rows, &n));
        *out = n >= LEAK_ROWS_MIN && r > 0 ? r : 0; // NaN compares false
        return 0;
    }
    if (c->storage == STORAGE_STRING && p->n_distinct > n_rows / ROWS_A_VALUE) return 0; // would fit by chance
    uint32_t *label = mem_alloc(n_rows, sizeof *label);
    size_t n_labels;
    double purity = 0;
    int rc = label ? label_rows(v, c, n_rows, label, &n_labels) : ERR_MEMORY;
    if (rc == 0) rc = purity_of(&purity, v, label, n_labels, n_rows);
    mem_free(label);
    if (rc < 0) return rc;
    uint64_t most = 0, all = 0;
    for (size_t k = 0; k < v->n_classes; k++) {
        most = v->counts[k] > most ? v->counts[k] : most;
        all += v->counts[k];
    }
    double base = all ? (double)most / (double)all : 1; // what the most frequent class alone gets right
    *out = base < 1 ? (purity - base) / (1 - base) : 0;
    return 0;
}

// ---- the pass over everything ----

typedef struct pass {
    const frame *frame;
    column_profile *columns;
    const target_view *target;
    double *leaks; // a column
    uint64_t *hashes;
    int *rcs; // a column
} pass;

static void run_column(void *context, size_t i, size_t worker)
{
    (void)worker;
    pass *s = context;
    s->rcs[i] = profile_column(&s->columns[i], frame_column(s->frame, i), frame_n_rows(s->frame));
}

static void run_leak(void *context, size_t i, size_t worker)
{
    (void)worker;
    pass *s = context;
    const column *c = frame_column(s->frame, i);
    s->rcs[i] = leak_of(&s->leaks[i], s->target, c, &s->columns[i], frame_n_rows(s->frame));
}

static void run_hash(void *context, size_t i, size_t worker)
{
    (void)worker;
    pass *s = context;
    size_t first = i * BLOCK_ROWS, end = first + BLOCK_ROWS;
    hash_rows(s->frame, s->hashes, first, end < frame_n_rows(s->frame) ? end : frame_n_rows(s->frame));
}

static int worst(const int *rcs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rcs[i] < 0) return rcs[i];
    return 0;
}

static int count_duplicates(pass *s, pool *workers, size_t *out)
{
    size_t n = frame_n_rows(s->frame), n_equal = 0;
    *out = 0;
    if (n == 0 || frame_n_columns(s->frame) == 0) return 0;
    uint64_t *hashes = s->hashes = mem_alloc(n, 2 * sizeof *hashes);
    uint32_t *rows = mem_alloc(n, 2 * sizeof *rows);
    int rc = hashes && rows ? 0 : ERR_MEMORY;
    if (rc == 0) {
        pool_run(workers, (n + BLOCK_ROWS - 1) / BLOCK_ROWS, run_hash, s);
        for (size_t i = 0; i < n; i++) rows[i] = (uint32_t)i;
        sort_keys(hashes, hashes + n, rows, rows + n, n);
        for (size_t i = 1; i < n; i++)
            n_equal += hashes[i] == hashes[i - 1] && rows_equal(s->frame, rows[i], rows[i - 1]);
        *out = n_equal;
    }
    mem_free(hashes);
    mem_free(rows);
    s->hashes = NULL;
    return rc;
}

// ---- findings ----

static const double MISSING_SHARE = 0.2, RARE_SHARE = 0.05, DUPLICATE_SHARE = 0.01, LEAK_CLASSES = 0.98,
                    LEAK_NUMBERS = 0.999;
enum { MANY_VALUES = 100, MANY_VALUES_MIN = 20 };

__attribute__((format(printf, 4, 5))) static void say(profile *p, finding_kind kind, int64_t index, const char *format,
                                                      ...)
{
    finding *f = &p->findings[p->n_findings++];
    f->kind = kind;
    f->column = index;
    va_list args;
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
}

static double percent(size_t part, size_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

static void look_at_column(profile *p, finding_kind kind, const column *c, size_t i, size_t n_rows, double leak)
{
    const column_profile *cp = &p->columns[i];
    int64_t index = (int64_t)i;
    const char *name = c->name;
    switch (kind) {
    case FINDING_MISSING:
        if (!cp->constant && (double)cp->n_missing > MISSING_SHARE * (double)n_rows)
            say(p, kind, index, "\"%.80s\" is missing in %.0f%% of the rows.", name, percent(cp->n_missing, n_rows));
        break;
    case FINDING_CONSTANT:
        if (cp->constant && cp->n_missing)
            say(p, kind, index, "\"%.80s\" is empty in every row and tells nothing.", name);
        else if (cp->constant)
            say(p, kind, index, "\"%.80s\" has the same value in every row and tells nothing.", name);
        break;
    case FINDING_IDENTIFIER:
        if (c->type == COLUMN_IDENTIFIER)
            say(p, kind, index, "\"%.80s\" names the rows: a model could only learn it by heart.", name);
        break;
    case FINDING_TEXT:
        if (c->type == COLUMN_TEXT)
            say(p, kind, index, "\"%.80s\" is free text, which models of tables cannot use.", name);
        break;
    case FINDING_MANY:
        if (c->type == COLUMN_CATEGORY &&
            (cp->n_distinct > MANY_VALUES || (cp->n_distinct > MANY_VALUES_MIN && cp->n_distinct * 3 > n_rows)))
            say(p, kind, index, "\"%.80s\" has %zu different values, many for a category.", name, cp->n_distinct);
        break;
    case FINDING_LEAK:
        if (leak > 0) say(p, kind, index, "\"%.80s\" alone tells the target: is it known before the answer is?", name);
        break;
    default: break;
    }
}

static void look_at_target(profile *p, const target_view *v, int64_t target)
{
    if (v->n_classes < 2) return;
    size_t rarest = 0;
    uint64_t all = 0;
    for (size_t k = 0; k < v->n_classes; k++) {
        all += v->counts[k];
        if (v->counts[k] < v->counts[rarest] ||
            (v->counts[k] == v->counts[rarest] && str_compare(v->names[k], v->names[rarest]) < 0))
            rarest = k;
    }
    if ((double)v->counts[rarest] >= RARE_SHARE * (double)all) return;
    say(p, FINDING_IMBALANCE, target, "Only %llu of %llu rows have %.60s = \"%.*s\" (%.2g%%): accuracy alone misleads.",
        (unsigned long long)v->counts[rarest], (unsigned long long)all, v->column->name,
        (int)(v->names[rarest].len > 40 ? 40 : v->names[rarest].len), v->names[rarest].data,
        percent(v->counts[rarest], all));
}

static void find(profile *p, const frame *f, const target_view *v, int64_t target, const double *leaks)
{
    size_t n_rows = frame_n_rows(f);
    for (unsigned kind = 0; kind < FINDING_KINDS_N && n_rows > 0; kind++) {
        if (kind == FINDING_IMBALANCE) look_at_target(p, v, target);
        if (kind == FINDING_DUPLICATES && (double)p->n_duplicate_rows > DUPLICATE_SHARE * (double)n_rows)
            say(p, kind, -1, "%zu of %zu rows (%.1f%%) equal an earlier one in every column.", p->n_duplicate_rows,
                n_rows, percent(p->n_duplicate_rows, n_rows));
        for (size_t i = 0; i < p->n_columns; i++) {
            double bar = v->n_classes ? LEAK_CLASSES : LEAK_NUMBERS;
            bool leaks_it = target >= 0 && leaks[i] >= bar;
            look_at_column(p, (finding_kind)kind, frame_column(f, i), i, n_rows, leaks_it ? leaks[i] : 0);
        }
    }
}

int profile_make(profile *out, const frame *f, int64_t target, pool *workers, err *e)
{
    size_t n = frame_n_columns(f);
    assert(target < (int64_t)n);
    profile p = {.n_columns = n};
    target_view v = {0};
    double *leaks = mem_zalloc(n, sizeof *leaks);
    int *rcs = mem_zalloc(n, sizeof *rcs);
    p.columns = mem_zalloc(n, sizeof *p.columns);
    p.findings = mem_zalloc(n * FINDING_KINDS_N + 2, sizeof *p.findings);
    int rc = leaks && rcs && p.columns && p.findings ? 0 : ERR_MEMORY;
    pass s = {.frame = f, .columns = p.columns, .target = &v, .leaks = leaks, .rcs = rcs};
    if (rc == 0) {
        pool_run(workers, n, run_column, &s);
        rc = worst(rcs, n);
    }
    if (rc == 0) rc = view_target(&v, f, target, p.columns);
    if (rc == 0 && target >= 0) {
        pool_run(workers, n, run_leak, &s);
        rc = worst(rcs, n);
    }
    if (rc == 0) rc = count_duplicates(&s, workers, &p.n_duplicate_rows);
    if (rc == 0) find(&p, f, &v, target, leaks);
    mem_free(v.classes);
    mem_free(v.counts);
    mem_free(leaks);
    mem_free(rcs);
    if (rc < 0) {
        profile_clear(&p);
        return err_set(e, rc, "no memory for profiling %zu columns of %zu rows", n, frame_n_rows(f));
    }
    *out = p;
    return 0;
}

void profile_clear(profile *p)
{
    mem_free(p->columns);
    mem_free(p->findings);
    *p = (profile){0};
}

// ---- likely targets ----

static bool name_is(const char *name, const char *lower)
{
    for (; *name && *lower; name++, lower++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + ('a' - 'A')) : *name;
        if (c != *lower) return false;
    }
    return !*name && !*lower;
}

enum { SCORE_NAME = 100, SCORE_LAST = 40, SCORE_CLASSES = 25, SCORE_TWO = 10, SCORE_FIRST = 10 };

static int score(const column_profile *p, const column *c, size_t index, size_t n_columns, size_t n_rows)
{
    // What data sets call it, the surest first.
    static const char *const names[] = {
        "target",  "label",    "class",  "y",      "outcome", "survived", "species",  "diagnosis", "churn",
        "default", "response", "result", "output", "price",   "quality",  "income",   "salary",    "sales",
        "medv",    "is_fraud", "fraud",  "spam",   "rating",  "score",    "category", "type",      "status",
    };
    const int n_names = sizeof names / sizeof *names;
    if (p->constant || c->type == COLUMN_IDENTIFIER || c->type == COLUMN_TEXT || c->type == COLUMN_DATETIME) return 0;
    if (c->type == COLUMN_CATEGORY && p->n_distinct > MANY_VALUES) return 0;
    int points = 1;
    for (int i = 0; i < n_names; i++)
        if (name_is(c->name, names[i])) points += SCORE_NAME + n_names - i;
    if (index + 1 == n_columns) points += SCORE_LAST;
    bool classes = p->n_distinct >= 2 && p->n_distinct <= CLASSES_MAX && p->n_distinct * 5 <= n_rows;
    if (classes && c->type != COLUMN_REAL) {
        points += SCORE_CLASSES;
        if (p->n_distinct == 2) points += SCORE_TWO;
        if (index == 0) points += SCORE_FIRST;
    }
    return points;
}

size_t profile_likely_targets(const profile *p, const frame *f, size_t *out, size_t n_max)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_columns; i++) {
        int points = score(&p->columns[i], frame_column(f, i), i, p->n_columns, frame_n_rows(f));
        if (points == 0) continue;
        size_t at = n;
        while (at > 0 && score(&p->columns[out[at - 1]], frame_column(f, out[at - 1]), out[at - 1], p->n_columns,
                               frame_n_rows(f)) < points)
            at--;
        if (at == n_max) continue;
        if (n < n_max) n++;
        memmove(out + at + 1, out + at, (n - 1 - at) * sizeof *out);
        out[at] = i;
    }
    return n;
}

// ---- JSON ----

static json_t *text_to_json(str text)
{
    return json_stringn(text.data, text.len);
}

static int fill_column(json_t *o, const column_profile *p, const column *c, err *e)
{
    TRY(json_put(o, "name", json_string(c->name), e));
    TRY(json_put(o, "type", json_string(column_type_name(c->type)), e));
    TRY(json_put(o, "n_missing", json_integer((json_int_t)p->n_missing), e));
    TRY(json_put(o, "n_distinct", json_integer((json_int_t)p->n_distinct), e));
    TRY(json_put(o, "constant", json_boolean(p->constant), e));
    json_t *list = json_array();
    TRY(json_put(o, c->storage == STORAGE_STRING ? "top" : "quantiles", list, e));
    if (c->storage != STORAGE_STRING) {
        TRY(json_put(o, "min", json_number(p->min), e));
        TRY(json_put(o, "max", json_number(p->max), e));
        TRY(json_put(o, "mean", json_number(p->mean), e));
        TRY(json_put(o, "std", json_number(p->std), e));
        for (size_t i = 0; i < QUANTILES_N; i++) TRY(json_push(list, json_number(p->quantiles[i]), e));
        return 0;
    }
    for (size_t i = 0; i < p->n_top; i++) {
        json_t *top = json_object();
        TRY(json_push(list, top, e));
        TRY(json_put(top, "value", text_to_json(p->top[i]), e));
        TRY(json_put(top, "count", json_integer((json_int_t)p->top_counts[i]), e));
    }
    return 0;
}

static int fill_profile(json_t *o, const profile *p, const frame *f, err *e)
{
    TRY(json_put(o, "n_rows", json_integer((json_int_t)frame_n_rows(f)), e));
    TRY(json_put(o, "n_duplicate_rows", json_integer((json_int_t)p->n_duplicate_rows), e));
    json_t *columns = json_array();
    TRY(json_put(o, "columns", columns, e));
    for (size_t i = 0; i < p->n_columns; i++) {
        json_t *one = json_object();
        TRY(json_push(columns, one, e));
        TRY(fill_column(one, &p->columns[i], frame_column(f, i), e));
    }
    json_t *findings = json_array();
    TRY(json_put(o, "findings", findings, e));
    for (size_t i = 0; i < p->n_findings; i++) {
        const finding *found = &p->findings[i];
        json_t *one = json_object();
        TRY(json_push(findings, one, e));
        TRY(json_put(one, "kind", json_string(finding_kind_name(found->kind)), e));
        const char *name = found->column >= 0 ? frame_column(f, (size_t)found->column)->name : NULL;
        TRY(json_put(one, "column", name ? json_string(name) : json_null(), e));
        TRY(json_put(one, "text", json_string(found->text), e));
    }
    return 0;
}

int profile_to_json(const profile *p, const frame *f, json_t **out, err *e)
{
    json_t *o = json_object();
    if (!o) return err_set(e, ERR_MEMORY, "no memory for the profile's JSON");
    int rc = fill_profile(o, p, f, e);
    if (rc < 0) {
        json_decref(o);
        return rc;
    }
    *out = o;
    return 0;
}
