// Operators on one element at a time, with broadcasting: arithmetic, comparison, logic, choice.
// Integers wrap; division by zero is an error for them.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"
#include "math/scalar.h"

// Kernels -----------------------------------------------------------------------------------------------------------

// Loops for the strides that occur: both operands walked, or one held, which is what compilers make fast.
#define BINARY(name, T, R, expression)                                           \
    static void name(const void *const *in, const size_t *s, void *to, size_t n) \
    {                                                                            \
        const T *a = in[0], *b = in[1];                                          \
        R *out = to;                                                             \
        if (s[0] && s[1]) {                                                      \
            for (size_t i = 0; i < n; i++) {                                     \
                const T x = a[i], y = b[i];                                      \
                out[i] = (expression);                                           \
            }                                                                    \
        } else if (s[0]) {                                                       \
            const T y = *b;                                                      \
            for (size_t i = 0; i < n; i++) {                                     \
                const T x = a[i];                                                \
                out[i] = (expression);                                           \
            }                                                                    \
        } else {                                                                 \
            const T x = *a;                                                      \
            for (size_t i = 0; i < n; i++) {                                     \
                const T y = b[i * s[1]];                                         \
                out[i] = (expression);                                           \
            }                                                                    \
        }                                                                        \
    }

#define UNARY(name, T, R, expression)                                            \
    static void name(const void *const *in, const size_t *s, void *to, size_t n) \
    {                                                                            \
        const T *a = in[0];                                                      \
        R *out = to;                                                             \
        for (size_t i = 0; i < n; i++) {                                         \
            const T x = a[i * s[0]];                                             \
            out[i] = (expression);                                               \
        }                                                                        \
    }

