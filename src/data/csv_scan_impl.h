// Where cells and rows of CSV end: a scan over bitmasks of 64 bytes, and the machine of states that it stands for.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_CSV_SCAN_IMPL_H
#define SLIPWAY_DATA_CSV_SCAN_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

typedef struct csv_dialect {
    char delimiter;
    char newline; // '\n', which a '\r' may precede; or '\r' in files that have no '\n'
} csv_dialect;

// Where a scan stands between two bytes. A quote opens a quoted cell only at the start of a cell; elsewhere in an
// unquoted cell it is a letter like others.
typedef enum csv_state {
    CSV_CELL_START, // no byte of the cell was seen
    CSV_UNQUOTED,
    CSV_QUOTED,
    CSV_CLOSED, // after a quote in a quoted cell: its end, or the first half of a doubled quote
} csv_state;

// What one part of a file holds, had it begun outside (0) or inside (1) of a quoted cell.
typedef struct csv_count {
    size_t n_rows[2];        // rows that end in it; empty lines are no rows
    int64_t last_row_end[2]; // offset after the last newline that ends a row (or an empty line), or -1
    bool odd_quotes;
    bool doubtful[2]; // a quote where none can open or close a cell: only the machine of states knows better
} csv_count;

enum {
    CSV_HAS_QUOTES = 1,
    CSV_HAS_HIGH = 2, // bytes outside ASCII
    CSV_HAS_NUL = 4,
    CSV_IS_DOUBTFUL = 8, // as above; then the ends are not to be used
    CSV_HAS_EMPTY_LINES = 16,
};

typedef struct csv_ends {
    size_t n;      // ends of cells
    size_t n_rows; // of which ends of rows
    unsigned flags;
} csv_ends;

// One level of the processor's abilities; all give the same answers.
typedef struct csv_scanner {
    const char *name; // "plain", "avx2", "avx512"
    bool (*usable)(void);
    // text[-1] and text[-2] are `before` (newlines at the start of a file), text[len] is `after` ('\n' at its end).
    void (*count)(csv_count *out, str text, const char before[2], char after, csv_dialect d);
    // Offsets of the delimiters and newlines that end cells, from the start of a row. Empty lines have none. `ends`:
    // room for text.len + 64. A last row without a newline has no end here.
    csv_ends (*split)(uint32_t *ends, str text, csv_dialect d);
} csv_scanner;

extern const csv_scanner csv_scanners[]; // the best first; the last one is usable everywhere
enum { CSV_SCANNERS_N = 3 };
const csv_scanner *csv_scanner_best(void);

// The machine of states: one byte on. *bad is set by text after a closing quote.
csv_state csv_step(csv_state state, char c, csv_dialect d, bool *bad);

// The same by the machine of states, byte by byte, for doubtful parts: from `state` on. For count, out->*[0] is what
// is.
csv_state csv_machine_count(csv_count *out, str text, const char before[2], csv_state state, csv_dialect d);
csv_ends csv_machine_split(uint32_t *ends, str text, csv_dialect d);

#endif
