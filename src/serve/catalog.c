// From the registry to a snapshot: keep what is there, load what is new within the budget, keep the last good version
// of what cannot be loaded.
// SPDX-License-Identifier: Apache-2.0
#include "serve/catalog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/orders_impl.h"
#include "serve/rollout.h"

enum { RETIRED_MAX = 64 };
#define RETRY_NS UINT64_C(5000000000) // after a fault
#define USED_NS UINT64_C(1000000000)  // how often it is looked who answered
#define TRIM_NS UINT64_C(1000000000)  // how often memory is given back to the system at most

struct catalog {
    served_from from; // its registry is owned
    size_t memory_max;
    int64_t change;    // of the present snapshot; -1: none yet
    uint64_t retry_ns; // 0, or when to look again though nothing changed
    uint64_t used_ns, trim_ns;
    bool untidy; // versions were freed since the last trim
    uint64_t n_loads, n_evicted;
    snapshot *now;
    openapi *openapi;
    quota_book *quotas;
    model_meter *meters;
    snapshot *retired[RETIRED_MAX]; // one hold on each, so that the last drop is made here
    size_t n_retired;
    orders orders;
    rollouts rollouts;
    shadows shadows;
};

static model_meter *find_meter(catalog *c, const char *name)
{
    for (model_meter *m = c->meters; m; m = m->next)
        if (strcmp(m->name, name) == 0) return m;
    size_t size = sizeof(model_meter) + c->from.n_slots * sizeof(model_meter_slot);
    model_meter *m = mem_aligned(_Alignof(model_meter), 1, size);
    if (!m) return NULL;
    memset(m, 0, size);
    m->n_slots = c->from.n_slots;
    memcpy(m->name, name, strlen(name));
    m->next = c->meters;
    c->meters = m;
    return m;
}

// What is wanted of a model.

static snapshot_version *want(snapshot_model *m, int64_t version)
{
    size_t at = 0;
    while (at < m->n_versions && m->versions[at].version < version) at++;
    snapshot_version *v = &m->versions[at];
    if (at < m->n_versions && v->version == version) return v;
    memmove(v + 1, v, (m->n_versions - at) * sizeof *v);
    *v = (snapshot_version){.version = version};
    m->n_versions++;
    return v;
}

static const registry_version *find_version(const registry_model *m, int64_t version)
{
    for (size_t i = 0; i < m->n_versions; i++)
        if (m->versions[i].version == version) return &m->versions[i];
    return NULL;
}

static int take_aliases(snapshot_model *m, const registry_model *r, err *e)
{
    m->aliases = mem_zalloc(r->n_aliases, sizeof *m->aliases);
    if (!m->aliases) return err_set(e, ERR_MEMORY, "no memory for aliases");
    for (; m->n_aliases < r->n_aliases; m->n_aliases++) {
        snapshot_alias *a = &m->aliases[m->n_aliases];
        memcpy(a->name, r->aliases[m->n_aliases].name, sizeof a->name);
        a->version = r->aliases[m->n_aliases].version;
        if (strcmp(a->name, ALIAS_DEFAULT) == 0) m->wanted = a->version;
    }
    return 0;
}

// The versions that somebody wants, with why.
static int take_wants(catalog *c, snapshot_model *m, const registry_model *r, const deployment_list *d, err *e)
{
    memcpy(m->name, r->name, sizeof m->name);
    m->newest = r->n_versions ? r->versions[r->n_versions - 1].version : 0;
    TRY(take_aliases(m, r, e));
    m->unloaded = orders_unloaded(&c->orders, m->name, 0, m->wanted);
    // Beside the aliases and what was asked for there are the last good version, a canary and a shadow.
    size_t most = r->n_aliases + orders_count(&c->orders, m->name) + 3;
    m->versions = mem_zalloc(most, sizeof *m->versions);
    if (!m->versions) return err_set(e, ERR_MEMORY, "no memory for versions");
    if (m->unloaded) return 0;
    if (m->wanted) want(m, m->wanted)->deployed = true;
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->all[i].model, m->name) == 0 && d->all[i].primary == m->wanted) m->deployment = d->all[i];
    if (m->deployment.id) want(m, m->deployment.canary)->deployed = true;
    for (size_t i = 0; i < d->n_shadowings && m->wanted; i++)
        if (strcmp(d->shadowings[i].model, m->name) == 0) m->shadowing = d->shadowings[i];
    int64_t shadow_version = m->shadowing.version; // never at the cost of others: as if it had a name
    if (m->shadowing.id && !orders_unloaded(&c->orders, m->name, shadow_version, 0))
        want(m, shadow_version)->named = true;
    for (size_t i = 0; i < m->n_aliases; i++)
        if (!orders_unloaded(&c->orders, m->name, m->aliases[i].version, 0) || m->aliases[i].version == m->wanted)
            want(m, m->aliases[i].version)->named = true;
    for (const wish *w = NULL; (w = orders_next_load(&c->orders, m->name, w));)
        if (find_version(r, w->version)) want(m, w->version)->asked = true;
    for (size_t i = 0; i < m->n_versions; i++) {
        const registry_version *v = find_version(r, m->versions[i].version);
        if (v) m->versions[i].memory = (size_t)v->size; // a guess, until it is loaded
    }
    return 0;
}

