// What a preparation holds, shared by fitting, emission and application.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_PREPARE_PREPARE_IMPL_H
#define SLIPWAY_PREPARE_PREPARE_IMPL_H

#include "base/arena.h"
#include "prepare/prepare.h"

typedef enum prepared_kind { PREPARED_NUMBER, PREPARED_DATE, PREPARED_TEXT } prepared_kind;

enum { CODE_UNKNOWN = -1 };

// One schema input, by the same index.
typedef struct prepared {
    prepared_kind kind;
    bool marked; // one more feature says whether it is missing
    // Numbers and dates, in the order of the graph: value - origin (dates), imputed, then (value - offset) * scale.
    int64_t origin;
    float fill, offset, scale;
    // Texts: codes are places in `categories`, where "" stands for missing as a category of its own.
    encode_kind encode;
    size_t n_categories;
    const str *categories; // sorted by bytes
    int64_t missing_code;  // what a missing value is imputed with; CODE_UNKNOWN if it is not
} prepared;

struct preparation {
    arena memory; // everything below but the schema
    impute_kind impute_number;
    scale_kind scale;
    schema schema;
    size_t n_numbers, n_dates, n_texts; // inputs of each kind
    prepared *columns;                  // schema.n_inputs
    size_t n_features, n_left_out;
    feature *features;
    left_out *left_out;
};

enum { SINGLE_INPUTS_MAX = 256 }; // more number inputs than this are one (N, k) input

static inline prepared_kind prepared_kind_of(column_type t)
{
    switch (column_wire(t)) {
    case WIRE_F32: return PREPARED_NUMBER;
    case WIRE_I64: return PREPARED_DATE;
    default: return PREPARED_TEXT;
    }
}

#endif
