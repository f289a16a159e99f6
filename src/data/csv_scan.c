// The scan of CSV. Whether a byte is inside quotes is the parity of the quotes before it, a running exclusive or over
// the mask of quotes (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019). That holds as long as every
// quote stands where it can open or close a cell, which is checked alongside.
// SPDX-License-Identifier: Apache-2.0
#include "data/csv_scan_impl.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { PART = 64 };

typedef struct csv_part { // a bit a byte
    uint64_t quote, delimiter, newline;
} csv_part;

typedef struct csv_carry {
    uint64_t inside;  // all ones if the last byte was inside quotes (had the text begun outside)
    uint64_t newline; // of the last part: newlines
    uint64_t ends;    // of the last part: delimiters, newlines and quotes
    bool pending[2];  // the last byte was a quote that closes, begun outside or inside: what follows must fit
} csv_carry;

static inline csv_carry carry_of(const char before[2], csv_dialect d)
{
    csv_carry c = {0};
    for (int i = 0; i < 2; i++) {
        uint64_t bit = (uint64_t)1 << (62 + i);
        if (before[i] == d.newline) c.newline |= bit;
        if (before[i] == d.newline || before[i] == d.delimiter || before[i] == '"') c.ends |= bit;
    }
    return c;
}

// The last bytes of a text in a part of their own, followed by what comes after them.
static inline const char *fill_tail(char tail[PART], str text, size_t at, char after)
{
    memset(tail, 0, PART);
    memcpy(tail, text.data + at, text.len - at);
    tail[text.len - at] = after;
    return tail;
}

static inline uint64_t prefix_xor(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

// An opening quote follows the start of a cell, or the quote that it doubles; a closing one precedes the end of a cell,
// or its double. `closes`: what may follow a closing quote.
static inline void check_quotes(bool doubtful[2], csv_carry *carry, uint64_t quote, uint64_t inside, uint64_t ends,
                                uint64_t closes, bool both)
{
    uint64_t stray_before = ~(ends << 1 | carry->ends >> 63); // bytes that no opening quote may follow: one after these
    uint64_t last = (uint64_t)1 << 63;
    uint64_t stray_after = ~(closes >> 1 | last); // the last byte's successor is looked at in the next part
    uint64_t opens[2] = {quote & inside, quote & ~inside};
    for (int h = 0; h <= (int)both; h++) {
        if (carry->pending[h] && !(closes & 1)) doubtful[h] = true;
        if ((opens[h] & stray_before) | (opens[!h] & stray_after)) doubtful[h] = true;
        carry->pending[h] = opens[!h] >> 63;
    }
}

static inline void finish_quotes(bool doubtful[2], const csv_carry *carry, str text, char after, csv_dialect d)
{
    if (text.len % PART) return; // `after` was in the last part
    bool closes = after == d.delimiter || after == d.newline || after == '"' || after == '\r';
    for (int h = 0; h < 2; h++)
        if (carry->pending[h] && !closes) doubtful[h] = true;
}

static inline size_t emit_bits(uint32_t *ends, uint64_t mask, uint32_t base)
{
    size_t n = (size_t)__builtin_popcountll(mask);
    while (mask) { // eight at a time: the writes past n are overwritten by the next part
        for (int i = 0; i < 8; i++) {
            ends[i] = base + (uint32_t)__builtin_ctzll(mask | (uint64_t)1 << 63);
            mask &= mask - 1;
        }
        ends += 8;
    }
    return n;
}

// ---- plain ----

#define LEVEL(name) plain_##name
#define LEVEL_TARGET

static inline uint64_t plain_equal(const char *p, char c)
{
    uint64_t mask = 0;
    for (int i = 0; i < PART; i++) mask |= (uint64_t)(p[i] == c) << i;
    return mask;
}

static inline uint64_t plain_high(const char *p)
{
    uint64_t mask = 0;
    for (int i = 0; i < PART; i++) mask |= (uint64_t)((unsigned char)p[i] >> 7) << i;
    return mask;
}

static inline size_t plain_emit(uint32_t *ends, uint64_t mask, uint32_t base)
{
    return emit_bits(ends, mask, base);
}

static bool plain_usable(void)
{
    return true;
}

#include "data/csv_scan_level.inc"

#if defined(__x86_64__)

// ---- AVX2 ----

#define LEVEL(name) avx2_##name
#define LEVEL_TARGET __attribute__((target("avx2,popcnt,bmi,lzcnt")))

LEVEL_TARGET static inline uint64_t avx2_equal(const char *p, char c)
{
    __m256i want = _mm256_set1_epi8(c);
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)p);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32));
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, want));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, want));
    return (uint64_t)b << 32 | a;
}

LEVEL_TARGET static inline uint64_t avx2_high(const char *p)
{
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)(const void *)p));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(p + 32)));
    return (uint64_t)b << 32 | a;
}

LEVEL_TARGET static inline size_t avx2_emit(uint32_t *ends, uint64_t mask, uint32_t base)
{
    return emit_bits(ends, mask, base);
}

