// Opening, and everything that only reads.
// SPDX-License-Identifier: Apache-2.0
#include "registry/registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "registry/place_impl.h"
#include "registry/registry_impl.h"

enum { FOLDER_MODE = 0700, DIR_BYTES_MAX = 3000 };

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for the registry");
}

// ---- names ----

static const char *name_fault(const char *name, size_t len_max)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t n = strlen(name);
    if (n == 0) return "is empty";
    if (n > len_max) return len_max == TENANT_MAX ? "is longer than 32 characters" : "is longer than 64 characters";
    if (strspn(name, allowed) != n) return "has other characters than letters, digits, '-', '_' and '.'";
    if (strchr("-_.", name[0])) return "does not start with a letter or a digit";
    return NULL;
}

const char *tenant_fault(const char *tenant)
{
    return tenant[0] ? name_fault(tenant, TENANT_MAX) : NULL;
}

const char *model_name_fault(const char *name)
{
    const char *slash = strchr(name, '/');
    if (!slash) return name_fault(name, MODEL_PLAIN_MAX);
    char tenant[TENANT_MAX + 2]; // one too long shows
    snprintf(tenant, sizeof tenant, "%.*s", (int)(slash - name), name);
    if (tenant[0] == '\0' || tenant_fault(tenant)) return "has no sound tenant in front of '/'";
    return name_fault(slash + 1, MODEL_PLAIN_MAX);
}

const char *alias_fault(const char *alias)
{
    const char *why = name_fault(alias, ALIAS_MAX);
    if (!why && strspn(alias, "0123456789") == strlen(alias)) why = "is a number, which would mean a version";
    return why;
}

// ---- opening ----

// Opens registry.db and finds out its version, 0 for an empty one. On failure nothing is open.
static int open_database(registry *r, db_mode mode, const ladder *l, int64_t *version, err *e)
{
    TRY(db_open(&r->db, r->path, mode, e));
    int rc = ladder_check(l, r->db, r->path, version, e);
    if (rc == 0 && *version > 0) rc = db_set_up(r->db, mode != DB_READ, e);
    if (rc < 0) {
        db_close(r->db);
        r->db = NULL;
    }
    return rc;
}

static void remove_file(const registry *r, const char *name)
{
    char *path = path_join(r->dir, name);
    if (path) unlink(path);
    mem_free(path);
}

// What a creation made that did not come to its end. Under the exclusive lock.
static void remove_traces(registry *r, bool made_dir)
{
    static const char *const names[] = {"registry.db", "registry.db-wal", "registry.db-shm", "registry.db-journal"};
    db_close(r->db);
    r->db = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove_file(r, names[i]);
    char *blobs = path_join(r->dir, "blobs");
    if (blobs) rmdir(blobs);
    mem_free(blobs);
    if (made_dir) {
        remove_file(r, "lock"); // who waits for it looks whether it is still there
        rmdir(r->dir);
    }
}

static int sync_folders(const registry *r, err *e)
{
    TRY(dir_sync(r->dir, e));
    char *parent = path_join(r->dir, "..");
    if (!parent) return no_memory(e);
    int rc = dir_sync(parent, e);
    mem_free(parent);
    return rc == ERR_DENIED ? 0 : rc; // one that we may not read was not made by us
}

static int create_locked(registry *r, const ladder *l, err *e)
{
    int64_t version;
    char *blobs = path_join(r->dir, "blobs");
    if (!blobs) return no_memory(e);
    int rc = dir_make(blobs, FOLDER_MODE, e);
    mem_free(blobs);
    if (rc < 0) return rc;
    TRY(open_database(r, DB_CREATE, l, &version, e));
    if (version > 0) return 0; // somebody was faster
    TRY(db_set_up(r->db, true, e));
    TRY(ladder_climb(l, r->db, r->path, 0, e));
    return sync_folders(r, e);
}

static int create(registry *r, bool made_dir, const ladder *l, err *e)
{
    int rc = lock_take(&r->lock, true, LOCK_WAIT_MS, e);
    if (rc < 0) {
        if (made_dir) rmdir(r->dir);
        return rc;
    }
    bool empty = !path_exists(r->path);
    rc = create_locked(r, l, e);
    if (rc < 0 && empty) remove_traces(r, made_dir);
    lock_release(&r->lock);
    return rc;
}

