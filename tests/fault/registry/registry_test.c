// Every operation of the registry while memory, the calls of base/files, or the disk under everything (SQLite included)
// fail at the 1st, 2nd, ... moment. A failed operation has changed nothing and left nothing; an acknowledged one is
// there.
// SPDX-License-Identifier: Apache-2.0
#include "registry/deployments.h"
#include "registry/registry.h"

#include "base/files.h"
#include "fault/faults.h"
#include "fault/registry/disk.h"
#include "helpers/packages.h"
#include "registry/registry_impl.h"

typedef struct scene scene;
typedef int scene_work(scene *s, registry *r, err *e);

struct scene {
    char *folder, *dir, *archive, *target;
    scene_work *work;                     // under faults
    void (*prepare)(scene *, registry *); // brings back what the next run needs; without faults
    void (*check)(scene *, registry *);   // what an operation did, or did not if rc is not 0
    int rc;                               // of the last run
    int tag;
    package *next;      // a package that was never deployed
    int64_t n_versions; // that were acknowledged
    int64_t production; // what the alias pointed at, as acknowledged
    bool notes_allowed; // orphans, when cleaning up could not work either
    bool late_allowed;  // a change that was not acknowledged may show up: the sync after it failed
    int64_t n_notes;
};

static void next_package(scene *s)
{
    err e = ERR_NONE;
    package_free(s->next);
    s->next = NULL;
    check_ok(sample_package(&s->next, ++s->tag, &e), &e);
}

static void begin(scene *s)
{
    registry *r;
    err e = ERR_NONE;
    *s = (scene){.folder = check_folder()};
    s->dir = path_join(s->folder, "data");
    s->archive = path_join(s->folder, "backup.tar");
    s->target = path_join(s->folder, "restored");
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    for (int i = 0; i < 2; i++) {
        next_package(s);
        check_ok(registry_deploy(r, "m", s->next, "", ALIAS_DEFAULT, &s->production, NULL, &e), &e);
    }
    s->n_versions = s->production;
    registry_close(r);
    next_package(s);
}

static void end(scene *s)
{
    check_folder_free(s->folder);
    package_free(s->next);
    mem_free(s->dir);
    mem_free(s->archive);
    mem_free(s->target);
}

static void look_at_line(void *context, const char *line)
{
    scene *s = context;
    if (strncmp(line, "note: ", 6) == 0) s->n_notes++;
    if (strncmp(line, "note: ", 6) != 0 || !s->notes_allowed) print_message("  %s\n", line);
}

static void look(void *context, uint64_t nth)
{
    scene *s = context;
    registry *r;
    int64_t n_faults;
    err e = ERR_NONE;
    disk_fail_at(0, 0, false);
    s->n_notes = 0;
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    check_ok(registry_fsck(r, look_at_line, s, &n_faults, &e), &e);
    if (n_faults > 0 || (s->n_notes > 0 && !s->notes_allowed)) fail_msg("after fault %d", (int)nth);
    s->check(s, r);
    s->prepare(s, r);
    registry_close(r);
}

static int run(void *context, err *e)
{
    scene *s = context;
    registry *r;
    s->rc = registry_open(&r, s->dir, NULL, e);
    if (s->rc < 0) return s->rc;
    s->rc = s->work(s, r, e);
    registry_close(r);
    return s->rc;
}

static int64_t count_versions(registry *r)
{
    registry_list l;
    err e = ERR_NONE;
    check_ok(registry_models(r, &l, &e), &e);
    int64_t n = l.n ? (int64_t)l.models[0].n_versions : 0;
    registry_list_clear(&l);
    return n;
}

static int64_t production_of(registry *r)
{
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    err e = ERR_NONE;
    check_ok(registry_resolve(r, "m@production", name, &version, &e), &e);
    return version;
}

