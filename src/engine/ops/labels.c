// ai.onnx.ml: LabelEncoder and OneHotEncoder, over tables of labels.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"
#include "engine/ops/states.h"

// LabelEncoder ------------------------------------------------------------------------------------------------------

static const struct encoder_list {
    const char *keys, *values;
    attribute_kind kind;
    dtype type;
} encoder_lists[] = {
    {"keys_strings", "values_strings", ATTRIBUTE_STRINGS, DTYPE_STRING},
    {"keys_int64s", "values_int64s", ATTRIBUTE_INTS, DTYPE_I64},
    {"keys_floats", "values_floats", ATTRIBUTE_FLOATS, DTYPE_F32},
};

// One of the lists, or the tensor that opset 4 has beside them.
static int read_list(const node *n, bool keys, encoder *s, err *e)
{
    const char *tensor_name = keys ? "keys_tensor" : "values_tensor", *what = keys ? "keys" : "values";
    size_t count = 0;
    int found = 0;
    dtype type = DTYPE_NONE;
    const void *data = NULL;
    const attribute *a;
    for (size_t i = 0; i < sizeof encoder_lists / sizeof *encoder_lists; i++) {
        const struct encoder_list *l = &encoder_lists[i];
        TRY(attr_list(n, keys ? l->keys : l->values, l->kind, &a, e));
        if (!a) continue;
        found++;
        type = l->type;
        count = a->n;
        data = a->floats; // the members of the union are pointers alike
    }
    TRY(attr_list(n, tensor_name, ATTRIBUTE_TENSOR, &a, e));
    if (a) {
        found++;
        type = a->tensor->type;
        count = (size_t)shape_count(&a->tensor->shape);
        data = a->tensor->data;
        if (type != DTYPE_STRING && type != DTYPE_I64 && type != DTYPE_F32)
            return err_set(e, ERR_UNSUPPORTED, "%s of %s are not supported", what, dtype_name(type));
    }
    if (found != 1) return err_set(e, ERR_INPUT, "it has %d lists of %s, not 1", found, what);
    if (!keys && count != s->n) return err_set(e, ERR_INPUT, "%zu keys for %zu values", s->n, count);
    if (keys) {
        s->key_type = type;
        s->keys = data;
        s->n = count;
    } else {
        s->value_type = type;
        s->values = data;
    }
    return 0;
}

static int read_default(const node *n, encoder *s, err *e)
{
    const attribute *a;
    TRY(attr_list(n, "default_tensor", ATTRIBUTE_TENSOR, &a, e));
    if (a) {
        const tensor *t = a->tensor;
        if (t->type != s->value_type || shape_count(&t->shape) != 1)
            return err_set(e, ERR_INPUT, "its default_tensor is not one value of %s", dtype_name(s->value_type));
        if (s->value_type == DTYPE_STRING)
            s->otherwise.string = *(const str *)t->data;
        else if (s->value_type == DTYPE_I64)
            s->otherwise.integer = *(const int64_t *)t->data;
        else
            s->otherwise.real = *(const float *)t->data;
        return 0;
    }
    if (s->value_type == DTYPE_STRING) return attr_string(n, "default_string", STR("_Unused"), &s->otherwise.string, e);
    if (s->value_type == DTYPE_I64) return attr_int(n, "default_int64", -1, &s->otherwise.integer, e);
    return attr_float(n, "default_float", -0.0f, &s->otherwise.real, e);
}

// The first version: texts to their positions, and back, by one list.
static int read_encoder_1(const node *n, const op_value *in, encoder *s, err *e)
{
    const attribute *classes;
    TRY(attr_list(n, "classes_strings", ATTRIBUTE_STRINGS, &classes, e));
    if (!classes) return err_set(e, ERR_INPUT, "it has no classes_strings");
    bool to_text = in[0].type.type == DTYPE_I64;
    *s = (encoder){.key_type = to_text ? DTYPE_I64 : DTYPE_STRING,
                   .value_type = to_text ? DTYPE_STRING : DTYPE_I64,
                   .n = classes->n,
                   .keys = classes->strings,
                   .values = classes->strings};
    return read_default(n, s, e);
}

