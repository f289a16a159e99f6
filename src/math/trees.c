// Scoring with tree ensembles: plainly, and over the flattened nodes without branches.
// SPDX-License-Identifier: Apache-2.0
#include "math/trees.h"

#include <assert.h>
#include <math.h>

#include "math/scalar.h"
#include "math/trees_impl.h"

enum {
    LANES = 8,           // rows of one tree, or trees of one row, that are walked together
    ROWS_BLOCK = 128,    // rows that meet one tree after the other
    DEPTH_UNCHECKED = 6, // deeper trees look whether all lanes have ended
};

size_t trees_n_features(const trees *t)
{
    return t->n_features;
}

size_t trees_n_scores(const trees *t)
{
    return t->n_scores;
}

// The end of a row: base values, the class, the link ----------------------------------------------------------------

static bool is_there(float score) // whether a leaf had a weight for it: see plus_zero()
{
    return score != 0 || !signbit(score);
}

static float logistic(float x)
{
    float v = 1 / (1 + exp_f32(-fabsf(x)));
    return x < 0 ? 1 - v : v;
}

// The inverse of the error function by Winitzki's approximation, with the constants that onnxruntime has.
static float probit(float p)
{
    float x = 2 * p - 1, sign = x < 0 ? -1.0f : 1.0f;
    float l = log_f32((1 - x) * (1 + x));
    float v = 2 / (3.14159f * 0.147f) + 0.5f * l;
    return 1.41421356f * (sign * sqrtf(-v + sqrtf(v * v - 1 / 0.147f * l)));
}

static void softmax(float *s, size_t n, bool skip_zero)
{
    float most = s[0], sum = 0;
    for (size_t k = 1; k < n; k++)
        if (s[k] > most) most = s[k];
    for (size_t k = 0; k < n; k++) {
        if (skip_zero && s[k] >= -1e-7f && s[k] <= 1e-7f) { // as good as zero: it stays that
            s[k] *= exp_f32(-most);
            continue;
        }
        s[k] = exp_f32(s[k] - most);
        sum += s[k];
    }
    for (size_t k = 0; k < n; k++) s[k] /= sum;
}

static void apply_link(trees_link link, float *s, size_t n)
{
    switch (link) {
    case TREES_LOGISTIC:
        for (size_t k = 0; k < n; k++) s[k] = logistic(s[k]);
        break;
    case TREES_PROBIT:
        for (size_t k = 0; k < n; k++) s[k] = probit(s[k]);
        break;
    case TREES_SOFTMAX: softmax(s, n, false); break;
    case TREES_SOFTMAX_ZERO: softmax(s, n, true); break;
    default: break;
    }
}

static void drop_absent(float *s, size_t n)
{
    for (size_t k = 0; k < n; k++) s[k] += 0.0f; // -0 becomes 0
}

// Without any weight, one of several targets is 0, whatever its base value; a single one is its base value.
#define DEFINE_FINISH_VALUES(T, suffix, base_of)                         \
    static void finish_values_##suffix(const trees *t, T *s)             \
    {                                                                    \
        for (size_t k = 0; k < t->n_scores; k++) {                       \
            bool absent = s[k] == 0 && signbit(s[k]) && t->n_scores > 1; \
            s[k] += 0;                                                   \
            if (absent) continue;                                        \
            if (t->join == TREES_AVERAGE) s[k] /= (T)t->n_trees;         \
            if (t->n_base == t->n_scores) s[k] += t->base_of[k];         \
        }                                                                \
    }
DEFINE_FINISH_VALUES(float, f32, base)
DEFINE_FINISH_VALUES(double, f64, base_f64)

// A single target knows no other link than PROBIT.
static void link_values(const trees *t, float *s)
{
    if (t->n_scores > 1 || t->link == TREES_PROBIT) apply_link(t->link, s, t->n_scores);
}

