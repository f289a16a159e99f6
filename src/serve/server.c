// The parts put together: sockets, event loops, workers, and the thread that watches the registry.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/server.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "automl/memory.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/confinement.h"
#include "serve/instance.h"
#include "serve/jobs.h"
#include "serve/loop_impl.h"
#include "serve/notify.h"

enum {
    LOOPS_MAX = 256,
    WORKERS_MIN = 4, // they wait for disks more than they compute
    WATCH_MS = 50,
    WATCH_NICE = 10,
    TLS_WATCHES = 20, // every second
    DESCRIPTORS_BESIDE = 512
};

struct server {
    common common; // its options have a host of their own
    runtime *runtime;
    trusted_keys trusted;
    char *host, *data_dir, *admin_listen;
    char *socket_path; // NULL: there is no socket
    uint16_t port, admin_port;
    bool exposed;                 // reached from beyond this machine
    bool readable;                // and what is said can be read on its way
    bool made_key;                // the first one
    pthread_t threads[LOOPS_MAX]; // of the loops but the first
    size_t n_threads;
    pthread_t watcher;
    bool watching;
    unsigned n_watches;
    atomic_bool reload;
};

const char *server_options_fault(const server_options *o)
{
    if (!o->data_dir) return "a server needs a data directory";
    if (!o->host) return "a server needs an address";
    if (!o->admin_listen || !o->trusted_proxies) return "no admin address, and no trusted proxy, is an empty text";
    if (!o->tls_cert || !o->tls_key || !o->tls_client_ca) return "no certificate is an empty text";
    if (!o->tls_cert[0] != !o->tls_key[0]) return "tls-cert and tls-key go together";
    if (o->tls_client_ca[0] && !o->tls_cert[0]) return "tls-client-ca goes with tls-cert and tls-key";
    if (o->n_loops > LOOPS_MAX) return "there are at most 256 event loops";
    if (o->header_max < 1024 || o->header_max > 1 << 20) return "the largest header is 1 KiB to 1 MiB";
    if (o->body_max < 1 || o->body_max > (size_t)1 << 30) return "the largest body is 1 byte to 1 GiB";
    if (o->rows_max < 1 || o->rows_max > 100000000) return "the most rows are 1 to 100,000,000";
    if (o->connections_max < 1) return "there must be a connection";
    if (!o->header_ms_max || !o->body_ms_max || !o->write_ms_max || !o->idle_ms_max)
        return "deadlines are 1 ms or more";
    if (o->request_memory_max < 1 << 16) return "a request needs 64 KiB of memory";
    if (o->jobs_max > JOBS_RUNNING_MAX) return "there are at most 64 runs at once";
    if (o->job_memory_max < 1 << 20) return "a run needs 1 MiB of memory";
    if (o->drift_window_s < 1) return "a window of drift is a second or more";
    if (o->buffers_max < 1 << 20) return "connections need 1 MiB of buffers";
    return NULL;
}

// Where it is reached.

// The public port, which all loops share, and a loop on each.
static int make_loops(server *s, err *e)
{
    for (size_t i = 0; i < s->common.n_loops; i++) {
        listener at;
        TRY(loop_new(&s->common.loops[i], &s->common, i, e));
        s->common.meters[i] = &s->common.loops[i]->meters;
        TRY(listener_open(&at, s->host, &s->port, i == 0, e));
        s->common.loopback = s->common.loops[i]->serving.loopback = at.loopback;
        at.encrypted = s->common.tls != NULL;
        s->exposed |= !at.loopback;
        s->readable |= !at.loopback && !at.encrypted;
        TRY(loop_listen(s->common.loops[i], &at, e));
    }
    return 0;
}

