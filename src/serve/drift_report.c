// Counts become shares, indexes and verdicts here, for whoever looks: nothing of it is done on a request's way.
// SPDX-License-Identifier: Apache-2.0
#include "serve/drift_report.h"

#include <inttypes.h>
#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/access.h"
#include "serve/drift.h"

static const baseline *baseline_of(const served *v)
{
    return model_package(v->model)->baseline;
}

static bool textual(const schema_input *in)
{
    return column_wire(in->type) == WIRE_STRING;
}

// ---- JSON

static json_t *edge_json(double edge, const schema_input *in)
{
    char time[CLOCK_TEXT_SIZE];
    if (in && in->type == COLUMN_DATETIME) return json_string(clock_format_utc((int64_t)edge, time));
    return json_number(edge);
}

static json_t *share_json(uint64_t n, uint64_t rows)
{
    return json_number(rows > 0 ? (double)n / (double)rows : NAN);
}

// names: of a list's members; NULL: the bins are between numbers.
static int put_bins(json_t *o, const drift_seen *seen, const distribution *b, const schema_input *in,
                    char *const *names, err *e)
{
    json_t *bins = json_array();
    uint64_t rows = seen->missing, rows_before = b->missing;
    TRY(json_put(o, "bins", bins, e));
    for (size_t i = 0; i < b->n_bins; i++) {
        rows += seen->counts[i];
        rows_before += b->counts[i];
    }
    for (size_t i = 0; i < b->n_bins; i++) {
        json_t *bin = json_object();
        bool last = i + 1 == b->n_bins;
        TRY(json_push(bins, bin, e));
        TRY(json_put(bin, names ? "value" : "to",
                     last    ? json_null()
                     : names ? json_string(names[b->members[i]])
                             : edge_json(b->edges[i], in),
                     e));
        TRY(json_put(bin, "baseline", share_json(b->counts[i], rows_before), e));
        TRY(json_put(bin, "live", share_json(seen->counts[i], rows), e));
    }
    return 0;
}

static int put_measure(json_t *o, const drift_measure *m, err *e)
{
    TRY(json_put(o, "psi", json_number(m->psi), e));
    TRY(json_put(o, "psi_by_chance", json_number(m->by_chance), e));
    TRY(json_put(o, "verdict", m->verdict ? json_string(m->verdict) : json_null(), e));
    json_t *missing = json_object();
    TRY(json_put(o, "missing", missing, e));
    TRY(json_put(missing, "baseline", json_number(m->missing_before), e));
    return json_put(missing, "live", json_number(m->missing), e);
}

typedef struct worst { // the largest index that has a verdict
    const char *name;
    drift_measure measure;
} worst;

static void keep_worst(worst *w, const char *name, const drift_measure *m)
{
    if (m->verdict && (!w->name || m->psi > w->measure.psi)) *w = (worst){.name = name, .measure = *m};
}

static int put_columns(json_t *root, worst *w, const schema *s, const baseline *b, const drift_reading *r, err *e)
{
    json_t *columns = json_array();
    TRY(json_put(root, "columns", columns, e));
    for (size_t i = 0; i < r->n_inputs; i++) {
        const schema_input *in = &s->inputs[i];
        drift_measure m = drift_measure_of(&r->inputs[i], &b->inputs[i]);
        json_t *o = json_object();
        TRY(json_push(columns, o, e));
        TRY(json_put(o, "name", json_string(in->name), e));
        TRY(json_put(o, "type", json_string(column_type_name(in->type)), e));
        TRY(put_measure(o, &m, e));
        if (textual(in)) TRY(json_put(o, "unknown", json_number(m.unknown), e));
        TRY(put_bins(o, &r->inputs[i], &b->inputs[i], in, textual(in) ? in->categories : NULL, e));
        keep_worst(w, in->name, &m);
    }
    return 0;
}

