// The HTTP/1.1 and 1.0 request parser: strict, incremental, without memory of its own. It sees one request at the start
// of a buffer that grows; the answer does not depend on how the bytes were cut on their way.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_HTTP_H
#define SLIPWAY_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "serve/protocol.h"

enum {
    HTTP_LINE_MAX = 8192,         // request line, bytes; more is 414
    HTTP_FIELDS_MAX = 100,        // header lines, and trailer lines; more is 431
    HTTP_CHUNK_LINE_MAX = 256,    // a chunk's size with its extensions; more is 400
    HTTP_CHUNK_EXTRA_MAX = 16384, // bytes of all extensions and trailers of a body; more is 431
};

typedef struct http_limits {
    size_t head_max; // bytes of request line and header; more is 431
    size_t body_max; // bytes; more is 413, said after STEP_HEAD
} http_limits;

// A piece of the request: offsets, because the buffer may move while it grows.
typedef struct http_span {
    uint32_t at, len;
} http_span;

// The header fields that somebody here reads. Others are checked and passed over.
typedef enum http_field {
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_EXPECT,
    FIELD_CONTENT_TYPE,
    FIELD_CONTENT_ENCODING,
    FIELD_ACCEPT,
    FIELD_ACCEPT_ENCODING,
    FIELD_IF_NONE_MATCH,
    FIELD_AUTHORIZATION,
    FIELD_API_KEY, // X-API-Key
    FIELD_ORIGIN,
    FIELD_SEC_FETCH_SITE,
    FIELD_IDEMPOTENCY_KEY,
    FIELD_INFERENCE_HEADER_CONTENT_LENGTH, // of the binary tensor extension
    FIELD_CONTENT_RANGE,
    FIELD_TRACEPARENT,
    FIELD_TRACESTATE,
    FIELD_FORWARDED_FOR,   // X-Forwarded-For
    FIELD_FORWARDED_PROTO, // X-Forwarded-Proto
    FIELD_PRIORITY,        // RFC 9218: "u=0" to "u=7"
    FIELD_TIMEOUT,         // X-Request-Timeout: seconds, at most three decimals
    FIELD_LAST_EVENT_ID,
    FIELD_ROUTING_KEY, // X-Routing-Key: the same key, the same version while a canary is out
    FIELDS_N,
} http_field;

typedef enum http_step {
    STEP_MORE, // give it more bytes
    STEP_HEAD, // the header is complete and sound: look at it, refuse it, or go on; said once
    STEP_DONE, // the request is complete: `total` bytes
    STEP_BAD,  // refused, see `status` and `why`; where the next request starts is not known
} http_step;

// One request. Everything below `state` is set as far as the step says. One thread at a time.
typedef struct http_parser {
    int state;
    size_t at;          // bytes looked at
    uint32_t n_fields;  // lines so far
    uint32_t seen;      // a bit for each http_field that came
    bool closes;        // Connection: close came
    size_t chunk_left;  // bytes of the present chunk
    size_t chunk_extra; // bytes of extensions and trailers
    uint64_t taken;     // bytes of the body that http_parse_piece() gave

    http_method method;
    int minor; // HTTP/1.minor
    bool keep_alive, chunked, expects_continue, asterisk;
    http_span path, query;      // raw; empty path for "*"
    http_span fields[FIELDS_N]; // without blanks around; len 0 if absent, or if a list came in several lines
    size_t content_length;

    size_t head_len;          // bytes of request line and header
    size_t body_at, body_len; // chunks are joined in place
    size_t total;             // bytes of the whole request

    int status;      // of a refusal
    const char *why; // of a refusal: a sentence without its end, static
} http_parser;

void http_parser_init(http_parser *p);

// data: the request from its first byte, len bytes of it so far; what was there before must still be there. Writes only
// inside a chunked body. Call it again, with nothing more if need be, after STEP_HEAD.
http_step http_parse(http_parser *p, char *data, size_t len, const http_limits *limits);

// After STEP_HEAD, instead of http_parse(): the body piece by piece, in any memory. data: len bytes from where the call
// before stopped, `*used` of which are done with; their content is moved to data, *n bytes. STEP_MORE, STEP_DONE, or
// STEP_BAD: 413 past len_max bytes of body in all.
http_step http_parse_piece(http_parser *p, char *data, size_t len, uint64_t len_max, size_t *used, size_t *n);

static inline str http_str(const char *data, http_span s)
{
    return (str){data + s.at, s.len};
}

// A header field of a request; empty if it was not there.
static inline str request_field(const request *q, http_field f)
{
    return q->head ? http_str(q->data, q->head->fields[f]) : (str){0};
}

// X-Request-Timeout: seconds, at most a day, with at most three decimals, more than 0. False if it is none.
bool http_parse_timeout(str value, uint64_t *ns);

// "GET", "POST" ...; "_OTHER" for what is none of ours, as OpenTelemetry says it.
const char *http_method_name(http_method method);

// Reason phrases: "Not Found".
const char *http_reason(int status);

// Decodes %XX of one path segment into `out` (room for in.len), which must be UTF-8 without controls. Returns the
// length, or -1.
int64_t http_decode_segment(str in, char *out);

// Whether an Accept header lets `type` ("application/json"; parameters are not looked at) through; an empty one does.
bool http_accepts(str accept, const char *type);

// How much it wants `type`, in thousandths: 0 not at all, 1000 without a word. named (may be NULL): whether by its own
// name, and not by a range.
int http_weight(str accept, const char *type, bool *named);

// Whether a Content-Type is `type`, whatever its parameters; a charset other than UTF-8 is not.
bool http_type_is(str content_type, const char *type);

// The host of a Host header, without port; empty if it is not well formed.
str http_host_name(str host);

// Whether a token is in a comma-separated list, whatever the case.
bool http_list_has(str list, const char *token);

#endif
