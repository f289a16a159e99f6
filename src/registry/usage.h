// Usage and quotas: how much each key and each tenant used on each day, and how much they may.
//
// Servers take leases: units are written down as used before they are, many at a time, and what is left of a lease is
// given back. So a quota is never exceeded, whatever happens; and after a crash the record is never below what was
// answered, and above it by at most what the leases of the crashed server held.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_USAGE_H
#define SLIPWAY_REGISTRY_USAGE_H

#include "registry/registry.h"

typedef enum usage_unit { UNIT_REQUESTS, UNIT_ROWS, UNIT_TOKENS, UNITS_N } usage_unit;
const char *usage_unit_name(usage_unit u); // "requests"

typedef struct usage {
    int64_t units[UNITS_N];
} usage;

enum { USAGE_SUBJECT_MAX = 7 + TENANT_MAX, USAGE_SUBJECT_SIZE = USAGE_SUBJECT_MAX + 1 };
#define QUOTA_NONE INT64_C(-1)

// Days are of UTC, written 20260131.
int32_t usage_day(int64_t utc_ms);
int64_t usage_day_end_ms(int64_t utc_ms);   // when the next one begins
int64_t usage_month_end_ms(int64_t utc_ms); // and the next month

// "key:ID", "tenant:NAME" (with a sound name; "tenant:" is the default one). NULL, or why it is not one.
const char *usage_subject_fault(const char *subject);

// ---- limits

typedef struct quota {
    char subject[USAGE_SUBJECT_SIZE];
    int64_t day[UNITS_N], month[UNITS_N]; // QUOTA_NONE: no limit
    int64_t per_minute, burst;            // requests of one server; per_minute 0: no limit
} quota;

#define QUOTA_DEFAULT \
    ((quota){.day = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE}, .month = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE}})
const char *quota_fault(const quota *q);

typedef struct quota_list {
    size_t n;
    quota *quotas; // by subject
} quota_list;

// Replaces what was set before; running servers follow. ERR_NOT_FOUND if there is no such key.
MUST_CHECK int registry_quota_set(registry *r, const quota *q, err *e);
MUST_CHECK int registry_quotas(registry *r, quota_list *out, err *e);
void quota_list_clear(quota_list *l);

// ---- leases

typedef struct usage_order {
    const char *subject;
    usage given_back; // of an earlier lease for given_back_day
    int32_t given_back_day;
    int32_t day;
    usage want, need; // how much would be good, and the least that helps; all 0: nothing is wanted
    // Answered:
    usage granted;   // at least `need` of each unit and at most `want`, or nothing at all
    bool exhausted;  // nothing: a quota leaves less than `need`
    bool monthly;    // it is one of the month
    usage_unit unit; // which
} usage_order;

// All of them in one transaction, which does not count as a change of the registry. Near the end of a quota less than
// is wanted is granted, so that the servers that share it all get something.
MUST_CHECK int registry_usage_settle(registry *r, usage_order *orders, size_t n, err *e);

// ---- looking

typedef struct usage_record {
    const char *subject; // a view for the call
    int32_t day;
    usage used; // what is leased counts
} usage_record;

// Calls back for what was used from one day to another, both included, by day and subject; a negative answer ends it
// and is returned. The callback must not use the registry.
typedef int usage_call(void *context, const usage_record *u, err *e);
MUST_CHECK int registry_usage_each(registry *r, int32_t from, int32_t to, usage_call *call, void *context, err *e);

#endif
