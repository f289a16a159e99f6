// fork and exec: between the two only calls that are safe after fork in a threaded process.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"

enum { CHUNK = 16 << 10, NAP_MS_MAX = 50, FIRST_FD = 3, REPORT_FD = FIRST_FD + CHILD_DESCRIPTORS_MAX };

extern char **environ;

// What failed in the child before exec, sent up a pipe that exec closes.
typedef struct report {
    enum { STEP_FILES, STEP_FOLDER, STEP_LIMITS, STEP_EXEC } step;
    int number;
} report;

static bool limit(__rlimit_resource_t what, uint64_t max)
{
    struct rlimit now;
    if (getrlimit(what, &now) != 0) return false;
    rlim_t wanted = max < now.rlim_max ? (rlim_t)max : now.rlim_max;
    return setrlimit(what, &(struct rlimit){wanted, wanted}) == 0;
}

// A signal of its own at the limit, before the one that ends whoever ignores it a second later.
static bool limit_cpu(uint64_t seconds)
{
    struct rlimit now;
    if (getrlimit(RLIMIT_CPU, &now) != 0) return false;
    rlim_t soft = seconds < now.rlim_max ? (rlim_t)seconds : now.rlim_max;
    rlim_t hard = now.rlim_max - soft > 1 ? soft + 1 : now.rlim_max;
    return setrlimit(RLIMIT_CPU, &(struct rlimit){soft, hard}) == 0;
}

static void close_from(unsigned first)
{
    if (close_range(first, ~0u, 0) == 0) return;
    struct rlimit files; // a kernel before 5.9
    unsigned end =
        getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1 << 20 ? (unsigned)files.rlim_cur : 1 << 20;
    for (unsigned fd = first; fd < end; fd++) close((int)fd);
}

_Noreturn static void give_up(int step)
{
    report r = {.step = step, .number = errno};
    ssize_t sent = write(REPORT_FD, &r, sizeof r);
    _exit(sent == (ssize_t)sizeof r ? 127 : 126);
}

static bool take_descriptors(const child_options *o)
{
    for (size_t i = 0; i < o->n_descriptors; i++)
        if (dup2(o->descriptors[i], FIRST_FD + (int)i) < 0) return false;
    for (int fd = FIRST_FD + (int)o->n_descriptors; fd < REPORT_FD; fd++) close(fd);
    return true;
}

// Descriptors are above REPORT_FD, so that none is overwritten before it was copied.
_Noreturn static void become(const child_options *o, pid_t parent, int null, int output, int report_fd)
{
    if (dup3(report_fd, REPORT_FD, O_CLOEXEC) < 0) _exit(126);
    if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
        !take_descriptors(o))
        give_up(STEP_FILES);
    close_from(REPORT_FD + 1);
    setpgid(0, 0);
    // Who started us waits for us: without it nobody would collect or kill us.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    if (o->nice && setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + o->nice) != 0) give_up(STEP_LIMITS);
    if (o->folder && chdir(o->folder) != 0) give_up(STEP_FOLDER);
    if (!limit(RLIMIT_CORE, 0) || (o->memory_max && !limit(RLIMIT_AS, o->memory_max)) ||
        (o->cpu_seconds_max && !limit_cpu(o->cpu_seconds_max)))
        give_up(STEP_LIMITS);
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL); // fails for those that nobody can catch
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvpe(o->argv[0], (char *const *)o->argv, o->environment ? (char *const *)o->environment : environ);
    give_up(STEP_EXEC);
}

static void close_both(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) close(fds[i]);
        fds[i] = -1;
    }
}

// A pipe whose ends lie above REPORT_FD and close on exec.
static int open_pipe(int fds[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0) return -1;
    for (int i = 0; i < 2; i++) fds[i] = fcntl(low[i], F_DUPFD_CLOEXEC, REPORT_FD + 1);
    int number = errno;
    close_both(low);
    if (fds[0] >= 0 && fds[1] >= 0) return 0;
    close_both(fds);
    errno = number;
    return -1;
}

