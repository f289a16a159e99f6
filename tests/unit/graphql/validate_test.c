// Every rule of the specification's section 5, kept and broken; the limits on what executing may cost.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "graphql/validate.h"
#include "unit/graphql/zoo.h"

static arena memory;

// The errors of a document, each on a line of its own; "" if it is valid.
static const char *faults(const char *text)
{
    static char all[8192];
    gql_document *d;
    err e = ERR_NONE;
    arena_clear(&memory);
    arena_init(&memory, 64 << 20);
    gql_errors errors = {.memory = &memory};
    check_ok(gql_parse(&d, str_of(text), &memory, &e), &e);
    check_ok(gql_validate(d, &zoo, &errors, &memory, &e), &e);
    size_t n = 0;
    all[0] = '\0';
    for (const gql_error *x = errors.first; x && n < sizeof all - 512; x = x->next)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s: " STR_FORMAT "\n", x->code, STR_ARGS(x->message));
    assert_true((errors.n == 0) == (n == 0));
    arena_clear(&memory);
    return all;
}

static void rules_are_kept(void **state)
{
    (void)state;
    const char *const valid[] = {
        "{__typename}",
        "{animals{name legs weight weight2:weight(unit:POUND) friend{friend{name}} secret}}",
        "{pets{__typename ...on Dog{barks} ...on Cat{noise} ...on Animal{name} ...{__typename}}}",
        "{a:dog{...F} b:dog{...F}} fragment F on Dog{name ...G} fragment G on Animal{legs}",
        "query A{dog{name}} query B{cat{name}}",
        "mutation{count again:count}",
        "{__schema{types{name fields(includeDeprecated:true){name}}} __type(name:\"Dog\"){name}}",
        // values
        "{int(x:1) float(x:1) float2:float(x:1.5) id(x:1) id2:id(x:\"a\") list(x:[1,2]) list2:list(x:1) "
        "list3:list(x:null)}",
        "{filter(x:{least:1}) b:filter(x:{least:1,most:2,also:{least:2,also:null}})}",
        "{pick(x:{a:1}) any(x:{a:[1,{b:RED}]}) size(x:KILO) filled}",
        "{int(x:-2147483648) b:int(x:2147483647)}",
        // variables
        "query($a:Int){int(x:$a)}",
        "query($a:Int!){int(x:$a) needed(x:$a) list(x:[$a])}",
        "query($a:Int=1){needed(x:$a) filled(x:$a)}",
        "query($a:Int){filled(x:$a)}",
        "query($a:[Int!]){list(x:$a)}",
        "query($a:[Int!]!=[1]){list(x:$a)}",
        "query($a:Any $b:Int){any(x:{a:$a,b:[$b]})}",
        "query($a:Filter){filter(x:$a)}",
        "query($a:Filter $b:Int!){filter(x:{least:$b,also:$a})}",
        "query($a:Int!){pick(x:{a:$a})}",
        "query($a:Boolean!){dog@skip(if:$a)@include(if:true){...F@include(if:$a)}} fragment F on "
        "Dog{...@skip(if:$a){name}}",
        "query($a:Int){...F} fragment F on Query{int(x:$a)}",
        // merging
        "{dog{name name} dog{name}}",
        "{pets{...on Dog{x:name} ...on Cat{x:name}}}",
        "{pets{...on Dog{x:legs} ...on Cat{x:noise}}}",
        "{int(x:1) int(x:1)}",
        "{list(x:[1,2]) list(x:[1,2])}",
        "query($a:Int){int(x:$a) int(x:$a)}",
        "{filter(x:{least:1,most:2}) filter(x:{most:2,least:1})}",
        "{animals{...on Dog{w:weight(unit:KILO)} ...on Cat{w:weight(unit:POUND)}}}",
    };
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        const char *found = faults(valid[i]);
        if (found[0]) fail_msg("%s\n%s", valid[i], found);
    }
}

