// A version in a process of its own: its answers, its end in every way, and its next start.
// SPDX-License-Identifier: Apache-2.0
#include "helpers/children.h"

#include <pthread.h>

#include "base/mem.h"
#include "helpers/nets.h"
#include "helpers/packages.h"
#include "model/model.h"
#include "serve/runner.h"

static const net_options small = {.width = 8, .n_layers = 1, .n_classes = 3, .seed = 3};
static const net_options slow = {.width = 96, .n_layers = 3000, .n_classes = 3, .seed = 3};

typedef struct fixture {
    model *m;
    runner *r;
    runner_facts facts;
    batch in;
    arena memory;
    size_t n_descriptors;
} fixture;

static runner_options options(uint32_t run_ms_max)
{
    return (runner_options){.label = "test 1", .start_ms_max = 60000, .run_ms_max = run_ms_max};
}

static void open_runner(fixture *x, const net_options *net, const runner_options *o, size_t n_rows)
{
    err e = ERR_NONE;
    package *p;
    bool light;
    *x = (fixture){.n_descriptors = children_descriptors()};
    check_ok(net_package(&p, net, &e), &e);
    check_ok(model_open_light(&x->m, p, true, &light, &e), &e);
    check_ok(runner_new(&x->r, model_package(x->m), model_schema(x->m), o, &e), &e);
    check_ok(runner_start(x->r, &x->facts, &e), &e);
    arena_init(&x->memory, (size_t)1 << 28);
    check_ok(batch_blank(&x->in, model_schema(x->m), n_rows, &x->memory, &e), &e);
}

static void close_runner(fixture *x)
{
    runner_stop(x->r);
    runner_free(x->r);
    model_drop(x->m);
    arena_clear(&x->memory);
    children_none_left();
    assert_int_equal(children_descriptors(), x->n_descriptors);
}

static int run(fixture *x, err *e)
{
    prediction out = {0};
    int rc = runner_run(x->r, &x->in, &out, &x->memory, e);
    if (rc == 0) {
        assert_int_equal(out.n_rows, x->in.n_rows);
        assert_int_equal(out.n_scores, 3);
    }
    return rc;
}

static void end_child(int how)
{
    pid_t pid = children_any();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, how), 0);
    children_nap(30);
}

static void it_runs_and_says_what_it_is(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(10000);
    open_runner(&x, &small, &o, 3);
    assert_true(x.facts.rows_apart);
    assert_true(x.facts.memory > 1000);
    for (int i = 0; i < 5; i++) check_ok(run(&x, &e), &e);
    assert_true(runner_ready(x.r));
    prediction out;
    check_fails(model_predict(x.m, &x.in, &out, &x.memory, &e), ERR_UNSUPPORTED, &e); // nothing of it is here
    close_runner(&x);
}

