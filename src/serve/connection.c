// One connection: read, parse, answer, write, in that order, as far as it gets without waiting.
//
// A request that comes whole is answered from the loop's scratch and owns nothing; only what comes in pieces is copied
// into a buffer of its connection. Answers go into the loop's `out` and leave with one write; only what the socket does
// not take is kept by the connection, and nothing more of it is read until that is gone.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/access.h"
#include "serve/loop_impl.h"

enum { READ_LEAST = 4096 };

void connection_free_memory(connection *c)
{
    loop_give_buffer(c->home, &c->in);
    loop_give_buffer(c->home, &c->out);
    access_forget(&c->seen);
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
void connection_set_phase(connection *c, phase p)
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
    tls_end(c->tls);
    if (c->shakes_hands) atomic_fetch_sub_explicit(&l->shared->n_handshakes, 1, memory_order_relaxed);
    close(c->fd);
    output_drop(l);
    l->n_connections--;
    atomic_fetch_sub_explicit(&l->shared->n_connections, 1, memory_order_relaxed);
    counter_add(&l->meters.closed, 1);
    if (c->stream) stream_drop(c);
    if (c->upload) pieces_drop(c);
    if (c->job) { // its worker still reads `in`
        atomic_store_explicit(&c->job->gone, true, memory_order_relaxed);
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
    if (c->tls) tls_goodbye(c->tls);
    if (c->ended || shutdown(c->fd, SHUT_WR) < 0) {
        connection_close(c);
        return;
    }
    loop_give_buffer(c->home, &c->in);
    c->in_at = 0;
    connection_set_phase(c, PHASE_LINGER);
    connection_drive(c);
}

// Reading.

static ssize_t read_plain(connection *c, char *to, size_t most)
{
    ssize_t n;
    do n = recv(c->fd, to, most, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        c->readable = false;
        return errno == EAGAIN ? READ_NOTHING : READ_BROKEN;
    }
    if ((size_t)n < most && !c->hung_up) c->readable = false;
    return n > 0 ? n : READ_ENDED;
}

static ssize_t read_encrypted(connection *c, char *to, size_t most)
{
    static const char plain[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                                "Content-Length: 40\r\n\r\nThis port speaks TLS: ask with https://\n";
    bool more;
    ssize_t n = tls_read(c->tls, to, most, &more);
    c->readable = n > 0 && (more || c->hung_up);
    if (c->shakes_hands && tls_is_ready(c->tls)) {
        c->shakes_hands = false;
        atomic_fetch_sub_explicit(&c->home->shared->n_handshakes, 1, memory_order_relaxed);
        tls_peer_name(c->tls, c->peer.name);
    }
    if (n == TLS_BROKEN && tls_was_plain(c->tls)) (void)send(c->fd, plain, sizeof plain - 1, MSG_NOSIGNAL);
    return n;
}

ssize_t connection_read(connection *c, char *to, size_t most)
{
    ssize_t n = c->tls ? read_encrypted(c, to, most) : read_plain(c, to, most);
    if (n > 0) counter_add(&c->home->meters.received_bytes, (uint64_t)n);
    if (n == READ_ENDED) {
        c->ended = true;
        c->readable = false;
    }
    return n;
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

static void fill_request(connection *c, const char *data, request *q, arena *memory)
{
    const http_parser *p = &c->parser;
    *q = (request){.method = p->method,
                   .path = http_str(data, p->path),
                   .query = http_str(data, p->query),
                   .body = {data + p->body_at, p->body_len},
                   .head = p,
                   .data = data,
                   .who = c->match.who,
                   .peer = &c->peer,
                   .deadline_ns = c->deadline_ns,
                   .lot = c->lot,
                   .memory = memory};
    for (size_t i = 0; i < ROUTE_PARAMETERS_MAX; i++) c->match.parameters[i] = http_str(data, c->parameters[i]);
}

static bool is_gzip(const connection *c, const char *data)
{
    str encoding = http_str(data, c->parser.fields[FIELD_CONTENT_ENCODING]);
    return encoding.len > 0 && http_type_is(encoding, "gzip");
}

// What the views of a job's request lie in: the connection's own buffer, or, where that is wanted for the body, a copy
// of the header.
static const char *data_of_job(const connection *c, job *j, const char *data)
{
    if (!c->in_pieces) return data;
    char *copy = arena_alloc(&j->memory, c->parser.head_len, 1);
    if (copy) memcpy(copy, data, c->parser.head_len);
    return copy;
}

// Hands the request, whose bytes at c->in_at are `data`, to a worker. False: the connection is closed.
static bool start_job(connection *c, const char *data)
{
    static const char no_memory[] = "There is no memory for this request just now";
    loop *l = c->home;
    job *j = loop_take_job(l);
    if (!j) return output_fault(c, 503, "memory", no_memory);
    j->kind = JOB_REQUEST;
    j->home = l;
    j->connection = c;
    j->models = snapshot_hold(l->models);
    if (c->seen.table) j->access = access_table_hold(c->seen.table);
    j->gzip = !c->in_pieces && is_gzip(c, data);
    j->start_ns = l->now_ns;
    atomic_store_explicit(&j->gone, false, memory_order_relaxed);
    j->match = c->match;
    j->response = (response){.status = 200, .content_type = c->match.route->gives, .body = &j->body, .at = {.row = -1}};
    data = data_of_job(c, j, data);
    if (!data) {
        loop_give_job(l, j);
        return output_fault(c, 503, "memory", no_memory);
    }
    fill_request(c, data, &j->request, &j->memory);
    j->request.job = j;
    j->request.gone = &j->gone;
    memcpy(j->match.parameters, c->match.parameters, sizeof j->match.parameters);
    counter_add(&l->meters.requests_started, 1);
    if (!work_add(l->shared, j, false)) {
        loop_give_job(l, j);
        counter_add(&l->meters.requests_ended, 1);
        return output_fault(c, 503, "busy", "Too many requests are waiting");
    }
    c->job = j;
    connection_set_phase(c, PHASE_WORK);
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
    bool open = output_answer(c, &r, &l->body, q.method == HTTP_HEAD);
    if (l->memory.used > KEPT_BYTES)
        arena_clear(&l->memory);
    else
        arena_reset(&l->memory);
    if (l->body.cap > KEPT_BYTES) buf_clear(&l->body);
    output_count(c, c->match.index, &q, &r, l->now_ns);
    return open ? 1 : -1;
}

// Whether a request goes to a worker at once.
static bool is_heavy(const connection *c, const char *data)
{
    const route *r = c->match.route;
    return r->flags & ROUTE_BLOCKS || c->wants_worker ||
           (r->takes && (c->parser.body_len >= WORK_BODY_BYTES || is_gzip(c, data)));
}

static void fill_address(peer *p, const struct sockaddr_storage *from)
{
    const void *address = NULL;
    if (from->ss_family == AF_INET) address = &((const struct sockaddr_in *)from)->sin_addr;
    if (from->ss_family == AF_INET6) address = &((const struct sockaddr_in6 *)from)->sin6_addr;
    if (!address || !inet_ntop(from->ss_family, address, p->address, sizeof p->address)) p->address[0] = '\0';
}

// For whom a trusted proxy asks.
static void look_behind_proxy(connection *c, const char *data)
{
    const http_parser *p = &c->parser;
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    str client = http_str(data, p->fields[FIELD_FORWARDED_FOR]);
    if (!proxies_client(&c->home->shared->trusted, client, c->peer.address) &&
        getpeername(c->fd, (struct sockaddr *)&from, &len) == 0)
        fill_address(&c->peer, &from);
    str scheme = http_str(data, p->fields[FIELD_FORWARDED_PROTO]);
    c->peer.encrypted = c->tls || str_equal(scheme, STR("https"));
}

// X-Request-Timeout. 0, or the status of a refusal.
static int take_deadline(connection *c, const char *data, response *r)
{
    uint64_t ns;
    if (http_parse_timeout(http_str(data, c->parser.fields[FIELD_TIMEOUT]), &ns)) {
        c->deadline_ns = c->home->now_ns + ns;
        return 0;
    }
    err e = ERR_NONE;
    err_set(&e, ERR_FORMAT, "X-Request-Timeout is not a number of seconds from 0.001 to 86400");
    r->at.code = "request_timeout";
    dispatch_fail(c->match.protocol, r, 400, &e);
    return 400;
}

// Answers a request whose body is not read. False: the connection is closed.
static bool refuse_head(connection *c, response *r)
{
    loop *l = c->home;
    const http_parser *p = &c->parser;
    c->refused = true;
    if (p->chunked || p->content_length > 0) c->closing = true;
    counter_add(&l->meters.requests_started, 1);
    bool open = output_answer(c, r, &l->body, p->method == HTTP_HEAD);
    output_count(c, c->match.index, NULL, r, l->now_ns);
    return open;
}

// Whether the handler would refuse a body that is long in coming, as an overloaded model does, whatever is in it: then
// *r is the answer.
static bool is_in_vain(connection *c, const char *data, response *r)
{
    loop *l = c->home;
    request q;
    r->content_type = c->match.route->gives;
    fill_request(c, data, &q, &l->memory);
    q.body = (str){"", 0};
    q.head_only = true;
    int rc = dispatch_run(&l->serving, &c->match, &q, false, r);
    return rc == 0 && r->status >= 400;
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
    c->lot = rng_u64(&l->random);
    if (l->shared->observer)
        trace_begin(&c->trace, http_str(data, p->fields[FIELD_TRACEPARENT]), observer_sampling(l->shared->observer),
                    &l->random);
    buf_reset(&l->body);
    response r = {.status = 200, .body = &l->body, .at = {.row = -1}};
    if (c->trusted) look_behind_proxy(c, data);
    l->serving.peer = &c->peer;
    int status = dispatch_head(&l->serving, p, data, &c->seen, &c->match, &r);
    c->deadline_ns = 0;
    if (status == 0 && p->fields[FIELD_TIMEOUT].len > 0) status = take_deadline(c, data, &r);
    if (status != 0) return refuse_head(c, &r);
    for (size_t i = 0; i < ROUTE_PARAMETERS_MAX; i++) {
        str s = c->match.parameters[i];
        c->parameters[i] = s.len > 0 ? (http_span){(uint32_t)(s.data - data), (uint32_t)s.len} : (http_span){0, 0};
    }
    if (c->match.route->flags & ROUTE_TAKES_PIECES) {
        c->in_pieces = true; // its handler says whether to go on
        return true;
    }
    bool there = !p->chunked && len - p->head_len >= p->content_length;
    bool long_in_coming = !there && (p->chunked || p->content_length >= LONG_BODY_BYTES || p->expects_continue);
    if (long_in_coming && c->match.route->flags & ROUTE_ASKS_FIRST) {
        bool vain = is_in_vain(c, data, &r), open = !vain || refuse_head(c, &r);
        arena_reset(&l->memory);
        if (vain) return open;
        buf_reset(&l->body);
    }
    if (p->expects_continue && !there && p->content_length <= l->shared->limits.body_max)
        buf_add_text(&l->out, HTTP_CONTINUE);
    return true;
}

void connection_next(connection *c)
{
    http_parser_init(&c->parser);
    c->wants_worker = c->in_pieces = false;
    if (c->out.len == 0) c->phase = PHASE_NONE;
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
        http_step step = c->in_pieces ? STEP_HEAD : http_parse(&c->parser, data + at, len - at, &l->shared->limits);
        if (step == STEP_HEAD) {
            if (!c->in_pieces && !take_head(c, data + at, len - at)) return false;
            if (c->refused && c->closing) break;
            if (c->in_pieces) { // from here on the body is taken by pieces.c
                if (!own) break;
                if (!start_job(c, data + at)) return false;
                if (c->job) at += c->parser.head_len;
                break;
            }
            step = http_parse(&c->parser, data + at, len - at, &l->shared->limits);
        }
        if (step == STEP_MORE) {
            c->starved = true;
            break;
        }
        if (step == STEP_BAD) {
            if (!output_fault(c, c->parser.status, "http", c->parser.why)) return false;
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
            if (heavy && !start_job(c, data + at)) return false;
            if (c->job) break;
        }
        at += c->parser.total;
        connection_next(c);
        if (c->closing || c->stream) break;
    }
    *used = at;
    return true;
}

static bool keep_rest(connection *c, const char *data, size_t len)
{
    loop *l = c->home;
    if (len == 0 || c->closing) return true;
    char *to = loop_room(l, &c->in, len);
    if (!to) return output_fault(c, 503, "memory", "There is no memory for this request just now");
    memcpy(to, data, len);
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
        to = loop_room(l, &c->in, most);
        if (!to) return output_fault(c, 503, "memory", "There is no memory for this request just now");
        if (c->in.cap - c->in.len > most && most < SCRATCH_BYTES) most = c->in.cap - c->in.len;
    }
    ssize_t n;
    if (c->early) {
        own = false;
        to = (char *)(uintptr_t)c->early;
        n = c->early_len;
        c->early = NULL;
        if (n < EARLY_BYTES && !c->hung_up) c->readable = false;
        counter_add(&l->meters.received_bytes, (uint64_t)n);
    } else {
        n = connection_read(c, to, most);
    }
    if (n == READ_BROKEN) {
        connection_close(c);
        return false;
    }
    if (n <= 0) return true;
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
        loop_give_buffer(c->home, &c->in);
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
        connection_set_phase(c, c->parser.head_len > 0 ? PHASE_BODY : PHASE_HEAD);
    else if (c->phase != PHASE_HEAD) // a new connection has the deadline of its first header
        connection_set_phase(c, PHASE_IDLE);
}

void connection_read_early(connection *c, char *to)
{
    if (c->tls || c->in.len > 0 || c->out.len > 0 || c->closing || c->job || c->stream || c->upload || c->again ||
        c->phase == PHASE_LINGER)
        return;
    ssize_t n = recv(c->fd, to, EARLY_BYTES, 0);
    if (n <= 0) return; // told again when its turn comes
    c->early = to;
    c->early_len = (uint32_t)n;
}

// Whether its answers may leave with those of others: nothing else is to be done before the next event.
static bool may_defer(const connection *c)
{
    const loop *l = c->home;
    return l->defers && l->n_deferred < DEFERRED_MAX && c->out.len == 0 && !c->closing && !c->job && !c->stream &&
           !c->upload && !c->readable && !c->ended && (c->in.len == c->in_at || c->starved);
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
            else if (!output_send(c))
                return;
        }
        if (c->phase == PHASE_LINGER) {
            drop_input(c);
            return;
        }
        if (c->out.len > 0 && !output_send_kept(c)) return;
        if (c->job) return;
        if (c->stream) {
            if (!stream_more(c)) return;
            continue;
        }
        if (c->closing) {
            linger(c);
            return;
        }
        if (c->turn == 0) {
            loop_turn_over(c);
            return;
        }
        if (c->upload) {
            if (!pieces_take(c)) return;
        } else if (c->in.len > c->in_at && !c->starved) {
            if (!serve_own(c)) return;
        } else if (c->readable) {
            if (!read_some(c)) return;
        } else {
            rest(c);
            return;
        }
    }
}

