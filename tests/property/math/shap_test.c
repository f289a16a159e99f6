// Random ensembles: the quadrature gives what the definition over all sets of features gives, a row the same bytes
// whatever it is explained with and on whatever processor, and a feature that is never asked nothing.
// SPDX-License-Identifier: Apache-2.0
#include "math/shap.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "check.h"
#include "math/cpu.h"

enum { NODES_MAX = 6 * 127, TREES_MOST = 6, FEATURES = 9, ASKED = 7, GROUPS = 9, ROWS = 21, MEMORY = 1 << 24 };

typedef struct drawn {
    size_t n_nodes, n_weights;
    int64_t trees[NODES_MAX], nodes[NODES_MAX], features[NODES_MAX], yes[NODES_MAX], no[NODES_MAX];
    int64_t missing[NODES_MAX];
    uint8_t modes[NODES_MAX];
    float values[NODES_MAX], covers[NODES_MAX];
    int64_t weight_trees[NODES_MAX], weight_nodes[NODES_MAX], weight_scores[NODES_MAX];
    float weights[NODES_MAX];
} drawn;

static float draw_node(drawn *d, rng *r, int64_t tree, int64_t *number, int levels, bool all_modes, size_t n_scores)
{
    size_t at = d->n_nodes++;
    int64_t me = (*number)++;
    bool leaf = levels == 0 || rng_below(r, 7) == 0;
    d->trees[at] = tree;
    d->nodes[at] = me;
    d->modes[at] = leaf ? TREES_LEAF : all_modes ? (uint8_t)rng_below(r, TREES_LEAF) : TREES_LEQ;
    d->features[at] = leaf ? 0 : (int64_t)rng_below(r, ASKED);
    d->values[at] = (float)(int)rng_below(r, 7) - 3;
    d->missing[at] = (int64_t)rng_below(r, 2);
    d->yes[at] = d->no[at] = 0;
    if (leaf) {
        size_t w = d->n_weights++;
        d->weight_trees[w] = tree;
        d->weight_nodes[w] = me;
        d->weight_scores[w] = (int64_t)rng_below(r, n_scores);
        d->weights[w] = (float)rng_normal(r);
        return d->covers[at] = (float)rng_below(r, 5); // none too
    }
    d->yes[at] = *number;
    float sum = draw_node(d, r, tree, number, levels - 1, all_modes, n_scores);
    d->no[at] = *number;
    sum += draw_node(d, r, tree, number, levels - 1, all_modes, n_scores);
    return d->covers[at] = sum;
}

static trees_spec draw_ensemble(drawn *d, rng *r)
{
    int levels = 1 + (int)rng_below(r, 6);
    size_t n_trees = 1 + rng_below(r, TREES_MOST), n_scores = rng_below(r, 3) ? 1 : 3;
    bool all_modes = rng_below(r, 3) == 0;
    d->n_nodes = d->n_weights = 0;
    for (size_t tree = 0; tree < n_trees; tree++) {
        int64_t number = 0;
        draw_node(d, r, (int64_t)tree, &number, levels, all_modes, n_scores);
    }
    return (trees_spec){.n_nodes = d->n_nodes,
                        .tree_ids = d->trees,
                        .node_ids = d->nodes,
                        .feature_ids = d->features,
                        .true_ids = d->yes,
                        .false_ids = d->no,
                        .missing_true = rng_below(r, 2) ? d->missing : NULL,
                        .modes = d->modes,
                        .values = d->values,
                        .covers = d->covers,
                        .n_weights = d->n_weights,
                        .weight_trees = d->weight_trees,
                        .weight_nodes = d->weight_nodes,
                        .weight_scores = d->weight_scores,
                        .weights = d->weights,
                        .n_scores = n_scores,
                        .classify = n_scores == 3,
                        .join = n_scores == 1 && rng_below(r, 3) == 0 ? TREES_AVERAGE : TREES_SUM};
}

static float draw_value(rng *r)
{
    switch (rng_below(r, 12)) {
    case 0: return NAN;
    case 1: return INFINITY;
    default: return (float)(int)rng_below(r, 9) - 4;
    }
}

static void close_to(const double *got, const double *want, size_t n)
{
    const double atol = 1e-12 * TREES_MOST; // leaves are about 1, sums of at most 2^7 products of them
    for (size_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= atol)) fail_msg("%zu: %.17g, not %.17g", i, got[i], want[i]);
}

static void the_definition_holds(void **state)
{
    (void)state;
    static drawn d;
    rng r = rng_new(check_seed(), 0);
    const char *best = cpu_level_name(cpu_level_get());
    for (int round = 0; round < 150; round++) {
        trees_spec spec = draw_ensemble(&d, &r);
        arena a;
        err e = ERR_NONE;
        trees *t;
        arena_init(&a, MEMORY);
        check_ok(trees_make(&t, &spec, false, &a, &e), &e);
        shap_output o[ROWS];
        check_ok(shap_find_output(&o[0], t, rng_below(&r, spec.n_scores), &e), &e);
        for (size_t i = 1; i < ROWS; i++) o[i] = o[0];
        uint32_t of[FEATURES]; // now and then several features to a group
        bool grouped = rng_below(&r, 2);
        for (uint32_t i = 0; i < FEATURES; i++) of[i] = grouped ? i / 2 : i;
        shap_groups groups = {.of = of, .n = GROUPS};
        size_t n = 1 + rng_below(&r, ROWS);
        float x[ROWS * FEATURES];
        for (size_t i = 0; i < n * FEATURES; i++) x[i] = draw_value(&r);
        static double values[ROWS * GROUPS], plain[ROWS * GROUPS], again[ROWS * GROUPS];
        double base[ROWS], base_plain[ROWS], base_again[ROWS], sums[ROWS], sums_plain[ROWS], sums_again[ROWS];
        check_ok(shap_run(t, o, &groups, x, n, FEATURES, base, values, sums, &a, &e), &e);
        check_ok(shap_run_plain(t, o, &groups, x, n, FEATURES, base_plain, plain, sums_plain, &a, &e), &e);
        close_to(values, plain, n * GROUPS);
        close_to(base, base_plain, n);
        close_to(sums, sums_plain, n);
        for (size_t i = 0; i < n; i++) {
            double sum = base[i];
            for (size_t g = 0; g < GROUPS; g++) sum += values[i * GROUPS + g];
            close_to(&sum, &sums[i], 1);
            if (!grouped) // features 7 and 8 are asked by no tree
                assert_true(values[i * GROUPS + ASKED] == 0 && values[i * GROUPS + ASKED + 1] == 0);
        }
        check_ok(cpu_level_pin("plain", &e), &e);
        for (size_t i = 0; i < n; i++)
            check_ok(shap_run(t, o, &groups, x + i * FEATURES, 1, FEATURES, &base_again[i], again + i * GROUPS,
                              &sums_again[i], &a, &e),
                     &e);
        check_ok(cpu_level_pin(best, &e), &e);
        assert_memory_equal(again, values, n * GROUPS * sizeof *values);
        assert_memory_equal(sums_again, sums, n * sizeof *sums);
        assert_memory_equal(base_again, base, n * sizeof *base);
        arena_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_definition_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
