// A training run, stage by stage; each says in one line what it did.
// SPDX-License-Identifier: Apache-2.0
#include "automl/training.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "automl/fitting.h"
#include "automl/folds.h"
#include "automl/setup.h"
#include "automl/target.h"
#include "base/mem.h"

typedef struct run { // everything but what is borrowed is owned
    const training_options *o;
    pool *workers;
    const training_news *news;
    const frame *f; // the options' or result.frame
    setup s;
    target t;
    uint32_t *rows; // that cleaning left: n_rows
    size_t n_rows, n_without_target, n_incomplete;
    split parts;
    fitted fit;
    baseline seen; // of the training rows and the held-out scores
    training_result result;
} run;

const char *training_stage_name(training_stage s)
{
    static const char *const names[STAGES_N] = {
        [STAGE_READ] = "read",         [STAGE_PROFILE] = "profile", [STAGE_CLEAN] = "clean",
        [STAGE_SPLIT] = "split",       [STAGE_PREPARE] = "prepare", [STAGE_TRAIN] = "train",
        [STAGE_EVALUATE] = "evaluate", [STAGE_PACKAGE] = "package",
    };
    return names[s];
}

// ---- news

typedef struct text { // one line, cut if too long
    char data[400];
    size_t len;
} text;

__attribute__((format(printf, 2, 3))) static void add(text *t, const char *format, ...)
{
    if (t->len + 1 >= sizeof t->data) return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->data + t->len, sizeof t->data - t->len, format, args);
    va_end(args);
    if (n > 0) t->len += (size_t)n < sizeof t->data - t->len ? (size_t)n : sizeof t->data - t->len - 1;
}

// "1,309 rows", "1 row"
static void add_count(text *t, size_t n, const char *one, const char *many)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%zu", n);
    for (int i = 0; i < len; i++) add(t, "%s%c", i && (len - i) % 3 == 0 ? "," : "", digits[i]);
    add(t, " %s", n == 1 ? one : many);
}

static int report(const run *r, training_stage stage, size_t done, size_t total, const char *line, err *e)
{
    if (!r->news || r->news->report(r->news->context, stage, done, total, line) == 0) return 0;
    return err_set(e, ERR_CANCELLED, "stopped while it was to %s", training_stage_name(stage));
}

static int say(const run *r, training_stage stage, const text *t, err *e)
{
    return report(r, stage, 1, 1, t->data, e);
}

// ---- the stages

static int read_stage(run *r, err *e)
{
    TRY(report(r, STAGE_READ, 0, 1, NULL, e));
    if (!r->o->frame) TRY(read_file(&r->result.frame, r->o->path, &r->o->read, r->workers, e));
    r->f = r->o->frame ? r->o->frame : r->result.frame;
    r->result.n_rows = frame_n_rows(r->f);
    if (r->result.n_rows == 0) return err_set(e, ERR_INPUT, "%s has no rows", r->o->path ? r->o->path : "the data");
    size_t n_of[COLUMN_TYPES_N] = {0};
    for (size_t i = 0; i < frame_n_columns(r->f); i++) n_of[frame_column(r->f, i)->type]++;
    text t = {.len = 0};
    add_count(&t, r->result.n_rows, "row", "rows");
    add(&t, ", ");
    add_count(&t, frame_n_columns(r->f), "column (", "columns (");
    const char *comma = "";
    for (column_type k = 0; k < COLUMN_TYPES_N; k++) {
        if (!n_of[k]) continue;
        add(&t, "%s%zu %s", comma, n_of[k], column_type_name(k));
        comma = ", ";
    }
    add(&t, ")");
    return say(r, STAGE_READ, &t, e);
}

static int profile_stage(run *r, err *e)
{
    TRY(report(r, STAGE_PROFILE, 0, 1, NULL, e));
    size_t at = 0;
    if (r->o->target) TRY(frame_require(r->f, r->o->target, " to predict", &at, e));
    TRY(profile_make(&r->result.profile, r->f, r->o->target ? (int64_t)at : -1, r->workers, e));
    TRY(setup_make(&r->s, r->o, r->f, &r->result.profile, r->workers, e));
    r->result.recipe = r->s.recipe;
    r->result.family = r->s.family;
    const column *c = frame_column(r->f, r->s.target);
    const profile *p = &r->result.profile;
    text t = {.len = 0};
    add(&t, "target %s (%s): %s; ", c->name, column_type_name(c->type), task_name(r->s.recipe->task));
    add_count(&t, p->n_findings, "thing to know", "things to know");
    TRY(say(r, STAGE_PROFILE, &t, e));
    for (size_t i = 0; i < p->n_findings; i++) TRY(report(r, STAGE_PROFILE, 1, 1, p->findings[i].text, e));
    return 0;
}

