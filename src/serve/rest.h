// The native protocol, described in docs/protocols/rest.md and by the served /openapi.json.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_REST_H
#define SLIPWAY_SERVE_REST_H

#include "serve/protocol.h"

extern const protocol_row rest_protocol;

#endif
