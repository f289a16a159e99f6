// Bodies that are taken piece by piece: what came is gathered until it is worth a worker's while, and nothing is read
// while the worker has it. A connection holds one piece, however large the body is.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "serve/loop_impl.h"

enum { PROGRESS_BYTES = 64 << 10 }; // the deadline of a body in pieces is put off each time that this much came

// What is neither decoded nor given to anybody is what follows the next piece.
static size_t undecoded(const connection *c)
{
    return c->in.len - c->in_at - c->piece_len;
}

static bool has_body(const http_parser *p)
{
    return p->chunked || p->content_length > 0;
}

// An answer that does not wait for the body's end.
static bool refuse(connection *c, int status, const char *code, const char *why)
{
    if (c->upload) pieces_drop(c);
    return output_fault(c, status, code, why);
}

bool pieces_begin(connection *c, job *j)
{
    loop *l = c->home;
    const http_parser *p = &c->parser;
    if (!c->in_pieces) return false;
    j->sink = j->response.sink;
    j->response.sink = NULL;
    c->piece_len = c->progress = 0;
    if (!j->sink) {
        if (has_body(p)) c->closing = true; // it is not read
        return false;
    }
    c->upload = j;
    c->phase = PHASE_NONE;
    j->response = (response){.status = 200, .content_type = j->match.route->gives, .body = &j->body, .at = {.row = -1}};
    buf_reset(&j->body);
    if (p->expects_continue && p->content_length <= j->sink->len_max && undecoded(c) == 0 && has_body(p))
        buf_add_text(&l->out, HTTP_CONTINUE);
    connection_drive(c);
    return true;
}

bool pieces_written(connection *c, job *j)
{
    if (j->response.failure != 0 && !j->ends) c->closing = true; // the rest is not read
    c->in_at += c->piece_len;
    c->piece_len = 0;
    c->phase = PHASE_NONE;
    if (j->ends || j->response.failure != 0) return false;
    c->upload = j;
    connection_drive(c);
    return true;
}

void pieces_drop(connection *c)
{
    job *j = c->upload;
    loop *l = c->home;
    c->upload = NULL;
    j->connection = NULL;
    counter_add(&l->meters.requests_ended, 1);
    work_close(l->shared, j);
}

static void hand_over(connection *c, bool ends)
{
    job *j = c->upload;
    j->kind = JOB_PIECE;
    j->piece = (str){c->in.data + c->in_at, c->piece_len};
    j->ends = ends;
    c->upload = NULL;
    c->job = j;
    connection_set_phase(c, PHASE_WORK);
    (void)work_add(c->home->shared, j, true);
}

// Reads once. 1: something came; 0: nothing now; negative: the connection is closed.
static int read_more(connection *c)
{
    loop *l = c->home;
    if (c->in_at > 0) {
        memmove(c->in.data, c->in.data + c->in_at, c->in.len - c->in_at);
        c->in.len -= c->in_at;
        c->in_at = 0;
    }
    size_t most = BODY_PIECE_MAX - c->in.len;
    if (most > SCRATCH_BYTES) most = SCRATCH_BYTES;
    char *to = loop_room(l, &c->in, most);
    if (!to) return refuse(c, 503, "memory", "There is no memory for this request just now") ? 0 : -1;
    ssize_t n = connection_read(c, to, most);
    if (n == READ_NOTHING) return 0;
    if (n < 0) { // in the middle of a body
        connection_close(c);
        return -1;
    }
    c->in.len += (size_t)n;
    c->progress += (size_t)n;
    if (c->progress >= PROGRESS_BYTES) {
        c->progress = 0;
        c->phase = PHASE_NONE; // and a new deadline
    }
    return 1;
}

bool pieces_take(connection *c)
{
    char none[1];
    char *data = c->in.data ? c->in.data + c->in_at + c->piece_len : none;
    size_t used, n, left = undecoded(c);
    http_step step = http_parse_piece(&c->parser, data, left, c->upload->sink->len_max, &used, &n);
    if (step == STEP_BAD) return refuse(c, c->parser.status, "http", c->parser.why);
    if (used > n) memmove(data + n, data + used, left - used);
    c->in.len -= used - n;
    c->piece_len += n;
    if (step == STEP_DONE || c->in.len - c->in_at >= BODY_PIECE_MAX) {
        hand_over(c, step == STEP_DONE);
        return true;
    }
    if (c->readable) return read_more(c) >= 0;
    if (c->ended) {
        connection_close(c);
        return false;
    }
    connection_set_phase(c, PHASE_BODY);
    return false;
}
