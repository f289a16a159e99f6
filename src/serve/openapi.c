// Pieces of JSON, joined. Nothing here is parsed or built as a tree: a description is made by copying.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/openapi.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "serve/access.h"

enum { TEXT_MAX = 16 << 20 };

// A piece of the text.
typedef struct piece {
    size_t at, len;
} piece;

typedef struct operation {
    piece text;
    unsigned needs;
    uint64_t hash;
    bool each_model;
} operation;

typedef struct path { // of the operations from `first` on
    piece key;        // "/api/v1/models/{name}":{
    size_t first, n;
} path;

struct openapi {
    buf text;
    operation *operations; // n_operations, those of one path together
    path *paths;           // n_paths
    size_t n_operations, n_paths;
    piece head, tail;
};

static const char head[] =
    "{'openapi':'3.1.0','info':{'title':'Slipway','version':'" SLIPWAY_VERSION
    "','license':{'name':'Apache-2.0','identifier':'Apache-2.0'},'description':'What this server answers to the key "
    "that asked, with the columns of each model. HEAD works where GET does; OPTIONS answers 204 with Allow.'},"
    "'servers':[{'url':'/'}],";

static const char headers[] =
    "'headers':{'Retry-After':{'description':'Seconds after which another try may help','schema':{'type':'integer',"
    "'minimum':0}},'Allow':{'description':'With 405: the methods of this path','schema':{'type':'string'}},"
    "'WWW-Authenticate':{'description':'With 401','schema':{'type':'string'}}}";

static const char common_schemas[] =
    "'problem':{'type':'object','required':['type','title','status','detail','code'],'properties':{"
    "'type':{'type':'string','format':'uri'},'title':{'type':'string'},'status':{'type':'integer'},"
    "'detail':{'type':'string'},'code':{'type':'string','description':'For programs'},"
    "'row':{'type':'integer','minimum':0,'description':'Row of the body, counted from 0'},"
    "'column':{'type':'string'},'pointer':{'type':'string','description':'RFC 6901 into the body'},"
    "'offset':{'type':'integer','minimum':0,'description':'Byte of the body'}}},"
    "'row':{'type':'object','description':'A value for each column','additionalProperties':{"
    "'type':['number','string','boolean','null']}},"
    "'columns':{'type':'object','minProperties':1,'description':'An array for each column, all of one length',"
    "'additionalProperties':{'type':'array','minItems':1,'items':{'type':['number','string','boolean','null']}}}";

static const char security_schemes[] =
    "'securitySchemes':{'bearer':{'type':'http','scheme':'bearer','description':'A key: slip_...'},"
    "'key':{'type':'apiKey','in':'header','name':'X-API-Key'}}";

#define PROBLEM_MEDIA API_MEDIA("application/problem+json", API_REF("problem"))

// A text of ours, its ' as ".
static void add_quoted(buf *out, const char *text)
{
    size_t len = strlen(text);
    char *to = buf_reserve(out, len);
    if (!to) return;
    for (size_t i = 0; i < len; i++) to[i] = text[i] == '\'' ? '"' : text[i];
    out->len += len;
}

static void add_json_text(buf *out, const char *text)
{
    json_quote(out, str_of(text));
}

// The routes.

static const route_api *api_of(const protocol_row *p, const route *r)
{
    static const route_api nothing = {0};
    for (size_t i = 0; i < p->n_api; i++)
        if (strcmp(p->api[i].route, r->name) == 0) return &p->api[i];
    return &nothing;
}

// Names of a pattern's {}: of whichever route with that pattern has some, because a path has one set of them.
static const char *parameters_of(const char *pattern)
{
    size_t n;
    const protocol_row *const *rows = protocol_rows(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < rows[i]->n_routes; k++) {
            const route_api *api = api_of(rows[i], &rows[i]->routes[k]);
            if (api->parameters && strcmp(rows[i]->routes[k].pattern, pattern) == 0) return api->parameters;
        }
    return "name version item part";
}

// The next of names with blanks between, or of media types with commas.
static str next_word(const char **at, const char *separators)
{
    *at += strspn(*at, separators);
    str word = {*at, strcspn(*at, separators)};
    *at += word.len;
    return word;
}

static void add_path(buf *out, const char *pattern)
{
    const char *names = parameters_of(pattern);
    for (const char *mark; (mark = strstr(pattern, "{}")); pattern = mark + 2) {
        buf_add(out, pattern, (size_t)(mark - pattern) + 1);
        buf_add_str(out, next_word(&names, " "));
        buf_add_char(out, '}');
    }
    buf_add_text(out, pattern);
}

static void add_parameters(buf *out, const char *pattern, const char *more)
{
    const char *names = parameters_of(pattern);
    bool any = false;
    for (; (pattern = strstr(pattern, "{}")); pattern += 2, any = true) {
        buf_add_text(out, any ? ",{\"name\":\"" : ",\"parameters\":[{\"name\":\"");
        buf_add_str(out, next_word(&names, " "));
        buf_add_text(out, "\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\",\"minLength\":1}}");
    }
    if (more) {
        buf_add_text(out, any ? "," : ",\"parameters\":[");
        add_quoted(out, more);
    }
    if (any || more) buf_add_char(out, ']');
}

