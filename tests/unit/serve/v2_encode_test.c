// Answers with tensors: every kind of label, JSON and binary, the best classes.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "serve/v2_encode.h"

enum { HEAD_MAX = 1024 };

// Answers for a target; the JSON into `json`, what follows into *binary.
static void answer(const schema_target *t, const v2_infer *q, const prediction *p, char json[HEAD_MAX], buf *binary)
{
    const schema s = {.target = *t};
    encoder *w;
    arena a;
    buf out;
    size_t header_len;
    err e = ERR_NONE;
    assert_int_equal(encoder_new(&w, &s, "m", 3, NULL), 0);
    arena_init(&a, 1 << 16);
    buf_init(&out, 1 << 16);
    buf_init(binary, 1 << 16);
    const v2_source from = {.name = "m", .version = 3, .target = &s.target, .encoder = w};
    assert_int_equal(v2_encode(q, &from, p, &out, &header_len, &a, &e), 0);
    assert_int_equal(out.failed, 0);
    size_t len = header_len ? header_len : out.len;
    assert_true(len < HEAD_MAX && out.data[len - 1] == '}');
    memcpy(json, out.data, len);
    json[len] = '\0';
    buf_add(binary, out.data + len, out.len - len);
    json_t *parsed;
    assert_int_equal(json_parse(&parsed, (str){json, len}, NULL), 0);
    json_decref(parsed);
    buf_clear(&out);
    arena_clear(&a);
    encoder_free(w);
}

#define BEGIN "{\"model_name\":\"m\",\"model_version\":\"3\","

static void labels_have_the_targets_type(void **state)
{
    (void)state;
    static const int32_t classes_of_rows[] = {1, 0};
    const prediction p = {.n_rows = 2, .n_scores = 2, .scores = (float[]){0, 1, 1, 0}, .labels = classes_of_rows};
    static const struct {
        column_type type;
        char *classes[2];
        const char *datatype, *data;
        size_t len;
        const char *binary;
    } examples[] = {
        {COLUMN_INTEGER,
         {(char *)"-1", (char *)"258"},
         "INT64",
         "[258,-1]",
         16,
         "\x02\x01\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"},
        {COLUMN_INTEGER, {(char *)"1", (char *)"x"}, "BYTES", "[\"x\",\"1\"]", 10, "\x01\0\0\0x\x01\0\0\0001"},
        {COLUMN_REAL, {(char *)"0.5", (char *)"-2"}, "FP64", "[-2,0.5]", 16, "\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\xe0\x3f"},
        {COLUMN_BOOLEAN, {(char *)"false", (char *)"true"}, "BOOL", "[true,false]", 2, "\x01\0"},
        {COLUMN_CATEGORY, {(char *)"a\"", (char *)"b"}, "BYTES", "[\"b\",\"a\\\"\"]", 11, "\x01\0\0\0b\x02\0\0\0a\""},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const schema_target t = {.task = TASK_CLASSIFICATION,
                                 .type = examples[i].type,
                                 .n_classes = 2,
                                 .classes = (char **)examples[i].classes};
        v2_infer q = {.n_outputs = 1, .outputs = {{.kind = V2_LABEL}}};
        char json[HEAD_MAX], want[HEAD_MAX];
        buf binary;
        answer(&t, &q, &p, json, &binary);
        snprintf(want, sizeof want,
                 BEGIN "\"outputs\":[{\"name\":\"label\",\"datatype\":\"%s\",\"shape\":[2,1],\"data\":%s}]}",
                 examples[i].datatype, examples[i].data);
        assert_string_equal(json, want);
        assert_int_equal(binary.len, 0);
        buf_clear(&binary);
        q.outputs[0].binary = true;
        answer(&t, &q, &p, json, &binary);
        assert_int_equal(binary.len, examples[i].len);
        assert_memory_equal(binary.data, examples[i].binary, binary.len);
        snprintf(want, sizeof want, "\"parameters\":{\"binary_data_size\":%12zu}}]}", binary.len);
        assert_non_null(strstr(json, want));
        buf_clear(&binary);
    }
}

