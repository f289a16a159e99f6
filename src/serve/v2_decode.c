// One pass over the JSON; a tensor's data is read where it stands when what describes it came before, as clients send
// it, and else in a second pass over that tensor. Binary data is taken in the order of the inputs.
// SPDX-License-Identifier: Apache-2.0
#include "serve/v2_decode.h"

#include <string.h>

#include "base/decimal.h"
#include "serve/v2_impl.h"

enum { DIMENSIONS_MAX = 8, NAMES_MAX = 1024, NAME_TEXT_MAX = 256 };

// What came of an object, as bits, so that nothing comes twice.
typedef enum member {
    M_NAME = 1 << 0,
    M_SHAPE = 1 << 1,
    M_DATATYPE = 1 << 2,
    M_DATA = 1 << 3,
    M_PARAMETERS = 1 << 4,
    M_DESCRIBED = M_NAME | M_SHAPE | M_DATATYPE,
    M_ID = 1 << 5,
    M_INPUTS = 1 << 6,
    M_OUTPUTS = 1 << 7,
} member;

typedef struct reader {
    const decoder *decoder;
    const schema *schema;
    scan in;
    str binary; // what of it was not taken yet
    size_t rows_max;
    batch *out;    // no columns until the first tensor said how many rows there are
    uint8_t *seen; // n_inputs
    size_t n_seen;
} reader;

// One input on its way.
typedef struct input {
    unsigned came;
    size_t n_dims;
    int64_t dims[DIMENSIONS_MAX];
    const char *data; // where it stands in the JSON
    bool resolved, read;
    bool has_size;
    uint64_t size; // binary_data_size
    v2_tensor t;
} input;

const char *v2_output_name(v2_output_kind k)
{
    return k == V2_LABEL ? "label" : k == V2_PROBABILITIES ? "probabilities" : "value";
}

// Errors.

static int refuse(reader *r, const char *code, const char *what, str name, const char *why)
{
    *r->in.place = (place){.code = code, .row = -1, .column = name};
    return err_set(r->in.e, ERR_INPUT, "%s \"" STR_FORMAT "\" %s", what, STR_ARGS(name), why);
}

static int wrong_shape(reader *r, const char *why)
{
    *r->in.place = (place){.code = "wrong_shape", .row = -1};
    return err_set(r->in.e, ERR_INPUT, "%s", why);
}

static int unsupported(reader *r, const char *why)
{
    *r->in.place = (place){.code = "unsupported", .row = -1};
    return err_set(r->in.e, ERR_UNSUPPORTED, "%s", why);
}

static int once(reader *r, unsigned *came, member m, const char *name)
{
    if (*came & m) {
        *r->in.place = (place){.code = "wrong_shape", .row = -1};
        return err_set(r->in.e, ERR_INPUT, "\"%s\" comes twice in one object", name);
    }
    *came |= m;
    return 0;
}

// Values of one kind.

static int want_text(reader *r, const char *what, str *out)
{
    if (r->in.at < r->in.end && *r->in.at == '"') return scan_text(&r->in, out);
    TRY(scan_other(&r->in));
    *r->in.place = (place){.code = "wrong_type", .row = -1};
    return err_set(r->in.e, ERR_INPUT, "\"%s\" is no text", what);
}

static int want_open(reader *r, char open, const char *what)
{
    if (scan_take(&r->in, open)) return 0;
    TRY(scan_other(&r->in));
    *r->in.place = (place){.code = "wrong_type", .row = -1};
    return err_set(r->in.e, ERR_INPUT, "%s is no %s", what, open == '{' ? "object" : "array");
}

static int want_boolean(reader *r, const char *what, bool *out)
{
    if ((*out = scan_word(&r->in, "true", 4)) || scan_word(&r->in, "false", 5)) return 0;
    TRY(scan_other(&r->in));
    *r->in.place = (place){.code = "wrong_type", .row = -1};
    return err_set(r->in.e, ERR_INPUT, "\"%s\" is neither true nor false", what);
}

static bool is_number(const reader *r)
{
    return r->in.at < r->in.end && (*r->in.at == '-' || (*r->in.at >= '0' && *r->in.at <= '9'));
}

