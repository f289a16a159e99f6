// What is told of each answered request: a line of the access log, a span for a collector. Event loops only leave a
// record; a thread of its own writes and sends, and what it cannot keep up with is dropped and counted.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_OBSERVER_H
#define SLIPWAY_SERVE_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "serve/protocol.h"
#include "serve/trace.h"

enum { RECORD_KEY_SIZE = 32, RECORD_TENANT_SIZE = 36, RECORD_PEER_SIZE = 48 };

// One answered request. Bodies, queries, paths and headers are not in it.
typedef struct request_record {
    uint64_t start_ns, end_ns; // clock_monotonic_ns()
    const route *route;        // NULL: none was found
    const char *model;         // lives as long as the server; NULL: none answered
    int64_t version;
    uint64_t n_rows, received_bytes, sent_bytes; // of bodies
    int status;
    http_method method;
    trace trace;
    char key[RECORD_KEY_SIZE], tenant[RECORD_TENANT_SIZE], peer[RECORD_PEER_SIZE]; // texts, "" if not known
} request_record;

typedef struct observer observer;

// path: of the access log; "-" is standard output, NULL none. Spans are sent if the environment says where to
// (OTEL_EXPORTER_OTLP_ENDPOINT and its kin, see docs/observing.md). *out is NULL if there is nothing to do.
MUST_CHECK int observer_new(observer **out, const char *path, size_t n_loops, err *e);
void observer_free(observer *o); // writes and sends what is left, within a few seconds; NULL is fine

const trace_sampling *observer_sampling(const observer *o); // constant

// The next free record of an event loop, to be filled and committed; NULL if its ring is full, which is counted. Only
// that loop's thread.
request_record *observer_record(observer *o, size_t loop);
void observer_commit(observer *o, size_t loop);

// Since the start: records dropped, and spans that could not be sent. Any thread.
void observer_lost(const observer *o, uint64_t *n_records, uint64_t *n_spans);

#endif
