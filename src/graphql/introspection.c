// Introspection: resolvers that read the tables. Objects are: a schema, a type with its modifiers (gql_type_ref), a
// field, an input, a value of an enum, a directive.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/introspection_impl.h"

#include <string.h>

static const gql_type schema_type, type_type, kind_type, field_type, input_type, value_type, directive_type,
    location_type;

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for an answer");
}

static int answer_text(const char *text, gql_result *out)
{
    *out = text ? (gql_result){.kind = GQL_RESULT_TEXT, .text = str_of(text)} : (gql_result){.kind = GQL_RESULT_NULL};
    return 0;
}

static int answer_truth(bool truth, gql_result *out)
{
    *out = (gql_result){.kind = GQL_RESULT_TRUTH, .truth = truth};
    return 0;
}

static int answer_type(gql_call *c, const gql_type *t, uint32_t wraps, gql_result *out, err *e)
{
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!t) return 0;
    gql_type_ref *ref = arena_alloc(c->memory, 1, sizeof *ref);
    if (!ref) return no_memory(e);
    *ref = (gql_type_ref){t, wraps};
    *out = (gql_result){.kind = GQL_RESULT_OBJECT, .object = ref};
    return 0;
}

// A list of n results to fill in.
static gql_result *new_list(gql_call *c, size_t n, gql_result *out)
{
    gql_result *items = arena_zalloc(c->memory, n, sizeof *items);
    *out = (gql_result){.kind = GQL_RESULT_LIST, .n = n, .items = items};
    return items;
}

static bool with_deprecated(const gql_value *const *arguments)
{
    return arguments[0] && arguments[0]->kind == GQL_BOOLEAN && arguments[0]->truth;
}

#define RESOLVER(name) \
    static int name(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
#define UNUSED (void)c, (void)object, (void)arguments, (void)e

// __Schema

RESOLVER(schema_about)
{
    UNUSED;
    return answer_text(c->schema->about, out);
}

RESOLVER(schema_types)
{
    UNUSED;
    size_t n = 0;
    while (gql_type_at(c->schema, n)) n++;
    gql_result *items = new_list(c, n, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < n; i++) TRY(answer_type(c, gql_type_at(c->schema, i), GQL_BARE, &items[i], e));
    return 0;
}

RESOLVER(schema_query)
{
    UNUSED;
    return answer_type(c, c->schema->query, GQL_BARE, out, e);
}

RESOLVER(schema_mutation)
{
    UNUSED;
    return answer_type(c, c->schema->mutation, GQL_BARE, out, e);
}

RESOLVER(schema_subscription)
{
    UNUSED;
    return answer_type(c, NULL, GQL_BARE, out, e);
}

RESOLVER(schema_directives)
{
    UNUSED;
    size_t n;
    const gql_directive_type *all = gql_directives(&n);
    gql_result *items = new_list(c, n, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < n; i++) items[i] = (gql_result){.kind = GQL_RESULT_OBJECT, .object = &all[i]};
    return 0;
}

// __Type

RESOLVER(type_kind)
{
    UNUSED;
    static const char *const kinds[] = {
        [GQL_KIND_SCALAR] = "SCALAR", [GQL_KIND_OBJECT] = "OBJECT", [GQL_KIND_INTERFACE] = "INTERFACE",
        [GQL_KIND_UNION] = "UNION",   [GQL_KIND_ENUM] = "ENUM",     [GQL_KIND_INPUT] = "INPUT_OBJECT"};
    const gql_type_ref *t = object;
    if ((t->wraps & 3) == GQL_LIST_OF) return answer_text("LIST", out);
    if ((t->wraps & 3) == GQL_REQUIRED) return answer_text("NON_NULL", out);
    return answer_text(kinds[t->type->kind], out);
}

static const gql_type *bare(const void *object) // NULL for lists and what is required
{
    const gql_type_ref *t = object;
    return t->wraps == GQL_BARE ? t->type : NULL;
}

RESOLVER(type_name)
{
    UNUSED;
    const gql_type *t = bare(object);
    return answer_text(t ? t->name : NULL, out);
}

RESOLVER(type_about)
{
    UNUSED;
    const gql_type *t = bare(object);
    return answer_text(t ? t->about : NULL, out);
}

RESOLVER(type_specified_by)
{
    UNUSED;
    const gql_type *t = bare(object);
    return answer_text(t ? t->specified_by : NULL, out);
}

RESOLVER(type_fields)
{
    UNUSED;
    const gql_type *t = bare(object);
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!t || (t->kind != GQL_KIND_OBJECT && t->kind != GQL_KIND_INTERFACE)) return 0;
    gql_result *items = new_list(c, t->n_fields, out);
    if (!items) return no_memory(e);
    size_t n = 0;
    for (size_t i = 0; i < t->n_fields; i++)
        if (!t->fields[i].deprecated || with_deprecated(arguments))
            items[n++] = (gql_result){.kind = GQL_RESULT_OBJECT, .object = &t->fields[i]};
    out->n = n;
    return 0;
}