// What is loaded already stays.
static int keep(catalog *c, snapshot *s, snapshot_model *m, err *e)
{
    const snapshot_model *before = c->now ? snapshot_find(c->now, str_of(m->name)) : NULL;
    if (!before) return 0;
    if (before->now && !m->wanted)
        log_event(LOG_INFO, "model withdrawn", "%s, version %" PRId64, m->name, before->now->version);
    if (before->now && m->wanted && !m->unloaded) want(m, before->now->version); // until the wanted one is there
    for (size_t i = 0; i < m->n_versions; i++) {
        snapshot_version *v = &m->versions[i];
        const snapshot_version *old = snapshot_version_find(before, v->version);
        if (!old) continue;
        v->tried_ns = old->tried_ns;
        v->memory = old->memory ? old->memory : v->memory;
        v->code = old->code;
        v->evicted = old->evicted;
        v->served = served_hold(old->served);
        s->memory += v->served ? v->memory : 0;
        if (old->fault && !(v->fault = mem_strdup(old->fault)))
            return err_set(e, ERR_MEMORY, "no memory for a message");
    }
    m->now = before->now && !m->unloaded && m->wanted ? served_hold(before->now) : NULL;
    return 0;
}

// Room.

// Whether a version may have to make room for another.
static bool may_go(const snapshot_model *m, const snapshot_version *v)
{
    return v->served && !v->deployed && v->served != m->now;
}

static size_t memory_held(const snapshot *s)
{
    size_t held = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->models[i].n_versions; k++) {
            const snapshot_version *v = &s->models[i].versions[k];
            held += v->served && !may_go(&s->models[i], v) ? v->memory : 0;
        }
    return held;
}

static int evict_one(catalog *c, snapshot *s, err *e)
{
    const snapshot_model *of = NULL;
    snapshot_version *oldest = NULL;
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->models[i].n_versions; k++) {
            snapshot_version *v = &s->models[i].versions[k];
            if (!may_go(&s->models[i], v) || (oldest && oldest->served->used_ns <= v->served->used_ns)) continue;
            oldest = v;
            of = &s->models[i];
        }
    if (!oldest) return err_set(e, ERR_INTERNAL, "nothing to evict");
    if (!(oldest->fault = mem_strdup("evicted: it had to make room; load it again")))
        return err_set(e, ERR_MEMORY, "no memory for a message");
    log_event(LOG_INFO, "version evicted", "%s, version %" PRId64 ", %zu bytes", of->name, oldest->version,
              oldest->memory);
    served_drop(oldest->served);
    oldest->served = NULL;
    oldest->code = ERR_FULL;
    oldest->evicted = true;
    s->memory -= oldest->memory;
    c->n_evicted++;
    return 0;
}

// ERR_FULL, with the numbers, if v->memory bytes more cannot be had. Nothing is evicted in vain.
static int make_room(catalog *c, snapshot *s, const snapshot_version *v, err *e)
{
    bool presses = v->deployed || v->asked;
    size_t held = presses ? memory_held(s) : s->memory;
    if (v->memory > c->memory_max || held > c->memory_max - v->memory)
        return err_set(
            e, ERR_FULL,
            "it needs %zu bytes; loaded versions may take %zu (models-memory-max), of which %zu are taken by "
            "versions that %s",
            v->memory, c->memory_max, held, presses ? "are deployed" : "are loaded");
    while (s->memory > c->memory_max - v->memory) TRY(evict_one(c, s, e));
    return 0;
}

// Loading.

