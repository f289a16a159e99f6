// What a graph asks for and answers. Types are taken from the graph's own declarations: whether the nodes keep to them
// is the engine's to check.
// SPDX-License-Identifier: Apache-2.0
#include "model/interface.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { COLUMNS_MAX = 65536, CLASSES_MAX = 1 << 20, TRACE_MAX = 32, TEXT_MAX = 32 };

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a model's schema");
}

// ---- outputs ----

static bool is_rows(const value_type *t) // (N) or (N, 1)
{
    return t->n_dims == 1 || (t->n_dims == 2 && t->dims[1].size == 1);
}

static bool is_label(const value_type *t)
{
    return (t->type == DTYPE_I64 || t->type == DTYPE_STRING) && is_rows(t);
}

static bool is_scores(const value_type *t)
{
    return t->type == DTYPE_F32 && t->n_dims == 2 && (t->dims[1].size == DIM_UNKNOWN || t->dims[1].size >= 2);
}

static bool is_value(const value_type *t)
{
    return t->type == DTYPE_F32 && is_rows(t);
}

static const graph_value *output_at(const graph *g, size_t index)
{
    return &g->values[g->outputs[index]];
}

// "float (N, 3)" for messages.
static const char *type_text(const value_type *t, char text[96])
{
    if (t->type == DTYPE_NONE) return "not a tensor";
    if (t->n_dims < 0) {
        snprintf(text, 96, "%s of unknown shape", dtype_name(t->type));
        return text;
    }
    size_t len = (size_t)snprintf(text, 96, "%s (", dtype_name(t->type));
    for (int i = 0; i < t->n_dims && len < 70; i++) {
        const char *comma = i ? ", " : "";
        if (t->dims[i].size == DIM_UNKNOWN)
            len += (size_t)snprintf(text + len, 96 - len, "%s%s", comma, i ? "?" : "N");
        else
            len += (size_t)snprintf(text + len, 96 - len, "%s%" PRId64, comma, t->dims[i].size);
    }
    snprintf(text + len, 96 - len, ")");
    return text;
}

static int refuse_output(const graph_value *v, const char *why, err *e)
{
    char text[96];
    return err_set(e, ERR_UNSUPPORTED, "output \"%.80s\" (%s) %s", v->name, type_text(&v->type, text), why);
}

int interface_find_outputs(interface_outputs *out, const graph *g, err *e)
{
    if (g->n_outputs == 0) return err_set(e, ERR_UNSUPPORTED, "a graph without outputs cannot be served");
    if (g->n_outputs == 1) {
        const graph_value *v = output_at(g, 0);
        if (!is_value(&v->type))
            return refuse_output(v, "is not one float for each row, nor are there label and scores", e);
        *out = (interface_outputs){.label = -1, .scores = 0};
        return 0;
    }
    interface_outputs found = {-1, -1};
    for (size_t i = 0; i < g->n_outputs; i++) {
        const graph_value *v = output_at(g, i);
        if (i >= 2) return refuse_output(v, "is one too many: a label and its scores are understood, or one value", e);
        if (found.label < 0 && is_label(&v->type))
            found.label = (int)i;
        else if (found.scores < 0 && is_scores(&v->type))
            found.scores = (int)i;
        else if (v->type.type == DTYPE_NONE)
            return refuse_output(v, "cannot be served: export without ZipMap, so that scores are a float (N, C) tensor",
                                 e);
        else
            return refuse_output(v, "is neither a label, int64 or string (N), nor scores, float (N, C)", e);
    }
    *out = found;
    return 0;
}

// ---- checking a schema against a graph ----

static bool wire_fits(wire w, dtype t)
{
    switch (w) {
    case WIRE_F32: return t == DTYPE_F32 || t == DTYPE_F64 || t == DTYPE_I64 || t == DTYPE_I32 || t == DTYPE_BOOL;
    case WIRE_I64: return t == DTYPE_I64;
    default: return t == DTYPE_STRING;
    }
}

static bool is_asked_for(const graph *g, size_t input)
{
    return g->values[g->inputs[input]].kind == VALUE_INPUT; // old files list initializers among the inputs too
}

