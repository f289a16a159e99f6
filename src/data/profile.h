// The profile: what is in every column, and what is wrong with the data.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_PROFILE_H
#define SLIPWAY_DATA_PROFILE_H

#include "base/json.h"
#include "base/pool.h"
#include "data/frame.h"

enum { PROFILE_TOP_N = 10 };

typedef struct column_profile {
    size_t n_missing, n_distinct; // n_distinct: of the values that are there
    bool constant;                // the same in every row, be it a value or its absence
    // Numbers and dates, over the values that are there; NaN without any. std divides by n. Quantiles interpolate
    // linearly between neighbours, as NumPy's do.
    double min, max, mean, std, quantiles[QUANTILES_N];
    // Texts: the most frequent, ties by bytes.
    size_t n_top;
    str top[PROFILE_TOP_N]; // views into the frame
    uint64_t top_counts[PROFILE_TOP_N];
} column_profile;

typedef enum finding_kind {
    FINDING_MISSING,    // many values are missing
    FINDING_CONSTANT,   // one value only: of no use
    FINDING_IDENTIFIER, // names the row: of no use, and leaks if learned
    FINDING_TEXT,       // free text, which the family at hand cannot use
    FINDING_MANY,       // a category with very many values
    FINDING_IMBALANCE,  // the rarest class is very rare
    FINDING_DUPLICATES, // the same row many times
    FINDING_LEAK,       // a column that alone tells the target
    FINDING_KINDS_N,
} finding_kind;
const char *finding_kind_name(finding_kind k); // "missing", "constant", ...

typedef struct finding {
    finding_kind kind;
    int64_t column; // index in the frame, or -1 for the whole
    char text[200]; // one sentence for a person
} finding;

typedef struct profile {
    size_t n_columns, n_findings;
    column_profile *columns; // n_columns; owned
    finding *findings;       // by kind, then column; owned
    size_t n_duplicate_rows; // rows that equal an earlier one in every column
} profile;

// target: column index or -1. The pool may be NULL and changes nothing in the result. One thread at a time.
MUST_CHECK int profile_make(profile *out, const frame *f, int64_t target, pool *p, err *e);
void profile_clear(profile *p);
MUST_CHECK int profile_to_json(const profile *p, const frame *f, json_t **out, err *e);

// Columns likely to be what somebody wants to predict, best first: for a command line without --target.
// Returns how many of at most n_max were written.
size_t profile_likely_targets(const profile *p, const frame *f, size_t *out, size_t n_max);

#endif