// Two classes, where onnxruntime has rules of its own. If all weights are for one class id, that score alone decides:
// above a half where no weight is negative, else above zero. If both classes have scores, the second one decides, above
// zero. Whether the second is there at all depends on the leaves that were reached.
static int32_t finish_binary(const trees *t, float *s)
{
    bool second = is_there(s[1]), first = is_there(s[0]), alone = false, complement = false, negate = t->n_base == 0;
    if (t->n_base == 2) {
        if (second) {
            s[1] = t->base[1] + (first ? s[0] : 0);
            s[0] = first ? -s[1] : -0.0f;
        } else {
            s[0] = first ? s[0] + t->base[0] : -0.0f;
        }
    } else {
        if (t->n_base == 1 && first) s[0] += t->base[0];
        alone = !second;
    }
    float decides = second ? s[1] : first ? s[0] : 0;
    int32_t label;
    if (t->one_class_id && t->all_positive) {
        label = decides > 0.5f;
        complement = true;
        negate = false;
    } else {
        label = decides > 0;
        if (t->one_class_id) negate = true;
    }
    drop_absent(s, 2);
    if (!alone) {
        apply_link(t->link, s, 2);
        return label;
    }
    float only = s[0];
    if (t->link == TREES_PROBIT) {
        s[0] = probit(only);
        s[1] = 0;
    } else if ((complement || negate) && t->link == TREES_LOGISTIC) {
        s[0] = logistic(-only);
        s[1] = logistic(only);
    } else if (complement) {
        s[0] = 1 - only;
        s[1] = only;
    } else if (negate) {
        s[0] = first ? -only : 0;
        s[1] = only;
    }
    return label;
}

static int32_t finish_classes(const trees *t, float *s)
{
    if (t->n_scores == 2) return finish_binary(t, s);
    int32_t best = -1;
    for (size_t k = 0; k < t->n_scores; k++) {
        if (t->n_base) s[k] = is_there(s[k]) ? s[k] + t->base[k] : plus_zero(t->base[k]);
        if (is_there(s[k]) && (best < 0 || s[k] > s[best])) best = (int32_t)k;
    }
    drop_absent(s, t->n_scores);
    apply_link(t->link, s, t->n_scores);
    return best < 0 ? 0 : best;
}

static void finish(const trees *t, float *scores, size_t n_rows, int32_t *labels)
{
    for (size_t r = 0; r < n_rows; r++) {
        if (!t->classify) {
            finish_values_f32(t, scores + r * t->n_scores);
            link_values(t, scores + r * t->n_scores);
            continue;
        }
        int32_t label = finish_classes(t, scores + r * t->n_scores);
        if (labels) labels[r] = label;
    }
}

// Plain -------------------------------------------------------------------------------------------------------------

#define DEFINE_PLAIN(T, suffix, values_of, weights_of)                                       \
    static uint32_t walk_##suffix(const trees *t, const T *x, size_t tree)                   \
    {                                                                                        \
        uint32_t at = t->roots[tree];                                                        \
        while (t->modes[at] != TREES_LEAF) {                                                 \
            const T v = x[t->features[at]], value = t->values_of[at];                        \
            bool yes = false;                                                                \
            switch (t->modes[at]) {                                                          \
            case TREES_LEQ: yes = v <= value; break;                                         \
            case TREES_LT: yes = v < value; break;                                           \
            case TREES_GTE: yes = v >= value; break;                                         \
            case TREES_GT: yes = v > value; break;                                           \
            case TREES_EQ: yes = v == value; break;                                          \
            default: yes = v != value; break;                                                \
            }                                                                                \
            if (v != v && t->missing_true[at]) yes = true;                                   \
            at = yes ? t->yes[at] : t->no[at];                                               \
        }                                                                                    \
        return at;                                                                           \
    }                                                                                        \
    static void join_##suffix(const trees *t, uint32_t leaf, T *s)                           \
    {                                                                                        \
        for (uint32_t i = t->weight_from[leaf]; i < t->weight_from[leaf + 1]; i++) {         \
            T *to = &s[t->weight_scores[i]];                                                 \
            const T w = t->weights_of[i];                                                    \
            bool first = *to == 0 && signbit(*to);                                           \
            switch (t->join) {                                                               \
            case TREES_MIN: *to = first || w < *to ? w : *to; break;                         \
            case TREES_MAX: *to = first || w > *to ? w : *to; break;                         \
            default: *to += w; break;                                                        \
            }                                                                                \
        }                                                                                    \
    }                                                                                        \
    static void score_##suffix(const trees *t, const T *x, T *s)                             \
    {                                                                                        \
        for (size_t k = 0; k < t->n_scores; k++) s[k] = (T)-0.0f;                            \
        for (size_t i = 0; i < t->n_trees; i++) join_##suffix(t, walk_##suffix(t, x, i), s); \
    }
