// The parts put together: sockets, event loops, workers, and the thread that watches the registry.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/instance.h"
#include "serve/loop_impl.h"
#include "serve/notify.h"

enum { LOOPS_MAX = 256, BACKLOG = 4096, WATCH_MS = 50, DESCRIPTORS_BESIDE = 512 };

struct server {
    common common; // its options have a host of their own
    runtime *runtime;
    catalog *catalog;
    char *host, *data_dir;
    uint16_t port;
    pthread_t threads[LOOPS_MAX]; // of the loops but the first
    size_t n_threads;
    pthread_t watcher;
    bool watching;
    pthread_mutex_t watch_lock; // guards watch_end
    pthread_cond_t watch_wake;
    bool watch_end;
};

const char *server_options_fault(const server_options *o)
{
    if (!o->data_dir) return "a server needs a data directory";
    if (!o->host) return "a server needs an address";
    if (o->n_loops > LOOPS_MAX) return "there are at most 256 event loops";
    if (o->header_max < 1024 || o->header_max > 1 << 20) return "the largest header is 1 KiB to 1 MiB";
    if (o->body_max < 1 || o->body_max > (size_t)1 << 30) return "the largest body is 1 byte to 1 GiB";
    if (o->rows_max < 1 || o->rows_max > 100000000) return "the most rows are 1 to 100,000,000";
    if (o->connections_max < 1) return "there must be a connection";
    if (!o->header_ms_max || !o->body_ms_max || !o->write_ms_max || !o->idle_ms_max)
        return "deadlines are 1 ms or more";
    if (o->request_memory_max < 1 << 16) return "a request needs 64 KiB of memory";
    if (o->buffers_max < 1 << 20) return "connections need 1 MiB of buffers";
    return NULL;
}

// Sockets.

static int listen_at(const struct addrinfo *address, uint16_t port, bool first, int *out, err *e)
{
    struct sockaddr_storage at = {0};
    memcpy(&at, address->ai_addr, address->ai_addrlen);
    if (at.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&at)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&at)->sin_port = htons(port);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_set_errno(e, "a socket");
    const int on = 1;
    // The first one binds alone, so that a port which anybody listens on is refused, another server of ours included;
    // only then is it opened for the other loops (accepted connections inherit TCP_NODELAY).
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
              (first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
              bind(fd, (struct sockaddr *)&at, address->ai_addrlen) == 0 &&
              (!first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) && listen(fd, BACKLOG) == 0;
    if (!ok) {
        int rc = err_set_errno(e, "port %u", (unsigned)port);
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0) return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

static bool is_loopback(const struct addrinfo *address)
{
    if (address->ai_family == AF_INET)
        return ntohl(((struct sockaddr_in *)address->ai_addr)->sin_addr.s_addr) >> 24 == 127;
    return address->ai_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)address->ai_addr)->sin6_addr);
}

static int make_loops(server *s, err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int rc = getaddrinfo(s->host, NULL, &hints, &found);
    if (rc != 0) return err_set(e, ERR_INPUT, "the address \"%s\": %s", s->host, gai_strerror(rc));
    s->common.loopback = is_loopback(found);
    rc = 0;
    for (size_t i = 0; i < s->common.n_loops && rc == 0; i++) {
        int fd;
        rc = listen_at(found, s->port, i == 0, &fd, e);
        if (rc < 0) break;
        if (i == 0) s->port = port_of(fd);
        rc = loop_new(&s->common.loops[i], &s->common, i, fd, e);
        if (rc == 0) s->common.meters[i] = &s->common.loops[i]->meters;
    }
    freeaddrinfo(found);
    if (rc < 0) err_prefix(e, rc, "%s", s->host);
    return rc;
}

// Limits of the process.

static void fit_descriptors(server_options *o)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    rlim_t want = o->connections_max + DESCRIPTORS_BESIDE;
    if (limit.rlim_cur < want) {
        struct rlimit more = {.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0) limit = more;
    }
    if (limit.rlim_cur >= want) return;
    size_t fits = limit.rlim_cur > 2 * DESCRIPTORS_BESIDE ? limit.rlim_cur - DESCRIPTORS_BESIDE : limit.rlim_cur / 2;
    log_event(LOG_WARN, "fewer connections", "%zu instead of %zu: the limit of open files is %llu", fits,
              o->connections_max, (unsigned long long)limit.rlim_cur);
    o->connections_max = fits ? fits : 1;
}

static size_t processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (size_t)n;
}

// Birth and death.

