// Making tree ensembles. All nodes are numbered breadth first within their tree, so that the children of one lie side
// by side: a step is `at += child + (x <= value)`, and a leaf steps nowhere. Comparisons of the other modes become `<=`
// by swapping children and by the next smaller float; NaN, for which that does not hold, has a flag.
// SPDX-License-Identifier: Apache-2.0
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "math/trees_impl.h"

enum { NODES_MAX = 1 << 30, SCORES_MAX = 1 << 20 };
#define NO_NODE UINT32_MAX

typedef struct key {
    int64_t tree, node;
    uint32_t index; // in the list
} key;

static int compare_keys(const void *a, const void *b)
{
    const key *x = a, *y = b;
    if (x->tree != y->tree) return x->tree < y->tree ? -1 : 1;
    return (x->node > y->node) - (x->node < y->node);
}

typedef struct maker {
    trees *t;
    const trees_spec *spec;
    arena *a;
    key *keys;        // (n_nodes) sorted
    uint32_t *places; // (n_nodes) our number of each listed node, or NO_NODE
    uint32_t *order;  // (n_nodes) the listed node of each of ours
    uint32_t *levels; // (n_nodes) depth of each of ours
} maker;

// The listed node, or NO_NODE.
static uint32_t find_node(const maker *m, int64_t tree, int64_t node)
{
    key want = {.tree = tree, .node = node};
    const key *k = bsearch(&want, m->keys, m->spec->n_nodes, sizeof *m->keys, compare_keys);
    return k ? k->index : NO_NODE;
}

static int sort_keys(maker *m, err *e)
{
    const trees_spec *s = m->spec;
    bool sorted = true;
    for (size_t i = 0; i < s->n_nodes; i++) {
        m->keys[i] = (key){s->tree_ids[i], s->node_ids[i], (uint32_t)i};
        if (i && compare_keys(&m->keys[i - 1], &m->keys[i]) >= 0) sorted = false;
    }
    if (sorted) return 0;
    qsort(m->keys, s->n_nodes, sizeof *m->keys, compare_keys);
    for (size_t i = 1; i < s->n_nodes; i++)
        if (compare_keys(&m->keys[i - 1], &m->keys[i]) == 0)
            return err_set(e, ERR_INPUT, "tree %lld has node %lld twice", (long long)m->keys[i].tree,
                           (long long)m->keys[i].node);
    return 0;
}

// Takes the next place for a listed node.
static int place(maker *m, uint32_t listed, uint32_t level, err *e)
{
    if (m->places[listed] != NO_NODE)
        return err_set(e, ERR_INPUT, "tree %lld: node %lld is reached twice", (long long)m->spec->tree_ids[listed],
                       (long long)m->spec->node_ids[listed]);
    uint32_t at = (uint32_t)m->t->n_nodes++;
    m->places[listed] = at;
    m->order[at] = listed;
    m->levels[at] = level;
    return 0;
}

static int child_of(const maker *m, uint32_t listed, bool yes, uint32_t *out, err *e)
{
    const trees_spec *s = m->spec;
    int64_t id = yes ? s->true_ids[listed] : s->false_ids[listed];
    *out = find_node(m, s->tree_ids[listed], id);
    if (*out != NO_NODE) return 0;
    return err_set(e, ERR_INPUT, "tree %lld: node %lld has the child %lld, which is not there",
                   (long long)s->tree_ids[listed], (long long)s->node_ids[listed], (long long)id);
}

// Whether the true child is the second one: where `<=` holds.
static bool true_is_second(uint8_t mode)
{
    return mode == TREES_LEQ || mode == TREES_LT || mode == TREES_EQ || mode == TREES_NEQ;
}

