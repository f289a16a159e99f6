// Compiling row programs. Every value of the graph becomes a list of columns, every column a small expression over the
// inputs; what only moves columns (Concat, Reshape, Gather, ...) costs nothing at run time. The expressions become
// instructions, feature after feature, with as few registers as their lifetimes allow.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "engine/row_program_impl.h"

enum {
    COLUMNS_MAX = 1 << 20, // expressions, and columns of one value
    NO_COLUMN = -1,
};

typedef struct column {
    column_op op;
    dtype type;      // float32, int64, bool, string
    int32_t from[3]; // columns, or NO_COLUMN
    parameters p;
    uint32_t uses; // by instructions not yet written, while compiling
    int32_t place; // the register it is in, or -1
} column;

typedef struct column_list {
    int32_t *columns; // NULL: the value is none that rows run through
    size_t n;
} column_list;

typedef struct compiler {
    row_program *r;
    const plan *p;
    column *columns;
    size_t n_columns, cap;
    column_list *lists; // (n_values)
    const step *trees;
    value_id features;
    int32_t *free_registers;
    size_t n_free, free_cap;
} compiler;

static int not_here(const step *s, const char *why, err *e)
{
    return step_error(s, err_set(e, ERR_UNSUPPORTED, "%s", why), e);
}

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a row program");
}

static bool is_plain(dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_I64 || t == DTYPE_BOOL || t == DTYPE_STRING;
}

// Columns of a value (N, a, b, ...): a * b * ...; -1 if that is not known or too many.
static int64_t width_of(const value_type *t)
{
    int64_t width = 1;
    if (t->n_dims < 1) return -1;
    for (int i = 1; i < t->n_dims; i++)
        if (t->dims[i].size < 0 || __builtin_mul_overflow(width, t->dims[i].size, &width) || width > COLUMNS_MAX)
            return -1;
    return width;
}

// A new column; negative is an err_code.
static int32_t add_column(compiler *c, column_op op, dtype type, parameters p, int32_t a, int32_t b, int32_t d, err *e)
{
    if (c->n_columns == COLUMNS_MAX) return err_set(e, ERR_UNSUPPORTED, "more than %d columns", (int)COLUMNS_MAX);
    if (c->n_columns == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 64;
        column *grown = mem_realloc(c->columns, cap, sizeof *grown);
        if (!grown) return no_memory(e);
        c->columns = grown;
        c->cap = cap;
    }
    c->columns[c->n_columns] = (column){.op = op, .type = type, .from = {a, b, d}, .p = p, .place = -1};
    return (int32_t)c->n_columns++;
}

static int new_list(compiler *c, value_id id, size_t n, err *e)
{
    int32_t *columns = arena_alloc(&c->r->memory, n, sizeof *columns);
    if (!columns) return no_memory(e);
    c->lists[id] = (column_list){columns, n};
    return 0;
}

static int start_inputs(compiler *c, err *e)
{
    const graph *g = c->r->g;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const graph_value *v = &g->values[g->inputs[i]];
        int64_t width = width_of(&v->type);
        if (!is_plain(v->type.type) || width < 0 || v->type.n_dims > 2)
            return err_set(e, ERR_UNSUPPORTED, "input '%.100s' is no (N, k) matrix that row programs take", v->name);
        TRY(new_list(c, g->inputs[i], (size_t)width, e));
        for (size_t k = 0; k < (size_t)width; k++) {
            parameters p = {.input = (uint32_t)i, .at = (uint32_t)k, .width = (uint32_t)width};
            int32_t at = add_column(c, COLUMN_INPUT, v->type.type, p, NO_COLUMN, NO_COLUMN, NO_COLUMN, e);
            if (at < 0) return at;
            c->lists[g->inputs[i]].columns[k] = at;
        }
    }
    return 0;
}

// The same columns under another name.
static int alias(compiler *c, const step *s, err *e)
{
    const column_list *from = &c->lists[s->n->inputs[0]];
    if (width_of(&c->p->values[s->n->outputs[0]].type) != (int64_t)from->n) return not_here(s, "its rows change", e);
    c->lists[s->n->outputs[0]] = *from;
    return 0;
}

