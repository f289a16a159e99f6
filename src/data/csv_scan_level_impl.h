// The scan for one level of the processor, compiled several times by csv_scan.c, which defines before each:
// LEVEL(name), LEVEL_TARGET, and the functions LEVEL(equal), LEVEL(high) and LEVEL(emit).
// SPDX-License-Identifier: Apache-2.0

// Newlines that end an empty line: right after another newline, or with only '\r' in between.
LEVEL_TARGET static inline uint64_t LEVEL(empty_lines)(const char *p, uint64_t newline, uint64_t last, csv_dialect d,
                                                       const char before[2])
{
    uint64_t empty = newline & (newline << 1 | last >> 63);
    if (d.newline == '\r') return empty;
    uint64_t two_apart = newline & (newline << 2 | last >> 62);
    for (; two_apart; two_apart &= two_apart - 1) {
        int at = __builtin_ctzll(two_apart);
        if ((at ? p[at - 1] : before[1]) == '\r') empty |= (uint64_t)1 << at;
    }
    return empty;
}

LEVEL_TARGET static inline csv_part LEVEL(part)(const char *p, csv_dialect d)
{
    return (csv_part){.quote = LEVEL(equal)(p, '"'),
                      .delimiter = LEVEL(equal)(p, d.delimiter),
                      .newline = LEVEL(equal)(p, d.newline)};
}

LEVEL_TARGET static void LEVEL(count)(csv_count *out, str text, const char before[2], char after, csv_dialect d)
{
    csv_count c = {.last_row_end = {-1, -1}};
    csv_carry carry = carry_of(before, d);
    char tail[PART], last[2] = {before[0], before[1]};
    for (size_t at = 0; at < text.len; at += PART) {
        const char *p = text.data + at;
        uint64_t valid = UINT64_MAX;
        if (text.len - at < PART) {
            p = fill_tail(tail, text, at, after);
            valid = ((uint64_t)1 << (text.len - at)) - 1;
        }
        csv_part m = LEVEL(part)(p, d);
        uint64_t quote = m.quote & valid, newline = m.newline & valid;
        uint64_t inside = carry.inside;
        if (quote | carry.pending[0] | carry.pending[1]) {
            uint64_t ends = m.delimiter | m.newline | m.quote;
            uint64_t closes = d.newline == '\r' ? ends : ends | LEVEL(equal)(p, '\r');
            inside ^= prefix_xor(quote);
            check_quotes(c.doubtful, &carry, quote, inside, ends, closes, true);
            c.odd_quotes ^= __builtin_popcountll(quote) & 1;
        }
        if (newline) {
            uint64_t empty = LEVEL(empty_lines)(p, newline, carry.newline, d, last);
            for (int h = 0; h < 2; h++) {
                uint64_t outside = newline & (h ? inside : ~inside);
                if (!outside) continue;
                c.n_rows[h] += (size_t)__builtin_popcountll(outside & ~empty);
                c.last_row_end[h] = (int64_t)(at + PART - (size_t)__builtin_clzll(outside));
            }
        }
        carry.inside = inside >> 63 ? UINT64_MAX : 0;
        carry.newline = newline;
        carry.ends = m.delimiter | m.newline | m.quote;
        last[0] = p[PART - 2];
        last[1] = p[PART - 1];
    }
    finish_quotes(c.doubtful, &carry, text, after, d);
    *out = c;
}

LEVEL_TARGET static csv_ends LEVEL(split)(uint32_t *ends, str text, csv_dialect d)
{
    csv_ends e = {0};
    const char before[2] = {d.newline, d.newline};
    csv_carry carry = carry_of(before, d);
    bool doubtful[2] = {false, false};
    uint64_t high = 0, nul = 0, quotes = 0, empties = 0;
    char tail[PART], last[2] = {before[0], before[1]};
    for (size_t at = 0; at < text.len; at += PART) {
        const char *p = text.data + at;
        uint64_t valid = UINT64_MAX;
        if (text.len - at < PART) {
            p = fill_tail(tail, text, at, '\n');
            valid = ((uint64_t)1 << (text.len - at)) - 1;
        }
        csv_part m = LEVEL(part)(p, d);
        uint64_t quote = m.quote & valid, newline = m.newline & valid;
        uint64_t inside = carry.inside;
        high |= LEVEL(high)(p) & valid;
        nul |= LEVEL(equal)(p, '\0') & valid;
        if (quote | carry.pending[0]) {
            uint64_t all = m.delimiter | m.newline | m.quote;
            uint64_t closes = d.newline == '\r' ? all : all | LEVEL(equal)(p, '\r');
            inside ^= prefix_xor(quote);
            check_quotes(doubtful, &carry, quote, inside, all, closes, false);
            quotes |= quote;
        }
        uint64_t outside = newline & ~inside;
        if (outside) {
            uint64_t empty = outside & LEVEL(empty_lines)(p, newline, carry.newline, d, last);
            empties |= empty;
            outside &= ~empty;
            e.n_rows += (size_t)__builtin_popcountll(outside);
        }
        e.n += LEVEL(emit)(ends + e.n, (outside | (m.delimiter & valid & ~inside)), (uint32_t)at);
        carry.inside = inside >> 63 ? UINT64_MAX : 0;
        carry.newline = newline;
        carry.ends = m.delimiter | m.newline | m.quote;
        last[0] = p[PART - 2];
        last[1] = p[PART - 1];
    }
    finish_quotes(doubtful, &carry, text, '\n', d);
    e.flags = (quotes ? CSV_HAS_QUOTES : 0u) | (high ? CSV_HAS_HIGH : 0u) | (nul ? CSV_HAS_NUL : 0u) |
              (doubtful[0] || carry.inside ? CSV_IS_DOUBTFUL : 0u) | (empties ? CSV_HAS_EMPTY_LINES : 0u);
    return e;
}

#undef LEVEL
#undef LEVEL_TARGET
