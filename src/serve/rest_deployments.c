// What is loaded and where traffic goes, over HTTP.
// SPDX-License-Identifier: Apache-2.0
#include "serve/rest_deployments.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/access.h"
#include "serve/guards.h"
#include "serve/models.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/serving.h"

enum { EVENTS_MAX = 50 };

// The model of the path, and the version of the path as a number: 0 if it has none.
static int find(serving *s, const request *q, const snapshot_model **m, int64_t *version, response *r, err *e)
{
    TRY(models_find(s, q, q->parameters[0], m, r, e));
    str text = q->parameters[1];
    *version = 0;
    if (text.len == 0) return 0;
    *version = snapshot_version_of(*m, text);
    if (*version > 0) return 0;
    r->at.code = "unknown_version";
    return err_set(e, ERR_NOT_FOUND, "\"" STR_FORMAT "\" is no version or alias of \"%s\"", STR_ARGS(text),
                   principal_name_of((*m)->name));
}

static void answer_load(const snapshot_model *m, int64_t version, bool loaded, response *r)
{
    buf_add_text(r->body, "{\"model\":");
    json_quote(r->body, str_of(principal_name_of(m->name)));
    if (version > 0) buf_format(r->body, ",\"version\":%" PRId64, version);
    buf_format(r->body, ",\"loaded\":%s}\n", loaded ? "true" : "false");
}

static int load(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    int64_t version;
    TRY(find(s, q, &m, &version, r, e));
    int rc = catalog_load(s->catalog, m->name, version, &version, e);
    if (rc == 0) {
        answer_load(m, version, true, r);
        return 0;
    }
    if (rc == ERR_FULL) r->at.code = "models_memory";
    if (rc == ERR_NOT_FOUND) r->at.code = "unknown_version";
    if (rc != ERR_FULL && rc != ERR_NOT_FOUND && rc != ERR_MEMORY && rc != ERR_BUSY && rc != ERR_CANCELLED) {
        r->status = 409; // it is there, and cannot be served
        r->at.code = "model_broken";
    }
    return rc;
}

static int unload(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    int64_t version;
    TRY(find(s, q, &m, &version, r, e));
    int rc = catalog_unload(s->catalog, m->name, version, e);
    if (rc == ERR_CONFLICT) r->at.code = "deployed";
    if (rc == ERR_NOT_FOUND) r->at.code = "not_loaded";
    if (rc < 0) return rc;
    answer_load(m, version, false, r);
    return 0;
}

// ---- deployments

static json_t *guards_json(const guards *g)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "error_permille", (json_int_t)g->error_permille, "latency_percent",
                     (json_int_t)g->latency_percent, "psi_permille", (json_int_t)g->psi_permille, "requests_min",
                     (json_int_t)g->requests_min, "window_s", (json_int_t)g->window_s);
}

static json_t *version_json(int64_t version, const served *v)
{
    if (!v) return json_pack("{s:I,s:b}", "version", (json_int_t)version, "loaded", 0);
    reading r;
    reading_take(&r, v);
    return json_pack("{s:I,s:b,s:I,s:I,s:f}", "version", (json_int_t)version, "loaded", 1, "requests",
                     (json_int_t)r.requests, "failed", (json_int_t)r.failed, "p95_us",
                     (double)reading_percentile_ns(&r, 0.95) / 1e3);
}

// What a shadow did, with what the primary did meanwhile.
static json_t *shadow_json(const snapshot_model *m)
{
    const shadowing *d = &m->shadowing;
    const char *fault = snapshot_shadow_fault(m);
    char time[CLOCK_TEXT_SIZE];
    shadow_reading r;
    json_t *j =
        json_pack("{s:I,s:b,s:I,s:s,s:s?}", "version", (json_int_t)d->version, "loaded", m->shadow != NULL, "share",
                  (json_int_t)d->share, "since", clock_format_utc(d->started_ms, time), "fault", fault);
    if (!j || !m->shadow) return j;
    bool classes = model_schema(m->now->model)->target.task == TASK_CLASSIFICATION;
    shadow_read(m->shadow, &r);
    double n = r.rows > 0 ? (double)r.rows : 1;
    json_object_set_new(j, "requests", json_integer((json_int_t)r.seen.requests));
    json_object_set_new(j, "rows", json_integer((json_int_t)r.rows));
    json_object_set_new(j, "failed", json_integer((json_int_t)r.seen.failed));
    json_object_set_new(
        j, "dropped",
        json_pack("{s:I,s:I}", "busy", (json_int_t)r.dropped_busy, "too_large", (json_int_t)r.dropped_large));
    json_object_set_new(j, "other_label", classes ? json_real((double)r.other_label / n) : json_null());
    json_object_set_new(j, "difference", json_real(r.difference / n));
    json_object_set_new(j, "p95_us", json_real((double)reading_percentile_ns(&r.seen, 0.95) / 1e3));
    return j;
}

