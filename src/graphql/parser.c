// Tokens to a document, by recursive descent; what nests is counted.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/utf8.h"
#include "graphql/document.h"
#include "graphql/lexer_impl.h"

typedef struct parser {
    gql_lexer lexer;
    gql_token now; // looked at, not yet taken
    unsigned nesting;
    size_t n_aliases;
    gql_selection **spreads; // tail of the present definition's
    arena *memory;
    err *e;
} parser;

static int no_memory(parser *p)
{
    return err_set(p->e, ERR_MEMORY, "the document wants more memory than it may have");
}

static int unexpected(parser *p, const char *wanted)
{
    const gql_token *t = &p->now;
    if (t->kind == TOKEN_END) return err_set_at(p->e, ERR_FORMAT, t->at, "the document ends where %s belongs", wanted);
    str text = {p->lexer.source.data + t->at, p->lexer.at - t->at};
    text.len = utf8_whole_len((str){text.data, text.len > 40 ? 40 : text.len});
    return err_set_at(p->e, ERR_FORMAT, t->at, "\"" STR_FORMAT "\" stands where %s belongs", STR_ARGS(text), wanted);
}

static int advance(parser *p)
{
    return gql_next_token(&p->lexer, &p->now, p->e);
}

static bool is(const parser *p, char c)
{
    return p->now.kind == TOKEN_OF(c);
}

static bool is_word(const parser *p, str word)
{
    return p->now.kind == TOKEN_NAME && str_equal(p->now.text, word);
}

static int want(parser *p, char c, const char *wanted)
{
    return is(p, c) ? advance(p) : unexpected(p, wanted);
}

static int want_name(parser *p, str *out, const char *wanted)
{
    if (p->now.kind != TOKEN_NAME) return unexpected(p, wanted);
    *out = p->now.text;
    return advance(p);
}

static int enter(parser *p)
{
    if (++p->nesting <= GQL_NESTING_MAX) return 0;
    return err_set_at(p->e, ERR_LIMIT, p->now.at, "the document nests deeper than %d", GQL_NESTING_MAX);
}

static void leave(parser *p)
{
    p->nesting--;
}

// Values.

static int parse_value(parser *p, gql_value **out, bool constant);

static int parse_children(parser *p, gql_value *v, bool constant)
{
    char close = v->kind == GQL_LIST ? ']' : '}';
    gql_value **tail = &v->first;
    TRY(enter(p));
    TRY(advance(p));
    while (!is(p, close)) {
        str name = {0};
        if (v->kind == GQL_OBJECT) {
            TRY(want_name(p, &name, "a field of an object, or \"}\","));
            TRY(want(p, ':', "\":\""));
        }
        TRY(parse_value(p, tail, constant));
        (*tail)->name = name;
        tail = &(*tail)->next;
        v->n++;
    }
    leave(p);
    return advance(p);
}

static int parse_variable_name(parser *p, str *out)
{
    TRY(advance(p)); // the dollar
    return want_name(p, out, "the name of a variable");
}

static int parse_value(parser *p, gql_value **out, bool constant)
{
    gql_value *v = arena_zalloc(p->memory, 1, sizeof *v);
    if (!v) return no_memory(p);
    v->at = p->now.at;
    v->text = p->now.text;
    *out = v;
    switch (p->now.kind) {
    case TOKEN_INT: v->kind = GQL_INT; return advance(p);
    case TOKEN_FLOAT: v->kind = GQL_FLOAT; return advance(p);
    case TOKEN_BLOCK_STRING: v->block = true; // fall through
    case TOKEN_STRING: v->kind = GQL_STRING; return advance(p);
    case TOKEN_NAME:
        v->truth = str_equal(v->text, STR("true"));
        v->kind = v->truth || str_equal(v->text, STR("false")) ? GQL_BOOLEAN
                  : str_equal(v->text, STR("null"))            ? GQL_NULL
                                                               : GQL_ENUM;
        return advance(p);
    case TOKEN_OF('['): v->kind = GQL_LIST; return parse_children(p, v, constant);
    case TOKEN_OF('{'): v->kind = GQL_OBJECT; return parse_children(p, v, constant);
    case TOKEN_OF('$'):
        if (constant) return unexpected(p, "a value without variables");
        v->kind = GQL_VARIABLE;
        return parse_variable_name(p, &v->text);
    default: return unexpected(p, "a value");
    }
}

