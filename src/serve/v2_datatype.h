// The datatypes of the Open Inference Protocol, and which of them a column takes.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_V2_DATATYPE_H
#define SLIPWAY_SERVE_V2_DATATYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "data/schema.h"

typedef enum v2_datatype {
    V2_BOOL,
    V2_UINT8,
    V2_UINT16,
    V2_UINT32,
    V2_UINT64,
    V2_INT8,
    V2_INT16,
    V2_INT32,
    V2_INT64,
    V2_FP16,
    V2_BF16,
    V2_FP32,
    V2_FP64,
    V2_BYTES,
    V2_DATATYPES_N,
} v2_datatype;

const char *v2_datatype_name(v2_datatype t);          // "FP32"
bool v2_datatype_find(str name, v2_datatype *out);    // false if there is none of that name
size_t v2_datatype_size(v2_datatype t);               // bytes of a value; 0 for BYTES
v2_datatype v2_datatype_of(column_type t);            // what metadata says of a column
bool v2_datatype_fits(v2_datatype t, column_type to); // whether a column takes tensors of it
const char *v2_datatypes_for(column_type t);          // those it takes, for messages

static inline bool v2_is_integer(v2_datatype t)
{
    return t >= V2_UINT8 && t <= V2_INT64;
}

static inline bool v2_is_real(v2_datatype t)
{
    return t >= V2_FP16 && t <= V2_FP64;
}

// The least and the greatest value of an integer datatype; of UINT64 as far as int64_t goes.
int64_t v2_integer_min(v2_datatype t);
int64_t v2_integer_max(v2_datatype t);

#endif
