// CSV: what was written is read; the size of parts and the number of threads change neither frames nor errors.
// SPDX-License-Identifier: Apache-2.0
#include "data/csv_impl.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "base/rng.h"
#include "data/frame.h"

enum { N_FRAMES = 300, N_GARBAGE = 6000, ROWS_MAX = 60, COLUMNS_MAX = 6, CELL_MAX = 40, N_POOLS = 4 };

static uint64_t seed = 1;
static pool *pools[N_POOLS]; // none, and 1 to 3 threads

static int make_pools(void **state)
{
    (void)state;
    err e = ERR_NONE;
    for (size_t i = 1; i < N_POOLS; i++)
        if (pool_new(&pools[i], i, &e) < 0) return -1;
    return 0;
}

static int free_pools(void **state)
{
    (void)state;
    for (size_t i = 1; i < N_POOLS; i++) pool_free(pools[i]);
    return 0;
}

static int read_parts(frame **out, str text, const read_options *o, size_t part_size, pool *p, err *e)
{
    budget b = {.max = o->memory_max};
    source s = {.text = text.data ? text.data : "", .fd = -1, .len = text.len};
    return csv_read(out, &s, o, part_size, &b, p, e);
}

typedef struct cells {
    size_t n_rows, n_columns;
    char text[ROWS_MAX][COLUMNS_MAX][CELL_MAX];
    size_t len[ROWS_MAX][COLUMNS_MAX];
} cells;

// One kind a column: integers, reals, words, any bytes that need quotes.
static void make_cells(rng *r, cells *c)
{
    c->n_rows = 1 + rng_below(r, ROWS_MAX);
    c->n_columns = 1 + rng_below(r, COLUMNS_MAX);
    for (size_t k = 0; k < c->n_columns; k++) {
        uint64_t kind = rng_below(r, 4);
        for (size_t i = 0; i < c->n_rows; i++) {
            char *to = c->text[i][k];
            size_t n = 0;
            bool missing = rng_below(r, 10) == 0 && c->n_columns > 1;
            if (kind == 0) n = decimal_format_i64((int64_t)rng_below(r, 100000) - 50000, to);
            if (kind == 1) n = decimal_format_f64((double)rng_below(r, 1000000) / 64 - 0.5, to);
            if (kind == 2) n = (size_t)snprintf(to, CELL_MAX, "w%d", (int)rng_below(r, 9));
            if (kind == 3) {
                n = 2 + rng_below(r, 12);
                for (size_t j = 0; j < n; j++) to[j] = "ab\",\n\r;\t| x"[rng_below(r, 11)];
                to[0] = to[n - 1] = 'z'; // blanks at the ends go where there are no quotes
            }
            c->len[i][k] = missing ? 0 : n;
        }
    }
}

