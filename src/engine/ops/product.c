// Matrix products, plain: float32 and float64 added over K from first to last, each output in its own sum.
// SPDX-License-Identifier: Apache-2.0
#include "engine/ops/ops_impl.h"

// c (m, n) = alpha * a (m, k) * b (k, n), or their transposes as stored; row strides are those of the stored matrices.
// The inner loop runs along rows of b, so that each sum is in order of k and compilers may take several columns at
// once.
#define PRODUCT(name, T)                                                                                       \
    static void name(const T *a, const T *b, T *c, size_t m, size_t n, size_t k, bool a_turned, bool b_turned) \
    {                                                                                                          \
        for (size_t i = 0; i < m; i++) {                                                                       \
            T *row = c + i * n;                                                                                \
            for (size_t j = 0; j < n; j++) row[j] = 0;                                                         \
            for (size_t l = 0; l < k; l++) {                                                                   \
                const T x = a_turned ? a[l * m + i] : a[i * k + l];                                            \
                if (b_turned) {                                                                                \
                    for (size_t j = 0; j < n; j++) row[j] += x * b[j * k + l];                                 \
                } else {                                                                                       \
                    for (size_t j = 0; j < n; j++) row[j] += x * b[l * n + j];                                 \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
    }
PRODUCT(product_f32, float)
PRODUCT(product_f64, double)

static void product(dtype t, const void *a, const void *b, void *c, size_t m, size_t n, size_t k, bool a_turned,
                    bool b_turned)
{
    if (t == DTYPE_F32)
        product_f32(a, b, c, m, n, k, a_turned, b_turned);
    else
        product_f64(a, b, c, m, n, k, a_turned, b_turned);
}

// MatMul ------------------------------------------------------------------------------------------------------------

// Vectors become matrices of one row or column, which the result loses again.
static int infer_matmul(const node *n, const op_value *in, op_value *out, err *e)
{
    (void)n;
    TRY(op_type(in, 0, TYPES_FLOAT, e));
    TRY(op_type(in, 1, TYPES_FLOAT, e));
    TRY(op_same_type(in, 0, 1, e));
    value_type a = in[0].type, b = in[1].type;
    out[0].type = type_of(a.type, -1);
    if (a.n_dims < 0 || b.n_dims < 0) return 0;
    if (a.n_dims == 0 || b.n_dims == 0) return err_set(e, ERR_INPUT, "a product with a scalar");
    bool a_vector = a.n_dims == 1, b_vector = b.n_dims == 1;
    if (a_vector) {
        a.n_dims = 2;
        a.dims[1] = a.dims[0];
        a.dims[0] = (dim){.size = 1};
    }
    if (b_vector) {
        b.n_dims = 2;
        b.dims[1] = (dim){.size = 1};
    }
    TRY(op_join_dim(&a.dims[a.n_dims - 1], &b.dims[b.n_dims - 2], "MatMul", e));
    dim rows = a.dims[a.n_dims - 2], columns = b.dims[b.n_dims - 1];
    a.n_dims -= 2;
    b.n_dims -= 2;
    TRY(op_broadcast(&a, &b, e));
    if (!a_vector) a.dims[a.n_dims++] = rows;
    if (!b_vector) a.dims[a.n_dims++] = columns;
    out[0].type = a;
    return 0;
}

static int run_matmul(const op_call *c, err *e)
{
    (void)e;
    shape a = c->inputs[0].shape, b = c->inputs[1].shape;
    if (a.n_dims == 1) a = (shape){.n_dims = 2, .dims = {1, a.dims[0]}};
    if (b.n_dims == 1) b = (shape){.n_dims = 2, .dims = {b.dims[0], 1}};
    size_t m = (size_t)a.dims[a.n_dims - 2], k = (size_t)a.dims[a.n_dims - 1], n = (size_t)b.dims[b.n_dims - 1];
    size_t size = dtype_size(c->outputs[0].type), n_out = tensor_count(&c->outputs[0]);
    size_t n_products = m && n ? n_out / (m * n) : 0;
    int n_batch = (a.n_dims > b.n_dims ? a.n_dims : b.n_dims) - 2;
    for (size_t p = 0; p < n_products; p++) {
        size_t rest = p, at_a = 0, at_b = 0, stride_a = 1, stride_b = 1;
        for (int i = 1; i <= n_batch; i++) { // the place of product p in both stacks, last axis first
            size_t size_a = i <= a.n_dims - 2 ? (size_t)a.dims[a.n_dims - 2 - i] : 1;
            size_t size_b = i <= b.n_dims - 2 ? (size_t)b.dims[b.n_dims - 2 - i] : 1;
            size_t both = size_a == 1 ? size_b : size_a, index = rest % both;
            rest /= both;
            if (size_a > 1) at_a += index * stride_a;
            if (size_b > 1) at_b += index * stride_b;
            stride_a *= size_a;
            stride_b *= size_b;
        }
        product(c->outputs[0].type, (const char *)c->inputs[0].data + at_a * m * k * size,
                (const char *)c->inputs[1].data + at_b * k * n * size, (char *)c->outputs[0].data + p * m * n * size, m,
                n, k, false, false);
    }
    return 0;
}

static bool apart_matmul(const node *n, const op_value *in)
{
    (void)n;
    int a = in[0].type.n_dims, b = in[1].type.n_dims;
    if (in[0].rows && in[1].rows) return a == b && a > 2;
    if (in[0].rows && a == 2) return b == 1 || b == 2;
    if (in[0].rows) return a > 2 && b >= 1 && (b < a || (b == a && in[1].type.dims[0].size == 1));
    return b > 2 && a >= 1 && (a < b || (a == b && in[0].type.dims[0].size == 1));
}

// Gemm --------------------------------------------------------------------------------------------------------------

typedef struct gemm_state {
    int64_t a_turned, b_turned;
    float alpha, beta;
} gemm_state;

static int read_gemm(const node *n, gemm_state *s, err *e)
{
    TRY(attr_int(n, "transA", 0, &s->a_turned, e));
    TRY(attr_int(n, "transB", 0, &s->b_turned, e));
    TRY(attr_float(n, "alpha", 1, &s->alpha, e));
    return attr_float(n, "beta", 1, &s->beta, e);
}

static bool has_bias(const node *n, const op_value *in)
{
    return n->n_inputs > 2 && in[2].type.type != DTYPE_NONE;
}

static int infer_gemm(const node *n, const op_value *in, op_value *out, err *e)
{
    gemm_state s;
    TRY(read_gemm(n, &s, e));
    for (size_t i = 0; i < 2; i++) {
        TRY(op_type(in, i, TYPES_FLOAT, e));
        TRY(op_rank(in, i, 2, e));
    }
    TRY(op_same_type(in, 0, 1, e));
    value_type a = in[0].type.n_dims < 0 ? type_of(in[0].type.type, 2) : in[0].type;
    value_type b = in[1].type.n_dims < 0 ? type_of(in[0].type.type, 2) : in[1].type;
    TRY(op_join_dim(&a.dims[s.a_turned ? 0 : 1], &b.dims[s.b_turned ? 1 : 0], "Gemm", e));
    value_type t = type_of(a.type, 2);
    t.dims[0] = a.dims[s.a_turned ? 1 : 0];
    t.dims[1] = b.dims[s.b_turned ? 0 : 1];
    out[0].type = t;
    if (!has_bias(n, in)) return 0;
    TRY(op_same_type(in, 0, 2, e));
    if (in[2].type.n_dims < 0) return 0;
    for (int i = 1; i <= in[2].type.n_dims; i++) { // C is spread over the product, never the other way round
        if (i > 2) return err_set(e, ERR_INPUT, "input 2 has %d dimensions, at most 2", in[2].type.n_dims);
        int64_t size = in[2].type.dims[in[2].type.n_dims - i].size, whole = t.dims[2 - i].size;
        if (size > 1 && whole >= 0 && size != whole)
            return err_set(e, ERR_INPUT, "Gemm: sizes %lld and %lld do not fit", (long long)size, (long long)whole);
    }
    return 0;
}

static int make_gemm(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    (void)in;
    gemm_state *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    *state = s;
    return read_gemm(n, s, e);
}

#define FINISH(T)                                                                                   \
    do {                                                                                            \
        T *out = c->outputs[0].data;                                                                \
        const T *bias = biased ? c->inputs[2].data : NULL;                                          \
        for (size_t i = 0; i < m; i++)                                                              \
            for (size_t j = 0; j < n; j++) {                                                        \
                T v = s->alpha == 1 ? out[i * n + j] : (T)s->alpha * out[i * n + j];                \
                if (bias) {                                                                         \
                    T b = bias[(rows_c > 1 ? i * (size_t)columns_c : 0) + (columns_c > 1 ? j : 0)]; \
                    v += s->beta == 1 ? b : (T)s->beta * b;                                         \
                }                                                                                   \
                out[i * n + j] = v;                                                                 \
            }                                                                                       \
    } while (0)

static int run_gemm(const op_call *c, err *e)
{
    const gemm_state *s = c->state;
    const shape *a = &c->inputs[0].shape;
    size_t m = (size_t)c->outputs[0].shape.dims[0], n = (size_t)c->outputs[0].shape.dims[1];
    size_t k = (size_t)a->dims[s->a_turned ? 0 : 1];
    bool biased = c->n_inputs > 2 && c->inputs[2].type;
    int64_t rows_c = 1, columns_c = 1;
    if (biased) {
        const shape *z = &c->inputs[2].shape;
        if (z->n_dims > 0) columns_c = z->dims[z->n_dims - 1];
        if (z->n_dims > 1) rows_c = z->dims[0];
        if ((columns_c != 1 && (size_t)columns_c != n) || (rows_c != 1 && (size_t)rows_c != m))
            return err_set(e, ERR_INPUT, "input 2 does not fit the product");
    }
    product(c->outputs[0].type, c->inputs[0].data, c->inputs[1].data, c->outputs[0].data, m, n, k, s->a_turned != 0,
            s->b_turned != 0);
    if (c->outputs[0].type == DTYPE_F32)
        FINISH(float);
    else
        FINISH(double);
    return 0;
}

static bool apart_gemm(const node *n, const op_value *in)
{
    gemm_state s;
    if (read_gemm(n, &s, NULL) < 0 || s.a_turned || !in[0].rows || in[1].rows) return false;
    if (!has_bias(n, in)) return true;
    const value_type *c = &in[2].type;
    if (in[2].rows) return c->n_dims == 2;
    return c->n_dims >= 0 && (c->n_dims < 2 || c->dims[0].size == 1);
}

static const op_row rows[] = {
    {.name = "MatMul",
     .domain = "",
     .since = 1,
     .inputs_min = 2,
     .inputs_max = 2,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_matmul,
     .run = run_matmul,
     .rows = OP_ROWS_ASK,
     .rows_apart = apart_matmul},
    {.name = "Gemm",
     .domain = "",
     .since = 7,
     .inputs_min = 2,
     .inputs_max = 3,
     .outputs_min = 1,
     .outputs_max = 1,
     .infer = infer_gemm,
     .make = make_gemm,
     .run = run_gemm,
     .rows = OP_ROWS_ASK,
     .rows_apart = apart_gemm},
};

const op_group ops_product = {rows, sizeof rows / sizeof *rows};
