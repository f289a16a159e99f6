// What the files of the Open Inference Protocol share.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_V2_IMPL_H
#define SLIPWAY_SERVE_V2_IMPL_H

#include "serve/scan.h"
#include "serve/serving.h"
#include "serve/v2_decode.h"

// v2_values.c: from the data of one tensor to columns.

// A tensor whose data is about to be read. Its columns: inputs[slot], `columns` of them; values are row by row.
typedef struct v2_tensor {
    str name;
    v2_datatype type;
    size_t rows, columns;
    bool nested_ok; // its shape has two dimensions: JSON may have an array for each row
    const uint32_t *inputs;
    // The parameter "missing": which value stands for none.
    bool has_missing, missing_is_integer;
    double missing_real;
    int64_t missing_integer;
} v2_tensor;

// s->at on the array. The batch has rows for the tensor, all values missing.
MUST_CHECK int v2_take_json(const batch *out, const v2_tensor *t, scan *s);
// data: little endian, row by row, exactly the tensor's.
MUST_CHECK int v2_take_binary(const batch *out, const v2_tensor *t, str data, place *at, arena *a, err *e);

// v2_describe.c
void v2_write_metadata(const snapshot_model *m, const served *v, buf *out);
void v2_write_config(const served *v, size_t rows_max, buf *out);

// v2_repository.c
route_handler v2_index, v2_load, v2_unload, v2_stats, v2_all_stats, v2_no_shared_memory;

#endif
