// Runs and batch predictions over HTTP. What is asked is checked as far as it can be without the data, kept in the
// registry, and left to the supervisor.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "automl/asked.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "serve/access.h"
#include "serve/jobs.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/run_stream.h"
#include "serve/serving.h"

#define FILE_TYPE "application/octet-stream"

enum { LIST_DEFAULT = 50, LIST_MOST = 500, OPTIONS_MEMORY_MAX = 8 << 20, SPEC_MAX = 4 << 20 };

static const char batches_path[] = "/api/v1/batches";

// Batches are runs of one kind, under a name of their own.
static bool is_batch(const request *q)
{
    size_t len = sizeof batches_path - 1;
    return q->path.len >= len && memcmp(q->path.data, batches_path, len) == 0;
}

// What is told of a run.

static int put_parsed(json_t *to, const char *key, const char *text, const char *without, err *e)
{
    json_t *j;
    TRY(json_parse(&j, str_of(text), e));
    if (without) json_object_del(j, without);
    return json_put(to, key, j, e);
}

// whole: with what was asked and what came of it.
static int run_json(const run_record *run, bool whole, json_t **out, err *e)
{
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:o}", "id", run->id, "kind", run->kind, "state",
                          run_state_name(run->state), "dataset", run->dataset, "created", json_time(run->created_ms),
                          "started", json_time(run->started_ms), "ended", json_time(run->ended_ms));
    int rc = j ? 0 : err_set(e, ERR_MEMORY, "no memory for an answer");
    if (rc == 0) rc = json_put(j, "number", json_integer(run->number), e);
    if (rc == 0 && run->state == RUN_FAILED)
        rc = json_put(j, "error", json_pack("{s:s,s:s}", "code", run->code, "message", run->message), e);
    json_t *spec = NULL;
    if (rc == 0 && whole) rc = json_parse(&spec, str_of(run->spec), e);
    if (rc == 0 && whole) rc = json_put(j, "asked", json_incref(json_object_get(spec, "asked")), e);
    if (rc == 0 && whole && json_object_get(spec, "version"))
        rc = json_put(j, "version", json_incref(json_object_get(spec, "version")), e);
    if (rc == 0 && whole && run->state == RUN_SUCCEEDED) rc = put_parsed(j, "result", run->result, "profile", e);
    json_decref(spec);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

static int send_run(const run_record *run, response *r, err *e)
{
    json_t *j;
    TRY(run_json(run, true, &j, e));
    return rest_send(r, j, e);
}

// The run that the path names, of the caller's tenant.
static int find_run(serving *s, const request *q, registry **g, run_record *out, response *r, err *e)
{
    char id[OBJECT_ID_SIZE];
    str text = q->parameters[0];
    r->at.code = is_batch(q) ? "unknown_batch" : "unknown_run";
    if (text.len >= sizeof id) return err_set(e, ERR_NOT_FOUND, "there is no run of that name");
    memcpy(id, text.data, text.len);
    id[text.len] = '\0';
    TRY(serving_registry(s, g, e));
    TRY(registry_run_find(*g, q->who->tenant, id, out, e));
    if (is_batch(q) && strcmp(out->kind, "predict") != 0) {
        run_record_clear(out);
        return err_set(e, ERR_NOT_FOUND, "there is no batch \"%s\"", id);
    }
    r->at.code = NULL;
    return 0;
}

// Asking for one.

typedef struct asked_run {
    json_t *spec; // owned
    const char *kind, *dataset;
} asked_run;

static int wrong(response *r, err *e, const char *pointer, const char *why)
{
    r->at.code = "wrong_shape";
    r->at.pointer = str_of(pointer);
    return err_set(e, ERR_INPUT, "%s", why);
}

static const char *text_member(const json_t *o, const char *key)
{
    const json_t *j = json_object_get(o, key);
    const char *text = json_string_value(j);
    return text && strlen(text) == json_string_length(j) ? text : NULL;
}

