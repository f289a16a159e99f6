// The server: sockets, loops, workers and the thread that watches the registry, started and stopped in order.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/loop_impl.h"

enum { BACKLOG = 1024, LOOPS_MAX = 256, WATCH_MS = 50, PROBE_MS = 1000 };

struct server {
    common shared;
    catalog *models; // the watcher's, once it runs
    uint16_t port;
    pthread_t *threads; // of the loops but the first, which runs in server_run()'s thread
    atomic_bool watcher_ends;
};

const char *server_options_fault(const server_options *o)
{
    unsigned char address[16];
    if (!o->data_dir || !o->data_dir[0]) return "there is no data directory";
    if (inet_pton(AF_INET, o->host, address) != 1 && inet_pton(AF_INET6, o->host, address) != 1)
        return "the host is no IPv4 or IPv6 address";
    if (o->n_loops > LOOPS_MAX) return "there are more than 256 event loops";
    if (o->body_max == 0 || o->header_max == 0 || o->rows_max == 0 || o->connections_max == 0) return "a limit is 0";
    if (o->header_ms_max == 0 || o->body_ms_max == 0 || o->write_ms_max == 0 || o->idle_ms_max == 0)
        return "a deadline is 0";
    return NULL;
}

// ---- addresses

typedef struct address {
    struct sockaddr_storage storage;
    socklen_t len;
} address;

static address address_of(const char *host, uint16_t port)
{
    address a = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a.storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a.storage;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return a;
    }
    memset(&a.storage, 0, sizeof a.storage);
    inet_pton(AF_INET6, host, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    a.len = sizeof *v6;
    return a;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

// Names the data directory without telling where it is; all zeros while it is not there.
static void instance_of(const char *data_dir, char instance[33])
{
    char path[PATH_MAX], hex[SHA256_HEX_SIZE];
    memset(instance, '0', 32);
    instance[32] = '\0';
    if (!realpath(data_dir, path)) return;
    sha256 h;
    sha256_init(&h);
    sha256_add(&h, "slipway instance", 16);
    sha256_add(&h, path, strlen(path));
    sha256_hex(&h, hex);
    memcpy(instance, hex, 32);
}

// ---- sockets

static int open_socket(const server_options *o, uint16_t port, bool share, err *e)
{
    address a = address_of(o->host, port);
    int one = 1;
    int fd = socket(a.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        (!share || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0) &&
        bind(fd, (const struct sockaddr *)&a.storage, a.len) == 0)
        return fd;
    int number = errno;
    if (fd >= 0) close(fd);
    errno = number;
    return err_set_errno(e, "%s port %u", o->host, port);
}

static int port_of(int fd, uint16_t *out, err *e)
{
    address a = {.len = sizeof a.storage};
    if (getsockname(fd, (struct sockaddr *)&a.storage, &a.len) != 0) return err_set_errno(e, "getsockname");
    *out = a.storage.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&a.storage)->sin_port)
                                          : ntohs(((struct sockaddr_in6 *)&a.storage)->sin6_port);
    return 0;
}

// Sockets that share a port would share it with another server of the same user too: one that does not share tells
// first whether the port is free.
static int find_port(server *s, err *e)
{
    int fd = open_socket(&s->shared.options, s->shared.options.port, false, e);
    if (fd < 0) return fd;
    int rc = port_of(fd, &s->port, e);
    close(fd);
    return rc;
}

static int open_loop(server *s, size_t index, err *e)
{
    int fd = open_socket(&s->shared.options, s->port, true, e);
    if (fd < 0) return fd;
    if (listen(fd, BACKLOG) != 0) {
        int rc = err_set_errno(e, "%s port %u", s->shared.options.host, s->port);
        close(fd);
        return rc;
    }
    TRY(loop_new(&s->shared.loops[index], &s->shared, index, fd, e));
    s->shared.meters[index] = &s->shared.loops[index]->meters;
    return 0;
}

// ---- models

static void publish(server *s)
{
    snapshot *models = catalog_snapshot(s->models);
    for (size_t i = 0; i < s->shared.n_loops; i++) loop_publish(s->shared.loops[i], snapshot_hold(models));
    snapshot_drop(models);
}

static void *watch(void *context)
{
    server *s = context;
    bool was_well = true;
    while (!atomic_load(&s->watcher_ends)) {
        struct timespec pause = {.tv_nsec = WATCH_MS * 1000000L};
        nanosleep(&pause, NULL);
        bool changed = false;
        err e = ERR_NONE;
        int rc = catalog_refresh(s->models, &changed, &e);
        if (rc < 0 && was_well) log_event(LOG_ERROR, "registry not readable", "%s", e.msg);
        was_well = rc == 0;
        if (rc == 0 && changed) publish(s);
        catalog_sweep(s->models);
    }
    return NULL;
}

