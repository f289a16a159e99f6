// A cursor over bytes from outside that knows what remains. Little endian unless the name says otherwise.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_BYTES_H
#define SLIPWAY_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

// Borrows the bytes until the cursor is dropped. One thread at a time.
typedef struct bytes {
    const uint8_t *start, *at, *end;
} bytes;

static inline bytes bytes_of(const void *data, size_t len)
{
    const uint8_t *p = data;
    return (bytes){.start = p, .at = p, .end = p ? p + len : p};
}

static inline size_t bytes_left(const bytes *b)
{
    return (size_t)(b->end - b->at);
}

static inline int64_t bytes_at(const bytes *b) // offset from the start, for errors
{
    return b->at - b->start;
}

// All: ERR_FORMAT with the offset if fewer bytes remain; then the cursor has not moved.
MUST_CHECK int bytes_u8(bytes *b, uint8_t *out, err *e);
MUST_CHECK int bytes_u32(bytes *b, uint32_t *out, err *e);
MUST_CHECK int bytes_u64(bytes *b, uint64_t *out, err *e);
MUST_CHECK int bytes_f32(bytes *b, float *out, err *e);
MUST_CHECK int bytes_f64(bytes *b, double *out, err *e);
MUST_CHECK int bytes_varint(bytes *b, uint64_t *out, err *e); // base 128, at most 10 bytes, as protocol buffers have it
MUST_CHECK int bytes_skip(bytes *b, uint64_t n, err *e);
MUST_CHECK int bytes_take(bytes *b, uint64_t n, str *out, err *e);    // a view of the next n bytes
MUST_CHECK int bytes_slice(bytes *b, uint64_t n, bytes *out, err *e); // a cursor over the next n; offsets as in b

#endif