// Copies of the child's descriptors that lie above REPORT_FD.
static int lift_descriptors(int lifted[CHILD_DESCRIPTORS_MAX], const child_options *o)
{
    for (size_t i = 0; i < o->n_descriptors; i++) {
        lifted[i] = fcntl(o->descriptors[i], F_DUPFD_CLOEXEC, REPORT_FD + 1);
        if (lifted[i] >= 0) continue;
        int number = errno;
        while (i > 0) close(lifted[--i]);
        errno = number;
        return -1;
    }
    return 0;
}

static int start(pid_t *pid, int output[2], int news[2], const child_options *o, err *e)
{
    int low = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int null = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, REPORT_FD + 1);
    if (low >= 0) close(low);
    int lifted[CHILD_DESCRIPTORS_MAX];
    assert(o->n_descriptors <= CHILD_DESCRIPTORS_MAX);
    if (null < 0 || open_pipe(output) != 0 || open_pipe(news) != 0 || lift_descriptors(lifted, o) != 0) {
        int rc = err_set_errno(e, "%s: no descriptors to start it with", o->argv[0]);
        if (null >= 0) close(null);
        return rc;
    }
    child_options of_child = *o;
    of_child.descriptors = lifted;
    // No handler of ours may run in the child: blocked until it has none.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t made = fork();
    if (made == 0) become(&of_child, parent, null, output[1], news[1]);
    int number = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(null);
    for (size_t i = 0; i < o->n_descriptors; i++) close(lifted[i]);
    if (made < 0) {
        errno = number;
        return err_set_errno(e, "%s: no process can be started", o->argv[0]);
    }
    setpgid(made, made); // the child does it too; whoever is first
    *pid = made;
    return 0;
}

static void reap(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
}

// Waits until exec worked (0) or reads what went wrong.
static int await_exec(int fd, const child_options *o, err *e)
{
    static const char *const steps[] = {[STEP_FILES] = "descriptors",
                                        [STEP_FOLDER] = "its folder",
                                        [STEP_LIMITS] = "limits",
                                        [STEP_EXEC] = "running it"};
    report r;
    ssize_t n;
    do n = read(fd, &r, sizeof r);
    while (n < 0 && errno == EINTR);
    if (n == 0) return 0;
    if (n != (ssize_t)sizeof r) return err_set(e, ERR_IO, "%s: cannot be started", o->argv[0]);
    errno = r.number;
    return err_set_errno(e, "%s: cannot be started: %s", o->argv[0], steps[r.step]);
}

// Takes what is in the pipe. False at its end.
static bool drain(int fd, buf *out, size_t max)
{
    char chunk[CHUNK];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        if (n == 0) return false;
        size_t room = max - out->len;
        buf_add(out, chunk, (size_t)n < room ? (size_t)n : room);
    }
}

// The child is not collected here: as long as it is not, nobody else can get its number, and the group can be killed.
static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

// Reads until the child has ended. False if the deadline passed first.
static bool follow(pid_t pid, int fd, buf *out, const child_options *o)
{
    uint64_t begin = clock_monotonic_ns();
    bool open = true;
    int nap = 1;
    for (;;) {
        bool ended = has_ended(pid); // looked at before the last read, so that nothing is missed
        size_t before = out->len;
        if (open) open = drain(fd, out, o->output_max);
        if (ended) return true;
        int wait = nap;
        if (o->time_ms_max) {
            uint64_t passed = (clock_monotonic_ns() - begin) / 1000000u;
            if (passed >= o->time_ms_max) return false;
            if (o->time_ms_max - passed < (uint64_t)wait) wait = (int)(o->time_ms_max - passed);
        }
        // The end of a child that keeps its output open to others wakes nobody: hence the naps, longer when nothing
        // happens.
        struct pollfd p = {.fd = open ? fd : -1, .events = POLLIN};
        poll(&p, 1, wait);
        nap = out->len > before ? 1 : nap < NAP_MS_MAX / 2 ? 2 * nap : NAP_MS_MAX;
    }
}

