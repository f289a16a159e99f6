// explain MODEL ROWS THREADS RUNS [VALUES [CLASS]]: explains the rows (float32, row-major, in a file) with a model
// whose inputs are numbers, and prints for each run its seconds and those of the processor, and a sum of the result;
// VALUES gets base and contributions as float64.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/model.h"

enum { BLOCK = 128 };
static const size_t FILE_MAX = (size_t)4 << 30, MEMORY_MAX = (size_t)8 << 30;

_Noreturn static void die(const char *what, const err *e)
{
    fprintf(stderr, "bench explain: %s: %s\n", what, e->msg);
    exit(1);
}

// Seconds of the processor, of all threads.
static double busy_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

typedef struct work {
    const model *m;
    const batch *in;
    const prediction *p;
    explanation *out;
} work;

static void explain_block(void *context, size_t block, size_t worker)
{
    (void)worker;
    work *w = context;
    size_t first = block * BLOCK, n = w->in->n_rows - first;
    arena a;
    err e = ERR_NONE;
    arena_init(&a, MEMORY_MAX);
    explanation part = *w->out; // its arrays are shared, what is said of all rows is not
    if (model_explain(w->m, w->in, first, n < BLOCK ? n : BLOCK, w->p, &part, &a, &e) < 0) die("explain", &e);
    arena_clear(&a);
}

static void fill(batch *b, const model *m, const float *x, size_t n_rows, arena *a)
{
    err e = ERR_NONE;
    size_t n_columns = model_schema(m)->n_inputs;
    if (batch_new(b, model_schema(m), n_rows, a, &e) < 0) die("rows", &e);
    for (size_t i = 0; i < n_rows; i++)
        for (size_t k = 0; k < n_columns; k++) b->columns[k].f32[i] = x[i * n_columns + k];
}

static void save(const char *path, const explanation *x)
{
    FILE *f = fopen(path, "wb");
    bool ok = f != NULL;
    for (size_t i = 0; ok && i < x->n_rows; i++)
        ok = fwrite(&x->base[i], sizeof *x->base, 1, f) == 1 &&
             fwrite(x->contributions + i * x->n_columns, sizeof *x->contributions, x->n_columns, f) == x->n_columns;
    if (!f || fclose(f) != 0 || !ok) {
        fprintf(stderr, "bench explain: %s cannot be written\n", path);
        exit(1);
    }
}

static void run(const model *m, const float *x, size_t n_rows, size_t n_threads, size_t n_runs, const char *values,
                int32_t class)
{
    arena a;
    batch b;
    prediction p;
    explanation out;
    pool *workers;
    err e = ERR_NONE;
    arena_init(&a, MEMORY_MAX);
    fill(&b, m, x, n_rows, &a);
    if (pool_new(&workers, n_threads, &e) < 0) die("threads", &e);
    if (model_predict(m, &b, &p, &a, &e) < 0) die("predict", &e);
    if (explanation_new(&out, m, &p, class, &a, &e) < 0) die("rows", &e);
    work w = {m, &b, &p, &out};
    for (size_t i = 0; i < n_runs; i++) {
        uint64_t start = clock_monotonic_ns();
        double busy = busy_s();
        pool_run(workers, (n_rows + BLOCK - 1) / BLOCK, explain_block, &w);
        printf("%.6f %.6f ", (double)(clock_monotonic_ns() - start) / 1e9, busy_s() - busy);
    }
    uint64_t sum = hash_bytes(out.contributions, n_rows * out.n_columns * sizeof *out.contributions, 0);
    printf("%016llx\n", (unsigned long long)sum);
    if (values) save(values, &out);
    pool_free(workers);
    arena_clear(&a);
}

static model *open_model(const char *path)
{
    buf file;
    package *p;
    model *m = NULL;
    err e = ERR_NONE;
    if (file_read(path, FILE_MAX, &file, &e) < 0 || package_from_onnx(&p, buf_str(&file), &e) < 0 ||
        model_open(&m, p, &e) < 0 || model_explains(m, &e) < 0)
        die(path, &e);
    buf_clear(&file);
    return m;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: explain MODEL ROWS THREADS RUNS [VALUES [CLASS]]\n");
        return 2;
    }
    model *m = open_model(argv[1]);
    buf rows;
    err e = ERR_NONE;
    if (file_read(argv[2], FILE_MAX, &rows, &e) < 0) die(argv[2], &e);
    size_t n_rows = rows.len / (model_schema(m)->n_inputs * sizeof(float));
    run(m, (const float *)(const void *)rows.data, n_rows, (size_t)atol(argv[3]), (size_t)atol(argv[4]),
        argc > 5 ? argv[5] : NULL, argc > 6 ? (int32_t)atol(argv[6]) : EXPLAIN_PREDICTED);
    buf_clear(&rows);
    model_drop(m);
    return 0;
}
