// Which column goes where is settled once; a call only points or copies.
// SPDX-License-Identifier: Apache-2.0
#include "prepare/feed.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

typedef struct fed { // one graph input
    dtype type;      // DTYPE_NONE: an initializer, not ours to give
    int n_dims;      // 1 or 2
    size_t n_slots;
    size_t *columns; // schema input of each slot; a view into feed.columns
    bool direct;     // one column, passed as it is
} fed;

struct feed {
    size_t n_inputs, n_columns;
    fed *inputs;     // n_inputs
    size_t *columns; // n_columns, in the order of inputs and slots
};

static const size_t NO_COLUMN = SIZE_MAX;

static dtype wire_dtype(wire w)
{
    return w == WIRE_F32 ? DTYPE_F32 : w == WIRE_I64 ? DTYPE_I64 : DTYPE_STRING;
}

static bool can_convert(wire w, dtype to)
{
    if (wire_dtype(w) == to) return true;
    return w == WIRE_F32 && (to == DTYPE_F64 || to == DTYPE_I64 || to == DTYPE_I32 || to == DTYPE_BOOL);
}

// Shapes of the inputs, and how many slots there are in all.
static int read_shapes(feed *f, const graph *g, err *e)
{
    f->n_columns = 0;
    for (size_t i = 0; i < f->n_inputs; i++) {
        const graph_value *v = &g->values[g->inputs[i]];
        if (v->kind != VALUE_INPUT) continue;
        int n_dims = v->type.n_dims;
        int64_t k = n_dims == 1 ? 1 : n_dims == 2 ? v->type.dims[1].size : DIM_UNKNOWN;
        if (k < 1) return err_set(e, ERR_FORMAT, "input \"%.80s\" is not (N), (N, 1) or (N, k)", v->name);
        f->inputs[i] = (fed){.type = v->type.type, .n_dims = n_dims, .n_slots = (size_t)k};
        f->n_columns += (size_t)k;
    }
    return 0;
}

static int place(feed *f, size_t input, const schema *s, size_t column_index, const char *name, err *e)
{
    fed *to = &f->inputs[input];
    const schema_input *in = &s->inputs[column_index];
    if (in->slot >= to->n_slots || to->columns[in->slot] != NO_COLUMN)
        return err_set(e, ERR_FORMAT, "column \"%.80s\" wants slot %zu of input \"%.80s\", which is not free", in->name,
                       in->slot, name);
    if (!can_convert(column_wire(in->type), to->type))
        return err_set(e, ERR_FORMAT, "column \"%.80s\" is %s, input \"%.80s\" wants %s", in->name,
                       column_type_name(in->type), name, dtype_name(to->type));
    to->columns[in->slot] = column_index;
    to->direct = to->n_slots == 1 && wire_dtype(column_wire(in->type)) == to->type;
    return 0;
}

// Index of the graph's input of that name; names are hashed by the graph.
static int find_input(const graph *g, const size_t *input_of_value, const char *name, size_t *out, err *e)
{
    value_id id = graph_find_value(g, name);
    if (id < 0 || input_of_value[id] == SIZE_MAX)
        return err_set(e, ERR_FORMAT, "the graph has no input \"%.80s\"", name);
    *out = input_of_value[id];
    return 0;
}

static int place_all(feed *f, const schema *s, const graph *g, const size_t *input_of_value, err *e)
{
    for (size_t i = 0; i < s->n_inputs; i++) {
        size_t input;
        TRY(find_input(g, input_of_value, s->inputs[i].tensor, &input, e));
        if (f->inputs[input].type == DTYPE_NONE)
            return err_set(e, ERR_FORMAT, "the graph gives input \"%.80s\" itself", s->inputs[i].tensor);
        TRY(place(f, input, s, i, s->inputs[i].tensor, e));
    }
    for (size_t i = 0; i < f->n_inputs; i++)
        for (size_t k = 0; k < f->inputs[i].n_slots; k++)
            if (f->inputs[i].columns[k] == NO_COLUMN)
                return err_set(e, ERR_FORMAT, "no column goes to slot %zu of input \"%.80s\"", k,
                               g->values[g->inputs[i]].name);
    return 0;
}

