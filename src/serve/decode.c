// One pass over the body with one table lookup a value. A key is first compared with the column that stood at its place
// in the row before, because clients repeat their order; else it is looked up. Nothing nests, so nothing recurses.
// SPDX-License-Identifier: Apache-2.0
#include "serve/decode.h"

#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { ROWS_FIRST = 16, POINTER_NAME_MAX = 256 };

typedef struct column_name {
    const char *text;
    uint32_t len;
    bool plain; // the same in JSON, between quotes
} column_name;

struct decoder {
    const schema *schema;
    column_name *names; // n_inputs
    uint32_t *table;    // input + 1 by hash, 0 is free; mask + 1 places, at most half of them taken
    size_t mask;
};

// One body on its way. What is read next is at `at`.
typedef struct reader {
    const decoder *d;
    const char *start, *at, *end;
    arena *memory;
    batch *out;
    size_t rows_cap, rows_max;
    place *place;
    err *e;
} reader;

static bool is_plain(str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == '"' || name.data[i] == '\\') return false;
    return true;
}

int decoder_new(decoder **out, const schema *s, err *e)
{
    decoder *d = mem_zalloc(1, sizeof *d);
    size_t places = 16;
    while (places < 2 * s->n_inputs) places *= 2;
    if (d) {
        d->schema = s;
        d->mask = places - 1;
        d->names = mem_alloc(s->n_inputs, sizeof *d->names);
        d->table = mem_zalloc(places, sizeof *d->table);
    }
    if (!d || !d->names || !d->table) {
        decoder_free(d);
        return err_set(e, ERR_MEMORY, "no memory for the names of %zu columns", s->n_inputs);
    }
    for (size_t i = 0; i < s->n_inputs; i++) {
        str name = str_of(s->inputs[i].name);
        d->names[i] = (column_name){.text = name.data, .len = (uint32_t)name.len, .plain = is_plain(name)};
        size_t at = hash_bytes(name.data, name.len, 0) & d->mask;
        while (d->table[at]) at = (at + 1) & d->mask;
        d->table[at] = (uint32_t)i + 1;
    }
    *out = d;
    return 0;
}

void decoder_free(decoder *d)
{
    if (!d) return;
    mem_free(d->names);
    mem_free(d->table);
    mem_free(d);
}

static int64_t find_name(const decoder *d, str name)
{
    for (size_t at = hash_bytes(name.data, name.len, 0) & d->mask; d->table[at]; at = (at + 1) & d->mask) {
        const column_name *n = &d->names[d->table[at] - 1];
        if (n->len == name.len && memcmp(n->text, name.data, name.len) == 0) return d->table[at] - 1;
    }
    return -1;
}

// Errors.

static int not_json(reader *r, const char *why)
{
    r->place->code = "invalid_json";
    int64_t at = r->at - r->start;
    return err_set_at(r->e, ERR_FORMAT, at, "the body is not JSON: %s at byte %lld", why, (long long)at);
}

static int no_memory(reader *r)
{
    r->place->code = "memory";
    return err_set(r->e, ERR_MEMORY, "the request wants more memory than one may have");
}

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

// "/rows/3/age", or "/columns/age/3": the name escaped as RFC 6901 says. Without memory there is no pointer.
static void set_place(reader *r, const char *code, body_form form, int64_t row, str name)
{
    *r->place = (place){.code = code, .row = row, .column = name};
    char number[DECIMAL_TEXT_SIZE];
    size_t digits = row >= 0 ? decimal_format_i64(row, number) : 0;
    char *text = arena_alloc(r->memory, 2 * name.len + digits + sizeof "/columns//", 1);
    if (!text) return;
    char *p = form == BODY_ROWS ? put(text, "/rows", 5) : put(text, "/columns", 8);
    if (form == BODY_ROWS && row >= 0) {
        *p++ = '/';
        p = put(p, number, digits);
    }
    if (name.len > 0) *p++ = '/';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c == '~' || c == '/') {
            *p++ = '~';
            c = c == '~' ? '0' : '1';
        }
        *p++ = c;
    }
    if (form == BODY_COLUMNS && row >= 0) {
        *p++ = '/';
        p = put(p, number, digits);
    }
    r->place->pointer = (str){text, (size_t)(p - text)};
}