// One column from each of the first input's.
static int map(compiler *c, const step *s, column_op op, parameters (*of)(const step *s, size_t k, dtype t), err *e)
{
    column_list from = c->lists[s->n->inputs[0]];
    value_id out = s->n->outputs[0];
    dtype t = c->p->values[out].type.type;
    if (!is_plain(t)) return not_here(s, "its type is none that row programs take", e);
    TRY(new_list(c, out, from.n, e));
    for (size_t k = 0; k < from.n; k++) {
        dtype type_from = c->columns[from.columns[k]].type;
        int32_t at = add_column(c, op, t, of(s, k, type_from), from.columns[k], NO_COLUMN, NO_COLUMN, e);
        if (at < 0) return at;
        c->lists[out].columns[k] = at;
    }
    return 0;
}

static parameters of_nothing(const step *s, size_t k, dtype t)
{
    (void)s, (void)k, (void)t;
    return (parameters){.place = 0};
}

static parameters of_imputer(const step *s, size_t k, dtype t)
{
    const imputer *i = s->state;
    size_t at = i->n == 1 ? 0 : k;
    if (t == DTYPE_I64) return (parameters){.fill_int = i->ints[at], .replaced_int = i->replaced_int};
    return (parameters){.fill = i->floats[at], .replaced = i->replaced_float};
}

static parameters of_scaler(const step *s, size_t k, dtype t)
{
    (void)t;
    const scaler *i = s->state;
    size_t at = i->n == 1 ? 0 : k;
    return (parameters){.offset = i->offset[at], .scale = i->scale[at]};
}

static parameters of_encoder(const step *s, size_t k, dtype t)
{
    (void)k, (void)t;
    return (parameters){.encoder = s->state};
}

static int add_cast(compiler *c, const step *s, err *e)
{
    dtype from = c->p->values[s->n->inputs[0]].type.type, to = c->p->values[s->n->outputs[0]].type.type;
    if (from == to) return alias(c, s, e);
    bool known =
        (to == DTYPE_F32 && (from == DTYPE_I64 || from == DTYPE_BOOL)) || (to == DTYPE_I64 && from == DTYPE_BOOL);
    if (!known) return not_here(s, "it casts as row programs do not", e);
    return map(c, s, COLUMN_CAST, of_nothing, e);
}

static int add_one_hot(compiler *c, const step *s, err *e)
{
    const one_hot *h = s->state;
    column_list from = c->lists[s->n->inputs[0]];
    dtype t = c->p->values[s->n->inputs[0]].type.type;
    if (t != DTYPE_STRING && t != DTYPE_I64) return not_here(s, "its categories are neither texts nor integers", e);
    if (h->n > COLUMNS_MAX / (from.n + 1)) return not_here(s, "it has too many categories", e);
    TRY(new_list(c, s->n->outputs[0], from.n * h->n, e));
    for (size_t k = 0; k < from.n; k++) {
        int32_t place = add_column(c, COLUMN_PLACE, DTYPE_I64, (parameters){.one_hot = h}, from.columns[k], NO_COLUMN,
                                   NO_COLUMN, e);
        if (place < 0) return place;
        for (size_t i = 0; i < h->n; i++) {
            int32_t bit =
                add_column(c, COLUMN_BIT, DTYPE_F32, (parameters){.place = (int64_t)i}, place, NO_COLUMN, NO_COLUMN, e);
            if (bit < 0) return bit;
            c->lists[s->n->outputs[0]].columns[k * h->n + i] = bit;
        }
    }
    return 0;
}

