// What the operator groups share.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"

// Attributes --------------------------------------------------------------------------------------------------------

static int find(const node *n, const char *name, attribute_kind kind, const attribute **out, err *e)
{
    *out = node_attribute(n, name);
    if (*out && (*out)->kind != kind)
        return err_set(e, ERR_INPUT, "attribute '%s' is of kind %d, not %d", name, (int)(*out)->kind, (int)kind);
    return 0;
}

int attr_int(const node *n, const char *name, int64_t otherwise, int64_t *out, err *e)
{
    const attribute *a;
    TRY(find(n, name, ATTRIBUTE_INT, &a, e));
    *out = a ? a->ints[0] : otherwise;
    return 0;
}

int attr_float(const node *n, const char *name, float otherwise, float *out, err *e)
{
    const attribute *a;
    TRY(find(n, name, ATTRIBUTE_FLOAT, &a, e));
    *out = a ? a->floats[0] : otherwise;
    return 0;
}

int attr_string(const node *n, const char *name, str otherwise, str *out, err *e)
{
    const attribute *a;
    TRY(find(n, name, ATTRIBUTE_STRING, &a, e));
    *out = a ? a->strings[0] : otherwise;
    return 0;
}

int attr_list(const node *n, const char *name, attribute_kind kind, const attribute **out, err *e)
{
    return find(n, name, kind, out, e);
}

int attr_choice(const node *n, const char *name, const char *const *texts, int *out, err *e)
{
    str text;
    TRY(attr_string(n, name, str_of(texts[0]), &text, e));
    for (*out = 0; texts[*out]; ++*out)
        if (str_equal(text, str_of(texts[*out]))) return 0;
    return err_set(e, ERR_INPUT, "attribute '%s' is '" STR_FORMAT "', which is not known", name, STR_ARGS(text));
}

// Types and shapes ---------------------------------------------------------------------------------------------------

int op_type(const op_value *in, size_t i, unsigned types, err *e)
{
    dtype t = in[i].type.type;
    if (t == DTYPE_NONE) return err_set(e, ERR_INPUT, "input %zu is not there", i);
    if (types & 1u << t) return 0;
    return err_set(e, ERR_UNSUPPORTED, "input %zu of %s is not supported", i, dtype_name(t));
}

int op_same_type(const op_value *in, size_t i, size_t k, err *e)
{
    if (in[i].type.type == in[k].type.type) return 0;
    return err_set(e, ERR_INPUT, "inputs %zu and %zu are %s and %s, which must be the same", i, k,
                   dtype_name(in[i].type.type), dtype_name(in[k].type.type));
}

int op_rank(const op_value *in, size_t i, int n_dims, err *e)
{
    int have = in[i].type.n_dims;
    if (have < 0 || have == n_dims) return 0;
    return err_set(e, ERR_INPUT, "input %zu has %d dimensions, not %d", i, have, n_dims);
}

int op_axis(int64_t axis, int n_dims, int *out, err *e)
{
    int64_t a = axis < 0 ? axis + n_dims : axis;
    if (a < 0 || a >= n_dims)
        return err_set(e, ERR_INPUT, "axis %lld of a tensor of %d dimensions", (long long)axis, n_dims);
    *out = (int)a;
    return 0;
}

int op_join_dim(dim *a, const dim *b, const char *what, err *e)
{
    if (a->size >= 0 && b->size >= 0 && a->size != b->size)
        return err_set(e, ERR_INPUT, "%s: sizes %lld and %lld do not fit", what, (long long)a->size,
                       (long long)b->size);
    if (a->size < 0 && (b->size >= 0 || !a->name)) *a = *b;
    return 0;
}

int op_broadcast(value_type *a, const value_type *b, err *e)
{
    if (a->n_dims < 0 || b->n_dims < 0) {
        a->n_dims = -1;
        return 0;
    }
    value_type out = {.type = a->type, .n_dims = a->n_dims > b->n_dims ? a->n_dims : b->n_dims};
    static const dim one = {.size = 1};
    for (int i = 1; i <= out.n_dims; i++) {
        dim x = i <= a->n_dims ? a->dims[a->n_dims - i] : one;
        dim y = i <= b->n_dims ? b->dims[b->n_dims - i] : one;
        dim *to = &out.dims[out.n_dims - i];
        if (x.size == 1) {
            *to = y;
        } else if (y.size == 1) {
            *to = x;
        } else {
            TRY(op_join_dim(&x, &y, "broadcast", e));
            *to = x;
        }
    }
    *a = out;
    return 0;
}

value_type type_of(dtype t, int n_dims)
{
    value_type type = {.type = t, .n_dims = n_dims};
    for (int i = 0; i < n_dims; i++) type.dims[i].size = DIM_UNKNOWN;
    return type;
}

int infer_same(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    TRY(op_type(in, 0, TYPES_ALL, e));
    out[0].type = in[0].type;
    return 0;
}

