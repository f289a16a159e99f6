// The twin of shap.c: Shapley values by their definition, over all sets of the features that a tree asks, each set
// weighed by walking the tree.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "math/shap.h"
#include "math/trees_impl.h"

enum { ASKED_MAX = 20 };

typedef struct plain_tree {
    const trees *t;
    size_t score;
    uint32_t features[ASKED_MAX];
    size_t n_features;
} plain_tree;

static size_t place_of(const plain_tree *p, uint32_t feature)
{
    size_t i = 0;
    while (i < p->n_features && p->features[i] != feature) i++;
    return i;
}

static int find_features(plain_tree *p, size_t from, size_t to, err *e)
{
    for (size_t i = from; i < to; i++) {
        if (p->t->modes[i] == TREES_LEAF || place_of(p, p->t->features[i]) < p->n_features) continue;
        if (p->n_features == ASKED_MAX)
            return err_set(e, ERR_LIMIT, "a tree asks more than %d features", (int)ASKED_MAX);
        p->features[p->n_features++] = p->t->features[i];
    }
    return 0;
}

static bool goes_yes(const trees *t, size_t i, float v)
{
    if (v != v) return t->missing_true[i] || t->modes[i] == TREES_NEQ;
    switch (t->modes[i]) {
    case TREES_LEQ: return v <= t->values[i];
    case TREES_LT: return v < t->values[i];
    case TREES_GTE: return v >= t->values[i];
    case TREES_GT: return v > t->values[i];
    case TREES_EQ: return v == t->values[i];
    default: return v != t->values[i];
    }
}

// What is expected below a node where the features of the set are known.
static double expected(const plain_tree *p, size_t i, const float *x, uint32_t set)
{
    const trees *t = p->t;
    double sum = 0;
    if (t->modes[i] == TREES_LEAF) {
        for (uint32_t w = t->weight_from[i]; w < t->weight_from[i + 1]; w++)
            if (t->weight_scores[w] == p->score) sum += (double)t->weights[w];
        return sum;
    }
    if (set >> place_of(p, t->features[i]) & 1)
        return expected(p, goes_yes(t, i, x[t->features[i]]) ? t->yes[i] : t->no[i], x, set);
    double yes = (double)t->covers[t->yes[i]], no = (double)t->covers[t->no[i]];
    double share = yes + no > 0 ? yes / (yes + no) : 0.5;
    return share * expected(p, t->yes[i], x, set) + (1 - share) * expected(p, t->no[i], x, set);
}

static void add_tree(const plain_tree *p, size_t root, const float *x, const shap_output *o, const uint32_t *groups,
                     double *values)
{
    size_t n = p->n_features;
    for (uint32_t set = 0; set < 1u << n; set++) {
        size_t size = (size_t)__builtin_popcount(set);
        double here = expected(p, root, x, set);
        for (size_t j = 0; j < n; j++) {
            bool in = set >> j & 1;
            size_t others = in ? size - 1 : size; // of the set that the feature joins
            double weight = tgamma((double)others + 1) * tgamma((double)(n - others)) / tgamma((double)n + 1);
            values[groups[p->features[j]]] += o->sign * (in ? 1 : -1) * weight * here;
        }
    }
}

int shap_run_plain(const trees *t, const shap_output *outputs, const shap_groups *groups, const float *x, size_t n_rows,
                   size_t stride, double *base, double *values, double *explained, arena *scratch, err *e)
{
    (void)scratch;
    for (size_t i = 0; i < n_rows * groups->n; i++) values[i] = 0;
    for (size_t r = 0; r < n_rows; r++) base[r] = explained[r] = outputs[r].offset;
    for (size_t tree = 0; tree < t->n_trees; tree++) {
        size_t root = t->roots[tree], end = tree + 1 < t->n_trees ? t->roots[tree + 1] : t->n_nodes;
        plain_tree p = {.t = t, .score = n_rows ? outputs[0].score : 0};
        TRY(find_features(&p, root, end, e));
        uint32_t all = (uint32_t)((UINT64_C(1) << p.n_features) - 1);
        for (size_t r = 0; r < n_rows; r++) {
            const shap_output *o = &outputs[r];
            base[r] += o->sign * expected(&p, root, x + r * stride, 0);
            explained[r] += o->sign * expected(&p, root, x + r * stride, all);
            add_tree(&p, root, x + r * stride, o, groups->of, values + r * groups->n);
        }
    }
    return 0;
}
