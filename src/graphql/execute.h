// Executing an operation: variables coerced, fields resolved one after another, the answer written as JSON.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_EXECUTE_H
#define SLIPWAY_GRAPHQL_EXECUTE_H

#include "graphql/errors.h"
#include "graphql/schema.h"

enum { GQL_VALUES_MAX = 1000000 }; // that an answer may hold: fields and items of lists

// The operation of that name; without a name (empty) the only one. NULL, and an error with the code "operation", if
// there is none.
gql_definition *gql_find_operation(const gql_document *d, str name, gql_errors *errors);

// Coerces what was sent (an object, or NULL) by the operation's variables; others are ignored. *out: those that have a
// value, linked by next. Errors have the code "variables"; then, and only then, *out is not to be used. Returns 0, or
// ERR_MEMORY.
MUST_CHECK int gql_coerce_variables(gql_value **out, const gql_definition *operation, const gql_value *sent,
                                    gql_errors *errors, arena *a, err *e);

typedef struct gql_execution {
    const gql_schema *schema;
    const gql_document *document; // validated without an error
    gql_definition *operation;
    const gql_value *variables; // of gql_coerce_variables()
    void *context;              // for resolvers
    arena *memory;
    gql_errors *errors;
} gql_execution;

// Appends the value of "data": an object, or null. What fails becomes null, or makes the nearest thing around it null
// that may be, with an error that has a path; its code is what the resolver says, else the name of the err's code.
// ERR_LIMIT past GQL_VALUES_MAX or the buffer's ceiling, ERR_MEMORY: what was appended is of no use then.
MUST_CHECK int gql_execute(const gql_execution *x, buf *out, err *e);

#endif
