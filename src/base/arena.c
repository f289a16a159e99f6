// Blocks in a list; each at least twice the last, up to a cap, so that growth is cheap and waste bounded.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ONE_BLOCK_EACH 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BLOCK_EACH 1
#endif
#endif
#ifndef ONE_BLOCK_EACH
#define ONE_BLOCK_EACH 0
#endif

enum { ALIGNMENT = 16, BLOCK_FIRST = 4096, BLOCK_GROWTH_MAX = 1 << 20, ALIGNMENT_MAX = 4096 };

struct arena_block {
    arena_block *older;
    size_t size; // bytes of the whole block, this head included
    _Alignas(16) char data[];
};

void arena_init(arena *a, size_t ceiling)
{
    *a = (arena){.ceiling = ceiling};
}

static void drop_newest(arena *a)
{
    arena_block *b = a->blocks;
    a->blocks = b->older;
    a->used -= b->size;
    mem_free(b);
}

void arena_clear(arena *a)
{
    while (a->blocks) drop_newest(a);
    a->at = a->end = NULL;
}

void arena_reset(arena *a)
{
    if (ONE_BLOCK_EACH) {
        arena_clear(a);
        return;
    }
    arena_block *keep = NULL;
    for (arena_block *b = a->blocks; b; b = b->older)
        if (!keep || b->size > keep->size) keep = b;
    arena_block *next;
    for (arena_block *b = a->blocks; b; b = next) {
        next = b->older;
        if (b == keep) continue;
        a->used -= b->size;
        mem_free(b);
    }
    a->blocks = keep;
    if (!keep) return;
    keep->older = NULL;
    a->at = keep->data;
    a->end = (char *)keep + keep->size;
}

static char *align_up(char *p, size_t alignment)
{
    uintptr_t address = (uintptr_t)p;
    return p + ((alignment - address % alignment) % alignment);
}

static int add_block(arena *a, size_t bytes)
{
    size_t size = sizeof(arena_block) + bytes;
    if (!ONE_BLOCK_EACH) {
        size_t grown = a->blocks ? 2 * a->blocks->size : BLOCK_FIRST;
        if (grown > BLOCK_GROWTH_MAX) grown = BLOCK_GROWTH_MAX;
        size_t left = a->ceiling - a->used;
        if (grown > left) grown = left;
        if (size < grown) size = grown;
    }
    if (size > a->ceiling - a->used) return 0;
    arena_block *b = mem_alloc(1, size);
    if (!b) return 0;
    b->older = a->blocks;
    b->size = size;
    a->blocks = b;
    a->used += size;
    a->at = b->data;
    a->end = (char *)b + size;
    return 1;
}

void *arena_aligned(arena *a, size_t alignment, size_t count, size_t size)
{
    assert(alignment && (alignment & (alignment - 1)) == 0 && alignment <= ALIGNMENT_MAX);
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX - 2 * ALIGNMENT_MAX) return NULL;
    if (alignment < ALIGNMENT) alignment = ALIGNMENT;
    if (bytes == 0) bytes = 1;
    if (!ONE_BLOCK_EACH && a->at) {
        char *p = align_up(a->at, alignment);
        if (p <= a->end && (size_t)(a->end - p) >= bytes) {
            a->at = p + bytes;
            return p;
        }
    }
    size_t slack = alignment > ALIGNMENT ? alignment : 0;
    if (!add_block(a, bytes + slack)) return NULL;
    char *p = align_up(a->at, alignment);
    a->at = p + bytes;
    return p;
}

void *arena_alloc(arena *a, size_t count, size_t size)
{
    return arena_aligned(a, ALIGNMENT, count, size);
}

void *arena_zalloc(arena *a, size_t count, size_t size)
{
    void *p = arena_alloc(a, count, size);
    if (p) memset(p, 0, count * size);
    return p;
}

char *arena_strndup(arena *a, const char *text, size_t len)
{
    if (len == SIZE_MAX) return NULL;
    char *copy = arena_alloc(a, len + 1, 1);
    if (!copy) return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

arena_mark arena_get_mark(const arena *a)
{
    return (arena_mark){.block = a->blocks, .at = a->at};
}

void arena_rewind(arena *a, arena_mark mark)
{
    while (a->blocks != mark.block) drop_newest(a);
    a->at = mark.at;
    a->end = a->blocks ? (char *)a->blocks + a->blocks->size : NULL;
}
