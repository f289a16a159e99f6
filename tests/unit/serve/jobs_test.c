// The supervisor of runs, with this program as their process: to the end, refused, cancelled, interrupted; one
// supervisor for a folder.
// Labels: thread
// SPDX-License-Identifier: Apache-2.0
#include "serve/jobs.h"

#include <time.h>

#include "base/files.h"
#include "base/mem.h"
#include "check.h"
#include "registry/registry_impl.h"
#include "serve/run_stream.h"

typedef struct stage {
    char *folder;
    registry *r;
    server_options o;
    char dataset[OBJECT_ID_SIZE];
} stage;

static void add_dataset(stage *p, size_t n_rows)
{
    buf text;
    char *path, sum[SHA256_HEX_SIZE];
    dataset_record d;
    bool existed;
    err e = ERR_NONE;
    buf_init(&text, 1 << 26);
    buf_add_text(&text, "a,b,c\n");
    for (size_t i = 0; i < n_rows; i++) buf_format(&text, "%zu,%zu,%zu\n", i % 17, i * 7 % 31, i * i % 3);
    check_ok(registry_dataset_path(p->r, "x.part", &path, &e), &e);
    check_ok(file_write_atomic(path, buf_str(&text), 0600, &e), &e);
    sha256_hex_of(text.data, text.len, sum);
    check_ok(registry_dataset_add(p->r, "", "x.part", sum, (int64_t)text.len, &d, &existed, &e), &e);
    memcpy(p->dataset, d.id, sizeof d.id);
    dataset_record_clear(&d);
    mem_free(path);
    buf_clear(&text);
}

static int set_up(void **state)
{
    stage *p = mem_zalloc(1, sizeof *p);
    err e = ERR_NONE;
    p->folder = check_folder();
    p->o = (server_options)SERVER_OPTIONS_DEFAULT;
    p->o.data_dir = p->folder;
    p->o.job_threads = 1;
    check_ok(registry_open(&p->r, p->folder, NULL, &e), &e);
    add_dataset(p, 300);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    stage *p = *state;
    registry_close(p->r);
    check_folder_free(p->folder);
    mem_free(p);
    return 0;
}

static void add_run(stage *p, const char *id, const char *kind, const char *asked)
{
    char spec[400];
    kept_answer kept;
    err e = ERR_NONE;
    snprintf(spec, sizeof spec, "{\"kind\":\"%s\",\"asked\":%s}", kind, asked);
    run_addition a = {
        .id = id, .tenant = "", .kind = kind, .actor = "me", .spec = spec, .dataset = p->dataset, .queued_max = 100};
    check_ok(registry_run_add(p->r, &a, &kept, &e), &e);
}

