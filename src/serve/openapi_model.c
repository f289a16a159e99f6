// What one model adds to the description: its native prediction, with its columns and a row that it can answer.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "serve/encode.h"
#include "serve/example.h"
#include "serve/openapi.h"

enum { CATEGORIES_SHOWN_MAX = 20, LABELS_SHOWN_MAX = 256, TEXT_MAX = 16 << 20 };

static void add_null(const schema_input *in, buf *out)
{
    if (in->missing_ok) buf_add_text(out, ",\"null\"");
}

static void add_categories(const schema_input *in, buf *out)
{
    if (in->n_categories == 0) return;
    buf_add_text(out, ",\"examples\":[");
    for (size_t i = 0; i < in->n_categories && i < CATEGORIES_SHOWN_MAX; i++) {
        if (i > 0) buf_add_char(out, ',');
        json_quote(out, str_of(in->categories[i]));
    }
    buf_add_char(out, ']');
}

// An empty text is a missing value.
static void add_text_shape(const schema_input *in, const char *type, buf *out)
{
    buf_format(out, "{\"type\":[%s", type);
    add_null(in, out);
    buf_add_char(out, ']');
    if (!in->missing_ok) buf_add_text(out, ",\"minLength\":1");
    add_categories(in, out);
    buf_add_char(out, '}');
}

static void add_column_shape(const schema_input *in, buf *out)
{
    switch (in->type) {
    case COLUMN_INTEGER:
    case COLUMN_REAL:
        buf_add_text(out, "{\"type\":[\"number\"");
        add_null(in, out);
        buf_add_text(out, "],\"minimum\":-3.4028234e38,\"maximum\":3.4028234e38}");
        return;
    case COLUMN_BOOLEAN: buf_format(out, "{\"enum\":[false,true,0,1%s]}", in->missing_ok ? ",null" : ""); return;
    case COLUMN_DATETIME:
        buf_add_text(out, "{\"type\":[\"string\",\"integer\"");
        add_null(in, out);
        buf_add_text(out, "],\"description\":\"ISO 8601, or milliseconds since 1970-01-01T00:00:00Z\"}");
        return;
    case COLUMN_IDENTIFIER: add_text_shape(in, "\"string\",\"integer\"", out); return;
    default: add_text_shape(in, "\"string\"", out); return;
    }
}

// The object of one row, or of all columns as arrays.
static void add_columns_shape(const schema *s, bool arrays, buf *out)
{
    if (s->n_inputs > OPENAPI_INPUTS_MAX) {
        buf_add_text(out, arrays ? "{\"$ref\":\"#/components/schemas/columns\"}"
                                 : "{\"$ref\":\"#/components/schemas/row\"}");
        return;
    }
    buf_add_text(out, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (i > 0) buf_add_char(out, ',');
        json_quote(out, str_of(s->inputs[i].name));
        buf_add_char(out, ':');
        if (arrays) buf_add_text(out, "{\"type\":\"array\",\"minItems\":1,\"items\":");
        add_column_shape(&s->inputs[i], out);
        if (arrays) buf_add_char(out, '}');
    }
    buf_add_text(out, "},\"required\":[");
    bool some = false;
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (s->inputs[i].missing_ok) continue;
        if (some) buf_add_char(out, ',');
        json_quote(out, str_of(s->inputs[i].name));
        some = true;
    }
    // Without a column there is no number of rows.
    buf_add_text(out, arrays && !some ? "],\"minProperties\":1}" : "]}");
}

static void add_request(const schema *s, buf *out)
{
    buf_add_text(out, ",\"requestBody\":{\"required\":true,\"content\":{\"application/json\":{\"schema\":{\"oneOf\":["
                      "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"rows\"],\"properties\":{"
                      "\"explain\":{\"$ref\":\"#/components/schemas/explain\"},"
                      "\"rows\":{\"type\":\"array\",\"minItems\":1,\"items\":");
    add_columns_shape(s, false, out);
    buf_add_text(out, "}}},{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"columns\"],"
                      "\"properties\":{\"explain\":{\"$ref\":\"#/components/schemas/explain\"},\"columns\":");
    add_columns_shape(s, true, out);
    buf_add_text(out, "}}]},\"example\":{\"rows\":[");
    example_row(s, out);
    buf_add_text(out, "]}}}}");
}

