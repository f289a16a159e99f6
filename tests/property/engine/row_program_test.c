// Row programs against their slow twin: random preparations and ensembles give the same bytes as the plain graph.
// SPDX-License-Identifier: Apache-2.0
#include "engine/row_program.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "engine/plan.h"

enum { MEMORY = 256 << 20, GRAPHS = 300, ROWS_MAX = 200, INPUTS_MAX = 8, PARTS_MAX = 32, NODES_MAX = 4096 };

static const char *const words[] = {"", "a", "bb", "red", "green", "blue", "a rather long category", "z"};
enum { WORDS = sizeof words / sizeof *words };

typedef struct builder {
    rng r;
    graph *g;
    err e;
    value_id parts[PARTS_MAX]; // float32 (N, k)
    size_t n_parts, n_columns;
} builder;

static value_type rows_type(dtype t, int64_t columns)
{
    return value_type_rows(t, columns);
}

static value_id add(builder *b, const char *domain, const char *op, const value_id *in, size_t n_in, const attribute *a,
                    size_t n_a)
{
    value_id out = graph_add_value(b->g, "v", (value_type){.n_dims = -1}, &b->e);
    check_ok(graph_add_node(b->g, domain, op, in, n_in, &out, 1, a, n_a, &b->e), &b->e);
    return out;
}

static value_id constant(builder *b, dtype t, shape s, const void *data)
{
    int id = graph_add_constant(b->g, "c", &(tensor){.type = t, .shape = s, .data = (void *)(uintptr_t)data}, &b->e);
    assert_true(id >= 0);
    return id;
}

static float random_float(rng *r)
{
    switch (rng_below(r, 12)) {
    case 0: return NAN;
    case 1: return -0.0f;
    case 2: return INFINITY;
    default: return (float)(rng_below(r, 41)) / 4 - 5;
    }
}

static void add_part(builder *b, value_id v, size_t columns)
{
    b->parts[b->n_parts++] = v;
    b->n_columns += columns;
}

static void numbers(builder *b, value_id in, size_t k)
{
    float fills[8], offsets[8], scales[8], nan = NAN, zero = 0;
    for (size_t i = 0; i < 8; i++) {
        fills[i] = random_float(&b->r);
        offsets[i] = random_float(&b->r);
        scales[i] = random_float(&b->r);
    }
    value_id x = in;
    if (rng_below(&b->r, 4)) {
        attribute a[] = {attribute_floats("imputed_value_floats", fills, rng_below(&b->r, 3) ? k : 1),
                         attribute_float("replaced_value_float", rng_below(&b->r, 3) ? &nan : &zero)};
        x = add(b, "ai.onnx.ml", "Imputer", &x, 1, a, 2);
    }
    if (rng_below(&b->r, 2)) {
        size_t n = rng_below(&b->r, 3) ? k : 1;
        attribute a[] = {attribute_floats("offset", offsets, n), attribute_floats("scale", scales, n)};
        x = add(b, "ai.onnx.ml", "Scaler", &x, 1, a, 2);
    }
    add_part(b, x, k);
    if (rng_below(&b->r, 2)) { // marks of some columns
        int64_t index[2] = {(int64_t)rng_below(&b->r, k), -1}, axis = 1, to = DTYPE_F32;
        attribute gather = attribute_int("axis", &axis), cast = attribute_int("to", &to);
        value_id some[2] = {in, constant(b, DTYPE_I64, (shape){1, {2}}, index)};
        value_id v = add(b, "", "Gather", some, 2, &gather, 1);
        v = add(b, "", "IsNaN", &v, 1, NULL, 0);
        if (rng_below(&b->r, 2)) v = add(b, "", "Not", &v, 1, NULL, 0);
        add_part(b, add(b, "", "Cast", &v, 1, &cast, 1), 2);
    }
    if (rng_below(&b->r, 4) == 0) { // arithmetic with a row of constants
        static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};
        value_id pair[2] = {x, constant(b, DTYPE_F32, (shape){2, {1, (int64_t)k}}, fills)};
        if (rng_below(&b->r, 2)) pair[1] = x, pair[0] = constant(b, DTYPE_F32, (shape){0, {0}}, scales);
        add_part(b, add(b, "", ops[rng_below(&b->r, 4)], pair, 2, NULL, 0), k);
    }
}

