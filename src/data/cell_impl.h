// Cells: what a text could be a value of, and which texts mean that there is none.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_CELL_IMPL_H
#define SLIPWAY_DATA_CELL_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "data/read.h"

// Sets of types that a text reads as. Every text is also a text.
enum { KIND_BOOLEAN = 1, KIND_INTEGER = 2, KIND_REAL = 4, KIND_DATETIME = 8, KINDS_ALL = 15 };

unsigned cell_kinds(str text);

// How booleans were written, to tell "f" and "m" from "f" and "t": bits of what was seen.
enum { BOOLEAN_FALSE_LETTER = 1, BOOLEAN_TRUE_LETTER = 2, BOOLEAN_WORD = 4 };

static inline unsigned boolean_form(str trimmed, bool value)
{
    return trimmed.len > 1 ? BOOLEAN_WORD : value ? BOOLEAN_TRUE_LETTER : BOOLEAN_FALSE_LETTER;
}

typedef struct missing_set {
    size_t n;
    const char *const *texts; // borrowed
    uint64_t lengths;         // a bit for each length below 64 that occurs; the last for all others
    bool has_values;          // some could be read as a value: look before reading
} missing_set;

missing_set missing_set_of(const read_options *o);
bool missing_set_find(const missing_set *m, str text); // the slow half of missing_set_has()

static inline bool missing_set_has(const missing_set *m, str text)
{
    if (text.len == 0) return true;
    return m->lengths >> (text.len < 63 ? text.len : 63) & 1 && missing_set_find(m, text);
}

// The digits of most integers; anything else (blanks, 19 digits and more, no integer) is left to parse_i64().
static inline bool cell_i64(str text, int64_t *out)
{
    const char *p = text.data, *end = p + text.len;
    bool negative = *p == '-';
    p += negative;
    if (end - p > 18 || p == end) return false;
    int64_t value = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > 9) return false;
        value = value * 10 + digit;
    }
    *out = negative ? -value : value;
    return true;
}

#endif
