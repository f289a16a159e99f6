// What runner.c and runner_child.c say to each other. Both are the same program, so structures go as they are; the
// runner's side believes the front, the front believes nothing that comes back.
//
// The socket carries one ask and one reply at a time; rows and scores lie in the exchange, a memory file that both map:
//
//   rows      for each input of the schema, at multiples of 8: (n) f32, (n) i64, or (n) runner_text with the texts
//             themselves behind all columns
//   answer    at ask.answer_at: (n, n_scores) f32, then (n) i32 labels if the reply says so
//
// The package is a sealed memory file: a page with runner_package, then the manifest and each blob, at whole pages.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_RUNNER_IMPL_H
#define SLIPWAY_SERVE_RUNNER_IMPL_H

#include "model/package.h"
#include "serve/runner.h"

enum {
    RUNNER_SOCKET = 3, // descriptors of the child
    RUNNER_PACKAGE,
    RUNNER_EXCHANGE,
    RUNNER_DESCRIPTORS = 3,
    RUNNER_PAGE = 4096,
    RUNNER_EXCHANGE_BYTES = 64 << 20, // taken as it is touched; longer batches go in pieces
};

typedef struct runner_package {
    uint64_t manifest_len, n_blobs;
    uint64_t lens[PACKAGE_BLOBS_MAX];
} runner_package;

typedef struct runner_text {
    uint32_t at, len; // from the start of the exchange
} runner_text;

typedef struct runner_hello {
    char cpu_level[16];
} runner_hello;

typedef struct runner_ask {
    uint64_t number, n_rows, answer_at;
} runner_ask;

typedef struct runner_reply {
    uint64_t number; // of the ask; 0: the model is loaded, or is not
    int32_t rc;
    uint8_t labels, rows_apart;
    uint64_t n_rows, n_scores, memory;
    err error;
} runner_reply;

static inline size_t runner_pages(size_t len) // bytes, up to a whole page
{
    return (len + RUNNER_PAGE - 1) / RUNNER_PAGE * RUNNER_PAGE;
}

static inline size_t runner_aligned(size_t at)
{
    return (at + 7) & ~(size_t)7;
}

static inline size_t runner_width(const schema *s, size_t input) // bytes of a row
{
    switch (column_wire(s->inputs[input].type)) {
    case WIRE_F32: return sizeof(float);
    case WIRE_I64: return sizeof(int64_t);
    default: return sizeof(runner_text);
    }
}

static inline size_t runner_n_scores(const schema *s)
{
    return s->target.task == TASK_CLASSIFICATION ? s->target.n_classes : 1;
}

#endif
