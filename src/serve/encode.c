// Everything that does not change between answers is made once: what stands before the predictions, and what stands
// between the numbers of a row.
// SPDX-License-Identifier: Apache-2.0
#include "serve/encode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "automl/explained.h"
#include "base/decimal.h"
#include "base/json.h"
#include "base/mem.h"

enum { TEXT_MAX = 64 << 20 };

// A piece of `text`.
typedef struct piece {
    size_t at, len;
} piece;

struct encoder {
    bool classes;
    size_t n_scores;
    buf text;
    piece before;   // {"model":"titanic","version":3,
    piece *labels;  // n_scores: JSON of the class
    piece *keys;    // n_scores: "male":
    size_t row_max; // bytes of a row at most
    label_kind kind;
};

void encode_label(column_type t, const char *name, buf *out)
{
    str text = str_of(name);
    double number;
    bool bare = false;
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: bare = decimal_scan_json(text, &number) == text.len && isfinite(number); break;
    case COLUMN_BOOLEAN: bare = str_equal(text, STR("true")) || str_equal(text, STR("false")); break;
    default: break;
    }
    if (bare && text.len > 0)
        buf_add_str(out, text);
    else
        json_quote(out, text);
}

// All class names must be of the target's type, or they are texts to who wants one type for all.
static label_kind find_kind(const schema_target *t)
{
    if (t->type != COLUMN_INTEGER && t->type != COLUMN_REAL && t->type != COLUMN_BOOLEAN) return LABEL_TEXT;
    for (size_t i = 0; i < t->n_classes; i++) {
        str name = str_of(t->classes[i]);
        int64_t whole;
        double real;
        bool fits = t->type == COLUMN_INTEGER ? decimal_parse_i64(name, &whole) == 0
                    : t->type == COLUMN_REAL  ? decimal_scan_json(name, &real) == name.len && isfinite(real)
                                              : str_equal(name, STR("true")) || str_equal(name, STR("false"));
        if (!fits || name.len == 0) return LABEL_TEXT;
    }
    return t->type == COLUMN_INTEGER ? LABEL_INTEGER : t->type == COLUMN_REAL ? LABEL_REAL : LABEL_BOOLEAN;
}

static piece end_piece(const buf *b, size_t at)
{
    return (piece){.at = at, .len = b->len - at};
}

static int make_pieces(encoder *w, const schema *s, const char *name, int64_t version, err *e)
{
    const schema_target *t = &s->target;
    buf_add_text(&w->text, "{\"model\":");
    json_quote(&w->text, str_of(name));
    buf_format(&w->text, ",\"version\":%" PRId64 ",", version);
    w->before = end_piece(&w->text, 0);
    w->row_max = sizeof ",{\"label\":,\"probabilities\":{}}" + DECIMAL_TEXT_SIZE;
    size_t label_max = 0;
    for (size_t i = 0; w->classes && i < t->n_classes; i++) {
        size_t at = w->text.len;
        encode_label(t->type, t->classes[i], &w->text);
        w->labels[i] = end_piece(&w->text, at);
        at = w->text.len;
        json_quote(&w->text, str_of(t->classes[i]));
        buf_add_char(&w->text, ':');
        w->keys[i] = end_piece(&w->text, at);
        if (w->labels[i].len > label_max) label_max = w->labels[i].len;
        w->row_max += w->keys[i].len + DECIMAL_TEXT_SIZE + 1;
    }
    w->row_max += label_max;
    return buf_check(&w->text, e);
}

int encoder_new(encoder **out, const schema *s, const char *name, int64_t version, err *e)
{
    encoder *w = mem_zalloc(1, sizeof *w);
    if (!w) return err_set(e, ERR_MEMORY, "no memory for an encoder");
    buf_init(&w->text, TEXT_MAX);
    w->classes = s->target.task == TASK_CLASSIFICATION;
    w->n_scores = w->classes ? s->target.n_classes : 1;
    w->kind = w->classes ? find_kind(&s->target) : LABEL_REAL;
    w->labels = mem_zalloc(w->n_scores, sizeof *w->labels);
    w->keys = mem_zalloc(w->n_scores, sizeof *w->keys);
    int rc = w->labels && w->keys ? make_pieces(w, s, name, version, e)
                                  : err_set(e, ERR_MEMORY, "no memory for %zu class names", w->n_scores);
    if (rc < 0) {
        encoder_free(w);
        return rc;
    }
    *out = w;
    return 0;
}

label_kind encoder_label_kind(const encoder *w)
{
    return w->kind;
}

str encoder_label(const encoder *w, size_t class)
{
    return (str){w->text.data + w->labels[class].at, w->labels[class].len};
}

void encoder_free(encoder *w)
{
    if (!w) return;
    buf_clear(&w->text);
    mem_free(w->labels);
    mem_free(w->keys);
    mem_free(w);
}

static inline char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static inline char *put_piece(char *to, const encoder *w, piece p)
{
    return put(to, w->text.data + p.at, p.len);
}

static inline char *put_score(char *to, float score)
{
    return isfinite(score) ? to + decimal_format_f32(score, to) : PUT(to, "null");
}

static char *put_row(char *to, const encoder *w, const prediction *p, size_t row)
{
    const float *scores = p->scores + row * p->n_scores;
    if (!w->classes) {
        to = PUT(to, "{\"value\":");
        to = put_score(to, scores[0]);
        return PUT(to, "}");
    }
    to = PUT(to, "{\"label\":");
    to = put_piece(to, w, w->labels[p->labels[row]]);
    to = PUT(to, ",\"probabilities\":{");
    for (size_t i = 0; i < w->n_scores; i++) {
        if (i > 0) *to++ = ',';
        to = put_piece(to, w, w->keys[i]);
        to = put_score(to, scores[i]);
    }
    return PUT(to, "}}");
}

