// The protocol row: routes with their handlers, and the shape of errors. Every protocol is a thin reader and writer
// around one request path.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_PROTOCOL_H
#define SLIPWAY_SERVE_PROTOCOL_H

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
} http_method;

enum { ROUTE_PARAMETERS_MAX = 4 };

// A request whose body is complete. Views live as long as the request.
typedef struct request {
    http_method method;
    str path, query; // raw, as sent
    str body;        // decoded: neither chunks nor compression are left
    str content_type, accept, if_none_match;
    str parameters[ROUTE_PARAMETERS_MAX]; // of the pattern's {}, in order, percent-decoded and checked
    arena *memory;
} request;

// Where in a request something is wrong: what an error says beside its sentence. Views live as long as the request.
typedef struct place {
    const char *code; // for programs: "unknown_column"; static. NULL: the name of the err's code
    int64_t row;      // -1: none
    str column;       // len 0: none
    str pointer;      // RFC 6901 into the body; len 0: none
} place;

// A response under construction. `body` is a buffer of the caller: handlers append.
typedef struct response {
    int status; // 200 unless set; a handler that fails may set what the error is answered with, else http_status_of()
    const char *content_type;
    const char *extra; // more header lines, each ended by CRLF, or NULL; static or from the request's arena
    buf *body;
    place at; // of the error, if the handler fails
} response;

typedef struct serving serving; // the models now served, metrics, options: see serving.h

// Called by one thread with the serving of that thread; never blocks. What it takes comes from q->memory.
typedef int route_handler(serving *s, const request *q, response *r, err *e);

typedef struct route {
    unsigned methods;    // http_method bits; HEAD comes with GET
    const char *pattern; // "/api/v1/models/{}/predict": {} is one segment
    const char *name;    // label in metrics, operation id in the OpenAPI document
    const char *about;
    const char *takes; // media type of the request's body, NULL if it has none
    const char *gives; // media type of the answer
    route_handler *handle;
} route;

typedef struct protocol_row {
    const char *name;
    const route *routes;
    size_t n_routes;
    // Writes an error in the protocol's shape into r (status, type, body).
    void (*fail)(response *r, int status, const err *e);
} protocol_row;

const protocol_row *const *protocol_rows(size_t *n); // the first one also answers where no route is found

enum { ROUTES_MAX = 64 }; // of all protocols together

// What a request's path and method lead to.
typedef struct route_match {
    const protocol_row *protocol;
    const route *route;                   // NULL: no such path (methods is 0), or not with this method
    size_t index;                         // of the route among all, for metrics; route_count() if there is none
    unsigned methods;                     // that this path knows, HEAD and OPTIONS included
    str parameters[ROUTE_PARAMETERS_MAX]; // raw views into the path
} route_match;

// Compares raw bytes, segment by segment. Any thread.
route_match route_find(str path, http_method method);
size_t route_count(void);
const route *route_at(size_t index);

// The one table from error codes to HTTP status.
int http_status_of(int code);

#endif