// What is wrong with one value: "row 3, column "age": a text where a number belongs".
static int wrong_value(reader *r, const char *code, body_form form, size_t row, str name, const char *what,
                       const char *wanted)
{
    set_place(r, code, form, (int64_t)row, name);
    return err_set(r->e, ERR_INPUT, "row %zu, column \"" STR_FORMAT "\": %s%s%s", row, STR_ARGS(name), what,
                   wanted ? " where " : "", wanted ? wanted : "");
}

// Characters.

static inline void skip_blanks(reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) r->at++;
}

static inline bool take(reader *r, char c)
{
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static int want(reader *r, char c, const char *why)
{
    skip_blanks(r);
    if (take(r, c)) return 0;
    return not_json(r, r->at == r->end ? "it ends in the middle" : why);
}

// For where a value of one kind belongs and its first character is not there: 0 if there is a value of another kind.
static int want_value(reader *r)
{
    if (r->at == r->end) return not_json(r, "it ends in the middle");
    if (memchr("{[\"-0123456789tfn", *r->at, 17)) return 0;
    return not_json(r, "no value where one belongs");
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

// One escape at r->at, past its backslash; writes at most as many bytes as it took.
static int unescape(reader *r, char **to)
{
    if (r->at == r->end) return not_json(r, "it ends in the middle");
    switch (*r->at) {
    case '"': *(*to)++ = '"'; break;
    case '\\': *(*to)++ = '\\'; break;
    case '/': *(*to)++ = '/'; break;
    case 'b': *(*to)++ = '\b'; break;
    case 'f': *(*to)++ = '\f'; break;
    case 'n': *(*to)++ = '\n'; break;
    case 'r': *(*to)++ = '\r'; break;
    case 't': *(*to)++ = '\t'; break;
    case 'u': {
        int c = hex4(r->at + 1, r->end);
        if (c < 0) return not_json(r, "\\u without four hexadecimal digits");
        uint32_t code = (uint32_t)c;
        if (code >= 0xD800 && code < 0xE000) {
            int low = r->end - r->at > 6 && r->at[5] == '\\' && r->at[6] == 'u' ? hex4(r->at + 7, r->end) : -1;
            if (code >= 0xDC00 || low < 0xDC00 || low > 0xDFFF) return not_json(r, "half of a surrogate pair");
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
            r->at += 6;
        }
        *to = put_utf8(*to, code);
        r->at += 4;
        break;
    }
    default: return not_json(r, "an escape that JSON does not have");
    }
    r->at++;
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
static int pass_text(reader *r)
{
    for (;;) {
        r->at = end_of_run(r->at, r->end);
        if (r->at == r->end) return not_json(r, "it ends in the middle of a text");
        if (*r->at == '"' || *r->at == '\\') return 0;
        size_t len = utf8_char_len((str){r->at, (size_t)(r->end - r->at)});
        if ((unsigned char)*r->at < 0x20) return not_json(r, "a control character in a text");
        if (len == 0) return not_json(r, "a text that is not UTF-8");
        r->at += len;
    }
}

// A text, r->at on its opening quote: a view of the body, or unescaped into the arena.
static int read_text(reader *r, str *out)
{
    const char *start = ++r->at;
    TRY(pass_text(r));
    if (*r->at == '"') {
        *out = (str){start, (size_t)(r->at++ - start)};
        return 0;
    }
    // As long as its raw form at most; where that ends is not known yet, but nowhere past the next bare quote.
    const char *end = r->at;
    while (end < r->end && *end != '"') end += *end == '\\' && end + 1 < r->end ? 2 : 1;
    if (end >= r->end) {
        r->at = r->end;
        return not_json(r, "it ends in the middle of a text");
    }
    char *text = arena_alloc(r->memory, (size_t)(end - start) + 1, 1);
    if (!text) return no_memory(r);
    char *to = put(text, start, (size_t)(r->at - start));
    while (*r->at == '\\') {
        r->at++;
        TRY(unescape(r, &to));
        start = r->at;
        TRY(pass_text(r));
        to = put(to, start, (size_t)(r->at - start));
    }
    r->at++;
    *out = (str){text, (size_t)(to - text)};
    return 0;
}

// Values.

static const char *belongs(column_type t)
{
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: return "a number belongs";
    case COLUMN_BOOLEAN: return "true or false belongs";
    case COLUMN_DATETIME: return "a date belongs (ISO 8601, or milliseconds since 1970)";
    default: return "a text belongs";
    }
}

static str input_name(const reader *r, size_t input)
{
    return (str){r->d->names[input].text, r->d->names[input].len};
}

static int wrong_type(reader *r, size_t input, size_t row, body_form form, const char *what)
{
    column_type t = r->d->schema->inputs[input].type;
    return wrong_value(r, "wrong_type", form, row, input_name(r, input), what, belongs(t));
}

static int take_missing(reader *r, size_t input, size_t row, body_form form)
{
    if (r->d->schema->inputs[input].missing_ok) return 0; // batch_new() made it missing
    return wrong_value(r, "missing_value", form, row, input_name(r, input),
                       "a missing value, which the model has no answer for", NULL);
}

static int take_number(reader *r, size_t input, size_t row, body_form form)
{
    const batch_column *c = &r->out->columns[input];
    column_type t = r->d->schema->inputs[input].type;
    double value;
    size_t len = decimal_scan_json((str){r->at, (size_t)(r->end - r->at)}, &value);
    if (len == 0) return not_json(r, "a number that JSON does not have");
    str token = {r->at, len};
    r->at += len;
    if (c->f32) {
        if (t == COLUMN_BOOLEAN && value != 0 && value != 1)
            return wrong_type(r, input, row, form, "a number other than 0 and 1");
        if (!(fabs(value) <= (double)__FLT_MAX__))
            return wrong_value(r, "out_of_range", form, row, input_name(r, input), "a number too large for float32",
                               NULL);
        c->f32[row] = (float)value;
        return 0;
    }
    if (c->i64) {
        int64_t ms;
        int rc = decimal_parse_i64(token, &ms);
        if (rc == ERR_LIMIT || (rc == 0 && ms == WIRE_I64_MISSING))
            return wrong_value(r, "out_of_range", form, row, input_name(r, input), "more milliseconds than int64 holds",
                               NULL);
        if (rc < 0) return wrong_type(r, input, row, form, "a number that is no integer");
        c->i64[row] = ms;
        return 0;
    }
    int64_t whole;
    if (t != COLUMN_IDENTIFIER || decimal_parse_i64(token, &whole) < 0)
        return wrong_type(r, input, row, form, "a number");
    c->strings[row] = token;
    return 0;
}

static int take_text(reader *r, size_t input, size_t row, body_form form)
{
    const batch_column *c = &r->out->columns[input];
    str text;
    TRY(read_text(r, &text));
    if (c->strings) {
        if (text.len == 0) return take_missing(r, input, row, form);
        c->strings[row] = text;
        return 0;
    }
    if (c->f32) return wrong_type(r, input, row, form, "a text");
    int64_t ms;
    if (parse_datetime(text, &ms) < 0 || ms == WIRE_I64_MISSING)
        return wrong_type(r, input, row, form, "a text that is no date");
    c->i64[row] = ms;
    return 0;
}

static bool take_word(reader *r, const char *word, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) return false;
    r->at += len;
    return true;
}

static int take_value(reader *r, size_t input, size_t row, body_form form)
{
    skip_blanks(r);
    if (r->at == r->end) return not_json(r, "it ends in the middle");
    char c = *r->at;
    if (c == '"') return take_text(r, input, row, form);
    if (c == '-' || (c >= '0' && c <= '9')) return take_number(r, input, row, form);
    if (take_word(r, "null", 4)) return take_missing(r, input, row, form);
    bool is_true = take_word(r, "true", 4);
    if (is_true || take_word(r, "false", 5)) {
        if (r->d->schema->inputs[input].type != COLUMN_BOOLEAN)
            return wrong_type(r, input, row, form, is_true ? "true" : "false");
        r->out->columns[input].f32[row] = is_true ? 1 : 0;
        return 0;
    }
    if (c == '{') return wrong_type(r, input, row, form, "an object");
    if (c == '[') return wrong_type(r, input, row, form, "an array");
    return not_json(r, "no value where one belongs");
}

// Names.

static int unknown_column(reader *r, str name, int64_t row, body_form form)
{
    const schema *s = r->d->schema;
    set_place(r, "unknown_column", form, row, name);
    char where[40] = "";
    if (row >= 0) {
        char number[DECIMAL_TEXT_SIZE];
        char *p = put(where, "row ", 4);
        p = put(p, number, decimal_format_i64(row, number));
        put(p, ": ", 3);
    }
    const char *near = NULL;
    const char **names = arena_alloc(r->memory, s->n_inputs, sizeof *names);
    char *text = name.len < POINTER_NAME_MAX ? arena_strndup(r->memory, name.data, name.len) : NULL;
    if (names && text && s->n_inputs <= 1024) {
        for (size_t i = 0; i < s->n_inputs; i++) names[i] = s->inputs[i].name;
        near = nearest_name(text, names, s->n_inputs);
    }
    if (near)
        return err_set(r->e, ERR_INPUT, "%sthe model has no column \"" STR_FORMAT "\"; did you mean \"%s\"?", where,
                       STR_ARGS(name), near);
    return err_set(r->e, ERR_INPUT, "%sthe model has no column \"" STR_FORMAT "\"", where, STR_ARGS(name));
}

// The key at r->at, which is likely that of input `guess` (n_inputs: no idea).
static int take_name(reader *r, size_t guess, int64_t row, body_form form, size_t *input)
{
    skip_blanks(r);
    if (r->at == r->end || *r->at != '"')
        return not_json(r, r->at == r->end ? "it ends in the middle" : "no name where one belongs");
    if (guess < r->d->schema->n_inputs) {
        const column_name *n = &r->d->names[guess];
        if (n->plain && (size_t)(r->end - r->at) > n->len + 1u && r->at[n->len + 1] == '"' &&
            memcmp(r->at + 1, n->text, n->len) == 0) {
            r->at += n->len + 2;
            *input = guess;
            return 0;
        }
    }
    str name;
    TRY(read_text(r, &name));
    int64_t found = find_name(r->d, name);
    if (found < 0) return unknown_column(r, name, row, form);
    *input = (size_t)found;
    return 0;
}

static int missing_column(reader *r, const uint32_t *seen, uint32_t stamp, int64_t row, body_form form)
{
    const schema *s = r->d->schema;
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (seen[i] == stamp || s->inputs[i].missing_ok) continue;
        str name = input_name(r, i);
        set_place(r, "missing_column", form, row, name);
        if (row >= 0)
            return err_set(r->e, ERR_INPUT, "row %lld: the column \"" STR_FORMAT "\" is missing", (long long)row,
                           STR_ARGS(name));
        return err_set(r->e, ERR_INPUT, "the column \"" STR_FORMAT "\" is missing", STR_ARGS(name));
    }
    return 0;
}

