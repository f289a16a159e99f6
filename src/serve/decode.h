// The body of a prediction request, read by the model's schema straight into typed columns.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_DECODE_H
#define SLIPWAY_SERVE_DECODE_H

#include "base/arena.h"
#include "data/batch.h"
#include "model/model.h"
#include "serve/protocol.h"

typedef struct decoder decoder; // immutable, so any thread

// Borrows the schema until decoder_free().
MUST_CHECK int decoder_new(decoder **out, const schema *s, err *e);
void decoder_free(decoder *d); // NULL is fine

int64_t decoder_find(const decoder *d, str name); // the input of that name, or -1

typedef enum body_form { BODY_ROWS, BODY_COLUMNS } body_form;

// What a body says of explanations (docs/explain.md).
typedef struct explain_wish {
    bool wanted;
    int32_t class; // whose score; EXPLAIN_PREDICTED: of the class that each row is given
    size_t top;    // so many columns of each row; 0: all
} explain_wish;
#define EXPLAIN_WISH_NONE ((explain_wish){.class = EXPLAIN_PREDICTED})

// {"rows": [{"age": 22, "sex": "male"}, ...]} or {"columns": {"age": [22, ...], "sex": ["male", ...]}}, one form a
// body. Numbers for integers and reals; true, false, 1 or 0 for booleans; texts for categories, texts and identifiers
// (identifiers also as integers); ISO 8601 or integer milliseconds for dates; null, and the empty text, is missing, as
// is a column left out, where the schema allows it.
// Beside them may stand "explain": true, false, or {"class": "yes", "top": 3}, which is left in *wish (NULL: refused).
//
// *out takes its arrays from `a`, its texts are views of `body` where they need no unescaping. Not JSON: ERR_FORMAT
// with the byte in e->at. JSON that does not fit: ERR_INPUT, with code, row, column and pointer in *at. More than the
// arena's ceiling: ERR_MEMORY. out->n_rows is how many rows there are, the arrays may be longer.
MUST_CHECK int decode_predict(batch *out, body_form *form, explain_wish *wish, const decoder *d, str body,
                              size_t rows_max, place *at, arena *a, err *e);

#endif