// Columns of an input; 0, with *e set, if it is not (N), (N, 1) or (N, k).
static int64_t input_columns(const graph_value *v, err *e)
{
    const value_type *t = &v->type;
    const char *why = NULL;
    int64_t k = t->n_dims == 1 ? 1 : t->n_dims == 2 ? t->dims[1].size : DIM_UNKNOWN;
    if (t->n_dims != 1 && t->n_dims != 2)
        why = "has another shape than (N), (N, 1) or (N, k)";
    else if (t->dims[0].size != DIM_UNKNOWN)
        why = "has a fixed number of rows: export it with an open first dimension";
    else if (k == DIM_UNKNOWN)
        why = "does not say how many columns it has";
    else if (k < 1 || k > COLUMNS_MAX)
        why = "has no column, or more than 65536";
    if (!why) return k;
    char text[96];
    err_set(e, ERR_UNSUPPORTED, "input \"%.80s\" (%s) %s", v->name, type_text(t, text), why);
    return 0;
}

static int compare_values(const void *a, const void *b)
{
    const graph_value *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_name(const void *name, const void *value)
{
    const graph_value *const *v = value;
    return strcmp(name, (*v)->name);
}

static int check_column(const schema_input *in, const graph_value *v, err *e)
{
    if (!v)
        return err_set(e, ERR_FORMAT, "column \"%.80s\" goes to \"%.80s\", which is no input of the graph", in->name,
                       in->tensor);
    int64_t k = v->type.n_dims == 1 ? 1 : v->type.dims[1].size;
    if (in->slot >= (uint64_t)k)
        return err_set(e, ERR_FORMAT, "column \"%.80s\" goes to slot %zu of \"%.80s\", which has %" PRId64, in->name,
                       in->slot, in->tensor, k);
    if (!wire_fits(column_wire(in->type), v->type.type))
        return err_set(e, ERR_FORMAT, "column \"%.80s\" of type %s cannot go to \"%.80s\", which is %s", in->name,
                       column_type_name(in->type), in->tensor, dtype_name(v->type.type));
    return 0;
}

static int check_inputs(const schema *s, const graph *g, err *e)
{
    int rc = 0;
    const graph_value **asked = mem_alloc(g->n_inputs, sizeof *asked); // sorted by name
    if (!asked) return no_memory(e);
    size_t n_asked = 0;
    int64_t n_slots = 0;
    for (size_t i = 0; i < g->n_inputs && rc == 0; i++) {
        if (!is_asked_for(g, i)) continue;
        const graph_value *v = asked[n_asked++] = &g->values[g->inputs[i]];
        int64_t k = input_columns(v, e);
        if (k == 0) rc = ERR_UNSUPPORTED;
        n_slots += k;
    }
    qsort(asked, n_asked, sizeof *asked, compare_values);
    for (size_t i = 0; i < s->n_inputs && rc == 0; i++) {
        const graph_value **v = bsearch(s->inputs[i].tensor, asked, n_asked, sizeof *asked, compare_name);
        rc = check_column(&s->inputs[i], v ? *v : NULL, e);
    }
    // Slots of a schema are distinct (schema_from_json), so counting them shows whether all are fed.
    if (rc == 0 && n_slots != (int64_t)s->n_inputs)
        rc = err_set(e, ERR_FORMAT, "the graph asks for %" PRId64 " columns, the schema has %zu", n_slots, s->n_inputs);
    mem_free(asked);
    return rc;
}

int interface_check(const schema *s, const graph *g, err *e)
{
    TRY(check_inputs(s, g, e));
    interface_outputs found;
    TRY(interface_find_outputs(&found, g, e));
    const schema_target *target = &s->target;
    if ((target->task == TASK_CLASSIFICATION) != (found.label >= 0))
        return err_set(e, ERR_FORMAT, "the schema says %s, the graph's outputs say %s", task_name(target->task),
                       task_name(found.label >= 0 ? TASK_CLASSIFICATION : TASK_REGRESSION));
    if (found.label < 0) return 0;
    const graph_value *scores = output_at(g, (size_t)found.scores);
    int64_t c = scores->type.dims[1].size;
    if (c != DIM_UNKNOWN && (uint64_t)c != target->n_classes)
        return err_set(e, ERR_FORMAT, "output \"%.80s\" has %" PRId64 " scores, the schema %zu classes", scores->name,
                       c, target->n_classes);
    return 0;
}

// ---- names of classes, looked for in the graph ----

typedef struct class_names { // views into the graph: exactly one is set, or none if n is 0
    size_t n;
    const str *strings;
    const int64_t *i64;
    const int32_t *i32;
} class_names;

static const node *find_producer(const graph *g, value_id id)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        for (size_t k = 0; k < g->nodes[i].n_outputs; k++)
            if (g->nodes[i].outputs[k] == id) return &g->nodes[i];
    return NULL;
}