// Numbers the nodes of the tree whose root is listed at `root`.
static int place_tree(maker *m, uint32_t root, err *e)
{
    const trees_spec *s = m->spec;
    size_t at = m->t->n_nodes;
    m->t->roots[m->t->n_trees] = (uint32_t)at;
    TRY(place(m, root, 0, e));
    for (; at < m->t->n_nodes; at++) {
        uint32_t listed = m->order[at];
        if (s->modes[listed] == TREES_LEAF) {
            m->t->depths[m->t->n_trees] = m->levels[at]; // the last one is the deepest
            continue;
        }
        uint32_t yes, no;
        TRY(child_of(m, listed, true, &yes, e));
        TRY(child_of(m, listed, false, &no, e));
        if (s->feature_ids[listed] < 0 || s->feature_ids[listed] >= INT32_MAX)
            return err_set(e, ERR_INPUT, "tree %lld: node %lld has the feature %lld", (long long)s->tree_ids[listed],
                           (long long)s->node_ids[listed], (long long)s->feature_ids[listed]);
        bool second = true_is_second(s->modes[listed]);
        TRY(place(m, second ? no : yes, m->levels[at] + 1, e));
        TRY(place(m, second ? yes : no, m->levels[at] + 1, e));
    }
    m->t->n_trees++;
    return 0;
}

static int place_trees(maker *m, err *e)
{
    const trees_spec *s = m->spec;
    for (size_t i = 0; i < s->n_nodes; i++) {
        if (i && s->tree_ids[i] == s->tree_ids[i - 1]) continue;
        TRY(place_tree(m, (uint32_t)i, e));
    }
    size_t n_ids = 0; // as many trees as there are ids, or the nodes of one stand in two places
    for (size_t i = 0; i < s->n_nodes; i++) n_ids += i == 0 || m->keys[i].tree != m->keys[i - 1].tree;
    if (n_ids != m->t->n_trees) return err_set(e, ERR_INPUT, "the nodes of a tree do not stand together");
    return 0;
}

static float f32_value(const trees_spec *s, size_t i)
{
    return s->values_f64 ? (float)s->values_f64[i] : s->values[i];
}

static int fill_nodes(maker *m, bool keep_f64, err *e)
{
    trees *t = m->t;
    const trees_spec *s = m->spec;
    size_t n = t->n_nodes;
    t->modes = arena_alloc(m->a, n, sizeof *t->modes);
    t->missing_true = arena_alloc(m->a, n, sizeof *t->missing_true);
    t->features = arena_zalloc(m->a, n, sizeof *t->features);
    t->yes = arena_zalloc(m->a, n, sizeof *t->yes);
    t->no = arena_zalloc(m->a, n, sizeof *t->no);
    t->values = arena_alloc(m->a, n, sizeof *t->values);
    if (keep_f64) t->values_f64 = arena_alloc(m->a, n, sizeof *t->values_f64);
    if (!t->modes || !t->missing_true || !t->features || !t->yes || !t->no || !t->values ||
        (keep_f64 && !t->values_f64))
        return err_set(e, ERR_MEMORY, "no memory for %zu nodes of trees", n);
    t->n_features = 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t listed = m->order[i];
        t->modes[i] = s->modes[listed];
        t->missing_true[i] = s->missing_true && s->missing_true[listed] == 1;
        t->values[i] = f32_value(s, listed);
        if (keep_f64) t->values_f64[i] = s->values_f64 ? s->values_f64[listed] : (double)s->values[listed];
        if (t->modes[i] == TREES_LEAF) continue;
        t->features[i] = (uint32_t)s->feature_ids[listed];
        if (t->features[i] >= t->n_features) t->n_features = t->features[i] + 1;
        uint32_t yes, no;
        TRY(child_of(m, listed, true, &yes, e));
        TRY(child_of(m, listed, false, &no, e));
        t->yes[i] = m->places[yes];
        t->no[i] = m->places[no];
    }
    return 0;
}

