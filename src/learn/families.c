// The families there are.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "learn/family.h"
#include "learn/forest/forest.h"

static const family_row *const rows[] = {
    &forest_family,
};
enum { N_ROWS = sizeof rows / sizeof *rows };

const family_row *family_find(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

const family_row *const *family_rows(size_t *n)
{
    *n = N_ROWS;
    return rows;
}
