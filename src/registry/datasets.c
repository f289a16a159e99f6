// Files of datasets and their records. A file gets its name only when it is whole and synced; the lock of the registry
// keeps who adds and who removes apart, as it does for blobs.
// SPDX-License-Identifier: Apache-2.0
#include "registry/datasets.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"
#include "registry/jobs_impl.h"

enum { FOLDER_MODE = 0700, HOUR_MS = 3600000, HOUR_S = 3600 };

#define FOLDER "datasets"
#define PART ".part"

void dataset_record_clear(dataset_record *d)
{
    mem_free(d->profile);
    *d = (dataset_record){0};
}

void dataset_list_clear(dataset_list *l)
{
    for (size_t i = 0; i < l->n; i++) dataset_record_clear(&l->datasets[i]);
    mem_free(l->datasets);
    *l = (dataset_list){0};
}

// Paths.

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a dataset");
}

int registry_dataset_path(registry *r, const char *name, char **out, err *e)
{
    char *folder = path_join(r->dir, FOLDER);
    if (!folder) return no_memory(e);
    int rc = path_exists(folder) ? 0 : dir_make(folder, FOLDER_MODE, e);
    char *path = rc == 0 ? path_join(folder, name) : NULL;
    mem_free(folder);
    if (rc < 0) return rc;
    if (!path) return no_memory(e);
    *out = path;
    return 0;
}

static void part_name(const char *id, char name[64])
{
    snprintf(name, 64, "%s" PART, id);
}

static void remove_file(registry *r, const char *name)
{
    char *path;
    if (registry_dataset_path(r, name, &path, NULL) < 0) return; // the sweep will try again
    unlink(path);
    mem_free(path);
}

// Records.

#define DATASET_COLUMNS "number, id, sha256, size, created_ms, profile"

static int read_dataset(db_query *q, dataset_record *d, err *e)
{
    d->number = db_integer(q, 0);
    d->size = db_integer(q, 3);
    d->created_ms = db_integer(q, 4);
    TRY(jobs_short_text(q, 1, d->id, sizeof d->id, e));
    TRY(jobs_short_text(q, 2, d->sha256, sizeof d->sha256, e));
    return jobs_text(q, 5, &d->profile, e);
}

// The first row, or ERR_NOT_FOUND without a message. Ends the query.
static int take_dataset(db_query *q, dataset_record *out, err *e)
{
    dataset_record d = {0};
    int rc = db_next(q, e);
    rc = rc > 0 ? read_dataset(q, &d, e) : rc < 0 ? rc : ERR_NOT_FOUND;
    db_end(q);
    if (rc < 0)
        dataset_record_clear(&d);
    else
        *out = d;
    return rc;
}

static int not_found(const char *what, const char *id, err *e)
{
    return err_set(e, ERR_NOT_FOUND, "there is no %s \"%.40s\"", what, id);
}

int registry_dataset_find(registry *r, const char *tenant, const char *id, dataset_record *out, err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e, "SELECT " DATASET_COLUMNS " FROM datasets WHERE id = ?1 AND tenant = ?2", "ss", id,
                 tenant));
    int rc = take_dataset(q, out, e);
    return rc == ERR_NOT_FOUND ? not_found("dataset", id, e) : rc;
}

static int find_content(registry *r, const char *tenant, const char *sum, dataset_record *out, err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e, "SELECT " DATASET_COLUMNS " FROM datasets WHERE tenant = ?1 AND sha256 = ?2", "ss",
                 tenant, sum));
    return take_dataset(q, out, e);
}

int registry_datasets(registry *r, const char *tenant, int64_t before, size_t n_max, dataset_list *out, err *e)
{
    db_query *q;
    dataset_list l = {.datasets = mem_zalloc(n_max, sizeof *l.datasets)};
    if (!l.datasets) return no_memory(e);
    int rc = db_start(&q, r->db, e,
                      "SELECT " DATASET_COLUMNS " FROM datasets WHERE tenant = ?1 AND (?2 = 0 OR number < ?2)"
                      " ORDER BY number DESC LIMIT ?3",
                      "sii", tenant, before, (int64_t)n_max);
    if (rc == 0) {
        while (l.n < n_max && (rc = db_next(q, e)) > 0 && (rc = read_dataset(q, &l.datasets[l.n++], e)) == 0) {
        }
        db_end(q);
    }
    if (rc < 0)
        dataset_list_clear(&l);
    else
        *out = l;
    return rc < 0 ? rc : 0;
}

int registry_dataset_profile(registry *r, const char *id, const char *profile, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = db_run(r->db, e, "UPDATE datasets SET profile = ?2 WHERE id = ?1", "ss", id, profile);
    return jobs_end_change(r, rc, e);
}

