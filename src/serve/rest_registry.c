// Versions and aliases of a model over HTTP: looked at, uploaded, downloaded, pointed elsewhere, removed. All of it is
// for workers: each has a handle on the registry.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/model.h"
#include "serve/access.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/serving.h"
#include "serve/spool.h"

#define FILE_TYPE "application/octet-stream"

// What a request is about: the registry's name of the model in its path, and the registry.
typedef struct subject {
    registry *registry;
    char name[OWNED_NAME_SIZE];
    const char *shown; // as the caller knows it: a view into name
} subject;

static int find_subject(subject *t, serving *s, const request *q, response *r, err *e)
{
    TRY(rest_model_name(q, q->parameters[0], t->name, r, e));
    t->shown = principal_name_of(t->name);
    return serving_registry(s, &t->registry, e);
}

// What went wrong in the registry, as the caller may read it.
static int tell(const request *q, response *r, const char *code, int rc, err *e)
{
    rest_hide_tenant(q, e);
    if (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) r->at.code = code;
    return rc;
}

static int find_model(subject *t, registry_model *m, serving *s, const request *q, response *r, err *e)
{
    TRY(find_subject(t, s, q, r, e));
    int rc = registry_find(t->registry, t->name, m, e);
    return rc < 0 ? tell(q, r, "unknown_model", rc, e) : 0;
}

// The version that the second parameter names by its number.
static int find_version(subject *t, registry_model *m, const registry_version **out, serving *s, const request *q,
                        response *r, err *e)
{
    int64_t number;
    TRY(rest_number(q->parameters[1], "unknown_version", &number, r, e));
    TRY(find_model(t, m, s, q, r, e));
    for (size_t i = 0; i < m->n_versions; i++) {
        if (m->versions[i].version != number) continue;
        *out = &m->versions[i];
        return 0;
    }
    registry_model_clear(m);
    r->at.code = "unknown_version";
    return err_set(e, ERR_NOT_FOUND, "\"%s\" has no version %" PRId64, t->shown, number);
}

// An alias, as the second parameter gives it.
static int read_alias(const request *q, char out[ALIAS_MAX + 1], response *r, err *e)
{
    str text = q->parameters[1];
    bool fits = text.len <= ALIAS_MAX;
    if (fits) memcpy(out, text.data, text.len);
    out[fits ? text.len : 0] = '\0';
    const char *fault = fits ? alias_fault(out) : "is longer than 64 characters";
    if (!fault) return 0;
    r->at.code = q->method & HTTP_PUT ? "invalid_name" : "unknown_alias";
    return err_set(e, q->method & HTTP_PUT ? ERR_INPUT : ERR_NOT_FOUND, "the alias \"%s\" %s", out, fault);
}

// Versions.

static json_t *version_json(const registry_model *m, const registry_version *v)
{
    char time[CLOCK_TEXT_SIZE];
    json_t *aliases = json_array(), *metrics = NULL;
    for (size_t i = 0; aliases && i < m->n_aliases; i++)
        if (m->aliases[i].version == v->version) json_array_append_new(aliases, json_string(m->aliases[i].name));
    if (!v->metrics || json_parse(&metrics, str_of(v->metrics), NULL) < 0) metrics = json_object();
    return json_pack("{s:I,s:s,s:s,s:I,s:o,s:o}", "version", (json_int_t)v->version, "digest", v->digest, "created",
                     clock_format_utc(v->created_ms, time), "size", (json_int_t)v->size, "aliases", aliases, "metrics",
                     metrics);
}

static int list_versions(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    TRY(find_model(&t, &m, s, q, r, e));
    json_t *list = json_array();
    int rc = list ? 0 : err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t i = 0; rc == 0 && i < m.n_versions; i++) rc = json_push(list, version_json(&m, &m.versions[i]), e);
    registry_model_clear(&m);
    if (rc == 0) return rest_send(r, json_pack("{s:s,s:o}", "model", t.shown, "versions", list), e);
    json_decref(list);
    return rc;
}