static int twice(reader *r, size_t input, int64_t row, body_form form)
{
    set_place(r, "duplicate_column", form, row, input_name(r, input));
    return err_set(r->e, ERR_INPUT, "the column \"" STR_FORMAT "\" comes twice", STR_ARGS(input_name(r, input)));
}

// Room for one more row than `row`.
static int make_room(reader *r, size_t row, body_form form)
{
    if (row < r->rows_cap) return 0;
    if (row >= r->rows_max) {
        set_place(r, "too_many_rows", form, -1, (str){0});
        return err_set(r->e, ERR_INPUT, "more than %zu rows in one request", r->rows_max);
    }
    size_t cap = 2 * r->rows_cap;
    if (r->rows_cap > 0 || form == BODY_COLUMNS) cap = cap < ROWS_FIRST ? ROWS_FIRST : cap;
    if (cap <= row) cap = row + 1;
    if (cap > r->rows_max) cap = r->rows_max;
    batch larger;
    if (batch_new(&larger, r->d->schema, cap, r->memory, NULL) < 0) return no_memory(r);
    for (size_t i = 0; i < r->d->schema->n_inputs && r->rows_cap > 0; i++) {
        batch_column *to = &larger.columns[i];
        const batch_column *from = &r->out->columns[i];
        if (to->f32) memcpy(to->f32, from->f32, r->rows_cap * sizeof *to->f32);
        if (to->i64) memcpy(to->i64, from->i64, r->rows_cap * sizeof *to->i64);
        if (to->strings) memcpy(to->strings, from->strings, r->rows_cap * sizeof *to->strings);
    }
    *r->out = larger;
    r->rows_cap = cap;
    return 0;
}

