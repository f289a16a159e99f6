// Who may do what: from a request's header to a principal.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_ACCESS_H
#define SLIPWAY_SERVE_ACCESS_H

#include <stdbool.h>

#include "registry/keys.h"
#include "serve/protocol.h"
#include "serve/quota.h"

// Who comes by the socket in the data directory, and everybody who reaches a loopback server as long as no key was
// made: everything in the default tenant.
extern const principal local_principal;
// Who shows no key, where none is needed: nothing but health, and sees no model.
extern const principal anonymous_principal;

// Whether a model of the registry ("NAME", or "TENANT/NAME") is there for this principal: of its tenant, and in scope.
bool principal_sees(const principal *p, const char *model);
// The name as the principal knows it: without the tenant. A view.
const char *principal_name_of(const char *model);

unsigned access_permissions(unsigned roles); // key_role bits to permission bits

// The keys of the registry at one moment. Immutable and counted, so any thread.
typedef struct access_table access_table;
// Principals get their allowances out of the book; without one (NULL) nothing is counted.
MUST_CHECK int access_table_new(access_table **out, registry *r, quota_book *book, err *e);
access_table *access_table_hold(access_table *t); // returns t
void access_table_drop(access_table *t);          // NULL is fine
bool access_table_is_open(const access_table *t); // no key was ever made; also of NULL

// What a connection remembers of the key that came last, so that the next request with it costs a comparison. One
// thread at a time; starts zeroed. The principal lives until it is used or forgotten again.
typedef struct access_seen {
    access_table *table; // held; NULL: nothing is remembered
    const principal *who;
    int64_t until_ms;
    char text[KEY_TEXT_LEN];
} access_seen;
void access_forget(access_seen *s);

typedef enum access_answer { ACCESS_KNOWN, ACCESS_NO_KEY, ACCESS_BAD_KEY } access_answer;
// The principal of a key in an Authorization (Bearer) or X-API-Key header; the first of them that is there counts.
access_answer access_find(access_table *t, access_seen *seen, str authorization, str api_key, const principal **who);

// Before a server listens beyond loopback: if there is no key that is not revoked, makes one for the role admin and
// writes it to DATA_DIR/admin.key (0600). *made: it did.
MUST_CHECK int access_make_first_key(const char *data_dir, bool *made, err *e);
#define ADMIN_KEY_FILE "admin.key"

#endif
