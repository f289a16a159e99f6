// TreeSHAP by quadrature, tree after tree: what does not depend on the row is laid out in tables once, then each row
// goes down and up the tree over them, four points of the integral at a time.
// SPDX-License-Identifier: Apache-2.0
#include "math/shap.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "math/cpu.h"
#include "math/trees_impl.h"

enum { LANES = 4, POINTS_MAX = 1 << 12 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double))));

#define NO_NODE UINT32_MAX

static int refuse(err *e, const char *why)
{
    return err_set(e, ERR_UNSUPPORTED, "%s", why);
}

// What is answered --------------------------------------------------------------------------------------------------

// Two classes: finish_binary() of trees.c, as far as each score is a sum of leaves.
static int find_binary(shap_output *o, const trees *t, size_t k, err *e)
{
    static const char odd[] = "its two classes have base values that are no part of their scores";
    size_t n_weights = t->weight_from[t->n_nodes];
    size_t id = n_weights ? t->weight_scores[0] : 0;
    bool linked = t->link == TREES_LOGISTIC || t->link == TREES_SOFTMAX || t->link == TREES_SOFTMAX_ZERO;
    if (!t->one_class_id) {
        if (t->n_uniform != 2 || t->n_base == 2) return refuse(e, "some of its leaves are for one of two classes only");
        *o = (shap_output){.score = k, .sign = 1, .margin = linked, .link = t->link};
        if (t->n_base == 1 && k == 0) o->offset = t->base_f64[0];
        return 0;
    }
    if (id == 1) { // the first class has no score, which counts as 0
        *o = (shap_output){.score = 1, .sign = k == 1, .margin = linked, .link = t->link};
        if (t->n_base == 2 && k == 1) o->offset = t->base_f64[1];
        return 0;
    }
    if (t->n_base == 2) return refuse(e, odd);
    double base = t->n_base == 1 ? t->base_f64[0] : 0;
    linked = t->link == TREES_LOGISTIC; // another link is not applied to a single score
    *o = (shap_output){.sign = k == 1 ? 1 : -1, .margin = linked, .link = linked ? t->link : TREES_NONE};
    o->offset = o->sign * base + (k == 0 && !linked && t->all_positive ? 1 : 0);
    return 0;
}

int shap_find_output(shap_output *out, const trees *t, size_t k, err *e)
{
    assert(k < t->n_scores);
    if (t->join == TREES_MIN || t->join == TREES_MAX)
        return refuse(e, "it takes the least or the largest of its trees, not their sum");
    if (t->link == TREES_PROBIT) return refuse(e, "its scores go through PROBIT");
    if (!t->covers)
        return refuse(e, "its nodes do not say how many training rows reached them (nodes_hitrates), which exact "
                         "explanations weigh by");
    if (t->classify && t->n_scores == 2) return find_binary(out, t, k, e);
    *out = (shap_output){.score = k, .sign = t->join == TREES_AVERAGE ? 1.0 / (double)t->n_trees : 1};
    if (t->n_base == t->n_scores) out->offset = t->base_f64[k];
    if (t->link != TREES_NONE && t->n_scores > 1) {
        out->margin = true;
        out->link = t->link;
    }
    return 0;
}

// What it costs -----------------------------------------------------------------------------------------------------

static size_t tree_end(const trees *t, size_t tree)
{
    return tree + 1 < t->n_trees ? t->roots[tree + 1] : t->n_nodes;
}

// Inner nodes times groups of points, at most.
static double steps(const trees *t)
{
    double sum = 0;
    for (size_t tree = 0; tree < t->n_trees; tree++) {
        size_t n_inner = (tree_end(t, tree) - t->roots[tree]) / 2, asked = t->depths[tree];
        if (asked > t->n_features) asked = t->n_features;
        sum += (double)n_inner * (double)((asked + 2 * LANES - 1) / (2 * LANES));
    }
    return sum;
}

enum { STEP_NS = 8, TABLE_NS = 80 }; // measured with bench/explain, rounded up

double shap_row_ns(const trees *t)
{
    return STEP_NS * steps(t);
}

