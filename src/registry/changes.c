// Everything that changes the registry: one transaction each, after the blobs are safe.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_impl.h"

enum { METRICS_BYTES_MAX = MANIFEST_BYTES_MAX };

int registry_begin_change(registry *r, err *e)
{
    int64_t application, version;
    if (r->read_only) return err_set(e, ERR_DENIED, "%s: opened for reading only", r->dir);
    TRY(db_begin(r->db, true, e));
    int rc = db_version(r->db, &application, &version, e);
    if (rc == 0 && version != (int64_t)r->version)
        rc = err_set(e, ERR_UNSUPPORTED, "%s: brought to version %" PRId64 " by a newer Slipway meanwhile", r->path,
                     version);
    if (rc < 0) db_roll_back(r->db);
    return rc;
}

int registry_end_change(registry *r, err *e)
{
    int rc = db_run(r->db, e, "UPDATE meta SET change = change + 1", "");
    if (rc == 0) return db_commit(r->db, e);
    db_roll_back(r->db);
    return rc;
}

// ---- aliases ----

static int check_alias(const char *alias, err *e)
{
    const char *why = alias_fault(alias);
    return why ? err_set(e, ERR_INPUT, "the alias \"%.80s\" %s", alias, why) : 0;
}

// Where the alias stands; ERR_NOT_FOUND, without a message, if it is not there.
static int find_entry(registry *r, int64_t model, const char *alias, int64_t *entry, int64_t *version, err *e)
{
    TRY(db_find_integer(r->db, entry, e, "SELECT entry FROM aliases WHERE model = ?1 AND alias = ?2", "is", model,
                        alias));
    int rc = db_find_integer(r->db, version, e, "SELECT version FROM alias_history WHERE id = ?1", "i", *entry);
    return rc == ERR_NOT_FOUND ? err_set(e, ERR_CORRUPT, "alias \"%s\" has lost its history", alias) : rc;
}

static int set_entry(registry *r, int64_t model, const char *alias, int64_t entry, err *e)
{
    return db_run(r->db, e,
                  "INSERT INTO aliases(model, alias, entry) VALUES(?1, ?2, ?3)"
                  " ON CONFLICT(model, alias) DO UPDATE SET entry = excluded.entry",
                  "isi", model, alias, entry);
}

static int set_alias(registry *r, int64_t model, const char *alias, int64_t version, bool *changed, err *e)
{
    int64_t before = 0, now;
    int rc = find_entry(r, model, alias, &before, &now, e);
    if (rc < 0 && rc != ERR_NOT_FOUND) return rc;
    if (rc == 0 && now == version) return 0;
    TRY(db_run(r->db, e,
               "INSERT INTO alias_history(model, alias, version, before, set_ms) VALUES(?1, ?2, ?3, nullif(?4, 0), ?5)",
               "isiii", model, alias, version, before, clock_utc_ms()));
    *changed = true;
    return set_entry(r, model, alias, db_last_id(r->db), e);
}

static int no_version(const char *name, int64_t version, err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no version %" PRId64 " of \"%s\"", version, name);
}

static int no_alias(const char *name, const char *alias, err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no alias \"%s\" of \"%s\"", alias, name);
}

// Ends a change that was begun: commits it if there is something to commit, rolls it back after a failure.
static int end(registry *r, int rc, bool changed, err *e)
{
    if (rc == 0 && changed) return registry_end_change(r, e);
    db_roll_back(r->db);
    return rc;
}

// A record of what is done to a version (0: the whole model), with an alias or NULL.
static int note(registry *r, const char *action, const char *name, int64_t version, const char *alias, err *e)
{
    char object[AUDIT_TEXT_MAX + 1];
    if (version > 0)
        snprintf(object, sizeof object, "%s@%" PRId64, name, version);
    else
        snprintf(object, sizeof object, "%s", name);
    return registry_audit_within(r, &(audit_entry){.action = action, .object = object, .detail = alias}, e);
}

