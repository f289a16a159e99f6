// A document of the GraphQL language: operations and fragments, parsed and printed. It follows the specification of
// October 2021; of September 2025 it takes descriptions before operations and fragments, and \u{...} in strings.
// Definitions of types are refused: a service executes documents, it is not told its schema by them.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_DOCUMENT_H
#define SLIPWAY_GRAPHQL_DOCUMENT_H

#include "graphql/value.h"

// What a document may have; one more of anything is ERR_LIMIT.
enum {
    GQL_SOURCE_MAX = 1 << 20, // bytes
    GQL_TOKENS_MAX = 32768,
    GQL_NESTING_MAX = 64, // selections, lists, objects and types within one another, in the text
    GQL_DEFINITIONS_MAX = 200,
    GQL_ALIASES_MAX = 500,
    GQL_WRAPS_MAX = 12, // "[", and "!", around the name of a type
};

typedef struct gql_field gql_field; // of a schema, see schema.h
typedef struct gql_type gql_type;

// The modifiers around a named type, two bits each, from the outside in: "[T!]!" is REQUIRED, LIST, REQUIRED.
typedef enum gql_wrap { GQL_BARE = 0, GQL_REQUIRED = 1, GQL_LIST_OF = 2 } gql_wrap;

typedef struct gql_directive gql_directive;
struct gql_directive {
    str name;
    uint32_t at;
    gql_value *arguments;
    gql_directive *next;
};

typedef enum gql_selection_kind { GQL_FIELD, GQL_SPREAD, GQL_INLINE } gql_selection_kind;

typedef struct gql_definition gql_definition;
typedef struct gql_selection gql_selection;
struct gql_selection {
    gql_selection_kind kind;
    uint32_t at;
    str name, alias; // of a field (its alias is empty if it has none), or of a spread fragment
    str condition;   // of an inline fragment; empty if it has none
    uint32_t condition_at;
    gql_value *arguments; // linked by next, with their names
    gql_directive *directives;
    gql_selection *children, *next;
    gql_selection *next_spread; // of the same definition
    // Set by gql_validate():
    gql_definition *fragment; // of a spread
    const gql_type *parent;   // of a field: where it stands; of an inline fragment: what it is about
    const gql_field *field;   // NULL for __typename
};

typedef struct gql_variable gql_variable;
struct gql_variable {
    str name;
    uint32_t at, type_at;
    str type_name;
    uint32_t wraps;      // gql_wrap
    gql_value *standard; // the default; NULL if there is none
    gql_directive *directives;
    gql_variable *next;
    // Set by gql_validate():
    const gql_type *type;
    bool used;
};

typedef enum gql_definition_kind { GQL_QUERY, GQL_MUTATION, GQL_SUBSCRIPTION, GQL_FRAGMENT } gql_definition_kind;

typedef struct gql_usage gql_usage; // of a variable, see validate.c

struct gql_definition {
    gql_definition_kind kind;
    uint32_t at;
    str name; // empty for an operation without one
    str about;
    str condition; // of a fragment
    uint32_t condition_at;
    bool shorthand; // "{ ... }" alone
    gql_variable *variables;
    gql_directive *directives;
    gql_selection *children;
    gql_selection *spreads; // every spread within, linked by next_spread
    gql_definition *next;
    // Set by gql_validate():
    const gql_type *type; // what the selections are about
    gql_usage *usages;
    unsigned state; // of searches
    uint64_t cost;
    unsigned depth, nesting, n_fields;
};

// Immutable after gql_validate(); lives in its arena and views the source.
typedef struct gql_document {
    str source;
    gql_definition *definitions; // in their order
    size_t n_definitions;
} gql_document;

// ERR_FORMAT with the byte in e->at; ERR_LIMIT; ERR_MEMORY at the arena's ceiling. The source, which must live as long
// as the document, may hold any bytes: what is not UTF-8 is ERR_FORMAT.
MUST_CHECK int gql_parse(gql_document **out, str source, arena *a, err *e);

// A value without variables, as defaults in a schema are written.
MUST_CHECK int gql_parse_value(gql_value **out, str source, arena *a, err *e);

// Appends the document, indented by two, one way to write each: printing what was parsed from it gives the same text.
void gql_print(const gql_document *d, buf *out);

// Appends "[T!]!".
void gql_print_type(str name, uint32_t wraps, buf *out);

#endif
