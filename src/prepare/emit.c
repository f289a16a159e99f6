// Emission: the fitted columns as graph nodes, at the lowest ONNX level that has them (ai.onnx 17, ai.onnx.ml 3).
// Numbers and dates are joined first, so that one Imputer and one Scaler serve all of them.
// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "prepare/prepare.h"
#include "prepare/prepare_impl.h"

#define ML "ai.onnx.ml"

// The failure is sticky, so that a chain of nodes is written without a look at each.
typedef struct emitter {
    const preparation *p;
    graph *g;
    arena scratch;
    err *e;
    int rc;
    value_id *parts; // what the features are joined from
    size_t n_parts;
} emitter;

static value_id fail(emitter *m, int rc)
{
    if (m->rc == 0) m->rc = rc;
    return VALUE_NONE;
}

static void *take(emitter *m, size_t count, size_t size)
{
    void *p = m->rc == 0 ? arena_alloc(&m->scratch, count, size) : NULL;
    if (!p && m->rc == 0) fail(m, err_set(m->e, ERR_MEMORY, "no memory for the graph of a preparation"));
    return p;
}

static value_id add_node(emitter *m, const char *domain, const char *op, const value_id *in, size_t n_in,
                         const attribute *attributes, size_t n_attributes, value_type type, const char *hint)
{
    if (m->rc < 0) return VALUE_NONE;
    value_id out = graph_add_value(m->g, hint, type, m->e);
    if (out < 0) return fail(m, out);
    int rc = graph_add_node(m->g, domain, op, in, n_in, &out, 1, attributes, n_attributes, m->e);
    return rc < 0 ? fail(m, rc) : out;
}

static value_id add_constant(emitter *m, const char *hint, const tensor *t)
{
    if (m->rc < 0) return VALUE_NONE;
    char name[64]; // columns own the plain names
    snprintf(name, sizeof name, "%s", hint);
    for (unsigned k = 2; graph_find_value(m->g, name) >= 0; k++) snprintf(name, sizeof name, "%s_%u", hint, k);
    value_id out = graph_add_constant(m->g, name, t, m->e);
    return out < 0 ? fail(m, out) : out;
}

static value_id add_input(emitter *m, const char *name, value_type type)
{
    if (m->rc < 0) return VALUE_NONE;
    value_id out = graph_add_input(m->g, name, type, m->e);
    return out < 0 ? fail(m, out) : out;
}

static value_id concat(emitter *m, const value_id *parts, size_t n, dtype t, size_t n_columns, const char *hint)
{
    assert(n > 0);
    if (n == 1) return parts[0];
    int64_t axis = 1;
    attribute attributes[] = {attribute_int("axis", &axis)};
    return add_node(m, "", "Concat", parts, n, attributes, 1, value_type_rows(t, (int64_t)n_columns), hint);
}

static value_id cast_f32(emitter *m, value_id in, size_t n_columns, const char *hint)
{
    int64_t to = DTYPE_F32;
    attribute attributes[] = {attribute_int("to", &to)};
    return add_node(m, "", "Cast", &in, 1, attributes, 1, value_type_rows(DTYPE_F32, (int64_t)n_columns), hint);
}

// ---- numbers and dates

