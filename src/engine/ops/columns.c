// ai.onnx.ml over columns: Imputer, Scaler, Binarizer, Normalizer, ArrayFeatureExtractor, FeatureVectorizer.
// The arithmetic is onnxruntime's, step by step, so that results are equal in every bit.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"
#include "engine/ops/states.h"

// Columns of (N, C); a tensor of one dimension is a single row.
static dim columns_of(const value_type *t)
{
    return t->n_dims < 1 ? (dim){.size = DIM_UNKNOWN} : t->dims[t->n_dims > 1 ? 1 : 0];
}

static size_t n_columns(const tensor *t)
{
    return t->shape.n_dims < 1 ? 1 : (size_t)t->shape.dims[t->shape.n_dims > 1 ? 1 : 0];
}

static int check_columns(const op_value *in, err *e)
{
    if (in[0].type.n_dims > 2 || in[0].type.n_dims == 0)
        return err_set(e, ERR_UNSUPPORTED, "input 0 has %d dimensions; rows of columns have 1 or 2", in[0].type.n_dims);
    return 0;
}

// One value for all columns, or one for each.
static int check_width(size_t n, const op_value *in, const char *what, err *e)
{
    int64_t columns = columns_of(&in[0].type).size;
    if (n == 1 || columns < 0 || (size_t)columns == n) return 0;
    return err_set(e, ERR_INPUT, "%s has %zu values for %lld columns", what, n, (long long)columns);
}

// Imputer -----------------------------------------------------------------------------------------------------------

static int read_imputer(const node *n, const op_value *in, imputer *s, err *e)
{
    const attribute *floats, *ints;
    TRY(attr_list(n, "imputed_value_floats", ATTRIBUTE_FLOATS, &floats, e));
    TRY(attr_list(n, "imputed_value_int64s", ATTRIBUTE_INTS, &ints, e));
    TRY(attr_float(n, "replaced_value_float", 0, &s->replaced_float, e));
    TRY(attr_int(n, "replaced_value_int64", 0, &s->replaced_int, e));
    const attribute *a = in[0].type.type == DTYPE_I64 ? ints : floats;
    if (!a || a->n == 0) return err_set(e, ERR_INPUT, "it has no values of %s to impute", dtype_name(in[0].type.type));
    s->n = a->n;
    s->floats = a->floats;
    s->ints = a->ints;
    return check_width(a->n, in, "imputed_value", e);
}

static int infer_imputer(const node *n, const op_value *in, op_value *out, err *e)
{
    imputer s;
    TRY(op_type(in, 0, TYPES_FLOAT | 1u << DTYPE_I64, e));
    TRY(check_columns(in, e));
    TRY(read_imputer(n, in, &s, e));
    out[0].type = in[0].type;
    return 0;
}

static int make_imputer(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    imputer *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    *state = s;
    return read_imputer(n, in, s, e);
}

#define IMPUTE(T, values, replaced)                                               \
    do {                                                                          \
        const T *x = c->inputs[0].data;                                           \
        T *out = c->outputs[0].data;                                              \
        const bool nan = (replaced) != (replaced);                                \
        for (size_t i = 0, k = 0; i < n; i++, k = k + 1 == columns ? 0 : k + 1) { \
            bool gone = nan ? x[i] != x[i] : x[i] == (T)(replaced);               \
            out[i] = gone ? (T)(values)[s->n == 1 ? 0 : k] : x[i];                \
        }                                                                         \
    } while (0)

static int run_imputer(const op_call *c, err *e)
{
    (void)e;
    const imputer *s = c->state;
    size_t n = tensor_count(&c->outputs[0]), columns = n_columns(&c->inputs[0]);
    if (c->inputs[0].type == DTYPE_F32)
        IMPUTE(float, s->floats, s->replaced_float);
    else if (c->inputs[0].type == DTYPE_F64)
        IMPUTE(double, s->floats, s->replaced_float);
    else
        IMPUTE(int64_t, s->ints, s->replaced_int);
    return 0;
}

