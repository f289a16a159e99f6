// Rows and columns in JSON, as the protocols that have them read them. What values a column takes is in decode.h.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_DECODE_IMPL_H
#define SLIPWAY_SERVE_DECODE_IMPL_H

#include "serve/decode.h"
#include "serve/scan.h"

#define INPUT_NONE UINT32_MAX

// One body on its way. One thread at a time.
typedef struct row_reader {
    const decoder *decoder;
    scan in;
    batch *out;
    size_t rows_cap, rows_max;
    const char *root; // pointer to what is being read: "/rows"
    // Rows that are arrays: refused unless `arrays`; the inputs of their values, NULL: those of the schema in its
    // order.
    bool arrays;
    const uint32_t *order; // INPUT_NONE: passed over
    size_t n_order;
    bool extras;      // columns that the model does not have are passed over instead of refused
    int64_t position; // within the row that is an array; -1 in others
} row_reader;

// Borrows all but the sizes for the reader. Makes room for as many rows as the body looks like having.
MUST_CHECK int row_reader_init(row_reader *r, batch *out, const decoder *d, str body, size_t rows_max, place *at,
                               arena *a, err *e);

// An array of rows, or an object of columns, which the member `root` ("/rows") holds; r->in.at is at its start. Errors
// as decode_predict() has them. Sets r->out but for its n_rows.
MUST_CHECK int read_rows(row_reader *r, const char *root, size_t *n_rows);
MUST_CHECK int read_columns(row_reader *r, const char *root, size_t *n_rows);
// After all of the body: nothing follows, and there are rows. Sets r->out->n_rows.
MUST_CHECK int read_done(row_reader *r, body_form form, size_t n_rows);

// The value of the member "explain". Errors as decode_predict() has them, with pointers below "/explain".
MUST_CHECK int read_explain(row_reader *r, explain_wish *w);

// The body as a whole is not what it should be: ERR_INPUT, "wrong_shape".
int read_wrong_shape(row_reader *r, const char *why, const char *wanted);

#endif
