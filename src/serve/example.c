// Medians and modes as JSON.
// SPDX-License-Identifier: Apache-2.0
#include "serve/example.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/json.h"

static void add_number(double value, buf *out)
{
    char text[DECIMAL_TEXT_SIZE];
    buf_add(out, text, decimal_format_f64(isfinite(value) ? value : 0, text));
}

static void add_category(const schema_input *in, buf *out)
{
    size_t best = 0;
    for (size_t i = 1; in->counts && i < in->n_categories; i++)
        if (in->counts[i] > in->counts[best]) best = i;
    json_quote(out, in->n_categories > 0 ? str_of(in->categories[best]) : STR("text"));
}

static void add_value(const schema_input *in, buf *out)
{
    double median = in->quantiles[QUANTILES_N / 2];
    char time[CLOCK_TEXT_SIZE];
    switch (in->type) {
    case COLUMN_INTEGER: add_number(nearbyint(median), out); break;
    case COLUMN_REAL: add_number(median, out); break;
    case COLUMN_BOOLEAN: buf_add_text(out, median >= 0.5 ? "true" : "false"); break;
    case COLUMN_DATETIME:
        // Far from what a double could not hold as int64_t, or that is no date for people.
        json_quote(out, str_of(clock_format_utc(fabs(median) < 1e14 ? (int64_t)median : 0, time)));
        break;
    default: add_category(in, out); break;
    }
}

void example_row(const schema *s, buf *out)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (i > 0) buf_add_char(out, ',');
        json_quote(out, str_of(s->inputs[i].name));
        buf_add_char(out, ':');
        add_value(&s->inputs[i], out);
    }
    buf_add_char(out, '}');
}

const char *example_url(bool encrypted, const char *host, unsigned port, char text[URL_TEXT_SIZE])
{
    const char *scheme = encrypted ? "https" : "http";
    snprintf(text, URL_TEXT_SIZE, strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", scheme, host, port);
    return text;
}

void example_curl(const schema *s, const char *url, const char *name, buf *out)
{
    buf_format(out, "curl -s %s/api/v1/models/%s/predict -H 'Content-Type: application/json' -d '", url, name);
    buf row;
    buf_init(&row, out->ceiling);
    buf_add_text(&row, "{\"rows\":[");
    example_row(s, &row);
    buf_add_text(&row, "]}");
    for (size_t i = 0; i < row.len; i++) {
        if (row.data[i] == '\'')
            buf_add_text(out, "'\\''");
        else
            buf_add_char(out, row.data[i]);
    }
    if (row.failed && !out->failed) out->failed = row.failed;
    buf_clear(&row);
    buf_add_char(out, '\'');
}
