// The Open Inference Protocol, version 2, over HTTP, with NVIDIA's extensions: docs/protocols/v2.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_V2_H
#define SLIPWAY_SERVE_V2_H

#include "serve/protocol.h"

extern const protocol_row v2_protocol;

// {"error": "..."}, as KServe's first protocol has it too. Its clients know 400 for a request that makes no sense.
void v2_fail(response *r, int status, const err *e);

#endif