// int64 (N, d) with a sentinel for missing -> float32 milliseconds since the origin, NaN for missing.
static value_id emit_dates(emitter *m, const value_id *inputs)
{
    const preparation *p = m->p;
    size_t n = p->n_dates, at = 0;
    int64_t *origins = take(m, n, sizeof *origins);
    if (!origins) return VALUE_NONE;
    for (size_t i = 0; i < p->schema.n_inputs; i++)
        if (p->columns[i].kind == PREPARED_DATE) origins[at++] = p->columns[i].origin;
    int64_t missing = WIRE_I64_MISSING;
    float nan = NAN;
    value_id dates = concat(m, inputs, n, DTYPE_I64, n, "dates");
    value_id missing_id = add_constant(m, "date_missing", &(tensor){.type = DTYPE_I64, .data = &missing});
    value_id origins_id =
        add_constant(m, "date_origins",
                     &(tensor){.type = DTYPE_I64, .shape = {.n_dims = 2, .dims = {1, (int64_t)n}}, .data = origins});
    value_id nan_id = add_constant(m, "nan", &(tensor){.type = DTYPE_F32, .data = &nan});
    int64_t k = (int64_t)n;
    value_type wide = value_type_rows(DTYPE_I64, k);
    value_id gone = add_node(m, "", "Equal", (value_id[]){dates, missing_id}, 2, NULL, 0,
                             value_type_rows(DTYPE_BOOL, k), "dates_gone");
    value_id there = add_node(m, "", "Where", (value_id[]){gone, origins_id, dates}, 3, NULL, 0, wide, "dates_there");
    value_id since = add_node(m, "", "Sub", (value_id[]){there, origins_id}, 2, NULL, 0, wide, "dates_since");
    value_id floats = cast_f32(m, since, n, "dates_float");
    return add_node(m, "", "Where", (value_id[]){gone, nan_id, floats}, 3, NULL, 0, value_type_rows(DTYPE_F32, k),
                    "dates_or_nan");
}

static value_id emit_impute(emitter *m, value_id raw, const prepared *const *columns, size_t n)
{
    float *fills = take(m, n, sizeof *fills);
    if (!fills) return VALUE_NONE;
    for (size_t i = 0; i < n; i++) fills[i] = columns[i]->fill;
    float nan = NAN;
    attribute attributes[] = {attribute_floats("imputed_value_floats", fills, n),
                              attribute_float("replaced_value_float", &nan)};
    return add_node(m, ML, "Imputer", &raw, 1, attributes, 2, value_type_rows(DTYPE_F32, (int64_t)n), "imputed");
}

static value_id emit_scale(emitter *m, value_id raw, const prepared *const *columns, size_t n)
{
    float *offsets = take(m, n, sizeof *offsets), *scales = take(m, n, sizeof *scales);
    if (!offsets || !scales) return VALUE_NONE;
    for (size_t i = 0; i < n; i++) {
        offsets[i] = columns[i]->offset;
        scales[i] = columns[i]->scale;
    }
    attribute attributes[] = {attribute_floats("offset", offsets, n), attribute_floats("scale", scales, n)};
    return add_node(m, ML, "Scaler", &raw, 1, attributes, 2, value_type_rows(DTYPE_F32, (int64_t)n), "scaled");
}

// Which of the joined numbers and dates are missing, for those that are marked.
static value_id emit_marks(emitter *m, value_id raw, const prepared *const *columns, size_t n)
{
    int64_t *marked = take(m, n, sizeof *marked);
    if (!marked) return VALUE_NONE;
    int64_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (columns[i]->marked) marked[k++] = (int64_t)i;
    if (k == 0) return VALUE_NONE;
    value_id index =
        add_constant(m, "marked", &(tensor){.type = DTYPE_I64, .shape = {.n_dims = 1, .dims = {k}}, .data = marked});
    int64_t axis = 1;
    attribute attributes[] = {attribute_int("axis", &axis)};
    value_id some = add_node(m, "", "Gather", (value_id[]){raw, index}, 2, attributes, 1, value_type_rows(DTYPE_F32, k),
                             "marked_values");
    value_id gone = add_node(m, "", "IsNaN", &some, 1, NULL, 0, value_type_rows(DTYPE_BOOL, k), "marked_gone");
    return cast_f32(m, gone, (size_t)k, "marks");
}