static void dates(builder *b, value_id in, size_t k)
{
    int64_t missing = INT64_MIN, origins[8], to = DTYPE_F32;
    float nan = NAN;
    for (size_t i = 0; i < 8; i++) origins[i] = (int64_t)rng_below(&b->r, 100);
    value_id origin = constant(b, DTYPE_I64, (shape){2, {1, (int64_t)k}}, origins);
    value_id pair[3] = {in, constant(b, DTYPE_I64, (shape){0, {0}}, &missing)};
    value_id gone = add(b, "", "Equal", pair, 2, NULL, 0);
    value_id there = add(b, "", "Where", (value_id[]){gone, origin, in}, 3, NULL, 0);
    value_id since = add(b, "", "Sub", (value_id[]){there, origin}, 2, NULL, 0);
    attribute cast = attribute_int("to", &to);
    value_id floats = add(b, "", "Cast", &since, 1, &cast, 1);
    value_id out =
        add(b, "", "Where", (value_id[]){gone, constant(b, DTYPE_F32, (shape){0, {0}}, &nan), floats}, 3, NULL, 0);
    if (rng_below(&b->r, 2))
        numbers(b, out, k);
    else
        add_part(b, out, k);
}

static value_id flat(builder *b, value_id v, int64_t n)
{
    int64_t axis = 1, sizes[2] = {rng_below(&b->r, 2) ? -1 : 0, n};
    attribute a = attribute_int("axis", &axis);
    if (rng_below(&b->r, 2)) return add(b, "", "Flatten", &v, 1, &a, 1);
    return add(b, "", "Reshape", (value_id[]){v, constant(b, DTYPE_I64, (shape){1, {2}}, sizes)}, 2, NULL, 0);
}

static void texts(builder *b, value_id in)
{
    str keys[WORDS];
    float values[WORDS], otherwise = -1;
    int64_t codes[WORDS], unknown = -1, ones = 1;
    size_t n = 1 + rng_below(&b->r, WORDS - 1);
    for (size_t i = 0; i < n; i++) {
        keys[i] = str_of(words[(i + 3) % WORDS]);
        values[i] = random_float(&b->r);
        codes[i] = (int64_t)(i * i);
    }
    attribute to_codes[] = {attribute_strings("keys_strings", keys, n), attribute_ints("values_int64s", codes, n),
                            attribute_int("default_int64", &unknown)};
    attribute to_floats[] = {attribute_strings("keys_strings", keys, n), attribute_floats("values_floats", values, n),
                             attribute_float("default_float", &otherwise)};
    attribute bits[] = {attribute_strings("cats_strings", keys, n), attribute_int("zeros", &ones)};
    attribute code_bits[] = {attribute_ints("cats_int64s", codes, n), attribute_int("zeros", &ones)};
    value_id v;
    switch (rng_below(&b->r, 4)) {
    case 0: add_part(b, add(b, "ai.onnx.ml", "LabelEncoder", &in, 1, to_floats, 3), 1); break;
    case 1: add_part(b, flat(b, add(b, "ai.onnx.ml", "OneHotEncoder", &in, 1, bits, 2), (int64_t)n), n); break;
    case 2:
        v = add(b, "ai.onnx.ml", "LabelEncoder", &in, 1, to_codes, 3);
        add_part(b, flat(b, add(b, "ai.onnx.ml", "OneHotEncoder", &v, 1, code_bits, 2), (int64_t)n), n);
        break;
    default: { // bits in another order, one of them twice, scaled
        int64_t index[3] = {(int64_t)n - 1, 0, 0}, axis = 1;
        attribute a = attribute_int("axis", &axis);
        v = flat(b, add(b, "ai.onnx.ml", "OneHotEncoder", &in, 1, bits, 2), (int64_t)n);
        add_part(b, add(b, "", "Gather", (value_id[]){v, constant(b, DTYPE_I64, (shape){1, {3}}, index)}, 2, &a, 1), 3);
        if (rng_below(&b->r, 2)) add_part(b, v, n);
        if (rng_below(&b->r, 2)) numbers(b, v, n);
    }
    }
}

// A forest of random trees over all columns; leaves are on a grid, so sums are exact.
typedef struct forest {
    int64_t trees[NODES_MAX], nodes[NODES_MAX], features[NODES_MAX], yes[NODES_MAX], no[NODES_MAX], missing[NODES_MAX];
    str modes[NODES_MAX];
    float values[NODES_MAX];
    size_t n;
    int64_t weight_trees[4 * NODES_MAX], weight_nodes[4 * NODES_MAX], weight_ids[4 * NODES_MAX];
    float weights[4 * NODES_MAX];
    size_t n_weights;
} forest;

