// A registry of version 1 is opened by this program: what was in it is there, and what came later works.
// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include "base/files.h"
#include "base/mem.h"
#include "check.h"
#include "registry/audit.h"
#include "registry/keys.h"
#include "registry/registry_impl.h"
#include "registry/usage.h"

// Makes DIR/registry.db out of the text that is kept.
static void make_old(const char *dir)
{
    buf text;
    sqlite3 *handle;
    err e = ERR_NONE;
    char *path = path_join(dir, "registry.db");
    check_ok(db_init(&e), &e);
    check_ok(dir_make(dir, 0700, &e), &e);
    check_ok(file_read(TEST_SOURCE_DIR "/tests/unit/registry/version1.sql", 1 << 20, &text, &e), &e);
    buf_add_char(&text, '\0');
    check_ok(buf_check(&text, &e), &e);
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    char *why = NULL;
    if (sqlite3_exec(handle, text.data, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s", why);
    sqlite3_close(handle);
    buf_clear(&text);
    mem_free(path);
}

static void version_1_is_brought_up_to_date(void **state)
{
    (void)state;
    char *folder = check_folder(), *dir = path_join(folder, "data"), *before;
    char text[64], key[KEY_TEXT_SIZE], name[MODEL_NAME_MAX + 1];
    registry *r;
    registry_list l;
    int64_t from, to, version;
    err e = ERR_NONE;
    make_old(dir);
    check_fails(registry_open(&r, dir, &(registry_options){.read_only = true}, &e), ERR_UNSUPPORTED, &e);
    check_ok(registry_open(&r, dir, NULL, &e), &e);
    snprintf(text, sizeof text, "registry.db.before-%d", REGISTRY_VERSION);
    before = path_join(dir, text);
    assert_true(path_exists(before));
    check_ok(db_version(r->db, &from, &version, &e), &e);
    assert_int_equal(version, REGISTRY_VERSION);

    check_ok(registry_models(r, &l, &e), &e);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.models[0].name, "other");
    assert_string_equal(l.models[1].name, "tiny");
    assert_int_equal(l.models[1].n_versions, 3);
    registry_list_clear(&l);
    check_ok(registry_resolve(r, "tiny@candidate", name, &version, &e), &e);
    assert_int_equal(version, 3);
    check_ok(registry_rollback(r, "tiny", ALIAS_DEFAULT, &from, &to, &e), &e);
    assert_int_equal(from, 2);
    assert_int_equal(to, 1);

    const key_options o = {.label = "x", .tenant = "", .roles = ROLE_ADMIN};
    check_ok(registry_key_create(r, &o, key, NULL, &e), &e);
    usage_order order = {.subject = "tenant:", .day = 20260131, .want = {{5, 5, 0}}, .need = {{1, 1, 0}}};
    check_ok(registry_usage_settle(r, &order, 1, &e), &e);
    assert_int_equal(order.granted.units[UNIT_REQUESTS], 5);
    audit_state log;
    check_ok(registry_audit_verify(r, &log, &e), &e);
    assert_int_equal(log.n, 2); // the rollback and the key
    assert_int_equal(log.broken, 0);
    registry_close(r);
    mem_free(before);
    mem_free(dir);
    check_folder_free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(version_1_is_brought_up_to_date)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
