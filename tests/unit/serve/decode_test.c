// Request bodies: what is accepted and its values, what is refused and where it says the fault is.
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
#include "serve/decode.h"
#include "unit/serve/schema_of_all.h"

typedef struct fixture {
    decoder *decoder;
    arena memory;
    batch batch;
    body_form form;
    explain_wish wish;
    place at;
    err e;
    char *body; // exactly as long as the text, so that an overrun shows
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f || decoder_new(&f->decoder, &schema_of_all, NULL) < 0) return -1;
    arena_init(&f->memory, 1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    decoder_free(f->decoder);
    arena_clear(&f->memory);
    free(f->body);
    free(f);
    return 0;
}

static int decode_bytes(fixture *f, const char *text, size_t len)
{
    free(f->body);
    f->body = malloc(len ? len : 1);
    assert_non_null(f->body);
    memcpy(f->body, text, len);
    f->e = ERR_NONE;
    arena_reset(&f->memory);
    return decode_predict(&f->batch, &f->form, &f->wish, f->decoder, (str){f->body, len}, 100, &f->at, &f->memory,
                          &f->e);
}

static int decode(fixture *f, const char *text)
{
    return decode_bytes(f, text, strlen(text));
}

static void assert_str(str got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data, want, got.len);
}

static void rows_become_columns(void **state)
{
    fixture *f = *state;
    const char *body =
        " {\"rows\" : [ {\"age\":22,\"fare\":7.25,\"alone\":true,\"sex\":\"male\",\"born\":\"1912-04-15T02:20:00Z\","
        "\"note\":\"a\\u00e9\\n\\ud83d\\ude00\",\"ticket\":113803,\"a\\\"/~\\\\b\":-1e-3},\r\n\t"
        "{\"sex\":\"\xc3\xa9\",\"fare\":0,\"alone\":0,\"age\":null,\"note\":\"\",\"born\":-5,\"ticket\":\"x\"} ] } ";
    assert_int_equal(decode(f, body), 0);
    const batch_column *c = f->batch.columns;
    assert_int_equal(f->form, BODY_ROWS);
    assert_int_equal(f->batch.n_rows, 2);
    assert_true(c[AGE].f32[0] == 22 && isnan(c[AGE].f32[1]));
    assert_true(c[FARE].f32[0] == 7.25f && c[FARE].f32[1] == 0);
    assert_true(c[ALONE].f32[0] == 1 && c[ALONE].f32[1] == 0);
    assert_str(c[SEX].strings[0], "male");
    assert_str(c[SEX].strings[1], "\xc3\xa9");
    assert_int_equal(c[BORN].i64[0], -1821303600000);
    assert_int_equal(c[BORN].i64[1], -5);
    assert_str(c[NOTE].strings[0], "a\xc3\xa9\n\xf0\x9f\x98\x80");
    assert_int_equal(c[NOTE].strings[1].len, 0);
    assert_str(c[TICKET].strings[0], "113803");
    assert_str(c[TICKET].strings[1], "x");
    assert_true(c[ODD].f32[0] == -1e-3f && isnan(c[ODD].f32[1]));
}

static void columns_stay_columns(void **state)
{
    fixture *f = *state;
    assert_int_equal(
        decode(f, "{\"columns\":{\"sex\":[\"male\",\"female\",\"x\"],\"fare\":[1,2.5,3e2],\"age\":[1,null,3]}}"), 0);
    assert_int_equal(f->form, BODY_COLUMNS);
    assert_int_equal(f->batch.n_rows, 3);
    assert_true(f->batch.columns[FARE].f32[2] == 300);
    assert_true(isnan(f->batch.columns[AGE].f32[1]) && f->batch.columns[AGE].f32[2] == 3);
    assert_str(f->batch.columns[SEX].strings[1], "female");
    assert_int_equal(f->batch.columns[BORN].i64[2], WIRE_I64_MISSING);
}

