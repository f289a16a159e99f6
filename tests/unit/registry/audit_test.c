// The audit log: every change leaves a record, and whatever is done to a record is seen.
// SPDX-License-Identifier: Apache-2.0
#include "registry/audit.h"

#include "base/files.h"
#include "check.h"
#include "helpers/packages.h"
#include "helpers/registry_place.h"
#include "registry/registry_impl.h"

static void record(place *p, const char *action, const char *object)
{
    err e = ERR_NONE;
    check_ok(registry_audit(p->r, &(audit_entry){.action = action, .object = object}, &e), &e);
}

// "actor action object detail" of every record, a line each.
static int add_line(void *context, const audit_record *a, err *e)
{
    (void)e;
    buf_format(context, "%s %s %s %s %s\n", a->actor, a->action, a->object, a->result, a->detail);
    return 0;
}

static void check_log(place *p, int64_t after, const char *tenant, size_t n_max, const char *want)
{
    buf text;
    err e = ERR_NONE;
    buf_init(&text, 1 << 20);
    check_ok(registry_audit_each(p->r, after, tenant, n_max, add_line, &text, &e), &e);
    buf_add_char(&text, '\0');
    assert_string_equal(text.data, want);
    buf_clear(&text);
}

static audit_state verify(place *p)
{
    audit_state s;
    err e = ERR_NONE;
    check_ok(registry_audit_verify(p->r, &s, &e), &e);
    return s;
}

static void changes_are_recorded(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    package *pack;
    int64_t from, to;
    for (int tag = 1; tag <= 2; tag++) {
        check_ok(sample_package(&pack, tag, &e), &e);
        check_ok(registry_deploy(p->r, "acme/m", pack, "", ALIAS_DEFAULT, NULL, NULL, &e), &e);
        check_ok(registry_deploy(p->r, "acme/m", pack, "", ALIAS_DEFAULT, NULL, NULL, &e), &e); // changes nothing
        package_free(pack);
        registry_act_as(p->r, "key:k");
    }
    check_ok(registry_alias_set(p->r, "acme/m", "staging", 2, &e), &e);
    check_ok(registry_alias_set(p->r, "acme/m", "staging", 2, &e), &e);
    check_ok(registry_rollback(p->r, "acme/m", ALIAS_DEFAULT, &from, &to, &e), &e);
    check_fails(registry_rollback(p->r, "acme/m", ALIAS_DEFAULT, &from, &to, &e), ERR_CONFLICT, &e);
    check_ok(registry_alias_remove(p->r, "acme/m", "staging", &e), &e);
    check_ok(registry_remove(p->r, "acme/m", 2, false, &e), &e);
    check_fails(registry_remove(p->r, "acme/m", 2, false, &e), ERR_NOT_FOUND, &e);
    record(p, "job.cancel", "other");
    check_log(p, 0, NULL, 100,
              "server version.deploy acme/m@1 ok production\nkey:k version.deploy acme/m@2 ok production\n"
              "key:k alias.set acme/m@2 ok staging\nkey:k alias.rollback acme/m@1 ok production\n"
              "key:k alias.remove acme/m ok staging\nkey:k version.remove acme/m@2 ok \nkey:k job.cancel other ok \n");
    check_log(p, 2, "acme", 1, "key:k alias.set acme/m@2 ok staging\n");
    check_log(p, 5, "", 10, "key:k job.cancel other ok \n");
    check_log(p, 0, "globex", 10, "");
    assert_int_equal(verify(p).n, 7);
    assert_int_equal(verify(p).broken, 0);
}

static void long_texts_are_cut(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    char text[1000];
    for (size_t i = 0; i + 1 < sizeof text; i++) text[i] = i % 2 ? '\xa9' : '\xc3';
    text[sizeof text - 1] = '\0';
    registry_act_as(p->r, text);
    const audit_entry a = {.action = text, .object = text, .tenant = text, .result = text, .detail = text};
    check_ok(registry_audit(p->r, &a, &e), &e);
    assert_int_equal(verify(p).n, 1);
    int64_t len;
    check_ok(db_find_integer(p->r->db, &len, &e, "SELECT length(detail) FROM audit", ""), &e);
    assert_int_equal(len, AUDIT_DETAIL_MAX / 2);
}

static void what_was_changed_is_seen(void **state)
{
    place *p = *state;
    static const struct {
        const char *sql;
        int64_t broken, n;
    } cases[] = {
        {"UPDATE audit SET actor = 'nobody' WHERE id = 3", 3, 2},
        {"UPDATE audit SET detail = object, object = detail WHERE id = 1", 1, 0},
        {"UPDATE audit SET at_ms = at_ms + 1 WHERE id = 5", 5, 4},
        {"UPDATE audit SET hash = (SELECT hash FROM audit WHERE id = 2) WHERE id = 4", 4, 3},
        {"UPDATE audit SET actor = printf('%200d', 7) WHERE id = 2", 2, 1},
        {"UPDATE audit SET actor = 'a' || char(0) WHERE id = 2", 2, 1},
        {"DELETE FROM audit WHERE id = 2", 2, 1},
        {"DELETE FROM audit WHERE id = 1", 1, 0},
        {"UPDATE audit SET id = 9 WHERE id = 5", 5, 4},
        {"INSERT INTO audit SELECT 6, at_ms, actor, tenant, action, object, result, detail, hash FROM audit"
         " WHERE id = 5",
         6, 5},
        {"DELETE FROM audit WHERE id = 5", 0, 4}, // cut off at the end: only the head shows it
        {"SELECT 1", 0, 5},
    };
    for (int i = 0; i < 5; i++) record(p, "thing.do", "thing");
    char head[AUDIT_HASH_SIZE];
    memcpy(head, verify(p).head, sizeof head);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err e = ERR_NONE;
        check_ok(db_begin(p->r->db, true, &e), &e);
        check_ok(db_execute(p->r->db, cases[i].sql, &e), &e);
        audit_state s = verify(p);
        db_roll_back(p->r->db);
        if (s.broken != cases[i].broken || s.n != cases[i].n)
            fail_msg("%s: broken %d after %d", cases[i].sql, (int)s.broken, (int)s.n);
        assert_int_equal(strcmp(s.head, head) == 0, s.n == 5);
    }
}

static void long_logs_are_read_in_pages(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    check_ok(registry_begin_change(p->r, &e), &e);
    for (int i = 0; i < 1203; i++)
        check_ok(registry_audit_within(p->r, &(audit_entry){.action = "thing.do", .object = "x"}, &e), &e);
    check_ok(db_commit(p->r->db, &e), &e);
    assert_int_equal(verify(p).n, 1203);
    buf text;
    buf_init(&text, 1 << 20);
    check_ok(registry_audit_each(p->r, 1, NULL, 1001, add_line, &text, &e), &e);
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++) lines += text.data[i] == '\n';
    assert_int_equal(lines, 1001);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_are_recorded, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(long_texts_are_cut, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(what_was_changed_is_seen, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(long_logs_are_read_in_pages, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
