// Sizes and names of the element types.
// SPDX-License-Identifier: Apache-2.0
#include "graph/tensor.h"

static const struct {
    size_t size;
    const char *name;
} dtypes[DTYPES_N] = {
    [DTYPE_NONE] = {0, "unknown"},     [DTYPE_F32] = {4, "float32"},   [DTYPE_U8] = {1, "uint8"},
    [DTYPE_I8] = {1, "int8"},          [DTYPE_U16] = {2, "uint16"},    [DTYPE_I16] = {2, "int16"},
    [DTYPE_I32] = {4, "int32"},        [DTYPE_I64] = {8, "int64"},     [DTYPE_STRING] = {sizeof(str), "string"},
    [DTYPE_BOOL] = {1, "bool"},        [DTYPE_F16] = {2, "float16"},   [DTYPE_F64] = {8, "float64"},
    [DTYPE_U32] = {4, "uint32"},       [DTYPE_U64] = {8, "uint64"},    [DTYPE_C64] = {8, "complex64"},
    [DTYPE_C128] = {16, "complex128"}, [DTYPE_BF16] = {2, "bfloat16"},
};

size_t dtype_size(dtype t)
{
    return (unsigned)t < DTYPES_N ? dtypes[t].size : 0;
}

const char *dtype_name(dtype t)
{
    return (unsigned)t < DTYPES_N ? dtypes[t].name : dtypes[DTYPE_NONE].name;
}

int64_t shape_count(const shape *s)
{
    // A zero anywhere makes the count zero, however large the rest.
    for (int i = 0; i < s->n_dims; i++)
        if (s->dims[i] == 0) return 0;
    int64_t count = 1;
    for (int i = 0; i < s->n_dims; i++)
        if (__builtin_mul_overflow(count, s->dims[i], &count)) return -1;
    return count;
}
