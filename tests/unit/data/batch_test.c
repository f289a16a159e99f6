// Batches from frames and texts.
// SPDX-License-Identifier: Apache-2.0
#include "data/batch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char name_integer[] = "integer", name_real[] = "real", name_flag[] = "flag", name_category[] = "category",
            name_date[] = "date";
static schema_input inputs[] = {
    {.name = name_integer, .type = COLUMN_INTEGER}, {.name = name_real, .type = COLUMN_REAL},
    {.name = name_flag, .type = COLUMN_BOOLEAN},    {.name = name_category, .type = COLUMN_CATEGORY},
    {.name = name_date, .type = COLUMN_DATETIME},
};
enum { INTEGER, REAL, FLAG, CATEGORY, DATE, N_INPUTS };
static const schema five = {.n_inputs = N_INPUTS, .inputs = inputs};

static void test_new(void **state)
{
    (void)state;
    err e = ERR_NONE;
    arena a;
    arena_init(&a, 1 << 20);
    batch b;
    assert_int_equal(batch_new(&b, &five, 3, &a, &e), 0);
    for (size_t row = 0; row < 3; row++) {
        assert_true(isnan(b.columns[INTEGER].f32[row]) && isnan(b.columns[FLAG].f32[row]));
        assert_true(b.columns[DATE].i64[row] == WIRE_I64_MISSING);
        assert_int_equal(b.columns[CATEGORY].strings[row].len, 0);
    }
    assert_null(b.columns[CATEGORY].f32);
    arena_clear(&a);
    arena_init(&a, 256);
    assert_int_equal(batch_new(&b, &five, 1000, &a, &e), ERR_MEMORY);
    arena_clear(&a);
}

static void test_parse(void **state)
{
    (void)state;
    err e = ERR_NONE;
    arena a;
    arena_init(&a, 1 << 20);
    batch b;
    assert_int_equal(batch_new(&b, &five, 1, &a, &e), 0);
    assert_int_equal(batch_parse(&b, INTEGER, 0, STR("30.5"), &e), 0);
    assert_true(b.columns[INTEGER].f32[0] == 30.5f);
    assert_int_equal(batch_parse(&b, INTEGER, 0, STR("x"), &e), ERR_INPUT);
    assert_string_equal(e.msg, "column \"integer\": \"x\" is not a number");
    assert_true(b.columns[INTEGER].f32[0] == 30.5f);
    assert_int_equal(batch_parse(&b, REAL, 0, STR("1e39"), &e), ERR_INPUT);
    assert_int_equal(batch_parse(&b, REAL, 0, STR("inf"), &e), ERR_INPUT);
    assert_int_equal(batch_parse(&b, REAL, 0, STR("nan"), &e), ERR_INPUT);
    assert_int_equal(batch_parse(&b, INTEGER, 0, (str){0}, &e), 0);
    assert_true(isnan(b.columns[INTEGER].f32[0]));
    assert_int_equal(batch_parse(&b, FLAG, 0, STR("Yes"), &e), 0);
    assert_true(b.columns[FLAG].f32[0] == 1);
    assert_int_equal(batch_parse(&b, FLAG, 0, STR("0"), &e), 0);
    assert_true(b.columns[FLAG].f32[0] == 0);
    assert_int_equal(batch_parse(&b, FLAG, 0, STR("2"), &e), ERR_INPUT);
    assert_int_equal(batch_parse(&b, DATE, 0, STR("1970-01-02"), &e), 0);
    assert_int_equal(b.columns[DATE].i64[0], 86400000);
    assert_int_equal(batch_parse(&b, DATE, 0, STR("yesterday"), &e), ERR_INPUT);
    assert_int_equal(batch_parse(&b, CATEGORY, 0, STR("a"), &e), 0);
    assert_true(str_equal(b.columns[CATEGORY].strings[0], STR("a")));
    arena_clear(&a);
}

