// Keys: their form, what is kept of them, rotation and revocation.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // memmem
#include "registry/keys.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"
#include "check.h"
#include "helpers/registry_place.h"
#include "registry/registry_impl.h"

static const key_options plain = {.label = "a label", .tenant = "", .roles = ROLE_PREDICTOR};

static void a_key_has_a_form(void **state)
{
    place *p = *state;
    char text[KEY_TEXT_SIZE], other[KEY_TEXT_SIZE], id[KEY_ID_SIZE];
    str found;
    err e = ERR_NONE;
    check_ok(registry_key_create(p->r, &plain, text, id, &e), &e);
    check_ok(registry_key_create(p->r, &plain, other, NULL, &e), &e);
    assert_int_equal(strlen(text), 68);
    assert_memory_equal(text, "slip_", 5);
    assert_string_not_equal(text, other);
    assert_true(key_parse(str_of(text), &found));
    assert_true(str_equal(found, str_of(id)));
    for (size_t i = 0; i < KEY_TEXT_LEN; i++) { // one character is another
        memcpy(other, text, sizeof text);
        other[i] = other[i] == 'x' ? 'y' : 'x';
        assert_false(key_parse(str_of(other), &found));
        assert_false(key_parse((str){text, i}, &found));
    }
    memcpy(other, text, sizeof text);
    other[20] = text[21], other[21] = text[20]; // two changed places
    assert_int_equal(key_parse(str_of(other), &found), text[20] == text[21]);
}

static void only_a_sum_is_kept(void **state)
{
    place *p = *state;
    char text[KEY_TEXT_SIZE], id[KEY_ID_SIZE];
    unsigned char hash[KEY_HASH_BYTES];
    err e = ERR_NONE;
    key_list l;
    check_ok(registry_key_create(p->r, &plain, text, id, &e), &e);
    check_ok(registry_keys(p->r, NULL, &l, &e), &e);
    assert_int_equal(l.n, 1);
    key_hash(str_of(text), hash);
    assert_memory_equal(l.keys[0].hash, hash, sizeof hash);
    key_list_clear(&l);
    registry_close(p->r); // everything is in registry.db then
    p->r = NULL;
    char *path = path_join(p->dir, "registry.db");
    buf file;
    check_ok(file_read(path, 1 << 24, &file, &e), &e);
    assert_non_null(memmem(file.data, file.len, id, KEY_ID_LEN));
    assert_null(memmem(file.data, file.len, text + 5 + KEY_ID_LEN + 1, KEY_SECRET_LEN));
    buf_clear(&file);
    mem_free(path);
}

static void keys_are_listed(void **state)
{
    place *p = *state;
    static const char *const models[] = {"titanic", "iris"};
    const key_options o = {.label = "f\xc3\xbcr alle",
                           .tenant = "acme",
                           .roles = ROLE_TRAINER | ROLE_VIEWER,
                           .n_models = 2,
                           .models = models,
                           .expires_ms = clock_utc_ms() + 100000};
    char text[KEY_TEXT_SIZE];
    err e = ERR_NONE;
    key_list l;
    check_ok(registry_key_create(p->r, &o, text, NULL, &e), &e);
    check_ok(registry_key_create(p->r, &plain, text, NULL, &e), &e);
    check_ok(registry_keys(p->r, NULL, &l, &e), &e);
    assert_int_equal(l.n, 2);
    key_list_clear(&l);
    check_ok(registry_keys(p->r, "acme", &l, &e), &e);
    assert_int_equal(l.n, 1);
    const registry_key *k = &l.keys[0];
    assert_string_equal(k->label, o.label);
    assert_string_equal(k->tenant, "acme");
    assert_int_equal(k->roles, o.roles);
    assert_int_equal(k->n_models, 2);
    assert_string_equal(k->models[0], "titanic");
    assert_string_equal(k->models[1], "iris");
    assert_int_equal(k->expires_ms, o.expires_ms);
    assert_int_equal(k->revoked_ms, 0);
    key_list_clear(&l);
    check_ok(registry_keys(p->r, "globex", &l, &e), &e);
    assert_int_equal(l.n, 0);
    key_list_clear(&l);
}

