// Operators along axes: ArgMax, Softmax, sums, means, extremes. Floating sums are added in float64 in the order of the
// elements.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"
#include "math/scalar.h"

// A tensor as (outer, n, inner): the axis in the middle.
typedef struct lanes {
    size_t n_outer, n, n_inner;
} lanes;

static lanes lanes_of(const shape *s, int axis)
{
    lanes l = {1, (size_t)s->dims[axis], 1};
    for (int i = 0; i < axis; i++) l.n_outer *= (size_t)s->dims[i];
    for (int i = axis + 1; i < s->n_dims; i++) l.n_inner *= (size_t)s->dims[i];
    return l;
}

static double real_at(const tensor *t, size_t i)
{
    switch (t->type) {
    case DTYPE_F32: return (double)((const float *)t->data)[i];
    case DTYPE_F64: return ((const double *)t->data)[i];
    default: return 0;
    }
}

static int64_t int_at(const tensor *t, size_t i)
{
    return t->type == DTYPE_I32 ? ((const int32_t *)t->data)[i] : ((const int64_t *)t->data)[i];
}

static bool is_real(dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F64;
}

// ArgMax, ArgMin ----------------------------------------------------------------------------------------------------

typedef struct arg_state {
    int64_t axis, last;
    bool least;
} arg_state;

static int infer_arg(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t wanted, keep;
    int axis;
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    TRY(attr_int(n, "axis", 0, &wanted, e));
    TRY(attr_int(n, "keepdims", 1, &keep, e));
    const value_type *t = &in[0].type;
    out[0].type = type_of(DTYPE_I64, -1);
    if (t->n_dims < 0) return 0;
    TRY(op_axis(wanted, t->n_dims, &axis, e));
    if (t->dims[axis].size == 0) return err_set(e, ERR_INPUT, "there is no largest of no elements");
    value_type r = type_of(DTYPE_I64, 0);
    for (int i = 0; i < t->n_dims; i++) {
        if (i != axis) {
            r.dims[r.n_dims++] = t->dims[i];
        } else if (keep) {
            r.dims[r.n_dims++] = (dim){.size = 1};
        }
    }
    out[0].type = r;
    return 0;
}

static int make_arg(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    arg_state *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    TRY(attr_int(n, "axis", 0, &s->axis, e));
    TRY(attr_int(n, "select_last_index", 0, &s->last, e));
    s->least = strcmp(n->op, "ArgMin") == 0;
    *state = s;
    return 0;
}

static int run_arg(const op_call *c, err *e)
{
    const arg_state *s = c->state;
    const tensor *in = &c->inputs[0];
    int axis;
    TRY(op_axis(s->axis, in->shape.n_dims, &axis, e));
    lanes l = lanes_of(&in->shape, axis);
    int64_t *out = c->outputs[0].data;
    for (size_t o = 0; o < l.n_outer; o++)
        for (size_t i = 0; i < l.n_inner; i++) {
            size_t first = o * l.n * l.n_inner + i, best = 0;
            for (size_t k = 1; k < l.n; k++) {
                size_t at = first + k * l.n_inner, to = first + best * l.n_inner;
                int order;
                if (is_real(in->type)) {
                    double x = real_at(in, at), y = real_at(in, to);
                    order = (x > y) - (x < y);
                } else {
                    int64_t x = int_at(in, at), y = int_at(in, to);
                    order = (x > y) - (x < y);
                }
                if (s->least) order = -order;
                if (order > 0 || (order == 0 && s->last)) best = k;
            }
            *out++ = (int64_t)best;
        }
    return 0;
}

static bool apart_axis(const node *n, const op_value *in)
{
    int64_t wanted;
    int axis;
    if (in[0].type.n_dims < 2 || attr_int(n, "axis", 0, &wanted, NULL) < 0) return false;
    return op_axis(wanted, in[0].type.n_dims, &axis, NULL) == 0 && axis != 0;
}

// Softmax, LogSoftmax -----------------------------------------------------------------------------------------------

