// Workers blocked on a condition: spinning costs far more than it saves on small, busy machines.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

enum { THREADS_MAX = 256, STACK_BYTES = 8 << 20 };

typedef struct worker {
    pool *owner;
    pthread_t thread;
    size_t index;
} worker;

struct pool {
    size_t n_threads;
    worker *workers; // n_threads - 1 of them
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    // Guarded by lock:
    pool_task *run;
    void *context;
    size_t n_tasks;
    uint64_t round;  // counts pool_run() calls, so that a worker takes part once in each
    size_t n_active; // workers that are inside the round
    bool stop;
    // The next task to start: a counter, relaxed, because the lock orders everything else.
    atomic_size_t next;
};

static void take_tasks(pool *p, pool_task *run, void *context, size_t n_tasks, size_t index)
{
    for (;;) {
        size_t task = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (task >= n_tasks) return;
        run(context, task, index);
    }
}

static void *work(void *argument)
{
    worker *w = argument;
    pool *p = w->owner;
    uint64_t seen = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && (p->round == seen || !p->run)) {
            seen = p->round;
            pthread_cond_wait(&p->work, &p->lock);
        }
        if (p->stop) break;
        seen = p->round;
        pool_task *run = p->run;
        void *context = p->context;
        size_t n_tasks = p->n_tasks;
        p->n_active++;
        pthread_mutex_unlock(&p->lock);
        take_tasks(p, run, context, n_tasks, w->index);
        pthread_mutex_lock(&p->lock);
        if (--p->n_active == 0) pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static size_t threads_of_process(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : (size_t)n;
}

int pool_new(pool **out, size_t n_threads, err *e)
{
    if (n_threads == 0) n_threads = threads_of_process();
    if (n_threads > THREADS_MAX) return err_set(e, ERR_LIMIT, "%zu threads, at most %d", n_threads, THREADS_MAX);
    pool *p = mem_zalloc(1, sizeof *p);
    worker *workers = mem_zalloc(n_threads, sizeof *workers);
    if (!p || !workers) {
        mem_free(p);
        mem_free(workers);
        return err_set(e, ERR_MEMORY, "no memory for a pool of %zu threads", n_threads);
    }
    p->workers = workers;
    p->n_threads = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);

    // Signals are for the main thread: workers start with all of them blocked.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int failed = 0;
    for (size_t i = 1; i < n_threads && !failed; i++) {
        workers[i - 1] = (worker){.owner = p, .index = i};
        failed = pthread_create(&workers[i - 1].thread, &attributes, work, &workers[i - 1]);
        if (!failed) p->n_threads++;
    }
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        pool_free(p);
        return err_set(e, ERR_LIMIT, "the system refuses a thread (%zu wanted)", n_threads);
    }
    *out = p;
    return 0;
}

void pool_free(pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 1; i < p->n_threads; i++) pthread_join(p->workers[i - 1].thread, NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->workers);
    mem_free(p);
}

size_t pool_size(const pool *p)
{
    return p ? p->n_threads : 1;
}

void pool_run(pool *p, size_t n_tasks, pool_task *run, void *context)
{
    if (!p || p->n_threads == 1 || n_tasks <= 1) {
        for (size_t task = 0; task < n_tasks; task++) run(context, task, 0);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->run = run;
    p->context = context;
    p->n_tasks = n_tasks;
    p->round++;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);

    take_tasks(p, run, context, n_tasks, 0);

    // A worker that wakes late finds run == NULL and goes back to sleep; those inside are waited for.
    pthread_mutex_lock(&p->lock);
    p->run = NULL;
    while (p->n_active > 0) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
