// One graph, run once: as a row program where it compiles to one, else by the plan.
// SPDX-License-Identifier: Apache-2.0
#include "model/once.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "engine/plan.h"
#include "engine/row_program.h"
#include "graph/onnx.h"
#include "model/interface.h"
#include "prepare/feed.h"

enum { SESSIONS_KEPT_MAX = 64, STEPS_MAX = 1 << 16, EXPLAIN_ROWS = 128 };
static const size_t SESSION_MEMORY_MAX = (size_t)2 << 30;

typedef struct label {
    const char *name; // a view into the schema
    int32_t id;
} label;

typedef struct once { // a driver_model
    const package *package;
    graph *graph;
    feed *feed;
    row_program *program; // or
    plan *plan;
    bool apart;
    interface_outputs outputs;
    size_t n_scores;
    label *labels;             // by name, n_classes: for labels that the plan gives as values
    uint32_t *feature_columns; // of the program: the column of the schema that each is made of
    const char *unexplained;   // why feature_columns is NULL; NULL: it is not
    pthread_mutex_t lock;
    session *idle[SESSIONS_KEPT_MAX]; // guarded by lock, like n_idle
    size_t n_idle;
} once;

typedef struct once_run { // a driver_run
    const once *m;
    const batch *in;
    arena *memory;
    size_t n_done, n_steps, n_steps_max;
    float *scores;
    int32_t *labels;
} once_run;

// ---- labels

static const schema_target *target_of(const once *m)
{
    return &m->package->schema.target;
}

static int compare_labels(const void *a, const void *b)
{
    return strcmp(((const label *)a)->name, ((const label *)b)->name);
}

static int index_labels(once *m, err *e)
{
    const schema_target *t = target_of(m);
    m->labels = mem_alloc(t->n_classes, sizeof *m->labels);
    if (!m->labels) return err_set(e, ERR_MEMORY, "no memory for %zu classes", t->n_classes);
    for (size_t i = 0; i < t->n_classes; i++) m->labels[i] = (label){.name = t->classes[i], .id = (int32_t)i};
    qsort(m->labels, t->n_classes, sizeof *m->labels, compare_labels);
    return 0;
}

