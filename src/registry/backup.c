// Backups: the whole registry as one archive, and back. docs/formats/registry.md describes it.
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/place_impl.h"
#include "registry/registry_impl.h"
#include "registry/tar_impl.h"

enum { SUMS_BYTES_MAX = 1 << 30, DATABASE_MODE = 0600, BLOB_MODE = 0444, TEXT_MODE = 0644, ARCHIVE_MODE = 0600 };
enum { SUM_LEN = SHA256_HEX_SIZE - 1 };

#define FORMAT_LINE "slipway registry backup 1\n"

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a backup");
}

// "PATH.SUFFIX": mem_free(). NULL without memory.
static char *beside(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 2;
    char *text = mem_alloc(size, 1);
    if (text) snprintf(text, size, "%s.%s", path, suffix);
    return text;
}

// ---- backup ----

static void add_line(buf *sums, const char *sum, const char *name)
{
    buf_format(sums, "%s  %s\n", sum, name);
}

// The list of sums: the snapshot's, and those of all blobs that it names.
static int list_sums(buf *sums, const char *snapshot_path, str snapshot, err *e)
{
    char sum[SHA256_HEX_SIZE], name[BLOB_PATH_SIZE];
    db *d;
    db_query *q;
    sha256_hex_of(snapshot.data, snapshot.len, sum);
    add_line(sums, sum, "registry.db");
    TRY(db_open(&d, snapshot_path, DB_WRITE, e)); // ours, and read only
    int rc = db_start(&q, d, e, "SELECT DISTINCT sha256 FROM version_blobs ORDER BY sha256", "");
    if (rc == 0) {
        str text;
        while ((rc = db_next(q, e)) > 0 && (rc = db_text(q, 0, &text, e)) == 0) {
            if (text.len != SUM_LEN || strspn(text.data, "0123456789abcdef") != SUM_LEN) {
                rc = err_set(e, ERR_CORRUPT, "a version names a blob by what is no SHA-256");
                break;
            }
            memcpy(sum, text.data, sizeof sum);
            blob_path(sum, name);
            add_line(sums, sum, name);
        }
        db_end(q);
    }
    db_close(d);
    return rc < 0 ? rc : buf_check(sums, e);
}

static int write_blob(registry *r, file_out *out, const char *sum, int64_t now, err *e)
{
    str content;
    char name[BLOB_PATH_SIZE], seen[SHA256_HEX_SIZE];
    blob_path(sum, name);
    TRY(blob_map(r->dir, sum, &content, e));
    sha256_hex_of(content.data, content.len, seen);
    int rc = strcmp(seen, sum) == 0 ? 0 : err_set(e, ERR_CORRUPT, "%s: its content is not what was stored", name);
    if (rc == 0) rc = tar_write(out, name, content, BLOB_MODE, now, e);
    file_unmap(content);
    return rc;
}

static int write_members(registry *r, file_out *out, str snapshot, str sums, err *e)
{
    int64_t now = clock_utc_ms() / 1000;
    TRY(tar_write(out, "FORMAT", STR(FORMAT_LINE), TEXT_MODE, now, e));
    TRY(tar_write(out, "SHA256SUMS", sums, TEXT_MODE, now, e));
    TRY(tar_write(out, "registry.db", snapshot, DATABASE_MODE, now, e));
    const char *end = sums.data + sums.len;
    for (const char *line = (const char *)memchr(sums.data, '\n', sums.len) + 1; line < end;
         line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
        char sum[SHA256_HEX_SIZE];
        snprintf(sum, sizeof sum, "%.64s", line);
        TRY(write_blob(r, out, sum, now, e));
    }
    return tar_end(out, e);
}

static int write_archive(registry *r, const char *path, const char *snapshot_path, err *e)
{
    str snapshot = {NULL, 0};
    buf sums;
    file_out out;
    buf_init(&sums, SUMS_BYTES_MAX);
    int rc = file_map(snapshot_path, &snapshot, e);
    if (rc == 0) rc = list_sums(&sums, snapshot_path, snapshot, e);
    if (rc == 0 && (rc = file_out_open(&out, path, ARCHIVE_MODE, e)) == 0) {
        rc = write_members(r, &out, snapshot, buf_str(&sums), e);
        if (rc == 0)
            rc = file_out_commit(&out, e);
        else
            file_out_abort(&out);
    }
    file_unmap(snapshot);
    buf_clear(&sums);
    return rc;
}

