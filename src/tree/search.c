// Candidates come from counts by code where a node has many rows for the feature's distinct values, else from its
// sorted codes. Sums are of integers, so both ways give the same split.
// SPDX-License-Identifier: Apache-2.0
#include "tree/search.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum {
    TABLE_MAX = 1 << 16, // entries of the table of w log2 w
    FRACTION_BITS = 24,  // of its values: 2^32 * 32 * 2^24 < 2^62
    COUNT_CELLS = 3,     // cells of counts that are worth clearing for each row of a node
};

typedef struct cell { // regression: of one code
    int64_t sum;
    uint32_t weight, rows;
} cell;

struct search {
    search_options options;
    // Classification:
    uint32_t *left, *right; // (n_classes) class weights; left is zero between searches, right between nodes
    int64_t *table;         // (n_table) w log2 w
    size_t n_table;
    uint32_t *counts; // (cells_max) of codes: class weights, then rows
    // Regression:
    cell *cells; // (cells_max)
    size_t cells_max;
    // Sorting: (items_max) each
    uint64_t *keys, *spare;
};

// ---- w log2 w ----

// In units of 2^-24. The logarithm is summed here (the series of the inverse hyperbolic tangent, all terms positive),
// so that every machine gets the same bits.
static int64_t weight_log(uint64_t w)
{
    if (w <= 1) return 0;
    int exponent;
    double m = frexp((double)w, &exponent); // in [0.5, 1)
    if (m < 0.70710678118654752440) {
        m *= 2;
        exponent--;
    }
    double t = (m - 1) / (m + 1), square = t * t, power = t, sum = 0; // |t| < 0.172
    for (int k = 1; k < 24; k += 2) {
        sum += power / k;
        power *= square;
    }
    double log2_w = exponent + sum * 2.8853900817779268147; // 2 / ln 2
    return llrint((double)w * log2_w * (1 << FRACTION_BITS));
}

static inline int64_t log_of(const search *s, uint64_t w)
{
    return w < s->n_table ? s->table[w] : weight_log(w);
}

// ---- Sizes ----

static size_t stride_of(const search_options *o)
{
    return o->criterion == CRITERION_SQUARED ? 1 : o->n_classes + 1;
}

static bool counts_pay(const search_options *o, size_t n_codes, size_t n)
{
    if (o->way == SEARCH_SORT) return false;
    return o->way == SEARCH_COUNT || n_codes <= COUNT_CELLS * n / stride_of(o);
}

static size_t cells_needed(const search_options *o)
{
    size_t most = 0;
    for (size_t column = 0; o->ranks && column < o->ranks->n_columns; column++) {
        size_t n_codes = (size_t)o->ranks->columns[column].n_distinct + 1;
        if (n_codes > most && counts_pay(o, n_codes, o->items_max)) most = n_codes;
    }
    return most * stride_of(o);
}

static size_t table_needed(const search_options *o)
{
    if (o->criterion != CRITERION_ENTROPY) return 0;
    return o->weight_max < TABLE_MAX ? (size_t)o->weight_max + 1 : TABLE_MAX;
}

size_t search_memory(const search_options *o)
{
    size_t cell_size = o->criterion == CRITERION_SQUARED ? sizeof(cell) : sizeof(uint32_t);
    size_t cells = COUNT_CELLS * o->items_max + stride_of(o);
    return sizeof(search) + cells * cell_size + 2 * o->items_max * sizeof(uint64_t) +
           2 * o->n_classes * sizeof(uint32_t) + table_needed(o) * sizeof(int64_t);
}

int search_new(search **out, const search_options *o, err *e)
{
    search *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for growing trees");
    s->options = *o;
    s->cells_max = cells_needed(o);
    s->n_table = table_needed(o);
    s->keys = mem_alloc(o->items_max, sizeof *s->keys);
    s->spare = mem_alloc(o->items_max, sizeof *s->spare);
    s->left = mem_zalloc(o->n_classes, sizeof *s->left);
    s->right = mem_zalloc(o->n_classes, sizeof *s->right);
    s->table = mem_alloc(s->n_table, sizeof *s->table);
    if (o->criterion == CRITERION_SQUARED)
        s->cells = mem_alloc(s->cells_max, sizeof *s->cells);
    else
        s->counts = mem_alloc(s->cells_max, sizeof *s->counts);
    if (!s->keys || !s->spare || !s->left || !s->right || !s->table || (!s->cells && !s->counts)) {
        search_free(s);
        return err_set(e, ERR_MEMORY, "no memory for growing trees on %zu rows", o->items_max);
    }
    for (size_t w = 0; w < s->n_table; w++) s->table[w] = weight_log(w);
    *out = s;
    return 0;
}