static int add_concat(compiler *c, const step *s, err *e)
{
    const node *n = s->n;
    const attribute *axis = node_attribute(n, "axis");
    size_t total = 0, at = 0;
    if (c->p->values[n->outputs[0]].type.n_dims != 2 || !axis || (axis->ints[0] != 1 && axis->ints[0] != -1))
        return not_here(s, "it joins something else than columns", e);
    for (size_t i = 0; i < n->n_inputs; i++) {
        if (!c->lists[n->inputs[i]].columns) return not_here(s, "it joins a constant", e);
        total += c->lists[n->inputs[i]].n;
    }
    if (total > COLUMNS_MAX) return not_here(s, "it has too many columns", e);
    TRY(new_list(c, n->outputs[0], total, e));
    for (size_t i = 0; i < n->n_inputs; i++) {
        column_list part = c->lists[n->inputs[i]];
        if (part.n) memcpy(c->lists[n->outputs[0]].columns + at, part.columns, part.n * sizeof *part.columns);
        at += part.n;
    }
    return 0;
}

// Columns picked by constant indices: Gather along axis 1, ArrayFeatureExtractor.
static int add_pick(compiler *c, const step *s, err *e)
{
    const node *n = s->n;
    const tensor *index = c->p->values[n->inputs[1]].data;
    const attribute *axis = node_attribute(n, "axis");
    bool gather = strcmp(n->op, "Gather") == 0;
    if (!index || index->type != DTYPE_I64 || c->p->values[n->inputs[0]].type.n_dims != 2 ||
        (gather && (!axis || (axis->ints[0] != 1 && axis->ints[0] != -1))))
        return not_here(s, "it picks something else than constant columns", e);
    column_list from = c->lists[n->inputs[0]];
    size_t count = (size_t)shape_count(&index->shape);
    TRY(new_list(c, n->outputs[0], count, e));
    for (size_t i = 0; i < count; i++) {
        int64_t at = ((const int64_t *)index->data)[i];
        if (gather && at < 0) at += (int64_t)from.n;
        if (at < 0 || (size_t)at >= from.n) return not_here(s, "it picks a column that is not there", e);
        c->lists[n->outputs[0]].columns[i] = from.columns[at];
    }
    return 0;
}

// Column k of an operand of an element-wise operator: one of its columns, or a constant.
static int32_t operand_column(compiler *c, const step *s, size_t input, size_t k, size_t width, err *e)
{
    value_id id = s->n->inputs[input];
    const op_value *v = &c->p->values[id];
    const column_list *list = &c->lists[id];
    if (list->columns) {
        if (v->type.n_dims != 2 || (list->n != width && list->n != 1)) return not_here(s, "it broadcasts", e);
        return list->columns[list->n == 1 ? 0 : k];
    }
    if (!v->data || !is_plain(v->type.type)) return not_here(s, "an operand is not known", e);
    size_t count = (size_t)shape_count(&v->data->shape);
    int n_dims = v->data->shape.n_dims;
    bool row = n_dims <= 2 && (n_dims < 2 || v->data->shape.dims[0] == 1);
    if (!row || (count != 1 && count != width)) return not_here(s, "it broadcasts", e);
    size_t at = count == 1 ? 0 : k;
    parameters p = {.string = {NULL, 0}};
    switch (v->data->type) {
    case DTYPE_F32: p.real = ((const float *)v->data->data)[at]; break;
    case DTYPE_I64: p.integer = ((const int64_t *)v->data->data)[at]; break;
    case DTYPE_BOOL: p.boolean = ((const uint8_t *)v->data->data)[at]; break;
    default: p.string = ((const str *)v->data->data)[at]; break;
    }
    return add_column(c, COLUMN_CONSTANT, v->data->type, p, NO_COLUMN, NO_COLUMN, NO_COLUMN, e);
}

static int add_elementwise(compiler *c, const step *s, column_op op, err *e)
{
    const node *n = s->n;
    const value_type *t = &c->p->values[n->outputs[0]].type;
    int64_t width = width_of(t);
    dtype operands = c->p->values[n->inputs[n->n_inputs - 1]].type.type;
    bool numbers = operands == DTYPE_F32 || operands == DTYPE_I64;
    if (t->n_dims != 2 || width < 0 || !is_plain(operands)) return not_here(s, "it is not over columns", e);
    if (op >= COLUMN_ADD && op <= COLUMN_DIV && (!numbers || (op == COLUMN_DIV && operands == DTYPE_I64)))
        return not_here(s, "it computes as row programs do not", e);
    TRY(new_list(c, n->outputs[0], (size_t)width, e));
    for (size_t k = 0; k < (size_t)width; k++) {
        int32_t from[3] = {NO_COLUMN, NO_COLUMN, NO_COLUMN};
        for (size_t i = 0; i < n->n_inputs; i++) {
            from[i] = operand_column(c, s, i, k, (size_t)width, e);
            if (from[i] < 0) return from[i];
        }
        int32_t at = add_column(c, op, t->type, (parameters){.place = 0}, from[0], from[1], from[2], e);
        if (at < 0) return at;
        c->lists[n->outputs[0]].columns[k] = at;
    }
    return 0;
}

