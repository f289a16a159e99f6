// The table of families, and the forest's options by their rows.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "learn/family.h"
#include "learn/forest/forest.h"

static void test_find(void **state)
{
    (void)state;
    size_t n;
    const family_row *const *rows = family_rows(&n);
    assert_true(n >= 1);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(family_find(rows[i]->name), rows[i]);
        assert_true(rows[i]->tasks != 0 && rows[i]->fit && rows[i]->memory_estimate && rows[i]->options_fault);
    }
    assert_null(family_find("woods"));
}

static void defaults(forest_options *o)
{
    memset(o, 0, sizeof *o);
    options_default(forest_family.options, forest_family.n_options, o);
}

static int set(forest_options *o, const char *assignment, err *e)
{
    return options_set(forest_family.options, forest_family.n_options, o, assignment, e);
}

static void test_defaults(void **state)
{
    (void)state;
    forest_options o;
    defaults(&o);
    assert_int_equal(forest_family.options_size, sizeof o);
    assert_int_equal(o.n_trees, 100);
    assert_int_equal(o.depth_max, 0);
    assert_int_equal(o.split_rows_min, 2);
    assert_int_equal(o.leaf_rows_min, 1);
    assert_true(o.bootstrap && o.rows_share == 1 && o.features_share == 1);
    assert_int_equal(o.criterion, FOREST_AUTO_CRITERION);
    assert_null(forest_family.options_fault(&o));
}

static void test_set(void **state)
{
    (void)state;
    err e = ERR_NONE;
    forest_options o;
    defaults(&o);
    check_ok(set(&o, "n_trees=7", &e), &e);
    check_ok(set(&o, "criterion=log_loss", &e), &e);
    check_ok(set(&o, "features_max=share", &e), &e);
    check_ok(set(&o, "features_share=0.5", &e), &e);
    check_ok(set(&o, "class_weights=balanced", &e), &e);
    check_ok(set(&o, "leaves_max=2", &e), &e);
    assert_int_equal(o.n_trees, 7);
    assert_int_equal(o.criterion, FOREST_LOG_LOSS);
    assert_int_equal(o.features_max, FOREST_SHARE);
    assert_int_equal(o.class_weights, FOREST_WEIGHTS_BALANCED);
    assert_null(forest_family.options_fault(&o));

    json_t *j;
    check_ok(options_to_json(forest_family.options, forest_family.n_options, &o, &j, &e), &e);
    forest_options back;
    defaults(&back);
    check_ok(options_from_json(forest_family.options, forest_family.n_options, &back, j, &e), &e);
    assert_memory_equal(&o, &back, sizeof o);
    json_decref(j);
}

static void test_refused(void **state)
{
    (void)state;
    err e = ERR_NONE;
    forest_options o;
    defaults(&o);
    check_fails(set(&o, "n_tree=7", &e), ERR_INPUT, &e);
    check_says(&e, "did you mean \"n_trees\"?");
    check_fails(set(&o, "n_trees=0", &e), ERR_INPUT, &e);
    check_fails(set(&o, "depth_max=-1", &e), ERR_INPUT, &e);
    check_fails(set(&o, "criterion=absolute_error", &e), ERR_INPUT, &e);
    check_says(&e, "must be auto, gini, entropy, log_loss or squared_error");
    check_fails(set(&o, "rows_share=0", &e), ERR_INPUT, &e);

    o.leaves_max = 1;
    assert_non_null(forest_family.options_fault(&o));
    defaults(&o);
    o.bootstrap = false;
    assert_null(forest_family.options_fault(&o));
    o.rows_share = 0.5;
    assert_non_null(forest_family.options_fault(&o));
    defaults(&o);
    o.features_share = 0.5;
    assert_non_null(forest_family.options_fault(&o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
