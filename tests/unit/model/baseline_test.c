// Baseline distributions: bins by hand, what is merged, what is written and read, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "model/baseline.h"
#include "model/driver.h"

enum { ROWS = 600 };

static char *letters[] = {(char[]){"a"}, (char[]){"b"}, (char[]){"c"}, (char[]){"d"}};
static uint64_t letter_counts[] = {300, 9, 250, 11};
static char *classes[] = {(char[]){"no"}, (char[]){"yes"}};
static uint64_t class_counts[] = {400, 200};

static schema_input inputs[] = {
    {.name = (char[]){"x"}, .type = COLUMN_REAL, .tensor = (char[]){"x"}, .max = 599},
    {.name = (char[]){"few"}, .type = COLUMN_INTEGER, .tensor = (char[]){"few"}, .max = 2},
    {.name = (char[]){"letter"},
     .type = COLUMN_CATEGORY,
     .tensor = (char[]){"letter"},
     .n_categories = 4,
     .categories = letters,
     .counts = letter_counts},
    {.name = (char[]){"day"}, .type = COLUMN_DATETIME, .tensor = (char[]){"day"}, .max = 0},
};

static schema test_schema(void)
{
    static const double few[QUANTILES_N] = {0, 0, 0, 0, 0, 0, 0.5, 1, 1, 2, 2}; // one between two values
    for (size_t q = 0; q < QUANTILES_N; q++) {
        inputs[0].quantiles[q] = 59.9 * (double)q;
        inputs[1].quantiles[q] = few[q];
        inputs[3].quantiles[q] = NAN;
    }
    inputs[3].max = NAN;
    return (schema){.n_inputs = 4,
                    .inputs = inputs,
                    .target = {.name = (char[]){"t"},
                               .task = TASK_CLASSIFICATION,
                               .type = COLUMN_BOOLEAN,
                               .n_classes = 2,
                               .classes = classes,
                               .counts = class_counts}};
}

// x is 0..599 without every 100th; few is 0 in 60 of 100 rows, 1 in 25, else 2; letters are only in the schema; no day.
static frame *test_frame(void)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    double x[ROWS];
    int64_t few[ROWS], day[ROWS];
    str letter[ROWS];
    for (int i = 0; i < ROWS; i++) {
        x[i] = i % 100 ? i : NAN;
        few[i] = i % 100 < 60 ? 0 : i % 100 < 85 ? 1 : 2;
        day[i] = FRAME_I64_MISSING;
        letter[i] = STR("a");
    }
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), &e);
    check_ok(frame_builder_add_i64(b, "few", COLUMN_INTEGER, few, &e), &e);
    check_ok(frame_builder_add_strings(b, "letter", COLUMN_CATEGORY, letter, &e), &e);
    check_ok(frame_builder_add_i64(b, "day", COLUMN_DATETIME, day, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static baseline test_reference(size_t n_rows, const schema *s)
{
    err e = ERR_NONE;
    frame *f = test_frame();
    uint32_t rows[ROWS];
    for (uint32_t i = 0; i < ROWS; i++) rows[i] = i;
    baseline r;
    check_ok(baseline_of_inputs(&r, s, f, rows, n_rows, NULL, &e), &e);
    frame_free(f);
    return r;
}

static void numbers_are_counted_between_deciles(void **state)
{
    (void)state;
    schema s = test_schema();
    baseline r = test_reference(ROWS, &s);
    assert_int_equal(r.n_inputs, 4);
    assert_int_equal(r.n_rows, ROWS);
    const distribution *x = &r.inputs[0];
    assert_int_equal(x->n_bins, 10);
    assert_int_equal(x->missing, 6);
    assert_int_equal(x->counts[0], 59); // 1..59; 0 is missing
    assert_int_equal(x->counts[1], 59); // 60..119 without 100
    assert_int_equal(x->counts[9], 60); // 540..599
    assert_int_equal(distribution_bin(x, x->edges[0]), 0);
    assert_int_equal(distribution_bin(x, 1e9), 9);
    const distribution *few = &r.inputs[1];
    assert_int_equal(few->n_bins, 3); // nothing between 0 and 0.5: that edge is gone
    assert_int_equal(few->counts[0], 360);
    assert_int_equal(few->counts[1], 150);
    assert_int_equal(few->counts[2], 90);
    assert_int_equal(distribution_bin(few, 0), 0);
    assert_int_equal(distribution_bin(few, 1), 1);
    assert_int_equal(distribution_bin(few, 2), 2);
    assert_int_equal(r.inputs[3].n_bins, 1);
    assert_int_equal(r.inputs[3].missing, ROWS);
    baseline_clear(&r);
}

static void few_rows_have_few_bins(void **state)
{
    (void)state;
    schema s = test_schema();
    baseline r = test_reference(100, &s);
    assert_int_equal(r.inputs[0].n_bins, 1); // the median of the schema is above all of them
    baseline_clear(&r);
    inputs[0].quantiles[5] = 49.5;
    r = test_reference(100, &s);
    assert_int_equal(r.inputs[0].n_bins, 2);
    assert_int_equal(r.inputs[0].counts[0], 49);
    baseline_clear(&r);
}

static void rare_categories_are_others(void **state)
{
    (void)state;
    schema s = test_schema();
    baseline r = test_reference(ROWS, &s);
    const distribution *d = &r.inputs[2];
    assert_int_equal(d->n_bins, 4); // a, c, d; b has 9 rows
    assert_int_equal(d->members[1], 2);
    assert_int_equal(d->counts[1], 250);
    assert_int_equal(d->counts[3], 9);
    assert_int_equal(d->missing, 30);
    baseline_clear(&r);
}

static void the_most_frequent_are_kept(void **state)
{
    (void)state;
    char names[40][8], *list[40];
    uint64_t counts[40];
    for (uint64_t i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "n%02u", (unsigned)i);
        list[i] = names[i];
        counts[i] = 10 + i * 7 % 40; // every number once
    }
    schema s = test_schema();
    schema_input many = s.inputs[2];
    many.n_categories = 40;
    many.categories = list;
    many.counts = counts;
    s.n_inputs = 1;
    s.inputs = &many;
    baseline r = test_reference(ROWS, &s);
    const distribution *d = &r.inputs[0];
    assert_int_equal(d->n_bins, 21);
    for (size_t i = 0; i < 20; i++) {
        assert_true(counts[d->members[i]] >= 30);
        assert_true(i == 0 || d->members[i] > d->members[i - 1]);
        assert_int_equal(d->counts[i], counts[d->members[i]]);
    }
    uint64_t others = 0;
    for (size_t k = 0; k < 40; k++) others += counts[k] < 30 ? counts[k] : 0;
    assert_int_equal(d->counts[20], others);
    baseline_clear(&r);
}

static void scores_and_classes_are_counted(void **state)
{
    (void)state;
    err e = ERR_NONE;
    schema s = test_schema();
    baseline r = test_reference(ROWS, &s);
    float scores[2 * ROWS];
    int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++) {
        scores[2 * i + 1] = (float)i / ROWS;
        scores[2 * i] = 1 - scores[2 * i + 1];
        labels[i] = i >= 400;
    }
    prediction p = {.n_rows = ROWS, .n_scores = 2, .scores = scores, .labels = labels};
    check_ok(baseline_of_scores(&r, &s.target, &p, &e), &e);
    assert_int_equal(r.scores.n_bins, 10);
    assert_int_equal(r.scores.counts[0], 60);
    assert_int_equal(r.classes.n_bins, 3);
    assert_int_equal(r.classes.counts[0], 400);
    assert_int_equal(r.classes.counts[1], 200);
    assert_int_equal(r.classes.counts[2], 0);

    json_t *j = NULL, *again = NULL;
    baseline back;
    check_ok(baseline_to_json(&r, &s, &j, &e), &e);
    check_ok(baseline_from_json(&back, j, &s, &e), &e);
    check_ok(baseline_to_json(&back, &s, &again, &e), &e);
    assert_true(json_equal(j, again));
    json_decref(again);
    json_decref(j);
    baseline_clear(&back);
    baseline_clear(&r);
}

