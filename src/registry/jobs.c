// Runs and kept answers: each change is one transaction.
// SPDX-License-Identifier: Apache-2.0
#include "registry/jobs.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/jobs_impl.h"

enum { HOUR_MS = 3600000 };

static const char *const state_names[RUN_STATES_N] = {
    [RUN_QUEUED] = "queued", [RUN_RUNNING] = "running",     [RUN_SUCCEEDED] = "succeeded",
    [RUN_FAILED] = "failed", [RUN_CANCELLED] = "cancelled", [RUN_INTERRUPTED] = "interrupted",
};

const char *run_state_name(run_state s)
{
    return state_names[s];
}

int run_state_find(const char *name, run_state *out)
{
    for (int i = 0; i < RUN_STATES_N; i++) {
        if (strcmp(state_names[i], name) != 0) continue;
        *out = (run_state)i;
        return 0;
    }
    return ERR_NOT_FOUND;
}

// What the files of jobs share.

int jobs_end_change(registry *r, int rc, err *e)
{
    if (rc == 0) return db_commit(r->db, e);
    db_roll_back(r->db);
    return rc;
}

int jobs_text(db_query *q, int at, char **out, err *e)
{
    str text;
    TRY(db_text(q, at, &text, e));
    *out = mem_strndup(text.data, text.len);
    return *out ? 0 : err_set(e, ERR_MEMORY, "no memory for a text of the registry");
}

int jobs_short_text(db_query *q, int at, char *out, size_t size, err *e)
{
    str text;
    TRY(db_text(q, at, &text, e));
    if (text.len >= size)
        return err_set(e, ERR_CORRUPT, "the registry has a text of %zu bytes, at most %zu", text.len, size - 1);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return 0;
}

int jobs_audit(registry *r, const char *tenant, const char *action, const char *object, const char *detail, err *e)
{
    return registry_audit_within(
        r, &(audit_entry){.action = action, .object = object, .tenant = tenant, .detail = detail}, e);
}

int registry_new_id(registry *r, char id[OBJECT_ID_SIZE], err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e, "SELECT lower(hex(randomblob(10)))", ""));
    int rc = db_next(q, e);
    if (rc > 0) rc = jobs_short_text(q, 0, id, OBJECT_ID_SIZE, e);
    db_end(q);
    return rc;
}

// Kept answers.

void kept_answer_clear(kept_answer *a)
{
    mem_free(a->location);
    mem_free(a->body);
    *a = (kept_answer){0};
}

static int read_answer(db_query *q, const answer_key *k, kept_answer *out, err *e)
{
    char sum[SHA256_HEX_SIZE];
    TRY(jobs_short_text(q, 0, sum, sizeof sum, e));
    if (strcmp(sum, k->sum) != 0)
        return err_set(e, ERR_CONFLICT, "this Idempotency-Key came with another request before");
    out->status = (int)db_integer(q, 1);
    TRY(jobs_text(q, 2, &out->location, e));
    return jobs_text(q, 3, &out->body, e);
}

int registry_answer_find(registry *r, const answer_key *k, kept_answer *out, err *e)
{
    db_query *q;
    kept_answer found = {0};
    if (!k->key) return ERR_NOT_FOUND;
    TRY(db_start(&q, r->db, e,
                 "SELECT sum, status, location, body FROM answers WHERE tenant = ?1 AND key = ?2 AND made_ms > ?3",
                 "ssi", k->tenant, k->key, clock_utc_ms() - (int64_t)ANSWER_HOURS * HOUR_MS));
    int rc = db_next(q, e);
    rc = rc > 0 ? read_answer(q, k, &found, e) : rc < 0 ? rc : ERR_NOT_FOUND;
    db_end(q);
    if (rc < 0)
        kept_answer_clear(&found);
    else
        *out = found;
    return rc;
}

int jobs_keep(registry *r, const answer_key *k, int status, const char *location, const char *body, err *e)
{
    if (!k->key) return 0;
    int64_t now = clock_utc_ms();
    TRY(db_run(r->db, e, "DELETE FROM answers WHERE tenant = ?1 AND key = ?2 AND made_ms <= ?3", "ssi", k->tenant,
               k->key, now - (int64_t)ANSWER_HOURS * HOUR_MS));
    return db_run(r->db, e,
                  "INSERT INTO answers(tenant, key, sum, status, location, body, made_ms)"
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(tenant, key) DO NOTHING",
                  "sssissi", k->tenant, k->key, k->sum, (int64_t)status, location ? location : "", body, now);
}

int registry_answer_keep(registry *r, const answer_key *k, int status, const char *location, const char *body, err *e)
{
    if (!k->key) return 0;
    TRY(registry_begin_change(r, e));
    return jobs_end_change(r, jobs_keep(r, k, status, location, body, e), e);
}

int registry_answers_sweep(registry *r, int64_t now_ms, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = db_run(r->db, e, "DELETE FROM answers WHERE made_ms <= ?1", "i", now_ms - (int64_t)ANSWER_HOURS * HOUR_MS);
    return jobs_end_change(r, rc, e);
}

