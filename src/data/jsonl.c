// JSON Lines to a frame: one object of scalars a line. A first pass finds the keys, what their values are, and how many
// rows each part has; a second one reads the values into columns. Lines are parsed by the same code in both.
// SPDX-License-Identifier: Apache-2.0
#include "data/jsonl_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "base/task_error.h"
#include "base/utf8.h"
#include "data/store_impl.h"
#include "data/value.h"

enum { PART_BYTES = 1 << 20, LINE_BYTES_MAX = 256 << 20 };

// ---- one line ----

typedef enum value_kind { VALUE_NULL, VALUE_BOOLEAN, VALUE_NUMBER, VALUE_STRING } value_kind;

typedef struct member {
    str key, text; // as written, strings without quotes and escapes; views until the next member
    value_kind kind;
} member;

typedef struct scanner {
    const char *at, *end;
    char *key_scratch, *text_scratch; // room for the line each
    size_t cell_max;
    const char *fault;
    int fault_code;
} scanner;

static bool fail(scanner *s, int code, const char *what)
{
    s->fault = what;
    s->fault_code = code;
    return false;
}

static void skip_blanks(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r' || *s->at == '\n')) s->at++;
}

static bool take(scanner *s, char c)
{
    skip_blanks(s);
    if (s->at == s->end || *s->at != c) return false;
    s->at++;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static bool take_hex(scanner *s, uint32_t *out) // four digits
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        int digit = s->at < s->end ? hex_digit(*s->at) : -1;
        if (digit < 0) return fail(s, ERR_FORMAT, "a bad \\u escape");
        *out = *out << 4 | (uint32_t)digit;
        s->at++;
    }
    return true;
}

