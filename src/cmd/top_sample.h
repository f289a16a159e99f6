// What a server did between two looks at its metrics.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_TOP_SAMPLE_H
#define SLIPWAY_CMD_TOP_SAMPLE_H

#include "base/json.h"
#include "cmd/scrape.h"

// One loaded version. Rates are a second; NaN where nobody knows.
typedef struct top_version {
    str model; // like `column`, a view into the later metrics
    int64_t version;
    bool serving;   // it answers what names no version
    bool unwatched; // it has no baseline
    double requests, rows, failed, p50_s, p99_s, queued, memory;
    double canary; // the share of requests that it takes as a canary; NaN: it is none
    double drift;  // the largest index; NaN: no verdict yet
    str column;    // that it is of; "scores", "classes"
} top_version;

typedef struct top_sample {
    double seconds;                                                   // between the looks
    double requests, client_errors, server_errors, rows;              // a second
    double p50_s, p99_s, in_flight, connections, queued, memory, cpu; // cpu: processors in use
    size_t n;
    top_version *versions; // by requests, the most first
} top_sample;

// Requests for metrics and health are not counted. Versions are in the arena.
MUST_CHECK int top_sample_take(top_sample *out, const scrape *before, const scrape *after, double seconds, arena *a,
                               err *e);

// A share of what a histogram's buckets hold, between their ends in proportion; NaN for an empty one. `le` and
// `counts` (not cumulative): n of each, ascending, the last end infinite.
double top_percentile(const double *le, const double *counts, size_t n, double share);

// *out: json_decref().
MUST_CHECK int top_sample_to_json(const top_sample *s, json_t **out, err *e);

#endif
