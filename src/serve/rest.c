// The routes of the native protocol. Answers that only change with the catalog are text in the snapshot already.
// SPDX-License-Identifier: Apache-2.0
#include "serve/rest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "serve/access.h"
#include "serve/drift_report.h"
#include "serve/example.h"
#include "serve/inference.h"
#include "serve/models.h"
#include "serve/openapi.h"
#include "serve/pack.h"
#include "serve/serving.h"
#include "serve/version_meters.h"

#define JSON_TYPE "application/json"
#define PROBLEM_TYPE "application/problem+json"

// RFC 9457. `type` is a URN-like name of the code, because nobody promises to keep a web page for it.
void rest_fail(response *r, int status, const err *e)
{
    const place *at = &r->at;
    const char *code = at->code ? at->code : err_name(e->code);
    r->content_type = PROBLEM_TYPE;
    buf_format(r->body, "{\"type\":\"urn:slipway:problem:%s\",\"title\":\"%s\",\"status\":%d,\"detail\":", code,
               http_reason(status), status);
    json_quote(r->body, str_of(e->msg));
    buf_format(r->body, ",\"code\":\"%s\"", code);
    if (at->row >= 0) buf_format(r->body, ",\"row\":%" PRId64, at->row);
    if (at->column.len > 0) {
        buf_add_text(r->body, ",\"column\":");
        json_quote(r->body, at->column);
    }
    if (at->pointer.len > 0) {
        buf_add_text(r->body, ",\"pointer\":");
        json_quote(r->body, at->pointer);
    }
    if (e->code == ERR_FORMAT && e->at >= 0) buf_format(r->body, ",\"offset\":%" PRId64, e->at);
    buf_add_text(r->body, "}\n");
}

typedef struct predict_call {
    inference inference; // its context is this
    body_form form;
} predict_call;

static int finish_predict(const request *q, response *r, const inference *i, err *e)
{
    const predict_call *call = i->context;
    if (i->explain.wanted)
        return encode_explained(i->version->encoder, call->form, model_schema(i->version->model), &i->out,
                                &i->explained, i->explain.top, r->body, q->memory, e);
    encode_prediction(i->version->encoder, call->form, &i->out, r->body);
    return 0;
}

static int predict_rows(serving *s, const request *q, response *r, bool explain, err *e)
{
    const served *v;
    TRY(models_pick(s, q, q->parameters[0], (str){0}, &v, r, e));
    int rc = inference_begin(s, q, v, r, e);
    if (rc != 0) return rc;
    predict_call *call = arena_alloc(q->memory, 1, sizeof *call);
    if (!call) return err_set(e, ERR_MEMORY, "no memory for a request");
    call->inference = (inference){.version = v, .finish = finish_predict, .context = call};
    explain_wish *wish = &call->inference.explain;
    TRY(decode_predict(&call->inference.in, &call->form, wish, v->decoder, q->body, s->options->rows_max, &r->at,
                       q->memory, e));
    wish->wanted |= explain;
    if (wish->top > 0 && call->form == BODY_COLUMNS) {
        r->at = (place){.code = "wrong_shape", .row = -1, .pointer = STR("/explain/top")};
        return err_set(e, ERR_INPUT, "\"top\" is for rows: columns are explained whole");
    }
    return inference_run(s, q, r, &call->inference, e);
}

static int predict(serving *s, const request *q, response *r, err *e)
{
    return predict_rows(s, q, r, false, e);
}

static int explain(serving *s, const request *q, response *r, err *e)
{
    return predict_rows(s, q, r, true, e);
}

