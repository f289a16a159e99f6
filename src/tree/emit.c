// An ensemble as the attributes of one ai.onnx.ml node.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "tree/ensemble.h"

enum { ATTRIBUTES_MAX = 20, SLACK = 1 << 20 }; // SLACK: names, class labels, ends of arena blocks

// Arrays of one kind of integer each, as the operator wants them.
typedef struct columns {
    // (n_nodes)
    int64_t *trees, *nodes, *features, *trues, *falses, *missing_true;
    str *modes;
    // (n_values) at most
    int64_t *value_trees, *value_nodes, *value_outputs;
    float *values;
    size_t n_values;
} columns;

size_t ensemble_emit_memory(size_t n_nodes, size_t n_values)
{
    size_t of_node = 6 * sizeof(int64_t) + sizeof(str), of_value = 3 * sizeof(int64_t) + sizeof(float);
    return n_nodes * (2 * of_node + 2 * sizeof(float)) + n_values * 2 * of_value + SLACK;
}

static void columns_clear(columns *c)
{
    mem_free(c->trees);
    mem_free(c->nodes);
    mem_free(c->features);
    mem_free(c->trues);
    mem_free(c->falses);
    mem_free(c->missing_true);
    mem_free(c->modes);
    mem_free(c->value_trees);
    mem_free(c->value_nodes);
    mem_free(c->value_outputs);
    mem_free(c->values);
}

static int columns_new(columns *c, const ensemble *m, err *e)
{
    size_t nodes = m->n_nodes, values = m->n_values;
    *c = (columns){
        .trees = mem_alloc(nodes, sizeof(int64_t)),
        .nodes = mem_alloc(nodes, sizeof(int64_t)),
        .features = mem_alloc(nodes, sizeof(int64_t)),
        .trues = mem_alloc(nodes, sizeof(int64_t)),
        .falses = mem_alloc(nodes, sizeof(int64_t)),
        .missing_true = mem_alloc(nodes, sizeof(int64_t)),
        .modes = mem_alloc(nodes, sizeof(str)),
        .value_trees = mem_alloc(values, sizeof(int64_t)),
        .value_nodes = mem_alloc(values, sizeof(int64_t)),
        .value_outputs = mem_alloc(values, sizeof(int64_t)),
        .values = mem_alloc(values, sizeof(float)),
    };
    if (c->trees && c->nodes && c->features && c->trues && c->falses && c->missing_true && c->modes && c->value_trees &&
        c->value_nodes && c->value_outputs && c->values)
        return 0;
    columns_clear(c);
    return err_set(e, ERR_MEMORY, "no memory for writing an ensemble of %zu nodes into a graph", nodes);
}

// Of two classes only the second's values are written, all under one id. Then onnxruntime takes the sum s for the
// second class's and answers 1 - s (exact on the grid) and s; its label is the second where s > 1/2. With both written,
// it would say the second wherever s > 0. The operator's reference implementation wants 0 for that id.
static void fill_values(columns *c, const ensemble *m, size_t tree_index, size_t at)
{
    bool two = m->n_outputs == 2;
    for (size_t i = m->value_starts[at]; i < m->value_starts[at + 1]; i++) {
        if (two && m->value_outputs[i] == 0) continue;
        c->value_trees[c->n_values] = (int64_t)tree_index;
        c->value_nodes[c->n_values] = (int64_t)(at - m->roots[tree_index]);
        c->value_outputs[c->n_values] = two ? 0 : m->value_outputs[i];
        c->values[c->n_values++] = m->values[i];
    }
}

static void fill(columns *c, const ensemble *m)
{
    for (size_t t = 0; t < m->n_trees; t++) {
        for (size_t at = m->roots[t]; at < m->roots[t + 1]; at++) {
            int64_t place = (int64_t)(at - m->roots[t]);
            bool leaf = m->features[at] < 0;
            c->trees[at] = (int64_t)t;
            c->nodes[at] = place;
            c->features[at] = leaf ? 0 : m->features[at];
            c->trues[at] = leaf ? 0 : place + 1;
            c->falses[at] = leaf ? 0 : m->rights[at];
            c->missing_true[at] = m->missing_left[at];
            c->modes[at] = leaf ? STR("LEAF") : STR("BRANCH_LEQ");
            fill_values(c, m, t, at);
        }
    }
}