// The used column that costs most rows, for the message when none is left.
static const char *emptiest(const frame *f, const column_choice *c)
{
    const column *worst = frame_column(f, c->columns[0]);
    for (size_t i = 1; i < c->n_columns; i++) {
        const column *other = frame_column(f, c->columns[i]);
        if (other->n_missing > worst->n_missing) worst = other;
    }
    return worst->name;
}

static int drop_incomplete(run *r, err *e)
{
    column_choice c;
    TRY(column_choice_make(&c, r->f, (int64_t)r->s.target, r->rows, r->n_rows, &r->s.prepare, e));
    size_t n = rows_complete(r->f, c.columns, c.n_columns, r->rows, r->n_rows, r->rows);
    int rc = 0;
    if (n == 0)
        rc = err_set(e, ERR_INPUT,
                     "no row is complete: each of the %zu has a missing value in a column used, most of them in "
                     "\"%.80s\"; drop that column, or let values be imputed",
                     r->n_rows, emptiest(r->f, &c));
    r->n_incomplete = r->n_rows - n;
    r->n_rows = n;
    column_choice_clear(&c);
    return rc;
}

static int clean_stage(run *r, err *e)
{
    TRY(report(r, STAGE_CLEAN, 0, 1, NULL, e));
    const column *c = frame_column(r->f, r->s.target);
    size_t n_all = frame_n_rows(r->f);
    r->rows = mem_alloc(n_all, sizeof *r->rows);
    if (!r->rows) return err_set(e, ERR_MEMORY, "no memory for %zu rows", n_all);
    for (size_t i = 0; i < n_all; i++)
        if (!column_missing(c, i)) r->rows[r->n_rows++] = (uint32_t)i;
    r->n_without_target = n_all - r->n_rows;
    if (r->n_rows == 0) return err_set(e, ERR_INPUT, "target \"%.80s\" is missing in every row", c->name);
    if (r->o->drop_incomplete) TRY(drop_incomplete(r, e));
    r->result.n_rows_dropped = n_all - r->n_rows;
    TRY(target_make(&r->t, r->f, r->s.target, r->s.recipe->task, r->rows, r->n_rows, e));
    text t = {.len = 0};
    add_count(&t, r->n_rows, "row kept", "rows kept");
    if (r->n_without_target) add(&t, ", %zu without a target dropped", r->n_without_target);
    if (r->n_incomplete) add(&t, ", %zu with missing values dropped", r->n_incomplete);
    return say(r, STAGE_CLEAN, &t, e);
}

static int split_stage(run *r, err *e)
{
    static const char *const kinds[] = {
        [SPLIT_RANDOM] = "at random", [SPLIT_STRATIFIED] = "stratified by class",        [SPLIT_GROUP] = "by group of",
        [SPLIT_TIME] = "by time of",  [SPLIT_NUMPY] = "as NumPy's RandomState permutes",
    };
    TRY(report(r, STAGE_SPLIT, 0, 1, NULL, e));
    split_options o = r->o->split;
    if (o.kind == SPLIT_STRATIFIED && !r->t.class_of) o.kind = SPLIT_RANDOM; // nothing to stratify by
    int32_t *stratum = NULL;
    if (r->t.class_of) {
        stratum = mem_alloc(r->n_rows, sizeof *stratum);
        if (!stratum) return err_set(e, ERR_MEMORY, "no memory for splitting %zu rows", r->n_rows);
        for (size_t i = 0; i < r->n_rows; i++) stratum[i] = r->t.class_of[r->rows[i]];
    }
    int rc = split_make(&r->parts, r->f, r->rows, r->n_rows, stratum, &o, e);
    mem_free(stratum);
    if (rc < 0) return rc;
    r->result.n_train = r->parts.n_train;
    r->result.n_test = r->parts.n_test;
    text t = {.len = 0};
    add_count(&t, r->parts.n_train, "row to train on, ", "rows to train on, ");
    add_count(&t, r->parts.n_test, "to test", "to test");
    add(&t, "; %s", kinds[o.kind]);
    if (o.column) add(&t, " %s", o.column);
    add(&t, ", seed %llu", (unsigned long long)o.seed);
    return say(r, STAGE_SPLIT, &t, e);
}

