// Versions opened, run and closed while memory runs out: here, through a queue, and in a runner.
// SPDX-License-Identifier: Apache-2.0
#include "helpers/children.h"

#include <semaphore.h>

#include "fault/faults.h"
#include "helpers/nets.h"
#include "serve/runtime.h"

typedef struct asked {
    waiting waiting; // first
    batch in;
    prediction out;
    sem_t done;
    int rc;
    err e;
} asked;

static void done(waiting *w, int rc, const err *e)
{
    asked *a = (asked *)w;
    a->rc = rc;
    if (rc < 0) a->e = *e;
    sem_post(&a->done);
}

static int ask(batcher *b, const schema *s, size_t n_rows, arena *memory, err *e)
{
    asked a = {.e = ERR_NONE};
    unsigned retry_s;
    TRY(batch_blank(&a.in, s, n_rows, memory, e));
    a.waiting = (waiting){.in = &a.in, .out = &a.out, .memory = memory, .done = done};
    sem_init(&a.done, 0, 0);
    int rc = batcher_add(b, &a.waiting, &retry_s, e);
    if (rc == 0) {
        sem_wait(&a.done);
        if (a.rc < 0) *e = a.e;
        rc = a.rc;
    }
    sem_destroy(&a.done);
    return rc;
}

typedef struct fixture {
    runtime_options options;
    buf file;
} fixture;

static int open_and_run(const fixture *x, err *e)
{
    package *p;
    runtime *rt;
    running *r = NULL;
    model *m = NULL;
    batch_meter meter = {0};
    TRY(runtime_new(&rt, &x->options, e));
    int rc = package_from_onnx(&p, buf_str(&x->file), e);
    arena memory;
    arena_init(&memory, 1 << 24);
    if (rc == 0) rc = running_open(&r, rt, "test 1", &m, p, &meter, e);
    if (rc == 0 && r->queue) rc = ask(r->queue, model_schema(m), 3, &memory, e);
    running_close(r);
    model_drop(m);
    runtime_free(rt);
    arena_clear(&memory);
    return rc;
}

// As faults_of_memory(), but for those of reading the package, which have a test of their own.
static uint64_t faults_after_reading(fixture *x)
{
    err e = ERR_NONE;
    package *p;
    mem_fail_at(UINT64_MAX, 0);
    check_ok(package_from_onnx(&p, buf_str(&x->file), &e), &e);
    uint64_t first = mem_fail_at(0, 0);
    package_free(p);
    for (uint64_t nth = first;; nth++) {
        e = ERR_NONE;
        mem_fail_at(nth, 0);
        int rc = open_and_run(x, &e);
        uint64_t n = mem_fail_at(0, 0);
        if (n < nth) {
            check_ok(rc, &e);
            return nth - first;
        }
        if (rc != 0) check_fails(rc, ERR_MEMORY, &e);
    }
}

static fixture of_net(isolation how, int64_t width)
{
    err e = ERR_NONE;
    fixture x = {.options = RUNTIME_OPTIONS_DEFAULT};
    x.options.isolate = how;
    graph *g;
    net_options o = {.width = width, .n_layers = 4, .n_classes = 3, .seed = 1};
    buf_init(&x.file, 1 << 24);
    check_ok(graph_new(&g, 1 << 24, &e), &e);
    assert_true(net_fill(g, &o, &e) >= 0);
    check_ok(graph_check(g, &e), &e);
    check_ok(onnx_write(g, &x.file, &e), &e);
    graph_free(g);
    return x;
}

static void here(void **state)
{
    (void)state;
    fixture x = of_net(ISOLATE_NEVER, 8);
    assert_true(faults_after_reading(&x) > 10);
    buf_clear(&x.file);
}

static void through_a_queue(void **state)
{
    (void)state;
    fixture x = of_net(ISOLATE_NEVER, 400);
    assert_true(faults_after_reading(&x) > 10);
    buf_clear(&x.file);
}

static void in_a_runner(void **state)
{
    (void)state;
    fixture x = of_net(ISOLATE_AUTO, 8);
    size_t n = children_descriptors();
    assert_true(faults_after_reading(&x) > 10);
    children_none_left();
    assert_int_equal(children_descriptors(), n);
    buf_clear(&x.file);
}

int main(int argc, char **argv)
{
    children_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(here),
        cmocka_unit_test(through_a_queue),
        cmocka_unit_test(in_a_runner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
