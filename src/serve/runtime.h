// Where and how versions are run: at once by whoever asks, by a queue of their own (serve/batcher), or in a process of
// their own (serve/runner).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_RUNTIME_H
#define SLIPWAY_SERVE_RUNTIME_H

#include <stdbool.h>

#include "model/model.h"
#include "serve/batcher.h"

// A request that takes longer holds up an event loop: such versions, and such requests, are for other threads.
enum { INLINE_NS_MAX = 200 * 1000 };

typedef struct runtime_options {
    size_t queue_requests_max, queue_rows_max; // waiting for one version
    uint32_t queue_ms_max;                     // a request that would wait longer is refused
} runtime_options;

#define RUNTIME_OPTIONS_DEFAULT \
    ((runtime_options){.queue_requests_max = 1024, .queue_rows_max = 1000000, .queue_ms_max = 1000})

// All queues of a server. Any thread.
typedef struct runtime runtime;

MUST_CHECK int runtime_new(runtime **out, const runtime_options *o, err *e);
// Every queue ends; what waits there fails. Versions stay, and can be run no more.
void runtime_stop(runtime *rt);
void runtime_free(runtime *rt); // after its versions; NULL is fine

// How one version is run. Made with it, ends with it. Any thread.
typedef struct running {
    cost cost;
    batcher *queue; // NULL: at once, by whoever asks
    // The runtime's own:
    const model *model;
    bool merges;
    runtime *home;
    struct running *before, *after;
} running;

// Opens the model of a version: loads it, warms it, measures what it costs and decides how it is run. Takes the
// package, also on failure; the meter is borrowed until running_close().
MUST_CHECK int running_open(running **out, runtime *rt, model **m, package *p, batch_meter *meter, err *e);
void running_close(running *r); // before the model is dropped; nobody predicts any more; NULL is fine

#endif