static void rules_are_enforced(void **state)
{
    (void)state;
    const struct {
        const char *text, *says;
    } invalid[] = {
        // 5.2
        {"{dog{name}} query A{dog{name}}", "must be the only one"},
        {"query A{dog{name}} query A{dog{name}}", "operation \"A\" is defined twice"},
        {"subscription{a}", "no subscriptions"},
        // 5.3
        {"{dog{nam}}", "did you mean \"name\""},
        {"{pets{name}}", "Pet has no field \"name\""},
        {"{animals{barks}}", "Animal has no field \"barks\""},
        {"{dog}", "say which of its fields"},
        {"{dog{name{x}}}", "has no fields to select"},
        {"{dog{__schema{x}}}", "has no field \"__schema\""},
        {"{__typename{x}}", "has no fields to select"},
        {"{a:int a:float}", "are different fields"},
        {"{int(x:1) int(x:2)}", "different arguments"},
        {"{int(x:1) int}", "different arguments"},
        {"query($a:Int $b:Int){int(x:$a) int(x:$b)}", "different arguments"},
        {"{dog{x:secret} dog{x:noise}}", "are different fields"},
        {"{dog{...F x:secret}} fragment F on Dog{x:noise}", "are different fields"},
        {"{pets{...on Dog{noise} ...on Cat{noise}}}", "of different types"},
        {"{pets{...on Dog{x:barks} ...on Cat{x:legs}}}", "of different types"},
        {"{pets{...on Dog{f:friend{x:name}} ...on Cat{f:friend{x:legs}}}}", "of different types"},
        {"{animals{x:name ...on Dog{x:noise}}}", "of different types"},
        {"{animals{x:secret ...on Dog{x:noise}}}", "are different fields"},
        {"{dog{__typename:name}x:dog{...on Animal{y:name}y:noise}}", "of different types"},
        // 5.4
        {"{dog(x:1){name}}", "no argument \"x\""},
        {"{int(x:1,x:2)}", "given twice"},
        {"{needed}", "needs the argument \"x\""},
        {"{needed(x:null)}", "not null"},
        {"{dog@skip{name}}", "needs the argument \"if\""},
        {"{dog@skip(if:true,unless:true){name}}", "no argument \"unless\""},
        // 5.5
        {"{dog{...F}} fragment F on Dog{name} fragment F on Dog{name}", "fragment \"F\" is defined twice"},
        {"{dog{...F}} fragment F on Nobody{name}", "no type \"Nobody\""},
        {"{dog{...on Nobody{name}}}", "no type \"Nobody\""},
        {"{dog{...F}} fragment F on Int{name}", "has no fields"},
        {"{dog{...on Filter{least}}}", "has no fields"},
        {"{dog{name}} fragment F on Dog{name}", "never used"},
        {"{dog{name}} fragment F on Dog{...F}", "never used"},
        {"{dog{...F}}", "no fragment \"F\""},
        {"{dog{...F}} fragment F on Dog{...F}", "contains itself"},
        {"{dog{...F}} fragment F on Dog{friend{...G}} fragment G on Animal{friend{...F}}", "contains itself"},
        {"{dog{...on Cat{name}}}", "is ever of type Cat"},
        {"{dog{...F}} fragment F on Cat{name}", "is ever of type Cat"},
        {"{pets{...on Query{dog{name}}}}", "is ever of type Query"},
        // 5.6
        {"{int(x:\"1\")}", "type Int"},
        {"{int(x:1.0)}", "type Int"},
        {"{int(x:2147483648)}", "type Int"},
        {"{int(x:RED)}", "type Int"},
        {"{float(x:\"1\")}", "type Float"},
        {"{float(x:1e999)}", "type Float"},
        {"{id(x:1.5)}", "type ID"},
        {"{list(x:[1,null])}", "not null"},
        {"{list(x:[[1]])}", "type Int"},
        {"{list(x:[\"a\"])}", "type Int"},
        {"{size(x:\"KILO\")}", "name of one of its values"},
        {"{size(x:TON)}", "name of one of its values"},
        {"{filter(x:1)}", "an object"},
        {"{filter(x:{})}", "\"least\" of Filter is missing"},
        {"{filter(x:{least:null})}", "not null"},
        {"{filter(x:{least:1,other:2})}", "no field \"other\""},
        {"{filter(x:{least:1,least:2})}", "given twice"},
        {"{any(x:{a:1,a:2})}", "given twice"},
        {"{filter(x:{least:1,also:{least:\"x\"}})}", "type Int"},
        {"{pick(x:{})}", "exactly one"},
        {"{pick(x:{a:1,b:\"x\"})}", "exactly one"},
        {"{pick(x:{a:null})}", "exactly one"},
        {"{dog@skip(if:1){name}}", "type Boolean"},
        // 5.7
        {"{dog@nothing{name}}", "no directive"},
        {"query@skip(if:true){dog{name}}", "does not belong"},
        {"query($a:Int@skip(if:true)){int(x:$a)}", "does not belong"},
        {"{dog@deprecated{name}}", "does not belong"},
        {"{dog@skip(if:true)@skip(if:true){name}}", "stands here twice"},
        // 5.8
        {"query($a:Int $a:Int){int(x:$a)}", "defined twice"},
        {"query($a:Dog){dog{name}}", "only for answers"},
        {"query($a:Nobody){dog{name}}", "no type \"Nobody\""},
        {"{int(x:$a)}", "is not defined"},
        {"{...F} fragment F on Query{int(x:$a)}", "is not defined"},
        {"query A($a:Int){int(x:$a)...F} query B{...F} fragment F on Query{int(x:$a)}", "is not defined"},
        {"{any(x:{a:[$a]})}", "is not defined"},
        {"query($a:Int){dog{name}}", "is never used"},
        {"query($a:Int){needed(x:$a)}", "does not fit"},
        {"query($a:Int=null){needed(x:$a)}", "does not fit"},
        {"query($a:String){int(x:$a)}", "does not fit"},
        {"query($a:[Int]){int(x:$a)}", "does not fit"},
        {"query($a:Int){list(x:$a)}", "does not fit"},
        {"query($a:[Int]){list(x:$a)}", "does not fit"},
        {"query($a:Int){list(x:[$a])}", "does not fit"},
        {"query($a:Boolean){dog@skip(if:$a){name}}", "does not fit"},
        {"query($a:Int){filter(x:{least:$a})}", "does not fit"},
        {"query($a:Int){pick(x:{a:$a})}", "does not fit"},
        {"query($a:Int=\"x\"){int(x:$a)}", "type Int"},
        {"query($a:Int!=null){int(x:$a)}", "not null"},
    };
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        const char *found = faults(invalid[i].text);
        if (!strstr(found, invalid[i].says)) fail_msg("%s\n%s", invalid[i].text, found);
    }
}

