// The route. Which status an answer has depends on its media type: application/json always says 200 once the request
// could be read, application/graphql-response+json says what came of it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/graphql.h"

#include <string.h>

#include "graphql/execute.h"
#include "graphql/validate.h"
#include "serve/graphql_impl.h"

#define JSON_TYPE "application/json"
#define RESPONSE_TYPE "application/graphql-response+json"
#define UTF8 "; charset=utf-8"

// Media types.

const char *graphql_media(str accept)
{
    if (accept.len == 0) return JSON_TYPE UTF8;
    bool named;
    int json = http_weight(accept, JSON_TYPE, NULL), graphql = http_weight(accept, RESPONSE_TYPE, &named);
    if (graphql > 0 && (graphql > json || (graphql == json && named))) return RESPONSE_TYPE UTF8;
    return JSON_TYPE UTF8;
}

// Errors that are not of a document: in the same shape.
static void write_fault(buf *out, const char *code, const char *message)
{
    buf_add_text(out, "{\"errors\":[{\"message\":");
    json_quote(out, str_of(message));
    buf_format(out, ",\"extensions\":{\"code\":\"%s\"}}]}\n", code);
}

static void fail(response *r, int status, const err *e)
{
    // Where the media type is ours already, the request got as far as its handler.
    bool chosen = r->content_type && strcmp(r->content_type, RESPONSE_TYPE UTF8) == 0;
    if (status == 422) r->status = 400;
    r->content_type = chosen ? RESPONSE_TYPE UTF8 : JSON_TYPE UTF8;
    write_fault(r->body, r->at.code ? r->at.code : err_name(e->code), e->msg);
}

// One request.

typedef struct call {
    graphql_ask ask;
    gql_document *document;
    gql_definition *operation;
    gql_value *variables;
    gql_errors errors;
} call;

static int prepare(call *c, arena *a, err *e)
{
    err why = ERR_NONE;
    int rc = gql_parse(&c->document, c->ask.query, a, &why);
    if (rc == ERR_MEMORY) return err_set(e, rc, "%s", why.msg);
    if (rc < 0) {
        gql_errors_take(&c->errors, rc == ERR_LIMIT ? "limit" : "syntax", &why);
        return 0;
    }
    TRY(gql_validate(c->document, &graphql_schema, &c->errors, a, e));
    if (c->errors.n > 0) return 0;
    c->operation = gql_find_operation(c->document, c->ask.operation, &c->errors);
    if (!c->operation) return 0;
    return gql_coerce_variables(&c->variables, c->operation, c->ask.variables, &c->errors, a, e);
}

static int execute(call *c, serving *s, const request *q, response *r, err *e)
{
    graphql_context g = {.serving = s, .request = q};
    const gql_execution x = {.schema = &graphql_schema,
                             .document = c->document,
                             .operation = c->operation,
                             .variables = c->variables,
                             .context = &g,
                             .memory = q->memory,
                             .errors = &c->errors};
    buf_add_text(r->body, "{\"data\":");
    int rc = gql_execute(&x, r->body, e);
    graphql_let_go(&g);
    if (rc == ERR_LIMIT) { // the answer is too long: what there is of it is of no use
        buf_reset(r->body);
        buf_add_text(r->body, "{\"data\":null");
        gql_errors_add(&c->errors, "limit", GQL_AT_NONE, "%s", e->msg);
        rc = 0;
    }
    TRY(rc);
    if (c->errors.n > 0) {
        buf_add_text(r->body, ",\"errors\":");
        gql_errors_format(&c->errors, c->ask.query, r->body);
    }
    buf_add_text(r->body, "}\n");
    return 0;
}

// A document that cannot be executed: no "data" at all.
static int refuse(const call *c, response *r)
{
    bool strict = strcmp(r->content_type, RESPONSE_TYPE UTF8) == 0;
    r->status = strict ? 400 : 200;
    buf_add_text(r->body, "{\"errors\":");
    gql_errors_format(&c->errors, c->ask.query, r->body);
    buf_add_text(r->body, "}\n");
    return 0;
}