void search_free(search *s)
{
    if (!s) return;
    mem_free(s->left);
    mem_free(s->right);
    mem_free(s->table);
    mem_free(s->counts);
    mem_free(s->cells);
    mem_free(s->keys);
    mem_free(s->spare);
    mem_free(s);
}

// ---- Nodes ----

tree_side search_enter(search *s, const tree_item *items, size_t n)
{
    tree_side node = {.rows = n};
    tree_criterion by = s->options.criterion;
    for (size_t i = 0; i < n; i++) {
        uint64_t w = items[i].weight;
        node.weight += w;
        if (by == CRITERION_SQUARED) {
            node.sum += (int64_t)w * items[i].target;
            continue;
        }
        uint64_t before = s->right[items[i].target];
        s->right[items[i].target] = (uint32_t)(before + w);
        if (by == CRITERION_GINI)
            node.squares += w * (2 * before + w);
        else
            node.sum += log_of(s, before + w) - log_of(s, before);
    }
    return node;
}

void search_leave(search *s, const tree_item *items, size_t n)
{
    if (s->options.criterion == CRITERION_SQUARED) return;
    for (size_t i = 0; i < n; i++) s->right[items[i].target] = 0;
}

const uint32_t *search_class_weights(const search *s)
{
    return s->right;
}

static inline double score_by(const search *s, const tree_side *of, tree_criterion by)
{
    switch (by) {
    case CRITERION_GINI: return (double)of->squares / (double)of->weight;
    case CRITERION_ENTROPY: return (double)(of->sum - log_of(s, of->weight));
    default: return (double)of->sum * (double)of->sum / (double)of->weight;
    }
}

double search_score(const search *s, const tree_side *of)
{
    return score_by(s, of, s->options.criterion);
}

// ---- Scanning: groups of items with the same code pass from the right side to the left one ----

typedef struct scan {
    search *s;
    const ranks_column *column;
    size_t feature;
    tree_side left, right;
    tree_split *best;
    tree_criterion by;
    bool missing_in_node, missing_left;
    bool any_left; // whether a value has passed, beside the missing ones
    uint32_t last; // the code that passed last
} scan;

static inline void pass_class(scan *c, size_t class, uint64_t w)
{
    uint64_t to = c->s->left[class], from = c->s->right[class];
    c->s->left[class] = (uint32_t)(to + w);
    c->s->right[class] = (uint32_t)(from - w);
    if (c->by == CRITERION_GINI) {
        c->left.squares += w * (2 * to + w);
        c->right.squares -= w * (2 * from - w);
    } else {
        c->left.sum += log_of(c->s, to + w) - log_of(c->s, to);
        c->right.sum -= log_of(c->s, from) - log_of(c->s, from - w);
    }
}

static inline void pass_weight(scan *c, uint64_t rows, uint64_t weight, int64_t sum)
{
    c->left.rows += rows;
    c->right.rows -= rows;
    c->left.weight += weight;
    c->right.weight -= weight;
    if (c->by == CRITERION_SQUARED) {
        c->left.sum += sum;
        c->right.sum -= sum;
    }
}

// Before the group `next` passes: is the split in front of it the best so far?
static inline void consider(scan *c, uint32_t next)
{
    uint64_t fewest = c->s->options.leaf_rows_min;
    if (!c->any_left || c->left.rows < fewest || c->right.rows < fewest) return;
    uint64_t lightest = c->s->options.leaf_weight_min;
    if (c->left.weight < lightest || c->right.weight < lightest) return;
    double score = score_by(c->s, &c->left, c->by) + score_by(c->s, &c->right, c->by);
    if (c->best->feature >= 0 && score <= c->best->score) return;
    bool only_missing = next == c->column->n_distinct;
    *c->best = (tree_split){
        .feature = (int64_t)c->feature,
        .cut = c->last,
        .threshold = only_missing ? INFINITY : ranks_threshold(c->column, c->last, next),
        .missing_left = c->missing_in_node ? c->missing_left : c->left.rows > c->right.rows,
        .score = score,
    };
}