int registry_point_alias(registry *r, const char *name, const char *alias, int64_t version, bool *changed, err *e)
{
    int64_t model, one;
    TRY(registry_find_model(r, name, &model, e));
    int rc = db_find_integer(r->db, &one, e, "SELECT 1 FROM versions WHERE model = ?1 AND version = ?2", "ii", model,
                             version);
    if (rc == ERR_NOT_FOUND) return no_version(name, version, e);
    if (rc < 0) return rc;
    return set_alias(r, model, alias, version, changed, e);
}

int registry_alias_set(registry *r, const char *name, const char *alias, int64_t version, err *e)
{
    bool changed = false;
    TRY(check_alias(alias, e));
    TRY(registry_begin_change(r, e));
    int rc = registry_point_alias(r, name, alias, version, &changed, e);
    if (rc == 0 && changed) rc = note(r, "alias.set", name, version, alias, e);
    return end(r, rc, changed, e);
}

static int drop_alias(registry *r, const char *name, const char *alias, err *e)
{
    int64_t model;
    TRY(registry_find_model(r, name, &model, e));
    TRY(db_run(r->db, e, "DELETE FROM aliases WHERE model = ?1 AND alias = ?2", "is", model, alias));
    return db_changed(r->db) == 1 ? 0 : no_alias(name, alias, e);
}

int registry_alias_remove(registry *r, const char *name, const char *alias, err *e)
{
    TRY(check_alias(alias, e));
    TRY(registry_begin_change(r, e));
    int rc = drop_alias(r, name, alias, e);
    if (rc == 0) rc = note(r, "alias.remove", name, 0, alias, e);
    return end(r, rc, true, e);
}

static int roll_alias_back(registry *r, const char *name, const char *alias, int64_t *from, int64_t *to, err *e)
{
    int64_t model, entry, back;
    TRY(registry_find_model(r, name, &model, e));
    int rc = find_entry(r, model, alias, &entry, from, e);
    if (rc == ERR_NOT_FOUND) return no_alias(name, alias, e);
    if (rc < 0) return rc;
    // Entries only point to older ones, so the walk ends.
    rc = db_find_integer(r->db, &back, e,
                         "WITH RECURSIVE past(id, version, before) AS ("
                         " SELECT id, version, before FROM alias_history WHERE id = ?1 UNION ALL"
                         " SELECT h.id, h.version, h.before FROM past JOIN alias_history h ON h.id = past.before"
                         " WHERE h.id < past.id)"
                         " SELECT id FROM past WHERE version <> ?2 AND EXISTS("
                         "  SELECT 1 FROM versions v WHERE v.model = ?3 AND v.version = past.version)"
                         " ORDER BY id DESC LIMIT 1",
                         "iii", entry, *from, model);
    if (rc == ERR_NOT_FOUND)
        return err_set(e, ERR_CONFLICT, "alias \"%s\" of \"%s\" pointed at nothing else before version %" PRId64, alias,
                       name, *from);
    if (rc < 0) return rc;
    TRY(db_find_integer(r->db, to, e, "SELECT version FROM alias_history WHERE id = ?1", "i", back));
    return set_entry(r, model, alias, back, e);
}

int registry_rollback(registry *r, const char *name, const char *alias, int64_t *from, int64_t *to, err *e)
{
    int64_t old, new;
    TRY(check_alias(alias, e));
    TRY(registry_begin_change(r, e));
    int rc = roll_alias_back(r, name, alias, &old, &new, e);
    if (rc == 0) rc = note(r, "alias.rollback", name, new, alias, e);
    TRY(end(r, rc, true, e));
    *from = old;
    *to = new;
    return 0;
}

// ---- adding ----

typedef struct addition { // what is added; all borrowed
    const char *name;
    const package *package;
    const char *run_key;
    const char *alias; // NULL: none
    int64_t version;   // found or given
    bool existed;
} addition;

