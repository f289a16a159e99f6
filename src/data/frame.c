// Frames: columns with what they own, a table of names, and the builder.
// SPDX-License-Identifier: Apache-2.0
#include "data/frame.h"

#include <assert.h>
#include <string.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/frame_impl.h"
#include "data/value.h"

struct frame {
    size_t n_rows, n_columns;
    frame_slot *slots; // n_columns
    uint32_t *names;   // hash table: column + 1, or 0
    size_t names_mask;
};

size_t frame_n_rows(const frame *f)
{
    return f->n_rows;
}

size_t frame_n_columns(const frame *f)
{
    return f->n_columns;
}

const column *frame_column(const frame *f, size_t index)
{
    assert(index < f->n_columns);
    return &f->slots[index].view;
}

int64_t frame_find(const frame *f, const char *name)
{
    size_t at = hash_bytes(name, strlen(name), 0) & f->names_mask;
    for (; f->names[at]; at = (at + 1) & f->names_mask)
        if (strcmp(f->slots[f->names[at] - 1].name, name) == 0) return (int64_t)f->names[at] - 1;
    return -1;
}

int frame_require(const frame *f, const char *name, const char *why, size_t *out, err *e)
{
    int64_t found = frame_find(f, name);
    if (found >= 0) {
        *out = (size_t)found;
        return 0;
    }
    size_t n = frame_n_columns(f);
    const char **names = mem_alloc(n, sizeof *names);
    if (!names) return err_set(e, ERR_MEMORY, "no memory for %zu names", n);
    for (size_t i = 0; i < n; i++) names[i] = frame_column(f, i)->name;
    const char *near = nearest_name(name, names, n);
    int rc = near ? err_set(e, ERR_NOT_FOUND, "no column \"%.60s\"%s; did you mean \"%.60s\"?", name, why, near)
                  : err_set(e, ERR_NOT_FOUND, "no column \"%.60s\"%s", name, why);
    mem_free(names);
    return rc;
}

void frame_slot_clear(frame_slot *s)
{
    mem_free(s->name);
    mem_free(s->values);
    mem_free(s->strings);
    text_blocks_free(s->blocks);
    *s = (frame_slot){0};
}

void frame_slots_free(frame_slot *slots, size_t n)
{
    for (size_t i = 0; slots && i < n; i++) frame_slot_clear(&slots[i]);
    mem_free(slots);
}

void frame_free(frame *f)
{
    if (!f) return;
    frame_slots_free(f->slots, f->n_columns);
    mem_free(f->names);
    mem_free(f);
}

storage storage_of(column_type t, bool identifier_is_text)
{
    switch (t) {
    case COLUMN_REAL: return STORAGE_F64;
    case COLUMN_INTEGER:
    case COLUMN_BOOLEAN:
    case COLUMN_DATETIME: return STORAGE_I64;
    case COLUMN_IDENTIFIER: return identifier_is_text ? STORAGE_STRING : STORAGE_I64;
    default: return STORAGE_STRING;
    }
}

void frame_slot_count_missing(frame_slot *s, size_t n_rows)
{
    const double *f64 = s->values;
    const int64_t *i64 = s->values;
    const int32_t *codes = s->values;
    size_t n = 0;
    switch (s->view.storage) {
    case STORAGE_F64:
        for (size_t i = 0; i < n_rows; i++) n += isnan(f64[i]) != 0;
        break;
    case STORAGE_I64:
        for (size_t i = 0; i < n_rows; i++) n += i64[i] == FRAME_I64_MISSING;
        break;
    default:
        for (size_t i = 0; i < n_rows; i++) n += codes[i] < 0;
    }
    s->view.n_missing = n;
}

// Fills the table of names; ERR_INPUT if one is there twice.
static int name_columns(frame *f, err *e)
{
    for (size_t i = 0; i < f->n_columns; i++) {
        const char *name = f->slots[i].name;
        size_t at = hash_bytes(name, strlen(name), 0) & f->names_mask;
        for (; f->names[at]; at = (at + 1) & f->names_mask)
            if (strcmp(f->slots[f->names[at] - 1].name, name) == 0)
                return err_set_at(e, ERR_INPUT, (int64_t)i, "columns %zu and %zu are both called \"%.80s\"",
                                  (size_t)f->names[at], i + 1, name);
        f->names[at] = (uint32_t)i + 1;
    }
    return 0;
}