static fitting fitting_of(run *r)
{
    return (fitting){.f = r->f, .s = &r->s, .t = &r->t, .seed = r->o->seed, .workers = r->workers};
}

static int prepare_stage(run *r, err *e)
{
    TRY(report(r, STAGE_PREPARE, 0, 1, NULL, e));
    fitting w = fitting_of(r);
    TRY(fitting_prepare(&r->fit, &w, r->parts.train, r->parts.n_train, e));
    preparation_features(r->fit.preparation, &r->result.n_features);
    text t = {.len = 0};
    add_count(&t, preparation_schema(r->fit.preparation)->n_inputs, "column becomes ", "columns become ");
    add_count(&t, r->result.n_features, "feature", "features");
    size_t n_left_out;
    const left_out *l = preparation_left_out(r->fit.preparation, &n_left_out);
    for (size_t i = 0; i < n_left_out; i++)
        add(&t, "%s%s (%s)", i ? ", " : "; left out: ", frame_column(r->f, l[i].column)->name,
            left_out_text(l[i].reason));
    return say(r, STAGE_PREPARE, &t, e);
}

typedef struct stage_progress { // what a progress report of something below becomes
    const run *r;
    training_stage stage;
} stage_progress;

static int forward_progress(void *context, size_t done, size_t total)
{
    const stage_progress *p = context;
    return report(p->r, p->stage, done, total, NULL, NULL);
}

static int train_stage(run *r, err *e)
{
    fitting w = fitting_of(r);
    stage_progress to = {.r = r, .stage = STAGE_TRAIN};
    family_progress progress = {.report = forward_progress, .context = &to};
    TRY(report(r, STAGE_TRAIN, 0, 1, NULL, e));
    TRY(fitting_train(&r->fit, &w, r->parts.train, r->parts.n_train, &progress, e));
    text t = {.len = 0};
    add(&t, "%s on ", r->s.family->name);
    add_count(&t, r->parts.n_train, "row", "rows");
    add(&t, " of ");
    add_count(&t, r->result.n_features, "feature", "features");
    return say(r, STAGE_TRAIN, &t, e);
}

static void add_metrics(text *t, const metrics *m)
{
    if (m->task == TASK_REGRESSION)
        add(t, "RMSE %.4g, MAE %.4g, R2 %.4f", m->rmse, m->mae, m->r2);
    else if (isnan(m->roc_auc))
        add(t, "accuracy %.4f, F1 %.4f", m->accuracy, m->f1);
    else
        add(t, "accuracy %.4f, ROC AUC %.4f", m->accuracy, m->roc_auc);
}

static int cross_validate(run *r, err *e)
{
    size_t k = r->o->folds;
    r->result.folds = mem_zalloc(k, sizeof *r->result.folds);
    if (!r->result.folds) return err_set(e, ERR_MEMORY, "no memory for the metrics of %zu folds", k);
    r->result.n_folds = k;
    fitting w = fitting_of(r);
    stage_progress to = {.r = r, .stage = STAGE_EVALUATE};
    family_progress progress = {.report = forward_progress, .context = &to};
    int rc = folds_measure(r->result.folds, k, &w, r->rows, r->n_rows, &r->o->split, &progress, e);
    if (rc < 0) return err_prefix(e, rc, "cross-validation");
    TRY(target_count(&r->t, r->parts.train, r->parts.n_train, e)); // the folds counted their own rows
    double mean, std;
    const char *name = r->s.recipe->metric;
    TRY(folds_summary(r->result.folds, k, name, &mean, &std, e));
    text t = {.len = 0};
    add(&t, "cross-validation: %s %.4g, deviation %.2g over %zu folds", name, mean, std, k);
    return say(r, STAGE_EVALUATE, &t, e);
}

