// Targets: which classes there are, in which order, and what cannot be predicted.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "automl/target.h"

enum { ROWS = 6 };
static const uint32_t all[ROWS] = {0, 1, 2, 3, 4, 5};

static frame *one_column(column_type t, const double *f64, const int64_t *i64, const str *strings)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    if (f64) check_ok(frame_builder_add_f64(b, "y", t, f64, &e), &e);
    if (i64) check_ok(frame_builder_add_i64(b, "y", t, i64, &e), &e);
    if (strings) check_ok(frame_builder_add_strings(b, "y", t, strings, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static void check_classes(frame *f, const uint32_t *rows, size_t n_rows, const char *const *names, size_t n,
                          const int32_t *ids)
{
    err e = ERR_NONE;
    target t;
    check_ok(target_make(&t, f, 0, TASK_CLASSIFICATION, rows, n_rows, &e), &e);
    const schema_target *s = &t.holder.target;
    assert_int_equal(s->n_classes, n);
    for (size_t k = 0; k < n; k++) assert_string_equal(s->classes[k], names[k]);
    assert_memory_equal(t.class_of, ids, ROWS * sizeof *ids);
    check_ok(target_count(&t, rows, n_rows, &e), &e);
    uint64_t sum = 0;
    for (size_t k = 0; k < n; k++) sum += s->counts[k];
    assert_int_equal(sum, n_rows);
    target_clear(&t);
    frame_free(f);
}

static void numbers_in_their_order(void **state)
{
    (void)state;
    const int64_t values[ROWS] = {10, 9, -1, 10, 9, 100};
    static const char *const names[] = {"-1", "9", "10", "100"};
    const int32_t ids[ROWS] = {2, 1, 0, 2, 1, 3};
    check_classes(one_column(COLUMN_INTEGER, NULL, values, NULL), all, ROWS, names, 4, ids);
}

static void texts_by_bytes(void **state)
{
    (void)state;
    const str values[ROWS] = {STR("b"), STR("B"), STR("\xc3\xa9"), STR("a"), {0}, STR("b")};
    static const uint32_t rows[] = {0, 1, 2, 3, 5};
    static const char *const names[] = {"B", "a", "b", "\xc3\xa9"};
    const int32_t ids[ROWS] = {2, 0, 3, 1, -1, 2};
    check_classes(one_column(COLUMN_CATEGORY, NULL, NULL, values), rows, 5, names, 4, ids);
}

static void only_classes_of_the_rows_given(void **state)
{
    (void)state;
    const str values[ROWS] = {STR("a"), STR("b"), STR("c"), STR("a"), STR("b"), STR("c")};
    static const uint32_t rows[] = {0, 2, 5};
    static const char *const names[] = {"a", "c"};
    const int32_t ids[ROWS] = {0, -1, 1, -1, -1, 1};
    check_classes(one_column(COLUMN_CATEGORY, NULL, NULL, values), rows, 3, names, 2, ids);
}

static void booleans(void **state)
{
    (void)state;
    const int64_t values[ROWS] = {1, 0, 1, 1, 0, FRAME_I64_MISSING};
    static const char *const names[] = {"false", "true"};
    const int32_t ids[ROWS] = {1, 0, 1, 1, 0, -1};
    check_classes(one_column(COLUMN_BOOLEAN, NULL, values, NULL), all, 5, names, 2, ids);
}

static void values(void **state)
{
    (void)state;
    err e = ERR_NONE;
    const double y[ROWS] = {1.5, NAN, -2, 4, 0.5, 1};
    static const uint32_t rows[] = {0, 2, 3, 4};
    frame *f = one_column(COLUMN_REAL, y, NULL, NULL);
    target t;
    check_ok(target_make(&t, f, 0, TASK_REGRESSION, rows, 4, &e), &e);
    assert_true(t.value_of[3] == 4 && isnan(t.value_of[1]) && isnan(t.value_of[5]));
    check_ok(target_count(&t, rows, 4, &e), &e);
    assert_true(t.holder.target.min == -2 && t.holder.target.max == 4 && t.holder.target.mean == 1);
    target_clear(&t);
    frame_free(f);
}

static void what_cannot_be_predicted(void **state)
{
    (void)state;
    err e = ERR_NONE;
    target t;
    const str same[ROWS] = {STR("a"), STR("a"), STR("a"), STR("a"), STR("a"), STR("b")};
    frame *f = one_column(COLUMN_CATEGORY, NULL, NULL, same);
    check_fails(target_make(&t, f, 0, TASK_CLASSIFICATION, all, 5, &e), ERR_INPUT, &e);
    check_says(&e, "one class only");
    check_fails(target_make(&t, f, 0, TASK_CLASSIFICATION, all, 0, &e), ERR_INPUT, &e);
    check_fails(target_make(&t, f, 0, TASK_REGRESSION, all, ROWS, &e), ERR_INPUT, &e);
    check_says(&e, "regression predicts numbers");
    check_ok(target_make(&t, f, 0, TASK_CLASSIFICATION, all, ROWS, &e), &e);
    check_fails(target_count(&t, all, 5, &e), ERR_INPUT, &e); // training rows of one class
    check_says(&e, "\"a\"");
    target_clear(&t);
    frame_free(f);

    const double far[ROWS] = {1, 2, INFINITY, 4, 5, 6};
    f = one_column(COLUMN_REAL, far, NULL, NULL);
    check_fails(target_make(&t, f, 0, TASK_REGRESSION, all, ROWS, &e), ERR_INPUT, &e);
    assert_int_equal(e.at, 3);
    frame_free(f);
}

static void too_many_classes(void **state)
{
    (void)state;
    err e = ERR_NONE;
    enum { MANY = TARGET_CLASSES_MAX + 1 };
    static int64_t y[MANY];
    static uint32_t rows[MANY];
    for (int i = 0; i < MANY; i++) {
        y[i] = (int64_t)i * 7919 % MANY;
        rows[i] = (uint32_t)i;
    }
    frame_builder *b = NULL;
    frame *f = NULL;
    target t;
    check_ok(frame_builder_new(&b, MANY, &e), &e);
    check_ok(frame_builder_add_i64(b, "y", COLUMN_INTEGER, y, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    check_fails(target_make(&t, f, 0, TASK_CLASSIFICATION, rows, MANY, &e), ERR_LIMIT, &e);
    check_says(&e, "more than 1000 classes");
    check_ok(target_make(&t, f, 0, TASK_CLASSIFICATION, rows, MANY - 1, &e), &e);
    assert_int_equal(t.holder.target.n_classes, TARGET_CLASSES_MAX);
    target_clear(&t);
    frame_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_their_order),
        cmocka_unit_test(texts_by_bytes),
        cmocka_unit_test(only_classes_of_the_rows_given),
        cmocka_unit_test(booleans),
        cmocka_unit_test(values),
        cmocka_unit_test(what_cannot_be_predicted),
        cmocka_unit_test(too_many_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
