// The routes of who runs the service: keys, the audit log, usage, quotas.
//
// Who has the role admin in a tenant runs that tenant; in the default one, all of them.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "registry/audit.h"
#include "registry/keys.h"
#include "registry/usage.h"
#include "serve/access.h"
#include "serve/http.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/serving.h"

enum { AUDIT_PAGE = 100, AUDIT_PAGE_MAX = 1000, EXPIRES_S_MAX = 36500 * 86400L, USAGE_DAYS = 31 };
#define EVERYBODY (MAY_PREDICT | MAY_READ | MAY_TRAIN | MAY_DEPLOY | MAY_MONITOR | MAY_ADMIN)
#define NO_STORE "Cache-Control: no-store\r\n"

// Of the tenant that the caller runs; NULL: all.
static const char *tenant_of(const request *q)
{
    return q->who->tenant[0] ? q->who->tenant : NULL;
}

static int fails(response *r, const char *code, int rc)
{
    if (!r->at.code) r->at.code = code;
    return rc;
}

// ---- keys

static int list_keys(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    key_list l;
    TRY(serving_registry(s, &g, e));
    TRY(registry_keys(g, tenant_of(q), &l, e));
    json_t *all = json_array();
    for (size_t i = 0; i < l.n; i++) json_array_append_new(all, registry_key_json(&l.keys[i]));
    key_list_clear(&l);
    return rest_send(r, json_pack("{s:o}", "keys", all), e);
}

// The id of the path as text; ERR_NOT_FOUND if it cannot be one.
static int path_id(const request *q, char id[KEY_ID_SIZE], response *r, err *e)
{
    str text = q->parameters[0];
    if (text.len != KEY_ID_LEN || memchr(text.data, '\0', text.len))
        return fails(r, "unknown_key", err_set(e, ERR_NOT_FOUND, "there is no such key"));
    memcpy(id, text.data, KEY_ID_LEN);
    id[KEY_ID_LEN] = '\0';
    return 0;
}

static int get_key(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    key_list l;
    char id[KEY_ID_SIZE];
    TRY(path_id(q, id, r, e));
    TRY(serving_registry(s, &g, e));
    TRY(registry_keys(g, tenant_of(q), &l, e));
    json_t *found = NULL;
    for (size_t i = 0; i < l.n && !found; i++)
        if (strcmp(l.keys[i].id, id) == 0) found = registry_key_json(&l.keys[i]);
    key_list_clear(&l);
    if (!found) return fails(r, "unknown_key", err_set(e, ERR_NOT_FOUND, "there is no key \"%s\"", id));
    return rest_send(r, found, e);
}

static int body_texts(const json_t *body, const char *name, const char **texts, size_t max, size_t *n, response *r,
                      err *e)
{
    const json_t *list = json_object_get(body, name);
    *n = 0;
    if (!list) return 0;
    if (!json_is_array(list)) return fails(r, "wrong_shape", err_set(e, ERR_INPUT, "\"%s\" is not an array", name));
    if (json_array_size(list) > max)
        return fails(r, "wrong_shape", err_set(e, ERR_INPUT, "\"%s\" has more than %zu texts", name, max));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text) return fails(r, "wrong_shape", err_set(e, ERR_INPUT, "\"%s\" has something else than texts", name));
        texts[(*n)++] = text;
    }
    return 0;
}

static int body_text(const json_t *body, const char *name, const char **out, response *r, err *e)
{
    const json_t *value = json_object_get(body, name);
    if (!value) return 0;
    if (!json_is_string(value)) return fails(r, "wrong_shape", err_set(e, ERR_INPUT, "\"%s\" is not a text", name));
    *out = json_string_value(value);
    return 0;
}

static int body_integer(const json_t *body, const char *name, int64_t min, int64_t max, int64_t *out, response *r,
                        err *e)
{
    const json_t *value = json_object_get(body, name);
    if (!value || json_is_null(value)) return 0;
    int64_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < min || n > max)
        return fails(
            r, "wrong_shape",
            err_set(e, ERR_INPUT, "\"%s\" is not a whole number from %" PRId64 " to %" PRId64, name, min, max));
    *out = n;
    return 0;
}

