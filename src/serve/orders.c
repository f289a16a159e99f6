// Orders and wishes.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "serve/access.h"
#include "serve/orders_impl.h"

void orders_init(orders *o)
{
    pthread_condattr_t clock;
    pthread_mutex_init(&o->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&o->given, &clock);
    pthread_cond_init(&o->finished, NULL);
    pthread_condattr_destroy(&clock);
}

void orders_clear(orders *o)
{
    for (wish *w = o->wishes, *next; w; w = next) {
        next = w->next;
        mem_free(w);
    }
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->given);
    pthread_cond_destroy(&o->finished);
}

// Workers.

int orders_give(orders *o, order *one, err *e)
{
    if (strlen(one->name) > MODEL_NAME_MAX) return err_set(e, ERR_NOT_FOUND, "there is no model with a name that long");
    pthread_mutex_lock(&o->lock);
    if (o->ended) {
        pthread_mutex_unlock(&o->lock);
        return err_set(e, ERR_CANCELLED, "the server stops");
    }
    if (o->last)
        o->last->next = one;
    else
        o->first = one;
    o->last = one;
    pthread_cond_signal(&o->given);
    while (!one->done) pthread_cond_wait(&o->finished, &o->lock);
    pthread_mutex_unlock(&o->lock);
    if (one->rc < 0 && e) *e = one->fault;
    return one->rc;
}

static void fail(order *one, int rc, const err *e)
{
    one->rc = rc;
    one->fault = *e;
}

static void finish(orders *o, order *first) // under the lock
{
    for (order *next; first; first = next) {
        next = first->next;
        first->done = true; // from here on it may be gone
    }
    pthread_cond_broadcast(&o->finished);
}

void orders_end(orders *o)
{
    err e = ERR_NONE;
    pthread_mutex_lock(&o->lock);
    o->ended = true;
    int rc = err_set(&e, ERR_CANCELLED, "the server stops");
    for (order *one = o->first; one; one = one->next) fail(one, rc, &e);
    finish(o, o->first);
    o->first = o->last = NULL;
    pthread_cond_signal(&o->given);
    pthread_mutex_unlock(&o->lock);
}

// The watching thread.

bool orders_wait(orders *o, uint32_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    pthread_mutex_lock(&o->lock);
    while (!o->first && !o->ended && pthread_cond_timedwait(&o->given, &o->lock, &until) == 0) continue;
    bool goes_on = !o->ended;
    pthread_mutex_unlock(&o->lock);
    return goes_on;
}

bool orders_take(orders *o)
{
    pthread_mutex_lock(&o->lock);
    o->taken = o->first;
    o->first = o->last = NULL;
    pthread_mutex_unlock(&o->lock);
    return o->taken != NULL;
}

void orders_fail(orders *o, int rc, const err *e)
{
    for (order *one = o->taken; one; one = one->next) fail(one, rc, e);
}

void orders_release(orders *o)
{
    if (!o->taken) return;
    pthread_mutex_lock(&o->lock);
    finish(o, o->taken);
    pthread_mutex_unlock(&o->lock);
    o->taken = NULL;
}

// Wishes.

static bool is_for(const wish *w, order_kind kind, const char *name, int64_t version)
{
    return w->kind == kind && w->version == version && strcmp(w->name, name) == 0;
}

static void forget(orders *o, order_kind kind, const char *name, int64_t version)
{
    for (wish **at = &o->wishes, *w; (w = *at);) {
        if (!is_for(w, kind, name, version)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        mem_free(w);
    }
}

static int add(orders *o, order_kind kind, const char *name, int64_t version, int64_t wanted, err *e)
{
    forget(o, kind, name, version);
    wish *w = mem_zalloc(1, sizeof *w);
    if (!w) return err_set(e, ERR_MEMORY, "no memory for an order");
    w->kind = kind;
    w->version = version;
    w->wanted = wanted;
    memcpy(w->name, name, strlen(name));
    w->next = o->wishes;
    o->wishes = w;
    return 0;
}

static const registry_model *find_model(const registry_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->models[i].name, name) == 0) return &l->models[i];
    return NULL;
}

static bool has_version(const registry_model *m, int64_t version)
{
    for (size_t i = 0; i < m->n_versions; i++)
        if (m->versions[i].version == version) return true;
    return false;
}

static int64_t deployed_version(const registry_model *m)
{
    for (size_t i = 0; i < m->n_aliases; i++)
        if (strcmp(m->aliases[i].name, ALIAS_DEFAULT) == 0) return m->aliases[i].version;
    return 0;
}

static void forget_model(orders *o, order_kind kind, const char *name)
{
    for (wish **at = &o->wishes, *w; (w = *at);) {
        if (w->kind != kind || strcmp(w->name, name) != 0) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        mem_free(w);
    }
}