static int want_count(reader *r, const char *what, int64_t *out)
{
    str token = {0};
    double value;
    if (is_number(r))
        TRY(scan_number(&r->in, &token, &value));
    else
        TRY(scan_other(&r->in));
    if (token.len > 0 && decimal_parse_i64(token, out) == 0 && *out >= 0) return 0;
    *r->in.place = (place){.code = "wrong_type", .row = -1};
    return err_set(r->in.e, ERR_INPUT, "\"%s\" is no whole number from 0 on", what);
}

// Which columns a tensor is.

size_t v2_tensor_columns(const schema *s, size_t at)
{
    const schema_input *first = &s->inputs[at];
    if (first->slot != 0 || !first->tensor) return 1;
    size_t n = 1;
    while (at + n < s->n_inputs && s->inputs[at + n].tensor && s->inputs[at + n].slot == n &&
           s->inputs[at + n].type == first->type && strcmp(s->inputs[at + n].tensor, first->tensor) == 0)
        n++;
    return n;
}

static int unknown_input(reader *r, str name)
{
    const schema *s = r->schema;
    const char **names = arena_alloc(r->in.memory, s->n_inputs, sizeof *names);
    char *text = name.len < NAME_TEXT_MAX ? arena_strndup(r->in.memory, name.data, name.len) : NULL;
    const char *near = NULL;
    if (names && text && s->n_inputs <= NAMES_MAX) {
        for (size_t i = 0; i < s->n_inputs; i++)
            names[i] = v2_tensor_columns(s, i) > 1 ? s->inputs[i].tensor : s->inputs[i].name;
        near = nearest_name(text, names, s->n_inputs);
    }
    *r->in.place = (place){.code = "unknown_column", .row = -1, .column = name};
    if (near)
        return err_set(r->in.e, ERR_INPUT, "the model has no input \"" STR_FORMAT "\"; did you mean \"%s\"?",
                       STR_ARGS(name), near);
    return err_set(r->in.e, ERR_INPUT, "the model has no input \"" STR_FORMAT "\"", STR_ARGS(name));
}

// A column by its name, or all columns of a tensor of the graph by that one's.
static int find_columns(reader *r, v2_tensor *t)
{
    const schema *s = r->schema;
    int64_t found = decoder_find(r->decoder, t->name);
    size_t at = found >= 0 ? (size_t)found : 0, n = 1;
    for (; found < 0 && at < s->n_inputs; at += n) {
        n = v2_tensor_columns(s, at);
        if (n > 1 && str_equal(str_of(s->inputs[at].tensor), t->name)) break;
    }
    if (at == s->n_inputs) return unknown_input(r, t->name);
    uint32_t *inputs = arena_alloc(r->in.memory, n, sizeof *inputs);
    if (!inputs) return scan_no_memory(&r->in);
    for (size_t i = 0; i < n; i++) {
        inputs[i] = (uint32_t)(at + i);
        if (r->seen[at + i])
            return refuse(r, "duplicate_column", "the input", str_of(s->inputs[at + i].name), "comes twice");
        r->seen[at + i] = 1;
    }
    r->n_seen += n;
    t->inputs = inputs;
    t->columns = n;
    return 0;
}

static int check_shape(reader *r, const input *t)
{
    const size_t k = t->t.columns;
    bool sound = t->n_dims == 2 ? (uint64_t)t->dims[1] == k : t->n_dims == 1 && k == 1;
    if (!sound && k == 1)
        return refuse(r, "wrong_shape", "the input", t->t.name, "has another shape than [N] or [N,1]");
    if (!sound) {
        *r->in.place = (place){.code = "wrong_shape", .row = -1, .column = t->t.name};
        return err_set(r->in.e, ERR_INPUT, "the input \"" STR_FORMAT "\" has another shape than [N,%zu]",
                       STR_ARGS(t->t.name), k);
    }
    if (!v2_datatype_fits(t->t.type, r->schema->inputs[t->t.inputs[0]].type)) {
        *r->in.place = (place){.code = "wrong_type", .row = -1, .column = t->t.name};
        return err_set(r->in.e, ERR_INPUT, "the input \"" STR_FORMAT "\" has datatype %s; it takes %s",
                       STR_ARGS(t->t.name), v2_datatype_name(t->t.type),
                       v2_datatypes_for(r->schema->inputs[t->t.inputs[0]].type));
    }
    return 0;
}

