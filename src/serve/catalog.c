// From the registry to a snapshot: load what is new, keep what is not, keep the last good one of what cannot be loaded.
// SPDX-License-Identifier: Apache-2.0
#include "serve/catalog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/access.h"

enum { TEXT_MAX = 256 << 20, RETIRED_MAX = 64 };
#define RETRY_NS UINT64_C(5000000000) // after a fault of the system, not of the model

struct catalog {
    registry *registry;
    const trusted_keys *trusted; // NULL: signatures are not looked at
    size_t n_slots;
    runtime *runtime;
    int64_t change;    // of the present snapshot; -1: none yet
    uint64_t retry_ns; // 0, or when to look again though nothing changed
    snapshot *now;
    openapi *openapi;
    quota_book *quotas;
    model_meter *meters;
    snapshot *retired[RETIRED_MAX]; // one hold on each, so that the last drop is made here
    size_t n_retired;
};

// Versions in service.

static void served_drop(served *v)
{
    if (!v || atomic_fetch_sub(&v->n_owners, 1) > 1) return;
    decoder_free(v->decoder);
    encoder_free(v->encoder);
    running_close(v->running);
    openapi_part_clear(&v->api);
    model_drop(v->model);
    mem_free(v);
}

static model_meter *find_meter(catalog *c, const char *name)
{
    for (model_meter *m = c->meters; m; m = m->next)
        if (strcmp(m->name, name) == 0) return m;
    size_t size = sizeof(model_meter) + c->n_slots * sizeof(model_meter_slot);
    model_meter *m = mem_aligned(_Alignof(model_meter), 1, size);
    if (!m) return NULL;
    memset(m, 0, size);
    m->n_slots = c->n_slots;
    memcpy(m->name, name, strlen(name));
    m->next = c->meters;
    c->meters = m;
    return m;
}

// Whether one of the keys that are trusted has signed a package, if signatures are wanted.
static int check_signed(catalog *c, const package *p, err *e)
{
    package_signature all[SIGNATURES_MAX];
    size_t n;
    if (!c->trusted) return 0;
    TRY(registry_signatures(c->registry, p->digest, all, &n, e));
    return signatures_trusted(all, n, p->digest, c->trusted, e);
}

static int served_new(served **out, catalog *c, const char *name, int64_t version, err *e)
{
    served *v = mem_zalloc(1, sizeof *v);
    if (!v) return err_set(e, ERR_MEMORY, "no memory for a version");
    package *p;
    int rc;
    atomic_init(&v->n_owners, 1);
    memcpy(v->name, name, strlen(name));
    v->version = version;
    v->meter = find_meter(c, name);
    if (!v->meter) {
        rc = err_set(e, ERR_MEMORY, "no memory for counters");
        goto failed;
    }
    if ((rc = registry_load(c->registry, name, version, &p, e)) < 0) goto failed;
    if ((rc = check_signed(c, p, e)) < 0) {
        package_free(p);
        goto failed;
    }
    char label[MODEL_NAME_MAX + 24];
    snprintf(label, sizeof label, "%s %" PRId64, name, version);
    if ((rc = running_open(&v->running, c->runtime, label, &v->model, p, &v->meter->batches, e)) < 0) goto failed;
    if ((rc = decoder_new(&v->decoder, model_schema(v->model), e)) < 0) goto failed;
    if ((rc = encoder_new(&v->encoder, model_schema(v->model), principal_name_of(name), version, e)) < 0) goto failed;
    if ((rc = openapi_part_make(&v->api, principal_name_of(name), model_schema(v->model), e)) < 0) goto failed;
    *out = v;
    return 0;
failed:
    served_drop(v);
    return rc;
}

// Snapshots.

static void text_clear(str *text)
{
    mem_free((char *)text->data);
    *text = (str){0};
}

static void snapshot_free(snapshot *s)
{
    for (size_t i = 0; i < s->n; i++) {
        served_drop(s->models[i].now);
        mem_free(s->models[i].fault);
        text_clear(&s->models[i].row);
        text_clear(&s->models[i].card);
    }
    access_table_drop(s->access);
    mem_free(s->models);
    mem_free(s);
}

snapshot *snapshot_hold(snapshot *s)
{
    atomic_fetch_add_explicit(&s->n_owners, 1, memory_order_relaxed);
    return s;
}

void snapshot_drop(snapshot *s)
{
    if (s && atomic_fetch_sub(&s->n_owners, 1) == 1) snapshot_free(s);
}

