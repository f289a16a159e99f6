// Values of tensors: each is checked against the datatype that the client declared and then against the column.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "base/utf8.h"
#include "serve/v2_impl.h"

// One tensor on its way into its columns.
typedef struct sink {
    const batch *out;
    const v2_tensor *t;
    place *place;
    arena *memory;
    err *e;
} sink;

static int wrong_value(const sink *k, const char *code, size_t input, size_t row, const char *what)
{
    const char *name = k->out->schema->inputs[input].name;
    *k->place = (place){.code = code, .row = (int64_t)row, .column = str_of(name)};
    return err_set(k->e, ERR_INPUT, "input \"" STR_FORMAT "\", row %zu, column \"%.80s\": %s", STR_ARGS(k->t->name),
                   row, name, what);
}

static int no_memory(const sink *k)
{
    k->place->code = "memory";
    return err_set(k->e, ERR_MEMORY, "the request wants more memory than one may have");
}

static int put_missing(const sink *k, size_t input, size_t row)
{
    if (k->out->schema->inputs[input].missing_ok) return 0; // batch_new() made it missing
    return wrong_value(k, "missing_value", input, row, "a missing value, which the model has no answer for");
}

static int put_f32(const sink *k, size_t input, size_t row, double value)
{
    if (k->out->schema->inputs[input].type == COLUMN_BOOLEAN && value != 0 && value != 1)
        return wrong_value(k, "wrong_type", input, row, "neither true nor false, 0 nor 1");
    if (!(fabs(value) <= (double)__FLT_MAX__))
        return wrong_value(k, "out_of_range", input, row,
                           isinf(value) ? "an infinite number" : "a number too large for float32");
    k->out->columns[input].f32[row] = (float)value;
    return 0;
}

static int put_real(const sink *k, size_t input, size_t row, double value)
{
    const v2_tensor *t = k->t;
    if (isnan(value) || (t->has_missing && value == t->missing_real)) return put_missing(k, input, row);
    return put_f32(k, input, row, value);
}

static int put_integer(const sink *k, size_t input, size_t row, int64_t value)
{
    const v2_tensor *t = k->t;
    const batch_column *c = &k->out->columns[input];
    if ((t->type == V2_INT64 && value == WIRE_I64_MISSING) || (t->missing_is_integer && value == t->missing_integer))
        return put_missing(k, input, row);
    if (c->f32) return put_f32(k, input, row, (double)value);
    if (c->i64) {
        c->i64[row] = value;
        return 0;
    }
    char text[DECIMAL_TEXT_SIZE];
    size_t len = decimal_format_i64(value, text);
    char *copy = arena_strndup(k->memory, text, len);
    if (!copy) return no_memory(k);
    c->strings[row] = (str){copy, len};
    return 0;
}

// Of UINT64, past what int64_t holds.
static int put_large(const sink *k, size_t input, size_t row, uint64_t value)
{
    const batch_column *c = &k->out->columns[input];
    if (c->f32) return put_f32(k, input, row, (double)value);
    if (c->i64) return wrong_value(k, "out_of_range", input, row, "more milliseconds than int64 holds");
    char *text = arena_alloc(k->memory, DECIMAL_TEXT_SIZE, 1);
    if (!text) return no_memory(k);
    size_t len = decimal_format_i64((int64_t)(value / 10), text);
    text[len] = (char)('0' + value % 10);
    c->strings[row] = (str){text, len + 1};
    return 0;
}

static int put_boolean(const sink *k, size_t input, size_t row, bool value)
{
    k->out->columns[input].f32[row] = value ? 1 : 0; // BOOL fits boolean columns alone
    return 0;
}

static int put_text(const sink *k, size_t input, size_t row, str text)
{
    const batch_column *c = &k->out->columns[input];
    if (text.len == 0) return put_missing(k, input, row);
    if (c->strings) {
        c->strings[row] = text;
        return 0;
    }
    int64_t ms;
    if (parse_datetime(text, &ms) < 0 || ms == WIRE_I64_MISSING)
        return wrong_value(k, "wrong_type", input, row, "a text that is no date in ISO 8601");
    c->i64[row] = ms;
    return 0;
}

// JSON.

static int wrong_json(const sink *k, size_t input, size_t row, const char *what)
{
    const char *name = k->out->schema->inputs[input].name;
    *k->place = (place){.code = "wrong_type", .row = (int64_t)row, .column = str_of(name)};
    return err_set(k->e, ERR_INPUT, "input \"" STR_FORMAT "\", row %zu, column \"%.80s\": %s where %s belongs",
                   STR_ARGS(k->t->name), row, name, what, v2_datatype_name(k->t->type));
}

