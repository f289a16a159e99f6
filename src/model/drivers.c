// The table of drivers.
// SPDX-License-Identifier: Apache-2.0
#include "model/driver.h"

#include <string.h>

#include "model/once.h"

static const driver_row *const rows[] = {&driver_once};

const driver_row *driver_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    return NULL;
}

const driver_row *const *driver_rows(size_t *n)
{
    *n = sizeof rows / sizeof *rows;
    return rows;
}