static int open_within(catalog *c, snapshot *s, const snapshot_model *m, snapshot_version *v, served **out, err *e)
{
    TRY(make_room(c, s, v, e));
    model_meter *meter = find_meter(c, m->name);
    if (!meter) return err_set(e, ERR_MEMORY, "no memory for counters");
    served *new;
    uint64_t start = clock_monotonic_ns();
    TRY(served_open(&new, &c->from, m->name, v->version, meter, e));
    c->n_loads++;
    c->untidy = true;
    v->memory = new->memory;
    int rc = make_room(c, s, v, e);
    if (rc < 0) {
        served_drop(new);
        return rc;
    }
    log_event(LOG_INFO, v->deployed ? "version in service" : "version loaded",
              "%s, version %" PRId64 ", loaded in %.1f ms", m->name, v->version,
              (double)(clock_monotonic_ns() - start) / 1e6);
    *out = new;
    return 0;
}

static bool is_due(const snapshot_version *v, const order *o, const char *name, uint64_t now)
{
    if (!v->fault || orders_ask_for(o, name, v->version)) return true;
    if (v->evicted && v->asked) return false;
    return v->code == ERR_FULL || now - v->tried_ns >= RETRY_NS; // whether there is room is quickly said
}

static bool may_pass(int code) // a fault of the moment, worth another look though nothing changes
{
    return code == ERR_MEMORY || code == ERR_IO || code == ERR_BUSY || code == ERR_LIMIT;
}

// A fault is kept in the snapshot, and is no failure.
static int load(catalog *c, snapshot *s, const snapshot_model *m, snapshot_version *v, err *e)
{
    err fault = ERR_NONE;
    uint64_t now = clock_monotonic_ns();
    if (v->served) return 0;
    if (!is_due(v, c->orders.taken, m->name, now)) {
        if (!v->evicted) c->retry_ns = v->tried_ns + RETRY_NS;
        return 0;
    }
    if (v->evicted && !orders_ask_for(c->orders.taken, m->name, v->version) && make_room(c, s, v, NULL) < 0) return 0;
    bool known = v->fault != NULL;
    mem_free(v->fault);
    v->fault = NULL;
    v->tried_ns = now;
    v->code = open_within(c, s, m, v, &v->served, &fault);
    if (v->code == 0) {
        v->evicted = false;
        s->memory += v->memory;
        return 0;
    }
    if (!known)
        log_event(LOG_ERROR, "version cannot be loaded", "%s, version %" PRId64 ": %s%s", m->name, v->version,
                  fault.msg, v->deployed && m->now ? "; the one before stays in service" : "");
    if (may_pass(v->code)) c->retry_ns = now + RETRY_NS;
    v->fault = mem_strdup(fault.msg);
    return v->fault ? 0 : err_set(e, ERR_MEMORY, "no memory for a message");
}

typedef enum rank { RANK_DEPLOYED, RANK_ASKED, RANK_NAMED, RANKS_N } rank;

static bool is_of(const snapshot_version *v, rank r)
{
    return r == RANK_DEPLOYED ? v->deployed : r == RANK_ASKED ? v->asked : v->named;
}

static int load_all(catalog *c, snapshot *s, err *e)
{
    for (rank r = 0; r < RANKS_N; r++)
        for (size_t i = 0; i < s->n; i++)
            for (size_t k = 0; k < s->models[i].n_versions; k++)
                if (is_of(&s->models[i].versions[k], r)) TRY(load(c, s, &s->models[i], &s->models[i].versions[k], e));
    return 0;
}

static void settle_shadow(catalog *c, snapshot_model *m)
{
    err fault = ERR_NONE;
    snapshot_version *v = m->shadowing.id ? snapshot_version_find(m, m->shadowing.version) : NULL;
    if (!v || !v->served || !m->now || v->served == m->now) return;
    if (shadows_take(&c->shadows, &m->shadow, m->shadowing.id, m->now, v->served, &fault) < 0)
        log_event(LOG_ERROR, "no shadow", "%s, version %" PRId64 ": %s", m->name, v->version, fault.msg);
}

