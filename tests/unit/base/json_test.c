// base/json: strict reading, stable writing, members by type.
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <math.h>

#include "check.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    err e = ERR_NONE;
    check_ok(json_parse(&value, str_of(text), &e), &e);
    return value;
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "{} x",
                                      "{}{}",
                                      "[1,]",
                                      "{\"a\":1,\"a\":2}",
                                      "{a:1}",
                                      "'a'",
                                      "01",
                                      "NaN",
                                      "Infinity",
                                      "1e999",
                                      "99999999999999999999",
                                      "\"\xFF\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\\ud800\"",
                                      "\"\\u0000\"",
                                      "\"a\nb\"",
                                      "\xEF\xBB\xBF{}",
                                      "tru"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *value = NULL;
        err e = ERR_NONE;
        check_fails(json_parse(&value, str_of(bad[i]), &e), ERR_FORMAT, &e);
        assert_null(value);
        check_says(&e, "line ");
        assert_null(strchr(e.msg, '\n'));
    }
    json_t *value = NULL;
    err e = ERR_NONE;
    check_fails(json_parse(&value, STR("{}\0"), &e), ERR_FORMAT, &e);
    check_fails(json_parse(&value, (str){NULL, 0}, &e), ERR_FORMAT, &e);
    check_fails(json_parse(&value, STR("{\n  \"a\": x}"), &e), ERR_FORMAT, &e);
    check_says(&e, "line 2, column ");
}

static void test_depth(void **state)
{
    (void)state;
    static char text[300000];
    json_t *value = NULL;
    err e = ERR_NONE;
    for (size_t depth = 100; depth <= 150; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        int rc = json_parse(&value, (str){text, 2 * depth}, &e);
        if (depth <= 128) {
            check_ok(rc, &e);
            json_decref(value);
        } else {
            check_fails(rc, ERR_LIMIT, &e);
        }
    }
    memset(text, '[', sizeof text);
    check_fails(json_parse(&value, (str){text, sizeof text}, &e), ERR_LIMIT, &e);
    // Brackets within a text nest nothing.
    text[0] = text[sizeof text - 1] = '"';
    text[1] = '\\';
    text[2] = '"';
    check_ok(json_parse(&value, (str){text, sizeof text}, &e), &e);
    json_decref(value);
}

static void test_format(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1 << 20);
    err e = ERR_NONE;
    json_t *a = parse("{\"b\": [1, 0.1, true, null, \"\\u00e9\\n\"], \"a\": {\"y\": -5, \"x\": 1e22}}");
    check_ok(json_format(a, false, &out, &e), &e);
    buf_add_char(&out, '\0');
    assert_string_equal(out.data, "{\"a\":{\"x\":1e22,\"y\":-5},\"b\":[1,0.1,true,null,\"\xC3\xA9\\n\"]}");
    // The order of insertion does not matter, and a round trip changes nothing.
    buf again;
    buf_init(&again, 1 << 20);
    json_t *b = parse(out.data);
    check_ok(json_format(b, false, &again, &e), &e);
    assert_int_equal(again.len + 1, out.len);
    assert_memory_equal(again.data, out.data, again.len);
    buf_reset(&again);
    json_t *c = parse("{\"k\":[1,{}]}");
    check_ok(json_format(c, true, &again, &e), &e);
    buf_add_char(&again, '\0');
    assert_string_equal(again.data, "{\n  \"k\": [\n    1,\n    {}\n  ]\n}");
    json_decref(a);
    json_decref(b);
    json_decref(c);
    buf_clear(&out);
    buf_clear(&again);
}

static void test_format_refused(void **state)
{
    (void)state;
    buf small;
    buf_init(&small, 10);
    buf_add_text(&small, "kept");
    err e = ERR_NONE;
    json_t *a = parse("[\"much longer than ten bytes\"]");
    check_fails(json_format(a, false, &small, &e), ERR_LIMIT, &e);
    assert_int_equal(small.len, 4);
    json_decref(a);
    buf_clear(&small);
    check_fails(json_format(NULL, false, &small, &e), ERR_MEMORY, &e);
    buf_clear(&small);
}

