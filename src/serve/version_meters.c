// A family of metrics at a time, over all models: that is how the text format wants them.
// SPDX-License-Identifier: Apache-2.0
#include "serve/version_meters.h"

#include <inttypes.h>

enum { BUCKET_STEPS = 2 }; // of a version's times, in a bucket of the histogram

static void head(buf *out, const char *name, const char *type, const char *help)
{
    buf_format(out, "# HELP slipway_%s %s\n# TYPE slipway_%s %s\n", name, help, name, type);
}

static void line(buf *out, const char *name, const char *of, int64_t version, uint64_t value)
{
    buf_format(out, "slipway_%s{model=\"%s\",version=\"%" PRId64 "\"} %" PRIu64 "\n", name, of, version, value);
}

// ---- versions that are loaded

static uint64_t requests_of(const served *v)
{
    return served_requests(v);
}

static uint64_t rows_of(const served *v)
{
    uint64_t n = 0;
    for (size_t i = 0; i < v->n_slots; i++) n += counter_get(&v->counts->slots[i].rows);
    return n;
}

static uint64_t failed_of(const served *v)
{
    return atomic_load_explicit(&v->counts->failed, memory_order_relaxed);
}

static const struct {
    const char *name, *help;
    uint64_t (*get)(const served *v);
} of_versions[] = {
    {"version_requests_total", "Requests that a version answered since it was loaded.", requests_of},
    {"version_rows_total", "Rows that a version answered.", rows_of},
    {"version_failed_total", "Requests that a version failed at, or that wanted other columns of it.", failed_of},
};

static void write_versions(const snapshot *s, buf *out)
{
    for (size_t f = 0; f < sizeof of_versions / sizeof *of_versions; f++) {
        head(out, of_versions[f].name, "counter", of_versions[f].help);
        for (size_t i = 0; i < s->n; i++)
            for (size_t k = 0; k < s->models[i].n_versions; k++) {
                const snapshot_version *v = &s->models[i].versions[k];
                if (v->served)
                    line(out, of_versions[f].name, s->models[i].name, v->version, of_versions[f].get(v->served));
            }
    }
}

static void write_times(const char *of, const served *v, buf *out)
{
    static const char name[] = "version_seconds";
    reading r;
    uint64_t so_far = 0, ns = 0;
    reading_take(&r, v);
    for (size_t k = 0; k < LATENCY_STEPS; k++) {
        so_far += r.latency[k];
        ns += r.latency[k] * latency_step_end_ns(k);
        if (k % BUCKET_STEPS == BUCKET_STEPS - 1)
            buf_format(out, "slipway_%s_bucket{model=\"%s\",version=\"%" PRId64 "\",le=\"%.9g\"} %" PRIu64 "\n", name,
                       of, v->version, (double)latency_step_end_ns(k) / 1e9, so_far);
    }
    buf_format(out, "slipway_%s_bucket{model=\"%s\",version=\"%" PRId64 "\",le=\"+Inf\"} %" PRIu64 "\n", name, of,
               v->version, so_far);
    buf_format(out, "slipway_%s_sum{model=\"%s\",version=\"%" PRId64 "\"} %.9f\n", name, of, v->version,
               (double)ns / 1e9);
    buf_format(out, "slipway_%s_count{model=\"%s\",version=\"%" PRId64 "\"} %" PRIu64 "\n", name, of, v->version,
               so_far);
}

static void write_all_times(const snapshot *s, buf *out)
{
    head(out, "version_seconds", "histogram",
         "Times of predictions: of all while a canary or a shadow is out or they wait in a queue, else of one in 256. "
         "The "
         "sum is of upper bounds.");
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->models[i].n_versions; k++)
            if (s->models[i].versions[k].served) write_times(s->models[i].name, s->models[i].versions[k].served, out);
}

static void write_memory(const snapshot *s, buf *out)
{
    head(out, "version_memory_bytes", "gauge", "Memory of a version that is loaded.");
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->models[i].n_versions; k++) {
            const snapshot_version *v = &s->models[i].versions[k];
            if (v->served) line(out, "version_memory_bytes", s->models[i].name, v->version, v->served->memory);
        }
}

// ---- canaries