typedef struct softmax_state {
    int64_t axis;
    bool flat; // before opset 13: all axes from this one on together
    bool log;
} softmax_state;

static int infer_softmax(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t wanted;
    int axis;
    TRY(op_type(in, 0, TYPES_FLOAT, e));
    TRY(attr_int(n, "axis", -1, &wanted, e)); // the default of either version is an axis that is there
    out[0].type = in[0].type;
    return in[0].type.n_dims < 0 ? 0 : op_axis(wanted, in[0].type.n_dims, &axis, e);
}

static int make_any_softmax(const void **state, const node *n, arena *a, bool flat, err *e)
{
    softmax_state *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    s->flat = flat;
    s->log = strcmp(n->op, "LogSoftmax") == 0;
    *state = s;
    return attr_int(n, "axis", flat ? 1 : -1, &s->axis, e);
}

static int make_softmax_1(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    return make_any_softmax(state, n, a, true, e);
}

static int make_softmax(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    return make_any_softmax(state, n, a, false, e);
}

static void put_real(const tensor *t, size_t i, double v)
{
    if (t->type == DTYPE_F32)
        ((float *)t->data)[i] = (float)v;
    else
        ((double *)t->data)[i] = v;
}

static int run_softmax(const op_call *c, err *e)
{
    const softmax_state *s = c->state;
    const tensor *in = &c->inputs[0], *out = &c->outputs[0];
    int axis;
    TRY(op_axis(s->axis, in->shape.n_dims, &axis, e));
    lanes l = lanes_of(&in->shape, axis);
    if (s->flat) {
        l.n *= l.n_inner;
        l.n_inner = 1;
    }
    for (size_t o = 0; o < l.n_outer; o++)
        for (size_t i = 0; i < l.n_inner; i++) {
            size_t first = o * l.n * l.n_inner + i;
            double most = -(double)INFINITY, sum = 0; // less the largest, so that nothing overflows
            for (size_t k = 0; k < l.n; k++) {
                double x = real_at(in, first + k * l.n_inner);
                if (x > most) most = x;
            }
            for (size_t k = 0; k < l.n; k++) sum += exp_f64(real_at(in, first + k * l.n_inner) - most);
            double log_sum = s->log ? log_f64(sum) : 0;
            for (size_t k = 0; k < l.n; k++) {
                double x = real_at(in, first + k * l.n_inner) - most;
                put_real(out, first + k * l.n_inner, s->log ? x - log_sum : exp_f64(x) / sum);
            }
        }
    return 0;
}

// Without an axis it is 1 in old versions and the last in new ones: of rank 2 and more neither is 0.
static bool apart_softmax(const node *n, const op_value *in)
{
    int64_t wanted;
    int axis;
    if (in[0].type.n_dims < 2 || attr_int(n, "axis", -1, &wanted, NULL) < 0) return false;
    return op_axis(wanted, in[0].type.n_dims, &axis, NULL) == 0 && axis != 0;
}

// ReduceSum and its like --------------------------------------------------------------------------------------------

typedef enum reduction { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN } reduction;

// Which axes go. False if that is known only when run. As an attribute in older versions, as an input in newer ones.
static int reduced_axes(const node *n, const op_value *in, bool gone[TENSOR_DIMS_MAX], bool *known, err *e)
{
    const attribute *a;
    int64_t noop, axes[TENSOR_DIMS_MAX];
    int n_axes = 0, n_dims = in[0].type.n_dims;
    bool given = false;
    TRY(attr_list(n, "axes", ATTRIBUTE_INTS, &a, e));
    TRY(attr_int(n, "noop_with_empty_axes", 0, &noop, e));
    *known = n_dims >= 0;
    if (a) {
        if (a->n > TENSOR_DIMS_MAX) return err_set(e, ERR_LIMIT, "%zu axes", a->n);
        n_axes = (int)a->n;
        memcpy(axes, a->ints, a->n * sizeof *axes);
        given = true;
    } else if (n->n_inputs > 1 && in[1].type.type != DTYPE_NONE) {
        TRY(op_ints(&in[1], axes, &n_axes, e));
        if (n_axes < 0) *known = false;
        given = n_axes > 0;
    }
    if (!*known) return 0;
    for (int i = 0; i < n_dims; i++) gone[i] = !given && !noop;
    for (int i = 0; i < n_axes; i++) {
        int axis;
        TRY(op_axis(axes[i], n_dims, &axis, e));
        gone[axis] = true;
    }
    return 0;
}

