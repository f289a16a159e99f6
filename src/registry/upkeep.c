// Upkeep: collecting what nobody names, and looking for damage.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/mem.h"
#include "registry/registry_impl.h"

// ---- gc ----

typedef struct collection {
    registry *r;
    int64_t n, bytes;
} collection;

static int collect(void *context, const blob_entry *b, err *e)
{
    collection *c = context;
    bool named = false;
    if (b->kind == BLOB_STRANGER) return 0;
    if (b->kind == BLOB_FILE) {
        TRY(registry_names_blob(c->r, b->sha256, &named, e));
        if (named) return 0;
        TRY(blob_remove(c->r->dir, b->sha256, e));
    } else {
        char *path = path_join(c->r->dir, b->path);
        if (!path) return err_set(e, ERR_MEMORY, "%s: no memory for its name", b->path);
        int rc = unlink(path) == 0 ? 0 : err_set_errno(e, "%s: cannot be removed", path);
        mem_free(path);
        if (rc < 0) return rc;
    }
    c->n++;
    c->bytes += b->size;
    return 0;
}

int registry_gc(registry *r, int64_t *n_removed, int64_t *bytes, err *e)
{
    collection c = {.r = r};
    if (r->read_only) return err_set(e, ERR_DENIED, "%s: opened for reading only", r->dir);
    TRY(lock_take(&r->lock, true, LOCK_WAIT_MS, e));
    int rc = blobs_each(r->dir, collect, &c, e);
    lock_release(&r->lock);
    if (n_removed) *n_removed = c.n;
    if (bytes) *bytes = c.bytes;
    return rc;
}

// ---- fsck ----

typedef struct inspection {
    registry *r;
    registry_report *report;
    void *context;
    int64_t n_faults;
    size_t n_sums, sums_cap;
    struct blob_sum {
        char sum[SHA256_HEX_SIZE];
        int64_t size;
    } * sums; // every blob that a version names, sorted, each once
} inspection;

__attribute__((format(printf, 3, 4))) static void say(inspection *s, bool fault, const char *format, ...)
{
    char line[600];
    size_t len = (size_t)snprintf(line, sizeof line, "%s", fault ? "fault: " : "note: ");
    va_list args;
    va_start(args, format);
    vsnprintf(line + len, sizeof line - len, format, args);
    va_end(args);
    if (fault) s->n_faults++;
    if (s->report) s->report(s->context, line);
}

// Damage shows as an error of whatever met it: then it is a fault like others. What else goes wrong ends the
// inspection.
static int as_fault(inspection *s, int rc, const err *why, err *e)
{
    if (rc != ERR_CORRUPT) return rc < 0 ? err_set(e, rc, "%s", why->msg) : 0;
    say(s, true, "%s", why->msg);
    return 0;
}

// Every row of a query is a fault, told by its first column.
// SQLite's check tells a lack of memory as if it were a fault of the database: "... error code=7".
static bool tells_of_no_memory(str text)
{
    static const char code[] = "error code=7";
    return text.len > 0 && memmem(text.data, text.len, code, sizeof code - 1) != NULL;
}

static int rows_are_faults(inspection *s, const char *what, const char *sql, err *e)
{
    db_query *q;
    str text;
    int rc;
    TRY(db_start(&q, s->r->db, e, sql, ""));
    while ((rc = db_next(q, e)) > 0 && (rc = db_text(q, 0, &text, e)) == 0) {
        if (tells_of_no_memory(text)) {
            rc = err_set(e, ERR_MEMORY, "no memory to check the database");
            break;
        }
        say(s, true, "%s: " STR_FORMAT, what, STR_ARGS(text));
    }
    db_end(q);
    return rc;
}

