// The registry: versions, aliases, rollback, removal, and what bad places and bad files get.
// SPDX-License-Identifier: Apache-2.0
#include "registry/registry.h"

#include <sqlite3.h>
#include <sys/wait.h>

#include "base/files.h"
#include "check.h"
#include "helpers/packages.h"
#include "helpers/registry_place.h"
#include "registry/registry_impl.h"

static package *make(int tag)
{
    package *p;
    err e = ERR_NONE;
    check_ok(sample_package(&p, tag, &e), &e);
    return p;
}

static int64_t deploy(place *p, const char *name, int tag)
{
    package *pack = make(tag);
    int64_t version;
    bool existed;
    err e = ERR_NONE;
    check_ok(registry_deploy(p->r, name, pack, "", ALIAS_DEFAULT, &version, &existed, &e), &e);
    package_free(pack);
    return version;
}

static int64_t resolve(place *p, const char *ref)
{
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    err e = ERR_NONE;
    check_ok(registry_resolve(p->r, ref, name, &version, &e), &e);
    return version;
}

static void print_line(void *context, const char *line)
{
    (void)context;
    print_message("  %s\n", line);
}

static int64_t faults(registry *r)
{
    int64_t n = -1;
    err e = ERR_NONE;
    check_ok(registry_fsck(r, print_line, NULL, &n, &e), &e);
    return n;
}

