// Every system call for I/O passes a counter first, so that tests can make the nth one fail.
// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_CHUNK = 64 << 10, TEMPORARY_TRIES = 100 };

// Relaxed counters, as in mem.c: who injects faults does so from one thread.
static atomic_uint_fast64_t n_calls;
static atomic_uint_fast64_t fail_at; // 0: off
static atomic_int fail_number;

uint64_t files_fail_at(uint64_t nth, int number)
{
    uint64_t before = atomic_exchange(&n_calls, 0);
    atomic_store(&fail_number, number);
    atomic_store(&fail_at, nth);
    return before;
}

// True, with errno set, if this call is the one that has to fail.
static bool must_fail(void)
{
    uint64_t now = atomic_fetch_add_explicit(&n_calls, 1, memory_order_relaxed) + 1;
    if (now != atomic_load_explicit(&fail_at, memory_order_relaxed)) return false;
    errno = atomic_load_explicit(&fail_number, memory_order_relaxed);
    return true;
}

// The calls, each behind the counter; those that a signal can interrupt go on afterwards.

static int sys_open(const char *path, int flags, unsigned mode)
{
    if (must_fail()) return -1;
    int fd;
    do fd = open(path, flags | O_CLOEXEC, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static int sys_close(int fd)
{
    bool fail = must_fail();
    int number = errno;
    int rc = close(fd); // also when told to fail: a descriptor is gone whatever close() says
    if (fail) errno = number;
    return fail ? -1 : rc;
}

static int sys_fstat(int fd, struct stat *st)
{
    return must_fail() ? -1 : fstat(fd, st);
}

static int sys_stat(const char *path, struct stat *st)
{
    return must_fail() ? -1 : stat(path, st);
}

static ssize_t sys_read(int fd, char *to, size_t len)
{
    if (must_fail()) return -1;
    ssize_t n;
    do n = read(fd, to, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static ssize_t sys_write(int fd, const char *data, size_t len)
{
    if (must_fail()) return -1;
    ssize_t n;
    do n = write(fd, data, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static int sys_fsync(int fd)
{
    if (must_fail()) return -1;
    int rc;
    do rc = fsync(fd);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static int sys_rename(const char *from, const char *to)
{
    return must_fail() ? -1 : rename(from, to);
}

static int sys_mkdir(const char *path, unsigned mode)
{
    return must_fail() ? -1 : mkdir(path, (mode_t)mode);
}

static void *sys_mmap(size_t len, int fd)
{
    return must_fail() ? MAP_FAILED : mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
}

// Reads from a descriptor to its end into `out`, whose ceiling is len_max + 1.
static int read_all(int fd, const char *path, size_t len_max, buf *out, err *e)
{
    for (;;) {
        size_t want = out->cap - out->len; // fill what is there before growing
        if (want == 0) want = out->ceiling - out->len < READ_CHUNK ? out->ceiling - out->len : READ_CHUNK;
        char *to = buf_reserve(out, want);
        if (!to) return err_set(e, ERR_MEMORY, "%s: no memory for more than %zu bytes", path, out->len);
        ssize_t n = sys_read(fd, to, want);
        if (n < 0) return err_set_errno(e, "%s: cannot be read", path);
        if (n == 0) return 0;
        out->len += (size_t)n;
        if (out->len > len_max) return err_set(e, ERR_LIMIT, "%s: more than %zu bytes", path, len_max);
    }
}

int file_read(const char *path, size_t len_max, buf *out, err *e)
{
    if (len_max > PTRDIFF_MAX - 1) len_max = PTRDIFF_MAX - 1;
    buf_init(out, len_max + 1); // one more, to see that there is more
    int rc = 0;
    int fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0) return err_set_errno(e, "%s: cannot be opened", path);
    struct stat st;
    if (sys_fstat(fd, &st) != 0) {
        rc = err_set_errno(e, "%s: cannot be looked at", path);
        goto done;
    }
    if (S_ISDIR(st.st_mode)) {
        rc = err_set(e, ERR_INPUT, "%s: a folder, not a file", path);
        goto done;
    }
    if (S_ISREG(st.st_mode)) {
        if ((uint64_t)st.st_size > len_max) {
            rc = err_set(e, ERR_LIMIT, "%s: %lld bytes, at most %zu", path, (long long)st.st_size, len_max);
            goto done;
        }
        // Sized at once; the file may still grow meanwhile, then the loop does too.
        if (!buf_reserve(out, (size_t)st.st_size + 1)) {
            rc = err_set(e, ERR_MEMORY, "%s: no memory for %lld bytes", path, (long long)st.st_size);
            goto done;
        }
    }
    rc = read_all(fd, path, len_max, out, e);
done:
    sys_close(fd); // nothing was written: its answer does not matter
    if (rc < 0) buf_clear(out);
    return rc;
}

int file_map(const char *path, str *out, err *e)
{
    int rc = 0;
    int fd = sys_open(path, O_RDONLY | O_NONBLOCK, 0); // a FIFO without a writer must not hang us
    if (fd < 0) return err_set_errno(e, "%s: cannot be opened", path);
    struct stat st;
    str map = {NULL, 0};
    if (sys_fstat(fd, &st) != 0) {
        rc = err_set_errno(e, "%s: cannot be looked at", path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = err_set(e, ERR_INPUT, "%s: not a regular file", path);
    } else if (st.st_size > 0) {
        void *start = sys_mmap((size_t)st.st_size, fd);
        if (start == MAP_FAILED)
            rc = err_set_errno(e, "%s: cannot be mapped", path);
        else
            map = (str){start, (size_t)st.st_size};
    }
    sys_close(fd);
    if (rc == 0) *out = map;
    return rc;
}

void file_unmap(str map)
{
    if (map.len > 0) munmap((void *)map.data, map.len);
}

static int write_all(int fd, str content)
{
    while (content.len > 0) {
        ssize_t n = sys_write(fd, content.data, content.len);
        if (n < 0) return -1;
        content.data += n;
        content.len -= (size_t)n;
    }
    return 0;
}

int fd_write_all(int fd, str content, err *e)
{
    if (write_all(fd, content) != 0) return err_set_errno(e, "cannot be written");
    return 0;
}

// The folder that holds `path`, "." if it names none: mem_free().
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return mem_strdup(".");
    return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

// Makes a new file in `folder` under a name that nobody has; *name is for mem_free(). -1 with errno set on failure.
static int open_temporary(const char *folder, unsigned mode, char **name)
{
    static atomic_uint serial;
    for (int i = 0; i < TEMPORARY_TRIES; i++) {
        char last[64];
        snprintf(last, sizeof last, ".slipway-%ld-%u.tmp", (long)getpid(), atomic_fetch_add(&serial, 1));
        char *path = path_join(folder, last);
        if (!path) {
            errno = ENOMEM;
            return -1;
        }
        int fd = sys_open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (fd >= 0) {
            *name = path;
            return fd;
        }
        mem_free(path);
        if (errno != EEXIST) return -1;
    }
    return -1;
}

int file_out_open(file_out *f, const char *path, unsigned mode, err *e)
{
    file_out made = {.path = mem_strdup(path), .folder = folder_of(path), .fd = -1};
    int rc = 0;
    if (!made.path || !made.folder)
        rc = err_set(e, ERR_MEMORY, "%s: no memory for its name", path);
    else if ((made.fd = open_temporary(made.folder, mode, &made.temporary)) < 0)
        rc = err_set_errno(e, "%s: no file can be made in its folder", path);
    if (rc < 0) {
        mem_free(made.path);
        mem_free(made.folder);
        return rc;
    }
    *f = made;
    return 0;
}

int file_out_write(file_out *f, str content, err *e)
{
    return write_all(f->fd, content) == 0 ? 0 : err_set_errno(e, "%s: cannot be written", f->path);
}

// Gives back what it owns; the temporary file is removed unless it was renamed.
static void end_out(file_out *f, bool renamed)
{
    if (f->fd >= 0) sys_close(f->fd);
    if (f->temporary && !renamed) unlink(f->temporary);
    mem_free(f->temporary);
    mem_free(f->folder);
    mem_free(f->path);
    *f = (file_out){.fd = -1};
}

int file_out_commit(file_out *f, err *e)
{
    int rc = 0;
    bool renamed = false;
    if (sys_fsync(f->fd) != 0) {
        rc = err_set_errno(e, "%s: cannot be written", f->path);
        goto done;
    }
    int fd = f->fd;
    f->fd = -1;
    if (sys_close(fd) != 0) {
        rc = err_set_errno(e, "%s: cannot be written", f->path);
        goto done;
    }
    if (sys_rename(f->temporary, f->path) != 0) {
        rc = err_set_errno(e, "%s: cannot be replaced", f->path);
        goto done;
    }
    renamed = true;
    if ((rc = dir_sync(f->folder, e)) < 0)
        err_prefix(e, rc, "%s: written, but might not survive a power loss", f->path);
done:
    end_out(f, renamed);
    return rc;
}

void file_out_abort(file_out *f)
{
    end_out(f, false);
}

int file_write_atomic(const char *path, str content, unsigned mode, err *e)
{
    file_out f;
    TRY(file_out_open(&f, path, mode, e));
    int rc = file_out_write(&f, content, e);
    if (rc < 0) {
        file_out_abort(&f);
        return rc;
    }
    return file_out_commit(&f, e);
}

int file_resume(const char *path, uint64_t at, unsigned mode, int *out, err *e)
{
    struct stat st;
    int rc = 0;
    int fd = sys_open(path, at == 0 ? O_WRONLY | O_CREAT : O_WRONLY, mode);
    if (fd < 0) return err_set_errno(e, "%s: cannot be opened", path);
    if (sys_fstat(fd, &st) != 0)
        rc = err_set_errno(e, "%s: cannot be looked at", path);
    else if ((uint64_t)st.st_size < at)
        rc = err_set(e, ERR_CORRUPT, "%s: %lld bytes, but there were %llu", path, (long long)st.st_size,
                     (unsigned long long)at);
    else if (((uint64_t)st.st_size > at && ftruncate(fd, (off_t)at) != 0) || lseek(fd, (off_t)at, SEEK_SET) < 0)
        rc = err_set_errno(e, "%s: cannot be gone on with", path);
    if (rc < 0)
        sys_close(fd);
    else
        *out = fd;
    return rc;
}

int fd_sync(int fd, err *e)
{
    return sys_fsync(fd) == 0 ? 0 : err_set_errno(e, "cannot be written");
}

int file_rename(const char *from, const char *to, err *e)
{
    char *folder = folder_of(to);
    if (!folder) return err_set(e, ERR_MEMORY, "%s: no memory for its folder", to);
    int rc = sys_rename(from, to) == 0 ? dir_sync(folder, e) : err_set_errno(e, "%s: cannot be replaced", to);
    mem_free(folder);
    return rc;
}

static int make_one(const char *path, unsigned mode, err *e)
{
    if (sys_mkdir(path, mode) == 0) return 0;
    int number = errno;
    struct stat st;
    // EEXIST, but also EROFS or EACCES on a folder that is there already.
    if (sys_stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) return 0;
        return err_set(e, ERR_EXISTS, "%s: exists and is no folder", path);
    }
    if (number != EEXIST) errno = number; // else why it cannot be looked at tells more
    return err_set_errno(e, "%s: the folder cannot be made", path);
}

int dir_make(const char *path, unsigned mode, err *e)
{
    char *part = mem_strdup(path);
    if (!part) return err_set(e, ERR_MEMORY, "%s: no memory for its name", path);
    int rc = 0;
    for (char *p = part; *p && rc == 0; p++) {
        if (p == part || *p != '/' || p[-1] == '/') continue; // ends of names only, not the root, not "//"
        *p = '\0';
        rc = make_one(part, mode, e);
        *p = '/';
    }
    if (rc == 0) rc = make_one(part, mode, e);
    mem_free(part);
    return rc;
}

int dir_sync(const char *path, err *e)
{
    int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return err_set_errno(e, "%s: the folder cannot be opened", path);
    int rc = 0;
    // Some file systems have nothing to sync in a folder and say EINVAL.
    if (sys_fsync(fd) != 0 && errno != EINVAL) rc = err_set_errno(e, "%s: the folder cannot be synced", path);
    sys_close(fd);
    return rc;
}

bool path_exists(const char *path)
{
    struct stat st;
    return sys_stat(path, &st) == 0;
}

char *path_join(const char *dir, const char *name)
{
    size_t dir_len = strlen(dir), name_len = strlen(name);
    bool slash = dir_len > 0 && dir[dir_len - 1] != '/';
    char *joined = mem_alloc(dir_len + slash + name_len + 1, 1);
    if (!joined) return NULL;
    memcpy(joined, dir, dir_len);
    if (slash) joined[dir_len] = '/';
    memcpy(joined + dir_len + slash, name, name_len + 1);
    return joined;
}

// Length of a name without its last extension; a dot in front is no extension.
static size_t without_extension(const char *name, size_t len)
{
    for (size_t i = len; i > 1; i--)
        if (name[i - 1] == '.') return i - 1;
    return len;
}

char *path_stem(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    const char *name = path + start;
    size_t len = end - start;
    size_t stem = without_extension(name, len);
    // A compression's extension does not count as the one.
    if (len - stem == 3 && memcmp(name + stem, ".gz", 3) == 0) stem = without_extension(name, stem);
    return mem_strndup(name, stem);
}