// What a worker did for a connection that was closed meanwhile. Its part of a body may have to be closed on a worker.
static void forget(connection *c, job *j)
{
    loop *l = c->home;
    if (j->kind == JOB_REQUEST || j->kind == JOB_PIECE) counter_add(&l->meters.requests_ended, 1);
    if (j->response.failure == ERR_CANCELLED) counter_add(&l->meters.cancelled, 1);
    connection_free_memory(c);
    c->after = l->free;
    l->free = c;
    work_close(l->shared, j);
}

void connection_answered(connection *c, job *j)
{
    loop *l = c->home;
    c->job = NULL;
    if (c->gone) {
        forget(c, j);
        return;
    }
    if (j->kind == JOB_NEXT) {
        stream_given(c, j);
        return;
    }
    if (j->kind == JOB_PIECE ? pieces_written(c, j) : pieces_begin(c, j)) return; // its body goes on
    if (j->response.failure == ERR_CANCELLED) counter_add(&l->meters.cancelled, 1);
    bool open = output_answer(c, &j->response, &j->body, j->request.method == HTTP_HEAD);
    output_count(c, j->match.index, &j->request, &j->response, j->start_ns);
    loop_give_job(l, j);
    if (!open || !output_send(c)) return;
    if (!c->in_pieces) c->in_at += c->parser.total;
    connection_next(c);
    if (c->in_at == c->in.len) {
        loop_give_buffer(l, &c->in);
        c->in_at = 0;
    }
    connection_drive(c);
}

