// Building graphs. All of one lives in its arena; values are found by name through a hash table.
// SPDX-License-Identifier: Apache-2.0
#include "graph/graph.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "graph/graph_impl.h"

enum {
    VALUES_MAX = INT32_MAX - 1,
    FIRST_CAPACITY = 16,
    PROBES_MAX = 1024, // of a lookup: names that were made to collide end here
    SUFFIX_LEN_MAX = 12,
};

typedef struct graph_home {
    graph g; // first, so that a graph is its home
    arena memory;
    size_t values_cap, nodes_cap, inputs_cap, outputs_cap, metadata_cap, opsets_cap;
    int32_t *names; // (names_size) open addressing: value id + 1, or 0; names_size is a power of two
    uint32_t *next; // (values_cap) the number to try next when a value's name is taken as a hint
    size_t names_size;
} graph_home;

static graph_home *home_of(graph *g)
{
    return (graph_home *)(void *)g;
}

static const graph_home *home_of_const(const graph *g)
{
    return (const graph_home *)(const void *)g;
}

arena *graph_memory(graph *g)
{
    return &home_of(g)->memory;
}

size_t graph_bytes(const graph *g)
{
    return sizeof(graph_home) + home_of_const(g)->memory.used;
}

static int no_memory(const graph *g, err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for the graph (at most %zu bytes)", home_of_const(g)->memory.ceiling);
}

int graph_new(graph **out, size_t memory_max, err *e)
{
    graph_home *h = mem_zalloc(1, sizeof *h);
    if (!h) return err_set(e, ERR_MEMORY, "no memory for a graph");
    arena_init(&h->memory, memory_max);
    h->g.name = "slipway";
    h->g.ir_version = GRAPH_IR_VERSION;
    int rc = graph_set_opset(&h->g, "", GRAPH_OPSET, e);
    if (rc < 0) {
        graph_free(&h->g);
        return rc;
    }
    *out = &h->g;
    return 0;
}

void graph_free(graph *g)
{
    if (!g) return;
    arena_clear(&home_of(g)->memory);
    mem_free(home_of(g));
}

// Room for one more item: doubles the array inside the arena, where the old one stays behind until the end.
static int reserve(graph *g, void *items_at, size_t *cap, size_t n, size_t size, err *e)
{
    if (n < *cap) return 0;
    size_t cap_new = *cap ? 2 * *cap : FIRST_CAPACITY;
    void *grown = arena_alloc(graph_memory(g), cap_new, size);
    if (!grown) return no_memory(g, e);
    void *old;
    memcpy(&old, items_at, sizeof old);
    if (n) memcpy(grown, old, n * size);
    memcpy(items_at, &grown, sizeof grown);
    *cap = cap_new;
    return 0;
}

static const char *copy_text(graph *g, const char *text)
{
    if (text[0] == '\0') return "";
    return arena_strndup(graph_memory(g), text, strlen(text));
}

// Names ------------------------------------------------------------------------------------------------------------

// The slot of a name: where it is, or where it would go. SIZE_MAX if too many others are in the way.
static size_t find_slot(const graph_home *h, str name)
{
    size_t mask = h->names_size - 1;
    size_t slot = (size_t)hash_bytes(name.data, name.len, 0) & mask;
    for (int probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
        int32_t id = h->names[slot];
        if (id == 0 || str_equal(str_of(h->g.values[id - 1].name), name)) return slot;
    }
    return SIZE_MAX;
}

static int collide(err *e)
{
    return err_set(e, ERR_LIMIT, "more than %d names of values have colliding hashes", (int)PROBES_MAX);
}

static int grow_names(graph_home *h, err *e)
{
    if (h->g.n_values + 1 <= h->names_size / 2) return 0;
    size_t size = h->names_size ? 2 * h->names_size : 4 * FIRST_CAPACITY;
    int32_t *names = arena_zalloc(&h->memory, size, sizeof *names);
    if (!names) return no_memory(&h->g, e);
    h->names = names;
    h->names_size = size;
    for (size_t i = 0; i < h->g.n_values; i++) {
        size_t slot = find_slot(h, str_of(h->g.values[i].name));
        if (slot == SIZE_MAX) return collide(e);
        h->names[slot] = (int32_t)i + 1;
    }
    return 0;
}

