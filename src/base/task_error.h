// The failure of a parallel loop: that of its lowest task, so that what is reported does not depend on timing.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_TASK_ERROR_H
#define SLIPWAY_BASE_TASK_ERROR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

// Made before pool_run(), asked after it. The lock guards the fields below it.
typedef struct task_error {
    pthread_mutex_t lock;
    int rc;
    size_t task;
    err e;
} task_error;

void task_error_init(task_error *t);
// Whether a lower task has failed, so that `task` need not run. Tasks start in order, so the lowest failure is found.
bool task_error_before(task_error *t, size_t task);
void task_error_set(task_error *t, size_t task, int rc, const err *e); // any thread; rc < 0
// 0, or the failure of the lowest task, in *e too. The storage needs no more care afterwards.
MUST_CHECK int task_error_end(task_error *t, err *e);

#endif
