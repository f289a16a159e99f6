// Fitting: which columns are used, what the schema says, and the graph that is emitted.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "prepare/prepare.h"

#define N(array) (sizeof(array) / sizeof *(array))
#define GONE ((str){0})

enum { ROWS = 6 };
static const uint32_t all_rows[ROWS] = {0, 1, 2, 3, 4, 5};

// name, age (a hole), pclass, alive, when (a hole), town (a hole), ticket, planet (constant), nothing (empty), target
static frame *passengers(void)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    const double age[ROWS] = {20, NAN, 30, 40, 10, 30}, nothing[ROWS] = {NAN, NAN, NAN, NAN, NAN, NAN};
    const int64_t class[ROWS] = {1, 2, 3, 3, 3, 1}, alive[ROWS] = {0, 1, 1, 0, 1, 1};
    const int64_t when[ROWS] = {2000, 5000, FRAME_I64_MISSING, 1000, 1000, 3000}, target[ROWS] = {0, 1, 0, 1, 0, 1};
    const str town[ROWS] = {STR("Cork"), STR("Bonn"), GONE, STR("Bonn"), STR("Aix"), STR("Cork")};
    const str name[ROWS] = {STR("a b"), STR("c d"), STR("e f"), STR("g h"), STR("i j"), STR("k l")};
    const str planet[ROWS] = {STR("Earth"), STR("Earth"), STR("Earth"), STR("Earth"), STR("Earth"), STR("Earth")};
    const str ticket[ROWS] = {STR("A1"), STR("A2"), STR("A3"), STR("A4"), STR("A5"), STR("A6")};
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_strings(b, "name", COLUMN_TEXT, name, &e), &e);
    check_ok(frame_builder_add_f64(b, "age", COLUMN_REAL, age, &e), &e);
    check_ok(frame_builder_add_i64(b, "pclass", COLUMN_INTEGER, class, &e), &e);
    check_ok(frame_builder_add_i64(b, "alive", COLUMN_BOOLEAN, alive, &e), &e);
    check_ok(frame_builder_add_i64(b, "when", COLUMN_DATETIME, when, &e), &e);
    check_ok(frame_builder_add_strings(b, "town", COLUMN_CATEGORY, town, &e), &e);
    check_ok(frame_builder_add_strings(b, "ticket", COLUMN_IDENTIFIER, ticket, &e), &e);
    check_ok(frame_builder_add_strings(b, "planet", COLUMN_CATEGORY, planet, &e), &e);
    check_ok(frame_builder_add_f64(b, "nothing", COLUMN_REAL, nothing, &e), &e);
    check_ok(frame_builder_add_i64(b, "target", COLUMN_INTEGER, target, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}
enum { TARGET = 9 };

static preparation *fit(const frame *f, const prepare_options *o)
{
    err e = ERR_NONE;
    preparation *p = NULL;
    check_ok(preparation_fit(&p, f, TARGET, all_rows, ROWS, o, NULL, &e), &e);
    return p;
}

static void check_features(const preparation *p, const char *const *names, size_t n)
{
    size_t n_features;
    const feature *features = preparation_features(p, &n_features);
    assert_int_equal(n_features, n);
    for (size_t i = 0; i < n; i++) assert_string_equal(features[i].name, names[i]);
}

static void default_columns(void **state)
{
    (void)state;
    frame *f = passengers();
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    preparation *p = fit(f, &o);
    static const char *const names[] = {"age",      "pclass",    "alive",    "when", "town is missing",
                                        "town=Aix", "town=Bonn", "town=Cork"};
    check_features(p, names, N(names));

    size_t n;
    const left_out *l = preparation_left_out(p, &n);
    assert_int_equal(n, 4);
    assert_true(l[0].column == 0 && l[0].reason == LEFT_OUT_TEXT);
    assert_true(l[1].column == 6 && l[1].reason == LEFT_OUT_IDENTIFIER);
    assert_true(l[2].column == 7 && l[2].reason == LEFT_OUT_CONSTANT);
    assert_true(l[3].column == 8 && l[3].reason == LEFT_OUT_EMPTY);
    preparation_free(p);
    frame_free(f);
}

static void schema_says_what_training_rows_hold(void **state)
{
    (void)state;
    frame *f = passengers();
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    preparation *p = fit(f, &o);
    const schema *s = preparation_schema(p);
    assert_int_equal(s->n_inputs, 5);
    const schema_input *age = &s->inputs[0], *when = &s->inputs[3], *town = &s->inputs[4];
    assert_string_equal(age->name, "age");
    assert_string_equal(age->tensor, "age");
    assert_true(age->missing_ok && age->missing_rate == 1.0 / 6);
    assert_true(age->min == 10 && age->max == 40 && age->mean == 26 && age->quantiles[5] == 30);
    assert_true(when->min == 1000 && when->max == 5000 && when->mean == 2400);
    assert_true(isnan(town->min));
    assert_int_equal(town->n_categories, 3);
    assert_string_equal(town->categories[0], "Aix");
    assert_string_equal(town->categories[2], "Cork");
    assert_true(town->counts[0] == 1 && town->counts[1] == 2 && town->counts[2] == 2);
    preparation_free(p);
    frame_free(f);
}

static void only_training_rows_count(void **state)
{
    (void)state;
    frame *f = passengers();
    err e = ERR_NONE;
    static const uint32_t rows[] = {5, 0};
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    preparation *p = NULL;
    check_ok(preparation_fit(&p, f, TARGET, rows, 2, &o, NULL, &e), &e);
    static const char *const names[] = {"age", "alive", "when"}; // pclass is 1 in both, the town Cork
    check_features(p, names, N(names));
    assert_true(preparation_schema(p)->inputs[0].max == 30);
    preparation_free(p);
    frame_free(f);
}

static void marks_and_ordinals(void **state)
{
    (void)state;
    frame *f = passengers();
    static const char *const columns[] = {"town", "age", "pclass", "when"};
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    o.columns = columns;
    o.n_columns = N(columns);
    o.indicator = true;
    o.impute_text = IMPUTE_MODE;
    o.encode = ENCODE_ORDINAL;
    preparation *p = fit(f, &o);
    static const char *const names[] = {
        "age", "pclass", "when", "town", "age is missing", "when is missing", "town is missing"};
    check_features(p, names, N(names));
    size_t n;
    const feature *features = preparation_features(p, &n);
    assert_true(features[3].kind == FEATURE_CATEGORY && features[3].n_categories == 3);
    assert_true(features[0].kind == FEATURE_NUMBER);
    preparation_free(p);
    frame_free(f);
}

static void wrong_columns(void **state)
{
    (void)state;
    frame *f = passengers();
    err e = ERR_NONE;
    preparation *p = NULL;
    static const struct {
        const char *wanted[2], *dropped;
        int code;
        const char *says;
    } cases[] = {
        {{"agee"}, NULL, ERR_NOT_FOUND, "did you mean \"age\""},
        {{"age", "age"}, NULL, ERR_INPUT, "twice"},
        {{"age", "town"}, "town", ERR_INPUT, "both wanted and dropped"},
        {{"target"}, NULL, ERR_INPUT, "is the target"},
        {{"name"}, NULL, ERR_INPUT, "free text"},
        {{"ticket"}, NULL, ERR_INPUT, "an identifier"},
        {{"nothing"}, NULL, ERR_INPUT, "no values"},
        {{0}, "colour", ERR_NOT_FOUND, "no column \"colour\""},
        {{0}, "target", ERR_INPUT, "is the target"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        prepare_options o = PREPARE_OPTIONS_DEFAULT;
        o.columns = cases[i].wanted;
        o.n_columns = (size_t)(cases[i].wanted[0] != NULL) + (cases[i].wanted[1] != NULL);
        o.dropped = &cases[i].dropped;
        o.n_dropped = cases[i].dropped != NULL;
        check_fails(preparation_fit(&p, f, TARGET, all_rows, ROWS, &o, NULL, &e), cases[i].code, &e);
        check_says(&e, cases[i].says);
        assert_null(p);
    }
    static const char *const useful[] = {"age", "pclass", "alive", "when", "town"};
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    o.dropped = useful;
    o.n_dropped = N(useful);
    check_fails(preparation_fit(&p, f, TARGET, all_rows, ROWS, &o, NULL, &e), ERR_INPUT, &e);
    check_says(&e, "no column can be a feature");
    check_fails(preparation_fit(&p, f, TARGET, all_rows, 0, &o, NULL, &e), ERR_INPUT, &e);
    check_says(&e, "no rows");
    frame_free(f);
}

static void values_beyond_float32(void **state)
{
    (void)state;
    static const double cases[] = {1e300, INFINITY, -4e38};
    for (size_t i = 0; i < N(cases); i++) {
        err e = ERR_NONE;
        frame_builder *b = NULL;
        frame *f = NULL;
        const double values[ROWS] = {1, 2, 3, cases[i], NAN, 5};
        check_ok(frame_builder_new(&b, ROWS, &e), &e);
        check_ok(frame_builder_add_f64(b, "far", COLUMN_REAL, values, &e), &e);
        check_ok(frame_builder_take(b, &f, &e), &e);
        frame_builder_free(b);
        prepare_options o = PREPARE_OPTIONS_DEFAULT;
        preparation *p = NULL;
        check_fails(preparation_fit(&p, f, -1, all_rows, ROWS, &o, NULL, &e), ERR_INPUT, &e);
        check_says(&e, "row 4");
        assert_int_equal(e.at, 4);
        frame_free(f);
    }
}

static void options_that_make_no_sense(void **state)
{
    (void)state;
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    assert_null(prepare_options_fault(&o));
    o.impute_text = IMPUTE_MEAN;
    assert_non_null(prepare_options_fault(&o));
    o = PREPARE_OPTIONS_DEFAULT;
    o.ddof = 2;
    assert_non_null(prepare_options_fault(&o));
    o = PREPARE_OPTIONS_DEFAULT;
    o.impute_number = IMPUTE_CONSTANT;
    o.constant_number = NAN;
    assert_non_null(prepare_options_fault(&o));
    o = PREPARE_OPTIONS_DEFAULT;
    o.impute_text = IMPUTE_CONSTANT;
    o.constant_text = "";
    assert_non_null(prepare_options_fault(&o));
}

static void options_as_json(void **state)
{
    (void)state;
    err e = ERR_NONE;
    static const char *const dropped[] = {"cabin"};
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    o.scale = SCALE_STANDARD;
    o.ddof = 1;
    o.dropped = dropped;
    o.n_dropped = 1;
    json_t *j = NULL;
    check_ok(prepare_options_to_json(&o, &j, &e), &e);
    buf text;
    buf_init(&text, 1 << 16);
    check_ok(json_format(j, false, &text, &e), &e);
    static const char want[] =
        "{\"ddof\":1,\"dropped\":[\"cabin\"],\"encode\":\"one-hot\",\"impute_number\":\"median\","
        "\"impute_text\":\"none\",\"indicator\":false,\"one_hot_max\":64,\"scale\":\"standard\"}";
    assert_int_equal(text.len, sizeof want - 1);
    assert_memory_equal(text.data, want, text.len);
    buf_clear(&text);
    json_decref(j);
    impute_kind k;
    assert_true(impute_find("mode", &k) == 0 && k == IMPUTE_MODE);
    assert_int_equal(impute_find("modus", &k), ERR_NOT_FOUND);
}

static graph *emit(const preparation *p, value_id *features)
{
    err e = ERR_NONE;
    graph *g = NULL;
    check_ok(graph_new(&g, (size_t)1 << 30, &e), &e);
    check_ok(preparation_emit(p, g, features, &e), &e);
    assert_true(graph_add_output(g, *features, &e) >= 0);
    check_ok(graph_check(g, &e), &e);
    return g;
}

static size_t count_nodes(const graph *g, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) n += strcmp(g->nodes[i].op, op) == 0;
    return n;
}

static void one_node_for_all_numbers(void **state)
{
    (void)state;
    frame *f = passengers();
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    o.scale = SCALE_STANDARD;
    preparation *p = fit(f, &o);
    value_id features;
    graph *g = emit(p, &features);
    assert_int_equal(g->n_inputs, 5);
    assert_int_equal(count_nodes(g, "Imputer"), 1);
    assert_int_equal(count_nodes(g, "Scaler"), 1);
    assert_int_equal(count_nodes(g, "OneHotEncoder"), 1);
    assert_int_equal(g->values[features].type.dims[1].size, 8);
    graph_free(g);
    preparation_free(p);
    frame_free(f);
}

static void a_single_column_as_it_is(void **state)
{
    (void)state;
    frame *f = passengers();
    static const char *const columns[] = {"pclass"};
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    o.columns = columns;
    o.n_columns = 1;
    o.impute_number = IMPUTE_NONE;
    preparation *p = fit(f, &o);
    value_id features;
    graph *g = emit(p, &features);
    assert_int_equal(g->n_nodes, 1);
    assert_string_equal(g->nodes[0].op, "Identity");
    graph_free(g);
    preparation_free(p);
    frame_free(f);
}

static void many_numbers_share_an_input(void **state)
{
    (void)state;
    enum { COLUMNS = 300 };
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    for (int c = 0; c < COLUMNS; c++) {
        char name[32];
        double values[ROWS];
        for (int i = 0; i < ROWS; i++) values[i] = c + i;
        snprintf(name, sizeof name, c == 7 ? "features_in" : "x%d", c);
        check_ok(frame_builder_add_f64(b, name, COLUMN_REAL, values, &e), &e);
    }
    const str town[ROWS] = {STR("Cork"), STR("Bonn"), STR("Aix"), STR("Bonn"), STR("Aix"), STR("Cork")};
    check_ok(frame_builder_add_strings(b, "town", COLUMN_CATEGORY, town, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    prepare_options o = PREPARE_OPTIONS_DEFAULT;
    preparation *p = NULL;
    check_ok(preparation_fit(&p, f, -1, all_rows, ROWS, &o, NULL, &e), &e);
    const schema *s = preparation_schema(p);
    assert_int_equal(s->n_inputs, COLUMNS + 1);
    for (size_t i = 0; i < COLUMNS; i++) {
        assert_string_equal(s->inputs[i].tensor, "features_in_2");
        assert_int_equal(s->inputs[i].slot, i);
    }
    assert_string_equal(s->inputs[COLUMNS].tensor, "town");
    value_id features;
    graph *g = emit(p, &features);
    assert_int_equal(g->n_inputs, 2);
    assert_int_equal(g->values[features].type.dims[1].size, COLUMNS + 3);
    graph_free(g);
    preparation_free(p);
    frame_free(f);
}

static void complete_rows(void **state)
{
    (void)state;
    frame *f = passengers();
    static const size_t columns[] = {1, 5};
    uint32_t out[ROWS];
    assert_int_equal(rows_complete(f, columns, 2, all_rows, ROWS, out), 4);
    static const uint32_t want[] = {0, 3, 4, 5};
    assert_memory_equal(out, want, sizeof want);
    assert_int_equal(rows_complete(f, NULL, 0, all_rows, ROWS, out), 0);
    frame_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_columns),
        cmocka_unit_test(schema_says_what_training_rows_hold),
        cmocka_unit_test(only_training_rows_count),
        cmocka_unit_test(marks_and_ordinals),
        cmocka_unit_test(wrong_columns),
        cmocka_unit_test(values_beyond_float32),
        cmocka_unit_test(options_that_make_no_sense),
        cmocka_unit_test(options_as_json),
        cmocka_unit_test(one_node_for_all_numbers),
        cmocka_unit_test(a_single_column_as_it_is),
        cmocka_unit_test(many_numbers_share_an_input),
        cmocka_unit_test(complete_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
