// JSON into values. Variables may be large (rows to predict), so that nothing is copied that is plain in the text.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/decimal.h"
#include "base/utf8.h"
#include "graphql/lexer_impl.h"
#include "graphql/value.h"

typedef struct reader {
    const char *start, *at, *end;
    arena *memory;
    err *e;
} reader;

static int fault(reader *r, const char *why)
{
    return err_set_at(r->e, ERR_FORMAT, r->at - r->start, "no JSON: %s at byte %zu", why, (size_t)(r->at - r->start));
}

static void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static int escape_of(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return -1;
    }
}

static int unescape(reader *r, char **to)
{
    r->at++; // the backslash
    if (r->at == r->end) return fault(r, "it ends in the middle of a text");
    if (*r->at != 'u') {
        int c = escape_of(*r->at);
        if (c < 0) return fault(r, "an escape that JSON does not have");
        *(*to)++ = (char)c;
        r->at++;
        return 0;
    }
    uint32_t code;
    size_t len = gql_scan_unicode((str){r->at, (size_t)(r->end - r->at)}, false, &code);
    if (len == 0) return fault(r, "\\u without four hexadecimal digits, or half of a surrogate pair");
    *to += utf8_put(code, *to);
    r->at += len;
    return 0;
}

// A text, r->at on its opening quote: a view, or unescaped into the arena.
static int read_text(reader *r, str *out)
{
    const char *start = ++r->at, *end = start;
    bool plain = true;
    while (end < r->end && *end != '"') {
        plain = plain && *end != '\\';
        end += *end == '\\' && end + 1 < r->end ? 2 : 1;
    }
    if (end >= r->end) {
        r->at = r->end;
        return fault(r, "it ends in the middle of a text");
    }
    char *text = NULL, *to = NULL;
    if (!plain && !(text = to = arena_alloc(r->memory, (size_t)(end - start), 1)))
        return err_set(r->e, ERR_MEMORY, "no memory for a text");
    while (r->at < end) {
        if (*r->at == '\\') {
            TRY(unescape(r, &to));
            continue;
        }
        if ((unsigned char)*r->at < 0x20) return fault(r, "a control character in a text");
        size_t len = utf8_char_len((str){r->at, (size_t)(end - r->at)});
        if (len == 0) return fault(r, "a text that is not UTF-8");
        if (!plain) {
            memcpy(to, r->at, len);
            to += len;
        }
        r->at += len;
    }
    *out = plain ? (str){start, (size_t)(end - start)} : (str){text, (size_t)(to - text)};
    r->at = end + 1;
    return 0;
}

static bool take_word(reader *r, str word)
{
    if ((size_t)(r->end - r->at) < word.len || memcmp(r->at, word.data, word.len) != 0) return false;
    r->at += word.len;
    return true;
}

static int read_number(reader *r, gql_value *v)
{
    double real;
    size_t len = decimal_scan_json((str){r->at, (size_t)(r->end - r->at)}, &real);
    if (len == 0) return fault(r, "a number that JSON does not have");
    v->text = (str){r->at, len};
    v->kind = GQL_INT;
    for (size_t i = 0; i < len; i++)
        if (r->at[i] == '.' || (r->at[i] | 0x20) == 'e') v->kind = GQL_FLOAT;
    r->at += len;
    return 0;
}

static int read_value(reader *r, gql_value **out, unsigned depth);

static int read_children(reader *r, gql_value *v, unsigned depth)
{
    char close = v->kind == GQL_LIST ? ']' : '}';
    gql_value **tail = &v->first;
    if (depth == GQL_JSON_DEPTH_MAX)
        return err_set_at(r->e, ERR_LIMIT, r->at - r->start, "lists and objects nest deeper than %d",
                          GQL_JSON_DEPTH_MAX);
    r->at++;
    skip_blanks(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
        return 0;
    }
    for (;;) {
        str name = {0};
        if (v->kind == GQL_OBJECT) {
            skip_blanks(r);
            if (r->at == r->end || *r->at != '"') return fault(r, "no name of a member where one belongs");
            TRY(read_text(r, &name));
            skip_blanks(r);
            if (r->at == r->end || *r->at != ':') return fault(r, "no colon after a name");
            r->at++;
        }
        TRY(read_value(r, tail, depth + 1));
        (*tail)->name = name;
        tail = &(*tail)->next;
        v->n++;
        skip_blanks(r);
        if (r->at == r->end) return fault(r, "it ends in the middle");
        char c = *r->at;
        if (c != ',' && c != close) return fault(r, "neither a comma nor the end");
        r->at++;
        if (c == close) return 0;
    }
}

static int read_value(reader *r, gql_value **out, unsigned depth)
{
    gql_value *v = arena_zalloc(r->memory, 1, sizeof *v);
    if (!v) return err_set(r->e, ERR_MEMORY, "no memory for a value");
    *out = v;
    v->at = GQL_AT_NONE;
    skip_blanks(r);
    if (r->at == r->end) return fault(r, "it ends in the middle");
    char c = *r->at;
    if (c == '{' || c == '[') {
        v->kind = c == '{' ? GQL_OBJECT : GQL_LIST;
        return read_children(r, v, depth);
    }
    if (c == '"') {
        v->kind = GQL_STRING;
        return read_text(r, &v->text);
    }
    if (c == '-' || (c >= '0' && c <= '9')) return read_number(r, v);
    if (take_word(r, STR("null"))) return 0;
    v->kind = GQL_BOOLEAN;
    v->truth = take_word(r, STR("true"));
    if (v->truth || take_word(r, STR("false"))) return 0;
    return fault(r, "no value where one belongs");
}

int gql_json_parse(gql_value **out, str text, arena *a, err *e)
{
    if (text.len == 0) return err_set_at(e, ERR_FORMAT, 0, "no JSON: it is empty");
    reader r = {.start = text.data, .at = text.data, .end = text.data + text.len, .memory = a, .e = e};
    gql_value *v = NULL;
    TRY(read_value(&r, &v, 0));
    skip_blanks(&r);
    if (r.at < r.end) return fault(&r, "something follows the value");
    *out = v;
    return 0;
}
