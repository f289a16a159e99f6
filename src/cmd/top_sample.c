// Counters become rates, histograms percentiles, by what changed between two looks. A counter that fell began anew.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/top_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

enum { BUCKETS_MAX = 64, VERSIONS_MAX = 10000 };

static bool apart(const metric *m) // what looks after the server, rather than uses it
{
    static const char *const routes[] = {"metrics", "live", "ready"};
    str route = metric_label_of(m, "route");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (str_equal(route, str_of(routes[i]))) return true;
    return false;
}

static bool same_labels(const metric *a, const metric *b)
{
    if (!str_equal(a->name, b->name) || a->n_labels != b->n_labels) return false;
    for (size_t i = 0; i < a->n_labels; i++)
        if (!str_equal(a->labels[i].name, b->labels[i].name) || !str_equal(a->labels[i].value, b->labels[i].value))
            return false;
    return true;
}

// What a counter rose by since `before`, which is most likely at the same place.
static double risen(const scrape *before, const metric *m, size_t place)
{
    const metric *was = place < before->n && same_labels(&before->metrics[place], m) ? &before->metrics[place] : NULL;
    for (size_t i = 0; !was && i < before->n; i++)
        if (same_labels(&before->metrics[i], m)) was = &before->metrics[i];
    return was && was->value <= m->value ? m->value - was->value : m->value;
}

double top_percentile(const double *le, const double *counts, size_t n, double share)
{
    double all = 0, so_far = 0;
    for (size_t i = 0; i < n; i++) all += counts[i];
    if (!(all > 0)) return NAN;
    for (size_t i = 0; i < n; i++) {
        double low = i > 0 ? le[i - 1] : 0;
        if (so_far + counts[i] >= share * all && counts[i] > 0)
            return isinf(le[i]) ? low : low + (le[i] - low) * (share * all - so_far) / counts[i];
        so_far += counts[i];
    }
    return NAN;
}

typedef struct buckets {
    size_t n;
    double le[BUCKETS_MAX], counts[BUCKETS_MAX]; // cumulative while they are gathered
} buckets;

static void add_bucket(buckets *b, const metric *m, double n)
{
    double le = INFINITY;
    str text = metric_label_of(m, "le");
    if (!str_equal(text, STR("+Inf")) && decimal_parse_f64(text, &le) < 0) return;
    size_t at = b->n;
    while (at > 0 && b->le[at - 1] > le) at--;
    if (at > 0 && b->le[at - 1] == le) {
        b->counts[at - 1] += n;
        return;
    }
    if (b->n == BUCKETS_MAX) return;
    memmove(b->le + at + 1, b->le + at, (b->n - at) * sizeof *b->le);
    memmove(b->counts + at + 1, b->counts + at, (b->n - at) * sizeof *b->counts);
    b->le[at] = le;
    b->counts[at] = n;
    b->n++;
}

static void percentiles(buckets *b, double *p50, double *p99)
{
    for (size_t i = b->n; i-- > 1;) b->counts[i] -= b->counts[i - 1];
    *p50 = top_percentile(b->le, b->counts, b->n, 0.5);
    *p99 = top_percentile(b->le, b->counts, b->n, 0.99);
}

// ---- the server