static json_t *deployment_json(const snapshot_model *m)
{
    const deployment *d = &m->deployment;
    char time[CLOCK_TEXT_SIZE];
    json_t *j = json_pack("{s:s,s:I,s:o,s:o,s:o}", "model", principal_name_of(m->name), "primary",
                          (json_int_t)m->wanted, "now", m->now ? version_json(m->now->version, m->now) : json_null(),
                          "canary", d->id ? version_json(d->canary, m->canary) : json_null(), "shadow",
                          m->shadowing.id ? shadow_json(m) : json_null());
    if (!j || d->id == 0) return j;
    json_object_set_new(j, "weight", json_integer((json_int_t)d->weight));
    json_object_set_new(j, "guards", guards_json(&d->guards));
    json_object_set_new(j, "since", json_string(clock_format_utc(d->started_ms, time)));
    return j;
}

static int add_event(void *context, const deployment_event *d, err *e)
{
    char time[CLOCK_TEXT_SIZE];
    json_t *detail = NULL;
    if (json_parse(&detail, str_of(d->detail), NULL) < 0) detail = json_object();
    bool of_shadow = strncmp(d->event, "shadow", 6) == 0;
    return json_push(context,
                     json_pack("{s:s,s:s,s:I,s:I,s:I,s:o}", "event", d->event, "at", clock_format_utc(d->at_ms, time),
                               "primary", (json_int_t)d->primary, of_shadow ? "shadow" : "canary",
                               (json_int_t)d->canary, of_shadow ? "share" : "weight", (json_int_t)d->weight, "detail",
                               detail),
                     e);
}

static int get_deployment(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    registry *g;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    if (m->wanted == 0) {
        r->at.code = "not_deployed";
        return err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is deployed", principal_name_of(m->name));
    }
    TRY(serving_registry(s, &g, e));
    json_t *j = deployment_json(m), *events = json_array();
    int rc = registry_deployment_events(g, m->name, EVENTS_MAX, add_event, events, e);
    if (rc < 0) {
        json_decref(events);
        json_decref(j);
        return rc;
    }
    if (j) json_object_set_new(j, "events", events);
    return rest_send(r, j, e);
}

static int list_deployments(serving *s, const request *q, response *r, err *e)
{
    json_t *all = json_array();
    size_t at = 0;
    int rc = 0;
    for (const snapshot_model *m; rc == 0 && (m = models_next(s, q, &at));)
        if (m->wanted) rc = json_push(all, deployment_json(m), e);
    if (rc < 0) {
        json_decref(all);
        return rc;
    }
    return rest_send(r, json_pack("{s:o}", "deployments", all), e);
}

// A fault of the body: 422 with its place.
static int bad(response *r, const char *pointer, int rc)
{
    r->status = 422;
    r->at.code = "wrong_shape";
    r->at.pointer = str_of(pointer);
    return rc;
}

static int read_guards(const request *q, const json_t *body, guards *g, response *r, err *e)
{
    static const char *const known[] = {"error_permille", "latency_percent", "psi_permille",
                                        "requests_min",   "window_s",        NULL};
    json_t *j = json_object_get(body, "guards");
    if (!j) return 0;
    if (!json_is_object(j)) return bad(r, "/guards", err_set(e, ERR_INPUT, "\"guards\" is no object"));
    TRY(rest_known(q, j, "/guards", known, r, e));
    int64_t *const fields[] = {&g->error_permille, &g->latency_percent, &g->psi_permille, &g->requests_min,
                               &g->window_s};
    for (size_t i = 0; known[i]; i++)
        if (json_object_get(j, known[i]) && json_member_integer(j, known[i], 0, INT32_MAX, fields[i], e) < 0)
            return bad(r, "/guards", ERR_INPUT);
    const char *fault = guards_fault(g);
    return fault ? bad(r, "/guards", err_set(e, ERR_INPUT, "%s", fault)) : 0;
}

