// The runner's side: gives up everything but computing, loads the model, answers until the front closes the socket.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "math/cpu.h"
#include "model/model.h"
#include "serve/runner_impl.h"

enum { KEPT_BYTES = 16 << 20 };
static const size_t RUN_MEMORY_MAX = (size_t)4 << 30; // the process has its own ceiling

typedef struct side {
    char *exchange;
    model *model;
    arena memory;
} side;

static ssize_t take(void *to, size_t len)
{
    ssize_t n;
    do n = read(RUNNER_SOCKET, to, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool say(const runner_reply *r)
{
    ssize_t n;
    do n = write(RUNNER_SOCKET, r, sizeof *r);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *r;
}

// A piece of the package, as a mapping of its own, which the package owns.
static int map_piece(str *out, size_t at, size_t len, err *e)
{
    *out = (str){"", 0};
    if (len == 0) return 0;
    void *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE, RUNNER_PACKAGE, (off_t)at);
    if (data == MAP_FAILED) return err_set_errno(e, "the package cannot be mapped");
    *out = (str){data, len};
    return 0;
}

static int read_package(package **out, err *e)
{
    str head, manifest;
    TRY(map_piece(&head, 0, RUNNER_PAGE, e));
    runner_package layout;
    memcpy(&layout, head.data, sizeof layout);
    munmap((void *)(uintptr_t)head.data, head.len);
    size_t at = RUNNER_PAGE;
    TRY(map_piece(&manifest, at, layout.manifest_len, e));
    package *p;
    int rc = package_read_manifest(&p, manifest, e);
    if (manifest.len) munmap((void *)(uintptr_t)manifest.data, manifest.len);
    if (rc < 0) return rc;
    at += runner_pages(layout.manifest_len);
    if (layout.n_blobs != p->n_blobs) rc = err_set(e, ERR_INTERNAL, "the package changed on its way");
    for (size_t i = 0; i < p->n_blobs && rc == 0; i++) {
        str blob;
        rc = map_piece(&blob, at, layout.lens[i], e);
        if (rc == 0) rc = package_take_blob(p, i, blob, true, e);
        at += runner_pages(layout.lens[i]);
    }
    if (rc < 0) {
        package_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

static int begin(side *s, err *e)
{
    runner_hello hello;
    if (take(&hello, sizeof hello) != (ssize_t)sizeof hello) return err_set(e, ERR_IO, "there was no hello");
    hello.cpu_level[sizeof hello.cpu_level - 1] = '\0';
    TRY(cpu_level_pin(hello.cpu_level, e));
    s->exchange = mmap(NULL, RUNNER_EXCHANGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, RUNNER_EXCHANGE, 0);
    if (s->exchange == MAP_FAILED) return err_set_errno(e, "the exchange cannot be mapped");
    prctl(PR_SET_NAME, "slipway-runner");
    TRY(sandbox_no_new_privileges(e));
    TRY(sandbox_files(NULL, 0, NULL, e));
    TRY(sandbox_compute_only(e));
    package *p;
    TRY(read_package(&p, e));
    return model_open(&s->model, p, e);
}

// The batch as views into the exchange.
static int view_batch(batch *out, side *s, size_t n_rows, err *e)
{
    const schema *inputs = model_schema(s->model);
    batch_column *columns = arena_zalloc(&s->memory, inputs->n_inputs, sizeof *columns);
    if (!columns) return err_set(e, ERR_MEMORY, "no memory for a batch");
    size_t at = 0;
    for (size_t i = 0; i < inputs->n_inputs; i++) {
        wire w = column_wire(inputs->inputs[i].type);
        char *data = s->exchange + at;
        if (w == WIRE_F32) columns[i].f32 = (float *)(void *)data;
        if (w == WIRE_I64) columns[i].i64 = (int64_t *)(void *)data;
        if (w == WIRE_STRING) {
            const runner_text *texts = (const runner_text *)(const void *)data;
            str *strings = columns[i].strings = arena_alloc(&s->memory, n_rows, sizeof *strings);
            if (!strings) return err_set(e, ERR_MEMORY, "no memory for a batch");
            for (size_t row = 0; row < n_rows; row++) strings[row] = (str){s->exchange + texts[row].at, texts[row].len};
        }
        at = runner_aligned(at + n_rows * runner_width(inputs, i));
    }
    *out = (batch){.schema = inputs, .n_rows = n_rows, .columns = columns};
    return 0;
}

static int answer(side *s, const runner_ask *ask, runner_reply *reply, err *e)
{
    batch in;
    prediction out;
    TRY(view_batch(&in, s, ask->n_rows, e));
    TRY(model_predict(s->model, &in, &out, &s->memory, e));
    char *to = s->exchange + ask->answer_at;
    size_t scores = out.n_rows * out.n_scores * sizeof *out.scores;
    if (scores) memcpy(to, out.scores, scores);
    if (out.labels && out.n_rows) memcpy(to + scores, out.labels, out.n_rows * sizeof *out.labels);
    reply->n_rows = out.n_rows;
    reply->n_scores = out.n_scores;
    reply->labels = out.labels != NULL;
    return 0;
}

int runner_child_main(void)
{
    side s = {0};
    arena_init(&s.memory, RUN_MEMORY_MAX);
    runner_reply reply = {.error = ERR_NONE};
    reply.rc = begin(&s, &reply.error);
    if (reply.rc == 0) {
        reply.rows_apart = model_rows_apart(s.model);
        reply.memory = model_memory(s.model);
    }
    if (!say(&reply) || reply.rc < 0) _exit(1);
    for (runner_ask ask; take(&ask, sizeof ask) == (ssize_t)sizeof ask;) {
        reply = (runner_reply){.number = ask.number, .error = ERR_NONE};
        reply.rc = answer(&s, &ask, &reply, &reply.error);
        if (s.memory.used > KEPT_BYTES)
            arena_clear(&s.memory);
        else
            arena_reset(&s.memory);
        if (!say(&reply)) break;
    }
    _exit(0); // nothing here outlives the process; the front is gone, or wants it to be
}
