// The queue of a version: what runs together, in which order, what is dropped and what is refused. The engine is a
// gate: it runs when the test says so.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <pthread.h>
#include <time.h>

#include "base/mem.h"
#include "helpers/packages.h"
#include "serve/batcher.h"

enum { CALLS_MAX = 64, REQUESTS_MAX = 32 };

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    size_t n_open, n_began, n_runs; // runs that may end; that began; that ended
    size_t sizes[CALLS_MAX];
    float firsts[CALLS_MAX]; // of each run: its first value
    int fails_at;            // a run that holds this value fails
    int start_rc;
    bool merges, aborted;
} gate;

static int gate_start(void *context, err *e)
{
    gate *g = context;
    return g->start_rc < 0 ? err_set(e, g->start_rc, "no start") : 0;
}

// The score of a row is ten times its age.
static int gate_run(void *context, const batch *in, prediction *out, arena *a, err *e)
{
    gate *g = context;
    pthread_mutex_lock(&g->lock);
    size_t mine = g->n_began++;
    if (mine < CALLS_MAX) {
        g->sizes[mine] = in->n_rows;
        g->firsts[mine] = in->n_rows ? in->columns[0].f32[0] : -1;
    }
    pthread_cond_broadcast(&g->wake);
    while (g->n_open <= mine && !g->aborted) pthread_cond_wait(&g->wake, &g->lock);
    bool aborted = g->aborted;
    pthread_mutex_unlock(&g->lock);
    if (aborted) return err_set(e, ERR_CANCELLED, "aborted");
    for (size_t i = 0; i < in->n_rows; i++)
        if (g->fails_at && in->columns[0].f32[i] == (float)g->fails_at)
            return err_set_at(e, ERR_INPUT, (int64_t)i + 1, "row %zu is bad", i + 1);
    float *scores = arena_alloc(a, in->n_rows, 3 * sizeof *scores);
    int32_t *labels = arena_alloc(a, in->n_rows, sizeof *labels);
    if (!scores || !labels) return err_set(e, ERR_MEMORY, "no memory");
    for (size_t i = 0; i < in->n_rows; i++) {
        for (size_t k = 0; k < 3; k++) scores[3 * i + k] = 10 * in->columns[0].f32[i] + (float)k;
        labels[i] = (int32_t)in->columns[0].f32[i] % 3;
    }
    *out = (prediction){.n_rows = in->n_rows, .n_scores = 3, .scores = scores, .labels = labels};
    return 0;
}

