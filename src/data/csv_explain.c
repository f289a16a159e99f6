// What is wrong with CSV, said for people: slow and only run when something is.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "data/csv_impl.h"

bool csv_unquote(str cell, char *scratch, str *out)
{
    if (cell.len < 2 || cell.data[cell.len - 1] != '"') return false;
    str inner = {cell.data + 1, cell.len - 2};
    const char *quote = inner.len ? memchr(inner.data, '"', inner.len) : NULL;
    if (!quote) return *out = inner, true;
    size_t n = 0;
    for (size_t i = 0; i < inner.len; i++) {
        scratch[n++] = inner.data[i];
        if (inner.data[i] != '"') continue;
        if (i + 1 == inner.len || inner.data[i + 1] != '"') return false;
        i++;
    }
    *out = (str){scratch, n};
    return true;
}

typedef struct place { // of the cell that is looked at
    size_t row, index; // from 0
    const char *const *names;
} place;

enum { PLACE_SIZE = 128 };
static const char *name_place(const place *p, char text[PLACE_SIZE])
{
    if (p->names && p->names[p->index])
        snprintf(text, PLACE_SIZE, "row %zu, column \"%.60s\"", p->row + 1, p->names[p->index]);
    else
        snprintf(text, PLACE_SIZE, "row %zu, column %zu", p->row + 1, p->index + 1);
    return text;
}

static bool quotes_sound(str cell) // csv_unquote() without a place for its result
{
    if (cell.len < 2 || cell.data[cell.len - 1] != '"') return false;
    for (size_t i = 1; i + 1 < cell.len; i++) {
        if (cell.data[i] != '"') continue;
        if (i + 2 == cell.len || cell.data[i + 1] != '"') return false;
        i++;
    }
    return true;
}

static int explain_cell(str cell, const place *p, size_t cell_max, bool cut, err *e)
{
    char where[PLACE_SIZE];
    int64_t row = (int64_t)p->row + 1;
    if (cell.len > cell_max)
        return err_set_at(e, ERR_LIMIT, row, "%s: a cell of more than %zu bytes", name_place(p, where), cell_max);
    for (size_t i = 0; i < cell.len;) {
        size_t n = utf8_char_len((str){cell.data + i, cell.len - i});
        if (n == 0 && !cut)
            return err_set_at(e, ERR_FORMAT, row, "%s: byte 0x%02X is not UTF-8", name_place(p, where),
                              (unsigned)(unsigned char)cell.data[i]);
        if (cell.data[i] == '\0')
            return err_set_at(e, ERR_FORMAT, row, "%s: a NUL byte; this is no text", name_place(p, where));
        i += n ? n : 1;
    }
    if (!cut && cell.len && cell.data[0] == '"' && !quotes_sound(cell))
        return err_set_at(e, ERR_FORMAT, row, "%s: text after the closing quote (a quote inside is written twice)",
                          name_place(p, where));
    return 0;
}

int csv_explain(str text, csv_dialect d, size_t first_row, size_t n_columns, size_t cell_max, bool cut,
                const char *const *names, err *e)
{
    place p = {.row = first_row, .names = names};
    csv_state state = CSV_CELL_START;
    size_t start = 0;
    bool bad = false;
    for (size_t i = 0; i <= text.len; i++) {
        bool at_end = i == text.len, last = false;
        if (!at_end) {
            char c = text.data[i];
            bool newline = state != CSV_QUOTED && c == d.newline;
            if (newline && p.index == 0 && (i == start || (i == start + 1 && text.data[start] == '\r'))) {
                start = i + 1; // an empty line
                state = CSV_CELL_START;
                continue;
            }
            bool ends = newline || (state != CSV_QUOTED && c == d.delimiter);
            state = csv_step(state, c, d, &bad);
            if (!ends) continue;
            last = newline;
        } else if (p.index == 0 && start == text.len) {
            break;
        }
        str cell = {text.data + start, i - start};
        if ((last || at_end) && d.newline == '\n' && cell.len && cell.data[cell.len - 1] == '\r') cell.len--;
        if (p.index >= n_columns) { // counted on to the end of the row below
            if (!last && !at_end) {
                p.index++;
                start = i + 1;
                continue;
            }
        } else {
            TRY(explain_cell(cell, &p, cell_max, at_end && cut, e));
        }
        start = i + 1;
        p.index++;
        if (!last && !at_end) continue;
        bool more = at_end && cut;
        if (p.index > n_columns || (p.index < n_columns && !more))
            return err_set_at(e, ERR_FORMAT, (int64_t)p.row + 1, "row %zu: %s%zu cell%s, %zu expected", p.row + 1,
                              more ? "at least " : "", p.index, p.index == 1 ? "" : "s", n_columns);
        p.row++;
        p.index = 0;
    }
    return 0;
}
