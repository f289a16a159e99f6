// Cast between element types. Through int64 or float64 in blocks: both hold every value of the types that pass them.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "base/decimal.h"
#include "engine/ops/ops_impl.h"

enum { BLOCK = 256, TEXT_SIZE = 24, SHOWN_MAX = 40 };

// What a block is held as on its way.
typedef enum pivot { PIVOT_NONE, PIVOT_INT, PIVOT_UNSIGNED, PIVOT_REAL } pivot;

static const pivot pivots[DTYPES_N] = {
    [DTYPE_F32] = PIVOT_REAL, [DTYPE_F64] = PIVOT_REAL, [DTYPE_F16] = PIVOT_REAL,     [DTYPE_BF16] = PIVOT_REAL,
    [DTYPE_U8] = PIVOT_INT,   [DTYPE_I8] = PIVOT_INT,   [DTYPE_U16] = PIVOT_INT,      [DTYPE_I16] = PIVOT_INT,
    [DTYPE_I32] = PIVOT_INT,  [DTYPE_U32] = PIVOT_INT,  [DTYPE_U64] = PIVOT_UNSIGNED, [DTYPE_I64] = PIVOT_INT,
    [DTYPE_BOOL] = PIVOT_INT,
};

typedef union block {
    int64_t ints[BLOCK];
    uint64_t unsigneds[BLOCK];
    double reals[BLOCK];
} block;

static float bits_to_f32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t f32_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double f16_to_f64(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double value = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                   : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                  : ldexp(fraction, -24);
    return h & 0x8000 ? -value : value;
}

