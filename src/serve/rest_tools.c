// Small things that each handler would otherwise write again.
// SPDX-License-Identifier: Apache-2.0
#include "serve/rest_tools.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/nearest.h"
#include "serve/access.h"
#include "serve/http.h"
#include "serve/serving.h"

enum { HEADER_LINE_MAX = 512 };

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a request");
}

// Names.

int rest_model_name(const request *q, str name, char out[OWNED_NAME_SIZE], response *r, err *e)
{
    char text[MODEL_PLAIN_MAX + 1];
    bool fits = name.len <= MODEL_PLAIN_MAX && !memchr(name.data, '/', name.len);
    if (fits) memcpy(text, name.data, name.len);
    text[fits ? name.len : 0] = '\0';
    const char *fault = fits ? model_name_fault(text) : "is longer than 64 characters, or has a '/'";
    if (fault && q->method & (HTTP_POST | HTTP_PUT)) {
        r->at.code = "invalid_name";
        return err_set(e, ERR_INPUT, "the model's name \"%s\" %s", text, fault);
    }
    snprintf(out, OWNED_NAME_SIZE, "%s%s%s", q->who->tenant, q->who->tenant[0] ? "/" : "", text);
    if (!fault && principal_sees(q->who, out)) return 0;
    r->at.code = "unknown_model";
    return err_set(e, ERR_NOT_FOUND, "there is no model \"%s\"", text);
}

void rest_hide_tenant(const request *q, err *e)
{
    char prefix[OWNED_NAME_SIZE];
    if (!q->who->tenant[0]) return;
    int len = snprintf(prefix, sizeof prefix, "%s/", q->who->tenant);
    for (char *at; (at = strstr(e->msg, prefix));) memmove(at, at + len, strlen(at + len) + 1);
}

// The query.

int rest_query(const request *q, const char *name, str *out, response *r, err *e)
{
    str left = q->query;
    *out = (str){0};
    for (size_t len = strlen(name); left.len > 0;) {
        const char *end = memchr(left.data, '&', left.len);
        str part = {left.data, end ? (size_t)(end - left.data) : left.len};
        left = end ? (str){end + 1, left.len - part.len - 1} : (str){0};
        bool bare = part.len == len;
        if (part.len < len || memcmp(part.data, name, len) != 0 || !(bare || part.data[len] == '=')) continue;
        str raw = bare ? (str){0} : (str){part.data + len + 1, part.len - len - 1};
        char *text = arena_alloc(q->memory, raw.len + 1, 1);
        if (!text) return no_memory(e);
        int64_t n = raw.len > 0 ? http_decode_segment(raw, text) : 0;
        if (n < 0) {
            r->status = 400;
            r->at.code = "invalid_query";
            return err_set(e, ERR_FORMAT, "the query's \"%s\" is not UTF-8 text without controls", name);
        }
        *out = (str){text, (size_t)n};
        return 0;
    }
    return 0;
}

static int invalid_query(response *r)
{
    r->status = 400;
    r->at.code = "invalid_query";
    return ERR_INPUT;
}

int rest_query_integer(const request *q, const char *name, int64_t min, int64_t max, int64_t *out, response *r, err *e)
{
    str text;
    int64_t n;
    TRY(rest_query(q, name, &text, r, e));
    if (!text.data) return 0;
    if (decimal_parse_i64(text, &n) < 0 || n < min || n > max)
        return err_set(e, invalid_query(r), "the query's \"%s\" is no whole number from %lld to %lld", name,
                       (long long)min, (long long)max);
    *out = n;
    return 0;
}

int rest_query_boolean(const request *q, const char *name, bool *out, response *r, err *e)
{
    str text;
    TRY(rest_query(q, name, &text, r, e));
    if (!text.data) return 0;
    bool yes = str_equal(text, STR("true"));
    if (!yes && !str_equal(text, STR("false")))
        return err_set(e, invalid_query(r), "the query's \"%s\" is neither true nor false", name);
    *out = yes;
    return 0;
}

int rest_number(str text, const char *code, int64_t *out, response *r, err *e)
{
    bool digits = text.len > 0 && text.len <= 18 && text.data[0] != '0';
    for (size_t i = 0; digits && i < text.len; i++) digits = text.data[i] >= '0' && text.data[i] <= '9';
    if (digits && decimal_parse_i64(text, out) == 0) return 0;
    r->at.code = code;
    return err_set(e, ERR_NOT_FOUND, "there is no \"" STR_FORMAT "\" here: a number is wanted", STR_ARGS(text));
}

// Bodies.

static int wrong_shape(response *r)
{
    r->at.code = "wrong_shape";
    return ERR_INPUT;
}

int rest_known(const request *q, const json_t *object, const char *where, const char *const *known, response *r, err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t n = 0;
        while (known[n] && strcmp(known[n], key) != 0) n++;
        if (known[n]) continue;
        r->at.code = "unknown_member";
        size_t len = strlen(where) + strlen(key) + 2;
        char *pointer = arena_alloc(q->memory, len, 1);
        if (!pointer) return no_memory(e);
        bool plain = !strpbrk(key, "~/");
        int at = snprintf(pointer, len, "%s%s%s", where, plain ? "/" : "", plain ? key : "");
        r->at.pointer = (str){pointer, (size_t)at};
        const char *near = nearest_name(key, known, n);
        if (near) return err_set(e, ERR_INPUT, "no member is called \"%.60s\"; did you mean \"%s\"?", key, near);
        return err_set(e, ERR_INPUT, "no member is called \"%.60s\" here", key);
    }
    return 0;
}

