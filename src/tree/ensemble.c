// Grown trees to one structure of arrays, leaf values rounded to the grid.
// SPDX-License-Identifier: Apache-2.0
#include "tree/ensemble.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

size_t ensemble_memory(size_t n_nodes, size_t n_values)
{
    return (ENSEMBLE_TREES_MAX + 1) * sizeof(uint32_t) +
           n_nodes * (sizeof(int32_t) + 2 * sizeof(float) + 2 * sizeof(uint32_t) + sizeof(uint8_t)) +
           (n_values + 1) * (sizeof(uint32_t) + sizeof(float));
}

static int reserve(ensemble *m, err *e)
{
    m->roots = mem_alloc(m->n_trees + 1, sizeof *m->roots);
    m->features = mem_alloc(m->n_nodes, sizeof *m->features);
    m->thresholds = mem_alloc(m->n_nodes, sizeof *m->thresholds);
    m->rights = mem_alloc(m->n_nodes, sizeof *m->rights);
    m->covers = mem_alloc(m->n_nodes, sizeof *m->covers);
    m->missing_left = mem_alloc(m->n_nodes, sizeof *m->missing_left);
    m->value_starts = mem_alloc(m->n_nodes + 1, sizeof *m->value_starts);
    m->value_outputs = mem_alloc(m->n_values, sizeof *m->value_outputs);
    m->values = mem_alloc(m->n_values, sizeof *m->values);
    if (m->roots && m->features && m->thresholds && m->rights && m->covers && m->missing_left && m->value_starts &&
        m->value_outputs && m->values)
        return 0;
    ensemble_clear(m);
    return err_set(e, ERR_MEMORY, "no memory for an ensemble of %zu nodes", m->n_nodes);
}

void ensemble_clear(ensemble *m)
{
    mem_free(m->roots);
    mem_free(m->features);
    mem_free(m->thresholds);
    mem_free(m->rights);
    mem_free(m->covers);
    mem_free(m->missing_left);
    mem_free(m->value_starts);
    mem_free(m->value_outputs);
    mem_free(m->values);
    m->roots = m->rights = m->value_starts = m->value_outputs = NULL;
    m->features = NULL;
    m->thresholds = m->covers = m->values = NULL;
    m->missing_left = NULL;
}

static int count_nodes(ensemble *m, const tree *trees, err *e)
{
    for (size_t t = 0; t < m->n_trees; t++) m->n_nodes += trees[t].n_nodes;
    if (m->n_nodes > INT32_MAX)
        return err_set(e, ERR_LIMIT, "%zu nodes of trees, at most %d: fewer or shallower trees are needed", m->n_nodes,
                       INT32_MAX);
    return 0;
}

static int check_values(const ensemble *m, err *e)
{
    if (m->n_values <= UINT32_MAX) return 0;
    return err_set(e, ERR_LIMIT, "%zu values in leaves, at most %u: fewer or shallower trees are needed", m->n_values,
                   UINT32_MAX);
}

static void copy_node(ensemble *m, size_t at, const tree_node *grown)
{
    m->features[at] = grown->feature;
    m->thresholds[at] = grown->threshold;
    m->rights[at] = grown->right;
    m->covers[at] = (float)grown->weight;
    m->missing_left[at] = m->missing_tracked && grown->missing_left;
}

// ---- Classification ----

static void add_value(ensemble *m, size_t *n, uint32_t class, uint64_t units)
{
    m->value_outputs[*n] = class;
    m->values[(*n)++] = (float)units / ENSEMBLE_UNITS;
}

// Deals a tree's units out over the classes of one of its leaves by largest remainder. scratch: (2, n_outputs).
static void deal(ensemble *m, size_t *n, const tree_node *leaf, const leaf_class *classes, uint64_t units,
                 uint64_t *scratch)
{
    leaf_class pair[2] = {{0, 0}, {1, 0}};
    size_t n_classes = leaf->n_classes, first = *n;
    if (m->n_outputs == 2) {
        for (size_t i = 0; i < n_classes; i++) pair[classes[i].class].weight = classes[i].weight;
        classes = pair;
        n_classes = 2;
    }
    uint64_t left = units;
    for (size_t i = 0; i < n_classes; i++) {
        uint64_t share = units * classes[i].weight; // 2^24 * 2^32 fits
        scratch[i] = (UINT32_MAX - share % leaf->weight) << 32 | i;
        add_value(m, n, classes[i].class, share / leaf->weight);
        left -= share / leaf->weight;
    }
    if (left == 0) return;
    // Fewer units are left than there are remainders that are not 0.
    const uint64_t *order = ranks_sort(scratch, scratch + m->n_outputs, n_classes, 32);
    for (size_t i = 0; i < left; i++) m->values[first + (uint32_t)order[i]] += 1.0f / ENSEMBLE_UNITS;
}

// Classes that no leaf holds get a 0 in the first leaf, so that every runtime sees all of them.
static void add_absent(ensemble *m, size_t *n, const uint8_t *seen)
{
    for (uint32_t k = 0; m->n_outputs > 2 && k < m->n_outputs; k++)
        if (!seen[k]) add_value(m, n, k, 0);
}

