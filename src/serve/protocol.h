// The protocol row: routes with their handlers, and the shape of errors. Every protocol is a thin reader and writer
// around one request path.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_PROTOCOL_H
#define SLIPWAY_SERVE_PROTOCOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

typedef enum http_method {
    HTTP_GET = 1 << 0,
    HTTP_HEAD = 1 << 1,
    HTTP_POST = 1 << 2,
    HTTP_PUT = 1 << 3,
    HTTP_DELETE = 1 << 4,
    HTTP_OPTIONS = 1 << 5,
    HTTP_PATCH = 1 << 6, // these three no route has: 405 and not 501, because they are known
    HTTP_TRACE = 1 << 7,
    HTTP_QUERY = 1 << 8,
} http_method;

enum { ROUTE_PARAMETERS_MAX = 4 };

// What a caller must be allowed. A route that names nothing is denied to everybody.
typedef enum permission {
    MAY_PREDICT = 1 << 0, // use and describe the models in scope
    MAY_READ = 1 << 1,    // look at versions, deployments, datasets, runs
    MAY_TRAIN = 1 << 2,   // datasets, runs, batch predictions
    MAY_DEPLOY = 1 << 3,  // versions, aliases, deployments, loading and unloading
    MAY_MONITOR = 1 << 4, // metrics
    MAY_ADMIN = 1 << 5,   // keys, quotas, usage, audit
    FOR_ANYONE = 1 << 6,  // without a key: only whether the server lives
} permission;

// Who asks. Immutable; lives as long as the request.
typedef struct principal {
    const char *id;     // for usage and audit: "key:ID", or "local" on a loopback server without keys
    const char *tenant; // "" is the default one
    unsigned may;       // permission bits
    size_t n_models;    // 0: all models of the tenant
    const char *const *models;
    struct allowance *of_key, *of_tenant; // what they may still use, see quota.h; NULL: not counted
} principal;

// The door that a connection came in by.
typedef enum entrance {
    ENTRANCE_PUBLIC, // the port that everybody is told
    ENTRANCE_ADMIN,  // --admin-listen: also what the public port does not have then
    ENTRANCE_SOCKET, // DATA_DIR/admin.sock: a process of the same user, or of root
} entrance;

enum { PEER_ADDRESS_SIZE = 46, PEER_NAME_SIZE = 65 };

// Who is at the other end. Constant during a request; lives as long as it.
typedef struct peer {
    entrance entrance;
    bool loopback;  // nobody beyond this machine can come in where it did
    bool encrypted; // TLS, up to us or up to a trusted proxy
    char
        address[PEER_ADDRESS_SIZE]; // of the client, as text, without port; what a trusted proxy says; "" on the socket
    char name[PEER_NAME_SIZE];      // common name of the certificate that the client showed and we verified; else ""
} peer;

struct http_parser;

// A request whose body is complete, or, for routes with ROUTE_TAKES_PIECES, whose header is. Views live as long as the
// request.
typedef struct request {
    http_method method;
    str path, query;                // raw, as sent
    str body;                       // decoded: neither chunks nor compression are left
    const struct http_parser *head; // for request_field(), see http.h; NULL in tests
    const char *data;
    const principal *who;
    const peer *peer;                     // NULL in tests
    str parameters[ROUTE_PARAMETERS_MAX]; // of the pattern's {}, in order, percent-decoded and checked
    uint64_t deadline_ns;                 // clock_monotonic_ns() after which nobody waits for the answer; 0: none
    const atomic_bool *gone;              // set when the client has left, see request_over(); NULL on an event loop
    uint64_t lot;                         // a random number of its own: decides where nothing that the client says does
    bool head_only;                       // the body is still to come: only whether it is worth sending is asked
    arena *memory;
    struct job *job; // on a worker: for whoever ends what HANDLER_AWAY left open, see work_finish(); else NULL
} request;

// Whether an answer would come too late: what a handler that works for long looks at between steps, and a queue before
// it starts one. ERR_CANCELLED: the client left (or closed its sending side some time after the request: whoever does
// that at once still gets an answer). ERR_TIMEOUT: its deadline passed. now_ns: clock_monotonic_ns(). Any thread.
MUST_CHECK int request_over(const request *q, uint64_t now_ns, err *e);

