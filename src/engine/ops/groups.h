// The operator groups: one table a file.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_OPS_GROUPS_H
#define SLIPWAY_ENGINE_OPS_GROUPS_H

#include "engine/operator.h"

typedef struct op_group {
    const op_row *rows;
    size_t n;
} op_group;

extern const op_group ops_elementwise; // arithmetic, comparison, logic, one element at a time
extern const op_group ops_cast;        // between element types
extern const op_group ops_shape;       // moving elements and describing shapes
extern const op_group ops_reduce;      // along axes: ArgMax, Softmax, sums
extern const op_group ops_product;     // matrix products
extern const op_group ops_columns;     // ai.onnx.ml: Imputer, Scaler and others over columns
extern const op_group ops_labels;      // ai.onnx.ml: LabelEncoder, OneHotEncoder
extern const op_group ops_trees;       // ai.onnx.ml: tree ensembles

#endif
