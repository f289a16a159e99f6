// CSV to a frame. One pass counts rows, part by part, so that every part knows where its rows belong; types are guessed
// from rows here and there; then the parts are read straight into the columns. A column whose guess was wrong is read
// again by a wider type, so the types are those of the whole file.
// SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/task_error.h"
#include "base/utf8.h"
#include "data/csv_impl.h"
#include "data/store_impl.h"
#include "data/value.h"

enum {
    PART_BYTES = 256 << 10,    // fits the second cache with the ends of its cells
    PART_BYTES_MAX = 16 << 20, // for files with very long rows
    ROWS_A_PART = 16,          // at least, where rows are long
    SAMPLE_PARTS = 8,
    SAMPLE_ROWS = 256, // of each, fewer if there are many columns
    SAMPLE_CELLS = 1 << 15,
    PASSES_MAX = 8, // a column is read again at most once for each of its kinds
};

// Whole rows, from one offset to another.
typedef struct csv_range {
    size_t start, end;
    bool doubtful; // split by the machine
} csv_range;

typedef struct worker {
    char *buffer; // the text of a part
    uint32_t *ends;
    char *scratch; // a cell without its quotes
    size_t cap;    // bytes of buffer and scratch; ends has room for 64 more
} worker;

typedef struct reader {
    const source *source;
    const read_options *options;
    budget *budget;
    pool *pool;
    const csv_scanner *scanner;
    csv_layout layout;
    missing_set missing;
    const char **names; // views of the store's; n_columns
    store store;
    worker *workers;
    size_t part_size, n_workers;

    csv_count *counts; // while rows are counted
    size_t n_counts;

    store_part *parts;
    csv_range *ranges;
    size_t n_parts;
    bool open_quote; // the row after the last one has a quote that is never closed

    // One pass:
    const uint32_t *columns; // that are read in it
    size_t n_pass_columns;
    uint16_t *pass_workers; // of every part
    atomic_uint *kinds;     // of every column: what the values that did not fit could be
    atomic_bool *misfit;    // of every column
    task_error failed;      // of the earliest part
} reader;

// ---- workers ----

static void worker_clear(reader *r, worker *w)
{
    mem_free(w->buffer);
    mem_free(w->ends);
    mem_free(w->scratch);
    budget_give(r->budget, 6 * w->cap);
    *w = (worker){0};
}

// Room for a text of len bytes. What was in the buffers is lost.
static int worker_reserve(reader *r, worker *w, size_t len, err *e)
{
    if (len <= w->cap) return 0;
    size_t cap = len + len / 8;
    if (cap > UINT32_MAX) return err_set(e, ERR_LIMIT, "rows of %zu bytes", len);
    worker_clear(r, w);
    if (!budget_take(r->budget, 6 * cap)) {
        char limit[BYTES_TEXT_SIZE];
        return err_set(e, ERR_LIMIT, "rows of %zu bytes need more than the limit of %s of memory", len,
                       format_bytes(r->budget->max, limit));
    }
    w->cap = cap;
    w->buffer = mem_alloc(cap, 1);
    w->ends = mem_alloc(cap + 64, sizeof *w->ends);
    w->scratch = mem_alloc(cap, 1);
    if (w->buffer && w->ends && w->scratch) return 0;
    worker_clear(r, w);
    return err_set(e, ERR_MEMORY, "no memory for rows of %zu bytes", len);
}

// ---- counting rows ----

static size_t count_start(const reader *r, size_t i)
{
    return r->layout.start + i * r->part_size;
}

static size_t count_end(const reader *r, size_t i)
{
    size_t end = count_start(r, i + 1);
    return end < r->source->len ? end : r->source->len;
}

// The part's text, with the two bytes before it and the one after.
static int view_count(reader *r, size_t i, worker *w, str *text, char before[2], char *after, err *e)
{
    char newline = r->layout.dialect.newline;
    size_t start = count_start(r, i), end = count_end(r, i);
    size_t n_before = i ? 2 : 0, n_after = end < r->source->len; // parts have two bytes at least
    TRY(worker_reserve(r, w, r->part_size + 3, e));
    str all;
    TRY(source_view(r->source, start - n_before, end - start + n_before + n_after, w->buffer, &all, e));
    before[0] = n_before ? all.data[0] : newline;
    before[1] = n_before ? all.data[1] : newline;
    *after = n_after ? all.data[all.len - 1] : newline;
    *text = (str){all.data + n_before, end - start};
    return 0;
}

static void run_count(void *context, size_t i, size_t index)
{
    reader *r = context;
    worker *w = &r->workers[index];
    if (task_error_before(&r->failed, i)) return;
    err e = ERR_NONE;
    str text;
    char before[2], after;
    int rc = view_count(r, i, w, &text, before, &after, &e);
    if (rc < 0) {
        task_error_set(&r->failed, i, rc, &e);
        return;
    }
    r->scanner->count(&r->counts[i], text, before, after, r->layout.dialect);
}