static int migrate(registry *r, const ladder *l, err *e)
{
    int64_t application, version;
    TRY(lock_take(&r->lock, true, LOCK_WAIT_MS, e));
    int rc = db_version(r->db, &application, &version, e); // again: somebody may have been faster
    if (rc == 0 && version < (int64_t)l->n) rc = ladder_climb(l, r->db, r->path, version, e);
    lock_release(&r->lock);
    return rc;
}

static int open_for_reading(registry *r, const ladder *l, err *e)
{
    int64_t version;
    if (!path_exists(r->path)) return err_set(e, ERR_NOT_FOUND, "%s: no registry is there", r->dir);
    TRY(open_database(r, DB_READ, l, &version, e));
    if (version == 0) return err_set(e, ERR_NOT_FOUND, "%s: no registry is there", r->dir);
    if (version < (int64_t)l->n)
        return err_set(e, ERR_UNSUPPORTED, "%s: of an older Slipway; open it once for writing to bring it up to date",
                       r->path);
    return 0;
}

static int open_for_writing(registry *r, const ladder *l, err *e)
{
    int64_t version = 0;
    bool made_dir = !path_exists(r->dir);
    TRY(dir_make(r->dir, FOLDER_MODE, e));
    if (path_exists(r->path)) TRY(open_database(r, DB_WRITE, l, &version, e));
    if (version == 0) { // an empty one is opened again under the lock
        db_close(r->db);
        r->db = NULL;
        return create(r, made_dir, l, e);
    }
    return version < (int64_t)l->n ? migrate(r, l, e) : 0;
}

int registry_open_with(registry **out, const char *dir, const registry_options *o, const ladder *l, err *e)
{
    if (strlen(dir) > DIR_BYTES_MAX || dir[0] == '\0')
        return err_set(e, ERR_INPUT, "the registry's folder needs a name of 1 to %d bytes", DIR_BYTES_MAX);
    registry *r = mem_zalloc(1, sizeof *r);
    if (!r) return no_memory(e);
    r->lock.fd = -1;
    r->version = l->n;
    registry_act_as(r, "server");
    r->read_only = o && o->read_only;
    r->dir = mem_strdup(dir);
    r->path = path_join(dir, "registry.db");
    int rc = r->dir && r->path ? 0 : no_memory(e);
    if (rc == 0) rc = lock_init(&r->lock, dir, e);
    if (rc == 0) rc = place_check(dir, e);
    if (rc == 0) rc = r->read_only ? open_for_reading(r, l, e) : open_for_writing(r, l, e);
    if (rc < 0) {
        registry_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

int registry_open(registry **out, const char *dir, const registry_options *o, err *e)
{
    return registry_open_with(out, dir, o, &ladder_current, e);
}

void registry_close(registry *r)
{
    if (!r) return;
    db_close(r->db);
    lock_clear(&r->lock);
    mem_free(r->path);
    mem_free(r->dir);
    mem_free(r);
}

int registry_change(registry *r, int64_t *out, err *e)
{
    return db_find_integer(r->db, out, e, "SELECT change FROM meta", "");
}

int registry_names_blob(registry *r, const char *sum, bool *named, err *e)
{
    int64_t n;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM (SELECT 1 FROM version_blobs WHERE sha256 = ?1 LIMIT 1)",
                        "s", sum));
    *named = n > 0;
    return 0;
}

// ---- finding ----

static bool same_tenant(const char *a, str b)
{
    const char *slash = strchr(a, '/');
    size_t len = slash ? (size_t)(slash - a) + 1 : 0;
    const char *other = b.len > 0 ? memchr(b.data, '/', b.len) : NULL;
    return len == (other ? (size_t)(other - b.data) + 1 : 0) && memcmp(a, b.data, len) == 0;
}

