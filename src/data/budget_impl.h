// A count of bytes with a ceiling, shared by the workers of one reader.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_BUDGET_IMPL_H
#define SLIPWAY_DATA_BUDGET_IMPL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct budget { // any thread
    size_t max;
    atomic_size_t used; // a counter: relaxed is enough
} budget;

// False past the ceiling; then nothing was taken. A NULL budget has no ceiling.
static inline bool budget_take(budget *b, size_t n)
{
    if (!b) return true;
    size_t before = atomic_fetch_add_explicit(&b->used, n, memory_order_relaxed);
    if (before <= b->max && n <= b->max - before) return true;
    atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
    return false;
}

static inline void budget_give(budget *b, size_t n)
{
    if (b) atomic_fetch_sub_explicit(&b->used, n, memory_order_relaxed);
}

#endif