static void put_rows(const encoder *w, const prediction *p, buf *out)
{
    buf_add_text(out, "\"predictions\":[");
    for (size_t row = 0; row < p->n_rows; row++) {
        char *start = buf_reserve(out, w->row_max), *to = start;
        if (!start) return;
        if (row > 0) *to++ = ',';
        to = put_row(to, w, p, row);
        out->len += (size_t)(to - start);
    }
    buf_add_text(out, "]}\n");
}

static void put_score_column(const encoder *w, const prediction *p, size_t score, buf *out)
{
    (void)w;
    buf_add_char(out, '[');
    for (size_t row = 0; row < p->n_rows; row++) {
        char *start = buf_reserve(out, DECIMAL_TEXT_SIZE + 1), *to = start;
        if (!start) return;
        if (row > 0) *to++ = ',';
        to = put_score(to, p->scores[row * p->n_scores + score]);
        out->len += (size_t)(to - start);
    }
    buf_add_char(out, ']');
}

static void put_label_column(const encoder *w, const prediction *p, buf *out)
{
    buf_add_char(out, '[');
    for (size_t row = 0; row < p->n_rows; row++) {
        if (row > 0) buf_add_char(out, ',');
        piece label = w->labels[p->labels[row]];
        buf_add(out, w->text.data + label.at, label.len);
    }
    buf_add_char(out, ']');
}

static void put_columns(const encoder *w, const prediction *p, buf *out)
{
    buf_add_text(out, "\"columns\":{");
    if (!w->classes) {
        buf_add_text(out, "\"value\":");
        put_score_column(w, p, 0, out);
        buf_add_text(out, "}}\n");
        return;
    }
    buf_add_text(out, "\"label\":");
    put_label_column(w, p, out);
    buf_add_text(out, ",\"probabilities\":{");
    for (size_t i = 0; i < w->n_scores; i++) {
        if (i > 0) buf_add_char(out, ',');
        buf_add(out, w->text.data + w->keys[i].at, w->keys[i].len);
        put_score_column(w, p, i, out);
    }
    buf_add_text(out, "}}}\n");
}

void encode_values(const encoder *w, const prediction *p, buf *out)
{
    if (w->classes)
        put_label_column(w, p, out);
    else
        put_score_column(w, p, 0, out);
}

void encode_prediction(const encoder *w, body_form form, const prediction *p, buf *out)
{
    buf_add(out, w->text.data + w->before.at, w->before.len);
    if (form == BODY_ROWS)
        put_rows(w, p, out);
    else
        put_columns(w, p, out);
}

// Explanations.

static void put_explained_rows(const encoder *w, const schema *s, const prediction *p, const explanation *x, size_t top,
                               uint32_t *order, buf *out)
{
    buf_add_text(out, "\"predictions\":[");
    for (size_t row = 0; row < p->n_rows; row++) {
        char *start = buf_reserve(out, w->row_max), *to = start;
        if (!start) return;
        if (row > 0) *to++ = ',';
        to = put_row(to, w, p, row);
        out->len += (size_t)(to - start) - 1; // its } comes after the explanation
        buf_add_text(out, ",\"explanation\":");
        explained_object(out, s, x, row, top, order);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}\n");
}

// Value `at` of rows that are `stride` apart.
static void put_reals(const char *before, const double *values, size_t n, size_t stride, buf *out)
{
    buf_add_text(out, before);
    for (size_t row = 0; row < n; row++) {
        char text[DECIMAL_TEXT_SIZE];
        double value = values[row * stride];
        buf_add_text(out, row > 0 ? "," : "");
        if (isfinite(value))
            buf_add(out, text, decimal_format_f64(value, text));
        else
            buf_add_text(out, "null");
    }
    buf_add_char(out, ']');
}

static void put_explained_columns(const encoder *w, const schema *s, const prediction *p, const explanation *x,
                                  buf *out)
{
    put_columns(w, p, out);
    if (out->failed) return;
    out->len -= sizeof "}\n" - 1; // more members follow
    buf_add_text(out, ",\"explanations\":{");
    for (size_t row = 0; x->classes && row < x->n_rows; row++) {
        piece label = w->labels[x->classes[row]];
        buf_add_text(out, row > 0 ? "," : "\"class\":[");
        buf_add(out, w->text.data + label.at, label.len);
    }
    put_reals(x->classes ? "],\"base\":[" : "\"base\":[", x->base, x->n_rows, 1, out);
    put_reals(",\"explained\":[", x->explained, x->n_rows, 1, out);
    buf_add_text(out, ",\"contributions\":{");
    for (size_t i = 0; i < x->n_columns; i++) {
        if (i > 0) buf_add_char(out, ',');
        json_quote(out, str_of(s->inputs[i].name));
        put_reals(":[", x->contributions + i, x->n_rows, x->n_columns, out);
    }
    buf_add_text(out, "}}}\n");
}

int encode_explained(const encoder *w, body_form form, const schema *s, const prediction *p, const explanation *x,
                     size_t top, buf *out, arena *scratch, err *e)
{
    uint32_t *order = arena_alloc(scratch, x->n_columns, sizeof *order);
    if (!order) return err_set(e, ERR_MEMORY, "no memory for an order of %zu columns", x->n_columns);
    buf_add(out, w->text.data + w->before.at, w->before.len);
    buf_format(out, "\"space\":\"%s\",", explained_space(s, x));
    if (form == BODY_ROWS)
        put_explained_rows(w, s, p, x, top, order, out);
    else
        put_explained_columns(w, s, p, x, out);
    return 0;
}