// Round to nearest, ties to even. NaN becomes the quiet one.
static uint16_t f32_to_f16(float value)
{
    uint32_t bits = f32_to_bits(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7FFFFFFF;
    if (rest > 0x7F800000) return (uint16_t)(sign | 0x7E00);
    if (rest >= 0x477FF000) return (uint16_t)(sign | 0x7C00); // from 65520 on: infinity
    if (rest < 0x38800000) {                                  // below the least normal one: in units of 2^-24
        double units = ldexp((double)bits_to_f32(rest), 24);
        return (uint16_t)(sign | (uint32_t)nearbyint(units));
    }
    uint32_t half = rest - 0x38000000, odd = half >> 13 & 1;
    return (uint16_t)(sign | (half + 0xFFF + odd) >> 13);
}

static uint16_t f32_to_bf16(float value)
{
    uint32_t bits = f32_to_bits(value);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// Truncated; what does not fit, and NaN, is the least number, as x86 has it.
static int64_t f64_to_i64(double v)
{
    return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

static int32_t f64_to_i32(double v)
{
    return v > -2147483649.0 && v < 2147483648.0 ? (int32_t)v : INT32_MIN;
}

static uint64_t f64_to_u64(double v)
{
    if (v >= 0x1p63 && v < 0x1p64) return (uint64_t)v;
    return (uint64_t)f64_to_i64(v);
}

#define LOAD(T, field)                                                 \
    for (size_t i = 0; i < n; i++) b->field[i] = ((const T *)from)[i]; \
    break

static void load(dtype t, const void *from, size_t n, block *b)
{
    switch (t) {
    case DTYPE_F32: LOAD(float, reals);
    case DTYPE_F64: LOAD(double, reals);
    case DTYPE_F16:
        for (size_t i = 0; i < n; i++) b->reals[i] = f16_to_f64(((const uint16_t *)from)[i]);
        break;
    case DTYPE_BF16:
        for (size_t i = 0; i < n; i++) b->reals[i] = (double)bits_to_f32((uint32_t)((const uint16_t *)from)[i] << 16);
        break;
    case DTYPE_BOOL:
    case DTYPE_U8: LOAD(uint8_t, ints);
    case DTYPE_I8: LOAD(int8_t, ints);
    case DTYPE_U16: LOAD(uint16_t, ints);
    case DTYPE_I16: LOAD(int16_t, ints);
    case DTYPE_I32: LOAD(int32_t, ints);
    case DTYPE_U32: LOAD(uint32_t, ints);
    case DTYPE_U64: LOAD(uint64_t, unsigneds);
    default: LOAD(int64_t, ints);
    }
}

// Integers narrow by their low bits.
#define STORE(T, of_int, of_unsigned, of_real)  \
    for (size_t i = 0; i < n; i++) {            \
        if (p == PIVOT_INT) {                   \
            const int64_t v = b->ints[i];       \
            ((T *)to)[i] = (T)(of_int);         \
        } else if (p == PIVOT_UNSIGNED) {       \
            const uint64_t v = b->unsigneds[i]; \
            ((T *)to)[i] = (T)(of_unsigned);    \
        } else {                                \
            const double v = b->reals[i];       \
            ((T *)to)[i] = (T)(of_real);        \
        }                                       \
    }                                           \
    break

static void store(dtype t, const block *b, pivot p, size_t n, void *to)
{
    switch (t) {
    case DTYPE_F32: STORE(float, v, v, v);
    case DTYPE_F64: STORE(double, v, v, v);
    case DTYPE_F16: STORE(uint16_t, f32_to_f16((float)v), f32_to_f16((float)v), f32_to_f16((float)v));
    case DTYPE_BF16: STORE(uint16_t, f32_to_bf16((float)v), f32_to_bf16((float)v), f32_to_bf16((float)v));
    case DTYPE_BOOL: STORE(uint8_t, v != 0, v != 0, v != 0);
    case DTYPE_U8: STORE(uint8_t, v, v, f64_to_i32(v));
    case DTYPE_I8: STORE(int8_t, v, v, f64_to_i32(v));
    case DTYPE_U16: STORE(uint16_t, v, v, f64_to_i32(v));
    case DTYPE_I16: STORE(int16_t, v, v, f64_to_i32(v));
    case DTYPE_I32: STORE(int32_t, v, v, f64_to_i32(v));
    case DTYPE_U32: STORE(uint32_t, v, v, f64_to_i64(v));
    case DTYPE_U64: STORE(uint64_t, v, v, f64_to_u64(v));
    default: STORE(int64_t, v, v, f64_to_i64(v));
    }
}

// Texts -------------------------------------------------------------------------------------------------------------

// Eight digits, "NaN", "INF" and "-INF", as onnxruntime writes them; booleans are 1 and 0.
static size_t format(pivot p, const block *b, size_t i, char text[TEXT_SIZE])
{
    if (p == PIVOT_INT) return (size_t)snprintf(text, TEXT_SIZE, "%lld", (long long)b->ints[i]);
    if (p == PIVOT_UNSIGNED) return (size_t)snprintf(text, TEXT_SIZE, "%llu", (unsigned long long)b->unsigneds[i]);
    double v = b->reals[i];
    if (v != v) return (size_t)snprintf(text, TEXT_SIZE, "NaN");
    if (isinf(v)) return (size_t)snprintf(text, TEXT_SIZE, v < 0 ? "-INF" : "INF");
    return (size_t)snprintf(text, TEXT_SIZE, "%.8g", v);
}

static int to_text(const op_call *c, size_t n, err *e)
{
    const tensor *in = &c->inputs[0];
    str *out = c->outputs[0].data;
    char *texts = arena_alloc(c->memory, n, TEXT_SIZE);
    if (!texts) return err_set(e, ERR_MEMORY, "no memory for %zu texts", n);
    block b;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t k = n - at < BLOCK ? n - at : BLOCK;
        load(in->type, (const char *)in->data + at * dtype_size(in->type), k, &b);
        for (size_t i = 0; i < k; i++) {
            char *text = texts + (at + i) * TEXT_SIZE;
            out[at + i] = (str){text, format(pivots[in->type], &b, i, text)};
        }
    }
    return 0;
}

static str trimmed(str s)
{
    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) s = (str){s.data + 1, s.len - 1};
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
    return s;
}

static bool is_word(str s, const char *word)
{
    if (s.len != strlen(word)) return false;
    for (size_t i = 0; i < s.len; i++)
        if ((s.data[i] | 0x20) != word[i]) return false;
    return true;
}

static int parse_real(str s, double *out)
{
    bool minus = s.len && s.data[0] == '-', plus = s.len && s.data[0] == '+';
    str word = minus || plus ? (str){s.data + 1, s.len - 1} : s;
    if (is_word(word, "nan")) {
        *out = (double)NAN;
        return 0;
    }
    if (is_word(word, "inf") || is_word(word, "infinity")) {
        *out = minus ? -(double)INFINITY : (double)INFINITY;
        return 0;
    }
    return decimal_parse_f64(s, out);
}

// The whole text must be a number; onnxruntime also takes one followed by anything.
static int from_text(const op_call *c, size_t n, err *e)
{
    const str *in = c->inputs[0].data;
    const tensor *out = &c->outputs[0];
    bool real = pivots[out->type] == PIVOT_REAL;
    block b;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t k = n - at < BLOCK ? n - at : BLOCK;
        for (size_t i = 0; i < k; i++) {
            str s = trimmed(in[at + i]);
            int rc = real ? parse_real(s, &b.reals[i]) : decimal_parse_i64(s, &b.ints[i]);
            if (rc == 0) continue;
            int shown = (int)(s.len > SHOWN_MAX ? SHOWN_MAX : s.len);
            return err_set_at(e, ERR_INPUT, (int64_t)(at + i), "element %zu: '%.*s' is no %s", at + i, shown,
                              s.data ? s.data : "", dtype_name(out->type));
        }
        store(out->type, &b, real ? PIVOT_REAL : PIVOT_INT, k, (char *)out->data + at * dtype_size(out->type));
    }
    return 0;
}

