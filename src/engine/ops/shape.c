// Operators that move elements without looking at them, and those that speak about shapes.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"

static void copy_all(const op_call *c)
{
    size_t n = tensor_count(&c->outputs[0]);
    if (n) memcpy(c->outputs[0].data, c->inputs[0].data, n * dtype_size(c->outputs[0].type));
}

static int run_copy(const op_call *c, err *e)
{
    (void)e;
    copy_all(c);
    return 0;
}

// The product of dimensions from..to-1, or -1 if one is not known or it leaves int64_t.
static int64_t span(const value_type *t, int from, int to)
{
    int64_t product = 1;
    for (int i = from; i < to; i++)
        if (t->dims[i].size < 0 || __builtin_mul_overflow(product, t->dims[i].size, &product)) return -1;
    return product;
}

// Elements of a row, when they are the same before and after.
static bool apart_by_rest(const op_value *in, const value_type *out)
{
    if (in[0].type.n_dims < 1 || out->n_dims < 1) return false;
    int64_t before = span(&in[0].type, 1, in[0].type.n_dims);
    return before > 0 && before == span(out, 1, out->n_dims);
}

// Reshape -----------------------------------------------------------------------------------------------------------

static int infer_reshape(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t want[TENSOR_DIMS_MAX], allow_zero;
    int n_want;
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(attr_int(n, "allowzero", 0, &allow_zero, e));
    TRY(op_ints(&in[1], want, &n_want, e));
    if (n_want < 0) {
        bool known =
            in[1].type.n_dims == 1 && in[1].type.dims[0].size >= 0 && in[1].type.dims[0].size <= TENSOR_DIMS_MAX;
        out[0].type = type_of(in[0].type.type, known ? (int)in[1].type.dims[0].size : -1);
        return 0;
    }
    value_type t = type_of(in[0].type.type, n_want);
    int open = -1;
    for (int i = 0; i < n_want; i++) {
        if (want[i] < -1) return err_set(e, ERR_INPUT, "a dimension of %lld", (long long)want[i]);
        if (want[i] == -1 && open >= 0) return err_set(e, ERR_INPUT, "two dimensions are left open");
        if (want[i] == -1) open = i;
        if (want[i] > 0 || (want[i] == 0 && allow_zero)) t.dims[i].size = want[i];
        if (want[i] != 0 || allow_zero) continue;
        if (in[0].type.n_dims >= 0 && i >= in[0].type.n_dims)
            return err_set(e, ERR_INPUT, "dimension %d is kept, but there is none", i);
        if (in[0].type.n_dims >= 0) t.dims[i] = in[0].type.dims[i];
    }
    int64_t have = in[0].type.n_dims < 0 ? -1 : span(&in[0].type, 0, in[0].type.n_dims);
    if (open >= 0) {
        int64_t rest = 1;
        for (int i = 0; i < n_want && rest >= 0; i++)
            if (i != open && (t.dims[i].size < 0 || __builtin_mul_overflow(rest, t.dims[i].size, &rest))) rest = -1;
        if (have >= 0 && rest == 0 && have != 0)
            return err_set(e, ERR_INPUT, "%lld elements do not fit a shape with a zero", (long long)have);
        if (have >= 0 && rest > 0 && have % rest)
            return err_set(e, ERR_INPUT, "%lld elements do not fit rows of %lld", (long long)have, (long long)rest);
        if (have >= 0 && rest >= 0) t.dims[open].size = rest ? have / rest : 0;
        // Where the elements behind axis 0 stay the same number, so do the rows.
        if (have < 0 && open == 0 && rest > 0 && in[0].type.n_dims > 0 &&
            span(&in[0].type, 1, in[0].type.n_dims) == rest)
            t.dims[0] = in[0].type.dims[0];
    } else {
        int64_t all = span(&t, 0, n_want);
        if (have >= 0 && all >= 0 && have != all)
            return err_set(e, ERR_INPUT, "%lld elements do not fit a shape of %lld", (long long)have, (long long)all);
    }
    out[0].type = t;
    return 0;
}