int op_ints(const op_value *v, int64_t out[TENSOR_DIMS_MAX], int *n, err *e)
{
    *n = -1;
    if (v->type.type != DTYPE_I64 && v->type.type != DTYPE_I32)
        return err_set(e, ERR_INPUT, "a list of sizes or axes is %s, not int64", dtype_name(v->type.type));
    if (v->type.n_dims > 1) return err_set(e, ERR_INPUT, "a list of sizes or axes has %d dimensions", v->type.n_dims);
    if (!v->data) return 0;
    size_t count = tensor_count(v->data);
    if (count > TENSOR_DIMS_MAX)
        return err_set(e, ERR_LIMIT, "a list of %zu sizes or axes, at most %d", count, (int)TENSOR_DIMS_MAX);
    for (size_t i = 0; i < count; i++)
        out[i] = v->data->type == DTYPE_I64 ? ((const int64_t *)v->data->data)[i] : ((const int32_t *)v->data->data)[i];
    *n = (int)count;
    return 0;
}

bool apart_broadcast(const node *n, const op_value *in)
{
    int rank = -1;
    for (size_t i = 0; i < n->n_inputs; i++) {
        if (in[i].type.n_dims < 0) return false;
        if (in[i].type.n_dims > rank) rank = in[i].type.n_dims;
    }
    for (size_t i = 0; i < n->n_inputs; i++) {
        const value_type *t = &in[i].type;
        if (t->type == DTYPE_NONE) continue;
        // Rows must be aligned with the output's axis 0; what has none must be spread over it.
        if (in[i].rows ? t->n_dims != rank : t->n_dims == rank && t->dims[0].size != 1) return false;
    }
    return true;
}

bool apart_rank2(const node *n, const op_value *in)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        if (in[i].rows && in[i].type.n_dims < 2) return false;
    return true;
}

size_t tensor_count(const tensor *t)
{
    return (size_t)shape_count(&t->shape);
}

// Element-wise kernels -----------------------------------------------------------------------------------------------

// Dimensions that all operands walk alike are one: most calls end with a single one.
typedef struct walk {
    int n_dims;
    size_t dims[TENSOR_DIMS_MAX];
    size_t strides[ELEMENTWISE_MAX][TENSOR_DIMS_MAX]; // in elements; 0 where broadcast
} walk;

static void walk_make(walk *w, const tensor *in, size_t n_in, const tensor *out)
{
    size_t next[ELEMENTWISE_MAX] = {1, 1, 1}; // the stride of each operand's next dimension, from the last one up
    walk r = {.n_dims = 0};                   // reversed
    for (int i = 1; i <= out->shape.n_dims; i++) {
        size_t size = (size_t)out->shape.dims[out->shape.n_dims - i];
        if (size == 1) continue;
        size_t strides[ELEMENTWISE_MAX] = {0};
        for (size_t k = 0; k < n_in; k++) {
            size_t own = i <= in[k].shape.n_dims ? (size_t)in[k].shape.dims[in[k].shape.n_dims - i] : 1;
            strides[k] = own == 1 ? 0 : next[k];
            next[k] *= own;
        }
        bool joins = r.n_dims > 0;
        for (size_t k = 0; joins && k < n_in; k++)
            joins = strides[k] == r.strides[k][r.n_dims - 1] * r.dims[r.n_dims - 1];
        if (joins) {
            r.dims[r.n_dims - 1] *= size;
            continue;
        }
        r.dims[r.n_dims] = size;
        for (size_t k = 0; k < n_in; k++) r.strides[k][r.n_dims] = strides[k];
        r.n_dims++;
    }
    *w = r;
}

void op_walk(const tensor *in, size_t n_in, const tensor *out, op_inner *f)
{
    if (tensor_count(out) == 0) return;
    walk w;
    walk_make(&w, in, n_in, out);
    size_t sizes[ELEMENTWISE_MAX], inner[ELEMENTWISE_MAX], size_out = dtype_size(out->type);
    const char *at[ELEMENTWISE_MAX];
    for (size_t k = 0; k < n_in; k++) {
        sizes[k] = dtype_size(in[k].type);
        at[k] = in[k].data;
        inner[k] = w.n_dims ? w.strides[k][0] : 0;
    }
    size_t n = w.n_dims ? w.dims[0] : 1, counter[TENSOR_DIMS_MAX] = {0};
    char *to = out->data;
    for (;;) {
        f((const void *const *)at, inner, to, n);
        to += n * size_out;
        int d = 1;
        for (; d < w.n_dims; d++) { // the next place, as an odometer counts
            for (size_t k = 0; k < n_in; k++) at[k] += w.strides[k][d] * sizes[k];
            if (++counter[d] < w.dims[d]) break;
            counter[d] = 0;
            for (size_t k = 0; k < n_in; k++) at[k] -= w.strides[k][d] * w.dims[d] * sizes[k];
        }
        if (d >= w.n_dims) return;
    }
}