// Returns the marks of missing values, or VALUE_NONE: they come after the texts.
static value_id emit_numbers(emitter *m, const value_id *inputs)
{
    const preparation *p = m->p;
    size_t n = p->n_numbers + p->n_dates, n_parts = 0, k = 0;
    if (n == 0) return VALUE_NONE;
    const prepared **columns = take(m, n, sizeof *columns);
    value_id *parts = take(m, n, sizeof *parts), *dates = take(m, n, sizeof *dates);
    if (!columns || !parts || !dates) return VALUE_NONE;
    for (prepared_kind kind = PREPARED_NUMBER; kind <= PREPARED_DATE; kind++)
        for (size_t i = 0; i < p->schema.n_inputs; i++) {
            if (p->columns[i].kind != kind) continue;
            bool shared = n_parts > 0 && kind == PREPARED_NUMBER && inputs[i] == parts[0];
            if (kind == PREPARED_DATE)
                dates[k - p->n_numbers] = inputs[i];
            else if (!shared)
                parts[n_parts++] = inputs[i];
            columns[k++] = &p->columns[i];
        }
    if (p->n_dates) parts[n_parts++] = emit_dates(m, dates);
    value_id raw = concat(m, parts, n_parts, DTYPE_F32, n, "raw"), x = raw;
    if (p->impute_number != IMPUTE_NONE) x = emit_impute(m, x, columns, n);
    if (p->scale != SCALE_NONE) x = emit_scale(m, x, columns, n);
    m->parts[m->n_parts++] = x;
    return emit_marks(m, raw, columns, n);
}

// ---- texts

static value_id flatten(emitter *m, value_id in, size_t n)
{
    int64_t axis = 1;
    attribute attributes[] = {attribute_int("axis", &axis)};
    return add_node(m, "", "Flatten", &in, 1, attributes, 1, value_type_rows(DTYPE_F32, (int64_t)n), "one_hot");
}

// Missing becomes what imputes it before it is coded, so the keys are the categories and "".
static size_t keys_of(emitter *m, const prepared *q, const str **keys, int64_t **codes)
{
    size_t n = q->n_categories;
    str *all = take(m, n + 1, sizeof *all);
    *codes = take(m, n + 1, sizeof **codes);
    *keys = all;
    if (!all || !*codes) return 0;
    for (size_t k = 0; k < n; k++) {
        all[k] = q->categories[k];
        (*codes)[k] = (int64_t)k;
    }
    if (q->missing_code == CODE_UNKNOWN) return n;
    all[n] = STR("");
    (*codes)[n] = q->missing_code;
    return n + 1;
}

static value_type one_hot_type(size_t n)
{
    value_type t = value_type_rows(DTYPE_F32, 1);
    t.n_dims = 3;
    t.dims[2] = (dim){.size = (int64_t)n};
    return t;
}

static value_id emit_one_hot(emitter *m, const prepared *q, value_id in)
{
    size_t n = q->n_categories;
    int64_t zeros = 1, unknown = CODE_UNKNOWN;
    if (q->missing_code == CODE_UNKNOWN) {
        attribute attributes[] = {attribute_strings("cats_strings", q->categories, n), attribute_int("zeros", &zeros)};
        return flatten(m, add_node(m, ML, "OneHotEncoder", &in, 1, attributes, 2, one_hot_type(n), "bits"), n);
    }
    const str *keys;
    int64_t *codes;
    size_t n_keys = keys_of(m, q, &keys, &codes);
    attribute to_codes[] = {attribute_strings("keys_strings", keys, n_keys),
                            attribute_ints("values_int64s", codes, n_keys), attribute_int("default_int64", &unknown)};
    value_id code = add_node(m, ML, "LabelEncoder", &in, 1, to_codes, 3, value_type_rows(DTYPE_I64, 1), "code");
    attribute to_bits[] = {attribute_ints("cats_int64s", codes, n), attribute_int("zeros", &zeros)};
    return flatten(m, add_node(m, ML, "OneHotEncoder", &code, 1, to_bits, 2, one_hot_type(n), "bits"), n);
}

