// The one way from decoded rows to an answer, whatever the protocol: everything that is to happen to each prediction
// (quotas, batching, runners, shadow traffic, drift, usage) happens here and nowhere else.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_INFERENCE_H
#define SLIPWAY_SERVE_INFERENCE_H

#include "serve/serving.h"

typedef struct inference inference;

// Writes the answer into r->body from i->in and i->out. May be called later, and by another thread than the handler
// was; everything it uses lives in q->memory, or is immutable.
typedef int inference_finish(const request *q, response *r, const inference *i, err *e);

struct inference {
    const served *version; // from models_pick()
    batch in;              // for its schema
    prediction out;
    inference_finish *finish;
    const void *context; // of finish
};

// A handler asks before it decodes anything, and returns HANDLER_WORKER if so: this version's requests are not answered
// on an event loop.
bool inference_wants_worker(const serving *s, const served *version);

// Predicts and calls i->finish. What it returns is what the handler returns, at once. i lives in q->memory.
MUST_CHECK int inference_run(serving *s, const request *q, response *r, inference *i, err *e);

#endif
