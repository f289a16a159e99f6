// Answers, letter by letter.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "serve/encode.h"
#include "serve/example.h"
#include "unit/serve/schema_of_all.h"

static void assert_encodes(const schema *s, body_form form, const prediction *p, const char *want)
{
    encoder *w;
    buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(encoder_new(&w, s, "titanic", 3, NULL), 0);
    encode_prediction(w, form, p, &out);
    buf_add_char(&out, '\0');
    assert_string_equal(out.data, want);
    json_t *parsed;
    assert_int_equal(json_parse(&parsed, str_of(out.data), NULL), 0);
    json_decref(parsed);
    buf_clear(&out);
    encoder_free(w);
}

static void classes_have_labels_and_probabilities(void **state)
{
    (void)state;
    const float scores[] = {0.1f, 0.9f, 1, 0};
    const int32_t labels[] = {1, 0};
    const prediction p = {.n_rows = 2, .n_scores = 2, .scores = scores, .labels = labels};
    assert_encodes(&schema_of_all, BODY_ROWS, &p,
                   "{\"model\":\"titanic\",\"version\":3,\"predictions\":["
                   "{\"label\":1,\"probabilities\":{\"0\":0.1,\"1\":0.9}},"
                   "{\"label\":0,\"probabilities\":{\"0\":1,\"1\":0}}]}\n");
    assert_encodes(&schema_of_all, BODY_COLUMNS, &p,
                   "{\"model\":\"titanic\",\"version\":3,\"columns\":{\"label\":[1,0],"
                   "\"probabilities\":{\"0\":[0.1,1],\"1\":[0.9,0]}}}\n");
}

static void numbers_have_values(void **state)
{
    (void)state;
    const schema s = {.target = {.name = (char *)"price", .task = TASK_REGRESSION, .type = COLUMN_REAL}};
    const float scores[] = {-1.5e-7f, NAN, 3};
    const prediction p = {.n_rows = 3, .n_scores = 1, .scores = scores};
    assert_encodes(&s, BODY_ROWS, &p,
                   "{\"model\":\"titanic\",\"version\":3,\"predictions\":["
                   "{\"value\":-1.5e-7},{\"value\":null},{\"value\":3}]}\n");
    assert_encodes(&s, BODY_COLUMNS, &p,
                   "{\"model\":\"titanic\",\"version\":3,\"columns\":{\"value\":[-1.5e-7,null,3]}}\n");
}

static void labels_follow_the_type_of_the_target(void **state)
{
    (void)state;
    const struct {
        column_type type;
        const char *name, *want;
    } examples[] = {
        {COLUMN_INTEGER, "-3", "-3"},
        {COLUMN_INTEGER, "03", "\"03\""},
        {COLUMN_REAL, "0.5", "0.5"},
        {COLUMN_REAL, "inf", "\"inf\""},
        {COLUMN_BOOLEAN, "true", "true"},
        {COLUMN_CATEGORY, "1", "\"1\""},
        {COLUMN_CATEGORY, "", "\"\""},
        {COLUMN_INTEGER, "", "\"\""},
        {COLUMN_CATEGORY, "a\"b\n", "\"a\\\"b\\n\""},
        {COLUMN_BOOLEAN, "ja", "\"ja\""},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        buf out;
        buf_init(&out, 1 << 20);
        encode_label(examples[i].type, examples[i].name, &out);
        buf_add_char(&out, '\0');
        assert_string_equal(out.data, examples[i].want);
        buf_clear(&out);
    }
}

static void an_example_can_be_decoded(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1 << 20);
    example_curl(&schema_of_all, "http://127.0.0.1:8080", "titanic", &out);
    buf_add_char(&out, '\0');
    assert_string_equal(
        out.data, "curl -s http://127.0.0.1:8080/api/v1/models/titanic/predict -H 'Content-Type: "
                  "application/json' -d '{\"rows\":[{\"age\":28,\"fare\":14.5,\"alone\":false,\"sex\":\"male\","
                  "\"born\":\"1970-01-02T00:00:00.000Z\",\"note\":\"text\",\"ticket\":\"text\",\"a\\\"/~\\\\b\":0}]}'");
    buf_reset(&out);
    buf_add_text(&out, "{\"rows\":[");
    example_row(&schema_of_all, &out);
    buf_add_text(&out, "]}");
    decoder *d;
    arena a;
    batch b;
    body_form form;
    place at;
    arena_init(&a, 1 << 20);
    assert_int_equal(decoder_new(&d, &schema_of_all, NULL), 0);
    assert_int_equal(decode_predict(&b, &form, NULL, d, buf_str(&out), 10, &at, &a, NULL), 0);
    arena_clear(&a);
    decoder_free(d);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_have_labels_and_probabilities),
        cmocka_unit_test(numbers_have_values),
        cmocka_unit_test(labels_follow_the_type_of_the_target),
        cmocka_unit_test(an_example_can_be_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
