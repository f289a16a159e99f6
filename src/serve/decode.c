// One pass over the body with one table lookup a value. A key is first compared with the column that stood at its place
// in the row before, because clients repeat their order; else it is looked up. Nothing nests, so nothing recurses.
// SPDX-License-Identifier: Apache-2.0
#include "serve/decode_impl.h"

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

int64_t decoder_find(const decoder *d, str name)
{
    for (size_t at = hash_bytes(name.data, name.len, 0) & d->mask; d->table[at]; at = (at + 1) & d->mask) {
        const column_name *n = &d->names[d->table[at] - 1];
        if (n->len == name.len && memcmp(n->text, name.data, name.len) == 0) return d->table[at] - 1;
    }
    return -1;
}

// Errors.

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

static char *put_escaped(char *to, str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c == '~' || c == '/') {
            *to++ = '~';
            c = c == '~' ? '0' : '1';
        }
        *to++ = c;
    }
    return to;
}

// "/rows/3/age", "/instances/3/0" in a row that is an array, or "/columns/age/3": the name escaped as RFC 6901 says.
// Without memory there is no pointer.
static void set_place(row_reader *r, const char *code, body_form form, int64_t row, str name)
{
    *r->in.place = (place){.code = code, .row = row, .column = name};
    char number[DECIMAL_TEXT_SIZE];
    size_t digits = row >= 0 ? decimal_format_i64(row, number) : 0, root = strlen(r->root);
    char *text = arena_alloc(r->in.memory, root + 2 * name.len + digits + DECIMAL_TEXT_SIZE + 2, 1);
    if (!text) return;
    char *p = put(text, r->root, root);
    if (form == BODY_ROWS && row >= 0) {
        *p++ = '/';
        p = put(p, number, digits);
    }
    if (name.len > 0) *p++ = '/';
    if (name.len > 0 && r->position >= 0 && form == BODY_ROWS)
        p += decimal_format_i64(r->position, p);
    else
        p = put_escaped(p, name);
    if (form == BODY_COLUMNS && row >= 0) {
        *p++ = '/';
        p = put(p, number, digits);
    }
    r->in.place->pointer = (str){text, (size_t)(p - text)};
}

