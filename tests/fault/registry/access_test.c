// Keys, usage and the audit log while memory, or the disk under SQLite, fails at the 1st, 2nd, ... moment. What failed
// has changed nothing, what was acknowledged is there, and the chain of the log is whole.
// SPDX-License-Identifier: Apache-2.0
#include "registry/keys.h"
#include "registry/usage.h"

#include <errno.h>

#include "base/clock.h"
#include "base/files.h"
#include "fault/faults.h"
#include "fault/registry/disk.h"
#include "registry/audit.h"
#include "registry/registry_impl.h"
#include "serve/access.h"
#include "serve/quota.h"

typedef struct scene scene;

struct scene {
    char *folder, *dir;
    int (*work)(scene *s, registry *r, err *e); // under faults
    int rc;                                     // of the last run
    int64_t *counted;                           // what the work adds one to when it is acknowledged
    int64_t n_keys, n_records, n_used;
    char id[KEY_ID_SIZE];
};

static int64_t count_records(registry *r)
{
    audit_state s;
    err e = ERR_NONE;
    check_ok(registry_audit_verify(r, &s, &e), &e);
    assert_int_equal(s.broken, 0);
    return s.n;
}

static int64_t count_keys(registry *r)
{
    key_list l;
    err e = ERR_NONE;
    check_ok(registry_keys(r, NULL, &l, &e), &e);
    int64_t n = (int64_t)l.n;
    key_list_clear(&l);
    return n;
}

static int add_used(void *context, const usage_record *u, err *e)
{
    (void)e;
    *(int64_t *)context += u->used.units[UNIT_REQUESTS];
    return 0;
}

static int64_t count_used(registry *r)
{
    int64_t n = 0;
    err e = ERR_NONE;
    check_ok(registry_usage_each(r, 0, 99999999, add_used, &n, &e), &e);
    return n;
}

// ---- the operations

static int create(scene *s, registry *r, err *e)
{
    char text[KEY_TEXT_SIZE];
    const key_options o = {.label = "x", .tenant = "acme", .roles = ROLE_PREDICTOR};
    (void)s;
    return registry_key_create(r, &o, text, NULL, e);
}

static int rotate(scene *s, registry *r, err *e)
{
    char text[KEY_TEXT_SIZE];
    return registry_key_rotate(r, s->id, NULL, 1000, text, e);
}

static int record(scene *s, registry *r, err *e)
{
    (void)s;
    return registry_audit(r, &(audit_entry){.action = "thing.do", .object = "x"}, e);
}

static int limit(scene *s, registry *r, err *e)
{
    quota q = QUOTA_DEFAULT;
    (void)s;
    snprintf(q.subject, sizeof q.subject, "tenant:acme");
    q.day[UNIT_ROWS] = 1000000;
    return registry_quota_set(r, &q, e);
}

static int take_lease(scene *s, registry *r, err *e)
{
    usage_order orders[2] = {{.subject = "tenant:acme", .day = 20260131, .want = {{1, 1, 0}}, .need = {{1, 1, 0}}},
                             {.subject = "key:123456789012", .day = 20260131}};
    (void)s;
    TRY(registry_usage_settle(r, orders, 2, e));
    assert_int_equal(orders[0].granted.units[UNIT_REQUESTS], 1);
    return 0;
}

// A server's path: a table with allowances, a request, and the end.
static int use(scene *s, registry *r, err *e)
{
    access_table *t = NULL;
    quota_book *b = NULL;
    allowance *a;
    (void)s;
    int rc = quota_book_new(&b, e);
    if (rc == 0) rc = access_table_new(&t, r, b, e);
    if (rc == 0) rc = quota_book_find(b, "tenant:acme", &a, e);
    if (rc == 0) {
        const principal who = {.id = "key:x", .tenant = "acme", .of_tenant = a};
        quota_answer answer = quota_take(&who, 1, r, clock_utc_ms(), e);
        if (answer.verdict == QUOTA_BROKEN) rc = e->code;
        if (rc == 0) assert_int_equal(answer.verdict, QUOTA_TAKEN);
        if (rc == 0) rc = quota_book_settle(b, r, e);
    }
    access_table_drop(t);
    quota_book_free(b);
    return rc;
}

// ---- the runs

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

// A failed run changed nothing, or, where the sync after a commit failed, may turn out to have happened.
static void check_count(const scene *s, const char *what, int64_t before, int64_t now, bool counts, bool late)
{
    int64_t want = before + counts;
    bool ok = s->rc == 0 ? now == want : now == before || (late && now == want);
    if (!ok) fail_msg("%s: rc %d, %d before, %d now", what, s->rc, (int)before, (int)now);
}

static void look_at(scene *s, bool late)
{
    registry *r;
    err e = ERR_NONE;
    disk_fail_at(0, 0, false);
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    int64_t keys = count_keys(r), records = count_records(r), used = count_used(r);
    check_count(s, "keys", s->n_keys, keys, s->counted == &s->n_keys, late);
    bool logged = s->counted == &s->n_keys || s->counted == &s->n_records;
    check_count(s, "records", s->n_records, records, logged, late);
    assert_int_equal(keys - s->n_keys, s->counted == &s->n_keys ? records - s->n_records : 0); // together or not at all
    if (s->work == use) // a lease that could not be given back stays recorded
        assert_true(used >= s->n_used + (s->rc == 0));
    else
        check_count(s, "used", s->n_used, used, s->counted == &s->n_used, late);
    s->n_keys = keys;
    s->n_records = records;
    s->n_used = used;
    registry_close(r);
}

