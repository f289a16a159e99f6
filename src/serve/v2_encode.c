// Answers: outputs in the order asked for, as JSON or, behind it, as little-endian bytes.
// SPDX-License-Identifier: Apache-2.0
#include "serve/v2_encode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "base/json.h"

enum { SIZE_DIGITS = 12 }; // of binary data; a buffer's ceiling is far below

// One answer on its way.
typedef struct writer {
    const v2_source *from;
    const prediction *p;
    buf *out;
    label_kind labels;
} writer;

// A class and its score, for the best of a row.
typedef struct ranked {
    float score;
    uint32_t class;
} ranked;

v2_datatype v2_label_datatype(const encoder *w)
{
    switch (encoder_label_kind(w)) {
    case LABEL_INTEGER: return V2_INT64;
    case LABEL_REAL: return V2_FP64;
    case LABEL_BOOLEAN: return V2_BOOL;
    default: return V2_BYTES;
    }
}

// The best classes of a row.

// NaN is below all numbers; among equals the lower class is above.
static bool is_above(ranked a, ranked b)
{
    if (isnan(a.score) || isnan(b.score)) return isnan(b.score) && (!isnan(a.score) || a.class < b.class);
    return a.score > b.score || (a.score == b.score && a.class < b.class);
}

// heap[0] is the lowest of n; `at` may be above its children.
static void sift(ranked *heap, size_t n, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n) return;
        if (child + 1 < n && is_above(heap[child], heap[child + 1])) child++;
        if (!is_above(heap[at], heap[child])) return;
        ranked swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

// The k best of n scores, the best first.
static void pick_best(const float *scores, size_t n, ranked *best, size_t k)
{
    for (size_t i = 0; i < k; i++) best[i] = (ranked){scores[i], (uint32_t)i};
    for (size_t i = k / 2; i-- > 0;) sift(best, k, i);
    for (size_t i = k; i < n; i++) {
        ranked next = {scores[i], (uint32_t)i};
        if (!is_above(next, best[0])) continue;
        best[0] = next;
        sift(best, k, 0);
    }
    for (size_t left = k; left > 1; left--) { // the lowest goes to the end
        ranked lowest = best[0];
        best[0] = best[left - 1];
        best[left - 1] = lowest;
        sift(best, left - 1, 0);
    }
}

// "0.75:1:yes" for the class; all but the name is ASCII.
static size_t put_rank(const writer *w, ranked r, char text[2 * DECIMAL_TEXT_SIZE + 2], str *name)
{
    size_t len = decimal_format_f32(r.score, text);
    text[len++] = ':';
    len += decimal_format_i64(r.class, text + len);
    text[len++] = ':';
    *name = str_of(w->from->target->classes[r.class]);
    return len;
}

// Calls for each of the best classes of each row, in the order of the tensor.
static int put_classes(const writer *w, size_t k, bool binary, arena *a, err *e)
{
    ranked *best = arena_alloc(a, k, sizeof *best);
    if (!best) return err_set(e, ERR_MEMORY, "no memory for the best classes");
    for (size_t row = 0; row < w->p->n_rows; row++) {
        pick_best(w->p->scores + row * w->p->n_scores, w->p->n_scores, best, k);
        for (size_t i = 0; i < k; i++) {
            char text[2 * DECIMAL_TEXT_SIZE + 2];
            str name;
            size_t len = put_rank(w, best[i], text, &name);
            if (binary) {
                uint32_t total = (uint32_t)(len + name.len);
                char head[4] = {(char)total, (char)(total >> 8), (char)(total >> 16), (char)(total >> 24)};
                buf_add(w->out, head, 4);
                buf_add(w->out, text, len);
                buf_add_str(w->out, name);
            } else {
                if (row + i > 0) buf_add_char(w->out, ',');
                buf_add_char(w->out, '"');
                buf_add(w->out, text, len);
                size_t at = w->out->len;
                json_quote(w->out, name); // its opening quote is one too many
                if (w->out->failed) return 0;
                memmove(w->out->data + at, w->out->data + at + 1, w->out->len - at - 1);
                w->out->len--;
            }
        }
    }
    return 0;
}

// JSON.

static void put_label_json(const writer *w, size_t class)
{
    bool mixed =
        w->labels == LABEL_TEXT && w->from->target->type != COLUMN_CATEGORY && w->from->target->type != COLUMN_TEXT;
    if (mixed)
        json_quote(w->out, str_of(w->from->target->classes[class]));
    else
        buf_add_str(w->out, encoder_label(w->from->encoder, class));
}

static void put_scores_json(const writer *w)
{
    const size_t n = w->p->n_rows * w->p->n_scores;
    enum { AT_ONCE = 64 };
    for (size_t i = 0; i < n;) {
        size_t end = i + AT_ONCE < n ? i + AT_ONCE : n;
        char *start = buf_reserve(w->out, (end - i) * (DECIMAL_TEXT_SIZE + 1)), *to = start;
        if (!start) return;
        for (; i < end; i++) {
            if (i > 0) *to++ = ',';
            if (isfinite(w->p->scores[i])) {
                to += decimal_format_f32(w->p->scores[i], to);
            } else {
                memcpy(to, "null", 4);
                to += 4;
            }
        }
        w->out->len += (size_t)(to - start);
    }
}

static int put_json(const writer *w, const v2_output *o, arena *a, err *e)
{
    int rc = 0;
    buf_add_text(w->out, ",\"data\":[");
    if (o->n_classes > 0)
        rc = put_classes(w, o->n_classes, false, a, e);
    else if (o->kind != V2_LABEL)
        put_scores_json(w);
    else
        for (size_t row = 0; row < w->p->n_rows; row++) {
            if (row > 0) buf_add_char(w->out, ',');
            put_label_json(w, (size_t)w->p->labels[row]);
        }
    buf_add_char(w->out, ']');
    return rc;
}