// The port and the socket of those who run the server: little comes by there, so one loop is enough. A data directory
// where no socket can be made is served all the same.
static int open_side_entrances(server *s, err *e)
{
    common *c = &s->common;
    listener at;
    if (c->options.admin_listen[0]) {
        char host[ADDRESS_TEXT_MAX + 1];
        int rc = listener_parse(c->options.admin_listen, host, &s->admin_port, e);
        if (rc == 0) rc = listener_open(&at, host, &s->admin_port, true, e);
        if (rc < 0) return err_prefix(e, rc == ERR_BUSY ? ERR_INPUT : rc, "admin-listen");
        at.entrance = ENTRANCE_ADMIN;
        at.encrypted = c->tls && !at.loopback; // what stays on this machine, as a monitor's questions, goes plain
        s->exposed |= !at.loopback;
        s->readable |= !at.loopback && !at.encrypted;
        TRY(loop_listen(c->loops[0], &at, e));
    }
    err why = ERR_NONE;
    char *path = path_join(s->data_dir, ADMIN_SOCKET);
    if (!path) return err_set(e, ERR_MEMORY, "no memory for a server");
    if (listener_open_socket(&at, path, &why) < 0) {
        log_event(LOG_WARN, "no admin socket", "%s", why.msg);
        mem_free(path);
        return 0;
    }
    s->socket_path = path;
    return loop_listen(c->loops[0], &at, e);
}