static void add_label_shape(const schema_target *t, buf *out)
{
    if (t->n_classes > LABELS_SHOWN_MAX) {
        buf_add_text(out, "{}");
        return;
    }
    buf_add_text(out, "{\"enum\":[");
    for (size_t i = 0; i < t->n_classes; i++) {
        if (i > 0) buf_add_char(out, ',');
        encode_label(t->type, t->classes[i], out);
    }
    buf_add_text(out, "]}");
}

static void add_array(bool array, buf *out)
{
    if (array) buf_add_text(out, "{\"type\":\"array\",\"items\":");
}

// One prediction, or with `arrays` the columns of all.
static void add_prediction_shape(const schema_target *t, bool arrays, buf *out)
{
    static const char score[] = "{\"type\":[\"number\",\"null\"]}";
    const char *why = arrays ? "" : "\"explanation\":{\"$ref\":\"#/components/schemas/explanation\"},";
    const char *end = arrays ? "}" : "";
    if (t->task != TASK_CLASSIFICATION) {
        buf_format(out, "{\"type\":\"object\",\"required\":[\"value\"],\"properties\":{%s\"value\":", why);
        add_array(arrays, out);
        buf_format(out, "%s%s}}", score, end);
        return;
    }
    buf_format(out,
               "{\"type\":\"object\",\"required\":[\"label\",\"probabilities\"],\"properties\":{%s\"label\":", why);
    add_array(arrays, out);
    add_label_shape(t, out);
    buf_format(out, "%s,\"probabilities\":{\"type\":\"object\",\"additionalProperties\":", end);
    add_array(arrays, out);
    buf_format(out, "%s%s}}}", score, end);
}

static void add_answer(const schema_target *t, buf *out)
{
    buf_add_text(out, ",\"responses\":{\"200\":{\"description\":\"Rows are answered by rows, columns by columns\","
                      "\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\",\"required\":[\"model\","
                      "\"version\"],\"properties\":{\"model\":{\"type\":\"string\"},\"version\":{\"type\":\"integer\"},"
                      "\"space\":{\"$ref\":\"#/components/schemas/space\"},"
                      "\"explanations\":{\"$ref\":\"#/components/schemas/explanations\"},"
                      "\"predictions\":{\"type\":\"array\",\"items\":");
    add_prediction_shape(t, false, out);
    buf_add_text(out, "},\"columns\":");
    add_prediction_shape(t, true, out);
    buf_add_text(out, "}}}}},\"4XX\":{\"$ref\":\"#/components/responses/rest_fault\"},"
                      "\"5XX\":{\"$ref\":\"#/components/responses/rest_fault\"}}");
}

int openapi_part_make(openapi_part *out, const char *name, const schema *s, err *e)
{
    buf text, summary;
    buf_init(&text, TEXT_MAX);
    buf_init(&summary, TEXT_MAX);
    buf_format(&text, "\"/api/v1/models/%s/predict\":{\"post\":{\"operationId\":\"predict_%s\",\"tags\":[\"rest\"],",
               name, name);
    buf_format(&summary, "Predict \"%s\" with %s", s->target.name, name);
    buf_add_text(&text, "\"summary\":");
    json_quote(&text, buf_str(&summary));
    add_request(s, &text);
    add_answer(&s->target, &text);
    buf_add_text(&text, "}}");
    int rc = buf_check(&summary, e);
    if (rc == 0) rc = buf_check(&text, e);
    buf_clear(&summary);
    if (rc < 0) {
        buf_clear(&text);
        return rc;
    }
    *out = (openapi_part){.text = buf_str(&text), .hash = hash_bytes(text.data, text.len, 0)};
    return 0;
}

void openapi_part_clear(openapi_part *p)
{
    mem_free((char *)(uintptr_t)p->text.data);
    *p = (openapi_part){0};
}