// Views into the body.
static int read_options(const request *q, const json_t *body, key_options *o, const char **models, response *r, err *e)
{
    const char *roles[ROLES_N];
    size_t n;
    int64_t expires_s = 0;
    TRY(body_text(body, "label", &o->label, r, e));
    TRY(body_text(body, "tenant", &o->tenant, r, e));
    TRY(body_texts(body, "models", models, KEY_MODELS_MAX, &o->n_models, r, e));
    TRY(body_texts(body, "roles", roles, ROLES_N, &n, r, e));
    TRY(body_integer(body, "expires_in_s", 1, EXPIRES_S_MAX, &expires_s, r, e));
    for (size_t i = 0; i < n; i++) {
        unsigned one;
        int rc = key_roles_parse(roles[i], &one, e);
        if (rc < 0) return fails(r, "wrong_shape", rc);
        o->roles |= one;
    }
    o->models = models;
    if (expires_s > 0) o->expires_ms = clock_utc_ms() + expires_s * 1000;
    if (tenant_of(q) && strcmp(o->tenant, q->who->tenant) != 0)
        return fails(r, "forbidden", err_set(e, ERR_DENIED, "keys of other tenants are not yours to make"));
    return 0;
}

static int send_new(response *r, const char *id, char text[KEY_TEXT_SIZE], int status, const char *more, err *e)
{
    r->status = status;
    r->extra = NO_STORE;
    buf_format(r->body, "{\"id\":\"%s\",\"key\":\"%s\"%s}\n", id, text, more);
    sodium_memzero(text, KEY_TEXT_SIZE);
    return buf_check(r->body, e);
}

static int create_key(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"label", "roles", "tenant", "models", "expires_in_s", NULL};
    char text[KEY_TEXT_SIZE], id[KEY_ID_SIZE];
    const char *models[KEY_MODELS_MAX];
    registry *g;
    json_t *body;
    key_options o = {.label = "", .tenant = q->who->tenant};
    TRY(serving_registry(s, &g, e));
    TRY(rest_body(q, known, &body, r, e));
    int rc = read_options(q, body, &o, models, r, e);
    if (rc == 0 && (rc = registry_key_create(g, &o, text, id, e)) == ERR_INPUT) fails(r, "wrong_shape", rc);
    json_decref(body);
    return rc < 0 ? rc : send_new(r, id, text, 201, "", e);
}

static int tell_key(response *r, int rc)
{
    return fails(r, rc == ERR_NOT_FOUND ? "unknown_key" : rc == ERR_CONFLICT ? "revoked" : NULL, rc);
}

static int rotate_key(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"overlap_s", NULL};
    char text[KEY_TEXT_SIZE], id[KEY_ID_SIZE], more[48];
    int64_t overlap_s = 0;
    registry *g;
    TRY(path_id(q, id, r, e));
    TRY(serving_registry(s, &g, e));
    if (q->body.len > 0) {
        json_t *body;
        TRY(rest_body(q, known, &body, r, e));
        int rc = body_integer(body, "overlap_s", 0, KEY_OVERLAP_MS_MAX / 1000, &overlap_s, r, e);
        json_decref(body);
        if (rc < 0) return rc;
    }
    int rc = registry_key_rotate(g, id, tenant_of(q), overlap_s * 1000, text, e);
    if (rc < 0) return tell_key(r, rc);
    snprintf(more, sizeof more, ",\"overlap_s\":%" PRId64, overlap_s);
    return send_new(r, id, text, 200, more, e);
}

static int revoke_key(serving *s, const request *q, response *r, err *e)
{
    char id[KEY_ID_SIZE];
    registry *g;
    TRY(path_id(q, id, r, e));
    TRY(serving_registry(s, &g, e));
    int rc = registry_key_revoke(g, id, tenant_of(q), e);
    if (rc < 0) return tell_key(r, rc);
    return rest_send(r, json_pack("{s:s,s:b}", "id", id, "revoked", 1), e);
}

// ---- audit

typedef struct audit_page {
    json_t *records;
    int64_t last;
} audit_page;

static int add_record(void *context, const audit_record *a, err *e)
{
    audit_page *page = context;
    char time[CLOCK_TEXT_SIZE];
    page->last = a->id;
    return json_push(page->records,
                     json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", (json_int_t)a->id, "at",
                               clock_format_utc(a->at_ms, time), "actor", a->actor, "tenant", a->tenant, "action",
                               a->action, "object", a->object, "result", a->result, "detail", a->detail, "hash",
                               a->hash),
                     e);
}

