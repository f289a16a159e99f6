// What a request asks for: from a body, or from the query of a URL.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "serve/graphql.h"

typedef enum part { PART_QUERY, PART_OPERATION, PART_VARIABLES, PART_EXTENSIONS, PARTS_N } part;

static const char *const names[PARTS_N] = {[PART_QUERY] = "query",
                                           [PART_OPERATION] = "operationName",
                                           [PART_VARIABLES] = "variables",
                                           [PART_EXTENSIONS] = "extensions"};

static int invalid(place *at, err *e, const char *why)
{
    at->code = "invalid_request";
    return err_set(e, ERR_INPUT, "%s", why);
}

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "the request wants more memory than one may have");
}

static int take(graphql_ask *out, const gql_value *const parts[PARTS_N], place *at, err *e)
{
    const gql_value *query = parts[PART_QUERY], *operation = parts[PART_OPERATION];
    const gql_value *variables = parts[PART_VARIABLES], *extensions = parts[PART_EXTENSIONS];
    if (!query || query->kind == GQL_NULL) return invalid(at, e, "\"query\" is missing: the document to execute");
    if (query->kind != GQL_STRING) return invalid(at, e, "\"query\" must be a text");
    if (operation && operation->kind != GQL_STRING && operation->kind != GQL_NULL)
        return invalid(at, e, "\"operationName\" must be a text, or null");
    if (variables && variables->kind != GQL_OBJECT && variables->kind != GQL_NULL)
        return invalid(at, e, "\"variables\" must be an object, or null");
    if (extensions && extensions->kind != GQL_OBJECT && extensions->kind != GQL_NULL)
        return invalid(at, e, "\"extensions\" must be an object, or null");
    *out = (graphql_ask){.query = query->text};
    if (operation && operation->kind == GQL_STRING) out->operation = operation->text;
    if (variables && variables->kind == GQL_OBJECT) out->variables = variables;
    return 0;
}

static int find_part(str name)
{
    for (int i = 0; i < PARTS_N; i++)
        if (str_equal(name, str_of(names[i]))) return i;
    return -1;
}

int graphql_read_body(graphql_ask *out, str body, place *at, arena *a, err *e)
{
    const gql_value *parts[PARTS_N] = {0};
    gql_value *whole;
    int rc = gql_json_parse(&whole, body, a, e);
    if (rc == ERR_FORMAT || rc == ERR_LIMIT) at->code = "invalid_json";
    TRY(rc);
    if (whole->kind == GQL_LIST) return invalid(at, e, "a request is an object; lists of requests are not taken");
    if (whole->kind != GQL_OBJECT) return invalid(at, e, "a request is an object");
    for (const gql_value *v = whole->first; v; v = v->next) {
        int i = find_part(v->name);
        if (i < 0) continue;
        if (parts[i]) return invalid(at, e, "a member of the request comes twice");
        parts[i] = v;
    }
    return take(out, parts, at, e);
}

static int hex_digit(char c)
{
    char low = (char)(c | 0x20);
    return c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

// Form-encoded: + is a blank.
static int decode(str raw, str *out, place *at, arena *a, err *e)
{
    char *text = arena_alloc(a, raw.len, 1);
    size_t n = 0;
    if (!text) return no_memory(e);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '%') {
            int high = i + 2 < raw.len ? hex_digit(raw.data[i + 1]) : -1,
                low = high < 0 ? -1 : hex_digit(raw.data[i + 2]);
            if (low < 0) return invalid(at, e, "the URL holds a % that is no escape");
            c = (char)(16 * high + low);
            i += 2;
        }
        text[n++] = raw.data[i] == '+' && c == '+' ? ' ' : c;
    }
    *out = (str){text, n};
    return 0;
}

static int read_part(const gql_value **out, int i, str text, place *at, arena *a, err *e)
{
    gql_value *v;
    if (i == PART_VARIABLES || i == PART_EXTENSIONS) {
        int rc = gql_json_parse(&v, text, a, e);
        if (rc == ERR_FORMAT || rc == ERR_LIMIT) at->code = "invalid_json";
        if (rc < 0) return rc == ERR_MEMORY ? rc : err_prefix(e, rc, "\"%s\"", names[i]);
    } else {
        v = arena_zalloc(a, 1, sizeof *v);
        if (!v) return no_memory(e);
        v->kind = GQL_STRING;
        v->text = text;
    }
    *out = v;
    return 0;
}

int graphql_read_query(graphql_ask *out, str query, place *at, arena *a, err *e)
{
    const gql_value *parts[PARTS_N] = {0};
    while (query.len > 0) {
        const char *end = memchr(query.data, '&', query.len);
        str pair = {query.data, end ? (size_t)(end - query.data) : query.len}, text = {0};
        query = end ? (str){end + 1, query.len - pair.len - 1} : (str){0};
        const char *equals = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
        size_t len = equals ? (size_t)(equals - pair.data) : pair.len;
        int i = find_part((str){pair.data, len});
        if (i < 0) continue;
        if (parts[i]) return invalid(at, e, "a parameter of the URL comes twice");
        if (equals) TRY(decode((str){equals + 1, pair.len - len - 1}, &text, at, a, e));
        TRY(read_part(&parts[i], i, text, at, a, e));
    }
    return take(out, parts, at, e);
}