typedef struct serving serving; // the models now served, metrics, options: see serving.h
typedef struct response response;

// Where in a request something is wrong: what an error says beside its sentence. Views live as long as the request.
typedef struct place {
    const char *code; // for programs: "unknown_column"; static. NULL: the name of the err's code
    int64_t row;      // -1: none
    str column;       // len 0: none
    str pointer;      // RFC 6901 into the body; len 0: none
} place;

// A body that goes on after the first bytes: server-sent events, tokens, files. It is asked for more when what it gave
// is sent and wait_ms have passed, by one thread at a time. Owns what it needs: the request and its memory are gone.
typedef struct response_stream response_stream;
struct response_stream {
    // Appends, at most some STREAM_PIECE_MAX bytes; nothing is fine. Negative cuts the connection, so that the client
    // does not take what it has for the whole.
    int (*next)(response_stream *s, buf *out, bool *ended, err *e);
    void (*close)(response_stream *s); // always, last: after the end, or when the client left. Frees s
    uint32_t wait_ms;                  // some 35 ms more are possible; after nothing at least 10 are waited
    uint64_t len;                      // bytes that follow `body`, told as Content-Length; 0: unknown, sent as chunks
    bool blocks;                       // next() and close() are called on a worker. Else on the event loop: never block
    bool endless;                      // events: cut at once when the server stops; others may end until its deadline
};

enum { STREAM_PIECE_MAX = 1 << 20 };

// A request's body that is taken piece by piece, for routes with ROUTE_TAKES_PIECES. Called by workers, one at a time.
// The request lives until close().
typedef struct body_sink body_sink;
struct body_sink {
    int (*write)(body_sink *s, str piece,
                 err *e); // a failure is answered at once; what is left of the body is not read
    int (*end)(body_sink *s, serving *v, const request *q, response *r, err *e); // the body is complete: answer
    void (*close)(body_sink *s); // always, last; without end() before it the client left, or was refused. Frees s
    uint64_t len_max;            // bytes of the whole body; one more is refused with 413
};

enum { BODY_PIECE_MAX = 1 << 20 };

// A response under construction. `body` is a buffer of the caller: handlers append.
struct response {
    int status; // 200 unless set; a handler that fails may set what the error is answered with, else http_status_of()
    const char *content_type;
    const char *extra; // more header lines, each ended by CRLF, or NULL; static or from the request's arena
    buf *body;
    place at;          // of the error, if the handler fails
    int failure;       // what it failed with; 0 if it did not
    const char *model; // that answered, for records: lives as long as the server; NULL: none did
    int64_t version;
    size_t n_rows;
    const struct served *picked; // the version that was chosen to answer; NULL: none yet
    struct shadow *shadow;       // is left a copy of what is answered; NULL: none. Lives as long as the snapshot
    response_stream *stream;     // taken: follows `body`
    body_sink *sink;             // taken: set by a handler of a route with ROUTE_TAKES_PIECES; none is a refusal
};

enum {
    HANDLER_WORKER = 1, // nothing was done yet: call again on a worker. Never said there.
    HANDLER_AWAY = 2,   // on a worker: the request was handed on, and whoever has it calls work_finish(q->job), perhaps
                        // before this returns. Until then request, response and arena stay, and are not the worker's.
};

// Called by one thread with the serving of that thread. What it takes comes from q->memory. On an event loop it never
// blocks; where that may be necessary it returns HANDLER_WORKER, or its route has ROUTE_BLOCKS.
typedef int route_handler(serving *s, const request *q, response *r, err *e);

typedef enum route_flag {
    ROUTE_BLOCKS = 1 << 0,       // disk, registry: always on a worker, where serving_registry() is
    ROUTE_TAKES_PIECES = 1 << 1, // the handler is called at the header, on a worker, and gives a sink for the body
    ROUTE_ASKS_FIRST = 1 << 3,   // the handler asks inference_begin() before it looks at the body: see head_only
    ROUTE_PACKS = 1 << 2,        // GET; its answers are compressed for who accepts that, see pack.h
} route_flag;

