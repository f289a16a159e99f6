// The scan of CSV: every level of the processor gives the same answers, and they are those of the machine of states
// wherever the scan is not in doubt.
// SPDX-License-Identifier: Apache-2.0
#include "data/csv_scan_impl.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

enum { N_TEXTS = 30000, LEN_MAX = 400 };

static uint64_t seed = 1;

// Bytes that matter, in a mix that changes from text to text.
static size_t make_text(rng *r, char *text)
{
    static const char letters[] = "\"\",;\n\n\r\na\"\xC3\xA9"
                                  "b7\t ";
    size_t len = rng_below(r, LEN_MAX), quiet = rng_below(r, 20), n_letters = 2 + rng_below(r, sizeof letters - 2);
    for (size_t i = 0; i < len; i++) text[i] = rng_below(r, 20) < quiet ? 'x' : letters[rng_below(r, n_letters)];
    if (rng_below(r, 50) == 0 && len) text[rng_below(r, len)] = '\0';
    return len;
}

// Cells that are quoted as they should be, so that the scan is never in doubt.
static size_t make_sound_text(rng *r, char *text, csv_dialect d)
{
    size_t n = 0;
    while (n + 40 < LEN_MAX && rng_below(r, 30)) {
        bool quoted = rng_below(r, 3) == 0;
        if (quoted) text[n++] = '"';
        for (size_t k = rng_below(r, 12); k-- > 0;) {
            char c = "ab\",\n\r;x"[rng_below(r, 8)];
            if (quoted && c == '"') text[n++] = '"';
            if (quoted || (c != '"' && c != ',' && c != '\n' && c != '\r' && c != ';')) text[n++] = c;
        }
        if (quoted) text[n++] = '"';
        if (rng_below(r, 4) == 0) {
            if (d.newline == '\n' && rng_below(r, 2)) text[n++] = '\r';
            text[n++] = d.newline;
        } else {
            text[n++] = d.delimiter;
        }
    }
    return n;
}

static csv_dialect make_dialect(rng *r)
{
    return (csv_dialect){.delimiter = ",;\t"[rng_below(r, 3)], .newline = rng_below(r, 4) ? '\n' : '\r'};
}

static void compare_splits(str text, csv_dialect d, bool sound)
{
    static uint32_t want[LEN_MAX + 64], got[LEN_MAX + 64];
    csv_ends slow = csv_machine_split(want, text, d), first = {0};
    for (int i = 0; i < CSV_SCANNERS_N; i++) {
        if (!csv_scanners[i].usable()) continue;
        csv_ends fast = csv_scanners[i].split(got, text, d);
        if (first.flags == 0 && first.n == 0) first = fast;
        assert_int_equal(fast.flags, first.flags); // also on what is doubtful
        const unsigned plain = CSV_HAS_HIGH | CSV_HAS_NUL | CSV_HAS_QUOTES;
        assert_int_equal(fast.flags & plain, slow.flags & plain);
        if (sound) assert_false(fast.flags & CSV_IS_DOUBTFUL);
        if (fast.flags & CSV_IS_DOUBTFUL) continue;
        assert_int_equal(fast.n, slow.n);
        assert_int_equal(fast.n_rows, slow.n_rows);
        assert_memory_equal(got, want, slow.n * sizeof *want);
        // The machine also sees text after a closing quote and '\r'; the reader does when it takes the quotes off.
        assert_int_equal(fast.flags, slow.flags & ~(unsigned)CSV_IS_DOUBTFUL);
    }
}

static void compare_counts(str text, csv_dialect d)
{
    // The text as three parts, so that quotes, pairs of quotes and CRLF are cut in all ways.
    size_t cut[4] = {0, text.len / 3, text.len - text.len / 4, text.len};
    for (int i = 0; i < CSV_SCANNERS_N; i++) {
        if (!csv_scanners[i].usable()) continue;
        csv_state state = CSV_CELL_START;
        for (int k = 0; k < 3; k++) {
            str part = {text.data + cut[k], cut[k + 1] - cut[k]};
            char before[2] = {cut[k] > 1 ? part.data[-2] : d.newline, cut[k] > 0 ? part.data[-1] : d.newline};
            char after = cut[k + 1] < text.len ? text.data[cut[k + 1]] : '\n';
            csv_count fast, slow, first;
            csv_scanners[i].count(&fast, part, before, after, d);
            csv_scanners[CSV_SCANNERS_N - 1].count(&first, part, before, after, d);
            assert_memory_equal(&fast.n_rows, &first.n_rows, sizeof fast.n_rows);
            assert_memory_equal(&fast.last_row_end, &first.last_row_end, sizeof fast.last_row_end);
            assert_memory_equal(&fast.doubtful, &first.doubtful, sizeof fast.doubtful);
            bool literal_quote = state == CSV_UNQUOTED && before[1] == '"';
            csv_state next = csv_machine_count(&slow, part, before, state, d);
            int h = state == CSV_QUOTED;
            assert_int_equal(fast.odd_quotes, slow.odd_quotes);
            if (!fast.doubtful[h] && !literal_quote) {
                assert_int_equal(fast.n_rows[h], slow.n_rows[0]);
                assert_int_equal(fast.last_row_end[h], slow.last_row_end[0]);
                assert_int_equal(h ^ (int)fast.odd_quotes, next == CSV_QUOTED);
            }
            state = next;
        }
    }
}

static void test_any_bytes(void **state)
{
    (void)state;
    rng r = rng_new(seed, 1);
    char text[LEN_MAX];
    for (int i = 0; i < N_TEXTS; i++) {
        csv_dialect d = make_dialect(&r);
        str view = {text, make_text(&r, text)};
        compare_splits(view, d, false);
        compare_counts(view, d);
    }
}

static void test_sound_cells(void **state)
{
    (void)state;
    rng r = rng_new(seed, 2);
    char text[LEN_MAX];
    for (int i = 0; i < N_TEXTS; i++) {
        csv_dialect d = make_dialect(&r);
        str view = {text, make_sound_text(&r, text, d)};
        compare_splits(view, d, true);
        compare_counts(view, d);
    }
}

int main(void)
{
    if (getenv("SEED")) seed = strtoull(getenv("SEED"), NULL, 10);
    print_message("SEED=%" PRIu64 ", best scanner %s\n", seed, csv_scanner_best()->name);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_bytes), cmocka_unit_test(test_sound_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