static bool avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
}

#include "data/csv_scan_level.inc"

// ---- AVX-512 with byte compression ----

#define LEVEL(name) avx512_##name
#define LEVEL_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,popcnt,bmi,lzcnt")))

LEVEL_TARGET static inline uint64_t avx512_equal(const char *p, char c)
{
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), _mm512_set1_epi8(c));
}

LEVEL_TARGET static inline uint64_t avx512_high(const char *p)
{
    return _mm512_movepi8_mask(_mm512_loadu_si512(p));
}

LEVEL_TARGET static inline size_t avx512_emit(uint32_t *ends, uint64_t mask, uint32_t base)
{
    static const char indices[PART] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                       16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                       32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                       48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    size_t n = (size_t)__builtin_popcountll(mask);
    __m512i packed = _mm512_maskz_compress_epi8(mask, _mm512_loadu_si512(indices));
    __m512i start = _mm512_set1_epi32((int)base);
    __m512i first = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed));
    _mm512_storeu_si512(ends, _mm512_add_epi32(start, first));
    if (n > 16) {
        __m512i second = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 1));
        _mm512_storeu_si512(ends + 16, _mm512_add_epi32(start, second));
    }
    if (n > 32) {
        __m512i third = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 2));
        __m512i fourth = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 3));
        _mm512_storeu_si512(ends + 32, _mm512_add_epi32(start, third));
        _mm512_storeu_si512(ends + 48, _mm512_add_epi32(start, fourth));
    }
    return n;
}

static bool avx512_usable(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt");
}

#include "data/csv_scan_level.inc"

#endif

const csv_scanner csv_scanners[CSV_SCANNERS_N] = {
#if defined(__x86_64__)
    {.name = "avx512", .usable = avx512_usable, .count = avx512_count, .split = avx512_split},
    {.name = "avx2", .usable = avx2_usable, .count = avx2_count, .split = avx2_split},
#else
    {.name = "plain", .usable = plain_usable, .count = plain_count, .split = plain_split},
    {.name = "plain", .usable = plain_usable, .count = plain_count, .split = plain_split},
#endif
    {.name = "plain", .usable = plain_usable, .count = plain_count, .split = plain_split},
};

const csv_scanner *csv_scanner_best(void)
{
    const csv_scanner *s = csv_scanners;
    while (!s->usable()) s++;
    return s;
}

// ---- the machine of states ----

csv_state csv_step(csv_state state, char c, csv_dialect d, bool *bad)
{
    if (state == CSV_QUOTED) return c == '"' ? CSV_CLOSED : CSV_QUOTED;
    if (c == d.delimiter || c == d.newline) return CSV_CELL_START;
    switch (state) {
    case CSV_CELL_START: return c == '"' ? CSV_QUOTED : CSV_UNQUOTED;
    case CSV_CLOSED:
        if (c == '"') return CSV_QUOTED;
        *bad |= c != '\r'; // that may be half a newline; if not, taking the quotes off fails
        return CSV_UNQUOTED;
    default: return CSV_UNQUOTED;
    }
}

static bool ends_empty_line(const char last[2], csv_dialect d)
{
    return last[1] == d.newline || (d.newline == '\n' && last[1] == '\r' && last[0] == '\n');
}

csv_state csv_machine_count(csv_count *out, str text, const char before[2], csv_state state, csv_dialect d)
{
    csv_count c = {.last_row_end = {-1, -1}};
    char last[2] = {before[0], before[1]};
    bool bad = false;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        bool row_end = byte == d.newline && state != CSV_QUOTED;
        if (row_end && !ends_empty_line(last, d)) c.n_rows[0]++;
        if (row_end) c.last_row_end[0] = (int64_t)i + 1;
        c.odd_quotes ^= byte == '"';
        state = csv_step(state, byte, d, &bad);
        last[0] = last[1];
        last[1] = byte;
    }
    *out = c;
    return state;
}

csv_ends csv_machine_split(uint32_t *ends, str text, csv_dialect d)
{
    csv_ends e = {0};
    csv_state state = CSV_CELL_START;
    char last[2] = {d.newline, d.newline};
    bool bad = false;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (byte == '"') e.flags |= CSV_HAS_QUOTES;
        if (byte == '\0') e.flags |= CSV_HAS_NUL;
        if ((unsigned char)byte >= 0x80) e.flags |= CSV_HAS_HIGH;
        if (state != CSV_QUOTED && byte == d.delimiter) ends[e.n++] = (uint32_t)i;
        if (state != CSV_QUOTED && byte == d.newline) {
            if (ends_empty_line(last, d)) {
                e.flags |= CSV_HAS_EMPTY_LINES;
            } else {
                ends[e.n++] = (uint32_t)i;
                e.n_rows++;
            }
        }
        state = csv_step(state, byte, d, &bad);
        last[0] = last[1];
        last[1] = byte;
    }
    if (bad || state == CSV_QUOTED) e.flags |= CSV_IS_DOUBTFUL;
    return e;
}
