// One connection: read, parse, answer, write, in that order, as far as it gets without waiting.
//
// A request that comes whole is answered from the loop's scratch and owns nothing; only what comes in pieces is copied
// into a buffer of its connection. Answers go into the loop's `out` and leave with one write; only what the socket does
// not take is kept by the connection, and nothing more of it is read until that is gone.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/access.h"
#include "serve/loop_impl.h"

enum { HEAD_BYTES_MAX = 512, READ_LEAST = 4096 };

// Its own buffers.

static size_t buffered_max(const loop *l)
{
    return l->shared->options.buffers_max / l->shared->n_loops;
}

static void give_buffer(loop *l, buf *b)
{
    l->buffered -= b->cap;
    if (b->cap > 0 && b->cap <= SPARE_BUFFER_BYTES && l->n_spare < SPARE_BUFFERS) {
        buf_reset(b);
        l->spare[l->n_spare++] = *b;
        *b = (buf){.ceiling = b->ceiling};
    } else {
        buf_clear(b);
    }
}

// Room for n more bytes; NULL past the ceiling of all connections, or without memory.
static char *room(loop *l, buf *b, size_t n)
{
    if (b->cap == 0 && l->n_spare > 0) {
        *b = l->spare[--l->n_spare];
        l->buffered += b->cap;
    }
    size_t before = b->cap;
    if (n > b->cap - b->len && l->buffered + n > buffered_max(l)) return NULL;
    char *to = buf_reserve(b, n);
    l->buffered += b->cap - before;
    return to;
}

void connection_free_memory(connection *c)
{
    give_buffer(c->home, &c->in);
    give_buffer(c->home, &c->out);
}

// Deadlines.

static uint64_t phase_ms(const connection *c, phase p)
{
    const server_options *o = &c->home->shared->options;
    switch (p) {
    case PHASE_HEAD: return o->header_ms_max;
    case PHASE_BODY: return o->body_ms_max;
    case PHASE_IDLE: return o->idle_ms_max;
    case PHASE_WRITE: return o->write_ms_max;
    default: return LINGER_MS;
    }
}

// Begins a phase with its deadline; a phase that goes on keeps the deadline it has.
static void set_phase(connection *c, phase p)
{
    loop *l = c->home;
    if (c->phase == p && p != PHASE_IDLE) return;
    c->phase = p;
    if (p == PHASE_WORK)
        wheel_remove(&l->timers, &c->timer);
    else
        wheel_set(&l->timers, &c->timer, l->now_ns + phase_ms(c, p) * UINT64_C(1000000));
}

// Opening and closing.

// Those of the connection that is being served.
static void drop_answers(loop *l)
{
    l->out.len = l->out_from;
    l->out.failed = 0;
    if (l->out.len == 0 && l->out.cap > KEPT_BYTES) buf_clear(&l->out);
}

void connection_close(connection *c)
{
    loop *l = c->home;
    wheel_remove(&l->timers, &c->timer);
    if (c->again) {
        connection **at = &l->again;
        while (*at && *at != c) at = &(*at)->next_again;
        if (*at) *at = c->next_again;
        c->again = false;
    }
    c->before->after = c->after;
    c->after->before = c->before;
    close(c->fd);
    drop_answers(l);
    l->n_connections--;
    atomic_fetch_sub_explicit(&l->shared->n_connections, 1, memory_order_relaxed);
    counter_add(&l->meters.closed, 1);
    if (c->job) { // its worker still reads `in`
        c->gone = true;
        return;
    }
    connection_free_memory(c);
    c->after = l->free;
    l->free = c;
}

// Nothing more is said; what the peer still sends is read and dropped for a moment, because closing at once would reset
// the connection and could take the answer away from it.
static void linger(connection *c)
{
    c->closing = true;
    if (c->ended || shutdown(c->fd, SHUT_WR) < 0) {
        connection_close(c);
        return;
    }
    give_buffer(c->home, &c->in);
    c->in_at = 0;
    set_phase(c, PHASE_LINGER);
    connection_drive(c);
}