static void many_rows_make_room(void **state)
{
    fixture *f = *state;
    char body[8000] = "{\"rows\":[";
    for (int columns = 0; columns < 2; columns++) {
        size_t n = (size_t)snprintf(body, sizeof body, columns ? "{\"columns\":{\"fare\":[" : "{\"rows\":[");
        for (int i = 0; i < 100; i++)
            n += (size_t)snprintf(body + n, sizeof body - n, columns ? "%s%d" : "%s{\"fare\":%d,\"sex\":\"m{{{\"}",
                                  i ? "," : "", i);
        if (columns) {
            n += (size_t)snprintf(body + n, sizeof body - n, "],\"sex\":[");
            for (int i = 0; i < 100; i++) n += (size_t)snprintf(body + n, sizeof body - n, "%s\"m\"", i ? "," : "");
        }
        snprintf(body + n, sizeof body - n, columns ? "]}}" : "]}");
        assert_int_equal(decode(f, body), 0);
        assert_int_equal(f->batch.n_rows, 100);
        for (int i = 0; i < 100; i++) assert_true(f->batch.columns[FARE].f32[i] == (float)i);
        assert_true(isnan(f->batch.columns[AGE].f32[99]));
    }
}

typedef struct refusal {
    const char *body;
    int rc;
    const char *code, *pointer, *part; // of the message
    int64_t row;
} refusal;

#define ROW(text) "{\"rows\":[{\"fare\":1,\"sex\":\"m\"},{\"fare\":1,\"sex\":\"m\"," text "}]}"
#define WISH(value) "{\"explain\":" value ",\"rows\":[{\"fare\":1,\"sex\":\"m\"}]}"
#define FIRST(text) "{\"rows\":[{\"fare\":1,\"sex\":\"m\"," text "}]}"

