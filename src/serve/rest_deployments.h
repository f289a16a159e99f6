// The native protocol's routes for loading and deployments; described in docs/protocols/rest.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_REST_DEPLOYMENTS_H
#define SLIPWAY_SERVE_REST_DEPLOYMENTS_H

#include "serve/protocol.h"

extern const protocol_row rest_deployments_protocol;

#endif
