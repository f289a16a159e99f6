// ONNX files from outside: read, written and read again, planned, compiled and run on a few rows, within ceilings.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "engine/plan.h"
#include "engine/row_program.h"
#include "graph/onnx.h"

enum { GRAPH_MEMORY = 16 << 20, PLAN_MEMORY = 16 << 20, RUN_MEMORY = 4 << 20, INPUTS_MAX = 16, ROWS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What sizes say nothing is ROWS; texts are short ones. False if the input would be large.
static bool make_input(const value_type *t, tensor *out, void *room, size_t room_size)
{
    static const str texts[] = {{"a", 1}, {NULL, 0}, {"red", 3}};
    *out = (tensor){.type = t->type, .shape = {.n_dims = t->n_dims < 0 ? 2 : t->n_dims}, .data = room};
    for (int d = 0; d < out->shape.n_dims; d++) {
        int64_t size = t->n_dims < 0 || t->dims[d].size < 0 ? ROWS : t->dims[d].size;
        if (size > 64) return false;
        out->shape.dims[d] = size;
    }
    int64_t count = shape_count(&out->shape);
    if (count < 0 || (uint64_t)count * dtype_size(t->type) > room_size) return false;
    if (t->type == DTYPE_STRING)
        for (int64_t i = 0; i < count; i++) ((str *)room)[i] = texts[i % 3];
    else
        for (size_t i = 0; i < (size_t)count * dtype_size(t->type); i++)
            ((uint8_t *)room)[i] = (uint8_t)(t->type == DTYPE_BOOL ? i & 1 : i * 37);
    return true;
}

static void write_and_read_again(const graph *g)
{
    buf once, twice;
    graph *again;
    onnx_limits limits = ONNX_LIMITS_DEFAULT;
    buf_init(&once, GRAPH_MEMORY);
    buf_init(&twice, GRAPH_MEMORY);
    limits.memory_max = 4 * (size_t)GRAPH_MEMORY;
    err e = ERR_NONE;
    if (onnx_write(g, &once, &e) == 0) { // an output without a type cannot be written
        if (onnx_read(&again, buf_str(&once), &limits, &e) < 0) abort();
        if (onnx_write(again, &twice, &e) < 0 || !str_equal(buf_str(&once), buf_str(&twice))) abort();
        graph_free(again);
    }
    buf_clear(&once);
    buf_clear(&twice);
}

static void run_plan(const graph *g, const tensor *in)
{
    plan *p;
    session *s;
    err e = ERR_NONE;
    if (plan_new(&p, g, &(plan_options){.memory_max = PLAN_MEMORY}, &e) < 0) {
        if (e.code == ERR_INTERNAL) abort();
        return;
    }
    tensor out[INPUTS_MAX];
    if (in && g->n_outputs <= INPUTS_MAX && session_new(&s, p, RUN_MEMORY, &e) == 0) {
        for (int again = 0; again < 2; again++)
            if (session_run(s, in, out, &e) < 0 && e.code == ERR_INTERNAL) abort();
        session_free(s);
    }
    plan_free(p);
}

static void run_row_program(const graph *g, const tensor *in)
{
    row_program *r;
    err e = ERR_NONE;
    if (row_program_compile(&r, g, &e) < 0) return;
    arena scratch;
    arena_init(&scratch, RUN_MEMORY);
    size_t n_scores = row_program_n_scores(r), n_features = row_program_n_features(r);
    if (in && n_scores < 1 << 16 && n_features < 1 << 16) {
        float *scores = malloc((ROWS * n_scores + 1) * sizeof *scores);
        float *features = malloc((ROWS * n_features + 1) * sizeof *features);
        int32_t labels[ROWS];
        if (scores && features && row_program_run(r, in, ROWS, scores, labels, features, &scratch, &e) < 0 &&
            e.code == ERR_INTERNAL)
            abort();
        free(scores);
        free(features);
    }
    arena_clear(&scratch);
    row_program_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(16) uint8_t rooms[INPUTS_MAX][4096];
    onnx_limits limits = {.memory_max = GRAPH_MEMORY, .nodes_max = 1000, .values_max = 10000};
    graph *g;
    err e = ERR_NONE;
    if (onnx_read(&g, (str){(const char *)data, size}, &limits, &e) < 0) {
        if (e.code == 0 || e.msg[0] == '\0') abort();
        return 0;
    }
    write_and_read_again(g);
    tensor in[INPUTS_MAX];
    bool runs = g->n_inputs <= INPUTS_MAX;
    for (size_t i = 0; i < g->n_inputs && runs; i++)
        runs = make_input(&g->values[g->inputs[i]].type, &in[i], rooms[i], sizeof rooms[i]);
    run_plan(g, runs ? in : NULL);
    run_row_program(g, runs ? in : NULL);
    graph_free(g);
    return 0;
}
