// Documents: what is one, what is none and where, and how it is printed.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "graphql/document.h"

static arena memory;

static int parse(gql_document **d, const char *text, err *e)
{
    *e = ERR_NONE;
    arena_clear(&memory);
    arena_init(&memory, 16 << 20);
    return gql_parse(d, str_of(text), &memory, e);
}

static void prints(const char *text, const char *want)
{
    gql_document *d;
    err e;
    buf out;
    buf_init(&out, 1 << 20);
    check_ok(parse(&d, text, &e), &e);
    gql_print(d, &out);
    buf_add_char(&out, '\0');
    assert_string_equal(out.data, want);
    buf_clear(&out);
    arena_clear(&memory);
}

static void documents_are_printed(void **state)
{
    (void)state;
    prints("{a}", "{\n  a\n}\n");
    prints("\xEF\xBB\xBF # note\n,query,{a,b:c}", "query {\n  a\n  b: c\n}\n");
    prints("query Q($a:Int!=1@x $b:[[T!]]!=[[null]]){a(x:$a,y:[$b{}])@skip(if:true)}",
           "query Q($a: Int! = 1 @x, $b: [[T!]]! = [[null]]) {\n  a(x: $a, y: [$b, {}]) @skip(if: true)\n}\n");
    prints("mutation{a{...F ...on T@d{b}...{c}...@d{e}}}fragment F on T{type on fragment query}",
           "mutation {\n  a {\n    ...F\n    ... on T @d {\n      b\n    }\n    ... {\n      c\n    }\n    ... @d {\n"
           "      e\n    }\n  }\n}\n\nfragment F on T {\n  type\n  on\n  fragment\n  query\n}\n");
    prints("\"what it is\" subscription S{a(n:-1.5e+3,t:true,e:RED,z:null,o:{a:{b:[]}})}",
           "\"what it is\"\nsubscription S {\n  a(n: -1.5e+3, t: true, e: RED, z: null, o: {a: {b: []}})\n}\n");
    prints("query(\"about it\" $a:Int){a}", "query ($a: Int) {\n  a\n}\n");
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    const struct {
        const char *text, *want;
    } examples[] = {
        {"\"\"", ""},
        {"\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r"},
        {"\"\\u00e9\\u{1F600}\\uD83D\\uDE00\\u{e9}\"", "\xC3\xA9\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xC3\xA9"},
        {"\"\xF0\x9F\x98\x80\"", "\xF0\x9F\x98\x80"},
        {"\"\"\"\"\"\"", ""},
        {"\"\"\"a\"\"\"", "a"},
        {"\"\"\"\n    one\n      two\r\n\n    three\r  \n\"\"\"", "one\n  two\n\nthree"},
        {"\"\"\"  first\n  second\"\"\"", "  first\nsecond"},
        {"\"\"\"a \\\"\"\" b \\n \"c\" \"\"\"", "a \"\"\" b \\n \"c\" "},
        {"\"\"\"\t\ta\n\tb\"\"\"", "\t\ta\nb"},
        {"\"\"\" \n \n\"\"\"", ""},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        gql_value *v;
        err e = ERR_NONE;
        arena_init(&memory, 1 << 20);
        check_ok(gql_parse_value(&v, str_of(examples[i].text), &memory, &e), &e);
        assert_int_equal(v->kind, GQL_STRING);
        if (!str_equal(v->text, str_of(examples[i].want)))
            fail_msg("%s: \"" STR_FORMAT "\"", examples[i].text, STR_ARGS(v->text));
        arena_clear(&memory);
    }
}