// The nearest of the texts that a query gives, into `nearest`; empty if none is near. Never a model of another tenant.
static int find_nearest(registry *r, const char *to, char nearest[MODEL_NAME_MAX + 1], err *e, const char *sql,
                        int64_t id)
{
    db_query *q;
    char **names = NULL;
    size_t n = 0, cap = 0;
    nearest[0] = '\0';
    TRY(db_start(&q, r->db, e, sql, "i", id));
    int rc;
    while ((rc = db_next(q, e)) > 0) {
        str name;
        if ((rc = db_text(q, 0, &name, e)) < 0) break;
        if (!same_tenant(to, name)) continue;
        if (n == cap) {
            char **more = mem_realloc(names, cap = cap ? 2 * cap : 16, sizeof *names);
            if (!more) {
                rc = no_memory(e);
                break;
            }
            names = more;
        }
        if (!(names[n] = mem_strndup(name.data, name.len))) {
            rc = no_memory(e);
            break;
        }
        n++;
    }
    db_end(q);
    const char *found = rc == 0 ? nearest_name(to, (const char *const *)names, n) : NULL;
    if (found) snprintf(nearest, MODEL_NAME_MAX + 1, "%s", found);
    names_free(names, n);
    return rc < 0 ? rc : 0;
}

static int not_found(err *e, const char *what, const char *name, const char *nearest)
{
    if (nearest[0]) return err_set(e, ERR_NOT_FOUND, "no %s \"%s\"; did you mean \"%s\"?", what, name, nearest);
    return err_set(e, ERR_NOT_FOUND, "no %s \"%s\"", what, name);
}

int registry_find_model(registry *r, const char *name, int64_t *id, err *e)
{
    const char *why = model_name_fault(name);
    if (why) return err_set(e, ERR_INPUT, "the model's name \"%.80s\" %s", name, why);
    int rc = db_find_integer(r->db, id, e,
                             "SELECT id FROM models m WHERE name = ?1"
                             " AND EXISTS(SELECT 1 FROM versions v WHERE v.model = m.id)",
                             "s", name);
    if (rc != ERR_NOT_FOUND) return rc;
    char nearest[MODEL_NAME_MAX + 1];
    TRY(find_nearest(r, name, nearest, e,
                     "SELECT name FROM models m WHERE ?1 = 0 AND EXISTS(SELECT 1 FROM versions v WHERE v.model = m.id)"
                     " ORDER BY name",
                     0));
    return not_found(e, "model", name, nearest);
}

static int find_alias(registry *r, const char *name, int64_t model, const char *alias, int64_t *version, err *e)
{
    int rc = db_find_integer(r->db, version, e,
                             "SELECT h.version FROM aliases a JOIN alias_history h ON h.id = a.entry"
                             " WHERE a.model = ?1 AND a.alias = ?2",
                             "is", model, alias);
    if (rc != ERR_NOT_FOUND) return rc;
    char nearest[MODEL_NAME_MAX + 1], what[MODEL_NAME_MAX + 32];
    TRY(find_nearest(r, alias, nearest, e, "SELECT alias FROM aliases WHERE model = ?1 ORDER BY alias", model));
    snprintf(what, sizeof what, "alias of \"%s\" is", name);
    return not_found(e, what, alias, nearest);
}

static int find_version(registry *r, const char *name, int64_t model, int64_t version, err *e)
{
    int64_t one;
    int rc = db_find_integer(r->db, &one, e, "SELECT 1 FROM versions WHERE model = ?1 AND version = ?2", "ii", model,
                             version);
    if (rc == ERR_NOT_FOUND) return err_set(e, rc, "no version %" PRId64 " of \"%s\"", version, name);
    return rc;
}

// The part of a reference after '@', or NULL for the default.
static int find_reference(registry *r, const char *name, const char *at, int64_t *version, err *e)
{
    int64_t model;
    TRY(registry_find_model(r, name, &model, e));
    if (!at) {
        err ignored;
        int rc = find_alias(r, name, model, ALIAS_DEFAULT, version, &ignored);
        if (rc == ERR_NOT_FOUND)
            rc = db_find_integer(r->db, version, e, "SELECT max(version) FROM versions WHERE model = ?1", "i", model);
        else if (rc < 0)
            rc = err_set(e, rc, "%s", ignored.msg);
        return rc;
    }
    if (at[0] != '\0' && strspn(at, "0123456789") == strlen(at)) {
        *version = 0;
        if (strlen(at) > 18) return err_set(e, ERR_NOT_FOUND, "no version %.80s of \"%s\"", at, name);
        for (const char *p = at; *p; p++) *version = *version * 10 + (*p - '0');
        return find_version(r, name, model, *version, e);
    }
    const char *why = alias_fault(at);
    if (why) return err_set(e, ERR_INPUT, "the alias \"%.80s\" %s", at, why);
    return find_alias(r, name, model, at, version, e);
}

