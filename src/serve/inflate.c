// zlib over an arena: pieces that double, joined at the end.
// SPDX-License-Identifier: Apache-2.0
#include "serve/inflate.h"

#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

enum { PIECE_FIRST = 16 << 10, GZIP_WINDOW = 16 + 15 };

static void *take(void *a, unsigned count, unsigned size)
{
    return arena_alloc(a, count, size);
}

static void give(void *a, void *p)
{
    (void)a;
    (void)p; // the arena gives it back
}

// Runs until the end of the member; *text grows in the arena.
static int run(z_stream *z, size_t len_max, char **text, size_t *len, arena *a, err *e)
{
    size_t cap = PIECE_FIRST < len_max + 1 ? PIECE_FIRST : len_max + 1; // one byte more tells "too long"
    char *data = arena_alloc(a, cap, 1);
    size_t n = 0;
    for (;;) {
        if (!data) return err_set(e, ERR_MEMORY, "no memory for a body of more than %zu bytes", n);
        z->next_out = (Bytef *)data + n;
        z->avail_out = (uInt)(cap - n);
        int rc = inflate(z, Z_NO_FLUSH);
        n = cap - z->avail_out;
        if (n > len_max) return err_set(e, ERR_LIMIT, "the body inflates to more than %zu bytes", len_max);
        if (rc == Z_STREAM_END) break;
        if (rc == Z_MEM_ERROR) return err_set(e, ERR_MEMORY, "no memory for inflating a body");
        if (rc != Z_OK && rc != Z_BUF_ERROR) return err_set(e, ERR_FORMAT, "the body is not sound gzip");
        if (z->avail_out > 0) return err_set(e, ERR_FORMAT, "the gzip body ends in the middle");
        size_t grown = cap > (len_max + 1) / 2 ? len_max + 1 : 2 * cap;
        char *larger = arena_alloc(a, grown, 1);
        if (larger) memcpy(larger, data, n);
        data = larger;
        cap = grown;
    }
    *text = data;
    *len = n;
    return 0;
}

int inflate_gzip(str in, size_t len_max, str *out, arena *a, err *e)
{
    if (in.len > UINT32_MAX || len_max >= UINT32_MAX) return err_set(e, ERR_LIMIT, "a body of %zu bytes", in.len);
    z_stream z = {.zalloc = take, .zfree = give, .opaque = a};
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) return err_set(e, ERR_MEMORY, "no memory for inflating a body");
    z.next_in = (const Bytef *)(in.data ? in.data : "");
    z.avail_in = (uInt)in.len;
    char *text;
    size_t len;
    int rc = run(&z, len_max, &text, &len, a, e);
    size_t left = z.avail_in;
    inflateEnd(&z);
    if (rc < 0) return rc;
    if (left > 0) return err_set(e, ERR_FORMAT, "%zu bytes after the end of the gzip body", left);
    *out = (str){text, len};
    return 0;
}
