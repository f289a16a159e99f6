// Running row programs: instructions over blocks of rows, which write the features row by row for the trees.
// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <string.h>

#include "engine/row_program_impl.h"

enum {
    BLOCK = 64,          // rows at once
    REGISTER_WIDTH = 16, // bytes of an element of the widest type
};

size_t row_program_n_features(const row_program *p)
{
    return p->n_features;
}

size_t row_program_bytes(const row_program *p)
{
    return sizeof *p + p->memory.used + plan_bytes(p->plan);
}

size_t row_program_n_scores(const row_program *p)
{
    return p->trees ? p->trees->n_scores : 0;
}

typedef struct runner {
    const row_program *r;
    const tensor *inputs;
    size_t first, n; // rows of the block
    char *registers; // (n_registers, n rows of the block, REGISTER_WIDTH)
    size_t room;     // bytes of a register
    float *features; // (n, n_features)
} runner;

typedef struct source {
    const void *data;
    size_t stride; // in elements
} source;

static source source_of(const runner *w, const operand *o)
{
    switch (o->kind) {
    case OPERAND_INPUT:
        return (source){(const char *)w->inputs[o->index].data + (w->first * o->width + o->at) * o->size, o->width};
    case OPERAND_REGISTER: return (source){w->registers + o->index * w->room, 1};
    default: return (source){o->constant, 0};
    }
}

#define EACH(expression)                                                    \
    for (size_t i = 0; i < n; i++, a += sa, out += so) *out = (expression); \
    break

// Loops for float32 results of one operand.
static void run_real(const instruction *k, const runner *w, float *out, size_t so)
{
    source s = source_of(w, &k->from[0]);
    size_t n = w->n, sa = s.stride;
    const parameters *p = &k->p;
    switch (k->op) {
    case COLUMN_CAST:
        if (k->type_from == DTYPE_I64) {
            const int64_t *a = s.data;
            EACH((float)*a);
        }
        if (k->type_from == DTYPE_BOOL) {
            const uint8_t *a = s.data;
            EACH((float)*a);
        }
        {
            const float *a = s.data;
            EACH(*a);
        }
    case COLUMN_IMPUTE: {
        const float *a = s.data;
        if (p->replaced != p->replaced) {
            EACH(*a != *a ? p->fill : *a);
        }
        EACH(*a == p->replaced ? p->fill : *a);
    }
    case COLUMN_SCALE: {
        const float *a = s.data;
        EACH((*a - p->offset) * p->scale);
    }
    case COLUMN_IMPUTE_SCALE: {
        const float *a = s.data;
        if (p->replaced != p->replaced) {
            EACH(((*a != *a ? p->fill : *a) - p->offset) * p->scale);
        }
        EACH(((*a == p->replaced ? p->fill : *a) - p->offset) * p->scale);
    }
    default: {
        assert(k->op == COLUMN_BIT);
        const int64_t *a = s.data;
        if (k->n_bits == 1) {
            EACH((float)(*a == p->place));
        }
        for (size_t i = 0; i < n; i++, a += sa, out += so) {
            memset(out, 0, k->n_bits * sizeof *out);
            int64_t bit = *a - p->place;
            if (bit >= 0 && bit < (int64_t)k->n_bits) out[bit] = 1;
        }
        break;
    }
    }
}

static int32_t find_label(const encoder *s, const void *a, size_t i)
{
    switch (s->key_type) {
    case DTYPE_STRING: return label_find_string(&s->table, ((const str *)a)[i]);
    case DTYPE_I64: return label_find_int(&s->table, ((const int64_t *)a)[i]);
    default: {
        float x = ((const float *)a)[i];
        return x != x ? s->nan_at : label_find_float(&s->table, x);
    }
    }
}