static int infer_reduce(const node *n, const op_value *in, op_value *out, err *e)
{
    bool gone[TENSOR_DIMS_MAX], known;
    int64_t keep;
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    TRY(attr_int(n, "keepdims", 1, &keep, e));
    TRY(reduced_axes(n, in, gone, &known, e));
    const value_type *t = &in[0].type;
    out[0].type = type_of(t->type, keep ? t->n_dims : -1);
    if (!known) return 0;
    value_type r = type_of(t->type, 0);
    for (int i = 0; i < t->n_dims; i++) {
        if (!gone[i]) {
            r.dims[r.n_dims++] = t->dims[i];
        } else if (keep) {
            r.dims[r.n_dims++] = (dim){.size = 1};
        }
    }
    out[0].type = r;
    return 0;
}

static int make_node(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in, (void)a, (void)e;
    *state = n;
    return 0;
}

static reduction reduction_of(const node *n)
{
    const char *what = n->op + strlen("Reduce");
    return strcmp(what, "Sum") == 0    ? REDUCE_SUM
           : strcmp(what, "Mean") == 0 ? REDUCE_MEAN
           : strcmp(what, "Max") == 0  ? REDUCE_MAX
                                       : REDUCE_MIN;
}

// One output element: the input from `at` on, over the axes that go.
static double reduce_reals(const tensor *in, reduction how, size_t at, const size_t *dims, const size_t *strides, int n)
{
    size_t counter[TENSOR_DIMS_MAX] = {0}, count = 1;
    for (int i = 0; i < n; i++) count *= dims[i];
    double r = how == REDUCE_MAX ? -(double)INFINITY : how == REDUCE_MIN ? (double)INFINITY : 0;
    for (size_t k = 0; k < count; k++) {
        double x = real_at(in, at);
        if (how == REDUCE_SUM || how == REDUCE_MEAN)
            r += x;
        else if (x != x || (how == REDUCE_MAX ? x > r : x < r))
            r = r != r ? r : x;
        for (int d = n - 1; d >= 0; d--) {
            at += strides[d];
            if (++counter[d] < dims[d]) break;
            counter[d] = 0;
            at -= strides[d] * dims[d];
        }
    }
    return how == REDUCE_MEAN ? r / (double)count : r;
}

static int64_t reduce_ints(const tensor *in, reduction how, size_t at, const size_t *dims, const size_t *strides, int n)
{
    size_t counter[TENSOR_DIMS_MAX] = {0}, count = 1;
    for (int i = 0; i < n; i++) count *= dims[i];
    uint64_t sum = 0;
    int64_t most = how == REDUCE_MAX ? INT64_MIN : INT64_MAX;
    for (size_t k = 0; k < count; k++) {
        int64_t x = int_at(in, at);
        sum += (uint64_t)x;
        if (how == REDUCE_MAX ? x > most : x < most) most = x;
        for (int d = n - 1; d >= 0; d--) {
            at += strides[d];
            if (++counter[d] < dims[d]) break;
            counter[d] = 0;
            at -= strides[d] * dims[d];
        }
    }
    if (how == REDUCE_SUM) return (int64_t)sum;
    if (how == REDUCE_MEAN) return count ? (int64_t)sum / (int64_t)count : 0;
    return most;
}

