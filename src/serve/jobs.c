// The supervisor of runs: one thread, which alone starts, hears, limits and ends their processes. It has a registry of
// its own, and what it cannot write there just now (a full disk) it tries again.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/jobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/audit.h"

enum {
    FOLDER_MODE = 0700,
    FILE_MODE = 0600,
    LINE_MAX_BYTES = 64 << 10, // of news; what is longer is cut
    NEWS_TURN = 1 << 20,       // bytes of one run before the others have a turn
    OUTPUTS_MAX = 200,         // lines that are no news: what a library or a sanitizer says
    EVENTS_MAX = 20000,        // of one run
    LOOK_MS = 100,             // at processes: do they live, how much memory have they
    END_MS = 5,
    ASK_MS = 1000, // the registry, whether one is to be cancelled
    SWEEP_MS = 600000,
    NICE = 10, // predictions come first
};

// One that runs, or has ended and is yet to be recorded.
typedef struct live_run {
    run_record run;
    child *child; // NULL: it has ended
    buf news;     // the beginning of a line
    bool cut;     // the rest of a line that is too long
    int64_t n_events;
    size_t n_outputs;
    uint64_t start_ns;
    bool cancel, late, large, stopped; // why it was killed
    child_use use;
    char code[RUN_CODE_SIZE]; // of what it says it failed with
    char message[240];
} live_run;

struct jobs {
    server_options options; // with a data directory of its own
    char *data_dir;
    registry *registry; // the thread's
    int wake_fd;
    int lock_fd; // -1: another server runs the jobs
    atomic_bool end;
    atomic_bool holds; // lock_fd is there
    pthread_t thread;
    live_run runs[JOBS_RUNNING_MAX];
    size_t n;
};

// What was asked.

int jobs_ready(const jobs *j, err *e)
{
    if (j->options.jobs_max == 0) return err_set(e, ERR_UNSUPPORTED, "this server runs no jobs: --jobs-max is 0");
    if (atomic_load(&j->holds)) return 0;
    return err_set(e, ERR_BUSY, "another server runs the jobs of this data directory");
}

