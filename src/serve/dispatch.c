// From a parsed request to an answer: what is the same for all protocols.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "registry/audit.h"
#include "serve/inflate.h"
#include "serve/pack.h"
#include "serve/serving.h"

void dispatch_fail(const protocol_row *p, response *r, int status, const err *e)
{
    buf_reset(r->body);
    r->status = status;
    p->fail(r, status, e);
}

static int fail(const route_match *m, response *r, int status, const char *code, const char *why)
{
    err e = ERR_NONE;
    err_set(&e, status >= 500 ? ERR_UNSUPPORTED : ERR_FORMAT, "%s", why);
    r->at.code = code;
    dispatch_fail(m->protocol, r, status, &e);
    return status;
}

// The Allow header of a set of methods, one static text for each set; HEAD comes with GET, and OPTIONS always.
static const char *allow_header(unsigned methods)
{
#define FOUR(others)                                                                                                 \
    "Allow: " others "OPTIONS\r\n", "Allow: GET, HEAD, " others "OPTIONS\r\n", "Allow: " others "POST, OPTIONS\r\n", \
        "Allow: GET, HEAD, " others "POST, OPTIONS\r\n"
    static const char *const all[] = {FOUR(""), FOUR("PUT, "), FOUR("DELETE, "), FOUR("PUT, DELETE, ")};
#undef FOUR
    size_t at = methods & HTTP_GET ? 1 : 0;
    if (methods & HTTP_POST) at += 2;
    if (methods & HTTP_PUT) at += 4;
    if (methods & HTTP_DELETE) at += 8;
    return all[at];
}

// Whether one of the types in a route's list passes `test`; the usual list has one.
static bool any_type(const char *list, str said, bool (*test)(str said, const char *type))
{
    const char *comma = strchr(list, ',');
    if (!comma) return test(said, list);
    for (;; list = comma + strspn(comma, ", "), comma = list + strcspn(list, ",")) {
        char type[64];
        size_t len = (size_t)(comma - list);
        if (len == 0) return false;
        if (len >= sizeof type) continue;
        memcpy(type, list, len);
        type[len] = '\0';
        if (test(said, type)) return true;
    }
}

static int refuse_body(const route_match *m, const http_parser *p, const char *data, response *r)
{
    str type = http_str(data, p->fields[FIELD_CONTENT_TYPE]);
    str encoding = http_str(data, p->fields[FIELD_CONTENT_ENCODING]);
    const char *takes = m->route->takes;
    if (takes[0] != '*' && type.len > 0 && !any_type(takes, type, http_type_is)) {
        char why[160];
        snprintf(why, sizeof why, "The body's Content-Type must be %s, in UTF-8", takes);
        return fail(m, r, 415, "media_type", why);
    }
    if (encoding.len > 0 && m->route->flags & ROUTE_TAKES_PIECES && !http_type_is(encoding, "identity")) {
        r->extra = "Accept-Encoding: identity\r\n";
        return fail(m, r, 415, "content_encoding", "This path takes a body as it is, without Content-Encoding");
    }
    if (encoding.len > 0 && !http_type_is(encoding, "gzip") && !http_type_is(encoding, "identity")) {
        r->extra = "Accept-Encoding: gzip, identity\r\n";
        return fail(m, r, 415, "content_encoding", "The only Content-Encoding understood is gzip");
    }
    return 0;
}

// With an entrance of their own, the routes of those who run the server are not there at the public port.
static bool is_open_here(const serving *s, const route *r)
{
    const unsigned public = MAY_PREDICT | MAY_READ | FOR_ANYONE;
    bool apart = s->peer && s->peer->entrance == ENTRANCE_PUBLIC && s->options->admin_listen[0] != '\0';
    return !apart || r->needs & public;
}

