// Metrics by their definitions; what can be counted is counted in integers, the rest is added in float64.
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/metrics.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

// ---- Classification ----

static size_t first_largest(const float *scores, size_t n)
{
    size_t best = 0;
    for (size_t c = 1; c < n; c++)
        if (scores[c] > scores[best]) best = c;
    return best;
}

static int check_scores(const float *scores, size_t n_rows, size_t n_scores, err *e)
{
    for (size_t i = 0; i < n_rows * n_scores; i++)
        if (!isfinite(scores[i]))
            return err_set_at(e, ERR_INPUT, (int64_t)(i / n_scores), "row %zu: the score is not a finite number",
                              i / n_scores);
    return 0;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

// hits: predicted right; predicted: predicted at all; there: support. Each n_classes.
static void by_class(metrics *m, const uint64_t *hits, const uint64_t *predicted, const uint64_t *there)
{
    double precision = 0, recall = 0, f1 = 0, balanced = 0;
    size_t n_seen = 0, n_there = 0;
    for (size_t c = 0; c < m->n_classes; c++) {
        class_metrics *k = &m->by_class[c];
        k->precision = ratio(hits[c], predicted[c]);
        k->recall = ratio(hits[c], there[c]);
        k->f1 = ratio(2 * hits[c], predicted[c] + there[c]);
        k->support = there[c];
        if (there[c] || predicted[c]) n_seen++;
        if (there[c]) n_there++;
        precision += k->precision;
        recall += k->recall;
        f1 += k->f1;
        balanced += k->recall;
    }
    m->balanced_accuracy = balanced / (double)n_there;
    if (m->n_classes == 2) {
        m->precision = m->by_class[1].precision;
        m->recall = m->by_class[1].recall;
        m->f1 = m->by_class[1].f1;
    } else {
        m->precision = precision / (double)n_seen;
        m->recall = recall / (double)n_seen;
        m->f1 = f1 / (double)n_seen;
    }
}

static double log_loss(const int32_t *truth, const float *scores, size_t n_rows, size_t n_classes)
{
    for (size_t i = 0; i < n_rows * n_classes; i++)
        if (scores[i] < 0 || scores[i] > 1) return NAN;
    double sum = 0;
    for (size_t row = 0; row < n_rows; row++) {
        double p = (double)scores[row * n_classes + (size_t)truth[row]];
        if (p < DBL_EPSILON) p = DBL_EPSILON;
        if (p > 1 - DBL_EPSILON) p = 1 - DBL_EPSILON;
        sum -= log(p);
    }
    return sum / (double)n_rows;
}

// Unsigned numbers in the order of finite floats; both zeros are one.
static uint32_t order_key(float f)
{
    f += 0.0f;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// Least significant digit first, by the upper 32 bits. Returns the array (of the two) that holds the result.
static uint64_t *sort_by_key(uint64_t *items, uint64_t *spare, size_t n)
{
    enum { DIGIT = 11, BUCKETS = 1 << DIGIT };
    for (unsigned shift = 32; shift < 64; shift += DIGIT) {
        size_t starts[BUCKETS + 1] = {0};
        for (size_t i = 0; i < n; i++) starts[(items[i] >> shift & (BUCKETS - 1)) + 1]++;
        for (size_t b = 0; b < BUCKETS; b++) starts[b + 1] += starts[b];
        for (size_t i = 0; i < n; i++) spare[starts[items[i] >> shift & (BUCKETS - 1)]++] = items[i];
        uint64_t *swap = items;
        items = spare;
        spare = swap;
    }
    return items;
}

// The share of pairs (a row of the class, a row of another) that the scores put in order; a tie counts half (Mann and
// Whitney). That is the area under the curve exactly, counted in halves: 2 n^2 < 2^64 for n < 2^31 rows.
static double roc_auc_of(const int32_t *truth, const float *scores, size_t n_rows, size_t n_classes, size_t class,
                         uint64_t *items, uint64_t *spare)
{
    uint64_t n_in = 0;
    for (size_t row = 0; row < n_rows; row++) {
        uint64_t in = (size_t)truth[row] == class;
        n_in += in;
        items[row] = (uint64_t)order_key(scores[row * n_classes + class]) << 32 | in;
    }
    uint64_t n_out = n_rows - n_in;
    if (n_in == 0 || n_out == 0) return NAN;
    const uint64_t *sorted = sort_by_key(items, spare, n_rows);
    uint64_t halves = 0, out_below = 0;
    for (size_t i = 0; i < n_rows;) {
        uint64_t in = 0, out = 0, key = sorted[i] >> 32;
        for (; i < n_rows && sorted[i] >> 32 == key; i++) {
            in += sorted[i] & 1;
            out += !(sorted[i] & 1);
        }
        halves += in * (2 * out_below + out);
        out_below += out;
    }
    return (double)halves / (2.0 * (double)n_in * (double)n_out);
}

static double roc_auc(const int32_t *truth, const float *scores, size_t n_rows, size_t n_classes, uint64_t *items)
{
    if (n_classes == 2) return roc_auc_of(truth, scores, n_rows, n_classes, 1, items, items + n_rows);
    double sum = 0;
    for (size_t c = 0; c < n_classes; c++)
        sum += roc_auc_of(truth, scores, n_rows, n_classes, c, items, items + n_rows);
    return sum / (double)n_classes;
}

int metrics_classification(metrics *out, const int32_t *truth, const float *scores, size_t n_rows, size_t n_classes,
                           err *e)
{
    if (n_rows == 0) return err_set(e, ERR_INPUT, "no rows to evaluate");
    if (n_rows > INT32_MAX) return err_set(e, ERR_LIMIT, "%zu rows to evaluate, at most %d", n_rows, INT32_MAX);
    if (n_classes < 2) return err_set(e, ERR_INPUT, "%zu classes to evaluate, at least 2", n_classes);
    for (size_t row = 0; row < n_rows; row++) assert(truth[row] >= 0 && (size_t)truth[row] < n_classes);
    TRY(check_scores(scores, n_rows, n_classes, e));

    bool confusion = n_classes <= METRICS_CONFUSION_MAX;
    metrics m = {.task = TASK_CLASSIFICATION, .n_rows = n_rows, .n_classes = n_classes};
    uint64_t *counts = mem_zalloc(3 * n_classes, sizeof *counts);
    uint64_t *items = mem_alloc(2 * n_rows, sizeof *items);
    m.by_class = mem_zalloc(n_classes, sizeof *m.by_class);
    m.confusion = confusion ? mem_zalloc(n_classes * n_classes, sizeof *m.confusion) : NULL;
    int rc = 0;
    if (!counts || !items || !m.by_class || (confusion && !m.confusion)) {
        metrics_clear(&m);
        rc = err_set(e, ERR_MEMORY, "no memory for the metrics of %zu rows", n_rows);
        goto done;
    }
    uint64_t *hits = counts, *predicted = counts + n_classes, *there = counts + 2 * n_classes;
    uint64_t n_hits = 0;
    for (size_t row = 0; row < n_rows; row++) {
        size_t is = (size_t)truth[row], said = first_largest(scores + row * n_classes, n_classes);
        there[is]++;
        predicted[said]++;
        hits[is] += is == said;
        n_hits += is == said;
        if (confusion) m.confusion[is * n_classes + said]++;
    }
    m.accuracy = ratio(n_hits, n_rows);
    by_class(&m, hits, predicted, there);
    m.log_loss = log_loss(truth, scores, n_rows, n_classes);
    m.roc_auc = roc_auc(truth, scores, n_rows, n_classes, items);
    *out = m;
done:
    mem_free(counts);
    mem_free(items);
    return rc;
}

// ---- Regression ----

int metrics_regression(metrics *out, const double *truth, const float *scores, size_t n_rows, err *e)
{
    if (n_rows == 0) return err_set(e, ERR_INPUT, "no rows to evaluate");
    TRY(check_scores(scores, n_rows, 1, e));
    double sum = 0;
    for (size_t row = 0; row < n_rows; row++) {
        if (!isfinite(truth[row]))
            return err_set_at(e, ERR_INPUT, (int64_t)row, "row %zu: the true value is not a finite number", row);
        sum += truth[row];
    }
    double mean = sum / (double)n_rows, squares = 0, absolutes = 0, spread = 0;
    bool constant = true;
    for (size_t row = 0; row < n_rows; row++) {
        double miss = truth[row] - (double)scores[row];
        squares += miss * miss;
        absolutes += fabs(miss);
        spread += (truth[row] - mean) * (truth[row] - mean);
        constant = constant && truth[row] == truth[0];
    }
    *out = (metrics){
        .task = TASK_REGRESSION,
        .n_rows = n_rows,
        .mse = squares / (double)n_rows,
        .rmse = sqrt(squares / (double)n_rows),
        .mae = absolutes / (double)n_rows,
        .r2 = constant ? NAN : 1 - squares / spread,
    };
    return 0;
}

void metrics_clear(metrics *m)
{
    mem_free(m->confusion);
    mem_free(m->by_class);
    m->confusion = NULL;
    m->by_class = NULL;
}

// ---- By name ----

typedef struct metric_row {
    const char *name;
    task task;
    bool more_is_better;
    size_t offset;
} metric_row;

static const metric_row rows[] = {
    {"accuracy", TASK_CLASSIFICATION, true, offsetof(metrics, accuracy)},
    {"balanced_accuracy", TASK_CLASSIFICATION, true, offsetof(metrics, balanced_accuracy)},
    {"precision", TASK_CLASSIFICATION, true, offsetof(metrics, precision)},
    {"recall", TASK_CLASSIFICATION, true, offsetof(metrics, recall)},
    {"f1", TASK_CLASSIFICATION, true, offsetof(metrics, f1)},
    {"log_loss", TASK_CLASSIFICATION, false, offsetof(metrics, log_loss)},
    {"roc_auc", TASK_CLASSIFICATION, true, offsetof(metrics, roc_auc)},
    {"mse", TASK_REGRESSION, false, offsetof(metrics, mse)},
    {"rmse", TASK_REGRESSION, false, offsetof(metrics, rmse)},
    {"mae", TASK_REGRESSION, false, offsetof(metrics, mae)},
    {"r2", TASK_REGRESSION, true, offsetof(metrics, r2)},
};
enum { N_METRICS = sizeof rows / sizeof *rows };

static double value_of(const metrics *m, const metric_row *row)
{
    double value;
    memcpy(&value, (const char *)m + row->offset, sizeof value);
    return value;
}

int metrics_get(const metrics *m, const char *name, double *value, bool *more_is_better, err *e)
{
    const char *names[N_METRICS];
    for (size_t i = 0; i < N_METRICS; i++) {
        names[i] = rows[i].task == m->task ? rows[i].name : NULL;
        if (strcmp(rows[i].name, name) != 0) continue;
        if (rows[i].task != m->task)
            return err_set(e, ERR_NOT_FOUND, "%s is a metric of %s", name,
                           m->task == TASK_REGRESSION ? "classification" : "regression");
        *value = value_of(m, &rows[i]);
        *more_is_better = rows[i].more_is_better;
        return 0;
    }
    const char *near = nearest_name(name, names, N_METRICS);
    if (near) return err_set(e, ERR_NOT_FOUND, "no metric \"%.60s\"; did you mean \"%s\"?", name, near);
    return err_set(e, ERR_NOT_FOUND, "no metric \"%.60s\"", name);
}

// ---- JSON ----

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static int put_confusion(json_t *object, const metrics *m, err *e)
{
    json_t *matrix = json_array();
    TRY(json_put(object, "confusion", matrix, e));
    for (size_t is = 0; is < m->n_classes; is++) {
        json_t *line = json_array();
        TRY(json_push(matrix, line, e));
        for (size_t said = 0; said < m->n_classes; said++)
            TRY(json_push(line, json_integer((json_int_t)m->confusion[is * m->n_classes + said]), e));
    }
    return 0;
}

static int put_classes(json_t *object, const metrics *m, const char *const *classes, err *e)
{
    json_t *list = json_array();
    TRY(json_put(object, "classes", list, e));
    for (size_t c = 0; c < m->n_classes; c++) {
        json_t *one = json_object();
        TRY(json_push(list, one, e));
        TRY(json_put(one, "name", json_string(classes[c]), e));
        TRY(json_put(one, "precision", json_real(m->by_class[c].precision), e));
        TRY(json_put(one, "recall", json_real(m->by_class[c].recall), e));
        TRY(json_put(one, "f1", json_real(m->by_class[c].f1), e));
        TRY(json_put(one, "support", json_integer((json_int_t)m->by_class[c].support), e));
    }
    return 0;
}

static int fill(json_t *object, const metrics *m, const char *const *classes, err *e)
{
    TRY(json_put(object, "n_rows", json_integer((json_int_t)m->n_rows), e));
    for (size_t i = 0; i < N_METRICS; i++)
        if (rows[i].task == m->task) TRY(json_put(object, rows[i].name, real_or_null(value_of(m, &rows[i])), e));
    if (m->task != TASK_CLASSIFICATION) return 0;
    TRY(put_classes(object, m, classes, e));
    return m->confusion ? put_confusion(object, m, e) : 0;
}

int metrics_to_json(const metrics *m, const char *const *classes, json_t **out, err *e)
{
    json_t *object = json_object();
    if (!object) return err_set(e, ERR_MEMORY, "no memory for metrics as JSON");
    int rc = fill(object, m, classes, e);
    if (rc < 0)
        json_decref(object);
    else
        *out = object;
    return rc;
}