static int add_map(compiler *c, const step *s, column_op op, err *e)
{
    dtype from = c->p->values[s->n->inputs[0]].type.type;
    if (op == COLUMN_IMPUTE) return map(c, s, op, of_imputer, e);
    if (op == COLUMN_LABEL) return map(c, s, op, of_encoder, e);
    if (op == COLUMN_SCALE && from != DTYPE_F32) return not_here(s, "it scales integers", e);
    return map(c, s, op, op == COLUMN_SCALE ? of_scaler : of_nothing, e);
}

// What becomes of an operator. Everything here computes its output row by row from columns.
static const struct translation {
    const char *domain, *op;
    int (*add)(compiler *c, const step *s, err *e);
    int (*add_as)(compiler *c, const step *s, column_op op, err *e);
    column_op as;
} translations[] = {
    {"", "Identity", alias, NULL, 0},
    {"", "Reshape", alias, NULL, 0},
    {"", "Flatten", alias, NULL, 0},
    {"", "Squeeze", alias, NULL, 0},
    {"", "Unsqueeze", alias, NULL, 0},
    {"", "Cast", add_cast, NULL, 0},
    {"", "Concat", add_concat, NULL, 0},
    {"", "Gather", add_pick, NULL, 0},
    {"ai.onnx.ml", "ArrayFeatureExtractor", add_pick, NULL, 0},
    {"ai.onnx.ml", "OneHotEncoder", add_one_hot, NULL, 0},
    {"ai.onnx.ml", "Imputer", NULL, add_map, COLUMN_IMPUTE},
    {"ai.onnx.ml", "Scaler", NULL, add_map, COLUMN_SCALE},
    {"ai.onnx.ml", "LabelEncoder", NULL, add_map, COLUMN_LABEL},
    {"", "IsNaN", NULL, add_map, COLUMN_IS_NAN},
    {"", "Not", NULL, add_map, COLUMN_NOT},
    {"", "Equal", NULL, add_elementwise, COLUMN_EQUAL},
    {"", "Where", NULL, add_elementwise, COLUMN_WHERE},
    {"", "Add", NULL, add_elementwise, COLUMN_ADD},
    {"", "Sub", NULL, add_elementwise, COLUMN_SUB},
    {"", "Mul", NULL, add_elementwise, COLUMN_MUL},
    {"", "Div", NULL, add_elementwise, COLUMN_DIV},
    {"", "And", NULL, add_elementwise, COLUMN_AND},
    {"", "Or", NULL, add_elementwise, COLUMN_OR},
};

static bool is_trees(const step *s)
{
    return strcmp(s->n->domain, "ai.onnx.ml") == 0 &&
           (strcmp(s->n->op, "TreeEnsembleClassifier") == 0 || strcmp(s->n->op, "TreeEnsembleRegressor") == 0);
}

static int translate(compiler *c, const step *s, err *e)
{
    bool follows = s->n->n_inputs > 0 && c->lists[s->n->inputs[0]].columns;
    if (!follows && s->n->n_inputs < 2) return not_here(s, "it does not follow from columns", e);
    if (is_trees(s)) {
        const value_type *x = &c->p->values[s->n->inputs[0]].type;
        if (c->trees) return not_here(s, "it is a second ensemble", e);
        if (x->n_dims != 2 || x->type != DTYPE_F32 || !follows) return not_here(s, "it is not over float32 columns", e);
        c->trees = s;
        return 0;
    }
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++) {
        const struct translation *t = &translations[i];
        if (strcmp(s->n->op, t->op) != 0 || strcmp(s->n->domain, t->domain) != 0) continue;
        if (!t->add_as && !follows) return not_here(s, "it does not follow from columns", e);
        return t->add ? t->add(c, s, e) : t->add_as(c, s, t->as, e);
    }
    return not_here(s, "row programs do not have it", e);
}

