// Where the rows of a CSV file are. Parts are counted in parallel, each as if it began outside and inside of quotes;
// one walk over the counts tells which was true.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "data/csv_reader_impl.h"

enum {
    PART_BYTES = 256 << 10,    // fits the second cache with the ends of its cells
    PART_BYTES_MAX = 16 << 20, // for files with very long rows
    ROWS_A_PART = 16,          // at least, where rows are long
};

// ---- workers ----

void csv_worker_clear(csv_reader *r, csv_worker *w)
{
    mem_free(w->buffer);
    mem_free(w->ends);
    mem_free(w->scratch);
    budget_give(r->budget, 6 * w->cap);
    *w = (csv_worker){0};
}

// Room for a text of len bytes. What was in the buffers is lost.
int csv_worker_reserve(csv_reader *r, csv_worker *w, size_t len, err *e)
{
    if (len <= w->cap) return 0;
    size_t cap = len + len / 8;
    if (cap > UINT32_MAX) return err_set(e, ERR_LIMIT, "rows of %zu bytes", len);
    csv_worker_clear(r, w);
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
    csv_worker_clear(r, w);
    return err_set(e, ERR_MEMORY, "no memory for rows of %zu bytes", len);
}

// ---- counting rows ----

static size_t count_start(const csv_reader *r, size_t i)
{
    return r->layout.start + i * r->part_size;
}

static size_t count_end(const csv_reader *r, size_t i)
{
    size_t end = count_start(r, i + 1);
    return end < r->source->len ? end : r->source->len;
}

// The part's text, with the two bytes before it and the one after.
static int view_count(csv_reader *r, size_t i, csv_worker *w, str *text, char before[2], char *after, err *e)
{
    char newline = r->layout.dialect.newline;
    size_t start = count_start(r, i), end = count_end(r, i);
    size_t n_before = i ? 2 : 0, n_after = end < r->source->len; // parts have two bytes at least
    TRY(csv_worker_reserve(r, w, r->part_size + 3, e));
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
    csv_reader *r = context;
    csv_worker *w = &r->workers[index];
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
static csv_state state_after(const csv_reader *r, bool inside, char last)
{
    csv_dialect d = r->layout.dialect;
    if (inside) return CSV_QUOTED;
    if (last == d.delimiter || last == d.newline) return CSV_CELL_START;
    return last == '"' ? CSV_CLOSED : CSV_UNQUOTED;
}

static void add_part(csv_reader *r, size_t start, size_t end, size_t n_rows, bool doubtful)
{
    if (n_rows == 0) return;
    store_part *last = r->n_parts ? &r->parts[r->n_parts - 1] : NULL;
    size_t first_row = last ? last->first_row + last->n_rows : 0;
    r->parts[r->n_parts] = (store_part){.first_row = first_row, .n_rows = n_rows};
    r->ranges[r->n_parts++] = (csv_range){.start = start, .end = end, .doubtful = doubtful};
}

size_t csv_n_rows(const csv_reader *r)
{
    return r->n_parts ? r->parts[r->n_parts - 1].first_row + r->parts[r->n_parts - 1].n_rows : 0;
}

// The last bytes of the file make a row without a newline, unless there are none (or a lone '\r').
static int add_last_row(csv_reader *r, size_t start, bool doubtful, err *e)
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
static int join_counts(csv_reader *r, err *e)
{
    csv_state state = CSV_CELL_START;
    size_t row_start = r->layout.start;
    bool doubtful = false; // some part since row_start
    for (size_t i = 0; i < r->n_counts; i++) {
        csv_count *c = &r->counts[i];
        csv_worker *w = &r->workers[0];
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

size_t csv_pick_part_size(const csv_layout *l, size_t given)
{
    if (given) return given < 2 ? 2 : given;
    size_t wanted = ROWS_A_PART * (l->first_row_end - l->start);
    return wanted < PART_BYTES ? PART_BYTES : wanted < PART_BYTES_MAX ? wanted : PART_BYTES_MAX;
}

int csv_count_rows(csv_reader *r, err *e)
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
    if (csv_n_rows(r) > FRAME_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "%zu rows, at most %zu", csv_n_rows(r), FRAME_ROWS_MAX);
    return 0;
}

// ---- one part in memory ----

int csv_reader_explain(const csv_reader *r, str text, size_t first_row, bool cut, err *e)
{
    return csv_explain(text, r->layout.dialect, first_row, r->layout.n_columns, r->options->cell_max, cut, r->names, e);
}

// The longest that rows without fault can be; far above what a part usually has.
static size_t row_bytes_max(const csv_reader *r)
{
    size_t cells;
    if (__builtin_mul_overflow(r->layout.n_columns, 2 * r->options->cell_max + 4, &cells)) return SIZE_MAX;
    return cells;
}

// A range that holds a row longer than its limits allow: finds the fault in as much of it as it takes.
static int refuse_long_row(csv_reader *r, size_t part, csv_worker *w, err *e)
{
    const csv_range *range = &r->ranges[part];
    size_t len = range->end - range->start;
    str text;
    for (size_t want = r->part_size;; want *= 2) {
        bool cut = want < len;
        if (!cut) want = len;
        TRY(csv_worker_reserve(r, w, want, e));
        TRY(source_view(r->source, range->start, want, w->buffer, &text, e));
        TRY(csv_reader_explain(r, text, r->parts[part].first_row, cut, e));
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

// Some cell may be too long: empty lines before it are counted with it here.
static bool maybe_too_long(const csv_view *v, size_t cell_max)
{
    size_t start = 0;
    for (size_t i = 0; i < v->n_rows * v->n_columns; i++) {
        if (v->ends[i] - start > cell_max) return true;
        start = (size_t)v->ends[i] + 1;
    }
    return false;
}

// Reads and splits a part, and refuses it if its rows are not sound. Quotes of single cells are left to be looked at.
int csv_load_part(csv_reader *r, size_t part, csv_worker *w, csv_view *out, err *e)
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
    TRY(csv_worker_reserve(r, w, len, e));
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
    if (sound && len > r->options->cell_max && maybe_too_long(out, r->options->cell_max))
        return csv_reader_explain(r, text, rows->first_row, false, e);
    if (sound) return 0;
    TRY(csv_reader_explain(r, text, rows->first_row, false, e));
    return err_set(e, ERR_INTERNAL, "rows from %zu on cannot be split", rows->first_row + 1);
}
