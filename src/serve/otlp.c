// The exporter: what the environment says, a queue of encoded spans, batches with back-off.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/fetch.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/otlp_impl.h"

enum {
    SPANS_BYTES_MAX = 8 << 20,
    HEADERS_MAX = 32,
    RESOURCE_MAX = 32,
    ANSWER_MAX = 64 << 10,
    TRIES_MAX = 5, // of one batch
    URL_MAX = 2048,
};

struct otlp {
    char url[URL_MAX], host[FETCH_HOST_SIZE];
    bool json;
    char *texts[HEADERS_MAX + RESOURCE_MAX]; // owned: headers and attributes point into them
    size_t n_texts;
    const char *headers[HEADERS_MAX + 2];
    size_t n_headers;
    otlp_attribute resource[RESOURCE_MAX];
    size_t n_resource;
    const char *ca_file;
    uint32_t timeout_ms;
    uint64_t delay_ns;
    size_t queue_max, batch_max;
    buf spans;    // encoded, one behind the other
    size_t *ends; // of each, in `spans`; queue_max
    size_t n;
    uint64_t oldest_ns, next_try_ns;
    unsigned n_tries;
    uint64_t n_lost; // since the last otlp_send()
    bool failing;
};

// The environment.

// A variable of traces, else the one for all signals; NULL if neither is set, or empty.
static const char *variable(const char *name)
{
    char longer[80];
    snprintf(longer, sizeof longer, "OTEL_EXPORTER_OTLP_TRACES_%s", name);
    const char *value = getenv(longer);
    if (value && value[0]) return value;
    snprintf(longer, sizeof longer, "OTEL_EXPORTER_OTLP_%s", name);
    value = getenv(longer);
    return value && value[0] ? value : NULL;
}

