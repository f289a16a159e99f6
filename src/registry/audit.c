// The chain of records. A sum covers the sum before, so each record vouches for all that came before it.
// SPDX-License-Identifier: Apache-2.0
#include "registry/audit.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "registry/registry_impl.h"

enum { PAGE = 500, SUM_BYTES = 32, TEXTS_N = 6 };

static const char before_the_first[AUDIT_HASH_SIZE] =
    "0000000000000000000000000000000000000000000000000000000000000000";

void registry_act_as(registry *r, const char *actor)
{
    snprintf(r->actor, sizeof r->actor, "%s", actor);
}

static void add_text(crypto_generichash_state *h, const char *text)
{
    char length[24];
    size_t len = strlen(text);
    int n = snprintf(length, sizeof length, "%zu:", len);
    crypto_generichash_update(h, (const unsigned char *)length, (size_t)n);
    crypto_generichash_update(h, (const unsigned char *)text, len);
    crypto_generichash_update(h, (const unsigned char *)"\n", 1);
}

// The sum of a record; a->hash is not looked at. The texts have lengths, so that no two records read the same.
static void sum_of(const audit_record *a, const char *before, char hex[AUDIT_HASH_SIZE])
{
    const char *texts[TEXTS_N] = {a->actor, a->tenant, a->action, a->object, a->result, a->detail};
    unsigned char sum[SUM_BYTES];
    char numbers[AUDIT_HASH_SIZE + 48];
    crypto_generichash_state h;
    crypto_generichash_init(&h, NULL, 0, sizeof sum);
    int n = snprintf(numbers, sizeof numbers, "%s\n%" PRId64 "\n%" PRId64 "\n", before, a->id, a->at_ms);
    crypto_generichash_update(&h, (const unsigned char *)numbers, (size_t)n);
    for (size_t i = 0; i < TEXTS_N; i++) add_text(&h, texts[i]);
    crypto_generichash_final(&h, sum, sizeof sum);
    sodium_bin2hex(hex, AUDIT_HASH_SIZE, sum, sizeof sum);
}

// ---- adding ----

// At most `max` bytes, cut at a character.
static const char *cut(char *to, const char *text, size_t max)
{
    size_t len = text ? strlen(text) : 0;
    if (len > max)
        for (len = max; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;) len--;
    memcpy(to, text ? text : "", len);
    to[len] = '\0';
    return to;
}

