// Each I/O call and each allocation of base/files fails once: the old content stays, and no temporary file.
// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include "fault/faults.h"

typedef struct place {
    char *folder, *path;
    str old;        // {NULL, 0}: the file was not there
    int power_loss; // the run said that only the fsync of the folder failed
} place;

static place place_new(str old)
{
    place p = {.folder = check_folder(), .old = old};
    p.path = path_join(p.folder, "content");
    assert_non_null(p.path);
    return p;
}

static void place_free(place *p)
{
    check_folder_free(p->folder);
    mem_free(p->path);
}

static const str CONTENT = STR("the new content, longer than the old");

static int write_once(void *context, err *e)
{
    place *p = context;
    // The state before: written without our own calls, so that they are not counted.
    remove(p->path);
    if (p->old.data) {
        FILE *f = fopen(p->path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(p->old.data, 1, p->old.len, f), p->old.len);
        assert_int_equal(fclose(f), 0);
    }
    int rc = file_write_atomic(p->path, CONTENT, 0644, e);
    p->power_loss = rc < 0 && strstr(e->msg, "power loss");
    return rc;
}

static void look(void *context, uint64_t nth)
{
    (void)nth;
    place *p = context;
    char text[256] = "";
    FILE *f = fopen(p->path, "r");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    str found = {text, n};
    if (p->power_loss || str_equal(found, CONTENT)) {
        assert_true(str_equal(found, CONTENT)); // whole
        assert_non_null(f);
    } else if (p->old.data) {
        assert_non_null(f);
        assert_true(str_equal(found, p->old));
    } else {
        assert_null(f);
    }
    assert_int_equal(check_entries(p->folder, NULL), f != NULL);
    if (f) fclose(f);
}

static void test_write_files(void **state)
{
    (void)state;
    static const int numbers[] = {ENOSPC, EIO, EACCES, ENOMEM};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        place over = place_new(STR("old")), fresh = place_new((str){NULL, 0});
        // open, write, fsync, close, rename; open, fsync, close of the folder
        assert_int_equal(faults_of_files(write_once, look, &over, numbers[k]), 8);
        assert_int_equal(faults_of_files(write_once, look, &fresh, numbers[k]), 8);
        place_free(&over);
        place_free(&fresh);
    }
}

// A run that failed before the rename must not show the new content: else the check above would prove little.
static void test_old_content_stays(void **state)
{
    (void)state;
    place p = place_new(STR("old"));
    for (uint64_t nth = 1; nth <= 5; nth++) {
        err e = ERR_NONE;
        files_fail_at(nth, ENOSPC);
        check_fails(write_once(&p, &e), ERR_FULL, &e);
        files_fail_at(0, 0);
        buf b;
        check_ok(file_read(p.path, 100, &b, &e), &e);
        assert_true(str_equal(buf_str(&b), p.old));
        buf_clear(&b);
        assert_int_equal(check_entries(p.folder, NULL), 1);
    }
    place_free(&p);
}

static void test_write_memory(void **state)
{
    (void)state;
    for (int sticky = 0; sticky < 2; sticky++) {
        place p = place_new(STR("old"));
        assert_true(faults_of_memory(write_once, look, &p, sticky) >= 2);
        place_free(&p);
    }
}

static int read_once(void *context, err *e)
{
    place *p = context;
    buf b;
    int rc = file_read(p->path, 1000, &b, e);
    if (rc == 0) assert_int_equal(b.len, CONTENT.len);
    buf_clear(&b);
    if (rc < 0) return rc;
    str map;
    TRY(file_map(p->path, &map, e));
    assert_int_equal(map.len, CONTENT.len);
    file_unmap(map);
    return 0;
}

static void test_read(void **state)
{
    (void)state;
    place p = place_new(STR("old"));
    err e = ERR_NONE;
    check_ok(file_write_atomic(p.path, CONTENT, 0644, &e), &e);
    assert_true(faults_of_files(read_once, NULL, &p, EIO) >= 8);
    assert_true(faults_of_memory(read_once, NULL, &p, 0) >= 1);
    place_free(&p);
}

static int make_once(void *context, err *e)
{
    place *p = context;
    char *deep = path_join(p->folder, "a/b/c");
    if (!deep) return err_set(e, ERR_MEMORY, "no memory");
    int rc = dir_make(deep, 0755, e);
    mem_free(deep);
    return rc;
}

static void test_make(void **state)
{
    (void)state;
    place p = place_new(STR("old"));
    assert_true(faults_of_files(make_once, NULL, &p, ENOSPC) >= 3);
    assert_true(faults_of_memory(make_once, NULL, &p, 0) >= 2);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_files),  cmocka_unit_test(test_old_content_stays),
        cmocka_unit_test(test_write_memory), cmocka_unit_test(test_read),
        cmocka_unit_test(test_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
