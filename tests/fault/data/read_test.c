// Every allocation of reading, profiling and splitting fails once: an error, no leak, and the outputs untouched.
// SPDX-License-Identifier: Apache-2.0
#include "data/read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "data/profile.h"
#include "data/split.h"

enum { N_ROWS = 150 };

static buf csv, jsonl;
static char gzip_path[] = "/tmp/slipway_fault_XXXXXX";

static int set_up(void **state)
{
    (void)state;
    json_init();
    buf_init(&csv, 1 << 20);
    buf_init(&jsonl, 1 << 20);
    buf_add_text(&csv, "id,real,flag,date,city,note,mixed\n");
    for (int i = 0; i < N_ROWS; i++) {
        const char *city = i % 3 ? "Oslo" : "Rome", *mixed = i == 140 ? "x" : "1";
        buf_format(&csv, "%d,%d.5,%s,2026-01-%02d,%s,\"the words, of row %d\",%s\n", i, i % 7, i % 2 ? "yes" : "no",
                   i % 28 + 1, city, i, mixed);
        buf_format(
            &jsonl,
            "{\"id\":%d,\"real\":%d.5,\"flag\":%s,\"city\":\"%s\",\"note\":\"the words of row %d\",\"mixed\":%s}\n", i,
            i % 7, i % 2 ? "true" : "false", city, i, i == 140 ? "\"x\"" : "1");
    }
    int fd = mkstemp(gzip_path);
    gzFile z = fd < 0 ? NULL : gzdopen(fd, "wb");
    if (!z || gzwrite(z, csv.data, (unsigned)csv.len) != (int)csv.len) return -1;
    return gzclose(z);
}

static int tear_down(void **state)
{
    (void)state;
    buf_clear(&csv);
    buf_clear(&jsonl);
    return unlink(gzip_path);
}

typedef int attempt(pool *p, err *e);

static int try_csv(pool *p, err *e)
{
    read_options o = READ_OPTIONS_DEFAULT;
    frame *f = NULL;
    int rc = read_csv(&f, buf_str(&csv), &o, p, e);
    assert_true(rc == 0 || !f);
    frame_free(f);
    return rc;
}

static int try_jsonl(pool *p, err *e)
{
    read_options o = READ_OPTIONS_DEFAULT;
    frame *f = NULL;
    int rc = read_jsonl(&f, buf_str(&jsonl), &o, p, e);
    assert_true(rc == 0 || !f);
    frame_free(f);
    return rc;
}

static int try_gzip(pool *p, err *e)
{
    read_options o = READ_OPTIONS_DEFAULT;
    frame *f = NULL;
    int rc = read_file(&f, gzip_path, &o, p, e);
    assert_true(rc == 0 || !f);
    frame_free(f);
    return rc;
}

static frame *shared;

static int try_profile(pool *p, err *e)
{
    profile made = {.n_columns = 77};
    json_t *j = NULL;
    int rc = profile_make(&made, shared, 4, p, e);
    if (rc < 0) {
        assert_int_equal(made.n_columns, 77);
        return rc;
    }
    rc = profile_to_json(&made, shared, &j, e);
    assert_true(rc == 0 || !j);
    json_decref(j);
    profile_clear(&made);
    return rc;
}

static int try_splits(pool *p, err *e)
{
    (void)p;
    static const split_kind kinds[] = {SPLIT_RANDOM, SPLIT_STRATIFIED, SPLIT_GROUP, SPLIT_TIME, SPLIT_NUMPY};
    uint32_t rows[N_ROWS], fold[N_ROWS];
    int32_t stratum[N_ROWS];
    for (uint32_t i = 0; i < N_ROWS; i++) {
        rows[i] = i;
        stratum[i] = (int32_t)(i % 3);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        split s = {.n_train = 77};
        split_options o = {.kind = kinds[i], .test_share = 0.2, .seed = 1};
        if (kinds[i] == SPLIT_GROUP) o.column = "city";
        if (kinds[i] == SPLIT_TIME) o.column = "date";
        int rc = split_make(&s, shared, rows, N_ROWS, stratum, &o, e);
        if (rc < 0) {
            assert_int_equal(s.n_train, 77);
            return rc;
        }
        split_clear(&s);
        TRY(split_folds(fold, 2, shared, rows, N_ROWS, stratum, &o, e));
    }
    return 0;
}

static void fail_each(attempt *run)
{
    uint64_t n = 1;
    for (;; n++) {
        err e = ERR_NONE;
        mem_fail_at(n, 0);
        int rc = run(NULL, &e);
        mem_fail_at(0, 0);
        if (rc == 0) break;
        if (rc != ERR_MEMORY || e.code != ERR_MEMORY) fail_msg("allocation %llu: %s", (unsigned long long)n, e.msg);
        assert_true(e.msg[0]);
    }
    assert_true(n > 5); // it did fail, several times
    err e = ERR_NONE;
    pool *p;
    assert_int_equal(pool_new(&p, 3, &e), 0);
    for (n = 1; n < 60; n++) { // with threads it is anybody's allocation
        mem_fail_at(n, 1);
        (void)!run(p, &e);
        mem_fail_at(0, 0);
    }
    pool_free(p);
}

static void test_csv(void **state)
{
    (void)state;
    fail_each(try_csv);
}

static void test_jsonl(void **state)
{
    (void)state;
    fail_each(try_jsonl);
}

static void test_gzip(void **state)
{
    (void)state;
    fail_each(try_gzip);
}

static void test_profile_and_splits(void **state)
{
    (void)state;
    err e = ERR_NONE;
    read_options o = READ_OPTIONS_DEFAULT;
    assert_int_equal(read_csv(&shared, buf_str(&csv), &o, NULL, &e), 0);
    fail_each(try_profile);
    fail_each(try_splits);
    frame_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_profile_and_splits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