static void write_cells(rng *r, const cells *c, buf *out)
{
    char delimiter = ",;\t|"[rng_below(r, 4)];
    bool line_feed_only = rng_below(r, 2), bom = rng_below(r, 4) == 0;
    if (bom) buf_add_text(out, "\xEF\xBB\xBF");
    for (size_t k = 0; k < c->n_columns; k++) {
        if (k) buf_add_char(out, delimiter);
        buf_format(out, "c%zu", k);
    }
    buf_add_text(out, line_feed_only ? "\n" : "\r\n");
    for (size_t i = 0; i < c->n_rows; i++) {
        for (size_t k = 0; k < c->n_columns; k++) {
            str cell = {c->text[i][k], c->len[i][k]};
            bool quoted = rng_below(r, 8) == 0;
            for (size_t j = 0; j < cell.len; j++) quoted |= strchr("\",\n\r;\t|", cell.data[j]) != NULL;
            if (k) buf_add_char(out, delimiter);
            if (quoted) buf_add_char(out, '"');
            for (size_t j = 0; j < cell.len; j++) {
                if (cell.data[j] == '"') buf_add_char(out, '"');
                buf_add_char(out, cell.data[j]);
            }
            if (quoted) buf_add_char(out, '"');
        }
        if (i + 1 == c->n_rows && rng_below(r, 2)) break; // no newline at the end
        buf_add_text(out, line_feed_only ? "\n" : "\r\n");
        if (rng_below(r, 10) == 0 && c->n_columns > 1) buf_add_text(out, line_feed_only ? "\n" : "\r\n");
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    rng r = rng_new(seed, 1);
    static cells c;
    for (int i = 0; i < N_FRAMES; i++) {
        make_cells(&r, &c);
        buf text;
        buf_init(&text, 1 << 20);
        write_cells(&r, &c, &text);
        char first[65] = "";
        for (size_t k = 0; k < 8; k++) {
            read_options o = READ_OPTIONS_DEFAULT;
            o.header = HEADER_YES;
            err e = ERR_NONE;
            frame *f;
            size_t part_size = k == 0 ? 0 : 2 + rng_below(&r, k < 4 ? 20 : 400);
            if (read_parts(&f, buf_str(&text), &o, part_size, pools[k % N_POOLS], &e) < 0) fail_msg("%s", e.msg);
            assert_int_equal(frame_n_rows(f), c.n_rows);
            assert_int_equal(frame_n_columns(f), c.n_columns);
            for (size_t col = 0; col < c.n_columns && k == 0; col++)
                for (size_t row = 0; row < c.n_rows; row++) {
                    char scratch[COLUMN_TEXT_SIZE];
                    str got = column_text(frame_column(f, col), row, scratch),
                        want = {c.text[row][col], c.len[row][col]};
                    if (!str_equal(got, want))
                        fail_msg("row %zu, column %zu: " STR_FORMAT " for " STR_FORMAT, row, col, STR_ARGS(got),
                                 STR_ARGS(want));
                }
            char hex[65];
            frame_fingerprint(f, hex);
            if (k == 0) memcpy(first, hex, sizeof first);
            assert_string_equal(hex, first);
            frame_free(f);
        }
        buf_clear(&text);
    }
}

// Any bytes: an answer or an error, and always the same one.
static void test_garbage(void **state)
{
    (void)state;
    rng r = rng_new(seed, 2);
    static const char letters[] = "\"\",,\n\n\ra1.\"\xC3\xA9;-";
    for (int i = 0; i < N_GARBAGE; i++) {
        char text[200];
        size_t len = rng_below(&r, sizeof text), n_letters = 3 + rng_below(&r, sizeof letters - 3);
        size_t quiet = rng_below(&r, 10);
        for (size_t k = 0; k < len; k++) text[k] = rng_below(&r, 10) < quiet ? 'x' : letters[rng_below(&r, n_letters)];
        read_options o = READ_OPTIONS_DEFAULT;
        o.header = rng_below(&r, 2) ? HEADER_YES : HEADER_NO;
        if (rng_below(&r, 4)) o.delimiter = ',';
        o.cell_max = 30;
        int first_rc = 0;
        err first = ERR_NONE;
        char first_hex[65] = "";
        for (size_t k = 0; k < 5; k++) {
            frame *f = NULL;
            err e = ERR_NONE;
            char hex[65] = "";
            size_t part_size = k == 0 ? 0 : 2 + rng_below(&r, 60);
            int rc = read_parts(&f, (str){text, len}, &o, part_size, pools[k % N_POOLS], &e);
            if (rc == ERR_INTERNAL)
                fail_msg("text %d (" STR_FORMAT "), parts of %zu: %s", i, STR_ARGS(((str){text, len})), part_size,
                         e.msg);
            if (rc == 0) frame_fingerprint(f, hex);
            frame_free(f);
            if (k == 0) {
                first_rc = rc;
                first = e;
                memcpy(first_hex, hex, sizeof hex);
            }
            bool cut = strstr(e.msg, "at least"); // rows of many parts are not read to their end to be refused
            if (rc != first_rc || e.at != first.at || (!cut && strcmp(e.msg, first.msg) != 0) ||
                strcmp(hex, first_hex) != 0)
                fail_msg("text %d, parts of %zu: \"%s\" and \"%s\"", i, part_size, e.msg, first.msg);
        }
    }
}

int main(void)
{
    if (getenv("SEED")) seed = strtoull(getenv("SEED"), NULL, 10);
    print_message("SEED=%" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_garbage)};
    return cmocka_run_group_tests(tests, make_pools, free_pools);
}
