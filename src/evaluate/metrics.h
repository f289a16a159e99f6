// Metrics of predictions on rows never seen. Definitions are scikit-learn's; tests compare with it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_EVALUATE_METRICS_H
#define SLIPWAY_EVALUATE_METRICS_H

#include "base/err.h"
#include "base/json.h"
#include "data/schema.h"

typedef struct class_metrics {
    double precision, recall, f1; // 0 where nothing was predicted, or nothing is there
    uint64_t support;
} class_metrics;

enum { METRICS_CONFUSION_MAX = 1000 }; // classes

typedef struct metrics {
    task task;
    size_t n_rows;
    // Classification:
    size_t n_classes;
    double accuracy;
    double balanced_accuracy; // the mean of recall over the classes that are there
    double log_loss;          // NaN if a score is no probability (below 0 or above 1)
    // Of two classes: of the second; of more: the plain mean (macro) over the classes that are there or were predicted.
    double precision, recall, f1;
    // Of more than two classes: the mean of one class against the rest; NaN if a class is not there, or nothing else
    // is.
    double roc_auc;
    uint64_t *confusion;     // (n_classes, n_classes), rows are the truth; NULL above METRICS_CONFUSION_MAX; owned
    class_metrics *by_class; // n_classes; owned
    // Regression:
    double mse, rmse, mae, r2; // r2 is NaN for fewer than two rows or a constant truth
} metrics;

// truth: class ids; scores: (n_rows, n_classes) row-major. The predicted class is the first largest score. Sums are in
// float64. Log loss clips scores at 2^-52 from 0 and 1, as scikit-learn does for float64, and like its 1.9 does not
// scale rows whose scores add up to something else than 1. No rows, or a score or value that is not finite, is
// ERR_INPUT (with e->at the row).
MUST_CHECK int metrics_classification(metrics *out, const int32_t *truth, const float *scores, size_t n_rows,
                                      size_t n_classes, err *e);
MUST_CHECK int metrics_regression(metrics *out, const double *truth, const float *scores, size_t n_rows, err *e);
void metrics_clear(metrics *m); // a zeroed one is fine

// An object with the metrics of its task; what is NaN becomes null. Classes (n_classes) name the rows of the confusion
// matrix; NULL for regression. *out is owned by the caller: json_decref().
MUST_CHECK int metrics_to_json(const metrics *m, const char *const *classes, json_t **out, err *e);

// One metric by name ("accuracy", "roc_auc", "rmse", ...), and whether more is better. ERR_NOT_FOUND if unknown here.
MUST_CHECK int metrics_get(const metrics *m, const char *name, double *value, bool *more_is_better, err *e);

#endif