static scan scan_of(search *s, const tree_side *node, size_t feature, tree_split *best, tree_criterion by)
{
    return (scan){
        .s = s,
        .column = &s->options.ranks->columns[feature],
        .feature = feature,
        .right = *node,
        .best = best,
        .by = by,
    };
}

// What passed goes back, for the next scan.
static void restore_classes(search *s)
{
    for (size_t k = 0; k < s->options.n_classes; k++) {
        s->right[k] += s->left[k];
        s->left[k] = 0;
    }
}

// ---- By counts ----

static inline void pass_counts(scan *c, const uint32_t *counts, size_t n_classes)
{
    uint64_t weight = 0;
    for (size_t k = 0; k < n_classes; k++) {
        if (counts[k] == 0) continue;
        weight += counts[k];
        pass_class(c, k, counts[k]);
    }
    pass_weight(c, counts[n_classes], weight, 0);
}

static inline void scan_counts(scan c, bool missing_left)
{
    size_t n_classes = c.s->options.n_classes, stride = n_classes + 1;
    uint32_t n_distinct = c.column->n_distinct;
    const uint32_t *missing = c.s->counts + n_distinct * stride;
    c.missing_in_node = missing[n_classes] > 0;
    c.missing_left = missing_left;
    if (missing_left) pass_counts(&c, missing, n_classes);
    uint64_t last_rows = missing_left ? 0 : missing[n_classes];
    for (uint32_t code = 0; code < n_distinct && c.right.rows > last_rows; code++) {
        const uint32_t *counts = c.s->counts + code * stride;
        if (counts[n_classes] == 0) continue;
        consider(&c, code);
        pass_counts(&c, counts, n_classes);
        c.any_left = true;
        c.last = code;
    }
    if (c.missing_in_node && !missing_left) consider(&c, n_distinct);
    restore_classes(c.s);
}

static inline void scan_cells(scan c, bool missing_left)
{
    uint32_t n_distinct = c.column->n_distinct;
    const cell *cells = c.s->cells, *missing = cells + n_distinct;
    c.missing_in_node = missing->rows > 0;
    c.missing_left = missing_left;
    if (missing_left) pass_weight(&c, missing->rows, missing->weight, missing->sum);
    uint64_t last_rows = missing_left ? 0 : missing->rows;
    for (uint32_t code = 0; code < n_distinct && c.right.rows > last_rows; code++) {
        if (cells[code].rows == 0) continue;
        consider(&c, code);
        pass_weight(&c, cells[code].rows, cells[code].weight, cells[code].sum);
        c.any_left = true;
        c.last = code;
    }
    if (c.missing_in_node && !missing_left) consider(&c, n_distinct);
}

static inline void count_item(search *s, size_t stride, size_t code, const tree_item *it)
{
    uint32_t *counts = s->counts + code * stride;
    counts[it->target] += it->weight;
    counts[stride - 1]++;
}

static inline void sum_item(search *s, size_t code, const tree_item *it)
{
    cell *c = &s->cells[code];
    c->sum += (int64_t)it->weight * it->target;
    c->weight += it->weight;
    c->rows++;
}

// Whether all rows of the node share one code: that of the first.
static bool by_counts(search *s, const tree_item *items, size_t n, const tree_side *node, size_t feature,
                      tree_split *best, tree_criterion by)
{
    const ranks_column *column = &s->options.ranks->columns[feature];
    size_t n_codes = (size_t)column->n_distinct + 1, stride = stride_of(&s->options);
    bool squared = by == CRITERION_SQUARED;
    if (squared)
        memset(s->cells, 0, n_codes * sizeof *s->cells);
    else
        memset(s->counts, 0, n_codes * stride * sizeof *s->counts);
    if (column->codes16) {
        for (size_t i = 0; i < n; i++) {
            size_t code = column->codes16[items[i].row];
            squared ? sum_item(s, code, &items[i]) : count_item(s, stride, code, &items[i]);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            size_t code = column->codes32[items[i].row];
            squared ? sum_item(s, code, &items[i]) : count_item(s, stride, code, &items[i]);
        }
    }
    uint32_t first = ranks_code(column, items[0].row);
    uint64_t alike = squared ? s->cells[first].rows : s->counts[first * stride + stride - 1];
    if (alike == n) return false;
    bool missing = (squared ? s->cells[n_codes - 1].rows : s->counts[n_codes * stride - 1]) > 0;
    scan c = scan_of(s, node, feature, best, by);
    for (int missing_left = 0; missing_left <= missing; missing_left++)
        squared ? scan_cells(c, missing_left) : scan_counts(c, missing_left);
    return true;
}

