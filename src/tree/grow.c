// Growth without recursion; the scratch of a worker is reserved before the first tree.
// SPDX-License-Identifier: Apache-2.0
#include "tree/grow.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

// A node while its tree grows, in the order of creation.
typedef struct growing {
    uint32_t start, end; // its items
    uint32_t depth;
    uint32_t n_constant; // known when it was made: the first ones of `constants`
    uint32_t left, right;
    tree_side sums;
    tree_split best; // feature < 0: a leaf
    double gain;
    uint32_t classes_start, classes_n;
} growing;

struct grower {
    grow_options options;
    search *search;
    tree_item *items, *spare;       // (items_max)
    growing *nodes;                 // (nodes_max)
    size_t n_nodes, nodes_max;      // of the tree at hand
    uint32_t *waiting;              // (nodes_max) nodes yet to be split: a stack, or a heap by gain
    size_t n_waiting;               //
    leaf_class *classes;            // (items_max)
    size_t n_classes;               //
    uint32_t *features, *constants; // (n_columns) see draw_features()
    double weight;                  // of the tree
};

// ---- Sizes ----

size_t tree_nodes_max(const grow_options *o)
{
    size_t leaves = o->search.items_max / (o->search.leaf_rows_min > 1 ? o->search.leaf_rows_min : 1);
    if (leaves < 1) leaves = 1;
    if (o->leaves_max > 0 && leaves > o->leaves_max) leaves = o->leaves_max;
    if (o->depth_max > 0 && o->depth_max < 32 && leaves > (size_t)1 << o->depth_max) leaves = (size_t)1 << o->depth_max;
    return 2 * leaves - 1;
}

size_t grower_memory(const grow_options *o)
{
    size_t n = o->search.items_max, nodes = tree_nodes_max(o);
    size_t columns = o->search.ranks ? o->search.ranks->n_columns : 0;
    return sizeof(grower) + search_memory(&o->search) + n * (2 * sizeof(tree_item) + sizeof(leaf_class)) +
           nodes * (sizeof(growing) + sizeof(uint32_t)) + 2 * columns * sizeof(uint32_t);
}

size_t tree_memory(const grow_options *o)
{
    return tree_nodes_max(o) * sizeof(tree_node) +
           (o->search.n_classes > 0 ? o->search.items_max : 0) * sizeof(leaf_class);
}

int grower_new(grower **out, const grow_options *o, err *e)
{
    assert(o->search.items_max > 0 && o->features_max > 0);
    size_t n = o->search.items_max, n_columns = o->search.ranks->n_columns;
    grower *g = mem_zalloc(1, sizeof *g);
    if (!g) return err_set(e, ERR_MEMORY, "no memory for growing trees");
    g->options = *o;
    g->nodes_max = tree_nodes_max(o);
    g->items = mem_alloc(n, sizeof *g->items);
    g->spare = mem_alloc(n, sizeof *g->spare);
    g->nodes = mem_alloc(g->nodes_max, sizeof *g->nodes);
    g->waiting = mem_alloc(g->nodes_max, sizeof *g->waiting);
    g->classes = mem_alloc(o->search.n_classes > 0 ? n : 0, sizeof *g->classes);
    g->features = mem_alloc(n_columns, sizeof *g->features);
    g->constants = mem_alloc(n_columns, sizeof *g->constants);
    int rc = 0;
    if (!g->items || !g->spare || !g->nodes || !g->waiting || !g->classes || !g->features || !g->constants)
        rc = err_set(e, ERR_MEMORY, "no memory for growing trees on %zu rows", n);
    else
        rc = search_new(&g->search, &o->search, e);
    if (rc < 0)
        grower_free(g);
    else
        *out = g;
    return rc;
}

void grower_free(grower *g)
{
    if (!g) return;
    search_free(g->search);
    mem_free(g->items);
    mem_free(g->spare);
    mem_free(g->nodes);
    mem_free(g->waiting);
    mem_free(g->classes);
    mem_free(g->features);
    mem_free(g->constants);
    mem_free(g);
}

