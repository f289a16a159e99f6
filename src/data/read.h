// Files to frames: CSV and JSON Lines, plain or gzip, types inferred over the whole file.
// docs/formats/csv.md says what is taken and how types are told.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_READ_H
#define SLIPWAY_DATA_READ_H

#include "base/arena.h"
#include "base/err.h"
#include "base/pool.h"
#include "data/frame.h"

typedef enum file_format { FORMAT_AUTO, FORMAT_CSV, FORMAT_JSONL } file_format;
typedef enum header_mode { HEADER_AUTO, HEADER_YES, HEADER_NO } header_mode;

typedef struct type_override {
    const char *column;
    column_type type;
    bool if_there; // a column that is not there is fine; else it is ERR_NOT_FOUND, with the nearest name
} type_override;

typedef struct read_options {
    file_format format; // AUTO: by the name's end (.csv .tsv .jsonl .ndjson, each with .gz), else by the first byte
    header_mode header; // AUTO: a first row whose cells could not be values of their columns is a header
    char delimiter;     // 0: sniffed among , ; tab |
    size_t n_missing;   // texts that mean "missing" (beside the empty cell)
    const char *const *missing; // NULL: the usual ones, see missing_default
    size_t n_types;
    const type_override *types;
    size_t memory_max; // bytes the reader and the frame may take; ERR_LIMIT says what would be needed
    size_t cell_max;   // bytes of one cell
    size_t columns_max;
} read_options;

#define READ_OPTIONS_DEFAULT ((read_options){.memory_max = (size_t)16 << 30, .cell_max = 1 << 20, .columns_max = 65536})

extern const char *const missing_default[]; // NULL-terminated: NA, N/A, NaN, null, None, ?, ...

const char *read_options_fault(const read_options *o); // NULL, or why they make no sense

// Overrides for the schema's inputs (and its target, where the file has it), so that a file is read as the model was
// trained, but for integer inputs, which take any number: *types in the arena, names borrowed from the schema.
// ERR_MEMORY.
MUST_CHECK int read_types_for(const schema *s, const type_override **types, size_t *n_types, arena *a, err *e);

// *out is owned by the caller: frame_free(). The pool may be NULL; its size changes nothing in the result.
// ERR_FORMAT, ERR_LIMIT: "PATH: row 7: 5 cells, 12 expected", with e->at the row (1 is the first after the header).
// A file that changes while it is read may give any rows or an error, nothing worse. One thread at a time.
MUST_CHECK int read_file(frame **out, const char *path, const read_options *o, pool *p, err *e);

// The same from memory (borrowed for the call), already decompressed.
MUST_CHECK int read_csv(frame **out, str text, const read_options *o, pool *p, err *e);
MUST_CHECK int read_jsonl(frame **out, str text, const read_options *o, pool *p, err *e);

#endif
