// From a parsed request to an answer: what is the same for all protocols.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "registry/audit.h"
#include "serve/inflate.h"
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

// The Allow header of a set of methods: one static text for each that can be.
static const char *allow_header(unsigned methods)
{
    static const struct {
        unsigned methods;
        const char *header;
    } all[] = {
        {HTTP_GET | HTTP_HEAD | HTTP_OPTIONS, "Allow: GET, HEAD, OPTIONS\r\n"},
        {HTTP_POST | HTTP_OPTIONS, "Allow: POST, OPTIONS\r\n"},
        {HTTP_GET | HTTP_HEAD | HTTP_POST | HTTP_OPTIONS, "Allow: GET, HEAD, POST, OPTIONS\r\n"},
        {HTTP_PUT | HTTP_OPTIONS, "Allow: PUT, OPTIONS\r\n"},
        {HTTP_GET | HTTP_HEAD | HTTP_DELETE | HTTP_OPTIONS, "Allow: GET, HEAD, DELETE, OPTIONS\r\n"},
        {HTTP_DELETE | HTTP_OPTIONS, "Allow: DELETE, OPTIONS\r\n"},
        {HTTP_GET | HTTP_HEAD | HTTP_PUT | HTTP_DELETE | HTTP_OPTIONS, "Allow: GET, HEAD, PUT, DELETE, OPTIONS\r\n"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].methods == methods) return all[i].header;
    return "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n";
}

// A page of the web that points its own name at 127.0.0.1 must not reach a server meant for this machine's users.
static bool host_is_ours(str host)
{
    str name = http_host_name(host);
    if (name.len == 9) {
        char folded[9];
        for (size_t i = 0; i < 9; i++) folded[i] = (char)(name.data[i] | 0x20);
        if (memcmp(folded, "localhost", 9) == 0) return true;
    }
    if (str_equal(name, STR("[::1]"))) return true;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] != '.' && (name.data[i] < '0' || name.data[i] > '9')) return false;
    return name.len > 4 && memcmp(name.data, "127.", 4) == 0;
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

int dispatch_head(const serving *s, const http_parser *p, const char *data, route_match *m, response *r)
{
    str path = http_str(data, p->path);
    str host = http_str(data, p->fields[FIELD_HOST]);
    if (path.len == 0) path = STR("/");
    *m = route_find(path, p->method);
    if (m->route && !is_open_here(s, m->route)) *m = (route_match){.protocol = m->protocol, .index = route_count()};
    bool on_socket = s->peer && s->peer->entrance == ENTRANCE_SOCKET; // where no page of the web gets
    if (s->loopback && !on_socket && host.len > 0 && !host_is_ours(host))
        return fail(m, r, 421, "host", "This server is bound to a loopback address and takes no other Host than that");
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
    if (m->route->takes) {
        int status = refuse_body(m, p, data, r);
        if (status != 0) return status;
    }
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

static int run(serving *s, const route_match *m, request *q, bool gzip, response *r, err *e)
{
    TRY(decode_parameters(m, q, e));
    if (gzip) TRY(inflate_gzip(q->body, s->options->body_max, &q->body, q->memory, e));
    int rc = m->route->handle(s, q, r, e);
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
    if (r->stream) r->stream->close(r->stream);
    if (r->sink) r->sink->close(r->sink);
    r->stream = NULL;
    r->sink = NULL;
    r->failure = rc;
    dispatch_fail(m->protocol, r, r->status >= 400 ? r->status : http_status_of(rc), e);
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