// The number of versions and the alias, given what they should be when the last run was acknowledged.
static void check_state(scene *s, registry *r, int64_t n_versions, int64_t production)
{
    int64_t n = count_versions(r), at = production_of(r);
    bool done = n == n_versions && at == production;
    bool undone = n == s->n_versions && at == s->production;
    if (s->rc == 0 ? !done : !undone && !(s->late_allowed && done))
        fail_msg("rc %d, %d versions, production at %d", s->rc, (int)n, (int)at);
    s->n_versions = n;
    s->production = at;
}

// ---- the operations ----

static int deploy(scene *s, registry *r, err *e)
{
    return registry_deploy(r, "m", s->next, "run", ALIAS_DEFAULT, NULL, NULL, e);
}

static void check_deploy(scene *s, registry *r)
{
    check_state(s, r, s->n_versions + 1, s->n_versions + 1);
}

static void prepare_deploy(scene *s, registry *r)
{
    int64_t n;
    err e = ERR_NONE;
    next_package(s);
    if (s->notes_allowed) check_ok(registry_gc(r, &n, &n, &e), &e);
}

static int roll_back(scene *s, registry *r, err *e)
{
    int64_t from, to;
    (void)s;
    return registry_rollback(r, "m", ALIAS_DEFAULT, &from, &to, e);
}

static void check_roll_back(scene *s, registry *r)
{
    check_state(s, r, s->n_versions, 1);
}

static void prepare_roll_back(scene *s, registry *r)
{
    err e = ERR_NONE;
    check_ok(registry_alias_set(r, "m", ALIAS_DEFAULT, 2, &e), &e);
    s->production = 2;
}

static int promote(scene *s, registry *r, err *e)
{
    (void)s;
    return registry_deployment_end(r, "m", 0, DEPLOYMENT_PROMOTED, "{}", NULL, e);
}

static void check_promote(scene *s, registry *r)
{
    err e = ERR_NONE;
    deployment_list l;
    check_state(s, r, s->n_versions, 2);
    check_ok(registry_deployments(r, &l, &e), &e);
    assert_int_equal(l.n, s->production == 1); // both or neither
    deployment_list_clear(&l);
}

static void prepare_promote(scene *s, registry *r)
{
    err e = ERR_NONE;
    const deployment d = {.model = "m", .canary = 2, .weight = 100, .guards = GUARDS_DEFAULT};
    check_ok(registry_alias_set(r, "m", ALIAS_DEFAULT, 1, &e), &e);
    check_ok(registry_deployment_set(r, &d, &e), &e);
    s->production = 1;
}

static int remove_version(scene *s, registry *r, err *e)
{
    return registry_remove(r, "m", s->production, true, e);
}

// Removing the last version takes the alias along; it is put back with another version.
static void check_remove_version(scene *s, registry *r)
{
    int64_t n = count_versions(r), want = s->n_versions - (s->rc == 0);
    if (n != want && !(s->late_allowed && n == s->n_versions - 1)) fail_msg("rc %d, %d versions", s->rc, (int)n);
    s->n_versions = n;
}

static void prepare_remove(scene *s, registry *r)
{
    int64_t n;
    err e = ERR_NONE;
    next_package(s);
    check_ok(registry_deploy(r, "m", s->next, "", ALIAS_DEFAULT, &s->production, NULL, &e), &e);
    s->n_versions = count_versions(r);
    check_ok(registry_gc(r, &n, &n, &e), &e);
    next_package(s);
}

static int look_around(scene *s, registry *r, err *e)
{
    registry_list l;
    package *p;
    int64_t n, version;
    char name[MODEL_NAME_MAX + 1];
    (void)s;
    TRY(registry_models(r, &l, e));
    registry_list_clear(&l);
    TRY(registry_resolve(r, "m@production", name, &version, e));
    TRY(registry_change(r, &n, e));
    TRY(registry_load(r, name, version, &p, e));
    package_free(p);
    return registry_fsck(r, NULL, NULL, &n, e);
}

static void check_nothing_changed(scene *s, registry *r)
{
    assert_int_equal(count_versions(r), s->n_versions);
    assert_int_equal(production_of(r), s->production);
}

