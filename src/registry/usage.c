// Usage by day, and what quotas leave of it.
// SPDX-License-Identifier: Apache-2.0
#include "registry/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/keys.h"
#include "registry/registry_impl.h"

enum { SHARE = 8, DAY_S = 86400 }; // a lease takes at most an eighth of what is left

const char *usage_unit_name(usage_unit u)
{
    static const char *const names[UNITS_N] = {"requests", "rows", "tokens"};
    return names[u];
}

// ---- days

static struct tm calendar(int64_t utc_ms)
{
    time_t s = (time_t)(utc_ms / 1000);
    struct tm t = {0};
    gmtime_r(&s, &t);
    return t;
}

int32_t usage_day(int64_t utc_ms)
{
    struct tm t = calendar(utc_ms);
    return (t.tm_year + 1900) * 10000 + (t.tm_mon + 1) * 100 + t.tm_mday;
}

int64_t usage_day_end_ms(int64_t utc_ms)
{
    int64_t s = utc_ms / 1000;
    return (s - s % DAY_S + DAY_S) * 1000;
}

int64_t usage_month_end_ms(int64_t utc_ms)
{
    int month = calendar(utc_ms).tm_mon;
    while (calendar(utc_ms).tm_mon == month) utc_ms = usage_day_end_ms(utc_ms);
    return utc_ms;
}

// ---- names and limits

const char *usage_subject_fault(const char *subject)
{
    if (strncmp(subject, "key:", 4) == 0)
        return strlen(subject) == 4 + KEY_ID_LEN ? NULL : "has no id of a key behind \"key:\"";
    if (strncmp(subject, "tenant:", 7) == 0) return tenant_fault(subject + 7);
    return "is neither key:ID nor tenant:NAME";
}

const char *quota_fault(const quota *q)
{
    for (int u = 0; u < UNITS_N; u++)
        if (q->day[u] < QUOTA_NONE || q->month[u] < QUOTA_NONE) return "a quota is 0 or more";
    if (q->per_minute < 0 || q->per_minute > 60000000) return "a rate is 1 to 60,000,000 requests a minute";
    if (q->burst < 0 || q->burst > 60000000) return "a burst is 1 to 60,000,000 requests";
    if (q->burst > 0 && q->per_minute == 0) return "a burst needs a rate";
    return NULL;
}

static int check_key(registry *r, const char *subject, err *e)
{
    int64_t one;
    if (strncmp(subject, "key:", 4) != 0) return 0;
    int rc = db_find_integer(r->db, &one, e, "SELECT 1 FROM keys WHERE id = ?1", "s", subject + 4);
    return rc == ERR_NOT_FOUND ? err_set(e, rc, "there is no key \"%s\"", subject + 4) : rc;
}

static int set(registry *r, const quota *q, err *e)
{
    TRY(check_key(r, q->subject, e));
    TRY(db_run(r->db, e,
               "INSERT OR REPLACE INTO quotas(subject, requests_day, requests_month, rows_day, rows_month, tokens_day,"
               " tokens_month, per_minute, burst) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
               "siiiiiiii", q->subject, q->day[UNIT_REQUESTS], q->month[UNIT_REQUESTS], q->day[UNIT_ROWS],
               q->month[UNIT_ROWS], q->day[UNIT_TOKENS], q->month[UNIT_TOKENS], q->per_minute, q->burst));
    char detail[AUDIT_DETAIL_MAX];
    snprintf(detail, sizeof detail,
             "a day %" PRId64 " %" PRId64 " %" PRId64 ", a month %" PRId64 " %" PRId64 " %" PRId64 ", a minute %" PRId64
             ", burst %" PRId64,
             q->day[0], q->day[1], q->day[2], q->month[0], q->month[1], q->month[2], q->per_minute, q->burst);
    const char *tenant = strncmp(q->subject, "tenant:", 7) == 0 ? q->subject + 7 : "";
    return registry_audit_within(
        r, &(audit_entry){.action = "quota.set", .object = q->subject, .tenant = tenant, .detail = detail}, e);
}