static int answer(call *c, serving *s, const request *q, response *r, err *e)
{
    c->errors.memory = q->memory;
    TRY(prepare(c, q->memory, e));
    if (c->errors.n > 0) return refuse(c, r);
    if (c->operation->kind != GQL_QUERY && q->method != HTTP_POST) {
        r->status = 405;
        r->extra = "Allow: POST\r\n";
        r->at.code = "method";
        return err_set(e, ERR_INPUT, "a mutation is sent by POST");
    }
    return execute(c, s, q, r, e);
}

static int no_request(response *r, int rc)
{
    if (rc != ERR_MEMORY) r->status = 400;
    return rc;
}

static int by_get(serving *s, const request *q, response *r, err *e)
{
    call c = {0};
    r->content_type = graphql_media(request_field(q, FIELD_ACCEPT));
    int rc = graphql_read_query(&c.ask, q->query, &r->at, q->memory, e);
    return rc < 0 ? no_request(r, rc) : answer(&c, s, q, r, e);
}

static int by_post(serving *s, const request *q, response *r, err *e)
{
    call c = {0};
    r->content_type = graphql_media(request_field(q, FIELD_ACCEPT));
    if (q->head && request_field(q, FIELD_CONTENT_TYPE).len == 0) {
        // A page of the web can send a body without a type to us, but none with this one.
        r->status = 415;
        r->at.code = "media_type";
        return err_set(e, ERR_INPUT, "Content-Type must be application/json");
    }
    int rc = graphql_read_body(&c.ask, q->body, &r->at, q->memory, e);
    return rc < 0 ? no_request(r, rc) : answer(&c, s, q, r, e);
}

#define BOTH_TYPES JSON_TYPE "," RESPONSE_TYPE

// To come in at all; each field wants one of its own, see graphql_may().
enum { COMES_IN = MAY_PREDICT | MAY_READ | MAY_MONITOR };

static const route routes[] = {
    {HTTP_POST, "/graphql", "graphql", "Execute a GraphQL document", JSON_TYPE, BOTH_TYPES, by_post, COMES_IN,
     ROUTE_BLOCKS},
    {HTTP_GET, "/graphql", "graphqlQuery", "Execute a GraphQL document that changes nothing", NULL, BOTH_TYPES, by_get,
     COMES_IN, ROUTE_BLOCKS},
};

#define ANSWER API_MEDIA(JSON_TYPE, API_REF("graphql_answer")) "," API_MEDIA(RESPONSE_TYPE, API_REF("graphql_answer"))
#define NO_HTTP API_MEDIA("application/problem+json", API_REF("problem"))
#define ANSWERS                                                         \
    API_ANSWER("200", "What the document asked for, or errors", ANSWER) \
    "," API_ANSWER("400", "A request or document that cannot be executed, or no sound HTTP", ANSWER "," NO_HTTP)

static const route_api api[] = {
    {.route = "graphql", .body = API_JSON(API_REF("graphql_request")), .answers = ANSWERS},
    {.route = "graphqlQuery",
     .more =
         "{'name':'query','in':'query','required':true,'description':'The document',"
         "'schema':{'type':'string'}}," API_QUERY(
             "operationName", "Which of its operations",
             "{'type':'string'}") "," API_QUERY("variables", "Their values, as JSON",
                                                "{'type':'string'}") "," API_QUERY("extensions", "Passed over, as JSON",
                                                                                   "{'type':'string'}"),
     .answers = ANSWERS},
};

static const char schemas[] =
    "'graphql_request':{'type':'object','required':['query'],'properties':{'query':{'type':'string'},"
    "'operationName':{'type':['string','null']},'variables':{'type':['object','null']},"
    "'extensions':{'type':['object','null']}}},"
    "'graphql_answer':{'type':'object','properties':{'data':{'type':['object','null']},'errors':{'type':'array',"
    "'items':{'type':'object','required':['message'],'properties':{'message':{'type':'string'},"
    "'locations':{'type':'array','items':{'type':'object','properties':{'line':{'type':'integer'},"
    "'column':{'type':'integer'}}}},'path':{'type':'array'},'extensions':{'type':'object',"
    "'properties':{'code':{'type':'string'}}}}}}}}";

const protocol_row graphql_protocol = {
    .name = "graphql",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = fail,
    .about = "GraphQL: models, versions, deployments, metrics and predictions",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
    .fault = API_JSON(API_REF("graphql_answer")),
};
