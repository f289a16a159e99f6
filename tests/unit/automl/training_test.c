// A training run from table to package: what it yields, what it says, what it refuses.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "automl/training.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/model.h"

static const char *const few_trees[] = {"n_trees=5"};

static training_options options_of(const frame *f, const char *target)
{
    training_options o = TRAINING_OPTIONS_DEFAULT;
    o.frame = f;
    o.target = target;
    o.settings = few_trees;
    o.n_settings = 1;
    return o;
}

// 120 rows: x and kind tell y (a class) and z (a number); ident, comment and same are of no use; holes here and there.
enum { ROWS = 120 };
static frame *table(void)
{
    err e = ERR_NONE;
    rng r = rng_new(1, 0);
    double x[ROWS], z[ROWS];
    int64_t same[ROWS], flag[ROWS];
    str kind[ROWS], y[ROWS], comment[ROWS], ident[ROWS];
    static char texts[ROWS][32], names[ROWS][16];
    for (int i = 0; i < ROWS; i++) {
        x[i] = rng_normal(&r);
        kind[i] = rng_below(&r, 2) ? STR("on") : STR("off");
        double score = x[i] + (kind[i].len == 2);
        y[i] = score > 0.9 ? STR("high") : score > 0 ? STR("middle") : STR("low");
        z[i] = score * 10;
        flag[i] = score > 0.5;
        same[i] = 4;
        snprintf(texts[i], sizeof texts[i], "row %d says %d things", i, i * 7);
        snprintf(names[i], sizeof names[i], "id%d", i);
        comment[i] = str_of(texts[i]);
        ident[i] = str_of(names[i]);
    }
    x[3] = x[50] = NAN;
    kind[7] = (str){0};
    y[11] = y[12] = (str){0};
    z[11] = NAN;
    frame_builder *b = NULL;
    frame *f = NULL;
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_strings(b, "ident", COLUMN_IDENTIFIER, ident, &e), &e);
    check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), &e);
    check_ok(frame_builder_add_strings(b, "kind", COLUMN_CATEGORY, kind, &e), &e);
    check_ok(frame_builder_add_strings(b, "comment", COLUMN_TEXT, comment, &e), &e);
    check_ok(frame_builder_add_i64(b, "same", COLUMN_INTEGER, same, &e), &e);
    check_ok(frame_builder_add_strings(b, "y", COLUMN_CATEGORY, y, &e), &e);
    check_ok(frame_builder_add_f64(b, "z", COLUMN_REAL, z, &e), &e);
    check_ok(frame_builder_add_i64(b, "flag", COLUMN_BOOLEAN, flag, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}
static const char *const used[] = {"x", "kind"};

static training_options with_used(training_options o)
{
    o.prepare_given = true;
    o.prepare.columns = used;
    o.prepare.n_columns = 2;
    return o;
}

// ---- what it says

typedef struct heard {
    char lines[STAGES_N][8][400];
    size_t n_lines[STAGES_N];
    training_stage last;
    size_t stop_at; // calls until it says stop; 0: never
    size_t n_calls;
    bool in_order;
} heard;

static int hear(void *context, training_stage stage, size_t done, size_t total, const char *text)
{
    heard *h = context;
    assert_true(done <= total);
    if (stage < h->last) h->in_order = false;
    h->last = stage;
    h->n_calls++;
    if (text && h->n_lines[stage] < 8) {
        assert_null(strchr(text, '\n'));
        snprintf(h->lines[stage][h->n_lines[stage]++], 400, "%s", text);
    }
    return h->stop_at && h->n_calls >= h->stop_at;
}

static void says_what_it_does(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = options_of(f, "y");
    static const char *const leaks[] = {"z", "flag"};
    o.prepare_given = true;
    o.prepare.dropped = leaks;
    o.prepare.n_dropped = 2;
    o.folds = 3;
    heard *h = mem_zalloc(1, sizeof *h);
    h->in_order = true;
    training_news news = {.report = hear, .context = h};
    training_result r;
    check_ok(training_run(&r, &o, NULL, &news, &e), &e);
    assert_true(h->in_order);
    assert_string_equal(h->lines[STAGE_READ][0],
                        "120 rows, 8 columns (1 integer, 2 real, 1 boolean, 2 category, 1 text, 1 identifier)");
    assert_non_null(strstr(h->lines[STAGE_PROFILE][0], "target y (category): classification"));
    assert_int_equal(h->n_lines[STAGE_PROFILE] > 1, 1); // the findings
    assert_string_equal(h->lines[STAGE_CLEAN][0], "118 rows kept, 2 without a target dropped");
    assert_non_null(strstr(h->lines[STAGE_SPLIT][0], "24 to test; stratified by class, seed 42"));
    assert_string_equal(h->lines[STAGE_PREPARE][0],
                        "2 columns become 4 features; left out: ident (identifier), comment "
                        "(free text), same (one value only)");
    assert_non_null(strstr(h->lines[STAGE_TRAIN][0], "forest on 94 rows of 4 features"));
    assert_non_null(strstr(h->lines[STAGE_EVALUATE][0], "on 24 rows never seen"));
    assert_non_null(strstr(h->lines[STAGE_EVALUATE][1], "cross-validation: accuracy"));
    assert_non_null(strstr(h->lines[STAGE_PACKAGE][0], "sha256 "));
    training_result_clear(&r);
    mem_free(h);
    frame_free(f);
}

static void stops_when_told(void **state)
{
    (void)state;
    frame *f = table();
    training_options o = with_used(options_of(f, "y"));
    o.folds = 2;
    heard *h = mem_zalloc(1, sizeof *h);
    training_news news = {.report = hear, .context = h};
    size_t n_calls = 0;
    for (size_t stop_at = 1;; stop_at++) {
        err e = ERR_NONE;
        *h = (heard){.stop_at = stop_at, .in_order = true};
        training_result r;
        int rc = training_run(&r, &o, NULL, &news, &e);
        if (rc == 0) { // it was never asked again
            assert_true(h->n_calls < stop_at);
            n_calls = h->n_calls;
            training_result_clear(&r);
            break;
        }
        assert_int_equal(rc, ERR_CANCELLED);
        assert_int_equal(h->n_calls, stop_at);
    }
    assert_true(n_calls > 2 * STAGES_N);
    mem_free(h);
    frame_free(f);
}

// ---- what it yields

static void classification(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = with_used(options_of(f, "y"));
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    assert_null(r.frame); // it was ours
    assert_string_equal(r.recipe->name, "tabular-classification");
    assert_int_equal(r.n_rows, ROWS);
    assert_int_equal(r.n_rows_dropped, 2);
    assert_int_equal(r.n_train + r.n_test, ROWS - 2);
    const schema *s = &r.package->schema;
    assert_int_equal(s->n_inputs, 2);
    assert_int_equal(s->target.n_classes, 3);
    assert_string_equal(s->target.classes[0], "high");
    assert_int_equal(s->target.counts[0] + s->target.counts[1] + s->target.counts[2], r.n_train);
    assert_true(r.metrics.accuracy > 0.7); // the target is a function of the two
    double accuracy;
    check_ok(json_member_real(json_object_get(r.package->metrics, "test"), "accuracy", &accuracy, &e), &e);
    assert_true(accuracy == r.metrics.accuracy);
    training_result_clear(&r);
    frame_free(f);
}

static void regression(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = with_used(options_of(f, "z"));
    o.folds = 3;
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    assert_string_equal(r.recipe->name, "tabular-regression");
    assert_int_equal(r.n_rows_dropped, 1);
    assert_true(r.metrics.r2 > 0.7);
    assert_int_equal(r.n_folds, 3);
    const json_t *cv = json_object_get(r.package->metrics, "cross_validation");
    assert_int_equal(json_array_size(json_object_get(cv, "folds")), 3);
    double mean, sum = 0;
    check_ok(json_member_real(json_object_get(cv, "mean"), "rmse", &mean, &e), &e);
    for (size_t i = 0; i < 3; i++) sum += r.folds[i].rmse;
    assert_true(fabs(mean - sum / 3) < 1e-12);
    training_result_clear(&r);
    frame_free(f);
}

static void boolean_target(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = with_used(options_of(f, "flag"));
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    assert_string_equal(r.package->schema.target.classes[0], "false");
    assert_string_equal(r.package->schema.target.classes[1], "true");
    training_result_clear(&r);
    o.recipe = "tabular-regression"; // as 0 and 1
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    assert_true(r.package->schema.target.min == 0 && r.package->schema.target.max == 1);
    training_result_clear(&r);
    frame_free(f);
}

static void incomplete_rows_dropped(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = with_used(options_of(f, "y"));
    o.drop_incomplete = true;
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    assert_int_equal(r.n_rows_dropped, 5); // two without a target, three with a hole in x or kind
    assert_true(r.package->schema.inputs[0].missing_rate == 0);
    training_result_clear(&r);
    frame_free(f);
}

static void splits_by_time_and_group(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    static const struct {
        split_kind kind;
        const char *column;
    } splits[] = {{SPLIT_TIME, "x"}, {SPLIT_GROUP, "kind"}, {SPLIT_RANDOM, NULL}, {SPLIT_NUMPY, NULL}};
    for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
        training_options o = with_used(options_of(f, "z"));
        o.split.kind = splits[i].kind;
        o.split.column = splits[i].column;
        o.folds = 2;
        training_result r;
        check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
        assert_int_equal(r.n_train + r.n_test, ROWS - 1);
        size_t n_tested = 0;
        for (size_t k = 0; k < 2; k++) n_tested += r.folds[k].n_rows;
        if (splits[i].kind == SPLIT_TIME)
            assert_true(n_tested < ROWS - 1); // the first block is never tested
        else
            assert_int_equal(n_tested, ROWS - 1);
        training_result_clear(&r);
    }
    frame_free(f);
}

