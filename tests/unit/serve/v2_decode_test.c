// Tensors into columns: every datatype, JSON and binary, what is refused and how it is said.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/v2_decode.h"
#include "unit/serve/schema_alike.h"
#include "unit/serve/schema_of_all.h"

typedef struct fixture {
    decoder *decoder, *alike;
    arena memory;
    v2_infer got;
    place at;
    err e;
    char *json, *binary; // exactly as long as the texts, so that an overrun shows
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f || decoder_new(&f->decoder, &schema_of_all, NULL) < 0 || decoder_new(&f->alike, &schema_alike, NULL) < 0)
        return -1;
    arena_init(&f->memory, 1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    decoder_free(f->decoder);
    decoder_free(f->alike);
    arena_clear(&f->memory);
    free(f->json);
    free(f->binary);
    free(f);
    return 0;
}

static char *copy_of(const void *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len > 0) memcpy(copy, data, len);
    return copy;
}

static int decode_with(fixture *f, const decoder *d, const schema *s, const char *json, const void *binary, size_t len)
{
    free(f->json);
    free(f->binary);
    f->json = copy_of(json, strlen(json));
    f->binary = copy_of(binary, len);
    f->e = ERR_NONE;
    arena_reset(&f->memory);
    return v2_decode(&f->got, d, s, (str){f->json, strlen(json)}, (str){f->binary, len}, 100, &f->at, &f->memory,
                     &f->e);
}

static int decode(fixture *f, const char *json)
{
    return decode_with(f, f->decoder, &schema_of_all, json, NULL, 0);
}

static const batch_column *values_of(const fixture *f, size_t input)
{
    return &f->got.in.columns[input];
}