static int put_answers(json_t *root, worst *w, const char *key, const drift_seen *seen, const distribution *b,
                       char *const *names, err *e)
{
    drift_measure m = drift_measure_of(seen, b);
    json_t *o = json_object();
    TRY(json_put(root, key, o, e));
    TRY(put_measure(o, &m, e));
    keep_worst(w, key, &m);
    return put_bins(o, seen, b, NULL, names, e);
}

static int put_reading(json_t *root, const served *v, const drift_reading *r, err *e)
{
    const baseline *b = baseline_of(v);
    const schema *s = model_schema(v->model);
    worst w = {0};
    TRY(json_put(root, "rows", json_integer((json_int_t)r->n_rows), e));
    TRY(json_put(root, "from", json_time(r->from_ms), e));
    TRY(put_columns(root, &w, s, b, r, e));
    TRY(put_answers(root, &w, "scores", &r->scores, &b->scores, NULL, e));
    if (b->classes.n_bins > 0) TRY(put_answers(root, &w, "classes", &r->classes, &b->classes, s->target.classes, e));
    TRY(json_put(root, "worst", w.name ? json_string(w.name) : json_null(), e));
    return json_put(root, "verdict", w.name ? json_string(w.measure.verdict) : json_null(), e);
}

static int put_all(json_t *root, const served *v, int64_t now_ms, err *e)
{
    const baseline *b = baseline_of(v);
    TRY(json_put(root, "model", json_string(principal_name_of(v->name)), e));
    TRY(json_put(root, "version", json_integer(v->version), e));
    if (!v->drift) {
        TRY(json_put(root, "baseline", json_null(), e));
        return json_put(root, "note",
                        json_string("this version was made without a baseline (it comes from elsewhere, or from an "
                                    "older program): train it again to watch it for drift"),
                        e);
    }
    json_t *before = json_object();
    TRY(json_put(root, "baseline", before, e));
    TRY(json_put(before, "rows", json_integer((json_int_t)b->n_rows), e));
    TRY(json_put(before, "score_rows", json_integer((json_int_t)b->n_score_rows), e));
    TRY(json_put(root, "rows_min", json_integer(DRIFT_ROWS_MIN), e));
    TRY(json_put(root, "window_s", json_integer(drift_window_ms(v->drift) / 1000), e));
    drift_reading r;
    TRY(drift_read(&r, v->drift, now_ms, e));
    int rc = put_reading(root, v, &r, e);
    drift_reading_clear(&r);
    return rc;
}

int drift_to_json(const served *v, int64_t now_ms, json_t **out, err *e)
{
    json_t *root = json_object();
    if (!root) return err_set(e, ERR_MEMORY, "no memory for an answer");
    int rc = put_all(root, v, now_ms, e);
    if (rc < 0)
        json_decref(root);
    else
        *out = root;
    return rc;
}

// ---- Prometheus

// As its text format wants label values: backslash, quote and line feed escaped.
static void add_label(buf *out, const char *name, const char *value)
{
    buf_format(out, "%s=\"", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            buf_add_text(out, "\\n");
        else if (*c == '"' || *c == '\\')
            buf_format(out, "\\%c", *c);
        else
            buf_add_char(out, *c);
    }
    buf_add_char(out, '"');
}

static void add_value(buf *out, const char *metric, const served *v, const char *of, double value)
{
    if (isnan(value)) return;
    buf_format(out, "slipway_drift_%s{", metric);
    add_label(out, "model", v->name);
    buf_format(out, ",version=\"%" PRId64 "\"", v->version);
    if (of) {
        buf_add_char(out, ',');
        add_label(out, "column", of);
    }
    buf_format(out, "} %.9g\n", value);
}

typedef struct watched_version {
    const served *v;
    drift_reading r;
    drift_measure *columns; // r.n_inputs of them
} watched_version;

