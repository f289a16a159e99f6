// Open addressing with linear probes, at most half full; the hash is kept beside the text, so growing reads no text.
// SPDX-License-Identifier: Apache-2.0
#include "data/dictionary_impl.h"

#include <string.h>

#include "base/mem.h"

enum { BLOCK_FIRST = 1 << 10, BLOCK_MAX = 1 << 20, SLOTS_FIRST = 64 };

void text_blocks_free(text_block *newest)
{
    while (newest) {
        text_block *next = newest->next;
        mem_free(newest);
        newest = next;
    }
}

void text_blocks_join(text_block **newest, text_block *more)
{
    if (!more) return;
    text_block *last = more;
    while (last->next) last = last->next;
    last->next = *newest;
    *newest = more;
}

int text_blocks_reserve(text_block **newest, size_t n, budget *b, char **out)
{
    text_block *block = *newest;
    if (!block || n > block->cap - block->used) {
        size_t cap = !block ? BLOCK_FIRST : block->cap >= BLOCK_MAX / 2 ? BLOCK_MAX : 2 * block->cap;
        if (cap < n) cap = n;
        if (!budget_take(b, sizeof *block + cap)) return ERR_LIMIT;
        block = mem_alloc(1, sizeof *block + cap);
        if (!block) {
            budget_give(b, sizeof *block + cap);
            return ERR_MEMORY;
        }
        *block = (text_block){.next = *newest, .cap = cap};
        *newest = block;
    }
    *out = block->data + block->used;
    block->used += n;
    return 0;
}

void dictionary_init(dictionary *d, budget *b)
{
    *d = (dictionary){.budget = b};
}

void dictionary_clear(dictionary *d)
{
    text_blocks_free(d->blocks);
    mem_free(d->slots);
    mem_free(d->entries);
    budget_give(d->budget, d->bytes);
    *d = (dictionary){.budget = d->budget};
}

// Slots for twice as many, and room for the entries that fill half of them.
static int grow(dictionary *d)
{
    size_t n_slots = d->mask ? 2 * (d->mask + 1) : SLOTS_FIRST;
    size_t cap = n_slots / 2;
    if (cap > INT32_MAX - 1) return ERR_LIMIT;
    size_t bytes = n_slots * sizeof *d->slots + cap * sizeof *d->entries;
    if (!budget_take(d->budget, bytes)) return ERR_LIMIT;
    uint32_t *slots = mem_zalloc(n_slots, sizeof *slots);
    dictionary_entry *entries = slots ? mem_realloc(d->entries, cap, sizeof *entries) : NULL;
    if (!entries) {
        mem_free(slots);
        budget_give(d->budget, bytes);
        return ERR_MEMORY;
    }
    budget_give(d->budget, d->bytes);
    d->bytes = bytes;
    d->entries = entries;
    d->cap = cap;
    mem_free(d->slots);
    d->slots = slots;
    d->mask = n_slots - 1;
    for (size_t i = 0; i < d->n; i++) {
        size_t at = entries[i].hash & d->mask;
        while (slots[at]) at = (at + 1) & d->mask;
        slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

int32_t dictionary_find(const dictionary *d, str text, uint64_t hash)
{
    if (!d->mask) return -1;
    for (size_t at = (uint32_t)hash & d->mask; d->slots[at]; at = (at + 1) & d->mask) {
        size_t index = d->slots[at] - 1;
        if (d->entries[index].hash == (uint32_t)hash && str_equal(dictionary_text(d, index), text))
            return (int32_t)index;
    }
    return -1;
}

int32_t dictionary_add(dictionary *d, str text, uint64_t hash64, bool view)
{
    uint32_t hash = (uint32_t)hash64;
    size_t at = 0;
    if (d->mask) {
        for (at = hash & d->mask; d->slots[at]; at = (at + 1) & d->mask) {
            const dictionary_entry *entry = &d->entries[d->slots[at] - 1];
            if (entry->hash == hash && str_equal(dictionary_text(d, d->slots[at] - 1), text))
                return (int32_t)(d->slots[at] - 1);
        }
    }
    if (text.len > UINT32_MAX) return ERR_LIMIT;
    if (d->n == d->cap) {
        TRY(grow(d));
        for (at = hash & d->mask; d->slots[at];) at = (at + 1) & d->mask;
    }
    const char *data = text.data;
    if (!view) {
        char *copy;
        TRY(text_blocks_reserve(&d->blocks, text.len, d->budget, &copy));
        if (text.len) memcpy(copy, text.data, text.len);
        data = copy;
    }
    d->entries[d->n] = (dictionary_entry){.data = data, .len = (uint32_t)text.len, .hash = hash};
    d->slots[at] = (uint32_t)d->n + 1;
    return (int32_t)d->n++;
}

// Merge sort from the bottom up: no recursion, no allocation, and nothing that depends on a library's qsort.
static void merge(const dictionary *d, const uint32_t *from, uint32_t *to, size_t width)
{
    for (size_t start = 0; start < d->n; start += 2 * width) {
        size_t middle = start + width < d->n ? start + width : d->n;
        size_t end = start + 2 * width < d->n ? start + 2 * width : d->n;
        size_t a = start, b = middle;
        for (size_t i = start; i < end; i++) {
            bool left =
                a < middle && (b == end || str_compare(dictionary_text(d, from[a]), dictionary_text(d, from[b])) <= 0);
            to[i] = left ? from[a++] : from[b++];
        }
    }
}

void dictionary_sort(const dictionary *d, uint32_t *order, uint32_t *scratch)
{
    for (size_t i = 0; i < d->n; i++) order[i] = (uint32_t)i;
    uint32_t *from = order, *to = scratch;
    for (size_t width = 1; width < d->n; width *= 2) {
        merge(d, from, to, width);
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, d->n * sizeof *order);
}
