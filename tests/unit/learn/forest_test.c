// The forest on data small enough to know the answer, and what it refuses.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "learn/forest/forest.h"

enum { N = 200 };

static char *class_names[] = {(char[]){"no"}, (char[]){"yes"}, (char[]){"maybe"}};
static const schema_target two = {
    .name = (char[]){"answer"}, .type = COLUMN_CATEGORY, .n_classes = 2, .classes = class_names};
static const schema_target three = {
    .name = (char[]){"answer"}, .type = COLUMN_CATEGORY, .n_classes = 3, .classes = class_names};
static const schema_target number = {.name = (char[]){"value"}, .task = TASK_REGRESSION, .type = COLUMN_REAL};

static float x[3 * N]; // a useful column, noise, a constant
static int32_t classes[N];
static double values[N];

static int fill(void **state)
{
    (void)state;
    rng r = rng_new(1, 1);
    for (size_t row = 0; row < N; row++) {
        x[row] = (float)rng_f64(&r);
        x[N + row] = (float)rng_f64(&r);
        x[2 * N + row] = 7;
        classes[row] = x[row] > 0.5f;
        values[row] = x[row] > 0.5f ? 30 : 10;
    }
    return 0;
}

static family_data data_of(const schema_target *target)
{
    return (family_data){.n_rows = N,
                         .n_features = 3,
                         .x = x,
                         .target = target,
                         .classes = target->task == TASK_CLASSIFICATION ? classes : NULL,
                         .values = target->task == TASK_REGRESSION ? values : NULL};
}

static forest_options options_of(const char *const *assignments)
{
    err e = ERR_NONE;
    forest_options o;
    options_default(forest_family.options, forest_family.n_options, &o);
    o.n_trees = 10;
    for (; assignments && *assignments; assignments++)
        check_ok(options_set(forest_family.options, forest_family.n_options, &o, *assignments, &e), &e);
    return o;
}

static ensemble grown(const family_data *d, const char *const *assignments)
{
    err e = ERR_NONE;
    ensemble m;
    forest_options o = options_of(assignments);
    check_ok(forest_grow(&m, d, &o, 42, NULL, NULL, &e), &e);
    return m;
}

static void scores_of(const ensemble *m, float useful, float *scores)
{
    ensemble_scores(m, (float[]){useful, 0.5f, 7}, scores);
}

static void test_classification(void **state)
{
    (void)state;
    family_data d = data_of(&two);
    ensemble m = grown(&d, NULL);
    float s[2];
    scores_of(&m, 0.1f, s);
    assert_true(s[0] > 0.9f && s[0] + s[1] == 1);
    scores_of(&m, 0.9f, s);
    assert_true(s[1] > 0.9f && s[0] + s[1] == 1);
    for (size_t at = 0; at < m.n_nodes; at++) assert_true(m.features[at] != 2); // never the constant
    ensemble_clear(&m);
}

static void test_regression(void **state)
{
    (void)state;
    family_data d = data_of(&number);
    ensemble m = grown(&d, NULL);
    float s;
    scores_of(&m, 0.1f, &s);
    assert_true(fabsf(s - 10) < 1e-4f);
    scores_of(&m, 0.9f, &s);
    assert_true(fabsf(s - 30) < 1e-4f);
    ensemble_clear(&m);
}

static void test_absent_class(void **state)
{
    (void)state;
    family_data d = data_of(&three);
    ensemble m = grown(&d, NULL);
    float s[3];
    scores_of(&m, 0.9f, s);
    assert_true(s[1] > 0.9f && s[2] == 0 && s[0] + s[1] == 1);
    ensemble_clear(&m);
}

static void test_many_classes(void **state)
{
    (void)state;
    enum { CLASSES = 10000 };
    static float wide[CLASSES];
    static int32_t ids[CLASSES];
    char **names = mem_zalloc(CLASSES, sizeof *names);
    assert_non_null(names);
    for (int32_t k = 0; k < CLASSES; k++) {
        wide[k] = (float)(k / 2);
        ids[k] = k;
        names[k] = (char[]){"k"};
    }
    schema_target many = {.name = (char[]){"k"}, .type = COLUMN_CATEGORY, .n_classes = CLASSES, .classes = names};
    family_data d = {.n_rows = CLASSES, .n_features = 1, .x = wide, .target = &many, .classes = ids};
    ensemble m = grown(&d, (const char *const[]){"n_trees=2", NULL});
    float *s = mem_alloc(CLASSES, sizeof *s);
    assert_non_null(s);
    ensemble_scores(&m, (float[]){17}, s);
    double sum = 0;
    for (size_t k = 0; k < CLASSES; k++) sum += (double)s[k];
    assert_true(sum == 1);
    assert_true(m.n_values < 40000); // not 10,000 a leaf
    mem_free(s);
    mem_free(names);
    ensemble_clear(&m);
}

static void test_one_row(void **state)
{
    (void)state;
    family_data d = {.n_rows = 1, .n_features = 3, .x = x, .target = &number, .values = (double[]){-2.5}};
    ensemble m = grown(&d, NULL);
    float s;
    scores_of(&m, 0.3f, &s);
    assert_true(s == -2.5f);
    ensemble_clear(&m);
}

