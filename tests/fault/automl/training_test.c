// Every allocation of a training run fails once: an error each time, nothing leaked.
// SPDX-License-Identifier: Apache-2.0
#include "fault/faults.h"

#include <math.h>

#include "automl/training.h"

enum { ROWS = 16 };

static frame *table(void)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    double x[ROWS], z[ROWS];
    str kind[ROWS], y[ROWS];
    for (int i = 0; i < ROWS; i++) {
        x[i] = i % 7 == 3 ? NAN : i % 11;
        z[i] = i * 0.5;
        kind[i] = i % 3 ? STR("a") : STR("b");
        y[i] = i % 2 ? STR("yes") : STR("no");
    }
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), &e);
    check_ok(frame_builder_add_f64(b, "z", COLUMN_REAL, z, &e), &e);
    check_ok(frame_builder_add_strings(b, "kind", COLUMN_CATEGORY, kind, &e), &e);
    check_ok(frame_builder_add_strings(b, "y", COLUMN_CATEGORY, y, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

static int train(void *context, err *e)
{
    training_result r;
    int rc = training_run(&r, context, NULL, NULL, e);
    if (rc == 0) training_result_clear(&r);
    return rc;
}

static int key(void *context, err *e)
{
    const training_options *o = context;
    char hex[65];
    return training_key(o, o->frame, hex, e);
}

static void each_allocation(void **state)
{
    (void)state;
    frame *f = table();
    static const char *const settings[] = {"n_trees=1", "depth_max=1"};
    training_options o = TRAINING_OPTIONS_DEFAULT;
    o.frame = f;
    o.settings = settings;
    o.n_settings = 2;
    o.prepare_given = true;
    o.prepare.indicator = true;
    static const char *const targets[] = {"y", "z"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        o.target = targets[i];
        o.folds = i == 0 ? 2 : 0;
        assert_true(faults_of_memory(train, NULL, &o, 0) > 200);
        assert_true(faults_of_memory(key, NULL, &o, 0) > 10);
    }
    frame_free(f);
}

int main(void)
{
    json_init(); // JSON's memory fails too
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