double shap_call_ns(const trees *t)
{
    return TABLE_NS * steps(t);
}

// The points --------------------------------------------------------------------------------------------------------

// Gauss and Legendre's rule with n points on 0..1: t, 1 - t, weights; (n) each. Newton's steps on the Legendre
// polynomial, which is at its roots to the last digits after a few (Abramowitz and Stegun, 25.4.29).
static void find_points(size_t n, double *t, double *rest, double *weights)
{
    const double pi = 3.14159265358979323846;
    for (size_t i = 0; i < n; i++) {
        double x = cos(pi * ((double)i + 0.75) / ((double)n + 0.5)), slope = 1;
        for (int step = 0; step < 8; step++) {
            double before = 1, p = x;
            for (size_t k = 2; k <= n; k++) {
                double next = ((double)(2 * k - 1) * x * p - (double)(k - 1) * before) / (double)k;
                before = p;
                p = next;
            }
            slope = (double)n * (x * p - before) / (x * x - 1);
            x -= p / slope;
        }
        t[i] = (1 + x) / 2;
        rest[i] = (1 - x) / 2;
        weights[i] = 1 / ((1 - x * x) * slope * slope);
    }
}

// One tree, prepared ------------------------------------------------------------------------------------------------

// How a node is left: the feature was lost above (a node higher up asked the same one, and the row would have gone the
// other way), or it goes to the first child, or to the second.
enum { LOST, FIRST, SECOND, WAYS };
// What each way has for the two children: the factor of their products, and what their sums give to the feature.
enum { FACTOR_FIRST, FACTOR_SECOND, GIVES_FIRST, GIVES_SECOND, PARTS };

typedef struct inner {
    uint32_t node, first; // of the tree; the second child follows the first
    uint32_t above;       // the inner node higher up that asks the same feature; itself if there is none
    uint8_t way_above;    // how that one is left to come here
    uint8_t mode, yes_is_second, missing_true;
    uint32_t feature, group;
    float value;
} inner;

typedef struct tree_shape {
    size_t n, n_inner, n_points; // points: a multiple of LANES
    inner *inners;               // (n_inner) breadth first, like the nodes
    uint32_t *inner_of;          // (n) NO_NODE: a leaf
    uint32_t *edge_above;    // (n) the node whose edge is the last before this one's with the same feature, or NO_NODE
    uint32_t *parents;       // (n)
    double *leaf_values;     // (n) 0 of others
    double *z;               // (n) of the edge to here
    double *tables;          // (n_inner, WAYS, PARTS, n_points)
    double *inverses;        // (n, n_points)
    double *products;        // (n, n_points), of one row
    uint8_t *ways, *seconds; // (n_inner), of one row: how it is left; whether the row goes to the second child
    double expected;
    bool all_leq;
} tree_shape;

// Of the integral, in lanes: t, 1 - t, weights, 1 / (1 - t).
typedef struct points {
    const lanes *t, *rest, *weights, *inverse_rest;
} points;

static int no_memory(err *e, size_t n)
{
    return err_set(e, ERR_MEMORY, "no memory to explain a tree of %zu nodes", n);
}

static double leaf_value(const trees *t, size_t node, size_t score)
{
    double sum = 0;
    for (uint32_t i = t->weight_from[node]; i < t->weight_from[node + 1]; i++)
        if (t->weight_scores[i] == score) sum += (double)t->weights[i];
    return sum;
}

static void set_inner(inner *to, const trees *t, size_t root, size_t at, const shap_groups *groups)
{
    size_t i = root + at;
    uint32_t first = t->yes[i] < t->no[i] ? t->yes[i] : t->no[i];
    *to = (inner){.node = (uint32_t)at,
                  .first = first - (uint32_t)root,
                  .mode = t->modes[i],
                  .yes_is_second = t->yes[i] != first,
                  .missing_true = t->missing_true[i],
                  .feature = t->features[i],
                  .group = groups->of[t->features[i]],
                  .value = t->values[i]};
}