static run_record wait_for_end(stage *p, const char *id)
{
    run_record run;
    err e = ERR_NONE;
    for (int i = 0; i < 3000; i++) {
        check_ok(registry_run_find(p->r, NULL, id, &run, &e), &e);
        if (run_state_ended(run.state)) return run;
        run_record_clear(&run);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("%s has not ended", id);
    return run;
}

static void check_end(stage *p, const char *id, run_state state, const char *code)
{
    run_record run = wait_for_end(p, id);
    if (run.state != state || strcmp(run.code, code) != 0)
        fail_msg("%s: %s, \"%s\": %s", id, run_state_name(run.state), run.code, run.message);
    run_record_clear(&run);
}

static void wait_until_running(stage *p, const char *id)
{
    run_record run;
    err e = ERR_NONE;
    for (int i = 0; i < 3000; i++) {
        check_ok(registry_run_find(p->r, NULL, id, &run, &e), &e);
        run_state s = run.state;
        run_record_clear(&run);
        if (s == RUN_RUNNING) return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("%s does not run", id);
}

static void wait_until_ready(jobs *j)
{
    for (int i = 0; i < 1000 && jobs_ready(j, NULL) < 0; i++) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(jobs_ready(j, NULL), 0);
}

#define LONG "{\"target\":\"c\",\"settings\":{\"n_trees\":10000},\"folds\":100}"

static void test_runs_end(void **state)
{
    stage *p = *state;
    jobs *j;
    err e = ERR_NONE;
    add_run(p, "first", "train", "{\"target\":\"c\",\"settings\":{\"n_trees\":3}}"); // before there is a supervisor
    check_ok(jobs_start(&j, &p->o, &e), &e);
    wait_until_ready(j);
    add_run(p, "second", "profile", "{}");
    add_run(p, "third", "train", "{\"target\":\"d\"}");
    add_run(p, "fourth", "dance", "{}");
    jobs_wake(j);
    check_end(p, "first", RUN_SUCCEEDED, "");
    check_end(p, "second", RUN_SUCCEEDED, "");
    check_end(p, "third", RUN_FAILED, "not_found");
    check_end(p, "fourth", RUN_FAILED, "unsupported");
    jobs_stop(j);
    dataset_record d;
    check_ok(registry_dataset_find(p->r, "", p->dataset, &d, &e), &e);
    assert_non_null(strstr(d.profile, "columns"));
    dataset_record_clear(&d);
    buf log;
    buf_init(&log, 1 << 20);
    check_ok(run_log(&log, p->folder, "first", &e), &e);
    buf_add_char(&log, '\0');
    assert_non_null(strstr(log.data, "300 rows"));
    assert_non_null(strstr(log.data, "succeeded"));
    buf_clear(&log);
}

static void test_cancelled_and_interrupted(void **state)
{
    stage *p = *state;
    jobs *j, *other;
    run_state was;
    err e = ERR_NONE;
    add_run(p, "first", "train", LONG);
    add_run(p, "second", "train", LONG);
    add_run(p, "third", "profile", "{}");
    check_ok(jobs_start(&j, &p->o, &e), &e);
    wait_until_running(p, "first");
    check_ok(jobs_start(&other, &p->o, &e), &e);
    check_fails(jobs_ready(other, &e), ERR_BUSY, &e);
    jobs_stop(other);
    check_ok(registry_run_cancel(p->r, "", "first", &was, &e), &e);
    jobs_wake(j);
    check_end(p, "first", RUN_CANCELLED, "");
    wait_until_running(p, "second");
    jobs_stop(j);
    check_end(p, "second", RUN_INTERRUPTED, "");
    check_ok(jobs_start(&j, &p->o, &e), &e); // another server goes on
    check_end(p, "third", RUN_SUCCEEDED, "");
    jobs_stop(j);
}

static void test_none_are_taken(void **state)
{
    stage *p = *state;
    jobs *j;
    err e = ERR_NONE;
    p->o.jobs_max = 0;
    check_ok(jobs_start(&j, &p->o, &e), &e);
    check_fails(jobs_ready(j, &e), ERR_UNSUPPORTED, &e);
    jobs_stop(j);
    jobs_stop(NULL);
}

// What a run left that was forgotten goes with the next sweep; what died with its server was interrupted.
static void test_after_a_crash(void **state)
{
    stage *p = *state;
    jobs *j;
    char *path;
    err e = ERR_NONE;
    add_run(p, "running", "train", LONG);
    check_ok(registry_run_begin(p->r, "running", &e), &e);
    check_ok(run_event(p->folder, "0123456789abcdef0123", 1, "state", json_object(), &e), &e);
    check_ok(run_path(p->folder, "0123456789abcdef0123", NULL, &path, &e), &e);
    assert_true(path_exists(path));
    check_ok(jobs_start(&j, &p->o, &e), &e);
    check_end(p, "running", RUN_INTERRUPTED, "");
    for (int i = 0; i < 1000 && path_exists(path); i++) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_false(path_exists(path));
    jobs_stop(j);
    mem_free(path);
}

// Runs are forgotten so many days after their end, with their files.
static void test_old_ones_are_forgotten(void **state)
{
    static const char old[] = "00000000000000000001", recent[] = "00000000000000000002";
    stage *p = *state;
    jobs *j;
    char *path;
    run_record run;
    err e = ERR_NONE;
    add_run(p, old, "profile", "{}");
    add_run(p, recent, "profile", "{}");
    check_ok(jobs_start(&j, &p->o, &e), &e);
    check_end(p, old, RUN_SUCCEEDED, "");
    check_end(p, recent, RUN_SUCCEEDED, "");
    jobs_stop(j);
    check_ok(run_path(p->folder, old, NULL, &path, &e), &e);
    assert_true(path_exists(path));
    const int64_t days_ago = p->o.job_keep_days * INT64_C(86400000) + 1000;
    check_ok(db_run(p->r->db, &e, "UPDATE runs SET ended_ms = ended_ms - ?2 WHERE id = ?1", "si", old, days_ago), &e);
    p->o.job_keep_days = 0; // kept for ever
    for (int sweeps = 0; sweeps < 2; sweeps++) {
        check_ok(jobs_start(&j, &p->o, &e), &e);
        wait_until_ready(j);
        for (int i = 0; i < (sweeps ? 1000 : 10) && path_exists(path); i++)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        jobs_stop(j);
        assert_int_equal(path_exists(path), sweeps == 0);
        p->o.job_keep_days = 90;
    }
    check_fails(registry_run_find(p->r, NULL, old, &run, &e), ERR_NOT_FOUND, &e);
    check_ok(registry_run_find(p->r, NULL, recent, &run, &e), &e);
    run_record_clear(&run);
    mem_free(path);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "job") == 0) return job_child_main();
#define JOBS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOBS_TEST(test_runs_end),      JOBS_TEST(test_cancelled_and_interrupted), JOBS_TEST(test_none_are_taken),
        JOBS_TEST(test_after_a_crash), JOBS_TEST(test_old_ones_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
