// GraphQL over HTTP at /graphql: docs/protocols/graphql.md. The language is in src/graphql/; here are the route, the
// schema and its resolvers.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_GRAPHQL_H
#define SLIPWAY_SERVE_GRAPHQL_H

#include "graphql/schema.h"
#include "serve/protocol.h"

extern const protocol_row graphql_protocol;
extern const gql_schema graphql_schema; // docs/schema.graphql is printed from it

// What a request asks for, however it came. Views of the request and its arena.
typedef struct graphql_ask {
    str query, operation;       // operation: empty if none was named
    const gql_value *variables; // an object, or NULL
} graphql_ask;

// From a body: {"query": ..., "operationName": ..., "variables": ..., "extensions": ...}, other members are passed
// over. ERR_FORMAT with place code "invalid_json"; ERR_INPUT "invalid_request".
MUST_CHECK int graphql_read_body(graphql_ask *out, str body, place *at, arena *a, err *e);
// From the query of a URL, form-encoded, variables and extensions as JSON. The same errors.
MUST_CHECK int graphql_read_query(graphql_ask *out, str query, place *at, arena *a, err *e);

// The media type of the answer, for an Accept header that lets one of the two through.
const char *graphql_media(str accept);

#endif
