// What a confined process still can do, and what it cannot. Each case is a process of its own.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/sandbox.h"

static char *folder;

// Runs a case in a child; its answer is the exit status, which must be 0.
static void in_child(int (*look)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(look());
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("status %d, step %d", status, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void *nothing(void *context)
{
    return context;
}

static int confine(void)
{
    return sandbox_no_new_privileges(NULL) < 0 || sandbox_compute_only(NULL) < 0;
}

static int computes(void)
{
    int ends[2];
    if (pipe(ends) != 0 || confine()) return 1;
    void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return 2;
    memset(p, 1, 1 << 20);
    if (munmap(p, 1 << 20) != 0) return 3;
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0) return 4;
    char c = 'x';
    if (write(ends[1], &c, 1) != 1 || read(ends[0], &c, 1) != 1) return 5;
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0) return 6;
    char *m = mem_alloc(1 << 16, 64);
    if (!m) return 7;
    mem_free(m);
    return 0;
}

static int reaches_nothing(void)
{
    pid_t parent = getppid();
    if (confine()) return 1;
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EPERM) return 2;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) return 3;
    if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EPERM) return 4;
    if (fork() >= 0) return 5;
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    execv(arguments[0], arguments);
    if (errno != EPERM) return 6;
    if (kill(parent, 0) == 0 || errno != EPERM) return 7;
    if (unlink("/nowhere") == 0 || errno != EPERM) return 8;
    struct rlimit limit = {1, 1};
    if (setrlimit(RLIMIT_AS, &limit) == 0) return 9;
    if (memfd_create("x", 0) >= 0) return 10;
    return 0;
}

static int opens_what_it_may(void)
{
    char inside[512], outside[512], made[512];
    snprintf(inside, sizeof inside, "%s/in", folder);
    snprintf(outside, sizeof outside, "%s/out", folder);
    snprintf(made, sizeof made, "%s/in/new", folder);
    if (mkdir(inside, 0700) != 0) return 1;
    int fd = open(outside, O_CREAT | O_WRONLY, 0600);
    if (fd < 0) return 2;
    close(fd);
    bool confined;
    sandbox_path paths[] = {{.path = inside, .write = true}, {.path = "/etc"}, {.path = "/no/such/place"}};
    if (sandbox_no_new_privileges(NULL) < 0 || sandbox_files(paths, 3, &confined, NULL) < 0) return 3;
    if (!confined) return 0; // an old kernel
    if (open(outside, O_RDONLY) >= 0 || errno != EACCES) return 4;
    fd = open(made, O_CREAT | O_WRONLY, 0600);
    if (fd < 0) return 5;
    close(fd);
    if ((fd = open("/etc/passwd", O_RDONLY)) < 0) return 6;
    close(fd);
    if (open("/etc/new", O_CREAT | O_WRONLY, 0600) >= 0) return 7;
    return unlink(made) == 0 ? 0 : 8;
}

static int works_on_files(void)
{
    char made[512], other[512];
    snprintf(made, sizeof made, "%s/made", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    if (sandbox_no_new_privileges(NULL) < 0 || sandbox_files_only(NULL) < 0) return 1;
    int fd = open(made, O_CREAT | O_RDWR, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || lseek(fd, 0, SEEK_SET) != 0) return 2;
    close(fd);
    if (rename(made, other) != 0 || unlink(other) != 0) return 3;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) return 4;
    if (fork() >= 0) return 5;
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    execv(arguments[0], arguments);
    return errno == EPERM ? 0 : 6;
}

