// Batches: room in an arena, and values from frames and texts by the type that the schema wants.
// SPDX-License-Identifier: Apache-2.0
#include "data/batch.h"

#include <float.h>
#include <math.h>
#include <string.h>

int batch_new(batch *out, const schema *s, size_t n_rows, arena *a, err *e)
{
    batch b = {.schema = s, .n_rows = n_rows};
    b.columns = arena_zalloc(a, s->n_inputs, sizeof *b.columns);
    bool full = !b.columns;
    for (size_t i = 0; i < s->n_inputs && !full; i++) {
        batch_column *c = &b.columns[i];
        switch (column_wire(s->inputs[i].type)) {
        case WIRE_F32:
            full = !(c->f32 = arena_alloc(a, n_rows, sizeof *c->f32));
            for (size_t row = 0; row < n_rows && !full; row++) c->f32[row] = NAN;
            break;
        case WIRE_I64:
            full = !(c->i64 = arena_alloc(a, n_rows, sizeof *c->i64));
            for (size_t row = 0; row < n_rows && !full; row++) c->i64[row] = WIRE_I64_MISSING;
            break;
        default: full = !(c->strings = arena_zalloc(a, n_rows, sizeof *c->strings));
        }
    }
    if (full) return err_set(e, ERR_MEMORY, "no memory for a batch of %zu rows and %zu inputs", n_rows, s->n_inputs);
    *out = b;
    return 0;
}

int batch_blank(batch *out, const schema *s, size_t n_rows, arena *a, err *e)
{
    TRY(batch_new(out, s, n_rows, a, e));
    for (size_t i = 0; i < s->n_inputs; i++) {
        const batch_column *c = &out->columns[i];
        for (size_t row = 0; row < n_rows; row++) {
            if (c->f32) c->f32[row] = 0;
            if (c->i64) c->i64[row] = 0;
            if (c->strings) c->strings[row] = STR("0");
        }
    }
    return 0;
}

// What an input of the type accepts, for messages.
static const char *wanted(column_type t)
{
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: return "a number";
    case COLUMN_BOOLEAN: return "true or false";
    case COLUMN_DATETIME: return "a date or time (ISO 8601)";
    default: return "a text";
    }
}

// A number for the input: false if the type does not take it.
static bool take_number(column_type t, double value, float *out)
{
    if (t == COLUMN_BOOLEAN ? value != 0 && value != 1 : !(fabs(value) <= (double)FLT_MAX)) return false;
    *out = (float)value;
    return true;
}

static bool take_text(const batch *b, size_t input, size_t row, str text)
{
    const batch_column *c = &b->columns[input];
    column_type t = b->schema->inputs[input].type;
    double number;
    int64_t whole;
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: return parse_f64(text, &number) == 0 && take_number(t, number, &c->f32[row]);
    case COLUMN_BOOLEAN:
        if (parse_boolean(text, &whole) == 0) return c->f32[row] = (float)whole, true;
        return parse_f64(text, &number) == 0 && take_number(t, number, &c->f32[row]);
    case COLUMN_DATETIME: return parse_datetime(text, &c->i64[row]) == 0;
    default: c->strings[row] = text; return true;
    }
}

int batch_parse(const batch *b, size_t input, size_t row, str text, err *e)
{
    if (text.len == 0) {
        const batch_column *c = &b->columns[input];
        if (c->f32) c->f32[row] = NAN;
        if (c->i64) c->i64[row] = WIRE_I64_MISSING;
        if (c->strings) c->strings[row] = (str){0};
        return 0;
    }
    if (take_text(b, input, row, text)) return 0;
    const schema_input *in = &b->schema->inputs[input];
    return err_set_at(e, ERR_INPUT, (int64_t)row + 1, "column \"%.80s\": \"" STR_FORMAT "\" is not %s", in->name,
                      STR_ARGS(text), wanted(in->type));
}

// A value of a column stored as numbers, for an input that travels as text. False without memory.
static bool write_text(const batch *b, size_t input, size_t row, const column *c, size_t from, arena *a)
{
    char text[COLUMN_TEXT_SIZE];
    str view = column_text(c, from, text);
    char *copy = arena_strndup(a, view.data, view.len);
    b->columns[input].strings[row] = (str){copy, copy ? view.len : 0};
    return copy;
}

// The value `from` of the column becomes row `row`. ERR_INPUT if the type does not take it.
static int convert(const batch *b, size_t input, size_t row, const column *c, size_t from, arena *a)
{
    column_type t = b->schema->inputs[input].type;
    const batch_column *to = &b->columns[input];
    if (column_missing(c, from)) return 0;
    if (c->storage == STORAGE_STRING) return take_text(b, input, row, c->strings[c->codes[from]]) ? 0 : ERR_INPUT;
    if (to->strings) return write_text(b, input, row, c, from, a) ? 0 : ERR_MEMORY;
    if (t == COLUMN_DATETIME) {
        if (c->type != COLUMN_DATETIME) return ERR_INPUT;
        to->i64[row] = c->i64[from];
        return 0;
    }
    if (c->type == COLUMN_DATETIME || (c->type == COLUMN_BOOLEAN && t != COLUMN_BOOLEAN)) return ERR_INPUT;
    double value = c->storage == STORAGE_F64 ? c->f64[from] : (double)c->i64[from];
    return take_number(t, value, &to->f32[row]) ? 0 : ERR_INPUT;
}

static int fill(const batch *b, size_t input, const column *c, const uint32_t *rows, arena *a, err *e)
{
    const schema_input *in = &b->schema->inputs[input];
    for (size_t i = 0; i < b->n_rows; i++) {
        size_t from = rows ? rows[i] : i;
        int rc = convert(b, input, i, c, from, a);
        if (rc == 0) continue;
        if (rc == ERR_MEMORY) return err_set(e, rc, "no memory for the texts of column \"%.80s\"", in->name);
        char text[COLUMN_TEXT_SIZE];
        str value = column_text(c, from, text);
        return err_set_at(e, rc, (int64_t)from + 1, "column \"%.80s\", row %zu: \"" STR_FORMAT "\" is not %s", in->name,
                          from + 1, STR_ARGS(value), wanted(in->type));
    }
    return 0;
}

int batch_from_frame(batch *out, const schema *s, const frame *f, const uint32_t *rows, size_t n_rows, arena *a, err *e)
{
    batch b;
    TRY(batch_new(&b, s, rows ? n_rows : frame_n_rows(f), a, e));
    for (size_t i = 0; i < s->n_inputs; i++) {
        int64_t index = frame_find(f, s->inputs[i].name);
        if (index < 0) return err_set(e, ERR_INPUT, "column \"%.80s\" is missing", s->inputs[i].name);
        TRY(fill(&b, i, frame_column(f, (size_t)index), rows, a, e));
    }
    *out = b;
    return 0;
}

batch batch_part(const batch *b, size_t first, size_t n, batch_column *columns)
{
    for (size_t i = 0; i < b->schema->n_inputs; i++) {
        const batch_column *from = &b->columns[i];
        columns[i] = (batch_column){.f32 = from->f32 ? from->f32 + first : NULL,
                                    .i64 = from->i64 ? from->i64 + first : NULL,
                                    .strings = from->strings ? from->strings + first : NULL};
    }
    return (batch){.schema = b->schema, .n_rows = n, .columns = columns};
}
