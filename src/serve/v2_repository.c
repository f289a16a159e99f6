// The repository as NVIDIA's extensions see it: what there is, loading and unloading, statistics; and shared memory,
// which is not reached.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "serve/access.h"
#include "serve/models.h"
#include "serve/v2_impl.h"

// Bodies: {"ready": true}, {"parameters": {...}}, or nothing at all.

// The next member of a body that is an object or empty: 1, or 0 at its end. *n: 0 at first.
static int next_member(scan *s, size_t *n, str *name)
{
    if (*n == 0) {
        scan_blanks(s);
        if (s->at == s->end) return 0;
        if (!scan_take(s, '{')) {
            TRY(scan_other(s));
            s->place->code = "wrong_shape";
            return err_set(s->e, ERR_INPUT, "the body is no object");
        }
    }
    int more = scan_member(s, n, name);
    return more == 0 ? scan_end(s) : more;
}

static int read_ready(scan *s, bool *ready)
{
    if (scan_word(s, "false", 5) || (*ready = scan_word(s, "true", 4))) return 0;
    TRY(scan_other(s));
    s->place->code = "wrong_type";
    return err_set(s->e, ERR_INPUT, "\"ready\" is neither true nor false");
}

// What NVIDIA's server takes with a load, and this one cannot: models come from the registry as they are.
static int read_parameters(scan *s)
{
    size_t n = 0;
    str name;
    int more;
    if (!scan_take(s, '{')) {
        TRY(scan_other(s));
        s->place->code = "wrong_type";
        return err_set(s->e, ERR_INPUT, "\"parameters\" is no object");
    }
    while ((more = scan_member(s, &n, &name)) > 0) {
        if (str_equal(name, STR("config")) || (name.len > 5 && memcmp(name.data, "file:", 5) == 0)) {
            s->place->code = "unsupported";
            return err_set(s->e, ERR_UNSUPPORTED,
                           "models are loaded from the registry as they are, not with a configuration or files");
        }
        TRY(scan_skip(s));
    }
    return more;
}

static int read_order(const request *q, response *r, err *e)
{
    scan s = scan_of(q->body, &r->at, q->memory, e);
    size_t n = 0;
    str name;
    int more;
    while ((more = next_member(&s, &n, &name)) > 0)
        TRY(str_equal(name, STR("parameters")) ? read_parameters(&s) : scan_skip(&s));
    return more;
}

// The index: an entry for each version that is loaded or wanted; one for a model that has none.

static void put_entry(buf *out, size_t *n, const char *name, int64_t version, const char *fault)
{
    buf_add_text(out, (*n)++ > 0 ? ",{\"name\":" : "{\"name\":");
    json_quote(out, str_of(name));
    if (version > 0) buf_format(out, ",\"version\":\"%" PRId64 "\"", version);
    buf_add_text(out, fault ? ",\"state\":\"UNAVAILABLE\",\"reason\":" : ",\"state\":\"READY\",\"reason\":");
    json_quote(out, fault ? str_of(fault) : (str){0});
    buf_add_char(out, '}');
}

static const char *reason(const snapshot_model *m, const snapshot_version *v)
{
    return v->fault ? v->fault : m->unloaded ? "unloaded" : v->evicted ? "it had to make room" : "not loaded";
}

static void put_model(const snapshot_model *m, bool only_ready, size_t *n, buf *out)
{
    const char *name = principal_name_of(m->name);
    for (size_t i = 0; i < m->n_versions; i++) {
        const snapshot_version *v = &m->versions[i];
        if (v->served || !only_ready) put_entry(out, n, name, v->version, v->served ? NULL : reason(m, v));
    }
    if (m->n_versions == 0 && !only_ready) put_entry(out, n, name, m->newest, m->unloaded ? "unloaded" : "not loaded");
}