// The outputs must be the ensemble's, or one float matrix.
static int find_end(compiler *c, err *e)
{
    const graph *g = c->r->g;
    if (c->trees) {
        for (size_t i = 0; i < g->n_outputs; i++) {
            bool own = false;
            for (size_t k = 0; k < c->trees->n->n_outputs; k++) own |= g->outputs[i] == c->trees->n->outputs[k];
            if (!own)
                return err_set(e, ERR_UNSUPPORTED, "output '%.100s' is none of the ensemble's",
                               g->values[g->outputs[i]].name);
        }
        c->features = c->trees->n->inputs[0];
        c->r->trees = c->trees->state;
        return 0;
    }
    c->features = g->outputs[0];
    const value_type *t = &c->p->values[c->features].type;
    if (g->n_outputs != 1 || t->type != DTYPE_F32 || t->n_dims != 2 || !c->lists[c->features].columns)
        return err_set(e, ERR_UNSUPPORTED, "the output is no float32 matrix of columns");
    return 0;
}

// Instructions ------------------------------------------------------------------------------------------------------

static int32_t take_register(compiler *c)
{
    return c->n_free ? c->free_registers[--c->n_free] : (int32_t)c->r->n_registers++;
}

static void release(compiler *c, int32_t at)
{
    column *x = &c->columns[at];
    if (--x->uses || x->place < 0) return;
    c->free_registers[c->n_free++] = x->place;
    x->place = -1;
}

static operand operand_of(const compiler *c, int32_t at)
{
    if (at == NO_COLUMN) return (operand){.kind = OPERAND_NONE};
    const column *x = &c->columns[at];
    uint32_t size = (uint32_t)dtype_size(x->type);
    if (x->op == COLUMN_INPUT)
        return (operand){.kind = OPERAND_INPUT, .index = x->p.input, .at = x->p.at, .width = x->p.width, .size = size};
    if (x->op == COLUMN_CONSTANT) return (operand){.kind = OPERAND_CONSTANT, .size = size};
    return (operand){.kind = OPERAND_REGISTER, .index = (uint32_t)x->place, .size = size};
}

static int write_instruction(compiler *c, int32_t at, int32_t to_register, size_t feature, uint32_t n_bits, err *e)
{
    const column *x = &c->columns[at];
    instruction *i = &c->r->instructions[c->r->n_instructions++];
    *i = (instruction){.op = x->op,
                       .type = x->type,
                       .type_from = x->from[0] == NO_COLUMN ? x->type : c->columns[x->from[0]].type,
                       .to_register = to_register,
                       .feature = (uint32_t)feature,
                       .n_bits = n_bits,
                       .p = x->p};
    for (int k = 0; k < 3; k++) {
        i->from[k] = operand_of(c, x->from[k]);
        if (i->from[k].kind != OPERAND_CONSTANT) continue;
        parameters *copy = arena_alloc(&c->r->memory, 1, sizeof *copy);
        if (!copy) return no_memory(e);
        *copy = c->columns[x->from[k]].p;
        i->from[k].constant = copy;
    }
    if (x->op == COLUMN_EQUAL) i->type_from = c->columns[x->from[0]].type;
    return 0;
}

static bool is_leaf(const column *x)
{
    return x->op == COLUMN_INPUT || x->op == COLUMN_CONSTANT;
}

