// Runs in the registry: what was asked, how far it is, what came of it. Durable like everything here: a run that was
// acknowledged is there after kill -9. Their changes do not raise the registry's counter: no model has changed.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_JOBS_H
#define SLIPWAY_REGISTRY_JOBS_H

#include "registry/registry.h"

enum { OBJECT_ID_SIZE = 21, RUN_KIND_SIZE = 16, RUN_CODE_SIZE = 32, ANSWER_KEY_MAX = 255, ANSWER_HOURS = 24 };

typedef enum run_state {
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_SUCCEEDED,
    RUN_FAILED,
    RUN_CANCELLED,
    RUN_INTERRUPTED, // the server ended while it ran
    RUN_STATES_N,
} run_state;
const char *run_state_name(run_state s);                         // "queued", ...
MUST_CHECK int run_state_find(const char *name, run_state *out); // 0, or ERR_NOT_FOUND
static inline bool run_state_ended(run_state s)
{
    return s > RUN_RUNNING;
}

typedef struct run_record {
    int64_t number; // 1, 2, ... over all tenants: the order in which they came
    char id[OBJECT_ID_SIZE];
    char tenant[TENANT_MAX + 1];
    char kind[RUN_KIND_SIZE];
    char dataset[OBJECT_ID_SIZE];
    run_state state;
    bool cancel;                              // somebody wants it stopped
    int64_t created_ms, started_ms, ended_ms; // 0: not yet
    char *actor;                              // who asked for it, as the audit log calls them; owned, like what follows
    char *spec;                               // JSON: what was asked
    char *result;                             // JSON; "{}" until it succeeded
    char code[RUN_CODE_SIZE];                 // of its failure; "" if it did not fail
    char *message;                            // of its failure, or ""
} run_record;
void run_record_clear(run_record *r); // a zeroed one is fine

// An answer kept under an Idempotency-Key for ANSWER_HOURS. Texts of a found one are owned: kept_answer_clear().
typedef struct kept_answer {
    int status;
    char *location, *body;
} kept_answer;
void kept_answer_clear(kept_answer *a); // a zeroed one is fine

// A key with what it was sent with. NULL for a key: none was sent, nothing is found or kept.
typedef struct answer_key {
    const char *tenant, *key;
    const char *sum; // SHA-256 of the whole request in hexadecimal
} answer_key;

// ERR_NOT_FOUND, without a message, if there is none; ERR_CONFLICT if the key came with another request.
MUST_CHECK int registry_answer_find(registry *r, const answer_key *k, kept_answer *out, err *e);
// Keeps one; the first one wins.
MUST_CHECK int registry_answer_keep(registry *r, const answer_key *k, int status, const char *location,
                                    const char *body, err *e);

// 20 random hexadecimal digits for a new run, dataset or upload.
MUST_CHECK int registry_new_id(registry *r, char id[OBJECT_ID_SIZE], err *e);

typedef struct run_addition { // all borrowed
    const char *id, *tenant, *kind, *actor, *spec;
    const char *dataset; // that has to be there, of the tenant; ERR_NOT_FOUND else
    size_t queued_max;   // ERR_BUSY if that many wait already
    answer_key key;
    int status; // with location and body: the answer to keep under the key
    const char *location, *body;
} run_addition;

// One transaction. With a key that is known nothing is added: *kept holds the answer (kept->body is not NULL then).
MUST_CHECK int registry_run_add(registry *r, const run_addition *a, kept_answer *kept, err *e);
// tenant NULL: of any. ERR_NOT_FOUND.
MUST_CHECK int registry_run_find(registry *r, const char *tenant, const char *id, run_record *out, err *e);

typedef struct run_list {
    size_t n;
    run_record *runs; // newest first; spec and result included
} run_list;
// At most n_max of those below `before` (a number; 0: from the newest). kind "": all but "predict".
MUST_CHECK int registry_runs(registry *r, const char *tenant, const char *kind, int64_t before, size_t n_max,
                             run_list *out, err *e);
void run_list_clear(run_list *l);

// The oldest that waits; ERR_NOT_FOUND, without a message, if none does.
MUST_CHECK int registry_run_next(registry *r, run_record *out, err *e);
// Those that run, as the registry knows it: after a crash, those that were interrupted.
MUST_CHECK int registry_runs_running(registry *r, run_list *out, err *e);
// From queued to running. ERR_CONFLICT if it does not wait any more.
MUST_CHECK int registry_run_begin(registry *r, const char *id, err *e);
// To an end. result: JSON or NULL; code and message of a failure, or NULL. One that has ended stays as it is.
MUST_CHECK int registry_run_end(registry *r, const char *id, run_state state, const char *result, const char *code,
                                const char *message, err *e);
// One that waits is cancelled at once; one that runs is marked, for its supervisor. *state: what it was. ERR_CONFLICT
// if it has ended.
MUST_CHECK int registry_run_cancel(registry *r, const char *tenant, const char *id, run_state *state, err *e);
// Forgets one that has ended; ERR_CONFLICT if it has not.
MUST_CHECK int registry_run_remove(registry *r, const char *tenant, const char *id, err *e);
// At most n_max that ended before a moment, the oldest first.
MUST_CHECK int registry_runs_ended(registry *r, int64_t before_ms, size_t n_max, run_list *out, err *e);
MUST_CHECK int registry_runs_count(registry *r, run_state s, int64_t *n, err *e);

// Forgets answers that are older than ANSWER_HOURS.
MUST_CHECK int registry_answers_sweep(registry *r, int64_t now_ms, err *e);

#endif
