// Reading JSON Lines: keys, types, what is refused and where.
// SPDX-License-Identifier: Apache-2.0
#include "data/jsonl_impl.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/buf.h"
#include "data/frame.h"

static int read_parts(frame **out, const char *text, const read_options *o, size_t part_size, err *e)
{
    budget b = {.max = o->memory_max};
    source s = {.text = text, .fd = -1, .len = strlen(text)};
    return jsonl_read(out, &s, o, part_size, &b, NULL, e);
}

static void expect_with(const char *text, const read_options *o, const char *want)
{
    for (size_t part_size = 0; part_size < 40; part_size += 3) {
        err e = ERR_NONE;
        frame *f;
        if (read_parts(&f, text, o, part_size, &e) < 0) fail_msg("%s", e.msg);
        buf b;
        buf_init(&b, 1 << 20);
        for (size_t i = 0; i < frame_n_columns(f); i++) {
            const column *c = frame_column(f, i);
            buf_format(&b, "%s%s:%s=", i ? ";" : "", c->name, column_type_name(c->type));
            for (size_t row = 0; row < frame_n_rows(f); row++) {
                char scratch[COLUMN_TEXT_SIZE];
                if (row) buf_add_char(&b, '|');
                buf_add_str(&b, column_text(c, row, scratch));
            }
        }
        buf_add_char(&b, '\0');
        assert_string_equal(b.data, want);
        buf_clear(&b);
        frame_free(f);
    }
}

static void expect(const char *text, const char *want)
{
    read_options o = READ_OPTIONS_DEFAULT;
    expect_with(text, &o, want);
}

static void expect_error(const char *text, int code, int64_t at, const char *message)
{
    for (size_t part_size = 0; part_size < 40; part_size += 3) {
        read_options o = READ_OPTIONS_DEFAULT;
        o.cell_max = 20;
        err e = ERR_NONE;
        frame *f = NULL;
        int rc = read_parts(&f, text, &o, part_size, &e);
        assert_string_equal(e.msg, message);
        assert_int_equal(rc, code);
        assert_int_equal(e.at, at);
        assert_null(f);
    }
}

static void test_rows(void **state)
{
    (void)state;
    expect("{\"a\": 1, \"b\": \"x\"}\n{\"b\": \"y\", \"a\": 2}\n", "a:integer=1|2;b:category=x|y");
    expect("{\"a\":1}\r\n\n  \n{\"b\":2.5}", "a:integer=1|;b:real=|2.5"); // the union of the keys
    expect("\xEF\xBB\xBF{\"a\":null,\"b\":true}\n{\"b\":false}\n{}\n", "a:real=||;b:boolean=true|false|");
    expect("{\"a\":\"\",\"b\":\"NA\",\"c\":\"z\"}\n{\"a\":\"p\",\"b\":\"q\",\"c\":\"z\"}\n",
           "a:category=|p;b:category=|q;c:category=z|z");
    expect(" { \"a\" : 1 , \"b\" : 2 } \n", "a:integer=1;b:integer=2");
}

static void test_types(void **state)
{
    (void)state;
    expect("{\"a\":1}\n{\"a\":1.0}\n", "a:real=1|1");
    expect("{\"a\":1}\n{\"a\":99999999999999999999}\n", "a:real=1|100000000000000000000");
    expect("{\"a\":\"2026-01-31\"}\n", "a:datetime=2026-01-31T00:00:00Z");
    expect("{\"a\":\"12\"}\n{\"a\":\"true\"}\n", "a:category=12|true"); // a text in quotes is a text
    expect("{\"a\":1.50}\n{\"a\":\"x\"}\n{\"a\":true}\n{\"a\":7}\n", "a:category=1.5|x|true|7");
    type_override types[] = {{.column = "a", .type = COLUMN_CATEGORY}, {.column = "b", .type = COLUMN_REAL}};
    read_options o = READ_OPTIONS_DEFAULT;
    o.types = types;
    o.n_types = 2;
    expect_with("{\"a\":1,\"b\":\"2.5\"}\n{\"a\":2,\"b\":3}\n", &o, "a:category=1|2;b:real=2.5|3");
}

