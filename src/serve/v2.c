// Routes of the Open Inference Protocol: the server, models, and inference. The repository has a file of its own.
// SPDX-License-Identifier: Apache-2.0
#include "serve/v2.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/json.h"
#include "serve/access.h"
#include "serve/inference.h"
#include "serve/models.h"
#include "serve/v2_encode.h"
#include "serve/v2_impl.h"

#define JSON_TYPE "application/json"
#define BINARY_TYPE "application/octet-stream"

void v2_fail(response *r, int status, const err *e)
{
    if (status == 422 || status == 501) r->status = 400;
    r->content_type = JSON_TYPE;
    buf_add_text(r->body, "{\"error\":");
    json_quote(r->body, str_of(e->msg));
    buf_add_text(r->body, "}\n");
}

// The server.

static int server_metadata(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q, (void)e;
    buf_add_text(r->body, "{\"name\":\"slipway\",\"version\":\"" SLIPWAY_VERSION
                          "\",\"extensions\":[\"binary_tensor_data\",\"classification\",\"model_configuration\","
                          "\"model_repository\",\"parameters\",\"statistics\"]}\n");
    return 0;
}

static int live(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q, (void)e;
    buf_add_text(r->body, "{\"live\":true}\n");
    return 0;
}

// As /health/ready: every model that is deployed can be served.
static int ready(serving *s, const request *q, response *r, err *e)
{
    (void)q, (void)e;
    bool ok = !atomic_load_explicit(s->stopping, memory_order_relaxed) && models_unready(s) == 0;
    r->status = ok ? 200 : 503;
    buf_format(r->body, "{\"ready\":%s}\n", ok ? "true" : "false");
    return 0;
}

// Models.

static int list_models(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    size_t at = 0, n = 0;
    buf_add_text(r->body, "{\"models\":[");
    for (const snapshot_model *m; (m = models_next(s, q, &at));) {
        if (!m->now) continue;
        if (n++ > 0) buf_add_char(r->body, ',');
        json_quote(r->body, str_of(principal_name_of(m->name)));
    }
    buf_add_text(r->body, "]}\n");
    return 0;
}

static int pick(const serving *s, const request *q, const served **v, response *r, err *e)
{
    return models_pick(s, q, q->parameters[0], q->parameters[1], v, r, e);
}

static int describe_model(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    const snapshot_model *m;
    TRY(pick(s, q, &v, r, e));
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    v2_write_metadata(m, v, r->body);
    return 0;
}

static int configure_model(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    TRY(pick(s, q, &v, r, e));
    v2_write_config(v, s->options->rows_max, r->body);
    return 0;
}

static int model_ready(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    const snapshot_model *m;
    TRY(models_find(s, q, q->parameters[0], &m, r, e));
    r->status = pick(s, q, &v, r, e) == 0 && running_ready(v->running) ? 200 : 503;
    r->at.code = NULL;
    buf_add_text(r->body, "{\"name\":");
    json_quote(r->body, str_of(principal_name_of(m->name)));
    buf_format(r->body, ",\"ready\":%s}\n", r->status == 200 ? "true" : "false");
    return 0;
}

// Inference.

typedef struct infer_call {
    inference inference; // its context is this
    v2_infer request;
} infer_call;

static int finish_infer(const request *q, response *r, const inference *i, err *e)
{
    const infer_call *call = i->context;
    size_t header_len;
    const v2_source from = {.name = principal_name_of(i->version->name),
                            .version = i->version->version,
                            .target = &i->in.schema->target,
                            .encoder = i->version->encoder};
    TRY(v2_encode(&call->request, &from, &i->out, r->body, &header_len, q->memory, e));
    if (header_len == 0) return 0;
    enum { EXTRA_SIZE = 64 };
    char *extra = arena_alloc(q->memory, EXTRA_SIZE, 1);
    if (!extra) return err_set(e, ERR_MEMORY, "no memory for a header");
    snprintf(extra, EXTRA_SIZE, "Inference-Header-Content-Length: %zu\r\n", header_len);
    r->extra = extra;
    r->content_type = BINARY_TYPE;
    return 0;
}

