// epoll, edge-triggered: a connection is added once and never changed. The loop never waits for anything but epoll.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/loop_impl.h"

enum { EVENTS_MAX = 256, ACCEPTS_MAX = 64, STOP_ACCEPTS_MAX = 64, REFUSALS_MAX = 256 };

static char wake_mark; // its address tells events apart, as those of listeners do

static int watch(loop *l, int fd, uint32_t events, void *mark, err *e)
{
    struct epoll_event event = {.events = events, .data.ptr = mark};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return 0;
    return err_set_errno(e, "epoll_ctl");
}

int loop_new(loop **out, common *shared, size_t index, err *e)
{
    loop *l = mem_aligned(_Alignof(loop), 1, sizeof *l);
    if (!l) return err_set(e, ERR_MEMORY, "no memory for an event loop");
    memset(l, 0, sizeof *l);
    l->shared = shared;
    l->index = index;
    l->accept_wait_ms = -1;
    l->now_ns = clock_monotonic_ns();
    l->all.before = l->all.after = &l->all;
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = l->now_ns;
    l->random = rng_new(seed, index);
    wheel_init(&l->timers, l->now_ns);
    atomic_init(&l->mailbox, NULL);
    pthread_mutex_init(&l->done_lock, NULL);
    arena_init(&l->memory, shared->options.request_memory_max);
    buf_init(&l->body, shared->options.request_memory_max);
    buf_init(&l->out, shared->options.request_memory_max);
    l->serving = (serving){.options = &shared->options,
                           .meters = shared->meters,
                           .n_meters = shared->n_loops,
                           .observer = shared->observer,
                           .slot = index,
                           .stopping = &shared->stopping,
                           .instance = shared->instance,
                           .sites = &shared->sites,
                           .loopback = shared->loopback};
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->scratch = mem_alloc(SCRATCH_BYTES, 1);
    l->early = mem_alloc(EARLY_MAX, EARLY_BYTES);
    int rc = l->epoll_fd < 0 || l->wake_fd < 0 ? err_set_errno(e, "an event loop")
             : !l->scratch || !l->early        ? err_set(e, ERR_MEMORY, "no memory for an event loop")
                                               : 0;
    if (rc == 0) rc = watch(l, l->wake_fd, EPOLLIN, &wake_mark, e);
    if (rc < 0) {
        loop_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

int loop_listen(loop *l, listener *at, err *e)
{
    listener *mine = &l->listeners[l->n_listeners++];
    *mine = *at;
    at->fd = -1;
    return watch(l, mine->fd, EPOLLIN | EPOLLET, mine, e);
}

static void close_listeners(loop *l)
{
    for (size_t i = 0; i < l->n_listeners; i++) listener_close(&l->listeners[i]);
    l->n_listeners = 0;
}

// The listener that an event's mark points at; NULL if it is something else.
static const listener *listener_of(const loop *l, const void *mark)
{
    for (size_t i = 0; i < LISTENERS_MAX; i++)
        if (mark == &l->listeners[i]) return mark;
    return NULL;
}

static void free_job(job *j)
{
    job_close(j);
    snapshot_drop(j->models);
    access_table_drop(j->access);
    arena_clear(&j->memory);
    buf_clear(&j->body);
    mem_free(j);
}

void loop_free(loop *l)
{
    if (!l) return;
    for (job *j = l->done, *next; j; j = next) {
        next = j->next;
        if (j->connection) { // closed meanwhile, or about to be
            connection *c = j->connection;
            c->job = NULL;
            if (c->gone) {
                connection_free_memory(c);
                mem_free(c);
            }
        }
        free_job(j);
    }
    while (l->all.after != &l->all) connection_close(l->all.after);
    for (connection *c = l->free, *next; c; c = next) {
        next = c->after;
        mem_free(c);
    }
    for (job *j = l->jobs_free, *next; j; j = next) {
        next = j->next;
        free_job(j);
    }
    for (size_t i = 0; i < l->n_spare; i++) buf_clear(&l->spare[i]);
    snapshot_drop(l->models);
    snapshot_drop(atomic_load(&l->mailbox));
    arena_clear(&l->memory);
    buf_clear(&l->body);
    buf_clear(&l->out);
    mem_free(l->scratch);
    mem_free(l->early);
    close_listeners(l);
    if (l->epoll_fd >= 0) close(l->epoll_fd);
    if (l->wake_fd >= 0) close(l->wake_fd);
    pthread_mutex_destroy(&l->done_lock);
    mem_free(l);
}

// Buffers and jobs that are used again.

static size_t buffered_max(const loop *l)
{
    return l->shared->options.buffers_max / l->shared->n_loops;
}

void loop_give_buffer(loop *l, buf *b)
{
    l->buffered -= b->cap;
    if (b->cap > 0 && b->cap <= SPARE_BUFFER_BYTES && l->n_spare < SPARE_BUFFERS) {
        buf_reset(b);
        l->spare[l->n_spare++] = *b;
        *b = (buf){.ceiling = b->ceiling};
    } else {
        buf_clear(b);
    }
}

char *loop_room(loop *l, buf *b, size_t n)
{
    if (b->cap == 0 && l->n_spare > 0) {
        *b = l->spare[--l->n_spare];
        l->buffered += b->cap;
    }
    size_t before = b->cap;
    if (n > b->cap - b->len && l->buffered + n > buffered_max(l)) return NULL;
    char *to = buf_reserve(b, n);
    l->buffered += b->cap - before;
    return to;
}

job *loop_take_job(loop *l)
{
    job *j = l->jobs_free;
    if (j) {
        l->jobs_free = j->next;
        return j;
    }
    j = mem_zalloc(1, sizeof *j);
    if (!j) return NULL;
    arena_init(&j->memory, l->shared->options.request_memory_max);
    buf_init(&j->body, l->shared->options.request_memory_max);
    return j;
}

void loop_give_job(loop *l, job *j)
{
    snapshot_drop(j->models);
    j->models = NULL;
    access_table_drop(j->access);
    j->access = NULL;
    j->connection = NULL;
    j->sink = NULL;
    j->stream = NULL;
    j->response = (response){0};
    if (j->memory.used > KEPT_BYTES)
        arena_clear(&j->memory);
    else
        arena_reset(&j->memory);
    buf_reset(&j->body);
    if (j->body.cap > KEPT_BYTES) buf_clear(&j->body);
    j->next = l->jobs_free;
    l->jobs_free = j;
}

void loop_wake(loop *l)
{
    int before = errno;
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one); // full means that it is awake anyway
    (void)n;
    errno = before;
}

void loop_publish(loop *l, snapshot *models)
{
    snapshot_drop(atomic_exchange(&l->mailbox, models)); // one it never looked at
    loop_wake(l);
}

void loop_job_done(loop *l, job *j)
{
    pthread_mutex_lock(&l->done_lock);
    bool first = !l->done;
    j->next = l->done;
    l->done = j;
    pthread_mutex_unlock(&l->done_lock);
    if (first) loop_wake(l); // else it is awake, and has not taken them yet
}

size_t loop_date(loop *l, char *to)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    uint64_t second = l->now_ns / 1000000000; // of the monotonic clock: only says when to look again
    if (l->date_len == 0 || second != l->date_s) {
        time_t now = (time_t)(clock_utc_ms() / 1000);
        struct tm t;
        gmtime_r(&now, &t);
        l->date_len =
            (size_t)snprintf(l->date, sizeof l->date, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[t.tm_wday],
                             t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
        l->date_s = second;
    }
    memcpy(to, l->date, l->date_len);
    return l->date_len;
}

void loop_turn_over(connection *c)
{
    if (c->again) return;
    c->again = true;
    c->next_again = c->home->again;
    c->home->again = c;
}

// One connection more than allowed is answered with 503 and closed, a few hundred at a time; past those, connections
// wait in the backlog. False: none waits any more.
static bool accept_some(loop *l, const listener *at)
{
    const size_t max = l->shared->options.connections_max;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        size_t n = atomic_load_explicit(&l->shared->n_connections, memory_order_relaxed);
        bool shaking =
            at->encrypted && atomic_load_explicit(&l->shared->n_handshakes, memory_order_relaxed) >= HANDSHAKES_MAX;
        if (n >= max + REFUSALS_MAX || shaking) {
            l->accept_wait_ms = ACCEPT_RETRY_MS;
            return true;
        }
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(at->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno == EAGAIN) return false;
            log_event(LOG_WARN, "connection not accepted", "%s", strerror(errno));
            l->accept_wait_ms = ACCEPT_RETRY_MS;
            return true;
        }
        if (!listener_admits(at, fd)) {
            close(fd);
            continue;
        }
        connection_open(l, at, fd, &from, n >= max);
    }
    if (l->accept_wait_ms < 0) l->accept_wait_ms = 0; // more of them may wait: the socket is edge-triggered like all
    return true;
}