void jobs_wake(jobs *j)
{
    const uint64_t one = 1;
    while (write(j->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

// News.

static void tell(jobs *j, live_run *r, const char *event, json_t *data)
{
    err e = ERR_NONE;
    if (r->n_events >= EVENTS_MAX && strcmp(event, "state") != 0) {
        json_decref(data);
        return;
    }
    if (run_event(j->data_dir, r->run.id, ++r->n_events, event, data, &e) < 0)
        log_event(LOG_WARN, "event not kept", "run %s: %s", r->run.id, e.msg);
}

static void tell_state(jobs *j, live_run *r, run_state s)
{
    json_t *data = json_pack("{s:s}", "state", run_state_name(s));
    if (data && r->message[0] && s == RUN_FAILED) {
        json_object_set_new(data, "code", json_string(r->code));
        json_object_set_new(data, "message", json_string(r->message));
    }
    tell(j, r, "state", data);
}

static void set_failure(live_run *r, const char *code, const char *message)
{
    snprintf(r->code, sizeof r->code, "%s", code);
    snprintf(r->message, sizeof r->message, "%s", message);
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text ? text : "";
}

// A line of a process that may have been taken over: it is told, never obeyed.
static void take_line(jobs *j, live_run *r, str line)
{
    static const char *const known[] = {"log", "progress", "failed"};
    json_t *news = NULL;
    bool parsed = line.len > 0 && line.data[0] == '{' && json_parse(&news, line, NULL) == 0;
    const char *event = parsed ? text_of(news, "event") : "";
    json_t *data = parsed ? json_object_get(news, "data") : NULL;
    size_t k = 0;
    while (k < sizeof known / sizeof *known && strcmp(known[k], event) != 0) k++;
    if (k == sizeof known / sizeof *known || !json_is_object(data)) {
        if (r->n_outputs++ < OUTPUTS_MAX && line.len > 0) {
            buf text;
            json_t *as_text = NULL;
            buf_init(&text, 8 * LINE_MAX_BYTES);
            buf_add_text(&text, "{\"text\":"); // through the one writer that mends what is not UTF-8
            json_quote(&text, line);
            buf_add_char(&text, '}');
            if (text.failed || json_parse(&as_text, buf_str(&text), NULL) < 0) as_text = NULL;
            if (as_text) tell(j, r, "output", as_text);
            buf_clear(&text);
        }
    } else if (strcmp(event, "failed") == 0) {
        set_failure(r, text_of(data, "code"), text_of(data, "message"));
    } else {
        tell(j, r, event, json_incref(data));
    }
    json_decref(news);
}

static void take_news(jobs *j, live_run *r)
{
    child_read(r->child, &r->news, NEWS_TURN);
    if (r->news.len == 0) return;
    size_t at = 0;
    for (char *end; (end = memchr(r->news.data + at, '\n', r->news.len - at));) {
        size_t len = (size_t)(end - r->news.data) - at;
        if (!r->cut) take_line(j, r, (str){r->news.data + at, len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES});
        r->cut = false;
        at += len + 1;
        if (at == r->news.len) break;
    }
    if (r->news.len - at > LINE_MAX_BYTES || r->news.failed) {
        if (!r->cut) take_line(j, r, (str){r->news.data + at, LINE_MAX_BYTES});
        r->cut = true;
        at = r->news.len;
    }
    if (at > 0) memmove(r->news.data, r->news.data + at, r->news.len - at);
    r->news.len -= at;
    r->news.failed = 0;
}

// Starting.

static void live_run_clear(live_run *r)
{
    run_record_clear(&r->run);
    buf_clear(&r->news);
    *r = (live_run){0};
}

static int put_in(jobs *j, const char *id, const char *name, str content, err *e)
{
    char *path;
    TRY(run_path(j->data_dir, id, name, &path, e));
    int rc = file_write_atomic(path, content, FILE_MODE, e);
    mem_free(path);
    return rc;
}

// The model that a run is to use, as a file beside what it reads.
static int give_model(jobs *j, const run_record *run, const json_t *spec, err *e)
{
    const char *name = json_string_value(json_object_get(spec, "name"));
    int64_t version = json_integer_value(json_object_get(spec, "version"));
    package *p;
    str file;
    if (!name) return 0;
    TRY(registry_load(j->registry, name, version, &p, e));
    int rc = package_onnx(p, &file, e);
    if (rc == 0) rc = put_in(j, run->id, RUN_MODEL, file, e);
    package_free(p);
    return rc;
}

static int write_spec(jobs *j, const run_record *run, json_t *spec, err *e)
{
    dataset_record d;
    char data[128];
    buf text;
    int rc = registry_dataset_find(j->registry, run->tenant, run->dataset, &d, e);
    if (rc < 0) return rc;
    snprintf(data, sizeof data, "../../datasets/%s", d.sha256);
    dataset_record_clear(&d);
    TRY(json_put(spec, "data", json_string(data), e));
    TRY(json_put(spec, "memory_max", json_integer((json_int_t)j->options.job_memory_max), e));
    TRY(json_put(spec, "threads", json_integer((json_int_t)j->options.job_threads), e));
    buf_init(&text, (size_t)8 << 20);
    rc = json_format(spec, false, &text, e);
    if (rc == 0) rc = put_in(j, run->id, RUN_SPEC, buf_str(&text), e);
    buf_clear(&text);
    return rc;
}

static int make_folder(jobs *j, const run_record *run, err *e)
{
    char *folder;
    run_folder_remove(j->data_dir, run->id); // of a server that died before it had begun
    TRY(run_path(j->data_dir, run->id, NULL, &folder, e));
    int rc = dir_make(folder, FOLDER_MODE, e);
    mem_free(folder);
    return rc;
}

static int spawn(jobs *j, live_run *r, err *e)
{
    static const char *const argv[] = {"/proc/self/exe", "job", NULL};
    char *folder;
    json_t *spec;
    TRY(make_folder(j, &r->run, e));
    TRY(json_parse(&spec, str_of(r->run.spec), e));
    int rc = give_model(j, &r->run, spec, e);
    if (rc == 0) rc = write_spec(j, &r->run, spec, e);
    json_decref(spec);
    TRY(rc);
    TRY(run_path(j->data_dir, r->run.id, NULL, &folder, e));
    child_options o = {.argv = argv, .folder = folder, .cpu_seconds_max = j->options.job_cpu_seconds_max, .nice = NICE};
    rc = child_start(&r->child, &o, e);
    mem_free(folder);
    return rc;
}

// The process is started before the registry says that it runs: who dies in between has a run that never began.
static int begin(jobs *j, live_run *r)
{
    err e = ERR_NONE;
    r->start_ns = clock_monotonic_ns();
    buf_init(&r->news, NEWS_TURN + 2 * LINE_MAX_BYTES);
    int rc = spawn(j, r, &e);
    if (rc < 0) {
        set_failure(r, err_name(rc), e.msg);
        rc = registry_run_begin(j->registry, r->run.id, &e) == ERR_CONFLICT ? ERR_CONFLICT : 0;
    } else {
        rc = registry_run_begin(j->registry, r->run.id, &e);
    }
    if (rc < 0) { // cancelled meanwhile, or the registry cannot be written: it waits, or does not any more
        if (r->child) {
            child_kill(r->child);
            child_collect(r->child);
        }
        if (rc != ERR_CONFLICT) log_event(LOG_ERROR, "run not begun", "%s: %s", r->run.id, e.msg);
        run_folder_remove(j->data_dir, r->run.id);
        if (rc == ERR_CONFLICT) tell_state(j, r, RUN_CANCELLED); // again: who cancelled it may have told it before
        live_run_clear(r);
        j->n--;
        return rc;
    }
    log_event(LOG_INFO, "run begun", "%s, %s", r->run.id, r->run.kind);
    tell_state(j, r, RUN_RUNNING);
    return 0;
}

// False: something waits that could not be begun just now.
static bool begin_some(jobs *j)
{
    err e = ERR_NONE;
    while (j->n < j->options.jobs_max && !atomic_load(&j->end)) {
        live_run *r = &j->runs[j->n];
        int rc = registry_run_next(j->registry, &r->run, &e);
        if (rc == ERR_NOT_FOUND) return true;
        if (rc < 0) {
            log_event(LOG_ERROR, "registry cannot be read", "%s", e.msg);
            return false;
        }
        j->n++;
        rc = begin(j, r);
        if (rc < 0 && rc != ERR_CONFLICT) return false;
    }
    return true;
}

// Ending.

// Stores what a training made under the name that was asked for.
static int deploy(jobs *j, live_run *r, const json_t *spec, json_t *result, err *e)
{
    const json_t *wanted = json_object_get(spec, "deploy");
    if (!json_is_object(wanted)) return 0;
    const char *name = text_of(wanted, "owned"), *alias = json_string_value(json_object_get(wanted, "alias"));
    package *p = NULL;
    char *path;
    str file;
    int64_t version;
    bool existed;
    TRY(run_path(j->data_dir, r->run.id, RUN_FILE, &path, e));
    int rc = file_map(path, &file, e);
    mem_free(path);
    TRY(rc);
    rc = package_from_onnx(&p, file, e);
    file_unmap(file);
    TRY(rc);
    const char *key = text_of(result, "run_key");
    registry_act_as(j->registry, r->run.actor);
    rc = registry_deploy(j->registry, name, p, strlen(key) == SHA256_HEX_SIZE - 1 ? key : NULL, alias, &version,
                         &existed, e);
    registry_act_as(j->registry, "server");
    package_free(p);
    TRY(rc);
    return json_put(result, "deployed",
                    json_pack("{s:s,s:I,s:s?,s:b}", "name", text_of(wanted, "name"), "version", (json_int_t)version,
                              "alias", alias, "existed", existed),
                    e);
}

// What a run that ended well left. *text: for buf_clear().
static int take_result(jobs *j, live_run *r, buf *text, err *e)
{
    char *path;
    json_t *spec = NULL, *result = NULL;
    buf_init(text, (size_t)64 << 20);
    TRY(run_path(j->data_dir, r->run.id, RUN_RESULT, &path, e));
    buf file;
    int rc = file_read(path, (size_t)64 << 20, &file, e);
    mem_free(path);
    if (rc == 0) {
        rc = json_parse(&result, buf_str(&file), e);
        buf_clear(&file);
    }
    if (rc == 0 && !json_is_object(result)) rc = err_set(e, ERR_CORRUPT, "the run left no sound result");
    if (rc == 0) rc = json_parse(&spec, str_of(r->run.spec), e);
    if (rc == 0) rc = deploy(j, r, spec, result, e);
    if (rc == 0) rc = json_format(result, false, text, e);
    if (rc == 0) {
        json_t *profile = json_object_get(result, "profile");
        buf about;
        buf_init(&about, (size_t)64 << 20);
        int told = profile && json_format(profile, false, &about, e) == 0 ? 0 : ERR_NOT_FOUND;
        buf_add_char(&about, '\0');
        if (told == 0 && !about.failed) rc = registry_dataset_profile(j->registry, r->run.dataset, about.data, e);
        buf_clear(&about);
    }
    buf_add_char(text, '\0');
    if (rc == 0) rc = buf_check(text, e);
    json_decref(result);
    json_decref(spec);
    return rc;
}

static void explain(jobs *j, live_run *r)
{
    char text[200];
    const server_options *o = &j->options;
    if (r->large) {
        snprintf(text, sizeof text, "it took more than %zu bytes of memory", o->job_memory_max);
        set_failure(r, "memory", text);
    } else if (r->late) {
        snprintf(text, sizeof text, "it had not ended after %" PRIu64 " ms", o->job_ms_max);
        set_failure(r, "timeout", text);
    } else if (r->use.status == -SIGXCPU) {
        snprintf(text, sizeof text, "it used %" PRIu64 " seconds of processor time", o->job_cpu_seconds_max);
        set_failure(r, "cpu", text);
    } else if (r->use.status < 0) {
        snprintf(text, sizeof text, "its process was ended by signal %d (%s)", -r->use.status,
                 strsignal(-r->use.status));
        set_failure(r, "crash", text);
    } else if (!r->message[0]) {
        snprintf(text, sizeof text, "its process ended with status %d", r->use.status);
        set_failure(r, "crash", text);
    }
}

// Records the end. False: it could not be written, and is tried again.
static bool record_end(jobs *j, live_run *r)
{
    err e = ERR_NONE;
    buf result = {0};
    run_state s = RUN_FAILED;
    bool ended_well = r->use.status == 0 && !r->code[0];
    int rc = 0;
    if (r->stopped)
        s = RUN_INTERRUPTED;
    else if (r->cancel)
        s = RUN_CANCELLED;
    else if (ended_well && (rc = take_result(j, r, &result, &e)) == 0)
        s = RUN_SUCCEEDED;
    else if (ended_well)
        set_failure(r, err_name(rc), e.msg);
    else
        explain(j, r);
    rc = registry_run_end(j->registry, r->run.id, s, s == RUN_SUCCEEDED ? result.data : NULL,
                          s == RUN_FAILED ? r->code : NULL, s == RUN_FAILED ? r->message : NULL, &e);
    buf_clear(&result);
    if (rc < 0) {
        log_event(LOG_ERROR, "end of a run not recorded", "%s: %s", r->run.id, e.msg);
        return false;
    }
    log_event(LOG_INFO, "run ended", "%s, %s: %s%s%s, %" PRIu64 " ms of processor time, %" PRIu64 " MiB", r->run.id,
              r->run.kind, run_state_name(s), s == RUN_FAILED ? ": " : "", s == RUN_FAILED ? r->message : "",
              r->use.cpu_ms, r->use.memory_max >> 20);
    tell_state(j, r, s);
    return true;
}

static void end_child(jobs *j, live_run *r)
{
    take_news(j, r); // the last of it: no more fits a pipe
    if (r->news.len > 0 && !r->cut) take_line(j, r, buf_str(&r->news));
    r->news.len = 0;
    r->use = child_collect(r->child);
    r->child = NULL;
}

// Following.

static void look_at(jobs *j, live_run *r)
{
    const server_options *o = &j->options;
    take_news(j, r);
    if (child_ended(r->child)) {
        end_child(j, r);
        return;
    }
    uint64_t passed = (clock_monotonic_ns() - r->start_ns) / 1000000u;
    r->late = o->job_ms_max && passed > o->job_ms_max;
    r->large = child_memory(r->child) > o->job_memory_max + ((uint64_t)64 << 20); // beside the program itself
    if (r->late || r->large || r->cancel) {
        child_kill(r->child);
        end_child(j, r);
    }
}

static void follow(jobs *j)
{
    for (size_t i = 0; i < j->n;) {
        live_run *r = &j->runs[i];
        if (r->child) look_at(j, r);
        if (r->child || !record_end(j, r)) {
            i++;
            continue;
        }
        live_run_clear(r);
        *r = j->runs[--j->n];
        j->runs[j->n] = (live_run){0};
    }
}

// Which of ours are to be cancelled.
static void ask_registry(jobs *j)
{
    run_list l;
    if (registry_runs_running(j->registry, &l, NULL) < 0) return;
    for (size_t i = 0; i < l.n; i++)
        for (size_t k = 0; l.runs[i].cancel && k < j->n; k++)
            if (strcmp(j->runs[k].run.id, l.runs[i].id) == 0) j->runs[k].cancel = true;
    run_list_clear(&l);
}

// True: somebody woke us.
static bool nap(jobs *j, int ms)
{
    struct pollfd fds[1 + JOBS_RUNNING_MAX] = {{.fd = j->wake_fd, .events = POLLIN}};
    nfds_t n = 1;
    for (size_t i = 0; i < j->n; i++) {
        if (j->runs[i].child && child_output(j->runs[i].child) < 0 && ms > END_MS) ms = END_MS; // as good as ended
        if (j->runs[i].child) fds[n++] = (struct pollfd){.fd = child_output(j->runs[i].child), .events = POLLIN};
    }
    if (poll(fds, n, ms) <= 0 || !(fds[0].revents & POLLIN)) return false;
    uint64_t n_wakes;
    return read(j->wake_fd, &n_wakes, sizeof n_wakes) == (ssize_t)sizeof n_wakes;
}

// One server of a data directory runs the jobs: who holds the lock.
static bool take_lock(jobs *j)
{
    char *path = NULL, *folder = path_join(j->data_dir, "runs");
    if (folder && dir_make(folder, FOLDER_MODE, NULL) == 0) path = path_join(folder, "lock");
    if (path) j->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (j->lock_fd >= 0 && flock(j->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        close(j->lock_fd);
        j->lock_fd = -1;
    }
    mem_free(path);
    mem_free(folder);
    return j->lock_fd >= 0;
}

// What a server that died left as running was interrupted.
static void recover(jobs *j)
{
    run_list l;
    err e = ERR_NONE;
    if (registry_runs_running(j->registry, &l, &e) < 0) {
        log_event(LOG_ERROR, "registry cannot be read", "%s", e.msg);
        return;
    }
    for (size_t i = 0; i < l.n; i++) {
        live_run r = {.run = l.runs[i], .n_events = EVENTS_MAX};
        if (registry_run_end(j->registry, l.runs[i].id, RUN_INTERRUPTED, NULL, NULL, NULL, &e) < 0) continue;
        log_event(LOG_WARN, "run interrupted", "%s: its server ended while it ran", l.runs[i].id);
        tell_state(j, &r, RUN_INTERRUPTED);
    }
    run_list_clear(&l);
}

// Folders of runs that are forgotten: who forgot one may have been killed before its files were gone.
static void sweep_folders(jobs *j)
{
    char *folder = path_join(j->data_dir, "runs");
    DIR *d = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        run_record run;
        if (strlen(entry->d_name) != OBJECT_ID_SIZE - 1) continue;
        int rc = registry_run_find(j->registry, NULL, entry->d_name, &run, NULL);
        if (rc == 0) run_record_clear(&run);
        if (rc == ERR_NOT_FOUND) run_folder_remove(j->data_dir, entry->d_name);
    }
    if (d) closedir(d);
    mem_free(folder);
}

// Runs that ended long ago, some at a time: the rest is for the next turn.
static int forget_runs(jobs *j, err *e)
{
    enum { FORGOTTEN_MAX = 200 };
    run_list l;
    if (j->options.job_keep_days == 0) return 0;
    int64_t before = clock_utc_ms() - (int64_t)j->options.job_keep_days * INT64_C(86400000);
    registry_act_as(j->registry, "server");
    TRY(registry_runs_ended(j->registry, before, FORGOTTEN_MAX, &l, e));
    int rc = 0;
    for (size_t i = 0; i < l.n && rc == 0; i++) {
        rc = registry_run_remove(j->registry, l.runs[i].tenant, l.runs[i].id, e);
        if (rc == 0) run_folder_remove(j->data_dir, l.runs[i].id);
    }
    run_list_clear(&l);
    return rc;
}

static void sweep(jobs *j)
{
    err e = ERR_NONE;
    sweep_folders(j);
    int rc = registry_datasets_sweep(j->registry, clock_utc_ms(), &e);
    if (rc == 0) rc = registry_answers_sweep(j->registry, clock_utc_ms(), &e);
    if (rc == 0) rc = forget_runs(j, &e);
    if (rc < 0) log_event(LOG_WARN, "not swept", "%s", e.msg);
}

static bool get_ready(jobs *j)
{
    if (!j->registry && registry_open(&j->registry, j->data_dir, NULL, NULL) < 0) return false;
    if (!take_lock(j)) return false;
    recover(j);
    atomic_store(&j->holds, true);
    return true;
}

static void stop_all(jobs *j)
{
    for (size_t i = 0; i < j->n; i++) {
        live_run *r = &j->runs[i];
        if (r->child) {
            child_kill(r->child);
            end_child(j, r);
            r->stopped = r->use.status != 0;
        }
        (void)record_end(j, r); // if not, the next server finds it
        live_run_clear(r);
    }
    j->n = 0;
}

static void *supervise(void *context)
{
    jobs *j = context;
    while (!atomic_load(&j->end) && !get_ready(j)) nap(j, ASK_MS);
    uint64_t swept = 0, asked = 0;
    while (!atomic_load(&j->end)) {
        uint64_t now = clock_monotonic_ns() / 1000000u;
        if (swept == 0 || now - swept > SWEEP_MS) {
            sweep(j);
            swept = now;
        }
        bool begun = begin_some(j);
        bool woken = nap(j, j->n > 0 ? LOOK_MS : begun ? SWEEP_MS : ASK_MS);
        now = clock_monotonic_ns() / 1000000u;
        if (j->n > 0 && (woken || now - asked > ASK_MS)) {
            ask_registry(j);
            asked = now;
        }
        follow(j);
    }
    stop_all(j);
    atomic_store(&j->holds, false);
    if (j->lock_fd >= 0) close(j->lock_fd);
    registry_close(j->registry);
    return NULL;
}

// Birth and death.

static void jobs_free(jobs *j)
{
    if (j->wake_fd >= 0) close(j->wake_fd);
    mem_free(j->data_dir);
    mem_free(j);
}

int jobs_start(jobs **out, const server_options *o, err *e)
{
    jobs *j = mem_zalloc(1, sizeof *j);
    if (!j) return err_set(e, ERR_MEMORY, "no memory for jobs");
    j->lock_fd = -1;
    j->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    j->options = *o;
    j->data_dir = mem_strdup(o->data_dir);
    if (j->wake_fd < 0 || !j->data_dir) {
        jobs_free(j);
        return err_set(e, ERR_MEMORY, "no memory or descriptor for jobs");
    }
    sigset_t all, before; // signals are for others
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = o->jobs_max > 0 ? pthread_create(&j->thread, NULL, supervise, j) : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        jobs_free(j);
        return err_set(e, ERR_MEMORY, "a thread cannot be started");
    }
    *out = j;
    return 0;
}

void jobs_stop(jobs *j)
{
    if (!j) return;
    atomic_store(&j->end, true);
    jobs_wake(j);
    if (j->options.jobs_max > 0) pthread_join(j->thread, NULL);
    jobs_free(j);
}