static bool apart_reshape(const node *n, const op_value *in)
{
    int64_t want[TENSOR_DIMS_MAX];
    int n_want;
    op_value out = {.data = NULL};
    if (in[1].rows || op_ints(&in[1], want, &n_want, NULL) < 0 || n_want < 1) return false;
    if (want[0] > 0 || infer_reshape(n, in, &out, NULL) < 0) return false; // a fixed number of rows is none of ours
    return apart_by_rest(in, &out.type);
}

// Flatten, Squeeze, Unsqueeze ---------------------------------------------------------------------------------------

static int infer_flatten(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t axis;
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(attr_int(n, "axis", 1, &axis, e));
    const value_type *t = &in[0].type;
    out[0].type = type_of(t->type, 2);
    if (t->n_dims < 0) return 0;
    if (axis < -t->n_dims || axis > t->n_dims)
        return err_set(e, ERR_INPUT, "axis %lld of a tensor of %d dimensions", (long long)axis, t->n_dims);
    int a = (int)(axis < 0 ? axis + t->n_dims : axis);
    out[0].type.dims[0].size = span(t, 0, a);
    out[0].type.dims[1].size = span(t, a, t->n_dims);
    if (a == 1) out[0].type.dims[0] = t->dims[0];
    return 0;
}

static bool apart_flatten(const node *n, const op_value *in)
{
    op_value out = {.data = NULL};
    return infer_flatten(n, in, &out, NULL) == 0 && apart_by_rest(in, &out.type);
}

// The axes of Squeeze and Unsqueeze: an attribute until opset 12, an input since. -1: all of size 1, or not known.
static int read_axes(const node *n, const op_value *in, int64_t axes[TENSOR_DIMS_MAX], int *n_axes, bool *known, err *e)
{
    const attribute *a;
    TRY(attr_list(n, "axes", ATTRIBUTE_INTS, &a, e));
    *n_axes = -1;
    *known = true;
    if (a) {
        if (a->n > TENSOR_DIMS_MAX) return err_set(e, ERR_LIMIT, "%zu axes", a->n);
        *n_axes = (int)a->n;
        if (a->n) memcpy(axes, a->ints, a->n * sizeof *axes);
    } else if (n->n_inputs > 1 && in[1].type.type != DTYPE_NONE) {
        TRY(op_ints(&in[1], axes, n_axes, e));
        *known = *n_axes >= 0;
    }
    return 0;
}

static int mark_axes(const int64_t *axes, int n_axes, int n_dims, bool marked[TENSOR_DIMS_MAX], err *e)
{
    for (int i = 0; i < n_axes; i++) {
        int axis;
        TRY(op_axis(axes[i], n_dims, &axis, e));
        if (marked[axis]) return err_set(e, ERR_INPUT, "axis %d is there twice", axis);
        marked[axis] = true;
    }
    return 0;
}

static int infer_squeeze(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t axes[TENSOR_DIMS_MAX];
    int n_axes;
    bool known, gone[TENSOR_DIMS_MAX] = {false};
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(read_axes(n, in, axes, &n_axes, &known, e));
    const value_type *t = &in[0].type;
    out[0].type = type_of(t->type, -1);
    if (t->n_dims < 0 || !known) return 0;
    if (n_axes >= 0) {
        TRY(mark_axes(axes, n_axes, t->n_dims, gone, e));
    } else {
        for (int i = 0; i < t->n_dims; i++) {
            if (t->dims[i].size < 0) return 0;
            gone[i] = t->dims[i].size == 1;
        }
    }
    value_type r = type_of(t->type, 0);
    for (int i = 0; i < t->n_dims; i++) {
        if (!gone[i]) {
            r.dims[r.n_dims++] = t->dims[i];
        } else if (t->dims[i].size >= 0 && t->dims[i].size != 1) {
            return err_set(e, ERR_INPUT, "axis %d has %lld elements, not 1", i, (long long)t->dims[i].size);
        }
    }
    out[0].type = r;
    return 0;
}