static void a_model_that_cannot_be_loaded(void **state)
{
    (void)state;
    err e = ERR_NONE;
    package *p;
    model *m;
    runner *r;
    bool light;
    check_ok(sample_package(&p, 1, &e), &e); // its operator is none that the engine has
    check_ok(model_open_light(&m, p, true, &light, &e), &e);
    runner_options o = options(1000);
    check_ok(runner_new(&r, model_package(m), model_schema(m), &o, &e), &e);
    check_fails(runner_start(r, NULL, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "there is no operator slipway.Sample");
    runner_stop(r);
    runner_free(r);
    o.program = "/bin/true"; // some other program
    check_ok(runner_new(&r, model_package(m), model_schema(m), &o, &e), &e);
    check_fails(runner_start(r, NULL, &e), ERR_IO, &e);
    runner_free(r);
    o.program = "/no/such/program";
    check_ok(runner_new(&r, model_package(m), model_schema(m), &o, &e), &e);
    assert_true(runner_start(r, NULL, &e) < 0);
    runner_free(r);
    model_drop(m);
    children_none_left();
}

static void one_that_ended_while_idle_is_not_missed(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(10000);
    open_runner(&x, &small, &o, 2);
    end_child(SIGKILL);
    check_ok(run(&x, &e), &e); // another one, at once
    end_child(SIGKILL);
    runner_tend(x.r); // found without a request; the second failure in a row waits
    check_fails(run(&x, &e), ERR_IO, &e);
    check_says(&e, "starts again");
    children_nap(150);
    check_ok(run(&x, &e), &e);
    assert_int_equal(runner_restarts(x.r), 2);
    close_runner(&x);
}

typedef struct later {
    int how;
    long ms;
    runner *aborts;
} later;

static void *end_later(void *context)
{
    const later *l = context;
    children_nap(l->ms);
    if (l->aborts)
        runner_abort(l->aborts);
    else
        end_child(l->how);
    return NULL;
}

static void one_that_ends_at_work_fails_what_it_had(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(60000);
    open_runner(&x, &slow, &o, 400);
    pthread_t t;
    later l = {.how = SIGKILL, .ms = 50};
    assert_int_equal(pthread_create(&t, NULL, end_later, &l), 0);
    check_fails(run(&x, &e), ERR_IO, &e);
    check_says(&e, "signal 9");
    pthread_join(t, NULL);
    x.in.n_rows = 1;
    check_ok(run(&x, &e), &e);
    close_runner(&x);
}

static void one_that_hangs_is_killed(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(200);
    open_runner(&x, &small, &o, 2);
    end_child(SIGSTOP);
    uint64_t start = clock_monotonic_ns();
    check_fails(run(&x, &e), ERR_IO, &e);
    check_says(&e, "longer than 200 ms");
    assert_true(clock_monotonic_ns() - start < UINT64_C(5000000000));
    children_none_left();
    check_ok(run(&x, &e), &e);
    close_runner(&x);
}

static void an_abort_ends_what_runs(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(60000);
    open_runner(&x, &slow, &o, 400);
    pthread_t t;
    later l = {.ms = 30, .aborts = x.r};
    assert_int_equal(pthread_create(&t, NULL, end_later, &l), 0);
    check_fails(run(&x, &e), ERR_CANCELLED, &e);
    pthread_join(t, NULL);
    check_fails(run(&x, &e), ERR_CANCELLED, &e);
    close_runner(&x);
}

static void failures_in_a_row_make_it_unready(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(10000);
    open_runner(&x, &small, &o, 1);
    for (int i = 0; i < RUNNER_FAILURES_MAX; i++) {
        assert_true(runner_ready(x.r));
        uint64_t end = clock_monotonic_ns() + UINT64_C(10000000000);
        while (run(&x, &e) < 0 && clock_monotonic_ns() < end) children_nap(20);
        end_child(SIGKILL);
        runner_tend(x.r);
    }
    assert_false(runner_ready(x.r));
    close_runner(&x);
}

static void rows_that_do_not_fit(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(20000);
    open_runner(&x, &small, &o, 5);
    size_t len = 30 << 20; // two of these go at once
    char *text = mem_alloc(len * 3, 1);
    memset(text, 'x', len * 3);
    for (size_t i = 0; i < x.in.schema->n_inputs; i++)
        for (size_t row = 0; x.in.columns[i].strings && row < 5; row++) x.in.columns[i].strings[row] = (str){text, len};
    check_ok(run(&x, &e), &e);
    for (size_t i = 0; i < x.in.schema->n_inputs; i++)
        if (x.in.columns[i].strings) x.in.columns[i].strings[4] = (str){text, len * 3};
    check_fails(run(&x, &e), ERR_LIMIT, &e);
    check_says(&e, "row 5");
    mem_free(text);
    close_runner(&x);
}

// The ceiling is one of address space, which sanitizers take for themselves.
static void memory_has_a_ceiling(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    skip();
#else
    err e = ERR_NONE;
    fixture x;
    runner_options o = options(20000);
    o.memory_max = (size_t)100 << 20;
    net_options wide = {.width = 2048, .n_layers = 1, .n_classes = 3, .seed = 3};
    open_runner(&x, &wide, &o, 8000); // two layers of 64 MiB
    pid_t pid = children_any();
    check_fails(run(&x, &e), ERR_MEMORY, &e);
    x.in.n_rows = 1;
    check_ok(run(&x, &e), &e);
    assert_int_equal(children_any(), pid); // it lives on
    close_runner(&x);
#endif
}

int main(int argc, char **argv)
{
    children_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_runs_and_says_what_it_is),
        cmocka_unit_test(a_model_that_cannot_be_loaded),
        cmocka_unit_test(one_that_ended_while_idle_is_not_missed),
        cmocka_unit_test(one_that_ends_at_work_fails_what_it_had),
        cmocka_unit_test(one_that_hangs_is_killed),
        cmocka_unit_test(an_abort_ends_what_runs),
        cmocka_unit_test(failures_in_a_row_make_it_unready),
        cmocka_unit_test(rows_that_do_not_fit),
        cmocka_unit_test(memory_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