// Options as a training takes them.
static int check_options(const request *q, const json_t *body, const char *kind, response *r, err *e)
{
    char pointer[ASKED_POINTER_SIZE];
    training_options o;
    arena a;
    arena_init(&a, OPTIONS_MEMORY_MAX);
    int rc = asked_options(&o, body, &a, pointer, e);
    if (rc == ERR_INPUT) {
        char *kept = arena_strndup(q->memory, pointer, strlen(pointer));
        r->at.code = "wrong_shape";
        if (kept) r->at.pointer = str_of(kept);
    } else if (rc == 0 && strcmp(kind, "train") == 0 && !o.target) {
        rc = wrong(r, e, "/target", "\"target\" names the column that is to be predicted");
    }
    arena_clear(&a);
    return rc;
}

// "deploy": where a trained model goes.
static int check_deploy(const request *q, const json_t *body, json_t *spec, response *r, err *e)
{
    static const char *const known[] = {"name", "alias", NULL};
    const json_t *deploy = json_object_get(body, "deploy"), *alias = json_object_get(deploy, "alias");
    char owned[OWNED_NAME_SIZE];
    if (!deploy || json_is_null(deploy)) return 0;
    if (!json_is_object(deploy)) return wrong(r, e, "/deploy", "\"deploy\" is an object with \"name\"");
    TRY(rest_known(q, deploy, "/deploy", known, r, e));
    if (!(q->who->may & MAY_DEPLOY)) {
        r->at.code = "forbidden";
        return err_set(e, ERR_DENIED, "this key may train, but not deploy");
    }
    const char *name = text_member(deploy, "name");
    const char *to = alias ? text_member(deploy, "alias") : ALIAS_DEFAULT;
    if (!name) return wrong(r, e, "/deploy/name", "\"deploy\" needs the name of a model");
    if (alias && !json_is_null(alias) && (!to || alias_fault(to)))
        return wrong(r, e, "/deploy/alias", "the alias breaks the rules for names");
    TRY(rest_model_name(q, str_of(name), owned, r, e));
    return json_put(spec, "deploy", json_pack("{s:s,s:s,s:s?}", "owned", owned, "name", name, "alias", to), e);
}

// "model" and "version" (a number, or an alias): the version that is meant now.
static int check_model(registry *g, const request *q, const json_t *body, json_t *spec, response *r, err *e)
{
    char owned[OWNED_NAME_SIZE];
    registry_model m;
    const char *name = text_member(body, "model"), *alias = text_member(body, "version");
    const json_t *wanted = json_object_get(body, "version");
    int64_t number = json_integer_value(wanted), version = 0;
    if (!name) return wrong(r, e, "/model", "\"model\" is the name of a model");
    bool given = wanted && !json_is_null(wanted);
    if (given && !alias && (!json_is_integer(wanted) || number < 1))
        return wrong(r, e, "/version", "\"version\" is a number, or an alias");
    TRY(rest_model_name(q, str_of(name), owned, r, e));
    r->at.code = "unknown_model";
    int rc = registry_find(g, owned, &m, e);
    if (rc < 0) {
        rest_hide_tenant(q, e);
        return rc;
    }
    r->at.code = "unknown_version";
    for (size_t i = 0; !number && i < m.n_aliases; i++)
        if (strcmp(m.aliases[i].name, alias ? alias : ALIAS_DEFAULT) == 0) version = m.aliases[i].version;
    for (size_t i = 0; number && i < m.n_versions; i++)
        if (m.versions[i].version == number) version = number;
    registry_model_clear(&m);
    if (!version)
        return given ? err_set(e, ERR_NOT_FOUND, "\"%s\" has no such version", name)
                     : err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is deployed: say which with \"version\"", name);
    r->at.code = NULL;
    TRY(json_put(spec, "name", json_string(owned), e));
    return json_put(spec, "version", json_integer(version), e);
}

static int check_reading(const request *q, const json_t *body, response *r, err *e)
{
    json_t *only = json_pack("{s:O?}", "read", json_object_get(body, "read"));
    if (!only) return err_set(e, ERR_MEMORY, "no memory for a request");
    int rc = check_options(q, only, "", r, e);
    json_decref(only);
    return rc;
}