// Bytes that the tensor has at most, where it stands: a shape that lies meets this before there is memory for it.
static bool may_hold(const reader *r, const input *t)
{
    uint64_t n = (uint64_t)t->dims[0] * t->t.columns; // at most rows_max * columns
    size_t size = v2_datatype_size(t->t.type);
    if (t->has_size) return n * (size ? size : 4) <= r->binary.len;
    return n <= (uint64_t)(r->in.end - t->data) / 2; // a digit, and a comma or ]
}

static int set_rows(reader *r, input *t)
{
    const int64_t n = t->dims[0];
    if (n == 0) return refuse(r, "no_rows", "the input", t->t.name, "has no rows");
    if ((uint64_t)n > r->rows_max) {
        *r->in.place = (place){.code = "too_many_rows", .row = -1};
        return err_set(r->in.e, ERR_INPUT, "more than %zu rows in one request", r->rows_max);
    }
    if (r->out->columns && (size_t)n != r->out->n_rows) {
        *r->in.place = (place){.code = "ragged_columns", .row = -1, .column = t->t.name};
        return err_set(r->in.e, ERR_INPUT, "the input \"" STR_FORMAT "\" has %lld rows, those before it %zu",
                       STR_ARGS(t->t.name), (long long)n, r->out->n_rows);
    }
    if (!may_hold(r, t)) return refuse(r, "wrong_shape", "the input", t->t.name, "has less data than its shape says");
    t->t.rows = (size_t)n;
    if (r->out->columns) return 0;
    return batch_new(r->out, r->schema, (size_t)n, r->in.memory, NULL) < 0 ? scan_no_memory(&r->in) : 0;
}

static int resolve(reader *r, input *t)
{
    TRY(find_columns(r, &t->t));
    TRY(check_shape(r, t));
    TRY(set_rows(r, t));
    t->t.nested_ok = t->n_dims == 2;
    t->resolved = true;
    return 0;
}

static int take_json(reader *r, input *t)
{
    if (t->t.type == V2_FP16 || t->t.type == V2_BF16)
        return refuse(r, "wrong_type", "the input", t->t.name,
                      "has datatype FP16 or BF16, which only travels as binary");
    if (!t->resolved) TRY(resolve(r, t));
    TRY(v2_take_json(r->out, &t->t, &r->in));
    t->read = true;
    return 0;
}

// Members of an input.

static int read_shape(reader *r, input *t)
{
    size_t n = 0;
    int more;
    TRY(want_open(r, '[', "\"shape\""));
    while ((more = scan_element(&r->in, &n)) > 0) {
        if (n > DIMENSIONS_MAX) return wrong_shape(r, "\"shape\" has more than 8 dimensions");
        TRY(want_count(r, "shape", &t->dims[n - 1]));
    }
    t->n_dims = n;
    return more;
}

static int read_missing(reader *r, v2_tensor *t)
{
    str token;
    if (!is_number(r)) {
        TRY(scan_other(&r->in));
        return wrong_shape(r, "the parameter \"missing\" is no number");
    }
    TRY(scan_number(&r->in, &token, &t->missing_real));
    t->has_missing = true;
    t->missing_is_integer = decimal_parse_i64(token, &t->missing_integer) == 0;
    return 0;
}

static int read_tensor_parameters(reader *r, input *t)
{
    size_t n = 0;
    str name;
    int more;
    TRY(want_open(r, '{', "\"parameters\""));
    while ((more = scan_member(&r->in, &n, &name)) > 0) {
        if (str_equal(name, STR("binary_data_size"))) {
            int64_t size;
            TRY(want_count(r, "binary_data_size", &size));
            t->has_size = true;
            t->size = (uint64_t)size;
        } else if (str_equal(name, STR("missing"))) {
            TRY(read_missing(r, &t->t));
            t->read = false; // again, now that it is known
        } else if (name.len >= 13 && memcmp(name.data, "shared_memory", 13) == 0) {
            return unsupported(r, "an input is in shared memory, which this server does not reach: send its data");
        } else {
            TRY(scan_skip(&r->in));
        }
    }
    return more;
}

