// Blobs on disk. A name is only ever given to whole, synced content, so whoever finds a file under a name may trust it
// up to faults of the disk, which the sum shows.
// SPDX-License-Identifier: Apache-2.0
#include "registry/blobs_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"

enum { FOLDER_MODE = 0700, BLOB_MODE = 0444, LOCK_MODE = 0600, LOCK_POLL_MS = 2, PATH_SIZE = 4096 };

// ---- the lock ----

int lock_init(lock *l, const char *dir, err *e)
{
    *l = (lock){.path = path_join(dir, "lock"), .fd = -1};
    return l->path ? 0 : err_set(e, ERR_MEMORY, "%s: no memory for its lock", dir);
}

void lock_clear(lock *l)
{
    lock_release(l);
    mem_free(l->path);
    l->path = NULL;
}

void lock_release(lock *l)
{
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
}

// Whether the file that we hold is still the one of that name: a failed creation removes it.
static bool is_current(const lock *l)
{
    struct stat held, named;
    return fstat(l->fd, &held) == 0 && stat(l->path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

static int open_lock(lock *l, bool exclusive, err *e)
{
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
    if (l->fd < 0 && (errno == EACCES || errno == EROFS) && !exclusive) l->fd = open(l->path, O_RDONLY | O_CLOEXEC);
    return l->fd < 0 ? err_set_errno(e, "%s: cannot be opened", l->path) : 0;
}

int lock_take(lock *l, bool exclusive, int64_t wait_ms, err *e)
{
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)wait_ms * 1000000u;
    int operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    for (;;) {
        if (l->fd < 0) {
            err why = ERR_NONE;
            int rc = open_lock(l, exclusive, &why);
            if (rc == ERR_NOT_FOUND && !exclusive) return 0;
            if ((rc == ERR_DENIED) && !exclusive && !path_exists(l->path)) return 0;
            if (rc < 0) return err_set(e, rc, "%s", why.msg);
        }
        if (flock(l->fd, operation) == 0) {
            if (is_current(l)) return 0;
            lock_release(l);
            continue;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            err_set_errno(e, "%s: cannot be locked", l->path);
            lock_release(l);
            return ERR_IO;
        }
        if (clock_monotonic_ns() >= deadline) {
            lock_release(l);
            return err_set(e, ERR_BUSY, "%s: held by another process for more than %lld ms", l->path,
                           (long long)wait_ms);
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_POLL_MS * 1000000L}, NULL);
    }
}

// ---- blobs ----

void blob_path(const char *sum, char path[BLOB_PATH_SIZE])
{
    snprintf(path, BLOB_PATH_SIZE, "blobs/%.2s/%.62s", sum, sum + 2);
}

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for the path of a blob");
}

// Whether the file holds exactly these bytes. A file that cannot be read is one to be written again.
static bool holds(const char *path, str content)
{
    str map;
    if (file_map(path, &map, NULL) < 0) return false;
    bool same = str_equal(map, content);
    file_unmap(map);
    return same;
}

int blob_put(const char *dir, const char *sum, str content, bool *added, err *e)
{
    char name[BLOB_PATH_SIZE];
    blob_path(sum, name);
    int rc = 0;
    char *path = path_join(dir, name);
    char *blobs = path_join(dir, "blobs");
    char *folder = path ? mem_strndup(path, strlen(path) - (SHA256_HEX_SIZE - 2)) : NULL;
    if (!path || !blobs || !folder) {
        rc = no_memory(e);
        goto done;
    }
    *added = !path_exists(path);
    if ((rc = dir_make(folder, FOLDER_MODE, e)) < 0) goto done;
    // Who put there what is there may have been killed before it synced the folder.
    if (holds(path, content))
        rc = dir_sync(folder, e);
    else
        rc = file_write_atomic(path, content, BLOB_MODE, e);
    if (rc == 0) rc = dir_sync(blobs, e);
done:
    mem_free(path);
    mem_free(blobs);
    mem_free(folder);
    return rc;
}

int blob_map(const char *dir, const char *sum, str *out, err *e)
{
    char name[BLOB_PATH_SIZE];
    blob_path(sum, name);
    char *path = path_join(dir, name);
    if (!path) return no_memory(e);
    int rc = file_map(path, out, e);
    if (rc == ERR_NOT_FOUND) rc = err_set(e, ERR_CORRUPT, "%s: the blob is not there", path);
    mem_free(path);
    return rc;
}