RESOLVER(type_interfaces)
{
    UNUSED;
    const gql_type *t = bare(object);
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!t || (t->kind != GQL_KIND_OBJECT && t->kind != GQL_KIND_INTERFACE)) return 0;
    gql_result *items = new_list(c, t->n_members, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < t->n_members; i++) TRY(answer_type(c, t->members[i], GQL_BARE, &items[i], e));
    return 0;
}

RESOLVER(type_possible)
{
    UNUSED;
    const gql_type *t = bare(object), *other;
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!t || !gql_is_abstract(t)) return 0;
    size_t n = 0;
    while (gql_type_at(c->schema, n)) n++;
    gql_result *items = new_list(c, n, out);
    if (!items) return no_memory(e);
    n = 0;
    for (size_t i = 0; (other = gql_type_at(c->schema, i)); i++)
        if (other->kind == GQL_KIND_OBJECT && gql_is_possible(t, other))
            TRY(answer_type(c, other, GQL_BARE, &items[n++], e));
    out->n = n;
    return 0;
}

RESOLVER(type_values)
{
    UNUSED;
    const gql_type *t = bare(object);
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!t || t->kind != GQL_KIND_ENUM) return 0;
    gql_result *items = new_list(c, t->n_values, out);
    if (!items) return no_memory(e);
    size_t n = 0;
    for (size_t i = 0; i < t->n_values; i++)
        if (!t->values[i].deprecated || with_deprecated(arguments))
            items[n++] = (gql_result){.kind = GQL_RESULT_OBJECT, .object = &t->values[i]};
    out->n = n;
    return 0;
}

static int answer_inputs(gql_call *c, const gql_input *inputs, size_t n_inputs, bool all, gql_result *out, err *e)
{
    gql_result *items = new_list(c, n_inputs, out);
    if (!items) return no_memory(e);
    size_t n = 0;
    for (size_t i = 0; i < n_inputs; i++)
        if (!inputs[i].deprecated || all) items[n++] = (gql_result){.kind = GQL_RESULT_OBJECT, .object = &inputs[i]};
    out->n = n;
    return 0;
}

RESOLVER(type_inputs)
{
    UNUSED;
    const gql_type *t = bare(object);
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!t || t->kind != GQL_KIND_INPUT) return 0;
    return answer_inputs(c, t->inputs, t->n_inputs, with_deprecated(arguments), out, e);
}

RESOLVER(type_of)
{
    UNUSED;
    const gql_type_ref *t = object;
    return answer_type(c, t->wraps ? t->type : NULL, t->wraps >> 2, out, e);
}

RESOLVER(type_one_of)
{
    UNUSED;
    const gql_type *t = bare(object);
    if (t && t->kind == GQL_KIND_INPUT) return answer_truth(t->one_of, out);
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    return 0;
}

// __Field

RESOLVER(field_name)
{
    UNUSED;
    return answer_text(((const gql_field *)object)->name, out);
}

RESOLVER(field_about)
{
    UNUSED;
    return answer_text(((const gql_field *)object)->about, out);
}

RESOLVER(field_arguments)
{
    UNUSED;
    const gql_field *f = object;
    return answer_inputs(c, f->arguments, f->n_arguments, with_deprecated(arguments), out, e);
}

RESOLVER(field_type_of)
{
    UNUSED;
    const gql_field *f = object;
    return answer_type(c, f->type, f->wraps, out, e);
}

RESOLVER(field_is_deprecated)
{
    UNUSED;
    return answer_truth(((const gql_field *)object)->deprecated != NULL, out);
}

RESOLVER(field_reason)
{
    UNUSED;
    return answer_text(((const gql_field *)object)->deprecated, out);
}

// __InputValue

RESOLVER(input_name)
{
    UNUSED;
    return answer_text(((const gql_input *)object)->name, out);
}

RESOLVER(input_about)
{
    UNUSED;
    return answer_text(((const gql_input *)object)->about, out);
}

RESOLVER(input_type_of)
{
    UNUSED;
    const gql_input *i = object;
    return answer_type(c, i->type, i->wraps, out, e);
}

RESOLVER(input_default)
{
    UNUSED;
    return answer_text(((const gql_input *)object)->standard, out);
}

