// A view of text: UTF-8 bytes with a length, not ended by NUL.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_STR_H
#define SLIPWAY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct str {
    const char *data; // may be NULL when len is 0
    size_t len;       // bytes
} str;

#define STR(literal) ((str){(literal), sizeof(literal) - 1})
#define STR_FORMAT "%.*s"
#define STR_ARGS(s) ((int)((s).len > 200 ? 200 : (s).len)), ((s).data ? (s).data : "") // for messages: cut at 200

static inline str str_of(const char *text)
{
    return (str){text, strlen(text)};
}

static inline bool str_equal(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

// Order of the bytes, shorter first among equals.
static inline int str_compare(str a, str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

#endif
