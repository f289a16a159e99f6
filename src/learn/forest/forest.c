// Training: rows ranked once, trees grown in parallel, each from its own stream of random numbers.
// SPDX-License-Identifier: Apache-2.0
#include "learn/forest/forest.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/task_error.h"
#include "learn/forest/forest_impl.h"

enum {
    WEIGHT_BITS = 31, // without the bootstrap, row weights add up to 2^31, and 1.5 for each row at most besides
    CHANCE_BITS = 52, // with it, chances of being drawn add up to this power of two, and as much besides
    SUM_BITS = 62,    // of weights times targets
    TARGET_BITS_MAX = 52,
};

static const double VALUE_MAX = 1e38; // of a target: float32 holds it, and sums of leaves as well

// Everything that trees share, read only while they grow.
typedef struct forest_run {
    const family_data *data;
    const forest_options *options;
    uint64_t seed;
    bool classification;
    size_t n_draws;
    ranks ranks;
    bool missing;
    // Per row (n_rows) each, or NULL:
    uint64_t *chances; // sums of whole weights up to and with the row; NULL: all rows alike
    uint32_t *weights; // without the bootstrap; NULL: all 1
    int64_t *targets;  // regression: (value - offset) / scale
    double offset, scale;
    grow_options grow;
    size_t n_workers;
    grower **growers;  // (n_workers)
    uint32_t **counts; // (n_workers) of (n_rows): how often a row was drawn
    size_t n_trees;
    tree *trees;
    size_t first_tree; // of the block that grows now
    task_error failure;
} forest_run;

// ---- Checks ----

static int check_options(const family_data *d, const forest_options *o, err *e)
{
    bool classification = d->target->task == TASK_CLASSIFICATION;
    const char *fault = forest_family.options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    bool squared = o->criterion == FOREST_SQUARED_ERROR;
    if (o->criterion != FOREST_AUTO_CRITERION && squared == classification)
        return err_set(e, ERR_INPUT, "criterion %s is for %s", forest_family.options[7].choices[o->criterion],
                       squared ? "regression" : "classification");
    if (!classification && o->class_weights != FOREST_WEIGHTS_NONE)
        return err_set(e, ERR_INPUT, "class_weights are for classification");
    return 0;
}

static int check_classes(const family_data *d, err *e)
{
    int32_t first = d->classes[0];
    for (size_t row = 0; row < d->n_rows; row++) {
        assert(d->classes[row] >= 0 && (size_t)d->classes[row] < d->target->n_classes);
        if (d->classes[row] != first) return 0;
    }
    return err_set(e, ERR_INPUT, "\"%.60s\" has one class only, \"%.60s\", in the %zu training rows: nothing to learn",
                   d->target->name, d->target->classes[first], d->n_rows);
}

static int check_values(const family_data *d, err *e)
{
    for (size_t row = 0; row < d->n_rows; row++)
        if (!(fabs(d->values[row]) <= VALUE_MAX))
            return err_set_at(e, ERR_INPUT, (int64_t)row, "\"%.60s\" is %g in training row %zu, at most %g is possible",
                              d->target->name, d->values[row], row, VALUE_MAX);
    return 0;
}

static int check(const family_data *d, const forest_options *o, err *e)
{
    TRY(check_options(d, o, e));
    if (d->n_rows == 0) return err_set(e, ERR_INPUT, "no training rows");
    if (d->n_features == 0) return err_set(e, ERR_INPUT, "no features to learn from");
    if (d->n_rows > FOREST_ROWS_MAX)
        return err_set(e, ERR_LIMIT, "%zu training rows, at most %d", d->n_rows, FOREST_ROWS_MAX);
    if (d->n_features > INT32_MAX) return err_set(e, ERR_LIMIT, "%zu features, at most %d", d->n_features, INT32_MAX);
    TRY(d->target->task == TASK_CLASSIFICATION ? check_classes(d, e) : check_values(d, e));
    for (size_t row = 0; d->weights && row < d->n_rows; row++)
        if (!(d->weights[row] > 0) || isinf(d->weights[row]))
            return err_set_at(e, ERR_INPUT, (int64_t)row, "the weight of training row %zu is %g: must be above 0", row,
                              (double)d->weights[row]);
    return 0;
}

// ---- Sizes ----

static size_t features_shown(const family_data *d, const forest_options *o)
{
    size_t n = d->n_features;
    double shown = (double)n;
    forest_features rule = o->features_max;
    if (rule == FOREST_AUTO_FEATURES) rule = d->target->task == TASK_CLASSIFICATION ? FOREST_SQRT : FOREST_ALL;
    if (rule == FOREST_SQRT) shown = sqrt((double)n);
    if (rule == FOREST_LOG2) shown = log2((double)n);
    if (rule == FOREST_SHARE) shown = o->features_share * (double)n;
    return shown < 1 ? 1 : (size_t)shown;
}