static void assert_str(str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

#define SEX(n, data) "{\"name\":\"sex\",\"shape\":[" n "],\"datatype\":\"BYTES\",\"data\":[" data "]}"
#define FARE1 "{\"name\":\"fare\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}"
#define ONE(tensor) "{\"inputs\":[" SEX("1", "\"m\"") "," FARE1 "," tensor "]}"
// A body whose last input is `name` in binary, of `size` bytes.
#define BINARY(name, shape, type, size)                                                                \
    "{\"inputs\":[" SEX("2", "\"m\",\"f\"") ",{\"name\":\"fare\",\"shape\":[2],\"datatype\":\"FP32\"," \
                                            "\"data\":[1,2]},{\"name\":\"" name "\",\"shape\":[" shape \
                                            "],\"datatype\":\"" type "\","                             \
                                            "\"parameters\":{\"binary_data_size\":" #size "}}]}"

static void json_becomes_columns(void **state)
{
    fixture *f = *state;
    assert_int_equal(
        decode(f, " { \"id\" : \"x1\", \"model_name\": \"t\", \"parameters\": {\"custom\": [1, {}]}, \"inputs\" : [\n"
                  "{\"name\":\"sex\",\"shape\":[2,1],\"datatype\":\"BYTES\",\"data\":[[\"m\\u00e9\"],[\"f\"]]},"
                  "{\"data\":[22,null],\"datatype\":\"FP64\",\"shape\":[2],\"name\":\"age\"},"
                  "{\"name\":\"fare\",\"shape\":[2],\"datatype\":\"INT16\",\"data\":[-32768,5]},"
                  "{\"name\":\"alone\",\"shape\":[2,1],\"datatype\":\"BOOL\",\"data\":[true,0]},"
                  "{\"name\":\"born\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"1970-01-02\",\"\"]},"
                  "{\"name\":\"ticket\",\"shape\":[2],\"datatype\":\"UINT64\",\"data\":[18446744073709551615,7]}"
                  "]} "),
        0);
    assert_str(f->got.id, "x1");
    assert_int_equal(f->got.in.n_rows, 2);
    assert_str(values_of(f, SEX)->strings[0], "m\xc3\xa9");
    assert_true(values_of(f, AGE)->f32[0] == 22 && isnan(values_of(f, AGE)->f32[1]));
    assert_true(values_of(f, FARE)->f32[0] == -32768 && values_of(f, FARE)->f32[1] == 5);
    assert_true(values_of(f, ALONE)->f32[0] == 1 && values_of(f, ALONE)->f32[1] == 0);
    assert_int_equal(values_of(f, BORN)->i64[0], 86400000);
    assert_int_equal(values_of(f, BORN)->i64[1], WIRE_I64_MISSING);
    assert_str(values_of(f, TICKET)->strings[0], "18446744073709551615");
    assert_str(values_of(f, TICKET)->strings[1], "7");
    assert_true(isnan(values_of(f, ODD)->f32[1]));
    assert_int_equal(f->got.n_outputs, 2);
    assert_int_equal(f->got.outputs[0].kind, V2_LABEL);
    assert_int_equal(f->got.outputs[1].kind, V2_PROBABILITIES);
    assert_false(f->got.outputs[0].binary || f->got.outputs[1].binary);
}

static void tensors_of_many_columns(void **state)
{
    fixture *f = *state;
    const char *sound[] = {
        "{\"inputs\":[{\"name\":\"X\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,2,3],[4,null,6]]}]}",
        "{\"inputs\":[{\"name\":\"X\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,null,6]}]}",
        "{\"inputs\":[{\"name\":\"X[0]\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[1,4]},"
        "{\"name\":\"X[2]\",\"shape\":[2],\"datatype\":\"FP32\",\"data\":[3,6]},"
        "{\"name\":\"X[1]\",\"shape\":[2,1],\"datatype\":\"FP32\",\"data\":[2,null]}]}",
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(decode_with(f, f->alike, &schema_alike, sound[i], NULL, 0), 0);
        assert_true(values_of(f, 0)->f32[0] == 1 && values_of(f, 1)->f32[0] == 2 && values_of(f, 2)->f32[0] == 3);
        assert_true(values_of(f, 0)->f32[1] == 4 && isnan(values_of(f, 1)->f32[1]) && values_of(f, 2)->f32[1] == 6);
        assert_int_equal(f->got.n_outputs, 1);
        assert_int_equal(f->got.outputs[0].kind, V2_VALUE);
    }
    const float x[] = {1, 2, 3, 4, NAN, 6};
    assert_int_equal(decode_with(f, f->alike, &schema_alike,
                                 "{\"inputs\":[{\"name\":\"X\",\"shape\":[2,3],\"datatype\":\"FP32\",\"parameters\":{"
                                 "\"binary_data_size\":24}}]}",
                                 x, sizeof x),
                     0);
    assert_true(values_of(f, 0)->f32[1] == 4 && isnan(values_of(f, 1)->f32[1]) && values_of(f, 2)->f32[1] == 6);
    const struct {
        const char *body, *part;
    } refused[] = {
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[3,2],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6]}]}", "[N,3]"},
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[6],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,6]}]}", "[N,3]"},
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,null]}]}",
         "column \"X[2]\": a missing value"},
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,2,3],[4,5]]}]}",
         "fewer values"},
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,2,3],4,5,6]}]}",
         "row 1 is no array"},
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[[1,2,3],[4,5,6],[7,8,9]]}]}",
         "more rows"},
        {"{\"inputs\":[{\"name\":\"X\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]},{\"name\":\"X[1]\","
         "\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}]}",
         "\"X[1]\" comes twice"},
        {"{\"inputs\":[{\"name\":\"Y\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}", "no input \"Y\""},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(decode_with(f, f->alike, &schema_alike, refused[i].body, NULL, 0), ERR_INPUT);
        if (!strstr(f->e.msg, refused[i].part)) fail_msg("%s: %s", refused[i].part, f->e.msg);
    }
}