static int parse_arguments(parser *p, gql_value **tail, bool constant)
{
    if (!is(p, '(')) return 0;
    TRY(advance(p));
    do {
        str name;
        uint32_t at = p->now.at;
        TRY(want_name(p, &name, "the name of an argument"));
        TRY(want(p, ':', "\":\""));
        TRY(parse_value(p, tail, constant));
        (*tail)->name = name;
        (*tail)->at = (*tail)->kind == GQL_VARIABLE ? (*tail)->at : at;
        tail = &(*tail)->next;
    } while (!is(p, ')'));
    return advance(p);
}

static int parse_directives(parser *p, gql_directive **tail, bool constant)
{
    while (is(p, '@')) {
        gql_directive *d = arena_zalloc(p->memory, 1, sizeof *d);
        if (!d) return no_memory(p);
        d->at = p->now.at;
        TRY(advance(p));
        TRY(want_name(p, &d->name, "the name of a directive"));
        TRY(parse_arguments(p, &d->arguments, constant));
        *tail = d;
        tail = &d->next;
    }
    return 0;
}

// Selections.

static int parse_selections(parser *p, gql_selection **out);

static int parse_field(parser *p, gql_selection *s)
{
    s->kind = GQL_FIELD;
    TRY(want_name(p, &s->name, "a field, \"...\" or \"}\""));
    if (is(p, ':')) {
        TRY(advance(p));
        s->alias = s->name;
        TRY(want_name(p, &s->name, "the name of a field"));
        if (++p->n_aliases > GQL_ALIASES_MAX)
            return err_set_at(p->e, ERR_LIMIT, s->at, "the document has more than %d aliases", GQL_ALIASES_MAX);
    }
    TRY(parse_arguments(p, &s->arguments, false));
    TRY(parse_directives(p, &s->directives, false));
    return is(p, '{') ? parse_selections(p, &s->children) : 0;
}

static int parse_fragment(parser *p, gql_selection *s)
{
    TRY(advance(p)); // the dots
    bool on = is_word(p, STR("on"));
    if (p->now.kind == TOKEN_NAME && !on) {
        s->kind = GQL_SPREAD;
        s->name = p->now.text;
        *p->spreads = s;
        p->spreads = &s->next_spread;
        TRY(advance(p));
        return parse_directives(p, &s->directives, false);
    }
    s->kind = GQL_INLINE;
    if (on) {
        TRY(advance(p));
        s->condition_at = p->now.at;
        TRY(want_name(p, &s->condition, "the name of a type"));
    }
    TRY(parse_directives(p, &s->directives, false));
    if (!is(p, '{')) return unexpected(p, "\"{\"");
    return parse_selections(p, &s->children);
}

static int parse_selections(parser *p, gql_selection **tail)
{
    if (!is(p, '{')) return unexpected(p, "\"{\"");
    TRY(enter(p));
    TRY(advance(p));
    do {
        gql_selection *s = arena_zalloc(p->memory, 1, sizeof *s);
        if (!s) return no_memory(p);
        s->at = p->now.at;
        *tail = s;
        tail = &s->next;
        TRY(p->now.kind == TOKEN_SPREAD ? parse_fragment(p, s) : parse_field(p, s));
    } while (!is(p, '}'));
    leave(p);
    return advance(p);
}

// Definitions.

static int parse_type(parser *p, str *name, uint32_t *wraps)
{
    unsigned n_lists = 0, n_wraps = 0;
    uint32_t inner[GQL_NESTING_MAX + 1] = {0}; // by depth: whether what is within the list is required
    while (is(p, '[')) {
        if (n_lists == GQL_NESTING_MAX)
            return err_set_at(p->e, ERR_LIMIT, p->now.at, "a type nests deeper than %d", GQL_NESTING_MAX);
        n_lists++;
        TRY(advance(p));
    }
    TRY(want_name(p, name, "a type"));
    for (unsigned depth = n_lists;; depth--) {
        if (is(p, '!')) {
            inner[depth] = 1;
            TRY(advance(p));
        }
        if (depth == 0) break;
        TRY(want(p, ']', "\"]\""));
    }
    *wraps = 0;
    for (unsigned depth = 0; depth <= n_lists; depth++) {
        if (inner[depth]) *wraps |= (uint32_t)GQL_REQUIRED << 2 * n_wraps++;
        if (depth < n_lists) *wraps |= (uint32_t)GQL_LIST_OF << 2 * n_wraps++;
        if (n_wraps > GQL_WRAPS_MAX)
            return err_set_at(p->e, ERR_LIMIT, p->now.at, "a type has more than %d brackets and \"!\"", GQL_WRAPS_MAX);
    }
    return 0;
}

