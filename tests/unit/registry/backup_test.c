// Backups: what goes in comes out, tar and sha256sum can read it, and anything else is refused without a trace.
// SPDX-License-Identifier: Apache-2.0
#include "base/child.h"
#include "base/files.h"
#include "check.h"
#include "helpers/packages.h"
#include "registry/registry.h"
#include "registry/tar_impl.h"

typedef struct place {
    char *folder, *dir, *archive, *target;
    registry *r;
} place;

static void deploy(registry *r, const char *name, int tag, size_t padding)
{
    package *p;
    err e = ERR_NONE;
    check_ok(sample_package_padded(&p, tag, padding, &e), &e);
    check_ok(registry_deploy(r, name, p, "", ALIAS_DEFAULT, NULL, NULL, &e), &e);
    package_free(p);
}

static int set_up(void **state)
{
    place *p = mem_zalloc(1, sizeof *p);
    err e = ERR_NONE;
    p->folder = check_folder();
    p->dir = path_join(p->folder, "data");
    p->archive = path_join(p->folder, "backup.tar");
    p->target = path_join(p->folder, "restored");
    check_ok(registry_open(&p->r, p->dir, NULL, &e), &e);
    for (int tag = 1; tag <= 3; tag++) deploy(p->r, "m", tag, 0);
    deploy(p->r, "other", 3, 0);
    deploy(p->r, "other", 4, 20000);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    registry_close(p->r);
    check_folder_free(p->folder);
    mem_free(p->dir);
    mem_free(p->archive);
    mem_free(p->target);
    mem_free(p);
    return 0;
}

static void same_registry_comes_back(void **state)
{
    place *p = *state;
    registry *r;
    int64_t n, from, to;
    err e = ERR_NONE;
    size_t n_before = check_entries(p->folder, NULL);
    check_ok(registry_backup(p->r, p->archive, &e), &e);
    assert_int_equal(check_entries(p->folder, NULL), n_before + 1);
    check_fails(registry_backup(p->r, p->archive, &e), ERR_EXISTS, &e);
    check_ok(registry_remove(p->r, "m", 0, true, &e), &e); // the backup does not care
    check_ok(registry_gc(p->r, &n, &n, &e), &e);
    check_ok(registry_restore(p->archive, p->target, &e), &e);
    assert_int_equal(check_entries(p->folder, NULL), n_before + 2);
    check_ok(registry_open(&r, p->target, NULL, &e), &e);
    check_ok(registry_fsck(r, NULL, NULL, &n, &e), &e);
    assert_int_equal(n, 0);
    registry_list l;
    check_ok(registry_models(r, &l, &e), &e);
    assert_int_equal(l.n, 2);
    assert_int_equal(l.models[0].n_versions, 3);
    for (size_t i = 0; i < l.n; i++) {
        for (size_t k = 0; k < l.models[i].n_versions; k++) {
            package *pack;
            check_ok(registry_load(r, l.models[i].name, l.models[i].versions[k].version, &pack, &e), &e);
            package_free(pack);
        }
    }
    registry_list_clear(&l);
    check_ok(registry_rollback(r, "m", ALIAS_DEFAULT, &from, &to, &e), &e); // history came along
    assert_int_equal(to, 2);
    registry_close(r);
    check_fails(registry_restore(p->archive, p->target, &e), ERR_EXISTS, &e);
    check_says(&e, "not empty");
}

static void empty_folders_are_fine(void **state)
{
    place *p = *state;
    registry *r;
    err e = ERR_NONE;
    check_ok(registry_backup(p->r, p->archive, &e), &e);
    check_ok(dir_make(p->target, 0700, &e), &e);
    size_t len = strlen(p->target);
    char with_slash[4096];
    snprintf(with_slash, sizeof with_slash, "%s/", p->target);
    assert_true(len > 0);
    check_ok(registry_restore(p->archive, with_slash, &e), &e);
    check_ok(registry_open(&r, p->target, NULL, &e), &e);
    registry_close(r);
}

static void other_programs_can_read_it(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    check_ok(registry_backup(p->r, p->archive, &e), &e);
    check_ok(dir_make(p->target, 0700, &e), &e);
    child_result result;
    const char *const tar[] = {"tar", "-xf", p->archive, "-C", p->target, NULL};
    check_ok(child_run(&result, &(child_options){.argv = tar, .output_max = 1000}, &e), &e);
    if (result.status != 0) fail_msg("tar: %.*s", (int)result.output.len, result.output.data);
    assert_int_equal(result.output.len, 0);
    buf_clear(&result.output);
    const char *const sums[] = {"sha256sum", "-c", "--strict", "SHA256SUMS", NULL};
    check_ok(child_run(&result, &(child_options){.argv = sums, .folder = p->target, .output_max = 4000}, &e), &e);
    if (result.status != 0) fail_msg("sha256sum: %.*s", (int)result.output.len, result.output.data);
    buf_clear(&result.output);
}

