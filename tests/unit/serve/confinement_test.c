// What the process that faces the network can still open, start and reach. Each case is a process of its own.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "serve/confinement.h"

static char *folder;

static char *below(const char *name, char to[512])
{
    snprintf(to, 512, "%s/%s", folder, name);
    return to;
}

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

// True: the kernel knows no Landlock.
static bool enter(const char *access_log)
{
    char data[512], cert[512];
    bool confined;
    server_options o = SERVER_OPTIONS_DEFAULT;
    o.data_dir = below("data", data);
    o.tls_cert = o.tls_key = below("tls/live.pem", cert);
    o.access_log = access_log;
    if (confinement_enter(&o, NULL) < 0 || confinement_close_ports(NULL) < 0) _exit(99);
    if (sandbox_files((const sandbox_path[]){{.path = "/", .write = true, .run = true}}, 1, &confined, NULL) < 0)
        _exit(98);
    return !confined;
}

static int files(void)
{
    char path[512], other[512];
    if (enter(NULL)) return 0;
    if (!opens(below("data/new", path), O_CREAT | O_RDWR) || rename(path, below("data/newer", other)) != 0) return 1;
    if (!opens(below("data/blobs/new", path), O_CREAT | O_RDWR)) return 2; // a link to another disk
    if (opens(below("other", path), O_RDONLY) || opens(below("other", path), O_WRONLY)) return 3;
    if (opens("/etc/passwd", O_RDONLY) || opens("/root", O_RDONLY) || opens("/tmp", O_RDONLY)) return 4;
    if (opens("/usr/bin/env", O_RDONLY)) return 5;
    if (!opens("/dev/null", O_RDONLY) || !opens("/dev/urandom", O_RDONLY) || !opens("/proc/meminfo", O_RDONLY))
        return 6;
    if (!opens(below("tls/live.pem", path), O_RDONLY) || opens(path, O_RDWR)) return 7;
    return opens("/proc/1/environ", O_RDONLY) ? 8 : 0;
}

// A certificate that is replaced as certbot does it: the link leads to another file of the same folder.
static int certificates(void)
{
    char path[512];
    if (enter(NULL)) return 0;
    fflush(NULL);
    return opens(below("archive/2.pem", path), O_RDONLY) ? 0 : 1;
}

static int logs(void)
{
    char path[512], moved[512];
    if (enter(below("log/access.log", path))) return 0;
    if (!opens(path, O_CREAT | O_WRONLY) || rename(path, below("log/access.log.1", moved)) != 0) return 1;
    return opens(path, O_CREAT | O_WRONLY) ? 0 : 2;
}

static int programs(void)
{
    bool unknown = enter(NULL);
    child_result r;
    const char *const itself[] = {"/proc/self/exe", "--child", NULL};
    child_options o = {.argv = itself, .output_max = 100, .time_ms_max = 20000};
    if (child_run(&r, &o, NULL) < 0) return 1;
    bool spoke = r.status == 0 && r.output.len == 2;
    buf_clear(&r.output);
    if (!spoke) return 2;
    if (unknown) return 0;
    const char *const another[] = {"/bin/sh", "-c", "echo 1", NULL};
    o.argv = another;
    return child_run(&r, &o, NULL) < 0 ? 0 : 3;
}

static int others(void)
{
    pid_t parent = getppid();
    if (enter(NULL)) return 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 || (errno != EACCES && errno != ECONNREFUSED)) return 1;
    if (syscall(SYS_bpf, 0, NULL, 0) != -1 || errno != EPERM) return 2;
    if (kill(parent, 0) == 0) { // before Linux 6.12
        long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
        if (abi >= 6) return 3;
    }
    return 0;
}

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

static int set_up(void **state)
{
    (void)state;
    char path[512];
    folder = check_folder();
    static const char *const folders[] = {"data", "log", "tls", "archive", "disk"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_int_equal(mkdir(below(folders[i], path), 0700), 0);
    static const char *const plain[] = {"other", "archive/1.pem", "archive/2.pem"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_true(opens(below(plain[i], path), O_CREAT | O_RDWR));
    assert_int_equal(symlink("../archive/1.pem", below("tls/live.pem", path)), 0);
    assert_int_equal(symlink("../disk", below("data/blobs", path)), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    check_folder_free(folder);
    return 0;
}

static void only_what_it_needs_can_be_opened(void **state)
{
    (void)state;
    in_child(files);
    in_child(certificates);
    in_child(logs);
}

static void it_starts_itself_and_nothing_else(void **state)
{
    (void)state;
    in_child(programs);
}

static void it_reaches_nobody(void **state)
{
    (void)state;
    in_child(others);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--child") == 0) return write(STDOUT_FILENO, "ok", 2) == 2 ? 0 : 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_it_needs_can_be_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_starts_itself_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_reaches_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
