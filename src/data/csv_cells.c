// Cells of CSV to values, a column of a part at a time.
// SPDX-License-Identifier: Apache-2.0
#include "base/decimal.h"
#include "data/csv_reader_impl.h"
#include "data/value.h"

typedef enum outcome {
    READ_ALL,
    READ_MISFIT, // some cell is no value of the type; its kinds were noted
    READ_BROKEN, // some cell has unsound quotes
    READ_FAILED, // *e is set
} outcome;

typedef struct job { // one column of one part
    csv_reader *reader;
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
    csv_reader *r = j->reader;
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

static bool is_missing(const csv_reader *r, str cell)
{
    return missing_set_has(&r->missing, str_trim(cell));
}

static inline __attribute__((always_inline)) outcome read_integers(job *j, bool careful)
{
    const csv_reader *r = j->reader;
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
    const csv_reader *r = j->reader;
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
    const csv_reader *r = j->reader;
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
    const csv_reader *r = j->reader;
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
    const csv_reader *r = j->reader;
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

// A column that will be read again: only what makes its cells faulty is looked for, so that the first fault is found.
static outcome check_column(const csv_view *v, size_t index)
{
    csv_cell cell;
    for (size_t row = 0; v->flags & CSV_HAS_QUOTES && row < v->n_rows; row++)
        if (!csv_view_cell(v, row, index, true, &cell)) return READ_BROKEN;
    return READ_ALL;
}

int csv_read_column(csv_reader *r, size_t index, size_t worker_index, const csv_view *v, err *e)
{
    job j = {.reader = r, .index = index, .worker = worker_index, .view = v, .e = e};
    bool again = atomic_load_explicit(&r->misfit[index], memory_order_relaxed);
    outcome o = again ? READ_MISFIT : read_column(&j);
    if (o == READ_MISFIT) o = check_column(v, index);
    if (o == READ_FAILED) return j.rc;
    if (o != READ_BROKEN) return 0;
    TRY(csv_reader_explain(r, v->text, v->first_row, false, e));
    return err_set(e, ERR_INTERNAL, "quotes in rows from %zu on cannot be read", v->first_row + 1);
}