// Covers are for explanations (math/shap). Many exporters write ones: then they are as good as none.
static int fill_covers(maker *m, err *e)
{
    const double rtol = 1e-5; // covers of up to 2^32 rows, stored in float32: 2^-24 each
    trees *t = m->t;
    if (!m->spec->covers) return 0;
    float *covers = arena_alloc(m->a, t->n_nodes, sizeof *covers);
    if (!covers) return err_set(e, ERR_MEMORY, "no memory for %zu nodes of trees", t->n_nodes);
    for (size_t i = 0; i < t->n_nodes; i++) covers[i] = m->spec->covers[m->order[i]];
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (!(covers[i] >= 0 && covers[i] <= FLT_MAX)) return 0;
        if (t->modes[i] == TREES_LEAF) continue;
        double sum = (double)covers[t->yes[i]] + (double)covers[t->no[i]];
        if (!(fabs(sum - (double)covers[i]) <= rtol * (double)covers[i])) return 0;
    }
    t->covers = covers;
    return 0;
}

static int fill_weights(maker *m, bool keep_f64, err *e)
{
    trees *t = m->t;
    const trees_spec *s = m->spec;
    t->weight_from = arena_zalloc(m->a, t->n_nodes + 2, sizeof *t->weight_from);
    t->weight_scores = arena_alloc(m->a, s->n_weights, sizeof *t->weight_scores);
    t->weights = arena_alloc(m->a, s->n_weights, sizeof *t->weights);
    if (keep_f64) t->weights_f64 = arena_alloc(m->a, s->n_weights, sizeof *t->weights_f64);
    uint32_t *nodes = mem_alloc(s->n_weights, sizeof *nodes);
    if (!t->weight_from || !t->weight_scores || !t->weights || (keep_f64 && !t->weights_f64) || !nodes) {
        mem_free(nodes);
        return err_set(e, ERR_MEMORY, "no memory for %zu weights of trees", s->n_weights);
    }
    int rc = 0;
    int64_t first_id = s->n_weights ? s->weight_scores[0] : 0;
    t->one_class_id = t->all_positive = true;
    for (size_t i = 0; i < s->n_weights && rc == 0; i++) {
        double w = s->weights_f64 ? s->weights_f64[i] : (double)s->weights[i];
        uint32_t listed = find_node(m, s->weight_trees[i], s->weight_nodes[i]);
        if (listed == NO_NODE)
            rc = err_set(e, ERR_INPUT, "a weight is for node %lld of tree %lld, which is not there",
                         (long long)s->weight_nodes[i], (long long)s->weight_trees[i]);
        else if (s->weight_scores[i] < 0 || (uint64_t)s->weight_scores[i] >= t->n_scores)
            rc = err_set(e, ERR_INPUT, "tree %lld: node %lld has a weight for score %lld of %zu",
                         (long long)s->weight_trees[i], (long long)s->weight_nodes[i], (long long)s->weight_scores[i],
                         t->n_scores);
        if (rc < 0) break;
        if (s->weight_scores[i] != first_id) t->one_class_id = false;
        if (w < 0) t->all_positive = false;
        nodes[i] = m->places[listed]; // NO_NODE where no row gets to
        if (nodes[i] != NO_NODE) t->weight_from[nodes[i] + 2]++;
    }
    if (rc == 0) {
        for (size_t i = 0; i < t->n_nodes; i++) t->weight_from[i + 1] += t->weight_from[i];
        for (size_t i = 0; i < s->n_weights; i++) {
            if (nodes[i] == NO_NODE) continue;
            uint32_t at = t->weight_from[nodes[i] + 1]++; // starts as the start of the node and ends as its end
            t->weight_scores[at] = (uint32_t)s->weight_scores[i];
            t->weights[at] = plus_zero(s->weights_f64 ? (float)s->weights_f64[i] : s->weights[i]);
            if (keep_f64) t->weights_f64[at] = (s->weights_f64 ? s->weights_f64[i] : (double)s->weights[i]) + 0.0;
        }
    }
    mem_free(nodes);
    return rc;
}

