// graph_check(): whether a graph makes sense as such, and the order in which its nodes can run.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/mem.h"
#include "graph/graph.h"
#include "graph/graph_impl.h"

enum { NO_NODE = -1, ATTRIBUTES_MAX = 256 };

static int check_value(const graph *g, size_t id, err *e)
{
    const graph_value *v = &g->values[id];
    const value_type *t = &v->type;
    if ((unsigned)t->type >= DTYPES_N) return err_set(e, ERR_INPUT, "'%.100s' has no known element type", v->name);
    if (t->n_dims < -1 || t->n_dims > TENSOR_DIMS_MAX)
        return err_set(e, ERR_LIMIT, "'%.100s' has %d dimensions, at most %d", v->name, t->n_dims,
                       (int)TENSOR_DIMS_MAX);
    for (int i = 0; i < t->n_dims; i++)
        if (t->dims[i].size < DIM_UNKNOWN)
            return err_set(e, ERR_INPUT, "'%.100s': dimension %d is %lld", v->name, i, (long long)t->dims[i].size);
    if (v->kind == VALUE_INPUT && t->type == DTYPE_NONE)
        return err_set(e, ERR_INPUT, "input '%.100s' has no element type", v->name);
    if (v->kind != VALUE_CONSTANT && v->kind != VALUE_PARAMETER) return 0;
    const tensor *d = &v->data;
    bool same = d->type == t->type && d->type != DTYPE_NONE && d->shape.n_dims == t->n_dims;
    for (int i = 0; same && i < t->n_dims; i++) same = d->shape.dims[i] == t->dims[i].size;
    if (!same) return err_set(e, ERR_INPUT, "the data of constant '%.100s' is not of its type and shape", v->name);
    int64_t count = shape_count(&d->shape);
    if (count < 0 || count > PTRDIFF_MAX / 16 || (count > 0 && !d->data))
        return err_set(e, ERR_INPUT, "constant '%.100s' has a size that cannot be", v->name);
    return 0;
}

static int check_node(const graph *g, size_t index, int32_t *producers, err *e)
{
    const node *n = &g->nodes[index];
    char text[NODE_TEXT_SIZE];
    if (n->op[0] == '\0') return err_set(e, ERR_INPUT, "node %zu names no operator", index);
    if (graph_opset(g, n->domain) < 0)
        return err_set(e, ERR_INPUT, "%s: its domain '%.60s' is not imported", node_text(g, index, text), n->domain);
    if (n->n_attributes > ATTRIBUTES_MAX)
        return err_set(e, ERR_LIMIT, "%s: %zu attributes, at most %d", node_text(g, index, text), n->n_attributes,
                       (int)ATTRIBUTES_MAX);
    for (size_t i = 0; i < n->n_attributes; i++)
        if (node_attribute(n, n->attributes[i].name) != &n->attributes[i])
            return err_set(e, ERR_INPUT, "%s: attribute '%.60s' is there twice", node_text(g, index, text),
                           n->attributes[i].name);
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] < VALUE_NONE || (int64_t)n->inputs[i] >= (int64_t)g->n_values)
            return err_set(e, ERR_INPUT, "%s: input %zu does not exist", node_text(g, index, text), i);
    for (size_t i = 0; i < n->n_outputs; i++) {
        value_id id = n->outputs[i];
        if (id == VALUE_NONE) continue;
        if (id < 0 || (size_t)id >= g->n_values)
            return err_set(e, ERR_INPUT, "%s: output %zu does not exist", node_text(g, index, text), i);
        if (producers[id] != NO_NODE || g->values[id].kind != VALUE_COMPUTED)
            return err_set(e, ERR_INPUT, "%s: its output '%.60s' is defined twice", node_text(g, index, text),
                           g->values[id].name);
        producers[id] = (int32_t)index;
    }
    return 0;
}

static int check_ends(const graph *g, const int32_t *producers, err *e)
{
    for (size_t i = 0; i < g->n_inputs; i++)
        if (g->values[g->inputs[i]].kind != VALUE_INPUT)
            return err_set(e, ERR_INPUT, "input '%.100s' is defined twice", g->values[g->inputs[i]].name);
    if (g->n_outputs == 0) return err_set(e, ERR_INPUT, "the graph has no outputs");
    for (size_t i = 0; i < g->n_outputs; i++) {
        const graph_value *v = &g->values[g->outputs[i]];
        if (v->kind == VALUE_COMPUTED && producers[g->outputs[i]] == NO_NODE)
            return err_set(e, ERR_INPUT, "output '%.100s' is computed by no node", v->name);
    }
    char text[NODE_TEXT_SIZE];
    for (size_t k = 0; k < g->n_nodes; k++)
        for (size_t i = 0; i < g->nodes[k].n_inputs; i++) {
            value_id id = g->nodes[k].inputs[i];
            if (id != VALUE_NONE && g->values[id].kind == VALUE_COMPUTED && producers[id] == NO_NODE)
                return err_set(e, ERR_INPUT, "%s: its input '%.60s' is defined nowhere", node_text(g, k, text),
                               g->values[id].name);
        }
    return 0;
}

