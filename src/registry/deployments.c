// Deployments and their history, in the registry's tables.
// SPDX-License-Identifier: Apache-2.0
#include "registry/deployments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/audit.h"
#include "registry/registry_impl.h"

const char *guards_fault(const guards *g)
{
    if (g->error_permille < 0 || g->error_permille > 1000) return "an error rate is 0 to 1000 per mille";
    if (g->latency_percent < 0 || (g->latency_percent > 0 && g->latency_percent <= 100) || g->latency_percent > 100000)
        return "a ratio of latencies is 0 (off), or 101 to 100000 per cent";
    if (g->psi_permille < 0 || g->psi_permille > 100000) return "a stability index is 0 to 100000 per mille";
    if (g->requests_min < GUARD_ROWS_MIN || g->requests_min > 1000000000)
        return "guards need 50 to 1,000,000,000 requests of each version";
    if (g->window_s < 1 || g->window_s > 86400) return "a window is 1 to 86400 seconds";
    return NULL;
}

const char *deployment_end_name(deployment_end how)
{
    static const char *const names[] = {"promoted", "aborted", "rolled_back"};
    return names[how];
}

// Within a transaction: what is there of the model. d->canary is 0 if there is no deployment.
static int find(registry *r, const char *name, int64_t *model, deployment *d, err *e)
{
    db_query *q;
    TRY(registry_find_model(r, name, model, e));
    snprintf(d->model, sizeof d->model, "%s", name);
    int rc = db_find_integer(r->db, &d->primary, e,
                             "SELECT h.version FROM aliases a JOIN alias_history h ON h.id = a.entry"
                             " WHERE a.model = ?1 AND a.alias = ?2",
                             "is", *model, ALIAS_DEFAULT);
    if (rc == ERR_NOT_FOUND) return err_set(e, ERR_CONFLICT, "no version of \"%s\" is deployed", name);
    if (rc < 0) return rc;
    TRY(db_start(&q, r->db, e, "SELECT id, canary, weight FROM deployments WHERE model = ?1", "i", *model));
    rc = db_next(q, e);
    d->id = rc > 0 ? db_integer(q, 0) : 0;
    d->canary = rc > 0 ? db_integer(q, 1) : 0;
    d->weight = rc > 0 ? db_integer(q, 2) : 0;
    db_end(q);
    return rc < 0 ? rc : 0;
}

static int add_event(registry *r, int64_t model, const deployment *d, const char *event, const char *detail, err *e)
{
    char object[AUDIT_TEXT_MAX + 1], action[32];
    TRY(db_run(r->db, e,
               "INSERT INTO deployment_events(model, at_ms, event, version, canary, weight, detail)"
               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
               "iisiiis", model, clock_utc_ms(), event, d->primary, d->canary, d->weight, detail));
    snprintf(action, sizeof action, "deployment.%s", event);
    snprintf(object, sizeof object, "%s@%" PRId64, d->model, d->canary);
    return registry_audit_within(r, &(audit_entry){.action = action, .object = object, .detail = detail}, e);
}

static int set(registry *r, const deployment *d, err *e)
{
    int64_t model, one;
    deployment there = {0};
    TRY(find(r, d->model, &model, &there, e));
    int rc = db_find_integer(r->db, &one, e, "SELECT 1 FROM versions WHERE model = ?1 AND version = ?2", "ii", model,
                             d->canary);
    if (rc == ERR_NOT_FOUND) return err_set(e, rc, "no version %" PRId64 " of \"%s\"", d->canary, d->model);
    if (rc < 0) return rc;
    if (there.primary == d->canary)
        return err_set(e, ERR_CONFLICT, "version %" PRId64 " of \"%s\" is what is deployed already", d->canary,
                       d->model);
    if (there.canary != 0 && there.canary != d->canary)
        return err_set(e, ERR_CONFLICT, "version %" PRId64 " of \"%s\" is on its way; promote or abort it first",
                       there.canary, d->model);
    TRY(db_run(r->db, e, "DELETE FROM deployments WHERE model = ?1", "i", model));
    TRY(db_run(r->db, e,
               "INSERT INTO deployments(model, canary, weight, error_permille, latency_percent, psi_permille,"
               " requests_min, window_s, started_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
               "iiiiiiiii", model, d->canary, d->weight, d->guards.error_permille, d->guards.latency_percent,
               d->guards.psi_permille, d->guards.requests_min, d->guards.window_s, clock_utc_ms()));
    deployment now = *d;
    now.primary = there.primary;
    char detail[64];
    snprintf(detail, sizeof detail, "{\"weight\":%" PRId64 "}", d->weight);
    return add_event(r, model, &now, there.canary ? "changed" : "started", detail, e);
}

static int commit(registry *r, int rc, err *e)
{
    if (rc == 0) return registry_end_change(r, e);
    db_roll_back(r->db);
    return rc;
}

int registry_deployment_set(registry *r, const deployment *d, err *e)
{
    const char *fault = guards_fault(&d->guards);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    if (d->weight < 0 || d->weight > WEIGHT_ALL) return err_set(e, ERR_INPUT, "a weight is 0 to 1000 per mille");
    TRY(registry_begin_change(r, e));
    return commit(r, set(r, d, e), e);
}