// Where the JSON ends and binary data begins.
static int split_body(const request *q, str *json, str *binary, response *r, err *e)
{
    str field = request_field(q, FIELD_INFERENCE_HEADER_CONTENT_LENGTH);
    str type = request_field(q, FIELD_CONTENT_TYPE);
    int64_t len;
    if (type.len > 0 && !http_type_is(type, JSON_TYPE) && !http_type_is(type, BINARY_TYPE)) {
        r->status = 415;
        r->at.code = "media_type";
        return err_set(e, ERR_INPUT, "the body is neither " JSON_TYPE " nor " BINARY_TYPE ", as its Content-Type says");
    }
    *json = q->body;
    *binary = (str){0};
    if (field.len == 0 && http_type_is(type, BINARY_TYPE)) {
        r->at.code = "wrong_shape";
        return err_set(e, ERR_INPUT,
                       "the body is binary, and Inference-Header-Content-Length does not say where its "
                       "JSON ends; a body that is one raw tensor is not understood");
    }
    if (field.len == 0) return 0;
    if (decimal_parse_i64(field, &len) < 0 || field.data[0] == '+' || len < 0 || (uint64_t)len > q->body.len) {
        r->at.code = "wrong_shape";
        return err_set(e, ERR_INPUT, "Inference-Header-Content-Length is \"" STR_FORMAT "\", the body has %zu bytes",
                       STR_ARGS(field), q->body.len);
    }
    json->len = (size_t)len;
    *binary = (str){q->body.data + len, q->body.len - (size_t)len};
    return 0;
}

// The request with the deadline that its body says, if that comes before the one it has.
static int set_deadline(const request **q, uint64_t timeout_us, err *e)
{
    uint64_t now = clock_monotonic_ns(), left = (UINT64_MAX - now) / 1000;
    uint64_t deadline = now + 1000 * (timeout_us < left ? timeout_us : left);
    if ((*q)->deadline_ns && (*q)->deadline_ns <= deadline) return 0;
    request *copy = arena_alloc((*q)->memory, 1, sizeof *copy);
    if (!copy) return err_set(e, ERR_MEMORY, "no memory for a request");
    *copy = **q;
    copy->deadline_ns = deadline;
    *q = copy;
    return 0;
}

static int infer(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    str json, binary;
    TRY(pick(s, q, &v, r, e));
    int rc = inference_begin(s, q, v, r, e);
    if (rc != 0) return rc;
    infer_call *call = arena_alloc(q->memory, 1, sizeof *call);
    if (!call) return err_set(e, ERR_MEMORY, "no memory for a request");
    call->inference = (inference){.version = v, .finish = finish_infer, .context = call};
    TRY(split_body(q, &json, &binary, r, e));
    TRY(v2_decode(&call->request, v->decoder, model_schema(v->model), json, binary, s->options->rows_max, &r->at,
                  q->memory, e));
    call->inference.in = call->request.in;
    if (call->request.timeout_us > 0) TRY(set_deadline(&q, call->request.timeout_us, e));
    return inference_run(s, q, r, &call->inference, e);
}

#define MODEL "/v2/models/{}"
#define VERSION "/v2/models/{}/versions/{}"
#define SYSTEM "/v2/systemsharedmemory"
#define CUDA "/v2/cudasharedmemory"
#define SHARED(path, method, name)                                                                         \
    {                                                                                                      \
        method, path, name, "Refused: shared memory is not reached", NULL, JSON_TYPE, v2_no_shared_memory, \
            MAY_PREDICT, 0                                                                                 \
    }