static void test_strings(void **state)
{
    (void)state;
    expect("{\"a\":\"\\u00e9\\\"\\\\\\/\\n\\ud83d\\ude00\",\"\\u0062\":1}\n",
           "a:category=\xC3\xA9\"\\/\n\xF0\x9F\x98\x80;b:integer=1");
    expect_error("{\"a\":\"\\u0000\"}\n", ERR_FORMAT, 1, "row 1: column \"a\": a NUL character");
    expect_error("{\"a\":\"\\ud83d\"}\n", ERR_FORMAT, 1, "row 1: column \"a\": half a surrogate pair");
    expect_error("{\"a\":\"\\ude00\"}\n", ERR_FORMAT, 1, "row 1: column \"a\": half a surrogate pair");
    expect_error("{\"a\":\"\\x\"}\n", ERR_FORMAT, 1, "row 1: column \"a\": an unknown escape");
    expect_error("{\"a\":\"\xE9\"}\n", ERR_FORMAT, 1, "row 1: column \"a\": bytes that are not UTF-8");
    expect_error("{\"a\":\"\t\"}\n", ERR_FORMAT, 1, "row 1: column \"a\": a control character in a text");
}

static void test_refused(void **state)
{
    (void)state;
    expect_error("", ERR_FORMAT, -1, "there is nothing in it");
    expect_error("{\"a\":1}\n{\"a\":{}}\n", ERR_UNSUPPORTED, 2,
                 "row 2: column \"a\": a nested value; only texts, numbers, true, false and null are read");
    expect_error("{\"a\":1}\n{\"a\":[1]}\n", ERR_UNSUPPORTED, 2,
                 "row 2: column \"a\": a nested value; only texts, numbers, true, false and null are read");
    expect_error("{\"a\":1}\n\n{\"a\":1,\"b\":2,\"a\":3}\n", ERR_FORMAT, 2,
                 "row 2: column \"a\": the key is there twice");
    expect_error("{\"a\":1}\n{\"a\":1\n", ERR_FORMAT, 2, "row 2: no comma or closing brace");
    expect_error("{\"a\":1}\n[1]\n", ERR_FORMAT, 2, "row 2: no object");
    expect_error("{\"a\":01}\n", ERR_FORMAT, 1, "row 1: column \"a\": something that is no JSON value");
    expect_error("{\"a\":nul}\n", ERR_FORMAT, 1, "row 1: column \"a\": something that is no JSON value");
    expect_error("{\"a\":1,}\n", ERR_FORMAT, 1, "row 1: no key in quotes");
    expect_error("{\"a\":1} x\n", ERR_FORMAT, 1, "row 1: something after the object");
    expect_error("{\"a\" 1}\n", ERR_FORMAT, 1, "row 1: column \"a\": no colon after the key");
    expect_error("{\"a\":}\n", ERR_FORMAT, 1, "row 1: column \"a\": something that is no JSON value");
    expect_error("{\"a\":\"123456789012345678901\"}\n", ERR_LIMIT, 1, "row 1: column \"a\": a text that is too long");
    expect_error("{\"\":1}\n", ERR_FORMAT, -1, "an empty key");
}

static void test_texts(void **state)
{
    (void)state;
    buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200; i++)
        buf_format(&b, "{\"id\": \"K%d\", \"note\": \"these are the words of row %d\", \"city\": \"%s\"}\n", i, i,
                   i % 3 ? "Oslo" : "Rome");
    read_options o = READ_OPTIONS_DEFAULT;
    pool *p;
    err e = ERR_NONE;
    char hex[2][65];
    assert_int_equal(pool_new(&p, 3, &e), 0);
    for (size_t i = 0; i < 2; i++) {
        frame *f;
        budget limit = {.max = o.memory_max};
        source s = {.text = b.data, .fd = -1, .len = b.len};
        assert_int_equal(jsonl_read(&f, &s, &o, i ? 333 : 0, &limit, i ? p : NULL, &e), 0);
        assert_string_equal(column_type_name(frame_column(f, 0)->type), "identifier");
        assert_string_equal(column_type_name(frame_column(f, 1)->type), "text");
        assert_string_equal(column_type_name(frame_column(f, 2)->type), "category");
        frame_fingerprint(f, hex[i]);
        frame_free(f);
    }
    assert_string_equal(hex[0], hex[1]);
    pool_free(p);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_types), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
