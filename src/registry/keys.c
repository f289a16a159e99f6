// Keys in the registry: made, rotated, revoked, listed.
// SPDX-License-Identifier: Apache-2.0
#include "registry/keys.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "registry/registry_impl.h"

#define PREFIX "slip_"
enum { PREFIX_LEN = 5, ID_AT = PREFIX_LEN, CRC_AT = KEY_TEXT_LEN - KEY_CRC_LEN, HEX_SIZE = 2 * KEY_HASH_BYTES + 1 };

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for keys");
}

// ---- roles

static const char *const role_names[ROLES_N] = {"viewer", "predictor", "trainer", "deployer", "monitor", "admin"};

const char *key_role_name(size_t i)
{
    return role_names[i];
}

int key_roles_parse(const char *text, unsigned *roles, err *e)
{
    unsigned found = 0;
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ","), i = 0;
        while (i < ROLES_N && (strlen(role_names[i]) != len || memcmp(role_names[i], at, len) != 0)) i++;
        if (i == ROLES_N)
            return err_set(e, ERR_INPUT,
                           "the role \"%.*s\" is none of viewer, predictor, trainer, deployer, monitor, admin",
                           (int)(len < 40 ? len : 40), at);
        found |= 1U << i;
        at += len;
        if (*at == '\0') break;
    }
    *roles = found;
    return 0;
}

// ---- the text

static bool is_digits(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
    }
    return true;
}

static void random_digits(char *to, size_t len)
{
    for (size_t i = 0; i < len; i++) to[i] = digits[randombytes_uniform(62)];
}

static void format_crc(const char *text, char crc[KEY_CRC_LEN])
{
    uint32_t sum = (uint32_t)crc32(0, (const unsigned char *)text, CRC_AT - 1);
    for (int i = KEY_CRC_LEN; i-- > 0; sum /= 62) crc[i] = digits[sum % 62];
}

static void make_text(char text[KEY_TEXT_SIZE], const char *id)
{
    memcpy(text, PREFIX, PREFIX_LEN);
    memcpy(text + ID_AT, id, KEY_ID_LEN);
    text[ID_AT + KEY_ID_LEN] = '_';
    random_digits(text + ID_AT + KEY_ID_LEN + 1, KEY_SECRET_LEN);
    text[CRC_AT - 1] = '_';
    format_crc(text, text + CRC_AT);
    text[KEY_TEXT_LEN] = '\0';
}

bool key_parse(str text, str *id)
{
    const char *t = text.data;
    char crc[KEY_CRC_LEN];
    if (text.len != KEY_TEXT_LEN || memcmp(t, PREFIX, PREFIX_LEN) != 0) return false;
    if (t[ID_AT + KEY_ID_LEN] != '_' || t[CRC_AT - 1] != '_') return false;
    if (!is_digits(t + ID_AT, KEY_ID_LEN) || !is_digits(t + ID_AT + KEY_ID_LEN + 1, KEY_SECRET_LEN)) return false;
    format_crc(t, crc);
    if (memcmp(crc, t + CRC_AT, KEY_CRC_LEN) != 0) return false;
    *id = (str){t + ID_AT, KEY_ID_LEN};
    return true;
}

// The id is part of what is summed: a sum that is copied to another key's record opens nothing.
void key_hash(str text, unsigned char hash[KEY_HASH_BYTES])
{
    crypto_generichash(hash, KEY_HASH_BYTES, (const unsigned char *)text.data + ID_AT, KEY_ID_LEN + 1 + KEY_SECRET_LEN,
                       NULL, 0);
}

static void hex_of(const char *text, char hex[HEX_SIZE])
{
    unsigned char hash[KEY_HASH_BYTES];
    key_hash((str){text, KEY_TEXT_LEN}, hash);
    sodium_bin2hex(hex, HEX_SIZE, hash, sizeof hash);
}

// ---- making

