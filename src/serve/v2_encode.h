// Predictions as an answer of the Open Inference Protocol.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_V2_ENCODE_H
#define SLIPWAY_SERVE_V2_ENCODE_H

#include "serve/encode.h"
#include "serve/v2_decode.h"

// Who answers. Borrowed for the call.
typedef struct v2_source {
    const char *name; // as the caller knows it
    int64_t version;
    const schema_target *target;
    const encoder *encoder;
} v2_source;

v2_datatype v2_label_datatype(const encoder *w);

// Appends the JSON, and behind it what was asked for in binary; failure is in out->failed. *header_len: bytes of the
// JSON, or 0 if nothing is binary. `a` is for scratch of one row's classes.
MUST_CHECK int v2_encode(const v2_infer *q, const v2_source *from, const prediction *p, buf *out, size_t *header_len,
                         arena *a, err *e);

#endif
