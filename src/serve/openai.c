// Models in OpenAI's shape, and the routes that language models answer. No model that can be deployed today is one:
// what asks for text is told so, in the shape in which its client expects errors.
// SPDX-License-Identifier: Apache-2.0
#include "serve/openai.h"

#include <inttypes.h>

#include "base/json.h"
#include "serve/access.h"
#include "serve/models.h"
#include "serve/scan.h"

#define JSON_TYPE "application/json"

// Faults: {"error": {"message", "type", "param", "code"}}.

static const char *type_of(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
    }
}

// The codes that clients look for; others are ours.
static const char *code_of(int status, const place *at, const err *e)
{
    if (status == 401) return "invalid_api_key";
    if (status == 429 && !at->code) return "rate_limit_exceeded";
    const char *code = at->code ? at->code : err_name(e->code);
    return strcmp(code, "unknown_model") == 0 || strcmp(code, "not_deployed") == 0 ? "model_not_found" : code;
}

static void fail(response *r, int status, const err *e)
{
    if (status == 422) r->status = status = 400;
    r->content_type = JSON_TYPE;
    buf_add_text(r->body, "{\"error\":{\"message\":");
    json_quote(r->body, str_of(e->msg));
    buf_format(r->body, ",\"type\":\"%s\",\"param\":", type_of(status));
    if (r->at.column.len > 0)
        json_quote(r->body, r->at.column);
    else
        buf_add_text(r->body, "null");
    buf_format(r->body, ",\"code\":\"%s\"}}\n", code_of(status, &r->at, e));
}

// Models. Those that are deployed are there.

static void add_model(const snapshot_model *m, bool with_kserve, buf *out)
{
    str name = str_of(principal_name_of(m->name));
    buf_add_text(out, "{\"id\":");
    json_quote(out, name);
    buf_format(out, ",\"object\":\"model\",\"created\":%" PRId64 ",\"owned_by\":\"slipway\"", m->created_ms / 1000);
    if (with_kserve) {
        buf_add_text(out, ",\"name\":");
        json_quote(out, name);
        buf_add_text(out, m->now ? ",\"ready\":true" : ",\"ready\":false");
    }
    buf_add_char(out, '}');
}

static void add_list(const serving *s, const request *q, bool with_kserve, buf *out)
{
    size_t at = 0, n = 0;
    buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (const snapshot_model *m; (m = models_next(s, q, &at));) {
        if (m->wanted == 0) continue;
        if (n++ > 0) buf_add_char(out, ',');
        add_model(m, false, out);
    }
    buf_add_char(out, ']');
    if (with_kserve) {
        buf_add_text(out, ",\"models\":[");
        for (const snapshot_model *m = (at = n = 0, NULL); (m = models_next(s, q, &at));) {
            if (m->wanted == 0) continue;
            if (n++ > 0) buf_add_char(out, ',');
            json_quote(out, str_of(principal_name_of(m->name)));
        }
        buf_add_char(out, ']');
    }
    buf_add_text(out, "}\n");
}

static int list_both(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    add_list(s, q, true, r->body);
    return 0;
}

static int list_pure(serving *s, const request *q, response *r, err *e)
{
    (void)e;
    add_list(s, q, false, r->body);
    return 0;
}

// One that is deployed: another is not there, as far as these protocols can say.
static int find_deployed(const serving *s, const request *q, str name, const snapshot_model **out, response *r, err *e)
{
    int rc = models_find(s, q, name, out, r, e);
    if (rc == 0 && (*out)->wanted == 0) {
        r->at.code = "not_deployed";
        rc = err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is deployed", principal_name_of((*out)->name));
    }
    if (rc < 0) r->at.column = STR("model");
    return rc;
}

static int get_both(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(find_deployed(s, q, q->parameters[0], &m, r, e));
    add_model(m, true, r->body);
    buf_add_char(r->body, '\n');
    return 0;
}

static int get_pure(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    TRY(find_deployed(s, q, q->parameters[0], &m, r, e));
    add_model(m, false, r->body);
    buf_add_char(r->body, '\n');
    return 0;
}

