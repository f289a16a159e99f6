// How frames are put together, for readers.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_FRAME_IMPL_H
#define SLIPWAY_DATA_FRAME_IMPL_H

#include "data/dictionary_impl.h"
#include "data/frame.h"

enum { FRAME_COLUMNS_MAX = 1 << 20 };

// A column with what it owns.
typedef struct frame_slot {
    column view;
    char *name;         // owned
    void *values;       // owned: f64, i64 or codes
    str *strings;       // owned; views into the blocks
    text_block *blocks; // owned
} frame_slot;

void frame_slot_clear(frame_slot *s);
void frame_slots_free(frame_slot *slots, size_t n);

void frame_slot_count_missing(frame_slot *s, size_t n_rows); // into view.n_missing, from view.storage and values

// Takes `slots` (from mem_alloc) and what they own, also on failure. Two columns of one name are ERR_INPUT.
MUST_CHECK int frame_make(frame **out, frame_slot *slots, size_t n_columns, size_t n_rows, err *e);

storage storage_of(column_type t, bool identifier_is_text);

#endif