static void test_constant_features(void **state)
{
    (void)state;
    family_data d = data_of(&two);
    d.n_features = 1;
    d.x = x + 2 * N;
    ensemble m = grown(&d, (const char *const[]){"bootstrap=no", NULL});
    assert_int_equal(m.n_nodes, 10); // leaves only
    float s[2];
    ensemble_scores(&m, (float[]){7}, s);
    size_t n_yes = 0;
    for (size_t row = 0; row < N; row++) n_yes += (size_t)classes[row];
    assert_true(fabs((double)s[1] - (double)n_yes / N) < 1e-6);
    ensemble_clear(&m);
}

static size_t depth_of(const ensemble *m, size_t root, size_t at)
{
    if (m->features[at] < 0) return 0;
    size_t left = depth_of(m, root, at + 1), right = depth_of(m, root, root + m->rights[at]);
    return 1 + (left > right ? left : right);
}

static void test_limits(void **state)
{
    (void)state;
    int32_t noisy[N];
    rng r = rng_new(3, 3);
    for (size_t row = 0; row < N; row++) noisy[row] = (int32_t)rng_below(&r, 2);
    family_data d = data_of(&two);
    d.classes = noisy;
    ensemble m = grown(&d, (const char *const[]){"depth_max=3", NULL});
    for (size_t t = 0; t < m.n_trees; t++) assert_true(depth_of(&m, m.roots[t], m.roots[t]) <= 3);
    ensemble_clear(&m);

    m = grown(&d, (const char *const[]){"leaves_max=5", NULL});
    for (size_t t = 0; t < m.n_trees; t++) assert_int_equal(m.roots[t + 1] - m.roots[t], 9);
    ensemble_clear(&m);

    m = grown(&d, (const char *const[]){"leaf_rows_min=20", "bootstrap=no", NULL});
    for (size_t at = 0; at < m.n_nodes; at++) assert_true(m.covers[at] >= 20);
    ensemble_clear(&m);

    m = grown(&d, (const char *const[]){"leaf_weight_share=0.1", "leaves_max=100", NULL});
    for (size_t at = 0; at < m.n_nodes; at++) assert_true(m.covers[at] >= 20);
    assert_true(m.n_nodes > m.n_trees);
    ensemble_clear(&m);

    m = grown(&d, (const char *const[]){"split_rows_min=60", "bootstrap=no", NULL});
    for (size_t at = 0; at < m.n_nodes; at++) assert_true(m.features[at] < 0 || m.covers[at] >= 60);
    ensemble_clear(&m);

    m = grown(&d, (const char *const[]){"rows_share=0.25", NULL});
    for (size_t t = 0; t < m.n_trees; t++) assert_true(m.covers[m.roots[t]] == N / 4);
    ensemble_clear(&m);

    m = grown(&d, (const char *const[]){"impurity_decrease_min=0.4", NULL}); // more than a split of noise can win
    assert_int_equal(m.n_nodes, m.n_trees);
    ensemble_clear(&m);
    d.classes = classes;
    m = grown(&d, (const char *const[]){"impurity_decrease_min=0.4", "features_max=all", NULL});
    assert_true(m.n_nodes == 3 * m.n_trees); // a half of impurity is won at once
    ensemble_clear(&m);
}

static void test_missing(void **state)
{
    (void)state;
    static float holes[3 * N];
    memcpy(holes, x, sizeof x);
    for (size_t row = 0; row < N; row++)
        if (classes[row] == 1 && row % 2) holes[row] = NAN; // missing tells "yes"
    family_data d = data_of(&two);
    d.x = holes;
    ensemble m = grown(&d, (const char *const[]){"features_max=all", NULL});
    assert_true(m.missing_tracked);
    float s[2];
    scores_of(&m, NAN, s);
    assert_true(s[1] > 0.95f);

    // Missing alone against all others.
    for (size_t row = 0; row < N; row++) holes[row] = classes[row] == 1 ? NAN : x[row];
    ensemble_clear(&m);
    m = grown(&d, (const char *const[]){"features_max=all", "depth_max=1", NULL});
    scores_of(&m, NAN, s);
    assert_true(s[1] == 1);
    scores_of(&m, INFINITY, s);
    assert_true(s[0] == 1);
    ensemble_clear(&m);
}

