// Temporary files under a name that the sweep of datasets knows.
// SPDX-License-Identifier: Apache-2.0
#include "serve/spool.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

enum { FILE_MODE = 0400 };

static int take_piece(body_sink *sink, str piece, err *e)
{
    spool *s = (spool *)sink;
    TRY(file_out_write(&s->file, piece, e));
    sha256_add(&s->hash, piece.data, piece.len);
    s->len += piece.len;
    return 0;
}

static int finish(body_sink *sink, serving *v, const request *q, response *r, err *e)
{
    spool *s = (spool *)sink;
    int rc = file_out_commit(&s->file, e);
    sha256_hex(&s->hash, s->sum);
    if (rc == 0) rc = s->end(s, v, q, r, e);
    unlink(s->path); // unless it was given another name
    return rc;
}

static void drop(body_sink *sink)
{
    spool *s = (spool *)sink;
    if (s->file.path) file_out_abort(&s->file);
    mem_free(s->path);
    mem_free(s);
}

int spool_start(serving *v, response *r, uint64_t len_max, spool_end *end, const void *context, err *e)
{
    char id[OBJECT_ID_SIZE];
    registry *g;
    TRY(serving_registry(v, &g, e));
    TRY(registry_new_id(g, id, e));
    spool *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for an upload");
    s->sink = (body_sink){.write = take_piece, .end = finish, .close = drop, .len_max = len_max};
    s->end = end;
    s->context = context;
    sha256_init(&s->hash);
    snprintf(s->name, sizeof s->name, "%s.part", id);
    int rc = registry_dataset_path(g, s->name, &s->path, e);
    if (rc == 0) rc = file_out_open(&s->file, s->path, FILE_MODE, e);
    if (rc < 0) {
        drop(&s->sink);
        return rc;
    }
    r->sink = &s->sink;
    return 0;
}

int spool_map(const spool *s, str *out, err *e)
{
    return file_map(s->path, out, e);
}