static value_id emit_label_floats(emitter *m, value_id in, const str *keys, const float *values, size_t n,
                                  float otherwise, const char *hint)
{
    attribute attributes[] = {attribute_strings("keys_strings", keys, n), attribute_floats("values_floats", values, n),
                              attribute_float("default_float", &otherwise)};
    return add_node(m, ML, "LabelEncoder", &in, 1, attributes, 3, value_type_rows(DTYPE_F32, 1), hint);
}

static value_id emit_ordinal(emitter *m, const prepared *q, value_id in)
{
    const str *keys;
    int64_t *codes;
    size_t n = keys_of(m, q, &keys, &codes);
    float *values = take(m, n, sizeof *values);
    if (!values) return VALUE_NONE;
    for (size_t k = 0; k < n; k++) values[k] = (float)codes[k];
    return emit_label_floats(m, in, keys, values, n, CODE_UNKNOWN, "code");
}

static value_id emit_text_mark(emitter *m, value_id in)
{
    str missing = STR("");
    float one = 1;
    return emit_label_floats(m, in, &missing, &one, 1, 0, "mark");
}

// ---- the whole

// inputs: the graph input of each schema input; those that share a tensor share it here.
static void emit_inputs(emitter *m, value_id *inputs)
{
    const preparation *p = m->p;
    static const dtype types[] = {
        [PREPARED_NUMBER] = DTYPE_F32, [PREPARED_DATE] = DTYPE_I64, [PREPARED_TEXT] = DTYPE_STRING};
    bool share = p->n_numbers > SINGLE_INPUTS_MAX;
    value_id shared = VALUE_NONE;
    for (size_t i = 0; i < p->schema.n_inputs && m->rc == 0; i++) {
        prepared_kind kind = p->columns[i].kind;
        const char *name = p->schema.inputs[i].tensor;
        if (!share || kind != PREPARED_NUMBER) {
            inputs[i] = add_input(m, name, value_type_rows(types[kind], 1));
            continue;
        }
        if (shared == VALUE_NONE) shared = add_input(m, name, value_type_rows(DTYPE_F32, (int64_t)p->n_numbers));
        inputs[i] = shared;
    }
}

static value_id emit_all(emitter *m)
{
    const preparation *p = m->p;
    size_t n = p->schema.n_inputs;
    value_id *inputs = take(m, n, sizeof *inputs);
    m->parts = take(m, 2 * n + 2, sizeof *m->parts);
    if (!inputs || !m->parts) return VALUE_NONE;
    emit_inputs(m, inputs);
    value_id marks = emit_numbers(m, inputs);
    for (size_t i = 0; i < n; i++) {
        const prepared *q = &p->columns[i];
        if (q->kind != PREPARED_TEXT) continue;
        m->parts[m->n_parts++] =
            q->encode == ENCODE_ONE_HOT ? emit_one_hot(m, q, inputs[i]) : emit_ordinal(m, q, inputs[i]);
    }
    if (marks != VALUE_NONE) m->parts[m->n_parts++] = marks;
    for (size_t i = 0; i < n; i++)
        if (p->columns[i].kind == PREPARED_TEXT && p->columns[i].marked)
            m->parts[m->n_parts++] = emit_text_mark(m, inputs[i]);
    if (m->rc < 0) return VALUE_NONE;
    value_id all = concat(m, m->parts, m->n_parts, DTYPE_F32, p->n_features, "features");
    if (m->rc == 0 && m->g->values[all].kind == VALUE_INPUT) // an input is no output
        all = add_node(m, "", "Identity", &all, 1, NULL, 0, value_type_rows(DTYPE_F32, (int64_t)p->n_features),
                       "features");
    return all;
}

int preparation_emit(const preparation *p, graph *g, value_id *features, err *e)
{
    emitter m = {.p = p, .g = g, .e = e};
    arena_init(&m.scratch, p->memory.ceiling);
    value_id all = emit_all(&m);
    arena_clear(&m.scratch);
    if (m.rc < 0) return err_prefix(e, m.rc, "graph of the preparation");
    *features = all;
    return 0;
}
