// CSV, between its files: the layout that is sniffed, one part with the ends of its cells, the reader.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_CSV_IMPL_H
#define SLIPWAY_DATA_CSV_IMPL_H

#include "base/pool.h"
#include "data/budget_impl.h"
#include "data/csv_scan_impl.h"
#include "data/read.h"
#include "data/source_impl.h"

typedef struct csv_layout {
    csv_dialect dialect;
    size_t start;         // of the first row: after a byte order mark and empty lines
    size_t first_row_end; // after its newline
    size_t n_columns;     // cells of the first row
} csv_layout;

// Looks at the beginning. ERR_FORMAT for what is no text or has no rows, ERR_LIMIT for a first row past the limits.
MUST_CHECK int csv_sniff(csv_layout *out, const source *s, const read_options *o, budget *b, err *e);

// A run of whole rows in memory.
typedef struct csv_view {
    str text;
    const uint32_t *ends; // (n_rows, n_columns): where cells end
    size_t n_columns, n_rows;
    size_t first_row; // number of the first, 0 is the first after the header
    unsigned flags;   // of csv_ends
    csv_dialect dialect;
    char *scratch; // room for the longest cell, whose quotes are taken off there
} csv_view;

typedef struct csv_cell {
    str text;
    bool quoted;
} csv_cell;

// The text between its quotes, with doubled ones halved; false if the quotes are not sound.
bool csv_unquote(str cell, char *scratch, str *out);

static inline size_t csv_skip_empty_lines(const char *text, size_t start, size_t end, csv_dialect d)
{
    while (start < end) {
        bool pair = d.newline == '\n' && text[start] == '\r' && start + 1 < end && text[start + 1] == '\n';
        if (!pair && text[start] != d.newline) break;
        start += pair ? 2 : 1;
    }
    return start;
}

// `careful`: the view has quotes or empty lines. False if the quotes are not sound; then csv_explain() says how.
static inline __attribute__((always_inline)) bool csv_view_cell(const csv_view *v, size_t row, size_t index,
                                                                bool careful, csv_cell *out)
{
    size_t at = row * v->n_columns + index;
    size_t start = at ? (size_t)v->ends[at - 1] + 1 : 0, end = v->ends[at];
    const char *text = v->text.data;
    if (careful && index == 0) start = csv_skip_empty_lines(text, start, end, v->dialect);
    if (index == v->n_columns - 1 && v->dialect.newline == '\n' && end > start && text[end - 1] == '\r') end--;
    *out = (csv_cell){.text = {text + start, end - start}};
    if (!careful || start == end || text[start] != '"') return true;
    out->quoted = true;
    return csv_unquote(out->text, v->scratch, &out->text);
}

// Finds what is wrong with rows, in reading order, and says so: a ragged row, a cell that is too long, bytes that are
// not UTF-8, quotes that do not match. `cut`: the text ends before its last row does. names: of the columns, or NULL.
// Returns 0 if nothing is wrong.
MUST_CHECK int csv_explain(str text, csv_dialect d, size_t first_row, size_t n_columns, size_t cell_max, bool cut,
                           const char *const *names, err *e);

// part_size: bytes that a task reads at once; 0: picked.
MUST_CHECK int csv_read(frame **out, const source *s, const read_options *o, size_t part_size, budget *b, pool *p,
                        err *e);

#endif
