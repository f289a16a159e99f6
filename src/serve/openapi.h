// The OpenAPI 3.1 description: what routes say is text from the start, what a model adds is text from when it is
// loaded, and a caller gets those pieces that concern it, joined.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_OPENAPI_H
#define SLIPWAY_SERVE_OPENAPI_H

#include "base/buf.h"
#include "data/schema.h"
#include "serve/protocol.h"

enum { OPENAPI_INPUTS_MAX = 256 }; // a model with more is described without its columns
enum { OPENAPI_ETAG_SIZE = 19 };   // with quotes

typedef struct openapi openapi; // of the table of routes. Immutable, so any thread

MUST_CHECK int openapi_new(openapi **out, err *e);
void openapi_free(openapi *a); // NULL is fine

// What a model adds, with a hash of it. A text of no length, or an owned one: openapi_part_clear().
typedef struct openapi_part {
    str text;
    uint64_t hash;
} openapi_part;

// name: as callers know it, without a tenant.
MUST_CHECK int openapi_part_make(openapi_part *out, const char *name, const schema *s, err *e);
void openapi_part_clear(openapi_part *p);

// What `who` may see of the routes, and the parts of models, NULL after the last: equal documents have equal tags.
// Failure is in out->failed.
void openapi_write(const openapi *a, const principal *who, const openapi_part *const *parts, buf *out);
void openapi_etag(const openapi *a, const principal *who, const openapi_part *const *parts,
                  char etag[OPENAPI_ETAG_SIZE]);

#endif