// Sets `above` of an inner node and edge_above of its children, by going up.
static void look_up(tree_shape *s, size_t k)
{
    inner *here = &s->inners[k];
    uint32_t child = here->node, at = child;
    here->above = (uint32_t)k;
    here->way_above = FIRST;
    uint32_t edge = NO_NODE;
    while (at != 0) {
        child = at;
        at = s->parents[at];
        const inner *up = &s->inners[s->inner_of[at]];
        if (up->feature != here->feature) continue;
        here->above = s->inner_of[at];
        here->way_above = child == up->first ? FIRST : SECOND;
        edge = child;
        break;
    }
    s->edge_above[here->first] = s->edge_above[here->first + 1] = edge;
}

// Nodes, and how many different features are asked on the longest way.
static int shape_tree(tree_shape *s, const trees *t, size_t tree, size_t score, const shap_groups *groups, arena *a,
                      err *e)
{
    size_t root = t->roots[tree], n = tree_end(t, tree) - root, most = 0;
    *s = (tree_shape){.n = n, .n_inner = n / 2, .all_leq = true};
    s->inners = arena_alloc(a, s->n_inner, sizeof *s->inners);
    s->inner_of = arena_alloc(a, n, sizeof *s->inner_of);
    s->edge_above = arena_alloc(a, n, sizeof *s->edge_above);
    s->parents = arena_alloc(a, n, sizeof *s->parents);
    s->leaf_values = arena_alloc(a, n, sizeof *s->leaf_values);
    uint32_t *asked = arena_alloc(a, n, sizeof *asked); // different features on the way to a node
    if (!s->inners || !s->inner_of || !s->edge_above || !s->parents || !s->leaf_values || !asked)
        return no_memory(e, n);
    size_t k = 0;
    asked[0] = 0;
    for (size_t at = 0; at < n; at++) {
        bool leaf = t->modes[root + at] == TREES_LEAF;
        s->inner_of[at] = leaf ? NO_NODE : (uint32_t)k;
        s->leaf_values[at] = leaf ? leaf_value(t, root + at, score) : 0;
        if (asked[at] > most) most = asked[at];
        if (leaf) continue;
        inner *here = &s->inners[k];
        set_inner(here, t, root, at, groups);
        s->all_leq &= here->mode == TREES_LEQ;
        s->parents[here->first] = s->parents[here->first + 1] = (uint32_t)at;
        look_up(s, k);
        asked[here->first] = asked[here->first + 1] = asked[at] + (s->edge_above[here->first] == NO_NODE);
        k++;
    }
    assert(k == s->n_inner);
    s->n_points = (most + 2 * LANES - 1) / (2 * LANES) * LANES;
    if (s->n_points > POINTS_MAX)
        return err_set(e, ERR_LIMIT, "%zu different features on one way down a tree, at most %d", most,
                       2 * (int)POINTS_MAX);
    return 0;
}

// Shares of the training rows, the factors z of edges, and what is expected of the tree.
static int weigh_tree(tree_shape *s, const trees *t, size_t tree, arena *a, err *e)
{
    size_t root = t->roots[tree];
    s->z = arena_alloc(a, s->n, sizeof *s->z);
    double *reached = arena_alloc(a, s->n, sizeof *reached);
    if (!s->z || !reached) return no_memory(e, s->n);
    reached[0] = s->z[0] = 1;
    for (size_t k = 0; k < s->n_inner; k++) {
        const inner *here = &s->inners[k];
        const float *covers = t->covers + root + here->first;
        double sum = (double)covers[0] + (double)covers[1];
        double share = sum > 0 ? (double)covers[0] / sum : 0.5; // nobody came: then nothing depends on it
        uint32_t edge = s->edge_above[here->first];
        double above = edge == NO_NODE ? 1 : s->z[edge];
        s->z[here->first] = above * share;
        s->z[here->first + 1] = above * (1 - share);
        reached[here->first] = reached[here->node] * share;
        reached[here->first + 1] = reached[here->node] * (1 - share);
    }
    for (size_t at = 0; at < s->n; at++) s->expected += reached[at] * s->leaf_values[at];
    return 0;
}

