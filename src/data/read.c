// Files: opened, unpacked if they are gzip, given to the reader of their format.
// SPDX-License-Identifier: Apache-2.0
#include "data/read.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/mem.h"
#include "data/csv_impl.h"
#include "data/jsonl_impl.h"
#include "data/store_impl.h"

const char *read_options_fault(const read_options *o)
{
    if (o->format != FORMAT_AUTO && o->format != FORMAT_CSV && o->format != FORMAT_JSONL) return "unknown format";
    if (o->delimiter == '"' || o->delimiter == '\n' || o->delimiter == '\r')
        return "quotes and newlines cannot be delimiters";
    if ((unsigned char)o->delimiter >= 0x80) return "the delimiter must be an ASCII character";
    if (o->cell_max == 0 || o->columns_max == 0 || o->memory_max == 0) return "limits must be above 0";
    if (o->cell_max > (size_t)1 << 30) return "cells of more than 1 GB are not read";
    if (o->columns_max > FRAME_COLUMNS_MAX) return "more than 1048576 columns are not read";
    return NULL;
}

// What was whole in training need not be: people write 30.5 for an age.
static column_type type_to_read(column_type trained)
{
    return trained == COLUMN_INTEGER ? COLUMN_REAL : trained;
}

int read_types_for(const schema *s, const type_override **types, size_t *n_types, arena *a, err *e)
{
    size_t n = s->n_inputs + (s->target.name != NULL);
    type_override *all = arena_alloc(a, n, sizeof *all);
    if (!all) return err_set(e, ERR_MEMORY, "no memory for the types of %zu columns", n);
    for (size_t i = 0; i < s->n_inputs; i++)
        all[i] =
            (type_override){.column = s->inputs[i].name, .type = type_to_read(s->inputs[i].type), .if_there = true};
    if (s->target.name)
        all[s->n_inputs] = (type_override){.column = s->target.name, .type = s->target.type, .if_there = true};
    *types = all;
    *n_types = n;
    return 0;
}

static int read_source(frame **out, const source *s, file_format format, const read_options *o, budget *b, pool *p,
                       err *e)
{
    const char *fault = read_options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    return format == FORMAT_JSONL ? jsonl_read(out, s, o, 0, b, p, e) : csv_read(out, s, o, 0, b, p, e);
}

int read_csv(frame **out, str text, const read_options *o, pool *p, err *e)
{
    budget b = {.max = o->memory_max};
    source s = {.text = text.data ? text.data : "", .fd = -1, .len = text.len};
    return read_source(out, &s, FORMAT_CSV, o, &b, p, e);
}

int read_jsonl(frame **out, str text, const read_options *o, pool *p, err *e)
{
    budget b = {.max = o->memory_max};
    source s = {.text = text.data ? text.data : "", .fd = -1, .len = text.len};
    return read_source(out, &s, FORMAT_JSONL, o, &b, p, e);
}

// ---- gzip ----

enum { CHUNK = 64 << 10, GZIP_WINDOW = 15 + 16 };

static void *inflate_alloc(void *opaque, unsigned n, unsigned size)
{
    (void)opaque;
    return mem_alloc(n, size);
}

static void inflate_release(void *opaque, void *p)
{
    (void)opaque;
    mem_free(p);
}

static int say_gzip(int code, err *e)
{
    if (code == Z_MEM_ERROR) return err_set(e, ERR_MEMORY, "no memory for unpacking gzip");
    return err_set(e, ERR_FORMAT, "damaged gzip data");
}

// All members, one after the other, into the buffer, whose ceiling holds.
static int unpack(buf *out, const source *packed, err *e)
{
    z_stream z = {.zalloc = inflate_alloc, .zfree = inflate_release};
    int code = inflateInit2(&z, GZIP_WINDOW);
    if (code != Z_OK) return say_gzip(code, e);
    char *chunk = mem_alloc(CHUNK, 1);
    int rc = chunk ? 0 : err_set(e, ERR_MEMORY, "no memory for unpacking gzip");
    bool ended = false;
    for (size_t at = 0; rc == 0 && (at < packed->len || z.avail_in);) {
        if (z.avail_in == 0) {
            str text;
            size_t n = packed->len - at < CHUNK ? packed->len - at : CHUNK;
            if ((rc = source_view(packed, at, n, chunk, &text, e)) < 0) break;
            at += n;
            z.next_in = (unsigned char *)(uintptr_t)text.data;
            z.avail_in = (unsigned)n;
        }
        if (ended) { // another member, or zeros that fill a block up
            while (z.avail_in && *z.next_in == 0) z.next_in++, z.avail_in--;
            if (z.avail_in == 0) continue;
            inflateReset(&z);
            ended = false;
        }
        char *to = buf_reserve(out, CHUNK);
        if (!to) {
            rc = out->failed == ERR_LIMIT ? err_set(e, ERR_LIMIT, "unpacked, it has more than %zu bytes", out->ceiling)
                                          : err_set(e, ERR_MEMORY, "no memory for the unpacked file");
            break;
        }
        z.next_out = (unsigned char *)to;
        z.avail_out = CHUNK;
        code = inflate(&z, Z_NO_FLUSH);
        out->len += CHUNK - z.avail_out;
        if (code == Z_STREAM_END)
            ended = true;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            rc = say_gzip(code, e);
    }
    if (rc == 0 && !ended) rc = err_set(e, ERR_FORMAT, "the gzip data ends too early");
    inflateEnd(&z);
    mem_free(chunk);
    return rc;
}