static void every_datatype_in_binary(void **state)
{
    fixture *f = *state;
    // Two values each, 1 and the datatype's own end; into "age" unless they are for another column.
    static const struct {
        const char *json;
        size_t len;
        const char *data;
        float want;
    } examples[] = {
        {BINARY("age", "2", "UINT8", 2), 2, "\x01\xff", 255},
        {BINARY("age", "2", "INT8", 2), 2, "\x01\x80", -128},
        {BINARY("age", "2,1", "UINT16", 4), 4, "\x01\x00\xff\xff", 65535},
        {BINARY("age", "2", "INT16", 4), 4, "\x01\x00\x00\x80", -32768},
        {BINARY("age", "2", "UINT32", 8), 8, "\x01\x00\x00\x00\xff\xff\xff\xff", 4294967295.0f},
        {BINARY("age", "2", "INT32", 8), 8, "\x01\x00\x00\x00\x00\x00\x00\x80", -2147483648.0f},
        {BINARY("age", "2", "UINT64", 16), 16, "\x01\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 0x1p64f},
        {BINARY("age", "2", "INT64", 16), 16, "\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x80", -0x1p63f},
        {BINARY("age", "2", "INT64", 16), 16, "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", NAN},
        {BINARY("age", "2", "FP16", 4), 4, "\x00\x3c\x01\x00", 0x1p-24f},
        {BINARY("age", "2", "FP16", 4), 4, "\x00\x3c\xff\xfb", -65504},
        {BINARY("age", "2", "FP16", 4), 4, "\x00\x3c\x01\x7e", NAN},
        {BINARY("age", "2", "BF16", 4), 4, "\x80\x3f\x7f\x7f", 0x1.fep127f},
        {BINARY("age", "2", "BF16", 4), 4, "\x80\x3f\xc0\x7f", NAN},
        {BINARY("age", "2", "FP32", 8), 8, "\x00\x00\x80\x3f\xff\xff\x7f\x7f", __FLT_MAX__},
        {BINARY("age", "2", "FP32", 8), 8, "\x00\x00\x80\x3f\x01\x00\xc0\xff", NAN},
        {BINARY("age", "2", "FP64", 16), 16, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xf8\x7f", NAN},
        {BINARY("age", "2", "FP64", 16), 16, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\x04\xc0", -2.5f},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        int rc = decode_with(f, f->decoder, &schema_of_all, examples[i].json, examples[i].data, examples[i].len);
        if (rc != 0) fail_msg("%s: %s", examples[i].json, f->e.msg);
        const float *got = values_of(f, AGE)->f32;
        bool same = isnan(examples[i].want) ? isnan(got[1]) : got[1] == examples[i].want;
        if (got[0] != 1 || !same) fail_msg("%s: %g %g", examples[i].json, (double)got[0], (double)got[1]);
    }
    assert_int_equal(decode_with(f, f->decoder, &schema_of_all, BINARY("alone", "2", "BOOL", 2), "\x01\x00", 2), 0);
    assert_true(values_of(f, ALONE)->f32[0] == 1 && values_of(f, ALONE)->f32[1] == 0);
    assert_int_equal(decode_with(f, f->decoder, &schema_of_all, BINARY("born", "2", "INT64", 16),
                                 "\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", 16),
                     0);
    assert_int_equal(values_of(f, BORN)->i64[0], 5);
    assert_int_equal(values_of(f, BORN)->i64[1], WIRE_I64_MISSING);
    assert_int_equal(
        decode_with(f, f->decoder, &schema_of_all, BINARY("note", "2", "BYTES", 11), "\x03\0\0\0abc\0\0\0\0", 11), 0);
    assert_str(values_of(f, NOTE)->strings[0], "abc");
    assert_int_equal(values_of(f, NOTE)->strings[1].len, 0);
    assert_int_equal(decode_with(f, f->decoder, &schema_of_all, BINARY("ticket", "2", "INT8", 2), "\x07\x80", 2), 0);
    assert_str(values_of(f, TICKET)->strings[0], "7");
    assert_str(values_of(f, TICKET)->strings[1], "-128");
}

static void binary_that_lies_is_refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *json;
        size_t len;
        const char *data, *part;
    } refused[] = {
        {BINARY("age", "2", "FP32", 8), 7, "1234567", "past the end of the body"},
        {BINARY("age", "2", "FP32", 8), 9, "123456789", "more binary data than the inputs have"},
        {BINARY("age", "2", "FP32", 7), 7, "1234567", "less data than its shape says"},
        {BINARY("age", "2", "FP32", 12), 12, "123456789012", "12 bytes of binary data, its shape and datatype say 8"},
        {BINARY("age", "2", "FP32", 99999999999), 8, "12345678", "past the end"},
        {BINARY("age", "99", "FP32", 8), 8, "12345678", "has 99 rows, those before it 2"},
        {BINARY("alone", "2", "BOOL", 2), 2, "\x01\x02", "row 1, column \"alone\": a byte other than 0 and 1"},
        {BINARY("alone", "2", "INT8", 2), 2, "\x01\x02", "neither true nor false"},
        {BINARY("age", "2", "FP32", 8), 8, "\0\0\0\0\0\0\x80\x7f", "an infinite number"},
        {BINARY("age", "2", "FP64", 16), 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\x47", "too large for float32"},
        {BINARY("born", "2", "UINT64", 16), 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", "int64"},
        {BINARY("born", "2", "FP64", 16), 16, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "it takes INT8 to INT64"},
        {BINARY("age", "2", "BYTES", 8), 8, "\0\0\0\0\0\0\0\0", "it takes FP16"},
        {BINARY("note", "2", "FP32", 8), 8, "\0\0\0\0\0\0\0\0", "it takes BYTES"},
        {BINARY("note", "2", "BYTES", 9), 9, "\x01\0\0\0a\x01\0\0\0", "past the end of the binary data"},
        {BINARY("note", "2", "BYTES", 8), 8, "\x00\0\0\0\xff\xff\xff\xff", "past the end of the binary data"},
        {BINARY("note", "2", "BYTES", 8), 8, "\x01\0\0\0a\0\0\0", "ends before its length"},
        {BINARY("note", "2", "BYTES", 9), 9, "\0\0\0\0\0\0\0\0\0", "more binary data"},
        {BINARY("note", "2", "BYTES", 9), 9, "\x01\0\0\0\xff\0\0\0\0", "not UTF-8"},
        {BINARY("fare", "2", "FP32", 8), 8, "12345678", "\"fare\" comes twice"},
        {BINARY("age", "2,2", "FP32", 16), 16, "1234567812345678", "[N] or [N,1]"},
        {BINARY("age", "", "FP32", 8), 8, "12345678", "[N] or [N,1]"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int rc = decode_with(f, f->decoder, &schema_of_all, refused[i].json, refused[i].data, refused[i].len);
        if (rc != ERR_INPUT || !strstr(f->e.msg, refused[i].part) || !f->at.code)
            fail_msg("%s: %d %s", refused[i].part, rc, f->e.msg);
    }
}

static void missing_has_a_value_of_the_clients_choice(void **state)
{
    fixture *f = *state;
    const char *sound[] = {
        ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"INT32\",\"parameters\":{\"missing\":-1},\"data\":[-1]}"),
        ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"INT32\",\"data\":[-1],\"parameters\":{\"missing\":-1}}"),
        ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[-999.5],\"parameters\":{\"missing\":"
            "-999.5}}"),
        ONE("{\"name\":\"alone\",\"shape\":[1],\"datatype\":\"UINT8\",\"data\":[255],\"parameters\":{\"missing\":255}"
            "}"),
        ONE("{\"parameters\":{\"missing\":255},\"data\":[255],\"name\":\"alone\",\"shape\":[1],\"datatype\":"
            "\"UINT8\"}"),
    };
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        if (decode(f, sound[i]) != 0) fail_msg("%s: %s", sound[i], f->e.msg);
        assert_true(isnan(values_of(f, AGE)->f32[0]) && isnan(values_of(f, ALONE)->f32[0]));
    }
    assert_int_equal(decode(f, ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"INT32\",\"data\":[-2],"
                                   "\"parameters\":{\"missing\":-1}}")),
                     0);
    assert_true(values_of(f, AGE)->f32[0] == -2);
    assert_int_equal(
        decode_with(
            f, f->decoder, &schema_of_all,
            "{\"inputs\":[" SEX(
                "1", "\"m\"") "," FARE1
                              ",{\"name\":\"age\",\"shape\":[1],\"datatype\":\"INT8\",\"parameters\":{\"missing\":-1,"
                              "\"binary_data_size\":1}}]}",
            "\xff", 1),
        0);
    assert_true(isnan(values_of(f, AGE)->f32[0]));
    assert_int_equal(
        decode(f, "{\"inputs\":[" SEX("1", "\"m\"") ",{\"name\":\"fare\",\"shape\":[1],\"datatype\":"
                                                    "\"INT8\",\"parameters\":{\"missing\":0},\"data\":[0]}]}"),
        ERR_INPUT);
    assert_string_equal(f->at.code, "missing_value");
}

