// Quotas at the moment of a request: leases counted down in memory, and rates.
//
// An allowance is what a key or a tenant may still use without asking the registry. Event loops only ever take from it;
// it is filled by the thread that watches the registry before it runs out, or by a worker when it has.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_QUOTA_H
#define SLIPWAY_SERVE_QUOTA_H

#include "registry/keys.h"
#include "registry/usage.h"
#include "serve/protocol.h"

enum { QUOTA_LEASE_MAX = 1 << 18 }; // requests that a server may hold of a subject, and so lose when it is killed

typedef struct allowance allowance;   // any thread; lives as long as its book
typedef struct quota_book quota_book; // all allowances of a server

MUST_CHECK int quota_book_new(quota_book **out, err *e);
void quota_book_free(quota_book *b); // gives nothing back: quota_book_settle() before; NULL is fine
// The allowance of a subject, made if there is none yet. Only by the thread that calls the following ones.
MUST_CHECK int quota_book_find(quota_book *b, const char *subject, allowance **out, err *e);
// Reads limits that changed: rates are followed, and who was told that a quota is exhausted may try again.
MUST_CHECK int quota_book_load(quota_book *b, registry *r, err *e);
// Fills what runs low, and gives back what nobody used for a while or what is of another day: one transaction, and none
// if there is nothing to do. Often; cheap. What fails is tried again with the next call.
MUST_CHECK int quota_book_tend(quota_book *b, registry *r, err *e);
// Gives back everything: when a server stops.
MUST_CHECK int quota_book_settle(quota_book *b, registry *r, err *e);

typedef enum quota_verdict {
    QUOTA_TAKEN,
    QUOTA_ASK,       // not known without the registry: again, with one
    QUOTA_EXHAUSTED, // of the day or month
    QUOTA_TOO_FAST,  // the rate
    QUOTA_BROKEN,    // the registry could not be asked; *e says why
} quota_verdict;

typedef struct quota_answer {
    quota_verdict verdict;
    const char *subject; // a view: "key:..." or "tenant:...", whose quota it is
    usage_unit unit;
    bool monthly;
    int64_t retry_s; // after which another try may help
} quota_answer;

// Takes a request of n_rows from every allowance of a principal, or from none. A registry that cannot be written (a
// full disk) refuses only those who have a limit; what others use meanwhile is recorded later. r: NULL on an event
// loop; there nothing blocks. now_ms: clock_utc_ms() or a coarse one.
quota_answer quota_take(const principal *who, int64_t n_rows, registry *r, int64_t now_ms, err *e);
// What was taken and not used: the model failed. taken_ms: the now_ms of then.
void quota_give_back(const principal *who, int64_t n_rows, int64_t taken_ms);

// Whether what is counted for a subject is the caller's to look at. `keys`: of the tenant that the caller runs.
bool quota_is_told(const principal *who, const key_list *keys, const char *subject);

#endif
