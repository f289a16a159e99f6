// A version of a model, made ready to answer.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SERVED_H
#define SLIPWAY_SERVE_SERVED_H

#include <stdatomic.h>

#include "base/clock.h"
#include "model/model.h"
#include "registry/registry.h"
#include "registry/signatures.h"
#include "serve/decode.h"
#include "serve/drift.h"
#include "serve/encode.h"
#include "serve/meters.h"
#include "serve/openapi.h"
#include "serve/runtime.h"

// Two steps an octave, from 1 us on: a percentile is known to within a factor of 1.5.
enum { LATENCY_STEPS = 48, SCORE_BINS = 10, SCORED_ROWS = 16 };
static inline uint64_t latency_step_end_ns(size_t step)
{
    return (UINT64_C(1024) << step / 2) * (step % 2 ? 4 : 3) / 2;
}
static inline size_t latency_step(uint64_t ns)
{
    if (ns < 1024) return 0;
    size_t octave = 63 - (size_t)__builtin_clzll(ns) - 10, step = 2 * octave + (ns >> (octave + 9) & 1);
    return step < LATENCY_STEPS ? step : LATENCY_STEPS - 1;
}

// What one thread counts of a version: written by that thread, read by any.
typedef struct tally {
    _Alignas(64) counter requests, rows; // answered
    counter answered_ms;                 // when the last one was, milliseconds since 1970
    counter measured, measured_ns;       // requests that were timed, and how long the model took for them together
    counter latency[LATENCY_STEPS];      // of a sample of requests, of all while a deployment is under way
    counter scores[SCORE_BINS];          // while one is: rows, at most SCORED_ROWS of a request
} tally;

typedef struct counts {
    atomic_uint_fast64_t failed; // requests that this version could not answer, by its fault or because it wants others
    tally slots[];               // by serving.slot, and the last for the thread of the version's queue
} counts;

// Immutable and counted, so any thread; but for the tallies, and what is marked as the catalog's.
typedef struct served served;
struct served {
    atomic_size_t n_owners;
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    model *model;
    decoder *decoder;
    encoder *encoder;
    size_t memory; // bytes that it takes
    running *running;
    openapi_part api;
    model_meter *meter; // borrowed until the catalog is freed
    size_t n_slots;
    drift *drift;      // NULL: its package has no baseline
    counts *counts;    // n_slots of them
    atomic_bool timed; // the catalog's: a deployment wants to know latencies and scores
    uint64_t used_ns;  // the catalog's: when it was last seen to have answered
    uint64_t n_seen;   // the catalog's: requests by then
};

// Where versions come from, and who runs them. Borrowed until the last of them is dropped.
typedef struct served_from {
    registry *registry;
    runtime *runtime;
    const trusted_keys *trusted; // one of them must have signed; NULL: signatures are not looked at
    size_t n_slots;              // threads that answer
    int64_t drift_window_ms;
} served_from;

// Reads a version from the registry and answers an example row with it, so that the first request costs what the next
// ones do. One that cannot answer the example is refused; a model made elsewhere, whose schema knows no typical values,
// is given the benefit of the doubt.
MUST_CHECK int served_open(served **out, const served_from *from, const char *name, int64_t version, model_meter *meter,
                           err *e);
// Counts an answer of this many rows, now: clock_coarse_ms().
static inline void served_answered(const served *v, size_t slot, size_t n_rows, int64_t now_ms)
{
    tally *t = &v->counts->slots[slot];
    counter_add(&t->requests, 1);
    counter_add(&t->rows, n_rows);
    atomic_store_explicit(&t->answered_ms, (uint64_t)now_ms, memory_order_relaxed);
}
static inline void served_measured(const served *v, size_t slot, uint64_t spent_ns)
{
    counter_add(&v->counts->slots[slot].measured, 1);
    counter_add(&v->counts->slots[slot].measured_ns, spent_ns);
}
// How long an answer took, with its waiting.
static inline void served_took(const served *v, size_t slot, uint64_t spent_ns)
{
    counter_add(&v->counts->slots[slot].latency[latency_step(spent_ns)], 1);
}
// What came out.
void served_observe(const served *v, size_t slot, const prediction *out);
// A request that went wrong: counted if this may be the version's fault. Any thread.
void served_failed(const served *v, int rc);
// What all threads have counted; not the latencies and scores.
typedef struct served_totals {
    uint64_t requests, rows, failed, measured, measured_ns, answered_ms;
} served_totals;
served_totals served_total(const served *v);
uint64_t served_requests(const served *v); // answered by all threads
served *served_hold(served *v);            // one more owner; returns v; NULL is fine
void served_drop(served *v);               // one less; the last frees it; NULL is fine

#endif
