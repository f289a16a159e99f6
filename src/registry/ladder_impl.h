// The ladder: steps that bring a database from one version of the format to the next.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_LADDER_IMPL_H
#define SLIPWAY_REGISTRY_LADDER_IMPL_H

#include "registry/db_impl.h"

enum { REGISTRY_APPLICATION = 0x534C5057, REGISTRY_VERSION = 3 };

typedef struct ladder {
    size_t n;                 // versions that are known; step i leads from version i to i + 1
    const char *const *steps; // SQL
} ladder;

extern const ladder ladder_current; // REGISTRY_VERSION steps

// Refuses what is not ours (ERR_UNSUPPORTED: another application, or newer; ERR_CORRUPT: no database). Changes nothing.
MUST_CHECK int ladder_check(const ladder *l, db *d, const char *path, int64_t *version, err *e);

// From `version` to the top in one transaction; from a version above 0 after a copy to "PATH.before-N". Under an
// exclusive lock.
MUST_CHECK int ladder_climb(const ladder *l, db *d, const char *path, int64_t version, err *e);

#endif