// ---- files ----

static bool name_ends(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    if (n > 3 && strcmp(path + n - 3, ".gz") == 0) n -= 3;
    return n >= m && memcmp(path + n - m, end, m) == 0;
}

static int pick_format(file_format *out, const char *path, const source *s, const read_options *o, err *e)
{
    *out = o->format;
    if (*out != FORMAT_AUTO) return 0;
    *out = FORMAT_CSV;
    if (name_ends(path, ".csv") || name_ends(path, ".tsv")) return 0;
    if (name_ends(path, ".jsonl") || name_ends(path, ".ndjson")) return *out = FORMAT_JSONL, 0;
    char head[64];
    str text;
    TRY(source_view(s, 0, s->len < sizeof head ? s->len : sizeof head, head, &text, e));
    size_t i = text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (i < text.len && strchr(" \t\r\n", text.data[i]) && text.data[i]) i++;
    if (i < text.len && text.data[i] == '{') *out = FORMAT_JSONL;
    if (i < text.len && text.data[i] == '[' && name_ends(path, ".json"))
        return err_set(e, ERR_UNSUPPORTED, "a JSON array is not read; write one object a line (JSON Lines)");
    return 0;
}

static int read_plain(frame **out, const char *path, const source *s, const read_options *o, budget *b, pool *p, err *e)
{
    file_format format;
    TRY(pick_format(&format, path, s, o, e));
    return read_source(out, s, format, o, b, p, e);
}

static int read_gzip(frame **out, const char *path, const source *s, const read_options *o, budget *b, pool *p, err *e)
{
    buf text;
    buf_init(&text, o->memory_max);
    int rc = unpack(&text, s, e);
    if (rc == 0 && !budget_take(b, text.cap)) rc = err_set(e, ERR_LIMIT, "unpacked, it has %zu bytes", text.len);
    if (rc == 0) {
        source plain = {.text = text.data ? text.data : "", .fd = -1, .len = text.len};
        rc = read_plain(out, path, &plain, o, b, p, e);
    }
    buf_clear(&text);
    return rc;
}

static int read_any(frame **out, const char *path, const source *s, const read_options *o, budget *b, pool *p, err *e)
{
    char head[2];
    str text;
    TRY(source_view(s, 0, s->len < sizeof head ? s->len : sizeof head, head, &text, e));
    bool gzip = text.len == 2 && memcmp(text.data, "\x1F\x8B", 2) == 0;
    return gzip ? read_gzip(out, path, s, o, b, p, e) : read_plain(out, path, s, o, b, p, e);
}

// Pipes and the like: all of it into memory first.
static int read_stream(frame **out, const char *path, const read_options *o, budget *b, pool *p, err *e)
{
    buf text;
    TRY(file_read(path, o->memory_max, &text, e));
    int rc = budget_take(b, text.cap) ? 0 : err_set(e, ERR_LIMIT, "%s: %zu bytes are too many", path, text.len);
    if (rc == 0) {
        source s = {.text = text.data ? text.data : "", .fd = -1, .len = text.len};
        if ((rc = read_any(out, path, &s, o, b, p, e)) < 0) err_prefix(e, rc, "%s", path);
    }
    buf_clear(&text);
    return rc;
}

int read_file(frame **out, const char *path, const read_options *o, pool *p, err *e)
{
    budget b = {.max = o->memory_max};
    struct stat st;
    if (stat(path, &st) != 0) return err_set_errno(e, "%s", path);
    if (S_ISDIR(st.st_mode)) return err_set(e, ERR_INPUT, "%s: a folder, not a file", path);
    if (!S_ISREG(st.st_mode)) return read_stream(out, path, o, &b, p, e);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return err_set_errno(e, "%s", path);
    int rc = fstat(fd, &st) == 0 ? 0 : err_set_errno(e, "%s", path);
    if (rc == 0) {
        source s = {.fd = fd, .len = (size_t)st.st_size};
        if ((rc = read_any(out, path, &s, o, &b, p, e)) < 0) err_prefix(e, rc, "%s", path);
    }
    close(fd);
    return rc;
}
