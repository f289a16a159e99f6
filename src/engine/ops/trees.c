// ai.onnx.ml: TreeEnsembleClassifier and TreeEnsembleRegressor over math/trees.
// SPDX-License-Identifier: Apache-2.0
#include "math/trees.h"
#include "engine/ops/ops_impl.h"
#include "engine/ops/states.h"

enum { ROWS_BLOCK = 256 };

static const char *const modes[] = {
    [TREES_LEQ] = "BRANCH_LEQ", [TREES_LT] = "BRANCH_LT",   [TREES_GTE] = "BRANCH_GTE", [TREES_GT] = "BRANCH_GT",
    [TREES_EQ] = "BRANCH_EQ",   [TREES_NEQ] = "BRANCH_NEQ", [TREES_LEAF] = "LEAF",
};
static const char *const joins[] = {
    [TREES_SUM] = "SUM", [TREES_AVERAGE] = "AVERAGE", [TREES_MIN] = "MIN", [TREES_MAX] = "MAX", NULL};
static const char *const links[] = {[TREES_NONE] = "NONE",       [TREES_LOGISTIC] = "LOGISTIC",
                                    [TREES_SOFTMAX] = "SOFTMAX", [TREES_SOFTMAX_ZERO] = "SOFTMAX_ZERO",
                                    [TREES_PROBIT] = "PROBIT",   NULL};

static bool classifies(const node *n)
{
    return strcmp(n->op, "TreeEnsembleClassifier") == 0;
}

// The names of the classes; exactly one of the two lists.
static int read_labels(const node *n, tree_state *s, err *e)
{
    const attribute *strings, *ints;
    TRY(attr_list(n, "classlabels_strings", ATTRIBUTE_STRINGS, &strings, e));
    TRY(attr_list(n, "classlabels_int64s", ATTRIBUTE_INTS, &ints, e));
    bool has_strings = strings && strings->n, has_ints = ints && ints->n;
    if (has_strings == has_ints) return err_set(e, ERR_INPUT, "it has no classlabels, or two lists of them");
    s->label_strings = has_strings ? strings->strings : NULL;
    s->label_ints = has_ints ? ints->ints : NULL;
    s->n_scores = has_strings ? strings->n : ints->n;
    return 0;
}

static int read_scores(const node *n, tree_state *s, err *e)
{
    *s = (tree_state){.classify = classifies(n)};
    if (s->classify) return read_labels(n, s, e);
    int64_t targets;
    TRY(attr_int(n, "n_targets", 1, &targets, e));
    if (targets < 1 || targets > INT32_MAX) return err_set(e, ERR_INPUT, "n_targets is %lld", (long long)targets);
    s->n_scores = (size_t)targets;
    return 0;
}

static int infer_trees(const node *n, const op_value *in, op_value *out, err *e)
{
    tree_state s;
    TRY(op_type(in, 0, TYPES_NUMBER, e));
    TRY(read_scores(n, &s, e));
    const value_type *x = &in[0].type;
    if (x->n_dims == 0 || x->n_dims > 2) return err_set(e, ERR_INPUT, "input 0 has %d dimensions, not 2", x->n_dims);
    dim rows = x->n_dims == 2 ? x->dims[0] : x->n_dims == 1 ? (dim){.size = 1} : (dim){.size = DIM_UNKNOWN};
    value_type scores = type_of(DTYPE_F32, 2);
    scores.dims[0] = rows;
    scores.dims[1].size = (int64_t)s.n_scores;
    if (!s.classify) {
        out[0].type = scores;
        return 0;
    }
    out[0].type = type_of(s.label_strings ? DTYPE_STRING : DTYPE_I64, 1);
    out[0].type.dims[0] = rows;
    if (n->n_outputs > 1) out[1].type = scores;
    return 0;
}

// Floats as a list, or as a tensor of float64 or float32 since opset 3; absent is empty.
static int read_reals(const node *n, const char *name, const float **floats, const double **doubles, size_t *count,
                      err *e)
{
    char tensor_name[64];
    const attribute *list, *as_tensor;
    size_t len = strlen(name);
    memcpy(tensor_name, name, len);
    memcpy(tensor_name + len, "_as_tensor", sizeof "_as_tensor");
    TRY(attr_list(n, name, ATTRIBUTE_FLOATS, &list, e));
    TRY(attr_list(n, tensor_name, ATTRIBUTE_TENSOR, &as_tensor, e));
    *floats = list ? list->floats : NULL;
    *doubles = NULL;
    *count = list ? list->n : 0;
    if (!as_tensor) return 0;
    const tensor *t = as_tensor->tensor;
    if (list && list->n) return err_set(e, ERR_INPUT, "it has '%s' twice: as floats and as a tensor", name);
    if (t->type != DTYPE_F64 && t->type != DTYPE_F32)
        return err_set(e, ERR_UNSUPPORTED, "'%s' of %s", tensor_name, dtype_name(t->type));
    *count = (size_t)shape_count(&t->shape);
    if (t->type == DTYPE_F64)
        *doubles = t->data;
    else
        *floats = t->data;
    return 0;
}