static int check_batch(const json_t *body, response *r, err *e)
{
    const char *format = text_member(body, "format");
    const json_t *keep = json_object_get(body, "keep");
    if (json_object_get(body, "format") && (!format || (strcmp(format, "csv") != 0 && strcmp(format, "jsonl") != 0)))
        return wrong(r, e, "/format", "\"format\" is \"csv\" or \"jsonl\"");
    if (keep && !json_is_boolean(keep)) return wrong(r, e, "/keep", "\"keep\" is true or false");
    if (json_is_true(keep) && format && strcmp(format, "jsonl") == 0)
        return wrong(r, e, "/keep", "columns are kept in CSV alone");
    return 0;
}

// Members that a kind takes. Those of training options follow.
static const char *const common_members[] = {"kind", "dataset", NULL};
static const char *const model_members[] = {"kind", "dataset", "model", "version", "read", NULL};
static const char *const batch_members[] = {"kind", "dataset", "model", "version", "read", "format", "keep", NULL};

static int check_members(const request *q, const json_t *body, const char *kind, response *r, err *e)
{
    const char *all[24];
    size_t n = 0;
    if (strcmp(kind, "predict") == 0) return rest_known(q, body, "", batch_members, r, e);
    if (strcmp(kind, "evaluate") == 0) return rest_known(q, body, "", model_members, r, e);
    for (size_t i = 0; common_members[i]; i++) all[n++] = common_members[i];
    for (size_t i = 0; asked_members[i]; i++) all[n++] = asked_members[i];
    if (strcmp(kind, "train") == 0) all[n++] = "deploy";
    all[n] = NULL;
    return rest_known(q, body, "", all, r, e);
}

static int check_kind(asked_run *a, const request *q, const json_t *body, response *r, err *e)
{
    static const char *const kinds[] = {"train", "prepare", "profile", "evaluate", NULL};
    const char *kind = is_batch(q) ? "predict" : text_member(body, "kind");
    if (!kind && !json_object_get(body, "kind")) kind = "train";
    for (size_t i = 0; kind && !is_batch(q) && kinds[i]; i++)
        if (strcmp(kinds[i], kind) == 0) a->kind = kinds[i];
    if (is_batch(q)) a->kind = kind;
    if (!a->kind) return wrong(r, e, "/kind", "\"kind\" is one of train, prepare, profile, evaluate");
    return check_members(q, body, a->kind, r, e);
}

// From a body to what the registry keeps.
static int read_asked(asked_run *a, registry *g, const request *q, const json_t *body, response *r, err *e)
{
    TRY(check_kind(a, q, body, r, e));
    a->dataset = text_member(body, "dataset");
    if (!a->dataset || strlen(a->dataset) >= OBJECT_ID_SIZE)
        return wrong(r, e, "/dataset", "\"dataset\" is the id of a dataset");
    a->spec = json_pack("{s:s,s:O}", "kind", a->kind, "asked", (json_t *)body);
    if (!a->spec) return err_set(e, ERR_MEMORY, "no memory for a run");
    bool with_model = strcmp(a->kind, "evaluate") == 0 || strcmp(a->kind, "predict") == 0;
    if (!with_model) {
        TRY(check_options(q, body, a->kind, r, e));
        return check_deploy(q, body, a->spec, r, e);
    }
    TRY(check_reading(q, body, r, e));
    if (strcmp(a->kind, "predict") == 0) TRY(check_batch(body, r, e));
    return check_model(g, q, body, a->spec, r, e);
}

static int refuse_full(response *r, int rc)
{
    if (rc == ERR_BUSY) r->extra = "Retry-After: 5\r\n";
    return rc;
}

