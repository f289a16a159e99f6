// Which rows train and test a fold is data/split's; the rest is a fit like any other.
// SPDX-License-Identifier: Apache-2.0
#include "automl/folds.h"

#include <math.h>

#include "base/mem.h"

typedef struct fold_rows { // of the fold at hand; room for all rows each
    uint32_t *train, *test;
    size_t n_train, n_test;
} fold_rows;

// Fold i of k; by time a model of the blocks up to i is tested on block i + 1.
static void choose_rows(fold_rows *r, size_t i, bool time, const uint32_t *fold, const uint32_t *rows, size_t n_rows)
{
    r->n_train = r->n_test = 0;
    for (size_t j = 0; j < n_rows; j++) {
        if (fold[j] == (time ? i + 1 : i))
            r->test[r->n_test++] = rows[j];
        else if (!time || fold[j] <= i)
            r->train[r->n_train++] = rows[j];
    }
}

static int measure_fold(metrics *out, const fitting *w, const fold_rows *r, err *e)
{
    fitted f = {0};
    int rc = fitting_prepare(&f, w, r->train, r->n_train, e);
    if (rc == 0) rc = fitting_train(&f, w, r->train, r->n_train, NULL, e);
    if (rc == 0) rc = fitted_measure(out, NULL, &f, w, r->test, r->n_test, e);
    fitted_clear(&f);
    return rc;
}

int folds_measure(metrics *out, size_t k, const fitting *w, const uint32_t *rows, size_t n_rows, const split_options *o,
                  const family_progress *progress, err *e)
{
    uint32_t *fold = mem_alloc(n_rows, sizeof *fold);
    int32_t *stratum = w->t->class_of ? mem_alloc(n_rows, sizeof *stratum) : NULL;
    fold_rows r = {.train = mem_alloc(n_rows, sizeof *r.train), .test = mem_alloc(n_rows, sizeof *r.test)};
    int rc = 0;
    if (!fold || !r.train || !r.test || (w->t->class_of && !stratum))
        rc = err_set(e, ERR_MEMORY, "no memory for the folds of %zu rows", n_rows);
    for (size_t i = 0; rc == 0 && stratum && i < n_rows; i++) stratum[i] = w->t->class_of[rows[i]];
    if (rc == 0) rc = split_folds(fold, k, w->f, rows, n_rows, stratum, o, e);
    for (size_t i = 0; i < k && rc == 0; i++) {
        if (progress && progress->report(progress->context, i, k) != 0)
            rc = err_set(e, ERR_CANCELLED, "stopped at fold %zu of %zu", i + 1, k);
        if (rc < 0) break;
        choose_rows(&r, i, o->kind == SPLIT_TIME, fold, rows, n_rows);
        rc = measure_fold(&out[i], w, &r, e);
        if (rc < 0) err_prefix(e, rc, "fold %zu of %zu", i + 1, k);
    }
    mem_free(fold);
    mem_free(stratum);
    mem_free(r.train);
    mem_free(r.test);
    return rc;
}

int folds_summary(const metrics *folds, size_t k, const char *name, double *mean, double *std, err *e)
{
    double sum = 0, squares = 0;
    size_t n = 0;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < k; i++) {
            double v;
            bool more_is_better;
            TRY(metrics_get(&folds[i], name, &v, &more_is_better, e));
            if (isnan(v)) continue;
            if (pass == 0) {
                sum += v;
                n++;
            } else {
                squares += (v - *mean) * (v - *mean);
            }
        }
        *mean = n ? sum / (double)n : NAN;
    }
    *std = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
    return 0;
}

static json_t *real_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static int put_summaries(json_t *mean, json_t *std, const metrics *folds, size_t k, task t, err *e)
{
    static const char *const names[TASKS_N][8] = {
        [TASK_CLASSIFICATION] = {"accuracy", "balanced_accuracy", "f1", "log_loss", "precision", "recall", "roc_auc"},
        [TASK_REGRESSION] = {"mae", "mse", "r2", "rmse"},
    };
    for (size_t i = 0; names[t][i]; i++) {
        double m, s;
        TRY(folds_summary(folds, k, names[t][i], &m, &s, e));
        TRY(json_put(mean, names[t][i], real_or_null(m), e));
        TRY(json_put(std, names[t][i], real_or_null(s), e));
    }
    return 0;
}

int folds_to_json(const metrics *folds, size_t k, const schema_target *t, json_t **out, err *e)
{
    json_t *j = json_object(), *list = json_array(), *mean = json_object(), *std = json_object();
    int rc = j && list && mean && std ? 0 : err_set(e, ERR_MEMORY, "no memory for the metrics of %zu folds", k);
    for (size_t i = 0; i < k && rc == 0; i++) {
        json_t *one = NULL;
        rc = metrics_to_json(&folds[i], (const char *const *)t->classes, &one, e);
        if (rc == 0) rc = json_push(list, one, e);
    }
    if (rc == 0) rc = put_summaries(mean, std, folds, k, t->task, e);
    if (rc == 0) rc = json_put(j, "folds", json_incref(list), e);
    if (rc == 0) rc = json_put(j, "mean", json_incref(mean), e);
    if (rc == 0) rc = json_put(j, "std", json_incref(std), e);
    json_decref(list);
    json_decref(mean);
    json_decref(std);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}