static void same_options_same_bytes(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = with_used(options_of(f, "y"));
    char first[SHA256_HEX_SIZE], key[65], other[65];
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    memcpy(first, r.package->digest, sizeof first);
    training_result_clear(&r);
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    assert_string_equal(r.package->digest, first);
    training_result_clear(&r);

    check_ok(training_key(&o, f, key, &e), &e);
    o.path = "elsewhere.csv"; // where it lies changes nothing
    check_ok(training_key(&o, f, other, &e), &e);
    assert_string_equal(key, other);
    training_options variants[] = {o, o, o, o, o, o};
    static const char *const six_trees[] = {"n_trees=6"};
    variants[0].seed = 43;
    variants[1].settings = six_trees;
    variants[2].prepare.scale = SCALE_STANDARD;
    variants[3].split.test_share = 0.3;
    variants[4].target = "flag";
    variants[5].folds = 2;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        check_ok(training_key(&variants[i], f, other, &e), &e);
        assert_string_not_equal(key, other);
    }
    frame_free(f);
}

// The single file, read back: the same digest, and the same predictions from its model.
static void round_trip(void **state)
{
    (void)state;
    err e = ERR_NONE;
    frame *f = table();
    training_options o = with_used(options_of(f, "y"));
    training_result r;
    check_ok(training_run(&r, &o, NULL, NULL, &e), &e);
    str file;
    check_ok(package_onnx(r.package, &file, &e), &e);
    package *again = NULL;
    check_ok(package_from_onnx(&again, file, &e), &e);
    assert_string_equal(again->digest, r.package->digest);
    model *a = NULL, *b = NULL;
    check_ok(model_open(&b, again, &e), &e);
    check_ok(model_open(&a, r.package, &e), &e);
    r.package = NULL;
    arena memory;
    arena_init(&memory, 1 << 24);
    prediction p, q;
    check_ok(model_predict_frame(a, f, NULL, 0, &p, NULL, &memory, &e), &e);
    check_ok(model_predict_frame(b, f, NULL, 0, &q, NULL, &memory, &e), &e);
    assert_int_equal(p.n_rows, ROWS);
    assert_int_equal(p.n_scores, 3);
    assert_memory_equal(p.scores, q.scores, ROWS * 3 * sizeof *p.scores);
    assert_memory_equal(p.labels, q.labels, ROWS * sizeof *p.labels);
    arena_clear(&memory);
    model_drop(a);
    model_drop(b);
    training_result_clear(&r);
    frame_free(f);
}