value_id graph_find_value(const graph *g, const char *name)
{
    const graph_home *h = home_of_const(g);
    if (h->names_size == 0) return VALUE_NONE;
    size_t slot = find_slot(h, str_of(name));
    return slot == SIZE_MAX ? VALUE_NONE : h->names[slot] - 1;
}

static int check_name(str name, const char *what, err *e)
{
    if (name.len == 0) return err_set(e, ERR_INPUT, "%s without a name", what);
    if (name.len > NAME_LEN_MAX)
        return err_set(e, ERR_LIMIT, "%s has a name of %zu bytes, at most %d", what, name.len, (int)NAME_LEN_MAX);
    if (memchr(name.data, '\0', name.len)) return err_set(e, ERR_INPUT, "%s has a NUL in its name", what);
    return 0;
}

int graph_name_value(graph *g, str name, err *e)
{
    graph_home *h = home_of(g);
    TRY(check_name(name, "a value", e));
    TRY(grow_names(h, e));
    size_t slot = find_slot(h, name);
    if (slot == SIZE_MAX) return collide(e);
    if (h->names[slot]) return h->names[slot] - 1;
    if (g->n_values >= VALUES_MAX) return err_set(e, ERR_LIMIT, "more than %d values", (int)VALUES_MAX);

    size_t next_cap = h->values_cap;
    TRY(reserve(g, &g->values, &h->values_cap, g->n_values, sizeof *g->values, e));
    if (next_cap < h->values_cap) { // the arrays grow together, also when one of the two failed before
        uint32_t *next = arena_zalloc(&h->memory, h->values_cap, sizeof *next);
        if (!next) {
            h->values_cap = next_cap;
            return no_memory(g, e);
        }
        if (g->n_values) memcpy(next, h->next, g->n_values * sizeof *next);
        h->next = next;
    }
    const char *copy = arena_strndup(&h->memory, name.data, name.len);
    if (!copy) return no_memory(g, e);
    value_id id = (value_id)g->n_values++;
    g->values[id] = (graph_value){.name = copy, .kind = VALUE_COMPUTED, .type = {.n_dims = -1}};
    h->names[slot] = id + 1;
    return id;
}

// A new value under a name made from the hint.
static int add_unique(graph *g, const char *hint, err *e)
{
    graph_home *h = home_of(g);
    if (hint[0] == '\0') hint = "value";
    value_id taken = graph_find_value(g, hint);
    if (taken == VALUE_NONE) return graph_name_value(g, str_of(hint), e);
    size_t len = strlen(hint);
    char *name = mem_alloc(len + SUFFIX_LEN_MAX, 1);
    if (!name) return err_set(e, ERR_MEMORY, "no memory for a name");
    uint32_t number = h->next[taken] ? h->next[taken] : 2;
    do snprintf(name, len + SUFFIX_LEN_MAX, "%s_%u", hint, number++);
    while (graph_find_value(g, name) != VALUE_NONE);
    int id = graph_name_value(g, str_of(name), e);
    mem_free(name);
    if (id >= 0) h->next[taken] = number;
    return id;
}

// Building ---------------------------------------------------------------------------------------------------------

static int copy_dims(graph *g, value_type *t, err *e)
{
    for (int i = 0; i < t->n_dims; i++) {
        if (!t->dims[i].name) continue;
        const char *name = t->dims[i].name;
        t->dims[i].name = strcmp(name, "N") == 0 ? "N" : copy_text(g, name); // nearly all of them
        if (!t->dims[i].name) return no_memory(g, e);
    }
    return 0;
}