static int check_addition(const addition *a, err *e)
{
    const package *p = a->package;
    const char *why = model_name_fault(a->name);
    if (why) return err_set(e, ERR_INPUT, "the model's name \"%.80s\" %s", a->name, why);
    if (a->alias) TRY(check_alias(a->alias, e));
    if (strlen(a->run_key) >= SHA256_HEX_SIZE)
        return err_set(e, ERR_INPUT, "a run key of more than %d characters", SHA256_HEX_SIZE - 1);
    for (size_t i = 0; i < p->n_blobs; i++)
        if (p->blobs[i].content.len != p->blobs[i].size)
            return err_set(e, ERR_INPUT, "the package's blob \"%s\" has no content", p->blobs[i].role);
    return 0;
}

static int find_or_add_model(registry *r, const char *name, int64_t *model, err *e)
{
    TRY(db_run(r->db, e, "INSERT INTO models(name, version_next) VALUES(?1, 1) ON CONFLICT(name) DO NOTHING", "s",
               name));
    return db_find_integer(r->db, model, e, "SELECT id FROM models WHERE name = ?1", "s", name);
}

static int insert_version(registry *r, int64_t model, addition *a, str metrics, err *e)
{
    const package *p = a->package;
    uint64_t size = p->manifest_len;
    for (size_t i = 0; i < p->n_blobs; i++) size += p->blobs[i].size;
    TRY(db_find_integer(r->db, &a->version, e, "SELECT version_next FROM models WHERE id = ?1", "i", model));
    TRY(db_run(r->db, e, "UPDATE models SET version_next = version_next + 1 WHERE id = ?1", "i", model));
    TRY(db_run(r->db, e,
               "INSERT INTO versions(model, version, digest, run_key, created_ms, size, metrics, manifest)"
               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
               "iissiitt", model, a->version, p->digest, a->run_key, clock_utc_ms(), (int64_t)size, metrics,
               (str){p->manifest, p->manifest_len}));
    for (size_t i = 0; i < p->n_blobs; i++)
        TRY(db_run(r->db, e, "INSERT INTO version_blobs(model, version, role, sha256, size) VALUES(?1, ?2, ?3, ?4, ?5)",
                   "iissi", model, a->version, p->blobs[i].role, p->blobs[i].sha256, (int64_t)p->blobs[i].size));
    return 0;
}

// A run that gives a package which is there already is found from now on.
static int note_run_key(registry *r, int64_t model, const addition *a, bool *changed, err *e)
{
    if (a->run_key[0] == '\0') return 0;
    TRY(db_run(r->db, e, "UPDATE versions SET run_key = ?3 WHERE model = ?1 AND version = ?2 AND run_key <> ?3", "iis",
               model, a->version, a->run_key));
    if (db_changed(r->db) > 0) *changed = true;
    return 0;
}

static int record(registry *r, addition *a, str metrics, bool *changed, err *e)
{
    int64_t model;
    TRY(find_or_add_model(r, a->name, &model, e));
    int rc = db_find_integer(r->db, &a->version, e, "SELECT version FROM versions WHERE model = ?1 AND digest = ?2",
                             "is", model, a->package->digest);
    a->existed = rc == 0;
    if (rc == ERR_NOT_FOUND) {
        *changed = true;
        rc = insert_version(r, model, a, metrics, e);
    } else if (rc == 0) {
        rc = note_run_key(r, model, a, changed, e);
    }
    if (rc == 0 && a->alias) rc = set_alias(r, model, a->alias, a->version, changed, e);
    if (rc < 0 || !*changed) return rc;
    return note(r, a->alias ? "version.deploy" : "version.add", a->name, a->version, a->alias, e);
}

// Puts the blobs in place and adds the records, under the shared lock. added: which files were not there before.
static int store(registry *r, addition *a, str metrics, bool added[PACKAGE_BLOBS_MAX], err *e)
{
    const package *p = a->package;
    bool changed = false;
    for (size_t i = 0; i < p->n_blobs; i++) {
        int rc = blob_put(r->dir, p->blobs[i].sha256, p->blobs[i].content, &added[i], e);
        if (rc < 0) return err_prefix(e, rc, "blob \"%s\"", p->blobs[i].role);
    }
    TRY(registry_begin_change(r, e));
    int rc = record(r, a, metrics, &changed, e);
    return end(r, rc, changed, e);
}

