// A family of metrics at a time, over all models: that is how the text format wants them.
// SPDX-License-Identifier: Apache-2.0
#include "serve/version_meters.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

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

static const struct {
    const char *name, *help;
    size_t at; // in served_totals
} of_versions[] = {
    {"version_requests_total", "Requests that a version answered since it was loaded.",
     offsetof(served_totals, requests)},
    {"version_rows_total", "Rows that a version answered.", offsetof(served_totals, rows)},
    {"version_failed_total", "Requests that a version failed at, or that wanted other columns of it.",
     offsetof(served_totals, failed)},
};

static void write_versions(const snapshot *s, buf *out)
{
    for (size_t f = 0; f < sizeof of_versions / sizeof *of_versions; f++) {
        head(out, of_versions[f].name, "counter", of_versions[f].help);
        for (size_t i = 0; i < s->n; i++)
            for (size_t k = 0; k < s->models[i].n_versions; k++) {
                const snapshot_version *v = &s->models[i].versions[k];
                if (!v->served) continue;
                const served_totals all = served_total(v->served);
                uint64_t value;
                memcpy(&value, (const char *)&all + of_versions[f].at, sizeof value);
                line(out, of_versions[f].name, s->models[i].name, v->version, value);
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
         "The sum is of upper bounds.");
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

typedef struct shadow_family {
    const char *name, *help;
    void (*write)(const struct shadow_family *f, const snapshot_model *m, const shadow_reading *r, buf *out);
    size_t at; // of the number, in shadow_reading
} shadow_family;

static void write_count(const shadow_family *f, const snapshot_model *m, const shadow_reading *r, buf *out)
{
    uint64_t value;
    memcpy(&value, (const char *)r + f->at, sizeof value);
    line(out, f->name, m->name, m->shadowing.version, value);
}

static void write_real(const shadow_family *f, const snapshot_model *m, double value, buf *out)
{
    buf_format(out, "slipway_%s{model=\"%s\",version=\"%" PRId64 "\"} %.9g\n", f->name, m->name, m->shadowing.version,
               value);
}

static void write_difference(const shadow_family *f, const snapshot_model *m, const shadow_reading *r, buf *out)
{
    write_real(f, m, r->difference, out);
}

static void write_spent(const shadow_family *f, const snapshot_model *m, const shadow_reading *r, buf *out)
{
    write_real(f, m, (double)r->spent_ns / 1e9, out);
}

static void write_dropped(const shadow_family *f, const snapshot_model *m, const shadow_reading *r, buf *out)
{
    for (int k = 0; k < 2; k++)
        buf_format(out, "slipway_%s{model=\"%s\",version=\"%" PRId64 "\",reason=\"%s\"} %" PRIu64 "\n", f->name,
                   m->name, m->shadowing.version, k == 0 ? "busy" : "too_large",
                   k == 0 ? r->dropped_busy : r->dropped_large);
}

static const shadow_family of_shadows[] = {
    {"shadow_requests_total", "Copies of requests that a shadow predicted.", write_count,
     offsetof(shadow_reading, seen.requests)},
    {"shadow_rows_total", "Rows of them, compared with what was answered.", write_count,
     offsetof(shadow_reading, rows)},
    {"shadow_failed_total", "Copies that a shadow failed at, or would have refused.", write_count,
     offsetof(shadow_reading, seen.failed)},
    {"shadow_other_label_total", "Rows for which a shadow has another label than what was answered.", write_count,
     offsetof(shadow_reading, other_label)},
    {"shadow_difference_total", "Sum over rows of the absolute difference of scores.", write_difference, 0},
    {"shadow_seconds_total", "Time that a shadow's predictions took.", write_spent, 0},
    {"shadow_dropped_total", "Copies that were not taken, by reason.", write_dropped, 0},
};

static void write_shadows(const snapshot *s, buf *out)
{
    for (size_t f = 0; f < sizeof of_shadows / sizeof *of_shadows; f++) {
        head(out, of_shadows[f].name, "counter", of_shadows[f].help);
        for (size_t i = 0; i < s->n; i++) {
            shadow_reading r;
            if (!s->models[i].shadow) continue;
            shadow_read(s->models[i].shadow, &r);
            of_shadows[f].write(&of_shadows[f], &s->models[i], &r, out);
        }
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