static const char *set_variable(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

// A number from 1 on; what is none is told and the default taken, as the specification wants.
static int64_t number(const char *name, const char *value, int64_t fallback)
{
    int64_t n;
    if (!value) return fallback;
    if (decimal_parse_i64(str_of(value), &n) == 0 && n >= 1 && n <= INT32_MAX) return n;
    log_event(LOG_WARN, "telemetry", "%s: \"%s\" is no number from 1 on; it is taken as %lld", name, value,
              (long long)fallback);
    return fallback;
}

static int find_url(otlp *t, const char *exporter, bool *wanted, err *e)
{
    const char *whole = set_variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    const char *base = set_variable("OTEL_EXPORTER_OTLP_ENDPOINT");
    *wanted = whole || base || exporter;
    if (!*wanted) return 0;
    if (!whole && !base) base = "http://localhost:4318";
    size_t len = whole ? 0 : strlen(base);
    const char *slash = len > 0 && base[len - 1] == '/' ? "" : "/";
    int n = whole ? snprintf(t->url, URL_MAX, "%s", whole) : snprintf(t->url, URL_MAX, "%s%sv1/traces", base, slash);
    if (n >= URL_MAX) return err_set(e, ERR_INPUT, "the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT is too long");
    int rc = fetch_host(t->url, t->host, e);
    return rc < 0 ? err_prefix(e, rc, "OTEL_EXPORTER_OTLP_ENDPOINT") : 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// %XX, in place; what is no such thing stays.
static void percent_decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        int high = from[0] == '%' ? hex_digit(from[1]) : -1, low = high >= 0 ? hex_digit(from[2]) : -1;
        if (low >= 0) {
            *to++ = (char)(high << 4 | low);
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

// The next "key=value" of a list in the way of W3C Baggage; NULL at the end. Takes the list apart.
static char *next_pair(char **list, char **value)
{
    while (*list) {
        char *pair = *list, *comma = strchr(pair, ',');
        *list = comma ? comma + 1 : NULL;
        if (comma) *comma = '\0';
        char *equals = strchr(pair, '=');
        if (!equals) continue;
        *equals = '\0';
        while (*pair == ' ' || *pair == '\t') pair++;
        for (char *end = equals; end > pair && (end[-1] == ' ' || end[-1] == '\t');) *--end = '\0';
        *value = equals + 1;
        while (**value == ' ' || **value == '\t') (*value)++;
        percent_decode(*value);
        if (pair[0]) return pair;
    }
    return NULL;
}

static char *keep(otlp *t, char *text)
{
    if (text) t->texts[t->n_texts++] = text;
    return text;
}

static int read_headers(otlp *t, err *e)
{
    const char *given = variable("HEADERS");
    t->headers[t->n_headers++] = t->json ? "Content-Type: application/json" : "Content-Type: application/x-protobuf";
    if (!given) return 0;
    char *list = keep(t, mem_strdup(given)), *value;
    if (!list) return err_set(e, ERR_MEMORY, "no memory for headers");
    for (char *name; (name = next_pair(&list, &value)) && t->n_headers < HEADERS_MAX;) {
        if (strpbrk(value, "\r\n"))
            return err_set(e, ERR_INPUT, "OTEL_EXPORTER_OTLP_HEADERS: a line break in \"%s\"", name);
        size_t size = strlen(name) + strlen(value) + 3;
        char *line = keep(t, mem_alloc(size, 1));
        if (!line) return err_set(e, ERR_MEMORY, "no memory for headers");
        snprintf(line, size, "%s: %s", name, value);
        t->headers[t->n_headers++] = line;
    }
    return 0;
}

static int read_resource(otlp *t, err *e)
{
    const char *given = set_variable("OTEL_RESOURCE_ATTRIBUTES"), *service = set_variable("OTEL_SERVICE_NAME");
    char *list = given ? keep(t, mem_strdup(given)) : NULL, *value;
    if (given && !list) return err_set(e, ERR_MEMORY, "no memory for attributes");
    bool named = service != NULL;
    for (char *key; (key = next_pair(&list, &value)) && t->n_resource < RESOURCE_MAX - 2;) {
        if (strcmp(key, "service.name") == 0) {
            if (named) continue; // OTEL_SERVICE_NAME wins
            named = true;
        }
        t->resource[t->n_resource++] = (otlp_attribute){.key = str_of(key), .text = str_of(value)};
    }
    if (service || !named)
        t->resource[t->n_resource++] =
            (otlp_attribute){.key = STR("service.name"), .text = service ? str_of(service) : STR("slipway")};
    t->resource[t->n_resource++] = (otlp_attribute){.key = STR("service.version"), .text = STR(SLIPWAY_VERSION)};
    return 0;
}

static int read_protocol(otlp *t, err *e)
{
    const char *protocol = variable("PROTOCOL");
    t->json = protocol && strcmp(protocol, "http/json") == 0;
    if (protocol && !t->json && strcmp(protocol, "http/protobuf") != 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "OTEL_EXPORTER_OTLP_PROTOCOL: \"%s\" is not spoken; http/protobuf and http/json are", protocol);
    const char *compression = variable("COMPRESSION");
    if (compression && strcmp(compression, "none") != 0)
        return err_set(e, ERR_UNSUPPORTED, "OTEL_EXPORTER_OTLP_COMPRESSION: \"%s\" is not done; none is", compression);
    return 0;
}

static int read_sampler(trace_sampling *s, err *e)
{
    const char *name = set_variable("OTEL_TRACES_SAMPLER"), *share = set_variable("OTEL_TRACES_SAMPLER_ARG");
    if (!name) name = "parentbased_always_on";
    const char *root = strncmp(name, "parentbased_", 12) == 0 ? name + 12 : name;
    *s = (trace_sampling){.parent_decides = root != name};
    if (strcmp(root, "always_on") == 0)
        s->all = true;
    else if (strcmp(root, "traceidratio") == 0) {
        double ratio = 1;
        if (share && (decimal_parse_f64(str_of(share), &ratio) < 0 || !(ratio >= 0 && ratio <= 1)))
            return err_set(e, ERR_INPUT, "OTEL_TRACES_SAMPLER_ARG: \"%s\" is no share from 0 to 1", share);
        s->all = ratio >= 1;
        s->below = s->all ? 0 : (uint64_t)(ratio * 18446744073709551616.0);
    } else if (strcmp(root, "always_off") != 0) {
        return err_set(e, ERR_UNSUPPORTED, "OTEL_TRACES_SAMPLER: \"%s\" is no sampler that is known", name);
    }
    return 0;
}

static int fill(otlp *t, trace_sampling *sampling, err *e)
{
    TRY(read_protocol(t, e));
    TRY(read_sampler(sampling, e));
    TRY(read_headers(t, e));
    TRY(read_resource(t, e));
    t->ca_file = variable("CERTIFICATE");
    t->timeout_ms = (uint32_t)number("OTEL_EXPORTER_OTLP_TIMEOUT", variable("TIMEOUT"), 10000);
    t->delay_ns = (uint64_t)number("OTEL_BSP_SCHEDULE_DELAY", getenv("OTEL_BSP_SCHEDULE_DELAY"), 5000) * 1000000;
    int64_t queue = number("OTEL_BSP_MAX_QUEUE_SIZE", getenv("OTEL_BSP_MAX_QUEUE_SIZE"), 2048);
    int64_t batch = number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", getenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), 512);
    t->queue_max = queue < 1 << 20 ? (size_t)queue : 1 << 20;
    t->batch_max = (size_t)batch < t->queue_max ? (size_t)batch : t->queue_max;
    buf_init(&t->spans, SPANS_BYTES_MAX);
    t->ends = mem_alloc(t->queue_max, sizeof *t->ends);
    return t->ends ? 0 : err_set(e, ERR_MEMORY, "no memory for spans");
}

static bool switched_off(const char *exporter)
{
    const char *disabled = getenv("OTEL_SDK_DISABLED");
    return (disabled && strcasecmp(disabled, "true") == 0) || (exporter && strcmp(exporter, "none") == 0);
}

bool otlp_wanted(const char **ca_file)
{
    const char *exporter = set_variable("OTEL_TRACES_EXPORTER");
    if (ca_file) *ca_file = variable("CERTIFICATE");
    return !switched_off(exporter) && (exporter || variable("ENDPOINT"));
}

int otlp_open(otlp **out, trace_sampling *sampling, err *e)
{
    *out = NULL;
    *sampling = (trace_sampling){0};
    const char *exporter = set_variable("OTEL_TRACES_EXPORTER");
    if (switched_off(exporter)) return 0;
    if (exporter && strcmp(exporter, "otlp") != 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "OTEL_TRACES_EXPORTER: \"%s\" is no exporter that is known; otlp and none are", exporter);
    otlp *t = mem_zalloc(1, sizeof *t);
    if (!t) return err_set(e, ERR_MEMORY, "no memory for telemetry");
    bool wanted = false;
    int rc = find_url(t, exporter, &wanted, e);
    if (rc == 0 && wanted) rc = fill(t, sampling, e);
    if (rc < 0 || !wanted) {
        otlp_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

void otlp_close(otlp *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->n_texts; i++) mem_free(t->texts[i]);
    buf_clear(&t->spans);
    mem_free(t->ends);
    mem_free(t);
}

// The queue.

void otlp_add(otlp *t, const observed *o)
{
    size_t before = t->spans.len;
    if (t->n == t->queue_max) {
        t->n_lost++;
        return;
    }
    otlp_encode_span(t->json, o, &t->spans);
    if (t->spans.failed) {
        t->spans.failed = 0;
        t->spans.len = before;
        t->n_lost++;
        return;
    }
    if (t->n == 0) t->oldest_ns = clock_monotonic_ns();
    t->ends[t->n++] = t->spans.len;
}

static void remove_first(otlp *t, size_t n)
{
    size_t bytes = t->ends[n - 1];
    memmove(t->spans.data, t->spans.data + bytes, t->spans.len - bytes);
    t->spans.len -= bytes;
    for (size_t i = n; i < t->n; i++) t->ends[i - n] = t->ends[i] - bytes;
    t->n -= n;
    t->oldest_ns = clock_monotonic_ns();
    t->n_tries = 0;
}

// 0: taken; 1: worth another try after *wait_ns; negative: never.
static int post(otlp *t, size_t n, uint64_t *wait_ns, err *e)
{
    str *spans = mem_alloc(n, sizeof *spans);
    if (!spans) return err_set(e, ERR_MEMORY, "no memory for spans");
    for (size_t i = 0, at = 0; i < n; at = t->ends[i++]) spans[i] = (str){t->spans.data + at, t->ends[i] - at};
    buf body;
    buf_init(&body, 2 * SPANS_BYTES_MAX);
    otlp_encode_request(t->json, t->resource, t->n_resource, spans, n, &body);
    mem_free(spans);
    int rc = buf_check(&body, e);
    fetch_answer a = {0};
    if (rc == 0)
        rc = fetch(&a,
                   &(fetch_options){.url = t->url,
                                    .host = t->host,
                                    .method = "POST",
                                    .headers = t->headers,
                                    .body = buf_str(&body),
                                    .answer_max = ANSWER_MAX,
                                    .time_ms_max = t->timeout_ms,
                                    .ca_file = t->ca_file},
                   e);
    buf_clear(&body);
    *wait_ns = UINT64_C(1000000000) << (t->n_tries < 5 ? t->n_tries : 5);
    if (rc < 0) return rc == ERR_IO || rc == ERR_TIMEOUT ? 1 : rc;
    buf_clear(&a.body);
    if (a.status >= 200 && a.status < 300) return 0;
    err_set(e, ERR_IO, "%s answered %d", t->host, a.status);
    if (a.retry_s > 0) *wait_ns = a.retry_s * UINT64_C(1000000000);
    bool again = a.status == 429 || a.status == 502 || a.status == 503 || a.status == 504;
    return again ? 1 : ERR_IO;
}

uint64_t otlp_send(otlp *t, bool all)
{
    while (t->n > 0) {
        uint64_t now = clock_monotonic_ns(), wait_ns;
        bool due = t->n >= t->batch_max || now - t->oldest_ns >= t->delay_ns;
        if (!all && (!due || now < t->next_try_ns)) break;
        size_t n = t->n < t->batch_max ? t->n : t->batch_max;
        err e = ERR_NONE;
        int rc = post(t, n, &wait_ns, &e);
        if (rc != 0 && !t->failing) log_event(LOG_WARN, "telemetry cannot be sent", "%s", e.msg);
        if (rc == 0 && t->failing) log_event(LOG_INFO, "telemetry can be sent again", " ");
        t->failing = rc != 0;
        if (rc == 1 && ++t->n_tries < TRIES_MAX && !all) {
            t->next_try_ns = now + wait_ns;
            break;
        }
        if (rc != 0) t->n_lost += n;
        remove_first(t, n);
        if (rc != 0 && all) { // the server stops: who did not take this batch will not take the next
            if (t->n > 0) t->n_lost += t->n, remove_first(t, t->n);
            break;
        }
    }
    uint64_t lost = t->n_lost;
    t->n_lost = 0;
    return lost;
}