// Runs.

void run_record_clear(run_record *r)
{
    mem_free(r->actor);
    mem_free(r->spec);
    mem_free(r->result);
    mem_free(r->message);
    *r = (run_record){0};
}

void run_list_clear(run_list *l)
{
    for (size_t i = 0; i < l->n; i++) run_record_clear(&l->runs[i]);
    mem_free(l->runs);
    *l = (run_list){0};
}

#define RUN_COLUMNS                                                                                    \
    "number, id, tenant, kind, dataset, state, cancel, created_ms, started_ms, ended_ms, actor, spec," \
    " result, code, message"

static int read_run(db_query *q, run_record *r, err *e)
{
    char state[16];
    r->number = db_integer(q, 0);
    r->cancel = db_integer(q, 6) != 0;
    r->created_ms = db_integer(q, 7);
    r->started_ms = db_integer(q, 8);
    r->ended_ms = db_integer(q, 9);
    TRY(jobs_short_text(q, 1, r->id, sizeof r->id, e));
    TRY(jobs_short_text(q, 2, r->tenant, sizeof r->tenant, e));
    TRY(jobs_short_text(q, 3, r->kind, sizeof r->kind, e));
    TRY(jobs_short_text(q, 4, r->dataset, sizeof r->dataset, e));
    TRY(jobs_short_text(q, 5, state, sizeof state, e));
    TRY(jobs_short_text(q, 13, r->code, sizeof r->code, e));
    if (run_state_find(state, &r->state) < 0) return err_set(e, ERR_CORRUPT, "run %s is \"%s\"", r->id, state);
    TRY(jobs_text(q, 10, &r->actor, e));
    TRY(jobs_text(q, 11, &r->spec, e));
    TRY(jobs_text(q, 12, &r->result, e));
    return jobs_text(q, 14, &r->message, e);
}

// The first row, or ERR_NOT_FOUND without a message. Ends the query.
static int take_run(db_query *q, run_record *out, err *e)
{
    run_record r = {0};
    int rc = db_next(q, e);
    rc = rc > 0 ? read_run(q, &r, e) : rc < 0 ? rc : ERR_NOT_FOUND;
    db_end(q);
    if (rc < 0)
        run_record_clear(&r);
    else
        *out = r;
    return rc;
}

// At most n_max rows. Ends the query.
static int take_runs(db_query *q, size_t n_max, run_list *out, err *e)
{
    run_list l = {.runs = mem_zalloc(n_max, sizeof *l.runs)};
    int rc = l.runs ? 0 : err_set(e, ERR_MEMORY, "no memory for a list of runs");
    while (rc == 0 && l.n < n_max && (rc = db_next(q, e)) > 0) rc = read_run(q, &l.runs[l.n++], e);
    db_end(q);
    if (rc < 0)
        run_list_clear(&l);
    else
        *out = l;
    return rc < 0 ? rc : 0;
}

static int check_room(registry *r, size_t queued_max, err *e)
{
    int64_t n;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM runs WHERE state = 'queued'", ""));
    if (n < (int64_t)queued_max) return 0;
    return err_set(e, ERR_BUSY, "%" PRId64 " runs wait already", n);
}

static int add_run(registry *r, const run_addition *a, err *e)
{
    int64_t one;
    TRY(check_room(r, a->queued_max, e));
    int rc = db_find_integer(r->db, &one, e, "SELECT 1 FROM datasets WHERE id = ?1 AND tenant = ?2", "ss", a->dataset,
                             a->tenant);
    if (rc == ERR_NOT_FOUND) return err_set(e, rc, "there is no dataset \"%.40s\"", a->dataset);
    TRY(rc);
    TRY(db_run(r->db, e,
               "INSERT INTO runs(id, tenant, kind, dataset, state, created_ms, actor, spec)"
               " VALUES(?1, ?2, ?3, ?4, 'queued', ?5, ?6, ?7)",
               "ssssiss", a->id, a->tenant, a->kind, a->dataset, clock_utc_ms(), a->actor, a->spec));
    TRY(jobs_keep(r, &a->key, a->status, a->location, a->body, e));
    return jobs_audit(r, a->tenant, "run.create", a->id, a->kind, e);
}

int registry_run_add(registry *r, const run_addition *a, kept_answer *kept, err *e)
{
    *kept = (kept_answer){0};
    TRY(registry_begin_change(r, e));
    int rc = registry_answer_find(r, &a->key, kept, e);
    if (rc == ERR_NOT_FOUND) return jobs_end_change(r, add_run(r, a, e), e);
    db_roll_back(r->db);
    return rc;
}

int registry_run_find(registry *r, const char *tenant, const char *id, run_record *out, err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e, "SELECT " RUN_COLUMNS " FROM runs WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)", "ss",
                 id, tenant));
    int rc = take_run(q, out, e);
    return rc == ERR_NOT_FOUND ? err_set(e, rc, "there is no run \"%.40s\"", id) : rc;
}