DEFINE_PLAIN(float, f32, values, weights)
DEFINE_PLAIN(double, f64, values_f64, weights_f64)

void trees_run_plain(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores, int32_t *labels)
{
    for (size_t r = 0; r < n_rows; r++) score_f32(t, x + r * stride, scores + r * t->n_scores);
    finish(t, scores, n_rows, labels);
}

void trees_run_f64(const trees *t, const double *x, size_t n_rows, size_t stride, float *scores, int32_t *labels,
                   double *scratch)
{
    assert(t->values_f64);
    for (size_t r = 0; r < n_rows; r++) {
        float *to = scores + r * t->n_scores;
        score_f64(t, x + r * stride, scratch);
        if (!t->classify) finish_values_f64(t, scratch);
        for (size_t k = 0; k < t->n_scores; k++) to[k] = (float)scratch[k];
        if (t->classify)
            finish(t, to, 1, labels ? labels + r : NULL);
        else
            link_values(t, to);
    }
}

// Flattened ---------------------------------------------------------------------------------------------------------

// One step of all lanes. Where they stand is in variables of the caller's, which the compiler can keep in registers; in
// an array that somebody else sees, every step would be stored.
#define STEP_LANES(here, x_of, mask, is_mixed, note)                                                \
    for (int l = 0; l < LANES; l++) {                                                               \
        const float v = (x_of)[here[l]->feature & (mask)];                                          \
        uint32_t second = v <= here[l]->value;                                                      \
        const uint32_t child = here[l]->child;                                                      \
        if (is_mixed) second |= (uint32_t)(v != v) & (uint32_t)((here[l]->feature & ~(mask)) != 0); \
        here[l] += child + second;                                                                  \
        note;                                                                                       \
    }

// LANES walks at once: each step of one waits for memory, so they hide each other's waiting. Lanes start at at[] and
// read x_of, which may name the lane `l`; they end in leaves, where further steps change nothing.
#define DEFINE_DESCEND(name, node_t, mask, is_mixed, x_t, x_of)                                  \
    static inline void name(const node_t *nodes, x_t x, uint32_t at[LANES], uint32_t depth)      \
    {                                                                                            \
        const node_t *here[LANES];                                                               \
        uint32_t moved = 1;                                                                      \
        for (int l = 0; l < LANES; l++) here[l] = nodes + at[l];                                 \
        uint32_t unchecked = depth < DEPTH_UNCHECKED ? depth : DEPTH_UNCHECKED;                  \
        for (uint32_t d = 0; d < unchecked; d++) STEP_LANES(here, x_of, mask, is_mixed, (void)0) \
        for (uint32_t d = unchecked; d < depth && moved; d++) {                                  \
            moved = 0;                                                                           \
            STEP_LANES(here, x_of, mask, is_mixed, moved |= child)                               \
        }                                                                                        \
        for (int l = 0; l < LANES; l++) at[l] = (uint32_t)(here[l] - nodes);                     \
    }
typedef const float *const *lane_rows;
DEFINE_DESCEND(descend_narrow, narrow, 0xFFFFu, false, lane_rows, x[l])
DEFINE_DESCEND(descend_narrow_mixed, narrow, 0x7FFFu, true, lane_rows, x[l])
DEFINE_DESCEND(descend_wide, wide, 0xFFFFFFFFu, false, lane_rows, x[l])
DEFINE_DESCEND(descend_wide_mixed, wide, 0x7FFFFFFFu, true, lane_rows, x[l])
DEFINE_DESCEND(descend_narrow_row, narrow, 0xFFFFu, false, const float *, x)
DEFINE_DESCEND(descend_narrow_row_mixed, narrow, 0x7FFFu, true, const float *, x)
DEFINE_DESCEND(descend_wide_row, wide, 0xFFFFFFFFu, false, const float *, x)
DEFINE_DESCEND(descend_wide_row_mixed, wide, 0x7FFFFFFFu, true, const float *, x)

static void descend(const trees *t, lane_rows rows, uint32_t at[LANES], uint32_t depth)
{
    if (t->narrow_nodes) {
        if (t->mixed)
            descend_narrow_mixed(t->narrow_nodes, rows, at, depth);
        else
            descend_narrow(t->narrow_nodes, rows, at, depth);
    } else {
        if (t->mixed)
            descend_wide_mixed(t->wide_nodes, rows, at, depth);
        else
            descend_wide(t->wide_nodes, rows, at, depth);
    }
}

