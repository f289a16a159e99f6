// Spans as OTLP says (opentelemetry-proto 1.x): protobuf by hand, because eight fields need no library, and its JSON.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "serve/http.h"
#include "serve/otlp_impl.h"

enum { KIND_SERVER = 2, STATUS_ERROR = 2, ATTRIBUTES_MAX = 8, SPAN_NAME_MAX = 160, SPAN_BYTES_MAX = 4096 };

// Protobuf.

static void put_varint(buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) buf_add_char(out, (char)(value | 0x80));
    buf_add_char(out, (char)value);
}

static void put_bytes(buf *out, unsigned field, str value)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, value.len);
    buf_add_str(out, value);
}

static void put_integer(buf *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

static void put_fixed64(buf *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3 | 1);
    for (int i = 0; i < 8; i++) buf_add_char(out, (char)(value >> 8 * i));
}

// Attributes.

static void put_attribute(buf *out, unsigned field, const otlp_attribute *a)
{
    buf value, pair;
    buf_init(&value, SPAN_BYTES_MAX);
    buf_init(&pair, SPAN_BYTES_MAX);
    if (a->text.data)
        put_bytes(&value, 1, a->text);
    else
        put_integer(&value, 3, (uint64_t)a->number);
    put_bytes(&pair, 1, a->key);
    put_bytes(&pair, 2, buf_str(&value));
    put_bytes(out, field, buf_str(&pair));
    if (value.failed || pair.failed) out->failed = value.failed ? value.failed : pair.failed;
    buf_clear(&value);
    buf_clear(&pair);
}

static void put_attribute_json(buf *out, const otlp_attribute *a, bool first)
{
    buf_add_text(out, first ? "{\"key\":" : ",{\"key\":");
    json_quote(out, a->key);
    if (a->text.data) {
        buf_add_text(out, ",\"value\":{\"stringValue\":");
        json_quote(out, a->text);
        buf_add_text(out, "}}");
    } else {
        buf_format(out, ",\"value\":{\"intValue\":\"%" PRId64 "\"}}", a->number);
    }
}

// The names are those of the semantic conventions for HTTP where they have one.
static size_t list_attributes(const request_record *r, otlp_attribute all[ATTRIBUTES_MAX])
{
    size_t n = 0;
    all[n++] = (otlp_attribute){.key = STR("http.request.method"), .text = str_of(http_method_name(r->method))};
    if (r->route) all[n++] = (otlp_attribute){.key = STR("http.route"), .text = str_of(r->route->pattern)};
    all[n++] = (otlp_attribute){.key = STR("http.response.status_code"), .number = r->status};
    if (r->key[0]) all[n++] = (otlp_attribute){.key = STR("slipway.key"), .text = str_of(r->key)};
    if (!r->model) return n;
    all[n++] = (otlp_attribute){.key = STR("slipway.model"), .text = str_of(r->model)};
    all[n++] = (otlp_attribute){.key = STR("slipway.version"), .number = r->version};
    all[n++] = (otlp_attribute){.key = STR("slipway.rows"), .number = (int64_t)r->n_rows};
    return n;
}

static bool has_parent(const trace *t)
{
    for (int i = 0; i < SPAN_ID_BYTES; i++)
        if (t->parent_id[i]) return true;
    return false;
}

static void encode_span(const request_record *r, str name, uint64_t start, uint64_t end, buf *out)
{
    otlp_attribute all[ATTRIBUTES_MAX];
    size_t n = list_attributes(r, all);
    buf span;
    buf_init(&span, SPAN_BYTES_MAX);
    put_bytes(&span, 1, (str){(const char *)r->trace.trace_id, TRACE_ID_BYTES});
    put_bytes(&span, 2, (str){(const char *)r->trace.span_id, SPAN_ID_BYTES});
    if (has_parent(&r->trace)) put_bytes(&span, 4, (str){(const char *)r->trace.parent_id, SPAN_ID_BYTES});
    put_bytes(&span, 5, name);
    put_integer(&span, 6, KIND_SERVER);
    put_fixed64(&span, 7, start);
    put_fixed64(&span, 8, end);
    for (size_t i = 0; i < n; i++) put_attribute(&span, 9, &all[i]);
    if (r->status >= 500) {
        const char status[] = {3 << 3, STATUS_ERROR};
        put_bytes(&span, 15, (str){status, sizeof status});
    }
    put_bytes(out, 2, buf_str(&span)); // of ScopeSpans
    if (span.failed) out->failed = span.failed;
    buf_clear(&span);
}