static const route routes[] = {
    {HTTP_POST, MODEL "/infer", "v2Infer", "Predict with tensors, in JSON or binary", "*/*", JSON_TYPE, infer,
     MAY_PREDICT, ROUTE_ASKS_FIRST},
    {HTTP_POST, VERSION "/infer", "v2InferVersion", "Predict with one version of a model", "*/*", JSON_TYPE, infer,
     MAY_PREDICT, ROUTE_ASKS_FIRST},
    {HTTP_GET, "/v2/health/live", "v2Live", "Whether the server answers", NULL, JSON_TYPE, live, FOR_ANYONE, 0},
    {HTTP_GET, "/v2/health/ready", "v2Ready", "Whether every deployed model can be served", NULL, JSON_TYPE, ready,
     FOR_ANYONE, 0},
    {HTTP_GET, "/v2", "v2Server", "The server and the extensions of the protocol that it has", NULL, JSON_TYPE,
     server_metadata, MAY_PREDICT, 0},
    {HTTP_GET, "/v2/models", "v2Models", "The models in service", NULL, JSON_TYPE, list_models, MAY_PREDICT, 0},
    {HTTP_GET, "/v2/models/stats", "v2AllStats", "Statistics of every model", NULL, JSON_TYPE, v2_all_stats,
     MAY_PREDICT, 0},
    {HTTP_GET, MODEL, "v2Model", "Inputs and outputs of a model", NULL, JSON_TYPE, describe_model, MAY_PREDICT, 0},
    {HTTP_GET, VERSION, "v2Version", "Inputs and outputs of a version", NULL, JSON_TYPE, describe_model, MAY_PREDICT,
     0},
    {HTTP_GET, MODEL "/ready", "v2ModelReady", "Whether a model can be served", NULL, JSON_TYPE, model_ready,
     MAY_PREDICT, 0},
    {HTTP_GET, VERSION "/ready", "v2VersionReady", "Whether a version can be served", NULL, JSON_TYPE, model_ready,
     MAY_PREDICT, 0},
    {HTTP_GET, MODEL "/config", "v2ModelConfig", "The model's configuration, as NVIDIA's clients have it", NULL,
     JSON_TYPE, configure_model, MAY_PREDICT, 0},
    {HTTP_GET, VERSION "/config", "v2VersionConfig", "The version's configuration", NULL, JSON_TYPE, configure_model,
     MAY_PREDICT, 0},
    {HTTP_GET, MODEL "/stats", "v2ModelStats", "Statistics of a model", NULL, JSON_TYPE, v2_stats, MAY_PREDICT, 0},
    {HTTP_GET, VERSION "/stats", "v2VersionStats", "Statistics of a version", NULL, JSON_TYPE, v2_stats, MAY_PREDICT,
     0},
    {HTTP_POST, "/v2/repository/index", "v2Index", "The versions of all models and their states", "*/*", JSON_TYPE,
     v2_index, MAY_READ, 0},
    {HTTP_POST, "/v2/repository/models/{}/load", "v2Load", "Load a model", "*/*", JSON_TYPE, v2_load, MAY_DEPLOY,
     ROUTE_BLOCKS},
    {HTTP_POST, "/v2/repository/models/{}/unload", "v2Unload", "Unload a model", "*/*", JSON_TYPE, v2_unload,
     MAY_DEPLOY, ROUTE_BLOCKS},
    SHARED(SYSTEM "/status", HTTP_GET, "v2SystemStatus"),
    SHARED(SYSTEM "/region/{}/status", HTTP_GET, "v2SystemRegionStatus"),
    SHARED(SYSTEM "/region/{}/register", HTTP_POST, "v2SystemRegister"),
    SHARED(SYSTEM "/region/{}/unregister", HTTP_POST, "v2SystemRegionUnregister"),
    SHARED(SYSTEM "/unregister", HTTP_POST, "v2SystemUnregister"),
    SHARED(CUDA "/status", HTTP_GET, "v2CudaStatus"),
    SHARED(CUDA "/region/{}/status", HTTP_GET, "v2CudaRegionStatus"),
    SHARED(CUDA "/region/{}/register", HTTP_POST, "v2CudaRegister"),
    SHARED(CUDA "/region/{}/unregister", HTTP_POST, "v2CudaRegionUnregister"),
    SHARED(CUDA "/unregister", HTTP_POST, "v2CudaUnregister"),
};

#define ANSWER(about, schema) API_ANSWER("200", about, API_JSON(API_REF(schema)))
#define INFER_BODY \
    API_JSON(API_REF("v2_request")) "," API_MEDIA("application/octet-stream", "{'type':'string','format':'binary'}")
#define INFER_ANSWER                                                                    \
    API_ANSWER("200", "The outputs that were asked for, or all of them",                \
               API_JSON(API_REF("v2_answer")) "," API_MEDIA("application/octet-stream", \
                                                            "{'type':'string','format':'binary'}"))
