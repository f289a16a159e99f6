// KServe's first protocol, for prediction: docs/protocols/kserve.md. What it has in common with OpenAI's, the list of
// models and whether one is ready, is in openai.c.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_KSERVE_H
#define SLIPWAY_SERVE_KSERVE_H

#include "serve/decode.h"
#include "serve/protocol.h"

extern const protocol_row kserve_protocol;

// What an answer holds for each row.
typedef enum kserve_signature {
    KSERVE_PREDICT,       // the label, or the value
    KSERVE_PREDICT_PROBA, // the probabilities, in the order of the classes
} kserve_signature;

// {"instances": [...]}, or {"inputs": ...}, and who likes "signature_name"; rows are objects, or arrays in the order of
// the columns; "inputs" may also be an object of columns. Values and errors as for decode_predict().
MUST_CHECK int kserve_decode(batch *out, kserve_signature *signature, const decoder *d, str body, size_t rows_max,
                             place *at, arena *a, err *e);

#endif
