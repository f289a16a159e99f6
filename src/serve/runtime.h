// Where and how versions are run: at once by whoever asks, by a queue of their own (serve/batcher), or in a process of
// their own (serve/runner).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_RUNTIME_H
#define SLIPWAY_SERVE_RUNTIME_H

#include <stdbool.h>

#include "model/model.h"
#include "serve/cost.h"

// A request that takes longer holds up an event loop: such versions, and such requests, are for other threads.
enum { INLINE_NS_MAX = 200 * 1000 };

// How one version is run. Made with it, ends with it. Any thread.
typedef struct running {
    cost cost;
} running;

// Opens the model of a version: loads it, warms it and measures what it costs. Takes the package, also on failure.
MUST_CHECK int running_open(running **out, model **m, package *p, err *e);
void running_close(running *r); // before the model is dropped; nobody predicts any more; NULL is fine

#endif
