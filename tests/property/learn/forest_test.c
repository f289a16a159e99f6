// The forest: the same bytes on any number of threads, scores that are exact in any order, memory within its estimate.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <malloc.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/rng.h"
#include "graph/onnx.h"
#include "learn/forest/forest.h"

typedef struct sample {
    size_t n_rows, n_features;
    float *x, *weights;
    int32_t *classes;
    double *values;
    schema_target target;
    family_data data;
    forest_options options;
} sample;

static char *class_names[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"c"}, (char[]){"d"}};

static void draw(sample *s, size_t n_rows, size_t n_features, rng *r)
{
    *s = (sample){.n_rows = n_rows, .n_features = n_features};
    s->x = mem_alloc(n_rows * n_features, sizeof *s->x);
    s->weights = mem_alloc(n_rows, sizeof *s->weights);
    s->classes = mem_alloc(n_rows, sizeof *s->classes);
    s->values = mem_alloc(n_rows, sizeof *s->values);
    assert_true(s->x && s->weights && s->classes && s->values);
    size_t n_classes = 2 + rng_below(r, 3);
    bool holes = rng_below(r, 2);
    for (size_t f = 0; f < n_features; f++) {
        uint64_t n_distinct = f % 3 == 0 ? 2 : f % 3 == 1 ? 30 : 1000000;
        for (size_t row = 0; row < n_rows; row++)
            s->x[f * n_rows + row] = holes && rng_below(r, 10) == 0 ? NAN : (float)rng_below(r, n_distinct);
    }
    for (size_t row = 0; row < n_rows; row++) {
        double signal = (double)s->x[row] * 2 + (n_features > 1 ? (double)s->x[n_rows + row] / 15 : 0);
        if (isnan(signal)) signal = 1;
        s->values[row] = 100 * signal + rng_normal(r) * 20 - 150;
        s->classes[row] = (int32_t)fmin(fmax(signal + rng_normal(r) / 2, 0), (double)n_classes - 1);
        s->weights[row] = (float)(0.1 + rng_f64(r));
    }
    s->classes[0] = 0;
    s->classes[n_rows - 1] = 1;
    bool regression = rng_below(r, 2);
    s->target = (schema_target){.name = (char[]){"y"},
                                .task = regression ? TASK_REGRESSION : TASK_CLASSIFICATION,
                                .type = regression ? COLUMN_REAL : COLUMN_CATEGORY,
                                .n_classes = regression ? 0 : n_classes,
                                .classes = class_names};
    s->data = (family_data){.n_rows = n_rows,
                            .n_features = n_features,
                            .x = s->x,
                            .target = &s->target,
                            .classes = regression ? NULL : s->classes,
                            .values = regression ? s->values : NULL,
                            .weights = rng_below(r, 2) ? s->weights : NULL};
    options_default(forest_family.options, forest_family.n_options, &s->options);
    s->options.n_trees = 1 + (int64_t)rng_below(r, 20);
    s->options.depth_max = (int64_t)rng_below(r, 8);
    s->options.leaves_max = rng_below(r, 3) ? 0 : 2 + (int64_t)rng_below(r, 30);
    s->options.leaf_rows_min = 1 + (int64_t)rng_below(r, 3);
    s->options.bootstrap = rng_below(r, 3) > 0;
    if (!regression && rng_below(r, 2)) s->options.criterion = FOREST_ENTROPY;
    if (!regression && rng_below(r, 2)) s->options.class_weights = FOREST_WEIGHTS_BALANCED;
}

static void drop(sample *s)
{
    mem_free(s->x);
    mem_free(s->weights);
    mem_free(s->classes);
    mem_free(s->values);
}

static int ignore(void *context, size_t done, size_t total)
{
    (void)context;
    (void)done;
    (void)total;
    return 0;
}

static void written(const sample *s, size_t n_threads, bool progress, buf *out)
{
    err e = ERR_NONE;
    graph *g;
    pool *p;
    family_outputs outputs;
    check_ok(pool_new(&p, n_threads, &e), &e);
    check_ok(graph_new(&g, (size_t)1 << 30, &e), &e);
    int features = graph_add_input(g, "x", value_type_rows(DTYPE_F32, (int64_t)s->n_features), &e);
    assert_true(features >= 0);
    check_ok(forest_family.fit(&outputs, g, features, &s->data, &s->options, 7, p,
                               progress ? &(family_progress){ignore, NULL} : NULL, &e),
             &e);
    check_ok(graph_add_output(g, outputs.scores, &e), &e);
    check_ok(graph_check(g, &e), &e);
    buf_init(out, (size_t)1 << 30);
    check_ok(onnx_write(g, out, &e), &e);
    graph_free(g);
    pool_free(p);
}