int registry_runs(registry *r, const char *tenant, const char *kind, int64_t before, size_t n_max, run_list *out,
                  err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e,
                 "SELECT " RUN_COLUMNS " FROM runs WHERE tenant = ?1 AND (?2 = 0 OR number < ?2)"
                 " AND (kind = ?3 OR (?3 = '' AND kind <> 'predict')) ORDER BY number DESC LIMIT ?4",
                 "sisi", tenant, before, kind, (int64_t)n_max));
    return take_runs(q, n_max, out, e);
}

int registry_run_next(registry *r, run_record *out, err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e, "SELECT " RUN_COLUMNS " FROM runs WHERE state = 'queued' ORDER BY number LIMIT 1", ""));
    return take_run(q, out, e);
}

int registry_runs_running(registry *r, run_list *out, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM runs WHERE state = 'running'", ""));
    TRY(db_start(&q, r->db, e, "SELECT " RUN_COLUMNS " FROM runs WHERE state = 'running' ORDER BY number", ""));
    return take_runs(q, (size_t)n, out, e);
}

int registry_runs_ended(registry *r, int64_t before_ms, size_t n_max, run_list *out, err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e,
                 "SELECT " RUN_COLUMNS " FROM runs WHERE state NOT IN ('queued', 'running') AND ended_ms < ?1"
                 " ORDER BY number LIMIT ?2",
                 "ii", before_ms, (int64_t)n_max));
    return take_runs(q, n_max, out, e);
}

int registry_runs_count(registry *r, run_state s, int64_t *n, err *e)
{
    return db_find_integer(r->db, n, e, "SELECT count(*) FROM runs WHERE state = ?1", "s", state_names[s]);
}

int registry_run_begin(registry *r, const char *id, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = db_run(r->db, e, "UPDATE runs SET state = 'running', started_ms = ?2 WHERE id = ?1 AND state = 'queued'",
                    "si", id, clock_utc_ms());
    if (rc == 0 && db_changed(r->db) == 0) rc = err_set(e, ERR_CONFLICT, "run \"%.40s\" does not wait any more", id);
    return jobs_end_change(r, rc, e);
}

int registry_run_end(registry *r, const char *id, run_state state, const char *result, const char *code,
                     const char *message, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = db_run(r->db, e,
                    "UPDATE runs SET state = ?2, ended_ms = ?3, result = coalesce(?4, result), code = ?5, message = ?6"
                    " WHERE id = ?1 AND state IN ('queued', 'running')",
                    "ssisss", id, state_names[state], clock_utc_ms(), result, code ? code : "", message ? message : "");
    return jobs_end_change(r, rc, e);
}

static int find_state(registry *r, const char *tenant, const char *id, run_state *state, err *e)
{
    db_query *q;
    char name[16];
    TRY(db_start(&q, r->db, e, "SELECT state FROM runs WHERE id = ?1 AND tenant = ?2", "ss", id, tenant));
    int rc = db_next(q, e);
    if (rc == 0) rc = err_set(e, ERR_NOT_FOUND, "there is no run \"%.40s\"", id);
    if (rc > 0) rc = jobs_short_text(q, 0, name, sizeof name, e);
    db_end(q);
    if (rc == 0 && run_state_find(name, state) < 0) rc = err_set(e, ERR_CORRUPT, "run %s is \"%s\"", id, name);
    return rc;
}

static int cancel(registry *r, const char *tenant, const char *id, run_state *state, err *e)
{
    TRY(find_state(r, tenant, id, state, e));
    if (run_state_ended(*state))
        return err_set(e, ERR_CONFLICT, "run \"%.40s\" has ended: it is %s", id, state_names[*state]);
    TRY(db_run(r->db, e,
               *state == RUN_QUEUED ? "UPDATE runs SET cancel = 1, state = 'cancelled', ended_ms = ?2 WHERE id = ?1"
                                    : "UPDATE runs SET cancel = ?2 > 0 WHERE id = ?1",
               "si", id, clock_utc_ms()));
    return jobs_audit(r, tenant, "run.cancel", id, NULL, e);
}

int registry_run_cancel(registry *r, const char *tenant, const char *id, run_state *state, err *e)
{
    run_state was;
    TRY(registry_begin_change(r, e));
    TRY(jobs_end_change(r, cancel(r, tenant, id, &was, e), e));
    *state = was;
    return 0;
}

static int remove_run(registry *r, const char *tenant, const char *id, err *e)
{
    run_state state;
    TRY(find_state(r, tenant, id, &state, e));
    if (!run_state_ended(state)) return err_set(e, ERR_CONFLICT, "run \"%.40s\" is %s", id, state_names[state]);
    TRY(db_run(r->db, e, "DELETE FROM runs WHERE id = ?1", "s", id));
    return jobs_audit(r, tenant, "run.remove", id, NULL, e);
}

int registry_run_remove(registry *r, const char *tenant, const char *id, err *e)
{
    TRY(registry_begin_change(r, e));
    return jobs_end_change(r, remove_run(r, tenant, id, e), e);
}