typedef struct route {
    unsigned methods;    // http_method bits; HEAD comes with GET
    const char *pattern; // "/api/v1/models/{}/predict": {} is one segment, or what stands in it before a literal end
    const char *name;    // label in metrics, operation id in the OpenAPI document
    const char *about;
    const char *takes; // media types of the request's body, a comma between, "*/*" for any; NULL if it has none
    const char *gives; // media type of the answer
    route_handler *handle;
    unsigned needs; // permission bits: one of them is enough; 0 is denied to everybody
    unsigned flags; // route_flag
} route;

// What /openapi.json says of a route that its row does not tell. A protocol has a table of them, found by the route's
// name; a route without one, and a field that is NULL, is described as its row allows: any JSON in, any JSON out.
//
// Texts are pieces of JSON that go into the document as they are, but with ' where JSON has ", so that they can be read
// here; none holds an apostrophe. API_REF and its neighbours write the usual ones. A test parses the whole and follows
// every reference: tests/unit/serve/openapi_test.c.
//
//     static const route_api api[] = {
//         {.route = "getRun",
//          .parameters = "run",
//          .more = API_QUERY("after", "Only what came after this", "{'type':'integer'}"),
//          .answers = API_ANSWER("200", "The run", API_JSON(API_REF("run")))},
//     };
//     static const char schemas[] = "'run':{'type':'object','required':['id'],'properties':{'id':{'type':'string'}}}";
typedef struct route_api {
    const char *route;      // its name
    const char *parameters; // names of the pattern's {}, in order, a blank between. NULL: "name version item part"
    const char *more;       // Parameter Objects, a comma between: query, header
    const char *body;       // Media Type Objects by media type. NULL: any JSON of the types in `takes`
    bool body_optional;
    bool each_model;     // described once more for every model, with its columns: native predictions
    const char *answers; // Response Objects by status. NULL: a 200 of `gives`. 4XX and 5XX, the protocol's fault, are
                         // added by themselves
} route_api;

#define API_REF(schema) "{'$ref':'#/components/schemas/" schema "'}"
#define API_LIST(schema) "{'type':'array','items':" schema "}"
#define API_MEDIA(type, schema) "'" type "':{'schema':" schema "}"
#define API_JSON(schema) API_MEDIA("application/json", schema)
#define API_ANSWER(status, about, media) "'" status "':{'description':'" about "','content':{" media "}}"
#define API_ANSWER_EMPTY(status, about) "'" status "':{'description':'" about "'}"
#define API_PARAMETER(in, name, about, schema) \
    "{'name':'" name "','in':'" in "','description':'" about "','schema':" schema "}"
#define API_QUERY(name, about, schema) API_PARAMETER("query", name, about, schema)
#define API_HEADER(name, about, schema) API_PARAMETER("header", name, about, schema)

typedef struct protocol_row {
    const char *name;
    const route *routes;
    size_t n_routes;
    // Writes an error in the protocol's shape into r (status, type, body).
    void (*fail)(response *r, int status, const err *e);
    // For the description, all of it optional; see route_api. Where several rows have one name, the first says what the
    // protocol is and what its faults are.
    const char *about;    // the protocol in a sentence, for people
    const route_api *api; // n_api
    size_t n_api;
    const char *schemas; // members of components/schemas, a comma between; names are the whole document's: "v2_tensor"
    const char *fault;   // Media Type Objects of every fault. NULL: application/problem+json
    const char
        *under; // "/v2": at and below it a path that leads nowhere is this protocol's fault. NULL: the first one's
} protocol_row;

const protocol_row *const *protocol_rows(size_t *n); // the first one also answers where no route is found

enum { ROUTES_MAX = 160 }; // of all protocols together

// What a request's path and method lead to.
typedef struct route_match {
    const protocol_row *protocol;
    const route *route;                   // NULL: no such path (methods is 0), or not with this method
    size_t index;                         // of the route among all, for metrics; route_count() if there is none
    unsigned methods;                     // that this path knows, HEAD and OPTIONS included
    const principal *who;                 // set by dispatch_head()
    const char *cors;                     // header lines for an allowed page of another origin, or NULL; likewise
    str parameters[ROUTE_PARAMETERS_MAX]; // raw views into the path
} route_match;

// Compares raw bytes, segment by segment. Any thread.
route_match route_find(str path, http_method method);
size_t route_count(void);
const route *route_at(size_t index);

// The one table from error codes to HTTP status.
int http_status_of(int code);

#endif