static bool take_unicode(scanner *s, char **to)
{
    uint32_t c, low;
    if (!take_hex(s, &c)) return false;
    if (c >= 0xD800 && c < 0xDC00) {
        if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u')
            return fail(s, ERR_FORMAT, "half a surrogate pair");
        s->at += 2;
        if (!take_hex(s, &low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return fail(s, ERR_FORMAT, "half a surrogate pair");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    } else if (c >= 0xDC00 && c < 0xE000) {
        return fail(s, ERR_FORMAT, "half a surrogate pair");
    }
    if (c == 0) return fail(s, ERR_FORMAT, "a NUL character");
    char *p = *to;
    if (c < 0x80) {
        *p++ = (char)c;
    } else if (c < 0x800) {
        *p++ = (char)(0xC0 | c >> 6);
        *p++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *p++ = (char)(0xE0 | c >> 12);
        *p++ = (char)(0x80 | (c >> 6 & 0x3F));
        *p++ = (char)(0x80 | (c & 0x3F));
    } else {
        *p++ = (char)(0xF0 | c >> 18);
        *p++ = (char)(0x80 | (c >> 12 & 0x3F));
        *p++ = (char)(0x80 | (c >> 6 & 0x3F));
        *p++ = (char)(0x80 | (c & 0x3F));
    }
    *to = p;
    return true;
}

// After the opening quote. A view of the line, or of the scratch if there are escapes.
static bool take_string(scanner *s, char *scratch, str *out)
{
    const char *start = s->at;
    char *to = NULL;
    for (; s->at < s->end && *s->at != '"';) {
        unsigned char c = (unsigned char)*s->at;
        if (c < 0x20) return fail(s, ERR_FORMAT, "a control character in a text");
        if (c == '\\') {
            if (!to) {
                size_t before = (size_t)(s->at - start);
                memcpy(scratch, start, before);
                to = scratch + before;
            }
            if (++s->at == s->end) break;
            static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
            char escape = *s->at++;
            const char *known = strchr(escapes, escape);
            if (escape == 'u') {
                if (!take_unicode(s, &to)) return false;
            } else if (escape && known) {
                *to++ = meant[known - escapes];
            } else {
                return fail(s, ERR_FORMAT, "an unknown escape");
            }
            continue;
        }
        size_t n = utf8_char_len((str){s->at, (size_t)(s->end - s->at)});
        if (n == 0) return fail(s, ERR_FORMAT, "bytes that are not UTF-8");
        if (to) {
            memcpy(to, s->at, n);
            to += n;
        }
        s->at += n;
    }
    if (s->at == s->end) return fail(s, ERR_FORMAT, "a text that does not end");
    *out = to ? (str){scratch, (size_t)(to - scratch)} : (str){start, (size_t)(s->at - start)};
    s->at++;
    if (out->len > s->cell_max) return fail(s, ERR_LIMIT, "a text that is too long");
    return true;
}

static bool take_word(scanner *s, str word)
{
    if ((size_t)(s->end - s->at) < word.len || memcmp(s->at, word.data, word.len) != 0) return false;
    s->at += word.len;
    return true;
}

static bool take_value(scanner *s, member *m)
{
    skip_blanks(s);
    if (s->at == s->end) return fail(s, ERR_FORMAT, "no value");
    const char *start = s->at;
    double number;
    switch (*start) {
    case '"':
        s->at++;
        m->kind = VALUE_STRING;
        return take_string(s, s->text_scratch, &m->text);
    case '{':
    case '[': return fail(s, ERR_UNSUPPORTED, "a nested value; only texts, numbers, true, false and null are read");
    default: break;
    }
    if (take_word(s, STR("null"))) {
        m->kind = VALUE_NULL;
    } else if (take_word(s, STR("true")) || take_word(s, STR("false"))) {
        m->kind = VALUE_BOOLEAN;
    } else {
        size_t n = decimal_scan_json((str){start, (size_t)(s->end - start)}, &number);
        if (n == 0) return fail(s, ERR_FORMAT, "something that is no JSON value");
        s->at += n;
        m->kind = VALUE_NUMBER;
    }
    m->text = (str){start, (size_t)(s->at - start)};
    return true;
}

// 1 with the next member, 0 at the end of the object, or -1 with a fault.
static int next_member(scanner *s, bool first, member *m)
{
    m->key = (str){0};
    if (take(s, '}')) {
        skip_blanks(s);
        return s->at == s->end ? 0 : (fail(s, ERR_FORMAT, "something after the object"), -1);
    }
    if (!first && !take(s, ',')) return fail(s, ERR_FORMAT, "no comma or closing brace"), -1;
    if (!take(s, '"')) return fail(s, ERR_FORMAT, "no key in quotes"), -1;
    str key;
    if (!take_string(s, s->key_scratch, &key)) return -1;
    m->key = key;
    if (!take(s, ':')) return fail(s, ERR_FORMAT, "no colon after the key"), -1;
    return take_value(s, m) ? 1 : -1;
}

// ---- workers ----

// What one worker has seen of one key.
typedef struct key_facts {
    size_t part, line, position; // of the first value
    size_t last_line;            // in which it was seen, for doubles; the worker's count
    size_t n_kinds[VALUE_STRING + 1];
    unsigned kinds; // of numbers and strings, each by their own rules
    text_facts facts;
    sketch *sketch; // of the texts; owned
} key_facts;

typedef struct worker {
    char *buffer, *key_scratch, *text_scratch;
    size_t cap; // of each
    dictionary keys;
    key_facts *facts; // of every key; owned
    size_t n_facts_max;
    size_t n_lines;
    size_t *last_rows; // second pass: of every column, the last row with a value, for doubles; owned
} worker;

typedef struct reader {
    const source *source;
    const read_options *options;
    budget *budget;
    pool *pool;
    missing_set missing;
    size_t part_size, n_workers;
    worker *workers;
    size_t *ends; // of every part: offset after its last newline, or 0
    store_part *parts;
    size_t *starts, *stops; // of every part
    size_t n_parts;
    dictionary columns; // names to columns
    store store;
    uint16_t *part_workers;
    bool filling; // the second pass
    task_error failed;
} reader;

static void worker_release(reader *r, worker *w)
{
    mem_free(w->buffer);
    mem_free(w->key_scratch);
    mem_free(w->text_scratch);
    budget_give(r->budget, 3 * w->cap);
    w->buffer = w->key_scratch = w->text_scratch = NULL;
    w->cap = 0;
}

static void worker_clear(reader *r, worker *w)
{
    worker_release(r, w);
    for (size_t i = 0; w->facts && i < w->keys.n; i++) mem_free(w->facts[i].sketch);
    mem_free(w->facts);
    mem_free(w->last_rows);
    dictionary_clear(&w->keys);
}

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for reading JSON Lines");
}

static int past_limit(const reader *r, err *e)
{
    char limit[BYTES_TEXT_SIZE];
    return err_set(e, ERR_LIMIT, "reading needs more than the limit of %s of memory",
                   format_bytes(r->budget->max, limit));
}

static int worker_reserve(reader *r, worker *w, size_t len, err *e)
{
    if (len <= w->cap) return 0;
    worker_release(r, w);
    if (!budget_take(r->budget, 3 * len)) return past_limit(r, e);
    w->cap = len;
    w->buffer = mem_alloc(len, 1);
    w->key_scratch = mem_alloc(len, 1);
    w->text_scratch = mem_alloc(len, 1);
    if (w->buffer && w->key_scratch && w->text_scratch) return 0;
    worker_release(r, w);
    return no_memory(e);
}

// ---- first pass: keys ----

static int find_key(reader *r, worker *w, size_t part, size_t line, size_t position, str key, size_t *out, err *e)
{
    uint64_t hash = hash_bytes(key.data, key.len, 0);
    int32_t known = dictionary_find(&w->keys, key, hash);
    if (known >= 0) return *out = (size_t)known, 0;
    if (w->keys.n == r->options->columns_max)
        return err_set(e, ERR_LIMIT, "more than %zu different keys", r->options->columns_max);
    if (w->keys.n == w->n_facts_max) {
        size_t more = w->n_facts_max ? 2 * w->n_facts_max : 16;
        key_facts *facts = mem_realloc(w->facts, more, sizeof *facts);
        if (!facts) return no_memory(e);
        w->facts = facts;
        w->n_facts_max = more;
    }
    int32_t code = dictionary_add(&w->keys, key, hash, false);
    if (code < 0) return code == ERR_LIMIT ? past_limit(r, e) : no_memory(e);
    w->facts[code] = (key_facts){.part = part, .line = line, .position = position, .kinds = KINDS_ALL};
    *out = (size_t)code;
    return 0;
}

static int note_text(reader *r, key_facts *f, str text, err *e)
{
    if (!f->sketch) {
        if (!budget_take(r->budget, sizeof *f->sketch)) return past_limit(r, e);
        if (!(f->sketch = mem_zalloc(1, sizeof *f->sketch))) return no_memory(e);
    }
    sketch_add(f->sketch, hash_bytes(text.data, text.len, 0));
    text_facts_add(&f->facts, text, 1);
    return 0;
}

static int note_member(reader *r, worker *w, size_t part, size_t line, size_t position, const member *m, err *e)
{
    size_t index;
    TRY(find_key(r, w, part, line, position, m->key, &index, e));
    key_facts *f = &w->facts[index];
    if (f->last_line == w->n_lines) return err_set(e, ERR_FORMAT, "the key is there twice");
    f->last_line = w->n_lines;
    int64_t whole;
    if (m->kind == VALUE_STRING && missing_set_has(&r->missing, m->text)) return 0;
    f->n_kinds[m->kind]++;
    if (m->kind == VALUE_NUMBER && (f->kinds & KIND_INTEGER) && parse_i64(m->text, &whole) < 0)
        f->kinds &= ~(unsigned)KIND_INTEGER;
    if (m->kind != VALUE_STRING) return 0;
    if ((f->kinds & KIND_DATETIME) && parse_datetime(m->text, &whole) < 0) f->kinds &= ~(unsigned)KIND_DATETIME;
    return note_text(r, f, m->text, e);
}

// ---- second pass: values ----

static int say_misfit(const store_column *c, const member *m, err *e)
{
    static const char *const wanted[] = {
        [PLAN_BOOLEAN] = "a boolean", [PLAN_INTEGER] = "an integer (of 64 bits)",
        [PLAN_REAL] = "a number",     [PLAN_DATETIME] = "a date or time (ISO 8601)",
        [PLAN_CATEGORY] = "a text",   [PLAN_TEXT] = "a text",
    };
    return err_set(e, ERR_FORMAT, "\"%.*s\" is not %s", (int)(m->text.len < 60 ? m->text.len : 60), m->text.data,
                   wanted[c->plan]);
}

static int fill_text(reader *r, size_t index, size_t worker_index, size_t row, const member *m, err *e)
{
    char text[DECIMAL_TEXT_SIZE];
    str value = m->text;
    double number;
    int64_t whole;
    if (m->kind == VALUE_NUMBER && parse_i64(m->text, &whole) < 0 && parse_f64(m->text, &number) == 0)
        value = (str){text, decimal_format_f64(number, text)}; // 1.50 and 1.5 are one category
    int rc = store_put_text(&r->store, worker_index, index, row, value);
    if (rc == ERR_LIMIT) return past_limit(r, e);
    return rc < 0 ? no_memory(e) : 0;
}

static int fill_member(reader *r, worker *w, size_t worker_index, size_t row, const member *m, err *e)
{
    int32_t found = dictionary_find(&r->columns, m->key, hash_bytes(m->key.data, m->key.len, 0));
    if (found < 0) return err_set(e, ERR_IO, "the file changed while it was read");
    size_t index = (size_t)found;
    store_column *c = &r->store.columns[index];
    if (w->last_rows[index] == row + 1) return err_set(e, ERR_FORMAT, "the key is there twice");
    w->last_rows[index] = row + 1;
    if (m->kind == VALUE_NULL || (m->kind == VALUE_STRING && missing_set_has(&r->missing, m->text))) return 0;
    int64_t *whole = c->values ? (int64_t *)c->values + row : NULL; // texts have no values
    bool misfit = false;
    switch (c->plan) {
    case PLAN_INTEGER: misfit = parse_i64(m->text, whole) < 0; break;
    case PLAN_REAL: misfit = parse_f64(m->text, (double *)c->values + row) < 0; break;
    case PLAN_BOOLEAN:
        misfit = parse_boolean(m->text, whole) < 0;
        if (misfit && m->text.len == 1 && (*m->text.data == '0' || *m->text.data == '1')) {
            *whole = *m->text.data - '0';
            misfit = false;
        }
        break;
    case PLAN_DATETIME: misfit = m->kind != VALUE_STRING || parse_datetime(m->text, whole) < 0; break;
    default: return fill_text(r, index, worker_index, row, m, e);
    }
    return misfit ? say_misfit(c, m, e) : 0;
}

static void fill_missing(reader *r, size_t first_row, size_t n_rows)
{
    for (size_t i = 0; i < r->store.n_columns; i++) {
        store_column *c = &r->store.columns[i];
        for (size_t row = first_row; row < first_row + n_rows; row++) {
            if (c->plan == PLAN_TEXT)
                c->texts[row] = (str){0};
            else if (c->plan == PLAN_CATEGORY)
                ((int32_t *)c->values)[row] = FRAME_CODE_MISSING;
            else if (c->plan == PLAN_REAL)
                ((double *)c->values)[row] = NAN;
            else
                ((int64_t *)c->values)[row] = FRAME_I64_MISSING;
        }
    }
}

// ---- lines of a part ----

static int read_line(reader *r, size_t part, size_t row, size_t index, str line, err *e)
{
    worker *w = &r->workers[index];
    scanner s = {.at = line.data,
                 .end = line.data + line.len,
                 .key_scratch = w->key_scratch,
                 .text_scratch = w->text_scratch,
                 .cell_max = r->options->cell_max};
    member m = {.key = {0}};
    w->n_lines++;
    int more = take(&s, '{') ? 1 : (fail(&s, ERR_FORMAT, "no object"), -1);
    for (size_t position = 0; more > 0 && (more = next_member(&s, position == 0, &m)) > 0; position++) {
        int rc = r->filling ? fill_member(r, w, index, row, &m, e) : note_member(r, w, part, row, position, &m, e);
        if (rc < 0) return err_prefix(e, rc, "column \"%.*s\"", (int)(m.key.len < 60 ? m.key.len : 60), m.key.data);
    }
    if (more == 0) return 0;
    int rc = err_set(e, s.fault_code, "%s", s.fault);
    return m.key.len ? err_prefix(e, rc, "column \"%.*s\"", (int)(m.key.len < 60 ? m.key.len : 60), m.key.data) : rc;
}

static int read_lines(reader *r, size_t part, size_t index, err *e)
{
    worker *w = &r->workers[index];
    size_t len = r->stops[part] - r->starts[part];
    size_t first_row = r->filling ? r->parts[part].first_row : 0, n_rows = 0;
    if (len > LINE_BYTES_MAX) // only the first line of a part can make it that long
        return err_set_at(e, ERR_LIMIT, (int64_t)first_row + 1, "a line of more than %d bytes", LINE_BYTES_MAX);
    TRY(worker_reserve(r, w, len, e));
    str text;
    TRY(source_view(r->source, r->starts[part], len, w->buffer, &text, e));
    if (r->filling) fill_missing(r, first_row, r->parts[part].n_rows);
    for (size_t at = 0; at < len;) {
        const char *newline = memchr(text.data + at, '\n', len - at);
        size_t end = newline ? (size_t)(newline - text.data) : len;
        str line = {text.data + at, end - at};
        at = end + 1;
        scanner blank = {.at = line.data, .end = line.data + line.len};
        skip_blanks(&blank);
        if (blank.at == blank.end) continue;
        if (r->filling && n_rows == r->parts[part].n_rows)
            return err_set(e, ERR_IO, "the file changed while it was read");
        int rc = read_line(r, part, first_row + n_rows, index, line, e);
        n_rows++;
        if (rc < 0) { // rows are counted from the start of the part in the first pass; first_error() adds the rest
            if (e) e->at = (int64_t)(first_row + n_rows);
            return rc;
        }
    }
    if (!r->filling) r->parts[part].n_rows = n_rows;
    return 0;
}

static void run_part(void *context, size_t part, size_t index)
{
    reader *r = context;
    r->part_workers[part] = (uint16_t)index;
    if (task_error_before(&r->failed, part)) return;
    err e = ERR_NONE;
    int rc = read_lines(r, part, index, &e);
    if (rc < 0) task_error_set(&r->failed, part, rc, &e);
}

static int run_parts(reader *r, err *e)
{
    task_error_init(&r->failed);
    pool_run(r->pool, r->n_parts, run_part, r);
    err found = ERR_NONE;
    int rc = task_error_end(&r->failed, &found);
    if (rc == 0) return 0;
    size_t first = r->failed.task;
    int64_t row = found.at;
    for (size_t i = 0; !r->filling && row > 0 && i < first; i++) row += (int64_t)r->parts[i].n_rows; // all were read
    if (e) *e = found;
    if (row <= 0) return rc;
    err_prefix(e, rc, "row %lld", (long long)row);
    if (e) e->at = row;
    return rc;
}

// ---- parts ----

static void run_ends(void *context, size_t i, size_t index)
{
    reader *r = context;
    worker *w = &r->workers[index];
    if (task_error_before(&r->failed, i)) return;
    err e = ERR_NONE;
    size_t start = i * r->part_size, left = r->source->len - start;
    size_t len = left < r->part_size ? left : r->part_size;
    str text;
    int rc = worker_reserve(r, w, len, &e);
    if (rc == 0) rc = source_view(r->source, start, len, w->buffer, &text, &e);
    if (rc < 0) {
        task_error_set(&r->failed, i, rc, &e);
        return;
    }
    r->ends[i] = 0;
    for (size_t at = len; at > 0 && r->ends[i] == 0; at--)
        if (text.data[at - 1] == '\n') r->ends[i] = start + at;
}

// Parts of whole lines: each ends after the last newline of its stretch of the file.
static int find_parts(reader *r, err *e)
{
    size_t n = (r->source->len + r->part_size - 1) / r->part_size;
    size_t bytes =
        (n + 1) * (sizeof *r->ends + sizeof *r->parts + sizeof *r->starts + sizeof *r->stops + sizeof *r->part_workers);
    if (!budget_take(r->budget, bytes)) return past_limit(r, e);
    r->ends = mem_alloc(n + 1, sizeof *r->ends);
    r->parts = mem_zalloc(n + 1, sizeof *r->parts);
    r->starts = mem_alloc(n + 1, sizeof *r->starts);
    r->stops = mem_alloc(n + 1, sizeof *r->stops);
    r->part_workers = mem_alloc(n + 1, sizeof *r->part_workers);
    if (!r->ends || !r->parts || !r->starts || !r->stops || !r->part_workers) return no_memory(e);
    task_error_init(&r->failed);
    pool_run(r->pool, n, run_ends, r);
    TRY(task_error_end(&r->failed, e));
    char head[3];
    str text;
    TRY(source_view(r->source, 0, r->source->len < 3 ? r->source->len : 3, head, &text, e));
    size_t at = text.len == 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    r->ends[n] = r->source->len;
    for (size_t i = 0; i <= n; i++) {
        if (r->ends[i] <= at) continue;
        r->starts[r->n_parts] = at;
        r->stops[r->n_parts++] = at = r->ends[i];
    }
    return 0;
}

// ---- columns ----

typedef struct found_key {
    str name;
    const key_facts *facts;
} found_key;

static int compare_keys(const void *a, const void *b) // by first appearance in the file
{
    const key_facts *x = ((const found_key *)a)->facts, *y = ((const found_key *)b)->facts;
    if (x->part != y->part) return x->part > y->part ? 1 : -1;
    if (x->line != y->line) return x->line > y->line ? 1 : -1;
    return (x->position > y->position) - (x->position < y->position);
}

// Keys of all workers become columns, in the order of their first appearance.
static int join_keys(reader *r, err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_workers; i++) n += r->workers[i].keys.n;
    found_key *all = mem_alloc(n, sizeof *all);
    if (!all) return no_memory(e);
    n = 0;
    for (size_t i = 0; i < r->n_workers; i++)
        for (size_t k = 0; k < r->workers[i].keys.n; k++)
            all[n++] = (found_key){dictionary_text(&r->workers[i].keys, k), &r->workers[i].facts[k]};
    qsort(all, n, sizeof *all, compare_keys);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        str name = all[i].name;
        int32_t code = dictionary_add(&r->columns, name, hash_bytes(name.data, name.len, 0), false);
        if (code < 0) rc = code == ERR_LIMIT ? past_limit(r, e) : no_memory(e);
        if (name.len == 0 && rc == 0) rc = err_set(e, ERR_FORMAT, "an empty key");
    }
    mem_free(all);
    if (rc == 0 && r->columns.n > r->options->columns_max)
        rc = err_set(e, ERR_LIMIT, "%zu different keys, at most %zu", r->columns.n, r->options->columns_max);
    if (rc == 0 && r->columns.n == 0) rc = err_set(e, ERR_FORMAT, "there is nothing in it");
    return rc;
}