static void test_members(void **state)
{
    (void)state;
    json_t *a = parse("{\"o\":{},\"l\":[],\"t\":\"text\",\"i\":7,\"r\":2.5,\"y\":true,\"n\":null}");
    err e = ERR_NONE;
    json_t *value;
    const char *text;
    int64_t integer;
    double real;
    bool boolean;
    check_ok(json_member_object(a, "o", &value, &e), &e);
    check_ok(json_member_array(a, "l", &value, &e), &e);
    check_ok(json_member_text(a, "t", &text, &e), &e);
    assert_string_equal(text, "text");
    check_ok(json_member_integer(a, "i", 7, 7, &integer, &e), &e);
    assert_int_equal(integer, 7);
    check_ok(json_member_real(a, "r", &real, &e), &e);
    assert_true(real == 2.5);
    check_ok(json_member_real(a, "i", &real, &e), &e);
    assert_true(real == 7);
    check_ok(json_member_boolean(a, "y", &boolean, &e), &e);
    assert_true(boolean);

    check_fails(json_member_object(a, "l", &value, &e), ERR_FORMAT, &e);
    check_says(&e, "\"l\"");
    check_fails(json_member_array(a, "o", &value, &e), ERR_FORMAT, &e);
    check_fails(json_member_text(a, "n", &text, &e), ERR_FORMAT, &e);
    check_fails(json_member_integer(a, "i", 8, 9, &integer, &e), ERR_FORMAT, &e);
    check_says(&e, "8..9");
    check_fails(json_member_integer(a, "r", 0, 9, &integer, &e), ERR_FORMAT, &e);
    check_fails(json_member_real(a, "t", &real, &e), ERR_FORMAT, &e);
    check_fails(json_member_boolean(a, "i", &boolean, &e), ERR_FORMAT, &e);
    check_fails(json_member_text(a, "absent", &text, &e), ERR_FORMAT, &e);
    check_says(&e, "missing");
    json_t *list = parse("[]");
    check_fails(json_member_text(list, "t", &text, &e), ERR_FORMAT, &e);
    json_decref(list);
    json_decref(a);
}

static void test_put(void **state)
{
    (void)state;
    err e = ERR_NONE;
    json_t *a = json_object(), *list = json_array();
    check_ok(json_push(list, json_integer(1), &e), &e);
    check_fails(json_push(list, NULL, &e), ERR_MEMORY, &e);
    check_ok(json_put(a, "list", list, &e), &e);
    check_fails(json_put(a, "x", NULL, &e), ERR_MEMORY, &e);
    check_fails(json_put(NULL, "x", json_integer(1), &e), ERR_MEMORY, &e); // and the value is released
    check_fails(json_put(a, "x", json_real((double)INFINITY), &e), ERR_MEMORY, &e);
    assert_int_equal(json_object_size(a), 1);
    json_decref(a);
}

static void test_quote(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1 << 16);
    json_quote(&out, STR("a\"b\\c/\n\t\x01\x7F \xC3\xA9 \xFF\xE2\x82 \xF0\x9F\x9A\xA2"));
    buf_add_char(&out, '\0');
    assert_string_equal(out.data, "\"a\\\"b\\\\c/\\n\\t\\u0001\x7F \xC3\xA9 \\ufffd\\ufffd\\ufffd \xF0\x9F\x9A\xA2\"");
    buf_reset(&out);
    json_quote(&out, (str){NULL, 0});
    assert_int_equal(out.len, 2);
    // What is quoted, jansson reads back.
    char every[256];
    for (int i = 0; i < 256; i++) every[i] = (char)(i ? i : 1);
    buf_reset(&out);
    json_quote(&out, (str){every, 128});
    json_t *value;
    err e = ERR_NONE;
    check_ok(json_parse(&value, buf_str(&out), &e), &e);
    assert_int_equal(json_string_length(value), 128);
    assert_memory_equal(json_string_value(value), every, 128);
    json_decref(value);
    buf_reset(&out);
    json_quote(&out, (str){every, 256});
    check_ok(json_parse(&value, buf_str(&out), &e), &e);
    json_decref(value);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_depth),   cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_refused), cmocka_unit_test(test_members), cmocka_unit_test(test_put),
        cmocka_unit_test(test_quote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
