// A queue of requests for one version, and the thread that runs them: while one batch runs the others gather, and what
// gathered is the next batch. docs/serving.md has the rules.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_BATCHER_H
#define SLIPWAY_SERVE_BATCHER_H

#include <stdbool.h>

#include "model/driver.h"
#include "serve/cost.h"
#include "serve/meters.h"

typedef struct batcher batcher; // any thread

enum {
    URGENCIES_N = 8,     // RFC 9218: 0 is the most urgent
    URGENCY_DEFAULT = 3, // of a request that says nothing
    URGENCY_MS = 100,    // a step of urgency is worth this much waiting: so nobody starves
};

// How rows are run. Called by the batcher's thread only.
typedef struct batcher_engine {
    int (*start)(void *context, err *e); // before all others; NULL: nothing to do
    // The arena is a request's, or empty and the batcher's own. *e: of the whole batch.
    int (*run)(void *context, const batch *in, prediction *out, arena *a, err *e);
    // While nothing waits, and before what came then. Returns when to call again (clock_monotonic_ns()). NULL: nothing
    // to do
    uint64_t (*tend)(void *context);
    void (*stop)(void *context);  // last, also after a failed start; NULL: nothing to do
    void (*abort)(void *context); // any thread: a run under way ends soon, with a failure; NULL: it cannot
} batcher_engine;

typedef struct batcher_options {
    const schema *schema; // borrowed until batcher_free(), as are these four:
    const batcher_engine *engine;
    void *context;
    cost *cost; // kept up to date with what batches take
    batch_meter *meter;
    const bool *merges;            // whether requests may share a batch; looked at after start()
    size_t requests_max, rows_max; // waiting; one more is refused
    uint64_t wait_ns_max;          // a request that would wait longer is refused
    size_t batch_bytes_max;        // of the values of a batch that is put together
} batcher_options;

// A request in the queue. The memory is the caller's and stays until done() is called.
typedef struct waiting {
    const batch *in;
    prediction *out; // arrays in `memory`
    arena *memory;
    unsigned urgency;     // below URGENCIES_N
    uint64_t deadline_ns; // 0: none
    // Whether the answer would come too late: ERR_CANCELLED, ERR_TIMEOUT. NULL: never.
    int (*over)(const struct waiting *w, uint64_t now_ns, err *e);
    // Once, by the batcher's thread, or the one that stops it; the memory is the caller's again.
    void (*done)(struct waiting *w, int rc, const err *e);
    // The batcher's own:
    struct waiting *next;
    uint64_t since_ns, begin_ns;
    size_t n_done;
} waiting;

// Starts the thread and waits for the engine's start().
MUST_CHECK int batcher_new(batcher **out, const batcher_options *o, err *e);
// What waits and what runs fails with ERR_CANCELLED, the thread ends, and whatever is added later fails.
void batcher_stop(batcher *b);
void batcher_free(batcher *b); // stops it first; NULL is fine

// Whether a request would be refused: ERR_BUSY, with the seconds after which it may try again. Cheap: a few loads.
MUST_CHECK int batcher_admits(batcher *b, size_t n_rows, uint64_t deadline_ns, unsigned *retry_s, err *e);
// Refuses likewise, or takes it until done().
MUST_CHECK int batcher_add(batcher *b, waiting *w, unsigned *retry_s, err *e);

// The urgency in a Priority header (RFC 9218): "u=5, i". URGENCY_DEFAULT where there is none, or none that we know.
unsigned urgency_parse(str field);

// ---- The rules, on their own.

// Rows of a batch that is put together: eight times what the fixed cost of a call is worth in rows, so that at most a
// ninth is lost to it, or what 5 ms are worth if that is more; within the bytes.
size_t batch_rows_max(const cost *c, size_t row_bytes, size_t bytes_max);

// How long a batch may wait for a request that is expected after gap_ns. With a call that costs a and a row that costs
// b, running now answers the first after a + b and the second after 2 (a + b) - gap; waiting answers both after
// gap + a + 2 b. The sum is less with waiting if gap < (a - b) / 2. 0: waiting cannot win.
uint64_t batch_wait_ns(const cost *c, double gap_ns);

#endif