// What SQLite may leave beside a snapshot.
static void remove_snapshot(const char *path)
{
    static const char *const suffixes[] = {"-wal", "-shm", "-journal", ""};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[4096];
        if (snprintf(name, sizeof name, "%s%s", path, suffixes[i]) < (int)sizeof name) unlink(name);
    }
}

int registry_backup(registry *r, const char *path, err *e)
{
    char suffix[48];
    if (strlen(path) > 3000) return err_set(e, ERR_INPUT, "%.80s...: the path is too long", path);
    if (path_exists(path)) return err_set(e, ERR_EXISTS, "%s: is there already", path);
    snprintf(suffix, sizeof suffix, "%ld.snapshot", (long)getpid());
    char *snapshot = beside(path, suffix);
    if (!snapshot) return no_memory(e);
    remove_snapshot(snapshot);
    int rc = lock_take(&r->lock, false, LOCK_WAIT_MS, e); // the blobs it names must not be collected
    if (rc == 0) {
        rc = db_copy(r->db, snapshot, e);
        if (rc == 0) rc = write_archive(r, path, snapshot, e);
        lock_release(&r->lock);
    }
    remove_snapshot(snapshot);
    mem_free(snapshot);
    return rc < 0 ? err_prefix(e, rc, "backup") : 0;
}

// ---- restore ----

// The next line of the list of sums, as a sum and a name; false if there is none, or it is not in its form.
static bool next_line(str *sums, char sum[SHA256_HEX_SIZE], str *name)
{
    const char *end = sums->len ? memchr(sums->data, '\n', sums->len) : NULL;
    if (!end || end - sums->data < SUM_LEN + 3) return false;
    memcpy(sum, sums->data, SUM_LEN);
    sum[SUM_LEN] = '\0';
    *name = (str){sums->data + SUM_LEN + 2, (size_t)(end - sums->data) - SUM_LEN - 2};
    if (strspn(sum, "0123456789abcdef") != SUM_LEN || memcmp(sums->data + SUM_LEN, "  ", 2) != 0) return false;
    *sums = (str){end + 1, sums->len - (size_t)(end + 1 - sums->data)};
    return true;
}

// Checks a member against its line in the list and puts it into the folder.
static int restore_member(const char *dir, const char *name, str content, str *sums, bool first, err *e)
{
    char sum[SHA256_HEX_SIZE], seen[SHA256_HEX_SIZE], wanted[BLOB_PATH_SIZE];
    str listed;
    if (!next_line(sums, sum, &listed) || !str_equal(listed, str_of(name)))
        return err_set(e, ERR_FORMAT, "%s: not what the list of sums has at its place", name);
    blob_path(sum, wanted);
    if (strcmp(name, first ? "registry.db" : wanted) != 0)
        return err_set(e, ERR_FORMAT, "%s: a name that no file of a backup has", name);
    sha256_hex_of(content.data, content.len, seen);
    if (strcmp(seen, sum) != 0) return err_set(e, ERR_CORRUPT, "%s: its content has another sum than was listed", name);
    bool added;
    if (!first) return blob_put(dir, sum, content, &added, e);
    char *path = path_join(dir, name);
    if (!path) return no_memory(e);
    int rc = file_write_atomic(path, content, DATABASE_MODE, e);
    mem_free(path);
    return rc;
}