// What the record says, and what the package says of itself.
static int get_version(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    const registry_version *v;
    package *p = NULL;
    json_t *schema_json = NULL;
    TRY(find_version(&t, &m, &v, s, q, r, e));
    json_t *j = version_json(&m, v);
    int rc = registry_load(t.registry, t.name, v->version, &p, e);
    registry_model_clear(&m);
    if (rc == 0) rc = schema_to_json(&p->schema, &schema_json, e);
    if (rc == 0) rc = json_put(j, "schema", schema_json, e);
    if (rc == 0) rc = json_put(j, "model", json_string(t.shown), e);
    if (rc == 0) rc = json_put(j, "recipe", json_string(p->recipe), e);
    if (rc == 0) rc = json_put(j, "options", p->options ? json_incref(p->options) : json_object(), e);
    if (rc == 0) rc = json_put(j, "training", p->training ? json_incref(p->training) : json_object(), e);
    if (rc == 0) {
        rc = rest_send(r, j, e);
    } else {
        json_decref(j);
    }
    package_free(p);
    return rc < 0 ? tell(q, r, "unknown_version", rc, e) : 0;
}

static int download(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    const registry_version *v;
    package *p = NULL;
    str file = {0};
    TRY(find_version(&t, &m, &v, s, q, r, e));
    int64_t number = v->version;
    registry_model_clear(&m);
    int rc = registry_load(t.registry, t.name, number, &p, e);
    if (rc == 0) rc = package_onnx(p, &file, e);
    enum { LINES_MAX = 256 };
    char *lines = rc == 0 ? arena_alloc(q->memory, LINES_MAX, 1) : NULL;
    if (rc == 0 && !lines) rc = err_set(e, ERR_MEMORY, "no memory for a header");
    if (rc == 0) {
        snprintf(lines, LINES_MAX,
                 "Content-Disposition: attachment; filename=\"%s-%" PRId64 ".onnx\"\r\nETag: \"%s\"\r\n", t.shown,
                 number, p->digest);
        r->extra = lines;
        buf_add_str(r->body, file);
    }
    package_free(p);
    return rc < 0 ? tell(q, r, "unknown_version", rc, e) : 0;
}

static int remove_version(serving *s, const request *q, response *r, err *e)
{
    subject t;
    int64_t number;
    bool force = false;
    TRY(rest_number(q->parameters[1], "unknown_version", &number, r, e));
    TRY(rest_query_boolean(q, "force", &force, r, e));
    TRY(find_subject(&t, s, q, r, e));
    registry_model m;
    int rc = registry_find(t.registry, t.name, &m, e); // first: what is not there suggests no names of others
    if (rc < 0) return tell(q, r, "unknown_model", rc, e);
    registry_model_clear(&m);
    rc = registry_remove(t.registry, t.name, number, force, e);
    if (rc < 0) return tell(q, r, rc == ERR_CONFLICT ? "aliased" : "unknown_version", rc, e);
    r->status = 204;
    return 0;
}

static int remove_model(serving *s, const request *q, response *r, err *e)
{
    subject t;
    bool force = false;
    registry_model m;
    TRY(rest_query_boolean(q, "force", &force, r, e));
    TRY(find_model(&t, &m, s, q, r, e));
    registry_model_clear(&m);
    int rc = registry_remove(t.registry, t.name, 0, force, e);
    if (rc < 0) return tell(q, r, rc == ERR_CONFLICT ? "aliased" : "unknown_model", rc, e);
    r->status = 204;
    return 0;
}

// A version is stored only if it can be served.
static int check_model(model **out, str file, response *r, err *e)
{
    package *p = NULL;
    int rc = package_from_onnx(&p, file, e);
    if (rc == 0) rc = model_open(out, p, e);
    if (rc < 0 && rc != ERR_MEMORY) {
        r->status = 422;
        r->at.code = "invalid_model";
    }
    return rc;
}