static int list_audit(serving *s, const request *q, response *r, err *e)
{
    int64_t after = 0, limit = AUDIT_PAGE;
    registry *g;
    TRY(rest_query_integer(q, "after", 0, INT64_MAX, &after, r, e));
    TRY(rest_query_integer(q, "limit", 1, AUDIT_PAGE_MAX, &limit, r, e));
    TRY(serving_registry(s, &g, e));
    audit_page page = {.records = json_array(), .last = after};
    int rc = registry_audit_each(g, after, tenant_of(q), (size_t)limit, add_record, &page, e);
    if (rc < 0) {
        json_decref(page.records);
        return rc;
    }
    return rest_send(r, json_pack("{s:o,s:I}", "records", page.records, "after", (json_int_t)page.last), e);
}

// ---- usage and quotas

typedef struct usage_page {
    const request *q;
    const key_list *keys;
    json_t *records;
} usage_page;

static int add_usage(void *context, const usage_record *u, err *e)
{
    usage_page *page = context;
    char day[16];
    if (!quota_is_told(page->q->who, page->keys, u->subject)) return 0;
    snprintf(day, sizeof day, "%04d-%02d-%02d", u->day / 10000, u->day / 100 % 100, u->day % 100);
    return json_push(page->records,
                     json_pack("{s:s,s:s,s:I,s:I,s:I}", "subject", u->subject, "day", day, "requests",
                               (json_int_t)u->used.units[UNIT_REQUESTS], "rows", (json_int_t)u->used.units[UNIT_ROWS],
                               "tokens", (json_int_t)u->used.units[UNIT_TOKENS]),
                     e);
}

static json_t *limit_json(int64_t limit)
{
    return limit == QUOTA_NONE ? json_null() : json_integer(limit);
}

static json_t *quota_json(const quota *q)
{
    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "subject", q->subject, "requests_day",
                     limit_json(q->day[UNIT_REQUESTS]), "requests_month", limit_json(q->month[UNIT_REQUESTS]),
                     "rows_day", limit_json(q->day[UNIT_ROWS]), "rows_month", limit_json(q->month[UNIT_ROWS]),
                     "tokens_day", limit_json(q->day[UNIT_TOKENS]), "tokens_month", limit_json(q->month[UNIT_TOKENS]),
                     "per_minute", q->per_minute ? json_integer(q->per_minute) : json_null(), "burst",
                     q->burst ? json_integer(q->burst) : json_null());
}

static int collect_usage(registry *g, const request *q, int32_t from, int32_t to, response *r, err *e)
{
    key_list keys;
    quota_list limits;
    TRY(registry_keys(g, tenant_of(q), &keys, e));
    int rc = registry_quotas(g, &limits, e);
    if (rc < 0) {
        key_list_clear(&keys);
        return rc;
    }
    json_t *root = json_object(), *records = json_array(), *quotas = json_array();
    usage_page page = {.q = q, .keys = &keys, .records = records};
    rc = json_put(root, "usage", records, e);
    int rc_quotas = json_put(root, "quotas", quotas, e);
    if (rc == 0) rc = rc_quotas;
    if (rc == 0) rc = registry_usage_each(g, from, to, add_usage, &page, e);
    for (size_t i = 0; rc == 0 && i < limits.n; i++)
        if (quota_is_told(q->who, &keys, limits.quotas[i].subject))
            rc = json_push(quotas, quota_json(&limits.quotas[i]), e);
    key_list_clear(&keys);
    quota_list_clear(&limits);
    if (rc < 0) {
        json_decref(root);
        return rc;
    }
    return rest_send(r, root, e);
}

static int list_usage(serving *s, const request *q, response *r, err *e)
{
    int64_t now = clock_utc_ms(), days = USAGE_DAYS;
    registry *g;
    TRY(rest_query_integer(q, "days", 1, 3660, &days, r, e));
    TRY(serving_registry(s, &g, e));
    return collect_usage(g, q, usage_day(now - (days - 1) * INT64_C(86400000)), usage_day(now), r, e);
}

