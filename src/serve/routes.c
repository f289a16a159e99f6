// The table of protocols, and from a path to its route.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "serve/docs_page.h"
#include "serve/graphql.h"
#include "serve/kserve.h"
#include "serve/mlflow.h"
#include "serve/openai.h"
#include "serve/protocol.h"
#include "serve/rest.h"
#include "serve/rest_deployments.h"
#include "serve/rest_drift.h"
#include "serve/v2.h"

// One a line, so that two people can add one each.
// clang-format off
static const protocol_row *const rows[] = {
    &rest_protocol,
    &rest_registry_protocol,
    &rest_deployments_protocol,
    &rest_drift_protocol,
    &rest_access_protocol,
    &rest_datasets_protocol,
    &rest_jobs_protocol,
    &rest_signatures_protocol,
    &v2_protocol,
    &kserve_protocol,
    &mlflow_protocol,
    &openai_protocol,
    &graphql_protocol,
    &docs_protocol,
};
// clang-format on

const protocol_row *const *protocol_rows(size_t *n)
{
    *n = sizeof rows / sizeof *rows;
    return rows;
}

size_t route_count(void)
{
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) n += rows[i]->n_routes;
    return n;
}

const route *route_at(size_t index)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (index < rows[i]->n_routes) return &rows[i]->routes[index];
        index -= rows[i]->n_routes;
    }
    return NULL;
}

// A name of a model has no colon: "/v1/models/titanic:predict" is a verb's path, whatever the method.
static bool names_model(const char *pattern, const char *at)
{
    static const char before[] = "/models/";
    size_t len = sizeof before - 1;
    return (size_t)(at - pattern) >= len && memcmp(at - len, before, len) == 0;
}

static bool path_matches(const char *pattern, str path, str parameters[ROUTE_PARAMETERS_MAX])
{
    const char *start = pattern, *p = path.data, *end = path.data + path.len;
    size_t n = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (p == end || *p != *pattern) return false;
            p++;
            pattern++;
            continue;
        }
        const char *slash = memchr(p, '/', (size_t)(end - p));
        const char *stop = slash ? slash : end;
        pattern += 2;
        size_t literal = strcspn(pattern, "/"); // "{}:predict"
        if ((size_t)(stop - p) <= literal || n == ROUTE_PARAMETERS_MAX) return false;
        if (literal == 0 && names_model(start, pattern - 2) && memchr(p, ':', (size_t)(stop - p))) return false;
        stop -= literal;
        parameters[n++] = (str){p, (size_t)(stop - p)};
        p = stop;
    }
    return p == end;
}

// Who says that there is nothing at a path.
static const protocol_row *protocol_of(str path)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        str under = rows[i]->under ? str_of(rows[i]->under) : (str){0};
        if (under.len == 0 || path.len < under.len || memcmp(path.data, under.data, under.len) != 0) continue;
        if (path.len == under.len || path.data[under.len] == '/') return rows[i];
    }
    return rows[0];
}

route_match route_find(str path, http_method method)
{
    route_match m = {.protocol = rows[0], .index = route_count()};
    size_t index = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < rows[i]->n_routes; k++, index++) {
            const route *r = &rows[i]->routes[k];
            str parameters[ROUTE_PARAMETERS_MAX] = {{0}};
            if (!path_matches(r->pattern, path, parameters)) continue;
            unsigned methods = r->methods | HTTP_OPTIONS | (r->methods & HTTP_GET ? HTTP_HEAD : 0);
            m.methods |= methods;
            m.protocol = rows[i];
            if (!(methods & ~(unsigned)HTTP_OPTIONS & method)) continue;
            m.route = r;
            m.index = index;
            memcpy(m.parameters, parameters, sizeof parameters);
            return m;
        }
    }
    if (m.methods == 0) m.protocol = protocol_of(path);
    return m;
}

int http_status_of(int code)
{
    switch (code) {
    case ERR_INPUT: return 422;
    case ERR_FORMAT: return 400;
    case ERR_LIMIT: return 413;
    case ERR_UNSUPPORTED: return 501;
    case ERR_NOT_FOUND: return 404;
    case ERR_EXISTS:
    case ERR_CONFLICT: return 409;
    case ERR_USAGE: return 400;
    case ERR_DENIED: return 403;
    case ERR_BUSY:
    case ERR_MEMORY:
    case ERR_CANCELLED: return 503;
    case ERR_TIMEOUT: return 504;
    case ERR_FULL: return 507;
    default: return 500;
    }
}