static void outputs_are_chosen(void **state)
{
    fixture *f = *state;
#define WITH(rest) "{\"inputs\":[" SEX("1", "\"m\"") "," FARE1 "]," rest "}"
    assert_int_equal(decode(f, WITH("\"parameters\":{\"binary_data_output\":true},\"outputs\":[{\"name\":"
                                    "\"probabilities\",\"parameters\":{\"binary_data\":false,\"classification\":3}},{"
                                    "\"name\":\"label\"}]")),
                     0);
    assert_int_equal(f->got.n_outputs, 2);
    assert_int_equal(f->got.outputs[0].kind, V2_PROBABILITIES);
    assert_int_equal(f->got.outputs[0].n_classes, 3);
    assert_false(f->got.outputs[0].binary);
    assert_true(f->got.outputs[1].binary);
    assert_int_equal(decode(f, WITH("\"outputs\":[],\"parameters\":{\"binary_data_output\":true},\"id\":null")), 0);
    assert_int_equal(f->got.n_outputs, 2);
    assert_true(f->got.outputs[0].binary && f->got.outputs[1].binary);
    assert_int_equal(decode(f, WITH("\"parameters\":{\"sequence_id\":0,\"timeout\":1500}")), 0);
    assert_int_equal(f->got.timeout_us, 1500);
    const struct {
        const char *body;
        int rc;
        const char *part;
    } refused[] = {
        {WITH("\"outputs\":[{\"name\":\"value\"}]"), ERR_INPUT, "none of this model's"},
        {WITH("\"outputs\":[{\"name\":\"label\"},{\"name\":\"label\"}]"), ERR_INPUT, "twice"},
        {WITH("\"outputs\":[{\"name\":\"label\",\"parameters\":{\"classification\":1}}]"), ERR_INPUT, "no classes"},
        {WITH("\"outputs\":[{\"name\":\"probabilities\",\"parameters\":{\"classification\":-1}}]"), ERR_INPUT,
         "no whole number"},
        {WITH("\"outputs\":[{\"name\":\"label\",\"parameters\":{\"shared_memory_region\":\"r\"}}]"), ERR_UNSUPPORTED,
         "shared memory"},
        {WITH("\"outputs\":[{}]"), ERR_INPUT, "without \"name\""},
        {WITH("\"outputs\":{}"), ERR_INPUT, "\"outputs\" is no array"},
        {WITH("\"outputs\":[7]"), ERR_INPUT, "an element of \"outputs\" is no object"},
        {WITH("\"parameters\":{\"sequence_id\":7}"), ERR_UNSUPPORTED, "sequence_id"},
        {WITH("\"parameters\":{\"binary_data_output\":1}"), ERR_INPUT, "neither true nor false"},
        {WITH("\"id\":7"), ERR_INPUT, "\"id\" is no text"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int rc = decode(f, refused[i].body);
        if (rc != refused[i].rc || !strstr(f->e.msg, refused[i].part))
            fail_msg("%s: %d %s", refused[i].body, rc, f->e.msg);
    }
}

#define AGE1(shape, type, data) \
    ONE("{\"name\":\"age\",\"shape\":[" shape "],\"datatype\":\"" type "\",\"data\":" data "}")

static void bodies_are_refused(void **state)
{
    fixture *f = *state;
    const struct {
        const char *body;
        int rc;
        const char *code, *part;
    } refused[] = {
        {"", ERR_FORMAT, "invalid_json", "empty"},
        {"[]", ERR_INPUT, "wrong_shape", "no object"},
        {"{}", ERR_INPUT, "wrong_shape", "no \"inputs\""},
        {"{\"inputs\":[]}", ERR_INPUT, "wrong_shape", "no inputs"},
        {"{\"inputs\":{}}", ERR_INPUT, "wrong_type", "\"inputs\" is no array"},
        {"{\"inputs\":[1]}", ERR_INPUT, "wrong_type", "an element of \"inputs\" is no object"},
        {"{\"inputs\":[{\"name\":\"age\"}]}", ERR_INPUT, "wrong_shape", "without"},
        {"{\"inputs\":[" FARE1 "]}", ERR_INPUT, "missing_column", "\"sex\" is missing"},
        {"{\"inputs\":[" FARE1 "],\"inputs\":[]}", ERR_INPUT, "wrong_shape", "comes twice"},
        {"{\"inputs\":[" FARE1 "]} x", ERR_FORMAT, "invalid_json", "after its end"},
        {ONE(FARE1), ERR_INPUT, "duplicate_column", "comes twice"},
        {ONE("{\"name\":\"agee\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1]}"), ERR_INPUT, "unknown_column",
         "did you mean \"age\""},
        {AGE1("1", "FP99", "[1]"), ERR_INPUT, "wrong_type", "none of the protocol's"},
        {AGE1("1", "FP16", "[1]"), ERR_INPUT, "wrong_type", "only travels as binary"},
        {AGE1("1", "FP32", "1"), ERR_INPUT, "wrong_type", "its data is no array"},
        {AGE1("1", "FP32", "[]"), ERR_INPUT, "wrong_shape", "fewer values than the 1"},
        {AGE1("1", "FP32", "[1,2]"), ERR_INPUT, "wrong_shape", "more values"},
        {AGE1("1", "FP32", "[[1]]"), ERR_INPUT, "wrong_type", "an array where FP32 belongs"},
        {AGE1("2", "FP32", "[1,2]"), ERR_INPUT, "ragged_columns", "has 2 rows, those before it 1"},
        {AGE1("0", "FP32", "[]"), ERR_INPUT, "no_rows", "no rows"},
        {AGE1("101", "FP32", "[1]"), ERR_INPUT, "too_many_rows", "more than 100 rows"},
        {AGE1("1,1,1", "FP32", "[1]"), ERR_INPUT, "wrong_shape", "[N] or [N,1]"},
        {AGE1("1,1,1,1,1,1,1,1,1", "FP32", "[1]"), ERR_INPUT, "wrong_shape", "8 dimensions"},
        {AGE1("-1", "FP32", "[1]"), ERR_INPUT, "wrong_type", "whole number"},
        {AGE1("1.5", "FP32", "[1]"), ERR_INPUT, "wrong_type", "whole number"},
        {AGE1("99999999999999999999", "FP32", "[1]"), ERR_INPUT, "wrong_type", "whole number"},
        {AGE1("1", "FP32", "[1e39]"), ERR_INPUT, "out_of_range", "too large for float32"},
        {AGE1("1", "FP32", "[\"1\"]"), ERR_INPUT, "wrong_type", "a text where FP32 belongs"},
        {AGE1("1", "FP32", "[true]"), ERR_INPUT, "wrong_type", "true where FP32 belongs"},
        {AGE1("1", "FP32", "[{}]"), ERR_INPUT, "wrong_type", "an object where FP32 belongs"},
        {AGE1("1", "FP32", "[NaN]"), ERR_FORMAT, "invalid_json", "no value"},
        {AGE1("1", "INT8", "[128]"), ERR_INPUT, "wrong_type", "out of range where INT8 belongs"},
        {AGE1("1", "UINT8", "[-1]"), ERR_INPUT, "wrong_type", "out of range where UINT8 belongs"},
        {AGE1("1", "INT64", "[9223372036854775808]"), ERR_INPUT, "wrong_type", "out of range where INT64 belongs"},
        {AGE1("1", "UINT64", "[18446744073709551616]"), ERR_INPUT, "out_of_range", "past UINT64"},
        {AGE1("1", "UINT64", "[-9223372036854775809]"), ERR_INPUT, "wrong_type", "out of range"},
        {AGE1("1", "INT32", "[1.5]"), ERR_INPUT, "wrong_type", "no integer where INT32 belongs"},
        {AGE1("1", "BOOL", "[true]"), ERR_INPUT, "wrong_type", "it takes FP16"},
        {ONE("{\"name\":\"alone\",\"shape\":[1],\"datatype\":\"BOOL\",\"data\":[2]}"), ERR_INPUT, "wrong_type",
         "0 and 1 where BOOL"},
        {ONE("{\"name\":\"note\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[1]}"), ERR_INPUT, "wrong_type",
         "a number where BYTES belongs"},
        {ONE("{\"name\":\"born\",\"shape\":[1],\"datatype\":\"BYTES\",\"data\":[\"soon\"]}"), ERR_INPUT, "wrong_type",
         "no date"},
        {ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"FP32\"}"), ERR_INPUT, "wrong_shape", "neither data"},
        {ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1],\"parameters\":{\"binary_data_size\":"
             "4}}"),
         ERR_INPUT, "wrong_shape", "both"},
        {ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":4}}"),
         ERR_INPUT, "wrong_shape", "Inference-Header-Content-Length"},
        {ONE("{\"name\":\"age\",\"shape\":[1],\"datatype\":\"FP32\",\"parameters\":{\"shared_memory_region\":\"a\"}}"),
         ERR_UNSUPPORTED, "unsupported", "shared memory"},
        {ONE("{\"name\":\"age\",\"name\":\"age\"}"), ERR_INPUT, "wrong_shape", "\"name\" comes twice"},
        {"{\"inputs\":[" SEX("1", "null") "," FARE1 "]}", ERR_INPUT, "missing_value", "no answer for"},
        {"{\"inputs\":[" SEX("1", "\"\"") "," FARE1 "]}", ERR_INPUT, "missing_value", "no answer for"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        int rc = decode(f, refused[i].body);
        if (rc != refused[i].rc || !f->at.code || strcmp(f->at.code, refused[i].code) != 0 ||
            !strstr(f->e.msg, refused[i].part))
            fail_msg("%s: %d %s %s", refused[i].body, rc, f->at.code ? f->at.code : "", f->e.msg);
    }
}