static void gate_abort(void *context)
{
    gate *g = context;
    pthread_mutex_lock(&g->lock);
    g->aborted = true;
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static const batcher_engine engine = {.start = gate_start, .run = gate_run, .abort = gate_abort};

typedef struct fixture {
    gate gate;
    schema schema;
    cost cost;
    batch_meter meter;
    batcher *b;
} fixture;

typedef struct sent {
    waiting waiting; // first
    fixture *x;
    batch in;
    prediction out;
    arena memory;
    bool ended;
    int rc, over_rc;
    err e;
    size_t order;
} sent;

static size_t n_ended; // guarded by the gate's lock

static void open_queue(fixture *x, size_t requests_max, double call_ns, double row_ns)
{
    err e = ERR_NONE;
    n_ended = 0;
    x->schema = sample_schema();
    pthread_mutex_init(&x->gate.lock, NULL);
    pthread_cond_init(&x->gate.wake, NULL);
    atomic_init(&x->cost.call_ns, call_ns);
    atomic_init(&x->cost.row_ns, row_ns);
    check_ok(batcher_new(&x->b,
                         &(batcher_options){.schema = &x->schema,
                                            .engine = &engine,
                                            .context = &x->gate,
                                            .cost = &x->cost,
                                            .meter = &x->meter,
                                            .merges = &x->gate.merges,
                                            .requests_max = requests_max,
                                            .rows_max = 100000,
                                            .wait_ns_max = UINT64_C(1) << 50,
                                            .batch_bytes_max = 1 << 20},
                         &e),
             &e);
}

static void close_queue(fixture *x)
{
    batcher_free(x->b);
    pthread_mutex_destroy(&x->gate.lock);
    pthread_cond_destroy(&x->gate.wake);
}

static void done(waiting *w, int rc, const err *e)
{
    sent *s = (sent *)w;
    gate *g = &s->x->gate;
    pthread_mutex_lock(&g->lock);
    s->rc = rc;
    if (rc < 0) s->e = *e;
    s->ended = true;
    s->order = n_ended++;
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

static int over(const waiting *w, uint64_t now_ns, err *e)
{
    (void)now_ns;
    int rc = ((const sent *)w)->over_rc;
    return rc < 0 ? err_set(e, rc, "over") : 0;
}

static void nap_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

// n rows whose ages are first, first + 1, ...
static int send(fixture *x, sent *s, int first, size_t n, unsigned urgency, err *e)
{
    *s = (sent){.x = x};
    arena_init(&s->memory, 1 << 20);
    check_ok(batch_blank(&s->in, &x->schema, n, &s->memory, e), e);
    for (size_t i = 0; i < n; i++) s->in.columns[0].f32[i] = (float)first + (float)i;
    s->waiting =
        (waiting){.in = &s->in, .out = &s->out, .memory = &s->memory, .urgency = urgency, .over = over, .done = done};
    unsigned retry_s;
    return batcher_add(x->b, &s->waiting, &retry_s, e);
}

static void await_began(fixture *x, size_t n)
{
    pthread_mutex_lock(&x->gate.lock);
    while (x->gate.n_began < n) pthread_cond_wait(&x->gate.wake, &x->gate.lock);
    pthread_mutex_unlock(&x->gate.lock);
}

static void let_end(fixture *x, size_t n_more)
{
    pthread_mutex_lock(&x->gate.lock);
    x->gate.n_open += n_more;
    pthread_cond_broadcast(&x->gate.wake);
    pthread_mutex_unlock(&x->gate.lock);
}

static void await(fixture *x, sent *s)
{
    pthread_mutex_lock(&x->gate.lock);
    while (!s->ended) pthread_cond_wait(&x->gate.wake, &x->gate.lock);
    pthread_mutex_unlock(&x->gate.lock);
}

static void check_answer(sent *s, int first)
{
    if (s->rc != 0) fail_msg("%s", s->e.msg);
    assert_int_equal(s->out.n_rows, s->in.n_rows);
    assert_int_equal(s->out.n_scores, 3);
    for (size_t i = 0; i < s->in.n_rows; i++) {
        assert_true(s->out.scores[3 * i + 2] == 10 * ((float)first + (float)i) + 2);
        assert_int_equal(s->out.labels[i], (first + (int)i) % 3);
    }
    arena_clear(&s->memory);
}

static void what_gathers_runs_together(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = true};
    open_queue(&x, 16, 1e6, 1e3);
    sent all[6];
    check_ok(send(&x, &all[0], 1, 1, 3, &e), &e);
    await_began(&x, 1);
    for (int i = 1; i < 6; i++) check_ok(send(&x, &all[i], 10 * i, (size_t)i - 1, 3, &e), &e); // one is empty
    let_end(&x, 2);
    for (int i = 0; i < 6; i++) {
        await(&x, &all[i]);
        check_answer(&all[i], i ? 10 * i : 1);
    }
    assert_int_equal(x.gate.n_began, 2);
    assert_int_equal(x.gate.sizes[1], 0 + 1 + 2 + 3 + 4);
    assert_int_equal(x.meter.answered, 6);
    assert_int_equal(x.meter.waiting, 0);
    close_queue(&x);
}

static void without_proof_each_runs_alone(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = false, .gate.n_open = 100};
    open_queue(&x, 16, 1e12, 1e3);
    sent all[5];
    for (int i = 0; i < 5; i++) check_ok(send(&x, &all[i], i, 2, 3, &e), &e);
    for (int i = 0; i < 5; i++) {
        await(&x, &all[i]);
        check_answer(&all[i], i);
        assert_int_equal(x.gate.sizes[i], 2);
    }
    close_queue(&x);
}

static void the_urgent_go_first_and_none_starves(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = false};
    open_queue(&x, 16, 1e12, 1e3);
    sent all[6];
    static const unsigned urgencies[] = {3, 5, 3, 0, 3, 4};
    for (int i = 0; i < 6; i++) {
        check_ok(send(&x, &all[i], i, 1, urgencies[i], &e), &e);
        if (i == 0) await_began(&x, 1);
    }
    sent late;
    check_ok(send(&x, &late, 9, 1, 2, &e), &e);                               // after those of 4, before the one of 5
    for (int i = 0; i < 6; i++) all[i].waiting.since_ns = 1000 + (uint64_t)i; // however slow this machine is
    late.waiting.since_ns = 1000 + (2 * URGENCY_MS + 20) * UINT64_C(1000000);
    let_end(&x, 100);
    static const size_t order[] = {0, 6, 2, 1, 3, 4};
    for (int i = 0; i < 6; i++) {
        await(&x, &all[i]);
        check_answer(&all[i], i);
        assert_int_equal(all[i].order, order[i]);
    }
    await(&x, &late);
    check_answer(&late, 9);
    assert_int_equal(late.order, 5);
    close_queue(&x);
}