// f(o) = o t + z (1 - t) of an edge whose feature is known to pass (o = 1) or not. On the edge to a child the product
// gets f(child) / f(above), and its feature gets (o - z) / f of the child's edge less that of the edge above: with it,
// an edge takes back what the one above gave for the leaves below. inverse: (n, n_points) 1 / f(1) of each edge.
static inline __attribute__((always_inline)) void fill_child(lanes *table, const tree_shape *s, const points *p,
                                                             const inner *here, int second, size_t n_vectors)
{
    static const lanes none = {0, 0, 0, 0}, one = {1, 1, 1, 1};
    uint32_t edge = s->edge_above[here->first], child = here->first + (uint32_t)second;
    double z_above = edge == NO_NODE ? 1 : s->z[edge], z = s->z[child], share = z_above > 0 ? z / z_above : 0;
    double value = s->inner_of[child] == NO_NODE ? s->leaf_values[child] : 1;
    const lanes *inverse_above = edge == NO_NODE ? NULL : (const lanes *)s->inverses + edge * n_vectors;
    lanes *inverse = (lanes *)s->inverses + child * n_vectors;
    int passes = second ? SECOND : FIRST, fails = second ? FIRST : SECOND;
    int factor = second ? FACTOR_SECOND : FACTOR_FIRST, gives = second ? GIVES_SECOND : GIVES_FIRST;
#define PART(way, part) table[((way)*PARTS + (part)) * n_vectors + v]
    for (size_t v = 0; v < n_vectors; v++) {
        const lanes above = inverse_above ? inverse_above[v] : one, f = p->t[v] + z * p->rest[v];
        const lanes taken = (1 - z_above) * above;
        inverse[v] = 1 / f;
        PART(LOST, factor) = none + share * value;
        PART(LOST, gives) = none;
        PART(passes, factor) = f * above * value;
        PART(passes, gives) = p->weights[v] * ((1 - z) * inverse[v] - taken);
        PART(fails, factor) = z * p->rest[v] * above * value;
        PART(fails, gives) = p->weights[v] * (-p->inverse_rest[v] - taken);
    }
#undef PART
}

static inline __attribute__((always_inline)) void fill_any(const tree_shape *s, const points *p)
{
    size_t n_vectors = s->n_points / LANES;
    for (size_t k = 0; k < s->n_inner; k++) {
        lanes *table = (lanes *)s->tables + k * WAYS * PARTS * n_vectors;
        for (int second = 0; second < 2; second++) {
            if (n_vectors == 1) // so that the loop inside has a length that is known
                fill_child(table, s, p, &s->inners[k], second, 1);
            else
                fill_child(table, s, p, &s->inners[k], second, n_vectors);
        }
    }
}

static int reserve_tables(tree_shape *s, points *p, arena *a, err *e)
{
    size_t n = s->n_points;
    double *values = arena_aligned(a, 64, n, 4 * sizeof *values);
    s->tables = arena_aligned(a, 64, s->n_inner, WAYS * PARTS * n * sizeof *s->tables);
    s->inverses = arena_aligned(a, 64, s->n, n * sizeof *s->inverses);
    s->products = arena_aligned(a, 64, s->n, n * sizeof *s->products);
    s->ways = arena_alloc(a, s->n_inner, sizeof *s->ways);
    s->seconds = arena_alloc(a, s->n_inner, sizeof *s->seconds);
    if (!values || !s->tables || !s->inverses || !s->products || !s->ways || !s->seconds) return no_memory(e, s->n);
    find_points(n, values, values + n, values + 2 * n);
    for (size_t q = 0; q < n; q++) values[3 * n + q] = 1 / values[n + q];
    const lanes *vectors = (const lanes *)values;
    *p = (points){vectors, vectors + n / LANES, vectors + 2 * (n / LANES), vectors + 3 * (n / LANES)};
    return 0;
}

// Rows --------------------------------------------------------------------------------------------------------------

static inline bool holds(uint8_t mode, float v, float value)
{
    switch (mode) {
    case TREES_LEQ: return v <= value;
    case TREES_LT: return v < value;
    case TREES_GTE: return v >= value;
    case TREES_GT: return v > value;
    case TREES_EQ: return v == value;
    default: return v != value;
    }
}

