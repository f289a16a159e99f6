// Time, in two kinds that must not be mixed.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_CLOCK_H
#define SLIPWAY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_monotonic_ns(void); // for durations and deadlines
uint64_t clock_thread_ns(void);    // of processor time that the calling thread was given
int64_t clock_utc_ms(void);        // milliseconds since 1970-01-01T00:00:00Z, for people and records

int64_t clock_coarse_ms(void); // the same, some ms late, in a fifth of the time

enum { CLOCK_TEXT_SIZE = 32 };
// "2026-01-31T12:00:00.000Z" into `text`; returns `text`.
const char *clock_format_utc(int64_t utc_ms, char text[CLOCK_TEXT_SIZE]);

#endif