typedef struct kind {
    bool classify, dense, compared, missing, positive;
    size_t n_scores;
} kind;

static void grow(builder *b, forest *f, int64_t tree, int64_t id, int depth, const kind *k, int64_t *next)
{
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                        "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
    size_t at = f->n++;
    bool leaf = depth == 0 || rng_below(&b->r, 5) == 0 || f->n + 64 > NODES_MAX;
    f->trees[at] = tree;
    f->nodes[at] = id;
    f->features[at] = leaf ? 0 : (int64_t)rng_below(&b->r, b->n_columns);
    f->values[at] = (float)rng_below(&b->r, 41) / 4 - 5;
    f->missing[at] = !leaf && k->missing && rng_below(&b->r, 2);
    f->modes[at] = str_of(leaf ? "LEAF" : modes[k->compared ? rng_below(&b->r, 6) : rng_below(&b->r, 20) ? 0 : 1]);
    f->yes[at] = f->no[at] = 0;
    if (!leaf) {
        f->yes[at] = ++*next;
        f->no[at] = ++*next;
        int64_t yes = f->yes[at], no = f->no[at];
        grow(b, f, tree, yes, depth - 1, k, next);
        grow(b, f, tree, no, depth - 1, k, next);
        return;
    }
    for (size_t s = 0; s < k->n_scores; s++) {
        if (!k->dense && rng_below(&b->r, 2)) continue;
        f->weight_trees[f->n_weights] = tree;
        f->weight_nodes[f->n_weights] = id;
        f->weight_ids[f->n_weights] = (int64_t)s;
        f->weights[f->n_weights++] = (float)((int64_t)rng_below(&b->r, 65) - (k->positive ? 0 : 32)) / 64;
    }
}

static void add_trees(builder *b, value_id features, forest *f)
{
    static const char *const links[] = {"NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"};
    static const char *const joins[] = {"SUM", "AVERAGE", "MIN", "MAX"};
    rng *r = &b->r;
    kind k = {.classify = rng_below(r, 3) > 0,
              .dense = rng_below(r, 3) > 0,
              .compared = rng_below(r, 5) == 0,
              .missing = rng_below(r, 3) == 0,
              .positive = rng_below(r, 2)};
    k.n_scores = k.classify ? 2 + rng_below(r, 3) : 1 + rng_below(r, 2);
    bool one_id = k.classify && k.n_scores == 2 && rng_below(r, 2);
    kind grown = k;
    if (one_id) grown.n_scores = 1;
    f->n = f->n_weights = 0;
    size_t n_trees = 1 + rng_below(r, 20);
    for (size_t t = 0; t < n_trees; t++) {
        int64_t next = 0;
        grow(b, f, (int64_t)t, 0, (int)rng_below(r, 9), &grown, &next);
    }
    int64_t targets = (int64_t)k.n_scores, labels[4] = {7, 3, 5, 1};
    str names[4] = {STR("d"), STR("b"), STR("c"), STR("a")};
    float base[4] = {0.25f, -0.5f, 0.125f, 1};
    attribute a[20];
    size_t n = 0;
    if (k.classify && rng_below(r, 2))
        a[n++] = attribute_strings("classlabels_strings", names, k.n_scores);
    else if (k.classify)
        a[n++] = attribute_ints("classlabels_int64s", labels, k.n_scores);
    else
        a[n++] = attribute_int("n_targets", &targets);
    a[n++] = attribute_ints("nodes_treeids", f->trees, f->n);
    a[n++] = attribute_ints("nodes_nodeids", f->nodes, f->n);
    a[n++] = attribute_ints("nodes_featureids", f->features, f->n);
    a[n++] = attribute_strings("nodes_modes", f->modes, f->n);
    a[n++] = attribute_floats("nodes_values", f->values, f->n);
    a[n++] = attribute_ints("nodes_truenodeids", f->yes, f->n);
    a[n++] = attribute_ints("nodes_falsenodeids", f->no, f->n);
    if (k.missing) a[n++] = attribute_ints("nodes_missing_value_tracks_true", f->missing, f->n);
    a[n++] = attribute_ints(k.classify ? "class_treeids" : "target_treeids", f->weight_trees, f->n_weights);
    a[n++] = attribute_ints(k.classify ? "class_nodeids" : "target_nodeids", f->weight_nodes, f->n_weights);
    a[n++] = attribute_ints(k.classify ? "class_ids" : "target_ids", f->weight_ids, f->n_weights);
    a[n++] = attribute_floats(k.classify ? "class_weights" : "target_weights", f->weights, f->n_weights);
    str link = str_of(links[rng_below(r, 4)]), join = str_of(joins[rng_below(r, 4)]);
    a[n++] = attribute_string("post_transform", &link);
    if (!k.classify) a[n++] = attribute_string("aggregate_function", &join);
    if (rng_below(r, 3) == 0) a[n++] = attribute_floats("base_values", base, k.n_scores);
    value_id out[2];
    size_t n_out = 0;
    if (k.classify) out[n_out++] = graph_add_value(b->g, "label", (value_type){.n_dims = -1}, &b->e);
    out[n_out++] = graph_add_value(b->g, "scores", (value_type){.n_dims = -1}, &b->e);
    check_ok(graph_add_node(b->g, "ai.onnx.ml", k.classify ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor",
                            &features, 1, out, n_out, a, n, &b->e),
             &b->e);
    for (size_t i = 0; i < n_out; i++) assert_int_equal(graph_add_output(b->g, out[i], &b->e), 0);
}

