// A model opened, and its rows explained, while memory runs out.
// SPDX-License-Identifier: Apache-2.0
#include "fault/faults.h"
#include "helpers/explained.h"

static int explain(void *context, err *e)
{
    (void)context;
    arena a;
    model *m = NULL;
    batch b;
    prediction p;
    explanation x;
    arena_init(&a, 1 << 20);
    int rc = both_model(&m, &(both_options){0}, e);
    if (rc == 0) rc = both_rows(&b, &p, m, 4, &a, e);
    if (rc == 0) rc = explanation_new(&x, m, &p, EXPLAIN_PREDICTED, &a, e);
    if (rc == 0) rc = model_explain(m, &b, 0, 4, &p, &x, &a, e);
    if (m) model_drop(m);
    arena_clear(&a);
    return rc;
}

static void memory_may_run_out(void **state)
{
    (void)state;
    assert_true(faults_of_memory(explain, NULL, NULL, 0) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_may_run_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
