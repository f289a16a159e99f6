// Answers, letter by letter: coercion, merging, lists, null that spreads, errors with their path, introspection.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "graphql/execute.h"
#include "graphql/validate.h"
#include "unit/graphql/zoo.h"

// {"data": ..., "errors": [...]}, as a service answers; the text lives until the next call.
static const char *answer(const char *text, const char *variables, const char *operation)
{
    static char all[1 << 16];
    arena a;
    buf out;
    err e = ERR_NONE;
    gql_document *d;
    gql_value *sent = NULL, *given = NULL;
    arena_init(&a, 64 << 20);
    buf_init(&out, sizeof all - 1);
    gql_errors errors = {.memory = &a};
    check_ok(gql_parse(&d, str_of(text), &a, &e), &e);
    check_ok(gql_validate(d, &zoo, &errors, &a, &e), &e);
    if (variables) check_ok(gql_json_parse(&sent, str_of(variables), &a, &e), &e);
    gql_definition *o = errors.n == 0 ? gql_find_operation(d, str_of(operation), &errors) : NULL;
    if (o) check_ok(gql_coerce_variables(&given, o, sent, &errors, &a, &e), &e);
    if (errors.n == 0) {
        const gql_execution x = {
            .schema = &zoo, .document = d, .operation = o, .variables = given, .memory = &a, .errors = &errors};
        check_ok(gql_execute(&x, &out, &e), &e);
    }
    if (errors.n > 0) {
        buf_add_char(&out, ' ');
        gql_errors_format(&errors, str_of(text), &out);
    }
    assert_int_equal(out.failed, 0);
    memcpy(all, out.data, out.len);
    all[out.len] = '\0';
    buf_clear(&out);
    arena_clear(&a);
    return all;
}

static void gives(const char *text, const char *variables, const char *want)
{
    const char *got = answer(text, variables, "");
    if (strcmp(got, want) != 0) fail_msg("%s %s\n got %s\nwant %s", text, variables ? variables : "", got, want);
}

static void says(const char *text, const char *variables, const char *part)
{
    const char *got = answer(text, variables, "");
    if (!strstr(got, part)) fail_msg("%s %s\n got %s\nwant %s", text, variables ? variables : "", got, part);
}

static void fields_are_answered(void **state)
{
    (void)state;
    gives("{__typename dog{__typename name legs weight barks}}", NULL,
          "{\"__typename\":\"Query\",\"dog\":{\"__typename\":\"Dog\",\"name\":\"Rex\",\"legs\":4,\"weight\":31.5,"
          "\"barks\":true}}");
    gives("{animals{n:name ...on Dog{barks} ...on Cat{noise}}}", NULL,
          "{\"animals\":[{\"n\":\"Rex\",\"barks\":true},{\"n\":\"Tom\",\"noise\":4},{\"n\":\"Ant\",\"noise\":6}]}");
    gives(
        "{pets{...F}} fragment F on Animal{name friend{...G}} fragment G on Animal{name}", NULL,
        "{\"pets\":[{\"name\":\"Rex\",\"friend\":{\"name\":\"Tom\"}},{\"name\":\"Tom\",\"friend\":{\"name\":\"Rex\"}},"
        "{\"name\":\"Ant\",\"friend\":null}]}");
    gives("{dog{friend{name}} dog{legs friend{legs} name}}", NULL,
          "{\"dog\":{\"friend\":{\"name\":\"Tom\",\"legs\":4},\"legs\":4,\"name\":\"Rex\"}}");
    gives("{dog{name@skip(if:true) legs@include(if:false) ...@include(if:true){barks}}}", NULL,
          "{\"dog\":{\"barks\":true}}");
    gives("query($y:Boolean!,$n:Boolean=false){dog{name@skip(if:$y) legs@include(if:$y) ...F@include(if:$n)}}"
          "fragment F on Dog{barks}",
          "{\"y\":true}", "{\"dog\":{\"legs\":4}}");
    gives("{grid}", NULL,
          "{\"grid\":[[1],null]} [{\"message\":\"null where the schema promises a value\",\"locations\":"
          "[{\"line\":1,\"column\":2}],\"path\":[\"grid\",1,1],\"extensions\":{\"code\":\"internal\"}}]");
    gives("mutation{a:count b:count}", NULL, "{\"a\":1,\"b\":2}");
    gives("{dog{a:weight b:weight(unit:POUND)}}", NULL, "{\"dog\":{\"a\":31.5,\"b\":63}}");
    assert_string_equal(answer("query A{dog{name}} query B{cat{name}}", NULL, "B"), "{\"cat\":{\"name\":\"Ant\"}}");
    assert_non_null(strstr(answer("query A{dog{name}} query B{cat{name}}", NULL, ""), "name one"));
    assert_non_null(strstr(answer("query A{dog{name}}", NULL, "C"), "no operation \\\"C\\\""));
}