static int read_datatype(reader *r, input *t)
{
    str text;
    TRY(want_text(r, "datatype", &text));
    if (v2_datatype_find(text, &t->t.type)) return 0;
    return refuse(r, "wrong_type", "the datatype", text, "is none of the protocol's");
}

static int read_tensor_member(reader *r, input *t, str name)
{
    if (str_equal(name, STR("name"))) {
        TRY(once(r, &t->came, M_NAME, "name"));
        return want_text(r, "name", &t->t.name);
    }
    if (str_equal(name, STR("shape"))) {
        TRY(once(r, &t->came, M_SHAPE, "shape"));
        return read_shape(r, t);
    }
    if (str_equal(name, STR("datatype"))) {
        TRY(once(r, &t->came, M_DATATYPE, "datatype"));
        return read_datatype(r, t);
    }
    if (str_equal(name, STR("parameters"))) {
        TRY(once(r, &t->came, M_PARAMETERS, "parameters"));
        return read_tensor_parameters(r, t);
    }
    if (!str_equal(name, STR("data"))) return scan_skip(&r->in);
    TRY(once(r, &t->came, M_DATA, "data"));
    t->data = r->in.at;
    if ((t->came & M_DESCRIBED) != M_DESCRIBED || t->has_size) return scan_skip(&r->in);
    int rc = take_json(r, t);
    if (rc != ERR_INPUT || !t->resolved || t->came & M_PARAMETERS) return rc;
    r->in.at = t->data; // "missing" may follow and make it right: read_input() reads it again
    return scan_skip(&r->in);
}

// Values that were read before "missing" was known are read again: over missing ones, as batch_new() left them.
static void forget(const reader *r, const v2_tensor *t)
{
    for (size_t slot = 0; slot < t->columns; slot++) {
        const batch_column *c = &r->out->columns[t->inputs[slot]];
        for (size_t row = 0; row < t->rows; row++) {
            if (c->f32) c->f32[row] = __builtin_nanf("");
            if (c->i64) c->i64[row] = WIRE_I64_MISSING;
            if (c->strings) c->strings[row] = (str){0};
        }
    }
}

static int read_input(reader *r)
{
    input t = {0};
    size_t n = 0;
    str name;
    int more;
    TRY(want_open(r, '{', "an element of \"inputs\""));
    while ((more = scan_member(&r->in, &n, &name)) > 0) TRY(read_tensor_member(r, &t, name));
    TRY(more);
    if ((t.came & M_DESCRIBED) != M_DESCRIBED)
        return wrong_shape(r, "an input without \"name\", \"shape\" or \"datatype\"");
    if (t.has_size && t.data)
        return refuse(r, "wrong_shape", "the input", t.t.name, "has both data and binary_data_size");
    if (t.has_size) {
        if (t.size > r->binary.len)
            return refuse(r, "wrong_shape", "the input", t.t.name,
                          "has a binary_data_size past the end of the body; is Inference-Header-Content-Length right?");
        TRY(resolve(r, &t));
        str data = {r->binary.data, (size_t)t.size};
        r->binary.data += t.size;
        r->binary.len -= (size_t)t.size;
        return v2_take_binary(r->out, &t.t, data, r->in.place, r->in.memory, r->in.e);
    }
    if (!t.data) return refuse(r, "wrong_shape", "the input", t.t.name, "has neither data nor binary_data_size");
    if (t.read) return 0;
    const char *after = r->in.at;
    r->in.at = t.data;
    if (t.resolved) forget(r, &t.t);
    TRY(take_json(r, &t));
    r->in.at = after;
    return 0;
}

