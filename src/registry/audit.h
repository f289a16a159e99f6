// The audit log: who changed what, when, with which result. Records are chained: each holds the BLAKE2b sum of itself
// and of the one before, so that nothing in the middle can be changed, removed or put in without being seen.
//
// Every change that the registry makes is recorded in the same transaction, under the name that registry_act_as() gave.
// Who changes something that is not in the registry calls registry_audit(). Never put secrets or bodies into a record.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_AUDIT_H
#define SLIPWAY_REGISTRY_AUDIT_H

#include "registry/registry.h"

enum {
    AUDIT_TEXT_MAX = 120,   // bytes of actor, tenant, action, object, result; what is longer is cut
    AUDIT_DETAIL_MAX = 400, // and of detail
    AUDIT_HASH_SIZE = 65,   // hexadecimal, NUL included
};

// Who acts through this handle from now on: "cli:UID", "key:ID", "local"; "server" until said otherwise. Workers of
// the server need not call it: serving_registry() does.
void registry_act_as(registry *r, const char *actor);

typedef struct audit_entry {
    const char *action; // "NOUN.VERB": "alias.set", "key.create", "job.cancel"
    const char *object; // what it was done to: "titanic", "acme/titanic@3", a key's id
    const char *tenant; // whose it is; NULL: as the object, a model, says
    const char *result; // NULL: "ok"
    const char *detail; // one line for people; NULL: none
} audit_entry;

// A record in a transaction of its own.
MUST_CHECK int registry_audit(registry *r, const audit_entry *a, err *e);

typedef struct audit_record { // texts are views for the call
    int64_t id;               // 1, 2, ... without a gap
    int64_t at_ms;            // clock_utc_ms()
    const char *actor, *tenant, *action, *object, *result, *detail, *hash;
} audit_record;

// Calls back for the records after `after`, at most n_max of them; those of one tenant, or of all with NULL. A negative
// answer ends it and is returned. The callback must not use the registry.
typedef int audit_call(void *context, const audit_record *a, err *e);
MUST_CHECK int registry_audit_each(registry *r, int64_t after, const char *tenant, size_t n_max, audit_call *call,
                                   void *context, err *e);

typedef struct audit_state {
    int64_t n;                  // records that are sound, from the first on
    char head[AUDIT_HASH_SIZE]; // sum of the last of them: kept elsewhere, it shows that no record was cut off
    int64_t broken;             // 0, or the id of the first record that is not what it was, or is not there
    char why[80];
} audit_state;

// Looks at the whole chain. 0 also if it is broken.
MUST_CHECK int registry_audit_verify(registry *r, audit_state *out, err *e);

#endif