// Browsers let any page send requests to any server, this one included: what comes from a page of another origin is
// refused, unless that origin is allowed.
static int check_origin(const serving *s, const http_parser *p, const char *data, route_match *m, response *r)
{
    str origin = http_str(data, p->fields[FIELD_ORIGIN]);
    str site = http_str(data, p->fields[FIELD_SEC_FETCH_SITE]);
    if (origin.len == 0 && site.len == 0) return 0;
    if (origin.len > 0) m->cors = sites_find_origin(s->sites, origin);
    if (m->cors || (m->route && m->route->needs & FOR_ANYONE)) return 0;
    bool foreign = origin.len > 0 && !sites_same_origin(origin, http_str(data, p->fields[FIELD_HOST]));
    if (foreign || str_equal(site, STR("cross-site")))
        return fail(m, r, 403, "origin", "Pages of other origins may not call this server; --cors-origin allows one");
    return 0;
}

// The browser asks before it sends what a page wants to send. No key comes with that.
static int answer_preflight(response *r)
{
    r->extra =
        "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE\r\n"
        "Access-Control-Allow-Headers: Authorization, Content-Type, X-API-Key, Idempotency-Key, If-None-Match\r\n"
        "Access-Control-Max-Age: 600\r\n";
    return r->status = 204;
}

