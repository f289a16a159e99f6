// What is the same for every server is text below; what depends on routes and models is put into it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/openapi.h"

#include <stdio.h>
#include <string.h>

#include "serve/access.h"
#include "serve/example.h"
#include "serve/protocol.h"

enum { CATEGORIES_SHOWN_MAX = 20, PATH_MAX_BYTES = 256 };

static const char skeleton[] =
    "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Slipway\",\"version\":\"" SLIPWAY_VERSION "\",\"description\":"
    "\"Models of this server, each with the columns that it takes.\"},\"paths\":{},\"components\":{\"responses\":{"
    "\"problem\":{\"description\":\"What is wrong, where and why (RFC "
    "9457)\",\"content\":{\"application/problem+json\":"
    "{\"schema\":{\"$ref\":\"#/components/schemas/problem\"}}}}},\"schemas\":{\"problem\":{\"type\":\"object\","
    "\"required\":[\"type\",\"title\",\"status\",\"detail\",\"code\"],\"properties\":{"
    "\"type\":{\"type\":\"string\",\"format\":\"uri\"},\"title\":{\"type\":\"string\"},\"status\":{\"type\":"
    "\"integer\"},"
    "\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},"
    "\"row\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"Row of the body, counted from 0\"},"
    "\"column\":{\"type\":\"string\"},\"pointer\":{\"type\":\"string\",\"description\":\"RFC 6901 into the body\"},"
    "\"offset\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"Byte of the body\"}}},"
    "\"row\":{\"type\":\"object\",\"description\":\"A value for each column\",\"additionalProperties\":{"
    "\"type\":[\"number\",\"string\",\"boolean\",\"null\"]}}}}}";

// Borrowed from `parent`, made if it is not there.
static int object_at(json_t *parent, const char *key, json_t **out, err *e)
{
    if (!json_object_get(parent, key)) TRY(json_put(parent, key, json_object(), e));
    *out = json_object_get(parent, key);
    return 0;
}

static int put_text(json_t *o, const char *key, const char *text, err *e)
{
    return json_put(o, key, json_string(text), e);
}

static int put_reference(json_t *o, const char *where, const char *name, err *e)
{
    char text[PATH_MAX_BYTES];
    snprintf(text, sizeof text, "#/components/%s/%s", where, name);
    return put_text(o, "$ref", text, e);
}

// {"description": ..., "content": {MEDIA: {"schema": SCHEMA}}}; takes the schema.
static int put_content(json_t *o, const char *media, json_t *spec, json_t *example, err *e)
{
    json_t *content, *type;
    int rc = object_at(o, "content", &content, e);
    if (rc == 0) rc = object_at(content, media, &type, e);
    if (rc < 0) {
        json_decref(spec);
        json_decref(example);
        return rc;
    }
    rc = json_put(type, "schema", spec, e);
    if (!example) return rc;
    if (rc == 0) return json_put(type, "example", example, e);
    json_decref(example);
    return rc;
}

// Columns.

static json_t *column_shape(const schema_input *in)
{
    static const char *const types[COLUMN_TYPES_N] = {
        [COLUMN_INTEGER] = "number",    [COLUMN_REAL] = "number",     [COLUMN_BOOLEAN] = "boolean",
        [COLUMN_CATEGORY] = "string",   [COLUMN_DATETIME] = "string", [COLUMN_TEXT] = "string",
        [COLUMN_IDENTIFIER] = "string",
    };
    json_t *types_json = json_pack("[s]", types[in->type]);
    if (types_json && in->type == COLUMN_DATETIME) json_array_append_new(types_json, json_string("integer"));
    if (types_json && in->type == COLUMN_IDENTIFIER) json_array_append_new(types_json, json_string("integer"));
    if (types_json && in->missing_ok) json_array_append_new(types_json, json_string("null"));
    json_t *spec = json_pack("{s:o}", "type", types_json);
    if (!spec) return NULL;
    if (in->type == COLUMN_DATETIME)
        json_object_set_new(spec, "description", json_string("ISO 8601, or milliseconds since 1970-01-01T00:00:00Z"));
    if (in->type == COLUMN_CATEGORY && in->n_categories > 0) {
        json_t *examples = json_array();
        for (size_t i = 0; i < in->n_categories && i < CATEGORIES_SHOWN_MAX; i++)
            json_array_append_new(examples, json_string(in->categories[i]));
        json_object_set_new(spec, "examples", examples);
    }
    return spec;
}

