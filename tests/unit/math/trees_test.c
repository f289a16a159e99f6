// Tree ensembles: what is refused, and the cases that have rules of their own. Equality of the two ways of scoring is a
// property test of row programs; onnxruntime's answers are golden.
// SPDX-License-Identifier: Apache-2.0
#include "math/trees.h"

#include <math.h>

#include "base/mem.h"
#include "check.h"

enum { MEMORY = 64 << 20 };

// x0 <= 0.5 goes to leaf 1, else to leaf 2.
static const int64_t stump_trees[] = {0, 0, 0}, stump_nodes[] = {0, 1, 2}, zeros[8], stump_yes[] = {1, 0, 0},
                     stump_no[] = {2, 0, 0};
static const uint8_t stump_modes[] = {TREES_LEQ, TREES_LEAF, TREES_LEAF};
static const float stump_values[] = {0.5f, 0, 0}, stump_weights[] = {0.75f, 0.25f};
static const int64_t leaves[] = {1, 2};

static trees_spec stump(void)
{
    return (trees_spec){.n_nodes = 3,
                        .tree_ids = stump_trees,
                        .node_ids = stump_nodes,
                        .feature_ids = zeros,
                        .true_ids = stump_yes,
                        .false_ids = stump_no,
                        .modes = stump_modes,
                        .values = stump_values,
                        .n_weights = 2,
                        .weight_trees = zeros,
                        .weight_nodes = leaves,
                        .weight_scores = zeros,
                        .weights = stump_weights,
                        .n_scores = 1};
}

static void a_stump_scores(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, MEMORY);
    trees *t;
    err e = ERR_NONE;
    trees_spec spec = stump();
    check_ok(trees_make(&t, &spec, false, &a, &e), &e);
    assert_int_equal(trees_n_features(t), 1);
    float x[] = {0.5f, 0.6f, NAN, -INFINITY, INFINITY}, scores[5];
    const float want[] = {0.75f, 0.25f, 0.25f, 0.75f, 0.25f};
    trees_run(t, x, 5, 1, scores, NULL);
    assert_memory_equal(scores, want, sizeof want);
    trees_run_plain(t, x, 5, 1, scores, NULL);
    assert_memory_equal(scores, want, sizeof want);
    arena_clear(&a);
}

// One class id, no negative weight: above a half it is the second class.
static void two_classes_with_one_id(void **state)
{
    (void)state;
    arena a;
    arena_init(&a, MEMORY);
    trees *t;
    err e = ERR_NONE;
    trees_spec spec = stump();
    spec.classify = true;
    spec.n_scores = 2;
    check_ok(trees_make(&t, &spec, false, &a, &e), &e);
    float x[] = {0, 1}, scores[4];
    int32_t labels[2];
    trees_run(t, x, 2, 1, scores, labels);
    assert_memory_equal(scores, ((float[]){0.25f, 0.75f, 0.75f, 0.25f}), sizeof scores);
    assert_int_equal(labels[0], 1);
    assert_int_equal(labels[1], 0);
    arena_clear(&a);
}