static bool node_is(const node *n, const char *domain, const char *op)
{
    return strcmp(n->domain, domain) == 0 && strcmp(n->op, op) == 0;
}

static bool keeps_values(const node *n)
{
    static const char *const ops[] = {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (node_is(n, "", ops[i])) return n->n_inputs > 0;
    return false;
}

static class_names names_of_tensor(const tensor *t)
{
    int64_t n = shape_count(&t->shape);
    class_names none = {0};
    if (n < 1 || !t->data) return none;
    switch (t->type) {
    case DTYPE_STRING: return (class_names){.n = (size_t)n, .strings = t->data};
    case DTYPE_I64: return (class_names){.n = (size_t)n, .i64 = t->data};
    case DTYPE_I32: return (class_names){.n = (size_t)n, .i32 = t->data};
    default: return none;
    }
}

// The constant that a value is, looked for through nodes that keep values.
static class_names names_of_constant(const graph *g, value_id id)
{
    class_names none = {0};
    for (int step = 0; step < TRACE_MAX && id >= 0; step++) {
        const graph_value *v = &g->values[id];
        if (v->kind == VALUE_CONSTANT || v->kind == VALUE_PARAMETER) return names_of_tensor(&v->data);
        const node *n = find_producer(g, id);
        if (!n) return none;
        const attribute *a = node_is(n, "", "Constant") ? node_attribute(n, "value") : NULL;
        if (a) return a->kind == ATTRIBUTE_TENSOR ? names_of_tensor(a->tensor) : none;
        if (!keeps_values(n)) return none;
        id = n->inputs[0];
    }
    return none;
}

static class_names names_of_label(const graph *g, value_id id)
{
    class_names none = {0};
    for (int step = 0; step < TRACE_MAX && id >= 0; step++) {
        const node *n = find_producer(g, id);
        if (!n) return none;
        const attribute *a = node_attribute(n, "classlabels_strings");
        if (a && a->kind == ATTRIBUTE_STRINGS && a->n > 0) return (class_names){.n = a->n, .strings = a->strings};
        if (!(a = node_attribute(n, "classlabels_int64s"))) a = node_attribute(n, "classlabels_ints");
        if (a && a->kind == ATTRIBUTE_INTS && a->n > 0) return (class_names){.n = a->n, .i64 = a->ints};
        if (node_is(n, "ai.onnx.ml", "ArrayFeatureExtractor") && n->n_inputs > 0)
            return names_of_constant(g, n->inputs[0]);
        if (!keeps_values(n)) return none;
        id = n->inputs[0];
    }
    return none;
}

// ---- deriving a schema ----

static bool is_sound_text(str s)
{
    if (s.len == 0 || memchr(s.data, 0, s.len)) return false;
    while (s.len > 0) {
        size_t n = utf8_char_len(s);
        if (n == 0) return false;
        s = (str){s.data + n, s.len - n};
    }
    return true;
}

static char *class_text(const class_names *names, size_t i)
{
    char text[TEXT_MAX];
    if (names->strings) return mem_strndup(names->strings[i].data, names->strings[i].len);
    int64_t number = names->i64 ? names->i64[i] : names->i32 ? names->i32[i] : (int64_t)i;
    snprintf(text, sizeof text, "%" PRId64, number);
    return mem_strdup(text);
}

// Fills what schema_clear() gives back, also after a failure.
static int derive_classes(schema_target *t, const graph *g, const interface_outputs *found, err *e)
{
    const graph_value *label = output_at(g, (size_t)found->label), *scores = output_at(g, (size_t)found->scores);
    class_names names = names_of_label(g, g->outputs[found->label]);
    int64_t c = scores->type.dims[1].size;
    if (names.n == 0 && label->type.type == DTYPE_STRING)
        return refuse_output(label, "is text, and no node or constant says which classes there are", e);
    if (names.n == 0 && c == DIM_UNKNOWN) return refuse_output(scores, "does not say how many classes there are", e);
    if (names.n > 0 && c != DIM_UNKNOWN && (uint64_t)c != names.n)
        return err_set(e, ERR_UNSUPPORTED, "output \"%.80s\" has %" PRId64 " scores for %zu classes", scores->name, c,
                       names.n);
    size_t n = names.n > 0 ? names.n : (size_t)c;
    if (n < 2 || n > CLASSES_MAX) return refuse_output(scores, "is not for 2 to 1048576 classes", e);
    t->task = TASK_CLASSIFICATION;
    t->type = names.strings ? COLUMN_CATEGORY : COLUMN_INTEGER;
    t->classes = mem_zalloc(n, sizeof *t->classes);
    t->counts = mem_zalloc(n, sizeof *t->counts);
    t->n_classes = n;
    if (!t->classes || !t->counts) return no_memory(e);
    for (size_t i = 0; i < n; i++) {
        if (names.strings && !is_sound_text(names.strings[i]))
            return refuse_output(label, "has a class name that is empty or not UTF-8 text", e);
        if (!(t->classes[i] = class_text(&names, i))) return no_memory(e);
    }
    return 0;
}

static int derive_target(schema_target *t, const graph *g, err *e)
{
    interface_outputs found;
    TRY(interface_find_outputs(&found, g, e));
    const graph_value *named = output_at(g, (size_t)(found.label >= 0 ? found.label : found.scores));
    if (!(t->name = mem_strdup(named->name))) return no_memory(e);
    t->min = t->max = t->mean = NAN;
    if (found.label >= 0) return derive_classes(t, g, &found, e);
    t->task = TASK_REGRESSION;
    t->type = COLUMN_REAL;
    return 0;
}

static int derive_type(const graph_value *v, column_type *out, err *e)
{
    switch (v->type.type) {
    case DTYPE_F32:
    case DTYPE_F64: *out = COLUMN_REAL; return 0;
    case DTYPE_I64:
    case DTYPE_I32: *out = COLUMN_INTEGER; return 0;
    case DTYPE_BOOL: *out = COLUMN_BOOLEAN; return 0;
    case DTYPE_STRING: *out = COLUMN_TEXT; return 0;
    default: break;
    }
    char text[96];
    return err_set(e, ERR_UNSUPPORTED, "input \"%.80s\" (%s) is of a type that no column has", v->name,
                   type_text(&v->type, text));
}

static int derive_column(schema_input *in, const graph_value *v, column_type type, int64_t slot, int64_t k, err *e)
{
    in->type = type;
    in->slot = (size_t)slot;
    in->min = in->max = in->mean = NAN;
    for (size_t q = 0; q < QUANTILES_N; q++) in->quantiles[q] = NAN;
    if (!(in->tensor = mem_strdup(v->name))) return no_memory(e);
    if (k == 1) {
        in->name = mem_strdup(v->name);
    } else {
        size_t size = strlen(v->name) + TEXT_MAX;
        if ((in->name = mem_alloc(size, 1))) snprintf(in->name, size, "%s[%" PRId64 "]", v->name, slot);
    }
    return in->name ? 0 : no_memory(e);
}

static int derive_inputs(schema *s, const graph *g, err *e)
{
    int64_t n = 0;
    for (size_t i = 0; i < g->n_inputs; i++) {
        if (!is_asked_for(g, i)) continue;
        const graph_value *v = &g->values[g->inputs[i]];
        column_type type;
        TRY(derive_type(v, &type, e));
        int64_t k = input_columns(v, e);
        if (k == 0) return ERR_UNSUPPORTED;
        if ((n += k) > COLUMNS_MAX)
            return err_set(e, ERR_LIMIT, "more than %d columns up to input \"%.80s\"", COLUMNS_MAX, v->name);
    }
    if (n == 0) return err_set(e, ERR_UNSUPPORTED, "a graph without inputs cannot be served");
    if (!(s->inputs = mem_zalloc((size_t)n, sizeof *s->inputs))) return no_memory(e);
    s->n_inputs = (size_t)n;
    size_t at = 0;
    for (size_t i = 0; i < g->n_inputs; i++) {
        if (!is_asked_for(g, i)) continue;
        const graph_value *v = &g->values[g->inputs[i]];
        column_type type;
        TRY(derive_type(v, &type, e));
        int64_t k = v->type.n_dims == 1 ? 1 : v->type.dims[1].size;
        for (int64_t slot = 0; slot < k; slot++) TRY(derive_column(&s->inputs[at++], v, type, slot, k, e));
    }
    return 0;
}

int interface_derive(schema *out, const graph *g, err *e)
{
    schema s = {0};
    int rc = derive_inputs(&s, g, e);
    if (rc == 0) rc = derive_target(&s.target, g, e);
    if (rc < 0) {
        schema_clear(&s);
        return rc;
    }
    *out = s;
    return 0;
}
