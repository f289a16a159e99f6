// One model at fixed paths, the way MLflow's scoring server has it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/mlflow.h"

#include <stdio.h>

#include "base/json.h"
#include "serve/access.h"
#include "serve/inference.h"
#include "serve/mlflow_body.h"
#include "serve/models.h"

#define JSON_TYPE "application/json"
#define CSV_TYPE "text/csv"

// The names of MLflow's error codes, by status.
static const char *code_of(int status)
{
    switch (status) {
    case 401: return "UNAUTHENTICATED";
    case 403: return "PERMISSION_DENIED";
    case 404: return "RESOURCE_DOES_NOT_EXIST";
    case 409: return "RESOURCE_CONFLICT";
    case 429: return "REQUEST_LIMIT_EXCEEDED";
    case 501: return "NOT_IMPLEMENTED";
    case 503: return "TEMPORARILY_UNAVAILABLE";
    case 504: return "DEADLINE_EXCEEDED";
    default: return status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST";
    }
}

static void fail(response *r, int status, const err *e)
{
    // What does not fit is a bad request here, not an unprocessable one.
    if (status == 422) r->status = status = 400;
    bool parameter = r->at.code && strcmp(r->at.code, "params") == 0;
    r->content_type = JSON_TYPE;
    buf_format(r->body, "{\"error_code\":\"%s\",\"message\":", parameter ? "INVALID_PARAMETER_VALUE" : code_of(status));
    json_quote(r->body, str_of(e->msg));
    buf_add_text(r->body, "}\n");
}

static bool is_named(const serving *s)
{
    return s->options->default_model && s->options->default_model[0];
}

// The model of requests that name none: the one in the settings, or the only one that is deployed and the caller sees.
static int pick_default(const serving *s, const request *q, const served **out, response *r, err *e)
{
    if (is_named(s)) return models_pick(s, q, str_of(s->options->default_model), (str){0}, out, r, e);
    const snapshot_model *only = NULL;
    size_t at = 0;
    for (const snapshot_model *m; (m = models_next(s, q, &at));) {
        if (m->wanted == 0) continue;
        if (only) {
            r->status = 400;
            r->at.code = "no_default_model";
            return err_set(e, ERR_INPUT,
                           "more than one model is deployed and this path names none: start the server with "
                           "--default-model NAME");
        }
        only = m;
    }
    if (!only) {
        r->at.code = "not_deployed";
        return err_set(e, ERR_NOT_FOUND, "no model is deployed");
    }
    return models_pick(s, q, str_of(principal_name_of(only->name)), (str){0}, out, r, e);
}

static int finish(const request *q, response *r, const inference *i, err *e)
{
    (void)q, (void)e;
    buf_add_text(r->body, "{\"predictions\":");
    encode_values(i->version->encoder, &i->out, r->body);
    buf_add_text(r->body, "}\n");
    return 0;
}

static int invocations(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    bool csv = http_type_is(request_field(q, FIELD_CONTENT_TYPE), CSV_TYPE);
    if (csv && !serving_may_block(s)) return HANDLER_WORKER; // reads into a frame first
    TRY(pick_default(s, q, &v, r, e));
    int rc = inference_begin(s, q, v, r, e);
    if (rc != 0) return rc;
    inference *i = arena_alloc(q->memory, 1, sizeof *i);
    if (!i) return err_set(e, ERR_MEMORY, "no memory for a request");
    *i = (inference){.version = v, .finish = finish};
    const server_options *o = s->options;
    if (csv)
        TRY(mlflow_read_csv(&i->in, model_schema(v->model), q->body, o->rows_max, o->request_memory_max, &r->at,
                            q->memory, e));
    else
        TRY(mlflow_read_json(&i->in, v->decoder, q->body, o->rows_max, &r->at, q->memory, e));
    return inference_run(s, q, r, i, e);
}

