// The heap behind a counter that tests can trip.
// SPDX-License-Identifier: Apache-2.0
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Relaxed counters: tests that inject faults run one thread at a time, everybody else only counts.
static atomic_uint_fast64_t n_requests;
static atomic_uint_fast64_t fail_from; // 0: off
static atomic_int fail_sticky;

static bool must_fail(void)
{
    uint64_t from = atomic_load_explicit(&fail_from, memory_order_relaxed);
    if (from == 0) return false; // the counter is shared: leave its cache line alone when nobody asked
    uint64_t now = atomic_fetch_add_explicit(&n_requests, 1, memory_order_relaxed) + 1;
    return now == from || (now > from && atomic_load_explicit(&fail_sticky, memory_order_relaxed));
}

uint64_t mem_fail_at(uint64_t nth, int sticky)
{
    uint64_t before = atomic_exchange(&n_requests, 0);
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_from, nth);
    return before;
}

static bool product(size_t count, size_t size, size_t *bytes)
{
    if (__builtin_mul_overflow(count, size, bytes) || *bytes > PTRDIFF_MAX) return false;
    if (*bytes == 0) *bytes = 1;
    return true;
}

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (!product(count, size, &bytes) || must_fail()) return NULL;
    return malloc(bytes);
}

void *mem_zalloc(size_t count, size_t size)
{
    size_t bytes;
    if (!product(count, size, &bytes) || must_fail()) return NULL;
    return calloc(1, bytes);
}

void *mem_realloc(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (!product(count, size, &bytes) || must_fail()) return NULL;
    return realloc(old, bytes);
}

void *mem_aligned(size_t alignment, size_t count, size_t size)
{
    size_t bytes;
    if (!product(count, size, &bytes) || bytes > PTRDIFF_MAX - alignment || must_fail()) return NULL;
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

char *mem_strndup(const char *text, size_t len)
{
    if (len == SIZE_MAX) return NULL;
    char *copy = mem_alloc(len + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

void mem_free(void *p)
{
    free(p);
}

void mem_trim(void)
{
    malloc_trim(0);
}