static void run_label(const instruction *k, const runner *w, void *out, size_t so)
{
    const encoder *s = k->p.encoder;
    source a = source_of(w, &k->from[0]);
    for (size_t i = 0; i < w->n; i++) {
        int32_t at = find_label(s, a.data, i * a.stride);
        if (k->type == DTYPE_F32)
            ((float *)out)[i * so] = at < 0 ? s->otherwise.real : ((const float *)s->values)[at];
        else if (k->type == DTYPE_I64)
            ((int64_t *)out)[i * so] = at < 0 ? s->otherwise.integer : ((const int64_t *)s->values)[at];
        else
            ((str *)out)[i * so] = at < 0 ? s->otherwise.string : ((const str *)s->values)[at];
    }
}

static int run_place(const instruction *k, const runner *w, int64_t *out, err *e)
{
    const one_hot *h = k->p.one_hot;
    source a = source_of(w, &k->from[0]);
    for (size_t i = 0; i < w->n; i++) {
        out[i] = h->strings ? label_find_string(&h->table, ((const str *)a.data)[i * a.stride])
                            : label_find_int(&h->table, ((const int64_t *)a.data)[i * a.stride]);
        if (out[i] < 0 && !h->zeros)
            return err_set_at(e, ERR_INPUT, (int64_t)(w->first + i), "row %zu has an unknown category", w->first + i);
    }
    return 0;
}

#define PAIRS(T, R, expression)                                           \
    do {                                                                  \
        const T *a = x.data, *b = y.data;                                 \
        for (size_t i = 0; i < w->n; i++, a += x.stride, b += y.stride) { \
            ((R *)out)[i * so] = (expression);                            \
        }                                                                 \
    } while (0)
#define INTEGERS(op) PAIRS(int64_t, int64_t, (int64_t)((uint64_t)*a op(uint64_t) * b))

static void run_pair(const instruction *k, const runner *w, void *out, size_t so)
{
    source x = source_of(w, &k->from[0]), y = source_of(w, &k->from[1]);
    bool real = k->type_from == DTYPE_F32;
    switch (k->op) {
    case COLUMN_EQUAL:
        if (real)
            PAIRS(float, uint8_t, *a == *b);
        else if (k->type_from == DTYPE_I64)
            PAIRS(int64_t, uint8_t, *a == *b);
        else if (k->type_from == DTYPE_BOOL)
            PAIRS(uint8_t, uint8_t, *a == *b);
        else
            PAIRS(str, uint8_t, str_equal(*a, *b));
        break;
    case COLUMN_ADD:
        if (real)
            PAIRS(float, float, *a + *b);
        else
            INTEGERS(+);
        break;
    case COLUMN_SUB:
        if (real)
            PAIRS(float, float, *a - *b);
        else
            INTEGERS(-);
        break;
    case COLUMN_MUL:
        if (real)
            PAIRS(float, float, *a **b);
        else
            INTEGERS(*);
        break;
    case COLUMN_DIV: PAIRS(float, float, *a / *b); break;
    case COLUMN_AND: PAIRS(uint8_t, uint8_t, *a && *b); break;
    default: PAIRS(uint8_t, uint8_t, *a || *b); break;
    }
}

#define CHOOSE(T) \
    ((T *)out)[i * so] = c[i * s.stride] ? ((const T *)x.data)[i * x.stride] : ((const T *)y.data)[i * y.stride]

static void run_where(const instruction *k, const runner *w, void *out, size_t so)
{
    source s = source_of(w, &k->from[0]), x = source_of(w, &k->from[1]), y = source_of(w, &k->from[2]);
    const uint8_t *c = s.data;
    for (size_t i = 0; i < w->n; i++) {
        switch (k->type) {
        case DTYPE_F32: CHOOSE(float); break;
        case DTYPE_I64: CHOOSE(int64_t); break;
        case DTYPE_BOOL: CHOOSE(uint8_t); break;
        default: CHOOSE(str); break;
        }
    }
}