static int run_reduce(const op_call *c, err *e)
{
    const node *n = c->state;
    const tensor *in = &c->inputs[0], *out = &c->outputs[0];
    op_value values[2] = {{.type = type_of(in->type, in->shape.n_dims)}};
    if (c->n_inputs > 1 && c->inputs[1].type) {
        values[1].type = type_of(c->inputs[1].type, c->inputs[1].shape.n_dims);
        values[1].data = &c->inputs[1];
    }
    bool gone[TENSOR_DIMS_MAX], known;
    TRY(reduced_axes(n, values, gone, &known, e));
    reduction how = reduction_of(n);
    // The axes that stay, and those that go, each with their strides.
    size_t kept[TENSOR_DIMS_MAX], kept_strides[TENSOR_DIMS_MAX], dims[TENSOR_DIMS_MAX], strides[TENSOR_DIMS_MAX];
    int n_kept = 0, n_gone = 0;
    size_t stride = 1, n_out = tensor_count(out), at = 0, counter[TENSOR_DIMS_MAX] = {0};
    for (int i = in->shape.n_dims - 1; i >= 0; i--) stride *= (size_t)in->shape.dims[i];
    for (int i = 0; i < in->shape.n_dims; i++) {
        size_t size = (size_t)in->shape.dims[i];
        stride = 1;
        for (int k = i + 1; k < in->shape.n_dims; k++) stride *= (size_t)in->shape.dims[k];
        if (gone[i]) {
            dims[n_gone] = size;
            strides[n_gone++] = stride;
        } else {
            kept[n_kept] = size;
            kept_strides[n_kept++] = stride;
        }
    }
    for (size_t k = 0; k < n_out; k++) {
        if (is_real(in->type)) {
            put_real(out, k, reduce_reals(in, how, at, dims, strides, n_gone));
        } else {
            int64_t v = reduce_ints(in, how, at, dims, strides, n_gone);
            if (in->type == DTYPE_I32)
                ((int32_t *)out->data)[k] = (int32_t)v;
            else
                ((int64_t *)out->data)[k] = v;
        }
        for (int d = n_kept - 1; d >= 0; d--) {
            at += kept_strides[d];
            if (++counter[d] < kept[d]) break;
            counter[d] = 0;
            at -= kept_strides[d] * kept[d];
        }
    }
    return 0;
}

static bool apart_reduce(const node *n, const op_value *in)
{
    bool gone[TENSOR_DIMS_MAX], known;
    if (in[0].type.n_dims < 1 || (n->n_inputs > 1 && in[1].rows)) return false;
    return reduced_axes(n, in, gone, &known, NULL) == 0 && known && !gone[0];
}

// Rows --------------------------------------------------------------------------------------------------------------

#define ROW(op, from, to, n_max, f_infer, f_make, f_run, f_apart)                                                     \
    {                                                                                                                 \
        .domain = "", .name = op, .since = from, .until = to, .inputs_min = 1, .inputs_max = n_max, .outputs_min = 1, \
        .outputs_max = 1, .infer = f_infer, .make = f_make, .run = f_run, .rows = OP_ROWS_ASK, .rows_apart = f_apart  \
    }

static const op_row rows[] = {
    ROW("ArgMax", 1, 0, 1, infer_arg, make_arg, run_arg, apart_axis),
    ROW("ArgMin", 1, 0, 1, infer_arg, make_arg, run_arg, apart_axis),
    ROW("Softmax", 1, 12, 1, infer_softmax, make_softmax_1, run_softmax, apart_softmax),
    ROW("Softmax", 13, 0, 1, infer_softmax, make_softmax, run_softmax, apart_softmax),
    ROW("LogSoftmax", 1, 12, 1, infer_softmax, make_softmax_1, run_softmax, apart_softmax),
    ROW("LogSoftmax", 13, 0, 1, infer_softmax, make_softmax, run_softmax, apart_softmax),
    ROW("ReduceSum", 1, 12, 1, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceSum", 13, 0, 2, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceMean", 1, 17, 1, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceMean", 18, 0, 2, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceMax", 1, 17, 1, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceMax", 18, 0, 2, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceMin", 1, 17, 1, infer_reduce, make_node, run_reduce, apart_reduce),
    ROW("ReduceMin", 18, 0, 2, infer_reduce, make_node, run_reduce, apart_reduce),
};

const op_group ops_reduce = {rows, sizeof rows / sizeof *rows};
