// Measuring: the least of a few runs at first, a moving mean afterwards.
// SPDX-License-Identifier: Apache-2.0
#include "serve/cost.h"

#include "base/clock.h"

enum { RUNS = 5, MEASURE_NS_MAX = 200 * 1000 * 1000, RATIO_MAX = 8, SHARE = 16 };

static void set(cost *c, double call_ns, double row_ns)
{
    atomic_store_explicit(&c->call_ns, call_ns, memory_order_relaxed);
    atomic_store_explicit(&c->row_ns, row_ns, memory_order_relaxed);
}

static int best_of(double *out, cost_run *run, void *context, size_t n_rows, err *e)
{
    uint64_t begin = clock_monotonic_ns(), best = UINT64_MAX;
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = clock_monotonic_ns();
        int rc = run(context, n_rows, e);
        uint64_t end = clock_monotonic_ns();
        if (rc < 0 && rc != ERR_INPUT) return rc;
        if (end - start < best) best = end - start;
        if (end - begin > MEASURE_NS_MAX) break;
    }
    *out = (double)best;
    return 0;
}

int cost_measure(cost *c, cost_run *run, void *context, err *e)
{
    double one, many;
    TRY(best_of(&one, run, context, 1, e));
    if (one > MEASURE_NS_MAX) { // the longer run would only hold up the start
        set(c, one / 2, one / 2);
        return 0;
    }
    TRY(best_of(&many, run, context, COST_ROWS, e));
    double row = (many - one) / (COST_ROWS - 1);
    if (row < one / 1000) row = one / 1000; // noise: a row is never free
    if (row > one) row = one;
    set(c, one - row, row);
    return 0;
}

void cost_add(cost *c, size_t n_rows, uint64_t spent_ns)
{
    double expected = cost_of(c, n_rows), ratio = expected > 0 ? (double)spent_ns / expected : 1;
    if (ratio > RATIO_MAX) ratio = RATIO_MAX; // one that was held up is not all of them
    if (ratio < 1.0 / RATIO_MAX) ratio = 1.0 / RATIO_MAX;
    double scale = 1 + (ratio - 1) / SHARE;
    set(c, atomic_load_explicit(&c->call_ns, memory_order_relaxed) * scale,
        atomic_load_explicit(&c->row_ns, memory_order_relaxed) * scale);
}
