// An event loop and its connections: shared by loop.c, connection.c, work.c and server.c.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_LOOP_IMPL_H
#define SLIPWAY_SERVE_LOOP_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "serve/admission.h"
#include "serve/listener.h"
#include "serve/observer.h"
#include "serve/proxies.h"
#include "serve/server.h"
#include "serve/serving.h"
#include "serve/tls.h"
#include "serve/wheel.h"

enum {
    SCRATCH_BYTES = 64 << 10,      // read at once; a request that fits is answered from there
    OUT_BATCH_BYTES = 64 << 10,    // answers to pipelined requests are sent together up to this
    BODY_INLINE_BYTES = 16 << 10,  // an answer's body up to this is copied behind its head, a larger one sent beside it
    LONG_BODY_BYTES = 64 << 10,    // of a body that is asked about before it has come
    WORK_BODY_BYTES = 64 << 10,    // a request with a body of this size, or a compressed one, goes to a worker
    TURN_REQUESTS = 128,           // of one connection, before the others have a turn
    SPARE_BUFFERS = 64,            // kept by a loop for requests that come in pieces
    SPARE_BUFFER_BYTES = 16 << 10, // larger ones are given back
    KEPT_BYTES = 1 << 20,          // a loop's own buffers and arenas above this are given back after use
    LINGER_MS = 2000,              // how long a closed connection's peer may still send
    STOP_IDLE_MS = 1000,           // while stopping: how long a fresh connection may take to say something
    JOBS_QUEUED_MAX = 1024,
    EARLY_MAX = 32, // connections that are read before the first of them is answered
    EARLY_BYTES = 2048,
    DEFERRED_MAX = 256, // answers that leave together at the end of a turn
    DEFERRED_BYTES = 128 << 10,
    LISTENERS_MAX = 3,
    HANDSHAKES_MAX = 1024, // more connections than this wait in the backlog until hands are shaken
    ACCEPT_RETRY_MS = 50,  // when there were too many connections, or no descriptors
};

typedef struct loop loop;
typedef struct connection connection;

// An answer in the loop's `out` that leaves at the end of the turn.
typedef struct deferred {
    connection *connection;
    size_t from, len;
} deferred;

// What its deadline is for.
typedef enum phase {
    PHASE_NONE,
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_IDLE,
    PHASE_WRITE,
    PHASE_WORK,
    PHASE_STREAM, // no deadline: when to ask the stream for more
    PHASE_LINGER,
} phase;

typedef enum job_kind {
    JOB_REQUEST, // call the handler
    JOB_PIECE,   // give `piece` to `sink`, and its end if it is the last
    JOB_NEXT,    // ask `stream` for more
    JOB_CLOSE,   // close what it holds; nobody waits
} job_kind;

// What a worker does for a connection. The views of its request lie in the connection's own buffer, which nobody
// touches meanwhile, or, if its body comes in pieces, in `memory`.
typedef struct job {
    struct job *next;
    job_kind kind;
    loop *home;
    connection *connection; // NULL: nobody waits for it
    snapshot *models;       // held
    access_table *access;   // held: of request.who
    route_match match;
    request request;
    bool gzip;
    uint64_t start_ns;
    atomic_bool gone; // request.gone: set by the loop, read by whoever works for the request
    arena memory;
    buf body;
    response response;
    body_sink *sink;         // owned
    str piece;               // lies in the connection's own buffer
    bool ends;               // JOB_PIECE: it is the last
    response_stream *stream; // owned
    bool ended;              // by JOB_NEXT
    err failure;             // of JOB_NEXT: why; response.failure is its code
} job;

