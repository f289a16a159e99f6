// Keys to principals. The table is made with each snapshot; what a request costs is a look at what its connection
// remembers.
// SPDX-License-Identifier: Apache-2.0
#include "serve/access.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

const principal local_principal = {
    .id = "local",
    .tenant = "",
    .may = MAY_PREDICT | MAY_READ | MAY_TRAIN | MAY_DEPLOY | MAY_MONITOR | MAY_ADMIN,
};

const principal anonymous_principal = {.id = "anonymous", .tenant = "/"}; // no tenant has that name

// ---- what is seen

const char *principal_name_of(const char *model)
{
    const char *slash = strchr(model, '/');
    return slash ? slash + 1 : model;
}

bool principal_sees(const principal *p, const char *model)
{
    const char *name = principal_name_of(model);
    size_t len = name > model ? (size_t)(name - model) - 1 : 0;
    if (strlen(p->tenant) != len || memcmp(p->tenant, model, len) != 0) return false;
    if (p->n_models == 0) return true;
    for (size_t i = 0; i < p->n_models; i++)
        if (strcmp(p->models[i], name) == 0) return true;
    return false;
}

unsigned access_permissions(unsigned roles)
{
    static const unsigned may[ROLES_N] = {
        MAY_READ,
        MAY_PREDICT,
        MAY_READ | MAY_PREDICT | MAY_TRAIN,
        MAY_READ | MAY_PREDICT | MAY_DEPLOY,
        MAY_MONITOR,
        MAY_READ | MAY_PREDICT | MAY_TRAIN | MAY_DEPLOY | MAY_MONITOR | MAY_ADMIN,
    };
    unsigned all = 0;
    for (size_t i = 0; i < ROLES_N; i++)
        if (roles & 1U << i) all |= may[i];
    return all;
}

// ---- the table

_Static_assert(KEY_TEXT_LEN % 4 == 0, "equal_texts() takes four bytes at a time");

enum { PRINCIPAL_ID_SIZE = 4 + KEY_ID_SIZE };

typedef struct entry {
    principal who; // of `key`; id[0] == '\0': free
    char id[PRINCIPAL_ID_SIZE];
} entry;

struct access_table {
    atomic_size_t n_owners;
    key_list keys;  // owned
    entry *entries; // as the keys
    size_t mask;
    uint32_t *slots; // (mask + 1): 1 + the number of the key; 0: free
};

static str id_of(const registry_key *k)
{
    return (str){k->id, KEY_ID_LEN};
}

static size_t first_slot(const access_table *t, str id)
{
    return (size_t)hash_bytes(id.data, id.len, 0) & t->mask;
}

// At most half of the slots are taken, and ids are made by us, at random: probes are few.
static const registry_key *find_key(const access_table *t, str id, size_t *number)
{
    for (size_t at = first_slot(t, id); t->slots[at] != 0; at = (at + 1) & t->mask) {
        *number = t->slots[at] - 1;
        const registry_key *k = &t->keys.keys[*number];
        if (str_equal(id_of(k), id)) return k;
    }
    return NULL;
}

static int find_allowances(entry *n, quota_book *book, err *e)
{
    char tenant[USAGE_SUBJECT_SIZE];
    snprintf(tenant, sizeof tenant, "tenant:%s", n->who.tenant);
    TRY(quota_book_find(book, n->id, &n->who.of_key, e));
    return quota_book_find(book, tenant, &n->who.of_tenant, e);
}

