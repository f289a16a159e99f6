// Optimal string alignment: edit distance with swaps of neighbours, three rows of its table at a time.
// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"

#include <string.h>

enum { LENGTH_MAX = 128 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t table[3][LENGTH_MAX + 1];
    size_t *before = table[0], *last = table[1], *row = table[2];
    for (size_t j = 0; j <= b_len; j++) last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            size_t cost = smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2])) cost = smaller(cost, before[j - 2] + 1);
            row[j] = cost;
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_len];
}

const char *nearest_name(const char *name, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t best_distance = 0;
    size_t len = strnlen(name, LENGTH_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!names[i]) continue;
        size_t other = strnlen(names[i], LENGTH_MAX);
        size_t d = distance(name, len, names[i], other);
        if (d * 3 > (len > other ? len : other)) continue;
        if (best && d >= best_distance) continue;
        best = names[i];
        best_distance = d;
    }
    return best;
}