static void drop_input(connection *c)
{
    loop *l = c->home;
    for (int i = 0; c->readable && i < 16; i++) {
        ssize_t n = recv(c->fd, l->scratch, SCRATCH_BYTES, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            connection_close(c);
            return;
        }
        if (n < SCRATCH_BYTES && !c->hung_up) c->readable = false;
    }
    if (c->readable) loop_turn_over(c);
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
    char *to = room(l, &c->out, len);
    if (!to) {
        connection_close(c);
        return false;
    }
    memcpy(to, data, len);
    c->out.len += len;
    set_phase(c, PHASE_WRITE);
    return true;
}

// The large body goes along as it is, past its first `sent` bytes.
static void keep_body(connection *c, buf *body, size_t sent)
{
    loop *l = c->home;
    give_buffer(l, &c->out);
    c->out = *body;
    c->out_at = sent;
    l->buffered += c->out.cap;
    *body = (buf){.ceiling = body->ceiling};
    set_phase(c, PHASE_WRITE);
}

// Bytes that went; negative: none ever will.
static ssize_t send_once(connection *c, const char *data, size_t len)
{
    ssize_t n;
    do n = send(c->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? 0 : -1;
    counter_add(&c->home->meters.sent_bytes, (uint64_t)n);
    return n;
}

// Sends the answers in l->out; what does not go is kept. False: the connection is closed.
static bool send_answers(connection *c)
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
    drop_answers(l);
    return open;
}

// The same with a large body behind them, which is not copied. False: the connection is closed.
static bool send_with_body(connection *c, buf *body)
{
    loop *l = c->home;
    char *data = l->out.data + l->out_from;
    size_t len = l->out.len - l->out_from;
    struct iovec parts[2] = {{.iov_base = data, .iov_len = len}, {.iov_base = body->data, .iov_len = body->len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t n;
    do n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        connection_close(c);
        return false;
    }
    size_t sent = n < 0 ? 0 : (size_t)n;
    counter_add(&l->meters.sent_bytes, sent);
    bool open = true;
    if (sent >= len && sent < len + body->len)
        keep_body(c, body, sent - len);
    else if (sent < len)
        open = keep_unsent(c, data + sent, len - sent) && keep_unsent(c, body->data, body->len);
    drop_answers(l);
    return open;
}

void connection_send_deferred(loop *l)
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
    drop_answers(l);
}

// What was kept. False: not all of it went, or the connection is closed.
static bool send_kept(connection *c)
{
    loop *l = c->home;
    while (c->out_at < c->out.len) {
        ssize_t n = send_once(c, c->out.data + c->out_at, c->out.len - c->out_at);
        if (n < 0) connection_close(c);
        if (n <= 0) return false;
        c->out_at += (size_t)n;
    }
    give_buffer(l, &c->out);
    c->out_at = 0;
    c->phase = PHASE_NONE;
    return true;
}

// Writes head and body to l->out. False: the connection is closed.
static bool answer(connection *c, const response *r, buf *body, bool head_only)
{
    loop *l = c->home;
    size_t extra = r->extra ? strlen(r->extra) : 0, type = r->content_type ? strlen(r->content_type) : 0;
    bool without_body = r->status == 204 || r->status == 304;
    char *start = buf_reserve(&l->out, HEAD_BYTES_MAX + extra + type), *to = start;
    if (!start) {
        connection_close(c);
        return false;
    }
    if (c->last || l->stopping) c->closing = true;
    to = put_status(to, r->status);
    to += loop_date(l, to);
    if (type > 0 && !without_body) {
        to = PUT(to, "Content-Type: ");
        to = put(to, r->content_type, type);
        to = PUT(to, "\r\n");
    }
    to = put(to, r->extra ? r->extra : "", extra);
    if (c->closing)
        to = PUT(to, "Connection: close\r\n");
    else if (c->protocol_minor == 0)
        to = PUT(to, "Connection: keep-alive\r\n");
    if (!without_body) {
        to = PUT(to, "Content-Length: ");
        to += decimal_format_i64((int64_t)body->len, to);
        to = PUT(to, "\r\n");
    }
    to = PUT(to, "\r\n");
    l->out.len += (size_t)(to - start);
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

static void count(connection *c, size_t index, int status, uint64_t start_ns)
{
    loop *l = c->home;
    uint64_t spent = clock_monotonic_ns() - start_ns;
    counter_add(&l->meters.requests_ended, 1);
    meters_count(&l->meters, index, status, spent);
    log_event(LOG_DEBUG, "request answered", "%s, status %d, %" PRIu64 " us",
              c->match.route ? c->match.route->name : "none", status, spent / 1000);
}

// An answer without a request that could be routed: a refusal by the parser, a deadline, too many connections.
static bool answer_fault(connection *c, int status, const char *code, const char *why)
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
    bool open = answer(c, &r, &l->body, false);
    count(c, route_count(), status, l->now_ns);
    return open;
}