static int read_inputs(reader *r)
{
    size_t n = 0;
    int more;
    TRY(want_open(r, '[', "\"inputs\""));
    while ((more = scan_element(&r->in, &n)) > 0) TRY(read_input(r));
    return more;
}

// Outputs.

static int read_output_parameters(reader *r, v2_output *o, bool *has_binary)
{
    size_t n = 0;
    str name;
    int more;
    TRY(want_open(r, '{', "\"parameters\""));
    while ((more = scan_member(&r->in, &n, &name)) > 0) {
        if (str_equal(name, STR("binary_data"))) {
            TRY(want_boolean(r, "binary_data", &o->binary));
            *has_binary = true;
        } else if (str_equal(name, STR("classification"))) {
            int64_t count;
            TRY(want_count(r, "classification", &count));
            o->n_classes = (size_t)count;
        } else if (name.len >= 13 && memcmp(name.data, "shared_memory", 13) == 0) {
            return unsupported(r, "an output is wanted in shared memory, which this server does not reach");
        } else {
            TRY(scan_skip(&r->in));
        }
    }
    return more;
}

static int find_output(reader *r, const v2_infer *q, str name, v2_output *o)
{
    bool classes = r->schema->target.task == TASK_CLASSIFICATION;
    v2_output_kind first = classes ? V2_LABEL : V2_VALUE, last = classes ? V2_PROBABILITIES : V2_VALUE;
    o->kind = first;
    while (!str_equal(name, str_of(v2_output_name(o->kind)))) {
        if (o->kind == last)
            return refuse(r, "unknown_output", "the output", name,
                          classes ? "is none of this model's, which are \"label\" and \"probabilities\""
                                  : "is none of this model's, which has \"value\"");
        o->kind++;
    }
    for (size_t i = 0; i < q->n_outputs; i++)
        if (q->outputs[i].kind == o->kind) return refuse(r, "wrong_shape", "the output", name, "is asked for twice");
    if (o->n_classes > 0 && o->kind != V2_PROBABILITIES)
        return refuse(r, "wrong_shape", "the output", name, "has no classes to choose from: \"probabilities\" has");
    return 0;
}

static int read_output(reader *r, v2_infer *q, bool *has_binary)
{
    v2_output o = {0};
    unsigned came = 0;
    size_t n = 0;
    str name, wanted = {0};
    int more;
    TRY(want_open(r, '{', "an element of \"outputs\""));
    while ((more = scan_member(&r->in, &n, &name)) > 0) {
        if (str_equal(name, STR("name"))) {
            TRY(once(r, &came, M_NAME, "name"));
            TRY(want_text(r, "name", &wanted));
        } else if (str_equal(name, STR("parameters"))) {
            TRY(once(r, &came, M_PARAMETERS, "parameters"));
            TRY(read_output_parameters(r, &o, has_binary));
        } else {
            TRY(scan_skip(&r->in));
        }
    }
    TRY(more);
    if (!(came & M_NAME)) return wrong_shape(r, "an output without \"name\"");
    TRY(find_output(r, q, wanted, &o));
    q->outputs[q->n_outputs++] = o; // no kind twice, so there is room
    return 0;
}

// The whole.

typedef struct wishes {
    bool all_binary;             // binary_data_output
    bool is_set[V2_OUTPUTS_MAX]; // binary_data came, and goes before it
} wishes;

static int read_outputs(reader *r, v2_infer *q, wishes *w)
{
    size_t n = 0;
    int more;
    TRY(want_open(r, '[', "\"outputs\""));
    while ((more = scan_element(&r->in, &n)) > 0) {
        bool has_binary = false;
        TRY(read_output(r, q, &has_binary));
        w->is_set[q->n_outputs - 1] = has_binary;
    }
    return more;
}

