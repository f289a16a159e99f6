// Line by line; comments are passed over, and timestamps, which we do not write, are refused.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/scrape.h"

#include <math.h>
#include <string.h>

#include "data/value.h"

enum { METRICS_MAX = 1 << 20 };

typedef struct reader {
    const char *at, *end; // of a line
    arena *memory;
} reader;

static str take_name(reader *r)
{
    const char *start = r->at;
    while (r->at < r->end && ((*r->at >= 'a' && *r->at <= 'z') || (*r->at >= 'A' && *r->at <= 'Z') ||
                              (*r->at >= '0' && *r->at <= '9') || *r->at == '_' || *r->at == ':'))
        r->at++;
    return (str){start, (size_t)(r->at - start)};
}

static bool take(reader *r, char c)
{
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

// What stands between quotes, the first of which is behind us. False if the line ends before.
static bool take_value(reader *r, str *out)
{
    const char *start = r->at;
    bool escaped = false;
    while (r->at < r->end && *r->at != '"') {
        escaped = escaped || *r->at == '\\';
        r->at += *r->at == '\\' && r->end - r->at > 1 ? 2 : 1;
    }
    *out = (str){start, (size_t)(r->at - start)};
    if (!take(r, '"')) return false;
    if (!escaped) return true;
    char *plain = arena_alloc(r->memory, out->len, 1);
    size_t n = 0;
    if (!plain) return false;
    for (size_t i = 0; i < out->len; i++) {
        bool stroke = out->data[i] == '\\' && i + 1 < out->len;
        if (stroke) i++;
        plain[n++] = stroke && out->data[i] == 'n' ? '\n' : out->data[i];
    }
    *out = (str){plain, n};
    return true;
}

static bool take_labels(reader *r, metric *m)
{
    if (!take(r, '{')) return true;
    while (!take(r, '}')) {
        if (m->n_labels == SCRAPE_LABELS_MAX) return false;
        metric_label *l = &m->labels[m->n_labels++];
        l->name = take_name(r);
        if (l->name.len == 0 || !take(r, '=') || !take(r, '"') || !take_value(r, &l->value)) return false;
        if (!take(r, ',') && (r->at == r->end || *r->at != '}')) return false;
    }
    return true;
}

static bool parse_number(str text, double *out)
{
    if (str_equal(text, STR("NaN"))) return *out = NAN, true;
    if (str_equal(text, STR("+Inf"))) return *out = INFINITY, true;
    if (str_equal(text, STR("-Inf"))) return *out = -INFINITY, true;
    return parse_f64(text, out) == 0;
}

static bool take_metric(reader *r, metric *m)
{
    *m = (metric){.name = take_name(r)};
    if (m->name.len == 0 || !take_labels(r, m) || !take(r, ' ')) return false;
    return parse_number((str){r->at, (size_t)(r->end - r->at)}, &m->value);
}

static size_t count_lines(str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++) n += text.data[i] == '\n';
    return n;
}

int scrape_read(scrape *out, str text, arena *a, err *e)
{
    size_t n_lines = count_lines(text), line = 0;
    scrape s = {.n = 0};
    if (n_lines > METRICS_MAX) return err_set(e, ERR_LIMIT, "%zu lines of metrics, at most %d", n_lines, METRICS_MAX);
    s.metrics = arena_alloc(a, n_lines, sizeof *s.metrics);
    if (!s.metrics) return err_set(e, ERR_MEMORY, "no memory for metrics");
    const char *at = text.data, *end = text.data + text.len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        reader r = {.at = at, .end = stop ? stop : end, .memory = a};
        line++;
        at = stop ? stop + 1 : end;
        if (r.at == r.end || *r.at == '#') continue;
        if (!take_metric(&r, &s.metrics[s.n++]))
            return err_set_at(e, ERR_FORMAT, (int64_t)line, "line %zu of the metrics is none", line);
    }
    *out = s;
    return 0;
}

str metric_label_of(const metric *m, const char *name)
{
    for (size_t i = 0; i < m->n_labels; i++)
        if (str_equal(m->labels[i].name, str_of(name))) return m->labels[i].value;
    return STR("");
}

double scrape_sum(const scrape *s, const char *name, const char *label, str value)
{
    double sum = NAN;
    for (size_t i = 0; i < s->n; i++) {
        const metric *m = &s->metrics[i];
        if (!str_equal(m->name, str_of(name)) || (label && !str_equal(metric_label_of(m, label), value))) continue;
        sum = isnan(sum) ? m->value : sum + m->value;
    }
    return sum;
}
