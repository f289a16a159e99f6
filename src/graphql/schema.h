// The schema: static const tables of types, fields with their resolvers, arguments. What a service is asked by.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_SCHEMA_H
#define SLIPWAY_GRAPHQL_SCHEMA_H

#include "graphql/document.h"

// A type as fields, arguments and variables have it: a named type and the modifiers around it.
typedef struct gql_type_ref {
    const gql_type *type;
    uint32_t wraps; // gql_wrap, two bits each, from the outside in
} gql_type_ref;

#define GQL_REQUIRED_LIST (GQL_REQUIRED | GQL_LIST_OF << 2 | GQL_REQUIRED << 4) // [T!]!
#define GQL_LIST_OF_REQUIRED (GQL_LIST_OF | GQL_REQUIRED << 2)                  // [T!]

// An argument of a field or directive, or a field of an input object.
typedef struct gql_input {
    const char *name;
    const gql_type *type;
    uint32_t wraps;
    const char *standard; // the default, as it would stand in a document; NULL if there is none
    const char *about;
    const char *deprecated; // why; NULL if it is not
} gql_input;

// What a resolver answers. Texts and arrays live as long as the request.
typedef enum gql_result_kind {
    GQL_RESULT_NULL,
    GQL_RESULT_WHOLE,  // Int, and scalars that are whole numbers
    GQL_RESULT_REAL,   // Float; one that is not finite becomes null
    GQL_RESULT_TRUTH,  // Boolean
    GQL_RESULT_TEXT,   // String, ID, scalars that are texts, and names of enums
    GQL_RESULT_JSON,   // `text` is JSON already: for scalars that may be anything
    GQL_RESULT_OBJECT, // `object`, of `type` where the field's type is abstract
    GQL_RESULT_LIST,   // n items
} gql_result_kind;

typedef struct gql_result gql_result;
struct gql_result {
    gql_result_kind kind;
    bool truth;
    int64_t whole;
    double real;
    str text;
    const void *object;
    const gql_type *type;
    size_t n;
    const gql_result *items;
};

// What resolvers of one request share. One thread at a time.
typedef struct gql_call {
    void *context; // the service's own
    arena *memory;
    const struct gql_schema *schema;
    // Of the failure of the resolver that is running; static, or from `memory`. NULL: the name of the err's code.
    const char *code;
    str extensions; // more members of the error's extensions, as JSON: "\"row\":3"; empty if there are none
} gql_call;

// object: what the parent's resolver gave; NULL for fields of the root. arguments: coerced, by their place in the
// field's table; NULL where none was given and there is no default. What it gives need not outlive the request.
typedef int gql_resolver(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e);

struct gql_field {
    const char *name;
    const gql_type *type;
    uint32_t wraps;
    gql_resolver *resolve;
    const char *about;
    const gql_input *arguments;
    size_t n_arguments;
    const char *deprecated; // why; NULL if it is not
    unsigned cost;          // of resolving it once, in fields; 0 is 1
    unsigned many;          // of a list: how many items its cost is reckoned with; 0 is 10
};

typedef struct gql_enum_value {
    const char *name, *about, *deprecated;
} gql_enum_value;

typedef enum gql_kind {
    GQL_KIND_SCALAR,
    GQL_KIND_OBJECT,
    GQL_KIND_INTERFACE,
    GQL_KIND_UNION,
    GQL_KIND_ENUM,
    GQL_KIND_INPUT,
} gql_kind;

// Whether a scalar takes this value, which is neither null nor a variable; sets its `whole` or `real`. NULL, or what
// belongs there: "a whole number of 32 bits".
typedef const char *gql_scalar_take(gql_value *v);

struct gql_type {
    gql_kind kind;
    const char *name, *about;
    const gql_field *fields; // of objects and interfaces
    size_t n_fields;
    const gql_type *const *members; // of an object or interface: its interfaces; of a union: what it may be
    size_t n_members;
    const gql_enum_value *values; // of an enum
    size_t n_values;
    const gql_input *inputs; // of an input object
    size_t n_inputs;
    bool one_of;           // of an input object: exactly one field, and not null
    gql_scalar_take *take; // of a scalar
    const char *specified_by;
};

typedef struct gql_schema {
    const char *about;
    const gql_type *query, *mutation; // mutation may be NULL; there are no subscriptions
    const gql_type *const *types;     // every one but the language's own, in the order of the printed schema
    size_t n_types;
} gql_schema;

// Places of directives; the executable ones come first.
typedef enum gql_location {
    GQL_AT_QUERY,
    GQL_AT_MUTATION,
    GQL_AT_SUBSCRIPTION,
    GQL_AT_FIELD,
    GQL_AT_FRAGMENT_DEFINITION,
    GQL_AT_FRAGMENT_SPREAD,
    GQL_AT_INLINE_FRAGMENT,
    GQL_AT_VARIABLE_DEFINITION,
    GQL_AT_SCALAR,
    GQL_AT_FIELD_DEFINITION,
    GQL_AT_ARGUMENT_DEFINITION,
    GQL_AT_ENUM_VALUE,
    GQL_AT_INPUT_OBJECT,
    GQL_AT_INPUT_FIELD_DEFINITION,
    GQL_LOCATIONS_N,
} gql_location;

extern const char *const gql_location_names[GQL_LOCATIONS_N];

typedef struct gql_directive_type {
    const char *name, *about;
    const gql_input *arguments;
    size_t n_arguments;
    unsigned locations; // 1 << gql_location
} gql_directive_type;

// The language's own.
extern const gql_type gql_int, gql_float, gql_string, gql_boolean, gql_id;
const gql_directive_type *gql_directives(size_t *n);
const gql_directive_type *gql_find_directive(str name); // NULL if there is none

// Types of the schema and of the language, introspection included. NULL past the last, and where there is none.
const gql_type *gql_type_at(const gql_schema *s, size_t i);
const gql_type *gql_find_type(const gql_schema *s, str name);
// A field of an object or interface; __schema and __type at the root of queries too, but not __typename.
const gql_field *gql_find_field(const gql_schema *s, const gql_type *t, str name);
const gql_input *gql_find_input(const gql_input *inputs, size_t n, str name);

bool gql_is_leaf(const gql_type *t);      // scalars, enums
bool gql_is_composite(const gql_type *t); // objects, interfaces, unions
bool gql_is_input(const gql_type *t);     // scalars, enums, input objects
bool gql_is_abstract(const gql_type *t);  // interfaces, unions
// Whether something of object type `t` can stand where `wanted` (object, interface or union) does.
bool gql_is_possible(const gql_type *wanted, const gql_type *t);

// Appends the schema in the schema definition language, built-in types left out.
void gql_print_schema(const gql_schema *s, buf *out);

#endif