// An int list of exactly `want` items.
static int read_ids(const node *n, const char *name, size_t want, const int64_t **out, err *e)
{
    const attribute *a;
    TRY(attr_list(n, name, ATTRIBUTE_INTS, &a, e));
    size_t have = a ? a->n : 0;
    if (have != want) return err_set(e, ERR_INPUT, "'%s' has %zu items, not %zu", name, have, want);
    *out = a ? a->ints : NULL;
    return 0;
}

static int read_modes(const node *n, trees_spec *spec, arena *a, err *e)
{
    const attribute *list;
    TRY(attr_list(n, "nodes_modes", ATTRIBUTE_STRINGS, &list, e));
    spec->n_nodes = list ? list->n : 0;
    uint8_t *out = arena_alloc(a, spec->n_nodes, 1);
    if (!out) return err_set(e, ERR_MEMORY, "no memory for %zu nodes of trees", spec->n_nodes);
    for (size_t i = 0; i < spec->n_nodes; i++) {
        uint8_t mode = 0;
        while (mode <= TREES_LEAF && !str_equal(list->strings[i], str_of(modes[mode]))) mode++;
        if (mode > TREES_LEAF)
            return err_set(e, ERR_INPUT, "nodes_modes has '" STR_FORMAT "', which is not known",
                           STR_ARGS(list->strings[i]));
        out[i] = mode;
    }
    spec->modes = out;
    return 0;
}

static int read_spec(const node *n, trees_spec *spec, arena *a, err *e)
{
    size_t count;
    TRY(read_modes(n, spec, a, e));
    TRY(read_ids(n, "nodes_treeids", spec->n_nodes, &spec->tree_ids, e));
    TRY(read_ids(n, "nodes_nodeids", spec->n_nodes, &spec->node_ids, e));
    TRY(read_ids(n, "nodes_featureids", spec->n_nodes, &spec->feature_ids, e));
    TRY(read_ids(n, "nodes_truenodeids", spec->n_nodes, &spec->true_ids, e));
    TRY(read_ids(n, "nodes_falsenodeids", spec->n_nodes, &spec->false_ids, e));
    const attribute *missing;
    TRY(attr_list(n, "nodes_missing_value_tracks_true", ATTRIBUTE_INTS, &missing, e));
    if (missing && missing->n)
        TRY(read_ids(n, "nodes_missing_value_tracks_true", spec->n_nodes, &spec->missing_true, e));
    TRY(read_reals(n, "nodes_values", &spec->values, &spec->values_f64, &count, e));
    if (count != spec->n_nodes)
        return err_set(e, ERR_INPUT, "'nodes_values' has %zu items, not %zu", count, spec->n_nodes);
    const attribute *covers;
    TRY(attr_list(n, "nodes_hitrates", ATTRIBUTE_FLOATS, &covers, e));
    if (covers && covers->n == spec->n_nodes) spec->covers = covers->floats;
    bool c = spec->classify;
    TRY(read_reals(n, c ? "class_weights" : "target_weights", &spec->weights, &spec->weights_f64, &spec->n_weights, e));
    TRY(read_ids(n, c ? "class_ids" : "target_ids", spec->n_weights, &spec->weight_scores, e));
    TRY(read_ids(n, c ? "class_nodeids" : "target_nodeids", spec->n_weights, &spec->weight_nodes, e));
    TRY(read_ids(n, c ? "class_treeids" : "target_treeids", spec->n_weights, &spec->weight_trees, e));
    TRY(read_reals(n, "base_values", &spec->base, &spec->base_f64, &spec->n_base, e));
    int choice;
    TRY(attr_choice(n, "post_transform", links, &choice, e));
    spec->link = (trees_link)choice;
    if (c) return 0;
    TRY(attr_choice(n, "aggregate_function", joins, &choice, e));
    spec->join = (trees_join)choice;
    return 0;
}