static void a_body_cut_anywhere_is_refused(void **state)
{
    fixture *f = *state;
    const char *json = BINARY("note", "2", "BYTES", 11);
    char cut[1024];
    for (size_t len = 0; len < strlen(json); len++) {
        memcpy(cut, json, len);
        cut[len] = '\0';
        assert_true(decode_with(f, f->decoder, &schema_of_all, cut, "\x03\0\0\0abc\0\0\0\0", 11) < 0);
    }
    for (size_t len = 0; len < 11; len++)
        assert_true(decode_with(f, f->decoder, &schema_of_all, json, "\x03\0\0\0abc\0\0\0\0", len) < 0);
}

static void every_failing_allocation_is_an_error(void **state)
{
    fixture *f = *state;
    const char *json = "{\"inputs\":[" SEX(
        "1", "\"m\\n\"") "," FARE1 ",{\"name\":\"ticket\",\"shape\":[1],\"datatype\":\"INT8\",\"data\":[1]}]}";
    for (uint64_t nth = 1;; nth++) {
        mem_fail_at(nth, 0);
        int rc = decode(f, json);
        uint64_t used = mem_fail_at(0, 0);
        if (used < nth) {
            assert_int_equal(rc, 0);
            break;
        }
        assert_int_equal(rc, ERR_MEMORY);
        arena_clear(&f->memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_becomes_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tensors_of_many_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_datatype_in_binary, set_up, tear_down),
        cmocka_unit_test_setup_teardown(binary_that_lies_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(missing_has_a_value_of_the_clients_choice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outputs_are_chosen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_cut_anywhere_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_failing_allocation_is_an_error, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