int child_run(child_result *out, const child_options *o, err *e)
{
    assert(o->argv && o->argv[0]);
    int output[2] = {-1, -1}, news[2] = {-1, -1};
    pid_t pid = 0;
    buf kept;
    buf_init(&kept, o->output_max);
    int rc = start(&pid, output, news, o, e);
    if (rc < 0) goto done;
    close(output[1]);
    close(news[1]);
    output[1] = news[1] = -1;
    int status = 0;
    if ((rc = await_exec(news[0], o, e)) < 0) {
        reap(pid, &status);
        goto done;
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    bool in_time = follow(pid, output[0], &kept, o);
    kill(-pid, SIGKILL); // what it left running, or all of it
    reap(pid, &status);
    if (!in_time) {
        rc = err_set(e, ERR_TIMEOUT, "%s: killed after %llu ms", o->argv[0], (unsigned long long)o->time_ms_max);
        goto done;
    }
    if ((rc = buf_check(&kept, e)) < 0) goto done;
    out->status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    out->output = kept;
    buf_init(&kept, 0);
done:
    close_both(output);
    close_both(news);
    buf_clear(&kept);
    return rc;
}

// One beside us.

struct child {
    pid_t pid;
    int output; // -1 after its end
};

int child_start(child **out, const child_options *o, err *e)
{
    assert(o->argv && o->argv[0]);
    int output[2] = {-1, -1}, news[2] = {-1, -1}, status;
    pid_t pid = 0;
    child *c = mem_alloc(1, sizeof *c);
    int rc = c ? start(&pid, output, news, o, e) : err_set(e, ERR_MEMORY, "%s: no memory to start it", o->argv[0]);
    if (rc < 0) goto done;
    close(output[1]);
    close(news[1]);
    output[1] = news[1] = -1;
    if ((rc = await_exec(news[0], o, e)) < 0) {
        reap(pid, &status);
        goto done;
    }
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    *c = (child){.pid = pid, .output = output[0]};
    output[0] = -1;
    *out = c;
    c = NULL;
done:
    close_both(output);
    close_both(news);
    mem_free(c);
    return rc;
}

int child_output(const child *c)
{
    return c->output;
}

bool child_read(child *c, buf *out, size_t most)
{
    char chunk[CHUNK];
    while (c->output >= 0 && most > 0) {
        ssize_t n = read(c->output, chunk, most < sizeof chunk ? most : sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) {
            close(c->output);
            c->output = -1;
            break;
        }
        buf_add(out, chunk, (size_t)n);
        most -= (size_t)n;
    }
    return c->output >= 0;
}

bool child_ended(const child *c)
{
    return has_ended(c->pid);
}

uint64_t child_memory(const child *c)
{
    char path[64];
    buf text;
    unsigned long long size, resident;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)c->pid);
    if (file_read(path, 4096, &text, NULL) < 0) return 0;
    buf_add_char(&text, '\0');
    int n = text.failed ? 0 : sscanf(text.data, "%llu %llu", &size, &resident);
    buf_clear(&text);
    return n == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void child_kill(child *c)
{
    kill(-c->pid, SIGKILL); // nobody else can have its number: it was not collected yet
}

child_use child_collect(child *c)
{
    struct rusage use = {0};
    int status = 0;
    siginfo_t info;
    while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
    }
    kill(-c->pid, SIGKILL); // what it left running
    while (wait4(c->pid, &status, 0, &use) < 0 && errno == EINTR) {
    }
    uint64_t cpu_ms = (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000u +
                      (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000u;
    if (c->output >= 0) close(c->output);
    mem_free(c);
    return (child_use){.status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status),
                       .cpu_ms = cpu_ms,
                       .memory_max = (uint64_t)use.ru_maxrss * 1024u};
}