// Text. The body is read as far as it says which model is meant.

static int wrong_body(response *r, err *e, const char *code, const char *param, const char *why)
{
    r->status = 400;
    r->at.code = code;
    r->at.column = str_of(param);
    return err_set(e, ERR_INPUT, "%s", why);
}

// The member "model" of a sound body; the rest is passed over.
static int read_model(const request *q, str *wanted, response *r, err *e)
{
    scan in = scan_of(q->body, &r->at, q->memory, e);
    size_t n = 0;
    bool found = false;
    str name;
    int more;
    r->at = (place){.row = -1};
    scan_blanks(&in);
    if (in.at == in.end) return scan_not_json(&in, "it is empty");
    if (!scan_take(&in, '{')) {
        TRY(scan_other(&in));
        return wrong_body(r, e, "wrong_shape", "", "the body is no object");
    }
    while ((more = scan_member(&in, &n, &name)) > 0) {
        if (!str_equal(name, STR("model"))) {
            TRY(scan_skip(&in));
            continue;
        }
        if (found) return wrong_body(r, e, "wrong_shape", "model", "\"model\" comes twice");
        if (in.at == in.end || *in.at != '"') {
            TRY(scan_other(&in));
            return wrong_body(r, e, "invalid_type", "model", "\"model\" is no text");
        }
        TRY(scan_text(&in, wanted));
        found = true;
    }
    if (more < 0) return more;
    TRY(scan_end(&in));
    return found ? 0 : wrong_body(r, e, "missing_required_parameter", "model", "you must say which \"model\"");
}

static int generate(serving *s, const request *q, response *r, err *e)
{
    const snapshot_model *m;
    str wanted;
    TRY(read_model(q, &wanted, r, e));
    TRY(find_deployed(s, q, wanted, &m, r, e));
    const char *name = principal_name_of(m->name);
    r->status = 400;
    r->at.code = "not_a_language_model";
    r->at.column = STR("model");
    return err_set(e, ERR_INPUT,
                   "\"%s\" predicts from columns and is no language model: ask POST /api/v1/models/%s/predict", name,
                   name);
}

#define LIST_ABOUT "The deployed models, in the shapes of OpenAI and KServe V1"
#define GET_ABOUT "One deployed model, in the shapes of OpenAI and KServe V1"

static const route routes[] = {
    {HTTP_GET, "/v1/models", "openaiListBoth", LIST_ABOUT, NULL, JSON_TYPE, list_both, MAY_PREDICT, 0},
    {HTTP_GET, "/v1/models/{}", "openaiGetBoth", GET_ABOUT, NULL, JSON_TYPE, get_both, MAY_PREDICT, 0},
    {HTTP_POST, "/v1/chat/completions", "openaiChat", "For language models", JSON_TYPE, JSON_TYPE, generate,
     MAY_PREDICT, 0},
    {HTTP_POST, "/v1/completions", "openaiComplete", "For language models", JSON_TYPE, JSON_TYPE, generate, MAY_PREDICT,
     0},
    {HTTP_POST, "/v1/embeddings", "openaiEmbed", "For language models", JSON_TYPE, JSON_TYPE, generate, MAY_PREDICT, 0},
    {HTTP_GET, "/openai/v1/models", "openaiList", "The deployed models", NULL, JSON_TYPE, list_pure, MAY_PREDICT, 0},
    {HTTP_GET, "/openai/v1/models/{}", "openaiGet", "One deployed model", NULL, JSON_TYPE, get_pure, MAY_PREDICT, 0},
    {HTTP_POST, "/openai/v1/chat/completions", "openaiPureChat", "For language models", JSON_TYPE, JSON_TYPE, generate,
     MAY_PREDICT, 0},
    {HTTP_POST, "/openai/v1/completions", "openaiPureComplete", "For language models", JSON_TYPE, JSON_TYPE, generate,
     MAY_PREDICT, 0},
    {HTTP_POST, "/openai/v1/embeddings", "openaiPureEmbed", "For language models", JSON_TYPE, JSON_TYPE, generate,
     MAY_PREDICT, 0},
};

