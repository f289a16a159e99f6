// Metrics as a server writes them (Prometheus' text format 0.0.4), read back.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_SCRAPE_H
#define SLIPWAY_CMD_SCRAPE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum { SCRAPE_LABELS_MAX = 8 };

typedef struct metric_label {
    str name, value; // without escapes
} metric_label;

typedef struct metric {
    str name;
    size_t n_labels;
    metric_label labels[SCRAPE_LABELS_MAX];
    double value;
} metric;

typedef struct scrape {
    size_t n;
    metric *metrics; // in the order of the text
} scrape;

// Views into the text and the arena. ERR_FORMAT with the line (e->at) where it is none of ours.
MUST_CHECK int scrape_read(scrape *out, str text, arena *a, err *e);

str metric_label_of(const metric *m, const char *name); // empty if it has none of that name
// The sum of all of that name whose labels are these; NULL for any value. NaN if there is none.
double scrape_sum(const scrape *s, const char *name, const char *label, str value);

#endif
