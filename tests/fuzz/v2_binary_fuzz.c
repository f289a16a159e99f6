// Tensors in binary: the first bytes choose a column, a datatype, the number of rows, what stands for a missing value,
// and whether the declared size tells the truth; the rest is the data. What is accepted is right, value by value, for
// the datatypes that a few lines can decode.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "serve/v2_decode.h"
#include "unit/serve/schema_of_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// assert() that a release build keeps.
#define must(truth) ((truth) ? (void)0 : __builtin_trap())

enum { HEAD_BYTES = 4, ROWS_MAX = 200, LIES = 1 << 0, HAS_MISSING = 1 << 1, TWO_DIMENSIONS = 1 << 2 };

// Every column of the schema but these two may be missing.
static size_t header(char *out, size_t room, size_t input, v2_datatype type, size_t rows, size_t len, unsigned flags)
{
    static const char *const names[] = {"age", "fare", "alone", "sex", "born", "note", "ticket", "a\\\"/~\\\\b"};
    char others[2 * 9 * ROWS_MAX] = "";
    size_t at = 0;
    for (size_t row = 0; row < rows; row++) at += (size_t)snprintf(others + at, sizeof others - at, row ? ",1" : "1");
    char texts[2 * 9 * ROWS_MAX] = "";
    at = 0;
    for (size_t row = 0; row < rows; row++)
        at += (size_t)snprintf(texts + at, sizeof texts - at, row ? ",\"m\"" : "\"m\"");
    at = (size_t)snprintf(out, room, "{\"inputs\":[");
    if (input != FARE)
        at +=
            (size_t)snprintf(out + at, room - at,
                             "{\"name\":\"fare\",\"shape\":[%zu],\"datatype\":\"FP32\",\"data\":[%s]},", rows, others);
    if (input != SEX)
        at += (size_t)snprintf(out + at, room - at,
                               "{\"name\":\"sex\",\"shape\":[%zu],\"datatype\":\"BYTES\",\"data\":[%s]},", rows, texts);
    return at + (size_t)snprintf(out + at, room - at,
                                 "{\"name\":\"%s\",\"shape\":[%zu%s],\"datatype\":\"%s\",\"parameters\":{%s"
                                 "\"binary_data_size\":%zu}}]}",
                                 names[input], rows, flags & TWO_DIMENSIONS ? ",1" : "", v2_datatype_name(type),
                                 flags & HAS_MISSING ? "\"missing\":1," : "", len);
}

static void check_value(const v2_infer *q, size_t input, v2_datatype type, size_t row, const uint8_t *data,
                        bool missing)
{
    const batch_column *c = &q->in.columns[input];
    double want;
    float f;
    switch (type) {
    case V2_UINT8: want = data[row]; break;
    case V2_INT8: want = (int8_t)data[row]; break;
    case V2_INT32: {
        int32_t value;
        memcpy(&value, data + 4 * row, 4);
        want = value;
        break;
    }
    case V2_FP32:
        memcpy(&f, data + 4 * row, 4);
        want = (double)f;
        break;
    case V2_FP64: memcpy(&want, data + 8 * row, 8); break;
    default: return;
    }
    if (!c->f32) return;
    if (isnan(want) || (missing && want == 1))
        must(isnan(c->f32[row]) && q->in.schema->inputs[input].missing_ok);
    else
        must(c->f32[row] == (float)want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static decoder *d;
    static char json[8 * 9 * ROWS_MAX + 1024];
    if (!d) must(decoder_new(&d, &schema_of_all, NULL) == 0);
    if (size < HEAD_BYTES) return 0;
    size_t input = data[0] % INPUTS_OF_ALL_N, rows = data[2] % ROWS_MAX, len = size - HEAD_BYTES;
    v2_datatype type = (v2_datatype)(data[1] % V2_DATATYPES_N);
    unsigned flags = data[3];
    size_t said = flags & LIES ? len + 1 : len;
    size_t n = header(json, sizeof json, input, type, rows, said, flags);
    must(n < sizeof json);
    arena a;
    v2_infer q;
    place at;
    err e = ERR_NONE;
    arena_init(&a, 1 << 20);
    int rc = v2_decode(&q, d, &schema_of_all, (str){json, n}, (str){(const char *)data + HEAD_BYTES, len}, ROWS_MAX,
                       &at, &a, &e);
    if (rc == 0) {
        must(!(flags & LIES) && q.in.n_rows == rows && v2_datatype_fits(type, schema_of_all.inputs[input].type));
        must(type == V2_BYTES || len == rows * v2_datatype_size(type));
        for (size_t row = 0; row < rows; row++)
            check_value(&q, input, type, row, data + HEAD_BYTES, flags & HAS_MISSING);
    } else {
        must((rc == ERR_INPUT || rc == ERR_MEMORY) && at.code && e.code == rc && e.msg[0]);
    }
    arena_clear(&a);
    return 0;
}
