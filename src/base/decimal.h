// Decimal text to numbers and back: exact, without locale, without allocation. Any thread.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_DECIMAL_H
#define SLIPWAY_BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { DECIMAL_TEXT_SIZE = 32 };

// The shortest text that reads back as the same number, the nearest of those; returns its length. No NUL is added.
// "3", "0.5", "-0", "1.5e-7", "1e21", and "nan", "inf", "-inf". Positional from 1e-6 to below 1e21. Finite numbers are
// valid JSON.
size_t decimal_format_f64(double value, char text[DECIMAL_TEXT_SIZE]);
size_t decimal_format_f32(float value, char text[DECIMAL_TEXT_SIZE]);
size_t decimal_format_i64(int64_t value, char text[DECIMAL_TEXT_SIZE]);

// The longest number at the start of the text, rounded to nearest, ties to even: [+-] digits [. digits] [e [+-] digits]
// with a digit before or after the point. Past the largest double it is infinite. Returns its length, or 0 for none.
//
// Where float32 is wanted, cast the double: that is how a frame of doubles is rounded, so both ways agree.
size_t decimal_scan_f64(str text, double *out);

// The same by JSON's grammar: no plus sign, no leading zero, digits on both sides of a point, and a digit after "e".
size_t decimal_scan_json(str text, double *out);

// The whole text and nothing else. 0, or ERR_INPUT. parse_i64 refuses what does not fit: ERR_LIMIT.
MUST_CHECK int decimal_parse_f64(str text, double *out);
MUST_CHECK int decimal_parse_i64(str text, int64_t *out); // [+-] digits

#endif
