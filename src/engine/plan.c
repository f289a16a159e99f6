// Making plans: operators looked up, types inferred, constants folded, rows proven apart, lifetimes found.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/plan_impl.h"

enum {
    FOLD_BYTES_MAX = 1 << 20, // of one node's inputs and outputs: folding larger ones may cost more than it saves
    FOLD_BYTES_TOTAL_MAX = 64 << 20, // of all, so that loading ends soon whatever the file holds
};

// Whether a value's axis 0 is the rows of the batch.
typedef enum rows_kind {
    ROWS_NONE, // it does not depend on the rows
    ROWS_AXIS, // row i depends on row i alone
    ROWS_MIXED,
} rows_kind;

typedef struct planner {
    plan *p;
    const graph *g;
    bool plain;
    op_value *in, *out; // (arity_max) of the node at hand
    rows_kind *rows;    // (n_values)
    bool *needed;       // (n_nodes)
    arena scratch;
    size_t folded; // bytes so far
} planner;

int step_error(const step *s, int rc, err *e)
{
    if (s->n->name[0]) return err_prefix(e, rc, "node %zu '%.60s' (%.40s)", s->index, s->n->name, s->n->op);
    return err_prefix(e, rc, "node %zu (%.40s)", s->index, s->n->op);
}

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for the plan of a graph");
}

// Operators ---------------------------------------------------------------------------------------------------------

static int find_row(const graph *g, step *s, err *e)
{
    const node *n = s->n;
    int64_t version = graph_opset(g, n->domain);
    const char *domain = n->domain[0] ? n->domain : "ai.onnx";
    s->row = operator_find(n->domain, n->op, version);
    if (s->row) return 0;
    return err_set(e, ERR_UNSUPPORTED, "node %zu '%.40s': there is no operator %.40s.%.40s of opset %lld here",
                   s->index, n->name, domain, n->op, (long long)version);
}

static int check_arity(const step *s, err *e)
{
    const node *n = s->n;
    const op_row *r = s->row;
    if (n->n_inputs < (size_t)r->inputs_min || (r->inputs_max >= 0 && n->n_inputs > (size_t)r->inputs_max))
        return err_set(e, ERR_INPUT, "it has %zu inputs", n->n_inputs);
    if (n->n_outputs < (size_t)r->outputs_min || (r->outputs_max >= 0 && n->n_outputs > (size_t)r->outputs_max))
        return err_set(e, ERR_INPUT, "it has %zu outputs", n->n_outputs);
    for (int i = 0; i < r->inputs_min; i++)
        if (n->inputs[i] == VALUE_NONE) return err_set(e, ERR_INPUT, "input %d is not there", i);
    return 0;
}

// The best exact kernel of this machine, or the reference.
static op_run *pick_kernel(const op_row *r, bool plain)
{
    op_run *run = r->run;
    for (size_t i = 0; i < r->n_fast && !plain; i++)
        if (r->fast[i].level <= cpu_level_get()) run = r->fast[i].run;
    return run;
}

// Folding -----------------------------------------------------------------------------------------------------------

static bool is_numeric(const value_type *t, shape *s)
{
    if (t->n_dims < 0) return false;
    s->n_dims = t->n_dims;
    for (int i = 0; i < t->n_dims; i++) {
        if (t->dims[i].size < 0) return false;
        s->dims[i] = t->dims[i].size;
    }
    return true;
}

// Whether all that a node needs is constant, and small.
static bool can_fold(const planner *m, const step *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->n->n_inputs; i++) {
        if (s->n->inputs[i] == VALUE_NONE) continue;
        const tensor *t = m->in[i].data;
        if (!t || m->g->values[s->n->inputs[i]].kind == VALUE_PARAMETER) return false;
        bytes += (size_t)shape_count(&t->shape) * dtype_size(t->type);
    }
    for (size_t i = 0; i < s->n->n_outputs; i++) {
        shape known;
        if (s->row->shape_from_data || !is_numeric(&m->out[i].type, &known)) return false;
        int64_t count = shape_count(&known);
        if (count < 0 || count > FOLD_BYTES_MAX) return false;
        bytes += (size_t)count * dtype_size(m->out[i].type.type);
    }
    return bytes <= FOLD_BYTES_MAX && m->folded + bytes <= FOLD_BYTES_TOTAL_MAX;
}

static int fold(planner *m, const step *s, err *e)
{
    const node *n = s->n;
    plan *p = m->p;
    tensor *in = arena_zalloc(&p->memory, n->n_inputs, sizeof *in);
    tensor *out = arena_zalloc(&p->memory, n->n_outputs, sizeof *out);
    if (!in || !out) return no_memory(e);
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] != VALUE_NONE) in[i] = *m->in[i].data;
    for (size_t i = 0; i < n->n_outputs; i++) {
        if (n->outputs[i] == VALUE_NONE) continue;
        out[i].type = m->out[i].type.type;
        is_numeric(&m->out[i].type, &out[i].shape);
        size_t count = (size_t)shape_count(&out[i].shape);
        out[i].data = arena_alloc(&p->memory, count, dtype_size(out[i].type));
        if (!out[i].data) return no_memory(e);
        m->folded += count * dtype_size(out[i].type);
    }
    op_call c = {.state = s->state,
                 .inputs = in,
                 .n_inputs = n->n_inputs,
                 .outputs = out,
                 .n_outputs = n->n_outputs,
                 .memory = &p->memory,
                 .scratch = &m->scratch};
    TRY(s->run(&c, e));
    arena_reset(&m->scratch);
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] != VALUE_NONE) p->values[n->outputs[i]].data = &out[i];
    return 0;
}

