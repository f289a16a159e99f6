// Snapshots: finding in them, their texts, their end.
// SPDX-License-Identifier: Apache-2.0
#include "serve/snapshot.h"

#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "serve/access.h"

enum { TEXT_MAX = 256 << 20 };

static void text_clear(str *text)
{
    mem_free((char *)text->data);
    *text = (str){0};
}

static void model_clear(snapshot_model *m)
{
    for (size_t i = 0; i < m->n_versions; i++) {
        served_drop(m->versions[i].served);
        mem_free(m->versions[i].fault);
    }
    mem_free(m->versions);
    mem_free(m->aliases);
    served_drop(m->now);
    served_drop(m->canary);
    shadow_drop(m->shadow);
    mem_free(m->fault);
    text_clear(&m->row);
    text_clear(&m->card);
}

static void snapshot_free(snapshot *s)
{
    for (size_t i = 0; i < s->n; i++) model_clear(&s->models[i]);
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

snapshot_version *snapshot_version_find(const snapshot_model *m, int64_t version)
{
    for (size_t i = 0; i < m->n_versions; i++)
        if (m->versions[i].version == version) return &m->versions[i];
    return NULL;
}

const char *snapshot_shadow_fault(const snapshot_model *m)
{
    const snapshot_version *v = snapshot_version_find(m, m->shadowing.version);
    return m->shadow ? shadow_fault(m->shadow) : v && v->fault ? v->fault : "it is not loaded yet";
}

int64_t snapshot_version_of(const snapshot_model *m, str name)
{
    int64_t version;
    if (name.len > 0 && name.data[0] >= '1' && name.data[0] <= '9' && decimal_parse_i64(name, &version) == 0)
        return version;
    for (size_t i = 0; i < m->n_aliases; i++)
        if (str_equal(name, str_of(m->aliases[i].name))) return m->aliases[i].version;
    return 0;
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

static int put_state(json_t *one, const snapshot_version *v, err *e)
{
    TRY(json_put(one, "loaded", json_boolean(v && v->served), e));
    if (v && v->served) return json_put(one, "memory", json_integer((json_int_t)v->memory), e);
    return v && v->fault ? json_put(one, "fault", json_string(v->fault), e) : 0;
}

static int put_versions(json_t *card, const snapshot_model *s, const registry_model *m, bool whole, err *e)
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
        TRY(put_state(one, snapshot_version_find(s, v->version), e));
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
                 json_string(s->unloaded  ? "unloaded"
                             : !s->wanted ? "not deployed"
                             : !s->now    ? "broken"
                             : s->fault   ? "stale"
                                          : "serving"),
                 e));
    if (s->fault) TRY(json_put(card, "fault", json_string(s->fault), e));
    TRY(put_aliases(card, m, e));
    TRY(put_versions(card, s, m, whole, e));
    if (!s->now) return 0;
    const schema *inputs = model_schema(s->now->model);
    TRY(json_put(card, "task", json_string(task_name(inputs->target.task)), e));
    if (!whole) return 0;
    const package *p = model_package(s->now->model);
    json_t *j;
    TRY(schema_to_json(inputs, &j, e));
    TRY(json_put(card, "schema", j, e));
    TRY(json_put(card, "metrics", p->metrics ? json_deep_copy(p->metrics) : json_object(), e));
    return json_put(card, "memory", json_integer((json_int_t)s->now->memory), e);
}

int snapshot_describe(snapshot_model *s, const registry_model *m, err *e)
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
