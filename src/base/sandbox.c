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
#include <netinet/in.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int sandbox_no_new_privileges(err *e)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return 0;
    return err_set_errno(e, "privileges cannot be given up");
}

// ---- files

// Of kernels later than the headers.
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (UINT64_C(1) << 14)
#endif
enum { ACCESS_NET_BIND_TCP = 1, ACCESS_NET_CONNECT_TCP = 2, SCOPE_SIGNALS = 2 };

// struct landlock_ruleset_attr as of ABI_SCOPE; an older kernel takes the beginning that it knows.
typedef struct rule_set {
    uint64_t files, net, scoped;
} rule_set;

enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_SCOPE = 6 };
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

// The version of the kernel's Landlock; 0: it has none, or whoever started us keeps us from it.
static long landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 1 ? 0 : abi;
}

static int make_rules(int *out, long abi, const rule_set *all, err *e)
{
    size_t size = abi >= ABI_SCOPE ? sizeof *all
                  : abi >= ABI_NET ? offsetof(rule_set, scoped)
                                   : offsetof(rule_set, net);
    *out = (int)syscall(SYS_landlock_create_ruleset, all, size, 0);
    return *out < 0 ? err_set_errno(e, "a process cannot be confined") : 0;
}

static int enter(int rules, err *e)
{
    return syscall(SYS_landlock_restrict_self, rules, 0) == 0 ? 0 : err_set_errno(e, "a process cannot be confined");
}

static bool unreachable(int number)
{
    return number == ENOENT || number == EACCES || number == ENOTDIR || number == ELOOP;
}

static int allow(int rules, const sandbox_path *p, uint64_t known, err *e)
{
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0) return unreachable(errno) ? 0 : err_set_errno(e, "%s", p->path);
    struct stat st;
    uint64_t rights = p->write ? known & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE : READING;
    if (p->run) rights |= LANDLOCK_ACCESS_FS_EXECUTE;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) rights &= ON_FILES;
    struct landlock_path_beneath_attr below = {.allowed_access = rights & known, .parent_fd = fd};
    int rc = 0;
    if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) != 0)
        rc = err_set_errno(e, "%s: cannot be allowed", p->path);
    close(fd);
    return rc;
}

int sandbox_files(const sandbox_path *paths, size_t n, bool *confined, err *e)
{
    long abi = landlock_abi();
    if (confined) *confined = abi > 0;
    if (abi == 0) return 0;
    rule_set all = {.files = known_rights(abi), .scoped = SCOPE_SIGNALS};
    int rules;
    TRY(make_rules(&rules, abi, &all, e));
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) rc = allow(rules, &paths[i], all.files, e);
    if (rc == 0) rc = enter(rules, e);
    close(rules);
    if (rc < 0 && confined) *confined = false;
    return rc;
}

int sandbox_tcp(unsigned uses, bool *confined, err *e)
{
    long abi = landlock_abi();
    if (confined) *confined = abi >= ABI_NET;
    if (abi < ABI_NET) return 0;
    rule_set all = {.net = (uses & SANDBOX_BIND ? ACCESS_NET_BIND_TCP : 0) |
                           (uses & SANDBOX_CONNECT ? ACCESS_NET_CONNECT_TCP : 0)};
    int rules;
    TRY(make_rules(&rules, abi, &all, e));
    int rc = enter(rules, e);
    close(rules);
    if (rc < 0 && confined) *confined = false;
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

static int install(struct sock_filter *f, unsigned short n, err *e)
{
    struct sock_fprog program = {.len = n, .filter = f};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0) return 0;
    return err_set_errno(e, "system calls cannot be restricted");
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
    return install(f, n, e);
}

int sandbox_compute_only(err *e)
{
    return restrict_calls(false, e);
}

int sandbox_files_only(err *e)
{
    return restrict_calls(true, e);
}

// ---- a server's calls

// A list of what is denied, where a computation has one of what is allowed: libraries that are opened on first use
// (TLS, names, what they bring along) call what they like in their next version, and a server that a distribution's
// update stops is no safer.
static const int denied[] = {
#if !defined __SANITIZE_ADDRESS__ // which looks for leaks that way
    SYS_ptrace,
#endif
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_perf_event_open,
    SYS_bpf,
    SYS_userfaultfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // other views of the system
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_setns,
    SYS_unshare,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    // the system itself
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_syslog,
    SYS_vhangup,
    SYS_personality,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_migrate_pages,
    SYS_move_pages,
    SYS_execveat, // of memory that was never a file
    // files by name that Landlock does not look at
    SYS_mknodat,
    SYS_fchmodat,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
#ifdef __x86_64__
    SYS_mknod,
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS__sysctl,
#endif
};