// The state after a part that was scanned: its last byte tells what the parity of quotes does not.
static csv_state state_after(const reader *r, bool inside, char last)
{
    csv_dialect d = r->layout.dialect;
    if (inside) return CSV_QUOTED;
    if (last == d.delimiter || last == d.newline) return CSV_CELL_START;
    return last == '"' ? CSV_CLOSED : CSV_UNQUOTED;
}

static void add_part(reader *r, size_t start, size_t end, size_t n_rows, bool doubtful)
{
    if (n_rows == 0) return;
    store_part *last = r->n_parts ? &r->parts[r->n_parts - 1] : NULL;
    size_t first_row = last ? last->first_row + last->n_rows : 0;
    r->parts[r->n_parts] = (store_part){.first_row = first_row, .n_rows = n_rows};
    r->ranges[r->n_parts++] = (csv_range){.start = start, .end = end, .doubtful = doubtful};
}

static size_t n_rows_so_far(const reader *r)
{
    return r->n_parts ? r->parts[r->n_parts - 1].first_row + r->parts[r->n_parts - 1].n_rows : 0;
}

// The last bytes of the file make a row without a newline, unless there are none (or a lone '\r').
static int add_last_row(reader *r, size_t start, bool doubtful, err *e)
{
    size_t len = r->source->len - start;
    if (len == 0) return 0;
    if (len == 1 && r->layout.dialect.newline == '\n') {
        char byte;
        str text;
        TRY(source_view(r->source, start, 1, &byte, &text, e));
        if (text.data[0] == '\r') return 0;
    }
    add_part(r, start, r->source->len, 1, doubtful);
    return 0;
}

// From counts under two suppositions to what is: parts with their rows, in order.
static int join_counts(reader *r, err *e)
{
    csv_state state = CSV_CELL_START;
    size_t row_start = r->layout.start;
    bool doubtful = false; // some part since row_start
    for (size_t i = 0; i < r->n_counts; i++) {
        csv_count *c = &r->counts[i];
        worker *w = &r->workers[0];
        str text;
        char edge[2], after;
        int h = state == CSV_QUOTED;
        size_t start = count_start(r, i);
        TRY(source_view(r->source, count_end(r, i) - 1, 1, edge, &text, e));
        char last = text.data[0];
        // Only this state can end in a quote that is a letter; the scan would take it for one that closes.
        bool by_machine = c->doubtful[h] || state == CSV_UNQUOTED;
        if (by_machine && !c->doubtful[h]) {
            TRY(source_view(r->source, start - 1, 1, edge, &text, e));
            by_machine = text.data[0] == '"';
        }
        if (by_machine) {
            TRY(view_count(r, i, w, &text, edge, &after, e));
            state = csv_machine_count(c, text, edge, state, r->layout.dialect);
            doubtful = true;
            h = 0;
        } else {
            state = state_after(r, h ^ (int)c->odd_quotes, last);
        }
        if (c->last_row_end[h] < 0) continue;
        size_t row_end = start + (size_t)c->last_row_end[h];
        add_part(r, row_start, row_end, c->n_rows[h], doubtful);
        row_start = row_end;
        doubtful = by_machine;
    }
    r->open_quote = state == CSV_QUOTED;
    if (r->open_quote) return 0; // to be said once it is known whether the first row is a header
    return add_last_row(r, row_start, doubtful, e);
}

static size_t pick_part_size(const csv_layout *l, size_t given)
{
    if (given) return given < 2 ? 2 : given;
    size_t wanted = ROWS_A_PART * (l->first_row_end - l->start);
    return wanted < PART_BYTES ? PART_BYTES : wanted < PART_BYTES_MAX ? wanted : PART_BYTES_MAX;
}

static int count_rows(reader *r, err *e)
{
    size_t len = r->source->len - r->layout.start;
    r->n_counts = (len + r->part_size - 1) / r->part_size;
    size_t a_part = sizeof *r->counts + sizeof *r->parts + sizeof *r->ranges;
    if (!budget_take(r->budget, (r->n_counts + 1) * a_part))
        return err_set(e, ERR_LIMIT, "a file of %zu bytes needs more memory than the limit", r->source->len);
    r->counts = mem_alloc(r->n_counts, sizeof *r->counts);
    r->parts = mem_alloc(r->n_counts + 1, sizeof *r->parts);
    r->ranges = mem_alloc(r->n_counts + 1, sizeof *r->ranges);
    if (!r->counts || !r->parts || !r->ranges)
        return err_set(e, ERR_MEMORY, "no memory for a file of %zu bytes", r->source->len);
    task_error_init(&r->failed);
    pool_run(r->pool, r->n_counts, run_count, r);
    TRY(task_error_end(&r->failed, e));
    TRY(join_counts(r, e));
    mem_free(r->counts);
    r->counts = NULL;
    if (n_rows_so_far(r) > FRAME_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "%zu rows, at most %zu", n_rows_so_far(r), FRAME_ROWS_MAX);
    return 0;
}