static void nobody_waits_for_what_is_dropped(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = true};
    open_queue(&x, 16, 1e6, 1e3);
    sent all[4];
    for (int i = 0; i < 4; i++) {
        check_ok(send(&x, &all[i], i, 1, 3, &e), &e);
        if (i == 0) await_began(&x, 1);
    }
    all[1].over_rc = ERR_CANCELLED;
    all[2].over_rc = ERR_TIMEOUT;
    let_end(&x, 100);
    for (int i = 0; i < 4; i++) await(&x, &all[i]);
    assert_int_equal(all[1].rc, ERR_CANCELLED);
    assert_int_equal(all[2].rc, ERR_TIMEOUT);
    check_answer(&all[0], 0);
    check_answer(&all[3], 3);
    assert_int_equal(x.gate.sizes[1], 1);
    assert_int_equal(x.meter.dropped_gone, 1);
    assert_int_equal(x.meter.dropped_expired, 1);
    arena_clear(&all[1].memory);
    arena_clear(&all[2].memory);
    close_queue(&x);
}

static void a_long_request_lets_short_ones_by_and_can_be_given_up(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = true};
    open_queue(&x, 16, 1e3, 1e6); // 5 rows are worth 5 ms
    sent longest, short_one, given_up;
    check_ok(send(&x, &longest, 0, 12, 3, &e), &e);
    await_began(&x, 1);
    check_ok(send(&x, &short_one, 50, 1, 3, &e), &e);
    check_ok(send(&x, &given_up, 100, 9, 3, &e), &e);
    atomic_store(&x.cost.call_ns, 1e3); // what runs measured took no account of the gate
    atomic_store(&x.cost.row_ns, 1e6);
    assert_int_equal(x.gate.sizes[0], 5);
    let_end(&x, 1);
    await_began(&x, 2);
    assert_true(x.gate.firsts[1] == 50);
    given_up.over_rc = ERR_CANCELLED;
    let_end(&x, 100);
    await(&x, &short_one);
    await(&x, &longest);
    await(&x, &given_up);
    assert_true(short_one.order < longest.order);
    check_answer(&short_one, 50);
    check_answer(&longest, 0);
    assert_int_equal(given_up.rc, ERR_CANCELLED);
    arena_clear(&given_up.memory);
    close_queue(&x);
}

static void a_bad_row_is_its_own_request_s_fault(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate = {.merges = true, .fails_at = 21}};
    open_queue(&x, 16, 1e6, 1e3);
    sent all[4];
    for (int i = 0; i < 4; i++) {
        check_ok(send(&x, &all[i], 10 * i, 3, 3, &e), &e);
        if (i == 0) await_began(&x, 1);
    }
    let_end(&x, 100);
    for (int i = 0; i < 4; i++) await(&x, &all[i]);
    for (int i = 0; i < 4; i++)
        if (i != 2) check_answer(&all[i], 10 * i);
    assert_int_equal(all[2].rc, ERR_INPUT);
    assert_int_equal(all[2].e.at, 2); // as if it were alone
    arena_clear(&all[2].memory);
    close_queue(&x);
}

static void one_too_many_is_refused(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = false};
    open_queue(&x, 3, 1e12, 1e3);
    sent all[4], more;
    for (int i = 0; i < 4; i++) {
        check_ok(send(&x, &all[i], i, 1, 3, &e), &e);
        if (i == 0) await_began(&x, 1);
    }
    check_fails(send(&x, &more, 9, 1, 3, &e), ERR_BUSY, &e);
    arena_clear(&more.memory);
    unsigned retry_s = 0;
    check_fails(batcher_admits(x.b, 1, 0, &retry_s, &e), ERR_BUSY, &e);
    assert_true(retry_s >= 1);
    assert_int_equal(x.meter.refused, 1);
    let_end(&x, 100);
    for (int i = 0; i < 4; i++) {
        await(&x, &all[i]);
        check_answer(&all[i], i);
    }
    check_ok(batcher_admits(x.b, 1, 0, &retry_s, &e), &e);
    close_queue(&x);
}