int rest_body(const request *q, const char *const *known, json_t **out, response *r, err *e)
{
    json_t *j;
    if (q->body.len > JSON_BODY_MAX)
        return err_set(e, ERR_LIMIT, "the body has %zu bytes, at most %d", q->body.len, JSON_BODY_MAX);
    int rc = json_parse(&j, q->body, e);
    if (rc < 0) {
        if (rc == ERR_FORMAT) r->at.code = "invalid_json";
        return rc;
    }
    if (!json_is_object(j))
        rc = err_set(e, wrong_shape(r), "the body is not a JSON object");
    else if (known)
        rc = rest_known(q, j, "", known, r, e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

int rest_send(response *r, json_t *document, err *e)
{
    if (!document) return no_memory(e);
    int rc = json_format(document, false, r->body, e);
    json_decref(document);
    buf_add_char(r->body, '\n');
    return rc;
}

int rest_created(const request *q, response *r, int status, err *e, const char *format, ...)
{
    char *line = arena_alloc(q->memory, HEADER_LINE_MAX, 1);
    if (!line) return no_memory(e);
    size_t len = (size_t)snprintf(line, HEADER_LINE_MAX, "Location: ");
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line + len, HEADER_LINE_MAX - len, format, args);
    va_end(args);
    if (n < 0 || len + (size_t)n + 3 > HEADER_LINE_MAX) return err_set(e, ERR_INTERNAL, "a location that is too long");
    memcpy(line + len + (size_t)n, "\r\n", 3);
    r->extra = line;
    r->status = status;
    return 0;
}

// Idempotency-Key.

int rest_key(const request *q, const char *body_sum, answer_key *k, response *r, err *e)
{
    str key = request_field(q, FIELD_IDEMPOTENCY_KEY);
    *k = (answer_key){.tenant = q->who->tenant};
    if (key.len == 0) return 0;
    if (key.len > ANSWER_KEY_MAX) {
        r->at.code = "idempotency_key";
        return err_set(e, ERR_INPUT, "an Idempotency-Key has at most %d characters", ANSWER_KEY_MAX);
    }
    char body[SHA256_HEX_SIZE], *sum = arena_alloc(q->memory, SHA256_HEX_SIZE, 1);
    k->key = arena_strndup(q->memory, key.data, key.len);
    if (!sum || !k->key) return no_memory(e);
    if (!body_sum) sha256_hex_of(q->body.data, q->body.len, body);
    sha256 h;
    const int method = (int)q->method;
    const uint64_t lengths[] = {q->path.len, q->query.len};
    sha256_init(&h);
    sha256_add(&h, &method, sizeof method);
    sha256_add(&h, lengths, sizeof lengths);
    sha256_add(&h, q->path.data, q->path.len);
    if (q->query.len > 0) sha256_add(&h, q->query.data, q->query.len);
    sha256_add(&h, body_sum ? body_sum : body, SHA256_HEX_SIZE - 1);
    sha256_hex(&h, sum);
    k->sum = sum;
    return 0;
}

int rest_replay(const request *q, response *r, kept_answer *kept, err *e)
{
    int rc = 0;
    r->status = kept->status;
    if (kept->location[0]) rc = rest_created(q, r, kept->status, e, "%s", kept->location);
    buf_add_text(r->body, kept->body);
    kept_answer_clear(kept);
    return rc;
}

int rest_key_reused(response *r, int rc)
{
    if (rc != ERR_CONFLICT) return rc;
    r->status = 422;
    r->at.code = "idempotency_key_reused";
    return rc;
}

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; // from looking for an answer to keeping it

static int find_or_act(serving *s, registry *g, const request *q, const answer_key *k, response *r, route_handler *act,
                       err *e)
{
    kept_answer kept;
    int rc = registry_answer_find(g, k, &kept, e);
    if (rc == 0) return rest_replay(q, r, &kept, e);
    if (rc != ERR_NOT_FOUND) return rest_key_reused(r, rc);
    TRY(act(s, q, r, e));
    return rest_keep(g, k, q, r, "", e);
}

int rest_once(serving *s, const request *q, response *r, route_handler *act, err *e)
{
    answer_key k;
    registry *g;
    TRY(rest_key(q, NULL, &k, r, e));
    if (!k.key) return act(s, q, r, e);
    TRY(serving_registry(s, &g, e));
    pthread_mutex_lock(&one_at_a_time);
    int rc = find_or_act(s, g, q, &k, r, act, e);
    pthread_mutex_unlock(&one_at_a_time);
    return rc;
}

int rest_keep(registry *g, const answer_key *k, const request *q, const response *r, const char *location, err *e)
{
    if (!k->key) return 0;
    char *body = arena_strndup(q->memory, r->body->data, r->body->len);
    if (!body) return no_memory(e);
    return registry_answer_keep(g, k, r->status, location, body, e);
}