// Scaler ------------------------------------------------------------------------------------------------------------

static int read_scaler(const node *n, const op_value *in, scaler *s, err *e)
{
    const attribute *offset, *scale;
    TRY(attr_list(n, "offset", ATTRIBUTE_FLOATS, &offset, e));
    TRY(attr_list(n, "scale", ATTRIBUTE_FLOATS, &scale, e));
    if (!offset || !scale || offset->n == 0 || offset->n != scale->n)
        return err_set(e, ERR_INPUT, "its offset and scale do not have the same number of values");
    *s = (scaler){offset->floats, scale->floats, scale->n};
    return check_width(s->n, in, "scale", e);
}

static int infer_scaler(const node *n, const op_value *in, op_value *out, err *e)
{
    scaler s;
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    TRY(check_columns(in, e));
    TRY(read_scaler(n, in, &s, e));
    out[0].type = in[0].type;
    out[0].type.type = DTYPE_F32;
    return 0;
}

static int make_scaler(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    scaler *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    *state = s;
    return read_scaler(n, in, s, e);
}

// In float32, but for float64 inputs.
#define SCALE(T, WIDE)                                                                 \
    do {                                                                               \
        const T *x = c->inputs[0].data;                                                \
        for (size_t i = 0, k = 0; i < n; i++, k = k + 1 == columns ? 0 : k + 1) {      \
            size_t at = s->n == 1 ? 0 : k;                                             \
            out[i] = (float)(((WIDE)x[i] - (WIDE)s->offset[at]) * (WIDE)s->scale[at]); \
        }                                                                              \
    } while (0)

static int run_scaler(const op_call *c, err *e)
{
    (void)e;
    const scaler *s = c->state;
    float *out = c->outputs[0].data;
    size_t n = tensor_count(&c->outputs[0]), columns = n_columns(&c->inputs[0]);
    switch (c->inputs[0].type) {
    case DTYPE_F32: SCALE(float, float); break;
    case DTYPE_F64: SCALE(double, double); break;
    case DTYPE_I32: SCALE(int32_t, float); break;
    default: SCALE(int64_t, float); break;
    }
    return 0;
}

// Binarizer ---------------------------------------------------------------------------------------------------------

static int make_binarizer(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    float *threshold = arena_alloc(a, 1, sizeof *threshold);
    if (!threshold) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    *state = threshold;
    return attr_float(n, "threshold", 0, threshold, e);
}

static int infer_binarizer(const node *n, const op_value *in, op_value *out, err *e)
{
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    return infer_same(n, in, out, e);
}

#define BINARIZE(T)                                                                    \
    do {                                                                               \
        const T *x = c->inputs[0].data;                                                \
        T *out = c->outputs[0].data;                                                   \
        for (size_t i = 0; i < n; i++) out[i] = (T)((double)x[i] > (double)threshold); \
    } while (0)

static int run_binarizer(const op_call *c, err *e)
{
    (void)e;
    float threshold = *(const float *)c->state;
    size_t n = tensor_count(&c->outputs[0]);
    switch (c->inputs[0].type) {
    case DTYPE_F32: BINARIZE(float); break;
    case DTYPE_F64: BINARIZE(double); break;
    case DTYPE_I32: BINARIZE(int32_t); break;
    default: BINARIZE(int64_t); break;
    }
    return 0;
}

// Normalizer --------------------------------------------------------------------------------------------------------

typedef enum norm { NORM_MAX, NORM_L1, NORM_L2 } norm;

static int make_normalizer(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    static const char *const texts[] = {"MAX", "L1", "L2", NULL};
    int *kind = arena_alloc(a, 1, sizeof *kind);
    if (!kind) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    *state = kind;
    return attr_choice(n, "norm", texts, kind, e);
}

static int infer_normalizer(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    TRY(check_columns(in, e));
    out[0].type = in[0].type;
    out[0].type.type = DTYPE_F32;
    return 0;
}