static void values_are_coerced(void **state)
{
    (void)state;
    gives("{int(x:-1)}", NULL, "{\"int\":\"-1\"}");
    gives("{int}", NULL, "{\"int\":null}");
    gives("{int(x:null)}", NULL, "{\"int\":\"null\"}");
    gives("{filled}", NULL, "{\"filled\":\"7\"}");
    gives("{list(x:5)}", NULL, "{\"list\":\"[5]\"}");
    gives("{filter(x:{least:1,also:{most:3,least:2}})}", NULL,
          "{\"filter\":\"{\\\"least\\\":1,\\\"most\\\":1.5,\\\"also\\\":{\\\"least\\\":2,\\\"most\\\":3}}\"}");
    gives("query($a:Int){int(x:$a)}", "{\"a\":3}", "{\"int\":\"3\"}");
    gives("query($a:Int){int(x:$a)}", "{\"a\":3.0}", "{\"int\":\"3.0\"}");
    gives("query($a:Int){int(x:$a)}", "{}", "{\"int\":null}");
    gives("query($a:Int){filled(x:$a)}", "{}", "{\"filled\":\"7\"}");
    gives("query($a:Int=4){needed(x:$a)}", NULL, "{\"needed\":\"4\"}");
    gives("query($a:[Int!]){list(x:$a)}", "{\"a\":9}", "{\"list\":\"[9]\"}");
    gives("query($a:Int!){list(x:[1,$a])}", "{\"a\":2}", "{\"list\":\"[1,2]\"}");
    gives("query($a:Size){size(x:$a)}", "{\"a\":\"POUND\"}", "{\"size\":\"\\\"POUND\\\"\"}");
    gives("query($a:Filter){filter(x:$a)}", "{\"a\":{\"least\":2}}",
          "{\"filter\":\"{\\\"least\\\":2,\\\"most\\\":1.5}\"}");
    gives("query($a:Int,$b:Any){any(x:{a:$a,b:[$b],c:$b})}", "{\"b\":{\"k\":[1,true]}}",
          "{\"any\":\"{\\\"a\\\":null,\\\"b\\\":[{\\\"k\\\":[1,true]}],\\\"c\\\":{\\\"k\\\":[1,true]}}\"}");
    gives("query($a:ID){id(x:$a)}", "{\"a\":12}", "{\"id\":\"12\"}");
    gives("query($a:Pick){pick(x:$a)}", "{\"a\":{\"b\":\"x\"}}", "{\"pick\":\"{\\\"b\\\":\\\"x\\\"}\"}");
    says("query($a:Int!){int(x:$a)}", "{}", "\\\"$a\\\" is missing");
    says("query($a:Int!){int(x:$a)}", "{\"a\":null}", "must not be null");
    says("query($a:Int){int(x:$a)}", "{\"a\":\"3\"}", "a whole number of 32 bits belongs here");
    says("query($a:Int){int(x:$a)}", "{\"a\":3.5}", "a whole number of 32 bits belongs here");
    says("query($a:Int){int(x:$a)}", "{\"a\":3000000000}", "a whole number of 32 bits belongs here");
    says("query($a:[Int!]){list(x:$a)}", "{\"a\":[1,null]}", "item 1: it must not be null");
    says("query($a:Size){size(x:$a)}", "{\"a\":\"TON\"}", "the name of a value of Size");
    says("query($a:Filter){filter(x:$a)}", "{\"a\":{\"least\":1,\"x\":1}}", "Filter has no field \\\"x\\\"");
    says("query($a:Filter){filter(x:$a)}", "{\"a\":{}}", "\\\"least\\\" is missing");
    says("query($a:Filter){filter(x:$a)}", "{\"a\":{\"least\":\"x\"}}", "\\\"least\\\": a whole number");
    says("query($a:Pick){pick(x:$a)}", "{\"a\":{\"a\":1,\"b\":\"x\"}}", "exactly one field");
    says("query($a:Pick){pick(x:$a)}", "{\"a\":{\"a\":null}}", "exactly one field");
    // Allowed by its default, yet null: the field fails, not the request.
    says("query($a:Int=4){needed(x:$a) dog{name}}", "{\"a\":null}", "{\"needed\":null,\"dog\":{\"name\":\"Rex\"}}");
    says("query($a:Boolean=true){dog@skip(if:$a){name}}", "{\"a\":null}",
         "null [{\"message\":\"\\\"@skip\\\" has no value");
}

