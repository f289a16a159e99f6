// What a model wants to be given and what it answers, as GraphQL has it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/graphql_impl.h"

RESOLVER(column_name)
{
    UNUSED;
    *out = gql_of_text(((const schema_input *)object)->name);
    return 0;
}

static const char *type_name(column_type t)
{
    static const char *const names[COLUMN_TYPES_N] = {
        [COLUMN_INTEGER] = "INTEGER",      [COLUMN_REAL] = "REAL",         [COLUMN_BOOLEAN] = "BOOLEAN",
        [COLUMN_CATEGORY] = "CATEGORY",    [COLUMN_DATETIME] = "DATETIME", [COLUMN_TEXT] = "TEXT",
        [COLUMN_IDENTIFIER] = "IDENTIFIER"};
    return names[t];
}

RESOLVER(column_type_of)
{
    UNUSED;
    *out = gql_of_text(type_name(((const schema_input *)object)->type));
    return 0;
}

RESOLVER(missing_ok)
{
    UNUSED;
    *out = gql_of_truth(((const schema_input *)object)->missing_ok);
    return 0;
}

RESOLVER(missing_rate)
{
    UNUSED;
    *out = gql_of_real(((const schema_input *)object)->missing_rate);
    return 0;
}

RESOLVER(least)
{
    UNUSED;
    *out = gql_of_real(((const schema_input *)object)->min);
    return 0;
}

RESOLVER(most)
{
    UNUSED;
    *out = gql_of_real(((const schema_input *)object)->max);
    return 0;
}

RESOLVER(mean)
{
    UNUSED;
    *out = gql_of_real(((const schema_input *)object)->mean);
    return 0;
}

RESOLVER(quantiles)
{
    UNUSED;
    const schema_input *i = object;
    gql_result *items = gql_list_of(c, QUANTILES_N, out);
    if (!items) return err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t k = 0; k < QUANTILES_N; k++) items[k] = gql_of_real(i->quantiles[k]);
    return 0;
}

static int date(gql_call *c, double utc_ms, gql_result *out, err *e)
{
    char text[DATETIME_TEXT_SIZE];
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!(utc_ms > -9e15 && utc_ms < 9e15)) return 0;
    size_t len = format_datetime((int64_t)utc_ms, text);
    char *kept = arena_strndup(c->memory, text, len);
    if (!kept) return err_set(e, ERR_MEMORY, "no memory for a date");
    *out = (gql_result){.kind = GQL_RESULT_TEXT, .text = {kept, len}};
    return 0;
}

RESOLVER(earliest)
{
    UNUSED;
    return date(c, ((const schema_input *)object)->min, out, e);
}

RESOLVER(latest)
{
    UNUSED;
    return date(c, ((const schema_input *)object)->max, out, e);
}

static int texts(gql_call *c, char *const *all, size_t n, gql_result *out, err *e)
{
    gql_result *items = gql_list_of(c, n, out);
    if (!items) return err_set(e, ERR_MEMORY, "no memory for %zu texts", n);
    for (size_t i = 0; i < n; i++) items[i] = gql_of_text(all[i]);
    return 0;
}

RESOLVER(categories)
{
    UNUSED;
    const schema_input *i = object;
    return texts(c, i->categories, i->n_categories, out, e);
}

static const gql_type *type_of(const schema_input *i)
{
    switch (i->type) {
    case COLUMN_INTEGER:
    case COLUMN_REAL:
    case COLUMN_BOOLEAN: return &graphql_number_column;
    case COLUMN_CATEGORY: return &graphql_category_column;
    case COLUMN_DATETIME: return &graphql_date_column;
    default: return &graphql_text_column;
    }
}

int graphql_columns_of(gql_call *c, const schema *s, gql_result *out, err *e)
{
    gql_result *items = gql_list_of(c, s->n_inputs, out);
    if (!items) return err_set(e, ERR_MEMORY, "no memory for %zu columns", s->n_inputs);
    for (size_t i = 0; i < s->n_inputs; i++)
        items[i] = (gql_result){.kind = GQL_RESULT_OBJECT, .object = &s->inputs[i], .type = type_of(&s->inputs[i])};
    return 0;
}

// The target.

RESOLVER(target_name)
{
    UNUSED;
    *out = gql_of_text(((const schema_target *)object)->name);
    return 0;
}

RESOLVER(target_type)
{
    UNUSED;
    *out = gql_of_text(type_name(((const schema_target *)object)->type));
    return 0;
}

RESOLVER(target_task)
{
    UNUSED;
    *out = gql_of_text(((const schema_target *)object)->task == TASK_CLASSIFICATION ? "CLASSIFICATION" : "REGRESSION");
    return 0;
}