// The node that makes input i of node k, or NO_NODE for inputs and constants of the graph.
static int32_t maker(const graph *g, const int32_t *producers, size_t k, size_t i)
{
    value_id id = g->nodes[k].inputs[i];
    return id == VALUE_NONE ? NO_NODE : producers[id];
}

static bool in_order(const graph *g, const int32_t *producers)
{
    for (size_t k = 0; k < g->n_nodes; k++)
        for (size_t i = 0; i < g->nodes[k].n_inputs; i++)
            if (maker(g, producers, k, i) >= (int32_t)k) return false;
    return true;
}

// Some node that waits for another forever waits, going back, for one on a cycle: the first met twice.
static int say_cycle(const graph *g, const int32_t *producers, uint32_t *n_waiting, err *e)
{
    size_t k = 0;
    while (n_waiting[k] == 0) k++;
    for (size_t step = 0; step <= g->n_nodes; step++) { // after that many steps back we are on the cycle
        for (size_t i = 0; i < g->nodes[k].n_inputs; i++) {
            int32_t before = maker(g, producers, k, i);
            if (before == NO_NODE || n_waiting[before] == 0) continue;
            k = (size_t)before;
            break;
        }
    }
    char text[NODE_TEXT_SIZE];
    return err_set(e, ERR_INPUT, "%s is on a cycle: it needs its own output", node_text(g, k, text));
}

// Kahn's algorithm: nodes that wait for nothing run, in the order in which they came to be ready.
static int sort_nodes(graph *g, const int32_t *producers, err *e)
{
    size_t n = g->n_nodes, n_edges = 0;
    for (size_t k = 0; k < n; k++) n_edges += g->nodes[k].n_inputs;
    uint32_t *n_waiting = mem_zalloc(n, sizeof *n_waiting); // for how many inputs node k waits
    uint32_t *first = mem_zalloc(n + 2, sizeof *first);     // followers of k: first[k] to first[k + 1], in the end
    uint32_t *followers = mem_alloc(n_edges, sizeof *followers);
    uint32_t *ready = mem_alloc(n, sizeof *ready);
    node *sorted = mem_alloc(n, sizeof *sorted);
    int rc = 0;
    if (n_edges > UINT32_MAX) {
        rc = err_set(e, ERR_LIMIT, "%zu inputs of nodes are too many", n_edges);
        goto done;
    }
    if (!n_waiting || !first || !followers || !ready || !sorted) {
        rc = err_set(e, ERR_MEMORY, "no memory to order %zu nodes", n);
        goto done;
    }
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < g->nodes[k].n_inputs; i++) {
            int32_t before = maker(g, producers, k, i);
            if (before == NO_NODE) continue;
            n_waiting[k]++;
            first[before + 2]++;
        }
    for (size_t k = 0; k < n; k++) first[k + 1] += first[k];
    for (size_t k = 0; k < n; k++) // first[k + 1] starts as the start of k and ends as its end
        for (size_t i = 0; i < g->nodes[k].n_inputs; i++) {
            int32_t before = maker(g, producers, k, i);
            if (before != NO_NODE) followers[first[before + 1]++] = (uint32_t)k;
        }
    size_t n_ready = 0, n_done = 0;
    for (size_t k = 0; k < n; k++)
        if (n_waiting[k] == 0) ready[n_ready++] = (uint32_t)k;
    while (n_done < n_ready) {
        uint32_t k = ready[n_done];
        sorted[n_done++] = g->nodes[k];
        for (uint32_t f = first[k]; f < first[k + 1]; f++)
            if (--n_waiting[followers[f]] == 0) ready[n_ready++] = followers[f];
    }
    if (n_done < n) {
        rc = say_cycle(g, producers, n_waiting, e);
        goto done;
    }
    memcpy(g->nodes, sorted, n * sizeof *sorted);
done:
    mem_free(n_waiting);
    mem_free(first);
    mem_free(followers);
    mem_free(ready);
    mem_free(sorted);
    return rc;
}

int graph_check(graph *g, err *e)
{
    if (g->ir_version < 1) return err_set(e, ERR_INPUT, "IR version %lld", (long long)g->ir_version);
    if (g->n_nodes > INT32_MAX) return err_set(e, ERR_LIMIT, "%zu nodes", g->n_nodes);
    for (size_t i = 0; i < g->n_values; i++) TRY(check_value(g, i, e));
    int32_t *producers = mem_alloc(g->n_values, sizeof *producers);
    if (!producers) return err_set(e, ERR_MEMORY, "no memory to check %zu values", g->n_values);
    for (size_t i = 0; i < g->n_values; i++) producers[i] = NO_NODE;
    int rc = 0;
    for (size_t k = 0; k < g->n_nodes && rc == 0; k++) rc = check_node(g, k, producers, e);
    if (rc == 0) rc = check_ends(g, producers, e);
    if (rc == 0 && !in_order(g, producers)) rc = sort_nodes(g, producers, e);
    mem_free(producers);
    return rc;
}