static void null_spreads(void **state)
{
    (void)state;
    gives("{\n  x: dog {\n    name, s: secret\n  }\n}", NULL,
          "{\"x\":{\"name\":\"Rex\",\"s\":null}} [{\"message\":\"this field "
          "fails\",\"locations\":[{\"line\":3,\"column\":11}],"
          "\"path\":[\"x\",\"s\"],\"extensions\":{\"code\":\"by_design\",\"row\":3}}]");
    says("{cat{name never} dog{name}}", NULL, "{\"cat\":null,\"dog\":{\"name\":\"Rex\"}} [");
    says("{cat{name never}}", NULL, "\"path\":[\"cat\",\"never\"]");
    says("{dog{name} mustNot}", NULL, "null [{\"message\":\"this field fails\"");
    says("{nothing}", NULL, "null [{\"message\":\"null where the schema promises a value\"");
    says("{notFinite}", NULL, "{\"notFinite\":null} [");
    says("{animals{...on Cat{never}}}", NULL, "null ["); // [Animal!]!
    says("{pets{...on Cat{never} __typename}}", NULL, "{\"pets\":[{\"__typename\":\"Dog\"},null,null]} ["); // [Pet]
}

static void schemas_describe_themselves(void **state)
{
    (void)state;
    gives("{__type(name:\"Nobody\"){name}}", NULL, "{\"__type\":null}");
    gives("{__type(name:\"Dog\"){kind name interfaces{name} possibleTypes{name} enumValues{name} inputFields{name} "
          "ofType{name}}}",
          NULL,
          "{\"__type\":{\"kind\":\"OBJECT\",\"name\":\"Dog\",\"interfaces\":[{\"name\":\"Animal\"}],\"possibleTypes\":"
          "null,"
          "\"enumValues\":null,\"inputFields\":null,\"ofType\":null}}");
    gives(
        "{__type(name:\"Pet\"){kind fields{name} possibleTypes{name}}}", NULL,
        "{\"__type\":{\"kind\":\"UNION\",\"fields\":null,\"possibleTypes\":[{\"name\":\"Dog\"},{\"name\":\"Cat\"}]}}");
    gives("{__type(name:\"Animal\"){kind possibleTypes{name} fields{name}}}", NULL,
          "{\"__type\":{\"kind\":\"INTERFACE\",\"possibleTypes\":[{\"name\":\"Dog\"},{\"name\":\"Cat\"}],\"fields\":["
          "{\"name\":\"name\"},{\"name\":\"legs\"},{\"name\":\"weight\"},{\"name\":\"friend\"}]}}");
    gives("{__type(name:\"Size\"){kind a:enumValues{name} b:enumValues(includeDeprecated:true){name isDeprecated "
          "deprecationReason}}}",
          NULL,
          "{\"__type\":{\"kind\":\"ENUM\",\"a\":[{\"name\":\"KILO\"}],\"b\":["
          "{\"name\":\"KILO\",\"isDeprecated\":false,\"deprecationReason\":null},"
          "{\"name\":\"POUND\",\"isDeprecated\":true,\"deprecationReason\":\"No longer supported\"}]}}");
    gives("{__type(name:\"Filter\"){isOneOf inputFields(includeDeprecated:true){name defaultValue type{kind name "
          "ofType{name}}}}}",
          NULL,
          "{\"__type\":{\"isOneOf\":false,\"inputFields\":["
          "{\"name\":\"least\",\"defaultValue\":null,\"type\":{\"kind\":\"NON_NULL\",\"name\":null,\"ofType\":{"
          "\"name\":\"Int\"}}},"
          "{\"name\":\"most\",\"defaultValue\":\"1.5\",\"type\":{\"kind\":\"SCALAR\",\"name\":\"Float\",\"ofType\":"
          "null}},"
          "{\"name\":\"also\",\"defaultValue\":null,\"type\":{\"kind\":\"INPUT_OBJECT\",\"name\":\"Filter\",\"ofType\":"
          "null}},"
          "{\"name\":\"old\",\"defaultValue\":null,\"type\":{\"kind\":\"SCALAR\",\"name\":\"Boolean\",\"ofType\":null}}"
          "]}}");
    gives("{__schema{description queryType{name} mutationType{name} subscriptionType{name}}}", NULL,
          "{\"__schema\":{\"description\":\"A "
          "zoo.\",\"queryType\":{\"name\":\"Query\"},\"mutationType\":{\"name\":\"Mutation\"},"
          "\"subscriptionType\":null}}");
    says("{__schema{directives{name isRepeatable locations args{name}}}}", NULL,
         "{\"name\":\"skip\",\"isRepeatable\":false,\"locations\":[\"FIELD\",\"FRAGMENT_SPREAD\",\"INLINE_FRAGMENT\"],"
         "\"args\":[{\"name\":\"if\"}]}");
    says("{__type(name:\"Any\"){specifiedByURL}}", NULL, "\"https://example.org/any\"");
}