static int names_content(registry *r, const char *sum, bool *named, err *e)
{
    int64_t n;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM (SELECT 1 FROM datasets WHERE sha256 = ?1 LIMIT 1)", "s",
                        sum));
    *named = n > 0;
    return 0;
}

// Adding.

static int insert(registry *r, const char *tenant, const char *sum, int64_t size, dataset_record *d, bool *existed,
                  err *e)
{
    int rc = find_content(r, tenant, sum, d, e);
    *existed = rc == 0;
    if (rc != ERR_NOT_FOUND) return rc;
    TRY(registry_new_id(r, d->id, e));
    TRY(db_run(r->db, e, "INSERT INTO datasets(id, tenant, sha256, size, created_ms) VALUES(?1, ?2, ?3, ?4, ?5)",
               "sssii", d->id, tenant, sum, size, clock_utc_ms()));
    TRY(jobs_audit(r, tenant, "dataset.create", d->id, NULL, e));
    return find_content(r, tenant, sum, d, e);
}

// The file gets its name, then the record is made. Under the shared lock.
static int store(registry *r, const char *tenant, const char *from, const char *to, const char *sum, int64_t size,
                 dataset_record *out, bool *existed, err *e)
{
    dataset_record d = {0};
    TRY(file_rename(from, to, e)); // over one that is there: its content is the same
    TRY(registry_begin_change(r, e));
    int rc = jobs_end_change(r, insert(r, tenant, sum, size, &d, existed, e), e);
    if (rc < 0)
        dataset_record_clear(&d);
    else
        *out = d;
    return rc;
}

// A file that no record names, unless somebody is adding, who may have come to rely on it.
static void discard(registry *r, const char *sum)
{
    bool named = true;
    if (lock_take(&r->lock, true, 0, NULL) < 0) return;
    if (names_content(r, sum, &named, NULL) == 0 && !named) remove_file(r, sum);
    lock_release(&r->lock);
}

int registry_dataset_add(registry *r, const char *tenant, const char *file, const char *sum, int64_t size,
                         dataset_record *out, bool *existed, err *e)
{
    char *from = NULL, *to = NULL;
    int rc = r->read_only ? err_set(e, ERR_DENIED, "%s: opened for reading only", r->dir) : 0;
    if (rc == 0) rc = registry_dataset_path(r, file, &from, e);
    if (rc == 0) rc = registry_dataset_path(r, sum, &to, e);
    if (rc == 0) rc = lock_take(&r->lock, false, LOCK_WAIT_MS, e);
    if (rc == 0) {
        rc = store(r, tenant, from, to, sum, size, out, existed, e);
        lock_release(&r->lock);
        if (rc < 0) discard(r, sum);
    }
    if (rc < 0) remove_file(r, file);
    mem_free(from);
    mem_free(to);
    return rc;
}

// Removing.

static int forget(registry *r, const char *tenant, const char *id, dataset_record *d, bool *named, err *e)
{
    int64_t n;
    TRY(registry_dataset_find(r, tenant, id, d, e));
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM runs WHERE dataset = ?1 AND state IN ('queued', 'running')",
                        "s", id));
    if (n > 0)
        return err_set(e, ERR_CONFLICT, "%" PRId64 " run%s of this dataset have not ended", n, n == 1 ? "" : "s");
    TRY(db_run(r->db, e, "DELETE FROM datasets WHERE id = ?1", "s", id));
    TRY(jobs_audit(r, tenant, "dataset.remove", id, NULL, e));
    return names_content(r, d->sha256, named, e);
}

int registry_dataset_remove(registry *r, const char *tenant, const char *id, err *e)
{
    dataset_record d = {0};
    bool named = true;
    TRY(lock_take(&r->lock, true, LOCK_WAIT_MS, e));
    int rc = registry_begin_change(r, e);
    if (rc == 0) rc = jobs_end_change(r, forget(r, tenant, id, &d, &named, e), e);
    if (rc == 0 && !named) remove_file(r, d.sha256);
    lock_release(&r->lock);
    dataset_record_clear(&d);
    return rc;
}

// Uploads.

static int add_upload(registry *r, const upload_addition *a, err *e)
{
    int64_t n, now = clock_utc_ms();
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM uploads WHERE tenant = ?1", "s", a->tenant));
    if (n >= UPLOADS_MAX) return err_set(e, ERR_BUSY, "%" PRId64 " uploads are open already", n);
    TRY(db_run(r->db, e,
               "INSERT INTO uploads(id, tenant, size, received, sha256, created_ms, touched_ms)"
               " VALUES(?1, ?2, ?3, 0, ?4, ?5, ?5)",
               "ssisi", a->id, a->tenant, a->size, a->sha256, now));
    return jobs_keep(r, &a->key, a->status, a->location, a->body, e);
}