#define INFER_HEADER                                                                                         \
    API_HEADER("Inference-Header-Content-Length", "Bytes of JSON, behind which the body has binary tensors", \
               "{'type':'integer','minimum':0}")

#define REFUSED(name)                                                                                              \
    {                                                                                                              \
        .route = name, .answers = API_ANSWER("400", "Shared memory is not reached", API_JSON(API_REF("v2_error"))) \
    }

static const route_api api[] = {
    {.route = "v2Infer", .more = INFER_HEADER, .body = INFER_BODY, .answers = INFER_ANSWER},
    {.route = "v2InferVersion", .more = INFER_HEADER, .body = INFER_BODY, .answers = INFER_ANSWER},
    {.route = "v2Live", .answers = ANSWER("It does", "v2_live")},
    {.route = "v2Ready",
     .answers = ANSWER("It can", "v2_ready") "," API_ANSWER("503", "Not now", API_JSON(API_REF("v2_ready")))},
    {.route = "v2Server", .answers = ANSWER("The server", "v2_server")},
    {.route = "v2Models", .answers = ANSWER("Their names", "v2_models")},
    {.route = "v2AllStats", .answers = ANSWER("Counts since the server started", "v2_stats")},
    {.route = "v2ModelStats", .answers = ANSWER("Counts since the server started", "v2_stats")},
    {.route = "v2VersionStats", .answers = ANSWER("Counts since the server started", "v2_stats")},
    {.route = "v2Model", .answers = ANSWER("The model", "v2_model")},
    {.route = "v2Version", .answers = ANSWER("The version", "v2_model")},
    {.route = "v2ModelReady",
     .answers =
         ANSWER("It can", "v2_model_ready") "," API_ANSWER("503", "Not now", API_JSON(API_REF("v2_model_ready")))},
    {.route = "v2VersionReady",
     .answers =
         ANSWER("It can", "v2_model_ready") "," API_ANSWER("503", "Not now", API_JSON(API_REF("v2_model_ready")))},
    {.route = "v2ModelConfig", .answers = ANSWER("The configuration", "v2_config")},
    {.route = "v2VersionConfig", .answers = ANSWER("The configuration", "v2_config")},
    {.route = "v2Index",
     .body = API_JSON("{'type':'object','properties':{'ready':{'type':'boolean'}}}"),
     .body_optional = true,
     .answers = ANSWER("An entry for each version", "v2_index")},
    {.route = "v2Load",
     .body = API_JSON(API_REF("v2_parameters")),
     .body_optional = true,
     .answers = API_ANSWER_EMPTY("200", "It is loaded")},
    {.route = "v2Unload",
     .body = API_JSON(API_REF("v2_parameters")),
     .body_optional = true,
     .answers = API_ANSWER_EMPTY("200", "It is not loaded any more")},
    REFUSED("v2SystemStatus"),
    REFUSED("v2SystemRegionStatus"),
    REFUSED("v2SystemRegister"),
    REFUSED("v2SystemRegionUnregister"),
    REFUSED("v2SystemUnregister"),
    REFUSED("v2CudaStatus"),
    REFUSED("v2CudaRegionStatus"),
    REFUSED("v2CudaRegister"),
    REFUSED("v2CudaRegionUnregister"),
    REFUSED("v2CudaUnregister"),
};

