// traceparent: "00-" 32 hexadecimal digits "-" 16 "-" 2. Upper case is not valid.
// SPDX-License-Identifier: Apache-2.0
#include "serve/trace.h"

#include <string.h>

enum { PARENT_LEN = 55, VERSION_INVALID = 0xFF, FLAG_SAMPLED = 1 };

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// False if they are not all lower-case digits.
static bool parse_hex(const char *text, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return false;
    return true;
}

static bool parse_parent(trace *t, str text, bool *sampled)
{
    uint8_t version, flags;
    if (text.len < PARENT_LEN || text.data[2] != '-' || text.data[35] != '-' || text.data[52] != '-') return false;
    if (!parse_hex(text.data, 1, &version) || version == VERSION_INVALID) return false;
    // A version to come may say more, behind another dash.
    if (text.len > PARENT_LEN && (version == 0 || text.data[PARENT_LEN] != '-')) return false;
    if (!parse_hex(text.data + 3, TRACE_ID_BYTES, t->trace_id) || all_zero(t->trace_id, TRACE_ID_BYTES)) return false;
    if (!parse_hex(text.data + 36, SPAN_ID_BYTES, t->parent_id) || all_zero(t->parent_id, SPAN_ID_BYTES)) return false;
    if (!parse_hex(text.data + 53, 1, &flags)) return false;
    *sampled = flags & FLAG_SAMPLED;
    return true;
}

static void fill(uint8_t *out, size_t n, rng *random)
{
    do
        for (size_t i = 0; i < n; i += 8) {
            uint64_t word = rng_u64(random);
            memcpy(out + i, &word, 8);
        }
    while (all_zero(out, n));
}

void trace_begin(trace *t, str parent, const trace_sampling *s, rng *random)
{
    bool sampled = false, has_parent = parse_parent(t, parent, &sampled);
    if (!has_parent) {
        memset(t->parent_id, 0, SPAN_ID_BYTES);
        fill(t->trace_id, TRACE_ID_BYTES, random);
    }
    fill(t->span_id, SPAN_ID_BYTES, random);
    uint64_t number = 0;
    for (int i = 8; i < TRACE_ID_BYTES; i++) number = number << 8 | t->trace_id[i];
    t->sampled = has_parent && s->parent_decides ? sampled : s->all || number < s->below;
}

void trace_hex(const uint8_t *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}
