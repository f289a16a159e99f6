// The functions below have the names of the C library's, so the program and the shared libraries it loads call them.
// Model of a disk: a file's content is durable when the file was synced, a name (made, renamed, removed) when its
// folder was; until then any subset may have arrived, except that of two changes to one name the later needs the
// earlier. Shared-memory files of SQLite ("-shm") are left out: they are made anew after a crash.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // syscall()
#undef _FORTIFY_SOURCE
#include "fault/registry/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { PATH_SIZE = 512, FDS_MAX = 1024, SECTOR = 512 };

typedef enum kind { CREATE, FOLDER, WRITE, RESIZE, SYNC, RENAME, REMOVE } kind;

typedef struct event {
    kind kind;
    int node;             // the file or folder; for names the one they name
    int folder;           // for names: in which folder
    char name[128];       // CREATE, FOLDER, REMOVE; RENAME: the new one
    char old_name[128];   // RENAME
    uint64_t offset, len; // WRITE; RESIZE: len is the size
    char *data;           // WRITE
} event;

static char root[PATH_SIZE];
static size_t root_len;
static bool recording, skipping;
static event *events;
static size_t n_events, events_cap;

static uint64_t n_calls, fail_nth;
static int fail_number;
static bool fail_sticky;

// What is there now, as far as it is watched: node 0 is the root.
typedef struct entry {
    char path[PATH_SIZE]; // below the root
    int node;             // -1: gone
} entry;
static entry *entries;
static size_t n_entries, entries_cap;
static int n_nodes;

static struct fd_state {
    bool watched;
    int node; // -1: not recorded
    uint64_t offset;
} fds[FDS_MAX];

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "disk: %s\n", why);
    abort();
}

static void *grow(void *list, size_t *cap, size_t size)
{
    *cap = *cap ? 2 * *cap : 256;
    void *more = realloc(list, *cap * size);
    if (!more) stop("no memory");
    return more;
}

// ---- the record ----

static const char *below_root(const char *path)
{
    if (root_len == 0 || strncmp(path, root, root_len) != 0) return NULL;
    if (path[root_len] == '\0') return "";
    return path[root_len] == '/' ? path + root_len + 1 : NULL;
}

static bool is_left_out(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, "-shm") == 0;
}

// "a//b/../b" is "a/b".
static void normalise(const char *path, char out[PATH_SIZE])
{
    size_t len = 0;
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && memcmp(path, "..", 2) == 0) {
            while (len > 0 && out[len - 1] != '/') len--;
            if (len > 0) len--;
        } else if (n > 0 && !(n == 1 && path[0] == '.')) {
            if (len + n + 2 > PATH_SIZE) stop("path too long");
            if (len > 0) out[len++] = '/';
            memcpy(out + len, path, n);
            len += n;
        }
        path += n;
        while (*path == '/') path++;
    }
    out[len] = '\0';
}

static entry *find_entry(const char *path)
{
    for (size_t i = 0; i < n_entries; i++)
        if (entries[i].node >= 0 && strcmp(entries[i].path, path) == 0) return &entries[i];
    return NULL;
}

static void add_entry(const char *path, int node)
{
    if (n_entries == entries_cap) entries = grow(entries, &entries_cap, sizeof *entries);
    entry *e = &entries[n_entries++];
    snprintf(e->path, sizeof e->path, "%s", path);
    e->node = node;
}

static int node_of(const char *path)
{
    if (path[0] == '\0') return 0;
    const entry *e = find_entry(path);
    return e ? e->node : -1;
}

static event *add_event(kind k, int node)
{
    if (n_events == events_cap) events = grow(events, &events_cap, sizeof *events);
    event *e = &events[n_events++];
    memset(e, 0, sizeof *e);
    e->kind = k;
    e->node = node;
    return e;
}

// Splits "a/b/c" into the node of "a/b" and "c".
static int split(const char *path, char name[128])
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 0, path);
    if (snprintf(name, 128, "%s", slash ? slash + 1 : path) >= 128) stop("name too long");
    int node = node_of(folder);
    if (node < 0) stop("a folder that was not seen being made");
    return node;
}

static void note_name(kind k, const char *path, int node)
{
    event *e = add_event(k, node);
    e->folder = split(path, e->name);
}

static void note_made(kind k, const char *path)
{
    int node = ++n_nodes;
    note_name(k, path, node);
    add_entry(path, node);
}

