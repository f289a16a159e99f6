// Every allocation of fitting and emitting fails once: an error each time, nothing leaked, nothing half made.
// SPDX-License-Identifier: Apache-2.0
#include "fault/faults.h"

#include <math.h>

#include "prepare/feed.h"
#include "prepare/prepare.h"

enum { ROWS = 8 };
static const uint32_t all[ROWS] = {0, 1, 2, 3, 4, 5, 6, 7};

static frame *table(void)
{
    err e = ERR_NONE;
    frame_builder *b = NULL;
    frame *f = NULL;
    const double x[ROWS] = {1, 2, NAN, 4, 5, 6, 7, 8};
    const int64_t date[ROWS] = {1, 2, 3, FRAME_I64_MISSING, 5, 6, 7, 8};
    const str kind[ROWS] = {STR("a"), STR("b"), {0}, STR("a"), STR("c"), STR("b"), STR("a"), STR("c")};
    check_ok(frame_builder_new(&b, ROWS, &e), &e);
    check_ok(frame_builder_add_f64(b, "x", COLUMN_REAL, x, &e), &e);
    check_ok(frame_builder_add_i64(b, "date", COLUMN_DATETIME, date, &e), &e);
    check_ok(frame_builder_add_strings(b, "kind", COLUMN_CATEGORY, kind, &e), &e);
    check_ok(frame_builder_take(b, &f, &e), &e);
    frame_builder_free(b);
    return f;
}

typedef struct work {
    const frame *f;
    prepare_options o;
} work;

static int fit_and_emit(void *context, err *e)
{
    const work *w = context;
    preparation *p = NULL;
    graph *g = NULL;
    feed *inputs = NULL;
    value_id features;
    int rc = preparation_fit(&p, w->f, -1, all, ROWS, &w->o, NULL, e);
    if (rc == 0) rc = graph_new(&g, 1 << 24, e);
    if (rc == 0) rc = preparation_emit(p, g, &features, e);
    if (rc == 0) rc = feed_new(&inputs, preparation_schema(p), g, e);
    feed_free(inputs);
    graph_free(g);
    preparation_free(p);
    return rc;
}

static void each_allocation(void **state)
{
    (void)state;
    frame *f = table();
    for (impute_kind impute = IMPUTE_NONE; impute <= IMPUTE_CONSTANT; impute++)
        for (encode_kind encode = ENCODE_ONE_HOT; encode <= ENCODE_ORDINAL; encode++) {
            work w = {.f = f, .o = PREPARE_OPTIONS_DEFAULT};
            w.o.impute_number = impute;
            if (impute == IMPUTE_MODE || impute == IMPUTE_CONSTANT) w.o.impute_text = impute;
            w.o.encode = encode;
            w.o.indicator = true;
            w.o.scale = SCALE_STANDARD;
            assert_true(faults_of_memory(fit_and_emit, NULL, &w, 0) > 20);
            faults_of_memory(fit_and_emit, NULL, &w, 1);
        }
    frame_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