static void memory_and_answers_are_bounded(void **state)
{
    (void)state;
    const char *text = "{animals{friend{friend{friend{name legs weight}}}}}";
    for (size_t ceiling = 1000; ceiling < 60000; ceiling += 500) {
        arena a;
        buf out;
        err e = ERR_NONE;
        gql_document *d = NULL;
        gql_value *given = NULL;
        arena_init(&a, ceiling);
        buf_init(&out, ceiling < 30000 ? 100 : 100000);
        gql_errors errors = {.memory = &a};
        int rc = gql_parse(&d, str_of(text), &a, &e);
        if (rc == 0) rc = gql_validate(d, &zoo, &errors, &a, &e);
        if (rc == 0) rc = gql_coerce_variables(&given, d->definitions, NULL, &errors, &a, &e);
        const gql_execution x = {
            .schema = &zoo, .document = d, .operation = d ? d->definitions : NULL, .memory = &a, .errors = &errors};
        if (rc == 0) rc = gql_execute(&x, &out, &e);
        if (rc != 0 && rc != ERR_MEMORY && rc != ERR_LIMIT) fail_msg("%zu: %s", ceiling, e.msg);
        if (ceiling > 59000) assert_int_equal(rc, 0);
        buf_clear(&out);
        arena_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_answered),
        cmocka_unit_test(values_are_coerced),
        cmocka_unit_test(null_spreads),
        cmocka_unit_test(schemas_describe_themselves),
        cmocka_unit_test(memory_and_answers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