static const char *roles_for(unsigned needs)
{
    static char const *const texts[] = {"predictor", "viewer", "trainer", "deployer", "monitor", "admin"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (needs & 1U << i) return texts[i];
    return NULL;
}

// Who asks, and whether that is enough for the route. Without a route (there is none at the path, or not with this
// method) only known callers are told so.
static int check_access(const serving *s, const http_parser *p, const char *data, access_seen *seen, route_match *m,
                        response *r)
{
    access_table *table = s->models ? s->models->access : NULL;
    bool anyone = m->route && m->route->needs & FOR_ANYONE;
    bool on_socket = s->peer && s->peer->entrance == ENTRANCE_SOCKET;
    bool loopback = s->peer ? s->peer->loopback : s->loopback;
    bool direct = p->fields[FIELD_FORWARDED_FOR].len == 0; // a proxy may speak for anybody
    if (on_socket || (loopback && direct && access_table_is_open(table))) {
        m->who = &local_principal;
    } else {
        access_answer answer = access_find(table, seen, http_str(data, p->fields[FIELD_AUTHORIZATION]),
                                           http_str(data, p->fields[FIELD_API_KEY]), &m->who);
        if (answer != ACCESS_KNOWN) m->who = &anonymous_principal;
        if (answer != ACCESS_KNOWN && !anyone) {
            bool bad = answer == ACCESS_BAD_KEY;
            r->extra = bad ? "WWW-Authenticate: Bearer realm=\"slipway\", error=\"invalid_token\"\r\n"
                           : "WWW-Authenticate: Bearer realm=\"slipway\"\r\n";
            return fail(m, r, 401, bad ? "invalid_key" : "no_key",
                        bad ? "The key is not one of this server, or not valid any more"
                            : "This server wants a key: Authorization: Bearer slip_...");
        }
    }
    if (anyone || !m->route || m->who->may & m->route->needs) return 0;
    char why[120];
    const char *role = roles_for(m->route->needs);
    snprintf(why, sizeof why, role ? "This key may not do that; the role %s may" : "Nobody may do that", role);
    return fail(m, r, 403, "forbidden", why);
}

int dispatch_head(const serving *s, const http_parser *p, const char *data, access_seen *seen, route_match *m,
                  response *r)
{
    str path = http_str(data, p->path);
    str host = http_str(data, p->fields[FIELD_HOST]);
    if (path.len == 0) path = STR("/");
    *m = route_find(path, p->method);
    if (m->route && !is_open_here(s, m->route)) *m = (route_match){.protocol = m->protocol, .index = route_count()};
    bool on_socket = s->peer && s->peer->entrance == ENTRANCE_SOCKET; // where no page of the web gets
    if (!on_socket && host.len > 0 && !sites_have_host(s->sites, host))
        return fail(m, r, 421, "host", "This server has no such name; --allowed-host gives it one");
    int status = check_origin(s, p, data, m, r);
    if (status != 0) return status;
    if (m->cors && p->method == HTTP_OPTIONS) return answer_preflight(r);
    if ((status = check_access(s, p, data, seen, m, r)) != 0) return status;
    if (p->asterisk) {
        r->extra = allow_header(HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_OPTIONS);
        return r->status = 204;
    }
    if (m->methods == 0)
        return fail(m, r, 404, "no_route", "There is nothing at this path; GET /openapi.json lists what there is");
    if (p->method == HTTP_OPTIONS) {
        r->extra = allow_header(m->methods);
        return r->status = 204;
    }
    if (!m->route) {
        r->extra = allow_header(m->methods);
        return fail(m, r, 405, "method", "This path does not know that method; see the Allow header");
    }
    if (m->route->takes && (status = refuse_body(m, p, data, r)) != 0) return status;
    if (!any_type(m->route->gives, http_str(data, p->fields[FIELD_ACCEPT]), http_accepts))
        return fail(m, r, 406, "not_acceptable", "The Accept header excludes what this path answers");
    return 0;
}

static int decode_parameters(const route_match *m, request *q, err *e)
{
    for (size_t i = 0; i < ROUTE_PARAMETERS_MAX; i++) {
        str raw = m->parameters[i];
        if (raw.len == 0 || !memchr(raw.data, '%', raw.len)) {
            q->parameters[i] = raw;
            continue;
        }
        char *text = arena_alloc(q->memory, raw.len, 1);
        if (!text) return err_set(e, ERR_MEMORY, "no memory for a path");
        int64_t len = http_decode_segment(raw, text);
        if (len < 0) return err_set(e, ERR_FORMAT, "a segment of the path is not UTF-8 text without controls");
        q->parameters[i] = (str){text, (size_t)len};
    }
    return 0;
}

// Compressing takes long for an event loop: the handler is called again on a worker, and only for answers that gain.
static int pack(const serving *s, const request *q, response *r, err *e)
{
    TRY(buf_check(r->body, e));
    if (r->status != 200 || !pack_accepted(request_field(q, FIELD_ACCEPT_ENCODING))) return pack_vary(q, r, e);
    if (r->body->len < PACK_LEAST || serving_may_block(s)) return pack_answer(q, r, e);
    buf_reset(r->body);
    r->extra = NULL;
    return HANDLER_WORKER;
}

static int run(serving *s, const route_match *m, request *q, bool gzip, response *r, err *e)
{
    TRY(decode_parameters(m, q, e));
    if (gzip) TRY(inflate_gzip(q->body, s->options->body_max, &q->body, q->memory, e));
    int rc = m->route->handle(s, q, r, e);
    if (rc == 0 && m->route->flags & ROUTE_PACKS) rc = pack(s, q, r, e);
    return rc != 0 ? rc : buf_check(r->body, e);
}

int serving_registry(serving *s, registry **out, err *e)
{
    if (!*s->registry) TRY(registry_open(s->registry, s->options->data_dir, NULL, e));
    registry_act_as(*s->registry, s->who->id);
    *out = *s->registry;
    return 0;
}

void dispatch_end(const route_match *m, response *r, int rc, const err *e)
{
    if (rc >= 0) return;
    if (r->picked) served_failed(r->picked, rc);
    if (r->stream) r->stream->close(r->stream);
    if (r->sink) r->sink->close(r->sink);
    r->stream = NULL;
    r->sink = NULL;
    r->failure = rc;
    err told = err_outward(e);
    if (strcmp(told.msg, e->msg) != 0) { // no fault of the request, whatever the handler was looking at
        r->at = (place){.row = -1};
        if (rc != ERR_FULL) log_event(LOG_ERROR, m->route->name, "%s", e->msg);
    }
    dispatch_fail(m->protocol, r, r->status >= 400 ? r->status : http_status_of(rc), &told);
}

int dispatch_run(serving *s, const route_match *m, request *q, bool gzip, response *r)
{
    err e = ERR_NONE;
    s->who = q->who;
    s->peer = q->peer;
    int rc = run(s, m, q, gzip, r, &e);
    if (rc > 0) return rc; // from HANDLER_AWAY on, the request may be gone
    dispatch_end(m, r, rc, &e);
    return 0;
}