static int fill(server *s, const server_options *o, err *e)
{
    common *c = &s->common;
    c->options = *o;
    c->limits = (http_limits){.head_max = o->header_max, .body_max = o->body_max};
    c->n_loops = o->n_loops ? o->n_loops : processors();
    c->n_workers = processors();
    s->port = o->port;
    s->host = mem_strdup(o->host);
    s->data_dir = mem_strdup(o->data_dir);
    c->loops = mem_zalloc(c->n_loops, sizeof(loop *));
    c->meters = mem_zalloc(c->n_loops, sizeof(const meters *));
    c->workers = mem_zalloc(c->n_workers, sizeof *c->workers);
    if (!s->host || !s->data_dir || !c->loops || !c->meters || !c->workers)
        return err_set(e, ERR_MEMORY, "no memory for a server");
    c->options.host = s->host;
    c->options.data_dir = s->data_dir;
    fit_descriptors(&c->options);
    TRY(runtime_new(&s->runtime, &RUNTIME_OPTIONS_DEFAULT, e));
    TRY(catalog_new(&s->catalog, s->data_dir, c->n_loops + c->n_workers, s->runtime, e));
    TRY(instance_of(s->data_dir, c->instance, e));
    TRY(make_loops(s, e));
    c->options.port = s->port;
    bool changed;
    TRY(catalog_refresh(s->catalog, &changed, e));
    for (size_t i = 0; i < c->n_loops; i++) loop_publish(c->loops[i], catalog_snapshot(s->catalog));
    return 0;
}

int server_new(server **out, const server_options *o, err *e)
{
    const char *fault = server_options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    server *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a server");
    pthread_mutex_init(&s->common.lock, NULL);
    pthread_cond_init(&s->common.wake, NULL);
    pthread_mutex_init(&s->watch_lock, NULL);
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&s->watch_wake, &clock);
    pthread_condattr_destroy(&clock);
    int rc = fill(s, o, e);
    if (rc < 0) {
        server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void server_free(server *s)
{
    if (!s) return;
    runtime_stop(s->runtime);
    for (size_t i = 0; s->common.loops && i < s->common.n_loops; i++) loop_free(s->common.loops[i]);
    catalog_free(s->catalog);
    runtime_free(s->runtime);
    mem_free(s->common.loops);
    mem_free(s->common.meters);
    mem_free(s->common.workers);
    mem_free(s->host);
    mem_free(s->data_dir);
    pthread_mutex_destroy(&s->common.lock);
    pthread_cond_destroy(&s->common.wake);
    pthread_mutex_destroy(&s->watch_lock);
    pthread_cond_destroy(&s->watch_wake);
    mem_free(s);
}

uint16_t server_port(const server *s)
{
    return s->port;
}

// The watch.

// True: the server stops.
static bool wait_a_moment(server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WATCH_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&s->watch_lock);
    while (!s->watch_end && pthread_cond_timedwait(&s->watch_wake, &s->watch_lock, &until) == 0) continue;
    bool end = s->watch_end;
    pthread_mutex_unlock(&s->watch_lock);
    return end;
}

static void *watch(void *context)
{
    server *s = context;
    int last = 0; // said once, not twenty times a second
    while (!wait_a_moment(s)) {
        err e = ERR_NONE;
        bool changed;
        int rc = catalog_refresh(s->catalog, &changed, &e);
        if (rc < 0 && rc != last) log_event(LOG_ERROR, "registry cannot be read", "%s", e.msg);
        if (rc == 0 && last < 0) log_event(LOG_INFO, "registry can be read again", " ");
        last = rc;
        for (size_t i = 0; rc == 0 && changed && i < s->common.n_loops; i++)
            loop_publish(s->common.loops[i], catalog_snapshot(s->catalog));
        catalog_sweep(s->catalog);
    }
    return NULL;
}

// Running.

static void *run_loop(void *l)
{
    loop_run(l);
    return NULL;
}

static int start_threads(server *s, err *e)
{
    TRY(work_start(&s->common, e));
    if (pthread_create(&s->watcher, NULL, watch, s) != 0) return err_set(e, ERR_MEMORY, "a thread cannot be started");
    s->watching = true;
    for (size_t i = 1; i < s->common.n_loops; i++) {
        if (pthread_create(&s->threads[s->n_threads], NULL, run_loop, s->common.loops[i]) != 0)
            return err_set(e, ERR_MEMORY, "a thread cannot be started");
        s->n_threads++;
    }
    return 0;
}

int server_run(server *s, err *e)
{
    sigset_t all, before; // signals are for the calling thread
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = start_threads(s, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0) {
        notify_send("READY=1");
        loop_run(s->common.loops[0]);
    } else {
        server_stop(s);
    }
    notify_send("STOPPING=1");
    for (size_t i = 0; i < s->n_threads; i++) pthread_join(s->threads[i], NULL);
    s->n_threads = 0;
    work_end(&s->common);
    runtime_stop(s->runtime);
    if (s->watching) {
        pthread_mutex_lock(&s->watch_lock);
        s->watch_end = true;
        pthread_cond_signal(&s->watch_wake);
        pthread_mutex_unlock(&s->watch_lock);
        pthread_join(s->watcher, NULL);
        s->watching = false;
    }
    return rc;
}

void server_stop(server *s)
{
    atomic_store(&s->common.stopping, true);
    for (size_t i = 0; i < s->common.n_loops; i++) loop_wake(s->common.loops[i]);
}