static int add_run(serving *s, registry *g, const request *q, const asked_run *a, response *r, err *e)
{
    char id[OBJECT_ID_SIZE], location[128];
    kept_answer kept;
    buf spec, body;
    json_t *j = NULL;
    run_addition add = {.id = id,
                        .tenant = q->who->tenant,
                        .kind = a->kind,
                        .actor = q->who->id,
                        .dataset = a->dataset,
                        .queued_max = s->options->jobs_queued_max,
                        .status = 202};
    TRY(rest_key(q, NULL, &add.key, r, e));
    TRY(registry_new_id(g, id, e));
    snprintf(location, sizeof location, "/api/v1/%s/%s", is_batch(q) ? "batches" : "runs", id);
    buf_init(&spec, SPEC_MAX);
    buf_init(&body, SPEC_MAX);
    int rc = json_format(a->spec, false, &spec, e);
    buf_add_char(&spec, '\0');
    if (rc == 0) rc = buf_check(&spec, e);
    run_record run = {.state = RUN_QUEUED, .created_ms = clock_utc_ms(), .spec = spec.data};
    if (rc == 0) {
        snprintf(run.id, sizeof run.id, "%s", id);
        snprintf(run.kind, sizeof run.kind, "%s", a->kind);
        snprintf(run.dataset, sizeof run.dataset, "%s", a->dataset);
        rc = run_json(&run, true, &j, e);
    }
    if (rc == 0) {
        json_object_del(j, "number"); // it gets one when it is kept
        rc = json_format(j, false, &body, e);
        buf_add_text(&body, "\n");
        buf_add_char(&body, '\0');
        if (rc == 0) rc = buf_check(&body, e);
    }
    if (rc == 0) {
        add.spec = spec.data;
        add.location = location;
        add.body = body.data;
        rc = registry_run_add(g, &add, &kept, e);
        if (rc == ERR_NOT_FOUND) {
            r->status = 422;
            r->at.code = "unknown_dataset";
            r->at.pointer = STR("/dataset");
        }
        rc = refuse_full(r, rest_key_reused(r, rc));
    }
    if (rc == 0 && kept.body) {
        rc = rest_replay(q, r, &kept, e);
    } else if (rc == 0) {
        jobs_wake(s->jobs);
        buf_add_text(r->body, body.data);
        rc = rest_created(q, r, 202, e, "%s", location);
    }
    json_decref(j);
    buf_clear(&spec);
    buf_clear(&body);
    return rc;
}

static int create_run(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    json_t *body;
    asked_run a = {0};
    TRY(refuse_full(r, jobs_ready(s->jobs, e)));
    TRY(serving_registry(s, &g, e));
    TRY(rest_body(q, NULL, &body, r, e));
    int rc = read_asked(&a, g, q, body, r, e);
    if (rc == 0) rc = add_run(s, g, q, &a, r, e);
    json_decref(a.spec);
    json_decref(body);
    return rc;
}

// Looking.

static int list_runs(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_list l;
    int64_t before = 0, limit = LIST_DEFAULT;
    TRY(rest_query_integer(q, "before", 1, INT64_MAX, &before, r, e));
    TRY(rest_query_integer(q, "limit", 1, LIST_MOST, &limit, r, e));
    TRY(serving_registry(s, &g, e));
    TRY(registry_runs(g, q->who->tenant, is_batch(q) ? "predict" : "", before, (size_t)limit, &l, e));
    json_t *list = json_array();
    int rc = list ? 0 : err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        json_t *j = NULL;
        rc = run_json(&l.runs[i], false, &j, e);
        if (rc == 0) rc = json_push(list, j, e);
    }
    run_list_clear(&l);
    if (rc == 0) return rest_send(r, json_pack("{s:o}", is_batch(q) ? "batches" : "runs", list), e);
    json_decref(list);
    return rc;
}

static int get_run(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    TRY(find_run(s, q, &g, &run, r, e));
    int rc = send_run(&run, r, e);
    run_record_clear(&run);
    return rc;
}

static int get_log(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    TRY(find_run(s, q, &g, &run, r, e));
    int rc = run_log(r->body, s->options->data_dir, run.id, e);
    run_record_clear(&run);
    return rc;
}

