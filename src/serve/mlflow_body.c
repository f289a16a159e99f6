// Which member holds the rows is only known when it comes; of dataframe_split the rows may come before their columns,
// and are then read when the columns are known.
// SPDX-License-Identifier: Apache-2.0
#include "serve/mlflow_body.h"

#include <math.h>

#include "data/read.h"
#include "serve/decode_impl.h"

static int wrong_shape(row_reader *r, const char *why)
{
    return read_wrong_shape(r, why,
                            "an object with one of dataframe_split, dataframe_records, instances and inputs, and "
                            "nothing else but params");
}

static int wrong_split(row_reader *r, const char *why)
{
    return read_wrong_shape(r, why, "{\"dataframe_split\": {\"columns\": [...], \"data\": [[...], ...]}}");
}

// ["age", "sex", ...] to the inputs of the values in each row. A name that the model does not have is passed over.
static int read_names(row_reader *r)
{
    const size_t n_inputs = r->out->schema->n_inputs;
    if (!scan_take(&r->in, '[')) {
        TRY(scan_other(&r->in));
        return wrong_split(r, "\"columns\" is no array");
    }
    // As many as there may be: counted on a copy of the scan, then read.
    scan counted = r->in;
    size_t n = 0, n_names = 0;
    int more;
    while ((more = scan_element(&counted, &n_names)) > 0) TRY(scan_skip(&counted));
    if (more < 0) return more;
    uint32_t *order = arena_alloc(r->in.memory, n_names, sizeof *order);
    bool *seen = arena_zalloc(r->in.memory, n_inputs, sizeof *seen);
    if (!order || !seen) return scan_no_memory(&r->in);
    while ((more = scan_element(&r->in, &n)) > 0) {
        str name;
        if (*r->in.at != '"') return wrong_split(r, "a column's name is no text");
        TRY(scan_text(&r->in, &name));
        int64_t input = decoder_find(r->decoder, name);
        order[n - 1] = input < 0 ? INPUT_NONE : (uint32_t)input;
        if (input < 0) continue;
        if (seen[input]) {
            *r->in.place = (place){.code = "duplicate_column", .row = -1, .column = name};
            return err_set(r->in.e, ERR_INPUT, "the column \"" STR_FORMAT "\" comes twice", STR_ARGS(name));
        }
        seen[input] = true;
    }
    r->order = order;
    r->n_order = n_names;
    return more;
}

// {"index": [...], "columns": [...], "data": [[...], ...]}: rows are read when their columns are known.
static int read_split(row_reader *r, size_t *n_rows)
{
    size_t n = 0;
    str name;
    int more;
    bool found = false;
    const char *later = NULL;
    if (!scan_take(&r->in, '{')) {
        TRY(scan_other(&r->in));
        return wrong_split(r, "this is no object");
    }
    while ((more = scan_member(&r->in, &n, &name)) > 0) {
        if (str_equal(name, STR("columns"))) {
            if (r->order) return wrong_split(r, "\"columns\" comes twice");
            TRY(read_names(r));
        } else if (str_equal(name, STR("data"))) {
            if (found) return wrong_split(r, "\"data\" comes twice");
            found = true;
            if (!r->order) later = r->in.at;
            TRY(later ? scan_skip(&r->in) : read_rows(r, "/dataframe_split/data", n_rows));
        } else if (str_equal(name, STR("index"))) {
            TRY(scan_skip(&r->in)); // names of rows, which no answer has
        } else {
            return wrong_split(r, "there is a member that is none of columns, data and index");
        }
    }
    if (more < 0) return more;
    if (!found) return wrong_split(r, "there is no \"data\"");
    if (!later) return 0;
    const char *end = r->in.at;
    r->in.at = later;
    TRY(read_rows(r, "/dataframe_split/data", n_rows));
    r->in.at = end;
    return 0;
}

// {} and null say nothing; parameters are for models that have some, and none of ours has.
static int read_params(row_reader *r)
{
    if (scan_word(&r->in, "null", 4)) return 0;
    if (scan_take(&r->in, '{')) {
        scan_blanks(&r->in);
        if (scan_take(&r->in, '}')) return 0;
        if (r->in.at == r->in.end) return scan_not_json(&r->in, "it ends in the middle");
    } else {
        TRY(scan_other(&r->in));
    }
    *r->in.place = (place){.code = "params", .row = -1, .pointer = STR("/params")};
    return err_set(r->in.e, ERR_INPUT, "\"params\" is not empty, but this model takes no parameters");
}

static int read_member(row_reader *r, str name, body_form *form, size_t *n_rows)
{
    r->arrays = true;
    if (str_equal(name, STR("dataframe_split"))) return read_split(r, n_rows);
    if (str_equal(name, STR("instances"))) return read_rows(r, "/instances", n_rows);
    if (str_equal(name, STR("dataframe_records"))) {
        r->arrays = false;
        return read_rows(r, "/dataframe_records", n_rows);
    }
    if (!str_equal(name, STR("inputs"))) return wrong_shape(r, "there is a member of another name");
    if (r->in.at == r->in.end || *r->in.at != '{') return read_rows(r, "/inputs", n_rows);
    *form = BODY_COLUMNS;
    return read_columns(r, "/inputs", n_rows);
}