// ---- one part in memory ----

static int explain(const reader *r, str text, size_t first_row, bool cut, err *e)
{
    return csv_explain(text, r->layout.dialect, first_row, r->layout.n_columns, r->options->cell_max, cut, r->names, e);
}

// The longest that rows without fault can be; far above what a part usually has.
static size_t row_bytes_max(const reader *r)
{
    size_t cells;
    if (__builtin_mul_overflow(r->layout.n_columns, 2 * r->options->cell_max + 4, &cells)) return SIZE_MAX;
    return cells;
}

// A range that holds a row longer than its limits allow: finds the fault in as much of it as it takes.
static int refuse_long_row(reader *r, size_t part, worker *w, err *e)
{
    const csv_range *range = &r->ranges[part];
    size_t len = range->end - range->start;
    str text;
    for (size_t want = r->part_size;; want *= 2) {
        bool cut = want < len;
        if (!cut) want = len;
        TRY(worker_reserve(r, w, want, e));
        TRY(source_view(r->source, range->start, want, w->buffer, &text, e));
        TRY(explain(r, text, r->parts[part].first_row, cut, e));
        if (!cut) return 0;
    }
}

static bool sound_utf8(str text)
{
    size_t i = 0;
    while (i < text.len) {
        uint64_t word;
        if (text.len - i >= sizeof word) {
            memcpy(&word, text.data + i, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                i += sizeof word;
                continue;
            }
        }
        size_t n = utf8_char_len((str){text.data + i, text.len - i});
        if (n == 0) return false;
        i += n;
    }
    return true;
}

// Every row has its cells: as many ends as there should be, and each row's last one is a newline.
static bool shaped(const csv_view *v, size_t n_ends)
{
    if (n_ends != v->n_rows * v->n_columns) return false;
    for (size_t row = 0; row < v->n_rows; row++) {
        size_t end = v->ends[(row + 1) * v->n_columns - 1];
        if (end < v->text.len && v->text.data[end] != v->dialect.newline) return false;
    }
    return true;
}

static bool too_long(const csv_view *v, size_t cell_max)
{
    size_t start = 0;
    for (size_t i = 0; i < v->n_rows * v->n_columns; i++) {
        if (v->ends[i] - start > cell_max) return true;
        start = (size_t)v->ends[i] + 1;
    }
    return false;
}

// Reads and splits a part, and refuses it if its rows are not sound. Quotes of single cells are left to be looked at.
static int load_part(reader *r, size_t part, worker *w, csv_view *out, err *e)
{
    const csv_range *range = &r->ranges[part];
    const store_part *rows = &r->parts[part];
    size_t len = range->end - range->start;
    if (len / rows->n_rows > row_bytes_max(r) || (len > UINT32_MAX / 2 && len > 2 * r->part_size)) {
        TRY(refuse_long_row(r, part, w, e));
        return err_set_at(e, ERR_LIMIT, (int64_t)rows->first_row + 1, "row %zu: longer than its cells may be",
                          rows->first_row + 1);
    }
    if (len > 2 * r->part_size) TRY(refuse_long_row(r, part, w, e)); // grows into long rows step by step
    TRY(worker_reserve(r, w, len, e));
    str text;
    TRY(source_view(r->source, range->start, len, w->buffer, &text, e));
    csv_dialect d = r->layout.dialect;
    csv_ends ends = {.flags = CSV_IS_DOUBTFUL};
    if (!range->doubtful) ends = r->scanner->split(w->ends, text, d);
    if (ends.flags & CSV_IS_DOUBTFUL) ends = csv_machine_split(w->ends, text, d);
    if (ends.n_rows + 1 == rows->n_rows) { // the last row of the file, without a newline
        w->ends[ends.n++] = (uint32_t)text.len;
        ends.n_rows++;
    }
    *out = (csv_view){.text = text,
                      .ends = w->ends,
                      .n_columns = r->layout.n_columns,
                      .n_rows = rows->n_rows,
                      .first_row = rows->first_row,
                      .flags = ends.flags,
                      .dialect = d,
                      .scratch = w->scratch};
    bool sound = ends.n_rows == rows->n_rows && shaped(out, ends.n) && !(ends.flags & (CSV_HAS_NUL | CSV_IS_DOUBTFUL));
    if (sound && ends.flags & CSV_HAS_HIGH) sound = sound_utf8(text);
    if (sound && len > r->options->cell_max) sound = !too_long(out, r->options->cell_max);
    if (sound) return 0;
    TRY(explain(r, text, rows->first_row, false, e));
    return err_set(e, ERR_INTERNAL, "rows from %zu on cannot be split", rows->first_row + 1);
}

