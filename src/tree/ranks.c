// Columns are sorted once, as integers in the order of floats.
// SPDX-License-Identifier: Apache-2.0
#include "tree/ranks.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { INSERTION_MAX = 24, DIGIT = 8, BUCKETS = 1 << DIGIT };

static void sort_by_insertion(uint64_t *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint64_t item = items[i];
        size_t j = i;
        for (; j > 0 && items[j - 1] >> 32 > item >> 32; j--) items[j] = items[j - 1];
        items[j] = item;
    }
}

uint64_t *ranks_sort(uint64_t *items, uint64_t *spare, size_t n, unsigned n_bits)
{
    if (n <= INSERTION_MAX) {
        sort_by_insertion(items, n);
        return items;
    }
    for (unsigned shift = 32; shift < 32 + n_bits; shift += DIGIT) {
        uint32_t starts[BUCKETS + 1] = {0};
        for (size_t i = 0; i < n; i++) starts[(items[i] >> shift & (BUCKETS - 1)) + 1]++;
        for (size_t b = 0; b < BUCKETS; b++) starts[b + 1] += starts[b];
        for (size_t i = 0; i < n; i++) spare[starts[items[i] >> shift & (BUCKETS - 1)]++] = items[i];
        uint64_t *swap = items;
        items = spare;
        spare = swap;
    }
    return items;
}

// Unsigned numbers in the order of floats, infinities included; NaN last.
static uint32_t key_of(float f)
{
    if (isnan(f)) return UINT32_MAX;
    f += 0.0f; // -0 is 0
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float float_of(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key & 0x7FFFFFFFu : ~key;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static int rank_column(ranks_column *out, const float *x, size_t n_rows, uint64_t *items, uint64_t *spare, err *e)
{
    for (size_t row = 0; row < n_rows; row++) items[row] = (uint64_t)key_of(x[row]) << 32 | row;
    const uint64_t *sorted = ranks_sort(items, spare, n_rows, 32);
    uint32_t n_distinct = 0;
    for (size_t i = 0; i < n_rows && sorted[i] >> 32 != UINT32_MAX; i++)
        n_distinct += i == 0 || sorted[i] >> 32 != sorted[i - 1] >> 32;
    bool narrow = n_distinct <= UINT16_MAX;
    *out = (ranks_column){.n_distinct = n_distinct, .has_missing = sorted[n_rows - 1] >> 32 == UINT32_MAX};
    out->values = mem_alloc(n_distinct, sizeof *out->values);
    if (narrow)
        out->codes16 = mem_alloc(n_rows, sizeof *out->codes16);
    else
        out->codes32 = mem_alloc(n_rows, sizeof *out->codes32);
    if (!out->values || (!out->codes16 && !out->codes32))
        return err_set(e, ERR_MEMORY, "no memory for ranking a feature of %zu rows", n_rows);
    uint32_t code = 0;
    for (size_t i = 0; i < n_rows; i++) {
        uint32_t key = (uint32_t)(sorted[i] >> 32), row = (uint32_t)sorted[i];
        if (key == UINT32_MAX) {
            code = n_distinct;
        } else {
            if (i > 0 && key != sorted[i - 1] >> 32) code++;
            out->values[code] = float_of(key);
        }
        if (narrow)
            out->codes16[row] = (uint16_t)code;
        else
            out->codes32[row] = code;
    }
    return 0;
}

typedef struct ranking {
    ranks *out;
    const float *x;
    uint64_t *scratch; // (n_threads, 2, n_rows)
    int *codes;        // (n_columns) what each column ended with
} ranking;

static void rank_task(void *context, size_t column, size_t worker)
{
    ranking *r = context;
    size_t n_rows = r->out->n_rows;
    uint64_t *items = r->scratch + worker * 2 * n_rows;
    r->codes[column] =
        rank_column(&r->out->columns[column], r->x + column * n_rows, n_rows, items, items + n_rows, NULL);
}

int ranks_make(ranks *out, const float *x, size_t n_rows, size_t n_columns, pool *p, err *e)
{
    assert(n_rows > 0 && n_columns > 0);
    if (n_rows > INT32_MAX) return err_set(e, ERR_LIMIT, "%zu rows, at most %d", n_rows, INT32_MAX);
    int rc = 0;
    ranks made = {.n_rows = n_rows, .n_columns = n_columns};
    ranking r = {.out = &made, .x = x};
    made.columns = mem_zalloc(n_columns, sizeof *made.columns);
    r.scratch = mem_alloc(pool_size(p) * 2, n_rows * sizeof *r.scratch);
    r.codes = mem_zalloc(n_columns, sizeof *r.codes);
    if (!made.columns || !r.scratch || !r.codes) {
        rc = err_set(e, ERR_MEMORY, "no memory for ranking %zu features of %zu rows", n_columns, n_rows);
        goto done;
    }
    pool_run(p, n_columns, rank_task, &r);
    for (size_t column = 0; column < n_columns && rc == 0; column++)
        if (r.codes[column] < 0)
            rc = err_set(e, r.codes[column], "no memory for ranking %zu features of %zu rows", n_columns, n_rows);
done:
    mem_free(r.scratch);
    mem_free(r.codes);
    if (rc < 0)
        ranks_clear(&made);
    else
        *out = made;
    return rc;
}

void ranks_clear(ranks *r)
{
    for (size_t column = 0; r->columns && column < r->n_columns; column++) {
        mem_free(r->columns[column].values);
        mem_free(r->columns[column].codes16);
        mem_free(r->columns[column].codes32);
    }
    mem_free(r->columns);
    *r = (ranks){0};
}

size_t ranks_memory(size_t n_rows, size_t n_columns, size_t n_threads)
{
    size_t a_column = n_rows * (sizeof(float) + sizeof(uint32_t)) + sizeof(ranks_column) + sizeof(int);
    return n_columns * a_column + n_threads * 2 * n_rows * sizeof(uint64_t);
}

float ranks_threshold(const ranks_column *c, uint32_t left, uint32_t right)
{
    double low = (double)c->values[left], high = (double)c->values[right];
    float t = (float)(low / 2 + high / 2);
    // The middle of neighbours may round up to the right one, and of two infinities there is none.
    return t >= c->values[left] && t < c->values[right] ? t : c->values[left];
}