static int infer_unsqueeze(const node *n, const op_value *in, op_value *out, err *e)
{
    int64_t axes[TENSOR_DIMS_MAX];
    int n_axes;
    bool known, fresh[TENSOR_DIMS_MAX] = {false};
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(read_axes(n, in, axes, &n_axes, &known, e));
    if (known && n_axes < 0) return err_set(e, ERR_INPUT, "it has no axes");
    const value_type *t = &in[0].type;
    out[0].type = type_of(t->type, -1);
    if (t->n_dims < 0 || !known) return 0;
    int n_dims = t->n_dims + n_axes;
    if (n_dims > TENSOR_DIMS_MAX) return err_set(e, ERR_LIMIT, "%d dimensions", n_dims);
    TRY(mark_axes(axes, n_axes, n_dims, fresh, e));
    out[0].type.n_dims = n_dims;
    for (int i = 0, from = 0; i < n_dims; i++) out[0].type.dims[i] = fresh[i] ? (dim){.size = 1} : t->dims[from++];
    return 0;
}

static bool apart_squeeze(const node *n, const op_value *in)
{
    int64_t axes[TENSOR_DIMS_MAX];
    int n_axes;
    bool known, gone[TENSOR_DIMS_MAX] = {false};
    if (read_axes(n, in, axes, &n_axes, &known, NULL) < 0 || !known || n_axes < 0 || in[0].type.n_dims < 1)
        return false;
    return mark_axes(axes, n_axes, in[0].type.n_dims, gone, NULL) == 0 && !gone[0];
}

static bool apart_unsqueeze(const node *n, const op_value *in)
{
    int64_t axes[TENSOR_DIMS_MAX];
    int n_axes;
    bool known, fresh[TENSOR_DIMS_MAX] = {false};
    if (read_axes(n, in, axes, &n_axes, &known, NULL) < 0 || !known || n_axes < 0 || in[0].type.n_dims < 0)
        return false;
    if (in[0].type.n_dims + n_axes > TENSOR_DIMS_MAX) return false;
    return mark_axes(axes, n_axes, in[0].type.n_dims + n_axes, fresh, NULL) == 0 && !fresh[0];
}

// Concat ------------------------------------------------------------------------------------------------------------

static int concat_axis(const node *n, const op_value *in, int *axis, err *e)
{
    int64_t a;
    const attribute *there = node_attribute(n, "axis");
    TRY(attr_int(n, "axis", 1, &a, e));
    if (!there) return err_set(e, ERR_INPUT, "it has no axis");
    return op_axis(a, in[0].type.n_dims, axis, e);
}

static int infer_concat(const node *n, const op_value *in, op_value *out, err *e)
{
    TRY(op_type(in, 0, TYPES_ALL, e));
    value_type t = in[0].type;
    for (size_t i = 1; i < n->n_inputs; i++) {
        TRY(op_type(in, i, TYPES_ALL, e));
        TRY(op_same_type(in, 0, i, e));
        if (in[i].type.n_dims < 0) t.n_dims = -1;
    }
    out[0].type = t;
    if (t.n_dims < 0) return 0;
    int axis;
    TRY(concat_axis(n, in, &axis, e));
    for (size_t i = 1; i < n->n_inputs; i++) {
        const value_type *x = &in[i].type;
        TRY(op_rank(in, i, t.n_dims, e));
        for (int d = 0; d < t.n_dims; d++) {
            if (d != axis) {
                TRY(op_join_dim(&t.dims[d], &x->dims[d], "Concat", e));
            } else if (t.dims[d].size < 0 || x->dims[d].size < 0 ||
                       __builtin_add_overflow(t.dims[d].size, x->dims[d].size, &t.dims[d].size)) {
                t.dims[d] = (dim){.size = DIM_UNKNOWN};
            }
        }
    }
    out[0].type = t;
    return 0;
}

static int make_axis(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    int64_t *axis = arena_alloc(a, 1, sizeof *axis);
    if (!axis) return err_set(e, ERR_MEMORY, "no memory for its axis");
    *state = axis;
    return attr_int(n, "axis", 0, axis, e);
}