static void note_removed(const char *path)
{
    entry *e = find_entry(path);
    if (!e) return;
    note_name(REMOVE, path, e->node);
    e->node = -1;
}

static void note_renamed(const char *from, const char *to)
{
    char old[128];
    entry *e = find_entry(from);
    if (!e) stop("a rename of something unseen");
    int folder = split(from, old), node = e->node;
    event *made = add_event(RENAME, node);
    made->folder = split(to, made->name);
    if (made->folder != folder) stop("a rename between folders is not simulated");
    memcpy(made->old_name, old, sizeof old);
    entry *replaced = find_entry(to);
    if (replaced) replaced->node = -1;
    e->node = -1;
    add_entry(to, node);
}

static void note_write(int fd, const void *data, size_t len, uint64_t offset)
{
    event *e = add_event(WRITE, fds[fd].node);
    e->offset = offset;
    e->len = len;
    e->data = malloc(len ? len : 1);
    if (!e->data) stop("no memory");
    memcpy(e->data, data, len);
}

void disk_watch(const char *folder, bool record)
{
    for (size_t i = 0; i < n_events; i++) free(events[i].data);
    free(events);
    free(entries);
    events = NULL;
    entries = NULL;
    n_events = events_cap = n_entries = entries_cap = 0;
    n_nodes = 0;
    memset(fds, 0, sizeof fds);
    recording = record;
    root_len = folder ? strlen(folder) : 0;
    snprintf(root, sizeof root, "%s", folder ? folder : "");
}

void disk_skip_syncs(bool skip)
{
    skipping = skip;
}

uint64_t disk_fail_at(uint64_t nth, int number, bool sticky)
{
    uint64_t before = n_calls;
    n_calls = 0;
    fail_nth = nth;
    fail_number = number;
    fail_sticky = sticky;
    return before;
}

size_t disk_n_events(void)
{
    return n_events;
}

const char *disk_event_text(size_t i, char text[256])
{
    static const char *const names[] = {"create", "folder", "write", "resize", "sync", "rename", "remove"};
    const event *e = &events[i];
    snprintf(text, 256, "%zu: %s node %d %.90s %.90s offset %llu len %llu", i, names[e->kind], e->node, e->old_name,
             e->name, (unsigned long long)e->offset, (unsigned long long)e->len);
    return text;
}

// ---- the calls ----

static bool must_fail(bool takes_space)
{
    n_calls++;
    if (fail_nth == 0 || n_calls < fail_nth || (n_calls > fail_nth && !(fail_sticky && takes_space))) return false;
    errno = fail_number;
    return true;
}

static struct fd_state *watched(int fd)
{
    return fd >= 0 && fd < FDS_MAX && fds[fd].watched ? &fds[fd] : NULL;
}