int registry_quota_set(registry *r, const quota *q, err *e)
{
    const char *why = usage_subject_fault(q->subject);
    if (why) return err_set(e, ERR_INPUT, "\"%.60s\" %s", q->subject, why);
    if ((why = quota_fault(q))) return err_set(e, ERR_INPUT, "%s", why);
    TRY(registry_begin_change(r, e));
    int rc = set(r, q, e);
    if (rc == 0) return registry_end_change(r, e);
    db_roll_back(r->db);
    return rc;
}

void quota_list_clear(quota_list *l)
{
    mem_free(l->quotas);
    *l = (quota_list){0};
}

#define QUOTA_COLUMNS \
    "subject, requests_day, requests_month, rows_day, rows_month, tokens_day, tokens_month, per_minute, burst"

static int read_quota(db_query *q, quota *out, err *e)
{
    str subject;
    TRY(db_text(q, 0, &subject, e));
    if (subject.len > USAGE_SUBJECT_MAX) return err_set(e, ERR_CORRUPT, "a quota of the registry is nobody's");
    memcpy(out->subject, subject.data, subject.len);
    out->subject[subject.len] = '\0';
    for (int u = 0; u < UNITS_N; u++) {
        out->day[u] = db_integer(q, 1 + 2 * u);
        out->month[u] = db_integer(q, 2 + 2 * u);
    }
    out->per_minute = db_integer(q, 7);
    out->burst = db_integer(q, 8);
    return 0;
}

static int list_quotas(registry *r, quota_list *l, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM quotas", ""));
    if (!(l->quotas = mem_zalloc((size_t)n, sizeof *l->quotas)))
        return err_set(e, ERR_MEMORY, "no memory for %" PRId64 " quotas", n);
    TRY(db_start(&q, r->db, e, "SELECT " QUOTA_COLUMNS " FROM quotas ORDER BY subject", ""));
    int rc = 0;
    while (rc == 0 && (int64_t)l->n < n && (rc = db_next(q, e)) > 0) rc = read_quota(q, &l->quotas[l->n++], e);
    db_end(q);
    return rc < 0 ? rc : 0;
}

int registry_quotas(registry *r, quota_list *out, err *e)
{
    quota_list l = {0};
    TRY(db_begin(r->db, false, e));
    int rc = list_quotas(r, &l, e);
    db_roll_back(r->db);
    if (rc < 0) {
        quota_list_clear(&l);
        return rc;
    }
    *out = l;
    return 0;
}

// ---- leases

static int find_quota(registry *r, const char *subject, quota *out, err *e)
{
    db_query *q;
    *out = QUOTA_DEFAULT;
    TRY(db_start(&q, r->db, e, "SELECT " QUOTA_COLUMNS " FROM quotas WHERE subject = ?1", "s", subject));
    int rc = db_next(q, e);
    if (rc > 0) rc = read_quota(q, out, e);
    db_end(q);
    return rc;
}

static int find_used(registry *r, const char *subject, int32_t day, bool month, usage *out, err *e)
{
    int64_t from = month ? day / 100 * 100 : day, to = month ? from + 99 : day;
    db_query *q;
    TRY(db_start(&q, r->db, e,
                 "SELECT coalesce(sum(requests), 0), coalesce(sum(rows), 0), coalesce(sum(tokens), 0) FROM usage"
                 " WHERE subject = ?1 AND day BETWEEN ?2 AND ?3",
                 "sii", subject, from, to));
    int rc = db_next(q, e);
    for (int u = 0; rc > 0 && u < UNITS_N; u++) out->units[u] = db_integer(q, u);
    db_end(q);
    return rc < 0 ? rc : 0;
}