static int unpack(str whole, const char *dir, err *e)
{
    str rest = whole, content, sums;
    char name[TAR_NAME_MAX + 1];
    int rc = tar_next(whole, &rest, name, &content, e);
    if (rc < 0) return rc;
    if (rc == 0 || strcmp(name, "FORMAT") != 0 || content.len < 25 || memcmp(content.data, FORMAT_LINE, 24) != 0)
        return err_set(e, ERR_FORMAT, "not a backup of a registry");
    if (!str_equal(content, STR(FORMAT_LINE)))
        return err_set(e, ERR_UNSUPPORTED, "made by a newer Slipway (\"%.*s\")",
                       (int)(content.len < 40 ? content.len - 1 : 40), content.data);
    if ((rc = tar_next(whole, &rest, name, &sums, e)) < 0) return rc;
    if (rc == 0 || strcmp(name, "SHA256SUMS") != 0)
        return err_set(e, ERR_FORMAT, "the list of sums is not at its place");
    for (bool first = true; (rc = tar_next(whole, &rest, name, &content, e)) > 0; first = false)
        TRY(restore_member(dir, name, content, &sums, first, e));
    if (rc == 0 && sums.len > 0) rc = err_set(e, ERR_FORMAT, "files of the list of sums are missing");
    return rc;
}

static void keep_first_fault(void *context, const char *line)
{
    char *first = context;
    if (strncmp(line, "fault: ", 7) == 0 && !first[0]) snprintf(first, 160, "%s", line + 7);
}

// Opens what was unpacked and looks through all of it.
static int inspect(const char *dir, err *e)
{
    registry *r;
    int64_t n_faults;
    char first[160] = "";
    TRY(registry_open(&r, dir, NULL, e));
    int rc = registry_fsck(r, keep_first_fault, first, &n_faults, e);
    if (rc == 0 && n_faults > 0) rc = err_set(e, ERR_CORRUPT, "%" PRId64 " faults; the first: %s", n_faults, first);
    registry_close(r);
    return rc < 0 ? rc : dir_sync(dir, e);
}

static void remove_tree(const char *path)
{
    char **names;
    size_t n;
    struct stat st;
    if (lstat(path, &st) != 0) return;
    if (S_ISDIR(st.st_mode) && names_list(path, &names, &n, NULL) == 0) {
        for (size_t i = 0; i < n; i++) {
            char *inner = path_join(path, names[i]);
            if (inner) remove_tree(inner);
            mem_free(inner);
        }
        names_free(names, n);
    }
    remove(path);
}

static int check_empty(const char *dir, err *e)
{
    char **names;
    size_t n;
    if (!path_exists(dir)) return 0;
    TRY(names_list(dir, &names, &n, e));
    names_free(names, n);
    return n == 0 ? 0 : err_set(e, ERR_EXISTS, "%s: not empty", dir);
}

// The folder that holds `path`, synced.
static int sync_parent(const char *path, err *e)
{
    char *parent = path_join(path, "..");
    if (!parent) return no_memory(e);
    int rc = dir_sync(parent, e);
    mem_free(parent);
    return rc;
}

static int restore_into(const char *temporary, str whole, const char *dir, err *e)
{
    char *blobs = path_join(temporary, "blobs");
    int rc = blobs ? dir_make(blobs, 0700, e) : no_memory(e);
    mem_free(blobs);
    if (rc == 0) rc = unpack(whole, temporary, e);
    if (rc == 0) rc = inspect(temporary, e);
    if (rc == 0 && rename(temporary, dir) != 0) rc = err_set_errno(e, "%s: cannot be replaced", dir);
    if (rc < 0) {
        remove_tree(temporary);
        return rc;
    }
    return sync_parent(dir, e);
}

int registry_restore(const char *path, const char *dir, err *e)
{
    str whole;
    char suffix[48];
    char *bare = mem_strdup(dir);
    if (!bare) return no_memory(e);
    for (size_t n = strlen(bare); n > 1 && bare[n - 1] == '/'; n--) bare[n - 1] = '\0';
    snprintf(suffix, sizeof suffix, "%ld.restore", (long)getpid());
    char *temporary = beside(bare, suffix);
    int rc = temporary ? check_empty(bare, e) : no_memory(e);
    if (rc == 0) rc = place_check(bare, e);
    if (rc == 0 && (rc = file_map(path, &whole, e)) == 0) {
        rc = restore_into(temporary, whole, bare, e);
        file_unmap(whole);
        if (rc < 0) err_prefix(e, rc, "%s", path);
    }
    mem_free(temporary);
    mem_free(bare);
    return rc;
}