// False without memory.
static bool watch(watched_version *out, const served *v, int64_t now_ms)
{
    watched_version w = {.v = v};
    if (drift_read(&w.r, v->drift, now_ms, NULL) < 0) return false;
    if (!(w.columns = mem_alloc(w.r.n_inputs, sizeof *w.columns))) {
        drift_reading_clear(&w.r);
        return false;
    }
    for (size_t i = 0; i < w.r.n_inputs; i++)
        w.columns[i] = drift_measure_of(&w.r.inputs[i], &baseline_of(v)->inputs[i]);
    *out = w;
    return true;
}

static void unwatch(watched_version *w)
{
    drift_reading_clear(&w->r);
    mem_free(w->columns);
}

static double indexed(const drift_measure *m)
{
    return m->verdict ? m->psi : NAN;
}

static double psi_value(const drift_measure *m, const schema_input *in)
{
    (void)in;
    return indexed(m);
}

static double missing_value(const drift_measure *m, const schema_input *in)
{
    (void)in;
    return m->missing;
}

static double unknown_value(const drift_measure *m, const schema_input *in)
{
    return textual(in) ? m->unknown : NAN;
}

static void write_columns(buf *out, const watched_version *all, size_t n, const char *metric,
                          double (*value)(const drift_measure *, const schema_input *))
{
    for (size_t k = 0; k < n; k++) {
        const schema *s = model_schema(all[k].v->model);
        for (size_t i = 0; i < all[k].r.n_inputs; i++)
            add_value(out, metric, all[k].v, s->inputs[i].name, value(&all[k].columns[i], &s->inputs[i]));
    }
}

static void head(buf *out, const char *metric, const char *help)
{
    buf_format(out, "# HELP slipway_drift_%s %s\n# TYPE slipway_drift_%s gauge\n", metric, help, metric);
}

static void write_versions(buf *out, const watched_version *all, size_t n)
{
    head(out, "rows", "Rows counted in the window, of versions that are watched.");
    for (size_t k = 0; k < n; k++) add_value(out, "rows", all[k].v, NULL, (double)all[k].r.n_rows);
    head(out, "psi", "Population stability index of a column's values against training, once there are enough rows.");
    write_columns(out, all, n, "psi", psi_value);
    head(out, "missing_ratio", "Share of rows without a value, by column.");
    write_columns(out, all, n, "missing_ratio", missing_value);
    head(out, "unknown_ratio", "Share of rows with a category that training never saw, by column.");
    write_columns(out, all, n, "unknown_ratio", unknown_value);
    head(out, "score_psi", "Population stability index of the scores against rows that training kept unseen.");
    for (size_t k = 0; k < n; k++) {
        drift_measure m = drift_measure_of(&all[k].r.scores, &baseline_of(all[k].v)->scores);
        add_value(out, "score_psi", all[k].v, NULL, indexed(&m));
    }
    head(out, "class_psi", "Population stability index of the classes predicted.");
    for (size_t k = 0; k < n; k++) {
        if (baseline_of(all[k].v)->classes.n_bins == 0) continue;
        drift_measure m = drift_measure_of(&all[k].r.classes, &baseline_of(all[k].v)->classes);
        add_value(out, "class_psi", all[k].v, NULL, indexed(&m));
    }
}

static void write_watched(buf *out, const snapshot *s)
{
    head(out, "watched", "Whether a loaded version has a baseline to be held against.");
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->models[i].n_versions; k++) {
            const served *v = s->models[i].versions[k].served;
            if (v) add_value(out, "watched", v, NULL, v->drift ? 1 : 0);
        }
}

void drift_write(const snapshot *s, int64_t now_ms, buf *out)
{
    write_watched(out, s);
    watched_version *all = mem_alloc(s->n_loaded, sizeof *all);
    size_t n = 0;
    for (size_t i = 0; all && i < s->n; i++)
        for (size_t k = 0; k < s->models[i].n_versions && n < s->n_loaded; k++) {
            const served *v = s->models[i].versions[k].served;
            if (v && v->drift && watch(&all[n], v, now_ms)) n++;
        }
    write_versions(out, all, n);
    for (size_t k = 0; k < n; k++) unwatch(&all[k]);
    mem_free(all);
}