static int parse_variables(parser *p, gql_variable **tail)
{
    if (!is(p, '(')) return 0;
    TRY(advance(p));
    do {
        gql_variable *v = arena_zalloc(p->memory, 1, sizeof *v);
        if (!v) return no_memory(p);
        *tail = v;
        tail = &v->next;
        v->at = p->now.at;
        if (p->now.kind == TOKEN_STRING || p->now.kind == TOKEN_BLOCK_STRING) TRY(advance(p)); // its description
        if (!is(p, '$')) return unexpected(p, "a variable");
        TRY(parse_variable_name(p, &v->name));
        TRY(want(p, ':', "\":\""));
        v->type_at = p->now.at;
        TRY(parse_type(p, &v->type_name, &v->wraps));
        if (is(p, '=')) {
            TRY(advance(p));
            TRY(parse_value(p, &v->standard, true));
        }
        TRY(parse_directives(p, &v->directives, true));
    } while (!is(p, ')'));
    return advance(p);
}

static int parse_kind(parser *p, gql_definition *d)
{
    static const struct {
        str word;
        gql_definition_kind kind;
    } kinds[] = {{{"query", 5}, GQL_QUERY},
                 {{"mutation", 8}, GQL_MUTATION},
                 {{"subscription", 12}, GQL_SUBSCRIPTION},
                 {{"fragment", 8}, GQL_FRAGMENT}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_word(p, kinds[i].word)) {
            d->kind = kinds[i].kind;
            return advance(p);
        }
    static const char *const types[] = {"schema", "scalar",    "type",   "interface", "union",
                                        "enum",   "directive", "extend", "input"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (is_word(p, str_of(types[i])))
            return err_set_at(p->e, ERR_FORMAT, p->now.at, "a document to execute defines no types: \"%s\"", types[i]);
    return unexpected(p, "an operation or a fragment");
}

static int parse_definition(parser *p, gql_definition *d)
{
    p->spreads = &d->spreads;
    d->at = p->now.at;
    if (p->now.kind == TOKEN_STRING || p->now.kind == TOKEN_BLOCK_STRING) {
        d->about = p->now.text;
        TRY(advance(p));
    } else if (is(p, '{')) {
        d->kind = GQL_QUERY;
        d->shorthand = true;
        return parse_selections(p, &d->children);
    }
    TRY(parse_kind(p, d));
    if (d->kind == GQL_FRAGMENT) {
        if (is_word(p, STR("on"))) return unexpected(p, "the name of a fragment");
        TRY(want_name(p, &d->name, "the name of a fragment"));
        if (!is_word(p, STR("on"))) return unexpected(p, "\"on\"");
        TRY(advance(p));
        d->condition_at = p->now.at;
        TRY(want_name(p, &d->condition, "the name of a type"));
    } else {
        if (p->now.kind == TOKEN_NAME) TRY(want_name(p, &d->name, "a name"));
        TRY(parse_variables(p, &d->variables));
    }
    TRY(parse_directives(p, &d->directives, false));
    return parse_selections(p, &d->children);
}

static int check_utf8(str source, err *e)
{
    for (size_t at = 0; at < source.len;) {
        size_t len = utf8_char_len((str){source.data + at, source.len - at});
        if (len == 0) return err_set_at(e, ERR_FORMAT, (int64_t)at, "the document is not UTF-8");
        at += len;
    }
    return 0;
}

static int start(parser *p, str source, arena *a, err *e)
{
    if (source.len > GQL_SOURCE_MAX)
        return err_set(e, ERR_LIMIT, "the document has %zu bytes, at most %d", source.len, GQL_SOURCE_MAX);
    if (!source.data) source = STR("");
    TRY(check_utf8(source, e));
    *p = (parser){.lexer = {.source = source, .memory = a}, .memory = a, .e = e};
    return advance(p);
}

int gql_parse(gql_document **out, str source, arena *a, err *e)
{
    parser p;
    TRY(start(&p, source, a, e));
    gql_document *d = arena_zalloc(a, 1, sizeof *d);
    if (!d) return no_memory(&p);
    d->source = source;
    gql_definition **tail = &d->definitions;
    do {
        if (++d->n_definitions > GQL_DEFINITIONS_MAX)
            return err_set_at(e, ERR_LIMIT, p.now.at, "more than %d operations and fragments", GQL_DEFINITIONS_MAX);
        if (!(*tail = arena_zalloc(a, 1, sizeof **tail))) return no_memory(&p);
        TRY(parse_definition(&p, *tail));
        tail = &(*tail)->next;
    } while (p.now.kind != TOKEN_END);
    *out = d;
    return 0;
}

int gql_parse_value(gql_value **out, str source, arena *a, err *e)
{
    parser p;
    gql_value *v;
    TRY(start(&p, source, a, e));
    TRY(parse_value(&p, &v, true));
    if (p.now.kind != TOKEN_END) return unexpected(&p, "the end");
    *out = v;
    return 0;
}
