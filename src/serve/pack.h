// Compressed answers, for routes with ROUTE_PACKS: those whose answers are read by people and tools, not by the clients
// of a model.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_PACK_H
#define SLIPWAY_SERVE_PACK_H

#include "serve/protocol.h"

enum { PACK_LEAST = 1024 }; // bytes; less is not worth it

// Whether an Accept-Encoding header lets gzip through; an empty one does not.
bool pack_accepted(str accept_encoding);

// The body as gzip, with the headers that go with it; an ETag becomes one of its own ("x" is "x-gzip"). Small bodies
// and those that get larger stay. Takes a quarter of a megabyte from q->memory: for workers.
MUST_CHECK int pack_answer(const request *q, response *r, err *e);
// What an answer of such a route says when it is not compressed: that it could have been.
MUST_CHECK int pack_vary(const request *q, response *r, err *e);

// Whether If-None-Match has this tag, or that of its compressed form: which one is *etag then, in q->memory.
MUST_CHECK int pack_matches(const request *q, const char **etag, bool *matches, err *e);

#endif
