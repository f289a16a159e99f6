// The body of an inference request of the Open Inference Protocol: JSON, and behind it tensors in binary, read straight
// into typed columns. docs/protocols/v2.md says what is taken.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_V2_DECODE_H
#define SLIPWAY_SERVE_V2_DECODE_H

#include "serve/decode.h"
#include "serve/v2_datatype.h"

typedef enum v2_output_kind { V2_LABEL, V2_PROBABILITIES, V2_VALUE } v2_output_kind;

enum { V2_OUTPUTS_MAX = 2 };

typedef struct v2_output {
    v2_output_kind kind;
    bool binary;      // behind the JSON
    size_t n_classes; // of the classification extension: the best so many; 0: the tensor itself
} v2_output;

typedef struct v2_infer {
    batch in;
    str id;              // to be repeated; len 0: none
    uint64_t timeout_us; // after which the client has no use for an answer; 0: none
    size_t n_outputs;
    v2_output outputs[V2_OUTPUTS_MAX]; // in the order asked for
} v2_infer;

const char *v2_output_name(v2_output_kind k); // "label", "probabilities", "value"

// Inputs of a schema from `at` on that make up one tensor of the graph, slot by slot, all of one type: how many (1: the
// column is a tensor of its own). Such a tensor is known by in->tensor, its columns by their names too.
size_t v2_tensor_columns(const schema *s, size_t at);

// json: the header of the body, all of it where nothing is binary; binary: what follows. Errors as decode_predict() has
// them; what is sound but not for us (shared memory, sequences) is ERR_UNSUPPORTED. out->in takes its arrays from `a`;
// texts are views of the body where they need no unescaping.
MUST_CHECK int v2_decode(v2_infer *out, const decoder *d, const schema *s, str json, str binary, size_t rows_max,
                         place *at, arena *a, err *e);

#endif
