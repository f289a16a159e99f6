// Jansson behind our errors, limits and memory.
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { DEPTH_MAX = 128, BYTES_MAX = 256 << 20 };

// Jansson reports a failed allocation now as that, now as an error of the text without a place: we remember it.
static _Thread_local bool starved;

static void *allocate(size_t size)
{
    void *p = mem_alloc(size, 1);
    if (!p) starved = true;
    return p;
}

void json_init(void)
{
    json_set_alloc_funcs(allocate, mem_free);
}

// Depth of arrays and objects, counted before jansson's recursion sees them. Brackets in strings do not count.
static size_t depth_of(str text)
{
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > deepest) deepest = depth;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return deepest;
}

int json_parse(json_t **out, str text, err *e)
{
    if (text.len > BYTES_MAX) return err_set(e, ERR_LIMIT, "JSON of %zu bytes, at most %d", text.len, BYTES_MAX);
    if (depth_of(text) > DEPTH_MAX) return err_set(e, ERR_LIMIT, "JSON nested deeper than %d", DEPTH_MAX);
    starved = false;
    json_error_t fault;
    json_t *value = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!value) {
        if (starved || json_error_code(&fault) == json_error_out_of_memory)
            return err_set(e, ERR_MEMORY, "no memory for JSON of %zu bytes", text.len);
        // Jansson quotes the input, which may hold anything.
        for (char *p = fault.text; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = ' ';
        return err_set_at(e, ERR_FORMAT, fault.position, "JSON: line %d, column %d: %s", fault.line, fault.column,
                          fault.text);
    }
    *out = value;
    return 0;
}

static int append(const char *text, size_t len, void *context)
{
    buf *out = context;
    buf_add(out, text, len);
    return out->failed ? -1 : 0;
}

int json_format(const json_t *value, bool pretty, buf *out, err *e)
{
    TRY(buf_check(out, e));
    size_t before = out->len;
    size_t flags =
        JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) | (pretty ? JSON_INDENT(2) : JSON_COMPACT);
    if (json_dump_callback(value, append, out, flags) == 0) return 0;
    out->len = before;
    TRY(buf_check(out, e));
    // Left are a NULL value, which a failed json_...() call gave, and memory for sorting the keys.
    return err_set(e, ERR_MEMORY, "no memory for writing JSON");
}

static int member(const json_t *object, const char *key, json_t **out, err *e)
{
    if (!json_is_object(object))
        return err_set(e, ERR_FORMAT, "JSON: \"%s\" looked for in something that is no object", key);
    json_t *value = json_object_get(object, key);
    if (!value) return err_set(e, ERR_FORMAT, "JSON: \"%s\" is missing", key);
    *out = value;
    return 0;
}

static int wrong_type(const char *key, const char *wanted, err *e)
{
    return err_set(e, ERR_FORMAT, "JSON: \"%s\" must be %s", key, wanted);
}

int json_member_object(const json_t *object, const char *key, json_t **out, err *e)
{
    json_t *value;
    TRY(member(object, key, &value, e));
    if (!json_is_object(value)) return wrong_type(key, "an object", e);
    *out = value;
    return 0;
}

int json_member_array(const json_t *object, const char *key, json_t **out, err *e)
{
    json_t *value;
    TRY(member(object, key, &value, e));
    if (!json_is_array(value)) return wrong_type(key, "an array", e);
    *out = value;
    return 0;
}

int json_member_text(const json_t *object, const char *key, const char **out, err *e)
{
    json_t *value;
    TRY(member(object, key, &value, e));
    if (!json_is_string(value)) return wrong_type(key, "a text", e);
    // json_parse() lets no NUL in, but a value made by hand could hold one.
    if (strlen(json_string_value(value)) != json_string_length(value)) return wrong_type(key, "a text without NUL", e);
    *out = json_string_value(value);
    return 0;
}

int json_member_integer(const json_t *object, const char *key, int64_t min, int64_t max, int64_t *out, err *e)
{
    json_t *value;
    TRY(member(object, key, &value, e));
    if (!json_is_integer(value)) return wrong_type(key, "an integer", e);
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return err_set(e, ERR_FORMAT, "JSON: \"%s\" is %lld, outside %lld..%lld", key, (long long)number,
                       (long long)min, (long long)max);
    *out = number;
    return 0;
}

int json_member_real(const json_t *object, const char *key, double *out, err *e)
{
    json_t *value;
    TRY(member(object, key, &value, e));
    if (!json_is_number(value)) return wrong_type(key, "a number", e);
    *out = json_number_value(value);
    return 0;
}

int json_member_boolean(const json_t *object, const char *key, bool *out, err *e)
{
    json_t *value;
    TRY(member(object, key, &value, e));
    if (!json_is_boolean(value)) return wrong_type(key, "true or false", e);
    *out = json_is_true(value);
    return 0;
}

json_t *json_number(double value)
{
    if (isnan(value)) return json_null();
    if (isinf(value)) return json_string(value > 0 ? "inf" : "-inf");
    return json_real(value);
}

int json_put(json_t *object, const char *key, json_t *value, err *e)
{
    if (json_object_set_new(object, key, value) == 0) return 0;
    return err_set(e, ERR_MEMORY, "no memory for the JSON member \"%s\"", key);
}

int json_push(json_t *array, json_t *value, err *e)
{
    if (json_array_append_new(array, value) == 0) return 0;
    return err_set(e, ERR_MEMORY, "no memory for an element of a JSON array");
}

void json_quote(buf *out, str text)
{
    buf_add_char(out, '"');
    size_t plain = 0; // bytes from text.data on that can be copied as they are
    while (plain < text.len) {
        str rest = {text.data + plain, text.len - plain};
        unsigned char c = (unsigned char)*rest.data;
        size_t len = utf8_char_len(rest);
        if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
            plain += len;
            continue;
        }
        buf_add(out, text.data, plain);
        if (len == 0)
            buf_add_text(out, "\\ufffd");
        else if (c == '"' || c == '\\')
            buf_add(out, (char[]){'\\', (char)c}, 2);
        else if (c == '\n')
            buf_add_text(out, "\\n");
        else if (c == '\t')
            buf_add_text(out, "\\t");
        else
            buf_format(out, "\\u%04x", c);
        text = (str){rest.data + 1, rest.len - 1};
        plain = 0;
    }
    buf_add(out, text.data, plain);
    buf_add_char(out, '"');
}
