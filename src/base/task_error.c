// A lock around the lowest failure: it is taken once a task, and tasks are large.
// SPDX-License-Identifier: Apache-2.0
#include "base/task_error.h"

void task_error_init(task_error *t)
{
    *t = (task_error){.rc = 0};
    pthread_mutex_init(&t->lock, NULL);
}

bool task_error_before(task_error *t, size_t task)
{
    pthread_mutex_lock(&t->lock);
    bool before = t->rc < 0 && t->task < task;
    pthread_mutex_unlock(&t->lock);
    return before;
}

void task_error_set(task_error *t, size_t task, int rc, const err *e)
{
    pthread_mutex_lock(&t->lock);
    if (t->rc == 0 || task < t->task) {
        t->rc = rc;
        t->task = task;
        t->e = *e;
    }
    pthread_mutex_unlock(&t->lock);
}

int task_error_end(task_error *t, err *e)
{
    pthread_mutex_destroy(&t->lock);
    if (t->rc < 0 && e) *e = t->e;
    return t->rc;
}