static int take_integer(const sink *k, size_t input, size_t row, str token)
{
    const v2_datatype type = k->t->type;
    int64_t value;
    int rc = decimal_parse_i64(token, &value);
    if (rc == ERR_LIMIT && type == V2_UINT64 && token.data[0] != '-') {
        // From 2^63 on; digits alone, or it were no ERR_LIMIT.
        uint64_t large = 0;
        for (size_t i = 0; i < token.len; i++) {
            uint64_t digit = (uint64_t)(token.data[i] - '0');
            if (large > (UINT64_MAX - digit) / 10)
                return wrong_value(k, "out_of_range", input, row, "a number past UINT64");
            large = 10 * large + digit;
        }
        return put_large(k, input, row, large);
    }
    if (rc == ERR_LIMIT || (rc == 0 && (value < v2_integer_min(type) || value > v2_integer_max(type))))
        return wrong_json(k, input, row, "a number out of range");
    if (rc < 0) return wrong_json(k, input, row, "a number that is no integer");
    return put_integer(k, input, row, value);
}

static int take_number(const sink *k, scan *s, size_t input, size_t row)
{
    str token;
    double value;
    TRY(scan_number(s, &token, &value));
    switch (k->t->type) {
    case V2_FP32:
    case V2_FP64: return put_real(k, input, row, value);
    case V2_BOOL:
        if (value != 0 && value != 1) return wrong_json(k, input, row, "a number other than 0 and 1");
        return put_boolean(k, input, row, value != 0);
    case V2_BYTES: return wrong_json(k, input, row, "a number");
    default: return take_integer(k, input, row, token);
    }
}

static int take_value(const sink *k, scan *s, size_t input, size_t row)
{
    char c = s->at < s->end ? *s->at : '\0';
    if (c == '-' || (c >= '0' && c <= '9')) return take_number(k, s, input, row);
    if (c == '"') {
        str text;
        TRY(scan_text(s, &text));
        return k->t->type == V2_BYTES ? put_text(k, input, row, text) : wrong_json(k, input, row, "a text");
    }
    if (scan_word(s, "null", 4)) return put_missing(k, input, row);
    bool is_true = scan_word(s, "true", 4);
    if (is_true || scan_word(s, "false", 5))
        return k->t->type == V2_BOOL ? put_boolean(k, input, row, is_true)
                                     : wrong_json(k, input, row, is_true ? "true" : "false");
    TRY(scan_other(s));
    return wrong_json(k, input, row, c == '[' ? "an array" : "an object");
}

static int wrong_count(const sink *k, const char *what, size_t want)
{
    *k->place = (place){.code = "wrong_shape", .row = -1, .column = k->t->name};
    return err_set(k->e, ERR_INPUT, "input \"" STR_FORMAT "\": its data has %s than the %zu that its shape says",
                   STR_ARGS(k->t->name), what, want);
}

static int after_value(scan *s)
{
    return scan_not_json(s, s->at == s->end ? "it ends in the middle" : "no comma or ] after a value");
}

// The rest of an array whose [ was taken: `n` values, the first of which is number `at` of the tensor.
static int take_values(const sink *k, scan *s, size_t at, size_t n)
{
    const v2_tensor *t = k->t;
    size_t row = t->columns == 1 ? at : at / t->columns, slot = t->columns == 1 ? 0 : at % t->columns;
    scan_blanks(s);
    if (scan_take(s, ']')) return n == 0 ? 0 : wrong_count(k, "fewer values", t->rows * t->columns);
    for (size_t i = 0;; i++) {
        if (i == n) return wrong_count(k, "more values", t->rows * t->columns);
        scan_blanks(s);
        TRY(take_value(k, s, t->inputs[slot], row));
        if (++slot == t->columns) {
            slot = 0;
            row++;
        }
        scan_blanks(s);
        if (scan_take(s, ',')) continue;
        if (!scan_take(s, ']')) return after_value(s);
        return i + 1 == n ? 0 : wrong_count(k, "fewer values", t->rows * t->columns);
    }
}

// An array for each row; the outer [ was taken.
static int take_rows(const sink *k, scan *s)
{
    const v2_tensor *t = k->t;
    for (size_t row = 0;; row++) {
        if (row == t->rows) return wrong_count(k, "more rows", t->rows);
        scan_blanks(s);
        if (!scan_take(s, '[')) {
            TRY(scan_other(s));
            *k->place = (place){.code = "wrong_shape", .row = (int64_t)row, .column = t->name};
            return err_set(k->e, ERR_INPUT, "input \"" STR_FORMAT "\": row %zu is no array, as those before it are",
                           STR_ARGS(t->name), row);
        }
        TRY(take_values(k, s, row * t->columns, t->columns));
        scan_blanks(s);
        if (scan_take(s, ',')) continue;
        if (!scan_take(s, ']')) return after_value(s);
        return row + 1 == t->rows ? 0 : wrong_count(k, "fewer rows", t->rows);
    }
}

