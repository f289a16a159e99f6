// The repository as NVIDIA's extensions see it: what there is, loading and unloading, statistics; and shared memory,
// which is not reached.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "base/json.h"
#include "serve/access.h"
#include "serve/models.h"
#include "serve/v2_impl.h"

// Bodies of this file: {"ready": true}, {"parameters": {...}}, or nothing at all.

static int read_member(scan *s, str name, bool *ready, err *e)
{
    if (!str_equal(name, STR("ready"))) return scan_skip(s);
    if (scan_word(s, "false", 5) || (*ready = scan_word(s, "true", 4))) return 0;
    TRY(scan_other(s));
    return err_set(e, ERR_INPUT, "\"ready\" is neither true nor false");
}

static int read_index(const request *q, bool *ready, response *r, err *e)
{
    scan s = scan_of(q->body, &r->at, q->memory, e);
    size_t n = 0;
    str name;
    int more;
    *ready = false;
    scan_blanks(&s);
    if (s.at == s.end) return 0;
    if (!scan_take(&s, '{')) {
        TRY(scan_other(&s));
        return err_set(e, ERR_INPUT, "the body is no object");
    }
    while ((more = scan_member(&s, &n, &name)) > 0) TRY(read_member(&s, name, ready, e));
    return more < 0 ? more : scan_end(&s);
}

static void put_state(const snapshot_model *m, bool ready, buf *out)
{
    json_quote(out, str_of(principal_name_of(m->name)));
    int64_t version = ready ? m->now->version : m->wanted;
    if (version > 0) buf_format(out, ",\"version\":\"%" PRId64 "\"", version);
    buf_format(out, ",\"state\":\"%s\",\"reason\":", ready ? "READY" : "UNAVAILABLE");
    json_quote(out, ready ? (str){0} : str_of(m->fault ? m->fault : "no version is deployed"));
    buf_add_char(out, '}');
}

int v2_index(serving *s, const request *q, response *r, err *e)
{
    bool only_ready;
    size_t at = 0, n = 0;
    TRY(read_index(q, &only_ready, r, e));
    buf_add_char(r->body, '[');
    for (const snapshot_model *m; (m = models_next(s, q, &at));) {
        if (only_ready && !m->now) continue;
        buf_add_text(r->body, n++ > 0 ? ",{\"name\":" : "{\"name\":");
        put_state(m, m->now != NULL, r->body);
    }
    buf_add_text(r->body, "]\n");
    return 0;
}

int v2_load(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    return models_pick(s, q, q->parameters[0], (str){0}, &v, r, e);
}

int v2_unload(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    if (m->wanted == 0) return 0; // what is not deployed is not loaded
    r->status = 409;
    return err_set(e, ERR_CONFLICT, "\"%s\" is in service as long as a version of it is deployed: move its alias away",
                   principal_name_of(m->name));
}

// Statistics.

static void put_model(const served *v, buf *out)
{
    uint64_t rows = 0, requests = 0;
    for (size_t i = 0; i < v->meter->n_slots; i++) {
        rows += counter_get(&v->meter->slots[i].rows);
        requests += counter_get(&v->meter->slots[i].requests);
    }
    buf_add_text(out, "{\"name\":");
    json_quote(out, str_of(principal_name_of(v->name)));
    buf_format(out, ",\"version\":\"%" PRId64 "\",\"inference_count\":%" PRIu64 ",\"execution_count\":%" PRIu64 "}",
               v->version, rows, requests);
}

int v2_stats(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    TRY(models_pick(s, q, q->parameters[0], q->parameters[1], &v, r, e));
    buf_add_text(r->body, "{\"model_stats\":[");
    put_model(v, r->body);
    buf_add_text(r->body, "]}\n");
    return 0;
}

int v2_all_stats(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    size_t at = 0, n = 0;
    buf_add_text(r->body, "{\"model_stats\":[");
    for (const snapshot_model *m; (m = models_next(s, q, &at));) {
        if (!m->now) continue;
        if (n++ > 0) buf_add_char(r->body, ',');
        put_model(m->now, r->body);
    }
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
