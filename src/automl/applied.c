// Rows in, predictions and metrics out.
// SPDX-License-Identifier: Apache-2.0
#include "automl/applied.h"

#include "base/decimal.h"
#include "data/write.h"
#include "evaluate/metrics.h"
#include "model/truth.h"

enum { TYPES_MEMORY_MAX = 16 << 20, NAME_MAX_BYTES = 1 << 20 };

int applied_read(frame **out, const model *m, const char *path, const read_options *o, pool *p, err *e)
{
    arena a;
    arena_init(&a, TYPES_MEMORY_MAX);
    read_options typed = *o;
    int rc = o->n_types ? 0 : read_types_for(model_schema(m), &typed.types, &typed.n_types, &a, e);
    if (rc == 0) rc = read_file(out, path, &typed, p, e);
    arena_clear(&a);
    return rc;
}

// CSV.

static void add_float(buf *out, float value, bool first)
{
    char text[DECIMAL_TEXT_SIZE];
    csv_add_cell(out, (str){text, decimal_format_f32(value, text)}, first);
}

void applied_head(buf *out, applied_form form, const schema_target *target, const frame *kept)
{
    if (form != APPLIED_CSV) return;
    size_t n = kept ? frame_n_columns(kept) : 0;
    for (size_t i = 0; i < n; i++) csv_add_cell(out, str_of(frame_column(kept, i)->name), i == 0);
    csv_add_cell(out, STR("prediction"), n == 0);
    for (size_t i = 0; target->task == TASK_CLASSIFICATION && i < target->n_classes; i++) {
        buf name;
        buf_init(&name, NAME_MAX_BYTES);
        buf_format(&name, "probability_%s", target->classes[i]);
        csv_add_cell(out, buf_str(&name), false);
        if (name.failed) out->failed = name.failed;
        buf_clear(&name);
    }
    buf_add_char(out, '\n');
}

static void add_cells(buf *out, const schema_target *target, const frame *kept, const prediction *p, size_t row)
{
    size_t n = kept ? frame_n_columns(kept) : 0;
    for (size_t i = 0; i < n; i++) {
        char text[COLUMN_TEXT_SIZE];
        csv_add_cell(out, column_text(frame_column(kept, i), row, text), i == 0);
    }
    const float *scores = p->scores + row * p->n_scores;
    if (p->labels)
        csv_add_cell(out, str_of(target->classes[p->labels[row]]), n == 0);
    else
        add_float(out, scores[0], n == 0);
    for (size_t i = 0; p->labels && i < p->n_scores; i++) add_float(out, scores[i], false);
}

// JSON.

static void add_number(buf *out, float value)
{
    char text[DECIMAL_TEXT_SIZE];
    if (value - value != 0) // not finite: JSON has no such number
        buf_add_text(out, "null");
    else
        buf_add_str(out, (str){text, decimal_format_f32(value, text)});
}

void applied_label(buf *out, const schema_target *target, size_t class)
{
    const char *label = target->classes[class];
    bool bare = target->type == COLUMN_INTEGER || target->type == COLUMN_BOOLEAN;
    if (bare)
        buf_add_text(out, label);
    else
        json_quote(out, str_of(label));
}

void applied_object(buf *out, const schema_target *target, const prediction *p, size_t row)
{
    const float *scores = p->scores + row * p->n_scores;
    if (!p->labels) {
        buf_add_text(out, "{\"value\":");
        add_number(out, scores[0]);
        buf_add_char(out, '}');
        return;
    }
    buf_add_text(out, "{\"label\":");
    applied_label(out, target, (size_t)p->labels[row]);
    buf_add_text(out, ",\"probabilities\":{");
    for (size_t i = 0; i < p->n_scores; i++) {
        if (i) buf_add_char(out, ',');
        json_quote(out, str_of(target->classes[i]));
        buf_add_char(out, ':');
        add_number(out, scores[i]);
    }
    buf_add_text(out, "}}");
}

void applied_rows(buf *out, applied_form form, const schema_target *target, const frame *kept, const prediction *p,
                  size_t from, size_t to)
{
    for (size_t row = from; row < to; row++) {
        if (form == APPLIED_CSV)
            add_cells(out, target, kept, p, row);
        else
            applied_object(out, target, p, row);
        buf_add_char(out, '\n');
    }
}

// Metrics.

int applied_measure(json_t **out, size_t *n_rows, const model *m, const frame *f, pool *p, arena *a, err *e)
{
    truth t = {0};
    metrics measured = {0};
    prediction predicted;
    const schema_target *target = &model_schema(m)->target;
    bool classes = target->task == TASK_CLASSIFICATION;
    int rc = truth_of_frame(&t, target, f, e);
    if (rc == 0) rc = model_predict_frame(m, f, t.rows, t.n_rows, &predicted, p, a, e);
    if (rc == 0)
        rc = classes ? metrics_classification(&measured, t.classes, predicted.scores, t.n_rows, target->n_classes, e)
                     : metrics_regression(&measured, t.values, predicted.scores, t.n_rows, e);
    if (rc == 0) rc = metrics_to_json(&measured, classes ? (const char *const *)target->classes : NULL, out, e);
    if (rc == 0) *n_rows = t.n_rows;
    metrics_clear(&measured);
    truth_clear(&t);
    return rc;
}