// ---- what it refuses

static void refuses(training_options o, int code, const char *says)
{
    err e = ERR_NONE;
    training_result r;
    check_fails(training_run(&r, &o, NULL, NULL, &e), code, &e);
    check_says(&e, says);
}

static void wrong_options(void **state)
{
    (void)state;
    frame *f = table();
    const training_options good = with_used(options_of(f, "y"));
    training_options o = good;
    o.target = NULL;
    refuses(o, ERR_USAGE, "--target; likely: \"");
    char key[65];
    err e = ERR_NONE;
    check_fails(training_key(&o, f, key, &e), ERR_USAGE, &e);
    check_says(&e, "likely");
    o.target = "knid";
    refuses(o, ERR_NOT_FOUND, "did you mean \"kind\"?");
    o.target = "comment";
    refuses(o, ERR_INPUT, "of type text, which no recipe predicts");
    o = good;
    o.recipe = "tabular-classifikation";
    refuses(o, ERR_NOT_FOUND, "did you mean \"tabular-classification\"");
    o.recipe = "tabular-regression";
    refuses(o, ERR_INPUT, "regression predicts numbers");
    o = good;
    o.family = "jungle";
    refuses(o, ERR_NOT_FOUND, "there are: forest");
    o = good;
    static const char *const settings[] = {"n_tree=5"};
    o.settings = settings;
    refuses(o, ERR_INPUT, "n_trees");
    o = good;
    o.split.test_share = 1;
    refuses(o, ERR_INPUT, "test share");
    o = good;
    o.folds = 1;
    refuses(o, ERR_INPUT, "two folds");
    o = good;
    o.target = "x"; // which is also wanted as a feature
    refuses(o, ERR_INPUT, "is the target");
    frame_free(f);
}