int registry_resolve(registry *r, const char *ref, char name[MODEL_NAME_MAX + 1], int64_t *version, err *e)
{
    const char *at = strchr(ref, '@');
    size_t len = at ? (size_t)(at - ref) : strlen(ref);
    char found[MODEL_NAME_MAX + 1];
    int64_t number;
    if (len > MODEL_NAME_MAX)
        return err_set(e, ERR_INPUT, "the model's name \"%.*s...\" is longer than %d characters", MODEL_NAME_MAX, ref,
                       MODEL_NAME_MAX);
    memcpy(found, ref, len);
    found[len] = '\0';
    TRY(db_begin(r->db, false, e));
    int rc = find_reference(r, found, at ? at + 1 : NULL, &number, e);
    db_roll_back(r->db);
    if (rc < 0) return rc;
    memcpy(name, found, len + 1);
    *version = number;
    return 0;
}

int registry_find_run(registry *r, const char *name, const char *run_key, int64_t *version, err *e)
{
    int64_t found;
    int rc =
        db_find_integer(r->db, &found, e,
                        "SELECT v.version FROM versions v JOIN models m ON m.id = v.model"
                        " WHERE m.name = ?1 AND v.run_key = ?2 AND v.run_key <> '' ORDER BY v.version DESC LIMIT 1",
                        "ss", name, run_key);
    if (rc == ERR_NOT_FOUND) return err_set(e, rc, "no version of \"%.80s\" comes from this run", name);
    if (rc == 0) *version = found;
    return rc;
}

// ---- loading ----

static int take_blobs(registry *r, package *p, err *e)
{
    for (size_t i = 0; i < p->n_blobs; i++) {
        str content;
        TRY(blob_map(r->dir, p->blobs[i].sha256, &content, e));
        TRY(package_take_blob(p, i, content, true, e));
    }
    return 0;
}

static int load(registry *r, const char *name, int64_t version, package **out, err *e)
{
    int64_t model;
    db_query *q;
    TRY(registry_find_model(r, name, &model, e));
    TRY(find_version(r, name, model, version, e));
    TRY(db_start(&q, r->db, e, "SELECT manifest, digest FROM versions WHERE model = ?1 AND version = ?2", "ii", model,
                 version));
    str manifest, digest;
    package *p = NULL;
    char sum[SHA256_HEX_SIZE];
    int rc = db_next(q, e);
    if (rc > 0) rc = db_text(q, 0, &manifest, e);
    if (rc == 0) rc = db_text(q, 1, &digest, e);
    if (rc == 0) {
        sha256_hex_of(manifest.data, manifest.len, sum);
        if (!str_equal(digest, str_of(sum))) rc = err_set(e, ERR_CORRUPT, "the manifest is not what was stored");
    }
    if (rc == 0) rc = package_read_manifest(&p, manifest, e);
    db_end(q);
    if (rc == 0) rc = take_blobs(r, p, e);
    if (rc < 0) {
        package_free(p);
        return err_prefix(e, rc, "%s@%" PRId64, name, version);
    }
    *out = p;
    return 0;
}

int registry_load(registry *r, const char *name, int64_t version, package **out, err *e)
{
    // No collector may come between the record and its blobs.
    TRY(lock_take(&r->lock, false, LOCK_WAIT_MS, e));
    int rc = db_begin(r->db, false, e);
    if (rc == 0) rc = load(r, name, version, out, e);
    db_roll_back(r->db);
    lock_release(&r->lock);
    return rc;
}

// ---- listing ----

void registry_model_clear(registry_model *m)
{
    for (size_t i = 0; i < m->n_versions; i++) mem_free(m->versions[i].metrics);
    mem_free(m->versions);
    mem_free(m->aliases);
    *m = (registry_model){0};
}

void registry_list_clear(registry_list *l)
{
    for (size_t i = 0; i < l->n; i++) registry_model_clear(&l->models[i]);
    mem_free(l->models);
    *l = (registry_list){0};
}

static int read_text(db_query *q, int at, char *out, size_t size, err *e)
{
    str text;
    TRY(db_text(q, at, &text, e));
    if (text.len >= size)
        return err_set(e, ERR_CORRUPT, "the registry has a text of %zu bytes, at most %zu", text.len, size - 1);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return 0;
}

