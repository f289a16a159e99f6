// Preparation and family append to one graph; what is measured is that graph, packaged.
// SPDX-License-Identifier: Apache-2.0
#include "automl/fitting.h"

#include <string.h>

#include "automl/memory.h"
#include "base/mem.h"
#include "model/model.h"

static const size_t GRAPH_MEMORY_MAX = (size_t)16 << 30, SCORES_MEMORY_MAX = (size_t)16 << 30;

int fitting_prepare(fitted *out, const fitting *w, const uint32_t *rows, size_t n_rows, err *e)
{
    TRY(target_count(w->t, rows, n_rows, e));
    *out = (fitted){0};
    return preparation_fit(&out->preparation, w->f, (int64_t)w->t->column, rows, n_rows, &w->s->prepare, w->workers, e);
}

// ---- training

typedef struct matrix { // what a family is given; owned
    float *x;           // (n_features, n_rows)
    int32_t *classes;   // (n_rows), or
    double *values;
} matrix;

static void matrix_clear(matrix *m)
{
    mem_free(m->x);
    mem_free(m->classes);
    mem_free(m->values);
}

static int check_memory(const family_data *d, const setup *s, size_t n_threads, err *e)
{
    size_t family = s->family->memory_estimate(d, s->family_options, n_threads), features;
    if (__builtin_mul_overflow(d->n_rows, d->n_features * sizeof *d->x, &features)) features = SIZE_MAX / 2;
    uint64_t wanted = (uint64_t)family + features, there = memory_available();
    if (wanted <= there) return 0;
    return err_set(e, ERR_MEMORY,
                   "%zu rows of %zu features need about %.1f GiB to train a %s, and %.1f GiB are free: take fewer "
                   "columns, rows or trees",
                   d->n_rows, d->n_features, (double)wanted / (1 << 30), s->family->name, (double)there / (1 << 30));
}

static int make_matrix(matrix *m, family_data *d, const fitting *w, const preparation *p, const uint32_t *rows, err *e)
{
    size_t n = d->n_rows;
    const target *t = w->t;
    m->x = mem_alloc(n, d->n_features * sizeof *m->x);
    if (t->class_of)
        m->classes = mem_alloc(n, sizeof *m->classes);
    else
        m->values = mem_alloc(n, sizeof *m->values);
    if (!m->x || (!m->classes && !m->values))
        return err_set(e, ERR_MEMORY, "no memory for %zu rows of %zu features", n, d->n_features);
    for (size_t i = 0; i < n; i++) {
        if (m->classes)
            m->classes[i] = t->class_of[rows[i]];
        else
            m->values[i] = t->value_of[rows[i]];
    }
    d->x = m->x;
    d->classes = m->classes;
    d->values = m->values;
    return preparation_apply(p, w->f, rows, n, m->x, w->workers, e);
}

int fitting_train(fitted *io, const fitting *w, const uint32_t *rows, size_t n_rows, const family_progress *progress,
                  err *e)
{
    const setup *s = w->s;
    family_data d = {.n_rows = n_rows, .target = &w->t->holder.target};
    d.features = preparation_features(io->preparation, &d.n_features);
    TRY(check_memory(&d, s, pool_size(w->workers), e));
    matrix m = {0};
    graph *g = NULL;
    int rc = make_matrix(&m, &d, w, io->preparation, rows, e);
    if (rc == 0) rc = graph_new(&g, GRAPH_MEMORY_MAX, e);
    value_id features;
    family_outputs outputs;
    if (rc == 0) rc = preparation_emit(io->preparation, g, &features, e);
    if (rc == 0) rc = s->family->fit(&outputs, g, features, &d, s->family_options, w->seed, w->workers, progress, e);
    if (rc == 0 && outputs.label != VALUE_NONE) rc = graph_add_output(g, outputs.label, e);
    if (rc >= 0) rc = graph_add_output(g, outputs.scores, e);
    if (rc >= 0) rc = graph_check(g, e);
    matrix_clear(&m);
    if (rc < 0)
        graph_free(g);
    else
        io->graph = g;
    return rc < 0 ? rc : 0;
}

void fitted_clear(fitted *f)
{
    preparation_free(f->preparation);
    graph_free(f->graph);
    *f = (fitted){0};
}

// ---- packaging and measuring

int fitted_package(package **out, const fitted *f, const fitting *w, const json_t *options, const json_t *metrics_json,
                   const json_t *training, err *e)
{
    schema s = *preparation_schema(f->preparation); // a view of both
    s.target = w->t->holder.target;
    package_parts parts = {.recipe = w->s->recipe->name,
                           .driver = w->s->recipe->driver,
                           .schema = &s,
                           .options = options,
                           .metrics = metrics_json,
                           .training = training,
                           .graph = f->graph};
    return package_make(out, &parts, e);
}

// The true values of the rows against what the model says of them.
static int measure(metrics *out, baseline *scored, const model *m, const fitting *w, const uint32_t *rows,
                   size_t n_rows, arena *a, err *e)
{
    prediction p;
    TRY(model_predict_frame(m, w->f, rows, n_rows, &p, w->workers, a, e));
    if (scored) TRY(baseline_of_scores(scored, &model_schema(m)->target, &p, e));
    const target *t = w->t;
    if (t->class_of) {
        int32_t *truth = arena_alloc(a, n_rows, sizeof *truth);
        if (!truth) return err_set(e, ERR_MEMORY, "no memory for %zu rows", n_rows);
        for (size_t i = 0; i < n_rows; i++) truth[i] = t->class_of[rows[i]];
        return metrics_classification(out, truth, p.scores, n_rows, p.n_scores, e);
    }
    double *truth = arena_alloc(a, n_rows, sizeof *truth);
    if (!truth) return err_set(e, ERR_MEMORY, "no memory for %zu rows", n_rows);
    for (size_t i = 0; i < n_rows; i++) truth[i] = t->value_of[rows[i]];
    return metrics_regression(out, truth, p.scores, n_rows, e);
}

int fitted_measure(metrics *out, baseline *scored, const fitted *f, const fitting *w, const uint32_t *rows,
                   size_t n_rows, err *e)
{
    package *p;
    model *m;
    TRY(fitted_package(&p, f, w, NULL, NULL, NULL, e));
    TRY(model_open(&m, p, e));
    arena a;
    arena_init(&a, SCORES_MEMORY_MAX);
    int rc = measure(out, scored, m, w, rows, n_rows, &a, e);
    arena_clear(&a);
    model_drop(m);
    return rc;
}