// `levels` fragments, each with the next one in it twice.
static const char *doubling(unsigned levels, const char *one, const char *other)
{
    static char text[16384];
    size_t n = (size_t)snprintf(text, sizeof text, "{dog{...F0}}");
    for (unsigned i = 0; i < levels; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, " fragment F%u on Animal{%s{...F%u}%s{...F%u}}", i, one, i + 1,
                              other, i + 1);
    snprintf(text + n, sizeof text - n, " fragment F%u on Animal{name}", levels);
    return text;
}

static const char *nested(unsigned levels)
{
    static char text[16384];
    size_t n = (size_t)snprintf(text, sizeof text, "{dog{");
    for (unsigned i = 0; i < levels; i++) n += (size_t)snprintf(text + n, sizeof text - n, "friend{");
    n += (size_t)snprintf(text + n, sizeof text - n, "name");
    for (unsigned i = 0; i < levels + 2; i++) n += (size_t)snprintf(text + n, sizeof text - n, "}");
    return text;
}

static void what_executing_costs_is_bounded(void **state)
{
    (void)state;
    assert_string_equal(faults(nested(GQL_DEPTH_MAX - 2)), "");
    assert_non_null(strstr(faults(nested(GQL_DEPTH_MAX - 1)), "limit: "));
    assert_string_equal(faults(doubling(6, "a:friend", "b:friend")), "");
    assert_non_null(strstr(faults(doubling(25, "a:friend", "b:friend")), "too many fields"));
    assert_non_null(strstr(faults(doubling(150, "a:friend", "b:friend")), "limit: "));
    assert_string_equal(faults(doubling(8, "friend", "friend")), "");
    const char *deep = "{animals{a:friend{name}} x:animals{name}}";
    assert_string_equal(faults(deep), "");
    // Introspection is bounded like all else: types times fields times types ...
    assert_non_null(strstr(faults("{__schema{types{fields{type{fields{type{fields{type{fields{type{name}}}}}}}}}}}"),
                           "cost too much"));
}

static void the_language_of_schemas_is_printed(void **state)
{
    (void)state;
    buf out;
    buf_init(&out, 1 << 16);
    gql_print_schema(&zoo, &out);
    buf_add_char(&out, '\0');
    const char *const parts[] = {
        "\"\"\"A zoo.\"\"\"\nschema {\n  query: Query\n  mutation: Mutation\n}\n\ntype Query {\n",
        "  \"\"\"All of them.\"\"\"\n  animals: [Animal!]!\n  pets: [Pet]\n",
        "  filter(\n    \"\"\"Which of them.\"\"\"\n    x: Filter\n  ): String\n",
        "  grid: [[Int!]]\n",
        "  secret: String @deprecated(reason: \"It is secret\")\n",
        "type Dog implements Animal {\n",
        "union Pet = Dog | Cat\n",
        "enum Size {\n  \"\"\"Kilograms.\"\"\"\n  KILO\n  POUND @deprecated\n}\n",
        "input Filter {\n  least: Int!\n  most: Float = 1.5\n",
        "input Pick @oneOf {\n",
        "scalar Any @specifiedBy(url: \"https://example.org/any\")\n",
        "\n\"\"\"\nSomething that lives here, and about which there is more to say",
        " than fits in a line.\n\"\"\"\ninterface",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(out.data, parts[i])) fail_msg("not there: %s\n%s", parts[i], out.data);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_kept),
        cmocka_unit_test(rules_are_enforced),
        cmocka_unit_test(what_executing_costs_is_bounded),
        cmocka_unit_test(the_language_of_schemas_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