static int not_there(response *r, const run_record *run, const char *what, err *e)
{
    r->at.code = "not_there";
    if (run->state == RUN_SUCCEEDED)
        return err_set(e, ERR_NOT_FOUND, "a run of the kind \"%s\" has no %s", run->kind, what);
    return err_set(e, ERR_CONFLICT, "run \"%s\" is %s: it has no %s", run->id, run_state_name(run->state), what);
}

static int get_metrics(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    json_t *result = NULL;
    TRY(find_run(s, q, &g, &run, r, e));
    int rc = json_parse(&result, str_of(run.result), e);
    json_t *found = rc == 0 ? json_object_get(result, "metrics") : NULL;
    if (rc == 0) rc = found ? rest_send(r, json_incref(found), e) : not_there(r, &run, "metrics", e);
    json_decref(result);
    run_record_clear(&run);
    return rc;
}

static int get_events(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    int64_t after = 0;
    str last = request_field(q, FIELD_LAST_EVENT_ID);
    TRY(rest_query_integer(q, "after", 0, INT64_MAX, &after, r, e));
    int64_t seen;
    if (decimal_parse_i64(last, &seen) == 0 && seen > after) after = seen; // any other is none of ours
    TRY(find_run(s, q, &g, &run, r, e));
    int rc = run_events_open(&r->stream, s->options->data_dir, run.id, run.state, after, e);
    run_record_clear(&run);
    r->extra = "Cache-Control: no-cache\r\n";
    return rc;
}

static int get_file(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    json_t *result = NULL;
    enum { LINES_MAX = 200 };
    TRY(find_run(s, q, &g, &run, r, e));
    int rc = json_parse(&result, str_of(run.result), e);
    json_t *file = rc == 0 ? json_object_get(result, "file") : NULL;
    const char *name = text_member(file, "name"), *type = text_member(file, "type");
    if (rc == 0 && (!name || !type)) rc = not_there(r, &run, "file", e);
    char *lines = rc == 0 ? arena_alloc(q->memory, LINES_MAX, 1) : NULL;
    r->content_type = rc == 0 ? arena_strndup(q->memory, type, strlen(type)) : r->content_type;
    if (rc == 0 && (!lines || !r->content_type)) rc = err_set(e, ERR_MEMORY, "no memory for a header");
    if (rc == 0) {
        snprintf(lines, LINES_MAX, "Content-Disposition: attachment; filename=\"%.100s\"\r\n", name);
        r->extra = lines;
        rc = run_file_open(&r->stream, s->options->data_dir, run.id, e);
    }
    json_decref(result);
    run_record_clear(&run);
    return rc;
}

// Ending.

static int stop_run(serving *s, registry *g, const request *q, run_record *run, response *r, err *e)
{
    run_state state;
    int rc = registry_run_cancel(g, q->who->tenant, run->id, &state, e);
    if (rc == ERR_CONFLICT) r->at.code = "ended";
    TRY(rc);
    if (state == RUN_QUEUED) {
        int told = run_event(s->options->data_dir, run->id, 1, "state",
                             json_pack("{s:s}", "state", run_state_name(RUN_CANCELLED)), NULL);
        (void)told; // who looks at it now sees its state in the registry
    }
    jobs_wake(s->jobs);
    char id[OBJECT_ID_SIZE];
    memcpy(id, run->id, sizeof id);
    run_record_clear(run);
    TRY(registry_run_find(g, q->who->tenant, id, run, e));
    r->status = 202;
    return 0;
}

static int cancel_once(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    TRY(find_run(s, q, &g, &run, r, e));
    int rc = stop_run(s, g, q, &run, r, e);
    if (rc == 0) rc = send_run(&run, r, e);
    run_record_clear(&run);
    return rc;
}

static int cancel_run(serving *s, const request *q, response *r, err *e)
{
    return rest_once(s, q, r, cancel_once, e);
}