// Whether every leaf has weights for the same scores in the same order; then they are laid out as a matrix.
static int fill_uniform(maker *m, err *e)
{
    trees *t = m->t;
    size_t n_leaves = 0, first = SIZE_MAX, width = 0;
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (t->modes[i] != TREES_LEAF) continue;
        n_leaves++;
        uint32_t from = t->weight_from[i], n = t->weight_from[i + 1] - from;
        if (first == SIZE_MAX) {
            first = from;
            width = n;
        }
        if (n == 0 || n != width ||
            memcmp(t->weight_scores + from, t->weight_scores + first, n * sizeof *t->weight_scores) != 0)
            return 0;
    }
    for (size_t k = 0; k < width; k++) // a score that is there twice is added twice
        for (size_t l = 0; l < k; l++)
            if (width > 64 || t->weight_scores[first + k] == t->weight_scores[first + l]) return 0;
    if (t->join == TREES_MIN || t->join == TREES_MAX) return 0;
    t->leaf_rows = arena_zalloc(m->a, t->n_nodes, sizeof *t->leaf_rows);
    t->leaf_weights = arena_alloc(m->a, n_leaves * width, sizeof *t->leaf_weights);
    if (!t->leaf_rows || !t->leaf_weights) return err_set(e, ERR_MEMORY, "no memory for %zu leaves", n_leaves);
    t->n_uniform = width;
    t->uniform_scores = t->weight_scores + first;
    uint32_t row = 0;
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (t->modes[i] != TREES_LEAF) continue;
        memcpy(t->leaf_weights + row * width, t->weights + t->weight_from[i], width * sizeof *t->weights);
        t->leaf_rows[i] = row++;
    }
    return 0;
}

// The comparison `x <= *value` that tells which child; false if there is none.
static bool as_leq(const trees *t, size_t i, float *value, bool *mixed)
{
    uint8_t mode = t->modes[i];
    *value = t->values[i];
    *mixed = false;
    if (mode == TREES_LEAF) {
        *value = NAN;
        return true;
    }
    if (mode == TREES_EQ || mode == TREES_NEQ || *value != *value) return false;
    if (mode == TREES_LT || mode == TREES_GTE) // less than v is at most the float below v; nothing is below -infinity
        *value = *value == -INFINITY ? NAN : nextafterf(*value, -INFINITY);
    bool nan_to_true = t->missing_true[i] != 0;
    *mixed = true_is_second(mode) == nan_to_true; // NaN goes to the second child
    return true;
}

static int flatten(maker *m, err *e)
{
    trees *t = m->t;
    bool fits = t->n_features <= MIXED;
    float value;
    bool mixed;
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (!as_leq(t, i, &value, &mixed)) return 0;
        t->mixed |= mixed;
        uint32_t first = t->yes[i] < t->no[i] ? t->yes[i] : t->no[i];
        if (t->modes[i] != TREES_LEAF && first - i > UINT16_MAX) fits = false;
    }
    if (fits)
        t->narrow_nodes = arena_aligned(m->a, 64, t->n_nodes, sizeof *t->narrow_nodes);
    else
        t->wide_nodes = arena_aligned(m->a, 64, t->n_nodes, sizeof *t->wide_nodes);
    if (!t->narrow_nodes && !t->wide_nodes)
        return err_set(e, ERR_MEMORY, "no memory for %zu nodes of trees", t->n_nodes);
    for (size_t i = 0; i < t->n_nodes; i++) {
        as_leq(t, i, &value, &mixed);
        bool leaf = t->modes[i] == TREES_LEAF;
        uint32_t first = t->yes[i] < t->no[i] ? t->yes[i] : t->no[i], child = leaf ? 0 : first - (uint32_t)i;
        if (fits) {
            t->narrow_nodes[i] =
                (narrow){value, (uint16_t)(t->features[i] | (mixed && !leaf ? (unsigned)MIXED : 0)), (uint16_t)child};
        } else {
            t->wide_nodes[i] = (wide){value, t->features[i] | (mixed && !leaf ? MIXED_WIDE : 0), child};
        }
    }
    return 0;
}