static value_id random_inputs(builder *b)
{
    size_t n = 1 + rng_below(&b->r, INPUTS_MAX - 1);
    value_id features;
    if (rng_below(&b->r, 5) == 0) { // a model made elsewhere: one matrix
        b->n_columns = 1 + rng_below(&b->r, 6);
        return graph_add_input(b->g, "X", rows_type(DTYPE_F32, (int64_t)b->n_columns), &b->e);
    }
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "in%zu", i);
        size_t k = 1 + rng_below(&b->r, 3);
        switch (rng_below(&b->r, 3)) {
        case 0: numbers(b, graph_add_input(b->g, name, rows_type(DTYPE_F32, (int64_t)k), &b->e), k); break;
        case 1: dates(b, graph_add_input(b->g, name, rows_type(DTYPE_I64, (int64_t)k), &b->e), k); break;
        default: texts(b, graph_add_input(b->g, name, rows_type(DTYPE_STRING, 1), &b->e)); break;
        }
    }
    int64_t axis = 1;
    attribute a = attribute_int("axis", &axis);
    features = add(b, "", "Concat", b->parts, b->n_parts, &a, 1);
    return features;
}

typedef struct rows {
    tensor inputs[INPUTS_MAX];
    float floats[INPUTS_MAX][ROWS_MAX * 8];
    int64_t ints[INPUTS_MAX][ROWS_MAX * 8];
    str strings[INPUTS_MAX][ROWS_MAX];
} rows;

static void fill_rows(rows *to, const graph *g, rng *r, size_t n)
{
    for (size_t i = 0; i < g->n_inputs; i++) {
        const value_type *t = &g->values[g->inputs[i]].type;
        int64_t k = t->dims[1].size;
        for (size_t j = 0; j < n * (size_t)k; j++) {
            to->floats[i][j] = random_float(r);
            to->ints[i][j] = rng_below(r, 5) ? (int64_t)rng_below(r, 200) : INT64_MIN;
            if (t->type == DTYPE_STRING)
                to->strings[i][j] = rng_below(r, 6) ? str_of(words[rng_below(r, WORDS)]) : STR("unknown");
        }
        void *data = t->type == DTYPE_F32   ? (void *)to->floats[i]
                     : t->type == DTYPE_I64 ? (void *)to->ints[i]
                                            : (void *)to->strings[i];
        to->inputs[i] = (tensor){.type = t->type, .shape = {.n_dims = 2, .dims = {(int64_t)n, k}}, .data = data};
    }
}

static void same_floats(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != a[i] && b[i] != b[i]) continue; // NaN's sign says nothing
        if (memcmp(&a[i], &b[i], sizeof *a) != 0) fail_msg("[%zu] %.9g and %.9g", i, (double)a[i], (double)b[i]);
    }
}

static void same_labels(const graph *g, const tensor *names, const int32_t *labels, size_t n)
{
    const node *ensemble = &g->nodes[g->n_nodes - 1];
    const attribute *strings = node_attribute(ensemble, "classlabels_strings");
    const attribute *ints = node_attribute(ensemble, "classlabels_int64s");
    for (size_t i = 0; i < n; i++) {
        if (strings)
            assert_true(str_equal(((const str *)names->data)[i], strings->strings[labels[i]]));
        else
            assert_int_equal(((const int64_t *)names->data)[i], ints->ints[labels[i]]);
    }
}