// One that has ended is forgotten, with its files; any other is cancelled.
static int delete_run(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    run_record run;
    TRY(find_run(s, q, &g, &run, r, e));
    int rc;
    if (run_state_ended(run.state)) {
        rc = registry_run_remove(g, q->who->tenant, run.id, e);
        if (rc == 0) run_folder_remove(s->options->data_dir, run.id);
        r->status = rc == 0 ? 204 : r->status;
    } else {
        rc = stop_run(s, g, q, &run, r, e);
        if (rc == 0) rc = send_run(&run, r, e);
    }
    run_record_clear(&run);
    return rc;
}

static const route routes[] = {
    {HTTP_POST, "/api/v1/runs", "createRun", "Train, prepare, profile or evaluate", JSON_TYPE, JSON_TYPE, create_run,
     MAY_TRAIN, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/runs", "listRuns", "The runs, newest first", NULL, JSON_TYPE, list_runs, MAY_READ,
     ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/runs/{}", "getRun", "How far a run is, and what came of it", NULL, JSON_TYPE, get_run, MAY_READ,
     ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/runs/{}", "deleteRun", "Cancel a run, or forget one that has ended", NULL, JSON_TYPE,
     delete_run, MAY_TRAIN, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/runs/{}/cancel", "cancelRun", "Cancel a run", NULL, JSON_TYPE, cancel_run, MAY_TRAIN,
     ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/runs/{}/log", "getRunLog", "What a run said, as lines of text", NULL,
     "text/plain; charset=utf-8", get_log, MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/runs/{}/metrics", "getRunMetrics", "The metrics of a run that succeeded", NULL, JSON_TYPE,
     get_metrics, MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/runs/{}/events", "getRunEvents", "What a run says, as server-sent events", NULL,
     "text/event-stream", get_events, MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/runs/{}/file", "getRunFile", "The file that a run made", NULL, FILE_TYPE, get_file, MAY_READ,
     ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/batches", "createBatch", "Predict every row of a dataset", JSON_TYPE, JSON_TYPE, create_run,
     MAY_TRAIN, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/batches", "listBatches", "The batch predictions, newest first", NULL, JSON_TYPE, list_runs,
     MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/batches/{}", "getBatch", "How far a batch is", NULL, JSON_TYPE, get_run, MAY_READ,
     ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/batches/{}", "deleteBatch", "Cancel a batch, or forget one that has ended", NULL, JSON_TYPE,
     delete_run, MAY_TRAIN, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/batches/{}/cancel", "cancelBatch", "Cancel a batch", NULL, JSON_TYPE, cancel_run, MAY_TRAIN,
     ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/batches/{}/events", "getBatchEvents", "What a batch says, as server-sent events", NULL,
     "text/event-stream", get_events, MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/batches/{}/file", "getBatchFile", "The predictions, as a file", NULL, FILE_TYPE, get_file,
     MAY_READ, ROUTE_BLOCKS},
};

#define EVENTS_MORE                                                             \
    API_HEADER("Last-Event-ID", "Only what came after it", "{'type':'string'}") \
    "," API_QUERY("after", "The same", "{'type':'integer','minimum':0}")
#define EVENTS_ANSWER API_ANSWER("200", "Events until it ends", API_MEDIA("text/event-stream", "{'type':'string'}"))
#define FILE_ANSWER                                                       \
    API_ANSWER("200", "The file",                                         \
               API_MEDIA("application/octet-stream", "{}") "," API_MEDIA( \
                   "text/csv", "{'type':'string'}") "," API_MEDIA("application/jsonl", "{'type':'string'}"))

