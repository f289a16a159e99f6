// UTF-8, as far as base needs it: is the next character a sound one?
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_UTF8_H
#define SLIPWAY_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

// Bytes of the first character, 1..4; 0 if it is not UTF-8 (overlong, a surrogate, past U+10FFFF, cut) or `s` is empty.
size_t utf8_char_len(str s);

// Length of `s`, a text that was cut somewhere, without the beginning of a character that lost its tail.
size_t utf8_whole_len(str s);

// Writes a Unicode scalar value, 1..4 bytes; returns how many.
size_t utf8_put(uint32_t scalar, char *to);

#endif