static void descend_row(const trees *t, const float *x, uint32_t at[LANES], uint32_t depth)
{
    if (t->narrow_nodes) {
        if (t->mixed)
            descend_narrow_row_mixed(t->narrow_nodes, x, at, depth);
        else
            descend_narrow_row(t->narrow_nodes, x, at, depth);
    } else {
        if (t->mixed)
            descend_wide_row_mixed(t->wide_nodes, x, at, depth);
        else
            descend_wide_row(t->wide_nodes, x, at, depth);
    }
}

static inline void add_leaf(const trees *t, uint32_t leaf, float *s)
{
    if (t->n_uniform == 1) {
        s[t->uniform_scores[0]] += t->leaf_weights[t->leaf_rows[leaf]];
    } else if (t->n_uniform) {
        const float *w = t->leaf_weights + (size_t)t->leaf_rows[leaf] * t->n_uniform;
        for (size_t k = 0; k < t->n_uniform; k++) s[t->uniform_scores[k]] += w[k];
    } else {
        join_f32(t, leaf, s);
    }
}

// The leaves of one row's trees, in their order.
static inline void add_leaves(const trees *t, const uint32_t *leaves, size_t n, float *s)
{
    if (t->n_uniform == 1) {
        const float *weights = t->leaf_weights;
        const uint32_t *leaf_rows = t->leaf_rows;
        float sum = s[t->uniform_scores[0]];
        for (size_t l = 0; l < n; l++) sum += weights[leaf_rows[leaves[l]]];
        s[t->uniform_scores[0]] = sum;
        return;
    }
    for (size_t l = 0; l < n; l++) add_leaf(t, leaves[l], s);
}

// One row: LANES trees at once, their leaves added in order.
static void score_row(const trees *t, const float *x, float *s)
{
    for (size_t first = 0; first < t->n_trees; first += LANES) {
        uint32_t at[LANES], depth = 0;
        size_t n = t->n_trees - first < LANES ? t->n_trees - first : LANES;
        for (size_t l = 0; l < LANES; l++) { // lanes without a tree walk the last one again
            size_t tree = first + (l < n ? l : n - 1);
            at[l] = t->roots[tree];
            if (t->depths[tree] > depth) depth = t->depths[tree];
        }
        descend_row(t, x, at, depth);
        add_leaves(t, at, n, s);
    }
}

// A block of rows: LANES rows of one tree at once, tree after tree.
static void score_block(const trees *t, const float *x, size_t n_rows, size_t stride, float *s)
{
    for (size_t tree = 0; tree < t->n_trees; tree++)
        for (size_t first = 0; first < n_rows; first += LANES) {
            uint32_t at[LANES];
            const float *rows[LANES];
            size_t n = n_rows - first < LANES ? n_rows - first : LANES;
            for (size_t l = 0; l < LANES; l++) {
                at[l] = t->roots[tree];
                rows[l] = x + (first + (l < n ? l : n - 1)) * stride;
            }
            descend(t, rows, at, t->depths[tree]);
            for (size_t l = 0; l < n; l++) add_leaf(t, at[l], s + (first + l) * t->n_scores);
        }
}

void trees_run(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores, int32_t *labels)
{
    if (!t->narrow_nodes && !t->wide_nodes) {
        trees_run_plain(t, x, n_rows, stride, scores, labels);
        return;
    }
    for (size_t k = 0; k < n_rows * t->n_scores; k++) scores[k] = -0.0f;
    if (t->shallow) shallow_run(t, x, n_rows, stride, scores);
    for (size_t r = 0; r < n_rows && !t->shallow; r += ROWS_BLOCK) {
        size_t n = n_rows - r < ROWS_BLOCK ? n_rows - r : ROWS_BLOCK;
        if (n < LANES) {
            for (size_t k = 0; k < n; k++) score_row(t, x + (r + k) * stride, scores + (r + k) * t->n_scores);
        } else {
            score_block(t, x + r * stride, n, stride, scores + r * t->n_scores);
        }
    }
    finish(t, scores, n_rows, labels);
}
