// The one way from decoded rows to an answer, whatever the protocol: everything that is to happen to each prediction
// (quotas, batching, runners, shadow traffic, drift, usage) happens here and nowhere else.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_INFERENCE_H
#define SLIPWAY_SERVE_INFERENCE_H

#include "serve/decode.h"
#include "serve/serving.h"

typedef struct inference inference;

// Writes the answer into r->body from i->in and i->out. May be called later, and by another thread than the handler
// was; everything it uses lives in q->memory, or is immutable.
typedef int inference_finish(const request *q, response *r, const inference *i, err *e);

struct inference {
    const served *version; // from models_pick()
    batch in;              // for its schema
    prediction out;
    explain_wish explain;  // nothing is explained unless it says so
    explanation explained; // then
    inference_finish *finish;
    const void *context; // of finish
};

// A handler asks before it decodes anything, and returns what is not 0: HANDLER_WORKER where this version's requests
// are not answered on an event loop; ERR_BUSY, with status and Retry-After in *r, while it has more than it can do.
MUST_CHECK int inference_begin(const serving *s, const request *q, const served *version, response *r, err *e);

// Predicts, explains where i->explain says so (see explaining.h), and calls i->finish. What it returns is what the
// handler returns, at once; HANDLER_WORKER too, where the rows are too many for an event loop. i lives in q->memory.
// The handler's last act: the answer may be on its way already.
MUST_CHECK int inference_run(serving *s, const request *q, response *r, inference *i, err *e);

// Predicts into i->out and returns, for who makes an answer of several predictions; i->finish is not called. On a
// worker (serving_may_block()), or for versions and rows that inference_begin() and this one let pass on an event loop:
// else HANDLER_WORKER.
MUST_CHECK int inference_predict(serving *s, const request *q, response *r, inference *i, err *e);

#endif