int blob_remove(const char *dir, const char *sum, err *e)
{
    char name[BLOB_PATH_SIZE];
    blob_path(sum, name);
    char *path = path_join(dir, name);
    if (!path) return no_memory(e);
    int rc = 0;
    if (unlink(path) != 0 && errno != ENOENT) rc = err_set_errno(e, "%s: cannot be removed", path);
    path[strlen(path) - (SHA256_HEX_SIZE - 1)] = '\0';
    rmdir(path); // only if it is empty
    mem_free(path);
    return rc;
}

// ---- looking through the folder ----

static bool is_hex(const char *text, size_t n)
{
    return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

static bool is_temporary(const char *name)
{
    size_t n = strlen(name);
    return strncmp(name, ".slipway-", 9) == 0 && n > 4 && strcmp(name + n - 4, ".tmp") == 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) mem_free(names[i]);
    mem_free(names);
}

int names_list(const char *folder, char ***names, size_t *n, err *e)
{
    DIR *d = opendir(folder);
    if (!d) return err_set_errno(e, "%s: cannot be listed", folder);
    int rc = 0;
    char **list = NULL;
    size_t len = 0, cap = 0;
    for (struct dirent *entry; rc == 0 && (errno = 0, entry = readdir(d));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (len == cap) {
            char **more = mem_realloc(list, cap = cap ? 2 * cap : 16, sizeof *list);
            if (more)
                list = more;
            else
                rc = no_memory(e);
        }
        if (rc == 0 && !(list[len++] = mem_strdup(entry->d_name))) rc = no_memory(e);
    }
    if (rc == 0 && errno != 0) rc = err_set_errno(e, "%s: cannot be listed", folder);
    closedir(d);
    if (rc < 0) {
        names_free(list, len);
        return rc;
    }
    if (len > 0) qsort(list, len, sizeof *list, by_bytes);
    *names = list;
    *n = len;
    return 0;
}

// One thing below blobs/: `folder` is "ab", or NULL for something in blobs/ itself.
static void look_at(const char *dir, const char *folder, const char *name, blob_entry *b)
{
    struct stat st;
    char path[PATH_SIZE];
    *b = (blob_entry){.kind = BLOB_STRANGER};
    if (folder)
        snprintf(b->path, sizeof b->path, "blobs/%s/%s", folder, name);
    else
        snprintf(b->path, sizeof b->path, "blobs/%s", name);
    snprintf(path, sizeof path, "%s/blobs/%s%s%s", dir, folder ? folder : "", folder ? "/" : "", name);
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
    b->size = st.st_size;
    if (folder && is_hex(name, SHA256_HEX_SIZE - 3)) {
        b->kind = BLOB_FILE;
        snprintf(b->sha256, sizeof b->sha256, "%.2s%.62s", folder, name);
    } else if (is_temporary(name)) {
        b->kind = BLOB_TEMPORARY;
    }
}

static int each_in_folder(const char *dir, const char *folder, blob_call *call, void *context, err *e)
{
    char path[PATH_SIZE];
    char **names;
    size_t n;
    snprintf(path, sizeof path, "%s/blobs/%s", dir, folder);
    TRY(names_list(path, &names, &n, e));
    int rc = 0;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        blob_entry b;
        look_at(dir, folder, names[i], &b);
        rc = call(context, &b, e);
    }
    names_free(names, n);
    return rc < 0 ? rc : 0;
}

int blobs_each(const char *dir, blob_call *call, void *context, err *e)
{
    char path[PATH_SIZE];
    char **names;
    size_t n;
    snprintf(path, sizeof path, "%s/blobs", dir);
    TRY(names_list(path, &names, &n, e));
    int rc = 0;
    for (size_t i = 0; i < n && rc >= 0; i++) {
        if (is_hex(names[i], 2)) {
            rc = each_in_folder(dir, names[i], call, context, e);
            continue;
        }
        blob_entry b;
        look_at(dir, NULL, names[i], &b);
        rc = call(context, &b, e);
    }
    names_free(names, n);
    return rc < 0 ? rc : 0;
}
