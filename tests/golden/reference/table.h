// Tables for the comparison, read and made into features independently of the program's own reader and preparation: a
// difference in accuracy is the forest's alone.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_GOLDEN_REFERENCE_TABLE_H
#define SLIPWAY_TESTS_GOLDEN_REFERENCE_TABLE_H

#include <math.h>

#include "base/decimal.h"
#include "base/files.h"
#include "base/mem.h"
#include "check.h"

enum { TABLE_COLUMNS_MAX = 40, CATEGORIES_MAX = 12 };

// Cells of the columns wanted, as views into the text; rows with an empty one among them are dropped.
typedef struct table {
    buf text;
    size_t n_rows, n_columns;
    str *cells; // (n_rows, n_columns)
} table;

// The next cell of a line of CSV with quotes around commas. Moves *at past it.
static inline str next_cell(const char **at, const char *end)
{
    bool quoted = *at < end && **at == '"';
    const char *start = *at + quoted, *stop = start;
    while (stop < end && *stop != '\n' && (quoted ? *stop != '"' : *stop != ',')) stop++;
    *at = stop + quoted;
    return (str){start, (size_t)(stop - start)};
}

static inline size_t next_line(const char **at, const char *end, str *cells)
{
    size_t n = 0;
    for (;;) {
        assert_true(n < TABLE_COLUMNS_MAX);
        cells[n++] = next_cell(at, end);
        if (*at >= end || **at == '\n') break;
        (*at)++;
    }
    if (*at < end) (*at)++;
    return n;
}

// names: the columns wanted, NULL-terminated; none: all of them.
static inline void table_read(table *t, const char *path, const char *const *names)
{
    err e = ERR_NONE;
    str line[TABLE_COLUMNS_MAX];
    size_t wanted[TABLE_COLUMNS_MAX], cap = 1 << 16;
    *t = (table){0};
    check_ok(file_read(path, 1 << 24, &t->text, &e), &e);
    const char *at = t->text.data, *end = at + t->text.len;
    size_t n_all = next_line(&at, end, line);
    for (size_t i = 0; names && names[i]; i++) {
        size_t found = 0;
        while (found < n_all && !str_equal(line[found], str_of(names[i]))) found++;
        assert_true(found < n_all);
        wanted[t->n_columns++] = found;
    }
    if (!names)
        for (; t->n_columns < n_all; t->n_columns++) wanted[t->n_columns] = t->n_columns;
    t->cells = mem_alloc(cap * t->n_columns, sizeof *t->cells);
    assert_non_null(t->cells);
    while (at < end) {
        assert_int_equal(next_line(&at, end, line), n_all);
        assert_true(t->n_rows < cap);
        bool whole = true;
        for (size_t i = 0; i < t->n_columns; i++) whole = whole && line[wanted[i]].len > 0;
        for (size_t i = 0; whole && i < t->n_columns; i++) t->cells[t->n_rows * t->n_columns + i] = line[wanted[i]];
        t->n_rows += whole;
    }
}

static inline void table_clear(table *t)
{
    buf_clear(&t->text);
    mem_free(t->cells);
}

static inline str table_cell(const table *t, size_t row, size_t column)
{
    return t->cells[row * t->n_columns + column];
}

static inline double table_number(const table *t, size_t row, size_t column)
{
    double value;
    assert_int_equal(decimal_parse_f64(table_cell(t, row, column), &value), 0);
    return value;
}

// Distinct texts of a column, sorted. Returns how many.
static inline size_t table_categories(const table *t, size_t column, const uint32_t *rows, size_t n_rows, str *out)
{
    size_t n = 0;
    for (size_t i = 0; i < n_rows; i++) {
        str cell = table_cell(t, rows[i], column);
        size_t place = 0;
        while (place < n && str_compare(out[place], cell) < 0) place++;
        if (place < n && str_equal(out[place], cell)) continue;
        assert_true(n < CATEGORIES_MAX);
        for (size_t j = n++; j > place; j--) out[j] = out[j - 1];
        out[place] = cell;
    }
    return n;
}

// Features of all rows by the statistics of the training rows: columns before n_numbers standardised, the rest one-hot.
// x: (n_features, n_rows), at most TABLE_COLUMNS_MAX features. Returns how many there are.
static inline size_t table_features(const table *t, size_t n_numbers, size_t n_columns, const uint32_t *train,
                                    size_t n_train, int ddof, float *x)
{
    size_t n = 0;
    for (size_t c = 0; c < n_numbers; c++, n++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < n_train; i++) mean += table_number(t, train[i], c) / (double)n_train;
        for (size_t i = 0; i < n_train; i++) squares += pow(table_number(t, train[i], c) - mean, 2);
        double spread = sqrt(squares / (double)(n_train - (size_t)ddof));
        for (size_t row = 0; row < t->n_rows; row++)
            x[n * t->n_rows + row] = (float)((table_number(t, row, c) - mean) / (spread > 0 ? spread : 1));
    }
    for (size_t c = n_numbers; c < n_columns; c++) {
        str categories[CATEGORIES_MAX];
        size_t n_categories = table_categories(t, c, train, n_train, categories);
        for (size_t k = 0; k < n_categories; k++, n++)
            for (size_t row = 0; row < t->n_rows; row++)
                x[n * t->n_rows + row] = str_equal(table_cell(t, row, c), categories[k]);
    }
    assert_true(n <= TABLE_COLUMNS_MAX);
    return n;
}

#endif
