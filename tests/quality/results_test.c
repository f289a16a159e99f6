// What each learner reaches on each data set, kept in results.csv: a change of any line is explained by its commit.
// Default preparation, the test rows of train_test_split(test_size=0.2, random_state=42). WRITE=1 writes the file
// again.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/files.h"
#include "base/mem.h"
#include "data/read.h"
#include "data/split.h"
#include "evaluate/metrics.h"
#include "learn/forest/forest.h"
#include "prepare/prepare.h"

enum { SEED = 42, CLASSES_MAX = 16, FILE_MAX = 1 << 16 };

#define RESULTS TEST_SOURCE_DIR "/tests/quality/results.csv"

typedef struct dataset {
    const char *name, *path, *target;
    task task;
} dataset;

static const dataset datasets[] = {
    {"iris", TEST_SOURCE_DIR "/examples/iris.csv", "species", TASK_CLASSIFICATION},
    {"wine", TEST_SOURCE_DIR "/examples/wine.csv", "cultivar", TASK_CLASSIFICATION},
    {"breast_cancer", TEST_SOURCE_DIR "/examples/breast_cancer.csv", "diagnosis", TASK_CLASSIFICATION},
    {"titanic", TEST_SOURCE_DIR "/examples/titanic.csv", "survived", TASK_CLASSIFICATION},
    {"diabetes", TEST_SOURCE_DIR "/examples/diabetes.csv", "progression", TASK_REGRESSION},
};

typedef struct learner {
    const char *name, *setting; // one assignment, or NULL
} learner;

static const learner learners[] = {
    {"forest", NULL},
    {"forest depth_max=5", "depth_max=5"},
    {"forest leaves_max=16", "leaves_max=16"},
};

// Rows of one side of the split, as families and metrics take them.
typedef struct part {
    size_t n_rows;
    float *x; // (n_features, n_rows)
    int32_t *classes;
    double *values;
} part;

static int32_t class_at(const column *c, size_t row)
{
    return c->storage == STORAGE_STRING ? c->codes[row] : (int32_t)c->i64[row];
}

static void part_open(part *p, const frame *f, int64_t target, const uint32_t *rows, size_t n_rows, bool classify,
                      const preparation *prepared)
{
    err e = ERR_NONE;
    size_t n_features;
    preparation_features(prepared, &n_features);
    *p = (part){.n_rows = n_rows,
                .x = mem_alloc(n_rows * n_features, sizeof(float)),
                .classes = mem_alloc(n_rows, sizeof(int32_t)),
                .values = mem_alloc(n_rows, sizeof(double))};
    assert_true(p->x && p->classes && p->values);
    check_ok(preparation_apply(prepared, f, rows, n_rows, p->x, NULL, &e), &e);
    const column *c = frame_column(f, (size_t)target);
    for (size_t i = 0; i < n_rows; i++) {
        if (classify)
            p->classes[i] = class_at(c, rows[i]);
        else
            p->values[i] = c->storage == STORAGE_F64 ? c->f64[rows[i]] : (double)c->i64[rows[i]];
    }
}

static void part_close(part *p)
{
    mem_free(p->x);
    mem_free(p->classes);
    mem_free(p->values);
}

static void train(ensemble *m, const part *p, size_t n_features, const learner *l, bool classify, size_t n_classes)
{
    err e = ERR_NONE;
    char *names[CLASSES_MAX];
    for (size_t k = 0; k < CLASSES_MAX; k++) names[k] = (char[]){"class"};
    schema_target target = {.name = (char[]){"y"},
                            .task = classify ? TASK_CLASSIFICATION : TASK_REGRESSION,
                            .n_classes = n_classes,
                            .classes = names};
    family_data d = {.n_rows = p->n_rows,
                     .n_features = n_features,
                     .x = p->x,
                     .target = &target,
                     .classes = p->classes,
                     .values = p->values};
    forest_options o;
    options_default(forest_family.options, forest_family.n_options, &o);
    if (l->setting) check_ok(options_set(forest_family.options, forest_family.n_options, &o, l->setting, &e), &e);
    check_ok(forest_grow(m, &d, &o, SEED, NULL, NULL, &e), &e);
}