static int add(registry *r, const char *subject, int32_t day, const usage *u, int sign, err *e)
{
    return db_run(r->db, e,
                  "INSERT INTO usage(subject, day, requests, rows, tokens) VALUES(?1, ?2, max(?3, 0), max(?4, 0),"
                  " max(?5, 0)) ON CONFLICT(subject, day) DO UPDATE SET requests = max(requests + ?3, 0),"
                  " rows = max(rows + ?4, 0), tokens = max(tokens + ?5, 0)",
                  "siiii", subject, (int64_t)day, sign * u->units[0], sign * u->units[1], sign * u->units[2]);
}

static bool is_nothing(const usage *u)
{
    return u->units[0] == 0 && u->units[1] == 0 && u->units[2] == 0;
}

// What a quota leaves; INT64_MAX without one.
static int64_t room(int64_t limit, int64_t used)
{
    return limit == QUOTA_NONE ? INT64_MAX : limit > used ? limit - used : 0;
}

static int grant(registry *r, usage_order *o, err *e)
{
    quota q;
    usage today, month, granted = {{0}};
    TRY(find_quota(r, o->subject, &q, e));
    TRY(find_used(r, o->subject, o->day, false, &today, e));
    TRY(find_used(r, o->subject, o->day, true, &month, e));
    for (int u = 0; u < UNITS_N; u++) {
        int64_t of_day = room(q.day[u], today.units[u]), of_month = room(q.month[u], month.units[u]);
        int64_t left = of_day < of_month ? of_day : of_month;
        if (left < o->need.units[u]) {
            o->exhausted = true;
            o->monthly = of_month <= of_day;
            o->unit = (usage_unit)u;
            return 0;
        }
        int64_t share = left / SHARE + (left % SHARE != 0);
        if (share < o->need.units[u]) share = o->need.units[u];
        granted.units[u] = o->want.units[u] < share ? o->want.units[u] : share;
    }
    TRY(add(r, o->subject, o->day, &granted, 1, e));
    o->granted = granted;
    return 0;
}

static int settle(registry *r, usage_order *o, err *e)
{
    if (!is_nothing(&o->given_back)) TRY(add(r, o->subject, o->given_back_day, &o->given_back, -1, e));
    if (is_nothing(&o->want)) return 0;
    TRY(grant(r, o, e));
    if (strncmp(o->subject, "key:", 4) != 0) return 0;
    return db_run(r->db, e, "UPDATE keys SET used_ms = ?2 WHERE id = ?1", "si", o->subject + 4, clock_utc_ms());
}

int registry_usage_settle(registry *r, usage_order *orders, size_t n, err *e)
{
    for (size_t i = 0; i < n; i++) {
        orders[i].granted = (usage){{0}};
        orders[i].exhausted = false;
    }
    TRY(registry_begin_change(r, e));
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) rc = settle(r, &orders[i], e);
    if (rc == 0)
        rc = db_commit(r->db, e);
    else
        db_roll_back(r->db);
    for (size_t i = 0; i < n && rc < 0; i++) orders[i].granted = (usage){{0}};
    return rc;
}

// ---- looking

int registry_usage_each(registry *r, int32_t from, int32_t to, usage_call *call, void *context, err *e)
{
    char subject[USAGE_SUBJECT_SIZE];
    db_query *q;
    TRY(db_start(&q, r->db, e,
                 "SELECT subject, day, requests, rows, tokens FROM usage WHERE day BETWEEN ?1 AND ?2"
                 " ORDER BY day, subject",
                 "ii", (int64_t)from, (int64_t)to));
    int rc;
    while ((rc = db_next(q, e)) > 0) {
        str text;
        if ((rc = db_text(q, 0, &text, e)) < 0) break;
        snprintf(subject, sizeof subject, "%.*s", (int)(text.len < USAGE_SUBJECT_MAX ? text.len : USAGE_SUBJECT_MAX),
                 text.data);
        const usage_record u = {.subject = subject,
                                .day = (int32_t)db_integer(q, 1),
                                .used = {{db_integer(q, 2), db_integer(q, 3), db_integer(q, 4)}}};
        if ((rc = call(context, &u, e)) < 0) break;
    }
    db_end(q);
    return rc;
}