static bool is_label(const char *label)
{
    str rest = str_of(label);
    if (rest.len == 0 || rest.len > KEY_LABEL_MAX) return false;
    while (rest.len > 0) {
        size_t n = utf8_char_len(rest);
        if (n == 0 || (unsigned char)rest.data[0] < 0x20 || rest.data[0] == 0x7F) return false;
        rest = (str){rest.data + n, rest.len - n};
    }
    return true;
}

static int check_options(const key_options *o, err *e)
{
    const char *why = tenant_fault(o->tenant);
    if (why) return err_set(e, ERR_INPUT, "the tenant \"%.80s\" %s", o->tenant, why);
    if (!is_label(o->label))
        return err_set(e, ERR_INPUT, "a key needs a label: 1 to %d bytes of text without control characters",
                       KEY_LABEL_MAX);
    if (o->roles == 0 || o->roles >= 1U << ROLES_N) return err_set(e, ERR_INPUT, "a key needs a role");
    if (o->roles & ROLE_MONITOR && o->tenant[0])
        return err_set(e, ERR_INPUT, "the role monitor sees the whole server: only keys without a tenant may have it");
    if (o->n_models > KEY_MODELS_MAX) return err_set(e, ERR_INPUT, "a key is for at most %d models", KEY_MODELS_MAX);
    if (o->n_models > 0 && o->roles & ROLE_ADMIN)
        return err_set(e, ERR_INPUT, "the role admin is for all models of the tenant, not for some");
    for (size_t i = 0; i < o->n_models; i++) {
        why = strchr(o->models[i], '/') ? "has a '/': models are named without the tenant"
                                        : model_name_fault(o->models[i]);
        if (why) return err_set(e, ERR_INPUT, "the model's name \"%.80s\" %s", o->models[i], why);
    }
    if (o->expires_ms != 0 && o->expires_ms <= clock_utc_ms())
        return err_set(e, ERR_INPUT, "the key would have expired already");
    return 0;
}

static void add_roles(buf *out, unsigned roles)
{
    bool first = true;
    for (size_t i = 0; i < ROLES_N; i++) {
        if (!(roles & 1U << i)) continue;
        buf_format(out, first ? "%s" : ",%s", role_names[i]);
        first = false;
    }
}

static int insert(registry *r, const key_options *o, const char *id, const char *hex, str models, err *e)
{
    return db_run(r->db, e,
                  "INSERT INTO keys(id, tenant, label, roles, models, hash, hash_before, before_until_ms, created_ms,"
                  " expires_ms, rotated_ms, revoked_ms, used_ms)"
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, '', 0, ?7, ?8, 0, 0, 0)",
                  "sssitsii", id, o->tenant, o->label, (int64_t)o->roles, models, hex, clock_utc_ms(), o->expires_ms);
}

// Commits what was done to a key, with its record.
static int end_change(registry *r, int rc, const char *action, const char *id, const char *tenant, const char *detail,
                      err *e)
{
    if (rc == 0)
        rc = registry_audit_within(
            r, &(audit_entry){.action = action, .object = id, .tenant = tenant, .detail = detail}, e);
    if (rc == 0) return registry_end_change(r, e);
    db_roll_back(r->db);
    return rc;
}

int registry_key_create(registry *r, const key_options *o, char text[KEY_TEXT_SIZE], char id[KEY_ID_SIZE], err *e)
{
    TRY(check_options(o, e));
    if (sodium_init() < 0) return err_set(e, ERR_INTERNAL, "there are no random numbers for a key");
    char made[KEY_TEXT_SIZE], name[KEY_ID_SIZE] = "", hex[HEX_SIZE];
    buf models, roles;
    buf_init(&models, KEY_MODELS_MAX * (MODEL_PLAIN_MAX + 1));
    buf_init(&roles, AUDIT_DETAIL_MAX);
    for (size_t i = 0; i < o->n_models; i++) buf_format(&models, i ? " %s" : "%s", o->models[i]);
    add_roles(&roles, o->roles);
    buf_add_char(&roles, '\0');
    random_digits(name, KEY_ID_LEN);
    make_text(made, name);
    hex_of(made, hex);
    int rc = models.failed || roles.failed ? no_memory(e) : registry_begin_change(r, e);
    if (rc == 0) {
        rc = insert(r, o, name, hex, buf_str(&models), e);
        rc = end_change(r, rc, "key.create", name, o->tenant, roles.data, e);
    }
    buf_clear(&models);
    buf_clear(&roles);
    if (rc == 0) {
        memcpy(text, made, sizeof made);
        if (id) memcpy(id, name, sizeof name);
    }
    sodium_memzero(made, sizeof made);
    return rc;
}

