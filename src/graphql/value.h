// A value of the language: as it stands in a document or in JSON, or coerced to what a schema wants.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_VALUE_H
#define SLIPWAY_GRAPHQL_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    GQL_JSON_DEPTH_MAX = 64, // lists and objects within one another
    GQL_AT_NONE = UINT32_MAX // no place in a document
};

typedef enum gql_value_kind {
    GQL_NULL,
    GQL_INT,
    GQL_FLOAT,
    GQL_STRING,
    GQL_BOOLEAN,
    GQL_ENUM,
    GQL_LIST,
    GQL_OBJECT,
    GQL_VARIABLE,
} gql_value_kind;

// Immutable once made; lives in the arena that made it, texts may be views of what was read.
typedef struct gql_value gql_value;
struct gql_value {
    gql_value_kind kind;
    bool block;              // of a string: written between """
    bool truth;              // of a boolean
    uint32_t at;             // byte of the document; GQL_AT_NONE for values from JSON
    uint32_t n;              // of a list or object
    int32_t index;           // of a coerced name: which value of its enum
    str name;                // as member of an object, or as argument
    str text;                // the number as written; a string's content; the name of an enum's value or of a variable
    double real;             // of a coerced number
    int64_t whole;           // of a coerced Int, or of a scalar that is one
    gql_value *first, *next; // items or members in their order; the next one beside this
};

extern const gql_value gql_null;

// The member of an object, or the argument in a list of arguments; NULL if there is none.
const gql_value *gql_member(const gql_value *first, str name);

// Whether both say the same: by kind and text, members of objects in any order.
bool gql_value_equal(const gql_value *a, const gql_value *b);

// One JSON document into values: strict UTF-8, nothing after its end, depth limited, no lone surrogates. Members that
// come twice are kept twice. ERR_FORMAT with the byte in e->at; ERR_LIMIT; ERR_MEMORY at the arena's ceiling.
MUST_CHECK int gql_json_parse(gql_value **out, str text, arena *a, err *e);

// Appends the value as JSON: names of enums as texts. A variable is null.
void gql_json_format(const gql_value *v, buf *out);

// Appends the value as it would stand in a document.
void gql_value_print(const gql_value *v, buf *out);

#endif
