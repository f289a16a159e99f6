// What a model's inputs and scores looked like at training: the reference that live traffic is held against. It is the
// member "baseline" of a manifest's "training"; docs/formats/package.md describes it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_BASELINE_H
#define SLIPWAY_MODEL_BASELINE_H

#include "base/json.h"
#include "base/pool.h"
#include "data/frame.h"
#include "data/schema.h"

struct prediction; // model/driver.h

// Inputs past the first BASELINE_INPUTS_MAX of a schema have no baseline.
enum { BASELINE_INPUTS_MAX = 256, BASELINE_BINS_MAX = 32 };

// Counts of rows by bin. Numbers, dates and scores: bin i holds edges[i - 1] < x <= edges[i], the first and the last
// are open. Categories and classes: each bin but the last is one member of the schema's list; the last is all others.
typedef struct distribution {
    size_t n_bins; // 0: nobody knows; at most BASELINE_BINS_MAX
    uint64_t counts[BASELINE_BINS_MAX];
    uint64_t missing;                        // rows without a value, in no bin
    double edges[BASELINE_BINS_MAX - 1];     // (n_bins - 1), ascending
    uint32_t members[BASELINE_BINS_MAX - 1]; // (n_bins - 1), ascending: places in the schema's list
} distribution;

typedef struct baseline {  // immutable once made, so any thread may read
    size_t n_inputs;       // the schema's first ones
    distribution *inputs;  // owned
    uint64_t n_rows;       // training rows, that the inputs are of
    uint64_t n_score_rows; // held-out rows, that scores and classes are of
    distribution scores;   // of baseline_score()
    distribution classes;  // that were predicted; n_bins 0 for regression
} baseline;

// The inputs of these rows of a frame, which are those that the schema was made from. What it says of them (quantiles,
// counts of categories) is used. The same for any pool.
MUST_CHECK int baseline_of_inputs(baseline *out, const schema *s, const frame *f, const uint32_t *rows, size_t n_rows,
                                  pool *workers, err *e);
// Adds scores and classes.
MUST_CHECK int baseline_of_scores(baseline *io, const schema_target *t, const struct prediction *p, err *e);
void baseline_clear(baseline *r); // a zeroed one is fine

// The number that a row's answer is watched by: the probability of the second of two classes, the highest of several,
// or the value. NaN if the answer is.
float baseline_score(const schema_target *t, const float *scores, size_t n_scores);

// The bin of a number that is there.
static inline size_t distribution_bin(const distribution *d, double x)
{
    size_t bin = 0;
    for (size_t i = 0; i + 1 < d->n_bins; i++) bin += d->edges[i] < x;
    return bin;
}

MUST_CHECK int baseline_to_json(const baseline *r, const schema *s, json_t **out, err *e); // *out: json_decref()
// Everything is checked, against the schema too. On failure *out is untouched.
MUST_CHECK int baseline_from_json(baseline *out, const json_t *j, const schema *s, err *e);

#endif