// Writes what a column needs, then the column itself into a register; columns that have one are there already. Depth is
// bounded by a stack of our own: chains may be as long as the graph.
static int write_needed(compiler *c, int32_t root, int32_t *stack, err *e)
{
    size_t n = 0;
    stack[n++] = root;
    while (n) {
        int32_t at = stack[n - 1];
        column *x = &c->columns[at];
        bool ready = true;
        for (int k = 0; k < 3; k++) {
            int32_t from = x->from[k];
            if (from == NO_COLUMN || is_leaf(&c->columns[from]) || c->columns[from].place >= 0) continue;
            stack[n++] = from;
            ready = false;
            break;
        }
        if (!ready) continue;
        n--;
        if (at == root || x->place >= 0) continue;
        int32_t place = take_register(c);
        TRY(write_instruction(c, at, place, 0, 1, e));
        c->columns[at].place = place;
        for (int k = 0; k < 3; k++)
            if (x->from[k] != NO_COLUMN) release(c, x->from[k]);
    }
    return 0;
}

// Features from `feature` on that are bits of one place, in order: how many.
static size_t bits_from(const compiler *c, const column_list *f, size_t feature)
{
    const column *first = &c->columns[f->columns[feature]];
    if (first->op != COLUMN_BIT) return 1;
    size_t n = 1;
    for (; feature + n < f->n; n++) {
        const column *x = &c->columns[f->columns[feature + n]];
        if (x->op != COLUMN_BIT || x->from[0] != first->from[0] || x->p.place != first->p.place + (int64_t)n ||
            x->place >= 0)
            break;
    }
    return n;
}

static int write_feature(compiler *c, const column_list *f, size_t feature, size_t *n_done, int32_t *stack, err *e)
{
    int32_t at = f->columns[feature];
    column *x = &c->columns[at];
    *n_done = 1;
    // One that is an input, a constant or in a register already is copied: IMPUTE has all that it takes.
    if (!is_leaf(x) && x->place < 0) {
        *n_done = bits_from(c, f, feature);
        TRY(write_needed(c, at, stack, e));
        TRY(write_instruction(c, at, -1, feature, (uint32_t)*n_done, e));
        if (x->uses > 1 && x->op != COLUMN_BIT) { // wanted again: from a register of its own
            int32_t place = take_register(c);
            TRY(write_instruction(c, at, place, 0, 1, e));
            c->columns[at].place = place;
        }
        for (size_t i = 0; i < *n_done; i++) {
            column *done = &c->columns[f->columns[feature + i]];
            done->uses--;
            if (done->op == COLUMN_BIT && done->uses) continue; // it is made again, from the same operand
            for (int k = 0; k < 3; k++)
                if (done->from[k] != NO_COLUMN) release(c, done->from[k]);
        }
        return 0;
    }
    instruction *i = &c->r->instructions[c->r->n_instructions++];
    *i = (instruction){.op = COLUMN_CAST,
                       .type = DTYPE_F32,
                       .type_from = DTYPE_F32,
                       .to_register = -1,
                       .feature = (uint32_t)feature,
                       .n_bits = 1};
    i->from[0] = operand_of(c, at);
    if (x->op == COLUMN_CONSTANT) {
        parameters *copy = arena_alloc(&c->r->memory, 1, sizeof *copy);
        if (!copy) return no_memory(e);
        *copy = x->p;
        i->from[0].constant = copy;
    }
    if (!is_leaf(x)) release(c, at);
    return 0;
}

// Scaling what was imputed, which nobody else wants, is one instruction.
static void fuse(compiler *c)
{
    for (size_t i = 0; i < c->n_columns; i++) {
        column *x = &c->columns[i];
        if (x->op != COLUMN_SCALE) continue;
        const column *from = &c->columns[x->from[0]];
        if (from->op != COLUMN_IMPUTE || from->type != DTYPE_F32) continue;
        x->op = COLUMN_IMPUTE_SCALE;
        x->p.fill = from->p.fill;
        x->p.replaced = from->p.replaced;
        x->from[0] = from->from[0];
    }
}

// Uses are counted over what the features need, so that nothing else is computed.
static void count_uses(compiler *c, const column_list *f)
{
    for (size_t i = 0; i < f->n; i++) c->columns[f->columns[i]].uses++;
    for (size_t i = c->n_columns; i-- > 0;) { // operands come before what is made of them
        const column *x = &c->columns[i];
        for (int k = 0; k < 3 && x->uses; k++)
            if (x->from[k] != NO_COLUMN) c->columns[x->from[k]].uses++;
    }
}

