// Input coercion: section 3 of the specification, for literals and for JSON alike.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_COERCE_IMPL_H
#define SLIPWAY_GRAPHQL_COERCE_IMPL_H

#include "graphql/schema.h"

typedef struct gql_coercion {
    const gql_value *variables; // coerced ones, linked by next
    arena *memory;
} gql_coercion;

// A value as the type wants it, a copy in the arena. *out is NULL for a variable that was not given. ERR_INPUT says
// what belongs where; ERR_MEMORY.
MUST_CHECK int gql_coerce(gql_value **out, const gql_coercion *c, const gql_value *v, const gql_type *t, uint32_t wraps,
                          err *e);

// Arguments by their place in `inputs`; NULL for those without a value. out: room for n.
MUST_CHECK int gql_coerce_arguments(const gql_value **out, const gql_coercion *c, const gql_value *given,
                                    const gql_input *inputs, size_t n, err *e);

#endif