static void accept_all(loop *l)
{
    l->accept_wait_ms = -1;
    for (size_t i = 0; i < l->n_listeners; i++) (void)accept_some(l, &l->listeners[i]);
}

// Answers of connections that have nothing more to do leave together: the code of sending and that of answering do not
// drive each other out of the caches. It was worth a tenth of the time of a request.
static void end_turn(loop *l)
{
    output_send_deferred(l);
    l->defers = false;
}

static void stop(loop *l)
{
    l->stopping = true;
    l->accept_wait_ms = 0;
    l->stop_ns = l->now_ns + l->shared->options.stop_ms_max * UINT64_C(1000000);
    for (size_t k = 0; k < l->n_listeners; k++) // they are ours already
        for (int i = 0; i < STOP_ACCEPTS_MAX && accept_some(l, &l->listeners[k]); i++) continue;
    close_listeners(l);
    l->accept_wait_ms = -1;
    for (connection *c = l->all.after, *after; c != &l->all; c = after) {
        after = c->after;
        loop_begin(l);
        connection_stop(c);
    }
}

static void take_done(loop *l)
{
    pthread_mutex_lock(&l->done_lock);
    job *j = l->done;
    l->done = NULL;
    pthread_mutex_unlock(&l->done_lock);
    for (job *next; j; j = next) {
        next = j->next;
        loop_begin(l);
        if (j->connection)
            connection_answered(j->connection, j);
        else
            loop_give_job(l, j);
    }
}

