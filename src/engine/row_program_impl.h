// What the compiler of row programs writes and their runner reads.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_ENGINE_ROW_PROGRAM_IMPL_H
#define SLIPWAY_ENGINE_ROW_PROGRAM_IMPL_H

#include "engine/ops/states.h"
#include "engine/plan_impl.h"
#include "engine/row_program.h"

typedef enum column_op {
    COLUMN_INPUT,
    COLUMN_CONSTANT,
    COLUMN_CAST,
    COLUMN_IMPUTE,
    COLUMN_SCALE,
    COLUMN_IMPUTE_SCALE, // both at once
    COLUMN_LABEL,        // LabelEncoder
    COLUMN_PLACE,        // where among the categories of a OneHotEncoder, int64; -1: unknown
    COLUMN_BIT,          // whether that place is the column's own, float32
    COLUMN_EQUAL,
    COLUMN_WHERE,
    COLUMN_ADD,
    COLUMN_SUB,
    COLUMN_MUL,
    COLUMN_DIV,
    COLUMN_IS_NAN,
    COLUMN_NOT,
    COLUMN_AND,
    COLUMN_OR,
} column_op;

// Parameters of one column's expression, and its constants.
typedef union parameters {
    struct {
        float fill, replaced, offset, scale; // of IMPUTE and SCALE
    };
    struct {
        int64_t fill_int, replaced_int;
    };
    struct {
        uint32_t input, at, width; // of INPUT: column `at` of `width`
    };
    const encoder *encoder;
    const one_hot *one_hot;
    int64_t place; // of BIT
    float real;    // of CONSTANT
    int64_t integer;
    uint8_t boolean;
    str string;
} parameters;

// Where an operand comes from.
typedef struct operand {
    enum { OPERAND_NONE, OPERAND_INPUT, OPERAND_REGISTER, OPERAND_CONSTANT } kind;
    uint32_t index, at, width; // of an input; of a register
    uint32_t size;             // bytes of an element
    const void *constant;
} operand;

typedef struct instruction {
    column_op op;
    dtype type, type_from; // of the result, and of the first operand
    operand from[3];
    int32_t to_register; // or -1: to the feature
    uint32_t feature;
    uint32_t n_bits; // of BIT: that many features at once, for places from p.place on
    parameters p;
} instruction;

struct row_program {
    plan *plan; // owns the states of the operators
    arena memory;
    const graph *g;
    size_t n_inputs, n_features, n_registers, n_instructions;
    instruction *instructions;
    int32_t direct;          // the input that is the features as it stands, or -1
    const tree_state *trees; // NULL: none
    row_source *sources;     // (n_features) NULL without trees
};

#endif
