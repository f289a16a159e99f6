// The errors of one request, as its answer lists them.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_ERRORS_H
#define SLIPWAY_GRAPHQL_ERRORS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { GQL_ERRORS_MAX = 20 }; // more are counted, and not told

// The way to a value in the answer, from its end.
typedef struct gql_path gql_path;
struct gql_path {
    const gql_path *parent; // NULL at the root
    str key;                // of a field; a NULL data is an index
    size_t index;
};

typedef struct gql_error gql_error;
struct gql_error {
    str message;
    uint32_t at; // byte of the document; GQL_AT_NONE if it is about none
    const char *code;
    const gql_path *path; // NULL if it is about the document
    str extensions;       // more members, as JSON
    gql_error *next;
};

// One thread at a time. Everything is taken from `memory`; when there is none an error is kept without its words.
typedef struct gql_errors {
    arena *memory;
    gql_error *first, *last;
    size_t n; // those past GQL_ERRORS_MAX too
} gql_errors;

// code: static. Returns the error to set more of, or NULL.
gql_error *gql_errors_add(gql_errors *l, const char *code, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// The same from an err whose `at`, if any, is a byte of the document.
gql_error *gql_errors_take(gql_errors *l, const char *code, const err *e);

// Appends the list: [{"message": ..., "locations": [...], "path": [...], "extensions": {"code": ...}}, ...]
void gql_errors_format(const gql_errors *l, str source, buf *out);

#endif
