// The bodies of MLflow's scoring protocol, read by the model's schema: docs/protocols/mlflow.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_MLFLOW_BODY_H
#define SLIPWAY_SERVE_MLFLOW_BODY_H

#include "serve/decode.h"

// Both: columns that the model does not have are passed over, as MLflow does; one left out is missing in every row,
// where the schema allows that. Errors as decode_predict() has them; *out lives in the arena, and in `body`.

// {"dataframe_split": ...}, {"dataframe_records": ...}, {"instances": ...} or {"inputs": ...}, and "params", which must
// be empty: ERR_INPUT "params".
MUST_CHECK int mlflow_read_json(batch *out, const decoder *d, str body, size_t rows_max, place *at, arena *a, err *e);

// CSV with a header and commas, by the rules of docs/formats/csv.md with the model's types. Takes memory from the heap
// for the while, at most memory_max: for workers.
MUST_CHECK int mlflow_read_csv(batch *out, const schema *s, str body, size_t rows_max, size_t memory_max, place *at,
                               arena *a, err *e);

#endif