static int set_quota(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"requests_day", "requests_month", "rows_day", "rows_month", "tokens_day",
                                        "tokens_month", "per_minute",     "burst",    NULL};
    static const char *const days[UNITS_N] = {"requests_day", "rows_day", "tokens_day"};
    static const char *const months[UNITS_N] = {"requests_month", "rows_month", "tokens_month"};
    quota limits = QUOTA_DEFAULT;
    registry *g;
    json_t *body;
    key_list keys;
    str subject = q->parameters[0];
    if (subject.len > USAGE_SUBJECT_MAX || memchr(subject.data, '\0', subject.len))
        return fails(r, "unknown_subject", err_set(e, ERR_NOT_FOUND, "there is no such key or tenant"));
    memcpy(limits.subject, subject.data, subject.len);
    limits.subject[subject.len] = '\0';
    TRY(serving_registry(s, &g, e));
    TRY(registry_keys(g, tenant_of(q), &keys, e));
    bool may =
        quota_is_told(q->who, &keys, limits.subject) && !(tenant_of(q) && strncmp(limits.subject, "tenant:", 7) == 0);
    key_list_clear(&keys);
    if (!may || usage_subject_fault(limits.subject))
        return fails(
            r, "unknown_subject",
            err_set(e, ERR_NOT_FOUND, "there is no key or tenant \"%s\" whose quota is yours to set", limits.subject));
    TRY(rest_body(q, known, &body, r, e));
    int rc = 0;
    for (int u = 0; u < UNITS_N && rc == 0; u++) {
        rc = body_integer(body, days[u], 0, INT64_MAX / 2, &limits.day[u], r, e);
        if (rc == 0) rc = body_integer(body, months[u], 0, INT64_MAX / 2, &limits.month[u], r, e);
    }
    if (rc == 0) rc = body_integer(body, "per_minute", 1, 60000000, &limits.per_minute, r, e);
    if (rc == 0) rc = body_integer(body, "burst", 1, 60000000, &limits.burst, r, e);
    json_decref(body);
    if (rc == 0 && (rc = registry_quota_set(g, &limits, e)) < 0)
        fails(r, rc == ERR_NOT_FOUND ? "unknown_subject" : "wrong_shape", rc);
    return rc < 0 ? rc : rest_send(r, quota_json(&limits), e);
}

// ---- the rows

static const route routes[] = {
    {HTTP_GET, "/api/v1/keys", "listKeys", "The keys, revoked ones too", NULL, JSON_TYPE, list_keys, MAY_ADMIN,
     ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/keys", "createKey", "Make a key: it is shown once", JSON_TYPE, JSON_TYPE, create_key,
     MAY_ADMIN, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/keys/{}", "getKey", "One key, without its secret", NULL, JSON_TYPE, get_key, MAY_ADMIN,
     ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/keys/{}", "revokeKey", "Revoke a key for good", NULL, JSON_TYPE, revoke_key, MAY_ADMIN,
     ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/keys/{}/rotate", "rotateKey", "Give a key a new secret", JSON_TYPE, JSON_TYPE, rotate_key,
     MAY_ADMIN, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/audit", "listAudit", "What was changed, by whom", NULL, JSON_TYPE, list_audit, MAY_ADMIN,
     ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/usage", "listUsage", "What was used, and the quotas", NULL, JSON_TYPE, list_usage, EVERYBODY,
     ROUTE_BLOCKS},
    {HTTP_PUT, "/api/v1/quotas/{}", "setQuota", "Set what a key or tenant may use", JSON_TYPE, JSON_TYPE, set_quota,
     MAY_ADMIN, ROUTE_BLOCKS},
};

#define NUMBER_OR_NULL "{'type':['integer','null'],'minimum':0}"
#define TIME_OR_NULL "{'type':['string','null'],'format':'date-time'}"

