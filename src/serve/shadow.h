// A version that is given copies of a model's requests: it answers nobody, and what it would have answered is compared
// with what was. Copies are predicted by a thread of its own that yields to all others; docs/rollout.md has the rules.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SHADOW_H
#define SLIPWAY_SERVE_SHADOW_H

#include "base/hash.h"
#include "serve/guards.h"
#include "serve/served.h"

enum {
    SHADOW_WAITING_BYTES_MAX = 4 << 20, // of copies that wait for one shadow; what comes then is dropped and counted
    SHADOW_COPY_BYTES_MAX = SHADOW_WAITING_BYTES_MAX / 2, // a larger one is never taken
    SHADOW_LOOK_MS = 10, // a copy waits this long at least: its answer has left by then
};

typedef struct shadow shadow; // counted: held by snapshots; its thread ends after the last of them

// What was seen since it began.
typedef struct shadow_reading {
    reading seen;         // requests it answered, failed at or would have refused, and their times
    uint64_t rows;        // compared
    uint64_t other_label; // of them: another class than the primary's. Classes only
    double difference;    // sum over rows of |score - score|: of the class that was answered, or of the value
    uint64_t dropped_busy, dropped_large; // copies that were not taken
    uint64_t spent_ns;                    // sum of times
} shadow_reading;

void shadow_drop(shadow *s); // one owner less; NULL is fine. Any thread; never waits
const served *shadow_version(const shadow *s);
// Why it answers none of the requests that the primary answers, a sentence; NULL: it may.
const char *shadow_fault(const shadow *s);
void shadow_read(const shadow *s, shadow_reading *out); // any thread

// Leaves a copy of a request, and of what `by` answered, if that is the primary and there is room. Any thread: no lock,
// no allocation, no system call.
void shadow_offer(shadow *s, const served *by, const batch *in, const prediction *out);

// Whether this request is one of those that are copied, by its lot.
static inline bool shadow_takes(int64_t share, uint64_t seed, uint64_t lot)
{
    return hash_bytes(&lot, sizeof lot, ~seed) % WEIGHT_ALL < (uint64_t)share;
}

// Those that live, with those that end: the catalog's. One thread.
typedef struct shadows {
    shadow *first;
} shadows;

// The shadow of this id, primary and version, held once more; a new one, with its thread, if it is not there yet.
MUST_CHECK int shadows_take(shadows *all, shadow **out, int64_t id, served *primary, served *version, err *e);
void shadows_sweep(shadows *all); // frees those that nobody holds, once their threads have ended. Never waits
void shadows_clear(shadows *all); // waits for the threads; nobody holds one any more, and what they predict was stopped

#endif