static int open_at(const char *path, int flags, mode_t mode)
{
    const char *below = below_root(path);
    char place[PATH_SIZE];
    bool there = false;
    if (below) {
        struct stat st;
        normalise(below, place);
        there = lstat(path, &st) == 0;
        if ((flags & O_CREAT) && !there && must_fail(true)) return -1;
        if (there && (flags & O_TRUNC)) stop("truncating at opening is not simulated");
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd < 0 || !below || fd >= FDS_MAX) return fd;
    fds[fd] = (struct fd_state){.watched = true, .node = -1};
    if (recording && !is_left_out(place)) {
        if (!there) note_made(CREATE, place);
        fds[fd].node = node_of(place);
    }
    return fd;
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED int open(const char *path, int flags, ...);
EXPORTED int open64(const char *path, int flags, ...);
EXPORTED ssize_t write(int fd, const void *data, size_t len);
EXPORTED ssize_t pwrite(int fd, const void *data, size_t len, off_t offset);
EXPORTED ssize_t pwrite64(int fd, const void *data, size_t len, off_t offset);
EXPORTED int ftruncate(int fd, off_t size);
EXPORTED int ftruncate64(int fd, off_t size);
EXPORTED int fsync(int fd);
EXPORTED int fdatasync(int fd);
EXPORTED int rename(const char *from, const char *to);
EXPORTED int unlink(const char *path);
EXPORTED int mkdir(const char *path, mode_t mode);
EXPORTED int rmdir(const char *path);
EXPORTED int close(int fd);

static mode_t mode_of(int flags, va_list args)
{
    return flags & O_CREAT ? (mode_t)va_arg(args, unsigned) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_at(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_at(path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t len)
{
    struct fd_state *s = watched(fd);
    if (s && must_fail(true)) return -1;
    ssize_t n = syscall(SYS_write, fd, data, len);
    if (s && n > 0) {
        if (s->node >= 0) note_write(fd, data, (size_t)n, s->offset);
        s->offset += (uint64_t)n;
    }
    return n;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    struct fd_state *s = watched(fd);
    if (s && must_fail(true)) return -1;
    ssize_t n = syscall(SYS_pwrite64, fd, data, len, offset);
    if (s && n > 0 && s->node >= 0) note_write(fd, data, (size_t)n, (uint64_t)offset);
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return pwrite64(fd, data, len, offset);
}

int ftruncate64(int fd, off_t size)
{
    struct fd_state *s = watched(fd);
    if (s && must_fail(true)) return -1;
    int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (s && rc == 0 && s->node >= 0) add_event(RESIZE, s->node)->len = (uint64_t)size;
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

static int sync_of(int fd, long call)
{
    struct fd_state *s = watched(fd);
    if (s && must_fail(false)) return -1;
    int rc = skipping ? 0 : (int)syscall(call, fd);
    if (s && rc == 0 && s->node >= 0) add_event(SYNC, s->node);
    return rc;
}

int fsync(int fd)
{
    return sync_of(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_of(fd, SYS_fdatasync);
}

int rename(const char *from, const char *to)
{
    const char *below_from = below_root(from), *below_to = below_root(to);
    if ((below_from || below_to) && must_fail(false)) return -1;
    int rc = (int)syscall(SYS_rename, from, to);
    if (rc == 0 && recording && below_from && below_to) {
        char old[PATH_SIZE], new[PATH_SIZE];
        normalise(below_from, old);
        normalise(below_to, new);
        note_renamed(old, new);
    }
    return rc;
}

static int remove_at(const char *path, long call)
{
    const char *below = below_root(path);
    int rc = (int)syscall(call, path);
    if (rc == 0 && recording && below) {
        char place[PATH_SIZE];
        normalise(below, place);
        if (!is_left_out(place)) note_removed(place);
    }
    return rc;
}

int unlink(const char *path)
{
    return remove_at(path, SYS_unlink);
}

int rmdir(const char *path)
{
    return remove_at(path, SYS_rmdir);
}

int mkdir(const char *path, mode_t mode)
{
    const char *below = below_root(path);
    struct stat st;
    if (below && lstat(path, &st) != 0 && must_fail(true)) return -1;
    int rc = (int)syscall(SYS_mkdir, path, mode);
    if (rc == 0 && recording && below) {
        char place[PATH_SIZE];
        normalise(below, place);
        note_made(FOLDER, place);
    }
    return rc;
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS_MAX) fds[fd].watched = false;
    return (int)syscall(SYS_close, fd);
}

// ---- the state after a crash ----

typedef struct crash {
    disk_loss loss;
    rng *r;
    size_t moment;
    size_t *synced; // for each node: events before this one are durable
    struct name {
        int folder, node;
        char name[128];
        bool there; // false: removed
        bool lost;  // a change to it did not arrive, so later ones do not either
    } * names;
    size_t n_names, names_cap;
} crash;

static bool arrives(const crash *c, bool durable)
{
    if (durable || c->loss == DISK_NONE_LOST) return true;
    return c->loss == DISK_SOME_LOST && rng_below(c->r, 2);
}

static struct name *name_at(crash *c, int folder, const char *name)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (c->names[i].folder == folder && strcmp(c->names[i].name, name) == 0) return &c->names[i];
    if (c->n_names == c->names_cap) c->names = grow(c->names, &c->names_cap, sizeof *c->names);
    struct name *n = &c->names[c->n_names++];
    *n = (struct name){.folder = folder};
    snprintf(n->name, sizeof n->name, "%s", name);
    return n;
}

// Plays one change of names, if it arrives.
static void play_name(crash *c, size_t i)
{
    const event *e = &events[i];
    bool durable = i < c->synced[e->folder];
    if (e->kind == RENAME) name_at(c, e->folder, e->old_name); // first: the list may move
    struct name *n = name_at(c, e->folder, e->name);
    struct name *old = e->kind == RENAME ? name_at(c, e->folder, e->old_name) : NULL;
    bool possible = !n->lost && (!old || !old->lost);
    if (!possible || !arrives(c, durable)) {
        if (durable) stop("a durable change of names depends on one that is not");
        n->lost = true;
        if (old) old->lost = true;
        return;
    }
    n->there = e->kind != REMOVE;
    n->node = e->node;
    if (old) old->there = false;
}

typedef struct content {
    char *data;
    size_t len, cap;
} content;

static void resize(content *c, size_t len)
{
    if (len > c->cap) {
        c->data = realloc(c->data, len);
        if (!c->data) stop("no memory");
        c->cap = len;
    }
    if (len > c->len) memset(c->data + c->len, 0, len - c->len);
    c->len = len;
}

// Whole sectors of a write that did not arrive as a whole.
static void play_sectors(const crash *c, const event *e, content *out)
{
    for (uint64_t at = 0; at < e->len;) {
        uint64_t end = (e->offset + at) / SECTOR * SECTOR + SECTOR - e->offset;
        if (end > e->len) end = e->len;
        if (rng_below(c->r, 2)) {
            if (e->offset + end > out->len) resize(out, (size_t)(e->offset + end));
            memcpy(out->data + e->offset + at, e->data + at, (size_t)(end - at));
        }
        at = end;
    }
}

static void play_file(const crash *c, int node, content *out)
{
    out->len = 0;
    for (size_t i = 0; i < c->moment; i++) {
        const event *e = &events[i];
        if (e->node != node || (e->kind != WRITE && e->kind != RESIZE)) continue;
        bool durable = i < c->synced[node];
        if (e->kind == WRITE && !durable && c->loss == DISK_SOME_LOST && rng_below(c->r, 4) == 0) {
            play_sectors(c, e, out);
            continue;
        }
        if (!arrives(c, durable)) continue;
        if (e->kind == RESIZE) {
            resize(out, (size_t)e->len);
            continue;
        }
        if (e->offset + e->len > out->len) resize(out, (size_t)(e->offset + e->len));
        memcpy(out->data + e->offset, e->data, (size_t)e->len);
    }
}

static void put_file(const char *path, const content *c)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || (c->len > 0 && syscall(SYS_write, fd, c->data, c->len) != (long)c->len))
        stop("a state cannot be written");
    syscall(SYS_close, fd);
}

static void put_folder(crash *c, int folder, const char *path, const bool *is_folder, content *room)
{
    if (syscall(SYS_mkdir, path, 0700) != 0) stop("a state's folder cannot be made");
    for (size_t i = 0; i < c->n_names; i++) {
        const struct name *n = &c->names[i];
        if (n->folder != folder || !n->there) continue;
        char inner[2 * PATH_SIZE];
        snprintf(inner, sizeof inner, "%s/%s", path, n->name);
        if (is_folder[n->node]) {
            put_folder(c, n->node, inner, is_folder, room);
        } else {
            play_file(c, n->node, room);
            put_file(inner, room);
        }
    }
}

static disk_lie lie;

void disk_set_lie(disk_lie l)
{
    lie = l;
}

void disk_crash(size_t moment, disk_loss loss, rng *r, const char *to)
{
    crash c = {.loss = loss, .r = r, .moment = moment};
    bool *is_folder = calloc((size_t)n_nodes + 1, sizeof *is_folder);
    c.synced = calloc((size_t)n_nodes + 1, sizeof *c.synced);
    content room = {0};
    if (!is_folder || !c.synced) stop("no memory");
    for (size_t i = 0; i < moment; i++) {
        int node = events[i].node;
        if (events[i].kind == FOLDER) is_folder[node] = true;
        bool is_lie = lie == (node == 0 || is_folder[node] ? DISK_LIES_ABOUT_FOLDERS : DISK_LIES_ABOUT_FILES);
        if (events[i].kind == SYNC && !is_lie) c.synced[node] = i;
    }
    for (size_t i = 0; i < moment; i++) {
        kind k = events[i].kind;
        if (k == CREATE || k == FOLDER || k == RENAME || k == REMOVE) play_name(&c, i);
    }
    put_folder(&c, 0, to, is_folder, &room);
    free(room.data);
    free(c.names);
    free(c.synced);
    free(is_folder);
}
