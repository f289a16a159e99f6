// What a request asks for, which media type answers it, and that docs/schema.graphql is the schema that is served.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/files.h"
#include "serve/graphql.h"

static arena memory;

static int read_ask(graphql_ask *out, const char *text, bool url, const char **code, err *e)
{
    place at = {.row = -1};
    *e = ERR_NONE;
    arena_clear(&memory);
    arena_init(&memory, 1 << 20);
    int rc = url ? graphql_read_query(out, str_of(text), &at, &memory, e)
                 : graphql_read_body(out, str_of(text), &at, &memory, e);
    *code = at.code ? at.code : "";
    return rc;
}

static void requests_are_read(void **state)
{
    (void)state;
    const struct {
        bool url;
        const char *text, *query, *operation, *variable; // of variables.a
    } good[] = {
        {false, "{\"query\":\"{a}\"}", "{a}", "", NULL},
        {false, "{\"query\":\"\"}", "", "", NULL},
        {false,
         " {\"extensions\":{\"x\":[1]},\"variables\":{\"a\":12},\"operationName\":\"Q\",\"query\":\"{\\u0061}\"} ",
         "{a}", "Q", "12"},
        {false, "{\"query\":\"x\",\"operationName\":null,\"variables\":null,\"extensions\":null,\"id\":{}}", "x", "",
         NULL},
        {true, "query={a}", "{a}", "", NULL},
        {true, "query=%7Ba+b%0Ac%2B%7D&operationName=Q", "{a b\nc+}", "Q", NULL},
        {true, "x&=&query=q&variables=%7B%22a%22:12%7D&extensions={}&&y=1", "q", "", "12"},
        {true, "variables=null&query=", "", "", NULL},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        graphql_ask ask;
        err e;
        const char *code;
        check_ok(read_ask(&ask, good[i].text, good[i].url, &code, &e), &e);
        assert_true(str_equal(ask.query, str_of(good[i].query)));
        assert_true(str_equal(ask.operation, str_of(good[i].operation)));
        const gql_value *v = ask.variables ? gql_member(ask.variables->first, STR("a")) : NULL;
        assert_true(good[i].variable ? v && str_equal(v->text, str_of(good[i].variable)) : !v);
    }
    arena_clear(&memory);
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    const struct {
        bool url;
        const char *text, *code;
        int rc;
    } bad[] = {
        {false, "", "invalid_json", ERR_FORMAT},
        {false, "{", "invalid_json", ERR_FORMAT},
        {false, "{\"query\":\"\xFF\"}", "invalid_json", ERR_FORMAT},
        {false, "[]", "invalid_request", ERR_INPUT},
        {false, "[{\"query\":\"{a}\"}]", "invalid_request", ERR_INPUT},
        {false, "\"{a}\"", "invalid_request", ERR_INPUT},
        {false, "{}", "invalid_request", ERR_INPUT},
        {false, "{\"query\":null}", "invalid_request", ERR_INPUT},
        {false, "{\"query\":1}", "invalid_request", ERR_INPUT},
        {false, "{\"query\":\"a\",\"query\":\"b\"}", "invalid_request", ERR_INPUT},
        {false, "{\"query\":\"a\",\"operationName\":1}", "invalid_request", ERR_INPUT},
        {false, "{\"query\":\"a\",\"variables\":[]}", "invalid_request", ERR_INPUT},
        {false, "{\"query\":\"a\",\"extensions\":\"\"}", "invalid_request", ERR_INPUT},
        {true, "", "invalid_request", ERR_INPUT},
        {true, "operationName=Q", "invalid_request", ERR_INPUT},
        {true, "query=a&query=b", "invalid_request", ERR_INPUT},
        {true, "query=%7", "invalid_request", ERR_INPUT},
        {true, "query=%zz", "invalid_request", ERR_INPUT},
        {true, "query=a&variables={", "invalid_json", ERR_FORMAT},
        {true, "query=a&variables", "invalid_json", ERR_FORMAT},
        {true, "query=a&variables=[]", "invalid_request", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        graphql_ask ask;
        err e;
        const char *code;
        int rc = read_ask(&ask, bad[i].text, bad[i].url, &code, &e);
        if (rc != bad[i].rc || strcmp(code, bad[i].code) != 0)
            fail_msg("%s: %s, \"%s\": %s", bad[i].text, err_name(rc), code, e.msg);
    }
    arena_clear(&memory);
}

static void media_types_are_chosen(void **state)
{
    (void)state;
    const struct {
        const char *accept;
        bool graphql;
    } examples[] = {
        {"", false},
        {"*/*", false},
        {"application/*", false},
        {"application/json", false},
        {"application/graphql-response+json", true},
        {"application/graphql-response+json, application/json", true},
        {"application/json, application/graphql-response+json", true},
        {"application/json, application/graphql-response+json;q=0.9", false},
        {"application/graphql-response+json;q=0.5, application/json;q=0.25", true},
        {"application/json;q=0, */*", true},
        {"Application/GraphQL-Response+JSON; charset=utf-8, */*;q=0.1", true},
        {"application/graphql-response+json;q=0, */*", false},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const char *media = graphql_media(str_of(examples[i].accept));
        const char *want = examples[i].graphql ? "application/graphql-response+json; charset=utf-8"
                                               : "application/json; charset=utf-8";
        if (strcmp(media, want) != 0) fail_msg("%s: %s", examples[i].accept, media);
    }
}

static void the_schema_is_documented(void **state)
{
    (void)state;
    const char *path = TEST_SOURCE_DIR "/docs/schema.graphql";
    buf printed;
    buf_init(&printed, 1 << 20);
    gql_print_schema(&graphql_schema, &printed);
    assert_int_equal(printed.failed, 0);
    if (getenv("WRITE")) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(printed.data, 1, printed.len, f), printed.len);
        assert_int_equal(fclose(f), 0);
    }
    str file;
    err e = ERR_NONE;
    check_ok(file_map(path, &file, &e), &e);
    bool same = str_equal(file, buf_str(&printed));
    file_unmap(file);
    buf_clear(&printed);
    if (!same) fail_msg("docs/schema.graphql is not what is served: run this test with WRITE=1 and look at the change");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(media_types_are_chosen),
        cmocka_unit_test(the_schema_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
