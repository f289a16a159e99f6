// What a handler may use: one such thing for each thread that answers requests.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SERVING_H
#define SLIPWAY_SERVE_SERVING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "serve/access.h"
#include "serve/catalog.h"
#include "serve/http.h"
#include "serve/meters.h"
#include "serve/observer.h"
#include "serve/protocol.h"
#include "serve/server.h"
#include "serve/sites.h"

struct serving {
    const snapshot *models; // constant during a call
    const server_options *options;
    const meters *const *meters; // of every event loop
    size_t n_meters;
    const observer *observer; // NULL: nobody looks
    size_t slot;              // of this thread in model_meter.slots
    const atomic_bool *stopping;
    const char *instance; // names the data directory, see server_is_ours()
    registry **registry;  // of a worker: opened when first asked for; NULL on an event loop
    const principal *who; // of the present request
    const peer *peer;     // who is at the other end of the present request; NULL in tests
    struct jobs *jobs;    // of a worker, see jobs.h
    catalog *catalog;     // of a worker: for its orders; NULL on an event loop
    const sites *sites;   // names of this server, and whose pages may call it
    uint64_t lag_ns;      // of an event loop: the longest that a request can have waited for it
    bool loopback;        // bound to a loopback address
};

// What can be said when the header is there: host, origin, key, route, method, permission, media types. Returns 0 to go
// on, or the status of the answer that *r now holds (OPTIONS is answered here too). seen: of the connection; m->who
// lives as long as what it remembers.
int dispatch_head(const serving *s, const http_parser *p, const char *data, access_seen *seen, route_match *m,
                  response *r);

// Whether this thread may block.
static inline bool serving_may_block(const serving *s)
{
    return s->registry != NULL;
}
// The registry, on a worker, acting as who asks. A view: until the worker ends.
MUST_CHECK int serving_registry(serving *s, registry **out, err *e);

// The whole request: parameters decoded, the body inflated if `gzip`, the handler called; an error becomes an answer.
// HANDLER_WORKER or HANDLER_AWAY if the handler said so, else 0.
int dispatch_run(serving *s, const route_match *m, request *q, bool gzip, response *r);
// What a handler returned becomes the answer: an error's, or what it wrote.
void dispatch_end(const route_match *m, response *r, int rc, const err *e);

// The answer of a request that is away is complete, or failed with rc and *e. Once for each; any thread.
void work_finish(struct job *j, int rc, const err *e);

// An error in the protocol's shape, from a status and a sentence.
void dispatch_fail(const protocol_row *p, response *r, int status, const err *e);

#endif
