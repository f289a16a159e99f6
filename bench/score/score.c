// How long does a prediction of a prepared forest take? score TREES DEPTH COLUMNS CLASSES CALLS [FILE]: a row program
// and the plain graph over batches of several sizes; writes the model to FILE, so that others can be timed with it.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/plan.h"
#include "engine/row_program.h"
#include "graph/onnx.h"

enum { ROWS = 4096, CLASSES_MAX = 16, ROUNDS = 3 };
#define MEMORY ((size_t)1 << 31)

typedef struct sizes {
    size_t trees, depth, columns, classes, calls;
} sizes;

// Complete trees with random splits; the weights of a leaf are on a grid of 2^-24 and add up to 1 / trees.
static int add_forest(graph *g, const sizes *s, value_id features, err *e)
{
    size_t of_tree = ((size_t)2 << s->depth) - 1, n = s->trees * of_tree, n_leaves = s->trees << s->depth;
    size_t of_leaf = s->classes == 2 ? 1 : s->classes, n_weights = n_leaves * of_leaf, w = 0;
    int64_t *ids[5], *weights[3], labels[CLASSES_MAX];
    for (int i = 0; i < 5; i++) ids[i] = mem_zalloc(n, sizeof **ids);
    for (int i = 0; i < 3; i++) weights[i] = mem_zalloc(n_weights, sizeof **weights);
    float *values = mem_zalloc(n, sizeof *values), *scores = mem_zalloc(n_weights, sizeof *scores);
    str *modes = mem_zalloc(n, sizeof *modes);
    rng r = rng_new(1, 0);
    for (size_t i = 0; i < n; i++) {
        size_t tree = i / of_tree, at = i % of_tree;
        bool leaf = 2 * at + 1 >= of_tree;
        ids[0][i] = (int64_t)tree;
        ids[1][i] = (int64_t)at;
        ids[2][i] = leaf ? 0 : (int64_t)rng_below(&r, s->columns);
        ids[3][i] = leaf ? 0 : (int64_t)(2 * at + 1);
        ids[4][i] = leaf ? 0 : (int64_t)(2 * at + 2);
        values[i] = leaf ? 0 : (float)rng_normal(&r);
        modes[i] = leaf ? STR("LEAF") : STR("BRANCH_LEQ");
        for (size_t k = 0; leaf && k < of_leaf; k++, w++) {
            weights[0][w] = (int64_t)tree;
            weights[1][w] = (int64_t)at;
            weights[2][w] = (int64_t)k;
            scores[w] = (float)(floor(rng_f64(&r) / (double)s->trees * 0x1p24) * 0x1p-24);
        }
    }
    for (size_t k = 0; k < s->classes; k++) labels[k] = (int64_t)k;
    attribute a[] = {attribute_ints("classlabels_int64s", labels, s->classes),
                     attribute_ints("nodes_treeids", ids[0], n),
                     attribute_ints("nodes_nodeids", ids[1], n),
                     attribute_ints("nodes_featureids", ids[2], n),
                     attribute_ints("nodes_truenodeids", ids[3], n),
                     attribute_ints("nodes_falsenodeids", ids[4], n),
                     attribute_strings("nodes_modes", modes, n),
                     attribute_floats("nodes_values", values, n),
                     attribute_ints("class_treeids", weights[0], n_weights),
                     attribute_ints("class_nodeids", weights[1], n_weights),
                     attribute_ints("class_ids", weights[2], n_weights),
                     attribute_floats("class_weights", scores, n_weights)};
    value_id out[2] = {graph_add_value(g, "label", value_type_rows(DTYPE_I64, -1), e),
                       graph_add_value(g, "scores", value_type_rows(DTYPE_F32, (int64_t)s->classes), e)};
    int rc =
        graph_add_node(g, "ai.onnx.ml", "TreeEnsembleClassifier", &features, 1, out, 2, a, sizeof a / sizeof *a, e);
    for (int i = 0; i < 2 && rc >= 0; i++) rc = graph_add_output(g, out[i], e);
    for (int i = 0; i < 5; i++) mem_free(ids[i]);
    for (int i = 0; i < 3; i++) mem_free(weights[i]);
    mem_free(values);
    mem_free(scores);
    mem_free(modes);
    return rc;
}