static int read_encoder(const node *n, const op_value *in, encoder *s, err *e)
{
    (void)in;
    *s = (encoder){.n = 0};
    TRY(read_list(n, true, s, e));
    TRY(read_list(n, false, s, e));
    return read_default(n, s, e);
}

static int infer_any_encoder(const op_value *in, op_value *out, const encoder *s, err *e)
{
    if (in[0].type.type != s->key_type)
        return err_set(e, ERR_INPUT, "input 0 is %s, its keys are %s", dtype_name(in[0].type.type),
                       dtype_name(s->key_type));
    out[0].type = in[0].type;
    out[0].type.type = s->value_type;
    return 0;
}

static int infer_encoder_1(const node *n, const op_value *in, op_value *out, err *e)
{
    encoder s;
    TRY(op_type(in, 0, 1u << DTYPE_STRING | 1u << DTYPE_I64, e));
    TRY(read_encoder_1(n, in, &s, e));
    return infer_any_encoder(in, out, &s, e);
}

static int infer_encoder(const node *n, const op_value *in, op_value *out, err *e)
{
    encoder s;
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(read_encoder(n, in, &s, e));
    return infer_any_encoder(in, out, &s, e);
}

static int make_any_encoder(const void **state, const encoder *read, bool nan_is_key, arena *a, err *e)
{
    encoder *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    *s = *read;
    s->nan_at = -1;
    if (nan_is_key && s->key_type == DTYPE_F32)
        for (size_t i = s->n; i-- > 0;)
            if (((const float *)s->keys)[i] != ((const float *)s->keys)[i]) s->nan_at = (int32_t)i;
    *state = s;
    return label_table_make(&s->table, s->key_type, s->keys, s->n, LABEL_FIRST_WINS, a, e);
}

static int make_encoder_1(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    encoder s;
    TRY(read_encoder_1(n, in, &s, e));
    if (s.key_type == DTYPE_STRING || s.key_type == DTYPE_I64) {
        // Positions are the other side: 0, 1, 2, ...
        int64_t *positions = arena_alloc(a, s.n, sizeof *positions);
        if (!positions) return err_set(e, ERR_MEMORY, "no memory for its classes");
        for (size_t i = 0; i < s.n; i++) positions[i] = (int64_t)i;
        if (s.key_type == DTYPE_I64)
            s.keys = positions;
        else
            s.values = positions;
    }
    return make_any_encoder(state, &s, false, a, e);
}

static int make_encoder_2(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    encoder s;
    TRY(read_encoder(n, in, &s, e));
    return make_any_encoder(state, &s, false, a, e);
}

static int make_encoder_4(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    encoder s;
    TRY(read_encoder(n, in, &s, e));
    return make_any_encoder(state, &s, true, a, e);
}

static int32_t find(const encoder *s, const tensor *in, size_t i)
{
    switch (s->key_type) {
    case DTYPE_STRING: return label_find_string(&s->table, ((const str *)in->data)[i]);
    case DTYPE_I64: return label_find_int(&s->table, ((const int64_t *)in->data)[i]);
    default: {
        float x = ((const float *)in->data)[i];
        return x != x ? s->nan_at : label_find_float(&s->table, x);
    }
    }
}

static int run_encoder(const op_call *c, err *e)
{
    (void)e;
    const encoder *s = c->state;
    size_t n = tensor_count(&c->outputs[0]);
    for (size_t i = 0; i < n; i++) {
        int32_t at = find(s, &c->inputs[0], i);
        if (s->value_type == DTYPE_STRING)
            ((str *)c->outputs[0].data)[i] = at < 0 ? s->otherwise.string : ((const str *)s->values)[at];
        else if (s->value_type == DTYPE_I64)
            ((int64_t *)c->outputs[0].data)[i] = at < 0 ? s->otherwise.integer : ((const int64_t *)s->values)[at];
        else
            ((float *)c->outputs[0].data)[i] = at < 0 ? s->otherwise.real : ((const float *)s->values)[at];
    }
    return 0;
}

// OneHotEncoder -----------------------------------------------------------------------------------------------------