static void take_totals(top_sample *s, const scrape *before, const scrape *after)
{
    buckets times = {.n = 0};
    double cpu = 0;
    for (size_t i = 0; i < after->n; i++) {
        const metric *m = &after->metrics[i];
        if (str_equal(m->name, STR("process_cpu_seconds_total"))) cpu = risen(before, m, i);
        if (str_equal(m->name, STR("slipway_predicted_rows_total"))) s->rows += risen(before, m, i) / s->seconds;
        if (apart(m)) continue;
        if (str_equal(m->name, STR("slipway_request_seconds_bucket"))) add_bucket(&times, m, risen(before, m, i));
        if (!str_equal(m->name, STR("slipway_requests_total"))) continue;
        double rate = risen(before, m, i) / s->seconds;
        str status = metric_label_of(m, "status");
        s->requests += rate;
        if (status.len > 0 && status.data[0] == '4') s->client_errors += rate;
        if (status.len > 0 && status.data[0] == '5') s->server_errors += rate;
    }
    percentiles(&times, &s->p50_s, &s->p99_s);
    s->cpu = cpu / s->seconds;
    s->in_flight = scrape_sum(after, "slipway_requests_in_flight", NULL, (str){0});
    s->connections = scrape_sum(after, "slipway_connections", NULL, (str){0});
    s->queued = scrape_sum(after, "slipway_batch_queue_requests", NULL, (str){0});
    s->memory = scrape_sum(after, "process_resident_memory_bytes", NULL, (str){0});
    if (isnan(s->queued)) s->queued = 0;
}

// ---- versions

static top_version *version_of(const top_sample *s, const metric *m)
{
    int64_t version;
    str model = metric_label_of(m, "model");
    if (decimal_parse_i64(metric_label_of(m, "version"), &version) < 0) return NULL;
    for (size_t i = 0; i < s->n; i++)
        if (s->versions[i].version == version && str_equal(s->versions[i].model, model)) return &s->versions[i];
    return NULL;
}

// Every loaded version has a line that says whether it is watched for drift.
static void list_versions(top_sample *s, const scrape *after, size_t most)
{
    for (size_t i = 0; i < after->n && s->n < most; i++) {
        const metric *m = &after->metrics[i];
        top_version v = {.model = metric_label_of(m, "model"),
                         .unwatched = m->value == 0,
                         .requests = NAN,
                         .rows = NAN,
                         .failed = NAN,
                         .p50_s = NAN,
                         .p99_s = NAN,
                         .queued = NAN,
                         .memory = NAN,
                         .canary = NAN,
                         .drift = NAN};
        if (str_equal(m->name, STR("slipway_drift_watched")) &&
            decimal_parse_i64(metric_label_of(m, "version"), &v.version) == 0)
            s->versions[s->n++] = v;
    }
}

static void add_drift(top_version *v, const metric *m, str of)
{
    if (isnan(v->drift) || m->value > v->drift) {
        v->drift = m->value;
        v->column = of;
    }
}

static void add_to_version(top_version *v, const metric *m, double rise, double seconds)
{
    if (str_equal(m->name, STR("slipway_version_requests_total"))) v->requests = rise / seconds;
    if (str_equal(m->name, STR("slipway_version_rows_total"))) v->rows = rise / seconds;
    if (str_equal(m->name, STR("slipway_version_failed_total"))) v->failed = rise / seconds;
    if (str_equal(m->name, STR("slipway_version_memory_bytes"))) v->memory = m->value;
    if (str_equal(m->name, STR("slipway_canary_weight_ratio"))) v->canary = m->value;
    if (str_equal(m->name, STR("slipway_drift_psi"))) add_drift(v, m, metric_label_of(m, "column"));
    if (str_equal(m->name, STR("slipway_drift_score_psi"))) add_drift(v, m, STR("scores"));
    if (str_equal(m->name, STR("slipway_drift_class_psi"))) add_drift(v, m, STR("classes"));
}

// Of the last look; of all since the version was loaded where it had no sample.
static void end_times(top_version *v, buckets *risen_now, buckets *all)
{
    percentiles(risen_now, &v->p50_s, &v->p99_s);
    if (isnan(v->p50_s)) percentiles(all, &v->p50_s, &v->p99_s);
    risen_now->n = all->n = 0;
}

// Buckets of one version stand together.
static void take_times(top_sample *s, const scrape *before, const scrape *after)
{
    top_version *now = NULL;
    buckets last = {.n = 0}, all = {.n = 0};
    for (size_t i = 0; i <= after->n; i++) {
        const metric *m = i < after->n ? &after->metrics[i] : NULL;
        bool ours = m && str_equal(m->name, STR("slipway_version_seconds_bucket"));
        top_version *v = ours ? version_of(s, m) : NULL;
        if (now && v != now) end_times(now, &last, &all);
        now = v;
        if (!v) continue;
        add_bucket(&last, m, risen(before, m, i));
        add_bucket(&all, m, m->value);
    }
}

