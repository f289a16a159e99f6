// Forests as files: the graph that is read back gives the scores of the plain evaluation, bit for bit, on rows of the
// training data and on others, with values missing and infinite. With WRITTEN=FOLDER the files, the rows and the
// answers stay there, for live_test.py to ask onnxruntime.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/files.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/plan.h"
#include "graph/onnx.h"
#include "learn/forest/forest.h"

enum { ROWS = 400, FEATURES = 6, CLASSES_MAX = 40, SIZE_MAX_FILE = 1 << 26, NAME_SIZE = 8 };

typedef struct model_case {
    const char *name;
    size_t n_classes; // 0: regression
    size_t n_seen;    // classes that training rows have
    column_type type; // of the target
    bool holes;       // missing values in training
    const char *const *settings;
} model_case;

static const char *const shallow[] = {"depth_max=5", NULL};
static const char *const deep[] = {"n_trees=33", NULL};
static const char *const single[] = {"n_trees=1", "bootstrap=no", NULL};

static const model_case cases[] = {
    {"two classes", 2, 2, COLUMN_CATEGORY, false, shallow},
    {"two classes, grown out", 2, 2, COLUMN_CATEGORY, false, deep},
    {"two classes, values missing", 2, 2, COLUMN_BOOLEAN, true, deep},
    {"two integers", 2, 2, COLUMN_INTEGER, false, shallow},
    {"three classes", 3, 3, COLUMN_CATEGORY, false, shallow},
    {"three integers, one not there", 3, 2, COLUMN_INTEGER, true, deep},
    {"many classes", CLASSES_MAX, CLASSES_MAX, COLUMN_CATEGORY, true, deep},
    {"one tree", 3, 3, COLUMN_CATEGORY, false, single},
    {"a number", 0, 0, COLUMN_REAL, false, shallow},
    {"a number, grown out", 0, 0, COLUMN_REAL, true, deep},
};
enum { N_CASES = sizeof cases / sizeof *cases };

typedef struct sample {
    float x[FEATURES * ROWS];         // (FEATURES, ROWS), what is trained on
    float asked[2 * ROWS * FEATURES]; // (2 ROWS, FEATURES): those rows, then others
    int32_t classes[ROWS];
    double values[ROWS];
    char names[CLASSES_MAX][NAME_SIZE];
    char *class_names[CLASSES_MAX];
    schema_target target;
} sample;

static void draw(sample *s, const model_case *c, rng *r)
{
    for (size_t f = 0; f < FEATURES; f++) {
        for (size_t row = 0; row < ROWS; row++) {
            float v = f % 2 ? (float)rng_below(r, 7) : (float)rng_normal(r);
            if (c->holes && rng_below(r, 8) == 0) v = NAN;
            s->x[f * ROWS + row] = v;
            s->asked[row * FEATURES + f] = v;
            float other = rng_below(r, 50) ? (float)rng_normal(r) * 3 : INFINITY;
            s->asked[(ROWS + row) * FEATURES + f] = rng_below(r, 20) ? other : NAN;
        }
    }
    for (size_t row = 0; row < ROWS; row++) {
        double signal = (isnan(s->x[row]) ? 1 : (double)s->x[row]) + rng_normal(r) / 3;
        s->values[row] = 1e4 * signal + 5e4;
        if (c->n_classes)
            s->classes[row] = (int32_t)fmin(fmax((signal + 2) / 4 * (double)c->n_seen, 0), (double)c->n_seen - 1);
    }
    for (size_t k = 0; k < CLASSES_MAX; k++) {
        bool boolean = c->type == COLUMN_BOOLEAN;
        if (boolean)
            snprintf(s->names[k], NAME_SIZE, "%s", k ? "true" : "false");
        else
            snprintf(s->names[k], NAME_SIZE, "%s%zu", c->type == COLUMN_INTEGER ? "" : "k", k * 3);
        s->class_names[k] = s->names[k];
    }
    s->target = (schema_target){.name = s->names[0],
                                .task = c->n_classes ? TASK_CLASSIFICATION : TASK_REGRESSION,
                                .type = c->type,
                                .n_classes = c->n_classes,
                                .classes = s->class_names};
}

static void write_file(size_t index, const char *what, str content)
{
    const char *folder = getenv("WRITTEN");
    if (!folder) return;
    char path[4096];
    err e = ERR_NONE;
    snprintf(path, sizeof path, "%s/%zu.%s", folder, index, what);
    check_ok(file_write_atomic(path, content, 0644, &e), &e);
}

