// A request's body, taken piece by piece into a file of the data directory: for what may be larger than memory.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SPOOL_H
#define SLIPWAY_SERVE_SPOOL_H

#include "base/files.h"
#include "base/hash.h"
#include "registry/datasets.h"
#include "serve/serving.h"

typedef struct spool spool;

// The body is complete: DIR/datasets/s->name holds it, synced. Answers. What is still there afterwards is removed, so a
// file that is to stay gets another name here.
typedef int spool_end(spool *s, serving *v, const request *q, response *r, err *e);

struct spool {
    body_sink sink; // first
    spool_end *end;
    const void *context;           // for end; lives as long as the request
    char name[OBJECT_ID_SIZE + 5]; // "ID.part"
    char sum[SHA256_HEX_SIZE];     // when it is complete
    uint64_t len;
    file_out file;
    sha256 hash;
    char *path;
};

// Sets r->sink; for the handler of a route with ROUTE_TAKES_PIECES. A body of more than len_max bytes is 413.
MUST_CHECK int spool_start(serving *v, response *r, uint64_t len_max, spool_end *end, const void *context, err *e);
// The whole file, mapped: file_unmap().
MUST_CHECK int spool_map(const spool *s, str *out, err *e);

#endif