const snapshot_model *snapshot_find(const snapshot *s, str name)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_compare(name, str_of(s->models[middle].name));
        if (order == 0) return &s->models[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

// Texts.

static int take_text(str *out, const json_t *j, char etag[19], err *e)
{
    buf text;
    buf_init(&text, TEXT_MAX);
    int rc = json_format(j, false, &text, e);
    if (rc == 0) {
        buf_add_char(&text, '\n');
        rc = buf_check(&text, e);
    }
    if (rc < 0) {
        buf_clear(&text);
        return rc;
    }
    if (etag) {
        char hex[SHA256_HEX_SIZE];
        sha256_hex_of(text.data, text.len, hex);
        etag[0] = '"';
        memcpy(etag + 1, hex, 16);
        memcpy(etag + 17, "\"", 2);
    }
    *out = buf_str(&text); // its memory goes along
    return 0;
}

static int put_aliases(json_t *card, const registry_model *m, err *e)
{
    json_t *aliases = json_object();
    int rc = json_put(card, "aliases", aliases, e);
    for (size_t i = 0; rc == 0 && i < m->n_aliases; i++)
        rc = json_put(aliases, m->aliases[i].name, json_integer(m->aliases[i].version), e);
    return rc;
}

static int put_versions(json_t *card, const registry_model *m, bool whole, err *e)
{
    json_t *versions = json_array();
    TRY(json_put(card, "versions", versions, e));
    for (size_t i = 0; i < m->n_versions; i++) {
        const registry_version *v = &m->versions[i];
        if (!whole) {
            TRY(json_push(versions, json_integer(v->version), e));
            continue;
        }
        char time[CLOCK_TEXT_SIZE];
        json_t *one = json_object(), *metrics = NULL;
        TRY(json_push(versions, one, e));
        TRY(json_put(one, "version", json_integer(v->version), e));
        TRY(json_put(one, "digest", json_string(v->digest), e));
        TRY(json_put(one, "created", json_string(clock_format_utc(v->created_ms, time)), e));
        TRY(json_put(one, "size", json_integer(v->size), e));
        if (v->metrics && json_parse(&metrics, str_of(v->metrics), NULL) == 0)
            TRY(json_put(one, "metrics", metrics, e));
    }
    return 0;
}

// What the list says of a model, and, as `whole`, what its own page says.
static int describe(json_t *card, const snapshot_model *s, const registry_model *m, bool whole, err *e)
{
    TRY(json_put(card, "name", json_string(principal_name_of(s->name)), e));
    TRY(json_put(card, "version", s->now ? json_integer(s->now->version) : json_null(), e));
    TRY(json_put(card, "status",
                 json_string(!s->wanted ? "not deployed"
                             : !s->now  ? "broken"
                             : s->fault ? "stale"
                                        : "serving"),
                 e));
    if (s->fault) TRY(json_put(card, "fault", json_string(s->fault), e));
    TRY(put_aliases(card, m, e));
    TRY(put_versions(card, m, whole, e));
    if (!s->now) return 0;
    const schema *inputs = model_schema(s->now->model);
    TRY(json_put(card, "task", json_string(task_name(inputs->target.task)), e));
    if (!whole) return 0;
    const package *p = model_package(s->now->model);
    json_t *j;
    TRY(schema_to_json(inputs, &j, e));
    TRY(json_put(card, "schema", j, e));
    TRY(json_put(card, "metrics", p->metrics ? json_deep_copy(p->metrics) : json_object(), e));
    return json_put(card, "memory", json_integer((json_int_t)running_memory(s->now->running)), e);
}

static int make_card(snapshot_model *s, const registry_model *m, err *e)
{
    json_t *card = json_object(), *row = json_object();
    int rc = describe(row, s, m, false, e);
    if (rc == 0) rc = take_text(&s->row, row, NULL, e);
    if (rc == 0) s->row.len--; // one of many: without the newline
    if (rc == 0) rc = describe(card, s, m, true, e);
    if (rc == 0) rc = take_text(&s->card, card, s->etag, e);
    json_decref(row);
    json_decref(card);
    return rc;
}

// Refreshing.

static int64_t deployed_version(const registry_model *m)
{
    for (size_t i = 0; i < m->n_aliases; i++)
        if (strcmp(m->aliases[i].name, ALIAS_DEFAULT) == 0) return m->aliases[i].version;
    return 0;
}

static bool may_pass(int code) // a fault of the moment, worth another look
{
    return code == ERR_MEMORY || code == ERR_IO || code == ERR_BUSY || code == ERR_LIMIT || code == ERR_FULL;
}

// Fills s->now: what was there, or newly loaded, or with a fault the last good one.
static int find_served(catalog *c, snapshot_model *s, err *e)
{
    const snapshot_model *before = c->now ? snapshot_find(c->now, str_of(s->name)) : NULL;
    served *old = before ? before->now : NULL;
    if (s->wanted == 0) {
        if (old) log_event(LOG_INFO, "model withdrawn", "%s, version %" PRId64, s->name, old->version);
        return 0;
    }
    if (old && old->version == s->wanted) {
        atomic_fetch_add(&old->n_owners, 1);
        s->now = old;
        return 0;
    }
    err fault = ERR_NONE;
    uint64_t start = clock_monotonic_ns();
    int rc = served_new(&s->now, c, s->name, s->wanted, &fault);
    if (rc == 0) {
        log_event(LOG_INFO, "version in service", "%s, version %" PRId64 ", loaded in %.1f ms", s->name, s->wanted,
                  (double)(clock_monotonic_ns() - start) / 1e6);
        return 0;
    }
    if (!before || before->wanted != s->wanted || !before->fault)
        log_event(LOG_ERROR, "version cannot be loaded", "%s, version %" PRId64 ": %s%s", s->name, s->wanted, fault.msg,
                  old ? "; the one before stays in service" : "");
    if (may_pass(rc)) c->retry_ns = clock_monotonic_ns() + RETRY_NS;
    if (old) atomic_fetch_add(&old->n_owners, 1);
    s->now = old;
    s->fault = mem_strdup(fault.msg);
    return s->fault ? 0 : err_set(e, ERR_MEMORY, "no memory for a message");
}

static int64_t created_of(const registry_model *m, const served *now)
{
    for (size_t i = 0; i < m->n_versions; i++)
        if (now && m->versions[i].version == now->version) return m->versions[i].created_ms;
    return m->n_versions > 0 ? m->versions[m->n_versions - 1].created_ms : 0;
}

static int fill(catalog *c, snapshot *s, const registry_list *l, err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        snapshot_model *m = &s->models[i];
        memcpy(m->name, l->models[i].name, sizeof m->name);
        m->wanted = deployed_version(&l->models[i]);
        s->n = i + 1; // from here on snapshot_free() looks after it
        TRY(find_served(c, m, e));
        m->created_ms = created_of(&l->models[i], m->now);
        TRY(make_card(m, &l->models[i], e));
        s->n_serving += m->now != NULL;
        s->n_faults += m->fault != NULL;
    }
    return 0;
}