static void look(void *context, uint64_t nth)
{
    (void)nth;
    look_at(context, false);
}

static void begin(scene *s)
{
    registry *r;
    err e = ERR_NONE;
    char text[KEY_TEXT_SIZE];
    const key_options o = {.label = "x", .tenant = "", .roles = ROLE_PREDICTOR};
    *s = (scene){.folder = check_folder()};
    s->dir = path_join(s->folder, "data");
    check_ok(registry_open(&r, s->dir, NULL, &e), &e);
    check_ok(registry_key_create(r, &o, text, s->id, &e), &e);
    s->n_keys = s->n_records = 1;
    registry_close(r);
}

static void end(scene *s)
{
    check_folder_free(s->folder);
    mem_free(s->dir);
}

enum { WORKS_N = 6 };

static void set_work(scene *s, size_t i)
{
    static int (*const works[WORKS_N])(scene *, registry *, err *) = {create, rotate, use, record, take_lease, limit};
    int64_t *counted[WORKS_N] = {&s->n_keys, &s->n_records, &s->n_used, &s->n_records, &s->n_used, &s->n_records};
    s->work = works[i];
    s->counted = counted[i];
}

static void memory_runs_out(void **state)
{
    (void)state;
    scene s;
    begin(&s);
    disk_watch(s.folder, false);
    disk_skip_syncs(true);
    for (size_t i = 0; i < WORKS_N; i += 2) { // the others take their memory in the same places
        set_work(&s, i);
        assert_true(faults_of_memory(run, look, &s, 0) > 0);
        look_at(&s, false); // of the last run, without a fault
    }
    disk_watch(NULL, false);
    end(&s);
}

static void break_disk(int number, bool sticky)
{
    scene s;
    begin(&s);
    disk_watch(s.folder, false);
    disk_skip_syncs(true);
    for (size_t i = 0; i < WORKS_N; i++) {
        set_work(&s, i);
        for (uint64_t nth = 1;; nth++) {
            err e = ERR_NONE;
            disk_fail_at(nth, number, sticky);
            run(&s, &e);
            uint64_t n = disk_fail_at(0, 0, false);
            look_at(&s, true);
            if (n >= nth) continue;
            check_ok(s.rc, &e);
            break;
        }
    }
    disk_watch(NULL, false);
    end(&s);
}

static void the_disk_breaks_once(void **state)
{
    (void)state;
    break_disk(EIO, false);
}

static void the_disk_is_full(void **state)
{
    (void)state;
    break_disk(ENOSPC, true);
}

static void take(quota_book *b, registry *r, const char *subject, quota_verdict verdict)
{
    allowance *a;
    err e = ERR_NONE;
    check_ok(quota_book_find(b, subject, &a, &e), &e);
    const principal who = {.id = subject, .tenant = "", .of_key = a};
    quota_answer answer = quota_take(&who, 3, r, clock_utc_ms(), &e);
    assert_int_equal(answer.verdict, verdict);
    if (verdict == QUOTA_BROKEN) assert_int_equal(e.code, ERR_FULL);
}

// Who has no limit goes on while the disk is full, and what was used is recorded when there is room.
static void usage_goes_on_without_room(void **state)
{
    (void)state;
    enum { N = 1000 };
    scene s;
    registry *r;
    quota_book *b;
    allowance *a;
    access_table *t;
    err e = ERR_NONE;
    begin(&s);
    disk_watch(s.folder, false);
    disk_skip_syncs(true);
    check_ok(registry_open(&r, s.dir, NULL, &e), &e);
    check_ok(limit(&s, r, &e), &e); // of the tenant "acme"
    check_ok(quota_book_new(&b, &e), &e);
    check_ok(quota_book_find(b, "tenant:acme", &a, &e), &e);
    check_ok(access_table_new(&t, r, b, &e), &e);
    disk_fail_at(1, ENOSPC, true);
    for (int i = 0; i < N; i++) take(b, r, "key:free", QUOTA_TAKEN);
    take(b, r, "tenant:acme", QUOTA_BROKEN);
    check_fails(quota_book_tend(b, r, &e), ERR_FULL, &e);
    disk_fail_at(0, 0, false);
    assert_int_equal(count_used(r), 0);
    check_ok(quota_book_tend(b, r, &e), &e);
    assert_true(count_used(r) >= N);
    take(b, r, "tenant:acme", QUOTA_TAKEN);
    check_ok(quota_book_settle(b, r, &e), &e);
    assert_int_equal(count_used(r), N + 1);
    access_table_drop(t);
    quota_book_free(b);
    registry_close(r);
    disk_watch(NULL, false);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(the_disk_breaks_once),
        cmocka_unit_test(the_disk_is_full),
        cmocka_unit_test(usage_goes_on_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