// Which version is in service, now that it is known which are there.
static int settle(catalog *c, snapshot *s, snapshot_model *m, err *e)
{
    snapshot_version *wanted = m->wanted ? snapshot_version_find(m, m->wanted) : NULL;
    if (wanted && wanted->served) {
        served_drop(m->now);
        m->now = served_hold(wanted->served);
    } else if (wanted) {
        m->fault = mem_strdup(wanted->fault ? wanted->fault : "it is not loaded");
        if (!m->fault) return err_set(e, ERR_MEMORY, "no memory for a message");
    }
    const snapshot_version *canary = m->deployment.id ? snapshot_version_find(m, m->deployment.canary) : NULL;
    if (canary && canary->served && m->now) {
        m->canary = served_hold(canary->served);
        m->canary_seed = hash_bytes(m->name, strlen(m->name), (uint64_t)m->deployment.canary);
        atomic_store_explicit(&m->canary->timed, true, memory_order_relaxed);
    }
    settle_shadow(c, m);
    if (m->now) atomic_store_explicit(&m->now->timed, m->canary || m->shadow, memory_order_relaxed);
    size_t kept = 0;
    for (size_t i = 0; i < m->n_versions; i++) { // what was only kept until the wanted one was there
        snapshot_version *v = &m->versions[i];
        if (v->deployed || v->asked || v->named || (m->now && v->served == m->now)) {
            m->versions[kept++] = *v;
            continue;
        }
        s->memory -= v->served ? v->memory : 0;
        served_drop(v->served);
        mem_free(v->fault);
    }
    m->n_versions = kept;
    for (size_t i = 0; i < kept; i++) s->n_loaded += m->versions[i].served != NULL;
    s->n_serving += m->now != NULL;
    s->n_faults += m->fault != NULL;
    return 0;
}

// Snapshots.

static int64_t created_of(const registry_model *m, const served *now)
{
    const registry_version *v = now ? find_version(m, now->version) : NULL;
    if (v) return v->created_ms;
    return m->n_versions > 0 ? m->versions[m->n_versions - 1].created_ms : 0;
}

static int fill(catalog *c, snapshot *s, const registry_list *l, const deployment_list *d, err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        s->n = i + 1; // from here on snapshot_drop() looks after it
        TRY(take_wants(c, &s->models[i], &l->models[i], d, e));
        TRY(keep(c, s, &s->models[i], e));
    }
    TRY(load_all(c, s, e));
    for (size_t i = 0; i < s->n; i++) {
        TRY(settle(c, s, &s->models[i], e));
        s->models[i].created_ms = created_of(&l->models[i], s->models[i].now);
        TRY(snapshot_describe(&s->models[i], &l->models[i], e));
    }
    s->memory_max = c->memory_max;
    s->n_loads = c->n_loads;
    s->n_evicted = c->n_evicted;
    s->meters = c->meters;
    s->openapi = c->openapi;
    return 0;
}

static int snapshot_new(snapshot **out, catalog *c, const registry_list *l, const deployment_list *d, err *e)
{
    snapshot *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a snapshot");
    atomic_init(&s->n_owners, 1);
    s->models = mem_zalloc(l->n, sizeof *s->models);
    int rc = s->models ? fill(c, s, l, d, e) : err_set(e, ERR_MEMORY, "no memory for %zu models", l->n);
    if (rc == 0) rc = access_table_new(&s->access, c->from.registry, c->quotas, e);
    if (rc < 0) {
        snapshot_drop(s);
        return rc;
    }
    *out = s;
    return 0;
}

void catalog_sweep(catalog *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n_retired; i++) {
        snapshot *s = c->retired[i];
        if (atomic_load(&s->n_owners) == 1) { // ours: nobody can take another one
            snapshot_drop(s);
            c->untidy = true;
        } else {
            c->retired[kept++] = s;
        }
    }
    c->n_retired = kept;
    shadows_sweep(&c->shadows);
    uint64_t now = clock_monotonic_ns();
    if (!c->untidy || c->n_retired > 0 || now - c->trim_ns < TRIM_NS) return;
    mem_trim();
    c->untidy = false;
    c->trim_ns = now;
}

static void retire(catalog *c, snapshot *s)
{
    catalog_sweep(c);
    if (!s) return;
    if (c->n_retired < RETIRED_MAX)
        c->retired[c->n_retired++] = s;
    else
        snapshot_drop(s); // an event loop may have to free it: slower for its clients, no worse
}

// Which versions answered lately.
static void note_uses(catalog *c)
{
    uint64_t now = clock_monotonic_ns();
    if (!c->now || now - c->used_ns < USED_NS) return;
    c->used_ns = now;
    for (size_t i = 0; i < c->now->n; i++)
        for (size_t k = 0; k < c->now->models[i].n_versions; k++) {
            served *v = c->now->models[i].versions[k].served;
            if (!v) continue;
            uint64_t n = served_requests(v);
            if (n != v->n_seen) v->used_ns = now;
            v->n_seen = n;
        }
}