static int check_type(const char *name, const value_type *t, err *e)
{
    if ((unsigned)t->type >= DTYPES_N) return err_set(e, ERR_INPUT, "'%.100s' has no known element type", name);
    if (t->n_dims < -1 || t->n_dims > TENSOR_DIMS_MAX)
        return err_set(e, ERR_LIMIT, "'%.100s' has %d dimensions, at most %d", name, t->n_dims, (int)TENSOR_DIMS_MAX);
    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i].size < DIM_UNKNOWN) return err_set(e, ERR_INPUT, "'%.100s': dimension %d is negative", name, i);
    return 0;
}

int graph_take_input(graph *g, value_id value, err *e)
{
    graph_home *h = home_of(g);
    TRY(reserve(g, &g->inputs, &h->inputs_cap, g->n_inputs, sizeof *g->inputs, e));
    g->values[value].kind = VALUE_INPUT;
    g->inputs[g->n_inputs++] = value;
    return 0;
}

int graph_add_input(graph *g, const char *name, value_type type, err *e)
{
    TRY(check_name(str_of(name), "an input", e));
    TRY(check_type(name, &type, e));
    if (graph_find_value(g, name) != VALUE_NONE)
        return err_set(e, ERR_EXISTS, "the name '%.100s' of an input is taken", name);
    TRY(copy_dims(g, &type, e));
    int id = graph_name_value(g, str_of(name), e);
    if (id < 0) return id;
    g->values[id].type = type;
    TRY(graph_take_input(g, id, e));
    return id;
}

int graph_add_value(graph *g, const char *hint, value_type type, err *e)
{
    TRY(check_type(hint, &type, e));
    TRY(copy_dims(g, &type, e));
    int id = add_unique(g, hint, e);
    if (id >= 0) g->values[id].type = type;
    return id;
}

static int copy_tensor(graph *g, tensor *out, const tensor *from, err *e)
{
    int64_t count = shape_count(&from->shape);
    size_t size = dtype_size(from->type);
    if (size == 0) return err_set(e, ERR_INPUT, "a tensor without a known element type");
    if (from->shape.n_dims < 0 || from->shape.n_dims > TENSOR_DIMS_MAX)
        return err_set(e, ERR_LIMIT, "a tensor of %d dimensions, at most %d", from->shape.n_dims, (int)TENSOR_DIMS_MAX);
    if (count < 0) return err_set(e, ERR_LIMIT, "a tensor with more elements than can be counted");
    arena *a = graph_memory(g);
    void *data = arena_alloc(a, (size_t)count, size);
    if (!data) return no_memory(g, e);
    if (count) memcpy(data, from->data, (size_t)count * size);
    if (from->type == DTYPE_STRING) {
        str *strings = data;
        for (int64_t i = 0; i < count; i++) {
            if (strings[i].len == 0) {
                strings[i] = (str){"", 0};
                continue;
            }
            strings[i].data = arena_strndup(a, strings[i].data, strings[i].len);
            if (!strings[i].data) return no_memory(g, e);
        }
    }
    *out = (tensor){.type = from->type, .shape = from->shape, .data = data};
    return 0;
}

int graph_add_constant(graph *g, const char *hint, const tensor *data, err *e)
{
    tensor copy;
    int rc = copy_tensor(g, &copy, data, e);
    if (rc < 0) return err_prefix(e, rc, "constant '%.100s'", hint);
    int id = add_unique(g, hint, e);
    if (id < 0) return id;
    value_type type = {.type = copy.type, .n_dims = copy.shape.n_dims};
    for (int i = 0; i < type.n_dims; i++) type.dims[i].size = copy.shape.dims[i];
    g->values[id].kind = VALUE_CONSTANT;
    g->values[id].type = type;
    g->values[id].data = copy;
    return id;
}