static int plan_column(reader *r, size_t index, err *e)
{
    store_column *c = &r->store.columns[index];
    str name = dictionary_text(&r->columns, index);
    if (!(c->name = mem_strndup(name.data, name.len))) return no_memory(e);
    size_t n_kinds[VALUE_STRING + 1] = {0};
    text_facts facts = {0};
    sketch texts = {{0}};
    unsigned kinds = KINDS_ALL;
    for (size_t i = 0; i < r->n_workers; i++) {
        const worker *w = &r->workers[i];
        int32_t key = dictionary_find(&w->keys, name, hash_bytes(name.data, name.len, 0));
        if (key < 0) continue;
        const key_facts *f = &w->facts[key];
        for (int k = 0; k <= VALUE_STRING; k++) n_kinds[k] += f->n_kinds[k];
        kinds &= f->kinds;
        facts.n_present += f->facts.n_present;
        facts.n_words += f->facts.n_words;
        facts.n_spaced += f->facts.n_spaced;
        if (f->sketch) sketch_join(&texts, f->sketch);
    }
    facts.n_distinct = sketch_estimate(&texts);
    bool like_text = text_facts_like_text(&facts);
    bool strings = n_kinds[VALUE_STRING], numbers = n_kinds[VALUE_NUMBER], booleans = n_kinds[VALUE_BOOLEAN];
    if (strings + numbers + booleans > 1)
        c->plan = like_text ? PLAN_TEXT : PLAN_CATEGORY; // mixed: all as texts
    else if (strings)
        c->plan = plan_of_kinds(kinds & KIND_DATETIME, like_text);
    else if (booleans)
        c->plan = PLAN_BOOLEAN;
    else
        c->plan = numbers ? plan_of_kinds(kinds & (KIND_INTEGER | KIND_REAL), false) : PLAN_REAL; // REAL: never a value
    return 0;
}

