// Errors to JSON.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/errors.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "base/utf8.h"
#include "graphql/lexer_impl.h"
#include "graphql/value.h"

enum { MESSAGE_MAX = 400 };

gql_error *gql_errors_add(gql_errors *l, const char *code, uint32_t at, const char *format, ...)
{
    if (++l->n > GQL_ERRORS_MAX) return NULL;
    char text[MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    gql_error *x = arena_zalloc(l->memory, 1, sizeof *x);
    if (!x) return NULL;
    size_t have = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    have = utf8_whole_len((str){text, have});
    const char *kept = arena_strndup(l->memory, text, have);
    x->message = kept ? (str){kept, have} : STR("no memory for the words of this error");
    x->at = at;
    x->code = code;
    *(l->last ? &l->last->next : &l->first) = x;
    l->last = x;
    return x;
}

gql_error *gql_errors_take(gql_errors *l, const char *code, const err *e)
{
    uint32_t at = e->at >= 0 && e->at < GQL_AT_NONE ? (uint32_t)e->at : GQL_AT_NONE;
    return gql_errors_add(l, code, at, "%s", e->msg);
}

// From its end to its start: a path is as long as a document may be deep, and lists within lists.
static void format_path(const gql_path *p, buf *out)
{
    const gql_path *back[256];
    size_t n = 0;
    for (; p && n < sizeof back / sizeof *back; p = p->parent) back[n++] = p;
    buf_add_text(out, ",\"path\":[");
    for (size_t i = n; i-- > 0;) {
        if (back[i]->key.data)
            json_quote(out, back[i]->key);
        else
            buf_format(out, "%zu", back[i]->index);
        if (i > 0) buf_add_char(out, ',');
    }
    buf_add_char(out, ']');
}

void gql_errors_format(const gql_errors *l, str source, buf *out)
{
    buf_add_char(out, '[');
    for (const gql_error *x = l->first; x; x = x->next) {
        buf_add_text(out, x == l->first ? "{\"message\":" : ",{\"message\":");
        json_quote(out, x->message);
        if (x->at != GQL_AT_NONE) {
            uint32_t line, column;
            gql_place_of(source, x->at, &line, &column);
            buf_format(out, ",\"locations\":[{\"line\":%u,\"column\":%u}]", line, column);
        }
        if (x->path) format_path(x->path, out);
        buf_format(out, ",\"extensions\":{\"code\":\"%s\"", x->code);
        if (x->extensions.len > 0) {
            buf_add_char(out, ',');
            buf_add_str(out, x->extensions);
        }
        buf_add_text(out, "}}");
    }
    if (!l->first) buf_add_text(out, "{\"message\":\"no memory\",\"extensions\":{\"code\":\"memory\"}}");
    buf_add_char(out, ']');
}
