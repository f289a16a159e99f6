// The CSV reader, between its files: its state, rows in parts, columns, cells.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_CSV_READER_IMPL_H
#define SLIPWAY_DATA_CSV_READER_IMPL_H

#include <stdatomic.h>

#include "base/task_error.h"
#include "data/csv_impl.h"
#include "data/store_impl.h"

// Whole rows, from one offset to another.
typedef struct csv_range {
    size_t start, end;
    bool doubtful; // split by the machine
} csv_range;

typedef struct csv_worker { // one thread at a time
    char *buffer;           // the text of a part
    uint32_t *ends;
    char *scratch; // a cell without its quotes
    size_t cap;    // bytes of buffer and scratch; ends has room for 64 more
} csv_worker;

typedef struct csv_reader {
    const source *source;
    const read_options *options;
    budget *budget;
    pool *pool;
    const csv_scanner *scanner;
    csv_layout layout;
    missing_set missing;
    const char **names; // views of the store's; n_columns
    store store;
    csv_worker *workers; // n_workers
    size_t part_size, n_workers;

    csv_count *counts; // while rows are counted
    size_t n_counts;

    store_part *parts;
    csv_range *ranges;
    size_t n_parts;
    bool open_quote; // the row after the last one has a quote that is never closed

    // One pass:
    const uint32_t *columns; // that are read in it
    size_t n_pass_columns;
    uint16_t *pass_workers; // of every part
    atomic_uint *kinds;     // of every column: what the values that did not fit could be
    atomic_bool *misfit;    // of every column
    task_error failed;      // of the earliest part
} csv_reader;

// ---- csv_rows.c: where rows are ----

// Room for a text of len bytes. What was in the buffers is lost.
MUST_CHECK int csv_worker_reserve(csv_reader *r, csv_worker *w, size_t len, err *e);
void csv_worker_clear(csv_reader *r, csv_worker *w);
size_t csv_pick_part_size(const csv_layout *l, size_t given);
MUST_CHECK int csv_count_rows(csv_reader *r, err *e); // fills parts and ranges
size_t csv_n_rows(const csv_reader *r);               // of all parts
// Reads and splits a part, and refuses it if its rows are not sound. Quotes of single cells are left to be looked at.
MUST_CHECK int csv_load_part(csv_reader *r, size_t part, csv_worker *w, csv_view *out, err *e);
MUST_CHECK int csv_reader_explain(const csv_reader *r, str text, size_t first_row, bool cut, err *e); // csv_explain()

// ---- csv_plan.c: what the columns are ----

// Names, and a plan for every column, from rows here and there. Drops the first row if it is the header.
MUST_CHECK int csv_plan_columns(csv_reader *r, err *e);

// ---- csv_cells.c: cells to values ----

// One column of one part. A cell that is no value of the column's plan sets misfit and kinds.
MUST_CHECK int csv_read_column(csv_reader *r, size_t index, size_t worker_index, const csv_view *v, err *e);

#endif