tree_item *grower_items(grower *g)
{
    return g->items;
}

// ---- One split ----

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t was = *a;
    *a = *b;
    *b = was;
}

// Draws features without replacement until features_max were seen and one of them was not constant, or only constant
// ones remain. Known constants count as seen, as if they had been looked at. In `features` there stand, in this order:
// known constants that were drawn, known ones that were not, constants found just now, the undrawn, the searched.
// Returns how many constants are known afterwards; the first ones of `constants` name them.
static uint32_t draw_features(grower *g, const growing *node, rng *r, tree_split *best)
{
    const tree_item *items = g->items + node->start;
    size_t n = node->end - node->start, n_columns = g->options.search.ranks->n_columns;
    size_t n_known = node->n_constant, known_drawn = 0, n_found = 0, undrawn_end = n_columns;
    size_t seen = 0;
    while (undrawn_end > n_known + n_found && (seen < g->options.features_max || undrawn_end == n_columns)) {
        seen++;
        size_t at = known_drawn + (size_t)rng_below(r, undrawn_end - n_found - known_drawn);
        if (at < n_known) {
            swap(&g->features[known_drawn++], &g->features[at]);
            continue;
        }
        at += n_found;
        if (search_feature(g->search, items, n, &node->sums, g->features[at], best))
            swap(&g->features[--undrawn_end], &g->features[at]);
        else
            swap(&g->features[n_known + n_found++], &g->features[at]);
    }
    // Siblings and children find the known ones in the order that they were found in.
    memcpy(g->features, g->constants, n_known * sizeof *g->features);
    memcpy(g->constants + n_known, g->features + n_known, n_found * sizeof *g->features);
    return (uint32_t)(n_known + n_found);
}

static bool pure(const grower *g, const growing *node)
{
    const tree_item *items = g->items + node->start;
    for (size_t i = 1; i < node->end - node->start; i++)
        if (items[i].target != items[0].target) return false;
    return true;
}

static int compare_classes(const leaf_class *a, const leaf_class *b)
{
    return (a->class > b->class) - (a->class < b->class);
}

static void sort_classes(leaf_class *list, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) { // Shell's sort: lists are short
        for (size_t i = gap; i < n; i++) {
            leaf_class one = list[i];
            size_t j = i;
            for (; j >= gap && compare_classes(&list[j - gap], &one) > 0; j -= gap) list[j] = list[j - gap];
            list[j] = one;
        }
    }
}

// A leaf's classes, from the sums of the node that is entered. Each is listed once: at its first item.
static void note_classes(grower *g, growing *node)
{
    const tree_item *items = g->items + node->start;
    size_t n = node->end - node->start;
    leaf_class *list = g->classes + g->n_classes;
    size_t n_list = 0;
    const uint32_t *weights = search_class_weights(g->search);
    if (g->options.search.n_classes <= n) {
        for (size_t k = 0; k < g->options.search.n_classes; k++)
            if (weights[k] > 0) list[n_list++] = (leaf_class){(uint32_t)k, weights[k]};
    } else {
        for (size_t i = 0; i < n; i++) list[i] = (leaf_class){(uint32_t)items[i].target, 0};
        sort_classes(list, n);
        for (size_t i = 0; i < n; i++)
            if (i == 0 || list[i].class != list[n_list - 1].class)
                list[n_list++] = (leaf_class){list[i].class, weights[list[i].class]};
    }
    node->classes_start = (uint32_t)g->n_classes;
    node->classes_n = (uint32_t)n_list;
    g->n_classes += n_list;
}