// Binary.

static void put_bits(buf *out, uint64_t bits, size_t size)
{
    char bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(bits >> 8 * i);
    buf_add(out, bytes, size);
}

static void put_label_binary(const writer *w, size_t class)
{
    str name = str_of(w->from->target->classes[class]);
    int64_t whole = 0;
    double real = 0;
    uint64_t bits;
    switch (w->labels) { // names were looked at by encoder_new()
    case LABEL_INTEGER:
        (void)!decimal_parse_i64(name, &whole);
        put_bits(w->out, (uint64_t)whole, 8);
        break;
    case LABEL_REAL:
        decimal_scan_json(name, &real);
        memcpy(&bits, &real, sizeof bits);
        put_bits(w->out, bits, 8);
        break;
    case LABEL_BOOLEAN: put_bits(w->out, str_equal(name, STR("true")), 1); break;
    default: put_bits(w->out, name.len, 4); buf_add_str(w->out, name);
    }
}

static int put_binary(const writer *w, const v2_output *o, arena *a, err *e)
{
    if (o->n_classes > 0) return put_classes(w, o->n_classes, true, a, e);
    if (o->kind == V2_LABEL) {
        for (size_t row = 0; row < w->p->n_rows; row++) put_label_binary(w, (size_t)w->p->labels[row]);
        return 0;
    }
    const size_t n = w->p->n_rows * w->p->n_scores;
    char *to = buf_reserve(w->out, 4 * n);
    for (size_t i = 0; to && i < n; i++, to += 4) {
        uint32_t bits;
        memcpy(&bits, &w->p->scores[i], sizeof bits);
        for (int k = 0; k < 4; k++) to[k] = (char)(bits >> 8 * k);
    }
    if (to) w->out->len += 4 * n;
    return 0;
}

// The whole.

// {"name":...,"datatype":...,"shape":[N,k]; for binary also room for its size, whose place this returns. What follows,
// and the brace, are still to come.
static size_t put_head(const writer *w, const v2_output *o)
{
    v2_datatype type = o->n_classes > 0      ? V2_BYTES
                       : o->kind == V2_LABEL ? v2_label_datatype(w->from->encoder)
                                             : V2_FP32;
    size_t columns = o->n_classes > 0 ? o->n_classes : o->kind == V2_PROBABILITIES ? w->p->n_scores : 1;
    char text[2 * DECIMAL_TEXT_SIZE];
    buf_add_text(w->out, "{\"name\":\"");
    buf_add_text(w->out, v2_output_name(o->kind));
    buf_add_text(w->out, "\",\"datatype\":\"");
    buf_add_text(w->out, v2_datatype_name(type));
    buf_add_text(w->out, "\",\"shape\":[");
    size_t len = decimal_format_i64((int64_t)w->p->n_rows, text);
    text[len++] = ',';
    len += decimal_format_i64((int64_t)columns, text + len);
    text[len++] = ']';
    buf_add(w->out, text, len);
    if (!o->binary) return 0;
    buf_add_text(w->out, ",\"parameters\":{\"binary_data_size\":");
    size_t at = w->out->len;
    memset(text, ' ', SIZE_DIGITS);
    buf_add(w->out, text, SIZE_DIGITS);
    buf_add_char(w->out, '}');
    return at;
}

static void put_begin(const writer *w, str id)
{
    char text[DECIMAL_TEXT_SIZE];
    buf_add_text(w->out, "{\"model_name\":");
    json_quote(w->out, str_of(w->from->name));
    buf_add_text(w->out, ",\"model_version\":\"");
    buf_add(w->out, text, decimal_format_i64(w->from->version, text));
    buf_add_char(w->out, '"');
    if (id.len > 0) {
        buf_add_text(w->out, ",\"id\":");
        json_quote(w->out, id);
    }
    buf_add_text(w->out, ",\"outputs\":[");
}

int v2_encode(const v2_infer *q, const v2_source *from, const prediction *p, buf *out, size_t *header_len, arena *a,
              err *e)
{
    const writer w = {.from = from, .p = p, .out = out, .labels = encoder_label_kind(from->encoder)};
    size_t start = out->len, sizes_at[V2_OUTPUTS_MAX] = {0};
    v2_output outputs[V2_OUTPUTS_MAX];
    bool any = false;
    put_begin(&w, q->id);
    for (size_t i = 0; i < q->n_outputs; i++) {
        v2_output *o = &outputs[i];
        *o = q->outputs[i];
        if (o->n_classes > p->n_scores) o->n_classes = p->n_scores;
        if (i > 0) buf_add_char(out, ',');
        sizes_at[i] = put_head(&w, o);
        if (o->binary)
            any = true;
        else
            TRY(put_json(&w, o, a, e));
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}");
    *header_len = any ? out->len - start : 0;
    // Sizes are known when the data is there; JSON lets blanks stand before a number.
    for (size_t i = 0; i < q->n_outputs; i++) {
        if (!outputs[i].binary) continue;
        size_t before = out->len;
        TRY(put_binary(&w, &outputs[i], a, e));
        if (out->failed) return 0;
        char text[DECIMAL_TEXT_SIZE];
        size_t len = decimal_format_i64((int64_t)(out->len - before), text);
        memcpy(out->data + sizes_at[i] + SIZE_DIGITS - len, text, len);
    }
    return 0;
}
