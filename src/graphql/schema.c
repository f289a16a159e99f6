// The language's own scalars and directives, and looking things up in tables.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/schema.h"

#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "graphql/introspection_impl.h"

static const char *take_int(gql_value *v)
{
    int64_t whole;
    if (v->kind != GQL_INT || decimal_parse_i64(v->text, &whole) < 0 || whole < INT32_MIN || whole > INT32_MAX) {
        // JSON has one kind of numbers: 3.0 is whole too.
        double real;
        if (v->at != GQL_AT_NONE || v->kind != GQL_FLOAT || decimal_parse_f64(v->text, &real) < 0 ||
            real != floor(real) || real < INT32_MIN || real > INT32_MAX)
            return "a whole number of 32 bits";
        whole = (int64_t)real;
    }
    v->whole = whole;
    return NULL;
}

static const char *take_float(gql_value *v)
{
    if ((v->kind != GQL_INT && v->kind != GQL_FLOAT) || decimal_parse_f64(v->text, &v->real) < 0 || !isfinite(v->real))
        return "a number";
    return NULL;
}

static const char *take_string(gql_value *v)
{
    return v->kind == GQL_STRING ? NULL : "a text";
}

static const char *take_boolean(gql_value *v)
{
    return v->kind == GQL_BOOLEAN ? NULL : "true or false";
}

static const char *take_id(gql_value *v)
{
    return v->kind == GQL_STRING || v->kind == GQL_INT ? NULL : "a text or a whole number";
}

const gql_type gql_int = {
    .kind = GQL_KIND_SCALAR, .name = "Int", .about = "A whole number of 32 bits.", .take = take_int};
const gql_type gql_float = {
    .kind = GQL_KIND_SCALAR, .name = "Float", .about = "A number of double precision.", .take = take_float};
const gql_type gql_string = {
    .kind = GQL_KIND_SCALAR, .name = "String", .about = "A text of Unicode characters.", .take = take_string};
const gql_type gql_boolean = {
    .kind = GQL_KIND_SCALAR, .name = "Boolean", .about = "`true` or `false`.", .take = take_boolean};
const gql_type gql_id = {.kind = GQL_KIND_SCALAR,
                         .name = "ID",
                         .about = "A name that means something to the service only.",
                         .take = take_id};

const char *const gql_location_names[GQL_LOCATIONS_N] = {
    [GQL_AT_QUERY] = "QUERY",
    [GQL_AT_MUTATION] = "MUTATION",
    [GQL_AT_SUBSCRIPTION] = "SUBSCRIPTION",
    [GQL_AT_FIELD] = "FIELD",
    [GQL_AT_FRAGMENT_DEFINITION] = "FRAGMENT_DEFINITION",
    [GQL_AT_FRAGMENT_SPREAD] = "FRAGMENT_SPREAD",
    [GQL_AT_INLINE_FRAGMENT] = "INLINE_FRAGMENT",
    [GQL_AT_VARIABLE_DEFINITION] = "VARIABLE_DEFINITION",
    [GQL_AT_SCALAR] = "SCALAR",
    [GQL_AT_FIELD_DEFINITION] = "FIELD_DEFINITION",
    [GQL_AT_ARGUMENT_DEFINITION] = "ARGUMENT_DEFINITION",
    [GQL_AT_ENUM_VALUE] = "ENUM_VALUE",
    [GQL_AT_INPUT_OBJECT] = "INPUT_OBJECT",
    [GQL_AT_INPUT_FIELD_DEFINITION] = "INPUT_FIELD_DEFINITION",
};

static const gql_input skip_arguments[] = {
    {.name = "if", .type = &gql_boolean, .wraps = GQL_REQUIRED, .about = "Left out when true."}};
static const gql_input include_arguments[] = {
    {.name = "if", .type = &gql_boolean, .wraps = GQL_REQUIRED, .about = "Left out when false."}};
static const gql_input deprecated_arguments[] = {
    {.name = "reason", .type = &gql_string, .standard = "\"No longer supported\"", .about = "Why, and what to use."}};
static const gql_input specified_by_arguments[] = {
    {.name = "url", .type = &gql_string, .wraps = GQL_REQUIRED, .about = "Where the scalar is specified."}};

