// Datatypes by name, and columns by what they take.
// SPDX-License-Identifier: Apache-2.0
#include "serve/v2_datatype.h"

static const struct {
    str name;
    size_t size;
    int64_t min, max; // of integers
} rows[V2_DATATYPES_N] = {
    [V2_BOOL] = {STR("BOOL"), 1, 0, 0},
    [V2_UINT8] = {STR("UINT8"), 1, 0, UINT8_MAX},
    [V2_UINT16] = {STR("UINT16"), 2, 0, UINT16_MAX},
    [V2_UINT32] = {STR("UINT32"), 4, 0, UINT32_MAX},
    [V2_UINT64] = {STR("UINT64"), 8, 0, INT64_MAX},
    [V2_INT8] = {STR("INT8"), 1, INT8_MIN, INT8_MAX},
    [V2_INT16] = {STR("INT16"), 2, INT16_MIN, INT16_MAX},
    [V2_INT32] = {STR("INT32"), 4, INT32_MIN, INT32_MAX},
    [V2_INT64] = {STR("INT64"), 8, INT64_MIN, INT64_MAX},
    [V2_FP16] = {STR("FP16"), 2, 0, 0},
    [V2_BF16] = {STR("BF16"), 2, 0, 0},
    [V2_FP32] = {STR("FP32"), 4, 0, 0},
    [V2_FP64] = {STR("FP64"), 8, 0, 0},
    [V2_BYTES] = {STR("BYTES"), 0, 0, 0},
};

const char *v2_datatype_name(v2_datatype t)
{
    return rows[t].name.data;
}

bool v2_datatype_find(str name, v2_datatype *out)
{
    for (size_t i = 0; i < V2_DATATYPES_N; i++) {
        if (!str_equal(rows[i].name, name)) continue;
        *out = (v2_datatype)i;
        return true;
    }
    return false;
}

size_t v2_datatype_size(v2_datatype t)
{
    return rows[t].size;
}

int64_t v2_integer_min(v2_datatype t)
{
    return rows[t].min;
}

int64_t v2_integer_max(v2_datatype t)
{
    return rows[t].max;
}

// FP32 also for integers: that is how they travel to a graph, and it has a value for missing ones.
v2_datatype v2_datatype_of(column_type t)
{
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: return V2_FP32;
    case COLUMN_BOOLEAN: return V2_BOOL;
    case COLUMN_DATETIME: return V2_INT64;
    default: return V2_BYTES;
    }
}

bool v2_datatype_fits(v2_datatype t, column_type to)
{
    switch (to) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: return v2_is_real(t) || v2_is_integer(t);
    case COLUMN_BOOLEAN: return t != V2_BYTES;
    case COLUMN_DATETIME:
    case COLUMN_IDENTIFIER: return v2_is_integer(t) || t == V2_BYTES;
    default: return t == V2_BYTES;
    }
}

const char *v2_datatypes_for(column_type t)
{
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL: return "FP16, BF16, FP32, FP64, INT8 to INT64 and UINT8 to UINT64";
    case COLUMN_BOOLEAN: return "BOOL, and numbers that are 0 or 1";
    case COLUMN_DATETIME: return "INT8 to INT64 and UINT8 to UINT64 (milliseconds since 1970), and BYTES (ISO 8601)";
    case COLUMN_IDENTIFIER: return "BYTES, INT8 to INT64 and UINT8 to UINT64";
    default: return "BYTES";
    }
}
