// Running plans. Shapes are inferred once for each set of input shapes; values whose sizes are then known are placed
// into one block, and what becomes known only while running goes to an arena that the next run starts over.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "engine/plan_impl.h"

enum {
    ALIGNMENT = 64,
    CLASSES_PER_DOUBLING = 4, // freed places are kept by size class: at most a fifth of one is wasted
    CLASSES_N = 64 * CLASSES_PER_DOUBLING,
};
#define NO_PLACE SIZE_MAX
#define NOT_FREED (-2)

// A place in the block, or where the next free one of its class is.
typedef struct place {
    size_t offset;
    int32_t next; // index of a place; -1: none; NOT_FREED
} place;

struct session {
    const plan *p;
    size_t memory_max;
    shape *shapes;      // (n_inputs) of the last run
    bool placed;        // the layout below is for these shapes
    op_value *values;   // (n_values) types for these shapes
    size_t *offsets;    // (n_values) in the block, or NO_PLACE
    tensor *tensors;    // (n_values)
    place *places;      // (n_values)
    int64_t *symbols;   // (n_symbols)
    op_value *in, *out; // (arity_max)
    tensor *call_in, *call_out;
    char *block;
    size_t block_size;
    arena run;                     // strings, and values whose size is known late
    arena scratch;                 // of one call
    size_t run_used, scratch_used; // what the arenas took at most, to be taken at once next time
};

static int no_memory(const session *s, err *e)
{
    return err_set(e, ERR_MEMORY, "a run needs more than %zu bytes", s->memory_max);
}

int session_new(session **out, const plan *p, size_t memory_max, err *e)
{
    session *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a session");
    size_t n = p->g->n_values;
    s->p = p;
    s->memory_max = memory_max;
    arena_init(&s->run, memory_max);
    arena_init(&s->scratch, memory_max);
    s->shapes = mem_zalloc(p->g->n_inputs, sizeof *s->shapes);
    s->values = mem_alloc(n, sizeof *s->values);
    s->offsets = mem_alloc(n, sizeof *s->offsets);
    s->tensors = mem_zalloc(n, sizeof *s->tensors);
    s->places = mem_alloc(n, sizeof *s->places);
    s->symbols = mem_alloc(p->n_symbols, sizeof *s->symbols);
    s->in = mem_zalloc(p->arity_max, sizeof *s->in);
    s->out = mem_zalloc(p->arity_max, sizeof *s->out);
    s->call_in = mem_zalloc(p->arity_max, sizeof *s->call_in);
    s->call_out = mem_zalloc(p->arity_max, sizeof *s->call_out);
    if (!s->shapes || !s->values || !s->offsets || !s->tensors || !s->places || !s->symbols || !s->in || !s->out ||
        !s->call_in || !s->call_out) {
        session_free(s);
        return err_set(e, ERR_MEMORY, "no memory for a session");
    }
    *out = s;
    return 0;
}

void session_free(session *s)
{
    if (!s) return;
    mem_free(s->shapes);
    mem_free(s->values);
    mem_free(s->offsets);
    mem_free(s->tensors);
    mem_free(s->places);
    mem_free(s->symbols);
    mem_free(s->in);
    mem_free(s->out);
    mem_free(s->call_in);
    mem_free(s->call_out);
    mem_free(s->block);
    arena_clear(&s->run);
    arena_clear(&s->scratch);
    mem_free(s);
}

// Inputs ------------------------------------------------------------------------------------------------------------