static int axis_of(const op_call *c, size_t input)
{
    int64_t axis = *(const int64_t *)c->state;
    return (int)(axis < 0 ? axis + c->inputs[input].shape.n_dims : axis);
}

static size_t product(const shape *s, int from, int to)
{
    size_t p = 1;
    for (int i = from; i < to; i++) p *= (size_t)s->dims[i];
    return p;
}

static int run_concat(const op_call *c, err *e)
{
    (void)e;
    int axis = axis_of(c, 0);
    const tensor *out = &c->outputs[0];
    size_t size = dtype_size(out->type), n_outer = product(&out->shape, 0, axis);
    size_t stride = product(&out->shape, axis, out->shape.n_dims) * size, at = 0;
    for (size_t i = 0; i < c->n_inputs; i++) {
        const tensor *in = &c->inputs[i];
        size_t len = product(&in->shape, axis, in->shape.n_dims) * size;
        if (len == 0) continue;
        for (size_t k = 0; k < n_outer; k++)
            memcpy((char *)out->data + k * stride + at, (const char *)in->data + k * len, len);
        at += len;
    }
    return 0;
}

static bool apart_concat(const node *n, const op_value *in)
{
    int axis;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (!in[i].rows || in[i].type.n_dims < 1) return false; // a constant part has its own number of rows
    return concat_axis(n, in, &axis, NULL) == 0 && axis > 0;
}

// Gather ------------------------------------------------------------------------------------------------------------

static int infer_gather(const node *n, const op_value *in, op_value *out, err *e)
{
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(op_type(in, 1, TYPES_INT, e));
    out[0].type = type_of(in[0].type.type, -1);
    const value_type *data = &in[0].type, *index = &in[1].type;
    if (data->n_dims < 0) return 0;
    int64_t wanted;
    int axis;
    TRY(attr_int(n, "axis", 0, &wanted, e));
    TRY(op_axis(wanted, data->n_dims, &axis, e));
    if (index->n_dims < 0) return 0;
    int n_dims = data->n_dims - 1 + index->n_dims;
    if (n_dims > TENSOR_DIMS_MAX) return err_set(e, ERR_LIMIT, "%d dimensions", n_dims);
    value_type t = type_of(data->type, n_dims);
    for (int i = 0; i < axis; i++) t.dims[i] = data->dims[i];
    for (int i = 0; i < index->n_dims; i++) t.dims[axis + i] = index->dims[i];
    for (int i = axis + 1; i < data->n_dims; i++) t.dims[index->n_dims + i - 1] = data->dims[i];
    out[0].type = t;
    return 0;
}

static int run_gather(const op_call *c, err *e)
{
    const tensor *data = &c->inputs[0], *index = &c->inputs[1];
    int axis = axis_of(c, 0);
    size_t n_outer = product(&data->shape, 0, axis), n_index = tensor_count(index);
    size_t len = product(&data->shape, axis + 1, data->shape.n_dims) * dtype_size(data->type);
    int64_t n_axis = data->shape.dims[axis];
    for (size_t i = 0; i < n_index; i++) {
        int64_t at = index->type == DTYPE_I64 ? ((const int64_t *)index->data)[i] : ((const int32_t *)index->data)[i];
        int64_t from = at < 0 ? at + n_axis : at;
        if (from < 0 || from >= n_axis)
            return err_set_at(e, ERR_INPUT, (int64_t)i, "index %lld of %lld elements", (long long)at,
                              (long long)n_axis);
        for (size_t k = 0; k < n_outer && len; k++)
            memcpy((char *)c->outputs[0].data + (k * n_index + i) * len,
                   (const char *)data->data + (k * (size_t)n_axis + (size_t)from) * len, len);
    }
    return 0;
}

static bool apart_gather(const node *n, const op_value *in)
{
    int64_t wanted;
    int axis;
    if (in[0].type.n_dims < 1 || attr_int(n, "axis", 0, &wanted, NULL) < 0) return false;
    if (op_axis(wanted, in[0].type.n_dims, &axis, NULL) < 0) return false;
    if (in[0].rows) return axis > 0 && !in[1].rows;
    return axis == 0 && in[1].type.n_dims >= 1; // a table looked up by rows of indices
}

