// What was used, and what may be: the caller's own key, and for who runs a tenant its keys and itself.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "registry/keys.h"
#include "serve/graphql_impl.h"
#include "serve/quota.h"

enum { DAYS_MAX = 3660, DAYS = 31, DAY_MS = 86400000, RECORDS_FIRST = 64, RECORDS_MAX = 100000 };
#define EVERYBODY (MAY_PREDICT | MAY_READ | MAY_TRAIN | MAY_DEPLOY | MAY_MONITOR | MAY_ADMIN)

// A record whose subject lives as long as the request.
typedef struct day_record {
    const char *subject;
    char day[16];
    usage used;
} day_record;

typedef struct collected {
    gql_call *call;
    const key_list *keys;
    day_record **records; // (cap), in the request's memory
    size_t n, cap;
} collected;

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for an answer");
}

static int grow(collected *all, err *e)
{
    if (all->n < all->cap) return 0;
    if (all->cap == RECORDS_MAX) return err_set(e, ERR_LIMIT, "more than %d records: ask for fewer days", RECORDS_MAX);
    size_t cap = all->cap ? 4 * all->cap : RECORDS_FIRST;
    if (cap > RECORDS_MAX) cap = RECORDS_MAX;
    day_record **more = arena_alloc(all->call->memory, cap, sizeof *more);
    if (!more) return no_memory(e);
    if (all->n > 0) memcpy(more, all->records, all->n * sizeof *more);
    all->records = more;
    all->cap = cap;
    return 0;
}

static int add_record(void *context, const usage_record *u, err *e)
{
    collected *all = context;
    if (!quota_is_told(graphql_of(all->call)->request->who, all->keys, u->subject)) return 0;
    TRY(grow(all, e));
    day_record *r = arena_alloc(all->call->memory, 1, sizeof *r);
    char *subject = arena_strndup(all->call->memory, u->subject, strlen(u->subject));
    if (!r || !subject) return no_memory(e);
    *r = (day_record){.subject = subject, .used = u->used};
    snprintf(r->day, sizeof r->day, "%04d-%02d-%02d", u->day / 10000, u->day / 100 % 100, u->day % 100);
    all->records[all->n++] = r;
    return 0;
}

static int keys_of_caller(gql_call *c, registry **r, key_list *keys, err *e)
{
    const principal *who = graphql_of(c)->request->who;
    TRY(graphql_may(c, EVERYBODY, e));
    TRY(serving_registry(graphql_of(c)->serving, r, e));
    return registry_keys(*r, who->tenant[0] ? who->tenant : NULL, keys, e);
}

int graphql_list_usage(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    registry *r;
    key_list keys;
    int64_t now = clock_utc_ms(), days = arguments[0] && arguments[0]->kind != GQL_NULL ? arguments[0]->whole : DAYS;
    if (days < 1 || days > DAYS_MAX) {
        c->code = "out_of_range";
        return err_set(e, ERR_INPUT, "\"days\" must be from 1 to %d", DAYS_MAX);
    }
    TRY(keys_of_caller(c, &r, &keys, e));
    collected all = {.call = c, .keys = &keys};
    int rc = registry_usage_each(r, usage_day(now - (days - 1) * DAY_MS), usage_day(now), add_record, &all, e);
    key_list_clear(&keys);
    TRY(rc);
    gql_result *items = gql_list_of(c, all.n, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < all.n; i++) items[i] = gql_of_object(all.records[i]);
    return 0;
}

int graphql_list_quotas(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object, (void)arguments;
    registry *r;
    key_list keys;
    quota_list limits;
    TRY(keys_of_caller(c, &r, &keys, e));
    int rc = registry_quotas(r, &limits, e);
    if (rc < 0) {
        key_list_clear(&keys);
        return rc;
    }
    size_t n = 0;
    quota *kept = arena_alloc(c->memory, limits.n, sizeof *kept);
    gql_result *items = kept ? gql_list_of(c, limits.n, out) : NULL;
    for (size_t i = 0; items && i < limits.n; i++) {
        if (!quota_is_told(graphql_of(c)->request->who, &keys, limits.quotas[i].subject)) continue;
        kept[n] = limits.quotas[i];
        items[n] = gql_of_object(&kept[n]);
        n++;
    }
    key_list_clear(&keys);
    quota_list_clear(&limits);
    if (!items) return no_memory(e);
    out->n = n;
    return 0;
}