static void put_hex(buf *out, const char *name, const uint8_t *bytes, size_t n)
{
    char hex[2 * TRACE_ID_BYTES + 1] = "";
    trace_hex(bytes, n, hex);
    buf_format(out, "\"%s\":\"%s\",", name, hex);
}

static void encode_span_json(const request_record *r, str name, uint64_t start, uint64_t end, buf *out)
{
    otlp_attribute all[ATTRIBUTES_MAX];
    size_t n = list_attributes(r, all);
    buf_add_char(out, '{');
    put_hex(out, "traceId", r->trace.trace_id, TRACE_ID_BYTES);
    put_hex(out, "spanId", r->trace.span_id, SPAN_ID_BYTES);
    if (has_parent(&r->trace)) put_hex(out, "parentSpanId", r->trace.parent_id, SPAN_ID_BYTES);
    buf_add_text(out, "\"name\":");
    json_quote(out, name);
    buf_format(
        out, ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRIu64 "\",\"endTimeUnixNano\":\"%" PRIu64 "\",\"attributes\":[",
        KIND_SERVER, start, end);
    for (size_t i = 0; i < n; i++) put_attribute_json(out, &all[i], i == 0);
    buf_add_text(out, r->status >= 500 ? "],\"status\":{\"code\":2}}" : "],\"status\":{}}");
}

void otlp_encode_span(bool json, const observed *o, buf *out)
{
    const request_record *r = o->record;
    char name[SPAN_NAME_MAX];
    snprintf(name, sizeof name, "%s%s%s", http_method_name(r->method), r->route ? " " : "",
             r->route ? r->route->pattern : "");
    uint64_t start = (uint64_t)o->start_utc_ns, end = start + (r->end_ns - r->start_ns);
    if (json)
        encode_span_json(r, str_of(name), start, end, out);
    else
        encode_span(r, str_of(name), start, end, out);
}

static void encode_request_json(const otlp_attribute *resource, size_t n, const str *spans, size_t n_spans, buf *out)
{
    buf_add_text(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    for (size_t i = 0; i < n; i++) put_attribute_json(out, &resource[i], i == 0);
    buf_add_text(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"slipway\",\"version\":\"" SLIPWAY_VERSION
                      "\"},\"spans\":[");
    for (size_t i = 0; i < n_spans; i++) {
        if (i > 0) buf_add_char(out, ',');
        buf_add_str(out, spans[i]);
    }
    buf_add_text(out, "]}]}]}");
}

void otlp_encode_request(bool json, const otlp_attribute *resource, size_t n, const str *spans, size_t n_spans,
                         buf *out)
{
    if (json) {
        encode_request_json(resource, n, spans, n_spans, out);
        return;
    }
    buf scope, inner, about;
    buf_init(&scope, out->ceiling);
    buf_init(&inner, out->ceiling);
    buf_init(&about, out->ceiling);
    put_bytes(&about, 1, STR("slipway"));
    put_bytes(&about, 2, STR(SLIPWAY_VERSION));
    put_bytes(&scope, 1, buf_str(&about));
    for (size_t i = 0; i < n_spans; i++) buf_add_str(&scope, spans[i]); // with their tags already
    buf_reset(&about);
    for (size_t i = 0; i < n; i++) put_attribute(&about, 1, &resource[i]);
    put_bytes(&inner, 1, buf_str(&about));
    put_bytes(&inner, 2, buf_str(&scope));
    put_bytes(out, 1, buf_str(&inner));
    if (scope.failed || inner.failed || about.failed) out->failed = ERR_MEMORY;
    buf_clear(&scope);
    buf_clear(&inner);
    buf_clear(&about);
}
