// A version in a process of its own: the same program, without network and files, with a ceiling of memory, reached
// through shared memory. Its crash, hang or hunger fails the requests it had, and nobody else notices.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_RUNNER_H
#define SLIPWAY_SERVE_RUNNER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "model/driver.h"

#define RUNNER_WORD "runner" // the first argument of the program that makes it one: see runner_child_main()

enum { RUNNER_FAILURES_MAX = 5 }; // in a row; then the model is not ready

typedef struct runner_options {
    const char *program;   // NULL: this one
    const char *label;     // for people who list processes: "titanic 3"
    size_t memory_max;     // bytes of address space beside the package and the exchange; 0: no limit
    uint32_t start_ms_max; // until it is loaded and warm
    uint32_t run_ms_max;   // of one batch; it is killed then
} runner_options;

// What the child says of the model that it loaded.
typedef struct runner_facts {
    bool rows_apart;
    size_t memory; // bytes, as model_memory()
} runner_facts;

typedef struct runner runner; // one thread at a time, the one that starts it, but for what says "any thread"

// Copies the package into a memory file; starts nothing yet. The schema is borrowed until runner_free().
MUST_CHECK int runner_new(runner **out, const package *p, const schema *s, const runner_options *o, err *e);
void runner_free(runner *r); // any thread, after runner_stop(), or if it was never started; NULL is fine

// Starts the child and waits until it has loaded the model; what is wrong with the model is the failure.
MUST_CHECK int runner_start(runner *r, runner_facts *facts, err *e);
void runner_stop(runner *r); // kills and collects it
// Starts it again when it has ended and it is time. Returns when it wants to be called again (clock_monotonic_ns()).
uint64_t runner_tend(runner *r);

// As model_predict(), to the byte. ERR_IO: it ended, or took too long and was killed, or is not there just now;
// ERR_MEMORY: its ceiling. It starts again by itself, later each time.
MUST_CHECK int runner_run(runner *r, const batch *in, prediction *out, arena *a, err *e);

void runner_abort(runner *r);       // any thread: what runs ends with a failure, and nothing more will run
bool runner_ready(const runner *r); // any thread: false from RUNNER_FAILURES_MAX failures in a row until it answers
uint64_t runner_restarts(const runner *r); // any thread

// The child's main(): descriptors 3, 4 and 5 are the socket, the package and the exchange.
int runner_child_main(void);

#endif
