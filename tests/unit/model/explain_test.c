// Explanations of a model: known by hand, in pieces and whole, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "helpers/explained.h"

enum { ROWS = 300, MEMORY = 64 << 20 };

static void columns_share_what_is_answered(void **state)
{
    (void)state;
    static const double want[3][2] = {{0.375, 0.375}, {-0.375, 0.125}, {0.125, -0.375}};
    arena a;
    err e = ERR_NONE;
    model *m;
    batch b;
    prediction p;
    explanation whole, pieces;
    arena_init(&a, MEMORY);
    check_ok(both_model(&m, &(both_options){0}, &e), &e);
    check_ok(model_explains(m, &e), &e);
    check_ok(both_rows(&b, &p, m, ROWS, &a, &e), &e);
    check_ok(explanation_new(&whole, m, &p, EXPLAIN_PREDICTED, &a, &e), &e);
    check_ok(model_explain(m, &b, 0, ROWS, &p, &whole, &a, &e), &e);
    assert_true(whole.n_columns == 2 && !whole.classes && !whole.margin);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < 2; k++) assert_float_equal(whole.contributions[2 * i + k], want[i % 3][k], 1e-15);
        assert_float_equal(whole.base[i], 0.25, 1e-15);
        assert_true(whole.explained[i] == (i % 3 == 0 ? 1.0 : 0.0));
    }
    check_ok(explanation_new(&pieces, m, &p, EXPLAIN_PREDICTED, &a, &e), &e);
    for (size_t at = 0, n = 1; at < ROWS; at += n, n *= 2) {
        if (n > ROWS - at) n = ROWS - at;
        check_ok(model_explain(m, &b, at, n, &p, &pieces, &a, &e), &e);
    }
    assert_memory_equal(pieces.contributions, whole.contributions, ROWS * 2 * sizeof(double));
    assert_true(model_explain_ns(m, ROWS) > model_explain_ns(m, 1) && model_explain_ns(m, 1) > 0);
    model_drop(m);
    arena_clear(&a);
}

// What is answered is another thing than what the trees say: nobody gets to see that.
static void what_does_not_add_up_is_no_explanation(void **state)
{
    (void)state;
    arena a;
    err e = ERR_NONE;
    model *m;
    batch b;
    prediction p;
    explanation x;
    arena_init(&a, MEMORY);
    check_ok(both_model(&m, &(both_options){0}, &e), &e);
    check_ok(both_rows(&b, &p, m, 3, &a, &e), &e);
    float *scores = arena_alloc(&a, 3, sizeof *scores);
    for (int i = 0; i < 3; i++) scores[i] = p.scores[i] + (i == 2 ? 0.25f : 0);
    p.scores = scores;
    check_ok(explanation_new(&x, m, &p, EXPLAIN_PREDICTED, &a, &e), &e);
    check_fails(model_explain(m, &b, 0, 3, &p, &x, &a, &e), ERR_INTERNAL, &e);
    model_drop(m);
    arena_clear(&a);
}

static void models_without_explanations_say_why(void **state)
{
    (void)state;
    err e = ERR_NONE;
    model *m;
    check_ok(both_model(&m, &(both_options){.no_covers = true}, &e), &e);
    check_fails(model_explains(m, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "nodes_hitrates");
    model_drop(m);
    e = ERR_NONE;
    check_ok(both_model(&m, &(both_options){.summed = true}, &e), &e);
    check_fails(model_explains(m, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "several columns");
    model_drop(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(columns_share_what_is_answered),
                                       cmocka_unit_test(what_does_not_add_up_is_no_explanation),
                                       cmocka_unit_test(models_without_explanations_say_why)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
