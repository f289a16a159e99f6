// The two ways of searching a split against each other (same bits), and against the definition, computed in float64
// over every threshold.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <math.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tree/search.h"

enum { ROUNDS = 400, ROWS_MAX = 120, CLASSES_MAX = 5 };

typedef struct problem {
    size_t n_rows, n_classes;
    tree_criterion criterion;
    uint64_t leaf_rows_min, leaf_weight_min;
    float x[ROWS_MAX];
    tree_item items[ROWS_MAX];
} problem;

static problem draw(rng *r)
{
    problem p = {.n_rows = 1 + rng_below(r, ROWS_MAX),
                 .criterion = (tree_criterion)rng_below(r, CRITERIA_N),
                 .leaf_rows_min = 1 + rng_below(r, 4)};
    p.n_classes = p.criterion == CRITERION_SQUARED ? 0 : 2 + rng_below(r, CLASSES_MAX - 1);
    if (rng_below(r, 2)) p.leaf_weight_min = rng_below(r, 20);
    uint64_t n_distinct = 1 + rng_below(r, ROWS_MAX), missing = rng_below(r, 3);
    for (size_t row = 0; row < p.n_rows; row++) {
        p.x[row] = (float)rng_below(r, n_distinct) / 7;
        if (missing > 0 && rng_below(r, 4) < missing) p.x[row] = NAN;
        int64_t target = p.n_classes ? (int64_t)rng_below(r, p.n_classes) : (int64_t)rng_below(r, 2000) - 1000;
        p.items[row] = (tree_item){.row = (uint32_t)row, .weight = 1 + (uint32_t)rng_below(r, 5), .target = target};
    }
    return p;
}

static bool run(const problem *p, const ranks *ranked, search_way way, tree_split *best)
{
    search *s;
    err e = ERR_NONE;
    search_options o = {.ranks = ranked,
                        .criterion = p->criterion,
                        .n_classes = p->n_classes,
                        .leaf_rows_min = p->leaf_rows_min,
                        .leaf_weight_min = p->leaf_weight_min,
                        .items_max = p->n_rows,
                        .weight_max = p->n_rows * 5,
                        .way = way};
    check_ok(search_new(&s, &o, &e), &e);
    tree_side node = search_enter(s, p->items, p->n_rows);
    *best = (tree_split){.feature = -1};
    bool useful = search_feature(s, p->items, p->n_rows, &node, 0, best);
    // Searching again must see the same: scratch is given back as it was.
    tree_split again = {.feature = -1};
    assert_int_equal(search_feature(s, p->items, p->n_rows, &node, 0, &again), useful);
    assert_int_equal(again.feature, best->feature);
    assert_int_equal(again.cut, best->cut);
    search_leave(s, p->items, p->n_rows);
    search_free(s);
    return useful;
}

// Of the rows on one side: (score by the criterion's definition), or NAN if the side is too small.
static double side_score(const problem *p, const bool *chosen, bool side)
{
    double by_class[CLASSES_MAX] = {0}, sum = 0, weight = 0;
    size_t n = 0;
    for (size_t row = 0; row < p->n_rows; row++) {
        if (chosen[row] != side) continue;
        n++;
        weight += p->items[row].weight;
        if (p->n_classes)
            by_class[p->items[row].target] += p->items[row].weight;
        else
            sum += (double)p->items[row].weight * (double)p->items[row].target;
    }
    if (n < p->leaf_rows_min || weight < (double)p->leaf_weight_min) return NAN;
    if (p->criterion == CRITERION_SQUARED) return sum * sum / weight;
    double score = 0;
    for (size_t k = 0; k < p->n_classes; k++) {
        if (by_class[k] == 0) continue;
        score += p->criterion == CRITERION_GINI ? by_class[k] * by_class[k] / weight
                                                : by_class[k] * log2(by_class[k] / weight) * (1 << 24);
    }
    return score;
}

// The best score over all thresholds and both directions of what is missing; NAN if no split is allowed.
static double best_score(const problem *p)
{
    double best = NAN;
    for (size_t at = 0; at < p->n_rows; at++) {
        for (int missing_left = 0; missing_left < 2; missing_left++) {
            if (isnan(p->x[at])) continue;
            bool left[ROWS_MAX];
            size_t n_left = 0;
            for (size_t row = 0; row < p->n_rows; row++) {
                left[row] = isnan(p->x[row]) ? missing_left : p->x[row] <= p->x[at];
                n_left += left[row];
            }
            if (n_left == 0 || n_left == p->n_rows) continue;
            double score = side_score(p, left, true) + side_score(p, left, false);
            if (!isnan(score) && !(score <= best)) best = score;
        }
    }
    return best;
}

// The score of the split as a tree would apply it.
static double score_of(const problem *p, const tree_split *s)
{
    bool left[ROWS_MAX];
    for (size_t row = 0; row < p->n_rows; row++)
        left[row] = isnan(p->x[row]) ? s->missing_left : p->x[row] <= s->threshold;
    return side_score(p, left, true) + side_score(p, left, false);
}

static void test_ways(void **state)
{
    (void)state;
    rng r = rng_new(check_seed(), 0);
    for (int round = 0; round < ROUNDS; round++) {
        problem p = draw(&r);
        ranks ranked;
        err e = ERR_NONE;
        check_ok(ranks_make(&ranked, p.x, p.n_rows, 1, NULL, &e), &e);
        tree_split counted, sorted;
        bool useful = run(&p, &ranked, SEARCH_COUNT, &counted);
        assert_int_equal(run(&p, &ranked, SEARCH_SORT, &sorted), useful);
        assert_int_equal(counted.feature, sorted.feature);
        if (!useful) assert_int_equal(counted.feature, -1);
        double want = best_score(&p);
        assert_int_equal(isnan(want), counted.feature < 0);
        if (counted.feature >= 0) {
            assert_int_equal(counted.cut, sorted.cut);
            assert_int_equal(counted.missing_left, sorted.missing_left);
            assert_true(counted.threshold == sorted.threshold && counted.score == sorted.score);
            // Logarithms are rounded to 2^-24 each; the rest is float64 over at most 120 rows.
            double tolerance = p.criterion == CRITERION_ENTROPY ? 2 * ROWS_MAX : 1e-9 * (1 + fabs(want));
            assert_true(fabs(counted.score - want) <= tolerance);
            assert_true(fabs(score_of(&p, &counted) - want) <= tolerance);
        }
        ranks_clear(&ranked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
