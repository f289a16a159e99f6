// A schema in the schema definition language, laid out as the reference implementation does.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/json.h"
#include "graphql/schema.h"

enum { ABOUT_LINE_MAX = 70 }; // a description that is longer stands on lines of its own

static void print_about(const char *about, const char *indent, buf *out)
{
    if (!about) return;
    buf_format(out, "%s\"\"\"", indent);
    bool lines = strlen(about) > ABOUT_LINE_MAX || strchr(about, '\n');
    if (!lines) {
        buf_format(out, "%s\"\"\"\n", about);
        return;
    }
    buf_add_char(out, '\n');
    for (const char *line = about; *line;) {
        size_t len = strcspn(line, "\n");
        if (len > 0) buf_add_text(out, indent);
        buf_add(out, line, len);
        buf_add_char(out, '\n');
        line += len + (line[len] == '\n');
    }
    buf_format(out, "%s\"\"\"\n", indent);
}

static void print_deprecated(const char *why, buf *out)
{
    if (!why) return;
    buf_add_text(out, " @deprecated");
    if (strcmp(why, "No longer supported") == 0) return;
    buf_add_text(out, "(reason: ");
    json_quote(out, str_of(why));
    buf_add_char(out, ')');
}

static void print_input(const gql_input *i, buf *out)
{
    buf_format(out, "%s: ", i->name);
    gql_print_type(str_of(i->type->name), i->wraps, out);
    if (i->standard) buf_format(out, " = %s", i->standard);
    print_deprecated(i->deprecated, out);
}

static void print_arguments(const gql_field *f, buf *out)
{
    bool lines = false;
    for (size_t i = 0; i < f->n_arguments; i++) lines = lines || f->arguments[i].about;
    if (f->n_arguments == 0) return;
    buf_add_text(out, lines ? "(\n" : "(");
    for (size_t i = 0; i < f->n_arguments; i++) {
        if (i > 0) buf_add_text(out, !lines ? ", " : f->arguments[i].about ? "\n" : "");
        if (lines) {
            print_about(f->arguments[i].about, "    ", out);
            buf_add_text(out, "    ");
        }
        print_input(&f->arguments[i], out);
        if (lines) buf_add_char(out, '\n');
    }
    buf_add_text(out, lines ? "  )" : ")");
}

static void print_fields(const gql_type *t, buf *out)
{
    buf_add_text(out, " {\n");
    for (size_t i = 0; i < t->n_fields; i++) {
        const gql_field *f = &t->fields[i];
        if (i > 0 && f->about) buf_add_char(out, '\n');
        print_about(f->about, "  ", out);
        buf_format(out, "  %s", f->name);
        print_arguments(f, out);
        buf_add_text(out, ": ");
        gql_print_type(str_of(f->type->name), f->wraps, out);
        print_deprecated(f->deprecated, out);
        buf_add_char(out, '\n');
    }
    buf_add_char(out, '}');
}

static void print_members(const gql_type *t, const char *before, const char *between, buf *out)
{
    for (size_t i = 0; i < t->n_members; i++) buf_format(out, "%s%s", i ? between : before, t->members[i]->name);
}

static void print_values(const gql_type *t, buf *out)
{
    buf_add_text(out, " {\n");
    for (size_t i = 0; i < t->n_values; i++) {
        if (i > 0 && t->values[i].about) buf_add_char(out, '\n');
        print_about(t->values[i].about, "  ", out);
        buf_format(out, "  %s", t->values[i].name);
        print_deprecated(t->values[i].deprecated, out);
        buf_add_char(out, '\n');
    }
    buf_add_char(out, '}');
}

static void print_inputs(const gql_type *t, buf *out)
{
    buf_add_text(out, t->one_of ? " @oneOf {\n" : " {\n");
    for (size_t i = 0; i < t->n_inputs; i++) {
        if (i > 0 && t->inputs[i].about) buf_add_char(out, '\n');
        print_about(t->inputs[i].about, "  ", out);
        buf_add_text(out, "  ");
        print_input(&t->inputs[i], out);
        buf_add_char(out, '\n');
    }
    buf_add_char(out, '}');
}

static void print_type(const gql_type *t, buf *out)
{
    static const char *const words[] = {
        [GQL_KIND_SCALAR] = "scalar", [GQL_KIND_OBJECT] = "type", [GQL_KIND_INTERFACE] = "interface",
        [GQL_KIND_UNION] = "union",   [GQL_KIND_ENUM] = "enum",   [GQL_KIND_INPUT] = "input"};
    print_about(t->about, "", out);
    buf_format(out, "%s %s", words[t->kind], t->name);
    switch (t->kind) {
    case GQL_KIND_SCALAR:
        if (t->specified_by) buf_format(out, " @specifiedBy(url: \"%s\")", t->specified_by);
        break;
    case GQL_KIND_OBJECT:
    case GQL_KIND_INTERFACE:
        print_members(t, " implements ", " & ", out);
        print_fields(t, out);
        break;
    case GQL_KIND_UNION: print_members(t, " = ", " | ", out); break;
    case GQL_KIND_ENUM: print_values(t, out); break;
    case GQL_KIND_INPUT: print_inputs(t, out); break;
    }
    buf_add_char(out, '\n');
}

void gql_print_schema(const gql_schema *s, buf *out)
{
    bool usual = strcmp(s->query->name, "Query") == 0 && (!s->mutation || strcmp(s->mutation->name, "Mutation") == 0);
    if (s->about || !usual) {
        print_about(s->about, "", out);
        buf_format(out, "schema {\n  query: %s\n", s->query->name);
        if (s->mutation) buf_format(out, "  mutation: %s\n", s->mutation->name);
        buf_add_text(out, "}\n\n");
    }
    for (size_t i = 0; i < s->n_types; i++) {
        if (i > 0) buf_add_char(out, '\n');
        print_type(s->types[i], out);
    }
}
