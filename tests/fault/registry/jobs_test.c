// Runs and datasets while memory, the calls of base/files, or the disk (SQLite included) fail at the 1st, 2nd, ...
// moment: a failed change has changed nothing and left no file, an acknowledged one is there.
// SPDX-License-Identifier: Apache-2.0
#include "registry/datasets.h"

#include "base/files.h"
#include "fault/faults.h"
#include "fault/registry/disk.h"

typedef struct scene {
    char *folder, *dir, dataset[OBJECT_ID_SIZE];
    int serial;
    int rc;
    bool late_allowed; // a change whose last sync failed may be there
} scene;

static void put_part(scene *s, const char *text)
{
    err e = ERR_NONE;
    char *folder = path_join(s->dir, "datasets"), *path = path_join(folder, "x.part");
    check_ok(dir_make(folder, 0700, &e), &e);
    check_ok(file_write_atomic(path, str_of(text), 0600, &e), &e);
    mem_free(folder);
    mem_free(path);
}

static int add_dataset(registry *r, const char *text, dataset_record *d, err *e)
{
    char sum[SHA256_HEX_SIZE];
    bool existed;
    sha256_hex_of(text, strlen(text), sum);
    return registry_dataset_add(r, "t", "x.part", sum, (int64_t)strlen(text), d, &existed, e);
}

static void begin(scene *s)
{
    registry *r;
    dataset_record d;
    err e = ERR_NONE;
    *s = (scene){.folder = check_folder()};
    s->dir = path_join(s->folder, "data");
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    put_part(s, "a,b\n1,2\n");
    check_ok(add_dataset(r, "a,b\n1,2\n", &d, &e), &e);
    memcpy(s->dataset, d.id, sizeof d.id);
    dataset_record_clear(&d);
    registry_close(r);
    disk_skip_syncs(true);
    disk_watch(s->dir, false);
}

static void end(scene *s)
{
    disk_watch(NULL, false);
    check_folder_free(s->folder);
    mem_free(s->dir);
}

// A run, from asked to ended, and its answer kept.
static int live(scene *s, registry *r, err *e)
{
    char id[OBJECT_ID_SIZE], key[32], sum[SHA256_HEX_SIZE];
    kept_answer kept;
    run_record run;
    snprintf(key, sizeof key, "k%d", s->serial);
    sha256_hex_of(key, strlen(key), sum);
    TRY(registry_new_id(r, id, e));
    run_addition a = {.id = id,
                      .tenant = "t",
                      .kind = "train",
                      .actor = "me",
                      .spec = "{}",
                      .dataset = s->dataset,
                      .queued_max = 10000,
                      .key = {.tenant = "t", .key = key, .sum = sum},
                      .status = 202,
                      .location = "/x",
                      .body = "{}"};
    TRY(registry_run_add(r, &a, &kept, e));
    kept_answer_clear(&kept); // of the run before, which was kept though its answer was lost
    int rc = registry_run_next(r, &run, e);
    if (rc == ERR_NOT_FOUND) return 0;
    TRY(rc);
    memcpy(id, run.id, sizeof id);
    run_record_clear(&run);
    TRY(registry_run_begin(r, id, e));
    return registry_run_end(r, id, RUN_SUCCEEDED, "{}", NULL, NULL, e);
}

static int work_on_run(void *context, err *e)
{
    scene *s = context;
    registry *r;
    s->rc = registry_open(&r, s->dir, NULL, e);
    if (s->rc < 0) return s->rc;
    s->rc = live(s, r, e);
    registry_close(r);
    return s->rc;
}

// Every run that is there is whole, and goes on to its end.
static void look_at_runs(void *context, uint64_t nth)
{
    scene *s = context;
    registry *r;
    run_record run;
    run_list l;
    int64_t n;
    err e = ERR_NONE;
    (void)nth;
    disk_fail_at(0, 0, false);
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    check_ok(registry_fsck(r, NULL, NULL, &n, &e), &e);
    assert_int_equal(n, 0);
    check_ok(registry_runs_running(r, &l, &e), &e);
    for (size_t i = 0; i < l.n; i++)
        check_ok(registry_run_end(r, l.runs[i].id, RUN_INTERRUPTED, NULL, NULL, NULL, &e), &e);
    run_list_clear(&l);
    while (registry_run_next(r, &run, &e) == 0) {
        check_ok(registry_run_end(r, run.id, RUN_CANCELLED, NULL, NULL, NULL, &e), &e);
        run_record_clear(&run);
    }
    registry_close(r);
    s->serial++;
}