struct connection {
    wheel_entry timer; // first: the wheel gives back this address
    loop *home;
    connection *before, *after; // all of a loop
    int fd;
    tls_session *tls; // owned; NULL: plain
    phase phase;
    bool readable;     // there may be something to read
    bool hung_up;      // the peer has sent its last byte: read until there is none
    bool ended;        // and we have read it
    bool starved;      // what is in `in` is no whole request
    bool last;         // the present request is
    bool closing;      // after what is in `out`
    bool wants_worker; // its handler said so
    bool refused;      // the present request was answered at its header
    bool in_pieces;    // its body goes to a sink
    bool chunks;       // `stream` is sent as chunks
    bool shakes_hands; // counted in n_handshakes
    bool trusted;      // it is a proxy's: peer says for whom the present request is
    bool again;        // on the loop's list of those whose turn was over
    bool gone;         // closed; its job is still out
    uint8_t protocol_minor;
    unsigned turn;
    http_parser parser;
    access_seen seen;
    route_match match; // its parameters are made again from `parameters` when the buffer may have moved
    http_span parameters[ROUTE_PARAMETERS_MAX];
    buf in; // from in_at on: what was read and not yet answered; empty in the usual case
    size_t in_at;
    buf out; // from out_at on: what could not be sent at once
    size_t out_at;
    job *job;                // out with a worker
    uint64_t deadline_ns;    // of the present request; 0: none
    uint64_t lot;            // of the present request
    job *upload;             // the request whose body is coming in pieces, while it is not out with a worker
    size_t piece_len;        // of the next piece: at in_at, followed by what is not decoded yet
    size_t progress;         // bytes of the body since its deadline was set
    response_stream *stream; // owned; the answer that goes on, while it is not out with a worker
    uint64_t stream_ns;      // when it may be asked for more
    uint64_t stream_left;    // bytes, if it is not sent as chunks
    peer peer;
    trace trace;         // of the present request, if requests are observed
    size_t answer_bytes; // of the present answer's body, without what a stream adds
    const char *early;   // read already, or NULL
    uint32_t early_len;
    connection *next_again;
};

// What the loops share. Constant while they run, but for the atomics.
typedef struct common {
    server_options options;
    http_limits limits;
    char instance[33];
    bool loopback; // the public port is
    proxies trusted;
    tls *tls;                   // NULL: none
    atomic_size_t n_handshakes; // connections whose hands are not shaken yet
    struct jobs *jobs;          // from before the first worker starts until after the last has ended
    sites sites;
    atomic_bool stopping;
    atomic_size_t n_connections;
    catalog *catalog; // which is freed after the loops
    size_t n_loops, n_workers;
    loop **loops;
    const meters **meters; // n_loops
    observer *observer;    // NULL: nobody looks
    // Workers: jobs wait here. The lock guards the queue and `done`.
    pthread_mutex_t lock;
    pthread_cond_t wake;
    job *first, *last;
    size_t n_queued;
    job_times job_times; // not guarded
    bool workers_end;
    pthread_t *workers; // n_workers
    size_t n_started;
} common;

struct loop {
    common *shared;
    size_t index;
    int epoll_fd, wake_fd;
    listener listeners[LISTENERS_MAX];
    size_t n_listeners; // 0 while stopping
    bool stopping;
    uint64_t now_ns; // since the last wait
    loop_lag lag;
    uint64_t stop_ns;
    rng random; // ids of traces
    wheel timers;
    connection all; // head of a ring
    size_t n_connections;
    connection *again;  // whose turn was over
    connection *free;   // for reuse, through `after`
    int accept_wait_ms; // -1: all accepted; else when to try again
    snapshot *models;
    _Atomic(snapshot *) mailbox; // a newer one, held for this loop
    serving serving;
    meters meters;
    arena memory; // of the request that is answered inline
    buf body;     // its body
    buf out;      // answers: deferred ones, and from out_from on those of the connection that is being served
    size_t out_from;
    bool defers; // in the midst of a turn: what has nothing more to do may send later
    deferred deferred[DEFERRED_MAX];
    size_t n_deferred;
    char *scratch;
    char *early;   // (EARLY_MAX, EARLY_BYTES)
    char date[64]; // "Date: ...\r\n"
    size_t date_len;
    uint64_t date_s;
    buf spare[SPARE_BUFFERS];
    size_t n_spare;
    size_t buffered; // bytes of the connections' own buffers
    job *jobs_free;
    pthread_mutex_t done_lock; // guards `done`: jobs that workers finished
    job *done;
};