static int find_class(const once *m, str name, int32_t *out, err *e)
{
    size_t low = 0, high = target_of(m)->n_classes;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_compare(str_of(m->labels[middle].name), name);
        if (order == 0) {
            *out = m->labels[middle].id;
            return 0;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return err_set(e, ERR_FORMAT, "the graph answers \"" STR_FORMAT "\", which is none of the model's classes",
                   STR_ARGS(name));
}

// The labels of a row program are places among its trees' classes: those must be the schema's, in its order.
static int check_tree_classes(const once *m, err *e)
{
    const schema_target *t = target_of(m);
    if (t->task != TASK_CLASSIFICATION) return 0;
    for (size_t i = 0; i < m->graph->n_nodes; i++) {
        const node *n = &m->graph->nodes[i];
        if (strcmp(n->op, "TreeEnsembleClassifier") != 0) continue;
        const attribute *strings = node_attribute(n, "classlabels_strings");
        const attribute *ints = node_attribute(n, "classlabels_int64s");
        size_t n_names = strings && strings->n ? strings->n : ints ? ints->n : 0;
        bool same = n_names == t->n_classes;
        for (size_t k = 0; k < n_names && same; k++) {
            char text[DECIMAL_TEXT_SIZE];
            str name =
                strings && strings->n ? strings->strings[k] : (str){text, decimal_format_i64(ints->ints[k], text)};
            same = str_equal(name, str_of(t->classes[k]));
        }
        if (!same) return err_set(e, ERR_FORMAT, "the classes of the trees are not those of the model's schema");
    }
    return 0;
}

// ---- sessions

static int take_session(once *m, session **out, err *e)
{
    pthread_mutex_lock(&m->lock);
    session *s = m->n_idle ? m->idle[--m->n_idle] : NULL;
    pthread_mutex_unlock(&m->lock);
    if (!s) return session_new(out, m->plan, SESSION_MEMORY_MAX, e);
    *out = s;
    return 0;
}

static void give_session(once *m, session *s)
{
    pthread_mutex_lock(&m->lock);
    bool kept = m->n_idle < SESSIONS_KEPT_MAX;
    if (kept) m->idle[m->n_idle++] = s;
    pthread_mutex_unlock(&m->lock);
    if (!kept) session_free(s);
}

// ---- the model

static void once_unload(driver_model *model)
{
    once *m = (once *)model;
    if (!m) return;
    for (size_t i = 0; i < m->n_idle; i++) session_free(m->idle[i]);
    pthread_mutex_destroy(&m->lock);
    mem_free(m->labels);
    mem_free(m->feature_columns);
    row_program_free(m->program);
    plan_free(m->plan);
    feed_free(m->feed);
    graph_free(m->graph);
    mem_free(m);
}

// ---- columns of features, for explanations

static int compare_column_names(const void *a, const void *b)
{
    const schema_input *const *x = a, *const *y = b;
    int order = strcmp((*x)->tensor, (*y)->tensor);
    return order ? order : ((*x)->slot > (*y)->slot) - ((*x)->slot < (*y)->slot);
}

static int find_feature_columns(once *m, err *e)
{
    const schema *s = &m->package->schema;
    size_t n = row_program_n_features(m->program);
    const row_source *from = row_program_sources(m->program);
    for (size_t i = 0; i < n; i++)
        if (from[i].kind != SOURCE_ONE)
            m->unexplained = "a feature of its trees is made of several columns, or of none";
    if (m->unexplained) return 0;
    const schema_input **sorted = mem_alloc(s->n_inputs, sizeof *sorted);
    m->feature_columns = mem_alloc(n, sizeof *m->feature_columns);
    if (!sorted || !m->feature_columns) {
        mem_free(sorted);
        return err_set(e, ERR_MEMORY, "no memory for the columns of %zu features", n);
    }
    for (size_t i = 0; i < s->n_inputs; i++) sorted[i] = &s->inputs[i];
    qsort(sorted, s->n_inputs, sizeof *sorted, compare_column_names);
    for (size_t i = 0; i < n; i++) {
        schema_input want = {.tensor = (char *)m->graph->values[m->graph->inputs[from[i].input]].name,
                             .slot = from[i].at};
        const schema_input *key = &want;
        const schema_input **found = bsearch(&key, sorted, s->n_inputs, sizeof *sorted, compare_column_names);
        assert(found); // interface_check() found a column for every slot
        m->feature_columns[i] = (uint32_t)(*found - s->inputs);
    }
    mem_free(sorted);
    return 0;
}

typedef enum form { FORM_BEST, FORM_LIGHT, FORM_PLAIN } form; // a program only; a plan only

static int compile(once *m, form f, err *e)
{
    if (f != FORM_PLAIN) {
        int rc = row_program_compile(&m->program, m->graph, e);
        if (rc < 0 && rc != ERR_UNSUPPORTED) return rc;
    }
    if (m->program && row_program_n_scores(m->program) != m->n_scores) { // prepared values only, or other trees
        row_program_free(m->program);
        m->program = NULL;
    }
    if (m->program) {
        m->apart = true;
        TRY(check_tree_classes(m, e));
        return find_feature_columns(m, e);
    }
    if (f == FORM_LIGHT) return err_set(e, ERR_UNSUPPORTED, "the graph is no row program");
    TRY(plan_new(&m->plan, m->graph, &(plan_options){.plain = f == FORM_PLAIN}, e));
    m->apart = plan_rows_apart(m->plan);
    return m->outputs.label >= 0 ? index_labels(m, e) : 0;
}

static int load(driver_model **out, const package *p, form f, err *e)
{
    const package_blob *blob = package_find_blob(p, PACKAGE_GRAPH);
    if (!blob || !blob->content.data) return err_set(e, ERR_FORMAT, "the package has no %s", PACKAGE_GRAPH);
    once *m = mem_zalloc(1, sizeof *m);
    if (!m) return err_set(e, ERR_MEMORY, "no memory for a model");
    pthread_mutex_init(&m->lock, NULL);
    m->package = p;
    m->n_scores = p->schema.target.task == TASK_CLASSIFICATION ? p->schema.target.n_classes : 1;
    int rc = onnx_read(&m->graph, blob->content, &ONNX_LIMITS_DEFAULT, e);
    if (rc == 0) rc = interface_check(&p->schema, m->graph, e);
    if (rc == 0) rc = interface_find_outputs(&m->outputs, m->graph, e);
    if (rc == 0) rc = feed_new(&m->feed, &p->schema, m->graph, e);
    if (rc == 0) rc = compile(m, f, e);
    if (rc < 0)
        once_unload((driver_model *)m);
    else
        *out = (driver_model *)m;
    return rc;
}

static int once_load(driver_model **out, const package *p, err *e)
{
    return load(out, p, FORM_BEST, e);
}

static int once_load_light(driver_model **out, const package *p, err *e)
{
    return load(out, p, FORM_LIGHT, e);
}

static int once_load_plain(driver_model **out, const package *p, err *e)
{
    return load(out, p, FORM_PLAIN, e);
}

static bool once_rows_apart(const driver_model *model)
{
    return ((const once *)model)->apart;
}

static size_t once_memory_of(const driver_model *model)
{
    const once *m = (const once *)model;
    size_t compiled = m->program ? row_program_bytes(m->program) : plan_bytes(m->plan);
    return sizeof *m + graph_bytes(m->graph) + compiled;
}

// ---- a run

static int once_begin(driver_run **out, const driver_model *model, const batch *in, const driver_limits *l, arena *a,
                      err *e)
{
    const once *m = (const once *)model;
    size_t n = in->n_rows;
    if (!m->apart && n > l->steps_max)
        return err_set(e, ERR_LIMIT, "%zu rows for a model that takes them one by one, at most %zu", n, l->steps_max);
    once_run *r = arena_zalloc(a, 1, sizeof *r);
    if (!r) return err_set(e, ERR_MEMORY, "no memory for a prediction");
    *r = (once_run){.m = m, .in = in, .memory = a, .n_steps_max = l->steps_max};
    r->scores = arena_alloc(a, n, m->n_scores * sizeof *r->scores);
    if (m->outputs.label >= 0) r->labels = arena_alloc(a, n, sizeof *r->labels);
    if (!r->scores || (m->outputs.label >= 0 && !r->labels))
        return err_set(e, ERR_MEMORY, "no memory for the scores of %zu rows", n);
    *out = (driver_run *)r;
    return 0;
}

// A tensor of n rows with `width` values each: (n), (n, 1) or (n, width).
static bool has_shape(const tensor *t, size_t n, size_t width)
{
    if (t->shape.n_dims == 1 && width == 1) return (size_t)t->shape.dims[0] == n;
    return t->shape.n_dims == 2 && (size_t)t->shape.dims[0] == n && (size_t)t->shape.dims[1] == width;
}

static int read_labels(const once *m, const tensor *t, size_t n, int32_t *out, err *e)
{
    if (!has_shape(t, n, 1)) return err_set(e, ERR_FORMAT, "the graph's labels are not one for each row");
    for (size_t i = 0; i < n; i++) {
        char text[DECIMAL_TEXT_SIZE];
        str name;
        if (t->type == DTYPE_STRING)
            name = ((const str *)t->data)[i];
        else
            name = (str){text, decimal_format_i64(((const int64_t *)t->data)[i], text)};
        TRY(find_class(m, name, &out[i], e));
    }
    return 0;
}

static int read_outputs(const once_run *r, const tensor *outputs, size_t first, size_t n, err *e)
{
    const once *m = r->m;
    const tensor *scores = &outputs[m->outputs.scores];
    if (scores->type != DTYPE_F32 || !has_shape(scores, n, m->n_scores))
        return err_set(e, ERR_FORMAT, "the graph's scores are not %zu for each row", m->n_scores);
    if (n) memcpy(r->scores + first * m->n_scores, scores->data, n * m->n_scores * sizeof *r->scores);
    if (m->outputs.label < 0) return 0;
    return read_labels(m, &outputs[m->outputs.label], n, r->labels + first, e);
}

static int run_plan(const once_run *r, const tensor *in, size_t first, size_t n, err *e)
{
    once *m = (once *)r->m; // the sessions behind the lock are the one thing that changes
    tensor *outputs = arena_zalloc(r->memory, m->graph->n_outputs, sizeof *outputs);
    if (!outputs) return err_set(e, ERR_MEMORY, "no memory for a prediction");
    session *s;
    TRY(take_session(m, &s, e));
    int rc = session_run(s, in, outputs, e);
    if (rc == 0) rc = read_outputs(r, outputs, first, n, e);
    give_session(m, s);
    return rc;
}

static int run_rows(const once_run *r, size_t first, size_t n, err *e)
{
    const once *m = r->m;
    arena_mark mark = arena_get_mark(r->memory);
    tensor *in = arena_alloc(r->memory, feed_n_tensors(m->feed), sizeof *in);
    int rc = in ? 0 : err_set(e, ERR_MEMORY, "no memory for a prediction");
    if (rc == 0) rc = feed_tensors(m->feed, r->in, first, n, in, r->memory, e);
    if (rc == 0 && m->program)
        rc = row_program_run(m->program, in, n, r->scores + first * m->n_scores, r->labels ? r->labels + first : NULL,
                             NULL, r->memory, e);
    else if (rc == 0)
        rc = run_plan(r, in, first, n, e);
    arena_rewind(r->memory, mark);
    return rc;
}

static int once_step(driver_run *run, bool *done, err *e)
{
    once_run *r = (once_run *)run;
    size_t n_left = r->in->n_rows - r->n_done, n = r->m->apart || n_left == 0 ? n_left : 1;
    if (++r->n_steps > r->n_steps_max) return err_set(e, ERR_LIMIT, "more than %zu steps", r->n_steps_max);
    if (n) TRY(run_rows(r, r->n_done, n, e));
    r->n_done += n;
    *done = r->n_done == r->in->n_rows;
    return 0;
}

static int once_result(driver_run *run, prediction *out, err *e)
{
    const once_run *r = (const once_run *)run;
    (void)e;
    assert(r->n_done == r->in->n_rows);
    *out = (prediction){.n_rows = r->in->n_rows, .n_scores = r->m->n_scores, .scores = r->scores, .labels = r->labels};
    return 0;
}

static void once_end(driver_run *run) // all of it is the arena's
{
    (void)run;
}

// ---- explanations

static int explain_output(const once *m, size_t k, shap_output *out, err *e)
{
    if (!m->program)
        return err_set(e, ERR_UNSUPPORTED, "it is no ensemble of trees over columns: only those are explained exactly");
    if (m->unexplained) return err_set(e, ERR_UNSUPPORTED, "%s", m->unexplained);
    return shap_find_output(out, row_program_trees(m->program), k, e);
}

static int once_explains(const driver_model *model, err *e)
{
    const once *m = (const once *)model;
    shap_output unused;
    for (size_t k = 0; k < m->n_scores && k < 2; k++)
        TRY(explain_output(m, k, &unused, e)); // further ones are like them
    return 0;
}

static double once_explain_ns(const driver_model *model, size_t n_rows)
{
    const once *m = (const once *)model;
    if (!m->program) return 0;
    const trees *t = row_program_trees(m->program);
    // The tables are made for each block of rows and each class that it has.
    size_t n_blocks = (n_rows + EXPLAIN_ROWS - 1) / EXPLAIN_ROWS;
    size_t n_classes = m->n_scores > 2 ? m->n_scores < EXPLAIN_ROWS ? m->n_scores : EXPLAIN_ROWS : 1;
    if (n_classes > n_rows) n_classes = n_rows;
    return (double)n_rows * shap_row_ns(t) + (double)(n_blocks * n_classes) * shap_call_ns(t);
}

// What was explained must be what was answered: float32 sums and links apart.
static int check_explained(const shap_output *o, double explained, double answered, err *e)
{
    const double tolerance = 1e-4; // of float32 sums over at most some thousand trees
    double score = o->margin ? 1 / (1 + exp(-explained)) : explained;
    bool comparable = (!o->margin || o->link == TREES_LOGISTIC) && isfinite(answered);
    if (!comparable || fabs(score - answered) <= tolerance * (1 + fabs(answered))) return 0;
    return err_set(e, ERR_INTERNAL, "the explanation is of %.9g, the answer is %.9g", score, answered);
}

static int explain_block(const once *m, const batch *in, size_t first, size_t n, const prediction *predicted,
                         const shap_output *outputs, explanation *out, arena *a, err *e)
{
    tensor *tensors = arena_alloc(a, feed_n_tensors(m->feed), sizeof *tensors);
    if (!tensors) return err_set(e, ERR_MEMORY, "no memory for an explanation");
    TRY(feed_tensors(m->feed, in, first, n, tensors, a, e));
    shap_groups groups = {.of = m->feature_columns, .n = out->n_columns};
    TRY(row_program_explain(m->program, tensors, n, outputs, &groups, out->base + first,
                            out->contributions + first * out->n_columns, out->explained + first, a, e));
    for (size_t i = 0; i < n; i++) {
        size_t row = first + i, k = out->classes ? (size_t)out->classes[row] : 0;
        TRY(check_explained(&outputs[i], out->explained[row], (double)predicted->scores[row * m->n_scores + k], e));
    }
    return 0;
}

static int once_explain(const driver_model *model, const batch *in, size_t first, size_t n, const prediction *predicted,
                        explanation *out, arena *a, err *e)
{
    const once *m = (const once *)model;
    shap_output outputs[EXPLAIN_ROWS];
    for (size_t at = first, rows; at < first + n; at += rows) {
        rows = first + n - at < EXPLAIN_ROWS ? first + n - at : EXPLAIN_ROWS;
        for (size_t i = 0; i < rows; i++)
            TRY(explain_output(m, out->classes ? (size_t)out->classes[at + i] : 0, &outputs[i], e));
        out->margin = outputs[0].margin;
        arena_mark mark = arena_get_mark(a);
        int rc = explain_block(m, in, at, rows, predicted, outputs, out, a, e);
        arena_rewind(a, mark);
        if (rc < 0) return rc;
    }
    return 0;
}

#define ONCE(load_)                                                                                                  \
    {                                                                                                                \
        .name = "once", .inputs = IO_ROWS, .outputs = IO_SCORES, .steps_max = STEPS_MAX, .load = (load_),            \
        .load_light = once_load_light, .unload = once_unload, .rows_apart = once_rows_apart,                         \
        .memory_of = once_memory_of, .begin = once_begin, .step = once_step, .result = once_result, .end = once_end, \
        .explains = once_explains, .explain_ns = once_explain_ns, .explain = once_explain                            \
    }

const driver_row driver_once = ONCE(once_load);
const driver_row driver_once_plain = ONCE(once_load_plain);