static void run_small(const instruction *k, const runner *w, void *out)
{
    source s = source_of(w, &k->from[0]);
    for (size_t i = 0; i < w->n; i++) {
        if (k->op == COLUMN_IS_NAN) {
            float x = ((const float *)s.data)[i * s.stride];
            ((uint8_t *)out)[i] = x != x;
        } else if (k->op == COLUMN_NOT) {
            ((uint8_t *)out)[i] = !((const uint8_t *)s.data)[i * s.stride];
        } else if (k->op == COLUMN_CAST) { // bool to int64
            ((int64_t *)out)[i] = ((const uint8_t *)s.data)[i * s.stride];
        } else { // IMPUTE of integers
            int64_t x = ((const int64_t *)s.data)[i * s.stride];
            ((int64_t *)out)[i] = x == k->p.replaced_int ? k->p.fill_int : x;
        }
    }
}

static int run_instruction(const instruction *k, const runner *w, err *e)
{
    bool feature = k->to_register < 0;
    void *out =
        feature ? (void *)(w->features + k->feature) : (void *)(w->registers + (size_t)k->to_register * w->room);
    size_t so = feature ? w->r->n_features : 1;
    switch (k->op) {
    case COLUMN_LABEL: run_label(k, w, out, so); return 0;
    case COLUMN_PLACE: return run_place(k, w, out, e);
    case COLUMN_WHERE: run_where(k, w, out, so); return 0;
    case COLUMN_EQUAL:
    case COLUMN_ADD:
    case COLUMN_SUB:
    case COLUMN_MUL:
    case COLUMN_DIV:
    case COLUMN_AND:
    case COLUMN_OR: run_pair(k, w, out, so); return 0;
    default:
        if (k->type == DTYPE_F32)
            run_real(k, w, out, so);
        else
            run_small(k, w, out);
        return 0;
    }
}

static int check_inputs(const row_program *p, const tensor *inputs, size_t n_rows, err *e)
{
    for (size_t i = 0; i < p->n_inputs; i++) {
        const graph_value *v = &p->g->values[p->g->inputs[i]];
        const tensor *t = &inputs[i];
        if (t->type != v->type.type)
            return err_set(e, ERR_INPUT, "input '%.100s' is %s, not %s", v->name, dtype_name(t->type),
                           dtype_name(v->type.type));
        if (t->shape.n_dims != v->type.n_dims || (size_t)t->shape.dims[0] != n_rows ||
            (t->shape.n_dims == 2 && t->shape.dims[1] != v->type.dims[1].size) || (n_rows && !t->data))
            return err_set(e, ERR_INPUT, "input '%.100s' has not the shape of %zu rows", v->name, n_rows);
    }
    return 0;
}

static int run_blocks(const row_program *p, const tensor *inputs, size_t n_rows, float *scores, int32_t *labels,
                      float *features, arena *scratch, err *e)
{
    size_t block = n_rows < BLOCK ? n_rows : BLOCK, n_scores = row_program_n_scores(p);
    bool wants_trees = p->trees && (scores || labels);
    runner w = {.r = p, .inputs = inputs, .room = block * REGISTER_WIDTH};
    w.registers = arena_alloc(scratch, p->n_registers, w.room);
    float *room = features || p->direct >= 0 ? NULL : arena_alloc(scratch, block, p->n_features * sizeof *room);
    float *spare = wants_trees && !scores ? arena_alloc(scratch, block, n_scores * sizeof *spare) : NULL;
    if (!w.registers || (!features && p->direct < 0 && !room) || (wants_trees && !scores && !spare))
        return err_set(e, ERR_MEMORY, "no memory for a block of %zu rows", block);
    for (size_t first = 0; first < n_rows; first += BLOCK) {
        w.first = first;
        w.n = n_rows - first < BLOCK ? n_rows - first : BLOCK;
        const float *x;
        if (p->direct >= 0) {
            x = (const float *)inputs[p->direct].data + first * p->n_features;
            if (features) memcpy(features + first * p->n_features, x, w.n * p->n_features * sizeof *x);
        } else {
            w.features = features ? features + first * p->n_features : room;
            for (size_t i = 0; i < p->n_instructions; i++) TRY(run_instruction(&p->instructions[i], &w, e));
            x = w.features;
        }
        if (wants_trees)
            trees_run(p->trees->trees, x, w.n, p->n_features, scores ? scores + first * n_scores : spare,
                      labels ? labels + first : NULL);
    }
    if (labels && !(p->trees && p->trees->classify)) memset(labels, 0, n_rows * sizeof *labels);
    return 0;
}