static void faults_have_a_place(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int at;
        const char *says;
    } examples[] = {
        {"", 0, "ends where an operation"},
        {"{", 1, "ends where a field"},
        {"{}", 1, "\"}\" stands where a field"},
        {"{a(}", 3, "the name of an argument"},
        {"{a()}", 3, "the name of an argument"},
        {"{a(b:)}", 5, "a value"},
        {"{a(b:$)}", 6, "the name of a variable"},
        {"{a{}}", 3, "a field"},
        {"query($a:Int=$b){a}", 13, "without variables"},
        {"query($a Int){a}", 9, "\":\""},
        {"query(){a}", 6, "a variable"},
        {"query($a:[Int){a}", 13, "\"]\""},
        {"{a:b:c}", 4, "a field"},
        {"{...}", 4, "\"{\""},
        {"{...on}", 6, "the name of a type"},
        {"fragment on on T{a}", 9, "the name of a fragment"},
        {"fragment F T{a}", 11, "\"on\""},
        {"fragment F($a:Int) on T{a}", 10, "\"on\""},
        {"type T{a:Int}", 0, "defines no types"},
        {"extend type T{a:Int}", 0, "defines no types"},
        {"\"about\" {a}", 8, "an operation or a fragment"},
        {"{a} b", 4, "an operation or a fragment"},
        {"{a(b:01)}", 6, "starts with 0"},
        {"{a(b:1.)}", 7, "after the point"},
        {"{a(b:1.e1)}", 7, "after the point"},
        {"{a(b:.5)}", 5, "no use for"},
        {"{a(b:1e)}", 7, "exponent"},
        {"{a(b:-)}", 6, "after \"-\""},
        {"{a(b:1x)}", 6, "runs into"},
        {"{a(b:1.5.2)}", 8, "runs into"},
        {"{a(b:\"x)}", 9, "without its end"},
        {"{a(b:\"x\ny\")}", 7, "without its end"},
        {"{a(b:\"\\x\")}", 6, "escape"},
        {"{a(b:\"\\u12G4\")}", 6, "escape"},
        {"{a(b:\"\\uD800\")}", 6, "escape"},
        {"{a(b:\"\\uDC00\\uD800\")}", 6, "escape"},
        {"{a(b:\"\\u{110000}\")}", 6, "escape"},
        {"{a(b:\"\\u{}\")}", 6, "escape"},
        {"{a(b:\"\"\"x\"\")}", 13, "block string"},
        {"{a(b:\"x\\", 8, "without its end"},
        {"{a ? b}", 3, "no use for"},
        {"{a .. b}", 3, "no use for"},
        {"{a @}", 4, "the name of a directive"},
        {"{\xFF}", 1, "UTF-8"},
        {"{a(b:\"\xED\xA0\x80\")}", 6, "UTF-8"},
        {"{a}&", 3, "an operation or a fragment"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        gql_document *d;
        err e;
        int rc = parse(&d, examples[i].text, &e);
        if (rc != ERR_FORMAT || e.at != examples[i].at || !strstr(e.msg, examples[i].says))
            fail_msg("%s: %s at %d: \"%s\"", examples[i].text, err_name(rc), (int)e.at, e.msg);
    }
    arena_clear(&memory);
}

// `n` times a text, between two others.
static const char *times(const char *before, const char *text, size_t n, const char *middle, const char *after)
{
    static buf b;
    buf_clear(&b);
    buf_init(&b, 4 << 20);
    buf_add_text(&b, before);
    for (size_t i = 0; i < n; i++) buf_add_text(&b, text);
    buf_add_text(&b, middle);
    for (size_t i = 0; i < n && after; i++) buf_add_text(&b, after);
    buf_add_char(&b, '\0');
    assert_int_equal(b.failed, 0);
    return b.data;
}