// ---- cells to values ----

typedef enum outcome {
    READ_ALL,
    READ_MISFIT, // some cell is no value of the type; its kinds were noted
    READ_BROKEN, // some cell has unsound quotes
    READ_FAILED, // *e is set
} outcome;

typedef struct job { // one column of one part
    reader *reader;
    size_t index, worker;
    const csv_view *view;
    int rc; // of READ_FAILED
    err *e;
} job;

static outcome misfit(job *j, str cell, size_t row)
{
    static const char *const wanted[] = {
        [PLAN_BOOLEAN] = "a boolean", [PLAN_INTEGER] = "an integer (of 64 bits)",
        [PLAN_REAL] = "a number",     [PLAN_DATETIME] = "a date or time (ISO 8601)",
        [PLAN_CATEGORY] = "",         [PLAN_TEXT] = "",
    };
    reader *r = j->reader;
    const store_column *c = &r->store.columns[j->index];
    if (c->fixed) {
        size_t number = j->view->first_row + row + 1;
        j->rc = err_set_at(j->e, ERR_FORMAT, (int64_t)number, "row %zu, column \"%.60s\": \"%.*s\" is not %s", number,
                           c->name, (int)(cell.len < 60 ? cell.len : 60), cell.data, wanted[c->plan]);
        return READ_FAILED;
    }
    atomic_fetch_and_explicit(&r->kinds[j->index], cell_kinds(cell), memory_order_relaxed);
    atomic_store_explicit(&r->misfit[j->index], true, memory_order_relaxed);
    return READ_MISFIT;
}

static bool is_missing(const reader *r, str cell)
{
    return missing_set_has(&r->missing, str_trim(cell));
}

static inline __attribute__((always_inline)) outcome read_integers(job *j, bool careful)
{
    const reader *r = j->reader;
    const csv_view *v = j->view;
    int64_t *out = (int64_t *)r->store.columns[j->index].values + v->first_row;
    for (size_t row = 0; row < v->n_rows; row++) {
        csv_cell cell;
        if (!csv_view_cell(v, row, j->index, careful, &cell)) return READ_BROKEN;
        if (r->missing.has_values && is_missing(r, cell.text)) {
            out[row] = FRAME_I64_MISSING;
            continue;
        }
        if (cell.text.len && cell_i64(cell.text, &out[row])) continue;
        if (is_missing(r, cell.text))
            out[row] = FRAME_I64_MISSING;
        else if (parse_i64(cell.text, &out[row]) < 0)
            return misfit(j, cell.text, row);
    }
    return READ_ALL;
}

static inline __attribute__((always_inline)) outcome read_reals(job *j, bool careful)
{
    const reader *r = j->reader;
    const csv_view *v = j->view;
    double *out = (double *)r->store.columns[j->index].values + v->first_row;
    for (size_t row = 0; row < v->n_rows; row++) {
        csv_cell cell;
        if (!csv_view_cell(v, row, j->index, careful, &cell)) return READ_BROKEN;
        if (r->missing.has_values && is_missing(r, cell.text)) {
            out[row] = NAN;
            continue;
        }
        size_t n = decimal_scan_f64(cell.text, &out[row]);
        if (n && n == cell.text.len) continue;
        if (is_missing(r, cell.text))
            out[row] = NAN;
        else if (parse_f64(cell.text, &out[row]) < 0)
            return misfit(j, cell.text, row);
    }
    return READ_ALL;
}

// Zero and one count as booleans only where the type was given.
static int read_boolean(str text, bool fixed, int64_t *out, unsigned *forms)
{
    text = str_trim(text);
    if (parse_boolean(text, out) == 0) {
        *forms |= boolean_form(text, *out);
        return 0;
    }
    if (!fixed || text.len != 1 || (text.data[0] != '0' && text.data[0] != '1')) return ERR_INPUT;
    *out = text.data[0] - '0';
    return 0;
}

static outcome read_booleans(job *j, bool careful)
{
    const reader *r = j->reader;
    const csv_view *v = j->view;
    const store_column *c = &r->store.columns[j->index];
    store_local *l = store_local_of(&r->store, j->worker, j->index);
    int64_t *out = (int64_t *)c->values + v->first_row;
    for (size_t row = 0; row < v->n_rows; row++) {
        csv_cell cell;
        if (!csv_view_cell(v, row, j->index, careful, &cell)) return READ_BROKEN;
        if (is_missing(r, cell.text))
            out[row] = FRAME_I64_MISSING;
        else if (read_boolean(cell.text, c->fixed, &out[row], &l->boolean_forms) < 0)
            return misfit(j, cell.text, row);
    }
    return READ_ALL;
}