// Puts the tag on the answer: 304 if the client has it already, else *changed and the body follows.
static int tag_answer(const request *q, response *r, const char *etag, bool *changed, err *e)
{
    bool has;
    size_t len = 80;
    TRY(pack_matches(q, &etag, &has, e));
    char *extra = arena_alloc(q->memory, len, 1);
    if (!extra) return err_set(e, ERR_MEMORY, "no memory for a header");
    snprintf(extra, len, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
    r->extra = extra;
    *changed = !has;
    if (!*changed) r->status = 304;
    return 0;
}

static int list_models(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    size_t at = 0, n = 0;
    buf_add_text(r->body, "{\"models\":[");
    for (const snapshot_model *m; (m = models_next(s, q, &at)); n++) {
        if (n > 0) buf_add_char(r->body, ',');
        buf_add_str(r->body, m->row);
    }
    buf_add_text(r->body, "]}\n");
    return 0;
}

static int describe_model(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    bool changed;
    TRY(tag_answer(q, r, m->etag, &changed, e));
    if (changed) buf_add_str(r->body, m->card);
    return 0;
}

// The parts of the models that the caller may see, NULL after the last.
static const openapi_part *const *visible_parts(const serving *s, const request *q)
{
    const openapi_part **parts = arena_alloc(q->memory, s->models->n + 1, sizeof *parts);
    size_t n = 0, at = 0;
    for (const snapshot_model *m; parts && (m = models_next(s, q, &at));)
        if (m->now) parts[n++] = &m->now->api;
    if (parts) parts[n] = NULL;
    return parts;
}

static int openapi_text(serving *s, const request *q, response *r, err *e)
{
    char etag[OPENAPI_ETAG_SIZE];
    const openapi_part *const *parts = visible_parts(s, q);
    if (!parts) return err_set(e, ERR_MEMORY, "no memory for the description");
    openapi_etag(s->models->openapi, q->who, parts, etag);
    bool changed;
    TRY(tag_answer(q, r, etag, &changed, e));
    if (changed) openapi_write(s->models->openapi, q->who, parts, r->body);
    return 0;
}

static int live(serving *s, const request *q, response *r, err *e)
{
    (void)q, (void)e;
    buf_format(r->body,
               "{\"status\":\"live\",\"server\":\"slipway\",\"version\":\"%s\",\"instance\":\"%s\",\"port\":%u}\n",
               SLIPWAY_VERSION, s->instance, s->options->port);
    return 0;
}

// Ready: not stopping, and every model that is deployed can be served, be it by the version before. Which models those
// are is told only to those who may use them.
static int ready(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    bool stopping = atomic_load_explicit(s->stopping, memory_order_relaxed);
    size_t n_without = models_unready(s);
    bool ok = !stopping && n_without == 0;
    r->status = ok ? 200 : 503;
    buf_format(r->body, "{\"status\":\"%s\",\"models\":[",
               stopping                  ? "stopping"
               : n_without > 0           ? "not ready"
               : s->models->n_faults > 0 ? "degraded"
                                         : "ready");
    size_t at = 0, n = 0;
    for (const snapshot_model *m; q->who->may & MAY_PREDICT && (m = models_next(s, q, &at));) {
        if (m->wanted == 0) continue;
        buf_add_text(r->body, n++ > 0 ? ",{\"name\":" : "{\"name\":");
        json_quote(r->body, str_of(principal_name_of(m->name)));
        buf_format(r->body, ",\"wanted\":%" PRId64, m->wanted);
        if (m->now) buf_format(r->body, ",\"serving\":%" PRId64, m->now->version);
        if (m->unloaded) buf_add_text(r->body, ",\"unloaded\":true");
        if (m->fault) {
            buf_add_text(r->body, ",\"fault\":");
            json_quote(r->body, str_of(m->fault));
        }
        buf_add_char(r->body, '}');
    }
    buf_add_text(r->body, "]}\n");
    return 0;
}

static int metrics_text(serving *s, const request *q, response *r, err *e)
{
    (void)q, (void)e;
    meters_write(s->meters, s->n_meters, s->models->meters, r->body);
    buf_format(r->body,
               "# HELP slipway_models_serving Models with a version in service.\n# TYPE slipway_models_serving gauge\n"
               "slipway_models_serving %zu\n"
               "# HELP slipway_models_faulty Models whose deployed version could not be loaded.\n"
               "# TYPE slipway_models_faulty gauge\nslipway_models_faulty %zu\n"
               "# HELP slipway_versions_loaded Versions in memory.\n# TYPE slipway_versions_loaded gauge\n"
               "slipway_versions_loaded %zu\n"
               "# HELP slipway_models_memory_bytes Memory of the versions that are loaded.\n"
               "# TYPE slipway_models_memory_bytes gauge\nslipway_models_memory_bytes %zu\n"
               "# HELP slipway_models_memory_max_bytes What they may take.\n"
               "# TYPE slipway_models_memory_max_bytes gauge\nslipway_models_memory_max_bytes %zu\n"
               "# HELP slipway_version_loads_total Versions loaded since the start.\n"
               "# TYPE slipway_version_loads_total counter\nslipway_version_loads_total %" PRIu64 "\n"
               "# HELP slipway_versions_evicted_total Versions that had to make room.\n"
               "# TYPE slipway_versions_evicted_total counter\nslipway_versions_evicted_total %" PRIu64 "\n"
               "# HELP slipway_model_version The version in service.\n# TYPE slipway_model_version gauge\n",
               s->models->n_serving, s->models->n_faults, s->models->n_loaded, s->models->memory, s->models->memory_max,
               s->models->n_loads, s->models->n_evicted);
    for (size_t i = 0; i < s->models->n; i++)
        if (s->models->models[i].now)
            buf_format(r->body, "slipway_model_version{model=\"%s\"} %" PRId64 "\n", s->models->models[i].name,
                       s->models->models[i].now->version);
    version_meters_write(s->models, r->body);
    drift_write(s->models, clock_coarse_ms(), r->body);
    uint64_t n_records, n_spans;
    observer_lost(s->observer, &n_records, &n_spans);
    buf_format(r->body,
               "# HELP slipway_access_records_lost_total Requests that the access log or the tracer could not keep up "
               "with.\n# TYPE slipway_access_records_lost_total counter\nslipway_access_records_lost_total %" PRIu64
               "\n"
               "# HELP slipway_spans_lost_total Spans that no collector took.\n"
               "# TYPE slipway_spans_lost_total counter\nslipway_spans_lost_total %" PRIu64 "\n",
               n_records, n_spans);
    buf_format(r->body, "# HELP slipway_info The program.\n# TYPE slipway_info gauge\nslipway_info{version=\"%s\"} 1\n",
               SLIPWAY_VERSION);
    return 0;
}

// Who names JSON, or takes anything and that compressed, as libraries do and neither browsers nor curl: KServe's client
// asks here whether the server lives.
static bool is_program(const request *q)
{
    bool json, html, plain;
    str accept = request_field(q, FIELD_ACCEPT);
    if (accept.len == 0) return false;
    http_weight(accept, "text/html", &html);
    http_weight(accept, "text/plain", &plain);
    json = http_weight(accept, JSON_TYPE, &json) > 0 && json;
    return json || (!html && !plain && http_list_has(request_field(q, FIELD_ACCEPT_ENCODING), "gzip"));
}

static int front_page_json(serving *s, const request *q, response *r)
{
    r->content_type = JSON_TYPE;
    buf_add_text(r->body, "{\"status\":\"alive\",\"version\":\"" SLIPWAY_VERSION "\",\"models\":[");
    size_t at = 0, n = 0;
    for (const snapshot_model *m; (m = models_next(s, q, &at)); n++) {
        if (n > 0) buf_add_char(r->body, ',');
        json_quote(r->body, str_of(principal_name_of(m->name)));
    }
    buf_add_text(r->body, "]}\n");
    return 0;
}

static int front_page(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    r->extra = "Vary: Accept, Accept-Encoding\r\n";
    if (is_program(q)) return front_page_json(s, q, r);
    r->content_type = "text/plain; charset=utf-8";
    buf_format(r->body,
               "Slipway %s\n\n"
               "GET  /docs                            what can be asked, for a browser\n"
               "GET  /openapi.json                    the same for programs, with an example for each model\n"
               "GET  /api/v1/models                   the models\n"
               "GET  /health/live  /health/ready  /metrics\n\n",
               SLIPWAY_VERSION);
    size_t at = 0;
    for (const snapshot_model *m; (m = models_next(s, q, &at));) {
        const char *name = principal_name_of(m->name);
        if (!m->now) {
            buf_format(r->body, "%s: not served%s%s\n\n", name, m->fault ? ": " : "", m->fault ? m->fault : "");
            continue;
        }
        buf_format(r->body, "%s, version %" PRId64 "%s\n  ", name, m->now->version,
                   m->fault ? " (the deployed one could not be loaded)" : "");
        char url[URL_TEXT_SIZE];
        example_url(s->options->tls_cert[0] != '\0', s->options->host, s->options->port, url);
        example_curl(model_schema(m->now->model), url, name, r->body);
        buf_add_text(r->body, "\n\n");
    }
    return 0;
}

static const route routes[] = {
    {HTTP_POST, "/api/v1/models/{}/predict", "predict", "Predict rows, or columns, with the deployed version",
     JSON_TYPE, JSON_TYPE, predict, MAY_PREDICT, ROUTE_ASKS_FIRST},
    {HTTP_POST, "/api/v1/models/{}/explain", "explain", "Predict, and say what each column adds to each prediction",
     JSON_TYPE, JSON_TYPE, explain, MAY_PREDICT, ROUTE_ASKS_FIRST},
    {HTTP_GET, "/api/v1/models", "listModels", "The models of the registry", NULL, JSON_TYPE, list_models,
     MAY_PREDICT | MAY_READ, ROUTE_PACKS},
    {HTTP_GET, "/api/v1/models/{}", "describeModel", "Schema, metrics, versions and aliases of a model", NULL,
     JSON_TYPE, describe_model, MAY_PREDICT | MAY_READ, ROUTE_PACKS},
    {HTTP_GET, "/health/live", "live", "Whether the server answers", NULL, JSON_TYPE, live, FOR_ANYONE, 0},
    {HTTP_GET, "/health/ready", "ready", "Whether every deployed model can be served", NULL, JSON_TYPE, ready,
     FOR_ANYONE, 0},
    {HTTP_GET, "/metrics", "metrics", "Counters for Prometheus", NULL, "text/plain; version=0.0.4", metrics_text,
     MAY_MONITOR, ROUTE_PACKS},
    {HTTP_GET, "/openapi.json", "openapi", "This description", NULL, JSON_TYPE, openapi_text, MAY_PREDICT | MAY_READ,
     ROUTE_PACKS},
    {HTTP_GET, "/", "frontPage", "The models, for people; for programs whether the server lives", NULL,
     JSON_TYPE ", text/plain; charset=utf-8", front_page, MAY_PREDICT | MAY_READ, 0},
};

#define TAG_ANSWERS API_ANSWER_EMPTY("304", "What If-None-Match names has not changed")
#define TAG_HEADER API_HEADER("If-None-Match", "The ETag of an answer that the client has", "{'type':'string'}")
#define TAGGED(about, media)                                                                             \
    "'200':{'description':'" about "','headers':{'ETag':{'schema':{'type':'string'}}},'content':{" media \
    "}}," TAG_ANSWERS

static const route_api api[] = {
    {.route = "predict",
     .body = API_JSON(API_REF("predict_body")),
     .answers = API_ANSWER("200", "Rows are answered by rows, columns by columns", API_JSON(API_REF("predicted"))),
     .each_model = true},
    {.route = "explain",
     .body = API_JSON(API_REF("predict_body")),
     .answers = API_ANSWER("200", "The predictions, explained", API_JSON(API_REF("predicted")))},
    {.route = "listModels", .answers = API_ANSWER("200", "The models", API_JSON(API_REF("models")))},
    {.route = "describeModel", .more = TAG_HEADER, .answers = TAGGED("The model", API_JSON(API_REF("model")))},
    {.route = "live", .answers = API_ANSWER("200", "It does", API_JSON(API_REF("live")))},
    {.route = "ready",
     .answers = API_ANSWER("200", "Every deployed model can be served, be it by the version before",
                           API_JSON(API_REF("ready"))) "," API_ANSWER("503", "Not now",
                                                                      API_MEDIA("application/json", API_REF("ready")))},
    {.route = "openapi",
     .more = TAG_HEADER,
     .answers = TAGGED("OpenAPI 3.1: routes and models that the caller may see", API_JSON("{'type':'object'}"))},
};

static const char schemas[] =
    "'predict_body':{'oneOf':[{'type':'object','additionalProperties':false,'required':['rows'],'properties':{'explain'"
    ":{"
    "'$ref':'#/components/schemas/explain'},'rows':{"
    "'type':'array','minItems':1,'items':{'$ref':'#/components/schemas/row'}}}},{'type':'object',"
    "'additionalProperties':false,'required':['columns'],'properties':{'explain':{"
    "'$ref':'#/components/schemas/explain'},'columns':{'$ref':"
    "'#/components/schemas/columns'}}}]},"
    "'explain':{'description':'Whether and how the predictions are explained: class is whose score, else of the class "
    "that each row is given; top is how many columns of each row','oneOf':[{'type':'boolean'},{'type':'object',"
    "'additionalProperties':false,'properties':{'class':{'type':['string','number','boolean']},"
    "'top':{'type':'integer','minimum':1,'maximum':2147483647}}}]},"
    "'explanation':{'type':'object','description':'Base and contributions add up to explained; others is what columns "
    "beyond top add','required':['base','explained','contributions'],'properties':{'class':{},"
    "'base':{'type':'number'},'explained':{'type':'number'},'others':{'type':'number'},"
    "'contributions':{'type':'object','additionalProperties':{'type':'number'}}}},"
    "'explanations':{'type':'object','description':'The same for columns','required':['base','explained',"
    "'contributions'],'properties':{'class':{'type':'array'},'base':{'type':'array','items':{'type':'number'}},"
    "'explained':{'type':'array','items':{'type':'number'}},'contributions':{'type':'object',"
    "'additionalProperties':{'type':'array','items':{'type':'number'}}}}},"
    "'space':{'description':'What base and contributions are parts of','enum':['probability','value','margin']},"
    "'predicted':{'type':'object','required':['model','version'],'properties':{'model':{'type':'string'},"
    "'version':{'type':'integer','minimum':1},'space':{'$ref':'#/components/schemas/space'},"
    "'explanations':{'$ref':'#/components/schemas/explanations'},"
    "'predictions':{'type':'array','items':{'type':'object','properties':{"
    "'explanation':{'$ref':'#/components/schemas/explanation'},"
    "'label':{},'probabilities':{'type':'object','additionalProperties':{'type':['number','null']}},"
    "'value':{'type':['number','null']}}}},'columns':{'type':'object','properties':{'label':{'type':'array'},"
    "'probabilities':{'type':'object','additionalProperties':{'type':'array','items':{'type':['number','null']}}},"
    "'value':{'type':'array','items':{'type':['number','null']}}}}}},"
    "'model':{'type':'object','required':['name','version','status','aliases','versions'],'properties':{"
    "'name':{'type':'string'},'version':{'type':['integer','null'],'description':'In service'},"
    "'status':{'enum':['not deployed','unloaded','broken','stale','serving']},'fault':{'type':'string'},"
    "'task':{'type':'string'},'aliases':{'type':'object','additionalProperties':{'type':'integer'}},"
    "'versions':{'type':'array','items':{'type':['integer','object']}},'schema':{'type':'object'},"
    "'metrics':{'type':'object'},'memory':{'type':'integer'}}},"
    "'models':{'type':'object','required':['models'],'properties':{'models':{'type':'array','items':{"
    "'$ref':'#/components/schemas/model'}}}},"
    "'live':{'type':'object','required':['status'],'properties':{'status':{'const':'live'},"
    "'server':{'type':'string'},'version':{'type':'string'},'instance':{'type':'string'}}},"
    "'ready':{'type':'object','required':['status'],'properties':{'status':{'enum':['ready','degraded','not ready',"
    "'stopping']},'models':{'type':'array','items':{'type':'object'}}}}";

const protocol_row rest_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .about = "The native protocol",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
