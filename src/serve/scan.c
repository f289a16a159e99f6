// Characters, texts, numbers, and values that nobody asked for.
// SPDX-License-Identifier: Apache-2.0
#include "serve/scan.h"

#include <string.h>

#include "base/decimal.h"
#include "base/utf8.h"

int scan_not_json(scan *s, const char *why)
{
    s->place->code = "invalid_json";
    int64_t at = s->at - s->start;
    return err_set_at(s->e, ERR_FORMAT, at, "the body is not JSON: %s at byte %lld", why, (long long)at);
}

int scan_no_memory(scan *s)
{
    s->place->code = "memory";
    return err_set(s->e, ERR_MEMORY, "the request wants more memory than one may have");
}

static int ends_early(scan *s)
{
    return scan_not_json(s, "it ends in the middle");
}

int scan_want(scan *s, char c, const char *why)
{
    scan_blanks(s);
    if (scan_take(s, c)) return 0;
    return s->at == s->end ? ends_early(s) : scan_not_json(s, why);
}

int scan_other(scan *s)
{
    if (s->at == s->end) return ends_early(s);
    if (memchr("{[\"-0123456789tfn", *s->at, 17)) return 0;
    return scan_not_json(s, "no value where one belongs");
}

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

static int hex4(const char *p, const char *end)
{
    if (end - p < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : -1;
        if (digit < 0) return -1;
        value = 16 * value + digit;
    }
    return value;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3F));
        *to++ = (char)(0x80 | (c >> 6 & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

// One escape at s->at, past its backslash; writes at most as many bytes as it took.
static int unescape(scan *s, char **to)
{
    if (s->at == s->end) return ends_early(s);
    switch (*s->at) {
    case '"': *(*to)++ = '"'; break;
    case '\\': *(*to)++ = '\\'; break;
    case '/': *(*to)++ = '/'; break;
    case 'b': *(*to)++ = '\b'; break;
    case 'f': *(*to)++ = '\f'; break;
    case 'n': *(*to)++ = '\n'; break;
    case 'r': *(*to)++ = '\r'; break;
    case 't': *(*to)++ = '\t'; break;
    case 'u': {
        int c = hex4(s->at + 1, s->end);
        if (c < 0) return scan_not_json(s, "\\u without four hexadecimal digits");
        uint32_t code = (uint32_t)c;
        if (code >= 0xD800 && code < 0xE000) {
            int low = s->end - s->at > 6 && s->at[5] == '\\' && s->at[6] == 'u' ? hex4(s->at + 7, s->end) : -1;
            if (code >= 0xDC00 || low < 0xDC00 || low > 0xDFFF) return scan_not_json(s, "half of a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
            s->at += 6;
        }
        *to = put_utf8(*to, code);
        s->at += 4;
        break;
    }
    default: return scan_not_json(s, "an escape that JSON does not have");
    }
    s->at++;
    return 0;
}

// Whether any of eight bytes ends a run of plain text: a quote, a backslash, a control, or the start of UTF-8.
static inline uint64_t ends_run(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = word ^ '"' * ones, slash = word ^ '\\' * ones;
    return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | (word - 0x20 * ones) | word) & tops;
}

static inline const char *end_of_run(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        if (ends_run(word)) break;
        p += 8;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80) p++;
    return p;
}

// Moves over text up to a quote or backslash: UTF-8 without controls.
static int pass_text(scan *s)
{
    for (;;) {
        s->at = end_of_run(s->at, s->end);
        if (s->at == s->end) return scan_not_json(s, "it ends in the middle of a text");
        if (*s->at == '"' || *s->at == '\\') return 0;
        size_t len = utf8_char_len((str){s->at, (size_t)(s->end - s->at)});
        if ((unsigned char)*s->at < 0x20) return scan_not_json(s, "a control character in a text");
        if (len == 0) return scan_not_json(s, "a text that is not UTF-8");
        s->at += len;
    }
}

// A text, s->at on its opening quote: a view of the body, or unescaped into the arena.
int scan_text(scan *s, str *out)
{
    const char *start = ++s->at;
    TRY(pass_text(s));
    if (*s->at == '"') {
        *out = (str){start, (size_t)(s->at++ - start)};
        return 0;
    }
    // As long as its raw form at most; where that ends is not known yet, but nowhere past the next bare quote.
    const char *end = s->at;
    while (end < s->end && *end != '"') end += *end == '\\' && end + 1 < s->end ? 2 : 1;
    if (end >= s->end) {
        s->at = s->end;
        return scan_not_json(s, "it ends in the middle of a text");
    }
    char *text = arena_alloc(s->memory, (size_t)(end - start) + 1, 1);
    if (!text) return scan_no_memory(s);
    char *to = put(text, start, (size_t)(s->at - start));
    while (*s->at == '\\') {
        s->at++;
        TRY(unescape(s, &to));
        start = s->at;
        TRY(pass_text(s));
        to = put(to, start, (size_t)(s->at - start));
    }
    s->at++;
    *out = (str){text, (size_t)(to - text)};
    return 0;
}

int scan_number(scan *s, str *token, double *value)
{
    size_t len = decimal_scan_json((str){s->at, (size_t)(s->end - s->at)}, value);
    if (len == 0) return scan_not_json(s, "a number that JSON does not have");
    *token = (str){s->at, len};
    s->at += len;
    return 0;
}

// A text whose value nobody wants, s->at on its opening quote: checked all the same.
static int skip_text(scan *s)
{
    s->at++;
    for (;;) {
        TRY(pass_text(s));
        if (*s->at++ == '"') return 0;
        char room[4], *to = room; // of one character
        TRY(unescape(s, &to));
    }
}

// A value that holds no others.
static int skip_plain(scan *s)
{
    if (s->at == s->end) return ends_early(s);
    if (*s->at == '"') return skip_text(s);
    if (scan_word(s, "null", 4) || scan_word(s, "true", 4) || scan_word(s, "false", 5)) return 0;
    if (s->nan && scan_word(s, "NaN", 3)) return 0;
    if (*s->at != '-' && (*s->at < '0' || *s->at > '9')) return scan_not_json(s, "no value where one belongs");
    str token;
    double value;
    return scan_number(s, &token, &value);
}

// The name of a member, and its colon.
static int pass_name(scan *s)
{
    scan_blanks(s);
    if (s->at == s->end || *s->at != '"')
        return s->at == s->end ? ends_early(s) : scan_not_json(s, "no name where one belongs");
    TRY(skip_text(s));
    return scan_want(s, ':', "no colon after a name");
}

int scan_skip(scan *s)
{
    char closes[SCAN_DEPTH_MAX]; // what ends the values that are open
    size_t depth = 0;
    for (;;) {
        scan_blanks(s);
        bool object = scan_take(s, '{');
        if (object || scan_take(s, '[')) {
            if (depth == SCAN_DEPTH_MAX) return scan_not_json(s, "values nested more than 64 deep");
            closes[depth++] = object ? '}' : ']';
            scan_blanks(s);
            if (!scan_take(s, closes[depth - 1])) {
                if (object) TRY(pass_name(s));
                continue;
            }
            depth--;
        } else {
            TRY(skip_plain(s));
        }
        for (;;) { // after a value
            if (depth == 0) return 0;
            scan_blanks(s);
            if (scan_take(s, ',')) break;
            if (!scan_take(s, closes[depth - 1]))
                return s->at == s->end ? ends_early(s) : scan_not_json(s, "no comma or end after a value");
            depth--;
        }
        if (closes[depth - 1] == '}') TRY(pass_name(s));
    }
}

int scan_member(scan *s, size_t *n, str *name)
{
    scan_blanks(s);
    if (scan_take(s, '}')) return 0;
    if (*n > 0) {
        TRY(scan_want(s, ',', "no comma or } after a value"));
        scan_blanks(s);
    }
    if (s->at == s->end || *s->at != '"')
        return s->at == s->end ? ends_early(s) : scan_not_json(s, "no name where one belongs");
    TRY(scan_text(s, name));
    TRY(scan_want(s, ':', "no colon after a name"));
    scan_blanks(s);
    ++*n;
    return 1;
}

int scan_element(scan *s, size_t *n)
{
    scan_blanks(s);
    if (scan_take(s, ']')) return 0;
    if (*n > 0) {
        TRY(scan_want(s, ',', "no comma or ] after a value"));
        scan_blanks(s);
    }
    ++*n;
    return 1;
}

int scan_end(scan *s)
{
    scan_blanks(s);
    return s->at == s->end ? 0 : scan_not_json(s, "there is something after its end");
}
