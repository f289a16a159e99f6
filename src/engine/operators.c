// The table of operators: every group's rows, sorted by name, so that a million nodes find theirs in no time.
// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/operator.h"
#include "engine/ops/groups.h"

enum { ROWS_MAX = 256 };

static const op_group *const groups[] = {
    &ops_elementwise, &ops_cast, &ops_shape, &ops_reduce, &ops_product, &ops_columns, &ops_labels, &ops_trees,
};

static const op_row *sorted[ROWS_MAX];
static size_t n_sorted;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int compare_names(const char *domain, const char *name, const op_row *row)
{
    int order = strcmp(domain, row->domain);
    return order ? order : strcmp(name, row->name);
}

static int compare_rows(const void *a, const void *b)
{
    const op_row *x = *(const op_row *const *)a, *y = *(const op_row *const *)b;
    int order = compare_names(x->domain, x->name, y);
    return order ? order : (x->since > y->since) - (x->since < y->since);
}

static void sort_once(void)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < groups[g]->n && n_sorted < ROWS_MAX; i++) sorted[n_sorted++] = &groups[g]->rows[i];
    qsort(sorted, n_sorted, sizeof *sorted, compare_rows);
}

const op_row *const *operator_rows(size_t *n)
{
    pthread_once(&once, sort_once);
    *n = n_sorted;
    return sorted;
}

const op_row *operator_find(const char *domain, const char *name, int64_t version)
{
    pthread_once(&once, sort_once);
    int64_t newest = strcmp(domain, "ai.onnx.ml") == 0 ? OPERATOR_OPSET_NEWEST_ML : OPERATOR_OPSET_NEWEST;
    if (version < 1 || version > newest) return NULL;
    size_t low = 0, high = n_sorted; // the first row of that name
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_names(domain, name, sorted[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < n_sorted && compare_names(domain, name, sorted[low]) == 0; low++)
        if (sorted[low]->since <= version && (sorted[low]->until == 0 || version <= sorted[low]->until))
            return sorted[low];
    return NULL;
}