// Slice -------------------------------------------------------------------------------------------------------------

// Where a slice of one axis starts, how far it steps, how many elements it has.
typedef struct cut {
    int64_t start, step, n;
} cut;

typedef struct cuts {
    int n;
    int64_t starts[TENSOR_DIMS_MAX], ends[TENSOR_DIMS_MAX], axes[TENSOR_DIMS_MAX], steps[TENSOR_DIMS_MAX];
} cuts;

// *known is false if a part is computed only when run. Attributes until opset 9, inputs since.
static int read_cuts(const node *n, const op_value *in, cuts *c, bool *known, err *e)
{
    int n_ends, n_axes = -1, n_steps = -1;
    *known = true;
    const attribute *starts, *ends, *axes;
    TRY(attr_list(n, "starts", ATTRIBUTE_INTS, &starts, e));
    TRY(attr_list(n, "ends", ATTRIBUTE_INTS, &ends, e));
    TRY(attr_list(n, "axes", ATTRIBUTE_INTS, &axes, e));
    if (n->n_inputs == 1) {
        if (!starts || !ends || starts->n > TENSOR_DIMS_MAX || (axes && axes->n != starts->n))
            return err_set(e, ERR_INPUT, "its starts, ends and axes do not fit");
        c->n = (int)starts->n;
        n_ends = (int)ends->n;
        memcpy(c->starts, starts->ints, starts->n * sizeof *c->starts);
        if (ends->n == starts->n) memcpy(c->ends, ends->ints, ends->n * sizeof *c->ends);
        if (axes) {
            n_axes = (int)axes->n;
            memcpy(c->axes, axes->ints, axes->n * sizeof *c->axes);
        }
    } else {
        if (n->n_inputs < 3) return err_set(e, ERR_INPUT, "it has starts, but no ends");
        TRY(op_ints(&in[1], c->starts, &c->n, e));
        TRY(op_ints(&in[2], c->ends, &n_ends, e));
        if (c->n < 0 || n_ends < 0) *known = false;
        bool has_axes = n->n_inputs > 3 && in[3].type.type != DTYPE_NONE;
        bool has_steps = n->n_inputs > 4 && in[4].type.type != DTYPE_NONE;
        if (has_axes) TRY(op_ints(&in[3], c->axes, &n_axes, e));
        if (has_steps) TRY(op_ints(&in[4], c->steps, &n_steps, e));
        if ((has_axes && n_axes < 0) || (has_steps && n_steps < 0)) *known = false;
    }
    if (!*known) return 0;
    if (n_ends != c->n || (n_axes >= 0 && n_axes != c->n) || (n_steps >= 0 && n_steps != c->n))
        return err_set(e, ERR_INPUT, "its starts, ends, axes and steps do not fit");
    for (int i = 0; i < c->n; i++) {
        if (n_axes < 0) c->axes[i] = i;
        if (n_steps < 0) c->steps[i] = 1;
        if (c->steps[i] == 0) return err_set(e, ERR_INPUT, "a step of 0");
    }
    return 0;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static cut cut_of(int64_t start, int64_t end, int64_t step, int64_t size)
{
    if (step < -INT64_MAX) step = -INT64_MAX;
    if (start < 0) start += size; // cannot overflow: size >= 0
    if (end < 0) end += size;
    if (step > 0) {
        start = clamp(start, 0, size);
        end = clamp(end, 0, size);
        return (cut){start, step, end > start ? (end - start - 1) / step + 1 : 0};
    }
    if (size == 0) return (cut){0, step, 0};
    start = clamp(start, 0, size - 1); // backwards, a start before the first element is the first one
    end = clamp(end, -1, size - 1);
    return (cut){start, step, start > end ? (start - end - 1) / -step + 1 : 0};
}

static int infer_slice(const node *n, const op_value *in, op_value *out, err *e)
{
    cuts c;
    bool known, seen[TENSOR_DIMS_MAX] = {false};
    TRY(op_type(in, 0, TYPES_ALL, e));
    TRY(read_cuts(n, in, &c, &known, e));
    out[0].type = in[0].type;
    if (in[0].type.n_dims < 0) return 0;
    for (int i = 0; !known && i < in[0].type.n_dims; i++) out[0].type.dims[i] = (dim){.size = DIM_UNKNOWN};
    for (int i = 0; known && i < c.n; i++) {
        int axis;
        TRY(op_axis(c.axes[i], in[0].type.n_dims, &axis, e));
        if (seen[axis]) return err_set(e, ERR_INPUT, "axis %d is there twice", axis);
        seen[axis] = true;
        int64_t size = in[0].type.dims[axis].size;
        out[0].type.dims[axis] =
            (dim){.size = size < 0 ? DIM_UNKNOWN : cut_of(c.starts[i], c.ends[i], c.steps[i], size).n};
    }
    return 0;
}

static int make_node(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in, (void)a, (void)e;
    *state = n;
    return 0;
}

// Copies a view with steps, outer dimensions first.
static void copy_steps(const tensor *in, const tensor *out, const int64_t start[], const int64_t steps[])
{
    int n_dims = out->shape.n_dims;
    size_t size = dtype_size(in->type), n = tensor_count(out);
    int64_t strides[TENSOR_DIMS_MAX], at = 0, counter[TENSOR_DIMS_MAX] = {0};
    int64_t stride = 1;
    for (int i = n_dims - 1; i >= 0; i--) {
        strides[i] = stride * steps[i];
        at += start[i] * stride;
        stride *= in->shape.dims[i];
    }
    for (size_t k = 0; k < n; k++) {
        memcpy((char *)out->data + k * size, (const char *)in->data + (size_t)at * size, size);
        for (int d = n_dims - 1; d >= 0; d--) {
            at += strides[d];
            if (++counter[d] < out->shape.dims[d]) break;
            counter[d] = 0;
            at -= strides[d] * out->shape.dims[d];
        }
    }
}

static int run_slice(const op_call *c, err *e)
{
    const node *n = c->state;
    op_value in[5] = {{.data = NULL}};
    for (size_t i = 0; i < c->n_inputs && i < 5; i++) {
        in[i].type = type_of(c->inputs[i].type, c->inputs[i].shape.n_dims);
        if (i && c->inputs[i].type) in[i].data = &c->inputs[i];
    }
    cuts k;
    bool known;
    TRY(read_cuts(n, in, &k, &known, e));
    const tensor *x = &c->inputs[0];
    int64_t start[TENSOR_DIMS_MAX] = {0}, steps[TENSOR_DIMS_MAX];
    for (int i = 0; i < x->shape.n_dims; i++) steps[i] = 1;
    for (int i = 0; i < k.n; i++) {
        int axis;
        TRY(op_axis(k.axes[i], x->shape.n_dims, &axis, e));
        cut one = cut_of(k.starts[i], k.ends[i], k.steps[i], x->shape.dims[axis]);
        if (one.n == 0) return 0; // no element at all
        start[axis] = one.start;
        steps[axis] = one.n > 1 ? one.step : 1; // a step that is not taken may be past all bounds
    }
    copy_steps(x, &c->outputs[0], start, steps);
    return 0;
}

static bool apart_slice(const node *n, const op_value *in)
{
    cuts c;
    bool known;
    for (size_t i = 1; i < n->n_inputs; i++)
        if (in[i].rows) return false;
    if (in[0].type.n_dims < 1 || read_cuts(n, in, &c, &known, NULL) < 0 || !known) return false;
    for (int i = 0; i < c.n; i++) {
        int axis;
        if (op_axis(c.axes[i], in[0].type.n_dims, &axis, NULL) < 0 || axis == 0) return false;
    }
    return true;
}

// Transpose ---------------------------------------------------------------------------------------------------------

static int read_permutation(const node *n, int n_dims, int perm[TENSOR_DIMS_MAX], err *e)
{
    const attribute *a;
    bool seen[TENSOR_DIMS_MAX] = {false};
    TRY(attr_list(n, "perm", ATTRIBUTE_INTS, &a, e));
    for (int i = 0; i < n_dims; i++) perm[i] = n_dims - 1 - i;
    if (!a) return 0;
    if (a->n != (size_t)n_dims) return err_set(e, ERR_INPUT, "perm has %zu axes of %d", a->n, n_dims);
    for (int i = 0; i < n_dims; i++) {
        TRY(op_axis(a->ints[i], n_dims, &perm[i], e));
        if (seen[perm[i]]) return err_set(e, ERR_INPUT, "perm has axis %d twice", perm[i]);
        seen[perm[i]] = true;
    }
    return 0;
}

static int infer_transpose(const node *n, const op_value *in, op_value *out, err *e)
{
    int perm[TENSOR_DIMS_MAX];
    TRY(op_type(in, 0, TYPES_ALL, e));
    out[0].type = in[0].type;
    if (in[0].type.n_dims < 0) return 0;
    TRY(read_permutation(n, in[0].type.n_dims, perm, e));
    for (int i = 0; i < in[0].type.n_dims; i++) out[0].type.dims[i] = in[0].type.dims[perm[i]];
    return 0;
}

static int run_transpose(const op_call *c, err *e)
{
    const tensor *in = &c->inputs[0], *out = &c->outputs[0];
    int n_dims = in->shape.n_dims, perm[TENSOR_DIMS_MAX];
    TRY(read_permutation(c->state, n_dims, perm, e));
    size_t size = dtype_size(in->type), n = tensor_count(out), strides[TENSOR_DIMS_MAX], stride = 1, at = 0;
    int64_t counter[TENSOR_DIMS_MAX] = {0};
    for (int i = n_dims - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= (size_t)in->shape.dims[i];
    }
    for (size_t k = 0; k < n; k++) {
        memcpy((char *)out->data + k * size, (const char *)in->data + at * size, size);
        for (int d = n_dims - 1; d >= 0; d--) {
            at += strides[perm[d]];
            if (++counter[d] < out->shape.dims[d]) break;
            counter[d] = 0;
            at -= strides[perm[d]] * (size_t)out->shape.dims[d];
        }
    }
    return 0;
}

static bool apart_transpose(const node *n, const op_value *in)
{
    int perm[TENSOR_DIMS_MAX];
    return in[0].type.n_dims >= 1 && read_permutation(n, in[0].type.n_dims, perm, NULL) == 0 && perm[0] == 0;
}

// Shape, Constant ---------------------------------------------------------------------------------------------------

// The axes that Shape tells: all of them before opset 15.
static int shape_span(const node *n, int n_dims, int *from, int *to, err *e)
{
    int64_t start, end;
    TRY(attr_int(n, "start", 0, &start, e));
    TRY(attr_int(n, "end", n_dims, &end, e));
    *from = (int)clamp(start < 0 ? start + n_dims : start, 0, n_dims);
    *to = (int)clamp(end < 0 ? end + n_dims : end, *from, n_dims);
    return 0;
}

static int infer_shape(const node *n, const op_value *in, op_value *out, err *e)
{
    TRY(op_type(in, 0, TYPES_ALL, e));
    out[0].type = type_of(DTYPE_I64, 1);
    if (in[0].type.n_dims < 0) return 0;
    int from, to;
    TRY(shape_span(n, in[0].type.n_dims, &from, &to, e));
    out[0].type.dims[0].size = to - from;
    return 0;
}

static int run_shape(const op_call *c, err *e)
{
    int from, to;
    TRY(shape_span(c->state, c->inputs[0].shape.n_dims, &from, &to, e));
    if (to > from) memcpy(c->outputs[0].data, &c->inputs[0].shape.dims[from], (size_t)(to - from) * sizeof(int64_t));
    return 0;
}

// The value of a Constant as a tensor, from whichever attribute has it.
static int constant_of(const node *n, tensor *out, err *e)
{
    static const struct {
        const char *name;
        attribute_kind kind;
        dtype type;
        int n_dims;
    } forms[] = {
        {"value_float", ATTRIBUTE_FLOAT, DTYPE_F32, 0},      {"value_int", ATTRIBUTE_INT, DTYPE_I64, 0},
        {"value_string", ATTRIBUTE_STRING, DTYPE_STRING, 0}, {"value_floats", ATTRIBUTE_FLOATS, DTYPE_F32, 1},
        {"value_ints", ATTRIBUTE_INTS, DTYPE_I64, 1},        {"value_strings", ATTRIBUTE_STRINGS, DTYPE_STRING, 1},
    };
    const attribute *a = node_attribute(n, "value");
    if (a && a->kind == ATTRIBUTE_TENSOR) {
        *out = *a->tensor;
        return 0;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        a = node_attribute(n, forms[i].name);
        if (!a || a->kind != forms[i].kind) continue;
        *out = (tensor){.type = forms[i].type,
                        .shape = {.n_dims = forms[i].n_dims, .dims = {(int64_t)a->n}},
                        .data = (void *)(uintptr_t)a->floats}; // only read: the members of the union are alike
        return 0;
    }
    return err_set(e, ERR_UNSUPPORTED, "it has no value that is a dense tensor");
}

static int infer_constant(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)in;
    tensor t;
    TRY(constant_of(n, &t, e));
    out[0].type = type_of(t.type, t.shape.n_dims);
    for (int i = 0; i < t.shape.n_dims; i++) out[0].type.dims[i].size = t.shape.dims[i];
    return 0;
}

