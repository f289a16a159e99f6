// Explanations in JSON and CSV.
// SPDX-License-Identifier: Apache-2.0
#include "automl/explained.h"

#include <math.h>

#include "automl/applied.h"
#include "base/decimal.h"
#include "base/json.h"
#include "data/write.h"

enum { NAME_BYTES_MAX = 1 << 20 };

const char *explained_space(const schema *s, const explanation *x)
{
    if (x->margin) return "margin";
    return s->target.task == TASK_CLASSIFICATION ? "probability" : "value";
}

static const double *contributions_of(const explanation *x, size_t row)
{
    return x->contributions + row * x->n_columns;
}

// A heap, so that neither order nor many columns cost more than n log n. Whether a stands before b.
static bool before(const double *values, uint32_t a, uint32_t b)
{
    double x = fabs(values[a]), y = fabs(values[b]);
    return x != y ? x > y : a < b;
}

static void sink(const double *values, uint32_t *heap, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(values, heap[child], heap[child + 1])) child++;
        if (!before(values, heap[at], heap[child])) return;
        uint32_t held = heap[at];
        heap[at] = heap[child];
        heap[child] = held;
    }
}

void explained_order(const explanation *x, size_t row, uint32_t *order)
{
    const double *values = contributions_of(x, row);
    size_t n = x->n_columns;
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t i = n / 2; i-- > 0;) sink(values, order, i, n);
    for (size_t end = n; end-- > 1;) { // the last of those that are left goes to their end
        uint32_t held = order[0];
        order[0] = order[end];
        order[end] = held;
        sink(values, order, 0, end);
    }
}

static double others(const explanation *x, size_t row, size_t top, const uint32_t *order)
{
    double sum = 0;
    for (size_t i = top; i < x->n_columns; i++) sum += contributions_of(x, row)[order[i]];
    return sum;
}

// JSON.

static void add_number(buf *out, double value)
{
    char text[DECIMAL_TEXT_SIZE];
    if (isfinite(value))
        buf_add(out, text, decimal_format_f64(value, text));
    else
        buf_add_text(out, "null");
}

static void add_member(buf *out, const char *name, double value, bool first)
{
    if (!first) buf_add_char(out, ',');
    json_quote(out, str_of(name));
    buf_add_char(out, ':');
    add_number(out, value);
}

void explained_object(buf *out, const schema *s, const explanation *x, size_t row, size_t top, uint32_t *order)
{
    bool some = top > 0 && top < x->n_columns;
    size_t n = some ? top : x->n_columns;
    buf_add_char(out, '{');
    if (x->classes) {
        buf_add_text(out, "\"class\":");
        applied_label(out, &s->target, (size_t)x->classes[row]);
        buf_add_char(out, ',');
    }
    add_member(out, "base", x->base[row], true);
    add_member(out, "explained", x->explained[row], false);
    buf_add_text(out, ",\"contributions\":{");
    if (top > 0) explained_order(x, row, order);
    for (size_t i = 0; i < n; i++) {
        size_t at = top > 0 ? order[i] : i;
        add_member(out, s->inputs[at].name, contributions_of(x, row)[at], i == 0);
    }
    buf_add_char(out, '}');
    if (some) add_member(out, "others", others(x, row, top, order), false);
    buf_add_char(out, '}');
}

// CSV.

static void add_cell(buf *out, double value)
{
    char text[DECIMAL_TEXT_SIZE];
    csv_add_cell(out, (str){text, decimal_format_f64(value, text)}, false);
}

static void add_head_cell(buf *out, const char *before_name, const char *name)
{
    buf cell;
    buf_init(&cell, NAME_BYTES_MAX);
    buf_add_text(&cell, before_name);
    buf_add_text(&cell, name);
    csv_add_cell(out, buf_str(&cell), false);
    if (cell.failed) out->failed = cell.failed;
    buf_clear(&cell);
}

static size_t shown(size_t n_columns, size_t top)
{
    return top < n_columns ? top : n_columns;
}

void explained_head(buf *out, const schema *s, size_t top)
{
    csv_add_cell(out, STR("prediction"), true);
    if (s->target.task == TASK_CLASSIFICATION) csv_add_cell(out, STR("class"), false);
    csv_add_cell(out, STR("base"), false);
    csv_add_cell(out, STR("explained"), false);
    for (size_t i = 0; top == 0 && i < s->n_inputs; i++) add_head_cell(out, "contribution_", s->inputs[i].name);
    for (size_t i = 0; i < shown(s->n_inputs, top); i++) buf_format(out, ",column_%zu,contribution_%zu", i + 1, i + 1);
    if (top > 0) csv_add_cell(out, STR("contribution_others"), false);
    buf_add_char(out, '\n');
}

void explained_row(buf *out, const schema *s, const prediction *p, const explanation *x, size_t row, size_t top,
                   uint32_t *order)
{
    const double *values = contributions_of(x, row);
    if (p->labels) {
        csv_add_cell(out, str_of(s->target.classes[p->labels[row]]), true);
        csv_add_cell(out, str_of(s->target.classes[x->classes[row]]), false);
    } else {
        char text[DECIMAL_TEXT_SIZE];
        csv_add_cell(out, (str){text, decimal_format_f32(p->scores[row], text)}, true);
    }
    add_cell(out, x->base[row]);
    add_cell(out, x->explained[row]);
    for (size_t i = 0; top == 0 && i < x->n_columns; i++) add_cell(out, values[i]);
    if (top > 0) {
        size_t n = shown(x->n_columns, top);
        explained_order(x, row, order);
        for (size_t i = 0; i < n; i++) {
            csv_add_cell(out, str_of(s->inputs[order[i]].name), false);
            add_cell(out, values[order[i]]);
        }
        add_cell(out, others(x, row, n, order));
    }
    buf_add_char(out, '\n');
}

void explained_means(const explanation *x, double *means)
{
    for (size_t i = 0; i < x->n_columns; i++) {
        double sum = 0;
        for (size_t row = 0; row < x->n_rows; row++) sum += fabs(contributions_of(x, row)[i]);
        means[i] = x->n_rows ? sum / (double)x->n_rows : 0;
    }
}