static bool weighted(const family_data *d, const forest_options *o)
{
    return d->weights || o->class_weights == FOREST_WEIGHTS_BALANCED;
}

static size_t draws(const family_data *d, const forest_options *o)
{
    if (!o->bootstrap) return d->n_rows;
    size_t n = (size_t)(o->rows_share * (double)d->n_rows);
    return n < 1 ? 1 : n;
}

// How trees are grown; the ranks are the caller's to set.
static grow_options grow_options_of(const family_data *d, const forest_options *o)
{
    size_t n_draws = draws(d, o);
    bool classification = d->target->task == TASK_CLASSIFICATION;
    bool entropy = o->criterion == FOREST_ENTROPY || o->criterion == FOREST_LOG_LOSS;
    bool whole = o->bootstrap || !weighted(d, o); // weights are counts of rows
    grow_options g = {
        .search =
            {
                .criterion = !classification ? CRITERION_SQUARED
                             : entropy       ? CRITERION_ENTROPY
                                             : CRITERION_GINI,
                .n_classes = classification ? d->target->n_classes : 0,
                .leaf_rows_min = (uint64_t)o->leaf_rows_min,
                .items_max = n_draws < d->n_rows ? n_draws : d->n_rows,
                .weight_max = whole ? n_draws : ((uint64_t)1 << WEIGHT_BITS) + 2 * d->n_rows,
            },
        .features_max = features_shown(d, o),
        .split_rows_min = (uint64_t)o->split_rows_min,
        .depth_max = (size_t)o->depth_max,
        .leaves_max = (size_t)o->leaves_max,
        .impurity_decrease = o->impurity_decrease_min,
        .impurity_unit = entropy ? 0x1p-24 : 1,
    };
    double total = whole ? (double)n_draws : ldexp(1, WEIGHT_BITS);
    g.search.leaf_weight_min = (uint64_t)ceil(o->leaf_weight_share * total);
    return g;
}