static frame *make(const str *integers, column_type real_type, err *e)
{
    frame_builder *b;
    frame *f;
    const double reals[] = {1.5, NAN};
    const int64_t ones[] = {1, 0};
    const str flags[] = {STR("no"), STR("yes")};
    const int64_t categories[] = {7, FRAME_I64_MISSING};
    const int64_t dates[] = {5, FRAME_I64_MISSING};
    assert_int_equal(frame_builder_new(&b, 2, e), 0);
    assert_int_equal(frame_builder_add_i64(b, "unused", COLUMN_IDENTIFIER, dates, e), 0);
    assert_int_equal(frame_builder_add_strings(b, "integer", COLUMN_CATEGORY, integers, e), 0);
    if (real_type == COLUMN_REAL)
        assert_int_equal(frame_builder_add_f64(b, "real", COLUMN_REAL, reals, e), 0);
    else
        assert_int_equal(frame_builder_add_i64(b, "real", real_type, ones, e), 0);
    assert_int_equal(frame_builder_add_strings(b, "flag", COLUMN_CATEGORY, flags, e), 0);
    assert_int_equal(frame_builder_add_i64(b, "category", COLUMN_INTEGER, categories, e), 0);
    assert_int_equal(frame_builder_add_i64(b, "date", COLUMN_DATETIME, dates, e), 0);
    assert_int_equal(frame_builder_take(b, &f, e), 0);
    frame_builder_free(b);
    return f;
}

static void test_from_frame(void **state)
{
    (void)state;
    err e = ERR_NONE;
    arena a;
    arena_init(&a, 1 << 20);
    batch b;
    const str good[] = {STR("12"), {0}}, bad[] = {STR("12"), STR("twelve")};
    const uint32_t second[] = {1, 1, 0};

    frame *f = make(good, COLUMN_REAL, &e);
    assert_int_equal(batch_from_frame(&b, &five, f, NULL, 0, &a, &e), 0);
    assert_int_equal(b.n_rows, 2);
    assert_true(b.columns[INTEGER].f32[0] == 12 && isnan(b.columns[INTEGER].f32[1]));
    assert_true(b.columns[REAL].f32[0] == 1.5f && isnan(b.columns[REAL].f32[1]));
    assert_true(b.columns[FLAG].f32[0] == 0 && b.columns[FLAG].f32[1] == 1);
    assert_true(str_equal(b.columns[CATEGORY].strings[0], STR("7")) && b.columns[CATEGORY].strings[1].len == 0);
    assert_true(b.columns[DATE].i64[0] == 5 && b.columns[DATE].i64[1] == WIRE_I64_MISSING);
    assert_int_equal(batch_from_frame(&b, &five, f, second, 3, &a, &e), 0);
    assert_int_equal(b.n_rows, 3);
    assert_true(isnan(b.columns[REAL].f32[0]) && b.columns[REAL].f32[2] == 1.5f);
    frame_free(f);

    f = make(bad, COLUMN_REAL, &e);
    assert_int_equal(batch_from_frame(&b, &five, f, NULL, 0, &a, &e), ERR_INPUT);
    assert_string_equal(e.msg, "column \"integer\", row 2: \"twelve\" is not a number");
    assert_int_equal(e.at, 2);
    frame_free(f);

    f = make(good, COLUMN_BOOLEAN, &e);
    assert_int_equal(batch_from_frame(&b, &five, f, NULL, 0, &a, &e), ERR_INPUT);
    assert_string_equal(e.msg, "column \"real\", row 1: \"true\" is not a number");
    frame_free(f);

    frame_builder *builder;
    assert_int_equal(frame_builder_new(&builder, 0, &e), 0);
    assert_int_equal(frame_builder_take(builder, &f, &e), 0);
    frame_builder_free(builder);
    assert_int_equal(batch_from_frame(&b, &five, f, NULL, 0, &a, &e), ERR_INPUT);
    assert_string_equal(e.msg, "column \"integer\" is missing");
    frame_free(f);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_from_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
