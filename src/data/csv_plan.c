// What the columns of a CSV file are called, and what they seem to hold.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "data/csv_reader_impl.h"
#include "data/value.h"

enum {
    SAMPLE_PARTS = 8,
    SAMPLE_ROWS = 256, // of each, fewer if there are many columns
    SAMPLE_CELLS = 1 << 15,
};

typedef struct sample {
    unsigned kinds;
    unsigned first_kinds;            // of the first row's cell, which may be a name
    bool first_missing, first_again; // the first row's text is there again below it
    size_t n_present;
    text_facts facts;
    dictionary texts;
} sample;

static int sample_text(const csv_reader *r, sample *s, str text)
{
    if (missing_set_has(&r->missing, text)) return 0;
    s->n_present++;
    if (s->kinds) s->kinds &= cell_kinds(text);
    int32_t code = dictionary_add(&s->texts, text, hash_bytes(text.data, text.len, 0), false);
    if (code < 0) return code;
    text_facts_add(&s->facts, text, 1);
    s->facts.n_distinct = (double)s->texts.n;
    return 0;
}

static int sample_row(const csv_reader *r, const csv_view *row, bool first, sample *samples, str *first_row, err *e)
{
    for (size_t index = 0; index < row->n_columns; index++) {
        sample *s = &samples[index];
        csv_cell cell;
        if (!csv_view_cell(row, 0, index, true, &cell)) continue; // an error, but one for later
        str text = cell.quoted ? cell.text : str_trim(cell.text);
        if (first) {
            char *copy = mem_strndup(text.len ? text.data : "", text.len);
            if (!copy) return err_set(e, ERR_MEMORY, "no memory for the first row");
            first_row[index] = (str){copy, text.len};
            s->first_kinds = cell_kinds(text);
            s->first_missing = missing_set_has(&r->missing, text);
            continue;
        }
        s->first_again |= first_row[index].len && str_equal(text, first_row[index]);
        int rc = sample_text(r, s, text);
        if (rc < 0) return err_set(e, rc, "no memory for a sample of column %zu", index + 1);
    }
    return 0;
}

// Some rows of a part, those that are sound: faults are found again when all rows are read, and the first of them is
// reported then. The very first row of the file is kept apart: it may be the header.
static int sample_part(csv_reader *r, size_t part, size_t n_rows, sample *samples, str *first_row, err *e)
{
    csv_worker *w = &r->workers[0];
    const csv_range *range = &r->ranges[part];
    size_t first_len = r->layout.first_row_end - r->layout.start, n_columns = r->layout.n_columns;
    size_t len = range->end - range->start, want = first_len > r->part_size ? first_len : r->part_size;
    if (len > want) len = want;
    TRY(csv_worker_reserve(r, w, len, e));
    str text;
    TRY(source_view(r->source, range->start, len, w->buffer, &text, e));
    csv_ends ends = csv_machine_split(w->ends, text, r->layout.dialect);
    if (range->start + len == r->source->len && ends.n_rows < r->parts[part].n_rows) w->ends[ends.n++] = (uint32_t)len;
    size_t start = 0, first = 0; // of the row: its text, its ends
    for (size_t i = 0, row = 0; i < ends.n && row < n_rows; i++) {
        uint32_t end = w->ends[i];
        if (end < len && text.data[end] != r->layout.dialect.newline) continue;
        csv_view v = {.text = {text.data + start, end - start},
                      .ends = w->ends + first,
                      .n_columns = n_columns,
                      .n_rows = 1,
                      .dialect = r->layout.dialect,
                      .scratch = w->scratch};
        for (size_t k = first; k <= i; k++) w->ends[k] -= (uint32_t)start;
        if (i + 1 - first == n_columns) TRY(sample_row(r, &v, part == 0 && first == 0, samples, first_row, e));
        start = (size_t)end + 1;
        first = i + 1;
        row++;
    }
    return 0;
}

// A first row is a header if one of its cells could not be a value of its column while those below it are; or, where
// everything is text, if all its cells are there, differ, and none occurs again below.
static bool looks_like_header(const sample *samples, const str *first_row, size_t n)
{
    bool typed = false;
    for (size_t i = 0; i < n; i++) {
        const sample *s = &samples[i];
        if (s->first_kinds & ~(unsigned)KIND_BOOLEAN) return false; // names are no numbers and no dates
        if (s->first_kinds && s->n_present && s->kinds & KIND_BOOLEAN)
            return false; // "y" is one, "yes" among "no" is not
        typed |= s->n_present && s->kinds && !s->first_missing;
    }
    if (typed) return true;
    for (size_t i = 0; i < n; i++) {
        if (samples[i].first_again || (samples[i].first_missing && first_row[i].len)) return false;
        for (size_t k = 0; k < i && k < 64; k++)
            if (first_row[i].len && str_equal(first_row[i], first_row[k])) return false;
    }
    return true;
}