// Different rows of a bootstrap, at most: what is expected of equal weights (others give fewer) and 8 sqrt(n) more,
// which is passed with a chance below e^-128 (McDiarmid, 1989).
static size_t distinct_max(const family_data *d, const forest_options *o)
{
    double n = (double)d->n_rows, n_draws = (double)draws(d, o);
    if (!o->bootstrap) return d->n_rows;
    double expected = n * -expm1(n_draws * log1p(-1 / n));
    double most = fmin(fmin(n, n_draws), expected + 8 * sqrt(n) + 1);
    return n > 1 ? (size_t)most : 1;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t forest_memory_estimate(const family_data *d, const void *options, size_t n_threads)
{
    enum { SLACK = 1 << 18 };
    const forest_options *o = options;
    size_t n = d->n_rows, n_trees = (size_t)o->n_trees;
    if (n == 0 || d->n_features == 0) return 0;
    grow_options g = grow_options_of(d, o);
    size_t workers = (n_threads < n_trees ? n_threads : n_trees) *
                     (grower_memory(&g) + 2 * d->n_features * sizeof(uint32_t) + n * sizeof(uint32_t));
    size_t ranked = ranks_memory(n, d->n_features, n_threads);
    size_t rows = n * (sizeof(uint64_t) + sizeof(uint32_t) + sizeof(int64_t));
    g.search.items_max = distinct_max(d, o);
    size_t trees = n_trees * (tree_memory(&g) + sizeof(tree) + 64);
    size_t nodes = n_trees * tree_nodes_max(&g), leaves = (nodes + n_trees) / 2;
    size_t n_classes = g.search.n_classes;
    size_t values = n_classes == 0 ? leaves : n_classes == 2 ? 2 * leaves : n_trees * g.search.items_max + n_classes;
    size_t made = ensemble_memory(nodes, values);
    size_t dealt = 2 * n_classes * sizeof(uint64_t) + n_classes;
    size_t peak = larger(ranked + rows + workers + trees, trees + made + dealt);
    peak = larger(peak, made + ensemble_emit_memory(nodes, values) + n_classes * 2 * sizeof(str));
    return peak + SLACK;
}

// ---- Rows ----

// Weight of each row, class weights included.
static double weight_of(const family_data *d, const double *class_weights, size_t row)
{
    double w = d->weights ? (double)d->weights[row] : 1;
    return class_weights ? w * class_weights[d->classes[row]] : w;
}

static int balance(const family_data *d, const forest_options *o, double **out, err *e)
{
    *out = NULL;
    if (o->class_weights != FOREST_WEIGHTS_BALANCED) return 0;
    size_t n_classes = d->target->n_classes;
    double *w = mem_zalloc(n_classes, sizeof *w);
    if (!w) return err_set(e, ERR_MEMORY, "no memory for the weights of %zu classes", n_classes);
    size_t n_there = 0;
    for (size_t row = 0; row < d->n_rows; row++) n_there += w[d->classes[row]]++ == 0;
    for (size_t k = 0; k < n_classes; k++)
        if (w[k] > 0) w[k] = (double)d->n_rows / ((double)n_there * w[k]);
    *out = w;
    return 0;
}

static int make_weights(forest_run *p, err *e)
{
    const family_data *d = p->data;
    if (!weighted(d, p->options)) return 0;
    double *by_class;
    TRY(balance(d, p->options, &by_class, e));
    bool bootstrap = p->options->bootstrap;
    if (bootstrap)
        p->chances = mem_alloc(d->n_rows, sizeof *p->chances);
    else
        p->weights = mem_alloc(d->n_rows, sizeof *p->weights);
    if (!p->chances && !p->weights) {
        mem_free(by_class);
        return err_set(e, ERR_MEMORY, "no memory for the weights of %zu rows", d->n_rows);
    }
    double total = 0;
    for (size_t row = 0; row < d->n_rows; row++) total += weight_of(d, by_class, row);
    double unit = ldexp(1, bootstrap ? CHANCE_BITS : WEIGHT_BITS) / total;
    uint64_t sum = 0;
    for (size_t row = 0; row < d->n_rows; row++) {
        double units = rint(weight_of(d, by_class, row) * unit);
        uint64_t whole = units < 1 ? 1 : (uint64_t)units;
        sum += whole;
        if (bootstrap)
            p->chances[row] = sum;
        else
            p->weights[row] = (uint32_t)whole;
    }
    mem_free(by_class);
    return 0;
}

// Values in fixed point around their mean: as fine as sums allow.
static int make_targets(forest_run *p, err *e)
{
    const family_data *d = p->data;
    if (p->classification) return 0;
    p->targets = mem_alloc(d->n_rows, sizeof *p->targets);
    if (!p->targets) return err_set(e, ERR_MEMORY, "no memory for the targets of %zu rows", d->n_rows);
    double mean = 0, most = 0;
    for (size_t row = 0; row < d->n_rows; row++) mean += (d->values[row] - mean) / (double)(row + 1);
    for (size_t row = 0; row < d->n_rows; row++) most = fmax(most, fabs(d->values[row] - mean));
    int bits = SUM_BITS - (64 - __builtin_clzll(p->grow.search.weight_max));
    if (bits > TARGET_BITS_MAX) bits = TARGET_BITS_MAX;
    int exponent = most > 0 ? ilogb(most) + 1 - bits : 0;
    for (size_t row = 0; row < d->n_rows; row++)
        p->targets[row] = (int64_t)rint(ldexp(d->values[row] - mean, -exponent));
    p->offset = mean;
    p->scale = ldexp(1, exponent);
    p->grow.impurity_unit = p->scale * p->scale;
    return 0;
}

// The first row whose sum of chances is above `at`.
static size_t row_at(const uint64_t *chances, size_t n_rows, uint64_t at)
{
    size_t low = 0, high = n_rows - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (chances[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void draw_rows(const forest_run *p, uint32_t *counts, rng *r)
{
    size_t n_rows = p->data->n_rows;
    memset(counts, 0, n_rows * sizeof *counts);
    for (size_t i = 0; i < p->n_draws; i++) {
        size_t row = p->chances ? row_at(p->chances, n_rows, rng_below(r, p->chances[n_rows - 1]))
                                : (size_t)rng_below(r, n_rows);
        counts[row]++;
    }
}

// A tree's rows, ascending. Returns how many.
static size_t fill_items(const forest_run *p, tree_item *items, const uint32_t *counts)
{
    size_t n = 0;
    for (size_t row = 0; row < p->data->n_rows; row++) {
        uint32_t weight = counts ? counts[row] : p->weights ? p->weights[row] : 1;
        if (weight == 0) continue;
        items[n++] = (tree_item){
            .row = (uint32_t)row,
            .weight = weight,
            .target = p->classification ? p->data->classes[row] : p->targets[row],
        };
    }
    return n;
}

// ---- Trees ----

// Each worker makes what it needs when it takes its first tree: with few trees not every worker takes one.
static int prepare_worker(forest_run *p, size_t worker, err *e)
{
    if (!p->growers[worker]) TRY(grower_new(&p->growers[worker], &p->grow, e));
    if (!p->options->bootstrap || p->counts[worker]) return 0;
    p->counts[worker] = mem_alloc(p->data->n_rows, sizeof **p->counts);
    return p->counts[worker] ? 0 : err_set(e, ERR_MEMORY, "no memory for drawing %zu rows", p->data->n_rows);
}

static int grow_tree(forest_run *p, size_t index, size_t worker, err *e)
{
    TRY(prepare_worker(p, worker, e));
    rng r = rng_new(p->seed, index);
    grower *g = p->growers[worker];
    uint32_t *counts = p->counts[worker];
    if (counts) draw_rows(p, counts, &r);
    size_t n = fill_items(p, grower_items(g), counts);
    return grower_run(g, n, &r, &p->trees[index], e);
}

static void grow_task(void *context, size_t number, size_t worker)
{
    forest_run *p = context;
    if (task_error_before(&p->failure, number)) return;
    err e = ERR_NONE;
    int rc = grow_tree(p, p->first_tree + number, worker, &e);
    if (rc < 0) task_error_set(&p->failure, number, rc, &e);
}

static int grow_trees(forest_run *p, pool *workers, const family_progress *progress, err *e)
{
    // With somebody to report to, in blocks: small enough for news, large enough to keep workers busy.
    size_t block = progress ? 4 * p->n_workers : p->n_trees;
    for (p->first_tree = 0; p->first_tree < p->n_trees; p->first_tree += block) {
        if (progress && progress->report(progress->context, p->first_tree, p->n_trees) != 0)
            return err_set(e, ERR_CANCELLED, "stopped after %zu of %zu trees", p->first_tree, p->n_trees);
        size_t left = p->n_trees - p->first_tree;
        task_error_init(&p->failure);
        pool_run(workers, left < block ? left : block, grow_task, p);
        TRY(task_error_end(&p->failure, e));
    }
    if (progress && progress->report(progress->context, p->n_trees, p->n_trees) != 0)
        return err_set(e, ERR_CANCELLED, "stopped after the last tree");
    return 0;
}

static void drop_workers(forest_run *p)
{
    for (size_t i = 0; p->growers && p->counts && i < p->n_workers; i++) {
        grower_free(p->growers[i]);
        mem_free(p->counts[i]);
    }
    mem_free(p->growers);
    mem_free(p->counts);
    mem_free(p->chances);
    mem_free(p->weights);
    mem_free(p->targets);
    ranks_clear(&p->ranks);
    p->n_workers = 0;
    p->growers = NULL;
    p->counts = NULL;
    p->chances = NULL;
    p->weights = NULL;
    p->targets = NULL;
}

static int grow(forest_run *p, pool *workers, const family_progress *progress, err *e)
{
    const family_data *d = p->data;
    TRY(ranks_make(&p->ranks, d->x, d->n_rows, d->n_features, workers, e));
    p->grow.search.ranks = &p->ranks;
    for (size_t i = 0; i < d->n_features; i++) p->missing = p->missing || p->ranks.columns[i].has_missing;
    TRY(make_weights(p, e));
    TRY(make_targets(p, e));
    p->n_workers = pool_size(workers);
    p->growers = mem_zalloc(p->n_workers, sizeof *p->growers);
    p->counts = mem_zalloc(p->n_workers, sizeof *p->counts);
    if (!p->growers || !p->counts) return err_set(e, ERR_MEMORY, "no memory for growing trees");
    return grow_trees(p, workers, progress, e);
}

int forest_grow(ensemble *out, const family_data *d, const forest_options *o, uint64_t seed, pool *workers,
                const family_progress *progress, err *e)
{
    TRY(check(d, o, e));
    forest_run p = {
        .data = d,
        .options = o,
        .seed = seed,
        .classification = d->target->task == TASK_CLASSIFICATION,
        .n_draws = draws(d, o),
        .grow = grow_options_of(d, o),
        .n_trees = (size_t)o->n_trees,
        .trees = mem_zalloc((size_t)o->n_trees, sizeof(tree)),
    };
    if (!p.trees) return err_set(e, ERR_MEMORY, "no memory for %zu trees", p.n_trees);
    int rc = grow(&p, workers, progress, e);
    drop_workers(&p);
    if (rc == 0 && p.classification)
        rc = ensemble_classifier(out, p.trees, p.n_trees, d->n_features, d->target->n_classes, p.missing, e);
    else if (rc == 0)
        rc = ensemble_regressor(out, p.trees, p.n_trees, d->n_features, p.offset, p.scale, p.missing, e);
    for (size_t t = 0; t < p.n_trees; t++) tree_clear(&p.trees[t]);
    mem_free(p.trees);
    return rc;
}

int forest_fit(family_outputs *out, graph *g, value_id features, const family_data *d, const void *options,
               uint64_t seed, pool *p, const family_progress *progress, err *e)
{
    ensemble m;
    TRY(forest_grow(&m, d, options, seed, p, progress, e));
    int rc = ensemble_emit(&m, g, features, d->target, &out->label, &out->scores, e);
    ensemble_clear(&m);
    return rc;
}