int v2_take_json(const batch *out, const v2_tensor *t, scan *s)
{
    const sink k = {.out = out, .t = t, .place = s->place, .memory = s->memory, .e = s->e};
    if (!scan_take(s, '[')) {
        TRY(scan_other(s));
        *k.place = (place){.code = "wrong_type", .row = -1, .column = t->name};
        return err_set(k.e, ERR_INPUT, "input \"" STR_FORMAT "\": its data is no array", STR_ARGS(t->name));
    }
    scan_blanks(s);
    if (t->nested_ok && s->at < s->end && *s->at == '[') return take_rows(&k, s);
    return take_values(&k, s, 0, t->rows * t->columns);
}

// Binary.

static inline uint32_t load32(const char *data)
{
    const unsigned char *p = (const unsigned char *)data;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load(const char *data, size_t size)
{
    switch (size) {
    case 1: return (unsigned char)data[0];
    case 2: return (uint64_t)(unsigned char)data[0] | (uint64_t)(unsigned char)data[1] << 8;
    case 4: return load32(data);
    default: return (uint64_t)load32(data) | (uint64_t)load32(data + 4) << 32;
    }
}

static float f32_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// IEEE 754 binary16: 1 + 5 + 10 bits.
static double f64_of_half(uint32_t bits)
{
    uint32_t exponent = bits >> 10 & 0x1F, fraction = bits & 0x3FF;
    double value = exponent == 0x1F ? (fraction ? NAN : INFINITY)
                   : exponent == 0  ? ldexp(fraction, -24)
                                    : ldexp(fraction + 0x400, (int)exponent - 25);
    return bits & 0x8000 ? -value : value;
}

static int put_bits(const sink *k, size_t input, size_t row, uint64_t bits)
{
    double real;
    switch (k->t->type) {
    case V2_BOOL:
        if (bits > 1)
            return wrong_value(k, "wrong_type", input, row, "a byte other than 0 and 1, not of datatype BOOL");
        return put_boolean(k, input, row, bits != 0);
    case V2_UINT8:
    case V2_UINT16:
    case V2_UINT32: return put_integer(k, input, row, (int64_t)bits);
    case V2_UINT64:
        return bits > INT64_MAX ? put_large(k, input, row, bits) : put_integer(k, input, row, (int64_t)bits);
    case V2_INT8: return put_integer(k, input, row, (int8_t)bits);
    case V2_INT16: return put_integer(k, input, row, (int16_t)bits);
    case V2_INT32: return put_integer(k, input, row, (int32_t)bits);
    case V2_INT64: return put_integer(k, input, row, (int64_t)bits);
    case V2_FP16: return put_real(k, input, row, f64_of_half((uint32_t)bits));
    case V2_BF16: return put_real(k, input, row, (double)f32_of_bits((uint32_t)bits << 16));
    case V2_FP32: return put_real(k, input, row, (double)f32_of_bits((uint32_t)bits));
    default: memcpy(&real, &bits, sizeof real); return put_real(k, input, row, real);
    }
}

static bool is_utf8(str text)
{
    while (text.len > 0) {
        size_t len = (unsigned char)*text.data < 0x80 ? 1 : utf8_char_len(text);
        if (len == 0) return false;
        text.data += len;
        text.len -= len;
    }
    return true;
}

// Each: four bytes of length, and the text.
static int take_texts(const sink *k, str data)
{
    const v2_tensor *t = k->t;
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t slot = 0; slot < t->columns; slot++) {
            size_t input = t->inputs[slot];
            if (data.len < 4)
                return wrong_value(k, "wrong_shape", input, row, "the binary data ends before its length");
            size_t len = load32(data.data);
            if (len > data.len - 4)
                return wrong_value(k, "wrong_shape", input, row, "its length is past the end of the binary data");
            str text = {data.data + 4, len};
            if (!is_utf8(text)) return wrong_value(k, "wrong_type", input, row, "a text that is not UTF-8");
            TRY(put_text(k, input, row, text));
            data.data += 4 + len;
            data.len -= 4 + len;
        }
    }
    if (data.len == 0) return 0;
    return wrong_count(k, "more binary data", t->rows * t->columns);
}

int v2_take_binary(const batch *out, const v2_tensor *t, str data, place *at, arena *a, err *e)
{
    const sink k = {.out = out, .t = t, .place = at, .memory = a, .e = e};
    if (t->type == V2_BYTES) return take_texts(&k, data);
    const size_t size = v2_datatype_size(t->type);
    const char *p = data.data;
    if (data.len != t->rows * t->columns * size) {
        *at = (place){.code = "wrong_shape", .row = -1, .column = t->name};
        return err_set(e, ERR_INPUT,
                       "input \"" STR_FORMAT "\": %zu bytes of binary data, its shape and datatype say %zu",
                       STR_ARGS(t->name), data.len, t->rows * t->columns * size);
    }
    for (size_t row = 0; row < t->rows; row++)
        for (size_t slot = 0; slot < t->columns; slot++, p += size)
            TRY(put_bits(&k, t->inputs[slot], row, load(p, size)));
    return 0;
}
