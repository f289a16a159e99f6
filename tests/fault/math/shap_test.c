// Explanations while memory runs out.
// SPDX-License-Identifier: Apache-2.0
#include "math/shap.h"

#include "fault/faults.h"

// x0 <= 0.5, then x1 <= 0.5: three leaves.
static const int64_t zeros[5], nodes[] = {0, 1, 2, 3, 4}, features[] = {0, 0, 1, 0, 0}, yes[] = {1, 0, 3, 0, 0},
                               no[] = {2, 0, 4, 0, 0}, leaves[] = {1, 3, 4};
static const uint8_t modes[] = {TREES_LEQ, TREES_LEAF, TREES_LEQ, TREES_LEAF, TREES_LEAF};
static const float values[] = {0.5f, 0, 0.5f, 0, 0}, covers[] = {8, 4, 4, 2, 2}, weights[] = {0, 0, 1};

static int explain(void *context, err *e)
{
    (void)context;
    const trees_spec spec = {.n_nodes = 5,
                             .tree_ids = zeros,
                             .node_ids = nodes,
                             .feature_ids = features,
                             .true_ids = yes,
                             .false_ids = no,
                             .modes = modes,
                             .values = values,
                             .covers = covers,
                             .n_weights = 3,
                             .weight_trees = zeros,
                             .weight_nodes = leaves,
                             .weight_scores = zeros,
                             .weights = weights,
                             .n_scores = 1};
    static const uint32_t of[] = {0, 1};
    static const float x[] = {1, 1};
    const shap_groups groups = {.of = of, .n = 2};
    arena a;
    arena_init(&a, 1 << 20);
    trees *t;
    shap_output o;
    double base, got[2], sum;
    int rc = trees_make(&t, &spec, false, &a, e);
    if (rc == 0) rc = shap_find_output(&o, t, 0, e);
    if (rc == 0) rc = shap_run(t, &o, &groups, x, 1, 2, &base, got, &sum, &a, e);
    arena_clear(&a);
    return rc;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    assert_true(faults_of_memory(explain, NULL, NULL, 0) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_may_run_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