// The class names as the operator's labels. One of the two arrays is filled in (owned by the caller), by the target's
// type.
static int class_labels(const schema_target *target, str **texts, int64_t **numbers, err *e)
{
    size_t n = target->n_classes;
    if (target->type == COLUMN_INTEGER)
        *numbers = mem_alloc(n, sizeof **numbers);
    else
        *texts = mem_alloc(n, sizeof **texts);
    if (!*numbers && !*texts) return err_set(e, ERR_MEMORY, "no memory for %zu class labels", n);
    for (size_t k = 0; k < n; k++) {
        if (*texts)
            (*texts)[k] = str_of(target->classes[k]);
        else if (decimal_parse_i64(str_of(target->classes[k]), &(*numbers)[k]) < 0)
            return err_set(e, ERR_INPUT, "class \"%.60s\" of \"%.60s\" is no integer", target->classes[k],
                           target->name);
    }
    return 0;
}

static int add_node(const ensemble *m, const columns *c, graph *g, value_id features, const schema_target *target,
                    const str *texts, const int64_t *numbers, value_id *label, value_id *scores, err *e)
{
    bool classifier = target->task == TASK_CLASSIFICATION;
    size_t nodes = m->n_nodes, values = c->n_values, n = 0;
    static const int64_t one = 1;
    static const str none = {"NONE", 4};
    attribute list[ATTRIBUTES_MAX];
    if (texts) list[n++] = attribute_strings("classlabels_strings", texts, target->n_classes);
    if (numbers) list[n++] = attribute_ints("classlabels_int64s", numbers, target->n_classes);
    if (!classifier) list[n++] = attribute_int("n_targets", &one);
    list[n++] = attribute_ints("nodes_treeids", c->trees, nodes);
    list[n++] = attribute_ints("nodes_nodeids", c->nodes, nodes);
    list[n++] = attribute_ints("nodes_featureids", c->features, nodes);
    list[n++] = attribute_strings("nodes_modes", c->modes, nodes);
    list[n++] = attribute_floats("nodes_values", m->thresholds, nodes);
    list[n++] = attribute_ints("nodes_truenodeids", c->trues, nodes);
    list[n++] = attribute_ints("nodes_falsenodeids", c->falses, nodes);
    if (m->missing_tracked) list[n++] = attribute_ints("nodes_missing_value_tracks_true", c->missing_true, nodes);
    list[n++] = attribute_floats("nodes_hitrates", m->covers, nodes);
    list[n++] = attribute_ints(classifier ? "class_treeids" : "target_treeids", c->value_trees, values);
    list[n++] = attribute_ints(classifier ? "class_nodeids" : "target_nodeids", c->value_nodes, values);
    list[n++] = attribute_ints(classifier ? "class_ids" : "target_ids", c->value_outputs, values);
    list[n++] = attribute_floats(classifier ? "class_weights" : "target_weights", c->values, values);
    list[n++] = attribute_string("post_transform", &none);

    value_id outputs[2];
    size_t n_outputs = 0;
    if (classifier) {
        int id = graph_add_value(g, "label", value_type_rows(numbers ? DTYPE_I64 : DTYPE_STRING, -1), e);
        if (id < 0) return id;
        outputs[n_outputs++] = id;
    }
    int id = graph_add_value(g, "scores", value_type_rows(DTYPE_F32, (int64_t)m->n_outputs), e);
    if (id < 0) return id;
    outputs[n_outputs++] = id;
    TRY(graph_add_node(g, "ai.onnx.ml", classifier ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor", &features, 1,
                       outputs, n_outputs, list, n, e));
    *label = classifier ? outputs[0] : VALUE_NONE;
    *scores = id;
    return 0;
}

int ensemble_emit(const ensemble *m, graph *g, value_id features, const schema_target *target, value_id *label,
                  value_id *scores, err *e)
{
    str *texts = NULL;
    int64_t *numbers = NULL;
    columns c;
    TRY(columns_new(&c, m, e));
    fill(&c, m);
    int rc = target->task == TASK_CLASSIFICATION ? class_labels(target, &texts, &numbers, e) : 0;
    if (rc == 0) rc = add_node(m, &c, g, features, target, texts, numbers, label, scores, e);
    columns_clear(&c);
    mem_free(texts);
    mem_free(numbers);
    return rc;
}