int graph_add_output(graph *g, value_id value, err *e)
{
    graph_home *h = home_of(g);
    if (value < 0 || (size_t)value >= g->n_values) return err_set(e, ERR_INPUT, "no value %d to be an output", value);
    TRY(reserve(g, &g->outputs, &h->outputs_cap, g->n_outputs, sizeof *g->outputs, e));
    g->outputs[g->n_outputs++] = value;
    return 0;
}

int graph_add_metadata(graph *g, const char *key, str value, err *e)
{
    graph_home *h = home_of(g);
    const char *text = arena_strndup(&h->memory, value.data ? value.data : "", value.len);
    if (!text) return no_memory(g, e);
    for (size_t i = 0; i < g->n_metadata; i++)
        if (strcmp(g->metadata[i].key, key) == 0) {
            g->metadata[i].value = (str){text, value.len};
            return 0;
        }
    const char *key_copy = copy_text(g, key);
    if (!key_copy) return no_memory(g, e);
    TRY(reserve(g, &g->metadata, &h->metadata_cap, g->n_metadata, sizeof *g->metadata, e));
    g->metadata[g->n_metadata++] = (graph_metadata){.key = key_copy, .value = {text, value.len}};
    return 0;
}

int graph_set_opset(graph *g, const char *domain, int64_t version, err *e)
{
    graph_home *h = home_of(g);
    if (version < 1)
        return err_set(e, ERR_INPUT, "opset %lld of domain '%.100s' is not a version", (long long)version, domain);
    for (size_t i = 0; i < g->n_opsets; i++)
        if (strcmp(g->opsets[i].domain, domain) == 0) {
            g->opsets[i].version = version;
            return 0;
        }
    const char *copy = copy_text(g, domain);
    if (!copy) return no_memory(g, e);
    TRY(reserve(g, &g->opsets, &h->opsets_cap, g->n_opsets, sizeof *g->opsets, e));
    g->opsets[g->n_opsets++] = (opset){.domain = copy, .version = version};
    return 0;
}

void graph_forget_opsets(graph *g)
{
    g->n_opsets = 0;
}

static int copy_attribute(graph *g, attribute *out, const attribute *from, err *e)
{
    arena *a = graph_memory(g);
    *out = *from;
    out->name = copy_text(g, from->name);
    if (!out->name) return no_memory(g, e);
    size_t size = 0;
    switch (from->kind) {
    case ATTRIBUTE_FLOAT:
    case ATTRIBUTE_FLOATS: size = sizeof(float); break;
    case ATTRIBUTE_INT:
    case ATTRIBUTE_INTS: size = sizeof(int64_t); break;
    case ATTRIBUTE_STRING:
    case ATTRIBUTE_STRINGS: size = sizeof(str); break;
    case ATTRIBUTE_TENSOR: {
        tensor *t = arena_alloc(a, 1, sizeof *t);
        if (!t) return no_memory(g, e);
        out->tensor = t;
        return copy_tensor(g, t, from->tensor, e);
    }
    case ATTRIBUTE_GRAPH: return err_set(e, ERR_UNSUPPORTED, "attribute '%.100s' is a graph", from->name);
    default: return err_set(e, ERR_INPUT, "attribute '%.100s' has no known kind", from->name);
    }
    void *items = arena_alloc(a, from->n, size);
    if (!items) return no_memory(g, e);
    if (from->n) memcpy(items, from->floats, from->n * size);
    if (size == sizeof(str) && (from->kind == ATTRIBUTE_STRING || from->kind == ATTRIBUTE_STRINGS)) {
        str *strings = items;
        str recent[2] = {{"", 0}, {"", 0}}; // the modes of a tree's nodes are two words, a million times
        for (size_t i = 0; i < from->n; i++) {
            if (str_equal(strings[i], recent[0]) || str_equal(strings[i], recent[1])) {
                strings[i] = str_equal(strings[i], recent[0]) ? recent[0] : recent[1];
                continue;
            }
            strings[i].data = arena_strndup(a, strings[i].data, strings[i].len);
            if (!strings[i].data) return no_memory(g, e);
            recent[1] = recent[0];
            recent[0] = strings[i];
        }
    }
    out->floats = items; // the members of the union are pointers alike
    return 0;
}