static float float_at(const tensor *t, size_t i)
{
    switch (t->type) {
    case DTYPE_F32: return ((const float *)t->data)[i];
    case DTYPE_F64: return (float)((const double *)t->data)[i];
    case DTYPE_I32: return (float)((const int32_t *)t->data)[i];
    default: return (float)((const int64_t *)t->data)[i];
    }
}

// A row whose norm is zero stays as it is. The largest value, not the largest absolute one, is the norm MAX.
static void normalize(const tensor *in, float *out, size_t first, size_t columns, norm kind)
{
    float sum = 0, most = -INFINITY;
    for (size_t k = 0; k < columns; k++) {
        float x = float_at(in, first + k);
        if (x > most) most = x;
        sum += kind == NORM_L1 ? fabsf(x) : x * x;
    }
    for (size_t k = 0; k < columns; k++) {
        float x = float_at(in, first + k), r = x;
        if (kind == NORM_MAX && most != 0) r = x / most;
        if (kind == NORM_L1 && sum != 0) r = x / sum;
        if (kind == NORM_L2 && sum != 0) r = x < 0 ? -sqrtf(x * x / sum) : sqrtf(x * x / sum);
        out[first + k] = r;
    }
}

static int run_normalizer(const op_call *c, err *e)
{
    (void)e;
    norm kind = (norm) * (const int *)c->state;
    size_t n = tensor_count(&c->outputs[0]), columns = n_columns(&c->inputs[0]);
    for (size_t first = 0; first < n; first += columns)
        normalize(&c->inputs[0], c->outputs[0].data, first, columns, kind);
    return 0;
}

// ArrayFeatureExtractor: elements of the last axis ------------------------------------------------------------------

static int infer_extractor(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(op_type(in, 1, 1u << DTYPE_I64, e));
    const value_type *x = &in[0].type, *y = &in[1].type;
    if (x->n_dims == 0) return err_set(e, ERR_INPUT, "input 0 is a scalar");
    out[0].type = *x;
    if (x->n_dims < 0) return 0;
    if (x->n_dims == 1) {
        out[0].type.n_dims = 2;
        out[0].type.dims[0] = (dim){.size = 1};
    }
    int64_t count = y->n_dims < 0 ? DIM_UNKNOWN : 1;
    for (int i = 0; i < y->n_dims && count >= 0; i++)
        if (y->dims[i].size < 0 || __builtin_mul_overflow(count, y->dims[i].size, &count)) count = DIM_UNKNOWN;
    out[0].type.dims[out[0].type.n_dims - 1] = (dim){.size = count};
    return 0;
}

static int run_extractor(const op_call *c, err *e)
{
    const tensor *x = &c->inputs[0], *out = &c->outputs[0];
    const int64_t *index = c->inputs[1].data;
    size_t n = tensor_count(&c->inputs[1]), size = dtype_size(x->type);
    size_t width = (size_t)x->shape.dims[x->shape.n_dims - 1];
    size_t n_rows = n ? tensor_count(out) / n : 0;
    for (size_t k = 0; k < n; k++) {
        if (index[k] < 0 || (size_t)index[k] >= width)
            return err_set_at(e, ERR_INPUT, (int64_t)k, "index %lld of %zu columns", (long long)index[k], width);
        for (size_t r = 0; r < n_rows; r++)
            memcpy((char *)out->data + (r * n + k) * size,
                   (const char *)x->data + (r * width + (size_t)index[k]) * size, size);
    }
    return 0;
}

static bool apart_extractor(const node *n, const op_value *in)
{
    (void)n;
    return in[0].rows && in[0].type.n_dims >= 2 && !in[1].rows;
}

// FeatureVectorizer: columns side by side, each input cut or padded with zeros to its width --------------------------