int registry_upload_add(registry *r, const upload_addition *a, kept_answer *kept, err *e)
{
    *kept = (kept_answer){0};
    TRY(registry_begin_change(r, e));
    int rc = registry_answer_find(r, &a->key, kept, e);
    if (rc == ERR_NOT_FOUND) return jobs_end_change(r, add_upload(r, a, e), e);
    db_roll_back(r->db);
    return rc;
}

int registry_upload_find(registry *r, const char *tenant, const char *id, upload_record *out, err *e)
{
    db_query *q;
    upload_record u = {0};
    TRY(db_start(&q, r->db, e,
                 "SELECT id, size, received, created_ms, sha256 FROM uploads WHERE id = ?1 AND tenant = ?2", "ss", id,
                 tenant));
    int rc = db_next(q, e);
    if (rc == 0) rc = not_found("upload", id, e);
    if (rc > 0) rc = jobs_short_text(q, 0, u.id, sizeof u.id, e);
    if (rc == 0) rc = jobs_short_text(q, 4, u.sha256, sizeof u.sha256, e);
    u.size = rc == 0 ? db_integer(q, 1) : 0;
    u.received = rc == 0 ? db_integer(q, 2) : 0;
    u.created_ms = rc == 0 ? db_integer(q, 3) : 0;
    db_end(q);
    if (rc == 0) *out = u;
    return rc;
}

int registry_upload_grow(registry *r, const char *id, int64_t received, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = db_run(r->db, e, "UPDATE uploads SET received = ?2, touched_ms = ?3 WHERE id = ?1", "sii", id, received,
                    clock_utc_ms());
    return jobs_end_change(r, rc, e);
}

static int drop_upload(registry *r, const char *tenant, const char *id, err *e)
{
    TRY(db_run(r->db, e, "DELETE FROM uploads WHERE id = ?1 AND tenant = ?2", "ss", id, tenant));
    return db_changed(r->db) > 0 ? 0 : not_found("upload", id, e);
}

int registry_upload_remove(registry *r, const char *tenant, const char *id, err *e)
{
    char name[64];
    TRY(registry_begin_change(r, e));
    TRY(jobs_end_change(r, drop_upload(r, tenant, id, e), e));
    part_name(id, name);
    remove_file(r, name);
    return 0;
}

// Sweeping.

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), k = strlen(end);
    return n > k && strcmp(name + n - k, end) == 0;
}

// Whether a file may go: nobody names it, and it is old enough to be nobody's work.
static int is_left(registry *r, const char *path, const char *name, int64_t now_ms, bool *left, err *e)
{
    struct stat st;
    *left = false;
    if (stat(path, &st) != 0 || st.st_mtime > now_ms / 1000 - HOUR_S) return 0;
    if (strlen(name) == SHA256_HEX_SIZE - 1) {
        bool named = true;
        TRY(names_content(r, name, &named, e));
        *left = !named;
        return 0;
    }
    if (ends_with(name, PART)) {
        int64_t n;
        str id = {name, strlen(name) - strlen(PART)};
        TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM uploads WHERE id = ?1", "t", id));
        *left = n == 0;
        return 0;
    }
    *left = ends_with(name, ".tmp");
    return 0;
}

int registry_datasets_sweep(registry *r, int64_t now_ms, err *e)
{
    char **names, *folder = path_join(r->dir, FOLDER);
    size_t n;
    if (!folder) return no_memory(e);
    int rc = path_exists(folder) ? 0 : ERR_NOT_FOUND;
    if (rc == 0) rc = names_list(folder, &names, &n, e);
    mem_free(folder);
    if (rc < 0) return rc == ERR_NOT_FOUND ? 0 : rc;
    rc = lock_take(&r->lock, true, LOCK_WAIT_MS, e);
    bool locked = rc == 0;
    if (rc == 0) rc = registry_begin_change(r, e);
    if (rc == 0)
        rc = jobs_end_change(r,
                             db_run(r->db, e, "DELETE FROM uploads WHERE touched_ms < ?1", "i",
                                    now_ms - (int64_t)UPLOAD_HOURS * HOUR_MS),
                             e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *path;
        bool left;
        if ((rc = registry_dataset_path(r, names[i], &path, e)) < 0) break;
        rc = is_left(r, path, names[i], now_ms, &left, e);
        if (rc == 0 && left) unlink(path);
        mem_free(path);
    }
    if (locked) lock_release(&r->lock);
    names_free(names, n);
    return rc;
}
