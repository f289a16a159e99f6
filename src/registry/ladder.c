// The database's tables, as steps from version to version. A step that was released is never changed again.
// SPDX-License-Identifier: Apache-2.0
#include "registry/ladder_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/mem.h"

// Version 2: what a service keeps beside its models.
#define TABLES_KEYS                                                                                                \
    "CREATE TABLE keys(id TEXT PRIMARY KEY CHECK(length(id) = 12), tenant TEXT NOT NULL, label TEXT NOT NULL,"     \
    " roles INTEGER NOT NULL CHECK(roles > 0), models TEXT NOT NULL, hash TEXT NOT NULL CHECK(length(hash) = 64)," \
    " hash_before TEXT NOT NULL, before_until_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,"                   \
    " expires_ms INTEGER NOT NULL, rotated_ms INTEGER NOT NULL, revoked_ms INTEGER NOT NULL,"                      \
    " used_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
#define TABLES_USAGE                                                                                                  \
    "CREATE TABLE usage(subject TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL CHECK(requests >= 0)," \
    " rows INTEGER NOT NULL CHECK(rows >= 0), tokens INTEGER NOT NULL CHECK(tokens >= 0),"                            \
    " PRIMARY KEY(subject, day)) STRICT, WITHOUT ROWID;"                                                              \
    "CREATE INDEX usage_day ON usage(day);"                                                                           \
    "CREATE TABLE quotas(subject TEXT PRIMARY KEY, requests_day INTEGER NOT NULL, requests_month INTEGER NOT NULL,"   \
    " rows_day INTEGER NOT NULL, rows_month INTEGER NOT NULL, tokens_day INTEGER NOT NULL,"                           \
    " tokens_month INTEGER NOT NULL, per_minute INTEGER NOT NULL, burst INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
#define TABLES_AUDIT                                                                                         \
    "CREATE TABLE audit(id INTEGER PRIMARY KEY CHECK(id >= 1), at_ms INTEGER NOT NULL, actor TEXT NOT NULL," \
    " tenant TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL, result TEXT NOT NULL,"               \
    " detail TEXT NOT NULL, hash TEXT NOT NULL CHECK(length(hash) = 64)) STRICT;"                            \
    "CREATE INDEX audit_tenant ON audit(tenant, id);"
#define TABLES_DEPLOYMENTS                                                                                    \
    "CREATE TABLE deployments(id INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL UNIQUE REFERENCES" \
    " models(id), canary INTEGER NOT NULL, weight INTEGER NOT NULL CHECK(weight BETWEEN 0 AND 1000),"         \
    " error_permille INTEGER NOT NULL, latency_percent INTEGER NOT NULL, psi_permille INTEGER NOT NULL,"      \
    " requests_min INTEGER NOT NULL, window_s INTEGER NOT NULL, started_ms INTEGER NOT NULL) STRICT;"         \
    "CREATE TABLE deployment_events(id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models(id),"    \
    " at_ms INTEGER NOT NULL, event TEXT NOT NULL, version INTEGER NOT NULL, canary INTEGER NOT NULL,"        \
    " weight INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;"                                                 \
    "CREATE INDEX deployment_events_model ON deployment_events(model, id);"
#define TABLES_JOBS                                                                                                   \
    "CREATE TABLE datasets(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,"                \
    " sha256 TEXT NOT NULL CHECK(length(sha256) = 64), size INTEGER NOT NULL CHECK(size >= 0),"                       \
    " created_ms INTEGER NOT NULL, profile TEXT NOT NULL DEFAULT '', UNIQUE(tenant, sha256)) STRICT;"                 \
    "CREATE INDEX datasets_sum ON datasets(sha256);"                                                                  \
    "CREATE TABLE uploads(id TEXT NOT NULL PRIMARY KEY, tenant TEXT NOT NULL, size INTEGER NOT NULL CHECK(size > 0)," \
    " received INTEGER NOT NULL CHECK(received >= 0), sha256 TEXT NOT NULL, created_ms INTEGER NOT NULL,"             \
    " touched_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"                                                            \
    "CREATE TABLE runs(number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL,"      \
    " kind TEXT NOT NULL, dataset TEXT NOT NULL, state TEXT NOT NULL, cancel INTEGER NOT NULL DEFAULT 0,"             \
    " created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL DEFAULT 0, ended_ms INTEGER NOT NULL DEFAULT 0,"       \
    " actor TEXT NOT NULL, spec TEXT NOT NULL, result TEXT NOT NULL DEFAULT '{}', code TEXT NOT NULL DEFAULT '',"     \
    " message TEXT NOT NULL DEFAULT '') STRICT;"                                                                      \
    "CREATE INDEX runs_open ON runs(state, number) WHERE state IN ('queued', 'running');"                             \
    "CREATE INDEX runs_tenant ON runs(tenant, number);"                                                               \
    "CREATE TABLE answers(tenant TEXT NOT NULL, key TEXT NOT NULL, sum TEXT NOT NULL, status INTEGER NOT NULL,"       \
    " location TEXT NOT NULL, body TEXT NOT NULL, made_ms INTEGER NOT NULL, PRIMARY KEY(tenant, key)) STRICT,"        \
    " WITHOUT ROWID;"                                                                                                 \
    "CREATE INDEX answers_made ON answers(made_ms);"
#define TABLES_SIGNATURES                                                                            \
    "CREATE TABLE signatures(digest TEXT NOT NULL CHECK(length(digest) = 64), signer TEXT NOT NULL," \
    " signature TEXT NOT NULL, signed_ms INTEGER NOT NULL, PRIMARY KEY(digest, signer)) STRICT, WITHOUT ROWID;"

