// The front's side: starts the child, hands it rows, looks at everything that comes back, buries it, starts it again.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "math/cpu.h"
#include "serve/runner_impl.h"

enum {
    STEADY_MS = 10000, // a child that lived so long had a good start: failures are counted anew
    BACK_OFF_MS = 100, // after the second failure; doubles
    BACK_OFF_MS_MAX = 30000,
    LOOK_MS = 500,   // how often an idle child is looked at
    ENDING_MS = 100, // for a child that closed its socket
    LAST_WORDS = 2000,
    KEPT_BYTES = 4 << 20, // of the exchange, between batches
};
#define MS UINT64_C(1000000)

// The address sanitizers reserve more address space than any ceiling allows.
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define CEILING 0
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CEILING 0
#endif
#endif
#ifndef CEILING
#define CEILING 1
#endif

struct runner {
    runner_options o;
    char *program, *label;
    const schema *schema;
    int package_fd, exchange_fd;
    size_t package_bytes;
    char *exchange;
    child *child; // NULL: none lives
    uint64_t number;
    uint64_t born_ns, retry_ns;
    unsigned n_failures;
    pthread_mutex_t lock; // guards the next two: runner_abort() cuts the socket
    int fd;               // -1: none
    bool aborted;
    atomic_bool unready;
    atomic_uint_fast64_t n_restarts;
};

// ---- the package

static int write_at(int fd, size_t at, str content, err *e)
{
    if (lseek(fd, (off_t)at, SEEK_SET) < 0) return err_set_errno(e, "a memory file");
    return fd_write_all(fd, content, e);
}