static outcome read_datetimes(job *j, bool careful)
{
    const reader *r = j->reader;
    const csv_view *v = j->view;
    int64_t *out = (int64_t *)r->store.columns[j->index].values + v->first_row;
    for (size_t row = 0; row < v->n_rows; row++) {
        csv_cell cell;
        if (!csv_view_cell(v, row, j->index, careful, &cell)) return READ_BROKEN;
        if (is_missing(r, cell.text))
            out[row] = FRAME_I64_MISSING;
        else if (parse_datetime(cell.text, &out[row]) < 0)
            return misfit(j, cell.text, row);
    }
    return READ_ALL;
}

static outcome fail_texts(job *j, int rc)
{
    char limit[BYTES_TEXT_SIZE];
    j->rc = rc;
    if (rc == ERR_LIMIT)
        err_set(j->e, rc, "the texts of column \"%.60s\" need more than the limit of %s of memory",
                j->reader->store.columns[j->index].name, format_bytes(j->reader->budget->max, limit));
    else
        err_set(j->e, rc, "no memory for the texts of column \"%.60s\"", j->reader->store.columns[j->index].name);
    return READ_FAILED;
}

static inline __attribute__((always_inline)) outcome read_texts(job *j, bool careful)
{
    const reader *r = j->reader;
    const csv_view *v = j->view;
    for (size_t row = 0; row < v->n_rows; row++) {
        csv_cell cell;
        if (!csv_view_cell(v, row, j->index, careful, &cell)) return READ_BROKEN;
        str text = cell.quoted ? cell.text : str_trim(cell.text); // blanks in quotes are meant
        int rc = store_put_text(&r->store, j->worker, j->index, v->first_row + row, text);
        if (rc < 0) return fail_texts(j, rc);
    }
    return READ_ALL;
}

static outcome read_column(job *j)
{
    bool careful = j->view->flags & (CSV_HAS_QUOTES | CSV_HAS_EMPTY_LINES);
    switch (j->reader->store.columns[j->index].plan) {
    case PLAN_INTEGER: return careful ? read_integers(j, true) : read_integers(j, false);
    case PLAN_REAL: return careful ? read_reals(j, true) : read_reals(j, false);
    case PLAN_BOOLEAN: return read_booleans(j, careful);
    case PLAN_DATETIME: return read_datetimes(j, careful);
    default: return careful ? read_texts(j, true) : read_texts(j, false);
    }
}

static int read_column_of(reader *r, size_t index, size_t worker_index, const csv_view *v, err *e)
{
    job j = {.reader = r, .index = index, .worker = worker_index, .view = v, .e = e};
    if (atomic_load_explicit(&r->misfit[index], memory_order_relaxed)) return 0; // will be read again anyway
    switch (read_column(&j)) {
    case READ_FAILED: return j.rc;
    case READ_BROKEN:
        TRY(explain(r, v->text, v->first_row, false, e));
        return err_set(e, ERR_INTERNAL, "quotes in rows from %zu on cannot be read", v->first_row + 1);
    default: return 0;
    }
}

static void run_part(void *context, size_t part, size_t index)
{
    reader *r = context;
    worker *w = &r->workers[index];
    r->pass_workers[part] = (uint16_t)index;
    if (task_error_before(&r->failed, part)) return;
    err e = ERR_NONE;
    csv_view v;
    int rc = load_part(r, part, w, &v, &e);
    for (size_t i = 0; rc == 0 && i < r->n_pass_columns; i++) rc = read_column_of(r, r->columns[i], index, &v, &e);
    if (rc < 0) task_error_set(&r->failed, part, rc, &e);
}

// ---- what the columns are ----

typedef struct sample {
    unsigned kinds;
    unsigned first_kinds;            // of the first row's cell, which may be a name
    bool first_missing, first_again; // the first row's text is there again below it
    size_t n_present;
    text_facts facts;
    dictionary texts;
} sample;

static int sample_text(const reader *r, sample *s, str text)
{
    if (missing_set_has(&r->missing, text)) return 0;
    s->n_present++;
    if (s->kinds) s->kinds &= cell_kinds(text);
    int32_t code = dictionary_add(&s->texts, text, hash_bytes(text.data, text.len, 0), false);
    if (code < 0) return code;
    text_facts_add(&s->facts, text, 1);
    s->facts.n_distinct = (double)s->texts.n;
    return 0;
}

static int sample_row(const reader *r, const csv_view *row, bool first, sample *samples, str *first_row, err *e)
{
    for (size_t index = 0; index < row->n_columns; index++) {
        sample *s = &samples[index];
        csv_cell cell;
        if (!csv_view_cell(row, 0, index, true, &cell)) continue; // an error, but one for later
        str text = cell.quoted ? cell.text : str_trim(cell.text);
        if (first) {
            char *copy = mem_strndup(text.len ? text.data : "", text.len);
            if (!copy) return err_set(e, ERR_MEMORY, "no memory for the first row");
            first_row[index] = (str){copy, text.len};
            s->first_kinds = cell_kinds(text);
            s->first_missing = missing_set_has(&r->missing, text);
            continue;
        }
        s->first_again |= first_row[index].len && str_equal(text, first_row[index]);
        int rc = sample_text(r, s, text);
        if (rc < 0) return err_set(e, rc, "no memory for a sample of column %zu", index + 1);
    }
    return 0;
}

