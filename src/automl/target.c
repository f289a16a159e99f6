// Classes are found by sorting what is there, at most TARGET_CLASSES_MAX different values.
// SPDX-License-Identifier: Apache-2.0
#include "automl/target.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

// ---- classes: distinct values in order, as rows that have them

// -1, 0, 1 as the value of row a comes before, with or after that of row b.
static int compare_values(const column *c, size_t a, size_t b)
{
    switch (c->storage) {
    case STORAGE_F64: return (c->f64[a] > c->f64[b]) - (c->f64[a] < c->f64[b]);
    case STORAGE_I64: return (c->i64[a] > c->i64[b]) - (c->i64[a] < c->i64[b]);
    default: return c->codes[a] == c->codes[b] ? 0 : str_compare(c->strings[c->codes[a]], c->strings[c->codes[b]]);
    }
}

typedef struct distinct { // sorted by value
    size_t n;
    uint32_t rows[TARGET_CLASSES_MAX];
} distinct;

static size_t place_of(const distinct *d, const column *c, size_t row, bool *found)
{
    size_t low = 0, high = d->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_values(c, d->rows[middle], row) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < d->n && compare_values(c, d->rows[low], row) == 0;
    return low;
}

static int find_distinct(distinct *d, const column *c, const uint32_t *rows, size_t n_rows, err *e)
{
    d->n = 0;
    for (size_t i = 0; i < n_rows; i++) {
        bool found;
        size_t at = place_of(d, c, rows[i], &found);
        if (found) continue;
        if (d->n == TARGET_CLASSES_MAX)
            return err_set(e, ERR_LIMIT,
                           "target \"%.80s\" has more than %d classes; numbers go with tabular-regression", c->name,
                           TARGET_CLASSES_MAX);
        memmove(d->rows + at + 1, d->rows + at, (d->n - at) * sizeof *d->rows);
        d->rows[at] = rows[i];
        d->n++;
    }
    return 0;
}

static char *class_name(const column *c, uint32_t row)
{
    char text[COLUMN_TEXT_SIZE];
    str name = column_text(c, row, text);
    return mem_strndup(name.data, name.len);
}

static int name_classes(schema_target *s, const distinct *d, const column *c, err *e)
{
    bool boolean = c->type == COLUMN_BOOLEAN;
    size_t n = boolean ? 2 : d->n;
    s->classes = mem_zalloc(n, sizeof *s->classes);
    s->counts = mem_zalloc(n, sizeof *s->counts);
    bool failed = !s->classes || !s->counts;
    for (size_t k = 0; k < n && !failed; k++) {
        s->classes[k] = boolean ? mem_strdup(k ? "true" : "false") : class_name(c, d->rows[k]);
        failed = !s->classes[k];
        s->n_classes += !failed;
    }
    return failed ? err_set(e, ERR_MEMORY, "no memory for %zu classes", n) : 0;
}

static int make_classes(target *t, const frame *f, const column *c, const uint32_t *rows, size_t n_rows, err *e)
{
    size_t n_all = frame_n_rows(f);
    distinct *d = mem_alloc(1, sizeof *d);
    t->class_of = mem_alloc(n_all, sizeof *t->class_of);
    int rc = d && t->class_of ? 0 : err_set(e, ERR_MEMORY, "no memory for the classes of %zu rows", n_all);
    if (rc == 0) rc = find_distinct(d, c, rows, n_rows, e);
    if (rc == 0 && d->n < 2) {
        char text[COLUMN_TEXT_SIZE];
        str only = column_text(c, rows[0], text);
        rc = err_set(e, ERR_INPUT,
                     "target \"%.80s\" is \"" STR_FORMAT "\" in every row: one class only, nothing to learn", c->name,
                     STR_ARGS(only));
    }
    if (rc == 0) rc = name_classes(&t->holder.target, d, c, e);
    if (rc == 0) {
        for (size_t i = 0; i < n_all; i++) t->class_of[i] = -1;
        for (size_t i = 0; i < n_rows; i++) {
            bool found;
            size_t at = place_of(d, c, rows[i], &found);
            t->class_of[rows[i]] = c->type == COLUMN_BOOLEAN ? (int32_t)c->i64[rows[i]] : (int32_t)at;
        }
    }
    mem_free(d);
    return rc;
}

// ---- values

static int make_values(target *t, const frame *f, const column *c, const uint32_t *rows, size_t n_rows, err *e)
{
    if (c->storage == STORAGE_STRING || c->type == COLUMN_DATETIME)
        return err_set(e, ERR_INPUT, "target \"%.80s\" is of type %s: regression predicts numbers", c->name,
                       column_type_name(c->type));
    size_t n_all = frame_n_rows(f);
    t->value_of = mem_alloc(n_all, sizeof *t->value_of);
    if (!t->value_of) return err_set(e, ERR_MEMORY, "no memory for the values of %zu rows", n_all);
    for (size_t i = 0; i < n_all; i++) t->value_of[i] = NAN;
    for (size_t i = 0; i < n_rows; i++) {
        double v = c->storage == STORAGE_F64 ? c->f64[rows[i]] : (double)c->i64[rows[i]];
        if (!(fabs(v) <= 3.4e38)) // scores are float32
            return err_set_at(e, ERR_INPUT, (int64_t)rows[i] + 1, "target \"%.80s\": row %u: %g is beyond float32",
                              c->name, rows[i] + 1, v);
        t->value_of[rows[i]] = v;
    }
    return 0;
}

int target_make(target *out, const frame *f, size_t at, task t, const uint32_t *rows, size_t n_rows, err *e)
{
    const column *c = frame_column(f, at);
    if (n_rows == 0) return err_set(e, ERR_INPUT, "no row has a value of target \"%.80s\"", c->name);
    target made = {.column = at};
    schema_target *s = &made.holder.target;
    *s = (schema_target){.name = mem_strdup(c->name), .task = t, .type = c->type, .min = NAN, .max = NAN, .mean = NAN};
    int rc = s->name ? 0 : err_set(e, ERR_MEMORY, "no memory for a name");
    if (rc == 0)
        rc = t == TASK_CLASSIFICATION ? make_classes(&made, f, c, rows, n_rows, e)
                                      : make_values(&made, f, c, rows, n_rows, e);
    if (rc < 0)
        target_clear(&made);
    else
        *out = made;
    return rc;
}

void target_clear(target *t)
{
    schema_clear(&t->holder);
    mem_free(t->class_of);
    mem_free(t->value_of);
    *t = (target){0};
}

int target_count(target *t, const uint32_t *rows, size_t n_rows, err *e)
{
    schema_target *s = &t->holder.target;
    if (t->value_of) {
        double sum = 0;
        s->min = s->max = t->value_of[rows[0]];
        for (size_t i = 0; i < n_rows; i++) {
            double v = t->value_of[rows[i]];
            s->min = fmin(s->min, v);
            s->max = fmax(s->max, v);
            sum += v;
        }
        s->mean = sum / (double)n_rows;
        return 0;
    }
    size_t n_seen = 0, last = 0;
    memset(s->counts, 0, s->n_classes * sizeof *s->counts);
    for (size_t i = 0; i < n_rows; i++) s->counts[t->class_of[rows[i]]]++;
    for (size_t k = 0; k < s->n_classes; k++) {
        if (!s->counts[k]) continue;
        n_seen++;
        last = k;
    }
    if (n_seen >= 2) return 0;
    return err_set(e, ERR_INPUT, "the training rows are all of class \"%.80s\": nothing to learn", s->classes[last]);
}