static int fill(access_table *t, quota_book *book, err *e)
{
    for (size_t i = 0; i < t->keys.n; i++) {
        const registry_key *k = &t->keys.keys[i];
        entry *n = &t->entries[i];
        snprintf(n->id, sizeof n->id, "key:%s", k->id);
        n->who = (principal){.id = n->id,
                             .tenant = k->tenant,
                             .may = access_permissions(k->roles),
                             .n_models = k->n_models,
                             .models = (const char *const *)k->models};
        if (k->tenant[0]) n->who.may &= ~(unsigned)MAY_MONITOR; // what is counted is of all tenants
        if (book) TRY(find_allowances(n, book, e));
        size_t at = first_slot(t, id_of(k));
        while (t->slots[at] != 0) at = (at + 1) & t->mask;
        t->slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

static void table_free(access_table *t)
{
    key_list_clear(&t->keys);
    mem_free(t->entries);
    mem_free(t->slots);
    mem_free(t);
}

int access_table_new(access_table **out, registry *r, quota_book *book, err *e)
{
    access_table *t = mem_zalloc(1, sizeof *t);
    if (!t) return err_set(e, ERR_MEMORY, "no memory for keys");
    atomic_init(&t->n_owners, 1);
    int rc = registry_keys(r, NULL, &t->keys, e);
    size_t n_slots = 2;
    while (n_slots < 2 * t->keys.n) n_slots *= 2;
    t->mask = n_slots - 1;
    t->entries = mem_zalloc(t->keys.n, sizeof *t->entries);
    t->slots = mem_zalloc(n_slots, sizeof *t->slots);
    if (rc == 0 && (!t->entries || !t->slots)) rc = err_set(e, ERR_MEMORY, "no memory for keys");
    if (rc == 0) rc = fill(t, book, e);
    if (rc == 0 && book) rc = quota_book_load(book, r, e);
    if (rc < 0) {
        table_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

access_table *access_table_hold(access_table *t)
{
    atomic_fetch_add_explicit(&t->n_owners, 1, memory_order_relaxed);
    return t;
}

void access_table_drop(access_table *t)
{
    if (t && atomic_fetch_sub(&t->n_owners, 1) == 1) table_free(t);
}

bool access_table_is_open(const access_table *t)
{
    return !t || t->keys.n == 0;
}

// ---- a request

void access_forget(access_seen *s)
{
    if (!s->table) return;
    access_table_drop(s->table);
    sodium_memzero(s->text, sizeof s->text);
    s->table = NULL;
    s->who = NULL;
}

// What a Bearer header holds; empty if it is another scheme.
static str bearer(str authorization)
{
    static const char scheme[] = "bearer ";
    const size_t len = sizeof scheme - 1;
    if (authorization.len <= len) return (str){0};
    for (size_t i = 0; i < len; i++)
        if ((authorization.data[i] | 0x20) != scheme[i]) return (str){0};
    str rest = {authorization.data + len, authorization.len - len};
    while (rest.len > 0 && rest.data[0] == ' ') rest = (str){rest.data + 1, rest.len - 1};
    return rest;
}

// Until when the key with that sum is valid; 0: it is not.
static int64_t valid_until(const registry_key *k, const unsigned char hash[KEY_HASH_BYTES])
{
    int64_t end = k->expires_ms ? k->expires_ms : INT64_MAX;
    bool is_now = sodium_memcmp(hash, k->hash, KEY_HASH_BYTES) == 0;
    bool is_before = sodium_memcmp(hash, k->hash_before, KEY_HASH_BYTES) == 0;
    if (k->revoked_ms != 0) return 0;
    if (is_now) return end;
    if (!is_before) return 0;
    return k->before_until_ms < end ? k->before_until_ms : end;
}

// In a time that does not depend on where they differ, like sodium_memcmp(), which takes 90 ns longer byte by byte.
static bool equal_texts(const char *a, const char *b)
{
    uint64_t differ = 0;
    for (size_t i = 0; i < KEY_TEXT_LEN; i += 4) {
        uint32_t x, y;
        memcpy(&x, a + i, 4);
        memcpy(&y, b + i, 4);
        differ |= x ^ y;
    }
    return differ == 0;
}

static bool is_over(int64_t until_ms)
{
    return until_ms != INT64_MAX && clock_utc_ms() >= until_ms;
}

access_answer access_find(access_table *t, access_seen *seen, str authorization, str api_key, const principal **who)
{
    if (authorization.len == 0 && api_key.len == 0) return ACCESS_NO_KEY;
    str text = authorization.len > 0 ? bearer(authorization) : api_key;
    if (text.len != KEY_TEXT_LEN || !t) return ACCESS_BAD_KEY;
    if (seen->table != t || !equal_texts(seen->text, text.data)) {
        str id;
        size_t number = 0;
        unsigned char hash[KEY_HASH_BYTES];
        access_forget(seen);
        if (!key_parse(text, &id)) return ACCESS_BAD_KEY;
        key_hash(text, hash);
        const registry_key *k = find_key(t, id, &number);
        int64_t until = k ? valid_until(k, hash) : 0;
        if (until == 0) return ACCESS_BAD_KEY;
        seen->table = access_table_hold(t);
        seen->who = &t->entries[number].who;
        seen->until_ms = until;
        memcpy(seen->text, text.data, KEY_TEXT_LEN);
    }
    if (is_over(seen->until_ms)) return ACCESS_BAD_KEY;
    *who = seen->who;
    return ACCESS_KNOWN;
}

// ---- the first key

static int write_first_key(registry *r, const char *path, err *e)
{
    char text[KEY_TEXT_SIZE + 1], id[KEY_ID_SIZE];
    const key_options o = {.label = "made at the first start", .tenant = "", .roles = ROLE_ADMIN};
    TRY(registry_key_create(r, &o, text, id, e));
    memcpy(text + KEY_TEXT_LEN, "\n", 2);
    int rc = file_write_atomic(path, (str){text, KEY_TEXT_LEN + 1}, 0600, e);
    sodium_memzero(text, sizeof text);
    // Nobody knows it: the next start makes another one.
    err ignored;
    if (rc < 0 && registry_key_revoke(r, id, NULL, &ignored) < 0)
        log_event(LOG_ERROR, "key without a file", "key %s was made, but %s could not be written", id, path);
    return rc;
}

static bool has_live_key(const key_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->keys[i].revoked_ms == 0) return true;
    return false;
}

int access_make_first_key(const char *data_dir, bool *made, err *e)
{
    registry *r;
    key_list l = {0};
    *made = false;
    TRY(registry_open(&r, data_dir, NULL, e));
    char *path = path_join(data_dir, ADMIN_KEY_FILE);
    int rc = path ? registry_keys(r, NULL, &l, e) : err_set(e, ERR_MEMORY, "no memory for a path");
    if (rc == 0 && !has_live_key(&l)) {
        rc = write_first_key(r, path, e);
        *made = rc == 0;
    }
    key_list_clear(&l);
    mem_free(path);
    registry_close(r);
    return rc;
}