// Some rows of a part, those that are sound: faults are found again when all rows are read, and the first of them is
// reported then. The very first row of the file is kept apart: it may be the header.
static int sample_part(reader *r, size_t part, size_t n_rows, sample *samples, str *first_row, err *e)
{
    worker *w = &r->workers[0];
    const csv_range *range = &r->ranges[part];
    size_t first_len = r->layout.first_row_end - r->layout.start, n_columns = r->layout.n_columns;
    size_t len = range->end - range->start, want = first_len > r->part_size ? first_len : r->part_size;
    if (len > want) len = want;
    TRY(worker_reserve(r, w, len, e));
    str text;
    TRY(source_view(r->source, range->start, len, w->buffer, &text, e));
    csv_ends ends = csv_machine_split(w->ends, text, r->layout.dialect);
    if (range->start + len == r->source->len && ends.n_rows < r->parts[part].n_rows) w->ends[ends.n++] = (uint32_t)len;
    size_t start = 0, first = 0; // of the row: its text, its ends
    for (size_t i = 0, row = 0; i < ends.n && row < n_rows; i++) {
        uint32_t end = w->ends[i];
        if (end < len && text.data[end] != r->layout.dialect.newline) continue;
        csv_view v = {.text = {text.data + start, end - start},
                      .ends = w->ends + first,
                      .n_columns = n_columns,
                      .n_rows = 1,
                      .dialect = r->layout.dialect,
                      .scratch = w->scratch};
        for (size_t k = first; k <= i; k++) w->ends[k] -= (uint32_t)start;
        if (i + 1 - first == n_columns) TRY(sample_row(r, &v, part == 0 && first == 0, samples, first_row, e));
        start = (size_t)end + 1;
        first = i + 1;
        row++;
    }
    return 0;
}

// A first row is a header if one of its cells could not be a value of its column while those below it are; or, where
// everything is text, if all its cells are there, differ, and none occurs again below.
static bool looks_like_header(const sample *samples, const str *first_row, size_t n)
{
    bool typed = false;
    for (size_t i = 0; i < n; i++) {
        const sample *s = &samples[i];
        if (s->first_kinds & ~(unsigned)KIND_BOOLEAN) return false; // names are no numbers and no dates
        if (s->first_kinds && s->n_present && s->kinds & KIND_BOOLEAN)
            return false; // "y" is one, "yes" among "no" is not
        typed |= s->n_present && s->kinds && !s->first_missing;
    }
    if (typed) return true;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].first_again || (samples[i].first_missing && first_row[i].len)) return false;
        for (size_t k = 0; k < i && k < 64; k++)
            if (first_row[i].len && str_equal(first_row[i], first_row[k])) return false;
    }
    return true;
}

static int name_column(size_t index, str text, char **out, err *e)
{
    char number[32];
    if (text.len == 0) text = (str){number, (size_t)snprintf(number, sizeof number, "column_%zu", index + 1)};
    *out = mem_strndup(text.data, text.len);
    return *out ? 0 : err_set(e, ERR_MEMORY, "no memory for the name of column %zu", index + 1);
}

static int name_columns(reader *r, const str *first_row, bool header, err *e)
{
    dictionary seen;
    dictionary_init(&seen, NULL);
    int rc = 0;
    for (size_t i = 0; i < r->layout.n_columns && rc == 0; i++) {
        store_column *c = &r->store.columns[i];
        if ((rc = name_column(i, header ? first_row[i] : (str){0}, &c->name, e)) < 0) break;
        str name = str_of(c->name);
        int32_t code = dictionary_add(&seen, name, hash_bytes(name.data, name.len, 0), true);
        if (code < 0)
            rc = err_set(e, code, "no memory for the names of the columns");
        else if (seen.n == i)
            rc = err_set(e, ERR_FORMAT, "columns %d and %zu are both called \"%.80s\"", code + 1, i + 1, c->name);
    }
    dictionary_clear(&seen);
    for (size_t i = 0; i < r->layout.n_columns; i++) r->names[i] = r->store.columns[i].name;
    return rc;
}

static int fix_types(reader *r, err *e)
{
    const read_options *o = r->options;
    for (size_t t = 0; t < o->n_types; t++) {
        size_t i = 0, n = r->layout.n_columns;
        while (i < n && strcmp(r->names[i], o->types[t].column) != 0) i++;
        if (i < n) {
            store_column *c = &r->store.columns[i];
            c->fixed = true;
            c->fixed_type = o->types[t].type;
            c->plan = plan_of_type(c->fixed_type);
            continue;
        }
        if (o->types[t].if_there) continue;
        const char *near = nearest_name(o->types[t].column, r->names, n);
        if (near)
            return err_set(e, ERR_NOT_FOUND, "no column \"%.60s\" to give a type to; did you mean \"%.60s\"?",
                           o->types[t].column, near);
        return err_set(e, ERR_NOT_FOUND, "no column \"%.60s\" to give a type to", o->types[t].column);
    }
    return 0;
}