// What is wrong with one value: "row 3, column "age": a text where a number belongs".
static int wrong_value(row_reader *r, const char *code, body_form form, size_t row, str name, const char *what,
                       const char *wanted)
{
    set_place(r, code, form, (int64_t)row, name);
    return err_set(r->in.e, ERR_INPUT, "row %zu, column \"" STR_FORMAT "\": %s%s%s", row, STR_ARGS(name), what,
                   wanted ? " where " : "", wanted ? wanted : "");
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

static str input_name(const row_reader *r, size_t input)
{
    return (str){r->decoder->names[input].text, r->decoder->names[input].len};
}

static int wrong_type(row_reader *r, size_t input, size_t row, body_form form, const char *what)
{
    column_type t = r->decoder->schema->inputs[input].type;
    return wrong_value(r, "wrong_type", form, row, input_name(r, input), what, belongs(t));
}

static int take_missing(row_reader *r, size_t input, size_t row, body_form form)
{
    if (r->decoder->schema->inputs[input].missing_ok) return 0; // batch_new() made it missing
    return wrong_value(r, "missing_value", form, row, input_name(r, input),
                       "a missing value, which the model has no answer for", NULL);
}

static int take_number(row_reader *r, size_t input, size_t row, body_form form)
{
    const batch_column *c = &r->out->columns[input];
    column_type t = r->decoder->schema->inputs[input].type;
    double value;
    str token;
    TRY(scan_number(&r->in, &token, &value));
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

static int take_text(row_reader *r, size_t input, size_t row, body_form form)
{
    const batch_column *c = &r->out->columns[input];
    str text;
    TRY(scan_text(&r->in, &text));
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

static int take_value(row_reader *r, size_t input, size_t row, body_form form)
{
    scan_blanks(&r->in);
    if (r->in.at == r->in.end) return scan_not_json(&r->in, "it ends in the middle");
    char c = *r->in.at;
    if (c == '"') return take_text(r, input, row, form);
    if (c == '-' || (c >= '0' && c <= '9')) return take_number(r, input, row, form);
    if (scan_word(&r->in, "null", 4)) return take_missing(r, input, row, form);
    bool is_true = scan_word(&r->in, "true", 4);
    if (is_true || scan_word(&r->in, "false", 5)) {
        if (r->decoder->schema->inputs[input].type != COLUMN_BOOLEAN)
            return wrong_type(r, input, row, form, is_true ? "true" : "false");
        r->out->columns[input].f32[row] = is_true ? 1 : 0;
        return 0;
    }
    if (r->in.nan && scan_word(&r->in, "NaN", 3)) return take_missing(r, input, row, form);
    if (c == '{') return wrong_type(r, input, row, form, "an object");
    if (c == '[') return wrong_type(r, input, row, form, "an array");
    return scan_not_json(&r->in, "no value where one belongs");
}

// Names.

static int unknown_column(row_reader *r, str name, int64_t row, body_form form)
{
    const schema *s = r->decoder->schema;
    set_place(r, "unknown_column", form, row, name);
    char where[40] = "";
    if (row >= 0) {
        char number[DECIMAL_TEXT_SIZE];
        char *p = put(where, "row ", 4);
        p = put(p, number, decimal_format_i64(row, number));
        put(p, ": ", 3);
    }
    const char *near = NULL;
    const char **names = arena_alloc(r->in.memory, s->n_inputs, sizeof *names);
    char *text = name.len < POINTER_NAME_MAX ? arena_strndup(r->in.memory, name.data, name.len) : NULL;
    if (names && text && s->n_inputs <= 1024) {
        for (size_t i = 0; i < s->n_inputs; i++) names[i] = s->inputs[i].name;
        near = nearest_name(text, names, s->n_inputs);
    }
    if (near)
        return err_set(r->in.e, ERR_INPUT, "%sthe model has no column \"" STR_FORMAT "\"; did you mean \"%s\"?", where,
                       STR_ARGS(name), near);
    return err_set(r->in.e, ERR_INPUT, "%sthe model has no column \"" STR_FORMAT "\"", where, STR_ARGS(name));
}

// The key at r->in.at, which is likely that of input `guess` (n_inputs: no idea). INPUT_NONE: one to pass over.
static int take_name(row_reader *r, size_t guess, int64_t row, body_form form, size_t *input)
{
    scan_blanks(&r->in);
    if (r->in.at == r->in.end || *r->in.at != '"')
        return scan_not_json(&r->in, r->in.at == r->in.end ? "it ends in the middle" : "no name where one belongs");
    if (guess < r->decoder->schema->n_inputs) {
        const column_name *n = &r->decoder->names[guess];
        if (n->plain && (size_t)(r->in.end - r->in.at) > n->len + 1u && r->in.at[n->len + 1] == '"' &&
            memcmp(r->in.at + 1, n->text, n->len) == 0) {
            r->in.at += n->len + 2;
            *input = guess;
            return 0;
        }
    }
    str name;
    TRY(scan_text(&r->in, &name));
    int64_t found = decoder_find(r->decoder, name);
    if (found < 0 && !r->extras) return unknown_column(r, name, row, form);
    *input = found < 0 ? INPUT_NONE : (size_t)found;
    return 0;
}

// A member that the model has no column for.
static int pass_extra(row_reader *r)
{
    TRY(scan_want(&r->in, ':', "no colon after a name"));
    return scan_skip(&r->in);
}

static int missing_column(row_reader *r, const uint32_t *seen, uint32_t stamp, int64_t row, body_form form)
{
    const schema *s = r->decoder->schema;
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (seen[i] == stamp || s->inputs[i].missing_ok) continue;
        str name = input_name(r, i);
        set_place(r, "missing_column", form, row, name);
        if (row >= 0)
            return err_set(r->in.e, ERR_INPUT, "row %lld: the column \"" STR_FORMAT "\" is missing", (long long)row,
                           STR_ARGS(name));
        return err_set(r->in.e, ERR_INPUT, "the column \"" STR_FORMAT "\" is missing", STR_ARGS(name));
    }
    return 0;
}

static int twice(row_reader *r, size_t input, int64_t row, body_form form)
{
    set_place(r, "duplicate_column", form, row, input_name(r, input));
    return err_set(r->in.e, ERR_INPUT, "the column \"" STR_FORMAT "\" comes twice", STR_ARGS(input_name(r, input)));
}

// Room for one more row than `row`.
static int make_room(row_reader *r, size_t row, body_form form)
{
    if (row < r->rows_cap) return 0;
    if (row >= r->rows_max) {
        set_place(r, "too_many_rows", form, -1, (str){0});
        return err_set(r->in.e, ERR_INPUT, "more than %zu rows in one request", r->rows_max);
    }
    size_t cap = 2 * r->rows_cap;
    if (r->rows_cap > 0 || form == BODY_COLUMNS) cap = cap < ROWS_FIRST ? ROWS_FIRST : cap;
    if (cap <= row) cap = row + 1;
    if (cap > r->rows_max) cap = r->rows_max;
    batch larger;
    if (batch_new(&larger, r->decoder->schema, cap, r->in.memory, NULL) < 0) return scan_no_memory(&r->in);
    for (size_t i = 0; i < r->decoder->schema->n_inputs && r->rows_cap > 0; i++) {
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

// A row that is an array: values in the order that the reader has. seen: as below.
static int take_array(row_reader *r, size_t row, uint32_t *seen)
{
    const size_t n_inputs = r->decoder->schema->n_inputs, n_order = r->order ? r->n_order : n_inputs;
    const uint32_t stamp = (uint32_t)row + 1;
    size_t n = 0;
    int more;
    while ((more = scan_element(&r->in, &n)) > 0) {
        if (n > n_order) {
            set_place(r, "wrong_shape", BODY_ROWS, (int64_t)row, (str){0});
            return err_set(r->in.e, ERR_INPUT, "row %zu has more values than the %zu columns", row, n_order);
        }
        size_t input = r->order ? r->order[n - 1] : n - 1;
        r->position = (int64_t)n - 1;
        if (input == INPUT_NONE) {
            TRY(scan_skip(&r->in));
            continue;
        }
        seen[input] = stamp;
        TRY(take_value(r, input, row, BODY_ROWS));
    }
    r->position = -1;
    if (more < 0) return more;
    if (n < n_order) {
        set_place(r, "wrong_shape", BODY_ROWS, (int64_t)row, (str){0});
        return err_set(r->in.e, ERR_INPUT, "row %zu has %zu values for %zu columns", row, n, n_order);
    }
    return n == n_inputs && !r->order ? 0 : missing_column(r, seen, stamp, (int64_t)row, BODY_ROWS);
}

// order: the input that stood at each place of the row before. seen: the row, plus one, in which each input came last.
static int take_row(row_reader *r, size_t row, uint32_t *order, uint32_t *seen)
{
    const size_t n_inputs = r->decoder->schema->n_inputs;
    const uint32_t stamp = (uint32_t)row + 1;
    size_t n = 0;
    if (!scan_take(&r->in, '{')) {
        if (r->arrays && scan_take(&r->in, '[')) return take_array(r, row, seen);
        TRY(scan_other(&r->in));
        set_place(r, "wrong_type", BODY_ROWS, (int64_t)row, (str){0});
        return err_set(r->in.e, ERR_INPUT, "row %zu is no object%s", row, r->arrays ? " and no array" : "");
    }
    scan_blanks(&r->in);
    if (!scan_take(&r->in, '}')) {
        for (;;) {
            size_t input;
            TRY(take_name(r, n < n_inputs ? order[n] : n_inputs, (int64_t)row, BODY_ROWS, &input));
            if (input == INPUT_NONE) {
                TRY(pass_extra(r));
            } else {
                if (seen[input] == stamp) return twice(r, input, (int64_t)row, BODY_ROWS);
                seen[input] = stamp;
                order[n++] = (uint32_t)input; // no input twice, so n stays within n_inputs
                TRY(scan_want(&r->in, ':', "no colon after a name"));
                TRY(take_value(r, input, row, BODY_ROWS));
            }
            scan_blanks(&r->in);
            if (scan_take(&r->in, ',')) continue;
            if (scan_take(&r->in, '}')) break;
            return scan_not_json(&r->in,
                                 r->in.at == r->in.end ? "it ends in the middle" : "no comma or } after a value");
        }
    }
    return n == n_inputs ? 0 : missing_column(r, seen, stamp, (int64_t)row, BODY_ROWS);
}

int read_rows(row_reader *r, const char *root, size_t *n_rows)
{
    r->root = root;
    const size_t n_inputs = r->decoder->schema->n_inputs;
    uint32_t *order = arena_alloc(r->in.memory, n_inputs, sizeof *order);
    uint32_t *seen = arena_zalloc(r->in.memory, n_inputs, sizeof *seen);
    if (!order || !seen) return scan_no_memory(&r->in);
    for (size_t i = 0; i < n_inputs; i++) order[i] = (uint32_t)i;
    size_t row = 0;
    scan_blanks(&r->in);
    if (!scan_take(&r->in, '[')) {
        TRY(scan_other(&r->in));
        set_place(r, "wrong_type", BODY_ROWS, -1, (str){0});
        return err_set(r->in.e, ERR_INPUT, "\"%s\" is no array", root + 1);
    }
    scan_blanks(&r->in);
    if (!scan_take(&r->in, ']')) {
        for (;; row++) {
            TRY(make_room(r, row, BODY_ROWS));
            scan_blanks(&r->in);
            TRY(take_row(r, row, order, seen));
            scan_blanks(&r->in);
            if (scan_take(&r->in, ',')) continue;
            if (scan_take(&r->in, ']')) break;
            return scan_not_json(&r->in, r->in.at == r->in.end ? "it ends in the middle" : "no comma or ] after a row");
        }
        row++;
    }
    *n_rows = row;
    return 0;
}

// One array. n_rows: how many values the columns before had, or SIZE_MAX.
static int take_column(row_reader *r, size_t input, size_t *n_rows)
{
    size_t row = 0;
    scan_blanks(&r->in);
    if (!scan_take(&r->in, '[')) {
        TRY(scan_other(&r->in));
        set_place(r, "wrong_type", BODY_COLUMNS, -1, input_name(r, input));
        return err_set(r->in.e, ERR_INPUT, "the column \"" STR_FORMAT "\" is no array", STR_ARGS(input_name(r, input)));
    }
    scan_blanks(&r->in);
    if (!scan_take(&r->in, ']')) {
        for (;; row++) {
            if (row == *n_rows) break; // one too many: ragged
            TRY(make_room(r, row, BODY_COLUMNS));
            TRY(take_value(r, input, row, BODY_COLUMNS));
            scan_blanks(&r->in);
            if (scan_take(&r->in, ',')) continue;
            if (scan_take(&r->in, ']')) break;
            return scan_not_json(&r->in,
                                 r->in.at == r->in.end ? "it ends in the middle" : "no comma or ] after a value");
        }
        row++;
    }
    if (*n_rows != SIZE_MAX && row != *n_rows) {
        set_place(r, "ragged_columns", BODY_COLUMNS, -1, input_name(r, input));
        return err_set(r->in.e, ERR_INPUT,
                       "the column \"" STR_FORMAT "\" has %s values than the %zu of the columns before it",
                       STR_ARGS(input_name(r, input)), row > *n_rows ? "more" : "fewer", *n_rows);
    }
    *n_rows = row;
    return 0;
}

int read_columns(row_reader *r, const char *root, size_t *n_rows)
{
    r->root = root;
    const size_t n_inputs = r->decoder->schema->n_inputs;
    uint32_t *seen = arena_zalloc(r->in.memory, n_inputs, sizeof *seen);
    if (!seen) return scan_no_memory(&r->in);
    size_t n = 0, rows = SIZE_MAX;
    scan_blanks(&r->in);
    if (!scan_take(&r->in, '{')) {
        TRY(scan_other(&r->in));
        set_place(r, "wrong_type", BODY_COLUMNS, -1, (str){0});
        return err_set(r->in.e, ERR_INPUT, "\"%s\" is no object", root + 1);
    }
    scan_blanks(&r->in);
    if (!scan_take(&r->in, '}')) {
        for (;; n++) {
            size_t input;
            TRY(take_name(r, n, -1, BODY_COLUMNS, &input));
            if (input == INPUT_NONE) {
                TRY(pass_extra(r));
            } else {
                if (seen[input]) return twice(r, input, -1, BODY_COLUMNS);
                seen[input] = 1;
                TRY(scan_want(&r->in, ':', "no colon after a name"));
                TRY(take_column(r, input, &rows));
            }
            scan_blanks(&r->in);
            if (scan_take(&r->in, ',')) continue;
            if (scan_take(&r->in, '}')) break;
            return scan_not_json(&r->in,
                                 r->in.at == r->in.end ? "it ends in the middle" : "no comma or } after a column");
        }
    }
    *n_rows = rows == SIZE_MAX ? 0 : rows;
    return missing_column(r, seen, 1, -1, BODY_COLUMNS);
}

int read_wrong_shape(row_reader *r, const char *why, const char *wanted)
{
    *r->in.place = (place){.code = "wrong_shape", .row = -1};
    return err_set(r->in.e, ERR_INPUT, "%s: the body is %s", why, wanted);
}

int read_done(row_reader *r, body_form form, size_t n_rows)
{
    TRY(scan_end(&r->in));
    if (n_rows == 0) {
        set_place(r, "no_rows", form, -1, (str){0});
        return err_set(r->in.e, ERR_INPUT, "there are no rows");
    }
    r->out->n_rows = n_rows;
    return 0;
}

static int wrong_shape(row_reader *r, const char *why)
{
    return read_wrong_shape(r, why, "{\"rows\": [{...}, ...]} or {\"columns\": {...}}");
}

// "rows" or "columns" once, and "explain" once where somebody listens.
static int read_members(row_reader *r, body_form *form, explain_wish *wish, size_t *n_rows)
{
    bool has_rows = false, has_wish = wish == NULL;
    for (bool first = true;; first = false) {
        str key;
        scan_blanks(&r->in);
        if (r->in.at == r->in.end || *r->in.at != '"')
            return scan_not_json(&r->in, r->in.at == r->in.end ? "it ends in the middle" : "no name where one belongs");
        TRY(scan_text(&r->in, &key));
        TRY(scan_want(&r->in, ':', "no colon after a name"));
        bool rows = str_equal(key, STR("rows")), columns = str_equal(key, STR("columns"));
        if (!has_wish && str_equal(key, STR("explain"))) {
            has_wish = true;
            TRY(read_explain(r, wish));
        } else if (has_rows) {
            return wrong_shape(r, "there is more than one member");
        } else if (rows || columns) {
            has_rows = true;
            *form = rows ? BODY_ROWS : BODY_COLUMNS;
            TRY(rows ? read_rows(r, "/rows", n_rows) : read_columns(r, "/columns", n_rows));
        } else {
            return wrong_shape(r, first ? "there is a member that is neither \"rows\" nor \"columns\""
                                        : "there is a member that does not belong there");
        }
        scan_blanks(&r->in);
        if (scan_take(&r->in, ',')) continue;
        TRY(scan_want(&r->in, '}', "no } at its end"));
        return has_rows ? 0 : wrong_shape(r, "there are neither \"rows\" nor \"columns\"");
    }
}

static int read_body(row_reader *r, body_form *form, explain_wish *wish)
{
    size_t n_rows;
    scan_blanks(&r->in);
    if (r->in.at == r->in.end) return scan_not_json(&r->in, "it is empty");
    if (!scan_take(&r->in, '{')) {
        TRY(scan_other(&r->in));
        return wrong_shape(r, "this is no object");
    }
    scan_blanks(&r->in);
    if (scan_take(&r->in, '}')) return wrong_shape(r, "this is an empty object");
    TRY(read_members(r, form, wish, &n_rows));
    return read_done(r, *form, n_rows);
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

int row_reader_init(row_reader *r, batch *out, const decoder *d, str body, size_t rows_max, place *at, arena *a, err *e)
{
    *out = (batch){.schema = d->schema};
    *r = (row_reader){.decoder = d,
                      .in = scan_of(body, at, a, e),
                      .out = out,
                      .rows_max = rows_max < UINT32_MAX ? rows_max : UINT32_MAX - 1,
                      .root = "",
                      .position = -1};
    *at = (place){.row = -1};
    size_t guess = guess_rows(body, r->rows_max);
    return guess > 0 ? make_room(r, guess - 1, BODY_ROWS) : 0;
}

int decode_predict(batch *out, body_form *form, explain_wish *wish, const decoder *d, str body, size_t rows_max,
                   place *at, arena *a, err *e)
{
    batch b;
    row_reader r;
    body_form f = BODY_ROWS;
    explain_wish w = EXPLAIN_WISH_NONE;
    TRY(row_reader_init(&r, &b, d, body, rows_max, at, a, e));
    TRY(read_body(&r, &f, wish ? &w : NULL));
    *out = b;
    *form = f;
    if (wish) *wish = w;
    return 0;
}
