// Bytes to be read from any place: memory, or a regular file, which is never mapped, so that a file that shrinks is an
// error and not a fault, and pages of the file do not count as ours.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_SOURCE_IMPL_H
#define SLIPWAY_DATA_SOURCE_IMPL_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

typedef struct source { // any thread
    const char *text;   // borrowed; NULL: the file
    int fd;             // borrowed
    size_t len;
} source;

// len bytes from offset, both inside the source: a view of memory, or read into `buffer`, which has room.
MUST_CHECK int source_view(const source *s, size_t offset, size_t len, char *buffer, str *out, err *e);

#endif
