// Keys: who may use a server over the network, and for what. A key is shown once, when it is made; only a sum is kept.
//
//     slip_<id>_<secret>_<crc>       12, 43 and 6 letters and digits
//
// The secret has 256 random bits. The crc is of everything before it: typos are told from forgeries, and programs that
// look for leaked secrets can be sure of what they found.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_KEYS_H
#define SLIPWAY_REGISTRY_KEYS_H

#include "registry/registry.h"

enum {
    KEY_ID_LEN = 12,
    KEY_SECRET_LEN = 43,
    KEY_CRC_LEN = 6,
    KEY_TEXT_LEN = 5 + KEY_ID_LEN + 1 + KEY_SECRET_LEN + 1 + KEY_CRC_LEN,
    KEY_TEXT_SIZE = KEY_TEXT_LEN + 1,
    KEY_ID_SIZE = KEY_ID_LEN + 1,
    KEY_HASH_BYTES = 32,
    KEY_LABEL_MAX = 64,
    KEY_MODELS_MAX = 64,
};
#define KEY_OVERLAP_MS_MAX (INT64_C(90) * 86400000)

typedef enum key_role {
    ROLE_VIEWER = 1 << 0,    // look at models, versions, deployments, runs
    ROLE_PREDICTOR = 1 << 1, // use and describe models
    ROLE_TRAINER = 1 << 2,   // that, and datasets, runs, batch predictions
    ROLE_DEPLOYER = 1 << 3,  // look and use, and versions, aliases, deployments
    ROLE_MONITOR = 1 << 4,   // metrics of the whole server: for keys of the default tenant only
    ROLE_ADMIN = 1 << 5,     // everything in the tenant, its keys included; of the default tenant: of all tenants
} key_role;
enum { ROLES_N = 6 };
const char *key_role_name(size_t i); // of the bit 1 << i
// "viewer,predictor" to bits. ERR_INPUT names the one that is not known.
MUST_CHECK int key_roles_parse(const char *text, unsigned *roles, err *e);

typedef struct key_options {
    const char *label; // for people: at most KEY_LABEL_MAX bytes of text; not unique
    const char *tenant;
    unsigned roles; // key_role bits, at least one
    size_t n_models;
    const char *const *models; // without tenant; none: all of the tenant
    int64_t expires_ms;        // clock_utc_ms(); 0: never
} key_options;

typedef struct registry_key {
    char id[KEY_ID_SIZE], tenant[TENANT_MAX + 1], label[KEY_LABEL_MAX + 1];
    unsigned roles;
    size_t n_models;
    char **models;                                                   // owned, one block with its texts
    int64_t created_ms, expires_ms, rotated_ms, revoked_ms, used_ms; // 0: never
    unsigned char hash[KEY_HASH_BYTES];
    unsigned char hash_before[KEY_HASH_BYTES]; // of the secret before the rotation, valid until before_until_ms
    int64_t before_until_ms;                   // 0: none
} registry_key;

typedef struct key_list {
    size_t n;
    registry_key *keys; // by the time they were made
} key_list;

// `text` gets the key, the only time that anybody sees it; `id`, which is no secret, may be NULL. ERR_INPUT says what
// of the options makes no sense.
MUST_CHECK int registry_key_create(registry *r, const key_options *o, char text[KEY_TEXT_SIZE], char id[KEY_ID_SIZE],
                                   err *e);
// In these, `tenant` is that of who asks, NULL for all: a key of another one is ERR_NOT_FOUND.
// A new secret under the same id. The one before stays valid for overlap_ms (0: not at all).
MUST_CHECK int registry_key_rotate(registry *r, const char *id, const char *tenant, int64_t overlap_ms,
                                   char text[KEY_TEXT_SIZE], err *e);
// For good; the record stays. Again is ERR_CONFLICT.
MUST_CHECK int registry_key_revoke(registry *r, const char *id, const char *tenant, err *e);
MUST_CHECK int registry_keys(registry *r, const char *tenant, key_list *out, err *e); // revoked ones too
void key_list_clear(key_list *l);
// What may be told of a key: everything but its sums. NULL without memory.
json_t *registry_key_json(const registry_key *k);

// Whether a text has the form of a key, crc included; `id` is a view.
bool key_parse(str text, str *id);
// The sum that is kept, of a text that key_parse() took.
void key_hash(str text, unsigned char hash[KEY_HASH_BYTES]);

#endif
