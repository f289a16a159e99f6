// A buffer that grows, up to the ceiling that it was born with.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_BUF_H
#define SLIPWAY_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

// One thread at a time. `failed` is sticky: writers need not look at every call, only once at the end (buf_check).
typedef struct buf {
    char *data; // owned
    size_t len, cap, ceiling;
    int failed; // 0, ERR_MEMORY or ERR_LIMIT
} buf;

void buf_init(buf *b, size_t ceiling); // takes no memory yet
void buf_clear(buf *b);                // gives the memory back
static inline void buf_reset(buf *b)   // empties it, keeps the memory
{
    b->len = 0;
    b->failed = 0;
}

// Room for n more bytes at data + len; NULL (and failed) past the ceiling or without memory.
char *buf_reserve(buf *b, size_t n);
void buf_add(buf *b, const void *data, size_t n);
void buf_add_str(buf *b, str s);
void buf_add_text(buf *b, const char *text);
void buf_add_char(buf *b, char c);
void buf_format(buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

MUST_CHECK int buf_check(const buf *b, err *e); // 0, or why a write was lost
static inline str buf_str(const buf *b)         // a view until the next write
{
    return (str){b->data, b->len};
}

#endif