int graph_take_node(graph *g, const node *n, err *e)
{
    graph_home *h = home_of(g);
    TRY(reserve(g, &g->nodes, &h->nodes_cap, g->n_nodes, sizeof *g->nodes, e));
    g->nodes[g->n_nodes++] = *n;
    return 0;
}

static int64_t opset_to_write(const char *domain)
{
    if (domain[0] == '\0') return GRAPH_OPSET;
    return strcmp(domain, "ai.onnx.ml") == 0 ? GRAPH_OPSET_ML : 1;
}

static const value_id *copy_ids(graph *g, const value_id *ids, size_t n)
{
    value_id *copy = arena_alloc(graph_memory(g), n, sizeof *copy);
    if (copy && n) memcpy(copy, ids, n * sizeof *copy);
    return copy;
}

int graph_add_node(graph *g, const char *domain, const char *op, const value_id *inputs, size_t n_inputs,
                   const value_id *outputs, size_t n_outputs, const attribute *attributes, size_t n_attributes, err *e)
{
    node n = {.name = "", .n_inputs = n_inputs, .n_outputs = n_outputs, .n_attributes = n_attributes};
    if (graph_opset(g, domain) < 0) TRY(graph_set_opset(g, domain, opset_to_write(domain), e));
    for (size_t i = 0; i < g->n_opsets; i++)
        if (strcmp(g->opsets[i].domain, domain) == 0) n.domain = g->opsets[i].domain;
    // Nodes of one operator often follow each other: they share its name.
    const node *last = g->n_nodes ? &g->nodes[g->n_nodes - 1] : NULL;
    n.op = last && strcmp(last->op, op) == 0 ? last->op : copy_text(g, op);
    n.inputs = copy_ids(g, inputs, n_inputs);
    n.outputs = copy_ids(g, outputs, n_outputs);
    attribute *copies = arena_alloc(graph_memory(g), n_attributes, sizeof *copies);
    if (!n.op || !n.inputs || !n.outputs || !copies) return no_memory(g, e);
    for (size_t i = 0; i < n_attributes; i++) {
        int rc = copy_attribute(g, &copies[i], &attributes[i], e);
        if (rc < 0) return err_prefix(e, rc, "node %zu (%.100s)", g->n_nodes, op);
    }
    n.attributes = copies;
    return graph_take_node(g, &n, e);
}

// Looking ----------------------------------------------------------------------------------------------------------

const attribute *node_attribute(const node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attributes; i++)
        if (strcmp(n->attributes[i].name, name) == 0) return &n->attributes[i];
    return NULL;
}

int64_t graph_opset(const graph *g, const char *domain)
{
    for (size_t i = 0; i < g->n_opsets; i++)
        if (strcmp(g->opsets[i].domain, domain) == 0) return g->opsets[i].version;
    return -1;
}

const graph_metadata *graph_find_metadata(const graph *g, const char *key)
{
    for (size_t i = 0; i < g->n_metadata; i++)
        if (strcmp(g->metadata[i].key, key) == 0) return &g->metadata[i];
    return NULL;
}

const char *node_text(const graph *g, size_t index, char text[NODE_TEXT_SIZE])
{
    const node *n = &g->nodes[index];
    if (n->name[0]) {
        snprintf(text, NODE_TEXT_SIZE, "node %zu '%.60s' (%.40s)", index, n->name, n->op);
    } else {
        snprintf(text, NODE_TEXT_SIZE, "node %zu (%.40s)", index, n->op);
    }
    return text;
}

value_type value_type_rows(dtype t, int64_t columns)
{
    value_type type = {.type = t, .n_dims = columns < 0 ? 1 : 2};
    type.dims[0] = (dim){.size = DIM_UNKNOWN, .name = "N"};
    if (columns >= 0) type.dims[1] = (dim){.size = columns};
    return type;
}