static int check_input(session *s, size_t i, const tensor *t, err *e)
{
    const graph_value *v = &s->p->g->values[s->p->g->inputs[i]];
    if (t->type != v->type.type)
        return err_set(e, ERR_INPUT, "input '%.100s' is %s, not %s", v->name, dtype_name(t->type),
                       dtype_name(v->type.type));
    if (t->shape.n_dims < 0 || t->shape.n_dims > TENSOR_DIMS_MAX ||
        (v->type.n_dims >= 0 && t->shape.n_dims != v->type.n_dims))
        return err_set(e, ERR_INPUT, "input '%.100s' has %d dimensions, not %d", v->name, t->shape.n_dims,
                       v->type.n_dims);
    for (int d = 0; d < t->shape.n_dims; d++) {
        int64_t size = t->shape.dims[d], want = d < v->type.n_dims ? v->type.dims[d].size : DIM_UNKNOWN;
        uint32_t symbol = s->p->symbols[i * TENSOR_DIMS_MAX + (size_t)d];
        if (want < 0 && symbol != UINT32_MAX) {
            if (s->symbols[symbol] < 0) s->symbols[symbol] = size;
            want = s->symbols[symbol];
        }
        if (size < 0 || (want >= 0 && size != want))
            return err_set(e, ERR_INPUT, "input '%.100s' has %lld in dimension %d, not %lld", v->name, (long long)size,
                           d, (long long)want);
    }
    if (shape_count(&t->shape) < 0 || (shape_count(&t->shape) > 0 && !t->data))
        return err_set(e, ERR_INPUT, "input '%.100s' has a size that cannot be", v->name);
    return 0;
}

// Also says whether the shapes are those of the last run.
static int take_inputs(session *s, const tensor *inputs, bool *same, err *e)
{
    const graph *g = s->p->g;
    for (size_t k = 0; k < s->p->n_symbols; k++) s->symbols[k] = DIM_UNKNOWN;
    *same = s->placed;
    for (size_t i = 0; i < g->n_inputs; i++) {
        TRY(check_input(s, i, &inputs[i], e));
        shape *before = &s->shapes[i];
        const shape *now = &inputs[i].shape;
        bool equal = before->n_dims == now->n_dims;
        for (int d = 0; equal && d < now->n_dims; d++) equal = before->dims[d] == now->dims[d];
        if (!equal) *same = false;
    }
    if (*same) return 0;
    s->placed = false;
    for (size_t i = 0; i < g->n_inputs; i++) s->shapes[i] = inputs[i].shape;
    return 0;
}

// Layout ------------------------------------------------------------------------------------------------------------

static bool numeric(const value_type *t, shape *out)
{
    if (t->n_dims < 0) return false;
    *out = (shape){.n_dims = t->n_dims};
    for (int d = 0; d < t->n_dims; d++) {
        if (t->dims[d].size < 0) return false;
        out->dims[d] = t->dims[d].size;
    }
    return true;
}

static value_type type_of_tensor(const tensor *t)
{
    value_type type = {.type = t->type, .n_dims = t->shape.n_dims};
    for (int d = 0; d < t->shape.n_dims; d++) type.dims[d].size = t->shape.dims[d];
    return type;
}

static int infer(session *s, const step *k, err *e)
{
    const node *n = k->n;
    for (size_t i = 0; i < n->n_inputs; i++)
        s->in[i] = n->inputs[i] == VALUE_NONE ? (op_value){.type = {.n_dims = -1}} : s->values[n->inputs[i]];
    for (size_t i = 0; i < n->n_outputs; i++) s->out[i] = (op_value){.type = {.n_dims = -1}};
    return k->row->infer(n, s->in, s->out, e);
}

// The class whose places hold `bytes`, and how large these are.
static unsigned size_class(size_t bytes, size_t *size)
{
    size_t units = (bytes + ALIGNMENT - 1) / ALIGNMENT;
    if (units < CLASSES_PER_DOUBLING) {
        *size = (units ? units : 1) * ALIGNMENT;
        return (unsigned)units;
    }
    unsigned top = 63 - (unsigned)__builtin_clzll(units); // units is in [2^top, 2^(top+1))
    size_t quarter = (size_t)1 << (top - 2), steps = (units - ((size_t)1 << top) + quarter - 1) / quarter;
    *size = (((size_t)1 << top) + steps * quarter) * ALIGNMENT;
    return top * CLASSES_PER_DOUBLING + (unsigned)steps;
}