// Sums the node up and looks for its split; leaves node->best.feature at -1 if it is to be a leaf.
static void examine(grower *g, growing *node, rng *r)
{
    const grow_options *o = &g->options;
    const tree_item *items = g->items + node->start;
    size_t n = node->end - node->start;
    node->best = (tree_split){.feature = -1};
    node->sums = search_enter(g->search, items, n);
    if (node->depth == 0) g->weight = (double)node->sums.weight;
    bool leaf = (o->depth_max > 0 && node->depth >= o->depth_max) || n < o->split_rows_min ||
                n < 2 * o->search.leaf_rows_min || n < 2 || pure(g, node);
    if (!leaf) {
        uint32_t n_constant = draw_features(g, node, r, &node->best);
        if (node->best.feature >= 0) {
            node->gain = node->best.score - search_score(g->search, &node->sums);
            if (node->gain * o->impurity_unit / g->weight < o->impurity_decrease) node->best.feature = -1;
        }
        // Best-first growth jumps between branches, where the list of constants would be another branch's.
        node->n_constant = o->leaves_max > 0 ? 0 : n_constant;
    }
    if (node->best.feature < 0 && o->search.criterion != CRITERION_SQUARED) note_classes(g, node);
    search_leave(g->search, items, n);
}

// Left items to the front, both sides in the order they were in. Returns how many went left.
static size_t partition(grower *g, const growing *node)
{
    const ranks_column *column = &g->options.search.ranks->columns[node->best.feature];
    tree_item *items = g->items + node->start;
    size_t n = node->end - node->start, n_left = 0, n_right = 0;
    // Missing has the largest code; where it goes left, codes above the cut but that one go right.
    uint32_t cut = node->best.cut, missing = node->best.missing_left ? column->n_distinct : UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        uint32_t code = ranks_code(column, items[i].row);
        if (code <= cut || code == missing)
            items[n_left++] = items[i];
        else
            g->spare[n_right++] = items[i];
    }
    memcpy(items + n_left, g->spare, n_right * sizeof *items);
    return n_left;
}

static uint32_t add_node(grower *g, uint32_t start, uint32_t end, uint32_t depth, uint32_t n_constant)
{
    assert(g->n_nodes < g->nodes_max && start < end);
    growing *node = &g->nodes[g->n_nodes];
    *node = (growing){.start = start, .end = end, .depth = depth, .n_constant = n_constant};
    return (uint32_t)g->n_nodes++;
}

static void divide(grower *g, uint32_t index)
{
    growing *node = &g->nodes[index];
    uint32_t middle = node->start + (uint32_t)partition(g, node);
    node->left = add_node(g, node->start, middle, node->depth + 1, node->n_constant);
    node->right = add_node(g, middle, node->end, node->depth + 1, node->n_constant);
}

// ---- Order of growth ----

static void grow_depth_first(grower *g, rng *r)
{
    g->waiting[g->n_waiting++] = 0;
    while (g->n_waiting > 0) {
        uint32_t index = g->waiting[--g->n_waiting];
        examine(g, &g->nodes[index], r);
        if (g->nodes[index].best.feature < 0) continue;
        divide(g, index);
        g->waiting[g->n_waiting++] = g->nodes[index].right;
        g->waiting[g->n_waiting++] = g->nodes[index].left;
    }
}

static bool gains_more(const grower *g, uint32_t a, uint32_t b)
{
    double x = g->nodes[a].gain, y = g->nodes[b].gain;
    return x > y || (x == y && a < b);
}