static void test_runs_without_memory(void **state)
{
    (void)state;
    scene s;
    begin(&s);
    uint64_t n = faults_of_memory(work_on_run, look_at_runs, &s, 0);
    print_message("%d allocations\n", (int)n);
    assert_true(n > 50);
    end(&s);
}

static void test_runs_without_disk(void **state)
{
    (void)state;
    scene s;
    begin(&s);
    for (uint64_t nth = 1;; nth++) {
        err e = ERR_NONE;
        disk_fail_at(nth, ENOSPC, true);
        int rc = work_on_run(&s, &e);
        uint64_t n = disk_fail_at(0, 0, false);
        if (rc != 0) check_fails(rc, ERR_FULL, &e);
        look_at_runs(&s, nth);
        if (n < nth) break;
    }
    end(&s);
}

// ---- datasets

static int work_on_dataset(void *context, err *e)
{
    scene *s = context;
    registry *r;
    dataset_record d;
    char text[32];
    snprintf(text, sizeof text, "a\n%d\n", s->serial);
    s->rc = registry_open(&r, s->dir, NULL, e);
    if (s->rc < 0) return s->rc;
    s->rc = add_dataset(r, text, &d, e);
    if (s->rc == 0) dataset_record_clear(&d);
    registry_close(r);
    return s->rc;
}

static size_t n_files;
static void count_file(const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    n_files += strlen(name) == SHA256_HEX_SIZE - 1;
}

static void look_at_datasets(void *context, uint64_t nth)
{
    scene *s = context;
    registry *r;
    dataset_list l;
    err e = ERR_NONE;
    disk_fail_at(0, 0, false);
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    check_ok(registry_datasets(r, "t", 0, 500, &l, &e), &e);
    char *folder = path_join(s->dir, "datasets");
    n_files = 0;
    check_entries(folder, count_file);
    if (n_files < l.n) fail_msg("fault %d: %zu files of %zu datasets", (int)nth, n_files, l.n);
    for (size_t i = 0; i < l.n; i++) {
        char *path = path_join(folder, l.datasets[i].sha256);
        assert_true(path_exists(path));
        mem_free(path);
        if (strcmp(l.datasets[i].id, s->dataset) != 0)
            check_ok(registry_dataset_remove(r, "t", l.datasets[i].id, &e), &e);
    }
    // What has no name is for the sweep, and gone then.
    check_ok(registry_datasets_sweep(r, clock_utc_ms() + INT64_C(7200000), &e), &e);
    n_files = 0;
    check_entries(folder, count_file);
    assert_int_equal(n_files, 1);
    mem_free(folder);
    dataset_list_clear(&l);
    registry_close(r);
    char text[32];
    snprintf(text, sizeof text, "a\n%d\n", ++s->serial);
    put_part(s, text);
}

static void test_datasets_under_faults(void **state)
{
    (void)state;
    scene s;
    begin(&s);
    put_part(&s, "a\n0\n");
    uint64_t n = faults_of_memory(work_on_dataset, look_at_datasets, &s, 0);
    look_at_datasets(&s, 0);
    uint64_t n_calls = faults_of_files(work_on_dataset, look_at_datasets, &s, ENOSPC);
    look_at_datasets(&s, 0);
    print_message("%d allocations, %d calls\n", (int)n, (int)n_calls);
    assert_true(n > 50 && n_calls > 2);
    for (uint64_t nth = 1;; nth++) {
        err e = ERR_NONE;
        disk_fail_at(nth, ENOSPC, true);
        int rc = work_on_dataset(&s, &e);
        uint64_t done = disk_fail_at(0, 0, false);
        if (rc != 0) check_fails(rc, ERR_FULL, &e);
        look_at_datasets(&s, nth);
        if (done < nth) break;
    }
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_without_memory),
        cmocka_unit_test(test_runs_without_disk),
        cmocka_unit_test(test_datasets_under_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