static int read_version(db_query *q, registry_version *v, err *e)
{
    str metrics;
    v->version = db_integer(q, 0);
    v->created_ms = db_integer(q, 3);
    v->size = db_integer(q, 4);
    TRY(read_text(q, 1, v->digest, sizeof v->digest, e));
    TRY(read_text(q, 2, v->run_key, sizeof v->run_key, e));
    TRY(db_text(q, 5, &metrics, e));
    v->metrics = mem_strndup(metrics.data, metrics.len);
    return v->metrics ? 0 : no_memory(e);
}

static int read_alias(db_query *q, registry_alias *a, err *e)
{
    a->version = db_integer(q, 1);
    return read_text(q, 0, a->name, sizeof a->name, e);
}

static int list_versions(registry *r, int64_t model, registry_model *m, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM versions WHERE model = ?1", "i", model));
    if (!(m->versions = mem_zalloc((size_t)n, sizeof *m->versions))) return no_memory(e);
    TRY(db_start(
        &q, r->db, e,
        "SELECT version, digest, run_key, created_ms, size, metrics FROM versions WHERE model = ?1 ORDER BY version",
        "i", model));
    int rc = 0;
    while (rc == 0 && (int64_t)m->n_versions < n && (rc = db_next(q, e)) > 0)
        rc = read_version(q, &m->versions[m->n_versions++], e);
    db_end(q);
    return rc;
}

static int list_aliases(registry *r, int64_t model, registry_model *m, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM aliases WHERE model = ?1", "i", model));
    if (!(m->aliases = mem_zalloc((size_t)n, sizeof *m->aliases))) return no_memory(e);
    TRY(db_start(&q, r->db, e,
                 "SELECT a.alias, h.version FROM aliases a JOIN alias_history h ON h.id = a.entry WHERE a.model = ?1"
                 " ORDER BY a.alias",
                 "i", model));
    int rc = 0;
    while (rc == 0 && (int64_t)m->n_aliases < n && (rc = db_next(q, e)) > 0)
        rc = read_alias(q, &m->aliases[m->n_aliases++], e);
    db_end(q);
    return rc;
}

static int list_models(registry *r, registry_list *l, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(DISTINCT model) FROM versions", ""));
    if (!(l->models = mem_zalloc((size_t)n, sizeof *l->models))) return no_memory(e);
    TRY(db_start(
        &q, r->db, e,
        "SELECT id, name FROM models m WHERE EXISTS(SELECT 1 FROM versions v WHERE v.model = m.id) ORDER BY name", ""));
    int rc = 0;
    while (rc == 0 && (int64_t)l->n < n && (rc = db_next(q, e)) > 0) {
        registry_model *m = &l->models[l->n++];
        rc = read_text(q, 1, m->name, sizeof m->name, e);
        if (rc == 0) rc = list_versions(r, db_integer(q, 0), m, e);
        if (rc == 0) rc = list_aliases(r, db_integer(q, 0), m, e);
    }
    db_end(q);
    return rc;
}

int registry_models(registry *r, registry_list *out, err *e)
{
    registry_list l = {0};
    TRY(db_begin(r->db, false, e));
    int rc = list_models(r, &l, e);
    db_roll_back(r->db);
    if (rc < 0) {
        registry_list_clear(&l);
        return rc;
    }
    *out = l;
    return 0;
}

static int find_one(registry *r, const char *name, registry_model *m, err *e)
{
    int64_t model;
    int rc = db_find_integer(r->db, &model, e,
                             "SELECT id FROM models m WHERE name = ?1"
                             " AND EXISTS(SELECT 1 FROM versions v WHERE v.model = m.id)",
                             "s", name);
    if (rc == ERR_NOT_FOUND) return err_set(e, rc, "no model \"%.80s\"", name);
    TRY(rc);
    TRY(list_versions(r, model, m, e));
    return list_aliases(r, model, m, e);
}

int registry_find(registry *r, const char *name, registry_model *out, err *e)
{
    registry_model m = {0};
    snprintf(m.name, sizeof m.name, "%s", name);
    TRY(db_begin(r->db, false, e));
    int rc = find_one(r, name, &m, e);
    db_roll_back(r->db);
    if (rc < 0) {
        registry_model_clear(&m);
        return rc;
    }
    *out = m;
    return 0;
}