static int inspect_records(inspection *s, err *e)
{
    static const struct {
        const char *what, *sql;
    } checks[] = {
        {"database", "SELECT integrity_check FROM pragma_integrity_check(100) WHERE integrity_check <> 'ok'"},
        {"reference", "SELECT \"table\" || ' row ' || coalesce(rowid, '?') FROM pragma_foreign_key_check"},
        {"counter", "SELECT 'meta has ' || count(*) || ' rows' FROM meta HAVING count(*) <> 1"},
        {"model", "SELECT name || ' would use a version''s number again' FROM models m WHERE version_next <="
                  " (SELECT max(version) FROM versions v WHERE v.model = m.id)"},
        {"alias",
         "SELECT m.name || '@' || a.alias || ' points at version ' || h.version || ', which is not there'"
         " FROM aliases a JOIN models m ON m.id = a.model JOIN alias_history h ON h.id = a.entry WHERE NOT EXISTS("
         " SELECT 1 FROM versions v WHERE v.model = a.model AND v.version = h.version)"},
        {"alias",
         "SELECT m.name || '@' || a.alias || ' stands in another history' FROM aliases a JOIN models m ON m.id ="
         " a.model JOIN alias_history h ON h.id = a.entry WHERE h.model <> a.model OR h.alias <> a.alias"},
        {"history", "SELECT 'entry ' || h.id || ' goes back to ' || b.id FROM alias_history h JOIN alias_history b ON"
                    " b.id = h.before WHERE b.id >= h.id OR b.model <> h.model OR b.alias <> h.alias"},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        TRY(rows_are_faults(s, checks[i].what, checks[i].sql, e));
    return 0;
}

static int inspect_blob_records(inspection *s, const char *who, int64_t model, int64_t version, const package *p,
                                err *e)
{
    int64_t n, size = (int64_t)p->manifest_len;
    TRY(db_find_integer(s->r->db, &n, e, "SELECT count(*) FROM version_blobs WHERE model = ?1 AND version = ?2", "ii",
                        model, version));
    bool same = n == (int64_t)p->n_blobs;
    for (size_t i = 0; i < p->n_blobs && same; i++) {
        const package_blob *b = &p->blobs[i];
        TRY(db_find_integer(s->r->db, &n, e,
                            "SELECT count(*) FROM version_blobs WHERE model = ?1 AND version = ?2 AND role = ?3 AND"
                            " sha256 = ?4 AND size = ?5",
                            "iissi", model, version, b->role, b->sha256, (int64_t)b->size));
        same = n == 1;
        size += (int64_t)b->size;
    }
    if (!same) say(s, true, "%s: its blobs are not those of its manifest", who);
    TRY(db_find_integer(s->r->db, &n, e, "SELECT size FROM versions WHERE model = ?1 AND version = ?2", "ii", model,
                        version));
    if (same && n != size) say(s, true, "%s: has %" PRId64 " bytes, not %" PRId64, who, size, n);
    return 0;
}

// One row of model, version, name, digest, manifest.
static int inspect_version(inspection *s, db_query *q, err *e)
{
    str name, digest, manifest;
    char who[128], sum[SHA256_HEX_SIZE];
    TRY(db_text(q, 2, &name, e));
    TRY(db_text(q, 3, &digest, e));
    TRY(db_text(q, 4, &manifest, e));
    snprintf(who, sizeof who, STR_FORMAT "@%" PRId64, STR_ARGS(name), db_integer(q, 1));
    sha256_hex_of(manifest.data, manifest.len, sum);
    if (!str_equal(digest, str_of(sum))) {
        say(s, true, "%s: the manifest is not what was stored", who);
        return 0;
    }
    package *p;
    err why = ERR_NONE;
    int rc = package_read_manifest(&p, manifest, &why);
    if (rc == ERR_MEMORY) return err_set(e, rc, "%s", why.msg);
    if (rc < 0) {
        say(s, true, "%s: %s", who, why.msg);
        return 0;
    }
    rc = inspect_blob_records(s, who, db_integer(q, 0), db_integer(q, 1), p, e);
    package_free(p);
    return rc;
}

static int inspect_versions(inspection *s, err *e)
{
    db_query *q;
    int rc;
    TRY(db_start(
        &q, s->r->db, e,
        "SELECT v.model, v.version, m.name, v.digest, v.manifest FROM versions v JOIN models m ON m.id = v.model"
        " ORDER BY m.name, v.version",
        ""));
    while ((rc = db_next(q, e)) > 0 && (rc = inspect_version(s, q, e)) == 0) {
    }
    db_end(q);
    return rc;
}

static int list_sums(inspection *s, err *e)
{
    db_query *q;
    int rc;
    TRY(db_start(&q, s->r->db, e, "SELECT sha256, max(size) FROM version_blobs GROUP BY sha256 ORDER BY sha256", ""));
    while ((rc = db_next(q, e)) > 0) {
        str sum;
        if ((rc = db_text(q, 0, &sum, e)) < 0) break;
        if (s->n_sums == s->sums_cap) {
            size_t cap = s->sums_cap ? 2 * s->sums_cap : 64;
            struct blob_sum *more = mem_realloc(s->sums, cap, sizeof *more);
            if (!more) {
                rc = err_set(e, ERR_MEMORY, "no memory for a list of blobs");
                break;
            }
            s->sums = more;
            s->sums_cap = cap;
        }
        struct blob_sum *b = &s->sums[s->n_sums++];
        snprintf(b->sum, sizeof b->sum, "%.*s", (int)(sum.len < 64 ? sum.len : 64), sum.data);
        b->size = db_integer(q, 1);
    }
    db_end(q);
    return rc;
}

static int inspect_blob(inspection *s, const struct blob_sum *b, err *e)
{
    char path[BLOB_PATH_SIZE], sum[SHA256_HEX_SIZE];
    str content;
    err why = ERR_NONE;
    if (strlen(b->sum) != 64 || strspn(b->sum, "0123456789abcdef") != 64) {
        say(s, true, "blob %s: no SHA-256", b->sum);
        return 0;
    }
    blob_path(b->sum, path);
    int rc = blob_map(s->r->dir, b->sum, &content, &why);
    if (rc < 0) return as_fault(s, rc, &why, e);
    sha256_hex_of(content.data, content.len, sum);
    if ((int64_t)content.len != b->size)
        say(s, true, "%s: has %zu bytes, not %" PRId64, path, content.len, b->size);
    else if (strcmp(sum, b->sum) != 0)
        say(s, true, "%s: its content is not what was stored", path);
    file_unmap(content);
    return 0;
}

static int compare_sum(const void *key, const void *element)
{
    const struct blob_sum *b = element;
    return strcmp(key, b->sum);
}

static int note_file(void *context, const blob_entry *b, err *e)
{
    (void)e;
    inspection *s = context;
    if (b->kind == BLOB_STRANGER)
        say(s, false, "%s: not a file of the registry", b->path);
    else if (b->kind == BLOB_TEMPORARY)
        say(s, false, "%s: a temporary file; gc removes it if nobody is writing it", b->path);
    else if (s->n_sums == 0 || !bsearch(b->sha256, s->sums, s->n_sums, sizeof *s->sums, compare_sum))
        say(s, false, "%s: named by no version; gc removes it", b->path);
    return 0;
}

static int inspect_audit(inspection *s, err *e)
{
    audit_state state;
    TRY(registry_audit_verify(s->r, &state, e));
    if (state.broken) say(s, true, "audit record %" PRId64 " %s", state.broken, state.why);
    return 0;
}

static int inspect(inspection *s, err *e)
{
    static int (*const parts[])(inspection *, err *) = {inspect_records, inspect_versions, list_sums, inspect_audit};
    int rc = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == 0; i++) {
        err why = ERR_NONE;
        rc = parts[i](s, &why);
        rc = as_fault(s, rc, &why, e);
    }
    return rc;
}

int registry_fsck(registry *r, registry_report *report, void *context, int64_t *n_faults, err *e)
{
    inspection s = {.r = r, .report = report, .context = context};
    TRY(lock_take(&r->lock, false, LOCK_WAIT_MS, e)); // no collector in between
    int rc = db_begin(r->db, false, e);
    if (rc == 0) rc = inspect(&s, e);
    db_roll_back(r->db); // blobs may take long: not within a transaction
    for (size_t i = 0; i < s.n_sums && rc == 0; i++) rc = inspect_blob(&s, &s.sums[i], e);
    if (rc == 0) rc = blobs_each(r->dir, note_file, &s, e);
    lock_release(&r->lock);
    mem_free(s.sums);
    if (rc == 0) *n_faults = s.n_faults;
    return rc;
}
