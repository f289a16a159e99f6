// The routes of OpenAI's API, and its list of models where KServe V1 has the same path: docs/protocols/openai.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_OPENAI_H
#define SLIPWAY_SERVE_OPENAI_H

#include "serve/protocol.h"

extern const protocol_row openai_protocol;

#endif
