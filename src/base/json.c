// Jansson behind our errors, limits and memory.
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { DEPTH_MAX = 128, BYTES_MAX = 256 << 20, WORD_MAX = 1024, CHUNK = 64, RESERVE = 64 << 10 };

// What jansson gets when mem_alloc() fails during json_parse(). It cannot be told "no" there: its lexer loses the
// character that its buffer has no room for, so that a number comes out as another one, or an assertion of its own ends
// the process. So it lives on a reserve for the few bytes it has still in hand, its text ends there, and the result is
// dropped.
typedef struct reserve {
    char *block; // NULL outside json_parse()
    size_t used;
    bool starved;
} reserve;
static _Thread_local reserve spare;

static void *allocate(size_t size)
{
    void *p = mem_alloc(size, 1);
    if (p || !spare.block) return p;
    spare.starved = true;
    size_t rounded = (size + 15) & ~(size_t)15;
    if (rounded < size || rounded > RESERVE - spare.used) return NULL;
    p = spare.block + spare.used;
    spare.used += rounded;
    return p;
}

static void release(void *p)
{
    if (spare.block && (uintptr_t)p - (uintptr_t)spare.block < RESERVE) return;
    mem_free(p);
}

void json_init(void)
{
    json_set_alloc_funcs(allocate, release);
}

typedef struct outline {
    size_t depth; // of arrays and objects
    size_t word;  // bytes of the longest number or name outside of strings
} outline;

// Measured before jansson's recursion and its buffers see the text. Brackets in strings do not count.
static outline outline_of(str text)
{
    outline o = {0, 0};
    size_t depth = 0, word = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        bool between = strchr("\"[]{},: \t\r\n", c) != NULL;
        word = between ? 0 : word + 1;
        if (word > o.word) o.word = word;
        if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > o.depth) o.depth = depth;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return o;
}

// Hands out the text in small pieces, and nothing more once memory ran out.
static size_t next_chunk(void *to, size_t room, void *context)
{
    str *rest = context;
    size_t n = rest->len < CHUNK ? rest->len : CHUNK;
    if (spare.starved) return 0;
    if (n > room) n = room;
    if (n > 0) memcpy(to, rest->data, n);
    *rest = (str){rest->data + n, rest->len - n};
    return n;
}

int json_parse(json_t **out, str text, err *e)
{
    if (text.len > BYTES_MAX) return err_set(e, ERR_LIMIT, "JSON of %zu bytes, at most %d", text.len, BYTES_MAX);
    outline o = outline_of(text);
    if (o.depth > DEPTH_MAX) return err_set(e, ERR_LIMIT, "JSON nested deeper than %d", DEPTH_MAX);
    if (o.word > WORD_MAX) return err_set(e, ERR_LIMIT, "JSON with a number of more than %d characters", WORD_MAX);
    json_error_t fault;
    str rest = text;
    spare = (reserve){.block = mem_alloc(RESERVE, 1)};
    if (!spare.block) return err_set(e, ERR_MEMORY, "no memory for JSON of %zu bytes", text.len);
    json_t *value = json_load_callback(next_chunk, &rest, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (spare.starved) {
        json_decref(value);
        value = NULL;
    }
    bool starved = spare.starved || (!value && json_error_code(&fault) == json_error_out_of_memory);
    mem_free(spare.block);
    spare = (reserve){0};
    if (starved) return err_set(e, ERR_MEMORY, "no memory for JSON of %zu bytes", text.len);
    if (!value) {
        // Jansson quotes the input, which may hold anything.
        for (char *p = fault.text; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7F) *p = ' ';
        return err_set_at(e, ERR_FORMAT, fault.position, "JSON: line %d, column %d: %s", fault.line, fault.column,
                          fault.text);
    }
    *out = value;
    return 0;
}

// Reals have the fewest digits that read back as the same number, and always look like reals.
static void format_real(double value, buf *out)
{
    char text[DECIMAL_TEXT_SIZE];
    str digits = {text, decimal_format_f64(value, text)};
    buf_add_str(out, digits);
    if (!memchr(text, '.', digits.len) && !memchr(text, 'e', digits.len)) buf_add_text(out, ".0");
}

static void new_line(bool pretty, size_t depth, buf *out)
{
    enum { INDENT = 2 };
    if (!pretty) return;
    buf_add_char(out, '\n');
    for (size_t i = 0; i < depth * INDENT; i++) buf_add_char(out, ' ');
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void format_value(const json_t *value, bool pretty, size_t depth, buf *out);

static void format_object(const json_t *object, bool pretty, size_t depth, buf *out)
{
    size_t n = json_object_size(object), i = 0;
    const char **keys = mem_alloc(n, sizeof *keys);
    if (!keys) {
        out->failed = ERR_MEMORY;
        return;
    }
    const char *key;
    json_t *member_value;
    json_object_foreach((json_t *)object, key, member_value) keys[i++] = key;
    qsort(keys, n, sizeof *keys, compare_texts);
    buf_add_char(out, '{');
    for (i = 0; i < n; i++) {
        if (i) buf_add_char(out, ',');
        new_line(pretty, depth + 1, out);
        json_quote(out, str_of(keys[i]));
        buf_add_text(out, pretty ? ": " : ":");
        format_value(json_object_get(object, keys[i]), pretty, depth + 1, out);
    }
    if (n) new_line(pretty, depth, out);
    buf_add_char(out, '}');
    mem_free(keys);
}

static void format_array(const json_t *array, bool pretty, size_t depth, buf *out)
{
    size_t n = json_array_size(array);
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_add_char(out, ',');
        new_line(pretty, depth + 1, out);
        format_value(json_array_get(array, i), pretty, depth + 1, out);
    }
    if (n) new_line(pretty, depth, out);
    buf_add_char(out, ']');
}

static void format_value(const json_t *value, bool pretty, size_t depth, buf *out)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: format_object(value, pretty, depth, out); return;
    case JSON_ARRAY: format_array(value, pretty, depth, out); return;
    case JSON_STRING: json_quote(out, (str){json_string_value(value), json_string_length(value)}); return;
    case JSON_INTEGER: buf_format(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); return;
    case JSON_REAL: format_real(json_real_value(value), out); return;
    case JSON_TRUE: buf_add_text(out, "true"); return;
    case JSON_FALSE: buf_add_text(out, "false"); return;
    case JSON_NULL: buf_add_text(out, "null"); return;
    }
}

int json_format(const json_t *value, bool pretty, buf *out, err *e)
{
    TRY(buf_check(out, e));
    if (!value) return err_set(e, ERR_MEMORY, "no memory for writing JSON"); // what a failed json_...() call gave
    size_t before = out->len;
    format_value(value, pretty, 0, out);
    int rc = buf_check(out, e);
    if (rc < 0) out->len = before;
    return rc;
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

json_t *json_time(int64_t utc_ms)
{
    char text[CLOCK_TEXT_SIZE];
    return utc_ms ? json_string(clock_format_utc(utc_ms, text)) : json_null();
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