static int snapshot_new(snapshot **out, catalog *c, const registry_list *l, err *e)
{
    snapshot *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a snapshot");
    atomic_init(&s->n_owners, 1);
    s->models = mem_zalloc(l->n, sizeof *s->models);
    int rc = s->models ? fill(c, s, l, e) : err_set(e, ERR_MEMORY, "no memory for %zu models", l->n);
    if (rc == 0) rc = access_table_new(&s->access, c->registry, c->quotas, e);
    s->meters = c->meters;
    s->openapi = c->openapi;
    if (rc < 0) {
        snapshot_free(s);
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
        if (atomic_load(&s->n_owners) == 1) // ours: nobody can take another one
            snapshot_drop(s);
        else
            c->retired[kept++] = s;
    }
    c->n_retired = kept;
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

int catalog_refresh(catalog *c, bool *changed, err *e)
{
    *changed = false;
    int64_t change;
    TRY(registry_change(c->registry, &change, e));
    bool again = c->retry_ns && clock_monotonic_ns() >= c->retry_ns;
    if (c->now && change == c->change && !again) return 0;
    c->retry_ns = 0;
    registry_list l;
    TRY(registry_models(c->registry, &l, e));
    snapshot *s;
    int rc = snapshot_new(&s, c, &l, e);
    registry_list_clear(&l);
    if (rc < 0) {
        c->retry_ns = clock_monotonic_ns() + RETRY_NS;
        return rc;
    }
    retire(c, c->now);
    c->now = s;
    c->change = change; // read before the list: a change in between is seen the next time
    *changed = true;
    return 0;
}

snapshot *catalog_snapshot(catalog *c)
{
    return snapshot_hold(c->now);
}

int catalog_new(catalog **out, const char *data_dir, size_t n_slots, runtime *rt, err *e)
{
    catalog *c = mem_zalloc(1, sizeof *c);
    if (!c) return err_set(e, ERR_MEMORY, "no memory for a catalog");
    c->n_slots = n_slots;
    c->runtime = rt;
    c->change = -1;
    int rc = registry_open(&c->registry, data_dir, &(registry_options){0}, e);
    if (rc == 0) rc = openapi_new(&c->openapi, e);
    if (rc == 0) rc = quota_book_new(&c->quotas, e);
    if (rc < 0) {
        catalog_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

void catalog_trust(catalog *c, const trusted_keys *keys)
{
    c->trusted = keys;
}

int catalog_tend_quotas(catalog *c, bool ends, err *e)
{
    return ends ? quota_book_settle(c->quotas, c->registry, e) : quota_book_tend(c->quotas, c->registry, e);
}

void catalog_free(catalog *c)
{
    if (!c) return;
    snapshot_drop(c->now);
    for (size_t i = 0; i < c->n_retired; i++) snapshot_drop(c->retired[i]);
    registry_close(c->registry);
    openapi_free(c->openapi);
    quota_book_free(c->quotas);
    for (model_meter *m = c->meters, *next; m; m = next) {
        next = m->next;
        mem_free(m);
    }
    mem_free(c);
}