static int fix_types(reader *r, err *e)
{
    const read_options *o = r->options;
    for (size_t t = 0; t < o->n_types; t++) {
        str name = str_of(o->types[t].column);
        int32_t index = dictionary_find(&r->columns, name, hash_bytes(name.data, name.len, 0));
        if (index >= 0) {
            store_column *c = &r->store.columns[index];
            c->fixed = true;
            c->fixed_type = o->types[t].type;
            c->plan = plan_of_type(c->fixed_type);
        } else if (!o->types[t].if_there) {
            return err_set(e, ERR_NOT_FOUND, "no column \"%.60s\" to give a type to", o->types[t].column);
        }
    }
    return 0;
}

static int fill_columns(reader *r, frame **out, err *e)
{
    int rc = store_init(&r->store, r->columns.n, r->n_workers, &r->missing, r->budget);
    if (rc < 0) return no_memory(e);
    size_t n_rows = 0;
    for (size_t i = 0; i < r->n_parts; i++) {
        r->parts[i].first_row = n_rows;
        n_rows += r->parts[i].n_rows;
    }
    if (n_rows > FRAME_ROWS_MAX) return err_set(e, ERR_LIMIT, "%zu rows, at most %zu", n_rows, FRAME_ROWS_MAX);
    r->store.n_rows = n_rows;
    r->store.n_parts = r->n_parts;
    r->store.parts = r->parts;
    for (size_t i = 0; i < r->columns.n; i++) {
        TRY(plan_column(r, i, e));
        r->store.columns[i].workers = r->part_workers;
    }
    TRY(fix_types(r, e));
    if (!budget_take(r->budget, store_bytes(&r->store))) {
        char wanted[BYTES_TEXT_SIZE], limit[BYTES_TEXT_SIZE];
        return err_set(e, ERR_LIMIT, "%zu rows of %zu columns need %s of memory, more than the limit of %s", n_rows,
                       r->columns.n, format_bytes(store_bytes(&r->store), wanted), format_bytes(r->budget->max, limit));
    }
    for (size_t i = 0; i < r->columns.n; i++)
        if (store_reserve(&r->store, i) < 0) return no_memory(e);
    for (size_t i = 0; i < r->n_workers; i++)
        if (!(r->workers[i].last_rows = mem_zalloc(r->columns.n, sizeof(size_t)))) return no_memory(e);
    r->filling = true;
    TRY(run_parts(r, e));
    for (size_t i = 0; i < r->n_workers; i++) worker_release(r, &r->workers[i]);
    return store_finish(&r->store, out, r->pool, e);
}