static int read_deployment(const request *q, const json_t *body, deployment *d, response *r, err *e)
{
    if (json_member_integer(body, "canary", 1, INT64_MAX, &d->canary, e) < 0) return bad(r, "/canary", ERR_INPUT);
    if (json_member_integer(body, "weight", 0, WEIGHT_ALL, &d->weight, e) < 0) return bad(r, "/weight", ERR_INPUT);
    return read_guards(q, body, &d->guards, r, e);
}

// What the registry says of a deployment, as an answer.
static int tell(const request *q, response *r, int rc, err *e)
{
    if (rc == ERR_NOT_FOUND) r->at.code = "no_deployment";
    if (rc == ERR_CONFLICT) r->at.code = "deployment";
    rest_hide_tenant(q, e);
    return rc;
}

static int put_deployment(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"canary", "weight", "guards", NULL};
    const snapshot_model *m;
    registry *g;
    json_t *body;
    deployment d = {.guards = GUARDS_DEFAULT};
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    TRY(rest_body(q, known, &body, r, e));
    int rc = read_deployment(q, body, &d, r, e);
    json_decref(body);
    if (rc < 0) return rc;
    memcpy(d.model, m->name, sizeof d.model);
    TRY(serving_registry(s, &g, e));
    rc = registry_deployment_set(g, &d, e);
    if (rc < 0) return tell(q, r, rc, e);
    return rest_send(r,
                     json_pack("{s:s,s:I,s:I,s:o}", "model", principal_name_of(m->name), "canary", (json_int_t)d.canary,
                               "weight", (json_int_t)d.weight, "guards", guards_json(&d.guards)),
                     e);
}

static int end_deployment(serving *s, const request *q, deployment_end how, response *r, err *e)
{
    const snapshot_model *m;
    registry *g;
    int64_t from, primary = 0;
    deployment ended = {0};
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    TRY(serving_registry(s, &g, e));
    int rc = registry_deployment_end(g, m->name, 0, how, NULL, &ended, e);
    if (rc == ERR_NOT_FOUND && how == DEPLOYMENT_ROLLED_BACK) // nothing is on its way: what is deployed goes back
        rc = registry_rollback(g, m->name, ALIAS_DEFAULT, &from, &primary, e);
    if (rc < 0) return tell(q, r, rc, e);
    if (primary == 0) primary = how == DEPLOYMENT_PROMOTED ? ended.canary : ended.primary;
    return rest_send(r,
                     json_pack("{s:s,s:s,s:I}", "model", principal_name_of(m->name), "event", deployment_end_name(how),
                               "primary", (json_int_t)primary),
                     e);
}

static int promote_once(serving *s, const request *q, response *r, err *e)
{
    return end_deployment(s, q, DEPLOYMENT_PROMOTED, r, e);
}

static int abort_once(serving *s, const request *q, response *r, err *e)
{
    return end_deployment(s, q, DEPLOYMENT_ABORTED, r, e);
}

static int roll_back_once(serving *s, const request *q, response *r, err *e)
{
    return end_deployment(s, q, DEPLOYMENT_ROLLED_BACK, r, e);
}

static int promote(serving *s, const request *q, response *r, err *e)
{
    return rest_once(s, q, r, promote_once, e);
}

static int abort_deployment(serving *s, const request *q, response *r, err *e)
{
    return rest_once(s, q, r, abort_once, e);
}

static int roll_back(serving *s, const request *q, response *r, err *e)
{
    return rest_once(s, q, r, roll_back_once, e);
}

// ---- shadows