int frame_make(frame **out, frame_slot *slots, size_t n_columns, size_t n_rows, err *e)
{
    int rc = 0;
    size_t n_names = 16;
    while (n_names < 2 * n_columns) n_names *= 2;
    frame *f = mem_zalloc(1, sizeof *f);
    uint32_t *names = mem_zalloc(n_names, sizeof *names);
    if (!f || !names) {
        mem_free(f);
        mem_free(names);
        frame_slots_free(slots, n_columns);
        return err_set(e, ERR_MEMORY, "no memory for a frame of %zu columns", n_columns);
    }
    *f = (frame){.n_rows = n_rows, .n_columns = n_columns, .slots = slots, .names = names, .names_mask = n_names - 1};
    for (size_t i = 0; i < n_columns; i++) {
        column *c = &slots[i].view;
        c->name = slots[i].name;
        c->strings = slots[i].strings;
        c->f64 = c->storage == STORAGE_F64 ? slots[i].values : NULL;
        c->i64 = c->storage == STORAGE_I64 ? slots[i].values : NULL;
        c->codes = c->storage == STORAGE_STRING ? slots[i].values : NULL;
    }
    if ((rc = name_columns(f, e)) < 0) {
        frame_free(f);
        return rc;
    }
    *out = f;
    return 0;
}

str column_text(const column *c, size_t row, char text[COLUMN_TEXT_SIZE])
{
    if (column_missing(c, row)) return (str){text, 0};
    if (c->storage == STORAGE_STRING) return c->strings[c->codes[row]];
    if (c->storage == STORAGE_F64) return (str){text, decimal_format_f64(c->f64[row], text)};
    int64_t value = c->i64[row];
    if (c->type == COLUMN_BOOLEAN) return value ? STR("true") : STR("false");
    if (c->type == COLUMN_DATETIME) return (str){text, format_datetime(value, text)};
    return (str){text, decimal_format_i64(value, text)};
}

// ---- the fingerprint ----

static void add_u64(sha256 *h, uint64_t value)
{
    sha256_add(h, &value, sizeof value); // little endian, as decimal.c asserts of the machine
}

static void add_str(sha256 *h, str text)
{
    add_u64(h, text.len);
    sha256_add(h, text.data, text.len);
}

void frame_fingerprint(const frame *f, char hex[65])
{
    sha256 h;
    sha256_init(&h);
    add_u64(&h, f->n_rows);
    add_u64(&h, f->n_columns);
    for (size_t i = 0; i < f->n_columns; i++) {
        const column *c = &f->slots[i].view;
        add_str(&h, str_of(c->name));
        add_str(&h, str_of(column_type_name(c->type)));
        add_u64(&h, c->storage);
        size_t size = c->storage == STORAGE_STRING ? sizeof *c->codes : sizeof *c->i64;
        sha256_add(&h, f->slots[i].values, f->n_rows * size);
        add_u64(&h, c->n_strings);
        for (size_t k = 0; k < c->n_strings; k++) add_str(&h, c->strings[k]);
    }
    sha256_hex(&h, hex);
}

// ---- the builder ----

struct frame_builder {
    size_t n_rows, n_slots, cap;
    frame_slot *slots; // owned
};

int frame_builder_new(frame_builder **out, size_t n_rows, err *e)
{
    if (n_rows > FRAME_ROWS_MAX) return err_set(e, ERR_LIMIT, "%zu rows, at most %zu", n_rows, FRAME_ROWS_MAX);
    frame_builder *b = mem_zalloc(1, sizeof *b);
    if (!b) return err_set(e, ERR_MEMORY, "no memory for a frame");
    b->n_rows = n_rows;
    *out = b;
    return 0;
}

void frame_builder_free(frame_builder *b)
{
    if (!b) return;
    frame_slots_free(b->slots, b->n_slots);
    mem_free(b);
}

// Takes the slot, also on failure.
static int add_slot(frame_builder *b, frame_slot *s, const char *name, err *e)
{
    int rc = ERR_MEMORY;
    if (b->n_slots == FRAME_COLUMNS_MAX) {
        frame_slot_clear(s);
        return err_set(e, ERR_LIMIT, "more than %d columns", FRAME_COLUMNS_MAX);
    }
    if (b->n_slots == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 8;
        frame_slot *more = mem_realloc(b->slots, cap, sizeof *more);
        if (!more) goto failed;
        b->slots = more;
        b->cap = cap;
    }
    if (!(s->name = mem_strdup(name))) goto failed;
    frame_slot_count_missing(s, b->n_rows);
    b->slots[b->n_slots++] = *s;
    return 0;
failed:
    frame_slot_clear(s);
    return err_set(e, rc, "no memory for column \"%.80s\"", name);
}

static int wrong_storage(const char *name, column_type t, err *e)
{
    return err_set(e, ERR_INPUT, "column \"%.80s\": values of type %s are not stored like this", name,
                   column_type_name(t));
}