static int apply_load(orders *o, order *one, const registry_model *m, err *e)
{
    if (one->version == 0) one->version = deployed_version(m);
    if (one->version == 0 && m->n_versions > 0) one->version = m->versions[m->n_versions - 1].version;
    TRY(add(o, ORDER_LOAD, one->name, one->version, 0, e));
    forget(o, ORDER_UNLOAD, one->name, 0);
    forget(o, ORDER_UNLOAD, one->name, one->version);
    return 0;
}

static int apply_unload(orders *o, const order *one, const registry_model *m, const snapshot *now, err *e)
{
    if (one->version == 0) {
        TRY(add(o, ORDER_UNLOAD, one->name, 0, deployed_version(m), e));
        forget_model(o, ORDER_LOAD, one->name);
        return 0;
    }
    const snapshot_model *s = now ? snapshot_find(now, str_of(one->name)) : NULL;
    const snapshot_version *v = s ? snapshot_version_find(s, one->version) : NULL;
    if (!v || !v->served)
        return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of \"%s\" is not loaded", one->version,
                       principal_name_of(one->name));
    if (v->deployed || v->served == s->now)
        return err_set(e, ERR_CONFLICT,
                       "version %" PRId64 " of \"%s\" is deployed; only the whole model can be unloaded", one->version,
                       one->name);
    TRY(add(o, ORDER_UNLOAD, one->name, one->version, 0, e));
    forget(o, ORDER_LOAD, one->name, one->version);
    return 0;
}

static int apply(orders *o, order *one, const registry_list *l, const snapshot *now, err *e)
{
    const registry_model *m = find_model(l, one->name);
    if (!m) return err_set(e, ERR_NOT_FOUND, "there is no model \"%s\"", principal_name_of(one->name));
    if (one->version != 0 && !has_version(m, one->version))
        return err_set(e, ERR_NOT_FOUND, "no version %" PRId64 " of \"%s\"", one->version,
                       principal_name_of(one->name));
    return one->kind == ORDER_LOAD ? apply_load(o, one, m, e) : apply_unload(o, one, m, now, e);
}

// Wishes that the registry has overtaken.
static bool is_over(const wish *w, const registry_list *l)
{
    const registry_model *m = find_model(l, w->name);
    if (!m) return true;
    if (w->version != 0) return !has_version(m, w->version);
    return deployed_version(m) != w->wanted;
}

void orders_apply(orders *o, const registry_list *l, const snapshot *now)
{
    for (wish **at = &o->wishes, *w; (w = *at);) {
        if (!is_over(w, l)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        mem_free(w);
    }
    for (order *one = o->taken; one; one = one->next) {
        err e = ERR_NONE;
        int rc = apply(o, one, l, now, &e);
        if (rc < 0) fail(one, rc, &e);
    }
}

static void judge_load(orders *o, order *one, const snapshot *s)
{
    const snapshot_model *m = snapshot_find(s, str_of(one->name));
    const snapshot_version *v = m ? snapshot_version_find(m, one->version) : NULL;
    if (v && v->served) return;
    err e = ERR_NONE;
    int rc = err_set(&e, v && v->code < 0 ? v->code : ERR_CONFLICT, "version %" PRId64 " of \"%s\": %s", one->version,
                     principal_name_of(one->name), v && v->fault ? v->fault : "it was unloaded meanwhile");
    forget(o, ORDER_LOAD, one->name, one->version); // it is not tried again by itself
    fail(one, rc, &e);
}

void orders_judge(orders *o, const snapshot *s)
{
    for (order *one = o->taken; one; one = one->next)
        if (one->rc == 0 && one->kind == ORDER_LOAD) judge_load(o, one, s);
    for (size_t i = 0; i < s->n; i++) // what was evicted is asked for no longer
        for (size_t k = 0; k < s->models[i].n_versions; k++)
            if (s->models[i].versions[k].evicted)
                forget(o, ORDER_LOAD, s->models[i].name, s->models[i].versions[k].version);
}

size_t orders_count(const orders *o, const char *name)
{
    size_t n = 0;
    for (const wish *w = o->wishes; w; w = w->next) n += strcmp(w->name, name) == 0;
    return n;
}

const wish *orders_next_load(const orders *o, const char *name, const wish *after)
{
    for (const wish *w = after ? after->next : o->wishes; w; w = w->next)
        if (w->kind == ORDER_LOAD && strcmp(w->name, name) == 0) return w;
    return NULL;
}

bool orders_unloaded(const orders *o, const char *name, int64_t version, int64_t wanted)
{
    for (const wish *w = o->wishes; w; w = w->next)
        if (is_for(w, ORDER_UNLOAD, name, version) && w->wanted == wanted) return true;
    return false;
}

bool orders_ask_for(const order *first, const char *name, int64_t version)
{
    for (const order *one = first; one; one = one->next)
        if (one->kind == ORDER_LOAD && one->version == version && strcmp(one->name, name) == 0) return true;
    return false;
}
