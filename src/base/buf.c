// A growing buffer; failure is kept until somebody asks.
// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum { FIRST = 256 };

void buf_init(buf *b, size_t ceiling)
{
    *b = (buf){.ceiling = ceiling};
}

void buf_clear(buf *b)
{
    mem_free(b->data);
    *b = (buf){.ceiling = b->ceiling};
}

char *buf_reserve(buf *b, size_t n)
{
    if (b->failed) return NULL;
    if (n <= b->cap - b->len) return b->data + b->len;
    if (n > b->ceiling || b->len > b->ceiling - n) {
        b->failed = ERR_LIMIT;
        return NULL;
    }
    size_t cap = b->cap ? b->cap : b->ceiling < FIRST ? b->ceiling : FIRST;
    while (cap < b->len + n) cap = cap > b->ceiling / 2 ? b->ceiling : 2 * cap;
    char *data = mem_realloc(b->data, cap, 1);
    if (!data) {
        b->failed = ERR_MEMORY;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return b->data + b->len;
}

void buf_add(buf *b, const void *data, size_t n)
{
    if (n == 0) return;
    char *to = buf_reserve(b, n);
    if (!to) return;
    memcpy(to, data, n);
    b->len += n;
}

void buf_add_str(buf *b, str s)
{
    buf_add(b, s.data, s.len);
}

void buf_add_text(buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_format(buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to) {
        vsnprintf(to, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

int buf_check(const buf *b, err *e)
{
    if (b->failed == ERR_LIMIT) return err_set(e, ERR_LIMIT, "more than %zu bytes", b->ceiling);
    if (b->failed) return err_set(e, ERR_MEMORY, "no memory for a buffer of %zu bytes", b->len);
    return 0;
}