static inline __attribute__((always_inline)) void find_ways(const tree_shape *s, const float *x, bool all_leq)
{
    for (size_t k = 0; k < s->n_inner; k++) {
        const inner *here = &s->inners[k];
        const float v = x[here->feature];
        uint32_t yes = all_leq ? v <= here->value : holds(here->mode, v, here->value);
        yes |= (uint32_t)(v != v) & here->missing_true;
        uint32_t second = yes == here->yes_is_second;
        s->seconds[k] = (uint8_t)second;
        s->ways[k] = FIRST; // also its own `above`, where nothing is
        s->ways[k] = (uint8_t)((s->ways[here->above] == here->way_above) * (FIRST + second));
    }
}

// Down with the products, up with the sums; sums: (n_groups) of lanes, added to.
static inline __attribute__((always_inline)) void walk(const tree_shape *s, size_t n_vectors, lanes *sums)
{
    lanes *products = (lanes *)s->products;
    const lanes *tables = (const lanes *)s->tables;
    for (size_t v = 0; v < n_vectors; v++) products[v] = (lanes){1, 1, 1, 1};
    for (size_t k = 0; k < s->n_inner; k++) {
        const inner *here = &s->inners[k];
        const lanes *table = tables + (k * WAYS + s->ways[k]) * PARTS * n_vectors;
        const lanes *from = products + here->node * n_vectors;
        lanes *to = products + here->first * n_vectors;
        for (size_t v = 0; v < n_vectors; v++) {
            to[v] = from[v] * table[FACTOR_FIRST * n_vectors + v];
            to[n_vectors + v] = from[v] * table[FACTOR_SECOND * n_vectors + v];
        }
    }
    for (size_t k = s->n_inner; k-- > 0;) {
        const inner *here = &s->inners[k];
        const lanes *table = tables + (k * WAYS + s->ways[k]) * PARTS * n_vectors;
        const lanes *from = products + here->first * n_vectors;
        lanes *to = products + here->node * n_vectors;
        lanes given = sums[here->group];
        for (size_t v = 0; v < n_vectors; v++) {
            const lanes first = from[v], second = from[n_vectors + v];
            given += first * table[GIVES_FIRST * n_vectors + v] + second * table[GIVES_SECOND * n_vectors + v];
            to[v] = first + second;
        }
        sums[here->group] = given;
    }
}

// The leaf that the row comes to.
static double arrive(const tree_shape *s)
{
    uint32_t at = 0;
    while (s->inner_of[at] != NO_NODE) at = s->inners[s->inner_of[at]].first + s->seconds[s->inner_of[at]];
    return s->leaf_values[at];
}

typedef struct rows {
    const float *x;
    size_t n, stride, n_groups;
    lanes *sums;       // (n, n_groups)
    double *explained; // (n)
} rows;

static inline __attribute__((always_inline)) void explain_rows(const tree_shape *s, const rows *r, size_t n_vectors)
{
    for (size_t i = 0; i < r->n; i++) {
        const float *x = r->x + i * r->stride;
        if (s->all_leq)
            find_ways(s, x, true);
        else
            find_ways(s, x, false);
        walk(s, n_vectors, r->sums + i * r->n_groups);
        r->explained[i] += arrive(s);
    }
}

static inline __attribute__((always_inline)) void explain_any(const tree_shape *s, const rows *r)
{
    switch (s->n_points / LANES) { // so that the loops inside have a length that is known
    case 1: explain_rows(s, r, 1); break;
    case 2: explain_rows(s, r, 2); break;
    default: explain_rows(s, r, s->n_points / LANES);
    }
}

