// How the target's type and values choose between classes and measures.
// SPDX-License-Identifier: Apache-2.0
#include "recipe/tabular.h"

// Different values that are there, counted to one past CLASS_NUMBERS_MAX.
static size_t count_different(const int64_t *values, size_t n)
{
    int64_t seen[CLASS_NUMBERS_MAX + 1];
    size_t n_seen = 0;
    for (size_t i = 0; i < n && n_seen <= CLASS_NUMBERS_MAX; i++) {
        if (values[i] == FRAME_I64_MISSING) continue;
        size_t k = 0;
        while (k < n_seen && seen[k] != values[i]) k++;
        if (k == n_seen) seen[n_seen++] = values[i];
    }
    return n_seen;
}

bool values_are_classes(const column *c, size_t n_rows)
{
    if (c->type == COLUMN_CATEGORY || c->type == COLUMN_BOOLEAN) return true;
    if (c->type != COLUMN_INTEGER) return false;
    size_t n = count_different(c->i64, n_rows);
    return n <= CLASS_NUMBERS_MAX && 2 * n <= n_rows - c->n_missing;
}

bool values_are_measures(const column *c, size_t n_rows)
{
    return c->type == COLUMN_REAL || (c->type == COLUMN_INTEGER && !values_are_classes(c, n_rows));
}