// "application/json":{"schema":{}},... for each of the types.
static void add_media(buf *out, const char *types)
{
    str type;
    for (size_t n = 0; (type = next_word(&types, ", ")).len > 0; n++) {
        if (n > 0) buf_add_char(out, ',');
        const char *end = memchr(type.data, ';', type.len);
        bool is_json = memmem(type.data, type.len, "json", 4) != NULL;
        buf_add_char(out, '"');
        buf_add(out, type.data, end ? (size_t)(end - type.data) : type.len);
        buf_add_text(out, is_json ? "\":{\"schema\":{}}" : "\":{\"schema\":{\"type\":\"string\"}}");
        if (end) return; // what follows is a parameter
    }
}

static void add_fault(buf *out, const protocol_row *p, const char *answers, const char *status)
{
    char text[8];
    snprintf(text, sizeof text, "'%s'", status);
    if (answers && strstr(answers, text)) return;
    buf_format(out, ",\"%s\":{\"$ref\":\"#/components/responses/%s_fault\"}", status, p->name);
}

static void add_answers(buf *out, const protocol_row *p, const route *r, const route_api *api)
{
    buf_add_text(out, ",\"responses\":{");
    if (api->answers) {
        add_quoted(out, api->answers);
    } else {
        buf_add_text(out, "\"200\":{\"description\":");
        add_json_text(out, r->about);
        buf_add_text(out, ",\"content\":{");
        add_media(out, r->gives);
        buf_add_text(out, "}}");
    }
    add_fault(out, p, api->answers, "4XX");
    add_fault(out, p, api->answers, "5XX");
    buf_add_char(out, '}');
}

static const struct {
    http_method method;
    const char *name;
} methods[] = {{HTTP_GET, "get"}, {HTTP_POST, "post"}, {HTTP_PUT, "put"}, {HTTP_DELETE, "delete"}};

enum { METHODS_N = sizeof methods / sizeof *methods };

static void add_operation(buf *out, const protocol_row *p, const route *r, size_t method)
{
    const route_api *api = api_of(p, r);
    bool first = !(r->methods & ((unsigned)methods[method].method - 1) & ~(unsigned)HTTP_HEAD);
    buf_format(out, "\"%s\":{\"operationId\":\"%s%s%s\",\"tags\":[\"%s\"],\"summary\":", methods[method].name, r->name,
               first ? "" : "_", first ? "" : methods[method].name, p->name);
    add_json_text(out, r->about);
    add_parameters(out, r->pattern, api->more);
    if (r->takes && methods[method].method != HTTP_GET) {
        buf_format(out, ",\"requestBody\":{\"required\":%s,\"content\":{", api->body_optional ? "false" : "true");
        if (api->body)
            add_quoted(out, api->body);
        else
            add_media(out, r->takes);
        buf_add_text(out, "}}");
    }
    add_answers(out, p, r, api);
    if (r->needs & FOR_ANYONE) buf_add_text(out, ",\"security\":[]");
    buf_add_char(out, '}');
}

static piece end_piece(const buf *b, size_t at)
{
    return (piece){.at = at, .len = b->len - at};
}

static bool is_first(size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(route_at(i)->pattern, route_at(index)->pattern) == 0) return false;
    return true;
}

// The operations of all routes with a pattern.
static void add_pattern(openapi *a, const char *pattern)
{
    size_t n, at = a->text.len;
    const protocol_row *const *rows = protocol_rows(&n);
    path *item = &a->paths[a->n_paths++];
    buf_add_char(&a->text, '"');
    add_path(&a->text, pattern);
    buf_add_text(&a->text, "\":{");
    item->key = end_piece(&a->text, at);
    item->first = a->n_operations;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < rows[i]->n_routes; k++) {
            const route *r = &rows[i]->routes[k];
            if (strcmp(r->pattern, pattern) != 0) continue;
            for (size_t m = 0; m < METHODS_N; m++) {
                if (!(r->methods & methods[m].method)) continue;
                operation *o = &a->operations[a->n_operations++];
                at = a->text.len;
                add_operation(&a->text, rows[i], r, m);
                o->text = end_piece(&a->text, at);
                o->needs = r->needs;
                o->each_model = api_of(rows[i], r)->each_model;
                if (!a->text.failed) o->hash = hash_bytes(a->text.data + at, o->text.len, 0);
            }
        }
    item->n = a->n_operations - item->first;
}

// Whether no row before has this one's name: a protocol may be in several files, and its first row tells what it is.
static bool is_first_row(const protocol_row *const *rows, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(rows[i]->name, rows[index]->name) == 0) return false;
    return true;
}

