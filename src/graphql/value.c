// What all values share: comparison, and writing them as JSON or as the language has them.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/value.h"

#include "base/json.h"
#include "base/utf8.h"

const gql_value gql_null = {.kind = GQL_NULL, .at = GQL_AT_NONE};

const gql_value *gql_member(const gql_value *first, str name)
{
    for (; first; first = first->next)
        if (str_equal(first->name, name)) return first;
    return NULL;
}

static bool children_equal(const gql_value *a, const gql_value *b)
{
    if (a->n != b->n) return false;
    if (a->kind == GQL_LIST) {
        const gql_value *y = b->first;
        for (const gql_value *x = a->first; x; x = x->next, y = y->next)
            if (!gql_value_equal(x, y)) return false;
        return true;
    }
    for (const gql_value *x = a->first; x; x = x->next) {
        const gql_value *y = gql_member(b->first, x->name);
        if (!y || !gql_value_equal(x, y)) return false;
    }
    return true;
}

bool gql_value_equal(const gql_value *a, const gql_value *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case GQL_NULL: return true;
    case GQL_BOOLEAN: return a->truth == b->truth;
    case GQL_LIST:
    case GQL_OBJECT: return children_equal(a, b);
    default: return str_equal(a->text, b->text);
    }
}

void gql_json_format(const gql_value *v, buf *out)
{
    switch (v->kind) {
    case GQL_NULL:
    case GQL_VARIABLE: buf_add_text(out, "null"); break;
    case GQL_BOOLEAN: buf_add_text(out, v->truth ? "true" : "false"); break;
    case GQL_INT:
    case GQL_FLOAT: buf_add_str(out, v->text); break;
    case GQL_STRING:
    case GQL_ENUM: json_quote(out, v->text); break;
    case GQL_LIST:
    case GQL_OBJECT:
        buf_add_char(out, v->kind == GQL_LIST ? '[' : '{');
        for (const gql_value *x = v->first; x; x = x->next) {
            if (x != v->first) buf_add_char(out, ',');
            if (v->kind == GQL_OBJECT) {
                json_quote(out, x->name);
                buf_add_char(out, ':');
            }
            gql_json_format(x, out);
        }
        buf_add_char(out, v->kind == GQL_LIST ? ']' : '}');
        break;
    }
}

// Quotes, backslashes and controls escaped, the rest as it is: JSON's escapes are the language's too.
static void print_string(str text, buf *out)
{
    json_quote(out, text);
}

void gql_value_print(const gql_value *v, buf *out)
{
    switch (v->kind) {
    case GQL_NULL: buf_add_text(out, "null"); break;
    case GQL_BOOLEAN: buf_add_text(out, v->truth ? "true" : "false"); break;
    case GQL_INT:
    case GQL_FLOAT:
    case GQL_ENUM: buf_add_str(out, v->text); break;
    case GQL_STRING: print_string(v->text, out); break;
    case GQL_VARIABLE:
        buf_add_char(out, '$');
        buf_add_str(out, v->text);
        break;
    case GQL_LIST:
    case GQL_OBJECT:
        buf_add_char(out, v->kind == GQL_LIST ? '[' : '{');
        for (const gql_value *x = v->first; x; x = x->next) {
            if (x != v->first) buf_add_text(out, ", ");
            if (v->kind == GQL_OBJECT) {
                buf_add_str(out, x->name);
                buf_add_text(out, ": ");
            }
            gql_value_print(x, out);
        }
        buf_add_char(out, v->kind == GQL_LIST ? ']' : '}');
        break;
    }
}