static void fill_request(connection *c, const char *data, request *q, arena *memory)
{
    const http_parser *p = &c->parser;
    *q = (request){.method = p->method,
                   .path = http_str(data, p->path),
                   .query = http_str(data, p->query),
                   .body = {data + p->body_at, p->body_len},
                   .head = p,
                   .data = data,
                   .who = &local_principal,
                   .memory = memory};
    for (size_t i = 0; i < ROUTE_PARAMETERS_MAX; i++) c->match.parameters[i] = http_str(data, c->parameters[i]);
}

static bool is_gzip(const connection *c, const char *data)
{
    str encoding = http_str(data, c->parser.fields[FIELD_CONTENT_ENCODING]);
    return encoding.len > 0 && http_type_is(encoding, "gzip");
}

static job *take_job(loop *l)
{
    job *j = l->jobs_free;
    if (j) {
        l->jobs_free = j->next;
        return j;
    }
    j = mem_zalloc(1, sizeof *j);
    if (!j) return NULL;
    arena_init(&j->memory, l->shared->options.request_memory_max);
    buf_init(&j->body, l->shared->options.request_memory_max);
    return j;
}

static void give_job(loop *l, job *j)
{
    snapshot_drop(j->models);
    j->models = NULL;
    j->connection = NULL;
    if (j->memory.used > KEPT_BYTES)
        arena_clear(&j->memory);
    else
        arena_reset(&j->memory);
    buf_reset(&j->body);
    if (j->body.cap > KEPT_BYTES) buf_clear(&j->body);
    j->next = l->jobs_free;
    l->jobs_free = j;
}

// Hands the request at c->in_at to a worker. False: the connection is closed, or closing.
static bool start_job(connection *c)
{
    loop *l = c->home;
    job *j = take_job(l);
    if (!j) return answer_fault(c, 503, "memory", "There is no memory for this request just now");
    const char *data = c->in.data + c->in_at;
    j->home = l;
    j->connection = c;
    j->models = snapshot_hold(l->models);
    j->gzip = is_gzip(c, data);
    j->start_ns = l->now_ns;
    fill_request(c, data, &j->request, &j->memory);
    j->request.job = j;
    j->match = c->match;
    j->response = (response){.status = 200, .content_type = c->match.route->gives, .body = &j->body, .at = {.row = -1}};
    counter_add(&l->meters.requests_started, 1);
    if (!work_add(l->shared, j)) {
        give_job(l, j);
        counter_add(&l->meters.requests_ended, 1);
        return answer_fault(c, 503, "busy", "Too many large requests are waiting");
    }
    c->job = j;
    set_phase(c, PHASE_WORK);
    return true;
}

// 1: answered; 0: the handler wants a worker; negative: the connection is closed.
static int run_inline(connection *c, char *data)
{
    loop *l = c->home;
    request q;
    buf_reset(&l->body);
    response r = {.status = 200, .content_type = c->match.route->gives, .body = &l->body, .at = {.row = -1}};
    counter_add(&l->meters.requests_started, 1);
    fill_request(c, data, &q, &l->memory);
    int rc = dispatch_run(&l->serving, &c->match, &q, false, &r);
    if (rc == HANDLER_WORKER) {
        arena_reset(&l->memory);
        counter_add(&l->meters.requests_ended, 1); // starts again
        return 0;
    }
    bool open = answer(c, &r, &l->body, q.method == HTTP_HEAD);
    if (l->memory.used > KEPT_BYTES)
        arena_clear(&l->memory);
    else
        arena_reset(&l->memory);
    if (l->body.cap > KEPT_BYTES) buf_clear(&l->body);
    count(c, c->match.index, r.status, l->now_ns);
    return open ? 1 : -1;
}

