// What handlers of the native protocol share: names of the caller's tenant, query parameters, JSON in and out.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_REST_TOOLS_H
#define SLIPWAY_SERVE_REST_TOOLS_H

#include <stdbool.h>

#include "base/json.h"
#include "registry/jobs.h"
#include "serve/protocol.h"

#define JSON_TYPE "application/json"

// What the description says of parameters that several routes have.
#define KEY_HEADER                                                                              \
    API_HEADER("Idempotency-Key", "The same key and request give the same answer for 24 hours", \
               "{'type':'string','maxLength':255}")
#define PAGE_QUERY                                                                                     \
    API_QUERY("limit", "At most so many", "{'type':'integer','minimum':1,'maximum':500,'default':50}") \
    "," API_QUERY("before", "Those with a smaller number: the next page", "{'type':'integer','minimum':1}")

enum { OWNED_NAME_SIZE = MODEL_NAME_MAX + 1, JSON_BODY_MAX = 1 << 20 };

// A model as the registry calls it, from the name that the caller gave: "NAME", or "TENANT/NAME". One out of the
// caller's scope is ERR_NOT_FOUND "unknown_model"; so is one that breaks the rules, but where something is to be made
// of it (POST, PUT): ERR_INPUT "invalid_name".
MUST_CHECK int rest_model_name(const request *q, str name, char out[OWNED_NAME_SIZE], response *r, err *e);
// Takes the tenant out of a message, where a name of the registry came into it.
void rest_hide_tenant(const request *q, err *e);

// A parameter of the query by its name, decoded; *out is empty without data if it is not there. The first one counts.
// ERR_FORMAT "invalid_query" if it is not text. In the request's arena.
MUST_CHECK int rest_query(const request *q, const char *name, str *out, response *r, err *e);
// The same for a number, which stays as it was if there is none, and for "true" or "false".
MUST_CHECK int rest_query_integer(const request *q, const char *name, int64_t min, int64_t max, int64_t *out,
                                  response *r, err *e);
MUST_CHECK int rest_query_boolean(const request *q, const char *name, bool *out, response *r, err *e);
// A whole number of the path, 1 or more, or ERR_NOT_FOUND with this code.
MUST_CHECK int rest_number(str text, const char *code, int64_t *out, response *r, err *e);

// The body as one JSON object of at most JSON_BODY_MAX bytes, whose members are all among `known` (NULL-terminated;
// NULL: any): ERR_FORMAT "invalid_json", ERR_INPUT "wrong_shape", "unknown_member". *out: json_decref().
MUST_CHECK int rest_body(const request *q, const char *const *known, json_t **out, response *r, err *e);
// Whether an object has no other members than those; ERR_INPUT suggests the nearest. where: RFC 6901 of the object.
MUST_CHECK int rest_known(const request *q, const json_t *object, const char *where, const char *const *known,
                          response *r, err *e);

// Answers with a document, which is taken (NULL is ERR_MEMORY).
MUST_CHECK int rest_send(response *r, json_t *document, err *e);
// Status and the header lines "Location: PATH", the path made by a format.
MUST_CHECK int rest_created(const request *q, response *r, int status, err *e, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

// The Idempotency-Key of a request, with the sum of it all: method, path, query, and its body (NULL sum: q->body, else
// the SHA-256 of a body that was taken in pieces). k->key is NULL if none was sent. ERR_INPUT "idempotency_key".
MUST_CHECK int rest_key(const request *q, const char *body_sum, answer_key *k, response *r, err *e);
// Gives a kept answer again, and frees it.
MUST_CHECK int rest_replay(const request *q, response *r, kept_answer *kept, err *e);
// What registry_answer_find() and its like say of another request under the same key.
int rest_key_reused(response *r, int rc);
// Acts once for each Idempotency-Key, for handlers of changes that are not the same when they are made twice: what was
// answered is answered again. A refusal is not kept. Several requests with keys take turns here. A crash between the
// change and the keeping of its answer, some ms, forgets the key.
MUST_CHECK int rest_once(serving *s, const request *q, response *r, route_handler *act, err *e);
// Keeps the answer that r holds now; location as rest_created() got it.
MUST_CHECK int rest_keep(registry *g, const answer_key *k, const request *q, const response *r, const char *location,
                         err *e);

#endif