static int run_constant(const op_call *c, err *e)
{
    tensor t;
    TRY(constant_of(c->state, &t, e));
    size_t n = tensor_count(&t);
    if (n) memcpy(c->outputs[0].data, t.data, n * dtype_size(t.type));
    return 0;
}

// Rows --------------------------------------------------------------------------------------------------------------

#define ROW(op, from, to, n_min, n_max, f_infer, f_make, f_run, f_apart)                                         \
    {                                                                                                            \
        .domain = "", .name = op, .since = from, .until = to, .inputs_min = n_min, .inputs_max = n_max,          \
        .outputs_min = 1, .outputs_max = 1, .infer = f_infer, .make = f_make, .run = f_run, .rows = OP_ROWS_ASK, \
        .rows_apart = f_apart                                                                                    \
    }

static bool apart_always(const node *n, const op_value *in)
{
    (void)n, (void)in;
    return true;
}

static bool apart_never(const node *n, const op_value *in)
{
    (void)n, (void)in;
    return false;
}

static const op_row rows[] = {
    ROW("Identity", 1, 0, 1, 1, infer_same, NULL, run_copy, apart_always),
    ROW("Reshape", 5, 0, 2, 2, infer_reshape, NULL, run_copy, apart_reshape),
    ROW("Flatten", 1, 0, 1, 1, infer_flatten, NULL, run_copy, apart_flatten),
    ROW("Squeeze", 1, 12, 1, 1, infer_squeeze, NULL, run_copy, apart_squeeze),
    ROW("Squeeze", 13, 0, 1, 2, infer_squeeze, NULL, run_copy, apart_squeeze),
    ROW("Unsqueeze", 1, 12, 1, 1, infer_unsqueeze, NULL, run_copy, apart_unsqueeze),
    ROW("Unsqueeze", 13, 0, 2, 2, infer_unsqueeze, NULL, run_copy, apart_unsqueeze),
    ROW("Concat", 4, 0, 1, -1, infer_concat, make_axis, run_concat, apart_concat),
    ROW("Gather", 1, 0, 2, 2, infer_gather, make_axis, run_gather, apart_gather),
    ROW("Slice", 1, 9, 1, 1, infer_slice, make_node, run_slice, apart_slice),
    ROW("Slice", 10, 0, 3, 5, infer_slice, make_node, run_slice, apart_slice),
    ROW("Transpose", 1, 0, 1, 1, infer_transpose, make_node, run_transpose, apart_transpose),
    ROW("Shape", 1, 0, 1, 1, infer_shape, make_node, run_shape, apart_never),
    ROW("Constant", 1, 0, 0, 0, infer_constant, make_node, run_constant, apart_always),
};

const op_group ops_shape = {rows, sizeof rows / sizeof *rows};