static const char schemas[] =
    "'v2_error':{'type':'object','required':['error'],'properties':{'error':{'type':'string'}}},"
    "'v2_parameters':{'type':'object','properties':{'parameters':{'type':'object','additionalProperties':{}}}},"
    "'v2_shape':{'type':'array','minItems':1,'maxItems':2,'items':{'type':'integer','minimum':1}},"
    "'v2_datatype':{'enum':['BOOL','UINT8','UINT16','UINT32','UINT64','INT8','INT16','INT32','INT64','FP16','BF16',"
    "'FP32','FP64','BYTES']},"
    "'v2_request':{'type':'object','required':['inputs'],'properties':{'id':{'type':'string'},"
    "'parameters':{'type':'object','properties':{'binary_data_output':{'type':'boolean'}}},"
    "'inputs':{'type':'array','minItems':1,'items':{'type':'object','required':['name','shape','datatype'],"
    "'properties':{'name':{'type':'string'},'shape':{'$ref':'#/components/schemas/v2_shape'},"
    "'datatype':{'$ref':'#/components/schemas/v2_datatype'},'parameters':{'type':'object','properties':{"
    "'binary_data_size':{'type':'integer','minimum':0},'missing':{'type':'number'}}},'data':{'type':'array'}}}},"
    "'outputs':{'type':'array','items':{'type':'object','required':['name'],'properties':{'name':{'type':'string'},"
    "'parameters':{'type':'object','properties':{'binary_data':{'type':'boolean'},'classification':{"
    "'type':'integer','minimum':0}}}}}}}},"
    "'v2_answer':{'type':'object','required':['model_name','model_version','outputs'],'properties':{"
    "'model_name':{'type':'string'},'model_version':{'type':'string'},'id':{'type':'string'},"
    "'outputs':{'type':'array','items':{'type':'object','required':['name','datatype','shape'],'properties':{"
    "'name':{'type':'string'},'datatype':{'$ref':'#/components/schemas/v2_datatype'},"
    "'shape':{'$ref':'#/components/schemas/v2_shape'},'parameters':{'type':'object'},'data':{'type':'array'}}}}}},"
    "'v2_live':{'type':'object','required':['live'],'properties':{'live':{'type':'boolean'}}},"
    "'v2_ready':{'type':'object','required':['ready'],'properties':{'ready':{'type':'boolean'}}},"
    "'v2_model_ready':{'type':'object','required':['name','ready'],'properties':{'name':{'type':'string'},"
    "'ready':{'type':'boolean'}}},"
    "'v2_server':{'type':'object','required':['name','version','extensions'],'properties':{'name':{'type':'string'},"
    "'version':{'type':'string'},'extensions':{'type':'array','items':{'type':'string'}}}},"
    "'v2_models':{'type':'object','required':['models'],'properties':{'models':{'type':'array','items':{"
    "'type':'string'}}}},"
    "'v2_tensors':{'type':'array','items':{'type':'object','required':['name','datatype','shape'],'properties':{"
    "'name':{'type':'string'},'datatype':{'$ref':'#/components/schemas/v2_datatype'},'shape':{'type':'array','items':{"
    "'type':'integer','minimum':-1}},'parameters':{'type':'object'}}}},"
    "'v2_model':{'type':'object','required':['name','platform','inputs','outputs'],'properties':{"
    "'name':{'type':'string'},'versions':{'type':'array','items':{'type':'string'}},'platform':{'type':'string'},"
    "'inputs':{'$ref':'#/components/schemas/v2_tensors'},'outputs':{'$ref':'#/components/schemas/v2_tensors'}}},"
    "'v2_config':{'type':'object','required':['name','max_batch_size','input','output'],'properties':{"
    "'name':{'type':'string'},'platform':{'type':'string'},'backend':{'type':'string'},"
    "'version_policy':{'type':'object'},'max_batch_size':{'type':'integer'},'input':{'type':'array','items':{"
    "'type':'object'}},'output':{'type':'array','items':{'type':'object'}}}},"
    "'v2_index':{'type':'array','items':{'type':'object','required':['name','state','reason'],'properties':{"
    "'name':{'type':'string'},'version':{'type':'string'},'state':{'enum':['READY','UNAVAILABLE']},"
    "'reason':{'type':'string'}}}},"
    "'v2_stats':{'type':'object','required':['model_stats'],'properties':{'model_stats':{'type':'array','items':{"
    "'type':'object','required':['name','version','inference_count','execution_count'],'properties':{"
    "'name':{'type':'string'},'version':{'type':'string'},'last_inference':{'type':'integer'},"
    "'inference_count':{'type':'integer'},'execution_count':{'type':'integer'},'inference_stats':{'type':'object'},"
    "'batch_stats':{'type':'array'}}}}}}";

const protocol_row v2_protocol = {
    .name = "v2",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = v2_fail,
    .about = "The Open Inference Protocol, version 2, with NVIDIA's extensions",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
    .fault = API_JSON(API_REF("v2_error")),
    .under = "/v2",
};
