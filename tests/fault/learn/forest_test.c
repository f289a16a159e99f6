// The forest when memory runs out: a clear error, nothing leaked.
// SPDX-License-Identifier: Apache-2.0
#include "fault/faults.h"

#include "learn/forest/forest.h"

enum { N = 30 };

static char *class_names[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"c"}};

static int fit(void *context, err *e)
{
    const family_data *d = context;
    forest_options o;
    options_default(forest_family.options, forest_family.n_options, &o);
    o.n_trees = 3;
    if (d->classes) o.class_weights = FOREST_WEIGHTS_BALANCED;
    graph *g;
    family_outputs out;
    int rc = graph_new(&g, (size_t)1 << 24, e);
    if (rc < 0) return rc;
    int features = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 1), e);
    rc = features < 0 ? features : forest_family.fit(&out, g, features, d, &o, 1, NULL, NULL, e);
    graph_free(g);
    return rc;
}

static void test_memory(void **state)
{
    (void)state;
    float x[N];
    int32_t classes[N];
    double values[N];
    for (int32_t row = 0; row < N; row++) {
        x[row] = (float)row;
        classes[row] = row / 4 % 3;
        values[row] = row;
    }
    schema_target classification = {
        .name = (char[]){"y"}, .type = COLUMN_CATEGORY, .n_classes = 3, .classes = class_names};
    schema_target regression = {.name = (char[]){"y"}, .task = TASK_REGRESSION, .type = COLUMN_REAL};
    family_data d = {.n_rows = N, .n_features = 1, .x = x, .target = &classification, .classes = classes};
    assert_true(faults_of_memory(fit, NULL, &d, 0) > 30);
    faults_of_memory(fit, NULL, &d, 1);
    d.target = &regression;
    d.classes = NULL;
    d.values = values;
    assert_true(faults_of_memory(fit, NULL, &d, 0) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