int v2_index(serving *s, const request *q, response *r, err *e)
{
    scan body = scan_of(q->body, &r->at, q->memory, e);
    bool only_ready = false;
    size_t n = 0, at = 0;
    str name;
    int more;
    while ((more = next_member(&body, &n, &name)) > 0)
        TRY(str_equal(name, STR("ready")) ? read_ready(&body, &only_ready) : scan_skip(&body));
    TRY(more);
    n = 0;
    buf_add_char(r->body, '[');
    for (const snapshot_model *m; (m = models_next(s, q, &at));) put_model(m, only_ready, &n, r->body);
    buf_add_text(r->body, "]\n");
    return 0;
}

// Loading and unloading: done when the answer comes.

int v2_load(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    TRY(read_order(q, r, e));
    int rc = catalog_load(s->catalog, m->name, 0, NULL, e);
    if (rc == ERR_INPUT || rc == ERR_FORMAT || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED) {
        r->status = 409; // it is there, and cannot be served
        r->at.code = "model_broken";
    }
    return rc;
}

int v2_unload(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    TRY(read_order(q, r, e));
    return catalog_unload(s->catalog, m->name, 0, e);
}

// Statistics.

static void put_duration(buf *out, const char *name, uint64_t count, uint64_t ns)
{
    buf_format(out, ",\"%s\":{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}", name, count, ns);
}

// The time of all requests is that of those which were timed, one in 256, times their share. A version with a queue has
// runs of several requests, and its queue times each; those counts are the model's, of all its versions.
static void put_stats(const served *v, size_t *n, buf *out)
{
    const served_totals t = served_total(v);
    const bool queued = v->running->queue != NULL;
    const batch_meter *b = &v->meter->batches;
    uint64_t requests = t.requests, runs = requests, timed = t.measured, spent = t.measured_ns;
    if (queued) {
        runs = 0;
        for (size_t i = 0; i <= BATCH_BUCKETS_N; i++) runs += counter_get(&b->sizes[i]);
        timed = runs;
        spent = counter_get(&b->spent_ns);
    }
    double share = timed > 0 ? (double)runs / (double)timed : 0;
    buf_add_text(out, (*n)++ > 0 ? ",{\"name\":" : "{\"name\":");
    json_quote(out, str_of(principal_name_of(v->name)));
    buf_format(out,
               ",\"version\":\"%" PRId64 "\",\"last_inference\":%" PRIu64 ",\"inference_count\":%" PRIu64
               ",\"execution_count\":%" PRIu64 ",\"inference_stats\":{",
               v->version, t.answered_ms, t.rows, runs);
    buf_format(out, "\"success\":{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}", requests,
               (uint64_t)((double)spent * share));
    put_duration(out, "fail", t.failed, 0);
    put_duration(out, "compute_infer", timed, spent);
    buf_add_text(out, "},\"batch_stats\":[]}");
}

int v2_stats(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    const served *v;
    size_t n = 0;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    if (q->parameters[1].len > 0) TRY(models_pick(s, q, q->parameters[0], q->parameters[1], &v, r, e));
    buf_add_text(r->body, "{\"model_stats\":[");
    if (q->parameters[1].len > 0)
        put_stats(v, &n, r->body);
    else
        for (size_t i = 0; i < m->n_versions; i++)
            if (m->versions[i].served) put_stats(m->versions[i].served, &n, r->body);
    buf_add_text(r->body, "]}\n");
    return 0;
}

int v2_all_stats(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    size_t at = 0, n = 0;
    buf_add_text(r->body, "{\"model_stats\":[");
    for (const snapshot_model *m; (m = models_next(s, q, &at));)
        for (size_t i = 0; i < m->n_versions; i++)
            if (m->versions[i].served) put_stats(m->versions[i].served, &n, r->body);
    buf_add_text(r->body, "]}\n");
    return 0;
}

int v2_no_shared_memory(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q;
    r->status = 400;
    r->at.code = "unsupported";
    return err_set(e, ERR_UNSUPPORTED,
                   "this server reaches no shared memory of its clients: send tensors in the body, as JSON or binary");
}