RESOLVER(input_is_deprecated)
{
    UNUSED;
    return answer_truth(((const gql_input *)object)->deprecated != NULL, out);
}

RESOLVER(input_reason)
{
    UNUSED;
    return answer_text(((const gql_input *)object)->deprecated, out);
}

// __EnumValue

RESOLVER(value_name)
{
    UNUSED;
    return answer_text(((const gql_enum_value *)object)->name, out);
}

RESOLVER(value_about)
{
    UNUSED;
    return answer_text(((const gql_enum_value *)object)->about, out);
}

RESOLVER(value_is_deprecated)
{
    UNUSED;
    return answer_truth(((const gql_enum_value *)object)->deprecated != NULL, out);
}

RESOLVER(value_reason)
{
    UNUSED;
    return answer_text(((const gql_enum_value *)object)->deprecated, out);
}

// __Directive

RESOLVER(directive_name)
{
    UNUSED;
    return answer_text(((const gql_directive_type *)object)->name, out);
}

RESOLVER(directive_about)
{
    UNUSED;
    return answer_text(((const gql_directive_type *)object)->about, out);
}

RESOLVER(directive_locations)
{
    UNUSED;
    const gql_directive_type *d = object;
    gql_result *items = new_list(c, GQL_LOCATIONS_N, out);
    if (!items) return no_memory(e);
    size_t n = 0;
    for (unsigned i = 0; i < GQL_LOCATIONS_N; i++)
        if (d->locations >> i & 1) TRY(answer_text(gql_location_names[i], &items[n++]));
    out->n = n;
    return 0;
}

RESOLVER(directive_arguments)
{
    UNUSED;
    const gql_directive_type *d = object;
    return answer_inputs(c, d->arguments, d->n_arguments, with_deprecated(arguments), out, e);
}

RESOLVER(directive_is_repeatable)
{
    UNUSED;
    return answer_truth(false, out);
}

// The root

RESOLVER(root_schema)
{
    UNUSED;
    *out = (gql_result){.kind = GQL_RESULT_OBJECT, .object = c->schema};
    return 0;
}

RESOLVER(root_type)
{
    UNUSED;
    return answer_type(c, gql_find_type(c->schema, arguments[0]->text), GQL_BARE, out, e);
}

// Tables.

static const gql_input deprecated_too[] = {{.name = "includeDeprecated", .type = &gql_boolean, .standard = "false"}};
static const gql_input by_name[] = {{.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED}};

#define FIELD(n, t, w, r)                                 \
    {                                                     \
        .name = n, .type = &(t), .wraps = w, .resolve = r \
    }
#define FIELD_WITH(n, t, w, r, a)                                                           \
    {                                                                                       \
        .name = n, .type = &(t), .wraps = w, .resolve = r, .arguments = a, .n_arguments = 1 \
    }
#define TYPE(n, f)                                                                           \
    {                                                                                        \
        .kind = GQL_KIND_OBJECT, .name = n, .fields = f, .n_fields = sizeof(f) / sizeof *(f) \
    }
#define ENUM(n, v)                                                                         \
    {                                                                                      \
        .kind = GQL_KIND_ENUM, .name = n, .values = v, .n_values = sizeof(v) / sizeof *(v) \
    }