// Places a value at a freed place of its class, or at the end.
static int place_value(session *s, value_id id, int32_t *free_lists, size_t *end, err *e)
{
    shape known;
    s->offsets[id] = NO_PLACE;
    if (!numeric(&s->values[id].type, &known)) return 0;
    int64_t count = shape_count(&known);
    size_t bytes, size;
    if (count < 0 || __builtin_mul_overflow((size_t)count, dtype_size(s->values[id].type.type), &bytes) ||
        bytes > s->memory_max)
        return no_memory(s, e);
    unsigned class = size_class(bytes, &size);
    int32_t head = free_lists[class];
    if (head >= 0) {
        free_lists[class] = s->places[head].next;
        s->offsets[id] = s->places[head].offset;
        return 0;
    }
    if (size > s->memory_max - *end) return no_memory(s, e);
    s->offsets[id] = *end;
    *end += size;
    return 0;
}

static void free_value(session *s, value_id id, int32_t *free_lists)
{
    shape known;
    size_t size;
    if (s->offsets[id] == NO_PLACE || s->places[id].next != NOT_FREED) return; // a node may take it twice
    numeric(&s->values[id].type, &known);
    unsigned class = size_class((size_t)shape_count(&known) * dtype_size(s->values[id].type.type), &size);
    s->places[id] = (place){s->offsets[id], free_lists[class]};
    free_lists[class] = id;
}

// Where an input's size is known only when it is there, so is what follows from it: nothing is placed on a guess.
static bool inputs_known(const session *s, const node *n)
{
    shape ignored;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] != VALUE_NONE && !numeric(&s->values[n->inputs[i]].type, &ignored)) return false;
    return true;
}

static int lay_out(session *s, const tensor *inputs, err *e)
{
    const plan *p = s->p;
    const graph *g = p->g;
    int32_t free_lists[CLASSES_N + CLASSES_PER_DOUBLING + 1];
    for (size_t i = 0; i < sizeof free_lists / sizeof *free_lists; i++) free_lists[i] = -1;
    memcpy(s->values, p->values, g->n_values * sizeof *s->values);
    for (size_t i = 0; i < g->n_values; i++) {
        s->offsets[i] = NO_PLACE;
        s->places[i].next = NOT_FREED;
        s->tensors[i] = p->values[i].data ? *p->values[i].data : (tensor){.type = DTYPE_NONE};
    }
    for (size_t i = 0; i < g->n_inputs; i++) s->values[g->inputs[i]].type = type_of_tensor(&inputs[i]);
    size_t end = 0;
    for (size_t k = 0; k < p->n_steps; k++) {
        const node *n = p->steps[k].n;
        int rc = infer(s, &p->steps[k], e);
        if (rc < 0) return step_error(&p->steps[k], rc, e);
        bool now = !p->steps[k].row->shape_from_data && inputs_known(s, n);
        for (size_t i = 0; i < n->n_outputs; i++) {
            value_id id = n->outputs[i];
            if (id == VALUE_NONE) continue;
            s->values[id] = s->out[i];
            if (!now) s->values[id].type.n_dims = -1;
            if (now) rc = place_value(s, id, free_lists, &end, e);
            if (rc < 0) return step_error(&p->steps[k], rc, e);
        }
        for (size_t i = 0; i < n->n_inputs; i++) {
            value_id id = n->inputs[i];
            if (id == VALUE_NONE || p->last[id] != k) continue;
            free_value(s, id, free_lists);
        }
    }
    if (end > s->block_size) {
        arena_clear(&s->run);
        arena_clear(&s->scratch);
        mem_free(s->block);
        s->block_size = 0;
        s->block = mem_aligned(ALIGNMENT, end, 1);
        if (!s->block) return no_memory(s, e);
        s->block_size = end;
    }
    s->placed = true;
    return 0;
}

// Running -----------------------------------------------------------------------------------------------------------

// Gives an arena one block for all that it took before, so that a run like the last one allocates nothing.
static void warm(arena *a, size_t used, size_t ceiling)
{
    a->ceiling = ceiling;
    arena_reset(a);
    if (a->used >= used || used > ceiling) return;
    arena_clear(a);
    if (arena_alloc(a, 1, used)) arena_reset(a);
}

