// Answers that go on after their first bytes: a stream is asked for more when everything before is sent, so that what
// waits for a slow client is never more than one piece.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "serve/loop_impl.h"

enum { NOTHING_MS = 10, PIECE_TURNS = TURN_REQUESTS / 8 };

void stream_attach(connection *c, response *r)
{
    c->stream = r->stream;
    c->chunks = r->stream->len == 0 && c->protocol_minor > 0;
    c->stream_left = r->stream->len;
    c->stream_ns = 0;
    r->stream = NULL;
}

void stream_add(connection *c, str piece)
{
    loop *l = c->home;
    if (piece.len == 0) return; // an empty chunk would be the last
    if (c->chunks) buf_format(&l->out, "%zx\r\n", piece.len);
    buf_add_str(&l->out, piece);
    if (c->chunks) buf_add_text(&l->out, "\r\n");
}

void stream_drop(connection *c)
{
    response_stream *s = c->stream;
    job *j = s->blocks ? loop_take_job(c->home) : NULL;
    c->stream = NULL;
    if (!j) { // also without memory: better late than never
        s->close(s);
        return;
    }
    j->home = c->home;
    j->stream = s;
    work_close(c->home->shared, j);
}

static bool cut(connection *c, const char *why)
{
    log_event(LOG_WARN, "answer cut", "%s", why);
    connection_close(c);
    return false;
}

// What next() gave goes to l->out. False: the connection is closed.
static bool take(connection *c, buf *piece, bool ended, int rc, const err *e)
{
    loop *l = c->home;
    response_stream *s = c->stream;
    if (rc < 0) return cut(c, e->msg);
    if (piece->failed) return cut(c, "no memory for the next piece");
    if (l->stopping && s->endless && !ended) {
        connection_close(c);
        return false;
    }
    if (s->len > 0) {
        if (piece->len > c->stream_left || (ended && piece->len < c->stream_left))
            return cut(c, "it is not as long as it was said to be");
        c->stream_left -= piece->len;
        ended = ended || c->stream_left == 0;
    }
    stream_add(c, buf_str(piece));
    if (ended && c->chunks) buf_add_text(&l->out, "0\r\n\r\n");
    if (l->out.failed) return cut(c, "no memory for the next piece");
    uint32_t wait = piece->len == 0 && s->wait_ms < NOTHING_MS ? NOTHING_MS : s->wait_ms;
    c->stream_ns = wait > 0 ? l->now_ns + wait * UINT64_C(1000000) : 0;
    if (!ended) return true;
    stream_drop(c);
    if (l->stopping) c->closing = true;
    c->phase = PHASE_NONE;
    return true;
}

static bool ask_worker(connection *c)
{
    loop *l = c->home;
    job *j = loop_take_job(l);
    if (!j) return cut(c, "no memory for the next piece");
    j->kind = JOB_NEXT;
    j->home = l;
    j->connection = c;
    j->stream = c->stream;
    j->ended = false;
    c->stream = NULL;
    c->job = j;
    connection_set_phase(c, PHASE_WORK);
    (void)work_add(l->shared, j, true);
    return true;
}

bool stream_more(connection *c)
{
    loop *l = c->home;
    if (l->now_ns < c->stream_ns) {
        c->phase = PHASE_STREAM;
        wheel_set(&l->timers, &c->timer, c->stream_ns);
        return false;
    }
    if (c->stream->blocks) return ask_worker(c);
    bool ended = false;
    err e = ERR_NONE;
    buf_reset(&l->body);
    int rc = c->stream->next(c->stream, &l->body, &ended, &e);
    bool open = take(c, &l->body, ended, rc, &e);
    if (l->body.cap > KEPT_BYTES) buf_clear(&l->body);
    if (open) c->turn = c->turn > PIECE_TURNS ? c->turn - PIECE_TURNS : 0;
    return open;
}

void stream_given(connection *c, job *j)
{
    c->stream = j->stream;
    j->stream = NULL;
    c->phase = PHASE_NONE;
    bool open = take(c, &j->body, j->ended, j->response.failure, &j->failure);
    loop_give_job(c->home, j);
    if (open) connection_drive(c);
}
