// Trace context: which trace a request belongs to, from its traceparent header (W3C Trace Context, level 1, 2021).
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_TRACE_H
#define SLIPWAY_SERVE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/str.h"

enum { TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8 };

typedef struct trace {
    uint8_t trace_id[TRACE_ID_BYTES], span_id[SPAN_ID_BYTES];
    uint8_t parent_id[SPAN_ID_BYTES]; // all zero: this request is the root
    bool sampled;                     // its span is exported
} trace;

// Which requests are sampled. The sampled flag of a parent decides where there is one and `parent_decides`; else the
// share of traces, by the last eight bytes of the trace's id, so that services with one share agree.
typedef struct trace_sampling {
    bool parent_decides;
    uint64_t below; // a trace with id_number < below is sampled
    bool all;
} trace_sampling;

// Continues the trace of `parent`, or starts one where it is empty or not valid. `random` gives the new ids.
void trace_begin(trace *t, str parent, const trace_sampling *s, rng *random);

// Lower-case hexadecimal digits of n bytes, without an end.
void trace_hex(const uint8_t *bytes, size_t n, char *out);

#endif
