// Runs and kept answers in the registry: from asked to ended, by tenant, and what must not be mixed up.
// SPDX-License-Identifier: Apache-2.0
#include "registry/jobs.h"

#include "base/files.h"
#include "base/mem.h"
#include "check.h"
#include "registry/datasets.h"

typedef struct place {
    char *folder, *dir;
    registry *r;
    char dataset[OBJECT_ID_SIZE];
} place;

// A synced file under DIR/datasets, as an upload leaves it.
static void put_file(registry *r, const char *name, const char *text)
{
    char *path;
    err e = ERR_NONE;
    check_ok(registry_dataset_path(r, name, &path, &e), &e);
    check_ok(file_write_atomic(path, str_of(text), 0600, &e), &e);
    mem_free(path);
}

static void add_dataset(registry *r, const char *tenant, const char *text, dataset_record *d, bool *existed)
{
    char sum[SHA256_HEX_SIZE];
    err e = ERR_NONE;
    sha256_hex_of(text, strlen(text), sum);
    put_file(r, "x.part", text);
    check_ok(registry_dataset_add(r, tenant, "x.part", sum, (int64_t)strlen(text), d, existed, &e), &e);
}

static int set_up(void **state)
{
    place *p = mem_zalloc(1, sizeof *p);
    dataset_record d;
    bool existed;
    err e = ERR_NONE;
    p->folder = check_folder();
    p->dir = path_join(p->folder, "data");
    check_ok(registry_open(&p->r, p->dir, NULL, &e), &e);
    add_dataset(p->r, "acme", "a,b\n1,2\n", &d, &existed);
    memcpy(p->dataset, d.id, sizeof d.id);
    dataset_record_clear(&d);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    registry_close(p->r);
    check_folder_free(p->folder);
    mem_free(p->dir);
    mem_free(p);
    return 0;
}

static run_addition addition(const place *p, const char *id)
{
    return (run_addition){.id = id,
                          .tenant = "acme",
                          .kind = "train",
                          .actor = "key:1",
                          .spec = "{\"kind\":\"train\"}",
                          .dataset = p->dataset,
                          .queued_max = 3,
                          .status = 202,
                          .location = "/somewhere",
                          .body = "{}"};
}

static void add_run(place *p, const char *id)
{
    run_addition a = addition(p, id);
    kept_answer kept;
    err e = ERR_NONE;
    check_ok(registry_run_add(p->r, &a, &kept, &e), &e);
    assert_null(kept.body);
}

static run_state state_of(place *p, const char *id)
{
    run_record r;
    err e = ERR_NONE;
    check_ok(registry_run_find(p->r, NULL, id, &r, &e), &e);
    run_state s = r.state;
    run_record_clear(&r);
    return s;
}

static void test_a_life(void **state)
{
    place *p = *state;
    run_record r;
    int64_t before, after, n;
    err e = ERR_NONE;
    check_ok(registry_change(p->r, &before, &e), &e);
    add_run(p, "one");
    add_run(p, "two");
    check_ok(registry_run_next(p->r, &r, &e), &e);
    assert_string_equal(r.id, "one");
    assert_string_equal(r.actor, "key:1");
    assert_string_equal(r.dataset, p->dataset);
    assert_int_equal(r.started_ms, 0);
    run_record_clear(&r);
    check_ok(registry_run_begin(p->r, "one", &e), &e);
    check_fails(registry_run_begin(p->r, "one", &e), ERR_CONFLICT, &e);
    check_ok(registry_runs_count(p->r, RUN_RUNNING, &n, &e), &e);
    assert_int_equal(n, 1);
    check_fails(registry_run_remove(p->r, "acme", "one", &e), ERR_CONFLICT, &e);
    check_ok(registry_run_end(p->r, "one", RUN_SUCCEEDED, "{\"x\":1}", NULL, NULL, &e), &e);
    check_ok(registry_run_end(p->r, "one", RUN_FAILED, NULL, "late", "too late", &e), &e); // it has ended
    check_ok(registry_run_find(p->r, "acme", "one", &r, &e), &e);
    assert_int_equal(r.state, RUN_SUCCEEDED);
    assert_string_equal(r.result, "{\"x\":1}");
    assert_string_equal(r.code, "");
    assert_true(r.started_ms > 0 && r.ended_ms >= r.started_ms);
    run_record_clear(&r);
    check_fails(registry_run_find(p->r, "", "one", &r, &e), ERR_NOT_FOUND, &e); // another tenant's
    check_fails(registry_run_remove(p->r, "", "one", &e), ERR_NOT_FOUND, &e);
    check_ok(registry_run_remove(p->r, "acme", "one", &e), &e);
    check_fails(registry_run_find(p->r, NULL, "one", &r, &e), ERR_NOT_FOUND, &e);
    check_ok(registry_change(p->r, &after, &e), &e);
    assert_int_equal(before, after); // no model has changed
}