static void wrong_data(void **state)
{
    (void)state;
    err e = ERR_NONE;
    static const struct {
        const char *csv, *says;
        int code;
    } cases[] = {
        {"x,y\n", "no rows", ERR_INPUT},
        {"x,y\n1,\n2,\n3,\n", "missing in every row", ERR_INPUT},
        {"x,y\n1,a\n2,a\n3,a\n4,a\n", "one class only", ERR_INPUT},
        {"x,y\n1,a\n1,b\n1,a\n1,b\n", "no column can be a feature", ERR_INPUT},
        {"y\na\nb\na\nb\n", "no column can be a feature", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        frame *f = NULL;
        read_options read = READ_OPTIONS_DEFAULT;
        read.header = HEADER_YES;
        const type_override types[] = {{.column = "y", .type = COLUMN_CATEGORY}};
        read.types = types;
        read.n_types = 1;
        check_ok(read_csv(&f, str_of(cases[i].csv), &read, NULL, &e), &e);
        refuses(options_of(f, "y"), cases[i].code, cases[i].says);
        frame_free(f);
    }
    frame *f = NULL;
    read_options read = READ_OPTIONS_DEFAULT;
    check_ok(read_csv(&f, STR("a,b,y\n1,,0\n,2,1\n3,,0\n,4,1\n"), &read, NULL, &e), &e);
    training_options o = options_of(f, "y");
    o.recipe = "tabular-classification";
    o.drop_incomplete = true;
    refuses(o, ERR_INPUT, "no row is complete");
    frame_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_it_does),
        cmocka_unit_test(stops_when_told),
        cmocka_unit_test(classification),
        cmocka_unit_test(regression),
        cmocka_unit_test(boolean_target),
        cmocka_unit_test(incomplete_rows_dropped),
        cmocka_unit_test(splits_by_time_and_group),
        cmocka_unit_test(same_options_same_bytes),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(wrong_options),
        cmocka_unit_test(wrong_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