int feed_new(feed **out, const schema *s, const graph *g, err *e)
{
    feed *f = mem_zalloc(1, sizeof *f);
    size_t *input_of_value = mem_alloc(g->n_values, sizeof *input_of_value);
    int rc = 0;
    if (!f || !input_of_value || !(f->inputs = mem_zalloc(g->n_inputs, sizeof *f->inputs))) goto no_memory;
    f->n_inputs = g->n_inputs;
    if ((rc = read_shapes(f, g, e)) < 0) goto done;
    if (f->n_columns != s->n_inputs) {
        rc = err_set(e, ERR_FORMAT, "the graph asks for %zu columns, the schema has %zu", f->n_columns, s->n_inputs);
        goto done;
    }
    if (!(f->columns = mem_alloc(f->n_columns, sizeof *f->columns))) goto no_memory;
    for (size_t i = 0; i < f->n_columns; i++) f->columns[i] = NO_COLUMN;
    for (size_t i = 0; i < g->n_values; i++) input_of_value[i] = SIZE_MAX;
    size_t *next = f->columns;
    for (size_t i = 0; i < f->n_inputs; i++) {
        f->inputs[i].columns = next;
        next += f->inputs[i].n_slots;
        input_of_value[g->inputs[i]] = i;
    }
    rc = place_all(f, s, g, input_of_value, e);
    goto done;
no_memory:
    rc = err_set(e, ERR_MEMORY, "no memory for the inputs of a graph");
done:
    mem_free(input_of_value);
    if (rc < 0)
        feed_free(f);
    else
        *out = f;
    return rc;
}

void feed_free(feed *f)
{
    if (!f) return;
    mem_free(f->inputs);
    mem_free(f->columns);
    mem_free(f);
}

size_t feed_n_tensors(const feed *f)
{
    return f->n_inputs;
}

static bool is_missing(const batch_column *c, size_t row)
{
    if (c->f32) return isnan(c->f32[row]);
    if (c->i64) return c->i64[row] == WIRE_I64_MISSING;
    return c->strings[row].len == 0;
}

static int check_missing(const batch *b, size_t input, size_t first, size_t n, err *e)
{
    const schema_input *in = &b->schema->inputs[input];
    if (in->missing_ok) return 0;
    for (size_t row = first; row < first + n; row++)
        if (is_missing(&b->columns[input], row))
            return err_set_at(e, ERR_INPUT, (int64_t)row + 1,
                              "column \"%.80s\": missing, and the model has no answer for that", in->name);
    return 0;
}

static void *column_data(const batch_column *c, size_t first)
{
    if (c->f32) return c->f32 + first;
    if (c->i64) return c->i64 + first;
    return c->strings + first;
}

// A float32 as what the graph wants; false if that type does not hold it. `at` counts elements.
static bool store_f32(void *to, dtype t, size_t at, float v)
{
    switch (t) {
    case DTYPE_F32: ((float *)to)[at] = v; return true;
    case DTYPE_F64: ((double *)to)[at] = (double)v; return true;
    case DTYPE_I64:
        if (!(v >= -0x1p63F && v < 0x1p63F) || v != truncf(v)) return false;
        ((int64_t *)to)[at] = (int64_t)v;
        return true;
    case DTYPE_I32:
        if (!(v >= -0x1p31F && v < 0x1p31F) || v != truncf(v)) return false;
        ((int32_t *)to)[at] = (int32_t)v;
        return true;
    default:
        if (v != 0 && v != 1) return false;
        ((uint8_t *)to)[at] = (uint8_t)v;
        return true;
    }
}

// Column `slot` of a (n, n_slots) tensor.
static int gather(const batch *b, size_t input, size_t first, size_t n, const fed *to, size_t slot, void *data, err *e)
{
    const batch_column *c = &b->columns[input];
    for (size_t i = 0; i < n; i++) {
        size_t at = i * to->n_slots + slot, row = first + i;
        if (c->i64) {
            ((int64_t *)data)[at] = c->i64[row];
        } else if (c->strings) {
            ((str *)data)[at] = c->strings[row];
        } else if (!store_f32(data, to->type, at, c->f32[row])) {
            return err_set_at(e, ERR_INPUT, (int64_t)row + 1, "column \"%.80s\": %g is not a value of type %s",
                              b->schema->inputs[input].name, (double)c->f32[row], dtype_name(to->type));
        }
    }
    return 0;
}

int feed_tensors(const feed *f, const batch *b, size_t first, size_t n, tensor *out, arena *a, err *e)
{
    assert(first + n <= b->n_rows && b->schema->n_inputs == f->n_columns);
    for (size_t i = 0; i < f->n_columns; i++) TRY(check_missing(b, i, first, n, e));
    for (size_t i = 0; i < f->n_inputs; i++) {
        const fed *to = &f->inputs[i];
        out[i] =
            (tensor){.type = to->type, .shape = {.n_dims = to->n_dims, .dims = {(int64_t)n, (int64_t)to->n_slots}}};
        if (to->type == DTYPE_NONE) continue;
        if (to->direct) {
            out[i].data = column_data(&b->columns[to->columns[0]], first);
            continue;
        }
        out[i].data = arena_alloc(a, n, to->n_slots * dtype_size(to->type));
        if (!out[i].data) return err_set(e, ERR_MEMORY, "no memory for %zu rows of %zu columns", n, to->n_slots);
        for (size_t k = 0; k < to->n_slots; k++) TRY(gather(b, to->columns[k], first, n, to, k, out[i].data, e));
    }
    return 0;
}
