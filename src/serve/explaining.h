// Explanations of requests: they take many times what a prediction does, so whether and where they are made has rules
// of its own. Part of serve/inference, which is who calls it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_EXPLAINING_H
#define SLIPWAY_SERVE_EXPLAINING_H

#include "serve/inference.h"

// What one request's explanations may take, by their estimate: more rows are refused.
enum { EXPLAIN_MS_MAX = 10000 };

// Before anything is done for a request whose rows are decoded. 0, or what the handler returns: HANDLER_WORKER where an
// event loop would be held up; 422 "not_explainable" (the model has no explanations), "too_many_rows"; 503 "overloaded"
// on an event loop that is behind; 504 where the deadline would pass first.
MUST_CHECK int explaining_admits(const serving *s, const request *q, response *r, const inference *i, err *e);

// After the prediction: fills i->explained, in q->memory. ERR_BUSY, 503 "overloaded": as many long ones are made at
// once as may be. ERR_CANCELLED, ERR_TIMEOUT: looked at between blocks of rows.
MUST_CHECK int explaining_run(const request *q, response *r, inference *i, err *e);

#endif