int frame_builder_add_f64(frame_builder *b, const char *name, column_type t, const double *values, err *e)
{
    if (storage_of(t, true) != STORAGE_F64) return wrong_storage(name, t, e);
    double *copy = mem_alloc(b->n_rows, sizeof *copy);
    if (!copy) return err_set(e, ERR_MEMORY, "no memory for column \"%.80s\"", name);
    for (size_t i = 0; i < b->n_rows; i++) copy[i] = isnan(values[i]) ? (double)NAN : values[i]; // one NaN of all
    frame_slot s = {.view = {.type = t, .storage = STORAGE_F64}, .values = copy};
    return add_slot(b, &s, name, e);
}

int frame_builder_add_i64(frame_builder *b, const char *name, column_type t, const int64_t *values, err *e)
{
    if (storage_of(t, false) != STORAGE_I64) return wrong_storage(name, t, e);
    for (size_t i = 0; t == COLUMN_BOOLEAN && i < b->n_rows; i++)
        if (values[i] != 0 && values[i] != 1 && values[i] != FRAME_I64_MISSING)
            return err_set_at(e, ERR_INPUT, (int64_t)i + 1, "column \"%.80s\", row %zu: %lld is no boolean", name,
                              i + 1, (long long)values[i]);
    int64_t *copy = mem_alloc(b->n_rows, sizeof *copy);
    if (!copy) return err_set(e, ERR_MEMORY, "no memory for column \"%.80s\"", name);
    if (b->n_rows) memcpy(copy, values, b->n_rows * sizeof *copy);
    frame_slot s = {.view = {.type = t, .storage = STORAGE_I64}, .values = copy};
    return add_slot(b, &s, name, e);
}

// Distinct values sorted by bytes, and codes into them.
static int fill_categories(frame_slot *s, const str *values, size_t n_rows)
{
    int32_t *codes = s->values;
    dictionary d;
    dictionary_init(&d, NULL);
    int rc = 0;
    uint32_t *order = NULL;
    for (size_t i = 0; i < n_rows && rc == 0; i++) {
        codes[i] = FRAME_CODE_MISSING;
        if (values[i].len == 0) continue;
        codes[i] = dictionary_add(&d, values[i], hash_bytes(values[i].data, values[i].len, 0), false);
        if (codes[i] < 0) rc = codes[i];
    }
    if (rc == 0) {
        s->strings = mem_alloc(d.n, sizeof *s->strings);
        order = mem_alloc(2 * d.n, sizeof *order); // and scratch, later the places of the entries
        if (!s->strings || !order) rc = ERR_MEMORY;
    }
    if (rc == 0) {
        uint32_t *place = order + d.n;
        dictionary_sort(&d, order, place);
        for (size_t i = 0; i < d.n; i++) {
            s->strings[i] = dictionary_text(&d, order[i]);
            place[order[i]] = (uint32_t)i;
        }
        for (size_t i = 0; i < n_rows; i++)
            if (codes[i] >= 0) codes[i] = (int32_t)place[codes[i]];
        s->view.n_strings = d.n;
        s->blocks = d.blocks;
        d.blocks = NULL;
    }
    mem_free(order);
    dictionary_clear(&d);
    return rc;
}

static int fill_texts(frame_slot *s, const str *values, size_t n_rows)
{
    int32_t *codes = s->values;
    size_t n = 0;
    for (size_t i = 0; i < n_rows; i++) codes[i] = values[i].len ? (int32_t)n++ : FRAME_CODE_MISSING;
    if (!(s->strings = mem_alloc(n, sizeof *s->strings))) return ERR_MEMORY;
    for (size_t i = 0; i < n_rows; i++) {
        if (codes[i] < 0) continue;
        char *copy;
        TRY(text_blocks_reserve(&s->blocks, values[i].len, NULL, &copy));
        memcpy(copy, values[i].data, values[i].len);
        s->strings[codes[i]] = (str){copy, values[i].len};
    }
    s->view.n_strings = n;
    return 0;
}

int frame_builder_add_strings(frame_builder *b, const char *name, column_type t, const str *values, err *e)
{
    if (storage_of(t, true) != STORAGE_STRING) return wrong_storage(name, t, e);
    frame_slot s = {.view = {.type = t, .storage = STORAGE_STRING}, .values = mem_alloc(b->n_rows, sizeof(int32_t))};
    int rc = ERR_MEMORY;
    if (s.values)
        rc = t == COLUMN_CATEGORY ? fill_categories(&s, values, b->n_rows) : fill_texts(&s, values, b->n_rows);
    if (rc == 0) return add_slot(b, &s, name, e);
    frame_slot_clear(&s);
    return err_set(e, rc, "no memory for column \"%.80s\"", name);
}

int frame_builder_take(frame_builder *b, frame **out, err *e)
{
    frame_slot *slots = b->slots;
    size_t n = b->n_slots;
    if (!slots && !(slots = mem_alloc(0, sizeof *slots))) return err_set(e, ERR_MEMORY, "no memory for a frame");
    b->slots = NULL;
    b->n_slots = b->cap = 0;
    return frame_make(out, slots, n, b->n_rows, e);
}