static int serves(void)
{
    if (sandbox_no_new_privileges(NULL) < 0 || sandbox_server_only(NULL) < 0) return 1;
    int ends[2], fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || pipe(ends) != 0) return 2;
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) != 0 || pthread_join(t, NULL) != 0) return 3;
    if (socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) < 0 && errno != EAFNOSUPPORT) return 4;
    if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 || socket(AF_NETLINK, SOCK_RAW, 0) < 0) return 5;
    int flag = 1;
    if (ioctl(fd, FIONBIO, &flag) != 0) return 6;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED || mprotect(code, 4096, PROT_READ) != 0) return 7;
    pid_t pid = fork();
    if (pid == 0) {
        char *arguments[] = {(char[]){"true"}, NULL};
        execvp(arguments[0], arguments);
        _exit(9);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return 8;
    pid_t sleeper = fork();
    if (sleeper == 0) {
        pause();
        _exit(0);
    }
    return kill(sleeper, SIGKILL) == 0 && waitpid(sleeper, &status, 0) == sleeper ? 0 : 9;
}

#define DENIED(call) \
    if (step++, (call) != -1 || errno != EPERM) return step

static int administers_nothing(void)
{
    int step = 10;
    if (sandbox_no_new_privileges(NULL) < 0 || sandbox_server_only(NULL) < 0) return 1;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#ifndef __SANITIZE_ADDRESS__
    DENIED(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
#endif
    DENIED(syscall(SYS_bpf, 0, NULL, 0));
    DENIED(syscall(SYS_userfaultfd, 0));
    DENIED(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
    DENIED(syscall(SYS_io_uring_setup, 1, NULL));
    DENIED(mount("none", "/nowhere", "tmpfs", 0, NULL));
    DENIED(chroot("/"));
    DENIED(unshare(CLONE_NEWUSER));
    DENIED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    DENIED(syscall(SYS_init_module, NULL, 0, ""));
    DENIED(syscall(SYS_kexec_load, 0, 0, NULL, 0));
    DENIED(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
    DENIED(socket(AF_PACKET, SOCK_RAW, 0));
    DENIED(socket(AF_INET, SOCK_STREAM, 262)); // TCP by several ways
    DENIED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    DENIED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    DENIED(ioctl(0, TIOCSTI, "x"));
    DENIED(syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL));
    DENIED(chmod("/nowhere", 0));
    DENIED(syscall(SYS_execveat, -1, "/bin/true", NULL, NULL, 0));
    if (mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) return 3;
    if (errno != EPERM) return 4;
#ifdef __x86_64__
    if (syscall(0x40000000 | SYS_getpid) != -1 || errno != ENOSYS) return 5;
#endif
    return 0;
}

static int reaches_nobody_by_tcp(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int here = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(here, (struct sockaddr *)&at, sizeof at) != 0 || listen(here, 1) != 0 ||
        getsockname(here, (struct sockaddr *)&at, &size) != 0)
        return 1;
    bool confined;
    if (sandbox_no_new_privileges(NULL) < 0 || sandbox_tcp(SANDBOX_CONNECT, &confined, NULL) < 0) return 2;
    if (!confined) return 0;
    int there = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(there, (struct sockaddr *)&at, sizeof at) == 0 || errno != EACCES) return 3;
    at.sin_port = 0;
    if (bind(there, (struct sockaddr *)&at, sizeof at) != 0) return 4;
    if (sandbox_tcp(SANDBOX_BIND, &confined, NULL) < 0 || !confined) return 5;
    there = socket(AF_INET, SOCK_STREAM, 0);
    return bind(there, (struct sockaddr *)&at, sizeof at) != 0 && errno == EACCES ? 0 : 6;
}

static void a_server_serves_and_administers_nothing(void **state)
{
    (void)state;
    in_child(serves);
    in_child(administers_nothing);
    in_child(reaches_nobody_by_tcp);
}

static void a_confined_process_computes(void **state)
{
    (void)state;
    in_child(computes);
}

static void and_reaches_nothing(void **state)
{
    (void)state;
    in_child(reaches_nothing);
}

static void files_are_confined(void **state)
{
    (void)state;
    folder = check_folder();
    in_child(opens_what_it_may);
    in_child(works_on_files);
    check_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process_computes),
        cmocka_unit_test(and_reaches_nothing),
        cmocka_unit_test(files_are_confined),
        cmocka_unit_test(a_server_serves_and_administers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
