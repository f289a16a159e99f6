// What the observer's thread writes with.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_OBSERVER_IMPL_H
#define SLIPWAY_SERVE_OBSERVER_IMPL_H

#include "base/buf.h"
#include "serve/observer.h"

// A record with its time of day, which the monotonic clock does not know.
typedef struct observed {
    const request_record *record;
    int64_t start_utc_ns;
} observed;

// access_log.c: one line of JSON.
void access_log_line(const observed *o, buf *out);

// The file behind it; one thread at a time. Opened again when somebody moved it away (logrotate).
typedef struct access_log access_log;
MUST_CHECK int access_log_open(access_log **out, const char *path, err *e);
void access_log_close(access_log *l);            // NULL is fine
bool access_log_write(access_log *l, str lines); // false: some of it is lost (a full disk); said once in the log

// otlp.c: OTLP over HTTP, protobuf or JSON, as the environment says. *out is NULL where it says nothing, or "none".
// What cannot be done (grpc) is ERR_UNSUPPORTED.
typedef struct otlp otlp;
// Whether it says anything; *ca_file, if not NULL: the file of authorities that it names, or NULL.
bool otlp_wanted(const char **ca_file);
MUST_CHECK int otlp_open(otlp **out, trace_sampling *sampling, err *e);
void otlp_close(otlp *t); // NULL is fine
void otlp_add(otlp *t, const observed *o);
// Sends a batch if there is one that is full, old enough, or `all`. Blocks for at most the exporter's timeout. Returns
// the number of spans that were given up.
uint64_t otlp_send(otlp *t, bool all);

#endif
