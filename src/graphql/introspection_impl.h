// The types that a schema describes itself with.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_INTROSPECTION_IMPL_H
#define SLIPWAY_GRAPHQL_INTROSPECTION_IMPL_H

#include "graphql/schema.h"

enum { GQL_INTROSPECTION_TYPES_N = 8, GQL_INTROSPECTION_FIELDS_N = 2 };

extern const gql_type *const gql_introspection_types[GQL_INTROSPECTION_TYPES_N];
extern const gql_field gql_introspection_fields[GQL_INTROSPECTION_FIELDS_N]; // __schema and __type

#endif