int jsonl_read(frame **out, const source *s, const read_options *o, size_t part_size, budget *b, pool *p, err *e)
{
    reader r = {.source = s,
                .options = o,
                .budget = b,
                .pool = p,
                .missing = missing_set_of(o),
                .part_size = part_size ? part_size : PART_BYTES,
                .n_workers = pool_size(p)};
    dictionary_init(&r.columns, b);
    r.workers = mem_zalloc(r.n_workers, sizeof *r.workers);
    int rc = r.workers ? 0 : no_memory(e);
    for (size_t i = 0; r.workers && i < r.n_workers; i++) {
        dictionary_init(&r.workers[i].keys, b);
    }
    if (rc == 0) rc = find_parts(&r, e);
    if (rc == 0) rc = run_parts(&r, e);
    if (rc == 0) rc = join_keys(&r, e);
    if (rc == 0) rc = fill_columns(&r, out, e);
    for (size_t i = 0; r.workers && i < r.n_workers; i++) worker_clear(&r, &r.workers[i]);
    mem_free(r.workers);
    mem_free(r.ends);
    mem_free(r.parts);
    mem_free(r.starts);
    mem_free(r.stops);
    mem_free(r.part_workers);
    dictionary_clear(&r.columns);
    store_clear(&r.store);
    return rc;
}