static const gql_field schema_fields[] = {
    FIELD("description", gql_string, GQL_BARE, schema_about),
    {.name = "types", .type = &type_type, .wraps = GQL_REQUIRED_LIST, .resolve = schema_types, .many = 60},
    FIELD("queryType", type_type, GQL_REQUIRED, schema_query),
    FIELD("mutationType", type_type, GQL_BARE, schema_mutation),
    FIELD("subscriptionType", type_type, GQL_BARE, schema_subscription),
    FIELD("directives", directive_type, GQL_REQUIRED_LIST, schema_directives),
};
static const gql_field type_fields_table[] = {
    FIELD("kind", kind_type, GQL_REQUIRED, type_kind),
    FIELD("name", gql_string, GQL_BARE, type_name),
    FIELD("description", gql_string, GQL_BARE, type_about),
    FIELD("specifiedByURL", gql_string, GQL_BARE, type_specified_by),
    FIELD_WITH("fields", field_type, GQL_LIST_OF_REQUIRED, type_fields, deprecated_too),
    FIELD("interfaces", type_type, GQL_LIST_OF_REQUIRED, type_interfaces),
    FIELD("possibleTypes", type_type, GQL_LIST_OF_REQUIRED, type_possible),
    FIELD_WITH("enumValues", value_type, GQL_LIST_OF_REQUIRED, type_values, deprecated_too),
    FIELD_WITH("inputFields", input_type, GQL_LIST_OF_REQUIRED, type_inputs, deprecated_too),
    FIELD("ofType", type_type, GQL_BARE, type_of),
    FIELD("isOneOf", gql_boolean, GQL_BARE, type_one_of),
};
static const gql_field field_fields[] = {
    FIELD("name", gql_string, GQL_REQUIRED, field_name),
    FIELD("description", gql_string, GQL_BARE, field_about),
    {.name = "args",
     .type = &input_type,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = field_arguments,
     .arguments = deprecated_too,
     .n_arguments = 1,
     .many = 3},
    FIELD("type", type_type, GQL_REQUIRED, field_type_of),
    FIELD("isDeprecated", gql_boolean, GQL_REQUIRED, field_is_deprecated),
    FIELD("deprecationReason", gql_string, GQL_BARE, field_reason),
};
static const gql_field input_fields[] = {
    FIELD("name", gql_string, GQL_REQUIRED, input_name),
    FIELD("description", gql_string, GQL_BARE, input_about),
    FIELD("type", type_type, GQL_REQUIRED, input_type_of),
    FIELD("defaultValue", gql_string, GQL_BARE, input_default),
    FIELD("isDeprecated", gql_boolean, GQL_REQUIRED, input_is_deprecated),
    FIELD("deprecationReason", gql_string, GQL_BARE, input_reason),
};
static const gql_field value_fields[] = {
    FIELD("name", gql_string, GQL_REQUIRED, value_name),
    FIELD("description", gql_string, GQL_BARE, value_about),
    FIELD("isDeprecated", gql_boolean, GQL_REQUIRED, value_is_deprecated),
    FIELD("deprecationReason", gql_string, GQL_BARE, value_reason),
};
static const gql_field directive_fields[] = {
    FIELD("name", gql_string, GQL_REQUIRED, directive_name),
    FIELD("description", gql_string, GQL_BARE, directive_about),
    FIELD("isRepeatable", gql_boolean, GQL_REQUIRED, directive_is_repeatable),
    FIELD("locations", location_type, GQL_REQUIRED_LIST, directive_locations),
    FIELD_WITH("args", input_type, GQL_REQUIRED_LIST, directive_arguments, deprecated_too),
};
static const gql_enum_value kinds[] = {{.name = "SCALAR"}, {.name = "OBJECT"},  {.name = "INTERFACE"},
                                       {.name = "UNION"},  {.name = "ENUM"},    {.name = "INPUT_OBJECT"},
                                       {.name = "LIST"},   {.name = "NON_NULL"}};
static const gql_enum_value locations[] = {{.name = "QUERY"},
                                           {.name = "MUTATION"},
                                           {.name = "SUBSCRIPTION"},
                                           {.name = "FIELD"},
                                           {.name = "FRAGMENT_DEFINITION"},
                                           {.name = "FRAGMENT_SPREAD"},
                                           {.name = "INLINE_FRAGMENT"},
                                           {.name = "VARIABLE_DEFINITION"},
                                           {.name = "SCHEMA"},
                                           {.name = "SCALAR"},
                                           {.name = "OBJECT"},
                                           {.name = "FIELD_DEFINITION"},
                                           {.name = "ARGUMENT_DEFINITION"},
                                           {.name = "INTERFACE"},
                                           {.name = "UNION"},
                                           {.name = "ENUM"},
                                           {.name = "ENUM_VALUE"},
                                           {.name = "INPUT_OBJECT"},
                                           {.name = "INPUT_FIELD_DEFINITION"}};

static const gql_type schema_type = TYPE("__Schema", schema_fields);
static const gql_type type_type = TYPE("__Type", type_fields_table);
static const gql_type kind_type = ENUM("__TypeKind", kinds);
static const gql_type field_type = TYPE("__Field", field_fields);
static const gql_type input_type = TYPE("__InputValue", input_fields);
static const gql_type value_type = TYPE("__EnumValue", value_fields);
static const gql_type directive_type = TYPE("__Directive", directive_fields);
static const gql_type location_type = ENUM("__DirectiveLocation", locations);

const gql_type *const gql_introspection_types[GQL_INTROSPECTION_TYPES_N] = {
    &schema_type, &type_type, &kind_type, &field_type, &input_type, &value_type, &directive_type, &location_type};

const gql_field gql_introspection_fields[GQL_INTROSPECTION_FIELDS_N] = {
    FIELD("__schema", schema_type, GQL_REQUIRED, root_schema),
    FIELD_WITH("__type", type_type, GQL_BARE, root_type, by_name),
};
