// Permutation importance and partial dependence as text.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/explain_model.h"

#include <stdlib.h>

#include "automl/dependence.h"
#include "base/decimal.h"
#include "base/json.h"
#include "cmd/arguments.h"
#include "data/value.h"
#include "data/write.h"

enum { NAME_BYTES_MAX = 1 << 20 };

static void add_cell(buf *out, double value)
{
    char text[DECIMAL_TEXT_SIZE];
    csv_add_cell(out, (str){text, decimal_format_f64(value, text)}, false);
}

static void add_member(buf *out, const char *before, double value)
{
    char text[DECIMAL_TEXT_SIZE];
    buf_add_text(out, before);
    buf_add(out, text, decimal_format_f64(value, text));
}

// Importance --------------------------------------------------------------------------------------------------------

typedef struct rank {
    double mean;
    size_t column;
} rank;

static int compare_ranks(const void *a, const void *b)
{
    const rank *x = a, *y = b;
    if (x->mean != y->mean) return x->mean > y->mean ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

static void importance_json(buf *out, const schema *s, const importance *x, const rank *ranks)
{
    buf_format(out, "{\"importance\":\"permutation\",\"metric\":\"%s\",\"rows\":%zu,\"repeats\":%zu,", x->metric,
               x->n_rows, x->n_repeats);
    add_member(out, "\"measured\":", x->measured);
    buf_add_text(out, ",\"columns\":[");
    for (size_t i = 0; i < x->n_columns; i++) {
        size_t k = ranks[i].column;
        buf_add_text(out, i ? ",\n{\"column\":" : "\n{\"column\":");
        json_quote(out, str_of(s->inputs[k].name));
        add_member(out, ",\"mean\":", x->means[k]);
        add_member(out, ",\"deviation\":", x->deviations[k]);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "\n]}\n");
}

int explain_importance(buf *out, const model *m, const frame *f, const importance_options *o, pool *p, arena *a, err *e)
{
    importance x;
    const schema *s = model_schema(m);
    TRY(importance_permutation(&x, m, f, o, p, a, e));
    rank *ranks = arena_alloc(a, x.n_columns, sizeof *ranks);
    if (!ranks) return err_set(e, ERR_MEMORY, "no memory for an order of %zu columns", x.n_columns);
    for (size_t k = 0; k < x.n_columns; k++) ranks[k] = (rank){x.means[k], k};
    qsort(ranks, x.n_columns, sizeof *ranks, compare_ranks);
    if (arguments_json()) {
        importance_json(out, s, &x, ranks);
        return 0;
    }
    buf_format(out, "column,%s_drop,deviation\n", x.metric);
    for (size_t i = 0; i < x.n_columns; i++) {
        size_t k = ranks[i].column;
        csv_add_cell(out, str_of(s->inputs[k].name), true);
        add_cell(out, x.means[k]);
        add_cell(out, x.deviations[k]);
        buf_add_char(out, '\n');
    }
    return 0;
}

// Dependence --------------------------------------------------------------------------------------------------------

// A point's value as text, and whether it is a number.
static str point_text(const dependence *x, column_type type, size_t point, char text[DATETIME_TEXT_SIZE], bool *number)
{
    *number = false;
    if (x->points.strings) return x->points.strings[point];
    if (x->points.i64) return (str){text, format_datetime(x->points.i64[point], text)};
    float value = x->points.f32[point];
    if (type == COLUMN_BOOLEAN) return value != 0 ? STR("true") : STR("false");
    *number = true;
    return (str){text, decimal_format_f32(value, text)};
}

static void dependence_json(buf *out, const schema *s, const dependence *x)
{
    char text[DATETIME_TEXT_SIZE];
    bool number;
    const schema_input *in = &s->inputs[x->column];
    buf_add_text(out, "{\"dependence\":");
    json_quote(out, str_of(in->name));
    buf_add_text(out, ",\"points\":[");
    for (size_t i = 0; i < x->n_points; i++) {
        str value = point_text(x, in->type, i, text, &number);
        buf_add_text(out, i ? ",\n{\"value\":" : "\n{\"value\":");
        if (number || in->type == COLUMN_BOOLEAN)
            buf_add_str(out, value);
        else
            json_quote(out, value);
        if (s->target.task != TASK_CLASSIFICATION) {
            add_member(out, ",\"mean\":", x->means[i]);
        } else {
            buf_add_text(out, ",\"probabilities\":{");
            for (size_t k = 0; k < x->n_scores; k++) {
                if (k) buf_add_char(out, ',');
                json_quote(out, str_of(s->target.classes[k]));
                add_member(out, ":", x->means[i * x->n_scores + k]);
            }
            buf_add_char(out, '}');
        }
        buf_add_char(out, '}');
    }
    buf_add_text(out, "\n]}\n");
}

static void add_head(buf *out, const schema *s, const dependence *x)
{
    csv_add_cell(out, str_of(s->inputs[x->column].name), true);
    if (s->target.task != TASK_CLASSIFICATION) csv_add_cell(out, STR("prediction"), false);
    for (size_t k = 0; s->target.task == TASK_CLASSIFICATION && k < x->n_scores; k++) {
        buf name;
        buf_init(&name, NAME_BYTES_MAX);
        buf_format(&name, "probability_%s", s->target.classes[k]);
        csv_add_cell(out, buf_str(&name), false);
        if (name.failed) out->failed = name.failed;
        buf_clear(&name);
    }
    buf_add_char(out, '\n');
}

int explain_dependence(buf *out, const model *m, const frame *f, const char *name, pool *p, arena *a, err *e)
{
    dependence x;
    char text[DATETIME_TEXT_SIZE];
    bool number;
    const schema *s = model_schema(m);
    TRY(dependence_partial(&x, m, f, name, p, a, e));
    if (arguments_json()) {
        dependence_json(out, s, &x);
        return 0;
    }
    add_head(out, s, &x);
    for (size_t i = 0; i < x.n_points; i++) {
        csv_add_cell(out, point_text(&x, s->inputs[x.column].type, i, text, &number), true);
        for (size_t k = 0; k < x.n_scores; k++) add_cell(out, x.means[i * x.n_scores + k]);
        buf_add_char(out, '\n');
    }
    return 0;
}