static int refresh(catalog *c, int64_t change, err *e)
{
    registry_list l = {0};
    deployment_list d = {0};
    snapshot *s;
    c->retry_ns = 0;
    int rc = registry_models(c->from.registry, &l, e);
    if (rc == 0) rc = registry_deployments(c->from.registry, &d, e);
    if (rc == 0) orders_apply(&c->orders, &l, c->now);
    if (rc == 0) rc = snapshot_new(&s, c, &l, &d, e);
    registry_list_clear(&l);
    deployment_list_clear(&d);
    if (rc < 0) {
        c->retry_ns = clock_monotonic_ns() + RETRY_NS;
        return rc;
    }
    orders_judge(&c->orders, s);
    retire(c, c->now);
    c->now = s;
    c->change = change; // of before the list was read: what came in between is seen the next time
    return 0;
}

int catalog_refresh(catalog *c, bool *changed, err *e)
{
    *changed = false;
    int64_t change;
    note_uses(c);
    if (c->now) rollouts_watch(&c->rollouts, c->from.registry, c->now, clock_monotonic_ns());
    bool ordered = orders_take(&c->orders);
    int rc = registry_change(c->from.registry, &change, e);
    bool again = c->retry_ns && clock_monotonic_ns() >= c->retry_ns;
    if (rc == 0 && c->now && change == c->change && !again && !ordered) return 0;
    if (rc == 0) rc = refresh(c, change, e);
    if (rc < 0) {
        orders_fail(&c->orders, rc, e);
        return rc;
    }
    *changed = true;
    return 0;
}

snapshot *catalog_snapshot(catalog *c)
{
    return snapshot_hold(c->now);
}

void catalog_settle(catalog *c)
{
    orders_release(&c->orders);
}

bool catalog_wait(catalog *c, uint32_t wait_ms)
{
    return orders_wait(&c->orders, wait_ms);
}

void catalog_end(catalog *c)
{
    orders_end(&c->orders);
}

int catalog_load(catalog *c, const char *name, int64_t version, int64_t *loaded, err *e)
{
    order o = {.kind = ORDER_LOAD, .name = name, .version = version, .fault = ERR_NONE};
    TRY(orders_give(&c->orders, &o, e));
    if (loaded) *loaded = o.version;
    return 0;
}

int catalog_unload(catalog *c, const char *name, int64_t version, err *e)
{
    order o = {.kind = ORDER_UNLOAD, .name = name, .version = version, .fault = ERR_NONE};
    return orders_give(&c->orders, &o, e);
}

int catalog_new(catalog **out, const char *data_dir, size_t n_slots, runtime *rt, size_t memory_max, err *e)
{
    catalog *c = mem_zalloc(1, sizeof *c);
    if (!c) return err_set(e, ERR_MEMORY, "no memory for a catalog");
    c->from = (served_from){.runtime = rt, .n_slots = n_slots, .drift_window_ms = 3600 * 1000};
    c->memory_max = memory_max;
    c->change = -1;
    orders_init(&c->orders);
    int rc = registry_open(&c->from.registry, data_dir, &(registry_options){0}, e);
    if (rc == 0) rc = openapi_new(&c->openapi, e);
    if (rc == 0) rc = quota_book_new(&c->quotas, e);
    if (rc < 0) {
        catalog_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void catalog_watch_drift(catalog *c, int64_t window_ms)
{
    c->from.drift_window_ms = window_ms;
}

void catalog_trust(catalog *c, const trusted_keys *keys)
{
    c->from.trusted = keys;
}

int catalog_tend_quotas(catalog *c, bool ends, err *e)
{
    return ends ? quota_book_settle(c->quotas, c->from.registry, e) : quota_book_tend(c->quotas, c->from.registry, e);
}

void catalog_free(catalog *c)
{
    if (!c) return;
    snapshot_drop(c->now);
    for (size_t i = 0; i < c->n_retired; i++) snapshot_drop(c->retired[i]);
    shadows_clear(&c->shadows);
    registry_close(c->from.registry);
    openapi_free(c->openapi);
    quota_book_free(c->quotas);
    for (model_meter *m = c->meters, *next; m; m = next) {
        next = m->next;
        mem_free(m);
    }
    orders_clear(&c->orders);
    rollouts_clear(&c->rollouts);
    mem_free(c);
}