static void scores_and_values(void **state)
{
    (void)state;
    static char *classes[] = {(char *)"a", (char *)"b"};
    const schema_target two = {
        .task = TASK_CLASSIFICATION, .type = COLUMN_CATEGORY, .n_classes = 2, .classes = classes};
    const schema_target number = {.task = TASK_REGRESSION, .type = COLUMN_REAL};
    const prediction p = {
        .n_rows = 2, .n_scores = 2, .scores = (float[]){0.25f, NAN, INFINITY, 1}, .labels = (int32_t[]){0, 1}};
    const prediction values = {.n_rows = 2, .n_scores = 1, .scores = (float[]){12.5f, -0.1f}};
    char json[HEAD_MAX];
    buf binary;
    v2_infer q = {.n_outputs = 2, .id = STR("\"q"), .outputs = {{.kind = V2_PROBABILITIES}, {.kind = V2_LABEL}}};
    answer(&two, &q, &p, json, &binary);
    assert_string_equal(
        json, BEGIN "\"id\":\"\\\"q\",\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"FP32\",\"shape\":[2,2],"
                    "\"data\":[0.25,null,null,1]},{\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[2,1],"
                    "\"data\":[\"a\",\"b\"]}]}");
    buf_clear(&binary);
    q = (v2_infer){.n_outputs = 2, .outputs = {{.kind = V2_LABEL}, {.kind = V2_PROBABILITIES, .binary = true}}};
    answer(&two, &q, &p, json, &binary);
    assert_int_equal(binary.len, 16);
    assert_memory_equal(binary.data, p.scores, 16);
    assert_non_null(strstr(json, "\"data\":[\"a\",\"b\"]"));
    buf_clear(&binary);
    q = (v2_infer){.n_outputs = 1, .outputs = {{.kind = V2_VALUE}}};
    answer(&number, &q, &values, json, &binary);
    assert_string_equal(
        json, BEGIN "\"outputs\":[{\"name\":\"value\",\"datatype\":\"FP32\",\"shape\":[2,1],\"data\":[12.5,-0.1]}]}");
    buf_clear(&binary);
}

static void the_best_classes(void **state)
{
    (void)state;
    static char *classes[] = {(char *)"a", (char *)"b\"", (char *)"c", (char *)"d", (char *)"e"};
    const schema_target t = {.task = TASK_CLASSIFICATION, .type = COLUMN_CATEGORY, .n_classes = 5, .classes = classes};
    const prediction p = {.n_rows = 2,
                          .n_scores = 5,
                          .scores = (float[]){0.1f, 0.4f, 0.1f, 0.3f, 0.1f, NAN, 2, NAN, -1, INFINITY},
                          .labels = (int32_t[]){1, 4}};
    static const char *const best[] = {"0.4:1:b\\\"", "0.3:3:d",   "0.1:0:a", "0.1:2:c", "0.1:4:e",
                                       "inf:4:e",     "2:1:b\\\"", "-1:3:d",  "nan:0:a", "nan:2:c"};
    for (size_t k = 1; k <= 7; k++) {
        v2_infer q = {.n_outputs = 1, .outputs = {{.kind = V2_PROBABILITIES, .n_classes = k}}};
        size_t n = k < 5 ? k : 5;
        char json[HEAD_MAX], want[HEAD_MAX];
        buf binary;
        size_t len = (size_t)snprintf(
            want, sizeof want,
            BEGIN "\"outputs\":[{\"name\":\"probabilities\",\"datatype\":\"BYTES\",\"shape\":[2,%zu],\"data\":[", n);
        for (size_t row = 0; row < 2; row++)
            for (size_t i = 0; i < n; i++)
                len +=
                    (size_t)snprintf(want + len, sizeof want - len, "%s\"%s\"", row + i ? "," : "", best[5 * row + i]);
        snprintf(want + len, sizeof want - len, "]}]}");
        answer(&t, &q, &p, json, &binary);
        assert_string_equal(json, want);
        buf_clear(&binary);
        q.outputs[0].binary = true;
        answer(&t, &q, &p, json, &binary);
        assert_memory_equal(binary.data,
                            "\x08\0\0\0"
                            "0.4:1:b\"",
                            12);
        buf_clear(&binary);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_have_the_targets_type),
        cmocka_unit_test(scores_and_values),
        cmocka_unit_test(the_best_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