static int set_outputs(session *s, const step *k, err *e)
{
    const node *n = k->n;
    bool inferred = false;
    for (size_t i = 0; i < n->n_outputs; i++) {
        value_id id = n->outputs[i];
        s->call_out[i] = (tensor){.type = DTYPE_NONE};
        if (id == VALUE_NONE) continue;
        tensor *t = &s->tensors[id];
        *t = (tensor){.type = s->values[id].type.type};
        if (k->row->shape_from_data) {
            s->call_out[i] = *t;
            continue;
        }
        if (s->offsets[id] != NO_PLACE) {
            numeric(&s->values[id].type, &t->shape);
            t->data = s->block + s->offsets[id];
            s->call_out[i] = *t;
            continue;
        }
        if (!inferred) { // now the inputs are there, with their data
            for (size_t j = 0; j < n->n_inputs; j++) {
                s->in[j] = (op_value){.type = {.n_dims = -1}};
                if (n->inputs[j] == VALUE_NONE) continue;
                const tensor *in = &s->tensors[n->inputs[j]];
                s->in[j] = (op_value){.type = type_of_tensor(in), .data = in};
            }
            for (size_t j = 0; j < n->n_outputs; j++) s->out[j] = (op_value){.type = {.n_dims = -1}};
            TRY(k->row->infer(n, s->in, s->out, e));
            inferred = true;
        }
        if (!numeric(&s->out[i].type, &t->shape)) return err_set(e, ERR_INTERNAL, "its output %zu has no shape", i);
        int64_t count = shape_count(&t->shape);
        if (count < 0) return no_memory(s, e);
        t->data = arena_alloc(&s->run, (size_t)count, dtype_size(t->type));
        if (!t->data) return no_memory(s, e);
        s->call_out[i] = *t;
    }
    return 0;
}

static int run_step(session *s, const step *k, err *e)
{
    const node *n = k->n;
    TRY(set_outputs(s, k, e));
    for (size_t i = 0; i < n->n_inputs; i++)
        s->call_in[i] = n->inputs[i] == VALUE_NONE ? (tensor){.type = DTYPE_NONE} : s->tensors[n->inputs[i]];
    size_t left = s->memory_max - s->block_size - s->run.used - s->scratch.used;
    s->run.ceiling = s->run.used + left / 2;
    s->scratch.ceiling = s->scratch.used + left / 2;
    op_call c = {.state = k->state,
                 .inputs = s->call_in,
                 .n_inputs = n->n_inputs,
                 .outputs = s->call_out,
                 .n_outputs = n->n_outputs,
                 .memory = &s->run,
                 .scratch = &s->scratch};
    arena_mark mark = arena_get_mark(&s->scratch);
    int rc = k->run(&c, e);
    if (s->scratch.used > s->scratch_used) s->scratch_used = s->scratch.used;
    arena_rewind(&s->scratch, mark);
    if (k->row->shape_from_data)
        for (size_t i = 0; i < n->n_outputs && rc >= 0; i++)
            if (n->outputs[i] != VALUE_NONE) s->tensors[n->outputs[i]] = s->call_out[i];
    return rc;
}

int session_run(session *s, const tensor *inputs, tensor *outputs, err *e)
{
    const plan *p = s->p;
    const graph *g = p->g;
    bool same;
    TRY(take_inputs(s, inputs, &same, e));
    if (!same) TRY(lay_out(s, inputs, e));
    if (s->block_size > s->memory_max) return no_memory(s, e);
    warm(&s->run, s->run_used, s->memory_max - s->block_size);
    warm(&s->scratch, s->scratch_used, s->memory_max - s->block_size);
    if (s->run.used + s->scratch.used > s->memory_max - s->block_size) { // a larger block than last time: start afresh
        arena_clear(&s->run);
        arena_clear(&s->scratch);
    }
    for (size_t i = 0; i < g->n_inputs; i++) s->tensors[g->inputs[i]] = inputs[i];
    for (size_t k = 0; k < p->n_steps; k++) {
        int rc = run_step(s, &p->steps[k], e);
        if (s->run.used > s->run_used) s->run_used = s->run.used;
        if (rc < 0) return step_error(&p->steps[k], rc, e);
    }
    for (size_t i = 0; i < g->n_outputs; i++) outputs[i] = s->tensors[g->outputs[i]];
    return 0;
}
