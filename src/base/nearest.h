// The nearest of some names, for "did you mean".
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_NEAREST_H
#define SLIPWAY_BASE_NEAREST_H

#include <stddef.h>

// The one of `names` (entries may be NULL) with the fewest edits from `name`: characters inserted, removed, replaced,
// or swapped with their neighbour; upper and lower case of ASCII are the same. The first wins a tie. NULL if none is
// near: more than a third of the longer name is edited. Bytes past the first 128 of a name are not looked at.
const char *nearest_name(const char *name, const char *const *names, size_t n);

#endif
