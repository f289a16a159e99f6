// Signatures in the registry's tables.
// SPDX-License-Identifier: Apache-2.0
#include "registry/signatures.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "registry/registry_impl.h"

static int find_digest(registry *r, const char *name, int64_t version, char digest[SHA256_HEX_SIZE], err *e)
{
    int64_t model;
    db_query *q;
    str text;
    TRY(registry_find_model(r, name, &model, e));
    TRY(db_start(&q, r->db, e, "SELECT digest FROM versions WHERE model = ?1 AND version = ?2", "ii", model, version));
    int rc = db_next(q, e);
    if (rc == 0) rc = err_set(e, ERR_NOT_FOUND, "no version %" PRId64 " of \"%s\"", version, name);
    if (rc > 0 && (rc = db_text(q, 0, &text, e)) == 0) {
        if (text.len != SHA256_HEX_SIZE - 1) rc = err_set(e, ERR_CORRUPT, "a version without a digest");
        if (rc == 0) snprintf(digest, SHA256_HEX_SIZE, "%.*s", (int)text.len, text.data);
    }
    db_end(q);
    return rc;
}

static int put(registry *r, const char *name, int64_t version, const package_signature *s, err *e)
{
    char digest[SHA256_HEX_SIZE], object[AUDIT_TEXT_MAX + 1];
    int64_t n;
    TRY(find_digest(r, name, version, digest, e));
    TRY(signature_check(s, digest, e));
    TRY(db_find_integer(r->db, &n, e, "SELECT count(*) FROM signatures WHERE digest = ?1 AND signer <> ?2", "ss",
                        digest, s->signer));
    if (n >= SIGNATURES_MAX) return err_set(e, ERR_LIMIT, "a package has at most %d signatures", SIGNATURES_MAX);
    TRY(db_run(r->db, e,
               "INSERT OR REPLACE INTO signatures(digest, signer, signature, signed_ms) VALUES(?1, ?2, ?3, ?4)", "sssi",
               digest, s->signer, s->text, clock_utc_ms()));
    snprintf(object, sizeof object, "%s@%" PRId64, name, version);
    return registry_audit_within(r, &(audit_entry){.action = "version.sign", .object = object, .detail = s->signer}, e);
}

int registry_sign(registry *r, const char *name, int64_t version, const package_signature *s, err *e)
{
    TRY(registry_begin_change(r, e));
    int rc = put(r, name, version, s, e);
    if (rc == 0) return registry_end_change(r, e);
    db_roll_back(r->db);
    return rc;
}

static int take(db_query *q, package_signature *out, err *e)
{
    str signer, text;
    TRY(db_text(q, 0, &signer, e));
    TRY(db_text(q, 1, &text, e));
    if (signer.len != SIGNER_SIZE - 1 || text.len != SIGNATURE_SIZE - 1)
        return err_set(e, ERR_CORRUPT, "the registry holds a signature that is none");
    snprintf(out->signer, sizeof out->signer, "%.*s", (int)signer.len, signer.data);
    snprintf(out->text, sizeof out->text, "%.*s", (int)text.len, text.data);
    return 0;
}

int registry_signatures(registry *r, const char *digest, package_signature out[SIGNATURES_MAX], size_t *n, err *e)
{
    db_query *q;
    *n = 0;
    TRY(db_start(&q, r->db, e, "SELECT signer, signature FROM signatures WHERE digest = ?1 ORDER BY signer LIMIT ?2",
                 "si", digest, (int64_t)SIGNATURES_MAX));
    int rc;
    while ((rc = db_next(q, e)) > 0 && (rc = take(q, &out[*n], e)) == 0) (*n)++;
    db_end(q);
    return rc;
}