static int find_head(registry *r, int64_t *id, char hash[AUDIT_HASH_SIZE], err *e)
{
    db_query *q;
    str text;
    *id = 0;
    memcpy(hash, before_the_first, AUDIT_HASH_SIZE);
    TRY(db_start(&q, r->db, e, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", ""));
    int rc = db_next(q, e);
    if (rc > 0 && (rc = db_text(q, 1, &text, e)) == 0) {
        if (text.len == AUDIT_HASH_SIZE - 1) {
            *id = db_integer(q, 0);
            memcpy(hash, text.data, text.len);
        } else {
            rc = err_set(e, ERR_CORRUPT, "the audit log's last record has no sum");
        }
    }
    db_end(q);
    return rc;
}

int registry_audit_within(registry *r, const audit_entry *a, err *e)
{
    char actor[AUDIT_TEXT_MAX + 1], tenant[AUDIT_TEXT_MAX + 1], action[AUDIT_TEXT_MAX + 1], object[AUDIT_TEXT_MAX + 1],
        result[AUDIT_TEXT_MAX + 1], detail[AUDIT_DETAIL_MAX + 1], before[AUDIT_HASH_SIZE], hash[AUDIT_HASH_SIZE];
    const char *slash = a->object ? strchr(a->object, '/') : NULL;
    audit_record record = {.at_ms = clock_utc_ms(), .hash = hash};
    record.actor = cut(actor, r->actor, AUDIT_TEXT_MAX);
    record.tenant = cut(tenant, a->tenant, AUDIT_TEXT_MAX);
    if (!a->tenant && slash && slash - a->object <= TENANT_MAX)
        snprintf(tenant, sizeof tenant, "%.*s", (int)(slash - a->object), a->object);
    record.action = cut(action, a->action, AUDIT_TEXT_MAX);
    record.object = cut(object, a->object, AUDIT_TEXT_MAX);
    record.result = cut(result, a->result ? a->result : "ok", AUDIT_TEXT_MAX);
    record.detail = cut(detail, a->detail, AUDIT_DETAIL_MAX);
    TRY(find_head(r, &record.id, before, e));
    record.id++;
    sum_of(&record, before, hash);
    return db_run(r->db, e,
                  "INSERT INTO audit(id, at_ms, actor, tenant, action, object, result, detail, hash)"
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                  "iisssssss", record.id, record.at_ms, record.actor, record.tenant, record.action, record.object,
                  record.result, record.detail, record.hash);
}

int registry_audit(registry *r, const audit_entry *a, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = registry_audit_within(r, a, e);
    if (rc == 0) return db_commit(r->db, e); // nothing that a server serves has changed: the counter stays
    db_roll_back(r->db);
    return rc;
}

// ---- reading ----

typedef struct reader {
    const char *tenant; // NULL: all
    audit_call *call;
    void *context;
    int64_t last; // id
    size_t n;
} reader;

static int read_record(db_query *q, char **texts, err *e)
{
    for (int i = 0; i <= TEXTS_N; i++) {
        str text;
        TRY(db_text(q, i + 2, &text, e));
        size_t max = i == TEXTS_N ? AUDIT_HASH_SIZE - 1 : i == TEXTS_N - 1 ? AUDIT_DETAIL_MAX : AUDIT_TEXT_MAX;
        if (text.len > max || memchr(text.data, '\0', text.len))
            return err_set_at(e, ERR_CORRUPT, db_integer(q, 0),
                              "audit record %" PRId64 " has a text that none can have", db_integer(q, 0));
        memcpy(texts[i], text.data, text.len);
        texts[i][text.len] = '\0';
    }
    return 0;
}

// A page of at most n_max records.
static int read_page(registry *r, reader *at, size_t n_max, err *e)
{
    char actor[AUDIT_TEXT_MAX + 1], tenant[AUDIT_TEXT_MAX + 1], action[AUDIT_TEXT_MAX + 1], object[AUDIT_TEXT_MAX + 1],
        result[AUDIT_TEXT_MAX + 1], detail[AUDIT_DETAIL_MAX + 1], hash[AUDIT_HASH_SIZE];
    char *texts[TEXTS_N + 1] = {actor, tenant, action, object, result, detail, hash};
    db_query *q;
    TRY(db_start(&q, r->db, e,
                 "SELECT id, at_ms, actor, tenant, action, object, result, detail, hash FROM audit"
                 " WHERE id > ?1 AND (?2 IS NULL OR tenant = ?2) ORDER BY id LIMIT ?3",
                 "isi", at->last, at->tenant, (int64_t)n_max));
    int rc;
    at->n = 0;
    while ((rc = db_next(q, e)) > 0) {
        if ((rc = read_record(q, texts, e)) < 0) break;
        at->last = db_integer(q, 0);
        at->n++;
        const audit_record record = {.id = at->last,
                                     .at_ms = db_integer(q, 1),
                                     .actor = actor,
                                     .tenant = tenant,
                                     .action = action,
                                     .object = object,
                                     .result = result,
                                     .detail = detail,
                                     .hash = hash};
        if ((rc = at->call(at->context, &record, e)) < 0) break;
    }
    db_end(q);
    return rc;
}

int registry_audit_each(registry *r, int64_t after, const char *tenant, size_t n_max, audit_call *call, void *context,
                        err *e)
{
    reader at = {.tenant = tenant, .call = call, .context = context, .last = after};
    while (n_max > 0) { // no read transaction takes longer than a page
        size_t page = n_max < PAGE ? n_max : PAGE;
        TRY(read_page(r, &at, page, e));
        if (at.n < page) return 0;
        n_max -= page;
    }
    return 0;
}

static int check_record(void *context, const audit_record *a, err *e)
{
    audit_state *s = context;
    char hash[AUDIT_HASH_SIZE];
    (void)e;
    if (s->broken) return 0;
    sum_of(a, s->n > 0 ? s->head : before_the_first, hash);
    if (a->id != s->n + 1) {
        s->broken = s->n + 1;
        snprintf(s->why, sizeof s->why, "is not there");
    } else if (strcmp(hash, a->hash) != 0) {
        s->broken = a->id;
        snprintf(s->why, sizeof s->why, "is not what was recorded");
    } else {
        s->n = a->id;
        memcpy(s->head, hash, sizeof hash);
    }
    return 0;
}

int registry_audit_verify(registry *r, audit_state *out, err *e)
{
    audit_state s = {0};
    err fault = ERR_NONE;
    memcpy(s.head, before_the_first, sizeof s.head);
    int rc = registry_audit_each(r, INT64_MIN, NULL, SIZE_MAX, check_record, &s, &fault);
    if (rc == ERR_CORRUPT && fault.at > 0 && !s.broken) { // a text that does not even fit
        s.broken = fault.at;
        snprintf(s.why, sizeof s.why, "is not what was recorded");
        rc = 0;
    }
    if (rc < 0) return err_set(e, rc, "%s", fault.msg);
    *out = s;
    return 0;
}