static void take_snapshot(loop *l)
{
    if (!atomic_load_explicit(&l->mailbox, memory_order_relaxed)) return;
    snapshot *new = atomic_exchange(&l->mailbox, NULL);
    if (!new) return;
    snapshot_drop(l->models);
    l->models = new;
    l->serving.models = new;
}

static void take_wake(loop *l)
{
    uint64_t n;
    ssize_t got = read(l->wake_fd, &n, sizeof n);
    (void)got;
    take_done(l);
    if (!l->stopping && atomic_load(&l->shared->stopping)) stop(l);
}

static void take_event(loop *l, const struct epoll_event *event)
{
    if (event->data.ptr == &wake_mark) return; // after all others, see run_once()
    const listener *at = listener_of(l, event->data.ptr);
    if (at) {
        if (at->fd >= 0) (void)accept_some(l, at);
        return;
    }
    connection *c = event->data.ptr;
    loop_begin(l);
    if (event->events & (EPOLLERR | EPOLLHUP)) {
        connection_close(c);
        return;
    }
    if (event->events & EPOLLRDHUP && !connection_hung_up(c)) return;
    if (event->events & (EPOLLIN | EPOLLRDHUP) || c->tls) c->readable = true; // TLS may have waited to write
    connection_drive(c);
}

static void read_early(loop *l, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n && i < EARLY_MAX; i++) {
        void *mark = events[i].data.ptr;
        if ((events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == EPOLLIN && mark != &wake_mark &&
            !listener_of(l, mark))
            connection_read_early(mark, l->early + i * EARLY_BYTES);
    }
}

static void give_turns(loop *l)
{
    connection *c = l->again;
    l->again = NULL;
    for (connection *next; c; c = next) {
        next = c->next_again;
        c->again = false;
        loop_begin(l);
        connection_drive(c);
    }
}

static int wait_ms(const loop *l)
{
    if (l->again) return 0;
    int wait = wheel_wait_ms(&l->timers, l->now_ns);
    if (l->stopping) {
        int left = l->stop_ns > l->now_ns ? (int)((l->stop_ns - l->now_ns) / 1000000) + 1 : 0;
        if (wait < 0 || left < wait) wait = left;
    }
    if (l->accept_wait_ms >= 0 && (wait < 0 || wait > l->accept_wait_ms)) wait = l->accept_wait_ms;
    return wait;
}

static void run_once(loop *l)
{
    struct epoll_event events[EVENTS_MAX];
    int wait = wait_ms(l);
    uint64_t asked_ns = clock_monotonic_ns();
    int n = epoll_wait(l->epoll_fd, events, EVENTS_MAX, wait);
    l->now_ns = clock_monotonic_ns();
    l->serving.lag_ns = loop_lag_of(&l->lag, asked_ns, l->now_ns, n < EVENTS_MAX);
    take_snapshot(l);
    bool accepting = l->accept_wait_ms >= 0;
    // An event closes at most its own connection, and the new ones that reuse its memory have no event in this batch.
    // Whatever may close others comes after.
    l->defers = true;
    for (int i = 0; i < n; i++) {
        if (l->n_deferred == DEFERRED_MAX || l->out.len > DEFERRED_BYTES) output_send_deferred(l);
        if (i % EARLY_MAX == 0) read_early(l, events + i, n - i);
        take_event(l, &events[i]);
    }
    end_turn(l);
    for (int i = 0; i < n; i++)
        if (events[i].data.ptr == &wake_mark) take_wake(l);
    if (accepting) accept_all(l);
    give_turns(l);
    for (wheel_entry *t; (t = wheel_expired(&l->timers, l->now_ns));) {
        loop_begin(l);
        connection_expired((connection *)t);
    }
}

void loop_run(loop *l)
{
    take_snapshot(l);
    while (!l->stopping || (l->n_connections > 0 && l->now_ns < l->stop_ns)) run_once(l);
    if (l->n_connections > 0)
        log_event(LOG_WARN, "connections cut", "%zu at the deadline of the stop", l->n_connections);
    while (l->all.after != &l->all) connection_close(l->all.after);
}