// What is asked of a server that others can reach: that what is said can not be read on its way, or that somebody said
// that it may, and a key. Nothing was answered yet.
static int check_exposure(server *s, err *e)
{
    const server_options *o = &s->common.options;
    if (!s->exposed) return 0;
    if (s->readable && !o->plain_http && o->trusted_proxies[0] == '\0')
        return err_set(e, ERR_INPUT,
                       "beyond this machine keys and data would be readable on their way: --plain-http says that "
                       "this is meant, --trusted-proxy that a proxy does TLS, --tls-cert that we do");
    return access_make_first_key(s->data_dir, &s->made_key, e);
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

static size_t models_memory(const server_options *o)
{
    if (o->models_memory_max > 0) return o->models_memory_max;
    uint64_t half = memory_available() / 2;
    return half < SIZE_MAX ? (size_t)half : SIZE_MAX;
}

// Birth and death.

static void publish(server *s)
{
    for (size_t i = 0; i < s->common.n_loops; i++)
        loop_publish(s->common.loops[i], catalog_snapshot(s->common.catalog));
}

static int fill(server *s, const server_options *o, err *e)
{
    common *c = &s->common;
    c->options = *o;
    c->limits = (http_limits){.head_max = o->header_max, .body_max = o->body_max};
    c->n_loops = o->n_loops ? o->n_loops : processors();
    c->n_workers = processors() > WORKERS_MIN ? processors() : WORKERS_MIN;
    s->port = o->port;
    s->host = mem_strdup(o->host);
    s->data_dir = mem_strdup(o->data_dir);
    s->admin_listen = mem_strdup(o->admin_listen);
    c->loops = mem_zalloc(c->n_loops, sizeof(loop *));
    c->meters = mem_zalloc(c->n_loops, sizeof(const meters *));
    c->workers = mem_zalloc(c->n_workers, sizeof *c->workers);
    if (!s->host || !s->data_dir || !s->admin_listen || !c->loops || !c->meters || !c->workers)
        return err_set(e, ERR_MEMORY, "no memory for a server");
    c->options.host = s->host;
    c->options.data_dir = s->data_dir;
    c->options.admin_listen = s->admin_listen;
    fit_descriptors(&c->options);
    TRY(runtime_new(&s->runtime, &c->options.runtime, e));
    TRY(catalog_new(&c->catalog, s->data_dir, c->n_loops + c->n_workers, s->runtime, models_memory(o), e));
    catalog_watch_drift(c->catalog, (int64_t)o->drift_window_s * 1000);
    if (o->trusted_keys) {
        TRY(trusted_keys_load(&s->trusted, o->trusted_keys, e));
        catalog_trust(c->catalog, &s->trusted);
    }
    TRY(instance_of(s->data_dir, c->instance, e));
    if (o->tls_cert[0]) {
        const tls_files files = {.cert = o->tls_cert, .key = o->tls_key, .client_ca = o->tls_client_ca};
        TRY(tls_new(&c->tls, &files, e));
    }
    TRY(proxies_parse(&c->trusted, o->trusted_proxies, e));
    if (o->confined) TRY(confinement_enter(o, e));
    TRY(observer_new(&c->observer, o->access_log, c->n_loops, e));
    TRY(make_loops(s, e));
    TRY(open_side_entrances(s, e));
    c->options.port = s->port;
    TRY(check_exposure(s, e));
    if (o->confined) TRY(confinement_close_ports(e));
    TRY(sites_init(&c->sites, s->host, !s->exposed, o->allowed_hosts, o->cors_origins, e));
    bool changed;
    TRY(catalog_refresh(c->catalog, &changed, e));
    publish(s);
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
    observer_free(s->common.observer); // its records point to what the catalog keeps
    catalog_free(s->common.catalog);
    tls_free(s->common.tls);
    trusted_keys_clear(&s->trusted);
    runtime_free(s->runtime);
    mem_free(s->common.loops);
    mem_free(s->common.meters);
    mem_free(s->common.workers);
    sites_clear(&s->common.sites);
    mem_free(s->host);
    mem_free(s->data_dir);
    mem_free(s->admin_listen);
    if (s->socket_path) unlink(s->socket_path);
    mem_free(s->socket_path);
    pthread_mutex_destroy(&s->common.lock);
    pthread_cond_destroy(&s->common.wake);
    mem_free(s);
}

uint16_t server_port(const server *s)
{
    return s->port;
}

uint16_t server_admin_port(const server *s)
{
    return s->admin_port;
}

bool server_made_key(const server *s)
{
    return s->made_key;
}

// The watch.

// Loading must not take a processor from those who answer. On Linux this is of the calling thread alone; where it is
// not allowed, nothing is lost but that.
static void be_modest(void)
{
    int rc = setpriority(PRIO_PROCESS, 0, WATCH_NICE);
    (void)rc;
}

// A certificate that was replaced is shown to new connections; a bad one is not, and the log says why.
static void look_at_certificates(server *s)
{
    err e = ERR_NONE;
    bool fresh, must = atomic_exchange_explicit(&s->reload, false, memory_order_relaxed);
    if (!s->common.tls || (!must && ++s->n_watches % TLS_WATCHES != 0)) return; // every second
    if (tls_refresh(s->common.tls, must, &fresh, &e) < 0)
        log_event(LOG_ERROR, "certificate not taken", "%s; the one before stays in use", e.msg);
    else if (fresh)
        log_event(LOG_INFO, "certificate taken", "%s", s->common.options.tls_cert);
}

static void tend_quotas(server *s, bool ends, int *last)
{
    err e = ERR_NONE;
    int rc = catalog_tend_quotas(s->common.catalog, ends, &e);
    if (rc < 0 && rc != *last) log_event(LOG_ERROR, "usage cannot be recorded", "%s", e.msg);
    *last = rc;
}

static void *watch(void *context)
{
    server *s = context;
    catalog *c = s->common.catalog;
    int last = 0, quotas_last = 0; // said once, not twenty times a second
    be_modest();
    while (catalog_wait(c, WATCH_MS)) {
        err e = ERR_NONE;
        bool changed;
        int rc = catalog_refresh(c, &changed, &e);
        if (rc < 0 && rc != last) log_event(LOG_ERROR, "registry cannot be read", "%s", e.msg);
        if (rc == 0 && last < 0) log_event(LOG_INFO, "registry can be read again", " ");
        last = rc;
        if (rc == 0 && changed) publish(s);
        catalog_settle(c);
        catalog_sweep(c);
        tend_quotas(s, false, &quotas_last);
        look_at_certificates(s);
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
    TRY(jobs_start(&s->common.jobs, &s->common.options, e));
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
    jobs_stop(s->common.jobs);
    s->common.jobs = NULL;
    runtime_stop(s->runtime);
    if (s->watching) {
        catalog_end(s->common.catalog);
        pthread_join(s->watcher, NULL);
        s->watching = false;
        int last = 0;
        tend_quotas(s, true, &last);
    }
    return rc;
}

void server_reload(server *s)
{
    atomic_store_explicit(&s->reload, true, memory_order_relaxed);
}

void server_stop(server *s)
{
    atomic_store(&s->common.stopping, true);
    for (size_t i = 0; i < s->common.n_loops; i++) loop_wake(s->common.loops[i]);
}