static void write_canaries(const snapshot *s, buf *out)
{
    head(out, "canary_weight_ratio", "gauge", "Share of a model's requests that goes to its canary.");
    for (size_t i = 0; i < s->n; i++) {
        const snapshot_model *m = &s->models[i];
        if (m->canary)
            buf_format(out, "slipway_canary_weight_ratio{model=\"%s\",version=\"%" PRId64 "\"} %g\n", m->name,
                       m->canary->version, (double)m->deployment.weight / WEIGHT_ALL);
    }
    head(out, "canaries_taken_back_total", "counter", "Canaries that the guards took back, by model and reason.");
    for (const model_meter *m = s->meters; m; m = m->next)
        for (size_t k = 0; k < TAKEN_BACK_N; k++)
            if (counter_get(&m->taken_back[k]) > 0)
                buf_format(out, "slipway_canaries_taken_back_total{model=\"%s\",reason=\"%s\"} %" PRIu64 "\n", m->name,
                           taken_back_name(k), counter_get(&m->taken_back[k]));
}

// ---- shadows

typedef enum shadow_count {
    SHADOW_REQUESTS,
    SHADOW_ROWS,
    SHADOW_FAILED,
    SHADOW_OTHER_LABEL,
    SHADOW_COUNTS_N
} shadow_count;

static uint64_t count_of(const shadow_reading *r, shadow_count which)
{
    return which == SHADOW_REQUESTS ? r->seen.requests
           : which == SHADOW_ROWS   ? r->rows
           : which == SHADOW_FAILED ? r->seen.failed
                                    : r->other_label;
}

static void write_shadows(const snapshot *s, buf *out)
{
    static const struct {
        const char *name, *help;
    } all[SHADOW_COUNTS_N] = {
        {"shadow_requests_total", "Copies of requests that a shadow predicted."},
        {"shadow_rows_total", "Rows of them, compared with what was answered."},
        {"shadow_failed_total", "Copies that a shadow failed at, or would have refused."},
        {"shadow_other_label_total", "Rows for which a shadow has another label than what was answered."},
    };
    shadow_reading r;
    for (size_t f = 0; f < SHADOW_COUNTS_N; f++) {
        head(out, all[f].name, "counter", all[f].help);
        for (size_t i = 0; i < s->n; i++) {
            const snapshot_model *m = &s->models[i];
            if (!m->shadow) continue;
            shadow_read(m->shadow, &r);
            line(out, all[f].name, m->name, m->shadowing.version, count_of(&r, f));
        }
    }
    head(out, "shadow_difference_total", "counter", "Sum over rows of the absolute difference of scores.");
    for (size_t i = 0; i < s->n; i++) {
        const snapshot_model *m = &s->models[i];
        if (!m->shadow) continue;
        shadow_read(m->shadow, &r);
        buf_format(out, "slipway_shadow_difference_total{model=\"%s\",version=\"%" PRId64 "\"} %.9g\n", m->name,
                   m->shadowing.version, r.difference);
    }
    head(out, "shadow_seconds_total", "counter", "Time that a shadow's predictions took.");
    for (size_t i = 0; i < s->n; i++) {
        const snapshot_model *m = &s->models[i];
        if (!m->shadow) continue;
        shadow_read(m->shadow, &r);
        buf_format(out, "slipway_shadow_seconds_total{model=\"%s\",version=\"%" PRId64 "\"} %.9f\n", m->name,
                   m->shadowing.version, (double)r.spent_ns / 1e9);
    }
    head(out, "shadow_dropped_total", "counter", "Copies that were not taken, by reason.");
    for (size_t i = 0; i < s->n; i++) {
        const snapshot_model *m = &s->models[i];
        if (!m->shadow) continue;
        shadow_read(m->shadow, &r);
        for (int k = 0; k < 2; k++)
            buf_format(out,
                       "slipway_shadow_dropped_total{model=\"%s\",version=\"%" PRId64 "\",reason=\"%s\"} %" PRIu64 "\n",
                       m->name, m->shadowing.version, k == 0 ? "busy" : "too_large",
                       k == 0 ? r.dropped_busy : r.dropped_large);
    }
}

void version_meters_write(const snapshot *s, buf *out)
{
    write_versions(s, out);
    write_all_times(s, out);
    write_memory(s, out);
    write_canaries(s, out);
    write_shadows(s, out);
}