static void drop_first_row(reader *r)
{
    if (r->n_parts == 0) return;
    r->ranges[0].start = r->layout.first_row_end;
    for (size_t i = 1; i < r->n_parts; i++) r->parts[i].first_row--;
    if (--r->parts[0].n_rows > 0) return;
    r->n_parts--;
    memmove(r->parts, r->parts + 1, r->n_parts * sizeof *r->parts);
    memmove(r->ranges, r->ranges + 1, r->n_parts * sizeof *r->ranges);
}

static int take_sample(reader *r, sample *samples, str *first_row, err *e)
{
    size_t n_rows = SAMPLE_CELLS / r->layout.n_columns;
    n_rows = n_rows < 4 ? 4 : n_rows > SAMPLE_ROWS ? SAMPLE_ROWS : n_rows;
    for (size_t i = 0, last = SIZE_MAX; i < SAMPLE_PARTS && r->n_parts; i++) {
        size_t part = i * (r->n_parts - 1) / (SAMPLE_PARTS - 1);
        if (part == last) continue;
        last = part;
        TRY(sample_part(r, part, n_rows, samples, first_row, e));
    }
    return 0;
}

// Names, and a plan for every column.
static int plan_columns(reader *r, err *e)
{
    size_t n = r->layout.n_columns;
    sample *samples = mem_zalloc(n, sizeof *samples);
    str *first_row = mem_zalloc(n, sizeof *first_row);
    int rc = samples && first_row ? 0 : err_set(e, ERR_MEMORY, "no memory for a sample of %zu columns", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        samples[i].kinds = KINDS_ALL;
        dictionary_init(&samples[i].texts, r->budget);
    }
    if (rc == 0) rc = take_sample(r, samples, first_row, e);
    if (rc == 0) {
        header_mode mode = r->options->header;
        bool header = mode == HEADER_YES || (mode == HEADER_AUTO && looks_like_header(samples, first_row, n));
        if (header) drop_first_row(r);
        for (size_t i = 0; i < n; i++) {
            store_column *c = &r->store.columns[i];
            c->kinds = samples[i].kinds;
            if (!header && !samples[i].first_missing) c->kinds &= samples[i].first_kinds;
            c->like_text = text_facts_like_text(&samples[i].facts);
            c->plan = plan_of_kinds(c->kinds, c->like_text);
        }
        rc = name_columns(r, first_row, header, e);
    }
    if (rc == 0) rc = fix_types(r, e);
    for (size_t i = 0; i < n; i++) {
        if (samples) dictionary_clear(&samples[i].texts);
        if (first_row) mem_free((char *)(uintptr_t)first_row[i].data);
    }
    mem_free(samples);
    mem_free(first_row);
    return rc;
}

// ---- the passes ----

static int reserve_columns(reader *r, const uint32_t *columns, size_t n, err *e)
{
    for (size_t i = 0; i < n; i++) {
        int rc = store_reserve(&r->store, columns[i]);
        if (rc < 0)
            return err_set(e, rc, "no memory for %zu rows of column \"%.60s\"", r->store.n_rows, r->names[columns[i]]);
    }
    return 0;
}

static int check_memory(reader *r, size_t *held, err *e)
{
    size_t need = store_bytes(&r->store);
    budget_give(r->budget, *held);
    *held = 0;
    if (budget_take(r->budget, need)) return *held = need, 0;
    char wanted[BYTES_TEXT_SIZE], limit[BYTES_TEXT_SIZE];
    return err_set(e, ERR_LIMIT, "%zu rows of %zu columns need %s of memory, more than the limit of %s",
                   r->store.n_rows, r->store.n_columns, format_bytes(need + atomic_load(&r->budget->used), wanted),
                   format_bytes(r->budget->max, limit));
}

// Columns of which only one letter was seen ("F" throughout) are no booleans.
static bool half_boolean(const reader *r, size_t index)
{
    unsigned forms = 0;
    for (size_t w = 0; w < r->n_workers; w++) forms |= store_local_of(&r->store, w, index)->boolean_forms;
    return forms == BOOLEAN_FALSE_LETTER || forms == BOOLEAN_TRUE_LETTER;
}