int ensemble_classifier(ensemble *out, const tree *trees, size_t n_trees, size_t n_features, size_t n_classes,
                        bool missing_tracked, err *e)
{
    assert(n_trees > 0 && n_trees <= ENSEMBLE_TREES_MAX && n_classes >= 2);
    ensemble m = {
        .n_features = n_features, .n_outputs = n_classes, .n_trees = n_trees, .missing_tracked = missing_tracked};
    TRY(count_nodes(&m, trees, e));
    uint8_t *seen = mem_zalloc(n_classes, sizeof *seen);
    uint64_t *scratch = mem_alloc(2 * n_classes, sizeof *scratch);
    int rc = seen && scratch ? 0 : err_set(e, ERR_MEMORY, "no memory for an ensemble of %zu classes", n_classes);
    if (rc < 0) goto done;
    for (size_t t = 0; t < n_trees; t++) {
        m.n_values += n_classes == 2 ? trees[t].n_nodes / 2 * 2 + 2 : trees[t].n_classes;
        for (size_t i = 0; i < trees[t].n_classes; i++) seen[trees[t].classes[i].class] = 1;
    }
    for (size_t k = 0; n_classes > 2 && k < n_classes; k++) m.n_values += !seen[k];
    if ((rc = check_values(&m, e)) < 0 || (rc = reserve(&m, e)) < 0) goto done;

    size_t at = 0, n = 0;
    for (size_t t = 0; t < n_trees; t++) {
        uint64_t units = (uint64_t)ENSEMBLE_UNITS * (t + 1) / n_trees - (uint64_t)ENSEMBLE_UNITS * t / n_trees;
        m.roots[t] = (uint32_t)at;
        for (size_t i = 0; i < trees[t].n_nodes; i++, at++) {
            const tree_node *grown = &trees[t].nodes[i];
            copy_node(&m, at, grown);
            m.value_starts[at] = (uint32_t)n;
            if (grown->feature >= 0) continue;
            bool first_leaf = n == 0;
            deal(&m, &n, grown, trees[t].classes + grown->start, units, scratch);
            if (first_leaf) add_absent(&m, &n, seen);
        }
    }
    m.roots[n_trees] = (uint32_t)at;
    m.value_starts[at] = (uint32_t)n;
    assert(at == m.n_nodes && n <= m.n_values);
    m.n_values = n;
    *out = m;
done:
    mem_free(seen);
    mem_free(scratch);
    return rc;
}

// ---- Regression ----

static double leaf_value(const tree_node *leaf, double offset, double scale, size_t n_trees)
{
    return (offset + (double)leaf->sum / (double)leaf->weight * scale) / (double)n_trees;
}

// The largest absolute leaf of each tree, in units of 2^exponent, summed over the trees.
static double units_needed(const tree *trees, size_t n_trees, double offset, double scale, int exponent)
{
    double total = 0;
    for (size_t t = 0; t < n_trees; t++) {
        double most = 0;
        for (size_t i = 0; i < trees[t].n_nodes; i++) {
            const tree_node *grown = &trees[t].nodes[i];
            if (grown->feature >= 0) continue;
            most = fmax(most, fabs(leaf_value(grown, offset, scale, n_trees)));
        }
        total += rint(ldexp(most, -exponent));
    }
    return total;
}

static int unit_exponent(const tree *trees, size_t n_trees, double offset, double scale)
{
    enum { SMALLEST = -149, LARGEST = 127 }; // powers of two in float32
    double most = units_needed(trees, n_trees, offset, scale, SMALLEST);
    int exponent =
        most > 0 ? SMALLEST + ilogb(most) - 25 : SMALLEST; // too small by little: the first that fits is taken
    if (exponent < SMALLEST) exponent = SMALLEST;
    while (exponent < LARGEST && units_needed(trees, n_trees, offset, scale, exponent) > ENSEMBLE_UNITS) exponent++;
    return exponent;
}

int ensemble_regressor(ensemble *out, const tree *trees, size_t n_trees, size_t n_features, double offset, double scale,
                       bool missing_tracked, err *e)
{
    assert(n_trees > 0 && n_trees <= ENSEMBLE_TREES_MAX);
    ensemble m = {.n_features = n_features, .n_outputs = 1, .n_trees = n_trees, .missing_tracked = missing_tracked};
    TRY(count_nodes(&m, trees, e));
    for (size_t t = 0; t < n_trees; t++) m.n_values += (trees[t].n_nodes + 1) / 2;
    TRY(reserve(&m, e));
    int exponent = unit_exponent(trees, n_trees, offset, scale);
    size_t at = 0, n = 0;
    for (size_t t = 0; t < n_trees; t++) {
        m.roots[t] = (uint32_t)at;
        for (size_t i = 0; i < trees[t].n_nodes; i++, at++) {
            const tree_node *grown = &trees[t].nodes[i];
            copy_node(&m, at, grown);
            m.value_starts[at] = (uint32_t)n;
            if (grown->feature >= 0) continue;
            m.value_outputs[n] = 0;
            double units = rint(ldexp(leaf_value(grown, offset, scale, n_trees), -exponent));
            m.values[n++] = (float)ldexp(units + 0.0, exponent); // -0 is 0
        }
    }
    m.roots[n_trees] = (uint32_t)at;
    m.value_starts[at] = (uint32_t)n;
    assert(at == m.n_nodes && n == m.n_values);
    *out = m;
    return 0;
}

// ---- Evaluation ----

void ensemble_scores(const ensemble *m, const float *row, float *scores)
{
    for (size_t k = 0; k < m->n_outputs; k++) scores[k] = 0;
    for (size_t t = 0; t < m->n_trees; t++) {
        size_t root = m->roots[t], at = root;
        while (m->features[at] >= 0) {
            float x = row[m->features[at]];
            bool left = isnan(x) ? m->missing_left[at] : x <= m->thresholds[at];
            at = left ? at + 1 : root + m->rights[at];
        }
        for (size_t i = m->value_starts[at]; i < m->value_starts[at + 1]; i++)
            scores[m->value_outputs[i]] += m->values[i];
    }
}
