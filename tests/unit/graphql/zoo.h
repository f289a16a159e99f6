// A schema with everything that a schema can have, for tests: interfaces, a union, an enum, input objects, lists in
// lists, and fields that fail.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_ZOO_H
#define SLIPWAY_TESTS_ZOO_H

#include "graphql/schema.h"

#include <math.h>

typedef struct beast {
    const char *name;
    int64_t legs;
    double weight;
    bool barks;
    int friend; // index; -1: none
} beast;

static const beast zoo_beasts[] = {{"Rex", 4, 31.5, true, 1}, {"Tom", 4, 4.25, false, 0}, {"Ant", 6, 0.001, false, -1}};

static const gql_type animal_type, dog_type, cat_type, pet_type, size_type, filter_type, pick_type, query_type,
    mutation_type, any_type;

#define RESOLVER(name) \
    static int name(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
#define UNUSED (void)c, (void)object, (void)arguments, (void)out, (void)e
#define TEXT(t) ((gql_result){.kind = GQL_RESULT_TEXT, .text = str_of(t)})
#define WHOLE(n) ((gql_result){.kind = GQL_RESULT_WHOLE, .whole = (n)})

static gql_result zoo_animal(const beast *b)
{
    return (gql_result){.kind = GQL_RESULT_OBJECT, .object = b, .type = b->barks ? &dog_type : &cat_type};
}

RESOLVER(zoo_name)
{
    UNUSED;
    *out = TEXT(((const beast *)object)->name);
    return 0;
}

RESOLVER(zoo_legs)
{
    UNUSED;
    *out = WHOLE(((const beast *)object)->legs);
    return 0;
}

RESOLVER(zoo_weight)
{
    UNUSED;
    double w = ((const beast *)object)->weight;
    bool pounds = arguments[0]->index == 1;
    *out = (gql_result){.kind = GQL_RESULT_REAL, .real = pounds ? 2 * w : w};
    return 0;
}

RESOLVER(zoo_barks)
{
    UNUSED;
    *out = (gql_result){.kind = GQL_RESULT_TRUTH, .truth = ((const beast *)object)->barks};
    return 0;
}

RESOLVER(zoo_friend_of)
{
    UNUSED;
    int i = ((const beast *)object)->friend;
    *out = i < 0 ? (gql_result){.kind = GQL_RESULT_NULL} : zoo_animal(&zoo_beasts[i]);
    return 0;
}

static int zoo_all(gql_call *c, gql_result *out, err *e)
{
    size_t n = sizeof zoo_beasts / sizeof *zoo_beasts;
    gql_result *items = arena_zalloc(c->memory, n, sizeof *items);
    if (!items) return err_set(e, ERR_MEMORY, "no memory for a zoo");
    for (size_t i = 0; i < n; i++) items[i] = zoo_animal(&zoo_beasts[i]);
    *out = (gql_result){.kind = GQL_RESULT_LIST, .n = n, .items = items};
    return 0;
}

RESOLVER(zoo_animals)
{
    UNUSED;
    return zoo_all(c, out, e);
}

RESOLVER(zoo_dog)
{
    UNUSED;
    *out = zoo_animal(&zoo_beasts[0]);
    return 0;
}

RESOLVER(zoo_cat)
{
    UNUSED;
    *out = zoo_animal(&zoo_beasts[2]);
    return 0;
}

RESOLVER(zoo_fails)
{
    UNUSED;
    c->code = "by_design";
    c->extensions = STR("\"row\":3");
    return err_set(e, ERR_CONFLICT, "this field fails");
}

RESOLVER(zoo_nothing)
{
    UNUSED;
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    return 0;
}

RESOLVER(zoo_not_finite)
{
    UNUSED;
    *out = (gql_result){.kind = GQL_RESULT_REAL, .real = NAN};
    return 0;
}

// What its only argument is, as JSON: what coercion made of it.
RESOLVER(zoo_echo)
{
    UNUSED;
    if (!arguments[0]) return zoo_nothing(c, object, arguments, out, e);
    char *text = arena_alloc(c->memory, 1000, 1);
    buf b;
    buf_init(&b, 1000);
    gql_json_format(arguments[0], &b);
    if (!text || b.failed) {
        buf_clear(&b);
        return err_set(e, ERR_MEMORY, "no memory for an echo");
    }
    memcpy(text, b.data, b.len);
    *out = (gql_result){.kind = GQL_RESULT_TEXT, .text = {text, b.len}};
    buf_clear(&b);
    return 0;
}

RESOLVER(zoo_grid)
{
    UNUSED;
    static const gql_result row[] = {{.kind = GQL_RESULT_WHOLE, .whole = 1}, {.kind = GQL_RESULT_NULL}};
    static const gql_result rows[] = {{.kind = GQL_RESULT_LIST, .n = 1, .items = row},
                                      {.kind = GQL_RESULT_LIST, .n = 2, .items = row}};
    *out = (gql_result){.kind = GQL_RESULT_LIST, .n = 2, .items = rows};
    return 0;
}

static int zoo_counter;
RESOLVER(zoo_count)
{
    UNUSED;
    *out = WHOLE(++zoo_counter);
    return 0;
}

static const char *zoo_take_any(gql_value *v)
{
    (void)v;
    return NULL;
}

#define N(a) (sizeof(a) / sizeof *(a))
static const gql_input unit_argument[] = {{.name = "unit", .type = &size_type, .standard = "KILO"}};
static const gql_input int_argument[] = {{.name = "x", .type = &gql_int}};
static const gql_input float_argument[] = {{.name = "x", .type = &gql_float}};
static const gql_input id_argument[] = {{.name = "x", .type = &gql_id}};
static const gql_input needed_argument[] = {{.name = "x", .type = &gql_int, .wraps = GQL_REQUIRED}};
static const gql_input needed_default[] = {{.name = "x", .type = &gql_int, .wraps = GQL_REQUIRED, .standard = "7"}};
static const gql_input list_argument[] = {{.name = "x", .type = &gql_int, .wraps = GQL_LIST_OF_REQUIRED}};
static const gql_input filter_argument[] = {{.name = "x", .type = &filter_type, .about = "Which of them."}};
static const gql_input pick_argument[] = {{.name = "x", .type = &pick_type}};
static const gql_input any_argument[] = {{.name = "x", .type = &any_type}};
static const gql_input size_argument[] = {{.name = "x", .type = &size_type}};

#define ANIMAL_FIELDS                                                                                                \
    {.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = zoo_name},                               \
        {.name = "legs", .type = &gql_int, .resolve = zoo_legs},                                                     \
        {.name = "weight", .type = &gql_float, .resolve = zoo_weight, .arguments = unit_argument, .n_arguments = 1}, \
        {.name = "friend", .type = &animal_type, .resolve = zoo_friend_of},                                          \
    {                                                                                                                \
        .name = "secret", .type = &gql_string, .resolve = zoo_fails, .deprecated = "It is secret"                    \
    }
static const gql_field animal_fields[] = {ANIMAL_FIELDS};
static const gql_field dog_fields[] = {
    ANIMAL_FIELDS,
    {.name = "barks", .type = &gql_boolean, .wraps = GQL_REQUIRED, .resolve = zoo_barks},
    {.name = "noise", .type = &gql_string, .resolve = zoo_name}};
static const gql_field cat_fields[] = {
    ANIMAL_FIELDS,
    {.name = "noise", .type = &gql_int, .resolve = zoo_legs},
    {.name = "never", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = zoo_fails}};
static const gql_type *const animal_only[] = {&animal_type};
static const gql_type *const zoo_pets[] = {&dog_type, &cat_type};
static const gql_enum_value zoo_sizes[] = {{.name = "KILO", .about = "Kilograms."},
                                           {.name = "POUND", .deprecated = "No longer supported"}};
static const gql_input filter_inputs[] = {
    {.name = "least", .type = &gql_int, .wraps = GQL_REQUIRED},
    {.name = "most", .type = &gql_float, .standard = "1.5"},
    {.name = "also", .type = &filter_type},
    {.name = "old", .type = &gql_boolean, .deprecated = "Nobody is"},
};
static const gql_input pick_inputs[] = {{.name = "a", .type = &gql_int}, {.name = "b", .type = &gql_string}};
#define ECHO(field, a)                                                                            \
    {                                                                                             \
        .name = field, .type = &gql_string, .resolve = zoo_echo, .arguments = a, .n_arguments = 1 \
    }
static const gql_field query_fields[] = {
    {.name = "animals",
     .type = &animal_type,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = zoo_animals,
     .about = "All of them."},
    {.name = "pets", .type = &pet_type, .wraps = GQL_LIST_OF, .resolve = zoo_animals},
    {.name = "dog", .type = &dog_type, .resolve = zoo_dog},
    {.name = "cat", .type = &cat_type, .resolve = zoo_cat},
    {.name = "fails", .type = &gql_int, .resolve = zoo_fails},
    {.name = "mustNot", .type = &gql_int, .wraps = GQL_REQUIRED, .resolve = zoo_fails},
    {.name = "nothing", .type = &gql_int, .wraps = GQL_REQUIRED, .resolve = zoo_nothing},
    {.name = "notFinite", .type = &gql_float, .resolve = zoo_not_finite},
    {.name = "grid", .type = &gql_int, .wraps = GQL_LIST_OF | GQL_LIST_OF_REQUIRED << 2, .resolve = zoo_grid},
    ECHO("int", int_argument),
    ECHO("float", float_argument),
    ECHO("id", id_argument),
    ECHO("needed", needed_argument),
    ECHO("filled", needed_default),
    ECHO("list", list_argument),
    ECHO("filter", filter_argument),
    ECHO("pick", pick_argument),
    ECHO("any", any_argument),
    ECHO("size", size_argument),
};
static const gql_field mutation_fields[] = {{.name = "count", .type = &gql_int, .resolve = zoo_count}};

static const gql_type any_type = {
    .kind = GQL_KIND_SCALAR, .name = "Any", .specified_by = "https://example.org/any", .take = zoo_take_any};
static const gql_type animal_type = {
    .kind = GQL_KIND_INTERFACE,
    .name = "Animal",
    .about = "Something that lives here, and about which there is more to say than fits in a line.",
    .fields = animal_fields,
    .n_fields = N(animal_fields)};
static const gql_type dog_type = {.kind = GQL_KIND_OBJECT,
                                  .name = "Dog",
                                  .fields = dog_fields,
                                  .n_fields = N(dog_fields),
                                  .members = animal_only,
                                  .n_members = 1};
static const gql_type cat_type = {.kind = GQL_KIND_OBJECT,
                                  .name = "Cat",
                                  .fields = cat_fields,
                                  .n_fields = N(cat_fields),
                                  .members = animal_only,
                                  .n_members = 1};
static const gql_type pet_type = {.kind = GQL_KIND_UNION, .name = "Pet", .members = zoo_pets, .n_members = 2};
static const gql_type size_type = {.kind = GQL_KIND_ENUM, .name = "Size", .values = zoo_sizes, .n_values = 2};
static const gql_type filter_type = {
    .kind = GQL_KIND_INPUT, .name = "Filter", .inputs = filter_inputs, .n_inputs = N(filter_inputs)};
static const gql_type pick_type = {
    .kind = GQL_KIND_INPUT, .name = "Pick", .inputs = pick_inputs, .n_inputs = 2, .one_of = true};
static const gql_type query_type = {
    .kind = GQL_KIND_OBJECT, .name = "Query", .fields = query_fields, .n_fields = N(query_fields)};
static const gql_type mutation_type = {
    .kind = GQL_KIND_OBJECT, .name = "Mutation", .fields = mutation_fields, .n_fields = N(mutation_fields)};

static const gql_type *const zoo_types[] = {&query_type, &animal_type, &dog_type,  &cat_type, &pet_type,
                                            &size_type,  &filter_type, &pick_type, &any_type, &mutation_type};
static const gql_schema zoo = {
    .about = "A zoo.", .query = &query_type, .mutation = &mutation_type, .types = zoo_types, .n_types = N(zoo_types)};

#endif