static int make_trees(const void **state, const node *n, const op_value *in, arena *a, err *e)
{
    tree_state *s = arena_alloc(a, 1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for its attributes");
    TRY(read_scores(n, s, e));
    trees_spec spec = {.n_scores = s->n_scores, .classify = s->classify};
    TRY(read_spec(n, &spec, a, e));
    bool wide = in[0].type.type == DTYPE_F64;
    TRY(trees_make(&s->trees, &spec, wide, a, e));
    int64_t columns = in[0].type.n_dims < 1 ? -1 : in[0].type.dims[in[0].type.n_dims - 1].size;
    if (columns >= 0 && (size_t)columns < trees_n_features(s->trees))
        return err_set(e, ERR_INPUT, "input 0 has %lld columns, its trees look at %zu", (long long)columns,
                       trees_n_features(s->trees));
    *state = s;
    return 0;
}

// Rows from `first` on as float32, in `to` where they are something else.
static const float *float_rows(const tensor *x, size_t first, size_t n, size_t width, float *to)
{
    if (x->type == DTYPE_F32) return (const float *)x->data + first * width;
    for (size_t i = 0; i < n * width; i++)
        to[i] = x->type == DTYPE_I64 ? (float)((const int64_t *)x->data)[first * width + i]
                                     : (float)((const int32_t *)x->data)[first * width + i];
    return to;
}

static void put_labels(const tree_state *s, const int32_t *labels, size_t n, void *to, size_t first)
{
    for (size_t i = 0; i < n; i++) {
        if (s->label_strings)
            ((str *)to)[first + i] = s->label_strings[labels[i]];
        else
            ((int64_t *)to)[first + i] = s->label_ints[labels[i]];
    }
}

static int run_any_trees(const op_call *c, bool plain, err *e)
{
    const tree_state *s = c->state;
    const tensor *x = &c->inputs[0];
    size_t width = (size_t)x->shape.dims[x->shape.n_dims - 1];
    size_t n_rows = x->shape.n_dims == 2 ? (size_t)x->shape.dims[0] : 1, n_scores = s->n_scores;
    if (width < trees_n_features(s->trees))
        return err_set(e, ERR_INPUT, "input 0 has %zu columns, its trees look at %zu", width,
                       trees_n_features(s->trees));
    const tensor *to = s->classify ? (c->n_outputs > 1 && c->outputs[1].type ? &c->outputs[1] : NULL) : &c->outputs[0];
    void *names = s->classify && c->outputs[0].type ? c->outputs[0].data : NULL;
    size_t block = n_rows < ROWS_BLOCK ? n_rows : ROWS_BLOCK;
    float *spare = to ? NULL : arena_alloc(c->scratch, block, n_scores * sizeof *spare);
    bool converts = x->type == DTYPE_I64 || x->type == DTYPE_I32;
    float *rows = converts ? arena_alloc(c->scratch, block, width * sizeof *rows) : NULL;
    double *sums = x->type == DTYPE_F64 ? arena_alloc(c->scratch, n_scores, sizeof *sums) : NULL;
    if ((!to && !spare) || (converts && !rows) || (x->type == DTYPE_F64 && !sums))
        return err_set(e, ERR_MEMORY, "no memory for a block of rows");
    int32_t labels[ROWS_BLOCK];
    for (size_t first = 0; first < n_rows; first += ROWS_BLOCK) {
        size_t n = n_rows - first < ROWS_BLOCK ? n_rows - first : ROWS_BLOCK;
        float *scores = to ? (float *)to->data + first * n_scores : spare;
        if (x->type == DTYPE_F64)
            trees_run_f64(s->trees, (const double *)x->data + first * width, n, width, scores, labels, sums);
        else if (plain)
            trees_run_plain(s->trees, float_rows(x, first, n, width, rows), n, width, scores, labels);
        else
            trees_run(s->trees, float_rows(x, first, n, width, rows), n, width, scores, labels);
        if (names) put_labels(s, labels, n, names, first);
    }
    return 0;
}

static int run_trees(const op_call *c, err *e)
{
    return run_any_trees(c, true, e);
}

static int run_trees_fast(const op_call *c, err *e)
{
    return run_any_trees(c, false, e);
}

static const op_fast fast[] = {{CPU_PLAIN, run_trees_fast, true}};

#define ROW(op, n_out)                                                                                      \
    {                                                                                                       \
        .domain = "ai.onnx.ml", .name = op, .since = 1, .until = 4, .inputs_min = 1, .inputs_max = 1,       \
        .outputs_min = 1, .outputs_max = n_out, .infer = infer_trees, .make = make_trees, .run = run_trees, \
        .fast = fast, .n_fast = 1, .rows = OP_ROWS_ASK, .rows_apart = apart_rank2                           \
    }

// Opset 5 took both away, for the TreeEnsemble of its own.
static const op_row rows[] = {ROW("TreeEnsembleClassifier", 2), ROW("TreeEnsembleRegressor", 1)};

const op_group ops_trees = {rows, sizeof rows / sizeof *rows};