static int end(registry *r, const char *name, int64_t id, deployment_end how, const char *detail, deployment *ended,
               err *e)
{
    int64_t model;
    deployment d = {0};
    bool changed = false;
    TRY(find(r, name, &model, &d, e));
    if (d.canary == 0) return err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is on its way", name);
    if (id != 0 && id != d.id) return err_set(e, ERR_CONFLICT, "another deployment of \"%s\" is on its way", name);
    if (how == DEPLOYMENT_PROMOTED) TRY(registry_point_alias(r, name, ALIAS_DEFAULT, d.canary, &changed, e));
    TRY(db_run(r->db, e, "DELETE FROM deployments WHERE model = ?1", "i", model));
    if (ended) *ended = d;
    return add_event(r, model, &d, deployment_end_name(how), detail ? detail : "{}", e);
}

int registry_deployment_end(registry *r, const char *model, int64_t id, deployment_end how, const char *detail,
                            deployment *ended, err *e)
{
    TRY(registry_begin_change(r, e));
    return commit(r, end(r, model, id, how, detail, ended, e), e);
}

// ---- shadows

static int find_shadowing(registry *r, int64_t model, shadowing *s, err *e)
{
    db_query *q;
    TRY(db_start(&q, r->db, e, "SELECT id, version, share, started_ms FROM shadows WHERE model = ?1", "i", model));
    int rc = db_next(q, e);
    if (rc > 0) {
        s->id = db_integer(q, 0);
        s->version = db_integer(q, 1);
        s->share = db_integer(q, 2);
        s->started_ms = db_integer(q, 3);
    }
    db_end(q);
    return rc < 0 ? rc : 0;
}

static int add_shadow_event(registry *r, int64_t model, const deployment *d, const shadowing *s, const char *event,
                            err *e)
{
    deployment as = *d;
    char detail[64];
    as.canary = s->version;
    as.weight = s->share;
    snprintf(detail, sizeof detail, "{\"share\":%" PRId64 "}", s->share);
    return add_event(r, model, &as, event, detail, e);
}

static int set_shadowing(registry *r, const shadowing *s, err *e)
{
    int64_t model, one;
    deployment d = {0};
    shadowing there = {0};
    TRY(find(r, s->model, &model, &d, e));
    int rc = db_find_integer(r->db, &one, e, "SELECT 1 FROM versions WHERE model = ?1 AND version = ?2", "ii", model,
                             s->version);
    if (rc == ERR_NOT_FOUND) return err_set(e, rc, "no version %" PRId64 " of \"%s\"", s->version, s->model);
    if (rc < 0) return rc;
    if (d.primary == s->version)
        return err_set(e, ERR_CONFLICT, "version %" PRId64 " of \"%s\" is what is deployed already", s->version,
                       s->model);
    TRY(find_shadowing(r, model, &there, e));
    bool same = there.version == s->version;
    if (same) {
        TRY(db_run(r->db, e, "UPDATE shadows SET share = ?2 WHERE model = ?1", "ii", model, s->share));
    } else {
        TRY(db_run(r->db, e, "DELETE FROM shadows WHERE model = ?1", "i", model));
        TRY(db_run(r->db, e, "INSERT INTO shadows(model, version, share, started_ms) VALUES(?1, ?2, ?3, ?4)", "iiii",
                   model, s->version, s->share, clock_utc_ms()));
    }
    return add_shadow_event(r, model, &d, s, same ? "shadow_changed" : "shadow_started", e);
}

int registry_shadowing_set(registry *r, const shadowing *s, err *e)
{
    if (s->share < 1 || s->share > WEIGHT_ALL) return err_set(e, ERR_INPUT, "a share is 1 to 1000 per mille");
    TRY(registry_begin_change(r, e));
    return commit(r, set_shadowing(r, s, e), e);
}

static int end_shadowing(registry *r, const char *name, shadowing *ended, err *e)
{
    int64_t model;
    deployment d = {0};
    shadowing s = {0};
    int rc = find(r, name, &model, &d, e);
    if (rc < 0 && rc != ERR_CONFLICT) return rc; // it may end when nothing is deployed any more
    TRY(find_shadowing(r, model, &s, e));
    if (s.id == 0) return err_set(e, ERR_NOT_FOUND, "no version of \"%s\" is given copies", name);
    snprintf(s.model, sizeof s.model, "%s", name);
    TRY(db_run(r->db, e, "DELETE FROM shadows WHERE model = ?1", "i", model));
    if (ended) *ended = s;
    return add_shadow_event(r, model, &d, &s, "shadow_ended", e);
}

int registry_shadowing_end(registry *r, const char *model, shadowing *ended, err *e)
{
    TRY(registry_begin_change(r, e));
    return commit(r, end_shadowing(r, model, ended, e), e);
}

// ---- lists

void deployment_list_clear(deployment_list *l)
{
    mem_free(l->all);
    mem_free(l->shadowings);
    *l = (deployment_list){0};
}