// Columns of their own -> Concat -> Imputer -> Scaler -> forest
static int make_model(graph **out, const sizes *s, err *e)
{
    graph *g;
    TRY(graph_new(&g, MEMORY, e));
    *out = g;
    value_id *columns = mem_alloc(s->columns, sizeof *columns);
    float *fills = mem_zalloc(s->columns, sizeof *fills), *scales = mem_alloc(s->columns, sizeof *scales), nan = NAN;
    for (size_t i = 0; i < s->columns; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%zu", i);
        columns[i] = graph_add_input(g, name, value_type_rows(DTYPE_F32, 1), e);
        scales[i] = 1;
    }
    int64_t axis = 1;
    attribute concat = attribute_int("axis", &axis);
    attribute impute[] = {attribute_floats("imputed_value_floats", fills, s->columns),
                          attribute_float("replaced_value_float", &nan)};
    attribute scale[] = {attribute_floats("offset", fills, s->columns), attribute_floats("scale", scales, s->columns)};
    value_type t = value_type_rows(DTYPE_F32, (int64_t)s->columns);
    value_id v[3];
    for (int i = 0; i < 3; i++) v[i] = graph_add_value(g, "x", t, e);
    int rc = graph_add_node(g, "", "Concat", columns, s->columns, &v[0], 1, &concat, 1, e);
    if (rc >= 0) rc = graph_add_node(g, "ai.onnx.ml", "Imputer", &v[0], 1, &v[1], 1, impute, 2, e);
    if (rc >= 0) rc = graph_add_node(g, "ai.onnx.ml", "Scaler", &v[1], 1, &v[2], 1, scale, 2, e);
    if (rc >= 0) rc = add_forest(g, s, v[2], e);
    if (rc >= 0) rc = graph_check(g, e);
    mem_free(columns);
    mem_free(fills);
    mem_free(scales);
    return rc;
}

static void views(const float *x, size_t n_columns, size_t first, size_t n, tensor *in)
{
    for (size_t c = 0; c < n_columns; c++)
        in[c] = (tensor){.type = DTYPE_F32,
                         .shape = {.n_dims = 2, .dims = {(int64_t)n, 1}},
                         .data = (void *)(uintptr_t)(x + c * ROWS + first)};
}

// The fastest of a few rounds, in nanoseconds for a row.
static int time_batches(const sizes *s, const row_program *p, session *plain, const float *x, size_t n, tensor *in,
                        float *scores, int32_t *labels, err *e)
{
    arena scratch;
    arena_init(&scratch, MEMORY);
    uint64_t best = UINT64_MAX;
    size_t calls = s->calls / n + 1;
    int rc = 0;
    for (int round = 0; round < ROUNDS && rc == 0; round++) {
        uint64_t start = clock_monotonic_ns();
        for (size_t k = 0; k < calls && rc == 0; k++) {
            tensor out[2];
            size_t first = k * n % (ROWS - n + 1);
            views(x, s->columns, first, n, in);
            arena_reset(&scratch);
            rc = p ? row_program_run(p, in, n, scores, labels, NULL, &scratch, e) : session_run(plain, in, out, e);
        }
        uint64_t took = clock_monotonic_ns() - start;
        if (took < best) best = took;
    }
    printf("%-12s %5zu rows: %10.3f us a call, %9.1f ns a row\n", p ? "row program" : "plain graph", n,
           (double)best / 1e3 / (double)calls, (double)best / (double)(calls * n));
    arena_clear(&scratch);
    return rc;
}

static int run(const sizes *s, const char *file, err *e)
{
    graph *g;
    row_program *p;
    plan *plain;
    session *run_plain;
    TRY(make_model(&g, s, e));
    buf bytes;
    buf_init(&bytes, MEMORY);
    TRY(onnx_write(g, &bytes, e));
    if (file) TRY(file_write_atomic(file, buf_str(&bytes), 0644, e));
    TRY(row_program_compile(&p, g, e));
    TRY(plan_new(&plain, g, &(plan_options){.plain = true}, e));
    TRY(session_new(&run_plain, plain, MEMORY, e));
    float *x = mem_alloc(ROWS * s->columns, sizeof *x), *scores = mem_alloc(ROWS * s->classes, sizeof *scores);
    int32_t *labels = mem_alloc(ROWS, sizeof *labels);
    tensor *in = mem_alloc(s->columns, sizeof *in);
    rng r = rng_new(2, 0);
    for (size_t i = 0; i < ROWS * s->columns; i++) x[i] = rng_below(&r, 20) ? (float)rng_normal(&r) : NAN;
    static const size_t batches[] = {1, 8, 64, ROWS};
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        TRY(time_batches(s, p, NULL, x, batches[i], in, scores, labels, e));
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        TRY(time_batches(s, NULL, run_plain, x, batches[i], in, NULL, NULL, e));
    char hex[SHA256_HEX_SIZE];
    sha256_hex_of(scores, ROWS * s->classes * sizeof *scores, hex);
    printf("%zu bytes of model; scores %.16s\n", bytes.len, hex);
    buf_clear(&bytes);
    mem_free(x);
    mem_free(scores);
    mem_free(labels);
    mem_free(in);
    session_free(run_plain);
    plan_free(plain);
    row_program_free(p);
    graph_free(g);
    return 0;
}

int main(int argc, char **argv)
{
    size_t n[5] = {100, 5, 10, 2, 200000};
    for (int i = 1; i < argc && i <= 5; i++) n[i - 1] = (size_t)strtoull(argv[i], NULL, 10);
    sizes s = {n[0], n[1], n[2], n[3], n[4]};
    if (s.trees == 0 || s.depth > 20 || s.columns == 0 || s.classes < 2 || s.classes > CLASSES_MAX) {
        fprintf(stderr, "score TREES DEPTH COLUMNS CLASSES CALLS [FILE]\n");
        return 2;
    }
    err e = ERR_NONE;
    if (run(&s, argc > 6 ? argv[6] : NULL, &e) == 0) return 0;
    fprintf(stderr, "%s\n", e.msg);
    return 1;
}
