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
    str body, content_type, accept;
    str parameters[ROUTE_PARAMETERS_MAX]; // of the pattern's {}, in order, percent-decoded and checked
    arena *memory;
} request;

// A response under construction. `body` is the connection's buffer: handlers append.
typedef struct response {
    int status; // 200 unless set
    const char *content_type;
    const char *extra; // more header lines, each ended by CRLF, or NULL; static or from the request's arena
    buf *body;
} response;

typedef struct serving serving; // the models now served, metrics, options: what handlers may use

typedef int route_handler(serving *s, const request *q, response *r, err *e);

typedef struct route {
    unsigned methods;    // http_method bits; HEAD comes with GET
    const char *pattern; // "/api/v1/models/{}/predict": {} is one segment
    const char *name;    // label in metrics, operation id in the OpenAPI document
    const char *about;
    route_handler *handle;
} route;

typedef struct protocol_row {
    const char *name;
    const route *routes;
    size_t n_routes;
    // Writes an error in the protocol's shape into r (status, type, body).
    void (*fail)(response *r, int status, const err *e);
} protocol_row;

const protocol_row *const *protocol_rows(size_t *n);

// The one table from error codes to HTTP status.
int http_status_of(int err_code);

#endif
