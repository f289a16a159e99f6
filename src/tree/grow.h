// Growing one tree on ranked features: depth first, or best first under a limit of leaves.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TREE_GROW_H
#define SLIPWAY_TREE_GROW_H

#include "base/rng.h"
#include "tree/search.h"

typedef struct grow_options {
    search_options search;
    size_t features_max;      // shown to each split, drawn without replacement; more if those are constant in the node
    uint64_t split_rows_min;  // a node of fewer rows is a leaf
    size_t depth_max;         // 0: no limit
    size_t leaves_max;        // 0: no limit; else the split that gains most comes next
    double impurity_decrease; // a split gains at least this much: weight of the node / weight of the tree *
                              // (impurity - the mean impurity of its sides)
    double impurity_unit;     // impurity is this times -search_score() / weight
} grow_options;

// Nodes in preorder: the left child of node i is i + 1.
typedef struct tree_node {
    int32_t feature; // -1: a leaf
    float threshold; // x <= threshold goes left
    uint32_t right;  // index of the right child; 0 in leaves
    uint32_t weight; // of the training rows that came here
    bool missing_left;
    uint32_t n_classes; // leaves of classification: how many classes are here, and where they start in `classes`
    uint32_t start;
    int64_t sum; // leaves of regression: weight * target over the rows
} tree_node;

typedef struct leaf_class {
    uint32_t class, weight;
} leaf_class;

typedef struct tree {
    size_t n_nodes, n_classes;
    tree_node *nodes;    // (n_nodes) owned
    leaf_class *classes; // (n_classes) of all leaves, ascending in each; owned
} tree;

typedef struct grower grower; // everything one worker needs, reserved at once; one thread at a time

MUST_CHECK int grower_new(grower **out, const grow_options *o, err *e); // borrows o->search.ranks until grower_free()
void grower_free(grower *g);                                            // NULL is fine
size_t grower_memory(const grow_options *o);                            // bytes of one, at most
size_t tree_memory(const grow_options *o);                              // bytes of one tree, at most
size_t tree_nodes_max(const grow_options *o);

tree_item *grower_items(grower *g); // (items_max) to be filled in before grower_run(), which changes their order

// Grows a tree on the first n > 0 items. *out is owned by the caller: tree_clear(). A feature that is constant in a
// node is constant below it, and is drawn but not looked at again.
MUST_CHECK int grower_run(grower *g, size_t n, rng *r, tree *out, err *e);
void tree_clear(tree *t); // a zeroed one is fine

#endif
