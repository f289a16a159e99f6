// An arena: memory that is given back all at once, with a ceiling set at birth.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_ARENA_H
#define SLIPWAY_BASE_ARENA_H

#include <stddef.h>

typedef struct arena_block arena_block;

// One thread at a time. The fields are the arena's own.
typedef struct arena {
    arena_block *blocks; // newest first
    char *at, *end;      // what is free in the newest block
    size_t used;         // bytes of all blocks
    size_t ceiling;      // `used` never passes this
} arena;

typedef struct arena_mark {
    arena_block *block;
    char *at;
} arena_mark;

void arena_init(arena *a, size_t ceiling); // takes no memory yet
void arena_clear(arena *a);                // gives everything back; the arena may be used again
void arena_reset(arena *a);                // empties it but keeps the largest block for the next round

// Aligned to 16 bytes, or to `alignment` (a power of two, at most 4096). NULL if count * size overflows, past the
// ceiling, or without memory: the caller says ERR_MEMORY. Under AddressSanitizer every object is a block of its own.
void *arena_alloc(arena *a, size_t count, size_t size);
void *arena_zalloc(arena *a, size_t count, size_t size);
void *arena_aligned(arena *a, size_t alignment, size_t count, size_t size);
char *arena_strndup(arena *a, const char *text, size_t len); // adds the NUL

// What was allocated since the mark is gone after the rewind. Marks are rewound in reverse order.
arena_mark arena_get_mark(const arena *a);
void arena_rewind(arena *a, arena_mark mark);

#endif