static void test_threads(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 0);
    for (int round = 0; round < 12; round++) {
        sample s;
        draw(&s, 2 + rng_below(&r, 500), 1 + rng_below(&r, 12), &r);
        buf want;
        written(&s, 1, false, &want);
        static const size_t counts[] = {2, 3, 8};
        for (size_t i = 0; i < 3; i++) {
            buf got;
            written(&s, counts[i], i == 1, &got);
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.data, want.data, want.len);
            buf_clear(&got);
        }
        buf_clear(&want);
        drop(&s);
    }
}

// Adding the trees' values in another order, in float32, gives the same bits; so does float64, so all sums were exact.
static void test_exact_sums(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 1);
    for (int round = 0; round < 30; round++) {
        sample s;
        draw(&s, 2 + rng_below(&r, 200), 1 + rng_below(&r, 6), &r);
        if (rng_below(&r, 2))
            for (size_t row = 0; row < s.n_rows; row++) s.values[row] *= 1e-30;
        err e = ERR_NONE;
        ensemble m;
        check_ok(forest_grow(&m, &s.data, &s.options, 7, NULL, NULL, &e), &e);
        float row[16], scores[4], shuffled[4];
        uint32_t order[32];
        for (size_t i = 0; i < 50; i++) {
            size_t at = rng_below(&r, s.n_rows);
            for (size_t f = 0; f < s.n_features; f++) row[f] = s.x[f * s.n_rows + at];
            ensemble_scores(&m, row, scores);
            double sums[4] = {0};
            memset(shuffled, 0, sizeof shuffled);
            for (uint32_t t = 0; t < m.n_trees; t++) order[t] = t;
            rng_shuffle(&r, order, m.n_trees);
            for (size_t t = 0; t < m.n_trees; t++) {
                // A single tree as an ensemble of its own.
                ensemble one = m;
                uint32_t roots[2] = {m.roots[order[t]], m.roots[order[t] + 1]};
                float part[4];
                one.n_trees = 1;
                one.roots = roots;
                ensemble_scores(&one, row, part);
                for (size_t k = 0; k < m.n_outputs; k++) {
                    shuffled[k] += part[k];
                    sums[k] += (double)part[k];
                }
            }
            double total = 0;
            for (size_t k = 0; k < m.n_outputs; k++) {
                assert_true(scores[k] == shuffled[k] && (double)scores[k] == sums[k]);
                total += sums[k];
            }
            if (s.target.task == TASK_CLASSIFICATION) assert_true(total == 1);
        }
        ensemble_clear(&m);
        drop(&s);
    }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Peak memory of a fit in a child of its own, in bytes above what the child had before.
static size_t peak_of(const sample *s, size_t n_threads)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    malloc_trim(0); // so that the child starts with nothing to use up
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        err e = ERR_NONE;
        graph *g;
        pool *p;
        family_outputs outputs;
        if (pool_new(&p, n_threads, &e) < 0 || graph_new(&g, (size_t)1 << 33, &e) < 0) _exit(1);
        int features = graph_add_input(g, "x", value_type_rows(DTYPE_F32, (int64_t)s->n_features), &e);
        struct rusage before, after;
        getrusage(RUSAGE_SELF, &before);
        int rc = forest_family.fit(&outputs, g, features, &s->data, &s->options, 7, p, NULL, &e);
        getrusage(RUSAGE_SELF, &after);
        size_t grown = (size_t)(after.ru_maxrss - before.ru_maxrss) * 1024;
        _exit(rc < 0 || write(ends[1], &grown, sizeof grown) != sizeof grown);
    }
    int status;
    size_t grown = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(read(ends[0], &grown, sizeof grown), sizeof grown);
    close(ends[0]);
    close(ends[1]);
    return grown;
}

static void test_memory_estimate(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 2);
    for (int round = 0; round < 10; round++) {
        sample s;
        draw(&s, 3000 + rng_below(&r, 20000), 2 + rng_below(&r, 30), &r);
        size_t n_threads = 1 + rng_below(&r, 3);
        if (round % 2) s.options.depth_max = s.options.leaves_max = 0; // grown out, the estimate is at its tightest
        // Pages and the C library's bins are not ours to count: 1 MB, and a heap of 1 MB each thread.
        size_t overhead = (1 + n_threads) << 20;
        size_t estimate = forest_family.memory_estimate(&s.data, &s.options, n_threads), peak = peak_of(&s, n_threads);
        printf("%6zu rows, %2zu features, %2d trees of depth %d, %zu threads: %.1f MB of %.1f MB\n", s.n_rows,
               s.n_features, (int)s.options.n_trees, (int)s.options.depth_max, n_threads, (double)peak / 1e6,
               (double)estimate / 1e6);
        assert_true(peak <= estimate + overhead);
        drop(&s);
    }
}
#else
static void test_memory_estimate(void **state)
{
    (void)state;
    skip(); // sanitizers take memory of their own
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_exact_sums),
        cmocka_unit_test(test_memory_estimate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