int mlflow_read_json(batch *out, const decoder *d, str body, size_t rows_max, place *at, arena *a, err *e)
{
    batch b;
    row_reader r;
    TRY(row_reader_init(&r, &b, d, body, rows_max, at, a, e));
    r.extras = true;
    r.in.nan = true; // MLflow's client writes missing values so
    scan_blanks(&r.in);
    if (r.in.at == r.in.end) return scan_not_json(&r.in, "it is empty");
    if (!scan_take(&r.in, '{')) {
        TRY(scan_other(&r.in));
        return wrong_shape(&r, "this is no object");
    }
    body_form form = BODY_ROWS;
    size_t n = 0, n_rows = 0;
    bool found = false, params = false;
    str name;
    int more;
    while ((more = scan_member(&r.in, &n, &name)) > 0) {
        bool is_params = str_equal(name, STR("params"));
        if (is_params ? params : found) return wrong_shape(&r, "there is more than one member with rows");
        if (is_params)
            TRY(read_params(&r));
        else
            TRY(read_member(&r, name, &form, &n_rows));
        params |= is_params;
        found |= !is_params;
    }
    if (more < 0) return more;
    if (!found) return wrong_shape(&r, "there is no member with rows");
    TRY(read_done(&r, form, n_rows));
    *out = b;
    return 0;
}

// CSV.

static int refuse(place *at, const char *code, int64_t row, const char *name, err *e, const char *why)
{
    *at = (place){.code = code, .row = row, .column = name ? str_of(name) : (str){0}};
    if (row >= 0) return err_set(e, ERR_INPUT, "row %lld, column \"%s\": %s", (long long)row, name, why);
    if (name) return err_set(e, ERR_INPUT, "the column \"%s\" %s", name, why);
    return err_set(e, ERR_INPUT, "%s", why);
}

// Texts are views of the frame, which goes.
static bool keep_texts(const batch *b, arena *a)
{
    for (size_t i = 0; i < b->schema->n_inputs; i++) {
        str *texts = b->columns[i].strings;
        for (size_t row = 0; texts && row < b->n_rows; row++) {
            if (texts[row].len == 0) continue;
            char *copy = arena_strndup(a, texts[row].data, texts[row].len);
            if (!copy) return false;
            texts[row].data = copy;
        }
    }
    return true;
}

static int64_t first_missing(const batch_column *c, size_t n_rows)
{
    for (size_t row = 0; row < n_rows; row++)
        if (c->f32 ? isnan(c->f32[row]) : c->i64 ? c->i64[row] == WIRE_I64_MISSING : c->strings[row].len == 0)
            return (int64_t)row;
    return -1;
}

static int take_frame(batch *out, const schema *s, const frame *f, size_t rows_max, place *at, arena *a, err *e)
{
    size_t n_rows = frame_n_rows(f);
    if (n_rows == 0) return refuse(at, "no_rows", -1, NULL, e, "there are no rows");
    if (n_rows > rows_max) return refuse(at, "too_many_rows", -1, NULL, e, "more rows than one request may have");
    // What the file has, by a schema of just those inputs.
    schema there = {.target = s->target};
    there.inputs = arena_alloc(a, s->n_inputs, sizeof *there.inputs);
    batch b, some;
    if (!there.inputs) return err_set(e, ERR_MEMORY, "no memory for %zu columns", s->n_inputs);
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (frame_find(f, s->inputs[i].name) >= 0)
            there.inputs[there.n_inputs++] = s->inputs[i];
        else if (!s->inputs[i].missing_ok)
            return refuse(at, "missing_column", -1, s->inputs[i].name, e, "is missing");
    }
    at->code = "wrong_type"; // if it fails
    TRY(batch_from_frame(&some, &there, f, NULL, 0, a, e));
    at->code = NULL;
    TRY(batch_new(&b, s, n_rows, a, e));
    for (size_t i = 0, k = 0; i < s->n_inputs; i++) {
        if (k == there.n_inputs || strcmp(there.inputs[k].name, s->inputs[i].name) != 0) continue;
        b.columns[i] = some.columns[k++];
        int64_t hole = s->inputs[i].missing_ok ? -1 : first_missing(&b.columns[i], n_rows);
        if (hole >= 0)
            return refuse(at, "missing_value", hole, s->inputs[i].name, e,
                          "a missing value, which the model has no answer for");
    }
    if (!keep_texts(&b, a)) return err_set(e, ERR_MEMORY, "no memory for the texts of a request");
    *out = b;
    return 0;
}

int mlflow_read_csv(batch *out, const schema *s, str body, size_t rows_max, size_t memory_max, place *at, arena *a,
                    err *e)
{
    read_options o = READ_OPTIONS_DEFAULT;
    *at = (place){.row = -1};
    TRY(read_types_for(s, &o.types, &o.n_types, a, e));
    o.format = FORMAT_CSV;
    o.header = HEADER_YES;
    o.delimiter = ',';
    o.memory_max = memory_max;
    frame *f;
    at->code = "invalid_csv"; // if it fails
    TRY(read_csv(&f, body, &o, NULL, e));
    at->code = NULL;
    int rc = take_frame(out, s, f, rows_max, at, a, e);
    frame_free(f);
    return rc;
}
