// The OpenAPI 3.1 description: made from the table of routes and the schemas of the models in service.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_OPENAPI_H
#define SLIPWAY_SERVE_OPENAPI_H

#include "base/json.h"
#include "serve/catalog.h"

enum { OPENAPI_INPUTS_MAX = 256 }; // a model with more is described without its columns

// With the models that `who` sees. *out is owned by the caller.
MUST_CHECK int openapi_make(json_t **out, const snapshot *s, const principal *who, err *e);

#endif