// The two forms.

// order: the input that stood at each place of the row before. seen: the row, plus one, in which each input came last.
static int take_row(reader *r, size_t row, uint32_t *order, uint32_t *seen)
{
    const size_t n_inputs = r->d->schema->n_inputs;
    const uint32_t stamp = (uint32_t)row + 1;
    size_t n = 0;
    if (!take(r, '{')) {
        TRY(want_value(r));
        set_place(r, "wrong_type", BODY_ROWS, (int64_t)row, (str){0});
        return err_set(r->e, ERR_INPUT, "row %zu is no object", row);
    }
    skip_blanks(r);
    if (!take(r, '}')) {
        for (;;) {
            size_t input;
            TRY(take_name(r, n < n_inputs ? order[n] : n_inputs, (int64_t)row, BODY_ROWS, &input));
            if (seen[input] == stamp) return twice(r, input, (int64_t)row, BODY_ROWS);
            seen[input] = stamp;
            order[n++] = (uint32_t)input; // no input twice, so n stays within n_inputs
            TRY(want(r, ':', "no colon after a name"));
            TRY(take_value(r, input, row, BODY_ROWS));
            skip_blanks(r);
            if (take(r, ',')) continue;
            if (take(r, '}')) break;
            return not_json(r, r->at == r->end ? "it ends in the middle" : "no comma or } after a value");
        }
    }
    return n == n_inputs ? 0 : missing_column(r, seen, stamp, (int64_t)row, BODY_ROWS);
}

