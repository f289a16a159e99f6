// TreeSHAP: trees that are known by hand, how classes are explained, what is refused, and a tree as deep as it has
// nodes. That it is the definition's value is a property test; that shap says the same, a golden one.
// SPDX-License-Identifier: Apache-2.0
#include "math/shap.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "check.h"

enum { MEMORY = 64 << 20 };

// "Both": x0 <= 0.5 is 0; else x1 <= 0.5 is 0; else 1. A quarter of the rows each, but half of them at the first leaf.
static const int64_t both_trees[5], both_nodes[] = {0, 1, 2, 3, 4}, both_features[] = {0, 0, 1, 0, 0},
                                    both_yes[] = {1, 0, 3, 0, 0}, both_no[] = {2, 0, 4, 0, 0};
static const uint8_t both_modes[] = {TREES_LEQ, TREES_LEAF, TREES_LEQ, TREES_LEAF, TREES_LEAF};
static const float both_values[] = {0.5f, 0, 0.5f, 0, 0}, both_covers[] = {8, 4, 4, 2, 2};
static const int64_t leaves[] = {1, 3, 4}, zeros[8], ones[] = {1, 1, 1};
static const float leaf_weights[] = {0, 0, 1};
static const uint32_t apart[] = {0, 1}, together[] = {0, 0};

static trees_spec both(void)
{
    return (trees_spec){.n_nodes = 5,
                        .tree_ids = both_trees,
                        .node_ids = both_nodes,
                        .feature_ids = both_features,
                        .true_ids = both_yes,
                        .false_ids = both_no,
                        .modes = both_modes,
                        .values = both_values,
                        .covers = both_covers,
                        .n_weights = 3,
                        .weight_trees = zeros,
                        .weight_nodes = leaves,
                        .weight_scores = zeros,
                        .weights = leaf_weights,
                        .n_scores = 1};
}

static trees *make(trees_spec s, arena *a)
{
    trees *t;
    err e = ERR_NONE;
    check_ok(trees_make(&t, &s, false, a, &e), &e);
    return t;
}

// Of (1, 1): nothing known 1/4; x0 known 1/2; x1 known 1/2; both 1. So each gets (1/4 + 1/2) / 2.
static void an_and_is_shared_evenly(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, MEMORY);
    err e = ERR_NONE;
    trees *t = make(both(), &a);
    shap_output o[3];
    for (int i = 0; i < 3; i++) check_ok(shap_find_output(&o[i], t, 0, &e), &e);
    assert_false(o[0].margin);
    const float x[] = {1, 1, 0, 1, NAN, 0};
    double base[3], values[6], sums[3];
    shap_groups groups = {apart, 2};
    check_ok(shap_run(t, o, &groups, x, 3, 2, base, values, sums, &a, &e), &e);
    const double want[] = {0.375, 0.375, -0.375, 0.125, 0.125, -0.375}, want_sums[] = {1, 0, 0};
    for (int i = 0; i < 3; i++) assert_float_equal(base[i], 0.25, 1e-15);
    for (int i = 0; i < 6; i++) assert_float_equal(values[i], want[i], 1e-15);
    for (int i = 0; i < 3; i++) assert_float_equal(sums[i], want_sums[i], 0);
    shap_groups one = {together, 1};
    check_ok(shap_run(t, o, &one, x, 3, 2, base, values, sums, &a, &e), &e);
    assert_float_equal(values[0], 0.75, 1e-15);
    assert_float_equal(values[1], -0.25, 1e-15);
    arena_clear(&a);
}

