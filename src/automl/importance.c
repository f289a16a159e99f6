// One task for each column and shuffle.
// SPDX-License-Identifier: Apache-2.0
#include "automl/importance.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "base/task_error.h"
#include "evaluate/metrics.h"
#include "model/truth.h"
#include "recipe/recipe.h"

static const size_t TASK_MEMORY_MAX = (size_t)4 << 30;

typedef struct shuffling { // what the tasks share
    const model *m;
    const truth *truth;
    const batch *rows;
    const importance_options *o;
    importance *out;
    bool more_is_better;
    task_error errors;
} shuffling;

static const char *deciding_metric(const model *m)
{
    const recipe_row *r = recipe_find(model_package(m)->recipe);
    bool classes = model_schema(m)->target.task == TASK_CLASSIFICATION;
    if (r) return r->metric;
    return classes ? "accuracy" : "rmse";
}

// Predicts the batch and measures.
static int measure(const shuffling *s, const batch *in, double *value, bool *more_is_better, arena *scratch, err *e)
{
    const schema_target *t = &model_schema(s->m)->target;
    float *scores = arena_alloc(scratch, in->n_rows, model_n_scores(s->m) * sizeof *scores);
    if (!scores) return err_set(e, ERR_MEMORY, "no memory for the scores of %zu rows", in->n_rows);
    TRY(model_predict_scores(s->m, in, scores, scratch, e));
    metrics measured = {0};
    int rc = t->task == TASK_CLASSIFICATION
                 ? metrics_classification(&measured, s->truth->classes, scores, in->n_rows, t->n_classes, e)
                 : metrics_regression(&measured, s->truth->values, scores, in->n_rows, e);
    if (rc == 0) rc = metrics_get(&measured, s->out->metric, value, more_is_better, e);
    metrics_clear(&measured);
    if (rc == 0 && !isfinite(*value))
        rc = err_set(e, ERR_INPUT, "%s is not defined for these rows: name another metric", s->out->metric);
    return rc;
}

static int shuffle_column(batch_column *out, const batch_column *from, const uint32_t *order, size_t n, arena *a,
                          err *e)
{
    *out = (batch_column){0};
    bool ok = false;
#define COPY(array)                                                                 \
    if (from->array) {                                                              \
        out->array = arena_alloc(a, n, sizeof *out->array);                         \
        ok = out->array != NULL;                                                    \
        for (size_t i = 0; ok && i < n; i++) out->array[i] = from->array[order[i]]; \
    }
    COPY(f32)
    COPY(i64)
    COPY(strings)
#undef COPY
    return ok ? 0 : err_set(e, ERR_MEMORY, "no memory for a shuffled column");
}

static int run_task(const shuffling *s, size_t number, arena *a, err *e)
{
    size_t k = number / s->o->n_repeats, n = s->rows->n_rows, n_inputs = s->rows->schema->n_inputs;
    batch_column *columns = arena_alloc(a, n_inputs, sizeof *columns);
    uint32_t *order = arena_alloc(a, n, sizeof *order);
    if (!columns || !order) return err_set(e, ERR_MEMORY, "no memory for %zu shuffled rows", n);
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    rng r = rng_new(s->o->seed, number);
    rng_shuffle(&r, order, n);
    batch shuffled = batch_part(s->rows, 0, n, columns);
    TRY(shuffle_column(&columns[k], &s->rows->columns[k], order, n, a, e));
    double value;
    bool more_is_better;
    TRY(measure(s, &shuffled, &value, &more_is_better, a, e));
    s->out->drops[number] = more_is_better ? s->out->measured - value : value - s->out->measured;
    return 0;
}

static void shuffle_task(void *context, size_t number, size_t worker)
{
    (void)worker;
    shuffling *s = context;
    if (task_error_before(&s->errors, number)) return;
    arena a;
    err e = ERR_NONE;
    arena_init(&a, TASK_MEMORY_MAX);
    int rc = run_task(s, number, &a, &e);
    arena_clear(&a);
    if (rc < 0) task_error_set(&s->errors, number, rc, &e);
}

static void summarise(importance *x)
{
    for (size_t k = 0; k < x->n_columns; k++) {
        const double *drops = x->drops + k * x->n_repeats;
        double sum = 0, squares = 0;
        for (size_t i = 0; i < x->n_repeats; i++) sum += drops[i];
        x->means[k] = sum / (double)x->n_repeats;
        for (size_t i = 0; i < x->n_repeats; i++) squares += (drops[i] - x->means[k]) * (drops[i] - x->means[k]);
        x->deviations[k] = x->n_repeats > 1 ? sqrt(squares / (double)(x->n_repeats - 1)) : 0;
    }
}

static int permute(shuffling *s, const frame *f, pool *p, arena *a, err *e)
{
    importance *x = s->out;
    batch rows;
    TRY(batch_from_frame(&rows, model_schema(s->m), f, s->truth->rows, s->truth->n_rows, a, e));
    s->rows = &rows;
    x->n_rows = rows.n_rows;
    x->drops = arena_alloc(a, x->n_columns, x->n_repeats * sizeof *x->drops);
    x->means = arena_alloc(a, x->n_columns, sizeof *x->means);
    x->deviations = arena_alloc(a, x->n_columns, sizeof *x->deviations);
    if (!x->drops || !x->means || !x->deviations) return err_set(e, ERR_MEMORY, "no memory for importances");
    arena_mark mark = arena_get_mark(a);
    int rc = measure(s, &rows, &x->measured, &s->more_is_better, a, e);
    arena_rewind(a, mark);
    if (rc < 0) return rc;
    task_error_init(&s->errors);
    pool_run(p, x->n_columns * x->n_repeats, shuffle_task, s);
    TRY(task_error_end(&s->errors, e));
    summarise(x);
    return 0;
}

int importance_permutation(importance *out, const model *m, const frame *f, const importance_options *o, pool *p,
                           arena *a, err *e)
{
    importance x = {.n_columns = model_schema(m)->n_inputs,
                    .n_repeats = o->n_repeats,
                    .metric = o->metric ? o->metric : deciding_metric(m)};
    truth t = {0};
    shuffling s = {.m = m, .truth = &t, .o = o, .out = &x};
    int rc = truth_of_frame(&t, &model_schema(m)->target, f, e);
    if (rc == 0) rc = permute(&s, f, p, a, e);
    truth_clear(&t);
    if (rc == 0) *out = x;
    return rc;
}
