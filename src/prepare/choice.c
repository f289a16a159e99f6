// Which columns become features.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "prepare/prepare.h"
#include "prepare/prepare_impl.h"

typedef enum mark { MARK_NONE, MARK_NAMED, MARK_DROPPED } mark;

const char *left_out_text(left_out_reason r)
{
    switch (r) {
    case LEFT_OUT_IDENTIFIER: return "identifier";
    case LEFT_OUT_TEXT: return "free text";
    case LEFT_OUT_CONSTANT: return "one value only";
    default: return "no values";
    }
}

static int mark_columns(mark *marks, mark with, const frame *f, int64_t target, const char *const *names, size_t n,
                        err *e)
{
    for (size_t i = 0; i < n; i++) {
        size_t at;
        TRY(frame_require(f, names[i], "", &at, e));
        if ((int64_t)at == target)
            return err_set(e, ERR_INPUT, "column \"%.80s\" is the target: it is neither a feature nor dropped",
                           names[i]);
        if (marks[at] == with) return err_set(e, ERR_INPUT, "column \"%.80s\" is named twice", names[i]);
        if (marks[at] != MARK_NONE)
            return err_set(e, ERR_INPUT, "column \"%.80s\" is both wanted and dropped", names[i]);
        marks[at] = with;
    }
    return 0;
}

static bool same_value(const column *c, size_t a, size_t b)
{
    switch (c->storage) {
    case STORAGE_F64: return c->f64[a] == c->f64[b];
    case STORAGE_I64: return c->i64[a] == c->i64[b];
    default: return c->codes[a] == c->codes[b];
    }
}

// Distinct values among the rows, counted to two, and whether any is missing.
static void look(const column *c, const uint32_t *rows, size_t n_rows, int *n_distinct, bool *missing)
{
    *n_distinct = 0;
    *missing = false;
    size_t first = 0;
    for (size_t i = 0; i < n_rows && *n_distinct < 2; i++) {
        if (column_missing(c, rows[i])) {
            *missing = true;
        } else if (*n_distinct == 0) {
            first = rows[i];
            *n_distinct = 1;
        } else if (!same_value(c, first, rows[i])) {
            *n_distinct = 2;
        }
    }
}

// Whether a column is of use when nobody asked for it.
static bool is_useful(const column *c, const uint32_t *rows, size_t n_rows, const prepare_options *o,
                      left_out_reason *why)
{
    if (c->type == COLUMN_IDENTIFIER || c->type == COLUMN_TEXT) {
        *why = c->type == COLUMN_TEXT ? LEFT_OUT_TEXT : LEFT_OUT_IDENTIFIER;
        return false;
    }
    int n_distinct;
    bool missing;
    look(c, rows, n_rows, &n_distinct, &missing);
    impute_kind impute = prepared_kind_of(c->type) == PREPARED_TEXT ? o->impute_text : o->impute_number;
    bool missing_tells = missing && (impute == IMPUTE_NONE || o->indicator);
    *why = n_distinct ? LEFT_OUT_CONSTANT : LEFT_OUT_EMPTY;
    return n_distinct > 1 || (n_distinct == 1 && missing_tells);
}

// Whether a column that was named can be used at all.
static int check_named(const column *c, const uint32_t *rows, size_t n_rows, err *e)
{
    if (c->type == COLUMN_TEXT || c->type == COLUMN_IDENTIFIER)
        return err_set(
            e, ERR_INPUT,
            "column \"%.80s\" is %s, which cannot be a feature; give it the type category (or a number's) if it "
            "is one",
            c->name, c->type == COLUMN_TEXT ? "free text" : "an identifier");
    int n_distinct;
    bool missing;
    look(c, rows, n_rows, &n_distinct, &missing);
    if (n_distinct == 0) return err_set(e, ERR_INPUT, "column \"%.80s\" has no values in the training rows", c->name);
    return 0;
}

int column_choice_make(column_choice *out, const frame *f, int64_t target, const uint32_t *rows, size_t n_rows,
                       const prepare_options *o, err *e)
{
    const char *fault = prepare_options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    size_t n = frame_n_columns(f);
    column_choice made = {.columns = mem_alloc(n, sizeof *made.columns),
                          .left_out = mem_alloc(n, sizeof *made.left_out)};
    mark *marks = mem_zalloc(n, sizeof *marks);
    int rc = 0;
    if (!made.columns || !made.left_out || !marks) {
        rc = err_set(e, ERR_MEMORY, "no memory for %zu columns", n);
        goto done;
    }
    if ((rc = mark_columns(marks, MARK_NAMED, f, target, o->columns, o->n_columns, e)) < 0) goto done;
    if ((rc = mark_columns(marks, MARK_DROPPED, f, target, o->dropped, o->n_dropped, e)) < 0) goto done;
    for (size_t i = 0; i < n; i++) {
        const column *c = frame_column(f, i);
        if ((int64_t)i == target || marks[i] == MARK_DROPPED) continue;
        if (o->n_columns) {
            if (marks[i] != MARK_NAMED) continue;
            if ((rc = check_named(c, rows, n_rows, e)) < 0) goto done;
            made.columns[made.n_columns++] = i;
            continue;
        }
        left_out_reason why;
        if (is_useful(c, rows, n_rows, o, &why))
            made.columns[made.n_columns++] = i;
        else
            made.left_out[made.n_left_out++] = (left_out){.column = i, .reason = why};
    }
    if (made.n_columns == 0)
        rc =
            err_set(e, ERR_INPUT, "no column can be a feature: %zu of %zu are identifiers, free text or one value only",
                    made.n_left_out, n);
done:
    mem_free(marks);
    if (rc < 0)
        column_choice_clear(&made);
    else
        *out = made;
    return rc;
}

void column_choice_clear(column_choice *c)
{
    mem_free(c->columns);
    mem_free(c->left_out);
    *c = (column_choice){0};
}

size_t rows_complete(const frame *f, const size_t *columns, size_t n_columns, const uint32_t *rows, size_t n_rows,
                     uint32_t *out)
{
    size_t n = 0, n_all = columns ? n_columns : frame_n_columns(f);
    for (size_t i = 0; i < n_rows; i++) {
        bool complete = true;
        for (size_t k = 0; k < n_all && complete; k++)
            complete = !column_missing(frame_column(f, columns ? columns[k] : k), rows[i]);
        if (complete) out[n++] = rows[i];
    }
    return n;
}
