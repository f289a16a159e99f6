// What a connection says: heads and bodies go into the loop's `out` and leave with one write; what the socket does not
// take is kept by the connection.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/log.h"
#include "serve/loop_impl.h"

enum { HEAD_BYTES_MAX = 512 };

// Those of the connection that is being served.
void output_drop(loop *l)
{
    l->out.len = l->out_from;
    l->out.failed = 0;
    if (l->out.len == 0 && l->out.cap > KEPT_BYTES) buf_clear(&l->out);
}

// Answering.

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_status(char *to, int status)
{
    if (status == 200) return PUT(to, "HTTP/1.1 200 OK\r\n");
    const char *reason = http_reason(status);
    to = PUT(to, "HTTP/1.1 ");
    to += decimal_format_i64(status, to);
    *to++ = ' ';
    to = put(to, reason, strlen(reason));
    return PUT(to, "\r\n");
}

// Keeps what a socket did not take. False: no room; the connection is closed.
static bool keep_unsent(connection *c, const char *data, size_t len)
{
    loop *l = c->home;
    if (len == 0) return true;
    char *to = loop_room(l, &c->out, len);
    if (!to) {
        connection_close(c);
        return false;
    }
    memcpy(to, data, len);
    c->out.len += len;
    connection_set_phase(c, PHASE_WRITE);
    return true;
}

// The large body goes along as it is, past its first `sent` bytes.
static void keep_body(connection *c, buf *body, size_t sent)
{
    loop *l = c->home;
    loop_give_buffer(l, &c->out);
    c->out = *body;
    c->out_at = sent;
    l->buffered += c->out.cap;
    *body = (buf){.ceiling = body->ceiling};
    connection_set_phase(c, PHASE_WRITE);
}

// Bytes that went; negative: none ever will.
static ssize_t send_once(connection *c, const char *data, size_t len)
{
    ssize_t n;
    if (c->tls) {
        n = tls_write(c->tls, data, len);
    } else {
        do n = send(c->fd, data, len, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno == EAGAIN) n = 0;
    }
    if (n < 0) return -1;
    counter_add(&c->home->meters.sent_bytes, (uint64_t)n);
    return n;
}

// Sends the answers in l->out; what does not go is kept. False: the connection is closed.
bool output_send(connection *c)
{
    loop *l = c->home;
    const char *data = l->out.data + l->out_from;
    size_t len = l->out.len - l->out_from;
    if (len == 0) return true;
    ssize_t n = send_once(c, data, len);
    if (n < 0) {
        connection_close(c);
        return false;
    }
    bool open = keep_unsent(c, data + n, len - (size_t)n);
    output_drop(l);
    return open;
}