static int write_package(runner *r, const package *p, err *e)
{
    runner_package layout = {.manifest_len = p->manifest_len, .n_blobs = p->n_blobs};
    size_t at = RUNNER_PAGE;
    _Static_assert(sizeof layout <= RUNNER_PAGE, "the head of a package is a page");
    TRY(write_at(r->package_fd, at, (str){p->manifest, p->manifest_len}, e));
    at += runner_pages(p->manifest_len);
    for (size_t i = 0; i < p->n_blobs; i++) {
        layout.lens[i] = p->blobs[i].content.len;
        TRY(write_at(r->package_fd, at, p->blobs[i].content, e));
        at += runner_pages(layout.lens[i]);
    }
    TRY(write_at(r->package_fd, 0, (str){(const char *)&layout, sizeof layout}, e));
    if (ftruncate(r->package_fd, (off_t)at) != 0 ||
        fcntl(r->package_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_set_errno(e, "a memory file");
    r->package_bytes = at;
    return 0;
}

static int make_exchange(runner *r, err *e)
{
    // Its size is sealed: a child that could shrink it would kill us with SIGBUS.
    if (ftruncate(r->exchange_fd, RUNNER_EXCHANGE_BYTES) != 0 ||
        fcntl(r->exchange_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return err_set_errno(e, "a memory file");
    void *map = mmap(NULL, RUNNER_EXCHANGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->exchange_fd, 0);
    if (map == MAP_FAILED) return err_set_errno(e, "a memory file");
    r->exchange = map;
    return 0;
}

int runner_new(runner **out, const package *p, const schema *s, const runner_options *o, err *e)
{
    runner *r = mem_zalloc(1, sizeof *r);
    if (!r) return err_set(e, ERR_MEMORY, "no memory for a runner");
    r->o = *o;
    r->schema = s;
    r->fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    r->program = mem_strdup(o->program ? o->program : "/proc/self/exe");
    r->label = mem_strdup(o->label ? o->label : "");
    r->package_fd = memfd_create("slipway-package", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    r->exchange_fd = memfd_create("slipway-exchange", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int rc = !r->program || !r->label                  ? err_set(e, ERR_MEMORY, "no memory for a runner")
             : r->package_fd < 0 || r->exchange_fd < 0 ? err_set_errno(e, "a memory file")
                                                       : 0;
    if (rc == 0) rc = make_exchange(r, e);
    if (rc == 0) rc = write_package(r, p, e);
    if (rc < 0) {
        runner_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void runner_free(runner *r)
{
    if (!r) return;
    if (r->exchange) munmap(r->exchange, RUNNER_EXCHANGE_BYTES);
    if (r->package_fd >= 0) close(r->package_fd);
    if (r->exchange_fd >= 0) close(r->exchange_fd);
    pthread_mutex_destroy(&r->lock);
    mem_free(r->program);
    mem_free(r->label);
    mem_free(r);
}

// ---- the child

static void set_fd(runner *r, int fd)
{
    pthread_mutex_lock(&r->lock);
    if (r->fd >= 0) close(r->fd);
    r->fd = fd;
    if (r->aborted && fd >= 0) shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&r->lock);
}

static bool is_aborted(runner *r)
{
    pthread_mutex_lock(&r->lock);
    bool aborted = r->aborted;
    pthread_mutex_unlock(&r->lock);
    return aborted;
}

// What it said before it ended, sanitizers' findings among it, goes to the log.
static void log_last_words(child *c)
{
    buf words;
    buf_init(&words, LAST_WORDS + 1);
    child_read(c, &words, LAST_WORDS);
    buf_add_char(&words, '\0');
    if (!words.failed && words.len > 1) log_event(LOG_ERROR, "last words of a runner", "%s", words.data);
    buf_clear(&words);
}

// Kills it, if it lives, and collects it. Its exit status, or -signal.
static int bury(runner *r)
{
    set_fd(r, -1);
    if (!r->child) return 0;
    bool by_itself = child_ended(r->child);
    child_kill(r->child);
    log_last_words(r->child);
    int status = child_collect(r->child).status;
    r->child = NULL;
    return by_itself ? status : 0;
}

// It failed: the next start is later each time.
static void fall(runner *r)
{
    uint64_t now = clock_monotonic_ns();
    if (now - r->born_ns > STEADY_MS * MS) r->n_failures = 0;
    r->n_failures++;
    uint64_t wait_ms = 0;
    for (unsigned i = 1; i < r->n_failures && wait_ms < BACK_OFF_MS_MAX; i++)
        wait_ms = wait_ms ? 2 * wait_ms : BACK_OFF_MS;
    if (wait_ms > BACK_OFF_MS_MAX) wait_ms = BACK_OFF_MS_MAX;
    r->retry_ns = now + wait_ms * MS;
    if (r->n_failures >= RUNNER_FAILURES_MAX) atomic_store(&r->unready, true);
    log_event(LOG_ERROR, "runner ended", "%s: failure %u in a row; it starts again in %" PRIu64 " ms", r->label,
              r->n_failures, wait_ms);
}

static int died(runner *r, err *e)
{
    // Its end of the socket is closed a little before it has ended; what it ended by is worth the wait.
    for (int i = 0; i < ENDING_MS && !is_aborted(r) && !child_ended(r->child); i++)
        nanosleep(&(struct timespec){.tv_nsec = (long)MS}, NULL);
    int status = bury(r);
    if (is_aborted(r)) return err_set(e, ERR_CANCELLED, "the model is being unloaded, or the server stops");
    fall(r);
    if (status < 0) return err_set(e, ERR_IO, "the process that runs this model ended by signal %d", -status);
    return err_set(e, ERR_IO, "the process that runs this model ended");
}

// A message of a process that may have been taken over: a line of text, whatever it is.
static void make_readable(err *e)
{
    e->msg[sizeof e->msg - 1] = '\0';
    for (char *c = e->msg; *c;) {
        size_t n = (unsigned char)*c < ' ' ? 0 : utf8_char_len(str_of(c));
        if (n == 0) *c = '?';
        c += n ? n : 1;
    }
}

// Waits for a reply. ERR_TIMEOUT: none came; ERR_IO: none will.
static int await(runner *r, runner_reply *reply, uint32_t ms_max, err *e)
{
    uint64_t end = clock_monotonic_ns() + ms_max * MS;
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        if (now >= end) return err_set(e, ERR_TIMEOUT, "no reply");
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        int n = poll(&p, 1, (int)((end - now) / MS) + 1);
        if (n < 0 && errno != EINTR) return err_set_errno(e, "a runner");
        if (n <= 0) continue;
        ssize_t got = recv(r->fd, reply, sizeof *reply, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got != (ssize_t)sizeof *reply) return err_set(e, ERR_IO, "no reply");
        make_readable(&reply->error);
        return 0;
    }
}

static bool tell(runner *r, const void *what, size_t len)
{
    ssize_t n;
    do n = send(r->fd, what, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

static int spawn(runner *r, err *e)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return err_set_errno(e, "a runner");
    const char *arguments[] = {r->program, RUNNER_WORD, r->label, NULL};
    int descriptors[RUNNER_DESCRIPTORS] = {ends[1], r->package_fd, r->exchange_fd};
    size_t ceiling = r->o.memory_max ? r->o.memory_max + r->package_bytes + RUNNER_EXCHANGE_BYTES : 0;
    child_options o = {.argv = arguments,
                       .memory_max = CEILING ? ceiling : 0,
                       .descriptors = descriptors,
                       .n_descriptors = RUNNER_DESCRIPTORS};
    int rc = child_start(&r->child, &o, e);
    close(ends[1]);
    if (rc < 0) {
        close(ends[0]);
        return rc;
    }
    set_fd(r, ends[0]);
    return 0;
}

int runner_start(runner *r, runner_facts *facts, err *e)
{
    runner_hello hello = {0};
    runner_reply reply = {0};
    TRY(spawn(r, e));
    strncpy(hello.cpu_level, cpu_level_name(cpu_level_get()), sizeof hello.cpu_level - 1);
    int rc = tell(r, &hello, sizeof hello) ? await(r, &reply, r->o.start_ms_max, e) : ERR_IO;
    if (rc < 0) {
        int status = bury(r);
        if (rc == ERR_TIMEOUT)
            return err_set(e, ERR_IO, "the model was not loaded in %" PRIu32 " ms by its runner", r->o.start_ms_max);
        return err_set(e, ERR_IO, "the process that was to load this model ended%s",
                       status == -SIGKILL ? ", killed" : "");
    }
    if (reply.rc < 0) {
        bury(r);
        if (e) *e = reply.error;
        return reply.rc;
    }
    r->born_ns = clock_monotonic_ns();
    if (facts) *facts = (runner_facts){.rows_apart = reply.rows_apart != 0, .memory = (size_t)reply.memory};
    return 0;
}

void runner_stop(runner *r)
{
    bury(r);
}

void runner_abort(runner *r)
{
    pthread_mutex_lock(&r->lock);
    r->aborted = true;
    if (r->fd >= 0) shutdown(r->fd, SHUT_RDWR);
    pthread_mutex_unlock(&r->lock);
}

bool runner_ready(const runner *r)
{
    return !atomic_load_explicit(&r->unready, memory_order_relaxed);
}

uint64_t runner_restarts(const runner *r)
{
    return atomic_load_explicit(&r->n_restarts, memory_order_relaxed);
}

uint64_t runner_tend(runner *r)
{
    uint64_t now = clock_monotonic_ns();
    if (is_aborted(r)) return UINT64_MAX;
    if (r->child && child_ended(r->child)) {
        err e = ERR_NONE;
        died(r, &e);
        log_event(LOG_WARN, "idle runner ended", "%s: %s", r->label, e.msg);
    }
    if (!r->child && now >= r->retry_ns) {
        err e = ERR_NONE;
        atomic_fetch_add_explicit(&r->n_restarts, 1, memory_order_relaxed);
        if (runner_start(r, NULL, &e) < 0) {
            log_event(LOG_ERROR, "runner does not start", "%s: %s", r->label, e.msg);
            r->born_ns = now;
            fall(r);
        }
    }
    now = clock_monotonic_ns();
    if (r->child && r->n_failures && now - r->born_ns > STEADY_MS * MS) {
        r->n_failures = 0;
        atomic_store(&r->unready, false);
    }
    uint64_t next = now + LOOK_MS * MS;
    return !r->child && r->retry_ns < next ? r->retry_ns : next;
}

// ---- rows

// How many rows from `first` on fit, with their answer.
static size_t rows_that_fit(const runner *r, const batch *in, size_t first)
{
    const schema *s = r->schema;
    size_t width = runner_n_scores(s) * sizeof(float) + sizeof(int32_t), fixed = 8 * (s->n_inputs + 2);
    for (size_t i = 0; i < s->n_inputs; i++) width += runner_width(s, i);
    size_t left = RUNNER_EXCHANGE_BYTES > fixed ? RUNNER_EXCHANGE_BYTES - fixed : 0, n = 0;
    for (; first + n < in->n_rows; n++) {
        size_t row = width;
        for (size_t i = 0; i < s->n_inputs; i++)
            if (in->columns[i].strings) row += in->columns[i].strings[first + n].len;
        if (row > left) break;
        left -= row;
    }
    return n;
}

// Writes n rows; returns where the answer begins.
static size_t write_rows(runner *r, const batch *in, size_t first, size_t n)
{
    const schema *s = r->schema;
    size_t at = 0, texts = 0;
    for (size_t i = 0; i < s->n_inputs; i++) texts = runner_aligned(texts + n * runner_width(s, i));
    for (size_t i = 0; i < s->n_inputs; i++) {
        const batch_column *c = &in->columns[i];
        char *to = r->exchange + at;
        if (c->f32) memcpy(to, c->f32 + first, n * sizeof *c->f32);
        if (c->i64) memcpy(to, c->i64 + first, n * sizeof *c->i64);
        for (size_t row = 0; c->strings && row < n; row++) {
            str text = c->strings[first + row];
            runner_text where = {(uint32_t)texts, (uint32_t)text.len};
            memcpy(to + row * sizeof where, &where, sizeof where);
            if (text.len) memcpy(r->exchange + texts, text.data, text.len);
            texts += text.len;
        }
        at = runner_aligned(at + n * runner_width(s, i));
    }
    return runner_aligned(texts);
}

// The child may write there at any time, and anything: copied first, looked at then.
static int read_answer(runner *r, const runner_ask *ask, const runner_reply *reply, float *scores, int32_t *labels,
                       err *e)
{
    const schema_target *t = &r->schema->target;
    size_t n = (size_t)ask->n_rows, n_scores = runner_n_scores(r->schema), bytes = n * n_scores * sizeof *scores;
    bool classes = t->task == TASK_CLASSIFICATION;
    if (reply->number != ask->number || reply->n_rows != n || (n > 0 && reply->n_scores != n_scores) ||
        (reply->labels != 0) != classes)
        return err_set(e, ERR_INTERNAL, "the runner's answer is none to what it was asked");
    if (n == 0) return 0;
    memcpy(scores, r->exchange + ask->answer_at, bytes);
    if (!classes) return 0;
    memcpy(labels, r->exchange + ask->answer_at + bytes, n * sizeof *labels);
    for (size_t i = 0; i < n; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= t->n_classes)
            return err_set(e, ERR_INTERNAL, "the runner answers a class that the model does not have");
    return 0;
}

// What a large batch touched is given back.
static void tidy(runner *r, size_t used)
{
    if (used > KEPT_BYTES) madvise(r->exchange + KEPT_BYTES, RUNNER_EXCHANGE_BYTES - KEPT_BYTES, MADV_REMOVE);
}

static int absent(runner *r, err *e)
{
    if (is_aborted(r)) return err_set(e, ERR_CANCELLED, "the model is being unloaded, or the server stops");
    uint64_t now = clock_monotonic_ns();
    if (now >= r->retry_ns) runner_tend(r);
    if (r->child) return 0;
    now = clock_monotonic_ns();
    return err_set(e, ERR_IO, "the process that runs this model ended and starts again in %" PRIu64 " ms",
                   r->retry_ns > now ? (r->retry_ns - now) / MS : 0);
}

// It may have ended before it was asked: then another one is, at once.
static int tell_or_replace(runner *r, const runner_ask *ask, err *e)
{
    if (tell(r, ask, sizeof *ask)) return 0;
    TRY(died(r, e) == ERR_CANCELLED ? ERR_CANCELLED : absent(r, e));
    return tell(r, ask, sizeof *ask) ? 0 : died(r, e);
}

static int run_piece(runner *r, const batch *in, size_t first, size_t n, float *scores, int32_t *labels, err *e)
{
    runner_ask ask = {.number = ++r->number, .n_rows = n, .answer_at = write_rows(r, in, first, n)};
    runner_reply reply = {0};
    TRY(tell_or_replace(r, &ask, e));
    int rc = await(r, &reply, r->o.run_ms_max, e);
    if (rc == ERR_TIMEOUT) {
        bury(r);
        fall(r);
        return err_set(e, ERR_IO, "the model took longer than %" PRIu32 " ms and was stopped", r->o.run_ms_max);
    }
    if (rc < 0) return died(r, e);
    if (reply.rc < 0 && reply.number == ask.number) {
        if (e) *e = reply.error;
        rc = reply.rc;
    } else {
        rc = read_answer(r, &ask, &reply, scores, labels, e);
        if (rc < 0) { // it is not what it was
            bury(r);
            fall(r);
        }
    }
    if (rc == 0) atomic_store_explicit(&r->unready, false, memory_order_relaxed);
    tidy(r, ask.answer_at + n * (runner_n_scores(r->schema) + 1) * sizeof *scores);
    return rc;
}

int runner_run(runner *r, const batch *in, prediction *out, arena *a, err *e)
{
    if (!r->child) TRY(absent(r, e));
    size_t n_scores = runner_n_scores(r->schema);
    bool classes = r->schema->target.task == TASK_CLASSIFICATION;
    float *scores = arena_alloc(a, in->n_rows, n_scores * sizeof *scores);
    int32_t *labels = classes ? arena_alloc(a, in->n_rows, sizeof *labels) : NULL;
    if (!scores || (classes && !labels))
        return err_set(e, ERR_MEMORY, "no memory for the scores of %zu rows", in->n_rows);
    size_t first = 0;
    do {
        size_t n = rows_that_fit(r, in, first);
        if (n == 0 && in->n_rows > 0)
            return err_set(e, ERR_LIMIT, "row %zu does not fit into the %d MiB that a runner takes", first + 1,
                           RUNNER_EXCHANGE_BYTES >> 20);
        TRY(run_piece(r, in, first, n, scores + first * n_scores, classes ? labels + first : NULL, e));
        first += n;
    } while (first < in->n_rows);
    *out = (prediction){.n_rows = in->n_rows, .n_scores = n_scores, .scores = scores, .labels = labels};
    return 0;
}