// What is asked of an upload beside its body, in the request's arena.
typedef struct upload_request {
    char name[OWNED_NAME_SIZE], alias[ALIAS_MAX + 1]; // alias "": none
} upload_request;

static int store_model(registry *g, const upload_request *u, model *m, const answer_key *key, const request *q,
                       response *r, err *e)
{
    char location[256];
    const package *p = model_package(m);
    const char *alias = u->alias[0] ? u->alias : NULL, *shown = principal_name_of(u->name);
    int64_t version = 0;
    bool existed = false;
    TRY(registry_deploy(g, u->name, p, NULL, alias, &version, &existed, e));
    snprintf(location, sizeof location, "/api/v1/models/%s/versions/%" PRId64, shown, version);
    TRY(rest_created(q, r, existed ? 200 : 201, e, "%s", location));
    TRY(rest_send(r,
                  json_pack("{s:s,s:I,s:s,s:b,s:s?}", "model", shown, "version", (json_int_t)version, "digest",
                            p->digest, "existed", existed, "alias", alias),
                  e));
    return rest_keep(g, key, q, r, location, e);
}

static int end_upload(spool *f, serving *s, const request *q, response *r, err *e)
{
    registry *g;
    model *m;
    str file;
    answer_key key;
    kept_answer kept;
    TRY(serving_registry(s, &g, e));
    TRY(rest_key(q, f->sum, &key, r, e));
    int rc = registry_answer_find(g, &key, &kept, e);
    if (rc == 0) return rest_replay(q, r, &kept, e);
    if (rc != ERR_NOT_FOUND) return rest_key_reused(r, rc);
    TRY(spool_map(f, &file, e));
    rc = check_model(&m, file, r, e);
    if (rc == 0) {
        rc = store_model(g, f->context, m, &key, q, r, e);
        model_drop(m);
    }
    file_unmap(file);
    return rc < 0 ? tell(q, r, "conflict", rc, e) : 0;
}

static int upload(serving *s, const request *q, response *r, err *e)
{
    str text;
    const char *fault = NULL;
    upload_request *u = arena_zalloc(q->memory, 1, sizeof *u);
    if (!u) return err_set(e, ERR_MEMORY, "no memory for a request");
    TRY(rest_model_name(q, q->parameters[0], u->name, r, e));
    TRY(rest_query(q, "alias", &text, r, e));
    if (text.data) {
        snprintf(u->alias, sizeof u->alias, "%.*s", (int)(text.len < ALIAS_MAX ? text.len : ALIAS_MAX), text.data);
        fault = text.len > ALIAS_MAX ? "is longer than 64 characters" : alias_fault(u->alias);
    }
    if (fault) {
        r->at.code = "invalid_name";
        return err_set(e, ERR_INPUT, "the alias \"%s\" %s", u->alias, fault);
    }
    return spool_start(s, r, s->options->dataset_max, end_upload, u, e);
}

// Aliases.

static int list_aliases(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    TRY(find_model(&t, &m, s, q, r, e));
    json_t *aliases = json_object();
    int rc = aliases ? 0 : err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t i = 0; rc == 0 && i < m.n_aliases; i++)
        rc = json_put(aliases, m.aliases[i].name, json_integer(m.aliases[i].version), e);
    registry_model_clear(&m);
    if (rc == 0) return rest_send(r, json_pack("{s:s,s:o}", "model", t.shown, "aliases", aliases), e);
    json_decref(aliases);
    return rc;
}

static int send_alias(const subject *t, const char *alias, int64_t version, response *r, err *e)
{
    return rest_send(r, json_pack("{s:s,s:s,s:I}", "model", t->shown, "alias", alias, "version", (json_int_t)version),
                     e);
}