bool connection_hung_up(connection *c)
{
    enum { HALF_CLOSED_MS = 50 };
    loop *l = c->home;
    c->hung_up = true;
    if (!c->stream && !(c->job && c->job->kind != JOB_PIECE)) return true;
    // More requests came before the end: then it waits for their answers.
    char byte;
    size_t present = c->in_pieces ? 0 : c->parser.total;
    if (c->in.len > c->in_at + present) return true;
    if (c->tls ? tls_has_more(c->tls) : recv(c->fd, &byte, 1, MSG_PEEK) > 0) return true;
    if (c->stream || c->job->kind == JOB_NEXT) {
        connection_close(c);
        return false;
    }
    if (l->now_ns - c->job->start_ns >= HALF_CLOSED_MS * UINT64_C(1000000))
        atomic_store_explicit(&c->job->gone, true, memory_order_relaxed);
    return true;
}

void connection_expired(connection *c)
{
    loop *l = c->home;
    if (c->again) { // its turn comes: it is waiting for us, not we for it
        wheel_set(&l->timers, &c->timer, l->now_ns + LINGER_MS * UINT64_C(1000000));
        return;
    }
    if (c->phase == PHASE_STREAM) {
        connection_drive(c);
        return;
    }
    if (c->phase != PHASE_IDLE && c->phase != PHASE_LINGER) counter_add(&l->meters.timeouts, 1);
    if (c->upload) pieces_drop(c);
    bool asked = c->phase == PHASE_BODY || (c->phase == PHASE_HEAD && c->in.len > c->in_at);
    if (!asked) {
        connection_close(c);
        return;
    }
    if (output_fault(c, 408, "timeout", "The request did not come in time") && output_send(c)) connection_drive(c);
}