// Whether POST /invocations has a model to answer with, as far as that can be said to anybody.
static int ping(serving *s, const request *q, response *r, err *e)
{
    (void)q, (void)e;
    bool ok = false;
    const char *name = is_named(s) ? s->options->default_model : NULL;
    for (size_t i = 0; i < s->models->n && !ok; i++) {
        const snapshot_model *m = &s->models->models[i];
        ok = m->now && (!name || strcmp(principal_name_of(m->name), name) == 0);
    }
    bool stopping = atomic_load_explicit(s->stopping, memory_order_relaxed);
    r->status = stopping ? 503 : ok ? 200 : 404;
    buf_add_text(r->body, "{}\n");
    return 0;
}

static int version(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q, (void)e;
    buf_add_text(r->body, SLIPWAY_VERSION "\n");
    return 0;
}

static const route routes[] = {
    {HTTP_POST, "/invocations", "invocations", "Predict rows with the default model", JSON_TYPE ", " CSV_TYPE,
     JSON_TYPE, invocations, MAY_PREDICT, ROUTE_ASKS_FIRST},
    {HTTP_GET | HTTP_POST, "/ping", "ping", "Whether the default model can be served", NULL, JSON_TYPE, ping,
     FOR_ANYONE, 0},
    {HTTP_GET, "/health", "health", "The same as /ping", NULL, JSON_TYPE, ping, FOR_ANYONE, 0},
    {HTTP_GET, "/version", "version", "The version of this server", NULL, "text/plain; charset=utf-8", version,
     MAY_PREDICT, 0},
};

#define PING_OK API_ANSWER("200", "It can", API_JSON("{'type':'object'}"))
#define PING_NONE API_ANSWER("404", "There is none", API_JSON("{'type':'object'}"))
#define PING_STOPS API_ANSWER("503", "The server stops", API_JSON("{'type':'object'}"))
#define PING_ANSWERS PING_OK "," PING_NONE "," PING_STOPS

static const route_api api[] = {
    {.route = "invocations",
     .body = API_JSON(API_REF("mlflow_body")) "," API_MEDIA("text/csv", "{'type':'string','minLength':1}"),
     .answers = API_ANSWER("200", "A prediction for each row", API_JSON(API_REF("mlflow_predictions")))},
    {.route = "ping", .answers = PING_ANSWERS},
    {.route = "health", .answers = PING_ANSWERS},
};

#define VALUE "{'type':['number','string','boolean','null']}"
#define ROW_OBJECT "{'type':'object'}"
#define ROW_ARRAY "{'type':'array','items':" VALUE "}"
#define ROWS "{'type':'array','minItems':1,'items':{'anyOf':[" ROW_OBJECT "," ROW_ARRAY "]}}"
#define RECORDS "{'type':'array','minItems':1,'items':" ROW_OBJECT "}"
#define COLUMNS "{'type':'object','additionalProperties':{'type':'array'}}"
#define SPLIT                                                                                     \
    "{'type':'object','additionalProperties':false,'required':['data'],'properties':{'columns':{" \
    "'type':'array','items':{'type':'string'}},'index':{'type':'array'},'data':{'type':'array',"  \
    "'minItems':1,'items':" ROW_ARRAY "}}}"
#define FORM(name, shape)                                                                                   \
    "{'type':'object','additionalProperties':false,'required':['" name "'],'properties':{'" name "':" shape \
    ",'params':{'type':['object','null'],'maxProperties':0}}}"
#define FORM_SPLIT FORM("dataframe_split", SPLIT)
#define FORM_RECORDS FORM("dataframe_records", RECORDS)
#define FORM_INSTANCES FORM("instances", ROWS)
#define FORM_INPUTS FORM("inputs", "{'anyOf':[" ROWS "," COLUMNS "]}")

static const char schemas[] =
    "'mlflow_body':{'oneOf':[" FORM_SPLIT "," FORM_RECORDS "," FORM_INSTANCES "," FORM_INPUTS "]},"
    "'mlflow_predictions':{'type':'object','required':['predictions'],'properties':{'predictions':{"
    "'type':'array','items':" VALUE "}}},"
    "'mlflow_fault':{'type':'object','required':['error_code','message'],'properties':{"
    "'error_code':{'type':'string'},'message':{'type':'string'}}}";

const protocol_row mlflow_protocol = {
    .name = "mlflow",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = fail,
    .about = "The scoring protocol of MLflow",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
    .fault = API_JSON(API_REF("mlflow_fault")),
};
