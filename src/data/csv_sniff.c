// What a CSV file looks like, from its beginning: its first row, its delimiter, its newlines.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "data/csv_impl.h"

enum { HEAD_FIRST = 64 << 10, ROWS_LOOKED_AT = 200 };
static const char candidates[] = {',', ';', '\t', '|'};

// What one delimiter would make of the beginning.
typedef struct look {
    bool past_limit;             // in the first row
    bool complete;               // the first row is whole
    size_t n_cells;              // of the first row, so far
    size_t first_row_end;        // after its newline
    size_t n_rows, n_like_first; // whole rows looked at; those with as many cells as the first
} look;

static look look_at(str text, csv_dialect d, bool whole_file, const read_options *o)
{
    look l = {.n_cells = 1};
    csv_state state = CSV_CELL_START;
    size_t n_cells = 1, start = 0;
    bool bad = false;
    for (size_t i = 0; i <= text.len && l.n_rows < ROWS_LOOKED_AT; i++) {
        bool at_end = i == text.len;
        if (at_end && (!whole_file || (n_cells == 1 && start == i))) break;
        char c = at_end ? d.newline : text.data[i];
        bool cell_end = state != CSV_QUOTED && (c == d.delimiter || c == d.newline);
        if (!l.complete && i - start > o->cell_max) l.past_limit = true;
        if (at_end || (cell_end && c == d.newline)) {
            bool empty = n_cells == 1 && (i == start || (i == start + 1 && text.data[start] == '\r'));
            if (!l.complete) {
                l.n_cells = n_cells;
                l.first_row_end = at_end ? i : i + 1;
                l.complete = true;
            }
            if (!empty) {
                l.n_rows++;
                l.n_like_first += n_cells == l.n_cells;
            }
            n_cells = 1;
            start = i + 1;
        } else if (cell_end) {
            n_cells++;
            start = i + 1;
            if (!l.complete && n_cells > o->columns_max) l.past_limit = true;
        }
        if (l.past_limit) return l;
        if (!at_end) state = csv_step(state, c, d, &bad);
    }
    return l;
}

static bool better(const look *a, const look *b) // only looks with two cells or more are compared
{
    double share_a = (double)a->n_like_first / (double)a->n_rows, share_b = (double)b->n_like_first / (double)b->n_rows;
    return share_a > share_b || (share_a == share_b && a->n_cells > b->n_cells);
}

static char newline_of(str text)
{
    bool line_feed = text.len && memchr(text.data, '\n', text.len);
    return !line_feed && text.len && memchr(text.data, '\r', text.len) ? '\r' : '\n';
}

// 1 if the text suffices and *out is filled, 0 if more of the file is needed.
static int decide(csv_layout *out, str text, size_t start, bool whole_file, const read_options *o, err *e)
{
    csv_dialect d = {.newline = newline_of(text)};
    const char *delimiters = o->delimiter ? &o->delimiter : candidates;
    size_t n = o->delimiter ? 1 : sizeof candidates;
    look best = {0}, one_column = {0};
    char delimiter = delimiters[0];
    bool past_limit = false;
    for (size_t i = 0; i < n; i++) {
        d.delimiter = delimiters[i];
        look l = look_at(text, d, whole_file, o);
        past_limit |= l.past_limit;
        if (l.past_limit || !l.complete) continue;
        if (l.n_cells < 2) {
            if (!one_column.complete) one_column = l;
            continue;
        }
        if (best.complete && !better(&l, &best)) continue;
        best = l;
        delimiter = d.delimiter;
    }
    if (!best.complete && past_limit)
        return err_set(e, ERR_LIMIT, "the first row has more than %zu columns, or a cell of more than %zu bytes",
                       o->columns_max, o->cell_max);
    if (!best.complete) best = one_column;
    if (!best.complete) return 0;
    d.delimiter = delimiter;
    *out = (csv_layout){
        .dialect = d, .start = start, .first_row_end = start + best.first_row_end, .n_columns = best.n_cells};
    return 1;
}

static int refuse_binary(str text, err *e)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *what;
    } known[] = {
        {"\xFF\xFE", 2, "UTF-16 text; save it as UTF-8"},
        {"\xFE\xFF", 2, "UTF-16 text; save it as UTF-8"},
        {"PK\x03\x04", 4, "a zip archive or a spreadsheet; save the table as CSV"},
        {"PAR1", 4, "a Parquet file, which is not read"},
        {"\x28\xB5\x2F\xFD", 4, "compressed with zstd, which is not read"},
        {"BZh", 3, "compressed with bzip2, which is not read"},
        {"\xFD"
         "7zXZ",
         5, "compressed with xz, which is not read"},
        {"%PDF", 4, "a PDF"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (text.len >= known[i].n && memcmp(text.data, known[i].bytes, known[i].n) == 0)
            return err_set_at(e, ERR_FORMAT, 0, "this is %s", known[i].what);
    const char *nul = text.len ? memchr(text.data, '\0', text.len) : NULL;
    if (nul)
        return err_set_at(e, ERR_FORMAT, nul - text.data, "byte %zu is NUL: this is no text",
                          (size_t)(nul - text.data));
    return 0;
}

int csv_sniff(csv_layout *out, const source *s, const read_options *o, budget *b, err *e)
{
    char *head = NULL;
    size_t cap = 0;
    int rc = 0;
    for (size_t want = HEAD_FIRST; rc == 0; want *= 2) {
        size_t len = want < s->len ? want : s->len;
        if (!budget_take(b, len)) {
            rc = err_set(e, ERR_LIMIT, "the first row is longer than the memory that reading may take");
            break;
        }
        mem_free(head);
        budget_give(b, cap);
        cap = len;
        str text;
        if (!(head = mem_alloc(len, 1))) {
            rc = err_set(e, ERR_MEMORY, "no memory for the first %zu bytes", len);
            break;
        }
        if ((rc = source_view(s, 0, len, head, &text, e)) < 0 || (rc = refuse_binary(text, e)) < 0) break;
        size_t start = text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        while (start < text.len && (text.data[start] == '\n' || text.data[start] == '\r')) start++;
        if (len == s->len && start == text.len) {
            rc = err_set(e, ERR_FORMAT, "there is nothing in it");
            break;
        }
        bool whole = len == s->len;
        rc = decide(out, (str){text.data + start, text.len - start}, start, whole, o, e);
        if (rc == 0 && whole) rc = err_set(e, ERR_INTERNAL, "its first row is not found");
    }
    mem_free(head);
    budget_give(b, cap);
    return rc < 0 ? rc : 0;
}