// loop.c
MUST_CHECK int loop_new(loop **out, common *shared, size_t index, err *e);
MUST_CHECK int loop_listen(loop *l, listener *at, err *e); // before it runs; takes the socket, also on failure
void loop_free(loop *l);
void loop_run(loop *l);                       // until stopped and drained
void loop_wake(loop *l);                      // any thread, and signal handlers
void loop_publish(loop *l, snapshot *models); // any thread; takes the hold
void loop_job_done(loop *l, job *j);          // from a worker
void loop_turn_over(connection *c);
static inline void loop_begin(loop *l) // before each piece of work for one connection
{
    l->out_from = l->out.len;
}
size_t loop_date(loop *l, char *to);
// Room for n more bytes in a buffer of a connection; NULL past the ceiling of all of them, or without memory.
char *loop_room(loop *l, buf *b, size_t n);
void loop_give_buffer(loop *l, buf *b);
job *loop_take_job(loop *l); // NULL without memory
void loop_give_job(loop *l, job *j);

// connection.c
// Takes fd. `refuse`: there are too many already.
void connection_open(loop *l, const listener *at, int fd, const struct sockaddr_storage *from, bool refuse);
void connection_read_early(connection *c, char *to); // at most EARLY_BYTES, if it is in the usual state
void connection_drive(connection *c);                // reads, answers and writes as far as it gets; may close it
void connection_close(connection *c);
void connection_expired(connection *c);
void connection_answered(connection *c, job *j); // its worker is done
void connection_stop(connection *c);             // the server stops: close it if nothing is in flight
void connection_free_memory(connection *c);
bool connection_hung_up(connection *c); // it sends no more; false: that means that it left, it is closed
void connection_set_phase(connection *c, phase p);
enum { READ_NOTHING = 0, READ_ENDED = -1, READ_BROKEN = -2 };
// Bytes of the peer, or one of the above: nothing now, its end, or the connection is to be closed.
ssize_t connection_read(connection *c, char *to, size_t most);
void connection_next(connection *c); // the present request is answered
#define HTTP_CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

// output.c. False: the connection is closed.
bool output_answer(connection *c, response *r, buf *body, bool head_only); // into l->out; takes r->stream
// An answer without a request that could be routed: a refusal by the parser, a deadline, too many connections. The
// last.
bool output_fault(connection *c, int status, const char *code, const char *why);
bool output_send(connection *c);      // what is in l->out for it; what does not go is kept
bool output_send_kept(connection *c); // false also if not all of it went
void output_send_deferred(loop *l);   // at the end of a turn
void output_drop(loop *l);            // what is in l->out for the connection that is being served
// q is NULL where no handler was asked.
void output_count(connection *c, size_t route, const request *q, const response *r, uint64_t start_ns);

// stream.c: answers that go on.
void stream_attach(connection *c, response *r); // takes r->stream
void stream_add(connection *c, str piece);      // to l->out
void stream_drop(connection *c);                // closes it, on a worker if need be
bool stream_more(connection *c);                // false: nothing to do now, or the connection is closed
void stream_given(connection *c, job *j);       // by a worker

// pieces.c: bodies that are taken piece by piece.
bool pieces_begin(connection *c, job *j);   // the handler is done; false: it is to be answered
bool pieces_written(connection *c, job *j); // likewise, a piece
bool pieces_take(connection *c);            // false: nothing to do now, or the connection is closed
void pieces_drop(connection *c);            // the body is not wanted any more

// work.c
MUST_CHECK int work_start(common *s, err *e);
void work_end(common *s);                    // what is queued is dropped
bool work_add(common *s, job *j, bool must); // false: too many wait. `must`: never, for what goes on
// Lets go of a job for which nobody waits: what it holds is closed on a worker, and its loop gets it back.
void work_close(common *s, job *j);
void job_close(job *j); // its sink and streams, by the calling thread

#endif