// What is left to be read, by wider plans; returns how many columns.
static size_t widen(reader *r, uint32_t *columns, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        store_column *c = &r->store.columns[columns[i]];
        bool again = atomic_load(&r->misfit[columns[i]]);
        if (again) c->kinds &= atomic_load(&r->kinds[columns[i]]);
        if (!again && c->plan == PLAN_BOOLEAN && !c->fixed && half_boolean(r, columns[i])) {
            again = true;
            c->kinds = 0;
        }
        if (!again) {
            c->workers = r->pass_workers;
            continue;
        }
        c->plan = plan_of_kinds(c->kinds, c->like_text);
        columns[left++] = columns[i];
    }
    return left;
}

static int read_columns(reader *r, uint16_t *workers_of_passes, uint32_t *columns, err *e)
{
    size_t n = r->store.n_columns, held = 0;
    for (size_t i = 0; i < n; i++) columns[i] = (uint32_t)i;
    int rc = 0;
    for (size_t pass = 0; n > 0 && rc == 0; pass++) {
        if (pass == PASSES_MAX) return err_set(e, ERR_INTERNAL, "the types of the columns do not settle");
        for (size_t i = 0; i < n; i++) {
            atomic_store(&r->misfit[columns[i]], false);
            atomic_store(&r->kinds[columns[i]], KINDS_ALL);
        }
        r->columns = columns;
        r->n_pass_columns = n;
        r->pass_workers = workers_of_passes + pass * r->n_parts;
        TRY(check_memory(r, &held, e));
        TRY(reserve_columns(r, columns, n, e));
        task_error_init(&r->failed);
        pool_run(r->pool, r->n_parts, run_part, r);
        TRY(task_error_end(&r->failed, e));
        n = widen(r, columns, n);
    }
    return rc;
}

// A column without any value: reals, as good as anything.
static void settle_empty(reader *r)
{
    for (size_t i = 0; i < r->store.n_columns; i++) {
        store_column *c = &r->store.columns[i];
        if (c->fixed || c->plan != PLAN_INTEGER) continue;
        const int64_t *values = c->values;
        size_t row = 0;
        while (row < r->store.n_rows && values[row] == FRAME_I64_MISSING) row++;
        if (row < r->store.n_rows) continue;
        double *reals = c->values;
        for (row = 0; row < r->store.n_rows; row++) reals[row] = NAN;
        c->plan = PLAN_REAL;
    }
}

static int read_parts(reader *r, frame **out, err *e)
{
    r->store.parts = r->parts;
    r->store.n_parts = r->n_parts;
    r->store.n_rows = n_rows_so_far(r);
    uint16_t *workers = mem_alloc(r->n_parts * PASSES_MAX, sizeof *workers);
    uint32_t *columns = mem_alloc(r->store.n_columns, sizeof *columns);
    r->kinds = mem_alloc(r->store.n_columns, sizeof *r->kinds);
    r->misfit = mem_alloc(r->store.n_columns, sizeof *r->misfit);
    int rc = workers && columns && r->kinds && r->misfit ? 0 : err_set(e, ERR_MEMORY, "no memory for reading");
    if (rc == 0) rc = read_columns(r, workers, columns, e);
    for (size_t i = 0; i < r->n_workers; i++) worker_clear(r, &r->workers[i]);
    if (rc == 0) {
        settle_empty(r);
        rc = store_finish(&r->store, out, r->pool, e);
    }
    mem_free(workers);
    mem_free(columns);
    mem_free(r->kinds);
    mem_free(r->misfit);
    return rc;
}

int csv_read(frame **out, const source *s, const read_options *o, size_t part_size, budget *b, pool *p, err *e)
{
    reader r = {.source = s,
                .options = o,
                .budget = b,
                .pool = p,
                .scanner = csv_scanner_best(),
                .missing = missing_set_of(o),
                .n_workers = pool_size(p)};
    TRY(csv_sniff(&r.layout, s, o, b, e));
    r.part_size = pick_part_size(&r.layout, part_size);
    r.workers = mem_zalloc(r.n_workers, sizeof *r.workers);
    r.names = mem_zalloc(r.layout.n_columns, sizeof *r.names);
    int rc = r.workers && r.names ? store_init(&r.store, r.layout.n_columns, r.n_workers, &r.missing, b) : ERR_MEMORY;
    if (rc < 0) {
        err_set(e, rc, "no memory for %zu columns", r.layout.n_columns);
        goto done;
    }
    if ((rc = count_rows(&r, e)) < 0) goto done;
    if ((rc = plan_columns(&r, e)) < 0) goto done;
    if (r.open_quote) {
        size_t row = n_rows_so_far(&r) + 1;
        rc = err_set_at(e, ERR_FORMAT, (int64_t)row, "row %zu: a quote opens a cell that is never closed", row);
        goto done;
    }
    rc = read_parts(&r, out, e);
done:
    for (size_t i = 0; r.workers && i < r.n_workers; i++) worker_clear(&r, &r.workers[i]);
    mem_free(r.workers);
    mem_free(r.names);
    mem_free(r.counts);
    mem_free(r.parts);
    mem_free(r.ranges);
    store_clear(&r.store);
    return rc;
}