// Rows --------------------------------------------------------------------------------------------------------------

static rows_kind rows_of(const planner *m, const step *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n->n_inputs; i++) {
        value_id id = s->n->inputs[i];
        rows_kind kind = id == VALUE_NONE ? ROWS_NONE : m->rows[id];
        if (kind == ROWS_MIXED) return ROWS_MIXED;
        m->in[i].rows = kind == ROWS_AXIS;
        any |= m->in[i].rows;
    }
    if (!any) return ROWS_NONE;
    if (s->row->rows == OP_ROWS_APART) return ROWS_AXIS;
    if (s->row->rows == OP_ROWS_MIXED) return ROWS_MIXED;
    return s->row->rows_apart(s->n, m->in) ? ROWS_AXIS : ROWS_MIXED;
}

// The whole graph keeps rows apart if every input has rows on axis 0, however many, and so has every output.
static void prove_rows(planner *m)
{
    const graph *g = m->g;
    m->p->rows_apart = g->n_inputs > 0;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const value_type *t = &g->values[g->inputs[i]].type;
        if (t->n_dims < 1 || t->dims[0].size >= 0) m->p->rows_apart = false;
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        if (m->rows[g->outputs[i]] != ROWS_AXIS) m->p->rows_apart = false;
}

// Steps -------------------------------------------------------------------------------------------------------------

static int check_outputs(const step *s, const op_value *out, err *e)
{
    for (size_t i = 0; i < s->n->n_outputs; i++) {
        const value_type *t = &out[i].type;
        if (t->type == DTYPE_NONE || t->n_dims < -1 || t->n_dims > TENSOR_DIMS_MAX)
            return err_set(e, ERR_INTERNAL, "its output %zu has no type", i);
    }
    return 0;
}

static int add_step(planner *m, step *s, err *e)
{
    const node *n = s->n;
    plan *p = m->p;
    TRY(check_arity(s, e));
    for (size_t i = 0; i < n->n_inputs; i++)
        m->in[i] = n->inputs[i] == VALUE_NONE ? (op_value){.type = {.n_dims = -1}} : p->values[n->inputs[i]];
    for (size_t i = 0; i < n->n_outputs; i++) m->out[i] = (op_value){.type = {.n_dims = -1}};
    TRY(s->row->infer(n, m->in, m->out, e));
    TRY(check_outputs(s, m->out, e));
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] != VALUE_NONE) p->values[n->outputs[i]] = m->out[i];
    rows_kind kind = rows_of(m, s);
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] != VALUE_NONE) m->rows[n->outputs[i]] = kind;
    if (!m->needed[s->index]) return 0;
    if (s->row->make) TRY(s->row->make(&s->state, n, m->in, &p->memory, e));
    s->run = pick_kernel(s->row, m->plain);
    if (can_fold(m, s)) return fold(m, s, e);
    p->steps[p->n_steps++] = *s;
    return 0;
}

// A node is needed if an output of the graph rests on it.
static int find_needed(planner *m, err *e)
{
    const graph *g = m->g;
    bool *values = mem_zalloc(g->n_values, sizeof *values);
    if (!values) return no_memory(e);
    for (size_t i = 0; i < g->n_outputs; i++) values[g->outputs[i]] = true;
    for (size_t k = g->n_nodes; k-- > 0;) {
        const node *n = &g->nodes[k];
        for (size_t i = 0; i < n->n_outputs && !m->needed[k]; i++)
            m->needed[k] = n->outputs[i] != VALUE_NONE && values[n->outputs[i]];
        for (size_t i = 0; i < n->n_inputs && m->needed[k]; i++)
            if (n->inputs[i] != VALUE_NONE) values[n->inputs[i]] = true;
    }
    mem_free(values);
    return 0;
}

static void find_lifetimes(plan *p)
{
    for (size_t i = 0; i < p->g->n_values; i++) p->last[i] = 0;
    for (size_t k = 0; k < p->n_steps; k++) {
        const node *n = p->steps[k].n;
        for (size_t i = 0; i < n->n_inputs; i++)
            if (n->inputs[i] != VALUE_NONE) p->last[n->inputs[i]] = (uint32_t)k;
        for (size_t i = 0; i < n->n_outputs; i++)
            if (n->outputs[i] != VALUE_NONE) p->last[n->outputs[i]] = (uint32_t)k;
    }
    for (size_t i = 0; i < p->g->n_outputs; i++) p->last[p->g->outputs[i]] = UINT32_MAX;
}

