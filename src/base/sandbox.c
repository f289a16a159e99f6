// no_new_privs, Landlock and a seccomp filter, each asked of the kernel directly: the C library has no wrappers.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_no_new_privileges(err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return 0;
    return err_set_errno(e, "privileges cannot be given up");
}

// ---- files

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE // of kernels later than the headers
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif

enum { ABI_REFER = 2, ABI_TRUNCATE = 3 };
static const uint64_t READING = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t ON_FILES = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                 LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_TRUNCATE;

// Every right that the kernel's Landlock knows, of those that we know.
static uint64_t known_rights(long abi)
{
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; // the first version's are the lowest bits
    if (abi >= ABI_REFER) rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= ABI_TRUNCATE) rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
    return rights;
}

static int allow(int rules, const sandbox_path *p, uint64_t known, err *e)
{
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : err_set_errno(e, "%s", p->path);
    struct stat st;
    uint64_t rights = p->write ? known & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE : READING;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) rights &= ON_FILES;
    struct landlock_path_beneath_attr below = {.allowed_access = rights, .parent_fd = fd};
    int rc = 0;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) != 0)
        rc = err_set_errno(e, "%s: cannot be allowed", p->path);
    close(fd);
    return rc;
}

int sandbox_files(const sandbox_path *paths, size_t n, bool *confined, err *e)
{
    bool unused;
    if (!confined) confined = &unused;
    *confined = false;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : err_set_errno(e, "files cannot be confined");
    uint64_t known = known_rights(abi);
    struct landlock_ruleset_attr all = {.handled_access_fs = known};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
    if (rules < 0) return err_set_errno(e, "files cannot be confined");
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) rc = allow(rules, &paths[i], known, e);
    if (rc == 0 && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        rc = err_set_errno(e, "files cannot be confined");
    close(rules);
    if (rc == 0) *confined = true;
    return rc;
}

// ---- system calls

#if defined __x86_64__
#define MACHINE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define MACHINE AUDIT_ARCH_AARCH64
#else
#error "which calls are numbered how on this machine is to be written here"
#endif

static const int allowed[] = {
    // what a prediction does, often
    SYS_read,
    SYS_write,
    SYS_futex,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_madvise,
    SYS_brk,
    SYS_clock_gettime,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_sched_yield,
    SYS_ppoll,
    // threads
    SYS_sched_getaffinity,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_gettid,
    SYS_getpid,
    SYS_getcpu,
    SYS_membarrier,
    SYS_restart_syscall,
    // the rest
    SYS_close,
    SYS_fstat,
    SYS_getrandom,
    SYS_getrusage,
    SYS_uname,
    SYS_exit,
    SYS_exit_group,
#ifdef __x86_64__
    SYS_poll,
    SYS_time,
#endif
};

// On files and folders.
static const int on_files[] = {
    SYS_openat,    SYS_lseek,      SYS_pread64,    SYS_pwrite64,   SYS_readv,     SYS_writev,  SYS_fsync,
    SYS_fdatasync, SYS_ftruncate,  SYS_fallocate,  SYS_fcntl,      SYS_fadvise64, SYS_statx,   SYS_fstatfs,
    SYS_statfs,    SYS_newfstatat, SYS_renameat,   SYS_renameat2,  SYS_unlinkat,  SYS_mkdirat, SYS_msync,
    SYS_dup,       SYS_dup3,       SYS_getdents64, SYS_readlinkat, SYS_faccessat, SYS_getcwd,  SYS_sysinfo,
#ifdef __x86_64__
    SYS_open,      SYS_stat,       SYS_lstat,      SYS_access,     SYS_rename,    SYS_unlink,  SYS_mkdir,
    SYS_rmdir,     SYS_readlink,
#endif
};

enum {
    ALLOWED_N = sizeof allowed / sizeof *allowed,
    ON_FILES_N = sizeof on_files / sizeof *on_files,
    FILTER_MAX = 64 + 2 * (ALLOWED_N + ON_FILES_N)
};

#define LOAD(field) \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOW(argument) (field_at((argument), 0))
#define HIGH(argument) (field_at((argument), 4))
#define ANSWER(what) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (what))
#define DENY(number) ANSWER(SECCOMP_RET_ERRNO | (number))
// Goes on with the next if equal, else jumps over n.
#define UNLESS_EQUAL(value, n) (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (n))

static struct sock_filter field_at(unsigned argument, unsigned byte) // both machines are little-endian
{
    uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + 8 * argument + byte;
    return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at);
}

static int restrict_calls(bool files, err *e)
{
    struct sock_filter f[FILTER_MAX];
    unsigned short n = 0;
    f[n++] = LOAD(arch); // numbers of another machine's calls mean something else here
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0);
    f[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    f[n++] = LOAD(nr);
    for (size_t i = 0; i < ALLOWED_N; i++) {
        f[n++] = UNLESS_EQUAL(allowed[i], 1);
        f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; files && i < ON_FILES_N; i++) {
        f[n++] = UNLESS_EQUAL(on_files[i], 1);
        f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    }
    // A thread is fine, a process is not; clone3() hides its flags in memory, so the C library is told to use clone().
    f[n++] = UNLESS_EQUAL(SYS_clone3, 1);
    f[n++] = DENY(ENOSYS);
    f[n++] = UNLESS_EQUAL(SYS_clone, 4);
    f[n++] = LOW(0);
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    f[n++] = DENY(EPERM);
    // Its own limits may be read; its own threads may be signalled, which is how abort() ends.
    f[n++] = UNLESS_EQUAL(SYS_prlimit64, 6);
    f[n++] = LOW(2);
    f[n++] = UNLESS_EQUAL(0, 3);
    f[n++] = HIGH(2);
    f[n++] = UNLESS_EQUAL(0, 1);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    f[n++] = DENY(EPERM);
    f[n++] = UNLESS_EQUAL(SYS_tgkill, 4);
    f[n++] = LOW(0);
    f[n++] = UNLESS_EQUAL(getpid(), 1);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    f[n++] = DENY(EPERM);
    f[n++] = DENY(EPERM);
    struct sock_fprog program = {.len = n, .filter = f};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0) return 0;
    return err_set_errno(e, "system calls cannot be restricted");
}

int sandbox_compute_only(err *e)
{
    return restrict_calls(false, e);
}

int sandbox_files_only(err *e)
{
    return restrict_calls(true, e);
}