// ---- life

static size_t processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > LOOPS_MAX ? LOOPS_MAX : (size_t)n;
}

static int start(server *s, err *e)
{
    common *c = &s->shared;
    c->loops = mem_zalloc(c->n_loops, sizeof *c->loops);
    c->meters = mem_zalloc(c->n_loops, sizeof *c->meters);
    c->workers = mem_zalloc(c->n_workers, sizeof *c->workers);
    s->threads = mem_zalloc(c->n_loops, sizeof *s->threads);
    if (!c->loops || !c->meters || !c->workers || !s->threads)
        return err_set(e, ERR_MEMORY, "no memory for %zu event loops", c->n_loops);
    TRY(find_port(s, e));
    TRY(catalog_new(&s->models, c->options.data_dir, c->n_loops + c->n_workers, e));
    instance_of(c->options.data_dir, c->instance);
    bool changed;
    TRY(catalog_refresh(s->models, &changed, e));
    for (size_t i = 0; i < c->n_loops; i++) TRY(open_loop(s, i, e));
    publish(s);
    return 0;
}

int server_new(server **out, const server_options *o, err *e)
{
    const char *fault = server_options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    server *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a server");
    common *c = &s->shared;
    c->options = *o;
    c->limits = (http_limits){.head_max = o->header_max, .body_max = o->body_max};
    c->loopback = is_loopback(o->host);
    c->n_loops = o->n_loops ? o->n_loops : processors();
    c->n_workers = c->n_loops;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    int rc = start(s, e);
    if (rc < 0)
        server_free(s);
    else
        *out = s;
    return rc;
}

uint16_t server_port(const server *s)
{
    return s->port;
}

void server_stop(server *s)
{
    atomic_store(&s->shared.stopping, true);
    for (size_t i = 0; i < s->shared.n_loops; i++) loop_wake(s->shared.loops[i]);
}

// A word for the service manager that started us, if one did: systemd's protocol of one datagram.
static void notify(const char *word)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(to.sun_path, path, len);
    if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (sendto(fd, word, strlen(word), MSG_NOSIGNAL, (const struct sockaddr *)&to, size) < 0)
        log_event(LOG_WARN, "service manager", "cannot be told \"%s\"", word);
    close(fd);
}

static void *run_loop(void *context)
{
    loop_run(context);
    return NULL;
}

// A thread that no signal reaches: those are for the thread that called server_run().
static int start_thread(pthread_t *out, void *(*run)(void *), void *context, err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(out, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? err_set(e, ERR_LIMIT, "the system refuses a thread") : 0;
}

int server_run(server *s, err *e)
{
    common *c = &s->shared;
    pthread_t watcher;
    TRY(start_thread(&watcher, watch, s, e));
    int rc = work_start(c, e);
    size_t n = 1;
    for (; n < c->n_loops && rc == 0; n++) {
        rc = start_thread(&s->threads[n], run_loop, c->loops[n], e);
        if (rc < 0) break;
    }
    if (rc < 0)
        server_stop(s);
    else
        notify("READY=1");
    loop_run(c->loops[0]);
    notify("STOPPING=1");
    for (size_t i = 1; i < n; i++) pthread_join(s->threads[i], NULL);
    work_end(c);
    atomic_store(&s->watcher_ends, true);
    pthread_join(watcher, NULL);
    return rc;
}

void server_free(server *s)
{
    if (!s) return;
    common *c = &s->shared;
    for (size_t i = 0; c->loops && i < c->n_loops; i++)
        if (c->loops[i]) loop_free(c->loops[i]);
    if (s->models) catalog_sweep(s->models);
    catalog_free(s->models);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->loops);
    mem_free(c->meters);
    mem_free(c->workers);
    mem_free(s->threads);
    mem_free(s);
}

bool server_is_ours(const char *host, uint16_t port, const char *data_dir)
{
    static const char question[] = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char instance[33], answer[2048];
    instance_of(data_dir, instance);
    bool v6 = strchr(host, ':') != NULL;
    address a = address_of(is_any(host) ? (v6 ? "::1" : "127.0.0.1") : host, port);
    struct timeval patience = {.tv_sec = PROBE_MS / 1000};
    int fd = socket(a.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    size_t len = 0;
    if (connect(fd, (const struct sockaddr *)&a.storage, a.len) == 0 &&
        send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == (ssize_t)sizeof question - 1)
        for (ssize_t n; len < sizeof answer - 1 && (n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0;)
            len += (size_t)n;
    close(fd);
    answer[len] = '\0';
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"instance\":\"%s\"", instance);
    return strstr(answer, "\"server\":\"slipway\"") && strstr(answer, wanted);
}
