// The matrix of features, by running the very graph that is served: blocks of rows over the pool.
// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"
#include "base/task_error.h"
#include "engine/plan.h"
#include "engine/row_program.h"
#include "prepare/feed.h"
#include "prepare/prepare.h"
#include "prepare/prepare_impl.h"

enum { BLOCK_ROWS_MAX = 1024, BLOCK_VALUES = 1 << 18 };
static const size_t BLOCK_MEMORY_MAX = (size_t)1 << 30; // of one block's inputs, outputs and scratch

typedef struct application { // what the tasks share, one task a block
    const preparation *p;
    const frame *f;
    const uint32_t *rows;
    size_t n_rows, n_features, block_rows;
    const feed *feed;
    const row_program *program; // or
    const plan *plan;
    float *out; // (n_features, n_rows)
    task_error errors;
} application;

static int run_program(const application *a, const tensor *in, size_t n, const float **features, arena *scratch, err *e)
{
    float *x = arena_alloc(scratch, n, a->n_features * sizeof *x);
    if (!x) return err_set(e, ERR_MEMORY, "no memory for %zu rows of %zu features", n, a->n_features);
    *features = x;
    return row_program_run(a->program, in, n, NULL, NULL, x, scratch, e);
}

// Columns are contiguous in the result, so each block is written there column by column.
static void transpose(const application *a, const float *features, size_t first, size_t n)
{
    for (size_t k = 0; k < a->n_features; k++) {
        float *to = a->out + k * a->n_rows + first;
        for (size_t i = 0; i < n; i++) to[i] = features[i * a->n_features + k];
    }
}

static int apply_block(const application *a, size_t first, size_t n, arena *scratch, err *e)
{
    batch b;
    TRY(batch_from_frame(&b, &a->p->schema, a->f, a->rows + first, n, scratch, e));
    tensor *in = arena_alloc(scratch, feed_n_tensors(a->feed), sizeof *in);
    if (!in) return err_set(e, ERR_MEMORY, "no memory for %zu inputs", feed_n_tensors(a->feed));
    TRY(feed_tensors(a->feed, &b, 0, n, in, scratch, e));
    const float *features;
    if (a->program) {
        TRY(run_program(a, in, n, &features, scratch, e));
        transpose(a, features, first, n);
        return 0;
    }
    session *s;
    TRY(session_new(&s, a->plan, BLOCK_MEMORY_MAX, e));
    tensor result;
    int rc = session_run(s, in, &result, e);
    if (rc == 0) transpose(a, result.data, first, n);
    session_free(s);
    return rc;
}

static void apply_task(void *context, size_t block, size_t worker)
{
    (void)worker;
    application *a = context;
    if (task_error_before(&a->errors, block)) return;
    size_t first = block * a->block_rows, n = a->n_rows - first;
    if (n > a->block_rows) n = a->block_rows;
    err e = ERR_NONE;
    arena scratch;
    arena_init(&scratch, BLOCK_MEMORY_MAX);
    int rc = apply_block(a, first, n, &scratch, &e);
    arena_clear(&scratch);
    if (rc < 0) task_error_set(&a->errors, block, rc, &e);
}

static int make_graph(graph **out, const preparation *p, err *e)
{
    graph *g;
    TRY(graph_new(&g, p->memory.ceiling, e));
    value_id features;
    int rc = preparation_emit(p, g, &features, e);
    if (rc == 0) rc = graph_add_output(g, features, e);
    if (rc == 0) rc = graph_check(g, e);
    if (rc < 0)
        graph_free(g);
    else
        *out = g;
    return rc < 0 ? rc : 0;
}

int preparation_apply(const preparation *p, const frame *f, const uint32_t *rows, size_t n_rows, float *out,
                      pool *workers, err *e)
{
    graph *g;
    TRY(make_graph(&g, p, e));
    feed *inputs = NULL;
    row_program *program = NULL;
    plan *plain = NULL;
    int rc = feed_new(&inputs, &p->schema, g, e);
    if (rc == 0) rc = row_program_compile(&program, g, e);
    if (rc == ERR_UNSUPPORTED) rc = plan_new(&plain, g, &(plan_options){0}, e);
    if (rc == 0) {
        size_t wide = p->schema.n_inputs > p->n_features ? p->schema.n_inputs : p->n_features;
        size_t block_rows = BLOCK_VALUES / wide;
        if (block_rows > BLOCK_ROWS_MAX) block_rows = BLOCK_ROWS_MAX;
        if (block_rows == 0) block_rows = 1;
        application a = {.p = p,
                         .f = f,
                         .rows = rows,
                         .n_rows = n_rows,
                         .n_features = p->n_features,
                         .block_rows = block_rows,
                         .feed = inputs,
                         .program = program,
                         .plan = plain,
                         .out = out};
        task_error_init(&a.errors);
        pool_run(workers, (n_rows + block_rows - 1) / block_rows, apply_task, &a);
        rc = task_error_end(&a.errors, e);
    }
    row_program_free(program);
    plan_free(plain);
    feed_free(inputs);
    graph_free(g);
    return rc;
}