static void test_cancelling(void **state)
{
    place *p = *state;
    run_state was;
    run_list l;
    err e = ERR_NONE;
    add_run(p, "one");
    add_run(p, "two");
    check_ok(registry_run_begin(p->r, "one", &e), &e);
    check_fails(registry_run_cancel(p->r, "", "one", &was, &e), ERR_NOT_FOUND, &e);
    check_ok(registry_run_cancel(p->r, "acme", "one", &was, &e), &e);
    assert_int_equal(was, RUN_RUNNING);
    assert_int_equal(state_of(p, "one"), RUN_RUNNING); // until its supervisor has ended it
    check_ok(registry_runs_running(p->r, &l, &e), &e);
    assert_int_equal(l.n, 1);
    assert_true(l.runs[0].cancel);
    run_list_clear(&l);
    check_ok(registry_run_cancel(p->r, "acme", "two", &was, &e), &e);
    assert_int_equal(was, RUN_QUEUED);
    assert_int_equal(state_of(p, "two"), RUN_CANCELLED);
    check_fails(registry_run_begin(p->r, "two", &e), ERR_CONFLICT, &e);
    check_fails(registry_run_cancel(p->r, "acme", "two", &was, &e), ERR_CONFLICT, &e);
}

static void test_room_and_datasets(void **state)
{
    place *p = *state;
    kept_answer kept;
    err e = ERR_NONE;
    add_run(p, "one");
    add_run(p, "two");
    add_run(p, "three");
    run_addition a = addition(p, "four");
    check_fails(registry_run_add(p->r, &a, &kept, &e), ERR_BUSY, &e);
    a.queued_max = 4;
    a.tenant = "other"; // whose the dataset is not
    check_fails(registry_run_add(p->r, &a, &kept, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_dataset_remove(p->r, "acme", p->dataset, &e), ERR_CONFLICT, &e);
    run_list l;
    check_ok(registry_runs(p->r, "acme", "", 0, 2, &l, &e), &e);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.runs[0].id, "three");
    int64_t before = l.runs[1].number;
    run_list_clear(&l);
    check_ok(registry_runs(p->r, "acme", "", before, 2, &l, &e), &e);
    assert_int_equal(l.n, 1);
    run_list_clear(&l);
    check_ok(registry_runs(p->r, "acme", "predict", 0, 2, &l, &e), &e);
    assert_int_equal(l.n, 0);
    run_list_clear(&l);
}

static void test_keys(void **state)
{
    place *p = *state;
    kept_answer kept;
    err e = ERR_NONE;
    char sum[SHA256_HEX_SIZE];
    sha256_hex_of("body", 4, sum);
    run_addition a = addition(p, "one");
    a.key = (answer_key){.tenant = "acme", .key = "k", .sum = sum};
    a.body = "the answer";
    check_ok(registry_run_add(p->r, &a, &kept, &e), &e);
    assert_null(kept.body);
    a.id = "two";
    check_ok(registry_run_add(p->r, &a, &kept, &e), &e);
    assert_string_equal(kept.body, "the answer");
    assert_string_equal(kept.location, "/somewhere");
    assert_int_equal(kept.status, 202);
    kept_answer_clear(&kept);
    run_record r;
    check_fails(registry_run_find(p->r, NULL, "two", &r, &e), ERR_NOT_FOUND, &e);
    sha256_hex_of("other", 5, sum);
    check_fails(registry_run_add(p->r, &a, &kept, &e), ERR_CONFLICT, &e);
    a.key.tenant = "another"; // keys are the tenant's own
    assert_int_equal(registry_answer_find(p->r, &a.key, &kept, &e), ERR_NOT_FOUND);
    a.key.tenant = "acme";
    check_ok(registry_answers_sweep(p->r, clock_utc_ms() + INT64_C(25) * 3600000, &e), &e);
    assert_int_equal(registry_answer_find(p->r, &a.key, &kept, &e), ERR_NOT_FOUND);
}

