// Which recipe is meant for which target.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "recipe/tabular.h"

enum { ROWS = 60 };

static frame *targets(void)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    int64_t twenty[ROWS], more[ROWS], few[ROWS];
    double real[ROWS];
    str category[ROWS];
    for (int i = 0; i < ROWS; i++) {
        twenty[i] = i % 20;
        more[i] = i % 21;
        few[i] = i < 20 ? i : FRAME_I64_MISSING; // 20 different ones, but each only once
        real[i] = i % 2;
        category[i] = i % 2 ? STR("yes") : STR("no");
    }
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_i64(b, "twenty", COLUMN_INTEGER, twenty, &e), &e);
    check_ok(frame_builder_add_i64(b, "more", COLUMN_INTEGER, more, &e), &e);
    check_ok(frame_builder_add_i64(b, "few", COLUMN_INTEGER, few, &e), &e);
    check_ok(frame_builder_add_f64(b, "real", COLUMN_REAL, real, &e), &e);
    check_ok(frame_builder_add_strings(b, "category", COLUMN_CATEGORY, category, &e), &e);
    check_ok(frame_builder_add_strings(b, "text", COLUMN_TEXT, category, &e), &e);
    check_ok(frame_builder_add_i64(b, "date", COLUMN_DATETIME, twenty, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static void by_type_and_values(void **state)
{
    (void)state;
    static const struct {
        const char *column, *recipe;
    } cases[] = {
        {"twenty", "tabular-classification"},
        {"more", "tabular-regression"},
        {"few", "tabular-regression"},
        {"real", "tabular-regression"},
        {"category", "tabular-classification"},
        {"text", NULL},
        {"date", NULL},
    };
    frame *f = targets();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const recipe_row *r = recipe_for(f, frame_find(f, cases[i].column));
        if (!cases[i].recipe) {
            assert_null(r);
            continue;
        }
        assert_non_null(r);
        assert_string_equal(r->name, cases[i].recipe);
    }
    assert_null(recipe_for(f, -1));
    frame_free(f);
}

static void rows_are_sound(void **state)
{
    (void)state;
    size_t n;
    const recipe_row *const *rows = recipe_rows(&n);
    assert_int_equal(n, 2);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(recipe_find(rows[i]->name), rows[i]);
        assert_null(prepare_options_fault(&rows[i]->prepare));
        assert_non_null(rows[i]->families[0]);
    }
    assert_null(recipe_find("tabular"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_type_and_values), cmocka_unit_test(rows_are_sound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