// Version 3: versions that are given copies of requests.
#define TABLES_SHADOWS                                                                                          \
    "CREATE TABLE shadows(id INTEGER PRIMARY KEY AUTOINCREMENT, model INTEGER NOT NULL UNIQUE REFERENCES"       \
    " models(id), version INTEGER NOT NULL, share INTEGER NOT NULL CHECK(share BETWEEN 1 AND 1000), started_ms" \
    " INTEGER NOT NULL) STRICT;"

static const char *const steps[REGISTRY_VERSION] = {
    "CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id = 1), change INTEGER NOT NULL) STRICT;"
    "INSERT INTO meta(id, change) VALUES(1, 0);"
    "CREATE TABLE models(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, version_next INTEGER NOT NULL"
    " CHECK(version_next >= 1)) STRICT;"
    "CREATE TABLE versions(model INTEGER NOT NULL REFERENCES models(id), version INTEGER NOT NULL CHECK(version >= 1),"
    " digest TEXT NOT NULL CHECK(length(digest) = 64), run_key TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " size INTEGER NOT NULL, metrics TEXT NOT NULL, manifest TEXT NOT NULL,"
    " PRIMARY KEY(model, version), UNIQUE(model, digest)) STRICT;"
    "CREATE INDEX versions_run ON versions(model, run_key) WHERE run_key <> '';"
    "CREATE TABLE version_blobs(model INTEGER NOT NULL, version INTEGER NOT NULL, role TEXT NOT NULL,"
    " sha256 TEXT NOT NULL CHECK(length(sha256) = 64), size INTEGER NOT NULL CHECK(size >= 0),"
    " PRIMARY KEY(model, version, role),"
    " FOREIGN KEY(model, version) REFERENCES versions(model, version) ON DELETE CASCADE) STRICT, WITHOUT ROWID;"
    "CREATE INDEX version_blobs_sum ON version_blobs(sha256);"
    "CREATE TABLE alias_history(id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models(id),"
    " alias TEXT NOT NULL, version INTEGER NOT NULL, before INTEGER REFERENCES alias_history(id),"
    " set_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX alias_history_model ON alias_history(model);"
    "CREATE INDEX alias_history_before ON alias_history(before) WHERE before IS NOT NULL;"
    "CREATE TABLE aliases(model INTEGER NOT NULL REFERENCES models(id), alias TEXT NOT NULL,"
    " entry INTEGER NOT NULL REFERENCES alias_history(id), PRIMARY KEY(model, alias)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX aliases_entry ON aliases(entry);",
    TABLES_KEYS TABLES_USAGE TABLES_AUDIT TABLES_DEPLOYMENTS TABLES_JOBS TABLES_SIGNATURES,
    TABLES_SHADOWS,
};

const ladder ladder_current = {REGISTRY_VERSION, steps};

// What the file says of itself, read at one moment: somebody may be climbing meanwhile.
static int read_state(db *d, int64_t *application, int64_t *user, int64_t *n_tables, err *e)
{
    TRY(db_begin(d, false, e));
    int rc = db_version(d, application, user, e);
    if (rc == 0) rc = db_find_integer(d, n_tables, e, "SELECT count(*) FROM sqlite_schema", "");
    if (rc == 0) return db_commit(d, e);
    db_roll_back(d);
    return rc;
}

int ladder_check(const ladder *l, db *d, const char *path, int64_t *version, err *e)
{
    int64_t application, user, n_tables;
    TRY(read_state(d, &application, &user, &n_tables, e));
    bool empty = application == 0 && user == 0 && n_tables == 0; // new, or its creation did not come to an end
    if (!empty && application != REGISTRY_APPLICATION)
        return err_set(e, ERR_UNSUPPORTED, "%s: a database of another program", path);
    if (user < 0 || (!empty && user == 0)) return err_set(e, ERR_CORRUPT, "%s: version %" PRId64, path, user);
    if (user > (int64_t)l->n)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: written by a newer Slipway (registry version %" PRId64 "; this one knows up to %zu)", path,
                       user, l->n);
    *version = user;
    return 0;
}

static int copy_before(const ladder *l, db *d, const char *path, err *e)
{
    size_t size = strlen(path) + 48;
    char *to = mem_alloc(size, 1), *temporary = mem_alloc(size, 1);
    int rc = to && temporary ? 0 : err_set(e, ERR_MEMORY, "%s: no memory for its copy", path);
    if (rc < 0) goto done;
    snprintf(to, size, "%s.before-%zu", path, l->n);
    snprintf(temporary, size, "%s.tmp", to);
    unlink(temporary); // of somebody who died: we hold the lock
    if ((rc = db_copy(d, temporary, e)) < 0) goto done;
    if (rename(temporary, to) != 0) {
        rc = err_set_errno(e, "%s: cannot be replaced", to);
        unlink(temporary);
    }
done:
    mem_free(to);
    mem_free(temporary);
    return rc;
}

int ladder_climb(const ladder *l, db *d, const char *path, int64_t version, err *e)
{
    if (version > 0) {
        int rc = copy_before(l, d, path, e);
        if (rc < 0) return err_prefix(e, rc, "before it is brought up to date");
    }
    TRY(db_begin(d, true, e));
    int rc = 0;
    for (size_t i = (size_t)version; i < l->n && rc == 0; i++) rc = db_execute(d, l->steps[i], e);
    char sql[96];
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%zu", REGISTRY_APPLICATION, l->n);
    if (rc == 0) rc = db_execute(d, sql, e);
    if (rc < 0) {
        db_roll_back(d);
        return err_prefix(e, rc, "%s: cannot be brought to version %zu", path, l->n);
    }
    return db_commit(d, e);
}