static const route_api api[] = {
    {.route = "createRun",
     .more = KEY_HEADER,
     .body = API_JSON(API_REF("run_request")),
     .answers = API_ANSWER("202", "It waits for its turn", API_JSON(API_REF("run")))},
    {.route = "listRuns",
     .more = PAGE_QUERY,
     .answers = API_ANSWER("200", "A page of them",
                           API_JSON("{'type':'object','required':['runs'],'properties':{'runs':"
                                    "{'type':'array','items':{'$ref':'#/components/schemas/run'}}}}"))},
    {.route = "getRun", .parameters = "run", .answers = API_ANSWER("200", "The run", API_JSON(API_REF("run")))},
    {.route = "deleteRun",
     .parameters = "run",
     .answers =
         API_ANSWER_EMPTY("204", "It is forgotten") "," API_ANSWER("202", "It is cancelled", API_JSON(API_REF("run")))},
    {.route = "cancelRun",
     .parameters = "run",
     .answers = API_ANSWER("202", "It is cancelled", API_JSON(API_REF("run")))},
    {.route = "getRunEvents", .parameters = "run", .more = EVENTS_MORE, .answers = EVENTS_ANSWER},
    {.route = "getRunFile", .parameters = "run", .answers = FILE_ANSWER},
    {.route = "createBatch",
     .more = KEY_HEADER,
     .body = API_JSON(API_REF("batch_request")),
     .answers = API_ANSWER("202", "It waits for its turn", API_JSON(API_REF("run")))},
    {.route = "listBatches",
     .more = PAGE_QUERY,
     .answers = API_ANSWER("200", "A page of them",
                           API_JSON("{'type':'object','required':['batches'],'properties':{'batches':"
                                    "{'type':'array','items':{'$ref':'#/components/schemas/run'}}}}"))},
    {.route = "getBatch", .parameters = "batch", .answers = API_ANSWER("200", "The batch", API_JSON(API_REF("run")))},
    {.route = "deleteBatch",
     .parameters = "batch",
     .answers =
         API_ANSWER_EMPTY("204", "It is forgotten") "," API_ANSWER("202", "It is cancelled", API_JSON(API_REF("run")))},
    {.route = "cancelBatch",
     .parameters = "batch",
     .answers = API_ANSWER("202", "It is cancelled", API_JSON(API_REF("run")))},
    {.route = "getBatchEvents", .parameters = "batch", .more = EVENTS_MORE, .answers = EVENTS_ANSWER},
    {.route = "getBatchFile", .parameters = "batch", .answers = FILE_ANSWER},
    {.route = "getRunLog",
     .parameters = "run",
     .answers = API_ANSWER("200", "Lines", API_MEDIA("text/plain", "{'type':'string'}"))},
    {.route = "getRunMetrics",
     .parameters = "run",
     .answers = API_ANSWER("200", "The metrics", API_JSON("{'type':'object'}"))},
};

static const char schemas[] =
    "'run':{'type':'object','required':['id','kind','state','dataset','created'],'properties':{'id':{'type':'string'},"
    "'number':{'type':'integer'},'kind':{'enum':['train','prepare','profile','evaluate','predict']},"
    "'state':{'enum':['queued','running','succeeded','failed','cancelled','interrupted']},'dataset':{'type':'string'},"
    "'created':{'type':'string','format':'date-time'},'started':{'type':['string','null']},"
    "'ended':{'type':['string','null']},'asked':{'type':'object'},'result':{'type':'object'},"
    "'version':{'type':'integer'},'error':{'type':'object','required':['code','message'],'properties':{"
    "'code':{'type':'string'},'message':{'type':'string'}}}}},"
    "'run_request':{'type':'object','required':['dataset'],'properties':{"
    "'kind':{'enum':['train','prepare','profile','evaluate'],'default':'train'},'dataset':{'type':'string'},"
    "'target':{'type':'string'},'recipe':{'type':'string'},'model':{'type':'string'},'settings':{'type':'object'},"
    "'prepare':{'type':'object'},'drop_missing':{'type':'boolean'},'split':{'type':'object'},"
    "'folds':{'type':'integer','minimum':0,'maximum':100},'seed':{'type':'integer','minimum':0},"
    "'read':{'type':'object'},'version':{'type':['integer','string']},"
    "'deploy':{'type':'object','required':['name'],'properties':{'name':{'type':'string'},"
    "'alias':{'type':['string','null']}}}}},"
    "'batch_request':{'type':'object','required':['dataset','model'],'properties':{'dataset':{'type':'string'},"
    "'model':{'type':'string'},'version':{'type':['integer','string']},'format':{'enum':['csv','jsonl']},"
    "'keep':{'type':'boolean'},'read':{'type':'object'}}}";

const protocol_row rest_jobs_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