// The forest as a file of one node.
static void to_file(const ensemble *m, const schema_target *target, buf *out)
{
    err e = ERR_NONE;
    graph *g;
    value_id label, scores;
    check_ok(graph_new(&g, (size_t)1 << 30, &e), &e);
    int features = graph_add_input(g, "x", value_type_rows(DTYPE_F32, FEATURES), &e);
    assert_true(features >= 0);
    check_ok(ensemble_emit(m, g, features, target, &label, &scores, &e), &e);
    check_ok(graph_add_output(g, scores, &e), &e);
    if (label != VALUE_NONE) check_ok(graph_add_output(g, label, &e), &e);
    check_ok(graph_check(g, &e), &e);
    buf_init(out, SIZE_MAX_FILE);
    check_ok(onnx_write(g, out, &e), &e);
    graph_free(g);
}

static void check_label(const tensor *labels, size_t row, const char *want)
{
    if (labels->type == DTYPE_STRING)
        assert_true(str_equal(((const str *)labels->data)[row], str_of(want)));
    else
        assert_int_equal(((const int64_t *)labels->data)[row], strtoll(want, NULL, 10));
}

static void check_file(const sample *s, const ensemble *m, str file, const float *want)
{
    err e = ERR_NONE;
    graph *g;
    plan *p;
    session *run;
    check_ok(onnx_read(&g, file, &ONNX_LIMITS_DEFAULT, &e), &e);
    check_ok(plan_new(&p, g, NULL, &e), &e);
    check_ok(session_new(&run, p, SIZE_MAX_FILE, &e), &e);
    float *asked = (float *)(uintptr_t)s->asked;
    tensor in = {.type = DTYPE_F32, .shape = {2, {2 * ROWS, FEATURES}}, .data = asked}, out[2];
    check_ok(session_run(run, &in, out, &e), &e);
    assert_memory_equal(out[0].data, want, 2 * ROWS * m->n_outputs * sizeof *want);
    for (size_t row = 0; s->target.n_classes && row < 2 * ROWS; row++) {
        size_t best = 0;
        for (size_t k = 1; k < m->n_outputs; k++)
            if (want[row * m->n_outputs + k] > want[row * m->n_outputs + best]) best = k;
        check_label(&out[1], row, s->target.classes[best]);
    }
    session_free(run);
    plan_free(p);
    graph_free(g);
}

static void check_case(size_t index, sample *s, rng *r)
{
    const model_case *c = &cases[index];
    err e = ERR_NONE;
    draw(s, c, r);
    family_data d = {.n_rows = ROWS,
                     .n_features = FEATURES,
                     .x = s->x,
                     .target = &s->target,
                     .classes = c->n_classes ? s->classes : NULL,
                     .values = c->n_classes ? NULL : s->values};
    forest_options o;
    options_default(forest_family.options, forest_family.n_options, &o);
    for (size_t i = 0; c->settings[i]; i++)
        check_ok(options_set(forest_family.options, forest_family.n_options, &o, c->settings[i], &e), &e);
    ensemble m;
    check_ok(forest_grow(&m, &d, &o, 42, NULL, NULL, &e), &e);
    float *scores = mem_alloc(2 * ROWS * m.n_outputs, sizeof *scores);
    assert_non_null(scores);
    for (size_t row = 0; row < 2 * ROWS; row++)
        ensemble_scores(&m, s->asked + row * FEATURES, scores + row * m.n_outputs);
    buf file;
    to_file(&m, &s->target, &file);
    write_file(index, "onnx", buf_str(&file));
    write_file(index, "rows", (str){(const char *)s->asked, sizeof s->asked});
    write_file(index, "scores", (str){(const char *)scores, 2 * ROWS * m.n_outputs * sizeof *scores});
    check_file(s, &m, buf_str(&file), scores);
    buf_clear(&file);
    mem_free(scores);
    ensemble_clear(&m);
}

static void test_files(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 0);
    sample *s = mem_zalloc(1, sizeof *s);
    assert_non_null(s);
    for (size_t i = 0; i < N_CASES; i++) {
        printf("%zu: %s\n", i, cases[i].name);
        check_case(i, s, &r);
    }
    mem_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
