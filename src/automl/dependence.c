// One task for each point.
// SPDX-License-Identifier: Apache-2.0
#include "automl/dependence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/task_error.h"

static const size_t TASK_MEMORY_MAX = (size_t)4 << 30;

typedef struct dependence_task { // what the tasks share
    const model *m;
    const batch *rows;
    dependence *out;
    task_error errors;
} dependence_task;

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a partial dependence");
}

// Points ------------------------------------------------------------------------------------------------------------

static int compare_f32(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int compare_i64(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int compare_str(const void *a, const void *b)
{
    return str_compare(*(const str *)a, *(const str *)b);
}

typedef struct counted {
    str text;
    size_t n;
} counted;

static int compare_counts(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->n != y->n) return x->n > y->n ? -1 : 1;
    return str_compare(x->text, y->text);
}

// Of n sorted values those that differ, or, if there are too many, those at even steps; in place. Returns how many.
#define DEFINE_THIN(T)                                                           \
    static size_t thin_##T(T *v, size_t n)                                       \
    {                                                                            \
        size_t n_distinct = 0, out = 0;                                          \
        for (size_t i = 0; i < n; i++) n_distinct += i == 0 || v[i] != v[i - 1]; \
        bool all = n_distinct <= DEPENDENCE_POINTS;                              \
        size_t n_looked = all ? n : DEPENDENCE_POINTS;                           \
        for (size_t i = 0; i < n_looked; i++) {                                  \
            T value = all ? v[i] : v[i * (n - 1) / (DEPENDENCE_POINTS - 1)];     \
            if (out == 0 || v[out - 1] != value) v[out++] = value;               \
        }                                                                        \
        return out;                                                              \
    }
DEFINE_THIN(float)
DEFINE_THIN(int64_t)

// The most frequent of n sorted texts, sorted; in place.
static size_t thin_texts(str *v, size_t n, arena *a)
{
    counted *counts = arena_alloc(a, n, sizeof *counts);
    size_t n_distinct = 0;
    if (!counts) return SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_equal(v[i], v[i - 1])) counts[n_distinct++] = (counted){v[i], 0};
        counts[n_distinct - 1].n++;
    }
    qsort(counts, n_distinct, sizeof *counts, compare_counts);
    size_t out = n_distinct < DEPENDENCE_TEXTS_MAX ? n_distinct : DEPENDENCE_TEXTS_MAX;
    for (size_t i = 0; i < out; i++) v[i] = counts[i].text;
    qsort(v, out, sizeof *v, compare_str);
    return out;
}

static int find_points(dependence *x, const batch *rows, arena *a, err *e)
{
    const batch_column *from = &rows->columns[x->column];
    size_t n = 0, size = from->f32 ? sizeof(float) : from->i64 ? sizeof(int64_t) : sizeof(str);
    void *values = arena_alloc(a, rows->n_rows, size);
    if (!values) return no_memory(e);
    for (size_t i = 0; i < rows->n_rows; i++) {
        if (from->f32 && isfinite(from->f32[i])) ((float *)values)[n++] = from->f32[i] + 0.0f; // -0 is 0
        if (from->i64 && from->i64[i] != WIRE_I64_MISSING) ((int64_t *)values)[n++] = from->i64[i];
        if (from->strings && from->strings[i].len > 0) ((str *)values)[n++] = from->strings[i];
    }
    if (n == 0)
        return err_set(e, ERR_INPUT, "column \"%.80s\" has no values in these rows",
                       rows->schema->inputs[x->column].name);
    qsort(values, n, size, from->f32 ? compare_f32 : from->i64 ? compare_i64 : compare_str);
    if (from->f32) x->points.f32 = values, n = thin_float(values, n);
    if (from->i64) x->points.i64 = values, n = thin_int64_t(values, n);
    if (from->strings) x->points.strings = values, n = thin_texts(values, n, a);
    if (n == SIZE_MAX) return no_memory(e);
    x->n_points = n;
    return 0;
}

// Predictions -------------------------------------------------------------------------------------------------------

// The column with the same value in all rows.
static int fill_column(batch_column *out, const batch_column *points, size_t point, size_t n, arena *a, err *e)
{
    *out = (batch_column){0};
    bool ok = false;
#define FILL(array)                                                                \
    if (points->array) {                                                           \
        out->array = arena_alloc(a, n, sizeof *out->array);                        \
        ok = out->array != NULL;                                                   \
        for (size_t i = 0; ok && i < n; i++) out->array[i] = points->array[point]; \
    }
    FILL(f32)
    FILL(i64)
    FILL(strings)
#undef FILL
    return ok ? 0 : no_memory(e);
}

static int run_point(const dependence_task *t, size_t point, arena *a, err *e)
{
    dependence *x = t->out;
    size_t n = t->rows->n_rows;
    batch_column *columns = arena_alloc(a, t->rows->schema->n_inputs, sizeof *columns);
    float *scores = arena_alloc(a, n, x->n_scores * sizeof *scores);
    if (!columns || !scores) return no_memory(e);
    batch fixed = batch_part(t->rows, 0, n, columns);
    TRY(fill_column(&columns[x->column], &x->points, point, n, a, e));
    TRY(model_predict_scores(t->m, &fixed, scores, a, e));
    for (size_t k = 0; k < x->n_scores; k++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += (double)scores[i * x->n_scores + k];
        x->means[point * x->n_scores + k] = sum / (double)n;
    }
    return 0;
}

static void point_task(void *context, size_t point, size_t worker)
{
    (void)worker;
    dependence_task *t = context;
    if (task_error_before(&t->errors, point)) return;
    arena a;
    err e = ERR_NONE;
    arena_init(&a, TASK_MEMORY_MAX);
    int rc = run_point(t, point, &a, &e);
    arena_clear(&a);
    if (rc < 0) task_error_set(&t->errors, point, rc, &e);
}

static int find_column(dependence *x, const schema *s, const char *name, err *e)
{
    int64_t at = schema_find(s, str_of(name));
    if (at < 0) return err_set(e, ERR_NOT_FOUND, "the model has no column \"%.80s\"", name);
    x->column = (size_t)at;
    return 0;
}

int dependence_partial(dependence *out, const model *m, const frame *f, const char *name, pool *p, arena *a, err *e)
{
    dependence x = {.n_scores = model_n_scores(m)};
    batch rows;
    TRY(find_column(&x, model_schema(m), name, e));
    TRY(batch_from_frame(&rows, model_schema(m), f, NULL, 0, a, e));
    TRY(find_points(&x, &rows, a, e));
    x.means = arena_alloc(a, x.n_points, x.n_scores * sizeof *x.means);
    if (!x.means) return no_memory(e);
    dependence_task t = {.m = m, .rows = &rows, .out = &x};
    task_error_init(&t.errors);
    pool_run(p, x.n_points, point_task, &t);
    TRY(task_error_end(&t.errors, e));
    *out = x;
    return 0;
}