static int put_shadow(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"version", "share", NULL};
    const snapshot_model *m;
    registry *g;
    json_t *body;
    shadowing d = {.share = WEIGHT_ALL};
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    TRY(rest_body(q, known, &body, r, e));
    const char *wrong =
        json_member_integer(body, "version", 1, INT64_MAX, &d.version, e) < 0 ? "/version"
        : json_object_get(body, "share") && json_member_integer(body, "share", 1, WEIGHT_ALL, &d.share, e) < 0
            ? "/share"
            : NULL;
    json_decref(body);
    if (wrong) return bad(r, wrong, ERR_INPUT);
    memcpy(d.model, m->name, sizeof d.model);
    TRY(serving_registry(s, &g, e));
    int rc = registry_shadowing_set(g, &d, e);
    if (rc < 0) return tell(q, r, rc, e);
    return rest_send(r,
                     json_pack("{s:s,s:I,s:I}", "model", principal_name_of(m->name), "shadow", (json_int_t)d.version,
                               "share", (json_int_t)d.share),
                     e);
}

static int end_shadow(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    registry *g;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    TRY(serving_registry(s, &g, e));
    int rc = registry_shadowing_end(g, m->name, NULL, e);
    if (rc < 0) return tell(q, r, rc, e);
    r->status = 204;
    return 0;
}

static const route routes[] = {
    {HTTP_POST, "/api/v1/models/{}/load", "loadModel", "Load the deployed version, or the newest", NULL, JSON_TYPE,
     load, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/unload", "unloadModel", "Unload every version, until it is loaded or deployed again",
     NULL, JSON_TYPE, unload, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/versions/{}/load", "loadVersion", "Load a version, by number or alias", NULL,
     JSON_TYPE, load, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/versions/{}/unload", "unloadVersion", "Unload a version that is not deployed", NULL,
     JSON_TYPE, unload, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/deployments", "listDeployments", "Where the traffic of each deployed model goes", NULL,
     JSON_TYPE, list_deployments, MAY_READ, 0},
    {HTTP_GET, "/api/v1/models/{}/deployment", "getDeployment", "Where a model's traffic goes, and what happened", NULL,
     JSON_TYPE, get_deployment, MAY_READ, ROUTE_BLOCKS},
    {HTTP_PUT, "/api/v1/models/{}/deployment", "setDeployment", "Send a share of the traffic to a canary", JSON_TYPE,
     JSON_TYPE, put_deployment, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/deployment/promote", "promoteCanary", "Deploy the canary", NULL, JSON_TYPE, promote,
     MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/deployment/abort", "abortCanary", "Take the canary back", NULL, JSON_TYPE,
     abort_deployment, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/deployment/rollback", "rollBackDeployment",
     "Take the canary back, or without one deploy what was deployed before", NULL, JSON_TYPE, roll_back, MAY_DEPLOY,
     ROUTE_BLOCKS},
    {HTTP_PUT, "/api/v1/models/{}/deployment/shadow", "setShadow", "Give copies of requests to a version", JSON_TYPE,
     JSON_TYPE, put_shadow, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/models/{}/deployment/shadow", "endShadow", "Give it no more copies", NULL, JSON_TYPE,
     end_shadow, MAY_DEPLOY, ROUTE_BLOCKS},
};

#define LOADED(what) API_ANSWER("200", what, API_JSON(API_REF("load")))

static const route_api api[] = {
    {.route = "loadModel", .answers = LOADED("It is loaded")},
    {.route = "unloadModel", .answers = LOADED("It is unloaded")},
    {.route = "loadVersion", .answers = LOADED("It is loaded")},
    {.route = "unloadVersion", .answers = LOADED("It is unloaded")},
    {.route = "promoteCanary", .more = KEY_HEADER},
    {.route = "abortCanary", .more = KEY_HEADER},
    {.route = "rollBackDeployment", .more = KEY_HEADER},
    {.route = "endShadow", .answers = API_ANSWER_EMPTY("204", "It is given no more copies")},
};

static const char schemas[] =
    "'load':{'type':'object','required':['model','loaded'],'properties':{'model':{'type':'string'},"
    "'version':{'type':'integer','minimum':1},'loaded':{'type':'boolean'}}}";

const protocol_row rest_deployments_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .about = "The native protocol",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