static void mark_serving(top_sample *s, const scrape *after)
{
    for (size_t i = 0; i < s->n; i++) {
        top_version *v = &s->versions[i];
        double now = scrape_sum(after, "slipway_model_version", "model", v->model);
        v->serving = now == (double)v->version;
        if (v->serving) v->queued = scrape_sum(after, "slipway_batch_queue_requests", "model", v->model);
    }
}

static double order_of(double rate)
{
    return isnan(rate) ? -1 : rate;
}

static int compare_versions(const void *a, const void *b)
{
    const top_version *x = a, *y = b;
    double left = order_of(x->requests), right = order_of(y->requests);
    if (left != right) return left < right ? 1 : -1;
    int names = str_compare(x->model, y->model);
    return names ? names : (y->version > x->version) - (y->version < x->version);
}

int top_sample_take(top_sample *out, const scrape *before, const scrape *after, double seconds, arena *a, err *e)
{
    top_sample s = {.seconds = seconds};
    size_t most = after->n < VERSIONS_MAX ? after->n : VERSIONS_MAX;
    s.versions = arena_alloc(a, most, sizeof *s.versions);
    if (!s.versions) return err_set(e, ERR_MEMORY, "no memory for a table of versions");
    take_totals(&s, before, after);
    list_versions(&s, after, most);
    for (size_t i = 0; i < after->n && s.n > 0; i++) {
        const metric *m = &after->metrics[i];
        top_version *v = m->n_labels >= 2 ? version_of(&s, m) : NULL;
        if (v) add_to_version(v, m, risen(before, m, i), seconds);
    }
    take_times(&s, before, after);
    mark_serving(&s, after);
    qsort(s.versions, s.n, sizeof *s.versions, compare_versions);
    *out = s;
    return 0;
}

// ---- JSON

static json_t *text_json(str text)
{
    return text.len > 0 ? json_stringn(text.data, text.len) : json_null();
}

static json_t *version_json(const top_version *v)
{
    return json_pack("{s:o,s:I,s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:o}", "model", text_json(v->model),
                     "version", (json_int_t)v->version, "serving", v->serving, "requests_per_s",
                     json_number(v->requests), "rows_per_s", json_number(v->rows), "failed_per_s",
                     json_number(v->failed), "p50_s", json_number(v->p50_s), "p99_s", json_number(v->p99_s), "queued",
                     json_number(v->queued), "memory_bytes", json_number(v->memory), "drift_psi", json_number(v->drift),
                     "drift_worst", text_json(isnan(v->drift) ? (str){0} : v->column), "drift_watched", !v->unwatched,
                     "canary_share", json_number(v->canary));
}

int top_sample_to_json(const top_sample *s, json_t **out, err *e)
{
    json_t *versions = json_array();
    int rc = versions ? 0 : err_set(e, ERR_MEMORY, "no memory for an answer");
    for (size_t i = 0; i < s->n && rc == 0; i++) rc = json_push(versions, version_json(&s->versions[i]), e);
    if (rc < 0) {
        json_decref(versions);
        return rc;
    }
    *out = json_pack("{s:f,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "seconds", s->seconds, "requests_per_s",
                     json_number(s->requests), "client_errors_per_s", json_number(s->client_errors),
                     "server_errors_per_s", json_number(s->server_errors), "rows_per_s", json_number(s->rows), "p50_s",
                     json_number(s->p50_s), "p99_s", json_number(s->p99_s), "in_flight", json_number(s->in_flight),
                     "connections", json_number(s->connections), "queued", json_number(s->queued), "memory_bytes",
                     json_number(s->memory), "cpu", json_number(s->cpu), "versions", versions);
    return *out ? 0 : err_set(e, ERR_MEMORY, "no memory for an answer");
}