// Signed integers wrap as their unsigned twins do.
#define ARITHMETIC(name, op)                                                    \
    BINARY(name##_f32, float, float, x op y)                                    \
    BINARY(name##_f64, double, double, x op y)                                  \
    BINARY(name##_i32, int32_t, int32_t, (int32_t)((uint32_t)x op(uint32_t) y)) \
    BINARY(name##_i64, int64_t, int64_t, (int64_t)((uint64_t)x op(uint64_t) y))
ARITHMETIC(add, +)
ARITHMETIC(sub, -)
ARITHMETIC(mul, *)
// By -1 it is the negative, wrapped: the smallest number has no positive twin. Divisors of zero are refused before.
BINARY(div_f32, float, float, x / y)
BINARY(div_f64, double, double, x / y)
BINARY(div_i32, int32_t, int32_t, y == -1 ? (int32_t)(0u - (uint32_t)x) : x / y)
BINARY(div_i64, int64_t, int64_t, y == -1 ? (int64_t)(0u - (uint64_t)x) : x / y)

#define COMPARISON(name, op)                     \
    BINARY(name##_f32, float, uint8_t, x op y)   \
    BINARY(name##_f64, double, uint8_t, x op y)  \
    BINARY(name##_i32, int32_t, uint8_t, x op y) \
    BINARY(name##_i64, int64_t, uint8_t, x op y)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)
COMPARISON(equal, ==)
BINARY(equal_string, str, uint8_t, str_equal(x, y))
BINARY(equal_bool, uint8_t, uint8_t, x == y)
BINARY(and_bool, uint8_t, uint8_t, x &&y)
BINARY(or_bool, uint8_t, uint8_t, x || y)
BINARY(xor_bool, uint8_t, uint8_t, x != y)

// NaN in either operand gives NaN.
#define EXTREME(name, op)                                                        \
    BINARY(name##_f32, float, float, x != x ? x : y != y ? y : x op y ? x : y)   \
    BINARY(name##_f64, double, double, x != x ? x : y != y ? y : x op y ? x : y) \
    BINARY(name##_i32, int32_t, int32_t, x op y ? x : y)                         \
    BINARY(name##_i64, int64_t, int64_t, x op y ? x : y)
EXTREME(max, >)
EXTREME(min, <)

UNARY(not_bool, uint8_t, uint8_t, !x)
UNARY(is_nan_f32, float, uint8_t, x != x)
UNARY(is_nan_f64, double, uint8_t, x != x)
UNARY(abs_f32, float, float, fabsf(x))
UNARY(abs_f64, double, double, fabs(x))
UNARY(abs_i32, int32_t, int32_t, x < 0 ? (int32_t)(0u - (uint32_t)x) : x)
UNARY(abs_i64, int64_t, int64_t, x < 0 ? (int64_t)(0u - (uint64_t)x) : x)
UNARY(neg_f32, float, float, -x)
UNARY(neg_f64, double, double, -x)
UNARY(neg_i32, int32_t, int32_t, (int32_t)(0u - (uint32_t)x))
UNARY(neg_i64, int64_t, int64_t, (int64_t)(0u - (uint64_t)x))
UNARY(sqrt_f32, float, float, sqrtf(x))
UNARY(sqrt_f64, double, double, sqrt(x))
UNARY(floor_f32, float, float, floorf(x))
UNARY(floor_f64, double, double, floor(x))
UNARY(ceil_f32, float, float, ceilf(x))
UNARY(ceil_f64, double, double, ceil(x))
UNARY(relu_f32, float, float, x < 0 ? 0 : x)
UNARY(relu_f64, double, double, x < 0 ? 0 : x)
UNARY(relu_i32, int32_t, int32_t, x < 0 ? 0 : x)
UNARY(relu_i64, int64_t, int64_t, x < 0 ? 0 : x)
UNARY(exp_f32_all, float, float, exp_f32(x))
UNARY(exp_f64_all, double, double, exp_f64(x))
UNARY(log_f32_all, float, float, log_f32(x))
UNARY(log_f64_all, double, double, log_f64(x))
// By the exponential of a number that is not positive, so that nothing overflows.
UNARY(sigmoid_f32, float, float,
      (float)(x < 0 ? exp_f64((double)x) / (1 + exp_f64((double)x)) : 1 / (1 + exp_f64(-(double)x))))
UNARY(sigmoid_f64, double, double, x < 0 ? exp_f64(x) / (1 + exp_f64(x)) : 1 / (1 + exp_f64(-x)))

// Where: the condition first, then two operands of any type.
#define WHERE(name, T)                                                                           \
    static void name(const void *const *in, const size_t *s, void *to, size_t n)                 \
    {                                                                                            \
        const uint8_t *condition = in[0];                                                        \
        const T *a = in[1], *b = in[2];                                                          \
        T *out = to;                                                                             \
        for (size_t i = 0; i < n; i++) out[i] = condition[i * s[0]] ? a[i * s[1]] : b[i * s[2]]; \
    }
WHERE(where_8, uint8_t)
WHERE(where_16, uint16_t)
WHERE(where_32, uint32_t)
WHERE(where_64, uint64_t)
WHERE(where_str, str)

// The table ---------------------------------------------------------------------------------------------------------

typedef struct elementwise {
    const char *op;
    int n_inputs; // -1: one or more, folded from the left
    dtype result; // DTYPE_NONE: the type of the inputs
    bool divides; // integer divisors of zero are refused
    op_inner *inner[DTYPES_N];
} elementwise;

#define OF_NUMBERS(name)                                                                                       \
    {                                                                                                          \
        [DTYPE_F32] = name##_f32, [DTYPE_F64] = name##_f64, [DTYPE_I32] = name##_i32, [DTYPE_I64] = name##_i64 \
    }
#define OF_FLOATS(name)                                    \
    {                                                      \
        [DTYPE_F32] = name##_f32, [DTYPE_F64] = name##_f64 \
    }

static const elementwise kinds[] = {
    {"Add", 2, DTYPE_NONE, false, OF_NUMBERS(add)},
    {"Sub", 2, DTYPE_NONE, false, OF_NUMBERS(sub)},
    {"Mul", 2, DTYPE_NONE, false, OF_NUMBERS(mul)},
    {"Div", 2, DTYPE_NONE, true, OF_NUMBERS(div)},
    {"Max", -1, DTYPE_NONE, false, OF_NUMBERS(max)},
    {"Min", -1, DTYPE_NONE, false, OF_NUMBERS(min)},
    {"Sum", -1, DTYPE_NONE, false, OF_FLOATS(add)},
    {"Less", 2, DTYPE_BOOL, false, OF_NUMBERS(less)},
    {"LessOrEqual", 2, DTYPE_BOOL, false, OF_NUMBERS(less_equal)},
    {"Greater", 2, DTYPE_BOOL, false, OF_NUMBERS(greater)},
    {"GreaterOrEqual", 2, DTYPE_BOOL, false, OF_NUMBERS(greater_equal)},
    {"Equal",
     2,
     DTYPE_BOOL,
     false,
     {[DTYPE_F32] = equal_f32,
      [DTYPE_F64] = equal_f64,
      [DTYPE_I32] = equal_i32,
      [DTYPE_I64] = equal_i64,
      [DTYPE_BOOL] = equal_bool,
      [DTYPE_STRING] = equal_string}},
    {"And", 2, DTYPE_BOOL, false, {[DTYPE_BOOL] = and_bool}},
    {"Or", 2, DTYPE_BOOL, false, {[DTYPE_BOOL] = or_bool}},
    {"Xor", 2, DTYPE_BOOL, false, {[DTYPE_BOOL] = xor_bool}},
    {"Not", 1, DTYPE_BOOL, false, {[DTYPE_BOOL] = not_bool}},
    {"IsNaN", 1, DTYPE_BOOL, false, OF_FLOATS(is_nan)},
    {"Abs", 1, DTYPE_NONE, false, OF_NUMBERS(abs)},
    {"Neg", 1, DTYPE_NONE, false, OF_NUMBERS(neg)},
    {"Sqrt", 1, DTYPE_NONE, false, OF_FLOATS(sqrt)},
    {"Floor", 1, DTYPE_NONE, false, OF_FLOATS(floor)},
    {"Ceil", 1, DTYPE_NONE, false, OF_FLOATS(ceil)},
    {"Relu", 1, DTYPE_NONE, false, OF_NUMBERS(relu)},
    {"Exp", 1, DTYPE_NONE, false, {[DTYPE_F32] = exp_f32_all, [DTYPE_F64] = exp_f64_all}},
    {"Log", 1, DTYPE_NONE, false, {[DTYPE_F32] = log_f32_all, [DTYPE_F64] = log_f64_all}},
    {"Sigmoid", 1, DTYPE_NONE, false, OF_FLOATS(sigmoid)},
};

static const elementwise *kind_of(const node *n)
{
    const elementwise *k = kinds;
    while (strcmp(k->op, n->op) != 0) k++; // every row below has its kind
    return k;
}

static int infer_elementwise(const node *n, const op_value *in, op_value *out, err *e)
{
    const elementwise *k = kind_of(n);
    dtype t = in[0].type.type;
    unsigned types = 0;
    for (unsigned i = 0; i < DTYPES_N; i++)
        if (k->inner[i]) types |= 1u << i;
    TRY(op_type(in, 0, types, e));
    out[0].type = in[0].type;
    for (size_t i = 1; i < n->n_inputs; i++) {
        TRY(op_type(in, i, types, e));
        TRY(op_same_type(in, 0, i, e));
        TRY(op_broadcast(&out[0].type, &in[i].type, e));
    }
    out[0].type.type = k->result == DTYPE_NONE ? t : k->result;
    return 0;
}

static int make_elementwise(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in, (void)a, (void)e;
    *state = kind_of(n);
    return 0;
}

static int check_divisor(const tensor *t, err *e)
{
    size_t n = tensor_count(t);
    bool zero = false;
    if (t->type == DTYPE_I64)
        for (size_t i = 0; i < n; i++) zero |= ((const int64_t *)t->data)[i] == 0;
    if (t->type == DTYPE_I32)
        for (size_t i = 0; i < n; i++) zero |= ((const int32_t *)t->data)[i] == 0;
    return zero ? err_set(e, ERR_INPUT, "an integer is divided by zero") : 0;
}

static int run_elementwise(const op_call *c, err *e)
{
    const elementwise *k = c->state;
    op_inner *inner = k->inner[c->inputs[0].type];
    if (k->divides) TRY(check_divisor(&c->inputs[1], e));
    if (k->n_inputs > 0) {
        op_walk(c->inputs, (size_t)k->n_inputs, &c->outputs[0], inner);
        return 0;
    }
    // A fold starts as the first input spread over the output: the larger of itself and itself.
    static op_inner *const spread[DTYPES_N] = OF_NUMBERS(max);
    tensor first[2] = {c->inputs[0], c->inputs[0]};
    op_walk(first, 2, &c->outputs[0], spread[c->inputs[0].type]);
    for (size_t i = 1; i < c->n_inputs; i++) {
        tensor pair[2] = {c->outputs[0], c->inputs[i]};
        op_walk(pair, 2, &c->outputs[0], inner);
    }
    return 0;
}

// Where, Clip, IsInf ------------------------------------------------------------------------------------------------

static int infer_where(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    TRY(op_type(in, 0, 1u << DTYPE_BOOL, e));
    TRY(op_type(in, 1, TYPES_ALL & ~(1u << DTYPE_C128), e));
    TRY(op_type(in, 2, TYPES_ALL, e));
    TRY(op_same_type(in, 1, 2, e));
    out[0].type = in[0].type;
    TRY(op_broadcast(&out[0].type, &in[1].type, e));
    TRY(op_broadcast(&out[0].type, &in[2].type, e));
    out[0].type.type = in[1].type.type;
    return 0;
}

static int run_where(const op_call *c, err *e)
{
    (void)e;
    if (c->inputs[1].type == DTYPE_STRING) {
        op_walk(c->inputs, 3, &c->outputs[0], where_str);
        return 0;
    }
    static op_inner *const by_size[] = {[1] = where_8, [2] = where_16, [4] = where_32, [8] = where_64};
    op_walk(c->inputs, 3, &c->outputs[0], by_size[dtype_size(c->inputs[1].type)]);
    return 0;
}

// Bounds as attributes until opset 10, float32 only; as inputs since.
static int infer_clip(const node *n, const op_value *in, op_value *out, err *e)
{
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    for (size_t i = 1; i < n->n_inputs; i++) {
        if (in[i].type.type == DTYPE_NONE) continue;
        TRY(op_same_type(in, 0, i, e));
        if (in[i].type.n_dims > 0) return err_set(e, ERR_INPUT, "a bound has %d dimensions", in[i].type.n_dims);
    }
    out[0].type = in[0].type;
    return 0;
}

static int infer_clip_6(const node *n, const op_value *in, op_value *out, err *e)
{
    TRY(op_type(in, 0, 1u << DTYPE_F32, e));
    return infer_same(n, in, out, e);
}

typedef struct clip_bounds {
    float low, high;
} clip_bounds;

static int make_clip_6(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    clip_bounds *b = arena_alloc(a, 1, sizeof *b);
    if (!b) return err_set(e, ERR_MEMORY, "no memory for its bounds");
    TRY(attr_float(n, "min", -3.402823466e+38f, &b->low, e));
    TRY(attr_float(n, "max", 3.402823466e+38f, &b->high, e));
    *state = b;
    return 0;
}

static int run_clip_6(const op_call *c, err *e)
{
    (void)e;
    const clip_bounds *b = c->state;
    const float *x = c->inputs[0].data;
    float *out = c->outputs[0].data;
    size_t n = tensor_count(&c->outputs[0]);
    for (size_t i = 0; i < n; i++) {
        float low = x[i] < b->low ? b->low : x[i]; // NaN stays
        out[i] = low > b->high ? b->high : low;
    }
    return 0;
}

#define CLIP(T)                                                                          \
    do {                                                                                 \
        const T *x = c->inputs[0].data;                                                  \
        const T *low = c->n_inputs > 1 && c->inputs[1].type ? c->inputs[1].data : NULL;  \
        const T *high = c->n_inputs > 2 && c->inputs[2].type ? c->inputs[2].data : NULL; \
        T *out = c->outputs[0].data;                                                     \
        for (size_t i = 0; i < n; i++) {                                                 \
            T v = x[i];                                                                  \
            if (low && v < *low) v = *low;                                               \
            if (high && v > *high) v = *high;                                            \
            out[i] = v;                                                                  \
        }                                                                                \
    } while (0)

static int run_clip(const op_call *c, err *e)
{
    (void)e;
    size_t n = tensor_count(&c->outputs[0]);
    switch (c->inputs[0].type) {
    case DTYPE_F32: CLIP(float); break;
    case DTYPE_F64: CLIP(double); break;
    case DTYPE_I32: CLIP(int32_t); break;
    default: CLIP(int64_t); break;
    }
    return 0;
}

static bool apart_clip(const node *n, const op_value *in)
{
    for (size_t i = 1; i < n->n_inputs; i++)
        if (in[i].rows) return false;
    return true;
}

static int infer_is_inf(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    TRY(op_type(in, 0, TYPES_FLOAT, e));
    out[0].type = in[0].type;
    out[0].type.type = DTYPE_BOOL;
    return 0;
}

typedef struct inf_signs {
    int64_t positive, negative;
} inf_signs;

static int make_is_inf(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    inf_signs *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    TRY(attr_int(n, "detect_positive", 1, &s->positive, e));
    TRY(attr_int(n, "detect_negative", 1, &s->negative, e));
    *state = s;
    return 0;
}

static int run_is_inf(const op_call *c, err *e)
{
    (void)e;
    const inf_signs *s = c->state;
    uint8_t *out = c->outputs[0].data;
    size_t n = tensor_count(&c->outputs[0]);
    for (size_t i = 0; i < n; i++) {
        double x = c->inputs[0].type == DTYPE_F32 ? (double)((const float *)c->inputs[0].data)[i]
                                                  : ((const double *)c->inputs[0].data)[i];
        out[i] = (s->positive && x == (double)INFINITY) || (s->negative && x == -(double)INFINITY);
    }
    return 0;
}

// Rows --------------------------------------------------------------------------------------------------------------

#define ELEMENTWISE(op, from, n_min, n_max)                                                                  \
    {                                                                                                        \
        .domain = "", .name = op, .since = from, .inputs_min = n_min, .inputs_max = n_max, .outputs_min = 1, \
        .outputs_max = 1, .infer = infer_elementwise, .make = make_elementwise, .run = run_elementwise,      \
        .rows = OP_ROWS_ASK, .rows_apart = apart_broadcast                                                   \
    }

// Before opset 7 broadcasting was another: those versions have no rows.
static const op_row rows[] = {
    ELEMENTWISE("Add", 7, 2, 2),
    ELEMENTWISE("Sub", 7, 2, 2),
    ELEMENTWISE("Mul", 7, 2, 2),
    ELEMENTWISE("Div", 7, 2, 2),
    ELEMENTWISE("Max", 8, 1, -1),
    ELEMENTWISE("Min", 8, 1, -1),
    ELEMENTWISE("Sum", 8, 1, -1),
    ELEMENTWISE("Less", 7, 2, 2),
    ELEMENTWISE("LessOrEqual", 12, 2, 2),
    ELEMENTWISE("Greater", 7, 2, 2),
    ELEMENTWISE("GreaterOrEqual", 12, 2, 2),
    ELEMENTWISE("Equal", 7, 2, 2),
    ELEMENTWISE("And", 7, 2, 2),
    ELEMENTWISE("Or", 7, 2, 2),
    ELEMENTWISE("Xor", 7, 2, 2),
    ELEMENTWISE("Not", 1, 1, 1),
    ELEMENTWISE("IsNaN", 9, 1, 1),
    ELEMENTWISE("Abs", 6, 1, 1),
    ELEMENTWISE("Neg", 6, 1, 1),
    ELEMENTWISE("Sqrt", 6, 1, 1),
    ELEMENTWISE("Floor", 6, 1, 1),
    ELEMENTWISE("Ceil", 6, 1, 1),
    ELEMENTWISE("Relu", 6, 1, 1),
    ELEMENTWISE("Exp", 6, 1, 1),
    ELEMENTWISE("Log", 6, 1, 1),
    ELEMENTWISE("Sigmoid", 6, 1, 1),
    {.name = "Where",
     .domain = "",
     .since = 9,
     .inputs_min = 3,
     .inputs_max = 3,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_where,
     .run = run_where,
     .rows = OP_ROWS_ASK,
     .rows_apart = apart_broadcast},
    {.name = "Clip",
     .domain = "",
     .since = 6,
     .until = 10,
     .inputs_min = 1,
     .inputs_max = 1,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_clip_6,
     .make = make_clip_6,
     .run = run_clip_6,
     .rows = OP_ROWS_APART},
    {.name = "Clip",
     .domain = "",
     .since = 11,
     .inputs_min = 1,
     .inputs_max = 3,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_clip,
     .run = run_clip,
     .rows = OP_ROWS_ASK,
     .rows_apart = apart_clip},
    {.name = "IsInf",
     .domain = "",
     .since = 10,
     .inputs_min = 1,
     .inputs_max = 1,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_is_inf,
     .make = make_is_inf,
     .run = run_is_inf,
     .rows = OP_ROWS_APART},
};

const op_group ops_elementwise = {rows, sizeof rows / sizeof *rows};