static void test_datasets(void **state)
{
    place *p = *state;
    dataset_record mine, theirs, again;
    bool existed;
    char *path, sum[SHA256_HEX_SIZE];
    err e = ERR_NONE;
    add_dataset(p->r, "acme", "x\n1\n", &mine, &existed);
    assert_false(existed);
    add_dataset(p->r, "other", "x\n1\n", &theirs, &existed);
    assert_false(existed);
    assert_string_not_equal(mine.id, theirs.id);
    assert_string_equal(mine.sha256, theirs.sha256);
    add_dataset(p->r, "acme", "x\n1\n", &again, &existed);
    assert_true(existed);
    assert_string_equal(mine.id, again.id);
    dataset_record_clear(&again);
    check_ok(registry_dataset_profile(p->r, mine.id, "{}", &e), &e);
    check_fails(registry_dataset_find(p->r, "acme", theirs.id, &again, &e), ERR_NOT_FOUND, &e);
    check_ok(registry_dataset_find(p->r, "acme", mine.id, &again, &e), &e);
    assert_string_equal(again.profile, "{}");
    dataset_record_clear(&again);
    memcpy(sum, mine.sha256, sizeof sum);
    check_ok(registry_dataset_path(p->r, sum, &path, &e), &e);
    check_ok(registry_dataset_remove(p->r, "acme", mine.id, &e), &e);
    assert_true(path_exists(path)); // somebody else has the same
    check_ok(registry_dataset_remove(p->r, "other", theirs.id, &e), &e);
    assert_false(path_exists(path));
    mem_free(path);
    dataset_record_clear(&mine);
    dataset_record_clear(&theirs);
}

static void test_uploads_and_sweep(void **state)
{
    place *p = *state;
    kept_answer kept;
    upload_record u;
    err e = ERR_NONE;
    upload_addition a = {
        .id = "up", .tenant = "acme", .size = 10, .sha256 = "", .status = 201, .location = "", .body = ""};
    check_ok(registry_upload_add(p->r, &a, &kept, &e), &e);
    check_ok(registry_upload_grow(p->r, "up", 7, &e), &e);
    check_ok(registry_upload_find(p->r, "acme", "up", &u, &e), &e);
    assert_int_equal(u.received, 7);
    check_fails(registry_upload_find(p->r, "", "up", &u, &e), ERR_NOT_FOUND, &e);
    put_file(p->r, "up.part", "1234567");
    put_file(p->r, "gone.part", "of nobody");
    int64_t now = clock_utc_ms(), hour = 3600000;
    check_ok(registry_datasets_sweep(p->r, now, &e), &e); // too young, all of them
    char *up, *gone;
    check_ok(registry_dataset_path(p->r, "up.part", &up, &e), &e);
    check_ok(registry_dataset_path(p->r, "gone.part", &gone, &e), &e);
    assert_true(path_exists(up) && path_exists(gone));
    check_ok(registry_datasets_sweep(p->r, now + 2 * hour, &e), &e);
    assert_true(path_exists(up) && !path_exists(gone));
    check_ok(registry_datasets_sweep(p->r, now + (UPLOAD_HOURS + 1) * hour, &e), &e);
    assert_false(path_exists(up));
    check_fails(registry_upload_find(p->r, "acme", "up", &u, &e), ERR_NOT_FOUND, &e);
    dataset_record d;
    check_ok(registry_dataset_find(p->r, "acme", p->dataset, &d, &e), &e); // those that have a name stay
    char *path;
    check_ok(registry_dataset_path(p->r, d.sha256, &path, &e), &e);
    assert_true(path_exists(path));
    mem_free(path);
    dataset_record_clear(&d);
    mem_free(up);
    mem_free(gone);
}

int main(void)
{
#define JOBS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOBS_TEST(test_a_life), JOBS_TEST(test_cancelling), JOBS_TEST(test_room_and_datasets),
        JOBS_TEST(test_keys),   JOBS_TEST(test_datasets),   JOBS_TEST(test_uploads_and_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