static ssize_t send_both(connection *c, char *data, size_t len, const buf *body)
{
    ssize_t n;
    if (c->tls) {
        n = send_once(c, data, len);
        if (n < 0 || (size_t)n < len) return n;
        ssize_t more = send_once(c, body->data, body->len);
        return more < 0 ? more : n + more;
    }
    struct iovec parts[2] = {{.iov_base = data, .iov_len = len}, {.iov_base = body->data, .iov_len = body->len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    do n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    counter_add(&c->home->meters.sent_bytes, (uint64_t)n);
    return n;
}

// The same with a large body behind them, which is not copied. False: the connection is closed.
static bool send_with_body(connection *c, buf *body)
{
    loop *l = c->home;
    char *data = l->out.data + l->out_from;
    size_t len = l->out.len - l->out_from;
    ssize_t n = send_both(c, data, len, body);
    if (n < 0) {
        connection_close(c);
        return false;
    }
    size_t sent = (size_t)n;
    bool open = true;
    if (sent >= len && sent < len + body->len)
        keep_body(c, body, sent - len);
    else if (sent < len)
        open = keep_unsent(c, data + sent, len - sent) && keep_unsent(c, body->data, body->len);
    output_drop(l);
    return open;
}

void output_send_deferred(loop *l)
{
    for (size_t i = 0; i < l->n_deferred; i++) {
        deferred *d = &l->deferred[i];
        const char *data = l->out.data + d->from;
        l->out_from = l->out.len; // closing one of them drops nothing of the others
        ssize_t n = send_once(d->connection, data, d->len);
        if (n < 0)
            connection_close(d->connection);
        else
            (void)keep_unsent(d->connection, data + n, d->len - (size_t)n);
    }
    l->n_deferred = 0;
    l->out_from = 0;
    output_drop(l);
}

// What was kept. False: not all of it went, or the connection is closed.
bool output_send_kept(connection *c)
{
    loop *l = c->home;
    while (c->out_at < c->out.len) {
        ssize_t n = send_once(c, c->out.data + c->out_at, c->out.len - c->out_at);
        if (n < 0) connection_close(c);
        if (n <= 0) return false;
        c->out_at += (size_t)n;
    }
    loop_give_buffer(l, &c->out);
    c->out_at = 0;
    c->phase = PHASE_NONE;
    return true;
}

// Writes head and body to l->out. False: the connection is closed.
bool output_answer(connection *c, response *r, buf *body, bool head_only)
{
    loop *l = c->home;
    const bool streams = r->stream != NULL, chunks = streams && r->stream->len == 0;
    if (streams) stream_attach(c, r);
    size_t extra = r->extra ? strlen(r->extra) : 0, type = r->content_type ? strlen(r->content_type) : 0;
    size_t cors = c->match.cors ? strlen(c->match.cors) : 0;
    bool without_body = r->status == 204 || r->status == 304;
    c->answer_bytes = without_body || head_only ? 0 : body->len;
    char *start = buf_reserve(&l->out, HEAD_BYTES_MAX + extra + type + cors), *to = start;
    if (!start) {
        connection_close(c);
        return false;
    }
    if (c->last || l->stopping || (chunks && c->protocol_minor == 0)) c->closing = true;
    to = put_status(to, r->status);
    to += loop_date(l, to);
    if (type > 0 && !without_body) {
        to = PUT(to, "Content-Type: ");
        to = put(to, r->content_type, type);
        to = PUT(to, "\r\n");
    }
    to = put(to, r->extra ? r->extra : "", extra);
    to = put(to, c->match.cors ? c->match.cors : "", cors);
    if (c->closing)
        to = PUT(to, "Connection: close\r\n");
    else if (c->protocol_minor == 0)
        to = PUT(to, "Connection: keep-alive\r\n");
    if (chunks && !without_body) {
        if (c->protocol_minor > 0) to = PUT(to, "Transfer-Encoding: chunked\r\n");
    } else if (!without_body) {
        to = PUT(to, "Content-Length: ");
        to += decimal_format_i64((int64_t)(body->len + (streams ? c->stream->len : 0)), to);
        to = PUT(to, "\r\n");
    }
    to = PUT(to, "\r\n");
    l->out.len += (size_t)(to - start);
    if (streams) {
        if (without_body || head_only)
            stream_drop(c);
        else
            stream_add(c, buf_str(body));
        return true; // what failed to be added is seen at the next piece
    }
    if (without_body || head_only || body->len == 0) return true;
    if (body->len > BODY_INLINE_BYTES) {
        bool open = send_with_body(c, body);
        if (body->cap > KEPT_BYTES) buf_clear(body);
        return open;
    }
    buf_add(&l->out, body->data, body->len);
    if (!l->out.failed) return true;
    connection_close(c);
    return false;
}

// Leaves a record for the observer.
static void observe(connection *c, const request *q, const response *r, uint64_t start_ns, uint64_t end_ns)
{
    loop *l = c->home;
    request_record *to = observer_record(l->shared->observer, l->index);
    if (!to) return;
    *to = (request_record){.start_ns = start_ns,
                           .end_ns = end_ns,
                           .route = c->match.route,
                           .model = r->model,
                           .version = r->version,
                           .n_rows = r->n_rows,
                           .received_bytes = c->parser.body_len,
                           .sent_bytes = c->answer_bytes,
                           .status = r->status,
                           .method = c->parser.method,
                           .trace = c->trace};
    if (q && q->who) {
        memcpy(to->key, q->who->id, strnlen(q->who->id, sizeof to->key - 1));
        memcpy(to->tenant, q->who->tenant, strnlen(q->who->tenant, sizeof to->tenant - 1));
    }
    memcpy(to->peer, c->peer.address, sizeof c->peer.address);
    observer_commit(l->shared->observer, l->index);
}

void output_count(connection *c, size_t index, const request *q, const response *r, uint64_t start_ns)
{
    int status = r->status;
    loop *l = c->home;
    uint64_t spent = clock_monotonic_ns() - start_ns;
    counter_add(&l->meters.requests_ended, 1);
    meters_count(&l->meters, index, status, spent);
    log_event(LOG_DEBUG, "request answered", "%s, status %d, %" PRIu64 " us",
              c->match.route ? c->match.route->name : "none", status, spent / 1000);
    if (l->shared->observer) observe(c, q, r, start_ns, start_ns + spent);
}

// An answer without a request that could be routed: a refusal by the parser, a deadline, too many connections.
bool output_fault(connection *c, int status, const char *code, const char *why)
{
    loop *l = c->home;
    size_t n;
    err e = ERR_NONE;
    c->closing = true;
    counter_add(&l->meters.requests_started, 1);
    err_set(&e, ERR_FORMAT, "%s", why);
    response r = {.status = status, .body = &l->body, .at = {.code = code, .row = -1}};
    if (status == 503) r.extra = "Retry-After: 1\r\n";
    dispatch_fail(protocol_rows(&n)[0], &r, status, &e);
    c->match.route = NULL;
    c->match.cors = NULL;
    bool open = output_answer(c, &r, &l->body, false);
    output_count(c, route_count(), NULL, &r, l->now_ns);
    return open;
}