static void prepare_nothing(scene *s, registry *r)
{
    (void)s;
    (void)r;
}

static int collect(scene *s, registry *r, err *e)
{
    (void)s;
    int64_t n, bytes;
    return registry_gc(r, &n, &bytes, e);
}

static void prepare_collect(scene *s, registry *r)
{
    err e = ERR_NONE;
    next_package(s);
    check_ok(registry_add(r, "other", s->next, "", NULL, NULL, &e), &e);
    check_ok(registry_remove(r, "other", 0, true, &e), &e);
}

static int back_up(scene *s, registry *r, err *e)
{
    return registry_backup(r, s->archive, e);
}

static void check_back_up(scene *s, registry *r)
{
    (void)r;
    bool there = path_exists(s->archive);
    if (s->rc == 0 && !there) fail_msg("an acknowledged backup is not there");
    size_t n = check_entries(s->folder, NULL);
    if (n != 1u + there) fail_msg("%d things in the folder", (int)n);
    if (there) { // whole, also when only the sync of its folder failed
        err e = ERR_NONE;
        check_ok(registry_restore(s->archive, s->target, &e), &e);
        check_remove(s->target);
        assert_int_equal(unlink(s->archive), 0);
    }
}

static int restore(void *context, err *e)
{
    scene *s = context;
    return s->rc = registry_restore(s->archive, s->target, e);
}

static void look_at_restored(void *context, uint64_t nth)
{
    scene *s = context;
    disk_fail_at(0, 0, false);
    bool there = path_exists(s->target);
    if (s->rc == 0 && !there) fail_msg("an acknowledged registry is not there, fault %d", (int)nth);
    size_t n = check_entries(s->folder, NULL);
    if (n != 2u + there) fail_msg("%d things in the folder after fault %d", (int)n, (int)nth);
    if (there) {
        registry *r;
        int64_t n_faults;
        err e = ERR_NONE;
        check_ok(registry_open(&r, s->target, NULL, &e), &e);
        check_ok(registry_fsck(r, NULL, NULL, &n_faults, &e), &e);
        assert_int_equal(n_faults, 0);
        registry_close(r);
        check_remove(s->target);
    }
}

static int create(void *context, err *e)
{
    scene *s = context;
    registry *r;
    s->rc = registry_open(&r, s->target, NULL, e);
    if (s->rc == 0) registry_close(r);
    return s->rc;
}

static void look_at_created(void *context, uint64_t nth)
{
    scene *s = context;
    disk_fail_at(0, 0, false);
    if (s->rc < 0 && path_exists(s->target)) fail_msg("a failed creation left its folder, fault %d", (int)nth);
    if (s->rc == 0) {
        registry *r;
        err e = ERR_NONE;
        check_ok(registry_open(&r, s->target, NULL, &e), &e);
        registry_close(r);
        check_remove(s->target);
    }
}

static const struct operation {
    const char *name;
    scene_work *work;
    void (*check)(scene *, registry *);
    void (*prepare)(scene *, registry *);
} operations[] = {
    {"deploy", deploy, check_deploy, prepare_deploy},
    {"rollback", roll_back, check_roll_back, prepare_roll_back},
    {"promote", promote, check_promote, prepare_promote},
    {"remove", remove_version, check_remove_version, prepare_remove},
    {"read", look_around, check_nothing_changed, prepare_nothing},
    {"gc", collect, check_nothing_changed, prepare_collect},
    {"backup", back_up, check_back_up, prepare_nothing},
};
enum { OPERATIONS_N = sizeof operations / sizeof *operations };

static uint64_t stride, first; // of the faults that are tried: every one takes minutes

// Makes `arm` fail the nth moment for n = first, first + stride, ... until a run does not notice. `count` ends the
// fault and gives the number of moments.
typedef struct fault_kind {
    void (*arm)(uint64_t nth);
    uint64_t (*count)(void);
    int code; // that a failed run gives
} fault_kind;