// Fields.

RESOLVER(usage_subject)
{
    UNUSED;
    *out = gql_of_text(((const day_record *)object)->subject);
    return 0;
}

RESOLVER(usage_date)
{
    UNUSED;
    *out = gql_of_text(((const day_record *)object)->day);
    return 0;
}

#define USED(name, unit)                                                     \
    RESOLVER(usage_##name)                                                   \
    {                                                                        \
        UNUSED;                                                              \
        *out = gql_of_whole(((const day_record *)object)->used.units[unit]); \
        return 0;                                                            \
    }
USED(requests, UNIT_REQUESTS)
USED(rows, UNIT_ROWS)
USED(tokens, UNIT_TOKENS)

RESOLVER(quota_subject)
{
    UNUSED;
    *out = gql_of_text(((const quota *)object)->subject);
    return 0;
}

static gql_result limit_of(int64_t limit, int64_t none)
{
    return limit == none ? (gql_result){.kind = GQL_RESULT_NULL} : gql_of_whole(limit);
}

#define LIMIT(name, field, none)                               \
    RESOLVER(quota_##name)                                     \
    {                                                          \
        UNUSED;                                                \
        *out = limit_of(((const quota *)object)->field, none); \
        return 0;                                              \
    }
LIMIT(requests_day, day[UNIT_REQUESTS], QUOTA_NONE)
LIMIT(requests_month, month[UNIT_REQUESTS], QUOTA_NONE)
LIMIT(rows_day, day[UNIT_ROWS], QUOTA_NONE)
LIMIT(rows_month, month[UNIT_ROWS], QUOTA_NONE)
LIMIT(tokens_day, day[UNIT_TOKENS], QUOTA_NONE)
LIMIT(tokens_month, month[UNIT_TOKENS], QUOTA_NONE)
LIMIT(per_minute, per_minute, 0)
LIMIT(burst, burst, 0)

static const gql_field usage_fields[] = {
    {.name = "subject",
     .type = &gql_string,
     .wraps = GQL_REQUIRED,
     .resolve = usage_subject,
     .about = "\"key:ID\" or \"tenant:NAME\"."},
    {.name = "day", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = usage_date, .about = "2026-01-31, UTC."},
    {.name = "requests", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = usage_requests},
    {.name = "rows", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = usage_rows},
    {.name = "tokens", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = usage_tokens},
};
const gql_type graphql_usage = {.kind = GQL_KIND_OBJECT,
                                .name = "Usage",
                                .about = "What a key or a tenant used on a day. Ahead of what was answered by what "
                                         "running servers have taken in advance.",
                                GQL_FIELDS(usage_fields)};

static const gql_field quota_fields[] = {
    {.name = "subject", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = quota_subject},
    {.name = "requestsDay", .type = &graphql_long, .resolve = quota_requests_day, .about = "Null: no limit."},
    {.name = "requestsMonth", .type = &graphql_long, .resolve = quota_requests_month},
    {.name = "rowsDay", .type = &graphql_long, .resolve = quota_rows_day},
    {.name = "rowsMonth", .type = &graphql_long, .resolve = quota_rows_month},
    {.name = "tokensDay", .type = &graphql_long, .resolve = quota_tokens_day},
    {.name = "tokensMonth", .type = &graphql_long, .resolve = quota_tokens_month},
    {.name = "perMinute", .type = &graphql_long, .resolve = quota_per_minute},
    {.name = "burst", .type = &graphql_long, .resolve = quota_burst},
};
const gql_type graphql_quota = {.kind = GQL_KIND_OBJECT, .name = "Quota", GQL_FIELDS(quota_fields)};