// A queue that never gets short is held at a few calls' worth; a burst is not.
static void a_standing_queue_is_kept_short(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = false};
    open_queue(&x, 32, 200e6, 1e3); // 200 ms a call: a standing queue may hold 1.2 s
    sent all[REQUESTS_MAX];
    int n = 0;
    unsigned retry_s;
    for (; n < 12; n++) {
        check_ok(send(&x, &all[n], n, 1, 3, &e), &e);
        if (n == 0) await_began(&x, 1);
    }
    let_end(&x, 1);
    await_began(&x, 2);
    nap_ms(520);
    check_fails(batcher_admits(x.b, 1, 0, &retry_s, &e), ERR_BUSY, &e);
    check_says(&e, "overloaded");
    uint64_t now = clock_monotonic_ns(); // some came much earlier than the others
    for (int i = 2; i < n; i++) all[i].waiting.begin_ns = i < 6 ? now - UINT64_C(10000000000) : now;
    let_end(&x, 100);
    for (int i = 0; i < n; i++) {
        await(&x, &all[i]);
        if (i >= 2 && i < 6) { // what was let in as a burst, and waits too long for one
            assert_int_equal(all[i].rc, ERR_BUSY);
            arena_clear(&all[i].memory);
        } else {
            check_answer(&all[i], i);
        }
    }
    check_ok(batcher_admits(x.b, 1, 0, &retry_s, &e), &e);
    close_queue(&x);
}

static void a_stop_fails_what_waits_and_what_runs(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fixture x = {.gate.merges = false};
    open_queue(&x, 16, 1e12, 1e3);
    sent all[3];
    for (int i = 0; i < 3; i++) {
        check_ok(send(&x, &all[i], i, 1, 3, &e), &e);
        if (i == 0) await_began(&x, 1);
    }
    batcher_stop(x.b);
    for (int i = 0; i < 3; i++) {
        assert_true(all[i].ended);
        assert_int_equal(all[i].rc, ERR_CANCELLED);
        arena_clear(&all[i].memory);
    }
    sent late;
    check_fails(send(&x, &late, 9, 1, 3, &e), ERR_CANCELLED, &e);
    arena_clear(&late.memory);
    close_queue(&x);
}

static void an_engine_that_does_not_start(void **state)
{
    (void)state;
    err e = ERR_NONE;
    schema s = sample_schema();
    gate g = {.start_rc = ERR_FORMAT};
    cost c = {0};
    batch_meter meter = {0};
    batcher *b = NULL;
    check_fails(batcher_new(&b,
                            &(batcher_options){.schema = &s,
                                               .engine = &engine,
                                               .context = &g,
                                               .cost = &c,
                                               .meter = &meter,
                                               .merges = &g.merges,
                                               .requests_max = 4,
                                               .rows_max = 10},
                            &e),
                ERR_FORMAT, &e);
    assert_null(b);
}

static void priorities(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        unsigned urgency;
    } cases[] = {{"", 3},      {"u=0", 0},     {"u=7", 7},        {"u=8", 3},   {"u=5, i", 5}, {"i, u=1", 1},
                 {"i,u=1", 1}, {"ux=1", 3},    {"xu=1", 3},       {"u=", 3},    {"u=12", 3},   {"u=-1", 3},
                 {"i", 3},     {"u=2;q=1", 2}, {"foo=u, u=6", 6}, {"u=\xff", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(urgency_parse(str_of(cases[i].field)), cases[i].urgency);
    assert_int_equal(urgency_parse((str){0}), 3);
}

static void the_rules(void **state)
{
    (void)state;
    cost c = {0};
    atomic_init(&c.call_ns, 10e6);
    atomic_init(&c.row_ns, 1e6);
    assert_int_equal(batch_rows_max(&c, 100, 1 << 20), 80); // eight calls' worth
    assert_int_equal(batch_rows_max(&c, 100, 1000), 10);    // what fits
    assert_int_equal(batch_rows_max(&c, 1 << 20, 1000), 1); // one row always does
    assert_int_equal(batch_wait_ns(&c, 1e6), 4500000);      // half of the call less the row
    assert_int_equal(batch_wait_ns(&c, 5e6), 0);            // nobody is expected in that time
    atomic_store(&c.call_ns, 1e4);
    assert_int_equal(batch_rows_max(&c, 100, 1 << 20), 5); // 5 ms' worth
    assert_int_equal(batch_wait_ns(&c, 10), 0);            // the call costs less than the row
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_gathers_runs_together),
        cmocka_unit_test(without_proof_each_runs_alone),
        cmocka_unit_test(the_urgent_go_first_and_none_starves),
        cmocka_unit_test(nobody_waits_for_what_is_dropped),
        cmocka_unit_test(a_long_request_lets_short_ones_by_and_can_be_given_up),
        cmocka_unit_test(a_bad_row_is_its_own_request_s_fault),
        cmocka_unit_test(one_too_many_is_refused),
        cmocka_unit_test(a_standing_queue_is_kept_short),
        cmocka_unit_test(a_stop_fails_what_waits_and_what_runs),
        cmocka_unit_test(an_engine_that_does_not_start),
        cmocka_unit_test(priorities),
        cmocka_unit_test(the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
