// A package, its driver's form of it, and a count of owners.
// SPDX-License-Identifier: Apache-2.0
#include "model/model_impl.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/task_error.h"

enum { BLOCK_ROWS_MAX = 1024, BLOCK_VALUES = 1 << 18 };
static const size_t RUN_MEMORY_MAX = (size_t)2 << 30;   // of one run, where the driver has memory of its own
static const size_t BLOCK_MEMORY_MAX = (size_t)1 << 30; // of one block of a frame

static int predict(const model *m, const batch *in, prediction *out, arena *a, err *e)
{
    driver_limits limits = {.memory_max = RUN_MEMORY_MAX, .steps_max = m->driver->steps_max};
    driver_run *run = NULL;
    TRY(m->driver->begin(&run, m->loaded, in, &limits, a, e));
    bool done = false;
    int rc = 0;
    while (rc == 0 && !done) rc = m->driver->step(run, &done, e);
    if (rc == 0) rc = m->driver->result(run, out, e);
    m->driver->end(run);
    return rc;
}

// One row of zeros and empty texts, so that whatever is made on first use is made now.
static int warm(const model *m, err *e)
{
    arena a;
    arena_init(&a, BLOCK_MEMORY_MAX);
    batch b;
    prediction unused;
    int rc = batch_blank(&b, model_schema(m), 1, &a, e);
    if (rc == 0) rc = predict(m, &b, &unused, &a, e);
    arena_clear(&a);
    return rc == ERR_INPUT ? 0 : rc; // zeros may be no values of this model
}

// Takes the package, also on failure.
static int make(model **out, package *p, err *e)
{
    model *m = mem_zalloc(1, sizeof *m);
    if (!m) {
        package_free(p);
        return err_set(e, ERR_MEMORY, "no memory for a model");
    }
    atomic_init(&m->owners, 1);
    m->package = p;
    m->driver = driver_find(p->driver);
    if (!m->driver) {
        int rc =
            err_set(e, ERR_UNSUPPORTED, "the package wants the driver \"%.80s\", which is unknown here", p->driver);
        model_drop(m);
        return rc;
    }
    *out = m;
    return 0;
}

int model_open(model **out, package *p, err *e)
{
    model *m;
    TRY(make(&m, p, e));
    int rc = m->driver->load(&m->loaded, p, e);
    if (rc == 0) rc = warm(m, e);
    if (rc < 0)
        model_drop(m);
    else
        *out = m;
    return rc;
}

int model_open_light(model **out, package *p, bool describe, bool *light, err *e)
{
    model *m;
    TRY(make(&m, p, e));
    int rc = describe || !m->driver->load_light ? ERR_UNSUPPORTED : m->driver->load_light(&m->loaded, p, e);
    *light = rc == 0;
    if (rc == 0) rc = warm(m, e);
    if (rc < 0 && (rc != ERR_UNSUPPORTED || *light))
        model_drop(m);
    else
        *out = m;
    return rc == ERR_UNSUPPORTED && !*light ? 0 : rc;
}

model *model_hold(model *m)
{
    atomic_fetch_add_explicit(&m->owners, 1, memory_order_relaxed);
    return m;
}

void model_drop(model *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->owners, 1, memory_order_release) != 1) return;
    atomic_thread_fence(memory_order_acquire);
    if (m->loaded) m->driver->unload(m->loaded);
    package_free(m->package);
    mem_free(m);
}

const package *model_package(const model *m)
{
    return m->package;
}

const schema *model_schema(const model *m)
{
    return &m->package->schema;
}

size_t model_memory(const model *m)
{
    size_t blobs = 0; // those in memory; mappings are the kernel's to give up
    for (size_t i = 0; i < m->package->n_blobs; i++)
        if (!m->package->blobs[i].mapped) blobs += m->package->blobs[i].content.len;
    return sizeof *m + blobs + (m->loaded ? m->driver->memory_of(m->loaded) : 0);
}

bool model_rows_apart(const model *m)
{
    return m->loaded && m->driver->rows_apart(m->loaded);
}

int model_predict(const model *m, const batch *in, prediction *out, arena *a, err *e)
{
    assert(in->schema == model_schema(m));
    if (!m->loaded) return err_set(e, ERR_UNSUPPORTED, "this model is run in a process of its own");
    return predict(m, in, out, a, e);
}

size_t model_n_scores(const model *m)
{
    const schema_target *t = &model_schema(m)->target;
    return t->task == TASK_CLASSIFICATION ? t->n_classes : 1;
}