enum { AT_SELECTIONS = 1 << GQL_AT_FIELD | 1 << GQL_AT_FRAGMENT_SPREAD | 1 << GQL_AT_INLINE_FRAGMENT };

static const gql_directive_type directives[] = {
    {"include", "Leaves a field or fragment out unless the argument is true.", include_arguments, 1, AT_SELECTIONS},
    {"skip", "Leaves a field or fragment out if the argument is true.", skip_arguments, 1, AT_SELECTIONS},
    {"deprecated", "Marks what should no longer be used.", deprecated_arguments, 1,
     1 << GQL_AT_FIELD_DEFINITION | 1 << GQL_AT_ARGUMENT_DEFINITION | 1 << GQL_AT_INPUT_FIELD_DEFINITION |
         1 << GQL_AT_ENUM_VALUE},
    {"specifiedBy", "Says where a scalar is specified.", specified_by_arguments, 1, 1 << GQL_AT_SCALAR},
    {"oneOf", "Marks an input object of which exactly one field is given.", NULL, 0, 1 << GQL_AT_INPUT_OBJECT},
};

const gql_directive_type *gql_directives(size_t *n)
{
    *n = sizeof directives / sizeof *directives;
    return directives;
}

static bool is_named(const char *name, str wanted)
{
    return strncmp(name, wanted.data, wanted.len) == 0 && name[wanted.len] == '\0';
}

const gql_directive_type *gql_find_directive(str name)
{
    for (size_t i = 0; i < sizeof directives / sizeof *directives; i++)
        if (is_named(directives[i].name, name)) return &directives[i];
    return NULL;
}

const gql_type *gql_type_at(const gql_schema *s, size_t i)
{
    static const gql_type *const scalars[] = {&gql_string, &gql_int, &gql_float, &gql_boolean, &gql_id};
    enum { SCALARS_N = sizeof scalars / sizeof *scalars };
    if (i < s->n_types) return s->types[i];
    i -= s->n_types;
    if (i < SCALARS_N) return scalars[i];
    i -= SCALARS_N;
    return i < GQL_INTROSPECTION_TYPES_N ? gql_introspection_types[i] : NULL;
}

const gql_type *gql_find_type(const gql_schema *s, str name)
{
    const gql_type *t;
    for (size_t i = 0; (t = gql_type_at(s, i)); i++)
        if (is_named(t->name, name)) return t;
    return NULL;
}

const gql_field *gql_find_field(const gql_schema *s, const gql_type *t, str name)
{
    if (t == s->query && name.len > 2 && name.data[0] == '_' && name.data[1] == '_')
        for (size_t i = 0; i < GQL_INTROSPECTION_FIELDS_N; i++)
            if (is_named(gql_introspection_fields[i].name, name)) return &gql_introspection_fields[i];
    for (size_t i = 0; i < t->n_fields; i++)
        if (is_named(t->fields[i].name, name)) return &t->fields[i];
    return NULL;
}

const gql_input *gql_find_input(const gql_input *inputs, size_t n, str name)
{
    for (size_t i = 0; i < n; i++)
        if (is_named(inputs[i].name, name)) return &inputs[i];
    return NULL;
}

bool gql_is_leaf(const gql_type *t)
{
    return t->kind == GQL_KIND_SCALAR || t->kind == GQL_KIND_ENUM;
}

bool gql_is_composite(const gql_type *t)
{
    return t->kind == GQL_KIND_OBJECT || gql_is_abstract(t);
}

bool gql_is_input(const gql_type *t)
{
    return gql_is_leaf(t) || t->kind == GQL_KIND_INPUT;
}

bool gql_is_abstract(const gql_type *t)
{
    return t->kind == GQL_KIND_INTERFACE || t->kind == GQL_KIND_UNION;
}

static bool has_member(const gql_type *t, const gql_type *wanted)
{
    for (size_t i = 0; i < t->n_members; i++)
        if (t->members[i] == wanted) return true;
    return false;
}

bool gql_is_possible(const gql_type *wanted, const gql_type *t)
{
    if (wanted == t) return true;
    if (wanted->kind == GQL_KIND_UNION) return has_member(wanted, t);
    return wanted->kind == GQL_KIND_INTERFACE && has_member(t, wanted);
}