static void rotation_has_an_overlap(void **state)
{
    place *p = *state;
    char first[KEY_TEXT_SIZE], second[KEY_TEXT_SIZE], third[KEY_TEXT_SIZE], id[KEY_ID_SIZE];
    unsigned char hash[KEY_HASH_BYTES], before[KEY_HASH_BYTES];
    static const unsigned char none[KEY_HASH_BYTES];
    err e = ERR_NONE;
    key_list l;
    str found;
    check_ok(registry_key_create(p->r, &plain, first, id, &e), &e);
    int64_t now = clock_utc_ms();
    check_ok(registry_key_rotate(p->r, id, "", 5000, second, &e), &e);
    assert_true(key_parse(str_of(second), &found));
    assert_true(str_equal(found, str_of(id)));
    check_ok(registry_keys(p->r, NULL, &l, &e), &e);
    key_hash(str_of(second), hash);
    key_hash(str_of(first), before);
    assert_memory_equal(l.keys[0].hash, hash, sizeof hash);
    assert_memory_equal(l.keys[0].hash_before, before, sizeof before);
    assert_in_range(l.keys[0].before_until_ms, now + 5000, now + 65000);
    key_list_clear(&l);
    check_ok(registry_key_rotate(p->r, id, NULL, 0, third, &e), &e);
    check_ok(registry_keys(p->r, NULL, &l, &e), &e);
    assert_memory_equal(l.keys[0].hash_before, none, sizeof none);
    assert_int_equal(l.keys[0].before_until_ms, 0);
    key_list_clear(&l);
    check_fails(registry_key_rotate(p->r, id, "acme", 0, third, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_key_rotate(p->r, "x", NULL, 0, third, &e), ERR_NOT_FOUND, &e);
    check_fails(registry_key_rotate(p->r, id, NULL, -1, third, &e), ERR_INPUT, &e);
    check_fails(registry_key_revoke(p->r, id, "acme", &e), ERR_NOT_FOUND, &e);
    check_ok(registry_key_revoke(p->r, id, "", &e), &e);
    check_fails(registry_key_revoke(p->r, id, NULL, &e), ERR_CONFLICT, &e);
    check_fails(registry_key_rotate(p->r, id, NULL, 0, third, &e), ERR_CONFLICT, &e);
    check_ok(registry_keys(p->r, NULL, &l, &e), &e);
    assert_true(l.keys[0].revoked_ms > 0);
    key_list_clear(&l);
    audit_state s;
    check_ok(registry_audit_verify(p->r, &s, &e), &e);
    assert_int_equal(s.n, 4);
    assert_int_equal(s.broken, 0);
}

static void nonsense_is_refused(void **state)
{
    place *p = *state;
    static const char *const slashed[] = {"a/b"}, *const titanic[] = {"titanic"};
    char longest[KEY_LABEL_MAX + 2], text[KEY_TEXT_SIZE] = "untouched";
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const struct {
        key_options o;
        const char *says;
    } cases[] = {
        {{.label = "x", .tenant = "a/b", .roles = 1}, "tenant"},
        {{.label = "", .tenant = "", .roles = 1}, "label"},
        {{.label = longest, .tenant = "", .roles = 1}, "label"},
        {{.label = "a\nb", .tenant = "", .roles = 1}, "label"},
        {{.label = "\xff", .tenant = "", .roles = 1}, "label"},
        {{.label = "x", .tenant = "", .roles = 0}, "role"},
        {{.label = "x", .tenant = "", .roles = 64}, "role"},
        {{.label = "x", .tenant = "acme", .roles = ROLE_MONITOR}, "monitor"},
        {{.label = "x", .tenant = "", .roles = 1, .n_models = 1, .models = slashed}, "without the tenant"},
        {{.label = "x", .tenant = "", .roles = ROLE_ADMIN, .n_models = 1, .models = titanic}, "admin"},
        {{.label = "x", .tenant = "", .roles = 1, .n_models = 65, .models = titanic}, "at most 64"},
        {{.label = "x", .tenant = "", .roles = 1, .expires_ms = 5}, "expired"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err e = ERR_NONE;
        check_fails(registry_key_create(p->r, &cases[i].o, text, NULL, &e), ERR_INPUT, &e);
        check_says(&e, cases[i].says);
    }
    assert_string_equal(text, "untouched");
    unsigned roles = 0;
    err e = ERR_NONE;
    check_ok(key_roles_parse("viewer,admin", &roles, &e), &e);
    assert_int_equal(roles, ROLE_VIEWER | ROLE_ADMIN);
    check_fails(key_roles_parse("viewer,", &roles, &e), ERR_INPUT, &e);
    check_fails(key_roles_parse("", &roles, &e), ERR_INPUT, &e);
    check_fails(key_roles_parse("Viewer", &roles, &e), ERR_INPUT, &e);
    check_says(&e, "none of viewer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_has_a_form, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(only_a_sum_is_kept, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(keys_are_listed, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(rotation_has_an_overlap, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_refused, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
