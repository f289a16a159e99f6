// Tensors: a type, a shape and data, row-major.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPH_TENSOR_H
#define SLIPWAY_GRAPH_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

// ONNX's numbers.
typedef enum dtype {
    DTYPE_NONE = 0,
    DTYPE_F32 = 1,
    DTYPE_U8 = 2,
    DTYPE_I8 = 3,
    DTYPE_U16 = 4,
    DTYPE_I16 = 5,
    DTYPE_I32 = 6,
    DTYPE_I64 = 7,
    DTYPE_STRING = 8, // data: str[]
    DTYPE_BOOL = 9,   // one byte each
    DTYPE_F16 = 10,
    DTYPE_F64 = 11,
    DTYPE_U32 = 12,
    DTYPE_U64 = 13,
    DTYPE_C64 = 14,
    DTYPE_C128 = 15,
    DTYPE_BF16 = 16,
    DTYPES_N,
} dtype;

size_t dtype_size(dtype t); // bytes of an element; sizeof(str) for strings; 0 if unknown
const char *dtype_name(dtype t);

enum { TENSOR_DIMS_MAX = 8 };

typedef struct shape {
    int n_dims;                    // 0: a scalar
    int64_t dims[TENSOR_DIMS_MAX]; // >= 0
} shape;

// A view: whoever made the data owns it.
typedef struct tensor {
    dtype type;
    shape shape;
    void *data;
} tensor;

// Elements of a shape; -1 if the product leaves int64_t.
int64_t shape_count(const shape *s);

#endif
