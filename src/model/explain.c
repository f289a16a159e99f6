// Explanations of a model: the driver's, row by row and for whole frames.
// SPDX-License-Identifier: Apache-2.0
#include <assert.h>

#include "base/task_error.h"
#include "model/model_impl.h"

enum { BLOCK_ROWS = 128 }; // a task's: as many as the driver explains at once
static const size_t BLOCK_MEMORY_MAX = (size_t)2 << 30;

int model_explains(const model *m, err *e)
{
    int rc;
    if (!m->loaded)
        rc = err_set(e, ERR_UNSUPPORTED, "it is run in a process of its own");
    else if (!m->driver->explain)
        rc = err_set(e, ERR_UNSUPPORTED, "its driver \"%s\" has no explanations", m->driver->name);
    else
        rc = m->driver->explains(m->loaded, e);
    return rc < 0 ? err_prefix(e, rc, "this model cannot be explained") : 0;
}

double model_explain_ns(const model *m, size_t n_rows)
{
    return m->loaded && m->driver->explain ? m->driver->explain_ns(m->loaded, n_rows) : 0;
}

int explanation_new(explanation *out, const model *m, const prediction *p, int32_t class, arena *a, err *e)
{
    const schema *s = model_schema(m);
    size_t n = p->n_rows, n_columns = s->n_inputs;
    bool classes = s->target.task == TASK_CLASSIFICATION;
    if (classes && class != EXPLAIN_PREDICTED && (class < 0 || (size_t) class >= s->target.n_classes))
        return err_set(e, ERR_INPUT, "there is no class %d", class);
    explanation x = {.n_rows = n, .n_columns = n_columns};
    x.base = arena_alloc(a, n, sizeof *x.base);
    x.explained = arena_alloc(a, n, sizeof *x.explained);
    x.contributions = arena_alloc(a, n, n_columns * sizeof *x.contributions);
    if (classes) x.classes = arena_alloc(a, n, sizeof *x.classes);
    if (!x.base || !x.explained || !x.contributions || (classes && !x.classes))
        return err_set(e, ERR_MEMORY, "no memory for the explanations of %zu rows", n);
    for (size_t i = 0; classes && i < n; i++) x.classes[i] = class == EXPLAIN_PREDICTED ? p->labels[i] : class;
    *out = x;
    return 0;
}

int model_explain(const model *m, const batch *in, size_t first, size_t n, const prediction *p, explanation *out,
                  arena *scratch, err *e)
{
    assert(in->schema == model_schema(m) && first + n <= in->n_rows && in->n_rows == out->n_rows);
    TRY(model_explains(m, e));
    return m->driver->explain(m->loaded, in, first, n, p, out, scratch, e);
}

// ---- frames

typedef struct explain_task { // what the tasks share, one task a block
    const model *m;
    const frame *f;
    const prediction *p;
    explanation *out;
    task_error errors;
} explain_task;

static int explain_block(const explain_task *t, size_t first, size_t n, bool *margin, arena *scratch, err *e)
{
    const prediction *p = t->p;
    uint32_t *rows = arena_alloc(scratch, n, sizeof *rows);
    if (!rows) return err_set(e, ERR_MEMORY, "no memory for a block of %zu rows", n);
    for (size_t i = 0; i < n; i++) rows[i] = (uint32_t)(first + i);
    batch b;
    TRY(batch_from_frame(&b, model_schema(t->m), t->f, rows, n, scratch, e));
    prediction part = {.n_rows = n,
                       .n_scores = p->n_scores,
                       .scores = p->scores + first * p->n_scores,
                       .labels = p->labels ? p->labels + first : NULL};
    explanation x = {.n_rows = n,
                     .n_columns = t->out->n_columns,
                     .classes = t->out->classes ? t->out->classes + first : NULL,
                     .base = t->out->base + first,
                     .explained = t->out->explained + first,
                     .contributions = t->out->contributions + first * t->out->n_columns};
    TRY(model_explain(t->m, &b, 0, n, &part, &x, scratch, e));
    *margin = x.margin;
    return 0;
}

static void explain_task_run(void *context, size_t block, size_t worker)
{
    (void)worker;
    explain_task *t = context;
    if (task_error_before(&t->errors, block)) return;
    size_t first = block * BLOCK_ROWS, n = t->out->n_rows - first;
    if (n > BLOCK_ROWS) n = BLOCK_ROWS;
    err e = ERR_NONE;
    arena scratch;
    arena_init(&scratch, BLOCK_MEMORY_MAX);
    bool margin = false;
    int rc = explain_block(t, first, n, &margin, &scratch, &e);
    arena_clear(&scratch);
    if (rc == 0 && block == 0) t->out->margin = margin; // all blocks say the same
    if (rc < 0) task_error_set(&t->errors, block, rc, &e);
}

int model_explain_frame(const model *m, const frame *f, int32_t class, prediction *p, explanation *out, pool *workers,
                        arena *a, err *e)
{
    TRY(model_explains(m, e));
    TRY(model_predict_frame(m, f, NULL, frame_n_rows(f), p, workers, a, e));
    TRY(explanation_new(out, m, p, class, a, e));
    explain_task t = {.m = m, .f = f, .p = p, .out = out};
    task_error_init(&t.errors);
    pool_run(workers, (p->n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS, explain_task_run, &t);
    return task_error_end(&t.errors, e);
}