static int check_declared(const plan *p, err *e)
{
    for (size_t i = 0; i < p->g->n_outputs; i++) {
        const graph_value *v = &p->g->values[p->g->outputs[i]];
        dtype have = p->values[p->g->outputs[i]].type.type;
        if (v->kind == VALUE_COMPUTED && v->type.type != DTYPE_NONE && v->type.type != have)
            return err_set(e, ERR_INPUT, "output '%.100s' is declared as %s, but computed as %s", v->name,
                           dtype_name(v->type.type), dtype_name(have));
    }
    return 0;
}

// Symbolic sizes of inputs by number: those of one name must be one size in a run.
static void number_symbols(plan *p)
{
    const graph *g = p->g;
    for (size_t i = 0; i < g->n_inputs; i++)
        for (int d = 0; d < TENSOR_DIMS_MAX; d++) {
            const value_type *t = &g->values[g->inputs[i]].type;
            uint32_t *to = &p->symbols[i * TENSOR_DIMS_MAX + (size_t)d];
            *to = UINT32_MAX;
            if (d >= t->n_dims || t->dims[d].size >= 0 || !t->dims[d].name) continue;
            *to = (uint32_t)p->n_symbols;
            // Most inputs name what the input before them names; a name that comes back later gets a new number.
            for (size_t k = i < 2 ? 0 : i - 1; k <= i && *to == p->n_symbols; k++)
                for (int f = 0; f < g->values[g->inputs[k]].type.n_dims && (k < i || f < d); f++) {
                    const dim *other = &g->values[g->inputs[k]].type.dims[f];
                    if (other->size < 0 && other->name && strcmp(other->name, t->dims[d].name) == 0) {
                        *to = p->symbols[k * TENSOR_DIMS_MAX + (size_t)f];
                        break;
                    }
                }
            if (*to == p->n_symbols) p->n_symbols++;
        }
}

static int start(planner *m, err *e)
{
    const graph *g = m->g;
    plan *p = m->p;
    p->arity_max = 1;
    for (size_t k = 0; k < g->n_nodes; k++) {
        if (g->nodes[k].n_inputs > p->arity_max) p->arity_max = g->nodes[k].n_inputs;
        if (g->nodes[k].n_outputs > p->arity_max) p->arity_max = g->nodes[k].n_outputs;
    }
    p->steps = arena_alloc(&p->memory, g->n_nodes, sizeof *p->steps);
    p->values = arena_zalloc(&p->memory, g->n_values, sizeof *p->values);
    p->last = arena_alloc(&p->memory, g->n_values, sizeof *p->last);
    p->symbols = arena_alloc(&p->memory, g->n_inputs * TENSOR_DIMS_MAX, sizeof *p->symbols);
    m->in = mem_alloc(p->arity_max, sizeof *m->in);
    m->out = mem_alloc(p->arity_max, sizeof *m->out);
    m->rows = mem_zalloc(g->n_values, sizeof *m->rows);
    m->needed = mem_zalloc(g->n_nodes, sizeof *m->needed);
    if (!p->steps || !p->values || !p->last || !p->symbols || !m->in || !m->out || !m->rows || !m->needed)
        return no_memory(e);
    for (size_t i = 0; i < g->n_values; i++) {
        const graph_value *v = &g->values[i];
        if (v->kind == VALUE_COMPUTED) continue;
        p->values[i].type = v->type;
        if (v->kind == VALUE_INPUT)
            m->rows[i] = v->type.n_dims >= 1 && v->type.dims[0].size < 0 ? ROWS_AXIS : ROWS_MIXED;
        else
            p->values[i].data = &v->data;
    }
    return 0;
}

static int make_plan(planner *m, err *e)
{
    const graph *g = m->g;
    TRY(start(m, e));
    TRY(find_needed(m, e));
    for (size_t k = 0; k < g->n_nodes; k++) {
        step s = {.n = &g->nodes[k], .index = k};
        TRY(find_row(g, &s, e));
        int rc = add_step(m, &s, e);
        if (rc < 0) return step_error(&s, rc, e);
    }
    TRY(check_declared(m->p, e));
    find_lifetimes(m->p);
    number_symbols(m->p);
    prove_rows(m);
    return 0;
}

int plan_new(plan **out, const graph *g, const plan_options *o, err *e)
{
    plan *p = mem_zalloc(1, sizeof *p);
    if (!p) return no_memory(e);
    size_t memory_max = o && o->memory_max ? o->memory_max : PLAN_MEMORY_MAX;
    p->g = g;
    arena_init(&p->memory, memory_max);
    planner m = {.p = p, .g = g, .plain = o && o->plain};
    arena_init(&m.scratch, memory_max);
    int rc = make_plan(&m, e);
    arena_clear(&m.scratch);
    mem_free(m.in);
    mem_free(m.out);
    mem_free(m.rows);
    mem_free(m.needed);
    if (rc < 0) {
        plan_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void plan_free(plan *p)
{
    if (!p) return;
    arena_clear(&p->memory);
    mem_free(p);
}

size_t plan_bytes(const plan *p)
{
    return sizeof *p + p->memory.used;
}

bool plan_rows_apart(const plan *p)
{
    return p->rows_apart;
}

value_type plan_output_type(const plan *p, size_t output)
{
    return p->values[p->g->outputs[output]].type;
}