void connection_stop(connection *c)
{
    loop *l = c->home;
    if (c->stream && c->stream->endless) {
        connection_close(c);
        return;
    }
    if (c->job || c->stream || c->upload || c->out.len > 0 || c->phase == PHASE_LINGER) return;
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

void connection_open(loop *l, const listener *at, int fd, const struct sockaddr_storage *from, bool refuse)
{
    tls_session *session = at->encrypted && !refuse ? tls_accept(l->shared->tls, fd) : NULL;
    if (at->encrypted && !session) { // without hands shaken there is nothing that could be said
        close(fd);
        return;
    }
    connection *c = l->free;
    if (c)
        l->free = c->after;
    else
        c = mem_alloc(1, sizeof *c);
    if (!c) {
        tls_end(session);
        close(fd);
        return;
    }
    *c = (connection){.home = l, .fd = fd, .tls = session, .shakes_hands = session != NULL};
    c->peer = (peer){.entrance = at->entrance, .loopback = at->loopback, .encrypted = at->encrypted};
    fill_address(&c->peer, from);
    c->trusted = at->entrance != ENTRANCE_SOCKET && proxies_have(&l->shared->trusted, from);
    buf_init(&c->in, SIZE_MAX / 2);
    buf_init(&c->out, SIZE_MAX / 2);
    http_parser_init(&c->parser);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        tls_end(session);
        close(fd);
        c->after = l->free;
        l->free = c;
        return;
    }
    if (session) atomic_fetch_add_explicit(&l->shared->n_handshakes, 1, memory_order_relaxed);
    c->before = l->all.before;
    c->after = &l->all;
    l->all.before->after = c;
    l->all.before = c;
    l->n_connections++;
    atomic_fetch_add_explicit(&l->shared->n_connections, 1, memory_order_relaxed);
    counter_add(&l->meters.accepted, 1);
    connection_set_phase(c, PHASE_HEAD);
    loop_begin(l);
    if (l->stopping) connection_stop(c);
    if (!refuse) return;
    counter_add(&l->meters.refused, 1);
    if (output_fault(c, 503, "connections", "There are too many connections just now") && output_send(c)) linger(c);
}
