// A registry in a folder of its own, for each test of a group.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_REGISTRY_PLACE_H
#define SLIPWAY_TESTS_HELPERS_REGISTRY_PLACE_H

#include "base/files.h"
#include "base/mem.h"
#include "check.h"
#include "registry/registry.h"

typedef struct place {
    char *folder; // of the test
    char *dir;    // of the registry in it
    registry *r;
} place;

static inline int place_set_up(void **state)
{
    place *p = mem_zalloc(1, sizeof *p);
    err e = ERR_NONE;
    p->folder = check_folder();
    p->dir = path_join(p->folder, "data");
    check_ok(registry_open(&p->r, p->dir, NULL, &e), &e);
    *state = p;
    return 0;
}

static inline int place_tear_down(void **state)
{
    place *p = *state;
    registry_close(p->r);
    check_folder_free(p->folder);
    mem_free(p->dir);
    mem_free(p);
    return 0;
}

#endif