static int evaluate_stage(run *r, err *e)
{
    TRY(report(r, STAGE_EVALUATE, 0, 1, NULL, e));
    fitting w = fitting_of(r);
    TRY(baseline_of_inputs(&r->seen, preparation_schema(r->fit.preparation), r->f, r->parts.train, r->parts.n_train,
                           r->workers, e));
    TRY(fitted_measure(&r->result.metrics, &r->seen, &r->fit, &w, r->parts.test, r->parts.n_test, e));
    text t = {.len = 0};
    add_metrics(&t, &r->result.metrics);
    add(&t, " on ");
    add_count(&t, r->parts.n_test, "row never seen", "rows never seen");
    TRY(say(r, STAGE_EVALUATE, &t, e));
    return r->o->folds ? cross_validate(r, e) : 0;
}

// ---- the manifest's parts

static int metrics_json_of(const run *r, json_t **out, err *e)
{
    const schema_target *target_of_run = &r->t.holder.target;
    json_t *j = json_object(), *test = NULL, *folds = NULL;
    int rc = metrics_to_json(&r->result.metrics, (const char *const *)target_of_run->classes, &test, e);
    if (rc == 0) rc = json_put(j, "test", test, e);
    if (rc == 0 && r->result.n_folds) {
        rc = folds_to_json(r->result.folds, r->result.n_folds, target_of_run, &folds, e);
        if (rc == 0) rc = json_put(j, "cross_validation", folds, e);
    }
    if (rc == 0) rc = json_put(j, "decides", json_string(r->s.recipe->metric), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

static int left_out_json(const run *r, json_t **out, err *e)
{
    json_t *j = json_object();
    size_t n;
    const left_out *l = preparation_left_out(r->fit.preparation, &n);
    int rc = j ? 0 : err_set(e, ERR_MEMORY, "no memory for a manifest");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = json_put(j, frame_column(r->f, l[i].column)->name, json_string(left_out_text(l[i].reason)), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

static int findings_json(const run *r, json_t **out, err *e)
{
    json_t *j = json_array();
    int rc = j ? 0 : err_set(e, ERR_MEMORY, "no memory for a manifest");
    for (size_t i = 0; i < r->result.profile.n_findings && rc == 0; i++)
        rc = json_push(j, json_string(r->result.profile.findings[i].text), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

// Feature names in the order of the matrix, so that what explains a model later can name them.
static int features_json(const run *r, json_t **out, err *e)
{
    json_t *j = json_array();
    size_t n;
    const feature *features = preparation_features(r->fit.preparation, &n);
    int rc = j ? 0 : err_set(e, ERR_MEMORY, "no memory for a manifest");
    for (size_t i = 0; i < n && rc == 0; i++) rc = json_push(j, json_string(features[i].name), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

// For drift, when the model is served.
static int baseline_json(const run *r, json_t **out, err *e)
{
    schema s = *preparation_schema(r->fit.preparation); // a view of both
    s.target = r->t.holder.target;
    return baseline_to_json(&r->seen, &s, out, e);
}

static int training_json_of(const run *r, json_t **out, err *e)
{
    char data[65];
    frame_fingerprint(r->f, data);
    json_t *j = json_object(), *left = NULL, *findings = NULL, *features = NULL, *seen = NULL;
    const struct {
        const char *key;
        size_t value;
    } counts[] = {
        {"rows", r->result.n_rows},      {"rows_dropped", r->result.n_rows_dropped}, {"rows_train", r->result.n_train},
        {"rows_test", r->result.n_test}, {"columns", frame_n_columns(r->f)},
    };
    int rc = j ? 0 : err_set(e, ERR_MEMORY, "no memory for a manifest");
    for (size_t i = 0; i < sizeof counts / sizeof *counts && rc == 0; i++)
        rc = json_put(j, counts[i].key, json_integer((json_int_t)counts[i].value), e);
    if (rc == 0) rc = json_put(j, "seed", json_integer((json_int_t)r->o->seed), e);
    if (rc == 0) rc = json_put(j, "data", json_string(data), e);
    if (rc == 0) rc = json_put(j, "program", json_string("slipway " SLIPWAY_VERSION), e);
    if (rc == 0) rc = features_json(r, &features, e);
    if (rc == 0) rc = json_put(j, "features", features, e);
    if (rc == 0) rc = left_out_json(r, &left, e);
    if (rc == 0) rc = json_put(j, "left_out", left, e);
    if (rc == 0) rc = findings_json(r, &findings, e);
    if (rc == 0) rc = json_put(j, "findings", findings, e);
    if (rc == 0) rc = baseline_json(r, &seen, e);
    if (rc == 0) rc = json_put(j, "baseline", seen, e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

static int package_stage(run *r, err *e)
{
    TRY(report(r, STAGE_PACKAGE, 0, 1, NULL, e));
    json_t *options = NULL, *measured = NULL, *training = NULL;
    fitting w = fitting_of(r);
    int rc = setup_to_json(&r->s, r->o, &options, e);
    if (rc == 0) rc = metrics_json_of(r, &measured, e);
    if (rc == 0) rc = training_json_of(r, &training, e);
    if (rc == 0) rc = fitted_package(&r->result.package, &r->fit, &w, options, measured, training, e);
    json_decref(options);
    json_decref(measured);
    json_decref(training);
    if (rc < 0) return rc;
    text t = {.len = 0};
    size_t size = 0;
    for (size_t i = 0; i < r->result.package->n_blobs; i++) size += r->result.package->blobs[i].content.len;
    add_count(&t, size, "byte", "bytes");
    add(&t, ", sha256 %.12s", r->result.package->digest);
    return say(r, STAGE_PACKAGE, &t, e);
}

static void run_clear(run *r) // all but the result
{
    setup_clear(&r->s);
    target_clear(&r->t);
    mem_free(r->rows);
    split_clear(&r->parts);
    fitted_clear(&r->fit);
    baseline_clear(&r->seen);
}

typedef int stage_run(run *r, err *e);

static stage_run *const stages[STAGES_N] = {
    [STAGE_READ] = read_stage,         [STAGE_PROFILE] = profile_stage, [STAGE_CLEAN] = clean_stage,
    [STAGE_SPLIT] = split_stage,       [STAGE_PREPARE] = prepare_stage, [STAGE_TRAIN] = train_stage,
    [STAGE_EVALUATE] = evaluate_stage, [STAGE_PACKAGE] = package_stage,
};

int training_run(training_result *out, const training_options *o, pool *p, const training_news *news, err *e)
{
    run r = {.o = o, .workers = p, .news = news};
    int rc = 0;
    for (size_t i = 0; i < STAGES_N && rc == 0; i++) rc = stages[i](&r, e);
    run_clear(&r);
    if (rc < 0)
        training_result_clear(&r.result);
    else
        *out = r.result;
    return rc;
}

void training_result_clear(training_result *r)
{
    package_free(r->package);
    frame_free(r->frame);
    profile_clear(&r->profile);
    metrics_clear(&r->metrics);
    for (size_t i = 0; i < r->n_folds; i++) metrics_clear(&r->folds[i]);
    mem_free(r->folds);
    *r = (training_result){0};
}

// Without a target there is nothing to clean or split by: the preparation is fitted on all rows.
static int prepare_all_rows(run *r, err *e)
{
    TRY(profile_make(&r->result.profile, r->f, -1, r->workers, e));
    size_t n = r->result.n_rows;
    r->parts.train = mem_alloc(n, sizeof *r->parts.train);
    if (!r->parts.train) return err_set(e, ERR_MEMORY, "no memory for %zu rows", n);
    for (size_t i = 0; i < n; i++) r->parts.train[i] = (uint32_t)i;
    r->parts.n_train = n;
    return preparation_fit(&r->fit.preparation, r->f, -1, r->parts.train, n, &r->o->prepare, r->workers, e);
}

int training_prepare(training_prepared *out, const training_options *o, pool *p, const training_news *news, err *e)
{
    run r = {.o = o, .workers = p, .news = news};
    int rc = read_stage(&r, e);
    if (!o->target) {
        if (rc == 0) rc = prepare_all_rows(&r, e);
    } else {
        for (size_t i = STAGE_READ + 1; i <= STAGE_PREPARE && rc == 0; i++) rc = stages[i](&r, e);
    }
    if (rc == 0) {
        *out = (training_prepared){
            .frame = r.result.frame, .profile = r.result.profile, .preparation = r.fit.preparation, .parts = r.parts};
        r.result.frame = NULL;
        r.result.profile = (profile){0};
        r.fit.preparation = NULL;
        r.parts = (split){0};
    }
    run_clear(&r);
    training_result_clear(&r.result);
    return rc;
}

void training_prepared_clear(training_prepared *p)
{
    frame_free(p->frame);
    profile_clear(&p->profile);
    preparation_free(p->preparation);
    split_clear(&p->parts);
    *p = (training_prepared){0};
}