static int fill_base(maker *m, err *e)
{
    trees *t = m->t;
    const trees_spec *s = m->spec;
    t->n_base = s->n_base;
    t->base = arena_alloc(m->a, s->n_base, sizeof *t->base);
    t->base_f64 = arena_alloc(m->a, s->n_base, sizeof *t->base_f64);
    if (!t->base || !t->base_f64) return err_set(e, ERR_MEMORY, "no memory for %zu base values", s->n_base);
    for (size_t i = 0; i < s->n_base; i++) {
        t->base_f64[i] = s->base_f64 ? s->base_f64[i] : (double)s->base[i];
        t->base[i] = (float)t->base_f64[i];
    }
    return 0;
}

static int check_spec(const trees_spec *s, err *e)
{
    if (s->n_nodes == 0) return err_set(e, ERR_INPUT, "an ensemble without nodes");
    if (s->n_nodes > NODES_MAX || s->n_weights > NODES_MAX)
        return err_set(e, ERR_LIMIT, "%zu nodes and %zu weights, at most %d", s->n_nodes, s->n_weights, (int)NODES_MAX);
    if (s->n_scores == 0 || s->n_scores > SCORES_MAX)
        return err_set(e, ERR_LIMIT, "%zu scores, at least 1 and at most %d", s->n_scores, (int)SCORES_MAX);
    if (s->classify && s->n_scores < 2) return err_set(e, ERR_UNSUPPORTED, "a classifier of one class");
    if (s->n_base != 0 && s->n_base != s->n_scores && !(s->n_base == 1 && s->n_scores <= 2))
        return err_set(e, ERR_INPUT, "%zu base values for %zu scores", s->n_base, s->n_scores);
    for (size_t i = 0; i < s->n_nodes; i++)
        if (s->modes[i] > TREES_LEAF) return err_set(e, ERR_INPUT, "node %zu has an unknown mode", i);
    return 0;
}

static int make(maker *m, bool keep_f64, err *e)
{
    const trees_spec *s = m->spec;
    size_t n = s->n_nodes;
    trees *t = m->t;
    *t = (trees){.n_scores = s->n_scores, .classify = s->classify, .join = s->join, .link = s->link};
    t->roots = arena_alloc(m->a, n, sizeof *t->roots);
    t->depths = arena_zalloc(m->a, n, sizeof *t->depths);
    if (!m->keys || !m->places || !m->order || !m->levels || !t->roots || !t->depths)
        return err_set(e, ERR_MEMORY, "no memory for %zu nodes of trees", n);
    for (size_t i = 0; i < n; i++) m->places[i] = NO_NODE;
    TRY(sort_keys(m, e));
    TRY(place_trees(m, e));
    TRY(fill_nodes(m, keep_f64, e));
    TRY(fill_covers(m, e));
    TRY(fill_weights(m, keep_f64, e));
    TRY(fill_uniform(m, e));
    TRY(flatten(m, e));
    TRY(shallow_make(t, m->a, e));
    return fill_base(m, e);
}

int trees_make(trees **out, const trees_spec *spec, bool keep_f64, arena *a, err *e)
{
    TRY(check_spec(spec, e));
    size_t n = spec->n_nodes;
    maker m = {.spec = spec, .a = a, .t = arena_alloc(a, 1, sizeof *m.t)};
    if (!m.t) return err_set(e, ERR_MEMORY, "no memory for trees");
    m.keys = mem_alloc(n, sizeof *m.keys);
    m.places = mem_alloc(n, sizeof *m.places);
    m.order = mem_alloc(n, sizeof *m.order);
    m.levels = mem_alloc(n, sizeof *m.levels);
    int rc = make(&m, keep_f64, e);
    mem_free(m.keys);
    mem_free(m.places);
    mem_free(m.order);
    mem_free(m.levels);
    if (rc == 0) *out = m.t;
    return rc;
}