// The object of one row, or of all columns as arrays.
static int columns_shape(json_t **out, const schema *s, bool arrays, err *e)
{
    if (s->n_inputs > OPENAPI_INPUTS_MAX) {
        *out = arrays ? json_pack("{s:s,s:{s:s}}", "type", "object", "additionalProperties", "type", "array")
                      : json_pack("{s:s}", "$ref", "#/components/schemas/row");
        return *out ? 0 : err_set(e, ERR_MEMORY, "no memory for the OpenAPI document");
    }
    json_t *spec = json_pack("{s:s,s:b}", "type", "object", "additionalProperties", 0);
    json_t *properties = json_object(), *required = json_array();
    int rc = json_put(spec, "properties", properties, e);
    int rc_required = json_put(spec, "required", required, e);
    if (rc == 0) rc = rc_required;
    for (size_t i = 0; rc == 0 && i < s->n_inputs; i++) {
        json_t *one = column_shape(&s->inputs[i]);
        if (arrays) one = json_pack("{s:s,s:o}", "type", "array", "items", one);
        rc = json_put(properties, s->inputs[i].name, one, e);
        if (rc == 0 && !s->inputs[i].missing_ok) rc = json_push(required, json_string(s->inputs[i].name), e);
    }
    if (rc < 0) {
        json_decref(spec);
        return rc;
    }
    *out = spec;
    return 0;
}

// {"rows": [ROW, ...]} or {"columns": COLUMNS}; takes both.
static json_t *body_shape(json_t *row, json_t *columns)
{
    return json_pack("{s:[{s:s,s:[s],s:b,s:{s:{s:s,s:i,s:o}}},{s:s,s:[s],s:b,s:{s:o}}]}", "oneOf", "type", "object",
                     "required", "rows", "additionalProperties", 0, "properties", "rows", "type", "array", "minItems",
                     1, "items", row, "type", "object", "required", "columns", "additionalProperties", 0, "properties",
                     "columns", columns);
}

static json_t *label_shape(const schema_target *t)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < t->n_classes && i < OPENAPI_INPUTS_MAX; i++) {
        buf text;
        buf_init(&text, 1 << 20);
        encode_label(t->type, t->classes[i], &text);
        json_t *label = NULL;
        if (text.failed || json_parse(&label, buf_str(&text), NULL) < 0) label = NULL;
        buf_clear(&text);
        json_array_append_new(labels, label);
    }
    return json_pack("{s:o}", "enum", labels);
}

static json_t *scores_shape(bool array)
{
    json_t *score = json_pack("{s:[s,s]}", "type", "number", "null");
    return array ? json_pack("{s:s,s:o}", "type", "array", "items", score) : score;
}

// One prediction, or with `arrays` the columns of all.
static json_t *prediction_shape(const schema_target *t, bool arrays)
{
    if (t->task != TASK_CLASSIFICATION)
        return json_pack("{s:s,s:[s],s:{s:o}}", "type", "object", "required", "value", "properties", "value",
                         scores_shape(arrays));
    json_t *label = label_shape(t);
    if (arrays) label = json_pack("{s:s,s:o}", "type", "array", "items", label);
    return json_pack("{s:s,s:[s,s],s:{s:o,s:{s:s,s:o}}}", "type", "object", "required", "label", "probabilities",
                     "properties", "label", label, "probabilities", "type", "object", "additionalProperties",
                     scores_shape(arrays));
}

static json_t *answer_shape(const schema_target *t)
{
    return json_pack("{s:s,s:[s,s],s:{s:{s:s},s:{s:s},s:{s:s,s:o},s:o}}", "type", "object", "required", "model",
                     "version", "properties", "model", "type", "string", "version", "type", "integer", "predictions",
                     "type", "array", "items", prediction_shape(t, false), "columns", prediction_shape(t, true));
}

static json_t *example_body(const schema *s)
{
    buf text;
    buf_init(&text, 1 << 24);
    buf_add_text(&text, "{\"rows\":[");
    example_row(s, &text);
    buf_add_text(&text, "]}");
    json_t *example = NULL;
    if (text.failed || json_parse(&example, buf_str(&text), NULL) < 0) example = NULL;
    buf_clear(&text);
    return example;
}

// Operations.

static int put_responses(json_t *operation, const route *r, json_t *spec, err *e)
{
    json_t *responses, *ok, *problem;
    char media[64];
    snprintf(media, sizeof media, "%.*s", (int)strcspn(r->gives, ";"), r->gives);
    int rc = object_at(operation, "responses", &responses, e);
    if (rc == 0) rc = object_at(responses, "200", &ok, e);
    if (rc == 0) rc = put_text(ok, "description", r->about, e);
    if (rc == 0) rc = object_at(responses, "default", &problem, e);
    if (rc == 0) rc = put_reference(problem, "responses", "problem", e);
    if (rc < 0) {
        json_decref(spec);
        return rc;
    }
    return put_content(ok, media, spec, NULL, e);
}

static int put_request(json_t *operation, const route *r, json_t *spec, json_t *example, err *e)
{
    json_t *wanted;
    int rc = object_at(operation, "requestBody", &wanted, e);
    if (rc == 0) rc = json_put(wanted, "required", json_true(), e);
    if (rc < 0) {
        json_decref(spec);
        json_decref(example);
        return rc;
    }
    return put_content(wanted, r->takes, spec, example, e);
}