// What is asked for by every request comes first: kernels before 5.11 walk through the filter at each call.
static const int often[] = {
    SYS_epoll_pwait, SYS_recvfrom, SYS_sendto, SYS_read, SYS_write, SYS_writev, SYS_futex,
#ifdef __x86_64__
    SYS_epoll_wait,
#endif
};

enum {
    DENIED_N = sizeof denied / sizeof *denied,
    OFTEN_N = sizeof often / sizeof *often,
    SERVER_FILTER_MAX = 96 + 2 * (DENIED_N + OFTEN_N),
    X32_CALLS = 0x40000000, // x86-64 has a second set of numbers
    NAMESPACES =
        CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
};

#define IF_ANY(bits, then, otherwise) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (uint32_t)(bits), (then), (otherwise))
#define IF_EQUAL(value, then, otherwise) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), (then), (otherwise))

// call: denied if the low half of its argument has one of these bits. Leaves the number loaded.
static unsigned short deny_bits(struct sock_filter *f, unsigned short n, int call, unsigned argument, uint32_t bits)
{
    f[n++] = UNLESS_EQUAL(call, 4);
    f[n++] = LOW(argument);
    f[n++] = IF_ANY(bits, 0, 1);
    f[n++] = DENY(EPERM);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    return n;
}

static unsigned short deny_value(struct sock_filter *f, unsigned short n, int call, unsigned argument, uint32_t value)
{
    f[n++] = UNLESS_EQUAL(call, 4);
    f[n++] = LOW(argument);
    f[n++] = IF_EQUAL(value, 0, 1);
    f[n++] = DENY(EPERM);
    f[n++] = LOAD(nr);
    return n;
}

// Sockets of the internet, of this machine, and the kernel's news of addresses, which resolving names asks for; TCP and
// UDP, of which Landlock knows the one.
static unsigned short check_socket(struct sock_filter *f, unsigned short n)
{
    f[n++] = UNLESS_EQUAL(SYS_socket, 11);
    f[n++] = LOW(0);
    f[n++] = IF_EQUAL(AF_UNIX, 7, 0);
    f[n++] = IF_EQUAL(AF_NETLINK, 6, 0);
    f[n++] = IF_EQUAL(AF_INET, 1, 0);
    f[n++] = IF_EQUAL(AF_INET6, 0, 5);
    f[n++] = LOW(2);
    f[n++] = IF_EQUAL(0, 2, 0);
    f[n++] = IF_EQUAL(IPPROTO_TCP, 1, 0);
    f[n++] = IF_EQUAL(IPPROTO_UDP, 0, 1);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    f[n++] = DENY(EPERM);
    return n;
}

int sandbox_server_only(err *e)
{
    struct sock_filter f[SERVER_FILTER_MAX];
    unsigned short n = 0;
    f[n++] = LOAD(arch);
    f[n++] = IF_EQUAL(MACHINE, 1, 0);
    f[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    f[n++] = LOAD(nr);
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
    f[n++] = DENY(ENOSYS);
    for (size_t i = 0; i < OFTEN_N; i++) {
        f[n++] = UNLESS_EQUAL(often[i], 1);
        f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    }
    for (size_t i = 0; i < DENIED_N; i++) {
        f[n++] = UNLESS_EQUAL(denied[i], 1);
        f[n++] = DENY(EPERM);
    }
    f[n++] = UNLESS_EQUAL(SYS_clone3, 1); // hides its flags in memory; the C library takes clone() then
    f[n++] = DENY(ENOSYS);
    n = check_socket(f, n);
    n = deny_value(f, n, SYS_ioctl, 1, TIOCSTI);
    n = deny_value(f, n, SYS_ioctl, 1, TIOCLINUX);
    n = deny_bits(f, n, SYS_clone, 0, NAMESPACES);
    n = deny_bits(f, n, SYS_mprotect, 2, PROT_EXEC);
    n = deny_bits(f, n, SYS_pkey_mprotect, 2, PROT_EXEC);
    n = deny_bits(f, n, SYS_shmat, 2, SHM_EXEC);
    f[n++] = UNLESS_EQUAL(SYS_mmap, 4);
    f[n++] = LOW(2);
    f[n++] = IF_ANY(PROT_WRITE, 0, 2);
    f[n++] = IF_ANY(PROT_EXEC, 0, 1);
    f[n++] = DENY(EPERM);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    return install(f, n, e);
}
