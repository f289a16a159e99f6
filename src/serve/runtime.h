// Where and how versions are run: at once by whoever asks, by a queue of their own (serve/batcher), or in a process of
// their own (serve/runner).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_RUNTIME_H
#define SLIPWAY_SERVE_RUNTIME_H

#include <stdbool.h>

#include "model/model.h"
#include "serve/batcher.h"
#include "serve/runner.h"

// A request that takes longer holds up an event loop: such versions, and such requests, are for other threads.
enum { INLINE_NS_MAX = 200 * 1000 };

typedef enum isolation {
    ISOLATE_AUTO,   // versions that are no row program
    ISOLATE_ALWAYS, // every version
    ISOLATE_NEVER,
} isolation;

typedef struct runtime_options {
    isolation isolate;                         // which versions have a runner
    size_t runner_memory_max;                  // bytes of address space of each, beside its package; 0: no limit
    uint32_t runner_ms_max;                    // of one batch there
    size_t queue_requests_max, queue_rows_max; // waiting for one version
    uint32_t queue_ms_max;                     // a request that would wait longer is refused
} runtime_options;

#define RUNTIME_OPTIONS_DEFAULT                              \
    ((runtime_options){.runner_memory_max = (size_t)4 << 30, \
                       .runner_ms_max = 30000,               \
                       .queue_requests_max = 1024,           \
                       .queue_rows_max = 1000000,            \
                       .queue_ms_max = 1000})

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
    runner *runner; // NULL: in this process
    const model *model;
    bool merges;
    size_t memory; // of the model in its runner
    batch_meter *meter;
    uint64_t n_restarts; // counted so far
    runtime *home;
    struct running *before, *after;
} running;

// Opens the model of a version: loads it, warms it, measures what it costs and decides how it is run. Takes the
// package, also on failure; the meter is borrowed until running_close(). `label`: for people who list processes.
// *m may only describe: what predicts is inference_run().
MUST_CHECK int running_open(running **out, runtime *rt, const char *label, model **m, package *p, batch_meter *meter,
                            err *e);
void running_close(running *r); // before the model is dropped; nobody predicts any more; NULL is fine

// A prediction that nobody's request waits for: the first one, and shadow traffic. Waits its turn, behind requests. Not
// on an event loop.
MUST_CHECK int running_predict(running *r, const batch *in, prediction *out, arena *a, err *e);

// Explanations that take long are made by workers, of which there are few: at most so many at once. False: not now.
enum { EXPLAIN_AT_ONCE_MAX = 2 };
MUST_CHECK bool running_explain_begin(running *r);
void running_explain_end(running *r);

bool running_ready(const running *r);    // false: its runner fails again and again
size_t running_memory(const running *r); // bytes: the model, here or in its runner

#endif