int row_program_run(const row_program *p, const tensor *inputs, size_t n_rows, float *scores, int32_t *labels,
                    float *features, arena *scratch, err *e)
{
    TRY(check_inputs(p, inputs, n_rows, e));
    if (n_rows == 0) return 0;
    arena_mark mark = arena_get_mark(scratch);
    int rc = run_blocks(p, inputs, n_rows, scores, labels, features, scratch, e);
    arena_rewind(scratch, mark);
    return rc;
}

// Explanations ------------------------------------------------------------------------------------------------------

const row_source *row_program_sources(const row_program *p)
{
    return p->sources;
}

const trees *row_program_trees(const row_program *p)
{
    return p->trees ? p->trees->trees : NULL;
}

// Rows of one score, brought together.
typedef struct gathered {
    float *x;
    uint32_t *rows;
    shap_output *outputs;
    double *base, *values, *explained;
} gathered;

static int gather_new(gathered *g, size_t n, size_t n_features, size_t n_groups, arena *a, err *e)
{
    *g = (gathered){.x = arena_alloc(a, n, n_features * sizeof *g->x),
                    .rows = arena_alloc(a, n, sizeof *g->rows),
                    .outputs = arena_alloc(a, n, sizeof *g->outputs),
                    .base = arena_alloc(a, n, sizeof *g->base),
                    .values = arena_alloc(a, n, n_groups * sizeof *g->values),
                    .explained = arena_alloc(a, n, sizeof *g->explained)};
    if (g->x && g->rows && g->outputs && g->base && g->values && g->explained) return 0;
    return err_set(e, ERR_MEMORY, "no memory to explain %zu rows", n);
}

static int explain_scores(const row_program *p, const float *features, size_t n_rows, const shap_output *outputs,
                          const shap_groups *groups, double *base, double *values, double *explained, arena *scratch,
                          err *e)
{
    gathered g;
    TRY(gather_new(&g, n_rows, p->n_features, groups->n, scratch, e));
    for (size_t score = 0, n_done = 0; n_done < n_rows; score++) {
        size_t n = 0;
        for (size_t i = 0; i < n_rows; i++) {
            if (outputs[i].score != score) continue;
            memcpy(g.x + n * p->n_features, features + i * p->n_features, p->n_features * sizeof *g.x);
            g.outputs[n] = outputs[i];
            g.rows[n++] = (uint32_t)i;
        }
        if (n == 0) continue;
        TRY(shap_run(p->trees->trees, g.outputs, groups, g.x, n, p->n_features, g.base, g.values, g.explained, scratch,
                     e));
        for (size_t i = 0; i < n; i++) {
            size_t row = g.rows[i];
            base[row] = g.base[i];
            explained[row] = g.explained[i];
            memcpy(values + row * groups->n, g.values + i * groups->n, groups->n * sizeof *values);
        }
        n_done += n;
    }
    return 0;
}

int row_program_explain(const row_program *p, const tensor *inputs, size_t n_rows, const shap_output *outputs,
                        const shap_groups *groups, double *base, double *values, double *explained, arena *scratch,
                        err *e)
{
    assert(p->trees);
    arena_mark mark = arena_get_mark(scratch);
    float *features = arena_alloc(scratch, n_rows, p->n_features * sizeof *features);
    int rc = features ? row_program_run(p, inputs, n_rows, NULL, NULL, features, scratch, e)
                      : err_set(e, ERR_MEMORY, "no memory to explain %zu rows", n_rows);
    if (rc == 0) rc = explain_scores(p, features, n_rows, outputs, groups, base, values, explained, scratch, e);
    arena_rewind(scratch, mark);
    return rc;
}
