// What the operator groups share: reading attributes, inferring shapes, walking over broadcast operands.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_OPS_OPS_IMPL_H
#define SLIPWAY_ENGINE_OPS_OPS_IMPL_H

#include <math.h>
#include <string.h>

#include "engine/operator.h"
#include "engine/ops/groups.h"

// Attributes --------------------------------------------------------------------------------------------------------

// The value, or `otherwise` if it is not there; ERR_INPUT if it is of another kind.
MUST_CHECK int attr_int(const node *n, const char *name, int64_t otherwise, int64_t *out, err *e);
MUST_CHECK int attr_float(const node *n, const char *name, float otherwise, float *out, err *e);
MUST_CHECK int attr_string(const node *n, const char *name, str otherwise, str *out, err *e);
// NULL if it is not there.
MUST_CHECK int attr_list(const node *n, const char *name, attribute_kind kind, const attribute **out, err *e);
// The choice among texts as an index; texts ends with NULL. The first is the default.
MUST_CHECK int attr_choice(const node *n, const char *name, const char *const *texts, int *out, err *e);

// Types and shapes ---------------------------------------------------------------------------------------------------

enum {
    TYPES_FLOAT = 1u << DTYPE_F32 | 1u << DTYPE_F64,
    TYPES_INT = 1u << DTYPE_I64 | 1u << DTYPE_I32,
    TYPES_NUMBER = TYPES_FLOAT | TYPES_INT,
    TYPES_ALL = ~0u & ((1u << DTYPES_N) - 1) & ~1u,
};

// ERR_UNSUPPORTED if input i is not one of the types (bits 1u << dtype).
MUST_CHECK int op_type(const op_value *in, size_t i, unsigned types, err *e);
MUST_CHECK int op_same_type(const op_value *in, size_t i, size_t k, err *e); // inputs i and k
// ERR_INPUT unless input i has n_dims dimensions, or unknown ones.
MUST_CHECK int op_rank(const op_value *in, size_t i, int n_dims, err *e);
MUST_CHECK int op_axis(int64_t axis, int n_dims, int *out, err *e);      // -n_dims..n_dims-1 -> 0..n_dims-1
MUST_CHECK int op_broadcast(value_type *a, const value_type *b, err *e); // *a becomes the shape of both
// Equal sizes, or one is not known; *a becomes what is known.
MUST_CHECK int op_join_dim(dim *a, const dim *b, const char *what, err *e);
value_type type_of(dtype t, int n_dims); // all dimensions unknown

int infer_same(const node *n, const op_value *in, op_value *out, err *e); // output like input 0

// The content of a known int64 (or int32) tensor of rank <= 1 with at most TENSOR_DIMS_MAX elements: -1 if it is not
// known, else how many.
MUST_CHECK int op_ints(const op_value *v, int64_t out[TENSOR_DIMS_MAX], int *n, err *e);

// Rows apart: whether a broadcast of all inputs keeps axis 0 of those that have rows.
bool apart_broadcast(const node *n, const op_value *in);
bool apart_rank2(const node *n, const op_value *in); // all inputs with rows have rank 2 at least

size_t tensor_count(const tensor *t); // elements

// Element-wise kernels -----------------------------------------------------------------------------------------------

enum { ELEMENTWISE_MAX = 3 };
// n elements; strides are in elements, 0 or 1.
typedef void op_inner(const void *const *in, const size_t *strides, void *out, size_t n);
// Calls `f` over the output, with the inputs broadcast.
void op_walk(const tensor *in, size_t n_in, const tensor *out, op_inner *f);

#endif
