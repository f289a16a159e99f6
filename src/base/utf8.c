// The table of well-formed sequences of the Unicode standard (table 3-7), as comparisons.
// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

static int is_tail(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t utf8_char_len(str s)
{
    if (s.len == 0) return 0;
    const unsigned char *p = (const unsigned char *)s.data;
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xC2) return 0; // a tail, or an overlong form
    if (p[0] < 0xE0) return s.len >= 2 && is_tail(p[1]) ? 2 : 0;
    if (p[0] < 0xF0) {
        if (s.len < 3 || !is_tail(p[1]) || !is_tail(p[2])) return 0;
        if (p[0] == 0xE0 && p[1] < 0xA0) return 0;
        if (p[0] == 0xED && p[1] > 0x9F) return 0; // surrogates
        return 3;
    }
    if (p[0] > 0xF4 || s.len < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3])) return 0;
    if (p[0] == 0xF0 && p[1] < 0x90) return 0;
    if (p[0] == 0xF4 && p[1] > 0x8F) return 0;
    return 4;
}

size_t utf8_whole_len(str s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    size_t start = s.len; // of the last character: past at most three tails
    while (start > 0 && s.len - start < 3 && is_tail(p[start - 1])) start--;
    if (start == 0) return s.len;
    unsigned char lead = p[--start];
    size_t wanted = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return s.len - start < wanted ? start : s.len;
}

size_t utf8_put(uint32_t scalar, char *to)
{
    if (scalar < 0x80) {
        to[0] = (char)scalar;
        return 1;
    }
    size_t n = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = n; i-- > 1; scalar >>= 6) to[i] = (char)(0x80 | (scalar & 0x3F));
    to[0] = (char)(leads[n] | scalar);
    return n;
}