static void judge(metrics *out, const ensemble *m, const part *p, bool classify)
{
    err e = ERR_NONE;
    float *row = mem_alloc(m->n_features, sizeof *row);
    float *scores = mem_alloc(p->n_rows * m->n_outputs, sizeof *scores);
    assert_true(row && scores);
    for (size_t i = 0; i < p->n_rows; i++) {
        for (size_t f = 0; f < m->n_features; f++) row[f] = p->x[f * p->n_rows + i];
        ensemble_scores(m, row, scores + i * m->n_outputs);
    }
    if (classify)
        check_ok(metrics_classification(out, p->classes, scores, p->n_rows, m->n_outputs, &e), &e);
    else
        check_ok(metrics_regression(out, p->values, scores, p->n_rows, &e), &e);
    mem_free(row);
    mem_free(scores);
}

static void add_line(buf *out, const dataset *set, const learner *l, const metrics *m)
{
    static const char *const names[TASKS_N][3] = {{"accuracy", "log_loss", "roc_auc"}, {"rmse", "mae", "r2"}};
    for (size_t i = 0; i < 3; i++) {
        double value;
        bool more;
        err e = ERR_NONE;
        check_ok(metrics_get(m, names[set->task][i], &value, &more, &e), &e);
        buf_format(out, "%s,%s,%d,%s,%.4f\n", set->name, l->name, SEED, names[set->task][i], value);
    }
}

static void add_dataset(buf *out, const dataset *set)
{
    err e = ERR_NONE;
    frame *f;
    split s;
    preparation *prepared;
    check_ok(read_file(&f, set->path, &READ_OPTIONS_DEFAULT, NULL, &e), &e);
    int64_t target = frame_find(f, set->target);
    assert_true(target >= 0);
    bool classify = set->task == TASK_CLASSIFICATION;
    size_t n = frame_n_rows(f), n_classes = 0, n_features;
    uint32_t *rows = mem_alloc(n, sizeof *rows);
    assert_non_null(rows);
    for (size_t row = 0; row < n; row++) rows[row] = (uint32_t)row;
    const column *c = frame_column(f, (size_t)target);
    for (size_t row = 0; classify && row < n; row++)
        if ((size_t)class_at(c, row) >= n_classes) n_classes = (size_t)class_at(c, row) + 1;
    assert_true(n_classes <= CLASSES_MAX);
    split_options o = {.kind = SPLIT_NUMPY, .test_share = 0.2, .seed = SEED};
    check_ok(split_make(&s, f, rows, n, NULL, &o, &e), &e);
    prepare_options how = PREPARE_OPTIONS_DEFAULT;
    check_ok(preparation_fit(&prepared, f, target, s.train, s.n_train, &how, NULL, &e), &e);
    preparation_features(prepared, &n_features);
    part seen, unseen;
    part_open(&seen, f, target, s.train, s.n_train, classify, prepared);
    part_open(&unseen, f, target, s.test, s.n_test, classify, prepared);
    for (size_t i = 0; i < sizeof learners / sizeof *learners; i++) {
        ensemble m;
        metrics reached;
        train(&m, &seen, n_features, &learners[i], classify, n_classes);
        judge(&reached, &m, &unseen, classify);
        add_line(out, set, &learners[i], &reached);
        metrics_clear(&reached);
        ensemble_clear(&m);
    }
    part_close(&seen);
    part_close(&unseen);
    preparation_free(prepared);
    split_clear(&s);
    mem_free(rows);
    frame_free(f);
}

// Prints the lines that differ.
static bool same(const char *have, const char *want)
{
    bool equal = true;
    while (*have || *want) {
        int a = (int)strcspn(have, "\n"), b = (int)strcspn(want, "\n");
        if (a != b || strncmp(have, want, (size_t)a) != 0) {
            printf("now %.*s, kept %.*s\n", a, have, b, want);
            equal = false;
        }
        have += a + (have[a] == '\n');
        want += b + (want[b] == '\n');
    }
    return equal;
}

static void test_results(void **state)
{
    (void)state;
    err e = ERR_NONE;
    buf now, kept;
    buf_init(&now, FILE_MAX);
    buf_add_text(&now, "data set,learner,seed,metric,value\n");
    for (size_t i = 0; i < sizeof datasets / sizeof *datasets; i++) add_dataset(&now, &datasets[i]);
    check_ok(buf_check(&now, &e), &e);
    if (getenv("WRITE")) check_ok(file_write_atomic(RESULTS, buf_str(&now), 0644, &e), &e);
    check_ok(file_read(RESULTS, FILE_MAX, &kept, &e), &e);
    buf_add_char(&now, '\0');
    buf_add_char(&kept, '\0');
    assert_true(same(now.data, kept.data));
    buf_clear(&now);
    buf_clear(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
