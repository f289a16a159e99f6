// What waits, measured, so that what would wait too long is refused at once: for the workers' queue and for event
// loops. The queue of a model has its own rules, see batcher.h.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_ADMISSION_H
#define SLIPWAY_SERVE_ADMISSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ---- workers. Any thread.

typedef struct job_times {
    _Atomic double mean_ns; // of a job, moving; 0: none was seen
} job_times;

void job_times_add(job_times *t, uint64_t spent_ns);

// How long one more would wait behind n_waiting.
static inline double job_wait_ns(const job_times *t, size_t n_waiting, size_t n_workers)
{
    return atomic_load_explicit(&t->mean_ns, memory_order_relaxed) * (double)n_waiting / (double)n_workers;
}

// ---- an event loop. One thread at a time.

// A call of epoll_wait() that gave fewer events than it could had given all there were. So what is ready now became so
// after that call, and has not waited longer than since then.
typedef struct loop_lag {
    uint64_t drained_ns;
} loop_lag;

enum {
    LAG_MS_MAX = 100,       // beyond it, what is dear is refused
    REFUSAL_NS = 20 * 1000, // what costs less than twice a refusal is answered instead: refusing would win nothing
};

// The longest that one of n events can have waited. asked_ns, got_ns: when epoll_wait() was called and returned.
static inline uint64_t loop_lag_of(loop_lag *l, uint64_t asked_ns, uint64_t got_ns, bool all)
{
    uint64_t lag = l->drained_ns && asked_ns > l->drained_ns ? asked_ns - l->drained_ns : 0;
    if (all) l->drained_ns = got_ns;
    return lag;
}

#endif