static void test_weights(void **state)
{
    (void)state;
    static float weights[N];
    for (size_t row = 0; row < N; row++) weights[row] = classes[row] ? 3 : 1;
    static const char *const ways[] = {"bootstrap=yes", "bootstrap=no"};
    for (size_t way = 0; way < 2; way++) {
        family_data d = data_of(&two);
        d.weights = weights;
        d.n_features = 1;
        d.x = x + 2 * N; // constant: a leaf tells the shares
        ensemble m = grown(&d, (const char *const[]){ways[way], "n_trees=200", NULL});
        double n_yes = 0;
        for (size_t row = 0; row < N; row++) n_yes += classes[row];
        double want = 3 * n_yes / (3 * n_yes + N - n_yes);
        float s[2];
        ensemble_scores(&m, (float[]){7}, s);
        assert_true(fabs((double)s[1] - want) < (way == 0 ? 0.02 : 3e-5));
        ensemble_clear(&m);

        m = grown(&d, (const char *const[]){ways[way], "n_trees=200", "class_weights=balanced", NULL});
        ensemble_scores(&m, (float[]){7}, s);
        assert_true(fabs((double)s[1] - 0.75) < 0.02); // 3 to 1, after the balance
        ensemble_clear(&m);
    }
    family_data d = data_of(&number);
    d.weights = weights;
    d.x = x + 2 * N;
    d.n_features = 1;
    ensemble m = grown(&d, (const char *const[]){"bootstrap=no", NULL});
    double sum = 0, total = 0;
    for (size_t row = 0; row < N; row++) {
        sum += (double)weights[row] * values[row];
        total += (double)weights[row];
    }
    float s;
    ensemble_scores(&m, (float[]){7}, &s);
    assert_true(fabs((double)s - sum / total) < 1e-4);
    ensemble_clear(&m);
}

static void test_refused(void **state)
{
    (void)state;
    err e = ERR_NONE;
    ensemble m;
    forest_options o = options_of(NULL);
    family_data d = data_of(&two);
    static const int32_t ones[N] = {0};
    d.classes = ones;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
    check_says(&e, "\"answer\" has one class only, \"no\", in the 200 training rows");

    d = data_of(&two);
    d.n_rows = 0;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
    d = data_of(&two);
    d.n_features = 0;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);

    static float weights[N];
    d = data_of(&two);
    d.weights = weights;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
    check_says(&e, "weight of training row 0 is 0");

    d = data_of(&number);
    double wrong[N];
    memcpy(wrong, values, sizeof wrong);
    wrong[3] = NAN;
    d.values = wrong;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
    assert_int_equal(e.at, 3);
    wrong[3] = 1e39;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);

    d = data_of(&number);
    o = options_of((const char *const[]){"criterion=gini", NULL});
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
    check_says(&e, "criterion gini is for classification");
    o = options_of((const char *const[]){"class_weights=balanced", NULL});
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
    o = options_of((const char *const[]){"criterion=squared_error", NULL});
    d = data_of(&two);
    check_fails(forest_grow(&m, &d, &o, 1, NULL, NULL, &e), ERR_INPUT, &e);
}

static int stop_at(void *context, size_t done, size_t total)
{
    size_t *calls = context;
    assert_true(done <= total);
    return ++*calls >= 3;
}

static int count_calls(void *context, size_t done, size_t total)
{
    size_t *last = context;
    assert_int_equal(total, 10);
    *last = done;
    return 0;
}

static void test_progress(void **state)
{
    (void)state;
    err e = ERR_NONE;
    ensemble m;
    forest_options o = options_of(NULL);
    family_data d = data_of(&two);
    size_t calls = 0, last = 0;
    check_fails(forest_grow(&m, &d, &o, 1, NULL, &(family_progress){stop_at, &calls}, &e), ERR_CANCELLED, &e);
    assert_int_equal(calls, 3);
    check_ok(forest_grow(&m, &d, &o, 1, NULL, &(family_progress){count_calls, &last}, &e), &e);
    assert_int_equal(last, 10);
    ensemble_clear(&m);
}

static void test_fit(void **state)
{
    (void)state;
    err e = ERR_NONE;
    forest_options o = options_of(NULL);
    static const schema_target *const targets[] = {&two, &number};
    for (size_t i = 0; i < 2; i++) {
        graph *g;
        check_ok(graph_new(&g, (size_t)1 << 30, &e), &e);
        int features = graph_add_input(g, "x", value_type_rows(DTYPE_F32, 3), &e);
        assert_true(features >= 0);
        family_data d = data_of(targets[i]);
        family_outputs out;
        check_ok(forest_family.fit(&out, g, features, &d, &o, 42, NULL, NULL, &e), &e);
        if (out.label != VALUE_NONE) check_ok(graph_add_output(g, out.label, &e), &e);
        check_ok(graph_add_output(g, out.scores, &e), &e);
        check_ok(graph_check(g, &e), &e);
        assert_string_equal(g->nodes[0].op, i == 0 ? "TreeEnsembleClassifier" : "TreeEnsembleRegressor");
        assert_int_equal(out.label == VALUE_NONE, i == 1);
        assert_null(node_attribute(&g->nodes[0], "nodes_missing_value_tracks_true"));
        const attribute *covers = node_attribute(&g->nodes[0], "nodes_hitrates");
        assert_true(covers->floats[0] == N);
        graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classification), cmocka_unit_test(test_regression),
        cmocka_unit_test(test_absent_class),   cmocka_unit_test(test_many_classes),
        cmocka_unit_test(test_one_row),        cmocka_unit_test(test_constant_features),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_missing),
        cmocka_unit_test(test_weights),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_progress),       cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