// What the {} of a pattern are called, in their order.
static const char *const parameter_names[] = {"name", "item"};
enum { PARAMETERS_N = sizeof parameter_names / sizeof *parameter_names };

static int put_parameters(json_t *operation, const char *pattern, err *e)
{
    json_t *list = json_array();
    TRY(json_put(operation, "parameters", list, e));
    for (size_t i = 0; i < PARAMETERS_N && (pattern = strstr(pattern, "{}")); i++, pattern += 2)
        TRY(json_push(list,
                      json_pack("{s:s,s:s,s:b,s:{s:s}}", "name", parameter_names[i], "in", "path", "required", 1,
                                "schema", "type", "string"),
                      e));
    return 0;
}

static const char *method_key(unsigned methods)
{
    return methods & HTTP_GET      ? "get"
           : methods & HTTP_POST   ? "post"
           : methods & HTTP_PUT    ? "put"
           : methods & HTTP_DELETE ? "delete"
                                   : "options";
}

// The pattern with `name` for its first {}, and the parameter's own name for a second.
static void make_path(char path[PATH_MAX_BYTES], const char *pattern, const char *name)
{
    const char *mark = strstr(pattern, "{}"), *second = mark ? strstr(mark + 2, "{}") : NULL;
    if (second)
        snprintf(path, PATH_MAX_BYTES, "%.*s%s%.*s{%s}%s", (int)(mark - pattern), pattern, name,
                 (int)(second - mark - 2), mark + 2, parameter_names[1], second + 2);
    else if (mark)
        snprintf(path, PATH_MAX_BYTES, "%.*s%s%s", (int)(mark - pattern), pattern, name, mark + 2);
    else
        snprintf(path, PATH_MAX_BYTES, "%s", pattern);
}

static int put_route(json_t *paths, const route *r, err *e)
{
    char path[PATH_MAX_BYTES];
    json_t *item, *operation;
    make_path(path, r->pattern, "{name}");
    TRY(object_at(paths, path, &item, e));
    TRY(object_at(item, method_key(r->methods), &operation, e));
    TRY(put_text(operation, "operationId", r->name, e));
    TRY(put_text(operation, "summary", r->about, e));
    if (strstr(r->pattern, "{}")) TRY(put_parameters(operation, r->pattern, e));
    if (r->takes) {
        json_t *row = json_pack("{s:s}", "$ref", "#/components/schemas/row");
        json_t *columns = json_pack("{s:s,s:{s:s}}", "type", "object", "additionalProperties", "type", "array");
        TRY(put_request(operation, r, body_shape(row, columns), NULL, e));
    }
    bool is_text = strncmp(r->gives, "text/", 5) == 0;
    return put_responses(operation, r, json_pack("{s:s}", "type", is_text ? "string" : "object"), e);
}

static int put_model(json_t *paths, const route *r, const snapshot_model *m, err *e)
{
    const schema *s = model_schema(m->now->model);
    char path[PATH_MAX_BYTES], text[PATH_MAX_BYTES];
    json_t *item, *operation, *row, *columns;
    const char *name = principal_name_of(m->name);
    make_path(path, r->pattern, name);
    TRY(object_at(paths, path, &item, e));
    TRY(object_at(item, method_key(r->methods), &operation, e));
    snprintf(text, sizeof text, "%s_%s", r->name, name);
    TRY(put_text(operation, "operationId", text, e));
    snprintf(text, sizeof text, "Predict \"%s\" with %s", s->target.name, name);
    TRY(put_text(operation, "summary", text, e));
    TRY(columns_shape(&row, s, false, e));
    int rc = columns_shape(&columns, s, true, e);
    if (rc < 0) {
        json_decref(row);
        return rc;
    }
    TRY(put_request(operation, r, body_shape(row, columns), example_body(s), e));
    return put_responses(operation, r, answer_shape(&s->target), e);
}

static int fill(json_t *paths, const snapshot *s, const principal *who, err *e)
{
    for (size_t i = 0; i < route_count(); i++) {
        const route *r = route_at(i);
        TRY(put_route(paths, r, e));
        for (size_t k = 0; strcmp(r->name, "predict") == 0 && k < s->n; k++)
            if (s->models[k].now && principal_sees(who, s->models[k].name)) TRY(put_model(paths, r, &s->models[k], e));
    }
    return 0;
}

int openapi_make(json_t **out, const snapshot *s, const principal *who, err *e)
{
    json_t *root, *paths;
    TRY(json_parse(&root, STR(skeleton), e));
    int rc = json_member_object(root, "paths", &paths, e);
    if (rc == 0) rc = fill(paths, s, who, e);
    if (rc < 0) {
        json_decref(root);
        return rc;
    }
    *out = root;
    return 0;
}