static int read_one_hot(const node *n, const op_value *in, one_hot *s, err *e)
{
    const attribute *strings, *ints;
    int64_t zeros;
    TRY(attr_list(n, "cats_strings", ATTRIBUTE_STRINGS, &strings, e));
    TRY(attr_list(n, "cats_int64s", ATTRIBUTE_INTS, &ints, e));
    TRY(attr_int(n, "zeros", 1, &zeros, e));
    bool text = in[0].type.type == DTYPE_STRING;
    const attribute *a = text ? strings : ints;
    if (!a || a->n == 0)
        return err_set(e, ERR_INPUT, "it has no categories for an input of %s", dtype_name(in[0].type.type));
    *s = (one_hot){.strings = text, .zeros = zeros != 0, .n = a->n, .categories = a->strings};
    return 0;
}

static int infer_one_hot(const node *n, const op_value *in, op_value *out, err *e)
{
    one_hot s;
    TRY(op_type(in, 0, TYPES_NUMBER | 1u << DTYPE_STRING, e));
    TRY(read_one_hot(n, in, &s, e));
    out[0].type = in[0].type;
    out[0].type.type = DTYPE_F32;
    if (in[0].type.n_dims < 0) return 0;
    if (in[0].type.n_dims == TENSOR_DIMS_MAX) return err_set(e, ERR_LIMIT, "more than %d dimensions", TENSOR_DIMS_MAX);
    out[0].type.dims[out[0].type.n_dims++] = (dim){.size = (int64_t)s.n};
    return 0;
}

static int make_one_hot(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    one_hot *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    TRY(read_one_hot(n, in, s, e));
    *state = s;
    return label_table_make(&s->table, s->strings ? DTYPE_STRING : DTYPE_I64, s->categories, s->n, LABEL_LAST_WINS, a,
                            e);
}

// Reals are cut to integers; what does not fit is no category.
static int32_t category_of(const one_hot *s, const tensor *in, size_t i)
{
    double x;
    switch (in->type) {
    case DTYPE_STRING: return label_find_string(&s->table, ((const str *)in->data)[i]);
    case DTYPE_I64: return label_find_int(&s->table, ((const int64_t *)in->data)[i]);
    case DTYPE_I32: return label_find_int(&s->table, ((const int32_t *)in->data)[i]);
    case DTYPE_F32: x = (double)((const float *)in->data)[i]; break;
    default: x = ((const double *)in->data)[i]; break;
    }
    return x >= -0x1p63 && x < 0x1p63 ? label_find_int(&s->table, (int64_t)x) : -1;
}

static int run_one_hot(const op_call *c, err *e)
{
    const one_hot *s = c->state;
    float *out = c->outputs[0].data;
    size_t n = tensor_count(&c->inputs[0]);
    memset(out, 0, n * s->n * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        int32_t at = category_of(s, &c->inputs[0], i);
        if (at >= 0)
            out[i * s->n + (size_t)at] = 1;
        else if (!s->zeros)
            return err_set_at(e, ERR_INPUT, (int64_t)i, "element %zu has an unknown category", i);
    }
    return 0;
}

// Rows --------------------------------------------------------------------------------------------------------------

static bool apart_one_hot(const node *n, const op_value *in)
{
    (void)n;
    return in[0].type.n_dims >= 1;
}

#define ROW(op, from, to, f_infer, f_make, f_run, f_apart)                                                       \
    {                                                                                                            \
        .domain = "ai.onnx.ml", .name = op, .since = from, .until = to, .inputs_min = 1, .inputs_max = 1,        \
        .outputs_min = 1, .outputs_max = 1, .infer = f_infer, .make = f_make, .run = f_run, .rows = OP_ROWS_ASK, \
        .rows_apart = f_apart                                                                                    \
    }

static const op_row rows[] = {
    ROW("LabelEncoder", 1, 1, infer_encoder_1, make_encoder_1, run_encoder, apart_one_hot),
    ROW("LabelEncoder", 2, 3, infer_encoder, make_encoder_2, run_encoder, apart_one_hot),
    ROW("LabelEncoder", 4, 0, infer_encoder, make_encoder_4, run_encoder, apart_one_hot),
    ROW("OneHotEncoder", 1, 0, infer_one_hot, make_one_hot, run_one_hot, apart_one_hot),
};

const op_group ops_labels = {rows, sizeof rows / sizeof *rows};