static int get_alias(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    char alias[ALIAS_MAX + 1];
    int64_t version = 0;
    TRY(read_alias(q, alias, r, e));
    TRY(find_model(&t, &m, s, q, r, e));
    for (size_t i = 0; i < m.n_aliases; i++)
        if (strcmp(m.aliases[i].name, alias) == 0) version = m.aliases[i].version;
    registry_model_clear(&m);
    if (version) return send_alias(&t, alias, version, r, e);
    r->at.code = "unknown_alias";
    return err_set(e, ERR_NOT_FOUND, "\"%s\" has no alias \"%s\"", t.shown, alias);
}

static int put_alias(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"version", NULL};
    subject t;
    registry_model m;
    char alias[ALIAS_MAX + 1];
    json_t *body;
    int64_t version = 0;
    TRY(read_alias(q, alias, r, e));
    TRY(find_model(&t, &m, s, q, r, e));
    registry_model_clear(&m);
    TRY(rest_body(q, known, &body, r, e));
    int rc = json_member_integer(body, "version", 1, INT64_MAX, &version, e);
    json_decref(body);
    if (rc < 0) {
        r->status = 422;
        r->at.code = "wrong_shape";
        r->at.pointer = STR("/version");
        return rc;
    }
    rc = registry_alias_set(t.registry, t.name, alias, version, e);
    if (rc < 0) return tell(q, r, "unknown_version", rc, e);
    return send_alias(&t, alias, version, r, e);
}

static int remove_alias(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    char alias[ALIAS_MAX + 1];
    TRY(read_alias(q, alias, r, e));
    TRY(find_model(&t, &m, s, q, r, e));
    registry_model_clear(&m);
    int rc = registry_alias_remove(t.registry, t.name, alias, e);
    if (rc < 0) return tell(q, r, "unknown_alias", rc, e);
    r->status = 204;
    return 0;
}

static int roll_back_once(serving *s, const request *q, response *r, err *e)
{
    subject t;
    registry_model m;
    char alias[ALIAS_MAX + 1];
    int64_t from = 0, to = 0;
    TRY(read_alias(q, alias, r, e));
    TRY(find_model(&t, &m, s, q, r, e));
    registry_model_clear(&m);
    int rc = registry_rollback(t.registry, t.name, alias, &from, &to, e);
    if (rc < 0) return tell(q, r, rc == ERR_CONFLICT ? "nothing_before" : "unknown_alias", rc, e);
    return rest_send(r,
                     json_pack("{s:s,s:s,s:I,s:I}", "model", t.shown, "alias", alias, "from", (json_int_t)from,
                               "version", (json_int_t)to),
                     e);
}

static int roll_back(serving *s, const request *q, response *r, err *e)
{
    return rest_once(s, q, r, roll_back_once, e);
}

