// Random ensembles give the same bytes however they are scored: node by node, walked flattened, or all nodes at once.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // MAP_ANONYMOUS
#include "math/trees.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rng.h"
#include "check.h"

enum { NODES_MAX = 40 * 255, ROUND_TREES = 40, ROUND_FEATURES = 40, ROWS = 37 };

typedef struct drawn {
    size_t n_nodes, n_weights;
    int64_t trees[NODES_MAX], nodes[NODES_MAX], features[NODES_MAX], yes[NODES_MAX], no[NODES_MAX];
    int64_t missing[NODES_MAX];
    uint8_t modes[NODES_MAX];
    float values[NODES_MAX];
    int64_t weight_trees[NODES_MAX], weight_nodes[NODES_MAX], weight_scores[NODES_MAX];
    float weights[NODES_MAX];
} drawn;

// A node and what hangs below it; its number within the tree. `uneven`: out of 8 nodes, those that end early.
static int64_t draw_node(drawn *d, rng *r, int64_t tree, int64_t *number, int levels, size_t n_features,
                         uint64_t uneven)
{
    size_t at = d->n_nodes++;
    int64_t me = (*number)++;
    bool leaf = levels == 0 || rng_below(r, 8) < uneven;
    d->trees[at] = tree;
    d->nodes[at] = me;
    d->modes[at] = leaf ? TREES_LEAF : rng_below(r, 9) == 0 ? TREES_LT : TREES_LEQ;
    d->features[at] = leaf ? 0 : (int64_t)rng_below(r, n_features);
    d->values[at] = (float)(int)rng_below(r, 9) - 4;
    d->missing[at] = 0;
    d->yes[at] = d->no[at] = 0;
    if (leaf) {
        size_t w = d->n_weights++;
        d->weight_trees[w] = tree;
        d->weight_nodes[w] = me;
        d->weight_scores[w] = 0;
        d->weights[w] = (float)rng_normal(r);
        return me;
    }
    d->yes[at] = draw_node(d, r, tree, number, levels - 1, n_features, uneven);
    d->no[at] = draw_node(d, r, tree, number, levels - 1, n_features, uneven);
    return me;
}

static float draw_value(rng *r)
{
    switch (rng_below(r, 12)) {
    case 0: return NAN;
    case 1: return INFINITY;
    case 2: return -INFINITY;
    case 3: return -0.0f;
    default: return (float)(int)rng_below(r, 10) - 4.5f + (float)rng_below(r, 2) / 2;
    }
}

// Where memory ends: a read past it ends the program, also one of vector instructions, which sanitizers do not see.
static float *map_edge(void)
{
    enum { PAGE = 1 << 16, PAGES = 2 };
    char *memory = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + PAGES * PAGE, PAGE, PROT_NONE), 0);
    return (float *)(memory + PAGES * PAGE);
}

static void all_ways_agree(void **state)
{
    (void)state;
    static drawn d;
    float *edge = map_edge();
    rng r = rng_new(check_seed(), 0);
    for (int round = 0; round < 400; round++) {
        int levels = (int)rng_below(&r, 8); // up to 7: one more than fits into a mask
        size_t n_trees = 1 + rng_below(&r, ROUND_TREES), n_features = 1 + rng_below(&r, ROUND_FEATURES);
        uint64_t uneven = rng_below(&r, 4);
        d.n_nodes = d.n_weights = 0;
        for (size_t tree = 0; tree < n_trees; tree++) {
            int64_t number = 0;
            draw_node(&d, &r, (int64_t)tree, &number, levels, n_features, uneven);
        }
        bool classify = rng_below(&r, 2);
        trees_spec spec = {.n_nodes = d.n_nodes,
                           .tree_ids = d.trees,
                           .node_ids = d.nodes,
                           .feature_ids = d.features,
                           .true_ids = d.yes,
                           .false_ids = d.no,
                           .missing_true = rng_below(&r, 2) ? d.missing : NULL,
                           .modes = d.modes,
                           .values = d.values,
                           .n_weights = d.n_weights,
                           .weight_trees = d.weight_trees,
                           .weight_nodes = d.weight_nodes,
                           .weight_scores = d.weight_scores,
                           .weights = d.weights,
                           .n_scores = classify ? 2 : 1,
                           .classify = classify,
                           .join = !classify && rng_below(&r, 3) == 0 ? TREES_AVERAGE : TREES_SUM};
        arena a;
        err e = ERR_NONE;
        trees *t;
        arena_init(&a, 1 << 24);
        check_ok(trees_make(&t, &spec, false, &a, &e), &e);
        size_t stride = trees_n_features(t) + rng_below(&r, 3), n = 1 + rng_below(&r, ROWS);
        if (stride == 0) stride = 1;
        float *x = edge - ((n - 1) * stride + trees_n_features(t));
        for (size_t i = 0; i < (n - 1) * stride + trees_n_features(t); i++) x[i] = draw_value(&r);
        float fast[2 * ROWS], plain[2 * ROWS], alone[2];
        int32_t fast_labels[ROWS], plain_labels[ROWS], label;
        trees_run(t, x, n, stride, fast, classify ? fast_labels : NULL);
        trees_run_plain(t, x, n, stride, plain, classify ? plain_labels : NULL);
        assert_memory_equal(fast, plain, n * spec.n_scores * sizeof *fast);
        if (classify) assert_memory_equal(fast_labels, plain_labels, n * sizeof *fast_labels);
        trees_run(t, x + (n - 1) * stride, 1, stride, alone, classify ? &label : NULL);
        assert_memory_equal(alone, plain + (n - 1) * spec.n_scores, spec.n_scores * sizeof *alone);
        arena_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_ways_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
