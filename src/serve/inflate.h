// Compressed request bodies.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_INFLATE_H
#define SLIPWAY_SERVE_INFLATE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

// One gzip member and nothing after it, into the arena. More than len_max bytes: ERR_LIMIT, at once and not after the
// whole bomb. Broken or with bytes after it: ERR_FORMAT.
MUST_CHECK int inflate_gzip(str in, size_t len_max, str *out, arena *a, err *e);

#endif
