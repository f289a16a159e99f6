// What a version is asked and what it answers, counted by the bins of its baseline, over a sliding window.
// docs/drift.md says what is made of it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_DRIFT_H
#define SLIPWAY_SERVE_DRIFT_H

#include "data/batch.h"
#include "model/baseline.h"
#include "model/driver.h"

// Each thread counts the first so many rows of a second, and so many of a request, spread over it: a row costs some ten
// nanoseconds a column, and a second's first rows stand for all.
enum { DRIFT_ROWS_A_SECOND = 2048, DRIFT_ROWS_A_REQUEST = 128 };

typedef struct drift drift; // counted by threads that have a slot each; read by any

// Borrows schema and baseline until drift_free(). Two windows of window_ms are kept for each slot.
MUST_CHECK int drift_new(drift **out, const schema *s, const baseline *b, size_t n_slots, int64_t window_ms, err *e);
void drift_free(drift *d); // NULL is fine
size_t drift_memory(const drift *d);

// Counts a request that was answered. now_ms: clock_coarse_ms(). Without locks and allocations.
void drift_count(drift *d, size_t slot, const batch *in, const prediction *out, int64_t now_ms);

// What was counted of one input, or of scores or classes: as in its distribution, and what that has no place for.
typedef struct drift_seen {
    uint64_t counts[BASELINE_BINS_MAX]; // of the distribution's bins; unknown categories are in the last one
    uint64_t missing, unknown;          // unknown: categories that were never seen in training
} drift_seen;

typedef struct drift_reading {
    int64_t from_ms; // when the older window began that still counts
    uint64_t n_rows;
    size_t n_inputs;
    drift_seen *inputs;         // owned
    drift_seen scores, classes; // classes: zeros for regression
} drift_reading;

// The window now under way and the one before it, of all slots: between one and two times window_ms. Any thread, while
// others count.
MUST_CHECK int drift_read(drift_reading *out, const drift *d, int64_t now_ms, err *e);
void drift_reading_clear(drift_reading *r);
int64_t drift_window_ms(const drift *d);

// ---- What it means

// Rows below which no verdict is given, and the bounds of the population stability index that are in common use.
enum { DRIFT_ROWS_MIN = 500 };
#define DRIFT_MODERATE 0.1
#define DRIFT_STRONG 0.25

typedef struct drift_measure {
    uint64_t n_rows;                         // counted, missing ones included
    double psi;                              // NaN: nothing to compare
    double by_chance;                        // what the index comes to on average when nothing changed
    double missing, missing_before, unknown; // shares; NaN without rows
    const char *verdict;                     // "stable", "moderate", "drifted"; NULL: too few rows
} drift_measure;

// The index over the bins and, as one bin more, missing values. by_chance: (bins - 1) (1/n + 1/m), where n and m are
// the rows compared: Yurdakul, "Statistical properties of population stability index" (2018).
drift_measure drift_measure_of(const drift_seen *seen, const distribution *before);

#endif