static void add_tail(buf *out)
{
    size_t n;
    const protocol_row *const *rows = protocol_rows(&n);
    buf_add_text(out, "},\"tags\":[");
    for (size_t i = 0; i < n; i++) {
        if (!is_first_row(rows, i)) continue;
        buf_format(out, "%s{\"name\":\"%s\",\"description\":", i > 0 ? "," : "", rows[i]->name);
        add_json_text(out, rows[i]->about ? rows[i]->about : rows[i]->name);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "],\"components\":{");
    add_quoted(out, security_schemes);
    buf_add_text(out, ",\"responses\":{");
    for (size_t i = 0; i < n; i++) {
        if (!is_first_row(rows, i)) continue;
        buf_format(out, "%s\"%s_fault\":{\"description\":\"What is wrong, where and why\",", i > 0 ? "," : "",
                   rows[i]->name);
        add_quoted(out, headers);
        buf_add_text(out, ",\"content\":{");
        const char *fault = rows[i]->fault;
        // What is no sound HTTP is refused before it is known whose path it is.
        add_quoted(out, fault ? fault : PROBLEM_MEDIA);
        if (fault) add_quoted(out, "," PROBLEM_MEDIA);
        buf_add_text(out, "}}");
    }
    buf_add_text(out, "},\"schemas\":{");
    add_quoted(out, common_schemas);
    for (size_t i = 0; i < n; i++) {
        if (!rows[i]->schemas) continue;
        buf_add_char(out, ',');
        add_quoted(out, rows[i]->schemas);
    }
    buf_add_text(out, "}}}\n");
}

int openapi_new(openapi **out, err *e)
{
    openapi *a = mem_zalloc(1, sizeof *a);
    if (!a) return err_set(e, ERR_MEMORY, "no memory for the description");
    size_t n = route_count();
    buf_init(&a->text, TEXT_MAX);
    a->operations = mem_zalloc(METHODS_N * n, sizeof *a->operations);
    a->paths = mem_zalloc(n, sizeof *a->paths);
    if (!a->operations || !a->paths) {
        openapi_free(a);
        return err_set(e, ERR_MEMORY, "no memory for the description of %zu routes", n);
    }
    add_quoted(&a->text, head);
    a->head = end_piece(&a->text, 0);
    for (size_t i = 0; i < n; i++)
        if (is_first(i)) add_pattern(a, route_at(i)->pattern);
    size_t at = a->text.len;
    add_tail(&a->text);
    a->tail = end_piece(&a->text, at);
    int rc = buf_check(&a->text, e);
    if (rc < 0) {
        openapi_free(a);
        return rc;
    }
    *out = a;
    return 0;
}

void openapi_free(openapi *a)
{
    if (!a) return;
    buf_clear(&a->text);
    mem_free(a->operations);
    mem_free(a->paths);
    mem_free(a);
}

// For a caller.

static bool may_see(const operation *o, const principal *who)
{
    return o->needs & (who->may | FOR_ANYONE);
}

// Whoever sees the operation that is described for each model sees the models' too.
static bool sees_models(const openapi *a, const principal *who)
{
    for (size_t i = 0; i < a->n_operations; i++)
        if (a->operations[i].each_model && may_see(&a->operations[i], who)) return true;
    return false;
}

// Whether no key is needed: then the document says so.
static bool is_local(const principal *who)
{
    return strcmp(who->id, local_principal.id) == 0;
}

static void add_piece(const openapi *a, piece p, buf *out)
{
    buf_add(out, a->text.data + p.at, p.len);
}

void openapi_write(const openapi *a, const principal *who, const openapi_part *const *parts, buf *out)
{
    bool any = false;
    add_piece(a, a->head, out);
    buf_add_text(out, is_local(who) ? "\"security\":[{},{\"bearer\":[]},{\"key\":[]}],\"paths\":{"
                                    : "\"security\":[{\"bearer\":[]},{\"key\":[]}],\"paths\":{");
    for (size_t i = 0; i < a->n_paths; i++) {
        const path *p = &a->paths[i];
        bool some = false;
        for (size_t k = p->first; k < p->first + p->n; k++) {
            if (!may_see(&a->operations[k], who)) continue;
            if (some || any) buf_add_char(out, ',');
            if (!some) add_piece(a, p->key, out);
            add_piece(a, a->operations[k].text, out);
            some = any = true;
        }
        if (some) buf_add_char(out, '}');
    }
    for (; sees_models(a, who) && *parts; parts++) {
        if ((*parts)->text.len == 0) continue;
        if (any) buf_add_char(out, ',');
        buf_add_str(out, (*parts)->text);
        any = true;
    }
    add_piece(a, a->tail, out);
}

void openapi_etag(const openapi *a, const principal *who, const openapi_part *const *parts,
                  char etag[OPENAPI_ETAG_SIZE])
{
    uint64_t hash = hash_bytes(a->text.data + a->tail.at, a->tail.len, is_local(who));
    for (size_t i = 0; i < a->n_operations; i++)
        if (may_see(&a->operations[i], who))
            hash = hash_bytes(&a->operations[i].hash, sizeof a->operations[i].hash, hash);
    for (; sees_models(a, who) && *parts; parts++) hash = hash_bytes(&(*parts)->hash, sizeof(*parts)->hash, hash);
    snprintf(etag, OPENAPI_ETAG_SIZE, "\"%016" PRIx64 "\"", hash);
}