static int take_name(db_query *q, char to[MODEL_NAME_MAX + 1], err *e)
{
    str name;
    TRY(db_text(q, 0, &name, e));
    if (name.len > MODEL_NAME_MAX) return err_set(e, ERR_CORRUPT, "the registry has a name of %zu bytes", name.len);
    memcpy(to, name.data, name.len);
    to[name.len] = '\0';
    return 0;
}

static int take(db_query *q, deployment *d, err *e)
{
    *d = (deployment){.id = db_integer(q, 1),
                      .primary = db_integer(q, 2),
                      .canary = db_integer(q, 3),
                      .weight = db_integer(q, 4),
                      .guards = {.error_permille = db_integer(q, 5),
                                 .latency_percent = db_integer(q, 6),
                                 .psi_permille = db_integer(q, 7),
                                 .requests_min = db_integer(q, 8),
                                 .window_s = db_integer(q, 9)},
                      .started_ms = db_integer(q, 10)};
    return take_name(q, d->model, e);
}

static int list_shadowings(registry *r, deployment_list *l, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM shadows", ""));
    if (!(l->shadowings = mem_zalloc((size_t)n, sizeof *l->shadowings)))
        return err_set(e, ERR_MEMORY, "no memory for shadows");
    TRY(db_start(&q, r->db, e,
                 "SELECT m.name, s.id, s.version, s.share, s.started_ms FROM shadows s"
                 " JOIN models m ON m.id = s.model JOIN aliases a ON a.model = s.model AND a.alias = ?1"
                 " JOIN alias_history h ON h.id = a.entry"
                 " JOIN versions v ON v.model = s.model AND v.version = s.version"
                 " WHERE h.version <> s.version ORDER BY m.name",
                 "s", ALIAS_DEFAULT));
    int rc = 0;
    while ((int64_t)l->n_shadowings < n && (rc = db_next(q, e)) > 0) {
        shadowing *s = &l->shadowings[l->n_shadowings];
        *s = (shadowing){.id = db_integer(q, 1),
                         .version = db_integer(q, 2),
                         .share = db_integer(q, 3),
                         .started_ms = db_integer(q, 4)};
        if ((rc = take_name(q, s->model, e)) < 0) break;
        l->n_shadowings++;
    }
    db_end(q);
    return rc < 0 ? rc : 0;
}

static int list(registry *r, deployment_list *l, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM deployments", ""));
    if (!(l->all = mem_zalloc((size_t)n, sizeof *l->all))) return err_set(e, ERR_MEMORY, "no memory for deployments");
    TRY(db_start(&q, r->db, e,
                 "SELECT m.name, d.id, h.version, d.canary, d.weight, d.error_permille, d.latency_percent,"
                 " d.psi_permille, d.requests_min, d.window_s, d.started_ms FROM deployments d"
                 " JOIN models m ON m.id = d.model JOIN aliases a ON a.model = d.model AND a.alias = ?1"
                 " JOIN alias_history h ON h.id = a.entry"
                 " JOIN versions v ON v.model = d.model AND v.version = d.canary"
                 " WHERE h.version <> d.canary ORDER BY m.name",
                 "s", ALIAS_DEFAULT));
    int rc = 0;
    while ((int64_t)l->n < n && (rc = db_next(q, e)) > 0 && (rc = take(q, &l->all[l->n], e)) == 0) l->n++;
    db_end(q);
    return rc < 0 ? rc : 0;
}

int registry_deployments(registry *r, deployment_list *out, err *e)
{
    deployment_list l = {0};
    TRY(db_begin(r->db, false, e));
    int rc = list(r, &l, e);
    if (rc == 0) rc = list_shadowings(r, &l, e);
    db_roll_back(r->db);
    if (rc < 0) {
        deployment_list_clear(&l);
        return rc;
    }
    *out = l;
    return 0;
}

static int tell(db_query *q, deployment_call *call, void *context, err *e)
{
    str event, detail;
    char name[24], text[AUDIT_DETAIL_MAX * 4];
    TRY(db_text(q, 0, &event, e));
    TRY(db_text(q, 5, &detail, e));
    snprintf(name, sizeof name, STR_FORMAT, STR_ARGS(event));
    snprintf(text, sizeof text, "%.*s", (int)detail.len, detail.data);
    const deployment_event d = {.event = name,
                                .detail = text,
                                .at_ms = db_integer(q, 1),
                                .primary = db_integer(q, 2),
                                .canary = db_integer(q, 3),
                                .weight = db_integer(q, 4)};
    return call(context, &d, e);
}

int registry_deployment_events(registry *r, const char *name, size_t n_max, deployment_call *call, void *context,
                               err *e)
{
    int64_t model;
    db_query *q;
    TRY(registry_find_model(r, name, &model, e));
    TRY(db_start(&q, r->db, e,
                 "SELECT event, at_ms, version, canary, weight, detail FROM deployment_events WHERE model = ?1"
                 " ORDER BY id DESC LIMIT ?2",
                 "ii", model, (int64_t)n_max));
    int rc;
    while ((rc = db_next(q, e)) > 0 && (rc = tell(q, call, context, e)) == 0) continue;
    db_end(q);
    return rc < 0 ? rc : 0;
}