static void compare(builder *b, rows *data, size_t n, const row_program *program, session *plain)
{
    static float scores[ROWS_MAX * 4], again[ROWS_MAX * 4];
    static int32_t labels[ROWS_MAX];
    tensor out[2];
    arena scratch;
    arena_init(&scratch, MEMORY);
    fill_rows(data, b->g, &b->r, n);
    check_ok(session_run(plain, data->inputs, out, &b->e), &b->e);
    size_t n_scores = row_program_n_scores(program);
    check_ok(row_program_run(program, data->inputs, n, scores, labels, NULL, &scratch, &b->e), &b->e);
    same_floats(scores, out[b->g->n_outputs - 1].data, n * n_scores);
    if (b->g->n_outputs == 2) same_labels(b->g, &out[0], labels, n);
    // The features by themselves, and the scores again from there: nothing depends on what else is asked.
    float *features = mem_alloc(n * row_program_n_features(program), sizeof *features);
    check_ok(row_program_run(program, data->inputs, n, again, NULL, features, &scratch, &b->e), &b->e);
    if (n) assert_memory_equal(scores, again, n * n_scores * sizeof *scores);
    mem_free(features);
    arena_clear(&scratch);
}

static void row_programs_are_their_graphs(void **state)
{
    (void)state;
    static forest f;
    static rows data;
    uint64_t seed = check_seed();
    for (uint64_t i = 0; i < GRAPHS; i++) {
        builder b = {.r = rng_new(seed, i), .e = ERR_NONE};
        check_ok(graph_new(&b.g, MEMORY, &b.e), &b.e);
        add_trees(&b, random_inputs(&b), &f);
        check_ok(graph_check(b.g, &b.e), &b.e);
        row_program *program;
        plan *p;
        session *s;
        check_ok(row_program_compile(&program, b.g, &b.e), &b.e);
        check_ok(plan_new(&p, b.g, &(plan_options){.plain = true}, &b.e), &b.e);
        check_ok(session_new(&s, p, MEMORY, &b.e), &b.e);
        static const size_t sizes[] = {1, 0, 2, 7, 8, 9, 63, 64, 65, ROWS_MAX};
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) compare(&b, &data, sizes[k], program, s);
        session_free(s);
        plan_free(p);
        row_program_free(program);
        graph_free(b.g);
    }
}

// Without trees the features are the output.
static void features_are_the_graphs(void **state)
{
    (void)state;
    static rows data;
    uint64_t seed = check_seed();
    for (uint64_t i = 0; i < GRAPHS; i++) {
        builder b = {.r = rng_new(seed, i), .e = ERR_NONE};
        check_ok(graph_new(&b.g, MEMORY, &b.e), &b.e);
        value_id features = random_inputs(&b);
        if (b.g->values[features].kind == VALUE_INPUT) features = add(&b, "", "Identity", &features, 1, NULL, 0);
        assert_int_equal(graph_add_output(b.g, features, &b.e), 0);
        check_ok(graph_check(b.g, &b.e), &b.e);
        row_program *program;
        plan *p;
        session *s;
        check_ok(row_program_compile(&program, b.g, &b.e), &b.e);
        check_ok(plan_new(&p, b.g, NULL, &b.e), &b.e);
        check_ok(session_new(&s, p, MEMORY, &b.e), &b.e);
        assert_int_equal(row_program_n_features(program), b.n_columns);
        assert_int_equal(row_program_n_scores(program), 0);
        arena scratch;
        arena_init(&scratch, MEMORY);
        tensor out;
        fill_rows(&data, b.g, &b.r, ROWS_MAX);
        float *have = mem_alloc(ROWS_MAX * b.n_columns, sizeof *have);
        check_ok(session_run(s, data.inputs, &out, &b.e), &b.e);
        check_ok(row_program_run(program, data.inputs, ROWS_MAX, NULL, NULL, have, &scratch, &b.e), &b.e);
        same_floats(have, out.data, ROWS_MAX * b.n_columns);
        mem_free(have);
        arena_clear(&scratch);
        session_free(s);
        plan_free(p);
        row_program_free(program);
        graph_free(b.g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_programs_are_their_graphs),
        cmocka_unit_test(features_are_the_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
