// The drift of a version, over HTTP: docs/drift.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_REST_DRIFT_H
#define SLIPWAY_SERVE_REST_DRIFT_H

#include "serve/protocol.h"

extern const protocol_row rest_drift_protocol;

#endif