static void versions_count_up_and_are_loaded(void **state)
{
    place *p = *state;
    package *pack = make(1), *loaded;
    int64_t version;
    bool existed = true;
    err e = ERR_NONE;
    check_ok(registry_add(p->r, "titanic", pack, "key", &version, &existed, &e), &e);
    assert_int_equal(version, 1);
    assert_false(existed);
    check_ok(registry_add(p->r, "titanic", pack, "key", &version, &existed, &e), &e);
    assert_int_equal(version, 1);
    assert_true(existed);
    assert_int_equal(deploy(p, "titanic", 2), 2);
    assert_int_equal(deploy(p, "iris", 2), 1);
    check_ok(registry_load(p->r, "titanic", 1, &loaded, &e), &e);
    assert_string_equal(loaded->digest, pack->digest);
    assert_true(loaded->blobs[0].mapped);
    assert_true(str_equal(loaded->blobs[0].content, pack->blobs[0].content));
    package_free(loaded);
    package_free(pack);
    check_fails(registry_load(p->r, "titanic", 3, &loaded, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_load(p->r, "titanik", 1, &loaded, &e), ERR_NOT_FOUND, &e);
    check_says(&e, "no model \"titanik\"; did you mean \"titanic\"?");
    check_ok(registry_find_run(p->r, "titanic", "key", &version, &e), &e);
    assert_int_equal(version, 1);
    check_fails(registry_find_run(p->r, "titanic", "other", &version, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_find_run(p->r, "iris", "", &version, &e), ERR_NOT_FOUND, &e);
    assert_int_equal(faults(p->r), 0);
}

static void a_run_that_gives_what_is_there_is_found(void **state)
{
    place *p = *state;
    package *pack = make(1);
    int64_t version;
    err e = ERR_NONE;
    assert_int_equal(deploy(p, "m", 1), 1);
    check_ok(registry_add(p->r, "m", pack, "run", &version, NULL, &e), &e);
    check_ok(registry_find_run(p->r, "m", "run", &version, &e), &e);
    assert_int_equal(version, 1);
    package_free(pack);
}

static void references_are_resolved(void **state)
{
    place *p = *state;
    package *pack = make(9);
    int64_t version;
    char name[MODEL_NAME_MAX + 1];
    err e = ERR_NONE;
    check_ok(registry_add(p->r, "m", pack, NULL, NULL, NULL, &e), &e);
    package_free(pack);
    assert_int_equal(resolve(p, "m"), 1); // no alias: the newest
    deploy(p, "m", 1);
    deploy(p, "m", 2);
    check_ok(registry_alias_set(p->r, "m", "staging", 1, &e), &e);
    assert_int_equal(resolve(p, "m"), 3);
    assert_int_equal(resolve(p, "m@production"), 3);
    assert_int_equal(resolve(p, "m@staging"), 1);
    assert_int_equal(resolve(p, "m@2"), 2);
    check_ok(registry_alias_set(p->r, "m", ALIAS_DEFAULT, 2, &e), &e);
    assert_int_equal(resolve(p, "m"), 2);
    check_fails(registry_resolve(p->r, "m@stagin", name, &version, &e), ERR_NOT_FOUND, &e);
    check_says(&e, "did you mean \"staging\"");
    check_fails(registry_resolve(p->r, "m@7", name, &version, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_resolve(p->r, "m@99999999999999999999", name, &version, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_resolve(p->r, "m@", name, &version, &e), ERR_INPUT, &e);
    check_fails(registry_resolve(p->r, "", name, &version, &e), ERR_INPUT, &e);
    check_fails(registry_resolve(p->r, "../m", name, &version, &e), ERR_INPUT, &e);
    check_fails(registry_resolve(p->r, "m@a b", name, &version, &e), ERR_INPUT, &e);
}

static void names_have_rules(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'a', 65);
    longest[65] = '\0';
    assert_non_null(model_name_fault(longest));
    longest[64] = '\0';
    assert_null(model_name_fault(longest));
    assert_null(model_name_fault("7"));
    assert_null(model_name_fault("a.b-c_D9"));
    assert_non_null(model_name_fault(""));
    assert_non_null(model_name_fault(".."));
    assert_non_null(model_name_fault("-a"));
    assert_null(model_name_fault("a/b"));
    assert_non_null(model_name_fault("a/b/c"));
    assert_non_null(model_name_fault("/b"));
    assert_non_null(model_name_fault("a/"));
    assert_non_null(model_name_fault(".a/b"));
    assert_null(model_name_fault("a2345678901234567890123456789012/b"));
    assert_non_null(model_name_fault("a23456789012345678901234567890123/b"));
    assert_null(tenant_fault(""));
    assert_null(tenant_fault("acme"));
    assert_non_null(tenant_fault("a/b"));
    assert_non_null(tenant_fault("a23456789012345678901234567890123"));
    assert_non_null(model_name_fault("a@b"));
    assert_non_null(model_name_fault("\xc3\xa9"));
    assert_non_null(alias_fault("12"));
    assert_null(alias_fault("v12"));
}

static void roll_back(place *p, int64_t want_from, int64_t want_to)
{
    int64_t from, to;
    err e = ERR_NONE;
    check_ok(registry_rollback(p->r, "m", ALIAS_DEFAULT, &from, &to, &e), &e);
    assert_int_equal(from, want_from);
    assert_int_equal(to, want_to);
    assert_int_equal(resolve(p, "m"), want_to);
}

static void roll_back_fails(place *p, int code)
{
    int64_t from = -1, to = -1, before, after;
    err e = ERR_NONE;
    check_ok(registry_change(p->r, &before, &e), &e);
    check_fails(registry_rollback(p->r, "m", ALIAS_DEFAULT, &from, &to, &e), code, &e);
    check_ok(registry_change(p->r, &after, &e), &e);
    assert_int_equal(before, after);
    assert_int_equal(from, -1);
}

static void rollback_goes_back_through_history(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    for (int tag = 1; tag <= 3; tag++) assert_int_equal(deploy(p, "m", tag), tag);
    roll_back(p, 3, 2);
    roll_back(p, 2, 1);
    roll_back_fails(p, ERR_CONFLICT);
    assert_int_equal(deploy(p, "m", 4), 4);
    roll_back(p, 4, 1);
    roll_back_fails(p, ERR_CONFLICT);
    assert_int_equal(deploy(p, "m", 3), 3); // there already: the alias moves
    assert_int_equal(deploy(p, "m", 3), 3); // and stays
    roll_back(p, 3, 1);
    roll_back_fails(p, ERR_CONFLICT);
    // 1, 2, 1, 3 with 2 removed: back to the first 1 and no further, because it is the same.
    check_ok(registry_alias_set(p->r, "m", ALIAS_DEFAULT, 2, &e), &e);
    check_ok(registry_alias_set(p->r, "m", ALIAS_DEFAULT, 1, &e), &e);
    check_ok(registry_alias_set(p->r, "m", ALIAS_DEFAULT, 3, &e), &e);
    check_ok(registry_remove(p->r, "m", 2, false, &e), &e);
    roll_back(p, 3, 1);
    roll_back_fails(p, ERR_CONFLICT);
    check_ok(registry_alias_remove(p->r, "m", ALIAS_DEFAULT, &e), &e);
    roll_back_fails(p, ERR_NOT_FOUND);
    check_ok(registry_alias_set(p->r, "m", ALIAS_DEFAULT, 4, &e), &e);
    roll_back_fails(p, ERR_CONFLICT); // removed aliases forget
    assert_int_equal(faults(p->r), 0);
}

static void what_an_alias_points_at_stays(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    deploy(p, "m", 1);
    deploy(p, "m", 2);
    check_fails(registry_remove(p->r, "m", 2, false, &e), ERR_CONFLICT, &e);
    check_says(&e, "alias \"production\" points at version 2 of \"m\"");
    check_fails(registry_remove(p->r, "m", 0, false, &e), ERR_CONFLICT, &e);
    check_fails(registry_remove(p->r, "m", 3, true, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_remove(p->r, "m", -1, true, &e), ERR_INPUT, &e);
    check_fails(registry_remove(p->r, "n", 0, true, &e), ERR_NOT_FOUND, &e);
    check_ok(registry_remove(p->r, "m", 2, true, &e), &e);
    assert_int_equal(resolve(p, "m"), 1);
    assert_int_equal(faults(p->r), 0);
}

static void numbers_are_never_used_again(void **state)
{
    place *p = *state;
    registry_list l;
    err e = ERR_NONE;
    deploy(p, "m", 1);
    deploy(p, "m", 2);
    check_ok(registry_remove(p->r, "m", 2, true, &e), &e);
    assert_int_equal(deploy(p, "m", 2), 3);
    check_ok(registry_remove(p->r, "m", 0, true, &e), &e);
    check_ok(registry_models(p->r, &l, &e), &e);
    assert_int_equal(l.n, 0);
    registry_list_clear(&l);
    assert_int_equal(deploy(p, "m", 1), 4);
    roll_back_fails(p, ERR_CONFLICT);
}

static void models_are_listed(void **state)
{
    place *p = *state;
    registry_list l;
    err e = ERR_NONE;
    deploy(p, "b", 1);
    deploy(p, "a", 1);
    deploy(p, "a", 2);
    check_ok(registry_alias_set(p->r, "a", "first", 1, &e), &e);
    check_ok(registry_models(p->r, &l, &e), &e);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.models[0].name, "a");
    assert_int_equal(l.models[0].n_versions, 2);
    assert_int_equal(l.models[0].versions[1].version, 2);
    assert_string_equal(l.models[0].versions[1].metrics, "{\"accuracy\":0.5}");
    assert_true(l.models[0].versions[1].size > 1000);
    assert_true(l.models[0].versions[1].created_ms > 1700000000000);
    assert_int_equal(l.models[0].n_aliases, 2);
    assert_string_equal(l.models[0].aliases[0].name, "first");
    assert_int_equal(l.models[0].aliases[0].version, 1);
    assert_string_equal(l.models[0].aliases[1].name, "production");
    assert_string_equal(l.models[1].name, "b");
    registry_list_clear(&l);
}

static void changes_are_counted(void **state)
{
    place *p = *state;
    registry *other;
    int64_t a, b;
    err e = ERR_NONE;
    check_ok(registry_open(&other, p->dir, &(registry_options){.read_only = true}, &e), &e);
    check_ok(registry_change(other, &a, &e), &e);
    deploy(p, "m", 1);
    check_ok(registry_change(other, &b, &e), &e);
    assert_int_not_equal(a, b);
    deploy(p, "m", 1); // nothing changes
    check_ok(registry_change(other, &a, &e), &e);
    assert_int_equal(a, b);
    check_ok(registry_alias_set(p->r, "m", "x", 1, &e), &e);
    check_ok(registry_change(other, &a, &e), &e);
    assert_int_not_equal(a, b);
    registry_close(other);
}

static void readers_change_nothing(void **state)
{
    place *p = *state;
    registry *reader;
    package *pack = make(2), *loaded;
    int64_t n;
    err e = ERR_NONE;
    deploy(p, "m", 1);
    check_ok(registry_open(&reader, p->dir, &(registry_options){.read_only = true}, &e), &e);
    check_fails(registry_add(reader, "m", pack, NULL, NULL, NULL, &e), ERR_DENIED, &e);
    check_fails(registry_alias_set(reader, "m", "x", 1, &e), ERR_DENIED, &e);
    check_fails(registry_remove(reader, "m", 0, true, &e), ERR_DENIED, &e);
    check_fails(registry_gc(reader, &n, &n, &e), ERR_DENIED, &e);
    check_ok(registry_load(reader, "m", 1, &loaded, &e), &e);
    package_free(loaded);
    assert_int_equal(faults(reader), 0);
    registry_close(reader);
    package_free(pack);
    char *absent = path_join(p->folder, "absent");
    check_fails(registry_open(&reader, absent, &(registry_options){.read_only = true}, &e), ERR_NOT_FOUND, &e);
    assert_false(path_exists(absent));
    mem_free(absent);
}

static char *blob_of(place *p, const package *pack)
{
    char name[BLOB_PATH_SIZE];
    blob_path(pack->blobs[0].sha256, name);
    return path_join(p->dir, name);
}

static void gc_removes_what_nobody_names(void **state)
{
    place *p = *state;
    package *one = make(1), *two = make(2);
    char *path_one = blob_of(p, one), *path_two = blob_of(p, two);
    char *temporary = path_join(p->dir, "blobs/.slipway-1-2.tmp");
    int64_t n, bytes;
    err e = ERR_NONE;
    deploy(p, "m", 1);
    deploy(p, "m", 2);
    deploy(p, "other", 2);
    check_ok(file_write_atomic(temporary, STR("xyz"), 0600, &e), &e);
    check_ok(registry_gc(p->r, &n, &bytes, &e), &e);
    assert_int_equal(n, 1);
    assert_int_equal(bytes, 3);
    check_ok(registry_remove(p->r, "m", 0, true, &e), &e);
    assert_int_equal(faults(p->r), 0);
    check_ok(registry_gc(p->r, &n, &bytes, &e), &e);
    assert_int_equal(n, 1);
    assert_int_equal(bytes, (int64_t)one->blobs[0].size);
    assert_false(path_exists(path_one));
    assert_true(path_exists(path_two));
    struct stat st;
    assert_int_equal(stat(path_two, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0444);
    mem_free(path_one);
    mem_free(path_two);
    mem_free(temporary);
    package_free(one);
    package_free(two);
}

static void damaged_blobs_are_found_and_healed(void **state)
{
    place *p = *state;
    package *one = make(1), *loaded;
    char *path = blob_of(p, one);
    err e = ERR_NONE;
    deploy(p, "m", 1);
    char *content = mem_strndup(one->blobs[0].content.data, one->blobs[0].content.len);
    content[20] ^= 4;
    check_ok(file_write_atomic(path, (str){content, one->blobs[0].content.len}, 0444, &e), &e);
    check_fails(registry_load(p->r, "m", 1, &loaded, &e), ERR_CORRUPT, &e);
    assert_int_equal(faults(p->r), 1);
    check_ok(file_write_atomic(path, (str){content, 5}, 0444, &e), &e);
    assert_int_equal(faults(p->r), 1);
    assert_int_equal(unlink(path), 0);
    check_fails(registry_load(p->r, "m", 1, &loaded, &e), ERR_CORRUPT, &e);
    check_says(&e, "m@1");
    assert_int_equal(faults(p->r), 1);
    deploy(p, "m", 1); // brings it back
    assert_int_equal(faults(p->r), 0);
    mem_free(content);
    mem_free(path);
    package_free(one);
}

static void spoil(place *p, const char *sql)
{
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(p->r->path, &raw), SQLITE_OK);
    if (sqlite3_exec(raw, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(raw));
    sqlite3_close(raw);
}

static void damaged_records_are_found(void **state)
{
    place *p = *state;
    package *loaded;
    err e = ERR_NONE;
    deploy(p, "m", 1);
    deploy(p, "m", 2);
    spoil(p, "UPDATE alias_history SET version = 7 WHERE version = 2");
    assert_int_equal(faults(p->r), 1);
    spoil(p, "UPDATE alias_history SET version = 2 WHERE version = 7");
    spoil(p, "UPDATE versions SET size = size + 1 WHERE version = 2");
    assert_int_equal(faults(p->r), 1);
    spoil(p, "UPDATE versions SET size = size - 1 WHERE version = 2");
    spoil(p, "UPDATE models SET version_next = 2");
    assert_int_equal(faults(p->r), 1);
    spoil(p, "UPDATE models SET version_next = 3");
    spoil(p, "DELETE FROM version_blobs WHERE version = 1");
    assert_int_equal(faults(p->r), 1);
    spoil(p, "UPDATE versions SET manifest = manifest || ' ' WHERE version = 2");
    assert_int_equal(faults(p->r), 2);
    check_fails(registry_load(p->r, "m", 2, &loaded, &e), ERR_CORRUPT, &e);
    spoil(p, "PRAGMA foreign_keys=OFF; DELETE FROM alias_history WHERE version = 1");
    assert_int_equal(faults(p->r), 3);
}

// ---- places and foreign files ----

static void other_databases_are_refused(void **state)
{
    place *p = *state;
    registry *r = NULL;
    sqlite3 *raw;
    err e = ERR_NONE;
    char *dir = path_join(p->folder, "foreign"), *path = path_join(dir, "registry.db");
    check_ok(dir_make(dir, 0700, &e), &e);
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    sqlite3_exec(raw, "CREATE TABLE x(y)", NULL, NULL, NULL);
    sqlite3_close(raw);
    check_fails(registry_open(&r, dir, NULL, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "of another program");
    check_ok(file_write_atomic(path, STR("this is no database, just a text that is long enough"), 0600, &e), &e);
    check_fails(registry_open(&r, dir, NULL, &e), ERR_CORRUPT, &e);
    check_fails(registry_open(&r, path, NULL, &e), ERR_EXISTS, &e);
    check_fails(registry_open(&r, "", NULL, &e), ERR_INPUT, &e);
    assert_null(r);
    check_ok(file_write_atomic(path, STR(""), 0600, &e), &e); // a creation that was cut short
    check_ok(registry_open(&r, dir, NULL, &e), &e);
    registry_close(r);
    mem_free(path);
    mem_free(dir);
}

// Runs `work` as nobody, so that permissions count; 0 if it holds.
static int as_nobody(int (*work)(place *p), place *p)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(9);
        _exit(work(p));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100;
}

static int read_only_folder(place *p)
{
    registry *r;
    err e = ERR_NONE;
    char *dir = path_join(p->folder, "closed"), *inside = path_join(dir, "data");
    int faults_seen = 0;
    if (registry_open(&r, inside, NULL, &e) != ERR_DENIED) faults_seen |= 1; // cannot be made
    if (registry_open(&r, dir, NULL, &e) != ERR_DENIED) faults_seen |= 2;    // is there, but not writable
    if (registry_open(&r, p->dir, NULL, &e) != ERR_DENIED) faults_seen |= 4; // a registry of somebody else
    if (registry_open(&r, p->dir, &(registry_options){.read_only = true}, &e) != ERR_DENIED) faults_seen |= 8;
    mem_free(dir);
    mem_free(inside);
    return faults_seen;
}

static void read_only_folders_are_told(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    char *dir = path_join(p->folder, "closed");
    deploy(p, "m", 1);
    registry_close(p->r); // without -wal and -shm it cannot even be read
    p->r = NULL;
    check_ok(dir_make(dir, 0555, &e), &e);
    assert_int_equal(chmod(p->folder, 0755), 0);
    assert_int_equal(chmod(p->dir, 0555), 0);
    assert_int_equal(as_nobody(read_only_folder, p), 0);
    assert_int_equal(check_entries(dir, NULL), 0);
    mem_free(dir);
}

// ---- versions of the database ----

static const char *const step_next = "CREATE TABLE extra(x INTEGER) STRICT; UPDATE meta SET change = change + 100";
static const char *const step_bad = "CREATE TABLE extra(x INTEGER) STRICT; UPDATE meta SET nothing = 1";

// The ladder of this program and one more step.
enum { NEXT = REGISTRY_VERSION + 1 };
static ladder one_more(const char *steps[NEXT], const char *last)
{
    for (int i = 0; i < REGISTRY_VERSION; i++) steps[i] = ladder_current.steps[i];
    steps[REGISTRY_VERSION] = last;
    return (ladder){NEXT, steps};
}

static int64_t version_of(const char *path)
{
    sqlite3 *raw;
    sqlite3_stmt *q;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(raw, "PRAGMA user_version", -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t version = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(raw);
    return version;
}

static void older_databases_climb_after_a_copy(void **state)
{
    place *p = *state;
    registry *r;
    err e = ERR_NONE;
    int64_t before, after;
    package *pack = make(5);
    const char *steps[NEXT];
    const ladder longer = one_more(steps, step_next);
    char copy_name[40];
    snprintf(copy_name, sizeof copy_name, "registry.db.before-%d", NEXT);
    char *copy = path_join(p->dir, copy_name);
    deploy(p, "m", 1);
    check_ok(registry_change(p->r, &before, &e), &e);
    check_fails(registry_open_with(&r, p->dir, &(registry_options){.read_only = true}, &longer, &e), ERR_UNSUPPORTED,
                &e);
    check_says(&e, "older Slipway");
    check_ok(registry_open_with(&r, p->dir, NULL, &longer, &e), &e);
    check_ok(registry_change(r, &after, &e), &e);
    assert_int_equal(after, before + 100);
    assert_int_equal(faults(r), 0);
    assert_int_equal(version_of(copy), REGISTRY_VERSION);
    // Who had it open before stops writing.
    check_fails(registry_deploy(p->r, "m", pack, NULL, "x", NULL, NULL, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "newer Slipway");
    char *blob = blob_of(p, pack);
    assert_false(path_exists(blob)); // and leaves nothing
    registry_close(r);
    registry_close(p->r);
    p->r = NULL;
    // The copy is a whole registry of the older version.
    assert_int_equal(rename(copy, "/dev/null/x"), -1);
    char *path = path_join(p->dir, "registry.db");
    assert_int_equal(rename(copy, path), 0);
    check_ok(registry_open(&p->r, p->dir, NULL, &e), &e);
    assert_int_equal(resolve(p, "m"), 1);
    assert_int_equal(faults(p->r), 0);
    package_free(pack);
    mem_free(blob);
    mem_free(copy);
    mem_free(path);
}

static void a_step_that_fails_changes_nothing(void **state)
{
    place *p = *state;
    registry *r;
    err e = ERR_NONE;
    const char *steps[NEXT];
    const ladder broken = one_more(steps, step_bad);
    char said[40];
    snprintf(said, sizeof said, "cannot be brought to version %d", NEXT);
    deploy(p, "m", 1);
    check_fails(registry_open_with(&r, p->dir, NULL, &broken, &e), ERR_INTERNAL, &e);
    check_says(&e, said);
    assert_int_equal(version_of(p->r->path), REGISTRY_VERSION);
    assert_int_equal(deploy(p, "m", 2), 2);
    assert_int_equal(faults(p->r), 0);
}

static str whole(const char *path)
{
    buf b;
    err e = ERR_NONE;
    check_ok(file_read(path, 1 << 30, &b, &e), &e);
    return buf_str(&b);
}

static void newer_databases_are_refused_untouched(void **state)
{
    place *p = *state;
    registry *r;
    err e = ERR_NONE;
    deploy(p, "m", 1);
    char *path = path_join(p->dir, "registry.db");
    registry_close(p->r);
    p->r = NULL;
    sqlite3 *raw;
    assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
    char sql[80], said[80];
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d", NEXT);
    snprintf(said, sizeof said, "written by a newer Slipway (registry version %d; this one knows up to %d)", NEXT,
             REGISTRY_VERSION);
    sqlite3_exec(raw, sql, NULL, NULL, NULL);
    sqlite3_close(raw);
    str before = whole(path);
    size_t n = check_entries(p->dir, NULL);
    check_fails(registry_open(&r, p->dir, NULL, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, said);
    str after = whole(path);
    assert_true(str_equal(before, after));
    assert_int_equal(check_entries(p->dir, NULL), n);
    mem_free((char *)before.data);
    mem_free((char *)after.data);

    // The same when what makes it newer is still in the WAL of a program that died.
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (sqlite3_open(path, &raw) != SQLITE_OK) _exit(1);
        if (sqlite3_exec(raw, "PRAGMA journal_mode=WAL; PRAGMA user_version=99", NULL, NULL, NULL) != SQLITE_OK)
            _exit(2);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    before = whole(path);
    check_fails(registry_open(&r, p->dir, NULL, &e), ERR_UNSUPPORTED, &e);
    check_says(&e, "registry version 99");
    after = whole(path);
    assert_true(str_equal(before, after));
    mem_free((char *)before.data);
    mem_free((char *)after.data);
    mem_free(path);
}

int main(void)
{
    json_init();
    err e = ERR_NONE;
    if (db_init(&e) < 0) return 1;
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(versions_count_up_and_are_loaded),
        WITH_PLACE(a_run_that_gives_what_is_there_is_found),
        WITH_PLACE(references_are_resolved),
        cmocka_unit_test(names_have_rules),
        WITH_PLACE(rollback_goes_back_through_history),
        WITH_PLACE(what_an_alias_points_at_stays),
        WITH_PLACE(numbers_are_never_used_again),
        WITH_PLACE(models_are_listed),
        WITH_PLACE(changes_are_counted),
        WITH_PLACE(readers_change_nothing),
        WITH_PLACE(gc_removes_what_nobody_names),
        WITH_PLACE(damaged_blobs_are_found_and_healed),
        WITH_PLACE(damaged_records_are_found),
        WITH_PLACE(other_databases_are_refused),
        WITH_PLACE(read_only_folders_are_told),
        WITH_PLACE(older_databases_climb_after_a_copy),
        WITH_PLACE(a_step_that_fails_changes_nothing),
        WITH_PLACE(newer_databases_are_refused_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