// ---- changing

// The tenant of a key that is there and not revoked, for one of `tenant` (NULL: of all).
static int find_live(registry *r, const char *id, const char *tenant, char of[TENANT_MAX + 1], err *e)
{
    db_query *q;
    str text;
    TRY(db_start(&q, r->db, e, "SELECT tenant, revoked_ms FROM keys WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)",
                 "ss", id, tenant));
    int rc = db_next(q, e);
    if (rc == 0)
        rc = err_set(e, ERR_NOT_FOUND, "there is no key \"%.*s\"", KEY_ID_LEN, id);
    else if (rc > 0 && db_integer(q, 1) != 0)
        rc = err_set(e, ERR_CONFLICT, "key \"%s\" is revoked", id);
    else if (rc > 0 && (rc = db_text(q, 0, &text, e)) == 0)
        snprintf(of, TENANT_MAX + 1, "%.*s", (int)(text.len < TENANT_MAX ? text.len : TENANT_MAX), text.data);
    db_end(q);
    return rc;
}

int registry_key_rotate(registry *r, const char *id, const char *tenant, int64_t overlap_ms, char text[KEY_TEXT_SIZE],
                        err *e)
{
    if (overlap_ms < 0 || overlap_ms > KEY_OVERLAP_MS_MAX)
        return err_set(e, ERR_INPUT, "a key and the one before it may both be valid for at most 90 days");
    if (sodium_init() < 0) return err_set(e, ERR_INTERNAL, "there are no random numbers for a key");
    char made[KEY_TEXT_SIZE], hex[HEX_SIZE], of[TENANT_MAX + 1], detail[64];
    int64_t now = clock_utc_ms();
    TRY(registry_begin_change(r, e));
    int rc = find_live(r, id, tenant, of, e);
    if (rc < 0) {
        db_roll_back(r->db);
        return rc;
    }
    make_text(made, id);
    hex_of(made, hex);
    rc = db_run(r->db, e,
                "UPDATE keys SET hash_before = iif(?3 > 0, hash, ''), before_until_ms = iif(?3 > 0, ?4 + ?3, 0),"
                " hash = ?2, rotated_ms = ?4 WHERE id = ?1",
                "ssii", id, hex, overlap_ms, now);
    snprintf(detail, sizeof detail, "the one before is valid for %" PRId64 " s", overlap_ms / 1000);
    rc = end_change(r, rc, "key.rotate", id, of, detail, e);
    if (rc == 0) memcpy(text, made, sizeof made);
    sodium_memzero(made, sizeof made);
    return rc;
}

int registry_key_revoke(registry *r, const char *id, const char *tenant, err *e)
{
    char of[TENANT_MAX + 1] = "";
    TRY(registry_begin_change(r, e));
    int rc = find_live(r, id, tenant, of, e);
    if (rc == 0)
        rc = db_run(r->db, e, "UPDATE keys SET revoked_ms = ?2, hash_before = '', before_until_ms = 0 WHERE id = ?1",
                    "si", id, clock_utc_ms());
    return end_change(r, rc, "key.revoke", id, of, NULL, e);
}

// ---- listing

void key_list_clear(key_list *l)
{
    for (size_t i = 0; i < l->n; i++) mem_free(l->keys[i].models);
    mem_free(l->keys);
    *l = (key_list){0};
}

static int read_text(db_query *q, int at, char *to, size_t size, err *e)
{
    str text;
    TRY(db_text(q, at, &text, e));
    if (text.len >= size) return err_set(e, ERR_CORRUPT, "a key of the registry has a text of %zu bytes", text.len);
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
    return 0;
}

