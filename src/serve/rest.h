// The native protocol, described in docs/protocols/rest.md and by the served /openapi.json.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_REST_H
#define SLIPWAY_SERVE_REST_H

#include "serve/protocol.h"

extern const protocol_row rest_protocol;
extern const protocol_row rest_signatures_protocol;
extern const protocol_row rest_registry_protocol; // versions and aliases, to look at and to change
extern const protocol_row rest_jobs_protocol;     // runs and batch predictions
extern const protocol_row rest_datasets_protocol; // datasets and uploads

extern const protocol_row rest_access_protocol; // keys, audit, usage, quotas

// An error as application/problem+json: the native protocol's, whichever file its routes are in.
void rest_fail(response *r, int status, const err *e);

#endif