static void explain_plain(const tree_shape *s, const points *p, const rows *r)
{
    fill_any(s, p);
    explain_any(s, r);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void explain_avx2(const tree_shape *s, const points *p, const rows *r)
{
    fill_any(s, p);
    explain_any(s, r);
}
#else
#define explain_avx2 explain_plain
#endif

static int explain_tree(const trees *t, size_t tree, size_t score, const shap_groups *groups, rows *r, double *expected,
                        arena *a, err *e)
{
    tree_shape s;
    TRY(shape_tree(&s, t, tree, score, groups, a, e));
    TRY(weigh_tree(&s, t, tree, a, e));
    *expected += s.expected;
    if (s.n_inner == 0) {
        for (size_t i = 0; i < r->n; i++) r->explained[i] += s.leaf_values[0];
        return 0;
    }
    points p;
    TRY(reserve_tables(&s, &p, a, e));
    if (cpu_level_get() >= CPU_AVX2)
        explain_avx2(&s, &p, r);
    else
        explain_plain(&s, &p, r);
    return 0;
}

// The contributions and what is expected must add up to what the row's leaves do: else there is a fault here.
static int check_sums(const trees *t, const double *values, size_t n_groups, double base, double explained,
                      double largest, err *e)
{
    double sum = base;
    for (size_t g = 0; g < n_groups; g++) sum += values[g];
    const double tolerance = 1e-9 * (largest + fabs(explained) + 1e-300);
    if (fabs(sum - explained) <= tolerance || !isfinite(explained)) return 0;
    return err_set(e, ERR_INTERNAL, "contributions add up to %.17g, not to %.17g, over %zu trees", sum, explained,
                   t->n_trees);
}

// The sum of the largest absolute leaves: what rounding is measured by.
static double largest_sum(const trees *t, size_t score)
{
    double sum = 0;
    for (size_t tree = 0; tree < t->n_trees; tree++) {
        double most = 0;
        for (size_t i = t->roots[tree]; i < tree_end(t, tree); i++) {
            double v = t->modes[i] == TREES_LEAF ? fabs(leaf_value(t, i, score)) : 0;
            if (v > most) most = v;
        }
        sum += most;
    }
    return sum;
}

static int run(const trees *t, const shap_output *outputs, rows *r, const shap_groups *groups, double *base,
               double *values, arena *scratch, err *e)
{
    size_t score = r->n ? outputs[0].score : 0;
    double expected = 0, largest = largest_sum(t, score);
    r->sums = arena_aligned(scratch, 64, r->n, groups->n * sizeof *r->sums);
    if (!r->sums) return err_set(e, ERR_MEMORY, "no memory to explain %zu rows", r->n);
    memset(r->sums, 0, r->n * groups->n * sizeof *r->sums);
    for (size_t i = 0; i < r->n; i++) r->explained[i] = 0;
    for (size_t tree = 0; tree < t->n_trees; tree++) {
        arena_mark mark = arena_get_mark(scratch);
        int rc = explain_tree(t, tree, score, groups, r, &expected, scratch, e);
        arena_rewind(scratch, mark);
        if (rc < 0) return rc;
    }
    for (size_t i = 0; i < r->n; i++) {
        const shap_output *o = &outputs[i];
        assert(o->score == score);
        base[i] = o->offset + o->sign * expected;
        r->explained[i] = o->offset + o->sign * r->explained[i];
        for (size_t g = 0; g < groups->n; g++) {
            const double *lane = (const double *)&r->sums[i * groups->n + g];
            values[i * groups->n + g] = o->sign * ((lane[0] + lane[1]) + (lane[2] + lane[3])) + 0.0; // -0 is 0
        }
        TRY(check_sums(t, values + i * groups->n, groups->n, base[i], r->explained[i], fabs(o->sign) * largest, e));
    }
    return 0;
}

int shap_run(const trees *t, const shap_output *outputs, const shap_groups *groups, const float *x, size_t n_rows,
             size_t stride, double *base, double *values, double *explained, arena *scratch, err *e)
{
    assert(t->covers && stride >= t->n_features);
    rows r = {.x = x, .n = n_rows, .stride = stride, .n_groups = groups->n, .explained = explained};
    arena_mark mark = arena_get_mark(scratch);
    int rc = run(t, outputs, &r, groups, base, values, scratch, e);
    arena_rewind(scratch, mark);
    return rc;
}
