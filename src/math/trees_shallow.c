// Shallow trees without walking: all comparisons of a tree at once, the features in registers, then the leaf from the
// mask of their answers. Trees are filled up to complete ones, whose node i has its children at 2i + 1 and 2i + 2.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "math/cpu.h"
#include "math/trees_impl.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum {
    LANES = 16,
    LEVELS_MIN = 4,    // 15 nodes: one register
    LEVELS_MAX = 6,    // 63 nodes: their answers fit one word
    FEATURES_MAX = 32, // two registers
    FILL_MAX = 4,      // on the whole, filled trees take at most that many times the nodes there are
};

// Trees with one weight a leaf, all for the same score.
struct shallow {
    uint32_t levels;
    __mmask16 low, high; // features that are there
    float *values;       // (n_trees, 1 << levels); NaN where there is no node, so that its first child is taken
    uint8_t *features;   // (n_trees, 1 << levels)
    float *weights;      // (n_trees, 1 << levels), of the leaves from left to right
};

// A leaf above the last level is every leaf below it.
static void fill(const shallow *s, const trees *t, size_t tree, uint32_t node, uint32_t place, uint32_t level)
{
    size_t from = tree << s->levels;
    uint32_t n_nodes = (1u << s->levels) - 1;
    const narrow *n = &t->narrow_nodes[node];
    if (level == s->levels) {
        s->weights[from + place - n_nodes] = t->leaf_weights[t->leaf_rows[node]];
        return;
    }
    bool leaf = n->child == 0;
    s->values[from + place] = leaf ? NAN : n->value;
    s->features[from + place] = leaf ? 0 : (uint8_t)n->feature;
    fill(s, t, tree, node + n->child, 2 * place + 1, level + 1);
    fill(s, t, tree, node + n->child + !leaf, 2 * place + 2, level + 1);
}

int shallow_make(trees *t, arena *a, err *e)
{
    uint32_t levels = LEVELS_MIN;
    if (cpu_level_get() < CPU_AVX512 || !t->narrow_nodes || t->mixed || t->n_uniform != 1 ||
        t->n_features > FEATURES_MAX)
        return 0;
    for (size_t tree = 0; tree < t->n_trees; tree++)
        if (t->depths[tree] > levels) levels = t->depths[tree];
    if (levels > LEVELS_MAX || t->n_trees << levels > FILL_MAX * t->n_nodes) return 0;
    size_t n = t->n_trees << levels;
    shallow *s = arena_alloc(a, 1, sizeof *s);
    float *values = arena_aligned(a, 64, n, sizeof *values), *weights = arena_aligned(a, 64, n, sizeof *weights);
    uint8_t *features = arena_zalloc(a, n, 1);
    if (!s || !values || !weights || !features)
        return err_set(e, ERR_MEMORY, "no memory for %zu filled trees", t->n_trees);
    uint32_t there = t->n_features == FEATURES_MAX ? UINT32_MAX : (1u << t->n_features) - 1;
    *s = (shallow){.levels = levels,
                   .low = (__mmask16)there,
                   .high = (__mmask16)(there >> LANES),
                   .values = values,
                   .features = features,
                   .weights = weights};
    for (size_t i = 0; i < n; i++) values[i] = NAN;
    for (size_t tree = 0; tree < t->n_trees; tree++) fill(s, t, tree, t->roots[tree], 0, 0);
    t->shallow = s;
    return 0;
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,bmi,bmi2")))

AVX512 static inline __attribute__((always_inline)) float score_row(const shallow *s, size_t n_trees, uint32_t levels,
                                                                    const float *x, float sum)
{
    __m512 low = _mm512_maskz_loadu_ps(s->low, x);
    __m512 high = s->high ? _mm512_maskz_loadu_ps(s->high, x + LANES) : _mm512_setzero_ps();
    for (size_t tree = 0; tree < n_trees; tree++) {
        size_t from = tree << levels;
        uint64_t yes = 0;
        for (uint32_t i = 0; i < 1u << levels; i += LANES) {
            __m512i which = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(s->features + from + i)));
            __m512 v = _mm512_permutex2var_ps(low, which, high);
            yes |= (uint64_t)_mm512_cmp_ps_mask(v, _mm512_load_ps(s->values + from + i), _CMP_LE_OQ) << i;
        }
        uint64_t at = 0;
        for (uint32_t level = 0; level < levels; level++) at = 2 * at + 1 + (yes >> at & 1);
        sum += s->weights[from + at - ((1u << levels) - 1)];
    }
    return sum;
}

AVX512 void shallow_run(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores)
{
    const shallow *s = t->shallow;
    float *to = scores + t->uniform_scores[0];
    for (size_t r = 0; r < n_rows; r++, x += stride, to += t->n_scores) {
        switch (s->levels) { // so that the loops inside have a length that is known
        case 4: *to = score_row(s, t->n_trees, 4, x, *to); break;
        case 5: *to = score_row(s, t->n_trees, 5, x, *to); break;
        default: *to = score_row(s, t->n_trees, 6, x, *to);
        }
    }
}
#else
int shallow_make(trees *t, arena *a, err *e)
{
    (void)t;
    (void)a;
    (void)e;
    return 0;
}

void shallow_run(const trees *t, const float *x, size_t n_rows, size_t stride, float *scores)
{
    (void)t;
    (void)x;
    (void)n_rows;
    (void)stride;
    (void)scores;
}
#endif