// Whether a request goes to a worker at once.
static bool is_heavy(const connection *c, const char *data)
{
    const route *r = c->match.route;
    return r->flags & ROUTE_BLOCKS || c->wants_worker ||
           (r->takes && (c->parser.body_len >= WORK_BODY_BYTES || is_gzip(c, data)));
}

// The header is there: refuse now what would be refused later, before the body is sent. False: the connection is
// closed.
static bool take_head(connection *c, char *data, size_t len)
{
    loop *l = c->home;
    http_parser *p = &c->parser;
    c->protocol_minor = (uint8_t)p->minor;
    c->refused = false;
    c->last = !p->keep_alive;
    buf_reset(&l->body);
    response r = {.status = 200, .body = &l->body, .at = {.row = -1}};
    int status = dispatch_head(&l->serving, p, data, &c->match, &r);
    if (status != 0) {
        c->refused = true;
        if (p->chunked || p->content_length > 0) c->closing = true; // its body is not read
        counter_add(&l->meters.requests_started, 1);
        bool open = answer(c, &r, &l->body, p->method == HTTP_HEAD);
        count(c, c->match.index, status, l->now_ns);
        return open;
    }
    for (size_t i = 0; i < ROUTE_PARAMETERS_MAX; i++) {
        str s = c->match.parameters[i];
        c->parameters[i] = s.len > 0 ? (http_span){(uint32_t)(s.data - data), (uint32_t)s.len} : (http_span){0, 0};
    }
    bool there = !p->chunked && len - p->head_len >= p->content_length;
    if (p->expects_continue && !there) buf_add_text(&l->out, "HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

static void next_request(connection *c)
{
    http_parser_init(&c->parser);
    c->wants_worker = false;
    c->phase = PHASE_NONE;
}

// Answers the whole requests in `data`. `own`: it is c->in from c->in_at on; else the scratch, and what is left goes to
// c->in. *used: bytes that are done with. False: the connection is closed.
static bool serve_bytes(connection *c, char *data, size_t len, bool own, size_t *used)
{
    loop *l = c->home;
    size_t at = 0;
    c->starved = false;
    while (!c->job && l->out.len - l->out_from < OUT_BATCH_BYTES && c->out.len == 0 && c->turn > 0) {
        if (at == len) break;
        http_step step = http_parse(&c->parser, data + at, len - at, &l->shared->limits);
        if (step == STEP_HEAD) {
            if (!take_head(c, data + at, len - at)) return false;
            if (c->refused && c->closing) break;
            step = http_parse(&c->parser, data + at, len - at, &l->shared->limits);
        }
        if (step == STEP_MORE) {
            c->starved = true;
            break;
        }
        if (step == STEP_BAD) {
            if (!answer_fault(c, c->parser.status, "http", c->parser.why)) return false;
            break;
        }
        c->turn--;
        if (!c->refused) {
            bool heavy = is_heavy(c, data + at);
            if (!heavy) {
                int rc = run_inline(c, data + at);
                if (rc < 0) return false;
                heavy = c->wants_worker = rc == 0;
            }
            if (heavy && !own) break; // moved to c->in first, and looked at again from there
            if (heavy && !start_job(c)) return false;
            if (c->job) break;
        }
        at += c->parser.total;
        next_request(c);
        if (c->closing) break;
    }
    *used = at;
    return true;
}

static bool keep_rest(connection *c, const char *data, size_t len)
{
    loop *l = c->home;
    if (len == 0 || c->closing) return true;
    char *to = room(l, &c->in, len);
    if (!to) return answer_fault(c, 503, "memory", "There is no memory for this request just now");
    put(to, data, len);
    c->in.len += len;
    return true;
}

// Bytes that are known to be missing, or a piece.
static size_t read_size(const connection *c)
{
    const http_parser *p = &c->parser;
    size_t have = c->in.len - c->in_at;
    if (p->head_len == 0 || p->chunked) return READ_LEAST;
    size_t want = p->head_len + p->content_length;
    size_t left = want > have ? want - have : READ_LEAST;
    size_t most = have < SCRATCH_BYTES ? SCRATCH_BYTES : have; // announced is not sent: grow with what came
    return left < most ? left : most;
}

// Reads once and answers what is whole. False: the connection is closed.
static bool read_some(connection *c)
{
    loop *l = c->home;
    bool own = c->in.len > 0;
    char *to = l->scratch;
    size_t most = SCRATCH_BYTES;
    if (own) {
        if (c->in_at > 0) {
            memmove(c->in.data, c->in.data + c->in_at, c->in.len - c->in_at);
            c->in.len -= c->in_at;
            c->in_at = 0;
        }
        most = read_size(c);
        to = room(l, &c->in, most);
        if (!to) return answer_fault(c, 503, "memory", "There is no memory for this request just now");
        if (c->in.cap - c->in.len > most && most < SCRATCH_BYTES) most = c->in.cap - c->in.len;
    }
    ssize_t n;
    if (c->early) {
        own = false;
        to = (char *)(uintptr_t)c->early;
        n = c->early_len;
        most = EARLY_BYTES;
        c->early = NULL;
    } else {
        do n = recv(c->fd, to, most, 0);
        while (n < 0 && errno == EINTR);
    }
    if (n < 0) {
        c->readable = false;
        if (errno == EAGAIN) return true;
        connection_close(c);
        return false;
    }
    if (n == 0) {
        c->ended = true;
        c->readable = false;
        return true;
    }
    if ((size_t)n < most && !c->hung_up) c->readable = false;
    counter_add(&l->meters.received_bytes, (uint64_t)n);
    c->starved = false;
    if (own) {
        c->in.len += (size_t)n;
        return true; // answered from there by the next step
    }
    size_t used;
    if (!serve_bytes(c, to, (size_t)n, false, &used)) return false;
    return keep_rest(c, to + used, (size_t)n - used);
}

static bool serve_own(connection *c)
{
    size_t used;
    if (!serve_bytes(c, c->in.data + c->in_at, c->in.len - c->in_at, true, &used)) return false;
    c->in_at += used;
    if (c->in_at == c->in.len && !c->job) {
        give_buffer(c->home, &c->in);
        c->in_at = 0;
    }
    return true;
}

// Nothing to do until the next event.
static void rest(connection *c)
{
    bool some = c->in.len > c->in_at;
    if (c->ended) {
        connection_close(c); // in the middle of a request, or after the last
        return;
    }
    if (some)
        set_phase(c, c->parser.head_len > 0 ? PHASE_BODY : PHASE_HEAD);
    else if (c->phase != PHASE_HEAD) // a new connection has the deadline of its first header
        set_phase(c, PHASE_IDLE);
}

void connection_read_early(connection *c, char *to)
{
    if (c->in.len > 0 || c->out.len > 0 || c->closing || c->job || c->again || c->phase == PHASE_LINGER) return;
    ssize_t n = recv(c->fd, to, EARLY_BYTES, 0);
    if (n < 0) return; // told again when its turn comes
    c->early = to;
    c->early_len = (uint32_t)n;
}

// Whether its answers may leave with those of others: nothing else is to be done before the next event.
static bool may_defer(const connection *c)
{
    const loop *l = c->home;
    return l->defers && l->n_deferred < DEFERRED_MAX && c->out.len == 0 && !c->closing && !c->job && !c->readable &&
           !c->ended && (c->in.len == c->in_at || c->starved);
}

static void defer(connection *c)
{
    loop *l = c->home;
    l->deferred[l->n_deferred++] = (deferred){.connection = c, .from = l->out_from, .len = l->out.len - l->out_from};
    loop_begin(l);
}

void connection_drive(connection *c)
{
    loop *l = c->home;
    c->turn = TURN_REQUESTS;
    for (;;) {
        if (l->out.len > l->out_from) {
            if (may_defer(c))
                defer(c);
            else if (!send_answers(c))
                return;
        }
        if (c->phase == PHASE_LINGER) {
            drop_input(c);
            return;
        }
        if (c->out.len > 0 && !send_kept(c)) return;
        if (c->job) return;
        if (c->closing) {
            linger(c);
            return;
        }
        if (c->turn == 0) {
            loop_turn_over(c);
            return;
        }
        if (c->in.len > c->in_at && !c->starved) {
            if (!serve_own(c)) return;
        } else if (c->readable) {
            if (!read_some(c)) return;
        } else {
            rest(c);
            return;
        }
    }
}

void connection_answered(connection *c, job *j)
{
    loop *l = c->home;
    c->job = NULL;
    if (c->gone) {
        counter_add(&l->meters.requests_ended, 1);
        connection_free_memory(c);
        c->after = l->free;
        l->free = c;
        give_job(l, j);
        return;
    }
    bool open = answer(c, &j->response, &j->body, j->request.method == HTTP_HEAD);
    count(c, j->match.index, j->response.status, j->start_ns);
    give_job(l, j);
    if (!open || !send_answers(c)) return;
    c->in_at += c->parser.total;
    bool blocked = c->out.len > 0;
    http_parser_init(&c->parser);
    c->wants_worker = false;
    if (!blocked) c->phase = PHASE_NONE;
    if (c->in_at == c->in.len) {
        give_buffer(l, &c->in);
        c->in_at = 0;
    }
    connection_drive(c);
}

void connection_expired(connection *c)
{
    loop *l = c->home;
    if (c->again) { // its turn comes: it is waiting for us, not we for it
        wheel_set(&l->timers, &c->timer, l->now_ns + LINGER_MS * UINT64_C(1000000));
        return;
    }
    if (c->phase != PHASE_IDLE && c->phase != PHASE_LINGER) counter_add(&l->meters.timeouts, 1);
    bool asked = c->phase == PHASE_BODY || (c->phase == PHASE_HEAD && c->in.len > c->in_at);
    if (!asked) {
        connection_close(c);
        return;
    }
    if (answer_fault(c, 408, "timeout", "The request did not come in time") && send_answers(c)) connection_drive(c);
}

void connection_stop(connection *c)
{
    loop *l = c->home;
    if (c->job || c->out.len > 0 || c->phase == PHASE_LINGER) return;
    bool fresh = c->phase == PHASE_HEAD && c->in.len == c->in_at;
    if (fresh) {
        wheel_set(&l->timers, &c->timer, l->now_ns + STOP_IDLE_MS * UINT64_C(1000000));
        return;
    }
    if (c->phase != PHASE_IDLE) return;
    char byte;
    if (recv(c->fd, &byte, 1, MSG_PEEK) > 0) { // a request is there that we have not seen yet
        c->readable = true;
        connection_drive(c);
        return;
    }
    connection_close(c);
}

void connection_open(loop *l, int fd, bool refuse)
{
    connection *c = l->free;
    if (c)
        l->free = c->after;
    else
        c = mem_alloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    *c = (connection){.home = l, .fd = fd};
    buf_init(&c->in, SIZE_MAX / 2);
    buf_init(&c->out, SIZE_MAX / 2);
    http_parser_init(&c->parser);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        close(fd);
        c->after = l->free;
        l->free = c;
        return;
    }
    c->before = l->all.before;
    c->after = &l->all;
    l->all.before->after = c;
    l->all.before = c;
    l->n_connections++;
    atomic_fetch_add_explicit(&l->shared->n_connections, 1, memory_order_relaxed);
    counter_add(&l->meters.accepted, 1);
    set_phase(c, PHASE_HEAD);
    loop_begin(l);
    if (l->stopping) connection_stop(c);
    if (!refuse) return;
    counter_add(&l->meters.refused, 1);
    if (answer_fault(c, 503, "connections", "There are too many connections just now") && send_answers(c)) linger(c);
}