static void find_direct(compiler *c, const column_list *f)
{
    c->r->direct = -1;
    const column *first = &c->columns[f->columns[0]];
    if (first->op != COLUMN_INPUT || first->p.width != f->n) return;
    for (size_t i = 0; i < f->n; i++) {
        const column *x = &c->columns[f->columns[i]];
        if (x->op != COLUMN_INPUT || x->p.input != first->p.input || x->p.at != i) return;
    }
    c->r->direct = (int32_t)first->p.input;
}

// What each column is made of follows from its operands, which come before it.
static int find_sources(compiler *c, const column_list *f, err *e)
{
    row_source *of = mem_zalloc(c->n_columns, sizeof *of);
    c->r->sources = arena_alloc(&c->r->memory, f->n, sizeof *c->r->sources);
    if (!of || !c->r->sources) {
        mem_free(of);
        return no_memory(e);
    }
    for (size_t i = 0; i < c->n_columns; i++) {
        const column *x = &c->columns[i];
        if (x->op == COLUMN_INPUT) of[i] = (row_source){SOURCE_ONE, x->p.input, x->p.at};
        for (int k = 0; k < 3; k++) {
            const row_source *from = x->from[k] == NO_COLUMN ? NULL : &of[x->from[k]];
            if (!from || from->kind == SOURCE_NONE) continue;
            bool same = of[i].kind == SOURCE_ONE && of[i].input == from->input && of[i].at == from->at;
            if (of[i].kind == SOURCE_NONE)
                of[i] = *from;
            else if (!same)
                of[i].kind = SOURCE_SEVERAL;
        }
    }
    for (size_t i = 0; i < f->n; i++) c->r->sources[i] = of[f->columns[i]];
    mem_free(of);
    return 0;
}

static int write_program(compiler *c, err *e)
{
    column_list f = c->lists[c->features];
    row_program *r = c->r;
    r->n_features = f.n;
    if (f.n == 0) return err_set(e, ERR_UNSUPPORTED, "there are no features");
    if (r->trees) TRY(find_sources(c, &f, e));
    find_direct(c, &f);
    if (r->direct >= 0) return 0;
    fuse(c);
    count_uses(c, &f);
    r->instructions = arena_alloc(&r->memory, c->n_columns + 2 * f.n, sizeof *r->instructions);
    c->free_registers = mem_alloc(c->n_columns + f.n, sizeof *c->free_registers);
    int32_t *stack = mem_alloc(c->n_columns + 1, sizeof *stack);
    int rc = r->instructions && c->free_registers && stack ? 0 : no_memory(e);
    for (size_t i = 0, n; i < f.n && rc == 0; i += n) rc = write_feature(c, &f, i, &n, stack, e);
    mem_free(stack);
    return rc;
}

static int compile(compiler *c, err *e)
{
    const graph *g = c->r->g;
    c->lists = mem_zalloc(g->n_values, sizeof *c->lists);
    if (!c->lists) return no_memory(e);
    if (!plan_rows_apart(c->p)) return err_set(e, ERR_UNSUPPORTED, "rows are not kept apart");
    TRY(start_inputs(c, e));
    for (size_t k = 0; k < c->p->n_steps; k++) TRY(translate(c, &c->p->steps[k], e));
    TRY(find_end(c, e));
    return write_program(c, e);
}

int row_program_compile(row_program **out, const graph *g, err *e)
{
    row_program *r = mem_zalloc(1, sizeof *r);
    if (!r) return no_memory(e);
    r->g = g;
    r->n_inputs = g->n_inputs;
    arena_init(&r->memory, PLAN_MEMORY_MAX);
    compiler c = {.r = r};
    int rc = plan_new(&r->plan, g, NULL, e);
    c.p = r->plan;
    if (rc == 0) rc = compile(&c, e);
    mem_free(c.lists);
    mem_free(c.columns);
    mem_free(c.free_registers);
    if (rc < 0) {
        row_program_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void row_program_free(row_program *r)
{
    if (!r) return;
    arena_clear(&r->memory);
    plan_free(r->plan);
    mem_free(r);
}