static void heap_push(grower *g, uint32_t index)
{
    size_t at = g->n_waiting++;
    while (at > 0 && gains_more(g, index, g->waiting[(at - 1) / 2])) {
        g->waiting[at] = g->waiting[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    g->waiting[at] = index;
}

static uint32_t heap_pop(grower *g)
{
    uint32_t top = g->waiting[0], last = g->waiting[--g->n_waiting];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < g->n_waiting; at = child) {
        if (child + 1 < g->n_waiting && gains_more(g, g->waiting[child + 1], g->waiting[child])) child++;
        if (!gains_more(g, g->waiting[child], last)) break;
        g->waiting[at] = g->waiting[child];
    }
    g->waiting[at] = last;
    return top;
}

static void examine_and_push(grower *g, uint32_t index, rng *r)
{
    examine(g, &g->nodes[index], r);
    if (g->nodes[index].best.feature >= 0) heap_push(g, index);
}

// A node that waits until the limit of leaves is reached stays whole.
static void end_as_leaf(grower *g, growing *node)
{
    const tree_item *items = g->items + node->start;
    node->best.feature = -1;
    if (g->options.search.criterion == CRITERION_SQUARED) return;
    search_enter(g->search, items, node->end - node->start);
    note_classes(g, node);
    search_leave(g->search, items, node->end - node->start);
}

static void grow_best_first(grower *g, rng *r)
{
    size_t n_leaves = 1;
    examine_and_push(g, 0, r);
    while (g->n_waiting > 0) {
        uint32_t index = heap_pop(g);
        if (n_leaves == g->options.leaves_max) {
            end_as_leaf(g, &g->nodes[index]);
            continue;
        }
        divide(g, index);
        n_leaves++;
        examine_and_push(g, g->nodes[index].left, r);
        examine_and_push(g, g->nodes[index].right, r);
    }
}

// ---- The result ----

// Copies the nodes in preorder: a node's right child is known when its left subtree has been written.
static void write_nodes(grower *g, tree *out)
{
    size_t n_written = 0, n_stack = 0;
    uint32_t *stack = g->waiting;
    stack[n_stack++] = 0;
    // growing.start is free by now: it takes the index of the parent's entry in out->nodes.
    g->nodes[0].start = UINT32_MAX;
    while (n_stack > 0) {
        growing *node = &g->nodes[stack[--n_stack]];
        uint32_t here = (uint32_t)n_written++;
        if (node->start != UINT32_MAX) out->nodes[node->start].right = here;
        bool leaf = node->best.feature < 0;
        out->nodes[here] = (tree_node){
            .feature = (int32_t)node->best.feature,
            .threshold = leaf ? 0 : node->best.threshold,
            .weight = (uint32_t)node->sums.weight,
            .missing_left = !leaf && node->best.missing_left,
            .n_classes = node->classes_n,
            .start = node->classes_start,
            .sum = node->sums.sum,
        };
        if (leaf) continue;
        g->nodes[node->right].start = here;
        g->nodes[node->left].start = UINT32_MAX;
        stack[n_stack++] = node->right;
        stack[n_stack++] = node->left;
    }
    assert(n_written == g->n_nodes);
}

int grower_run(grower *g, size_t n, rng *r, tree *out, err *e)
{
    assert(n > 0 && n <= g->options.search.items_max);
    size_t n_columns = g->options.search.ranks->n_columns;
    for (size_t i = 0; i < n_columns; i++) g->features[i] = (uint32_t)i;
    g->n_nodes = g->n_waiting = g->n_classes = 0;
    add_node(g, 0, (uint32_t)n, 0, 0);
    if (g->options.leaves_max > 0)
        grow_best_first(g, r);
    else
        grow_depth_first(g, r);

    tree made = {.n_nodes = g->n_nodes, .n_classes = g->n_classes};
    made.nodes = mem_alloc(made.n_nodes, sizeof *made.nodes);
    made.classes = mem_alloc(made.n_classes, sizeof *made.classes);
    if (!made.nodes || !made.classes) {
        tree_clear(&made);
        return err_set(e, ERR_MEMORY, "no memory for a tree of %zu nodes", g->n_nodes);
    }
    write_nodes(g, &made);
    memcpy(made.classes, g->classes, made.n_classes * sizeof *made.classes);
    *out = made;
    return 0;
}

void tree_clear(tree *t)
{
    mem_free(t->nodes);
    mem_free(t->classes);
    *t = (tree){0};
}