// ---- By sorting ----

static inline void pass_items(scan *c, const tree_item *items, const uint64_t *keys, size_t n)
{
    uint64_t weight = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        const tree_item *it = &items[(uint32_t)keys[i]];
        weight += it->weight;
        if (c->by == CRITERION_SQUARED)
            sum += (int64_t)it->weight * it->target;
        else
            pass_class(c, (size_t)it->target, it->weight);
    }
    pass_weight(c, n, weight, sum);
}

static inline void restore_items(search *s, const tree_item *items, const uint64_t *keys, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)items[(uint32_t)keys[i]].target;
        s->right[k] += s->left[k];
        s->left[k] = 0;
    }
}

// keys: code and place of n items, sorted; the last n_missing are missing.
static inline void scan_keys(scan c, const tree_item *items, const uint64_t *keys, size_t n, size_t n_missing,
                             bool missing_left)
{
    c.missing_in_node = n_missing > 0;
    c.missing_left = missing_left;
    size_t n_there = n - n_missing;
    if (missing_left) pass_items(&c, items, keys + n_there, n_missing);
    for (size_t start = 0, end; start < n_there; start = end) {
        uint32_t code = (uint32_t)(keys[start] >> 32);
        for (end = start + 1; end < n_there && keys[end] >> 32 == code; end++) continue;
        consider(&c, code);
        pass_items(&c, items, keys + start, end - start);
        c.any_left = true;
        c.last = code;
    }
    if (c.missing_in_node && !missing_left) consider(&c, c.column->n_distinct);
    if (c.by != CRITERION_SQUARED) restore_items(c.s, items, keys, n);
}

static bool by_sorting(search *s, const tree_item *items, size_t n, const tree_side *node, size_t feature,
                       tree_split *best, tree_criterion by)
{
    const ranks_column *column = &s->options.ranks->columns[feature];
    for (size_t i = 0; i < n; i++) s->keys[i] = (uint64_t)ranks_code(column, items[i].row) << 32 | i;
    unsigned n_bits = column->n_distinct ? 32 - (unsigned)__builtin_clz(column->n_distinct) : 0;
    const uint64_t *keys = ranks_sort(s->keys, s->spare, n, n_bits);
    if (keys[0] >> 32 == keys[n - 1] >> 32) return false;
    size_t n_missing = 0;
    while (n_missing < n && keys[n - 1 - n_missing] >> 32 == column->n_distinct) n_missing++;
    scan c = scan_of(s, node, feature, best, by);
    for (int missing_left = 0; missing_left <= (n_missing > 0); missing_left++)
        scan_keys(c, items, keys, n, n_missing, missing_left);
    return true;
}

static inline bool search_by(search *s, const tree_item *items, size_t n, const tree_side *node, size_t feature,
                             tree_split *best, tree_criterion by)
{
    size_t n_codes = (size_t)s->options.ranks->columns[feature].n_distinct + 1;
    return counts_pay(&s->options, n_codes, n) ? by_counts(s, items, n, node, feature, best, by)
                                               : by_sorting(s, items, n, node, feature, best, by);
}

bool search_feature(search *s, const tree_item *items, size_t n, const tree_side *node, size_t feature,
                    tree_split *best)
{
    assert(n > 0 && n <= s->options.items_max);
    const ranks_column *column = &s->options.ranks->columns[feature];
    if (column->n_distinct + column->has_missing < 2) return false;
    switch (s->options.criterion) { // a constant in each branch, so that each gets loops of its own
    case CRITERION_GINI: return search_by(s, items, n, node, feature, best, CRITERION_GINI);
    case CRITERION_ENTROPY: return search_by(s, items, n, node, feature, best, CRITERION_ENTROPY);
    default: return search_by(s, items, n, node, feature, best, CRITERION_SQUARED);
    }
}