static int read_parameters(reader *r, v2_infer *q, wishes *w)
{
    size_t n = 0;
    str name;
    int more;
    TRY(want_open(r, '{', "\"parameters\""));
    while ((more = scan_member(&r->in, &n, &name)) > 0) {
        if (str_equal(name, STR("binary_data_output"))) {
            TRY(want_boolean(r, "binary_data_output", &w->all_binary));
        } else if (str_equal(name, STR("timeout"))) {
            int64_t us;
            TRY(want_count(r, "timeout", &us));
            q->timeout_us = (uint64_t)us;
        } else if (str_equal(name, STR("sequence_id"))) {
            bool none = scan_word(&r->in, "0", 1) || scan_word(&r->in, "\"\"", 2);
            if (!none)
                return unsupported(r, "models of this server keep nothing between requests: leave sequence_id out");
        } else {
            TRY(scan_skip(&r->in));
        }
    }
    return more;
}

static int read_member(reader *r, v2_infer *q, wishes *w, unsigned *came, str name)
{
    if (str_equal(name, STR("inputs"))) {
        TRY(once(r, came, M_INPUTS, "inputs"));
        return read_inputs(r);
    }
    if (str_equal(name, STR("outputs"))) {
        TRY(once(r, came, M_OUTPUTS, "outputs"));
        return scan_word(&r->in, "null", 4) ? 0 : read_outputs(r, q, w);
    }
    if (str_equal(name, STR("parameters"))) {
        TRY(once(r, came, M_PARAMETERS, "parameters"));
        return scan_word(&r->in, "null", 4) ? 0 : read_parameters(r, q, w);
    }
    if (str_equal(name, STR("id"))) {
        TRY(once(r, came, M_ID, "id"));
        return scan_word(&r->in, "null", 4) ? 0 : want_text(r, "id", &q->id);
    }
    return scan_skip(&r->in); // clients also say model_name, and what later editions of the protocol have
}

static int check_columns(reader *r)
{
    if (r->n_seen == 0) return wrong_shape(r, "there are no inputs");
    for (size_t i = 0; i < r->schema->n_inputs && r->n_seen < r->schema->n_inputs; i++)
        if (!r->seen[i] && !r->schema->inputs[i].missing_ok)
            return refuse(r, "missing_column", "the input", str_of(r->schema->inputs[i].name), "is missing");
    if (r->binary.len > 0) return wrong_shape(r, "there is more binary data than the inputs have");
    return 0;
}

static int read_body(reader *r, v2_infer *q)
{
    wishes w = {0};
    unsigned came = 0;
    size_t n = 0;
    str name;
    int more;
    scan_blanks(&r->in);
    if (r->in.at == r->in.end) return scan_not_json(&r->in, "it is empty");
    if (!scan_take(&r->in, '{')) {
        TRY(scan_other(&r->in));
        return wrong_shape(r, "the body is no object");
    }
    while ((more = scan_member(&r->in, &n, &name)) > 0) TRY(read_member(r, q, &w, &came, name));
    TRY(more);
    TRY(scan_end(&r->in));
    if (!(came & M_INPUTS)) return wrong_shape(r, "there is no \"inputs\"");
    TRY(check_columns(r));
    for (size_t i = 0; i < q->n_outputs; i++)
        if (!w.is_set[i]) q->outputs[i].binary = w.all_binary;
    if (q->n_outputs > 0) return 0;
    bool classes = r->schema->target.task == TASK_CLASSIFICATION;
    q->outputs[q->n_outputs++] = (v2_output){.kind = classes ? V2_LABEL : V2_VALUE, .binary = w.all_binary};
    if (classes) q->outputs[q->n_outputs++] = (v2_output){.kind = V2_PROBABILITIES, .binary = w.all_binary};
    return 0;
}

int v2_decode(v2_infer *out, const decoder *d, const schema *s, str json, str binary, size_t rows_max, place *at,
              arena *a, err *e)
{
    v2_infer q = {.in = {.schema = s}};
    reader r = {.decoder = d,
                .schema = s,
                .in = scan_of(json, at, a, e),
                .binary = binary,
                .rows_max = rows_max < UINT32_MAX ? rows_max : UINT32_MAX - 1,
                .out = &q.in};
    *at = (place){.row = -1};
    if (!(r.seen = arena_zalloc(a, s->n_inputs, sizeof *r.seen))) return scan_no_memory(&r.in);
    TRY(read_body(&r, &q));
    *out = q;
    return 0;
}
