// Values as text: how cells, strings in requests and class names are read and written.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_VALUE_H
#define SLIPWAY_DATA_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

// Any thread. Blanks (space, tab) at both ends are ignored. Return 0, or ERR_INPUT with *out untouched; parse_i64 gives
// ERR_LIMIT for a whole number past 64 bits (and for INT64_MIN, which means "missing").
MUST_CHECK int parse_f64(str text, double *out); // as decimal_parse_f64(), and inf, infinity in any case
MUST_CHECK int parse_i64(str text, int64_t *out);
MUST_CHECK int parse_boolean(str text, int64_t *out); // true false yes no t f y n, any case

// ISO 8601: 2026-01-31, and 2026-01-31T12:00[:00[.123...]][Z|+01:00|+0100|+01], with T, t or a space between; no zone
// means UTC. Years 0000 to 9999. Fractions below a millisecond are cut off.
MUST_CHECK int parse_datetime(str text, int64_t *utc_ms);

enum { DATETIME_TEXT_SIZE = 32 };
// "2026-01-31T12:00:00Z", with milliseconds only if there are any; years outside 0000..9999 as plain milliseconds.
size_t format_datetime(int64_t utc_ms, char text[DATETIME_TEXT_SIZE]); // returns the length; no NUL

str str_trim(str text); // without blanks at both ends

#endif
