// A document to text.
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "graphql/document.h"

static void indent(unsigned depth, buf *out)
{
    for (unsigned i = 0; i < depth; i++) buf_add_text(out, "  ");
}

static void print_arguments(const gql_value *first, buf *out)
{
    if (!first) return;
    buf_add_char(out, '(');
    for (const gql_value *v = first; v; v = v->next) {
        if (v != first) buf_add_text(out, ", ");
        buf_add_str(out, v->name);
        buf_add_text(out, ": ");
        gql_value_print(v, out);
    }
    buf_add_char(out, ')');
}

static void print_directives(const gql_directive *d, buf *out)
{
    for (; d; d = d->next) {
        buf_add_text(out, " @");
        buf_add_str(out, d->name);
        print_arguments(d->arguments, out);
    }
}

static void print_selections(const gql_selection *s, unsigned depth, buf *out)
{
    buf_add_text(out, "{\n");
    for (; s; s = s->next) {
        indent(depth + 1, out);
        if (s->kind != GQL_FIELD) buf_add_text(out, "...");
        if (s->alias.len > 0) {
            buf_add_str(out, s->alias);
            buf_add_text(out, ": ");
        }
        buf_add_str(out, s->name);
        if (s->condition.len > 0) {
            buf_add_text(out, " on ");
            buf_add_str(out, s->condition);
        }
        print_arguments(s->arguments, out);
        print_directives(s->directives, out);
        if (s->children) {
            buf_add_char(out, ' ');
            print_selections(s->children, depth + 1, out);
        }
        buf_add_char(out, '\n');
    }
    indent(depth, out);
    buf_add_char(out, '}');
}

void gql_print_type(str name, uint32_t wraps, buf *out)
{
    char after[2 * GQL_WRAPS_MAX];
    size_t n = 0;
    for (; wraps; wraps >>= 2) {
        bool list = (wraps & 3) == GQL_LIST_OF;
        if (list) buf_add_char(out, '[');
        if (n < sizeof after) after[n++] = list ? ']' : '!';
    }
    buf_add_str(out, name);
    while (n > 0) buf_add_char(out, after[--n]);
}

static void print_variables(const gql_variable *first, buf *out)
{
    if (!first) return;
    buf_add_char(out, '(');
    for (const gql_variable *v = first; v; v = v->next) {
        buf_add_text(out, v != first ? ", $" : "$");
        buf_add_str(out, v->name);
        buf_add_text(out, ": ");
        gql_print_type(v->type_name, v->wraps, out);
        if (v->standard) {
            buf_add_text(out, " = ");
            gql_value_print(v->standard, out);
        }
        print_directives(v->directives, out);
    }
    buf_add_char(out, ')');
}

static void print_definition(const gql_definition *d, buf *out)
{
    static const char *const kinds[] = {"query", "mutation", "subscription", "fragment"};
    if (d->about.len > 0) {
        json_quote(out, d->about);
        buf_add_char(out, '\n');
    }
    if (!d->shorthand) {
        buf_add_text(out, kinds[d->kind]);
        if (d->name.len > 0 || d->variables) buf_add_char(out, ' ');
        buf_add_str(out, d->name);
        if (d->kind == GQL_FRAGMENT) {
            buf_add_text(out, " on ");
            buf_add_str(out, d->condition);
        }
        print_variables(d->variables, out);
        print_directives(d->directives, out);
        buf_add_char(out, ' ');
    }
    print_selections(d->children, 0, out);
    buf_add_char(out, '\n');
}

void gql_print(const gql_document *d, buf *out)
{
    for (const gql_definition *def = d->definitions; def; def = def->next) {
        if (def != d->definitions) buf_add_char(out, '\n');
        print_definition(def, out);
    }
}