RESOLVER(target_classes)
{
    UNUSED;
    const schema_target *t = object;
    return texts(c, t->classes, t->n_classes, out, e);
}

gql_result graphql_target_of(const schema *s)
{
    return gql_of_object(&s->target);
}

// Tables.

static const gql_enum_value types[] = {
    {.name = "INTEGER"},
    {.name = "REAL"},
    {.name = "BOOLEAN"},
    {.name = "CATEGORY", .about = "One of a few texts."},
    {.name = "DATETIME"},
    {.name = "TEXT", .about = "Many words, seldom twice the same."},
    {.name = "IDENTIFIER", .about = "A name of the row."},
};
const gql_type graphql_column_type = {
    .kind = GQL_KIND_ENUM, .name = "ColumnType", .values = types, .n_values = sizeof types / sizeof *types};

static const gql_enum_value tasks[] = {{.name = "CLASSIFICATION"}, {.name = "REGRESSION"}};
const gql_type graphql_task = {
    .kind = GQL_KIND_ENUM, .name = "Task", .values = tasks, .n_values = sizeof tasks / sizeof *tasks};

#define COLUMN_FIELDS                                                                                     \
    {.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = column_name},                 \
        {.name = "type", .type = &graphql_column_type, .wraps = GQL_REQUIRED, .resolve = column_type_of}, \
        {.name = "missingOk",                                                                             \
         .type = &gql_boolean,                                                                            \
         .wraps = GQL_REQUIRED,                                                                           \
         .resolve = missing_ok,                                                                           \
         .about = "Whether a row may lack it."},                                                          \
    {                                                                                                     \
        .name = "missingRate", .type = &gql_float, .resolve = missing_rate,                               \
        .about = "The share of training rows that lacked it."                                             \
    }

static const gql_field column_fields[] = {COLUMN_FIELDS};
static const gql_field number_fields[] = {
    COLUMN_FIELDS,
    {.name = "min", .type = &gql_float, .resolve = least},
    {.name = "max", .type = &gql_float, .resolve = most},
    {.name = "mean", .type = &gql_float, .resolve = mean},
    {.name = "quantiles",
     .type = &gql_float,
     .wraps = GQL_REQUIRED | GQL_LIST_OF << 2,
     .resolve = quantiles,
     .about = "At 0, 10, ... 100 per cent of the training rows."},
};
static const gql_field category_fields[] = {
    COLUMN_FIELDS,
    {.name = "categories", .type = &gql_string, .wraps = GQL_REQUIRED_LIST, .resolve = categories},
};
static const gql_field date_fields[] = {
    COLUMN_FIELDS,
    {.name = "earliest", .type = &graphql_datetime, .resolve = earliest},
    {.name = "latest", .type = &graphql_datetime, .resolve = latest},
};
static const gql_field text_fields[] = {COLUMN_FIELDS};
static const gql_field target_fields[] = {
    {.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = target_name},
    {.name = "type", .type = &graphql_column_type, .wraps = GQL_REQUIRED, .resolve = target_type},
    {.name = "task", .type = &graphql_task, .wraps = GQL_REQUIRED, .resolve = target_task},
    {.name = "classes",
     .type = &gql_string,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = target_classes,
     .about = "In the order of the probabilities; none for a regression."},
};

static const gql_type *const columns[] = {&graphql_column};
const gql_type graphql_column = {.kind = GQL_KIND_INTERFACE,
                                 .name = "Column",
                                 .about = "A column that a model wants to be given.",
                                 GQL_FIELDS(column_fields)};
const gql_type graphql_number_column = {.kind = GQL_KIND_OBJECT,
                                        .name = "NumberColumn",
                                        .about = "Integers, reals and booleans.",
                                        GQL_FIELDS(number_fields),
                                        .members = columns,
                                        .n_members = 1};
const gql_type graphql_category_column = {
    .kind = GQL_KIND_OBJECT, .name = "CategoryColumn", GQL_FIELDS(category_fields), .members = columns, .n_members = 1};
const gql_type graphql_date_column = {
    .kind = GQL_KIND_OBJECT, .name = "DateColumn", GQL_FIELDS(date_fields), .members = columns, .n_members = 1};
const gql_type graphql_text_column = {.kind = GQL_KIND_OBJECT,
                                      .name = "TextColumn",
                                      .about = "Free texts and identifiers.",
                                      GQL_FIELDS(text_fields),
                                      .members = columns,
                                      .n_members = 1};
const gql_type graphql_target = {.kind = GQL_KIND_OBJECT, .name = "Target", GQL_FIELDS(target_fields)};
