// Signatures of a version over HTTP: for push and pull.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "registry/signatures.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/serving.h"

static int find_version(registry **registry_out, char name[OWNED_NAME_SIZE], int64_t *version,
                        char digest[SHA256_HEX_SIZE], serving *s, const request *q, response *r, err *e)
{
    registry_model m;
    TRY(rest_number(q->parameters[1], "unknown_version", version, r, e));
    TRY(rest_model_name(q, q->parameters[0], name, r, e));
    TRY(serving_registry(s, registry_out, e));
    int rc = registry_find(*registry_out, name, &m, e);
    if (rc < 0) {
        rest_hide_tenant(q, e);
        if (rc == ERR_NOT_FOUND) r->at.code = "unknown_model";
        return rc;
    }
    rc = ERR_NOT_FOUND;
    for (size_t i = 0; i < m.n_versions; i++) {
        if (m.versions[i].version != *version) continue;
        memcpy(digest, m.versions[i].digest, SHA256_HEX_SIZE);
        rc = 0;
    }
    registry_model_clear(&m);
    if (rc == 0) return 0;
    r->at.code = "unknown_version";
    return err_set(e, rc, "there is no such version");
}

static int list(serving *s, const request *q, response *r, err *e)
{
    registry *kept;
    char name[OWNED_NAME_SIZE], digest[SHA256_HEX_SIZE];
    int64_t version;
    package_signature all[SIGNATURES_MAX];
    size_t n;
    TRY(find_version(&kept, name, &version, digest, s, q, r, e));
    TRY(registry_signatures(kept, digest, all, &n, e));
    json_t *signatures = json_array();
    int rc = signatures ? 0 : err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = json_push(signatures, json_pack("{s:s,s:s}", "signer", all[i].signer, "signature", all[i].text), e);
    if (rc == 0) return rest_send(r, json_pack("{s:s,s:o}", "digest", digest, "signatures", signatures), e);
    json_decref(signatures);
    return rc;
}

static int take_text(const json_t *body, const char *key, char *out, size_t size, response *r, err *e)
{
    const char *text;
    int rc = json_member_text(body, key, &text, e);
    if (rc == 0 && strlen(text) == size - 1) {
        memcpy(out, text, size);
        return 0;
    }
    r->status = 422;
    r->at.code = "wrong_shape";
    return rc < 0 ? rc : err_set(e, ERR_INPUT, "\"%s\" is not as long as one is", key);
}

static int add(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"signer", "signature", NULL};
    registry *kept;
    char name[OWNED_NAME_SIZE], digest[SHA256_HEX_SIZE];
    int64_t version;
    package_signature one;
    json_t *body;
    TRY(find_version(&kept, name, &version, digest, s, q, r, e));
    TRY(rest_body(q, known, &body, r, e));
    int rc = take_text(body, "signer", one.signer, SIGNER_SIZE, r, e);
    if (rc == 0) rc = take_text(body, "signature", one.text, SIGNATURE_SIZE, r, e);
    json_decref(body);
    if (rc < 0) return rc;
    rc = registry_sign(kept, name, version, &one, e);
    if (rc == ERR_CORRUPT) {
        r->status = 422;
        r->at.code = "invalid_signature";
    }
    if (rc < 0) return rc;
    return list(s, q, r, e);
}

static const route routes[] = {
    {HTTP_GET, "/api/v1/models/{}/versions/{}/signatures", "listSignatures", "Who has signed a version", NULL,
     JSON_TYPE, list, MAY_READ, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/models/{}/versions/{}/signatures", "addSignature", "Add a signature to a version", JSON_TYPE,
     JSON_TYPE, add, MAY_DEPLOY, ROUTE_BLOCKS},
};

static const route_api api[] = {
    {.route = "listSignatures", .answers = API_ANSWER("200", "The signatures", API_JSON(API_REF("signatures")))},
    {.route = "addSignature",
     .body = API_JSON(API_REF("signature")),
     .answers = API_ANSWER("200", "The signatures, this one among them", API_JSON(API_REF("signatures")))},
};

static const char schemas[] =
    "'signature':{'type':'object','additionalProperties':false,'required':['signer','signature'],'properties':{"
    "'signer':{'type':'string'},'signature':{'type':'string'}}},"
    "'signatures':{'type':'object','required':['digest','signatures'],'properties':{'digest':{'type':'string'},"
    "'signatures':{'type':'array','items':{'$ref':'#/components/schemas/signature'}}}}";

const protocol_row rest_signatures_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