// A changed archive is refused with one of these codes, and no folder is there afterwards.
static int refused(place *p, str content, err *e)
{
    size_t n = check_entries(p->folder, NULL);
    check_ok(file_write_atomic(p->archive, content, 0600, e), e);
    int rc = registry_restore(p->archive, p->target, e);
    if (rc == 0) fail_msg("a changed archive was restored");
    assert_false(path_exists(p->target));
    assert_int_equal(check_entries(p->folder, NULL), n);
    return rc;
}

static void changed_archives_are_refused(void **state)
{
    place *p = *state;
    buf whole;
    err e = ERR_NONE;
    check_ok(registry_backup(p->r, p->archive, &e), &e);
    check_ok(file_read(p->archive, 1 << 30, &whole, &e), &e);
    str text = buf_str(&whole);
    for (size_t len = 0; len < text.len; len += 4099)
        assert_int_equal(refused(p, (str){text.data, len}, &e), ERR_FORMAT);
    assert_int_equal(refused(p, (str){text.data, text.len - 512}, &e), ERR_FORMAT);
    for (size_t at = 0; at < text.len - 1024; at += 2903) { // every member, headers too; padding is not looked at
        whole.data[at] ^= 1;
        size_t n = check_entries(p->folder, NULL);
        check_ok(file_write_atomic(p->archive, text, 0600, &e), &e);
        int rc = registry_restore(p->archive, p->target, &e);
        if (rc == 0) { // then it was padding, or the time or owner of a header is a valid other one
            check_remove(p->target);
        } else {
            assert_true(rc == ERR_FORMAT || rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
        }
        assert_int_equal(check_entries(p->folder, NULL), n);
        whole.data[at] ^= 1;
    }
    char *newer = strstr(whole.data + 512, "backup 1");
    newer[7] = '2';
    assert_int_equal(refused(p, text, &e), ERR_UNSUPPORTED);
    check_says(&e, "newer Slipway");
    newer[7] = '1';
    assert_int_equal(refused(p, STR("nothing of the kind"), &e), ERR_FORMAT);
    buf_clear(&whole);
}

static void damaged_registries_are_not_backed_up(void **state)
{
    place *p = *state;
    registry_list l;
    package *pack;
    err e = ERR_NONE;
    char path[4096];
    check_ok(sample_package(&pack, 2, &e), &e);
    const char *sum = pack->blobs[0].sha256;
    snprintf(path, sizeof path, "%s/blobs/%.2s/%s", p->dir, sum, sum + 2);
    assert_int_equal(unlink(path), 0);
    check_fails(registry_backup(p->r, p->archive, &e), ERR_CORRUPT, &e);
    assert_false(path_exists(p->archive));
    assert_int_equal(check_entries(p->folder, NULL), 1);
    package_free(pack);
    check_ok(registry_models(p->r, &l, &e), &e);
    registry_list_clear(&l);
}

static void sizes_of_any_length_are_written(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 511, 512, 077777777777, 0100000000000, UINT64_C(1) << 40};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char block[TAR_BLOCK], name[TAR_NAME_MAX + 1];
        tar_format_header(block, "blobs/ab/c", sizes[i], 0444, 1700000000);
        str whole = {block, TAR_BLOCK}, rest = whole, content;
        err e = ERR_NONE;
        int rc = tar_next(whole, &rest, name, &content, &e);
        if (sizes[i] == 0) {
            assert_int_equal(rc, 1);
            assert_string_equal(name, "blobs/ab/c");
        } else {
            check_fails(rc, ERR_FORMAT, &e); // read rightly, so it is seen to be cut off
            check_says(&e, "cut off within a file");
        }
    }
}

int main(void)
{
    json_init();
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_PLACE(same_registry_comes_back),
        WITH_PLACE(empty_folders_are_fine),
        WITH_PLACE(other_programs_can_read_it),
        WITH_PLACE(changed_archives_are_refused),
        WITH_PLACE(damaged_registries_are_not_backed_up),
        cmocka_unit_test(sizes_of_any_length_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
