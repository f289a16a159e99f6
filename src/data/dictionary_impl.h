// A dictionary: every distinct text once, numbered in the order of their arrival.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_DICTIONARY_IMPL_H
#define SLIPWAY_DATA_DICTIONARY_IMPL_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "data/budget_impl.h"

// Bytes of texts, in blocks that never move.
typedef struct text_block {
    struct text_block *next;
    size_t used, cap;
    char data[];
} text_block;

void text_blocks_free(text_block *newest);
void text_blocks_join(text_block **newest, text_block *more); // takes `more`
// Room for n bytes, kept. ERR_MEMORY, or ERR_LIMIT past the budget (which may be NULL).
MUST_CHECK int text_blocks_reserve(text_block **newest, size_t n, budget *b, char **out);

typedef struct dictionary_entry {
    const char *data;
    uint32_t len, hash;
} dictionary_entry;

typedef struct dictionary {    // one thread at a time
    uint32_t *slots;           // entry + 1, or 0; owned
    size_t mask;               // slots - 1, or 0 for none
    dictionary_entry *entries; // owned
    size_t n, cap;
    text_block *blocks; // owned
    budget *budget;     // borrowed; may be NULL
    size_t bytes;       // taken from the budget for slots and entries
} dictionary;

void dictionary_init(dictionary *d, budget *b); // takes no memory yet
void dictionary_clear(dictionary *d);

// The number of the text, which is copied if it is new (or viewed, if `view`); ERR_MEMORY, or ERR_LIMIT past the
// budget or 2^31 - 2 texts.
MUST_CHECK int32_t dictionary_add(dictionary *d, str text, uint64_t hash, bool view);

int32_t dictionary_find(const dictionary *d, str text, uint64_t hash); // -1 if it is not there

static inline str dictionary_text(const dictionary *d, size_t index)
{
    return (str){d->entries[index].data, d->entries[index].len};
}

// order[i]: the entry that is ith by bytes. order and scratch: room for d->n each.
void dictionary_sort(const dictionary *d, uint32_t *order, uint32_t *scratch);

#endif