// "a b c" into one block: pointers, then texts.
static int read_models(db_query *q, int at, registry_key *k, err *e)
{
    str text;
    TRY(db_text(q, at, &text, e));
    size_t n = text.len > 0;
    for (size_t i = 0; i < text.len; i++) n += text.data[i] == ' ';
    if (n == 0) return 0;
    char **block = mem_alloc(n * sizeof *block + text.len + 1, 1);
    if (!block) return no_memory(e);
    char *to = (char *)(block + n);
    memcpy(to, text.data, text.len);
    to[text.len] = '\0';
    for (size_t i = 0; i < n; i++) {
        block[i] = to;
        to += strcspn(to, " ");
        *to++ = '\0';
    }
    k->models = block;
    k->n_models = n;
    return 0;
}

static int read_hash(db_query *q, int at, unsigned char hash[KEY_HASH_BYTES], err *e)
{
    str text;
    size_t len = 0;
    TRY(db_text(q, at, &text, e));
    if (text.len == 0) return 0; // none
    if (sodium_hex2bin(hash, KEY_HASH_BYTES, text.data, text.len, NULL, &len, NULL) != 0 || len != KEY_HASH_BYTES)
        return err_set(e, ERR_CORRUPT, "a key of the registry has no sum");
    return 0;
}

static int read_key(db_query *q, registry_key *k, err *e)
{
    TRY(read_text(q, 0, k->id, sizeof k->id, e));
    TRY(read_text(q, 1, k->tenant, sizeof k->tenant, e));
    TRY(read_text(q, 2, k->label, sizeof k->label, e));
    k->roles = (unsigned)db_integer(q, 3) & ((1U << ROLES_N) - 1);
    TRY(read_models(q, 4, k, e));
    TRY(read_hash(q, 5, k->hash, e));
    TRY(read_hash(q, 6, k->hash_before, e));
    k->before_until_ms = db_integer(q, 7);
    k->created_ms = db_integer(q, 8);
    k->expires_ms = db_integer(q, 9);
    k->rotated_ms = db_integer(q, 10);
    k->revoked_ms = db_integer(q, 11);
    k->used_ms = db_integer(q, 12);
    return 0;
}

static int list(registry *r, const char *tenant, key_list *l, err *e)
{
    int64_t n;
    db_query *q;
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM keys WHERE ?1 IS NULL OR tenant = ?1", "s", tenant));
    if (!(l->keys = mem_zalloc((size_t)n, sizeof *l->keys))) return no_memory(e);
    TRY(db_start(&q, r->db, e,
                 "SELECT id, tenant, label, roles, models, hash, hash_before, before_until_ms, created_ms, expires_ms,"
                 " rotated_ms, revoked_ms, used_ms FROM keys WHERE ?1 IS NULL OR tenant = ?1 ORDER BY created_ms, id",
                 "s", tenant));
    int rc = 0;
    while (rc == 0 && (int64_t)l->n < n && (rc = db_next(q, e)) > 0) rc = read_key(q, &l->keys[l->n++], e);
    db_end(q);
    return rc < 0 ? rc : 0;
}

int registry_keys(registry *r, const char *tenant, key_list *out, err *e)
{
    key_list l = {0};
    TRY(db_begin(r->db, false, e));
    int rc = list(r, tenant, &l, e);
    db_roll_back(r->db);
    if (rc < 0) {
        key_list_clear(&l);
        return rc;
    }
    *out = l;
    return 0;
}

json_t *registry_key_json(const registry_key *k)
{
    json_t *roles = json_array(), *models = json_array();
    for (size_t i = 0; i < ROLES_N; i++)
        if (k->roles & 1U << i) json_array_append_new(roles, json_string(key_role_name(i)));
    for (size_t i = 0; i < k->n_models; i++) json_array_append_new(models, json_string(k->models[i]));
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "id", k->id, "label", k->label, "tenant", k->tenant,
                     "roles", roles, "models", models, "created", json_time(k->created_ms), "expires",
                     json_time(k->expires_ms), "rotated", json_time(k->rotated_ms), "revoked", json_time(k->revoked_ms),
                     "used", json_time(k->used_ms));
}