static const route routes[] = {
    {HTTP_DELETE, "/api/v1/models/{}", "deleteModel", "Remove a model with all its versions", NULL, JSON_TYPE,
     remove_model, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/models/{}/versions", "listVersions", "The versions of a model", NULL, JSON_TYPE, list_versions,
     MAY_READ, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/versions", "uploadVersion", "Store an ONNX file as the next version", "*/*",
     JSON_TYPE, upload, MAY_DEPLOY, ROUTE_TAKES_PIECES},
    {HTTP_GET, "/api/v1/models/{}/versions/{}", "getVersion", "Schema, options and metrics of a version", NULL,
     JSON_TYPE, get_version, MAY_READ, ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/models/{}/versions/{}", "deleteVersion", "Remove a version", NULL, JSON_TYPE, remove_version,
     MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/models/{}/versions/{}/file", "downloadVersion", "The version as an ONNX file", NULL, FILE_TYPE,
     download, MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/models/{}/aliases", "listAliases", "The aliases of a model", NULL, JSON_TYPE, list_aliases,
     MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/models/{}/aliases/{}", "getAlias", "What an alias points at", NULL, JSON_TYPE, get_alias,
     MAY_READ, ROUTE_BLOCKS},
    {HTTP_PUT, "/api/v1/models/{}/aliases/{}", "setAlias", "Point an alias at a version", JSON_TYPE, JSON_TYPE,
     put_alias, MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/models/{}/aliases/{}", "deleteAlias", "Remove an alias", NULL, JSON_TYPE, remove_alias,
     MAY_DEPLOY, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/aliases/{}/rollback", "rollBackAlias", "Point an alias back at what it was", NULL,
     JSON_TYPE, roll_back, MAY_DEPLOY, ROUTE_BLOCKS},
};

#define FORCE_QUERY API_QUERY("force", "Remove aliases that point there too", "{'type':'boolean','default':false}")
#define ALIAS_ANSWER API_ANSWER("200", "The alias", API_JSON(API_REF("alias")))
#define UPLOAD_ANSWERS                                                        \
    API_ANSWER("201", "A new version", API_JSON(API_REF("uploaded_version"))) \
    "," API_ANSWER("200", "The version that has these bytes already", API_JSON(API_REF("uploaded_version")))

static const route_api api[] = {
    {.route = "deleteModel", .more = FORCE_QUERY, .answers = API_ANSWER_EMPTY("204", "It is gone")},
    {.route = "listVersions", .answers = API_ANSWER("200", "Oldest first", API_JSON(API_REF("version_list")))},
    {.route = "uploadVersion",
     .more = API_QUERY("alias", "Point this alias at it", "{'type':'string'}") "," KEY_HEADER,
     .body = API_MEDIA("application/octet-stream", "{}"),
     .answers = UPLOAD_ANSWERS},
    {.route = "getVersion", .answers = API_ANSWER("200", "The version", API_JSON(API_REF("version")))},
    {.route = "deleteVersion", .more = FORCE_QUERY, .answers = API_ANSWER_EMPTY("204", "It is gone")},
    {.route = "downloadVersion", .answers = API_ANSWER("200", "The file", API_MEDIA("application/octet-stream", "{}"))},
    {.route = "listAliases",
     .answers =
         API_ANSWER("200", "By name",
                    API_JSON("{'type':'object','required':['model','aliases'],'properties':{'model':{'type':'string'},"
                             "'aliases':{'type':'object','additionalProperties':{'type':'integer'}}}}"))},
    {.route = "getAlias", .parameters = "name alias", .answers = ALIAS_ANSWER},
    {.route = "setAlias",
     .parameters = "name alias",
     .body = API_JSON("{'type':'object','additionalProperties':false,'required':['version'],"
                      "'properties':{'version':{'type':'integer','minimum':1}}}"),
     .answers = ALIAS_ANSWER},
    {.route = "rollBackAlias", .parameters = "name alias", .more = KEY_HEADER},
    {.route = "deleteAlias", .parameters = "name alias", .answers = API_ANSWER_EMPTY("204", "It is gone")},
    {.route = "rollBackAlias", .parameters = "name alias", .answers = ALIAS_ANSWER},
};

static const char schemas[] =
    "'alias':{'type':'object','required':['model','alias','version'],'properties':{'model':{'type':'string'},"
    "'alias':{'type':'string'},'version':{'type':'integer'},'from':{'type':'integer'}}},"
    "'uploaded_version':{'type':'object','required':['model','version','digest','existed'],'properties':{"
    "'model':{'type':'string'},'version':{'type':'integer'},'digest':{'type':'string'},'existed':{'type':'boolean'},"
    "'alias':{'type':['string','null']}}},"
    "'version':{'type':'object','required':['version','digest','created','size','aliases','metrics'],'properties':{"
    "'model':{'type':'string'},'version':{'type':'integer'},'digest':{'type':'string'},"
    "'created':{'type':'string','format':'date-time'},'size':{'type':'integer'},"
    "'aliases':{'type':'array','items':{'type':'string'}},'metrics':{'type':'object'},'schema':{'type':'object'},"
    "'recipe':{'type':'string'},'options':{'type':'object'},'training':{'type':'object'}}},"
    "'version_list':{'type':'object','required':['model','versions'],'properties':{'model':{'type':'string'},"
    "'versions':{'type':'array','items':{'$ref':'#/components/schemas/version'}}}}";

const protocol_row rest_registry_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