static int take_rows(reader *r, size_t *n_rows)
{
    const size_t n_inputs = r->d->schema->n_inputs;
    uint32_t *order = arena_alloc(r->memory, n_inputs, sizeof *order);
    uint32_t *seen = arena_zalloc(r->memory, n_inputs, sizeof *seen);
    if (!order || !seen) return no_memory(r);
    for (size_t i = 0; i < n_inputs; i++) order[i] = (uint32_t)i;
    size_t row = 0;
    skip_blanks(r);
    if (!take(r, '[')) {
        TRY(want_value(r));
        set_place(r, "wrong_type", BODY_ROWS, -1, (str){0});
        return err_set(r->e, ERR_INPUT, "\"rows\" is no array");
    }
    skip_blanks(r);
    if (!take(r, ']')) {
        for (;; row++) {
            TRY(make_room(r, row, BODY_ROWS));
            skip_blanks(r);
            TRY(take_row(r, row, order, seen));
            skip_blanks(r);
            if (take(r, ',')) continue;
            if (take(r, ']')) break;
            return not_json(r, r->at == r->end ? "it ends in the middle" : "no comma or ] after a row");
        }
        row++;
    }
    *n_rows = row;
    return 0;
}

// One array. n_rows: how many values the columns before had, or SIZE_MAX.
static int take_column(reader *r, size_t input, size_t *n_rows)
{
    size_t row = 0;
    skip_blanks(r);
    if (!take(r, '[')) {
        TRY(want_value(r));
        set_place(r, "wrong_type", BODY_COLUMNS, -1, input_name(r, input));
        return err_set(r->e, ERR_INPUT, "the column \"" STR_FORMAT "\" is no array", STR_ARGS(input_name(r, input)));
    }
    skip_blanks(r);
    if (!take(r, ']')) {
        for (;; row++) {
            if (row == *n_rows) break; // one too many: ragged
            TRY(make_room(r, row, BODY_COLUMNS));
            TRY(take_value(r, input, row, BODY_COLUMNS));
            skip_blanks(r);
            if (take(r, ',')) continue;
            if (take(r, ']')) break;
            return not_json(r, r->at == r->end ? "it ends in the middle" : "no comma or ] after a value");
        }
        row++;
    }
    if (*n_rows != SIZE_MAX && row != *n_rows) {
        set_place(r, "ragged_columns", BODY_COLUMNS, -1, input_name(r, input));
        return err_set(r->e, ERR_INPUT,
                       "the column \"" STR_FORMAT "\" has %s values than the %zu of the columns before it",
                       STR_ARGS(input_name(r, input)), row > *n_rows ? "more" : "fewer", *n_rows);
    }
    *n_rows = row;
    return 0;
}