static void scores_are_watched_by_one_number(void **state)
{
    (void)state;
    schema_target t = {.task = TASK_CLASSIFICATION};
    const float two[] = {0.75F, 0.25F}, three[] = {0.125F, 0.5F, 0.375F}, broken[] = {0.5F, NAN, 0.25F};
    assert_true(baseline_score(&t, two, 2) == 0.25F);
    assert_true(baseline_score(&t, three, 3) == 0.5F);
    assert_true(isnan(baseline_score(&t, broken, 3)));
    t.task = TASK_REGRESSION;
    assert_true(baseline_score(&t, two, 1) == 0.75F);
}

static void what_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } all[] = {
        {"[]", "not an object"},
        {"{'inputs':[],'rows':0,'score_rows':0,'scores':{'edges':[],'counts':[0],'missing':0}}", "classes"},
        {"{'inputs':[{'name':'y','edges':[],'counts':[5],'missing':0}],'rows':5,'score_rows':0,'scores':{},"
         "'classes':{}}",
         "inputs[0]: \"y\" is where the schema has \"x\""},
        {"{'inputs':[{'name':'x','edges':[1],'counts':[5],'missing':0}],'rows':5,'score_rows':0,'scores':{},"
         "'classes':{}}",
         "1 counts for 2 bins"},
        {"{'inputs':[{'name':'x','edges':[1,1],'counts':[5,0,0],'missing':0}],'rows':5,'score_rows':0,'scores':{},"
         "'classes':{}}",
         "do not rise at 1"},
        {"{'inputs':[{'name':'x','edges':[1],'counts':[5,-1],'missing':0}],'rows':5,'score_rows':0,'scores':{},"
         "'classes':{}}",
         "\"counts\"[1]"},
        {"{'inputs':[{'name':'x','edges':[1],'counts':[5,1],'missing':0}],'rows':5,'score_rows':0,'scores':{},"
         "'classes':{}}",
         "do not add up"},
        {"{'inputs':[],'rows':0,'score_rows':3,'scores':{'edges':[],'counts':[3],'missing':0},'classes':"
         "{'members':['yes','no'],'counts':[1,2,0],'missing':0}}",
         "\"members\"[1]"},
        {"{'inputs':[],'rows':0,'score_rows':0,'scores':{'edges':[],'counts':[0],'missing':0},'classes':"
         "{'members':[],'counts':[0],'missing':0},'more':1}",
         "unknown members"},
    };
    schema s = test_schema();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[512];
        err e = ERR_NONE;
        json_t *j = NULL;
        baseline r;
        snprintf(text, sizeof text, "%s", all[i].text);
        for (char *c = text; *c; c++)
            if (*c == '\'') *c = '"';
        check_ok(json_parse(&j, str_of(text), &e), &e);
        check_fails(baseline_from_json(&r, j, &s, &e), ERR_FORMAT, &e);
        check_says(&e, all[i].says);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_counted_between_deciles), cmocka_unit_test(few_rows_have_few_bins),
        cmocka_unit_test(rare_categories_are_others),          cmocka_unit_test(the_most_frequent_are_kept),
        cmocka_unit_test(scores_and_classes_are_counted),      cmocka_unit_test(scores_are_watched_by_one_number),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