static void limits_hold(void **state)
{
    (void)state;
    gql_document *d;
    err e;
    check_ok(parse(&d, times("", "{a", GQL_NESTING_MAX, "", "}"), &e), &e);
    check_fails(parse(&d, times("", "{a", GQL_NESTING_MAX + 1, "", "}"), &e), ERR_LIMIT, &e);
    check_fails(parse(&d, times("{a(b:", "[", 100000, "", NULL), &e), ERR_LIMIT, &e);
    check_fails(parse(&d, times("query($a:", "[", 100000, "", NULL), &e), ERR_LIMIT, &e);
    check_fails(parse(&d, times("query($a:", "[", GQL_WRAPS_MAX + 1, "T", "]"), &e), ERR_LIMIT, &e);
    check_ok(parse(&d, times("{", "a ", GQL_TOKENS_MAX - 2, "}", NULL), &e), &e);
    check_fails(parse(&d, times("{", "a ", GQL_TOKENS_MAX - 1, "}", NULL), &e), ERR_LIMIT, &e);
    check_ok(parse(&d, times("{", "a:b ", GQL_ALIASES_MAX, "}", NULL), &e), &e);
    check_fails(parse(&d, times("{", "a:b ", GQL_ALIASES_MAX + 1, "}", NULL), &e), ERR_LIMIT, &e);
    check_ok(parse(&d, times("", "{a}", GQL_DEFINITIONS_MAX, "", NULL), &e), &e);
    check_fails(parse(&d, times("", "{a}", GQL_DEFINITIONS_MAX + 1, "", NULL), &e), ERR_LIMIT, &e);
    check_ok(parse(&d, times("{a}#", " ", GQL_SOURCE_MAX - 4, "", NULL), &e), &e);
    check_fails(parse(&d, times("{a}#", " ", GQL_SOURCE_MAX - 3, "", NULL), &e), ERR_LIMIT, &e);
    arena_clear(&memory);
    arena_init(&memory, 1000);
    check_fails(gql_parse(&d, STR("{a b c d e f g h i j k l m n}"), &memory, &e), ERR_MEMORY, &e);
    times("", "", 0, "", NULL);
    arena_clear(&memory);
}

static void json_is_strict(void **state)
{
    (void)state;
    const char *good[] = {"{\"a\":[1,-2.5e3,\"x\\u00e9\\ud83d\\ude00\",true,false,null,{}],\"b\":[]}", "0", "\"\"",
                          " [ ] "};
    const char *bad[] = {"",    "{",        "[1,]",   "{\"a\":1,}", "{a:1}",       "01",          "1.",
                         "+1",  "nul",      "\"\n\"", "\"\\x\"",    "\"\\ud800\"", "\"\\u{41}\"", "[1 2]",
                         "1 2", "\"\xFF\"", "\"a",    "\"\\",       "tru"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        gql_value *v, *again;
        err e = ERR_NONE;
        buf out;
        buf_init(&out, 1000);
        arena_init(&memory, 1 << 20);
        check_ok(gql_json_parse(&v, str_of(good[i]), &memory, &e), &e);
        gql_json_format(v, &out);
        check_ok(gql_json_parse(&again, buf_str(&out), &memory, &e), &e);
        assert_true(gql_value_equal(v, again));
        buf_clear(&out);
        arena_clear(&memory);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gql_value *v;
        err e = ERR_NONE;
        arena_init(&memory, 1 << 20);
        int rc = gql_json_parse(&v, str_of(bad[i]), &memory, &e);
        if (rc != ERR_FORMAT) fail_msg("%s: %s", bad[i], err_name(rc));
        arena_clear(&memory);
    }
    gql_value *v;
    err e;
    arena_init(&memory, 1 << 20);
    check_fails(gql_json_parse(&v, str_of(times("", "[", GQL_JSON_DEPTH_MAX + 1, "", "]")), &memory, &e), ERR_LIMIT,
                &e);
    check_ok(gql_json_parse(&v, str_of(times("", "[", GQL_JSON_DEPTH_MAX, "", "]")), &memory, &e), &e);
    times("", "", 0, "", NULL);
    arena_clear(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_printed), cmocka_unit_test(strings_are_unescaped),
        cmocka_unit_test(faults_have_a_place),   cmocka_unit_test(limits_hold),
        cmocka_unit_test(json_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