static void faults_are_told(void **state)
{
    (void)state;
    static const int64_t self[] = {0, 0, 0}, nowhere[] = {9, 0, 0}, twice[] = {0, 1, 1}, apart[] = {0, 1, 0},
                         same[] = {1, 0, 0}, far[] = {1, 9}, third[] = {0, 3}, below[] = {-1, 0, 0};
    static const uint8_t odd[] = {9, TREES_LEAF, TREES_LEAF};
    arena a;
    arena_init(&a, MEMORY);
    for (int fault = 0; fault < 10; fault++) {
        trees_spec s = stump();
        const char *want = "";
        switch (fault) {
        case 0: s.true_ids = self, want = "tree 0: node 0 is reached twice"; break;
        case 1: s.true_ids = nowhere, want = "tree 0: node 0 has the child 9, which is not there"; break;
        case 2: s.node_ids = twice, want = "tree 0 has node 1 twice"; break;
        case 3: s.tree_ids = apart, want = "which is not there"; break;
        case 4: s.false_ids = same, want = "tree 0: node 1 is reached twice"; break;
        case 5: s.weight_nodes = far, want = "a weight is for node 9 of tree 0, which is not there"; break;
        case 6: s.weight_scores = third, want = "tree 0: node 2 has a weight for score 3 of 1"; break;
        case 7: s.feature_ids = below, want = "tree 0: node 0 has the feature -1"; break;
        case 8: s.modes = odd, want = "node 0 has an unknown mode"; break;
        default: s.n_nodes = 0, want = "an ensemble without nodes"; break;
        }
        trees *t;
        err e = ERR_NONE;
        check_fails(trees_make(&t, &s, false, &a, &e), ERR_INPUT, &e);
        if (!strstr(e.msg, want)) fail_msg("%d: %s", fault, e.msg);
    }
    trees_spec s = stump();
    s.classify = true;
    trees *t;
    err e = ERR_NONE;
    check_fails(trees_make(&t, &s, false, &a, &e), ERR_UNSUPPORTED, &e);
    arena_clear(&a);
}

// A chain as deep as it has nodes: no recursion, and wide nodes where a child is far away.
static void depth_is_no_trouble(void **state)
{
    (void)state;
    enum { DEPTH = 3000, N = 2 * DEPTH + 1 };
    int64_t *ids = mem_zalloc(N, sizeof *ids), *node_ids = mem_alloc(N, sizeof *ids), *yes = mem_zalloc(N, sizeof *ids),
            *no = mem_zalloc(N, sizeof *ids);
    uint8_t *modes = mem_alloc(N, 1);
    float *values = mem_zalloc(N, sizeof *values), *weights = mem_alloc(N, sizeof *weights);
    for (int i = 0; i < N; i++) { // even: a comparison, odd: the leaf beside it
        node_ids[i] = i;
        modes[i] = i % 2 || i == N - 1 ? TREES_LEAF : TREES_LEQ;
        values[i] = (float)(i / 2);
        weights[i] = (float)i;
        yes[i] = i + 1;
        no[i] = i + 2;
    }
    trees_spec s = {.n_nodes = N,
                    .tree_ids = ids,
                    .node_ids = node_ids,
                    .feature_ids = ids,
                    .true_ids = yes,
                    .false_ids = no,
                    .modes = modes,
                    .values = values,
                    .n_weights = N,
                    .weight_trees = ids,
                    .weight_nodes = node_ids,
                    .weight_scores = ids,
                    .weights = weights,
                    .n_scores = 1};
    arena a;
    arena_init(&a, MEMORY);
    trees *t;
    err e = ERR_NONE;
    check_ok(trees_make(&t, &s, false, &a, &e), &e);
    float x[10], scores[10];
    for (int i = 0; i < 10; i++) x[i] = (float)(i * 299);
    trees_run(t, x, 10, 1, scores, NULL);
    for (int i = 0; i < 10; i++) assert_true(scores[i] == (float)(2 * i * 299 + 1));
    arena_clear(&a);
    mem_free(ids);
    mem_free(node_ids);
    mem_free(yes);
    mem_free(no);
    mem_free(modes);
    mem_free(values);
    mem_free(weights);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    trees_spec spec = stump();
    int rc = ERR_MEMORY;
    for (uint64_t nth = 1; rc < 0; nth++) {
        arena a;
        arena_init(&a, MEMORY);
        trees *t;
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        rc = trees_make(&t, &spec, true, &a, &e);
        mem_fail_at(0, 0);
        if (rc < 0) assert_int_equal(e.code, ERR_MEMORY);
        arena_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stump_scores),
        cmocka_unit_test(two_classes_with_one_id),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(depth_is_no_trouble),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
