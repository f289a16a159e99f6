// The store: columns while they are being read, part by part, by several workers; at the end it becomes a frame.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_STORE_IMPL_H
#define SLIPWAY_DATA_STORE_IMPL_H

#include "base/hash.h"
#include "base/pool.h"
#include "data/cell_impl.h"
#include "data/dictionary_impl.h"
#include "data/frame_impl.h"
#include "data/sketch_impl.h"

// How a column's values are kept while reading.
typedef enum plan {
    PLAN_BOOLEAN,
    PLAN_INTEGER,
    PLAN_REAL,
    PLAN_DATETIME,
    PLAN_CATEGORY, // codes into the worker's dictionary
    PLAN_TEXT,     // every text on its own
} plan;

plan plan_of_kinds(unsigned kinds, bool like_text); // the narrowest plan that takes values of all these kinds
plan plan_of_type(column_type t);

// What is known of the texts of a column.
typedef struct text_facts {
    size_t n_present;
    double n_distinct; // counted, or estimated
    uint64_t n_words;  // of all values
    uint64_t n_spaced; // values of two words or more
} text_facts;

void text_facts_add(text_facts *facts, str text, size_t times); // all but n_distinct
bool text_facts_like_text(const text_facts *facts);             // better kept as PLAN_TEXT
column_type text_facts_type(const text_facts *facts, const char *name);

typedef struct store_column {
    char *name; // owned
    bool fixed; // the type was given
    column_type fixed_type;
    plan plan;
    unsigned kinds; // what all values seen so far could be
    bool like_text;
    bool read;               // values are complete
    void *values;            // f64, i64 or codes, n_rows; owned
    str *texts;              // PLAN_TEXT: of every row, len 0 if missing; owned; views into the workers' blocks
    const uint16_t *workers; // of every part, in the pass that read the column; borrowed
} store_column;

// What one worker keeps of one column.
typedef struct store_local {
    dictionary dictionary; // PLAN_CATEGORY
    text_block *blocks;    // PLAN_TEXT; owned
    sketch *sketch;        // PLAN_TEXT; owned
    text_facts facts;      // PLAN_TEXT
    unsigned boolean_forms;
} store_local;

typedef struct store_part {
    size_t first_row, n_rows;
} store_part;

typedef struct store {
    size_t n_rows, n_columns, n_workers, n_parts;
    store_column *columns;      // owned
    store_local *locals;        // (n_workers, n_columns); owned
    const store_part *parts;    // borrowed
    const missing_set *missing; // borrowed
    budget *budget;             // borrowed
} store;

MUST_CHECK int store_init(store *s, size_t n_columns, size_t n_workers, const missing_set *missing, budget *b);
void store_clear(store *s);
// Room for the column's values by its plan; what an earlier plan left is given back.
MUST_CHECK int store_reserve(store *s, size_t index);
size_t store_bytes(const store *s); // that all columns' values take, by their plans

static inline store_local *store_local_of(const store *s, size_t worker, size_t index)
{
    return &s->locals[worker * s->n_columns + index];
}

// Keeps a text of a PLAN_CATEGORY or PLAN_TEXT column; one that means "missing" is kept as that. ERR_MEMORY or
// ERR_LIMIT.
MUST_CHECK int store_put_text(const store *s, size_t worker, size_t index, size_t row, str text);

// Every column has been read: decides the types and makes the frame. Empties the columns.
MUST_CHECK int store_finish(store *s, frame **out, pool *p, err *e);

// "3.2 GB"
enum { BYTES_TEXT_SIZE = 32 };
const char *format_bytes(size_t n, char text[BYTES_TEXT_SIZE]);

#endif
