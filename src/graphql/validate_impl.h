// What the parts of the validator share.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_VALIDATE_IMPL_H
#define SLIPWAY_GRAPHQL_VALIDATE_IMPL_H

#include "graphql/validate.h"

typedef struct checker {
    gql_document *document;
    const gql_schema *schema;
    gql_errors *errors;
    arena *memory;
    gql_definition *now; // whose selections are looked at
    unsigned stamp;      // of the last search
} checker;

// A variable where it is used.
struct gql_usage {
    str name;
    uint32_t at;
    const gql_type *type; // what the place wants; NULL if it is not known, or takes anything
    uint32_t wraps;
    bool has_default, one_of;
    gql_usage *next;
};

#define gql_complain(c, at, ...) gql_errors_add((c)->errors, "validation", at, __VA_ARGS__)

// validate_values.c: a value against a type (NULL: not known), its variables noted as used.
MUST_CHECK int gql_check_value(checker *c, const gql_value *v, const gql_type *t, uint32_t wraps, bool has_default,
                               err *e);
MUST_CHECK int gql_check_arguments(checker *c, const gql_value *first, uint32_t at, const gql_input *inputs, size_t n,
                                   const char *of, str name, err *e);
// The first value whose name another before it has; NULL if all differ.
MUST_CHECK int gql_find_duplicate(checker *c, const gql_value *first, const gql_value **out, err *e);

// validate_variables.c
MUST_CHECK int gql_check_variables(checker *c, gql_definition *d, err *e); // their definitions
void gql_check_usages(checker *c, gql_definition *d); // of an operation, through its fragments, when all is walked

// validate_cost.c: order: fragments and operations, each after the fragments that it spreads.
void gql_check_cost(checker *c, gql_definition *const *order, size_t n);

// validate_merge.c
MUST_CHECK int gql_check_merging(checker *c, err *e);

#endif