static int name_column(size_t index, str text, char **out, err *e)
{
    char number[32];
    if (text.len == 0) text = (str){number, (size_t)snprintf(number, sizeof number, "column_%zu", index + 1)};
    *out = mem_strndup(text.data, text.len);
    return *out ? 0 : err_set(e, ERR_MEMORY, "no memory for the name of column %zu", index + 1);
}

static int name_columns(csv_reader *r, const str *first_row, bool header, err *e)
{
    dictionary seen;
    dictionary_init(&seen, NULL);
    int rc = 0;
    for (size_t i = 0; i < r->layout.n_columns && rc == 0; i++) {
        store_column *c = &r->store.columns[i];
        if ((rc = name_column(i, header ? first_row[i] : (str){0}, &c->name, e)) < 0) break;
        str name = str_of(c->name);
        int32_t code = dictionary_add(&seen, name, hash_bytes(name.data, name.len, 0), true);
        if (code < 0)
            rc = err_set(e, code, "no memory for the names of the columns");
        else if (seen.n == i)
            rc = err_set(e, ERR_FORMAT, "columns %d and %zu are both called \"%.80s\"", code + 1, i + 1, c->name);
    }
    dictionary_clear(&seen);
    for (size_t i = 0; i < r->layout.n_columns; i++) r->names[i] = r->store.columns[i].name;
    return rc;
}

static int fix_types(csv_reader *r, err *e)
{
    const read_options *o = r->options;
    for (size_t t = 0; t < o->n_types; t++) {
        size_t i = 0, n = r->layout.n_columns;
        while (i < n && strcmp(r->names[i], o->types[t].column) != 0) i++;
        if (i < n) {
            store_column *c = &r->store.columns[i];
            c->fixed = true;
            c->fixed_type = o->types[t].type;
            c->plan = plan_of_type(c->fixed_type);
            continue;
        }
        if (o->types[t].if_there) continue;
        const char *near = nearest_name(o->types[t].column, r->names, n);
        if (near)
            return err_set(e, ERR_NOT_FOUND, "no column \"%.60s\" to give a type to; did you mean \"%.60s\"?",
                           o->types[t].column, near);
        return err_set(e, ERR_NOT_FOUND, "no column \"%.60s\" to give a type to", o->types[t].column);
    }
    return 0;
}

static void drop_first_row(csv_reader *r)
{
    if (r->n_parts == 0) return;
    r->ranges[0].start = r->layout.first_row_end;
    for (size_t i = 1; i < r->n_parts; i++) r->parts[i].first_row--;
    if (--r->parts[0].n_rows > 0) return;
    r->n_parts--;
    memmove(r->parts, r->parts + 1, r->n_parts * sizeof *r->parts);
    memmove(r->ranges, r->ranges + 1, r->n_parts * sizeof *r->ranges);
}

static int take_sample(csv_reader *r, sample *samples, str *first_row, err *e)
{
    size_t n_rows = SAMPLE_CELLS / r->layout.n_columns;
    n_rows = n_rows < 4 ? 4 : n_rows > SAMPLE_ROWS ? SAMPLE_ROWS : n_rows;
    for (size_t i = 0, last = SIZE_MAX; i < SAMPLE_PARTS && r->n_parts; i++) {
        size_t part = i * (r->n_parts - 1) / (SAMPLE_PARTS - 1);
        if (part == last) continue;
        last = part;
        TRY(sample_part(r, part, n_rows, samples, first_row, e));
    }
    return 0;
}

// Names, and a plan for every column.
int csv_plan_columns(csv_reader *r, err *e)
{
    size_t n = r->layout.n_columns;
    sample *samples = mem_zalloc(n, sizeof *samples);
    str *first_row = mem_zalloc(n, sizeof *first_row);
    int rc = samples && first_row ? 0 : err_set(e, ERR_MEMORY, "no memory for a sample of %zu columns", n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        samples[i].kinds = KINDS_ALL;
        dictionary_init(&samples[i].texts, r->budget);
    }
    if (rc == 0) rc = take_sample(r, samples, first_row, e);
    if (rc == 0) {
        header_mode mode = r->options->header;
        bool header = mode == HEADER_YES || (mode == HEADER_AUTO && looks_like_header(samples, first_row, n));
        if (header) drop_first_row(r);
        for (size_t i = 0; i < n; i++) {
            store_column *c = &r->store.columns[i];
            c->kinds = samples[i].kinds;
            if (!header && !samples[i].first_missing) c->kinds &= samples[i].first_kinds;
            c->like_text = text_facts_like_text(&samples[i].facts);
            c->plan = plan_of_kinds(c->kinds, c->like_text);
        }
        rc = name_columns(r, first_row, header, e);
    }
    if (rc == 0) rc = fix_types(r, e);
    for (size_t i = 0; i < n; i++) {
        if (samples) dictionary_clear(&samples[i].texts);
        if (first_row) mem_free((char *)(uintptr_t)first_row[i].data);
    }
    mem_free(samples);
    mem_free(first_row);
    return rc;
}
