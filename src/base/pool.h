// A pool of workers that sleep when there is nothing to do. Learners and readers take one, and never make threads.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_POOL_H
#define SLIPWAY_BASE_POOL_H

#include <stddef.h>

#include "base/err.h"

typedef struct pool pool;

// Task `task` of 0..n_tasks-1, run by worker `worker` of 0..pool_size-1 (for scratch of its own; results must not
// depend on it).
typedef void pool_task(void *context, size_t task, size_t worker);

// n_threads counts the caller: 1 makes no thread; 0 means as many as this process may use (its affinity).
MUST_CHECK int pool_new(pool **out, size_t n_threads, err *e);
void pool_free(pool *p); // waits for the workers to end; NULL is fine

size_t pool_size(const pool *p); // threads, the caller included; 1 for NULL

// Runs every task and returns when all are done; the caller works too. Tasks are started in order of their number.
// NULL for a pool, or one task, runs in the caller. One thread at a time; not from inside a task.
void pool_run(pool *p, size_t n_tasks, pool_task *run, void *context);

#endif