// One class id: the score is the second class's; the first gets what is left to 1, or the negative margin.
static void two_classes(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, MEMORY);
    err e = ERR_NONE;
    trees_spec s = both();
    s.classify = true;
    s.n_scores = 2;
    trees *t = make(s, &a);
    const float x[] = {1, 1};
    double base, values[2], sum;
    shap_groups groups = {apart, 2};
    shap_output o;
    check_ok(shap_find_output(&o, t, 0, &e), &e);
    assert_false(o.margin);
    check_ok(shap_run(t, &o, &groups, x, 1, 2, &base, values, &sum, &a, &e), &e);
    assert_float_equal(base, 0.75, 1e-15);
    assert_float_equal(values[0], -0.375, 1e-15);
    assert_float_equal(sum, 0, 1e-15);
    check_ok(shap_find_output(&o, t, 1, &e), &e);
    check_ok(shap_run(t, &o, &groups, x, 1, 2, &base, values, &sum, &a, &e), &e);
    assert_float_equal(base, 0.25, 1e-15);
    assert_float_equal(values[0], 0.375, 1e-15);
    s.link = TREES_LOGISTIC;
    s.n_base = 1;
    s.base = (const float[]){-2};
    t = make(s, &a);
    check_ok(shap_find_output(&o, t, 0, &e), &e);
    assert_true(o.margin && o.link == TREES_LOGISTIC);
    check_ok(shap_run(t, &o, &groups, x, 1, 2, &base, values, &sum, &a, &e), &e);
    assert_float_equal(base, 1.75, 1e-15);
    assert_float_equal(sum, 1, 1e-15);
    s.weight_scores = ones; // the first class has no score
    s.n_base = 0;
    t = make(s, &a);
    check_ok(shap_find_output(&o, t, 0, &e), &e);
    check_ok(shap_run(t, &o, &groups, x, 1, 2, &base, values, &sum, &a, &e), &e);
    assert_float_equal(sum, 0, 0);
    arena_clear(&a);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const float two[] = {1, 2}, same[] = {1, 1, 1, 1, 1}, odd[] = {8, 4, 4, 2, NAN};
    arena a;
    arena_init(&a, MEMORY);
    for (int fault = 0; fault < 6; fault++) {
        trees_spec s = both();
        const char *want = "nodes_hitrates";
        switch (fault) {
        case 0: s.covers = NULL; break;
        case 1: s.covers = same; break;
        case 2: s.covers = odd; break;
        case 3: s.join = TREES_MAX, want = "not their sum"; break;
        case 4: s.link = TREES_PROBIT, want = "PROBIT"; break;
        default: s.classify = true, s.n_scores = 2, want = "base values"; s.n_base = 2, s.base = two;
        }
        shap_output o;
        err e = ERR_NONE;
        check_fails(shap_find_output(&o, make(s, &a), 0, &e), ERR_UNSUPPORTED, &e);
        if (!strstr(e.msg, want)) fail_msg("%d: %s", fault, e.msg);
    }
    arena_clear(&a);
}

// A chain that asks 301 features in turn: known by hand is only what it adds up to, and that it needs no recursion.
static void depth_is_no_trouble(void **state)
{
    (void)state;
    enum { DEPTH = 1500, N = 2 * DEPTH + 1, FEATURES = 301 };
    arena a;
    arena_init(&a, (size_t)1 << 30);
    int64_t *trees_of = arena_zalloc(&a, N, 8), *nodes = arena_alloc(&a, N, 8), *features = arena_alloc(&a, N, 8),
            *yes = arena_zalloc(&a, N, 8), *no = arena_zalloc(&a, N, 8), *scores = arena_zalloc(&a, N, 8),
            *ends = arena_alloc(&a, N, 8);
    uint8_t *modes = arena_alloc(&a, N, 1);
    float *values = arena_alloc(&a, N, 4), *covers = arena_alloc(&a, N, 4), *weights = arena_alloc(&a, N, 4);
    size_t n_weights = 0;
    for (int64_t i = 0; i < N; i++) { // even ones are the chain
        bool inner = i % 2 == 0 && i + 1 < N;
        nodes[i] = i;
        modes[i] = inner ? TREES_LEQ : TREES_LEAF;
        features[i] = i / 2 % FEATURES;
        values[i] = (float)(i / 2 / FEATURES);
        if (inner) yes[i] = i + 1, no[i] = i + 2;
        covers[i] = i % 2 ? 1 : (float)(DEPTH - i / 2 + 1);
        if (inner) continue;
        ends[n_weights] = i;
        weights[n_weights++] = (float)(i % 17) / 16;
    }
    trees_spec s = {.n_nodes = N,
                    .tree_ids = trees_of,
                    .node_ids = nodes,
                    .feature_ids = features,
                    .true_ids = yes,
                    .false_ids = no,
                    .modes = modes,
                    .values = values,
                    .covers = covers,
                    .n_weights = n_weights,
                    .weight_trees = trees_of,
                    .weight_nodes = ends,
                    .weight_scores = scores,
                    .weights = weights,
                    .n_scores = 1};
    err e = ERR_NONE;
    trees *t = make(s, &a);
    shap_output o;
    check_ok(shap_find_output(&o, t, 0, &e), &e);
    static float x[FEATURES];
    static uint32_t of[FEATURES];
    for (uint32_t i = 0; i < FEATURES; i++) of[i] = i, x[i] = (float)(i % 7);
    static double got[FEATURES];
    double base, sum, total;
    shap_groups groups = {of, FEATURES};
    check_ok(shap_run(t, &o, &groups, x, 1, FEATURES, &base, got, &sum, &a, &e), &e);
    total = base;
    for (size_t i = 0; i < FEATURES; i++) total += got[i];
    assert_float_equal(total, sum, 1e-12);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_and_is_shared_evenly), cmocka_unit_test(two_classes),
                                       cmocka_unit_test(what_is_refused), cmocka_unit_test(depth_is_no_trouble)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