static const refusal refusals[] = {
    {ROW("\"agee\":1"), ERR_INPUT, "unknown_column", "/rows/1/agee", "did you mean \"age\"", 1},
    {ROW("\"x/y~z\":1"), ERR_INPUT, "unknown_column", "/rows/1/x~1y~0z", "row 1: the model has no column \"x/y~z\"", 1},
    {"{\"rows\":[{\"sex\":\"m\"}]}", ERR_INPUT, "missing_column", "/rows/0/fare",
     "row 0: the column \"fare\" is missing", 0},
    {"{\"rows\":[{}]}", ERR_INPUT, "missing_column", "/rows/0/fare", "fare", 0},
    {"{\"columns\":{\"fare\":[1]}}", ERR_INPUT, "missing_column", "/columns/sex", "the column \"sex\" is missing", -1},
    {"{\"columns\":{\"farex\":[1]}}", ERR_INPUT, "unknown_column", "/columns/farex", "did you mean \"fare\"", -1},
    {ROW("\"age\":\"22\""), ERR_INPUT, "wrong_type", "/rows/1/age",
     "row 1, column \"age\": a text where a number belongs", 1},
    {ROW("\"age\":true"), ERR_INPUT, "wrong_type", "/rows/1/age", "true where a number belongs", 1},
    {ROW("\"age\":{}"), ERR_INPUT, "wrong_type", "/rows/1/age", "an object where a number belongs", 1},
    {ROW("\"age\":[1]"), ERR_INPUT, "wrong_type", "/rows/1/age", "an array where", 1},
    {ROW("\"alone\":2"), ERR_INPUT, "wrong_type", "/rows/1/alone", "a number other than 0 and 1", 1},
    {ROW("\"alone\":\"yes\""), ERR_INPUT, "wrong_type", "/rows/1/alone", "a text where true or false belongs", 1},
    {ROW("\"note\":5"), ERR_INPUT, "wrong_type", "/rows/1/note", "a number where a text belongs", 1},
    {ROW("\"ticket\":5.5"), ERR_INPUT, "wrong_type", "/rows/1/ticket", "a number where a text belongs", 1},
    {ROW("\"born\":\"yesterday\""), ERR_INPUT, "wrong_type", "/rows/1/born", "a text that is no date", 1},
    {ROW("\"born\":1.5"), ERR_INPUT, "wrong_type", "/rows/1/born", "a number that is no integer", 1},
    {ROW("\"born\":9223372036854775808"), ERR_INPUT, "out_of_range", "/rows/1/born", "int64", 1},
    {ROW("\"born\":-9223372036854775808"), ERR_INPUT, "out_of_range", "/rows/1/born", "int64", 1},
    {ROW("\"age\":1e39"), ERR_INPUT, "out_of_range", "/rows/1/age", "too large for float32", 1},
    {ROW("\"age\":-1e999"), ERR_INPUT, "out_of_range", "/rows/1/age", "too large for float32", 1},
    {ROW("\"fare\":2"), ERR_INPUT, "duplicate_column", "/rows/1/fare", "comes twice", 1},
    {FIRST("\"f\\u0061re\":2"), ERR_INPUT, "duplicate_column", "/rows/0/fare", "comes twice", 0},
    {"{\"columns\":{\"fare\":[1],\"fare\":[2]}}", ERR_INPUT, "duplicate_column", "/columns/fare", "twice", -1},
    {"{\"rows\":[{\"fare\":null,\"sex\":\"m\"}]}", ERR_INPUT, "missing_value", "/rows/0/fare", "no answer for", 0},
    {"{\"rows\":[{\"fare\":1,\"sex\":\"\"}]}", ERR_INPUT, "missing_value", "/rows/0/sex", "no answer for", 0},
    {"{\"columns\":{\"fare\":[1,null]}}", ERR_INPUT, "missing_value", "/columns/fare/1", "row 1", 1},
    {"{\"columns\":{\"fare\":[1,2],\"sex\":[\"m\"]}}", ERR_INPUT, "ragged_columns", "/columns/sex",
     "fewer values than the 2", -1},
    {"{\"columns\":{\"fare\":[1],\"sex\":[\"m\",\"f\"]}}", ERR_INPUT, "ragged_columns", "/columns/sex",
     "more values than the 1", -1},
    {"{\"columns\":{\"fare\":[],\"sex\":[\"m\"]}}", ERR_INPUT, "ragged_columns", "/columns/sex",
     "more values than the 0", -1},
    {"{\"columns\":{\"fare\":1}}", ERR_INPUT, "wrong_type", "/columns/fare", "no array", -1},
    {"{\"columns\":[]}", ERR_INPUT, "wrong_type", "/columns", "no object", -1},
    {"{\"rows\":{}}", ERR_INPUT, "wrong_type", "/rows", "no array", -1},
    {"{\"rows\":[1]}", ERR_INPUT, "wrong_type", "/rows/0", "row 0 is no object", 0},
    {"{\"rows\":[]}", ERR_INPUT, "no_rows", "/rows", "no rows", -1},
    {"{\"columns\":{\"fare\":[],\"sex\":[]}}", ERR_INPUT, "no_rows", "/columns", "no rows", -1},
    {"{}", ERR_INPUT, "wrong_shape", NULL, "empty object", -1},
    {"[]", ERR_INPUT, "wrong_shape", NULL, "no object", -1},
    {"{\"instances\":[]}", ERR_INPUT, "wrong_shape", NULL, "neither \"rows\" nor", -1},
    {"{\"rows\":[{\"fare\":1,\"sex\":\"m\"}],\"rows\":[]}", ERR_INPUT, "wrong_shape", NULL, "more than one member", -1},
    {WISH("1"), ERR_INPUT, "wrong_type", "/explain", "neither true or false", -1},
    {WISH("{\"what\":1}"), ERR_INPUT, "unknown_member", "/explain", "nothing else", -1},
    {WISH("{\"top\":1,\"top\":1}"), ERR_INPUT, "duplicate_member", "/explain", "twice", -1},
    {WISH("{\"top\":0}"), ERR_INPUT, "out_of_range", "/explain/top", "from 1 on", -1},
    {WISH("{\"top\":1.5}"), ERR_INPUT, "out_of_range", "/explain/top", "whole", -1},
    {WISH("{\"top\":1e99}"), ERR_INPUT, "out_of_range", "/explain/top", "whole", -1},
    {WISH("{\"top\":\"1\"}"), ERR_INPUT, "wrong_type", "/explain/top", "whole", -1},
    {WISH("{\"class\":\"2\"}"), ERR_INPUT, "unknown_class", "/explain/class", "no class \"2\"", -1},
    {WISH("{\"class\":null}"), ERR_INPUT, "wrong_type", "/explain/class", "none of", -1},
    {WISH("true,\"explain\":true"), ERR_INPUT, "wrong_shape", NULL, "does not belong", -1},
    {WISH("{\"top\":}"), ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {WISH("hello"), ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {"{\"explain\":true}", ERR_INPUT, "wrong_shape", NULL, "neither \"rows\" nor", -1},
    {"", ERR_FORMAT, "invalid_json", NULL, "it is empty", -1},
    {" ", ERR_FORMAT, "invalid_json", NULL, "it is empty", -1},
    {"nonsense", ERR_INPUT, "wrong_shape", NULL, "no object", -1},
    {"hello", ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {"\xef\xbb\xbf{}", ERR_FORMAT, "invalid_json", NULL, "byte 0", -1},
    {FIRST("\"age\":NaN"), ERR_FORMAT, "invalid_json", NULL, "no value where one belongs at byte", -1},
    {FIRST("\"age\":Infinity"), ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {FIRST("\"age\":-Infinity"), ERR_FORMAT, "invalid_json", NULL, "number", -1},
    {FIRST("\"age\":01"), ERR_FORMAT, "invalid_json", NULL, "number", -1},
    {FIRST("\"age\":.5"), ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {FIRST("\"age\":+5"), ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {FIRST("\"age\":5."), ERR_FORMAT, "invalid_json", NULL, "", -1},
    {FIRST("\"age\":0x10"), ERR_FORMAT, "invalid_json", NULL, "", -1},
    {FIRST("\"age\":nul"), ERR_FORMAT, "invalid_json", NULL, "", -1},
    {FIRST("\"age\":1,"), ERR_FORMAT, "invalid_json", NULL, "no name", -1},
    {FIRST("\"age\" 1"), ERR_FORMAT, "invalid_json", NULL, "no colon", -1},
    {FIRST("age:1"), ERR_FORMAT, "invalid_json", NULL, "no name", -1},
    {FIRST("\"note\":\"a\nb\""), ERR_FORMAT, "invalid_json", NULL, "control", -1},
    {FIRST("\"note\":\"\\x\""), ERR_FORMAT, "invalid_json", NULL, "escape", -1},
    {FIRST("\"note\":\"\\u12g4\""), ERR_FORMAT, "invalid_json", NULL, "four hexadecimal", -1},
    {FIRST("\"note\":\"\\ud800\""), ERR_FORMAT, "invalid_json", NULL, "surrogate", -1},
    {FIRST("\"note\":\"\\ud800\\u0041\""), ERR_FORMAT, "invalid_json", NULL, "surrogate", -1},
    {FIRST("\"note\":\"\\udc00\\ud800\""), ERR_FORMAT, "invalid_json", NULL, "surrogate", -1},
    {FIRST("\"note\":\"\xc0\xaf\""), ERR_FORMAT, "invalid_json", NULL, "UTF-8", -1},
    {FIRST("\"note\":\"\xed\xa0\x80\""), ERR_FORMAT, "invalid_json", NULL, "UTF-8", -1},
    {FIRST("\"note\":\"abcdefgh\xff\""), ERR_FORMAT, "invalid_json", NULL, "UTF-8", -1},
    {"{\"rows\":[{\"fare\":1,\"sex\":\"m\"}]} x", ERR_FORMAT, "invalid_json", NULL, "after its end", -1},
    {"{\"rows\":[{\"fare\":1,\"sex\":\"m\"}]}{}", ERR_FORMAT, "invalid_json", NULL, "after its end", -1},
    {"{\"rows\":[{\"fare\":1,\"sex\":\"m\"},]}", ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {"{\"columns\":{\"fare\":[1,]}}", ERR_FORMAT, "invalid_json", NULL, "no value", -1},
    {"{\"rows\":[{\"fare\":1,\"sex\":\"m\"}", ERR_FORMAT, "invalid_json", NULL, "in the middle", -1},
};

static void faults_say_what_and_where(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *x = &refusals[i];
        int rc = decode(f, x->body);
        if (rc != x->rc || !strstr(f->e.msg, x->part) || strcmp(f->at.code, x->code) != 0)
            fail_msg("%s\n: %d %s: %s; want %d %s: %s", x->body, rc, rc < 0 ? f->at.code : "", f->e.msg, x->rc, x->code,
                     x->part);
        assert_int_equal(f->at.row, x->row);
        if (x->pointer)
            assert_str(f->at.pointer, x->pointer);
        else
            assert_int_equal(f->at.pointer.len, 0);
    }
}

static void a_wish_is_read_before_and_after_rows(void **state)
{
    fixture *f = *state;
    assert_int_equal(decode(f, "{\"rows\":[{\"fare\":1,\"sex\":\"m\"}]}"), 0);
    assert_true(!f->wish.wanted && f->wish.class == EXPLAIN_PREDICTED && f->wish.top == 0);
    assert_int_equal(decode(f, WISH("true")), 0);
    assert_true(f->wish.wanted && f->wish.class == EXPLAIN_PREDICTED && f->wish.top == 0);
    assert_int_equal(decode(f, WISH("false")), 0);
    assert_false(f->wish.wanted);
    const char *after = "{\"columns\":{\"fare\":[1],\"sex\":[\"m\"]} , \"explain\" : { \"top\" : 3 , \"class\" : 1 } }";
    assert_int_equal(decode(f, after), 0);
    assert_true(f->wish.wanted && f->wish.class == 1 && f->wish.top == 3);
    assert_int_equal(f->batch.n_rows, 1);
    assert_int_equal(decode(f, WISH("{\"class\":\"0\"}")), 0);
    assert_true(f->wish.wanted && f->wish.class == 0);
    assert_int_equal(decode(f, WISH("{}")), 0);
    assert_true(f->wish.wanted);
    // Nobody listens: it is no member.
    str body = STR(WISH("true"));
    arena_reset(&f->memory);
    assert_int_equal(decode_predict(&f->batch, &f->form, NULL, f->decoder, body, 100, &f->at, &f->memory, &f->e),
                     ERR_INPUT);
}

static void a_body_cut_anywhere_is_refused(void **state)
{
    fixture *f = *state;
    const char *bodies[] = {
        FIRST("\"note\":\"a\\u00e9\\ud83d\\ude00\xc3\xa9\",\"born\":\"1912-04-15\",\"alone\":true,\"age\":null"),
        "{\"columns\":{\"sex\":[\"male\",\"female\"],\"fare\":[1,-2.5e1]}}"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(decode(f, bodies[i]), 0);
        for (size_t len = 0; len < strlen(bodies[i]); len++)
            assert_int_equal(decode_bytes(f, bodies[i], len), ERR_FORMAT);
    }
}

static void limits_hold(void **state)
{
    fixture *f = *state;
    char body[8192];
    for (int n = 100; n <= 101; n++) {
        size_t len = (size_t)snprintf(body, sizeof body, "{\"rows\":[");
        for (int i = 0; i < n; i++)
            len += (size_t)snprintf(body + len, sizeof body - len, "%s{\"fare\":1,\"sex\":\"m\"}", i ? "," : "");
        snprintf(body + len, sizeof body - len, "]}");
        assert_int_equal(decode(f, body), n == 100 ? 0 : ERR_INPUT);
    }
    assert_string_equal(f->at.code, "too_many_rows");
    arena small;
    arena_init(&small, 256);
    const char *text = FIRST("\"note\":\"\\n\"");
    assert_int_equal(decode_predict(&f->batch, &f->form, NULL, f->decoder, str_of(text), 100, &f->at, &small, &f->e),
                     ERR_MEMORY);
    arena_clear(&small);
}

static void every_failing_allocation_is_an_error(void **state)
{
    fixture *f = *state;
    const char *text = FIRST("\"note\":\"\\n\",\"ticket\":1");
    for (uint64_t nth = 1;; nth++) {
        mem_fail_at(nth, 0);
        int rc = decode(f, text);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_become_columns),
        TEST(columns_stay_columns),
        TEST(many_rows_make_room),
        TEST(faults_say_what_and_where),
        TEST(a_wish_is_read_before_and_after_rows),
        TEST(a_body_cut_anywhere_is_refused),
        TEST(limits_hold),
        TEST(every_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