static const char schemas[] =
    "'access_key':{'type':'object','required':['id','label','tenant','roles','models','created'],'properties':{"
    "'id':{'type':'string'},'label':{'type':'string'},'tenant':{'type':'string'},"
    "'roles':{'type':'array','items':{'enum':['viewer','predictor','trainer','deployer','monitor','admin']}},"
    "'models':{'type':'array','items':{'type':'string'},'description':'None: all of the tenant'},"
    "'created':" TIME_OR_NULL ",'expires':" TIME_OR_NULL ",'rotated':" TIME_OR_NULL ",'revoked':" TIME_OR_NULL
    ",'used':" TIME_OR_NULL "}},"
    "'access_new_key':{'type':'object','required':['id','key'],'properties':{'id':{'type':'string'},'key':{'type':"
    "'string','description':'Shown this once'},'overlap_s':{'type':'integer'}}},"
    "'access_key_options':{'type':'object','required':['label','roles'],'additionalProperties':false,'properties':{"
    "'label':{'type':'string','minLength':1,'maxLength':64},'tenant':{'type':'string'},"
    "'roles':{'type':'array','minItems':1,'items':{'enum':['viewer','predictor','trainer','deployer','monitor','admin']"
    "}},'models':{'type':'array','maxItems':64,'items':{'type':'string'}},'expires_in_s':{'type':'integer',"
    "'minimum':1}}},"
    "'access_audit':{'type':'object','required':['records','after'],'properties':{'after':{'type':'integer'},'records':"
    "{"
    "'type':'array','items':{'type':'object','properties':{'id':{'type':'integer'},'at':{'type':'string'},'actor':{"
    "'type':'string'},'tenant':{'type':'string'},'action':{'type':'string'},'object':{'type':'string'},'result':{"
    "'type':'string'},'detail':{'type':'string'},'hash':{'type':'string'}}}}}},"
    "'access_quota':{'type':'object','properties':{'subject':{'type':'string'},'requests_day':" NUMBER_OR_NULL
    ",'requests_month':" NUMBER_OR_NULL ",'rows_day':" NUMBER_OR_NULL ",'rows_month':" NUMBER_OR_NULL
    ",'tokens_day':" NUMBER_OR_NULL ",'tokens_month':" NUMBER_OR_NULL ",'per_minute':" NUMBER_OR_NULL
    ",'burst':" NUMBER_OR_NULL "}},"
    "'access_usage':{'type':'object','required':['usage','quotas'],'properties':{'usage':{'type':'array','items':{"
    "'type':'object','properties':{'subject':{'type':'string'},'day':{'type':'string','format':'date'},'requests':{"
    "'type':'integer'},'rows':{'type':'integer'},'tokens':{'type':'integer'}}}},'quotas':" API_LIST(
        API_REF("access_quota")) "}}";

static const route_api api[] = {
    {.route = "listKeys",
     .answers = API_ANSWER(
         "200", "The keys",
         API_JSON("{'type':'object','required':['keys'],'properties':{'keys':" API_LIST(API_REF("access_key")) "}}"))},
    {.route = "createKey",
     .body = API_JSON(API_REF("access_key_options")),
     .answers = API_ANSWER("201", "The key, this once", API_JSON(API_REF("access_new_key")))},
    {.route = "getKey", .parameters = "id", .answers = API_ANSWER("200", "The key", API_JSON(API_REF("access_key")))},
    {.route = "revokeKey", .parameters = "id"},
    {.route = "rotateKey",
     .parameters = "id",
     .body = API_JSON("{'type':'object','additionalProperties':false,'properties':{'overlap_s':{'type':'integer',"
                      "'minimum':0,'maximum':7776000}}}"),
     .body_optional = true,
     .answers = API_ANSWER("200", "The key, this once", API_JSON(API_REF("access_new_key")))},
    {.route = "listAudit",
     .more = API_QUERY("after", "Only records after this id", "{'type':'integer','minimum':0}") "," API_QUERY(
         "limit", "At most so many", "{'type':'integer','minimum':1,'maximum':1000}"),
     .answers = API_ANSWER("200", "Records, oldest first", API_JSON(API_REF("access_audit")))},
    {.route = "listUsage",
     .more = API_QUERY("days", "Of so many days, today included", "{'type':'integer','minimum':1,'maximum':3660}"),
     .answers = API_ANSWER("200", "By day and subject", API_JSON(API_REF("access_usage")))},
    {.route = "setQuota",
     .parameters = "subject",
     .body = API_JSON("{'type':'object','additionalProperties':false,'properties':{'requests_day':" NUMBER_OR_NULL
                      ",'requests_month':" NUMBER_OR_NULL ",'rows_day':" NUMBER_OR_NULL ",'rows_month':" NUMBER_OR_NULL
                      ",'tokens_day':" NUMBER_OR_NULL ",'tokens_month':" NUMBER_OR_NULL
                      ",'per_minute':{'type':['integer','null'],'minimum':1,'maximum':60000000},'burst':{'type':"
                      "['integer','null'],'minimum':1,'maximum':60000000}}}"),
     .answers = API_ANSWER("200", "The quota", API_JSON(API_REF("access_quota")))},
};

const protocol_row rest_access_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
