// Bytes to tokens, by the lexical grammar of the specification.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/lexer_impl.h"

#include <string.h>

#include "base/utf8.h"
#include "graphql/document.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char char_at(const gql_lexer *l, size_t at) // NUL past the end, which no rule lets through
{
    return at < l->source.len ? l->source.data[at] : '\0';
}

static int fault(const gql_lexer *l, size_t at, const char *why, err *e)
{
    (void)l;
    return err_set_at(e, ERR_FORMAT, (int64_t)at, "%s", why);
}

static void skip_ignored(gql_lexer *l)
{
    str s = l->source;
    for (;;) {
        char c = char_at(l, l->at);
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',') {
            l->at++;
        } else if (c == '#') {
            while (l->at < s.len && s.data[l->at] != '\n' && s.data[l->at] != '\r') l->at++;
        } else if (s.len - l->at >= 3 && memcmp(s.data + l->at, "\xEF\xBB\xBF", 3) == 0) {
            l->at += 3; // byte order mark
        } else {
            return;
        }
    }
}

static int scan_number(gql_lexer *l, gql_token *out, err *e)
{
    size_t start = l->at, at = start + (char_at(l, start) == '-');
    out->kind = TOKEN_INT;
    if (!is_digit(char_at(l, at))) return fault(l, at, "a digit is missing after \"-\"", e);
    if (char_at(l, at) == '0' && is_digit(char_at(l, at + 1)))
        return fault(l, at + 1, "a number that starts with 0", e);
    while (is_digit(char_at(l, at))) at++;
    if (char_at(l, at) == '.') {
        out->kind = TOKEN_FLOAT;
        if (!is_digit(char_at(l, ++at))) return fault(l, at, "a digit is missing after the point of a number", e);
        while (is_digit(char_at(l, at))) at++;
    }
    if (char_at(l, at) == 'e' || char_at(l, at) == 'E') {
        out->kind = TOKEN_FLOAT;
        at++;
        if (char_at(l, at) == '+' || char_at(l, at) == '-') at++;
        if (!is_digit(char_at(l, at))) return fault(l, at, "a digit is missing in the exponent of a number", e);
        while (is_digit(char_at(l, at))) at++;
    }
    if (char_at(l, at) == '.' || starts_name(char_at(l, at)))
        return fault(l, at, "a number runs into something else", e);
    out->text = (str){l->source.data + start, at - start};
    l->at = at;
    return 0;
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool hex4(str s, uint32_t *out)
{
    if (s.len < 4) return false;
    uint32_t code = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(s.data[i]);
        if (digit < 0) return false;
        code = 16 * code + (uint32_t)digit;
    }
    *out = code;
    return true;
}

static size_t scan_braces(str text, uint32_t *out) // "u{"
{
    uint32_t code = 0;
    size_t i = 2;
    for (; i < text.len && hex_digit(text.data[i]) >= 0; i++) {
        code = 16 * code + (uint32_t)hex_digit(text.data[i]);
        if (code > 0x10FFFF) return 0;
    }
    if (i == 2 || i == text.len || text.data[i] != '}' || (code >= 0xD800 && code < 0xE000)) return 0;
    *out = code;
    return i + 1;
}

