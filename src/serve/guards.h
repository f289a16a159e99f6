// Whether a canary does worse than what it is to replace: from what both did to a verdict. Pure.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_GUARDS_H
#define SLIPWAY_SERVE_GUARDS_H

#include "registry/deployments.h"
#include "serve/served.h"

// What one version did in a window.
typedef struct reading {
    uint64_t requests, failed; // answered; and those that failed
    uint64_t latency[LATENCY_STEPS], scores[SCORE_BINS];
} reading;

void reading_take(reading *out, const served *v);               // since it was loaded. Any thread
void reading_subtract(reading *from, const reading *before);    // what came after
uint64_t reading_percentile_ns(const reading *r, double share); // upper end of its step; 0 without requests

typedef struct verdict {
    bool enough;                          // both had the requests that a verdict needs
    const char *broken;                   // "error_rate", "latency", "scores"; NULL: nothing is wrong
    double error_rate[2], p95_ns[2], psi; // of the primary, of the canary; psi is NaN with too few scores
    uint64_t requests[2];
} verdict;

verdict guards_judge(const guards *g, const reading *primary, const reading *canary);
int verdict_format(const verdict *v, char *out, size_t size); // JSON on one line; as snprintf()

// Population stability index of two histograms: sum over bins of (a - e) ln(a / e), where a and e are shares, and a
// share below 0.0001 counts as that. NaN if one is empty.
double psi_of(const uint64_t *actual, const uint64_t *expected, size_t n_bins);

#endif