static int take_columns(reader *r, size_t *n_rows)
{
    const size_t n_inputs = r->d->schema->n_inputs;
    uint32_t *seen = arena_zalloc(r->memory, n_inputs, sizeof *seen);
    if (!seen) return no_memory(r);
    size_t n = 0, rows = SIZE_MAX;
    skip_blanks(r);
    if (!take(r, '{')) {
        TRY(want_value(r));
        set_place(r, "wrong_type", BODY_COLUMNS, -1, (str){0});
        return err_set(r->e, ERR_INPUT, "\"columns\" is no object");
    }
    skip_blanks(r);
    if (!take(r, '}')) {
        for (;; n++) {
            size_t input;
            TRY(take_name(r, n, -1, BODY_COLUMNS, &input));
            if (seen[input]) return twice(r, input, -1, BODY_COLUMNS);
            seen[input] = 1;
            TRY(want(r, ':', "no colon after a name"));
            TRY(take_column(r, input, &rows));
            skip_blanks(r);
            if (take(r, ',')) continue;
            if (take(r, '}')) break;
            return not_json(r, r->at == r->end ? "it ends in the middle" : "no comma or } after a column");
        }
    }
    *n_rows = rows == SIZE_MAX ? 0 : rows;
    return missing_column(r, seen, 1, -1, BODY_COLUMNS);
}

static int wrong_shape(reader *r, const char *why)
{
    *r->place = (place){.code = "wrong_shape", .row = -1};
    return err_set(r->e, ERR_INPUT, "%s: the body is {\"rows\": [{...}, ...]} or {\"columns\": {...}}", why);
}

static int read_body(reader *r, body_form *form, size_t *n_rows)
{
    skip_blanks(r);
    if (r->at == r->end) return not_json(r, "it is empty");
    if (!take(r, '{')) {
        TRY(want_value(r));
        return wrong_shape(r, "this is no object");
    }
    skip_blanks(r);
    if (take(r, '}')) return wrong_shape(r, "this is an empty object");
    if (r->at == r->end || *r->at != '"')
        return not_json(r, r->at == r->end ? "it ends in the middle" : "no name where one belongs");
    str key;
    TRY(read_text(r, &key));
    TRY(want(r, ':', "no colon after a name"));
    if (str_equal(key, STR("rows")))
        *form = BODY_ROWS;
    else if (str_equal(key, STR("columns")))
        *form = BODY_COLUMNS;
    else
        return wrong_shape(r, "there is a member that is neither \"rows\" nor \"columns\"");
    TRY(*form == BODY_ROWS ? take_rows(r, n_rows) : take_columns(r, n_rows));
    skip_blanks(r);
    if (take(r, ',')) return wrong_shape(r, "there is more than one member");
    TRY(want(r, '}', "no } at its end"));
    skip_blanks(r);
    if (r->at != r->end) return not_json(r, "there is something after its end");
    if (*n_rows > 0) return 0;
    set_place(r, "no_rows", *form, -1, (str){0});
    return err_set(r->e, ERR_INPUT, "there are no rows");
}

// How many rows there are at most, cheaply: enough to make room once for the usual request.
static size_t guess_rows(str body, size_t rows_max)
{
    enum { LOOK_AT = 4096, GUESS_MAX = 1024 };
    size_t n = 0, look = body.len < LOOK_AT ? body.len : LOOK_AT;
    for (size_t i = 0; i < look; i++) n += body.data[i] == '{';
    if (n <= 2) return n ? n - 1 : 0; // one row, or columns
    size_t guess = (n - 1) * (body.len / look + (body.len > look));
    if (guess > GUESS_MAX) guess = GUESS_MAX;
    return guess < rows_max ? guess : rows_max;
}

int decode_predict(batch *out, body_form *form, const decoder *d, str body, size_t rows_max, place *at, arena *a,
                   err *e)
{
    batch b = {.schema = d->schema};
    reader r = {.d = d,
                .start = body.data,
                .at = body.data,
                .end = body.data ? body.data + body.len : NULL,
                .memory = a,
                .out = &b,
                .rows_max = rows_max < UINT32_MAX ? rows_max : UINT32_MAX - 1,
                .place = at,
                .e = e};
    *at = (place){.row = -1};
    size_t guess = guess_rows(body, r.rows_max), n_rows = 0;
    if (guess > 0) TRY(make_room(&r, guess - 1, BODY_ROWS));
    body_form f;
    TRY(read_body(&r, &f, &n_rows));
    b.n_rows = n_rows;
    *out = b;
    *form = f;
    return 0;
}