#define CHAT_BODY API_JSON(API_REF("openai_chat"))
#define TEXT_BODY API_JSON(API_REF("openai_text"))
#define EMBED_BODY API_JSON(API_REF("openai_embed"))
// No model that can be deployed answers, so there is no 200.
#define NO_TEXT \
    API_ANSWER("400", "The model is no language model, or the body is not sound", API_JSON(API_REF("openai_fault")))
#define NO_MODEL API_ANSWER("404", "There is no such model", API_JSON(API_REF("openai_fault")))
#define GENERATED NO_TEXT "," NO_MODEL

static const route_api api[] = {
    {.route = "openaiListBoth", .answers = API_ANSWER("200", "The models", API_JSON(API_REF("openai_models_both")))},
    {.route = "openaiGetBoth", .answers = API_ANSWER("200", "The model", API_JSON(API_REF("openai_model_both")))},
    {.route = "openaiList", .answers = API_ANSWER("200", "The models", API_JSON(API_REF("openai_models")))},
    {.route = "openaiGet", .answers = API_ANSWER("200", "The model", API_JSON(API_REF("openai_model")))},
    {.route = "openaiChat", .body = CHAT_BODY, .answers = GENERATED},
    {.route = "openaiComplete", .body = TEXT_BODY, .answers = GENERATED},
    {.route = "openaiEmbed", .body = EMBED_BODY, .answers = GENERATED},
    {.route = "openaiPureChat", .body = CHAT_BODY, .answers = GENERATED},
    {.route = "openaiPureComplete", .body = TEXT_BODY, .answers = GENERATED},
    {.route = "openaiPureEmbed", .body = EMBED_BODY, .answers = GENERATED},
};

#define MODEL_PROPERTIES \
    "'id':{'type':'string'},'object':{'const':'model'},'created':{'type':'integer'},'owned_by':{'type':'string'}"
#define MODEL_REQUIRED "'id','object','created','owned_by'"

static const char schemas[] =
    "'openai_model':{'type':'object','required':[" MODEL_REQUIRED "],'properties':{" MODEL_PROPERTIES "}},"
    "'openai_model_both':{'type':'object','required':[" MODEL_REQUIRED
    ",'name','ready'],'properties':{" MODEL_PROPERTIES ",'name':{'type':'string'},'ready':{'type':'boolean'}}},"
    "'openai_models':{'type':'object','required':['object','data'],'properties':{'object':{'const':'list'},"
    "'data':{'type':'array','items':{'$ref':'#/components/schemas/openai_model'}}}},"
    "'openai_models_both':{'type':'object','required':['object','data','models'],'properties':{'object':{"
    "'const':'list'},'data':{'type':'array','items':{'$ref':'#/components/schemas/openai_model'}},"
    "'models':{'type':'array','items':{'type':'string'}}}},"
    "'openai_chat':{'type':'object','required':['model','messages'],'properties':{'model':{'type':'string'},"
    "'messages':{'type':'array','items':{'type':'object'}}}},"
    "'openai_text':{'type':'object','required':['model','prompt'],'properties':{'model':{'type':'string'},"
    "'prompt':{'type':['string','array']}}},"
    "'openai_embed':{'type':'object','required':['model','input'],'properties':{'model':{'type':'string'},"
    "'input':{'type':['string','array']}}},"
    "'openai_fault':{'type':'object','required':['error'],'properties':{'error':{'type':'object','required':["
    "'message','type','param','code'],'properties':{'message':{'type':'string'},'type':{'type':'string'},"
    "'param':{'type':['string','null']},'code':{'type':['string','null']}}}}}";

const protocol_row openai_protocol = {
    .name = "openai",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = fail,
    .about = "The routes of OpenAI; /openai/v1 has its shapes alone",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
    .fault = API_JSON(API_REF("openai_fault")),
};