size_t gql_scan_unicode(str text, bool braces, uint32_t *out)
{
    uint32_t code, low;
    if (braces && text.len > 1 && text.data[1] == '{') return scan_braces(text, out);
    if (text.len < 5 || !hex4((str){text.data + 1, text.len - 1}, &code)) return 0;
    *out = code;
    if (code < 0xD800 || code > 0xDFFF) return 5;
    bool pair = code < 0xDC00 && text.len >= 11 && text.data[5] == '\\' && text.data[6] == 'u' &&
                hex4((str){text.data + 7, 4}, &low) && low >= 0xDC00 && low <= 0xDFFF;
    if (!pair) return 0;
    *out = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    return 11;
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

// A string of one line, l->at on its opening quote. First its end is found, then it is unescaped if it has to be.
static int scan_string(gql_lexer *l, gql_token *out, err *e)
{
    str s = l->source;
    size_t start = l->at + 1, end = start;
    bool plain = true;
    for (; end < s.len && s.data[end] != '"'; end++) {
        if (s.data[end] == '\n' || s.data[end] == '\r') break;
        if (s.data[end] != '\\') continue;
        plain = false;
        if (end + 1 < s.len && s.data[end + 1] != '\n' && s.data[end + 1] != '\r') end++;
    }
    if (end >= s.len || s.data[end] != '"') return fault(l, end < s.len ? end : s.len, "a string without its end", e);
    out->kind = TOKEN_STRING;
    out->text = (str){s.data + start, end - start};
    l->at = end + 1;
    if (plain) return 0;
    char *text = arena_alloc(l->memory, end - start, 1), *to = text;
    if (!text) return err_set(e, ERR_MEMORY, "no memory for a string");
    for (size_t at = start; at < end;) {
        if (s.data[at] != '\\') {
            *to++ = s.data[at++];
            continue;
        }
        int c = escape_of(s.data[at + 1]);
        if (c >= 0) {
            *to++ = (char)c;
            at += 2;
            continue;
        }
        uint32_t code;
        size_t len = s.data[at + 1] == 'u' ? gql_scan_unicode((str){s.data + at + 1, end - at - 1}, true, &code) : 0;
        if (len == 0) return fault(l, at, "an escape that strings do not have", e);
        to += utf8_put(code, to);
        at += 1 + len;
    }
    out->text = (str){text, (size_t)(to - text)};
    return 0;
}

// Block strings: lines lose the indentation that all but the first share, and blank lines at both ends go.

static size_t line_len(str s)
{
    size_t n = 0;
    while (n < s.len && s.data[n] != '\n' && s.data[n] != '\r') n++;
    return n;
}

static size_t line_end_len(str s) // at the end of a line that is not the last
{
    return s.len > 1 && s.data[0] == '\r' && s.data[1] == '\n' ? 2 : 1;
}

static size_t indent_of(str line)
{
    size_t n = 0;
    while (n < line.len && (line.data[n] == ' ' || line.data[n] == '\t')) n++;
    return n;
}

static bool next_line(str *rest, bool *more, str *line)
{
    if (!*more) return false;
    size_t len = line_len(*rest);
    *line = (str){rest->data, len};
    *rest = (str){rest->data + len, rest->len - len};
    *more = rest->len > 0;
    if (*more) {
        size_t past = line_end_len(*rest);
        *rest = (str){rest->data + past, rest->len - past};
    }
    return true;
}

static str dedent(str raw, char *to)
{
    size_t common = SIZE_MAX, first = SIZE_MAX, last = 0, n = 0;
    str line, rest = raw;
    for (bool more = true; next_line(&rest, &more, &line); n++) {
        size_t indent = indent_of(line);
        if (indent == line.len) continue;
        if (first == SIZE_MAX) first = n;
        last = n;
        if (n > 0 && indent < common) common = indent;
    }
    if (first == SIZE_MAX) return (str){to, 0};
    char *start = to;
    rest = raw;
    n = 0;
    for (bool more = true; next_line(&rest, &more, &line); n++) {
        if (n < first || n > last) continue;
        size_t cut = n == 0 || common == SIZE_MAX ? 0 : common < line.len ? common : line.len;
        if (n > first) *to++ = '\n';
        memmove(to, line.data + cut, line.len - cut);
        to += line.len - cut;
    }
    return (str){start, (size_t)(to - start)};
}

static bool three_quotes(str s, size_t at)
{
    return s.len - at >= 3 && memcmp(s.data + at, "\"\"\"", 3) == 0;
}

static int scan_block_string(gql_lexer *l, gql_token *out, err *e)
{
    str s = l->source;
    size_t start = l->at + 3, end = start;
    while (end < s.len && !three_quotes(s, end)) {
        bool escaped = s.data[end] == '\\' && three_quotes(s, end + 1);
        end += escaped ? 4 : 1;
    }
    if (end >= s.len) return fault(l, s.len, "a block string without its end", e);
    // Escaped quotes are three bytes for four, so neither step needs more room than the raw text.
    char *raw = arena_alloc(l->memory, end - start, 1), *text = arena_alloc(l->memory, end - start, 1);
    if (!raw || !text) return err_set(e, ERR_MEMORY, "no memory for a string");
    size_t n = 0;
    for (size_t at = start; at < end; at++) {
        if (s.data[at] == '\\' && at + 3 < end && three_quotes(s, at + 1))
            at++, raw[n++] = '"', raw[n++] = '"', at += 2;
        raw[n++] = s.data[at];
    }
    out->kind = TOKEN_BLOCK_STRING;
    out->text = dedent((str){raw, n}, text);
    l->at = end + 3;
    return 0;
}

int gql_next_token(gql_lexer *l, gql_token *out, err *e)
{
    skip_ignored(l);
    gql_token t = {.kind = TOKEN_END, .at = (uint32_t)l->at, .text = {l->source.data + l->at, 0}};
    if (l->at == l->source.len) {
        *out = t;
        return 0;
    }
    if (++l->n_tokens > GQL_TOKENS_MAX)
        return err_set_at(e, ERR_LIMIT, t.at, "the document has more than %d tokens", GQL_TOKENS_MAX);
    char c = char_at(l, l->at);
    if (starts_name(c)) {
        size_t at = l->at;
        while (starts_name(char_at(l, at)) || is_digit(char_at(l, at))) at++;
        t.kind = TOKEN_NAME;
        t.text.len = at - l->at;
        l->at = at;
    } else if (is_digit(c) || c == '-') {
        TRY(scan_number(l, &t, e));
    } else if (c == '"') {
        TRY(three_quotes(l->source, l->at) ? scan_block_string(l, &t, e) : scan_string(l, &t, e));
    } else if (c != '\0' && strchr("!$&():=@[]{|}", c)) {
        t.kind = TOKEN_OF(c);
        t.text.len = 1;
        l->at++;
    } else if (l->source.len - l->at >= 3 && memcmp(l->source.data + l->at, "...", 3) == 0) {
        t.kind = TOKEN_SPREAD;
        t.text.len = 3;
        l->at += 3;
    } else {
        return fault(l, l->at, "a character that the language has no use for here", e);
    }
    *out = t;
    return 0;
}

void gql_place_of(str source, uint32_t at, uint32_t *line, uint32_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && i < source.len; i++) {
        unsigned char c = (unsigned char)source.data[i];
        if (c == '\n' || (c == '\r' && !(i + 1 < source.len && source.data[i + 1] == '\n'))) {
            ++*line;
            *column = 1;
        } else if ((c & 0xC0) != 0x80) {
            ++*column;
        }
    }
}