static int widths_of(const node *n, const attribute **out, err *e)
{
    TRY(attr_list(n, "inputdimensions", ATTRIBUTE_INTS, out, e));
    if (!*out || (*out)->n != n->n_inputs)
        return err_set(e, ERR_INPUT, "its inputdimensions are not one for each input");
    for (size_t i = 0; i < (*out)->n; i++)
        if ((*out)->ints[i] < 0) return err_set(e, ERR_INPUT, "an input dimension of %lld", (long long)(*out)->ints[i]);
    return 0;
}

static int infer_vectorizer(const node *n, const op_value *in, op_value *out, err *e)
{
    const attribute *widths;
    TRY(widths_of(n, &widths, e));
    value_type t = type_of(DTYPE_F32, 2);
    bool rows_known = false;
    t.dims[1].size = 0;
    for (size_t i = 0; i < n->n_inputs; i++) {
        TRY(op_type(in, i, TYPES_NUMBER, e));
        TRY(check_columns(in + i, e));
        dim rows = in[i].type.n_dims == 2   ? in[i].type.dims[0]
                   : in[i].type.n_dims == 1 ? (dim){.size = 1}
                                            : (dim){.size = DIM_UNKNOWN};
        if (rows_known)
            TRY(op_join_dim(&t.dims[0], &rows, "FeatureVectorizer", e));
        else
            t.dims[0] = rows;
        rows_known = true;
        if (__builtin_add_overflow(t.dims[1].size, widths->ints[i], &t.dims[1].size))
            return err_set(e, ERR_LIMIT, "too many columns");
    }
    out[0].type = t;
    return 0;
}

static int make_vectorizer(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in, (void)a;
    const attribute *widths;
    TRY(widths_of(n, &widths, e));
    *state = widths;
    return 0;
}

static int run_vectorizer(const op_call *c, err *e)
{
    (void)e;
    const attribute *widths = c->state;
    size_t n_rows = (size_t)c->outputs[0].shape.dims[0], total = (size_t)c->outputs[0].shape.dims[1], at = 0;
    float *out = c->outputs[0].data;
    for (size_t i = 0; i < c->n_inputs; i++) {
        size_t width = (size_t)widths->ints[i], have = n_columns(&c->inputs[i]);
        for (size_t r = 0; r < n_rows; r++)
            for (size_t k = 0; k < width; k++)
                out[r * total + at + k] = k < have ? float_at(&c->inputs[i], r * have + k) : 0;
        at += width;
    }
    return 0;
}

// All inputs have rows, or their numbers of rows would not fit a batch.
static bool apart_vectorizer(const node *n, const op_value *in)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        if (!in[i].rows) return false;
    return apart_rank2(n, in);
}

static bool apart_elements(const node *n, const op_value *in)
{
    (void)n, (void)in;
    return true;
}

// Rows --------------------------------------------------------------------------------------------------------------

#define ROW(op, n_min, n_max, f_infer, f_make, f_run, f_apart)                                                       \
    {                                                                                                                \
        .domain = "ai.onnx.ml", .name = op, .since = 1, .inputs_min = n_min, .inputs_max = n_max, .outputs_min = 1,  \
        .outputs_max = 1, .infer = f_infer, .make = f_make, .run = f_run, .rows = OP_ROWS_ASK, .rows_apart = f_apart \
    }

static const op_row rows[] = {
    ROW("Imputer", 1, 1, infer_imputer, make_imputer, run_imputer, apart_rank2),
    ROW("Scaler", 1, 1, infer_scaler, make_scaler, run_scaler, apart_rank2),
    ROW("Binarizer", 1, 1, infer_binarizer, make_binarizer, run_binarizer, apart_elements),
    ROW("Normalizer", 1, 1, infer_normalizer, make_normalizer, run_normalizer, apart_rank2),
    ROW("ArrayFeatureExtractor", 2, 2, infer_extractor, NULL, run_extractor, apart_extractor),
    ROW("FeatureVectorizer", 1, -1, infer_vectorizer, make_vectorizer, run_vectorizer, apart_vectorizer),
};

const op_group ops_columns = {rows, sizeof rows / sizeof *rows};