// The operator ------------------------------------------------------------------------------------------------------

enum { TYPES_CAST = TYPES_ALL & ~(1u << DTYPE_C64 | 1u << DTYPE_C128) };

static int infer_to(const op_value *in, op_value *out, int64_t to, err *e)
{
    TRY(op_type(in, 0, TYPES_CAST, e));
    if (to <= DTYPE_NONE || to >= DTYPES_N || !(TYPES_CAST & 1u << to))
        return err_set(e, ERR_UNSUPPORTED, "a cast to the element type %lld is not supported", (long long)to);
    out[0].type = in[0].type;
    out[0].type.type = (dtype)to;
    return 0;
}

static int infer_cast(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t to;
    TRY(attr_int(n, "to", DTYPE_NONE, &to, e));
    return infer_to(in, out, to, e);
}

static int infer_cast_like(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    return infer_to(in, out, (int64_t)in[1].type.type, e);
}

static int run_cast(const op_call *c, err *e)
{
    const tensor *in = &c->inputs[0], *out = &c->outputs[0];
    size_t n = tensor_count(out), size_in = dtype_size(in->type), size_out = dtype_size(out->type);
    if (in->type == out->type) {
        if (n) memcpy(out->data, in->data, n * size_out);
        return 0;
    }
    if (out->type == DTYPE_STRING) return to_text(c, n, e);
    if (in->type == DTYPE_STRING) return from_text(c, n, e);
    block b;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t k = n - at < BLOCK ? n - at : BLOCK;
        load(in->type, (const char *)in->data + at * size_in, k, &b);
        store(out->type, &b, pivots[in->type], k, (char *)out->data + at * size_out);
    }
    return 0;
}

static const op_row rows[] = {
    {.name = "Cast",
     .domain = "",
     .since = 6,
     .inputs_min = 1,
     .inputs_max = 1,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_cast,
     .run = run_cast,
     .rows = OP_ROWS_APART},
    {.name = "CastLike",
     .domain = "",
     .since = 15,
     .inputs_min = 2,
     .inputs_max = 2,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_cast_like,
     .run = run_cast,
     .rows = OP_ROWS_APART},
};

const op_group ops_cast = {rows, sizeof rows / sizeof *rows};