static uint64_t loop_over(const fault_kind *k, fault_work *work, fault_look *look_after, scene *s)
{
    uint64_t n_tried = 0;
    for (uint64_t nth = first; nth < FAULTS_MAX; nth += stride) {
        err e = ERR_NONE;
        disk_watch(s->folder, false);
        disk_skip_syncs(true);
        k->arm(nth);
        int rc = work(s, &e);
        uint64_t n = k->count();
        if (n < nth) {
            check_ok(rc, &e);
            look_after(s, nth);
            disk_watch(NULL, false);
            return n_tried;
        }
        if (rc != 0) check_fails(rc, k->code, &e);
        look_after(s, nth);
        n_tried++;
    }
    fail_msg("no end");
    return 0;
}

static void arm_memory(uint64_t nth)
{
    mem_fail_at(nth, 0);
}

static uint64_t count_memory(void)
{
    return mem_fail_at(0, 0);
}

static void arm_files(uint64_t nth)
{
    files_fail_at(nth, EIO);
}

static uint64_t count_files(void)
{
    return files_fail_at(0, 0);
}

static void arm_disk(uint64_t nth)
{
    disk_fail_at(nth, EIO, false);
}

static void arm_full_disk(uint64_t nth)
{
    disk_fail_at(nth, ENOSPC, true);
}

static uint64_t count_disk(void)
{
    return disk_fail_at(0, 0, false);
}

static void everything(const char *name, const fault_kind *k, bool late_allowed)
{
    for (size_t i = 0; i < OPERATIONS_N; i++) {
        scene s;
        registry *r;
        err e = ERR_NONE;
        begin(&s);
        s.work = operations[i].work;
        s.check = operations[i].check;
        s.prepare = operations[i].prepare;
        // What was removed waits for gc, and what gc did not come to for the next one.
        s.notes_allowed = s.work == remove_version || s.work == collect;
        s.late_allowed = late_allowed;
        check_ok(registry_open(&r, s.dir, NULL, &e), &e);
        s.prepare(&s, r);
        registry_close(r);
        uint64_t n = loop_over(k, run, look, &s);
        print_message("  %s: %d faults of %s\n", operations[i].name, (int)n, name);
        if (n == 0) fail_msg("no fault was tried");
        end(&s);
    }
    scene s;
    registry *r;
    err e = ERR_NONE;
    begin(&s);
    uint64_t n = loop_over(k, create, look_at_created, &s);
    print_message("  create: %d faults of %s\n", (int)n, name);
    check_ok(registry_open(&r, s.dir, NULL, &e), &e);
    check_ok(registry_backup(r, s.archive, &e), &e);
    registry_close(r);
    n = loop_over(k, restore, look_at_restored, &s);
    print_message("  restore: %d faults of %s\n", (int)n, name);
    end(&s);
}

// Every `most`th moment from a random one on, or each if FAULTS=all.
static void choose(uint64_t most)
{
    const char *all = getenv("FAULTS");
    stride = all && strcmp(all, "all") == 0 ? 1 : most;
    rng r = rng_new(check_seed(), 0);
    first = 1 + rng_below(&r, stride);
}

static void memory_runs_out(void **state)
{
    (void)state;
    choose(31);
    everything("memory", &(fault_kind){arm_memory, count_memory, ERR_MEMORY}, false);
}

static void files_fail(void **state)
{
    (void)state;
    choose(1);
    everything("files", &(fault_kind){arm_files, count_files, ERR_IO}, false);
}

static void the_disk_breaks_once(void **state)
{
    (void)state;
    choose(2);
    everything("the disk", &(fault_kind){arm_disk, count_disk, ERR_IO}, true);
}

static void the_disk_is_full(void **state)
{
    (void)state;
    choose(2);
    everything("a full disk", &(fault_kind){arm_full_disk, count_disk, ERR_FULL}, false);
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(files_fail),
        cmocka_unit_test(the_disk_breaks_once),
        cmocka_unit_test(the_disk_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