int model_predict_scores(const model *m, const batch *in, float *scores, arena *scratch, err *e)
{
    size_t n_scores = model_n_scores(m);
    int rc = 0;
    for (size_t first = 0, n; first < in->n_rows && rc == 0; first += n) {
        arena_mark mark = arena_get_mark(scratch);
        batch_column *columns = arena_alloc(scratch, in->schema->n_inputs, sizeof *columns);
        n = in->n_rows - first < BLOCK_ROWS_MAX ? in->n_rows - first : BLOCK_ROWS_MAX;
        if (!columns) return err_set(e, ERR_MEMORY, "no memory for a block of %zu rows", n);
        batch part = batch_part(in, first, n, columns);
        prediction p;
        rc = model_predict(m, &part, &p, scratch, e);
        if (rc == 0) memcpy(scores + first * n_scores, p.scores, n * n_scores * sizeof *scores);
        arena_rewind(scratch, mark);
    }
    return rc;
}

// ---- frames

typedef struct prediction_task { // what the tasks share, one task a block
    const model *m;
    const frame *f;
    const uint32_t *rows; // or NULL
    size_t n_rows, n_scores, block_rows;
    float *scores;
    int32_t *labels; // or NULL
    task_error errors;
} prediction_task;

static int predict_block(const prediction_task *t, size_t first, size_t n, arena *scratch, err *e)
{
    uint32_t *rows = arena_alloc(scratch, n, sizeof *rows);
    if (!rows) return err_set(e, ERR_MEMORY, "no memory for a block of %zu rows", n);
    for (size_t i = 0; i < n; i++) rows[i] = t->rows ? t->rows[first + i] : (uint32_t)(first + i);
    batch b;
    TRY(batch_from_frame(&b, model_schema(t->m), t->f, rows, n, scratch, e));
    prediction p;
    err inner = ERR_NONE;
    int rc = predict(t->m, &b, &p, scratch, &inner);
    if (rc < 0) {
        if (e) *e = inner;
        if (inner.at < 1 || (size_t)inner.at > n) return rc;
        size_t row = (size_t)rows[inner.at - 1] + 1; // of the block -> of the frame
        if (e) e->at = (int64_t)row;
        return err_prefix(e, rc, "row %zu", row);
    }
    memcpy(t->scores + first * t->n_scores, p.scores, n * t->n_scores * sizeof *p.scores);
    if (t->labels) memcpy(t->labels + first, p.labels, n * sizeof *p.labels);
    return 0;
}

static void predict_task(void *context, size_t block, size_t worker)
{
    (void)worker;
    prediction_task *t = context;
    if (task_error_before(&t->errors, block)) return;
    size_t first = block * t->block_rows, n = t->n_rows - first;
    if (n > t->block_rows) n = t->block_rows;
    err e = ERR_NONE;
    arena scratch;
    arena_init(&scratch, BLOCK_MEMORY_MAX);
    int rc = predict_block(t, first, n, &scratch, &e);
    arena_clear(&scratch);
    if (rc < 0) task_error_set(&t->errors, block, rc, &e);
}

int model_predict_frame(const model *m, const frame *f, const uint32_t *rows, size_t n_rows, prediction *out, pool *p,
                        arena *a, err *e)
{
    const schema *s = model_schema(m);
    bool classes = s->target.task == TASK_CLASSIFICATION;
    if (!rows) n_rows = frame_n_rows(f);
    size_t n_scores = classes ? s->target.n_classes : 1, wide = s->n_inputs > n_scores ? s->n_inputs : n_scores;
    size_t block_rows = wide ? BLOCK_VALUES / wide : BLOCK_ROWS_MAX;
    if (block_rows > BLOCK_ROWS_MAX) block_rows = BLOCK_ROWS_MAX;
    if (block_rows == 0) block_rows = 1;
    prediction_task t = {
        .m = m, .f = f, .rows = rows, .n_rows = n_rows, .n_scores = n_scores, .block_rows = block_rows};
    t.scores = arena_alloc(a, n_rows, n_scores * sizeof *t.scores);
    if (classes) t.labels = arena_alloc(a, n_rows, sizeof *t.labels);
    if (!t.scores || (classes && !t.labels))
        return err_set(e, ERR_MEMORY, "no memory for the scores of %zu rows", n_rows);
    task_error_init(&t.errors);
    pool_run(p, (n_rows + block_rows - 1) / block_rows, predict_task, &t);
    TRY(task_error_end(&t.errors, e));
    *out = (prediction){.n_rows = n_rows, .n_scores = n_scores, .scores = t.scores, .labels = t.labels};
    return 0;
}