// Removes what a failed addition left, unless somebody else is adding, who may have come to rely on it.
static void discard(registry *r, const package *p, const bool added[PACKAGE_BLOBS_MAX])
{
    if (lock_take(&r->lock, true, 0, NULL) < 0) return;
    for (size_t i = 0; i < p->n_blobs; i++) {
        bool named = true;
        if (added[i] && registry_names_blob(r, p->blobs[i].sha256, &named, NULL) == 0 && !named &&
            blob_remove(r->dir, p->blobs[i].sha256, NULL) < 0)
            continue; // gc will try again
    }
    lock_release(&r->lock);
}

static int add(registry *r, addition *a, err *e)
{
    bool added[PACKAGE_BLOBS_MAX] = {false};
    buf metrics;
    if (r->read_only) return err_set(e, ERR_DENIED, "%s: opened for reading only", r->dir);
    TRY(check_addition(a, e));
    buf_init(&metrics, METRICS_BYTES_MAX);
    int rc = json_format(a->package->metrics, false, &metrics, e);
    if (rc == 0) rc = lock_take(&r->lock, false, LOCK_WAIT_MS, e);
    if (rc == 0) {
        rc = store(r, a, buf_str(&metrics), added, e);
        lock_release(&r->lock);
        if (rc < 0) discard(r, a->package, added);
    }
    buf_clear(&metrics);
    return rc;
}

int registry_deploy(registry *r, const char *name, const package *p, const char *run_key, const char *alias,
                    int64_t *version, bool *existed, err *e)
{
    addition a = {.name = name, .package = p, .run_key = run_key ? run_key : "", .alias = alias};
    TRY(add(r, &a, e));
    if (version) *version = a.version;
    if (existed) *existed = a.existed;
    return 0;
}

int registry_add(registry *r, const char *name, const package *p, const char *run_key, int64_t *version, bool *existed,
                 err *e)
{
    return registry_deploy(r, name, p, run_key, NULL, version, existed, e);
}

// ---- removing ----

// Aliases that stand at the version, or at any if it is 0.
static int free_of_aliases(registry *r, const char *name, int64_t model, int64_t version, bool force, err *e)
{
    if (force)
        return db_run(r->db, e,
                      "DELETE FROM aliases WHERE model = ?1 AND (?2 = 0 OR entry IN"
                      " (SELECT id FROM alias_history WHERE model = ?1 AND version = ?2))",
                      "ii", model, version);
    db_query *q;
    str alias;
    TRY(db_start(&q, r->db, e,
                 "SELECT a.alias, h.version FROM aliases a JOIN alias_history h ON h.id = a.entry"
                 " WHERE a.model = ?1 AND (?2 = 0 OR h.version = ?2) ORDER BY a.alias LIMIT 1",
                 "ii", model, version));
    int rc = db_next(q, e);
    if (rc > 0 && (rc = db_text(q, 0, &alias, e)) == 0)
        rc = err_set(e, ERR_CONFLICT, "alias \"" STR_FORMAT "\" points at version %" PRId64 " of \"%s\"",
                     STR_ARGS(alias), db_integer(q, 1), name);
    db_end(q);
    return rc;
}

static int remove_versions(registry *r, const char *name, int64_t version, bool force, err *e)
{
    int64_t model;
    TRY(registry_find_model(r, name, &model, e));
    TRY(free_of_aliases(r, name, model, version, force, e));
    TRY(db_run(r->db, e, "DELETE FROM versions WHERE model = ?1 AND (?2 = 0 OR version = ?2)", "ii", model, version));
    if (db_changed(r->db) == 0) return no_version(name, version, e);
    if (version != 0) return 0;
    return db_run(r->db, e, "DELETE FROM alias_history WHERE model = ?1", "i", model);
}

int registry_remove(registry *r, const char *name, int64_t version, bool force, err *e)
{
    if (version < 0) return err_set(e, ERR_INPUT, "version %" PRId64 ": versions start at 1", version);
    TRY(registry_begin_change(r, e));
    int rc = remove_versions(r, name, version, force, e);
    if (rc == 0) rc = note(r, version ? "version.remove" : "model.remove", name, version, NULL, e);
    return end(r, rc, true, e);
}
