// Schemas: round trip through JSON, and every fault of a schema from outside.
// SPDX-License-Identifier: Apache-2.0
#include "data/schema.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"

static const char good[] =
    "{\"inputs\":["
    "{\"name\":\"age\",\"type\":\"real\",\"missing_ok\":true,\"missing_rate\":0.125,\"tensor\":\"age\",\"slot\":0,"
    "\"min\":0.1,\"max\":\"inf\",\"mean\":null,\"quantiles\":[0.1,1,2,3,4,5,6,7,8,9,\"inf\"]},"
    "{\"name\":\"sex\",\"type\":\"category\",\"missing_ok\":false,\"missing_rate\":0,\"tensor\":\"x\",\"slot\":3,"
    "\"categories\":[\"female\",\"male\"],\"counts\":[3,9223372036854775807]},"
    "{\"name\":\"when\",\"type\":\"datetime\",\"missing_ok\":true,\"missing_rate\":1,\"tensor\":\"x\",\"slot\":2,"
    "\"min\":-1e300,\"max\":0.30000000000000004,\"mean\":-0.0,\"quantiles\":[null,null,null,null,null,null,null,null,"
    "null,null,null]}],"
    "\"target\":{\"name\":\"survived\",\"task\":\"classification\",\"type\":\"integer\",\"classes\":[\"1\",\"0\"],"
    "\"counts\":[5,6]}}";

static int load(schema *s, const char *text, err *e)
{
    json_t *j;
    int rc = json_parse(&j, str_of(text), e);
    if (rc < 0) return rc;
    rc = schema_from_json(s, j, e);
    json_decref(j);
    return rc;
}

static char *save(const schema *s)
{
    err e = ERR_NONE;
    json_t *j;
    assert_int_equal(schema_to_json(s, &j, &e), 0);
    buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(json_format(j, false, &b, &e), 0);
    buf_add_char(&b, '\0');
    json_decref(j);
    return b.data;
}

static void test_round_trip(void **state)
{
    (void)state;
    err e = ERR_NONE;
    schema s, again;
    if (load(&s, good, &e) < 0) fail_msg("%s", e.msg);
    assert_int_equal(s.n_inputs, 3);
    assert_true(isinf(s.inputs[0].max) && isnan(s.inputs[0].mean));
    assert_true(s.inputs[2].max == 0.30000000000000004 && signbit(s.inputs[2].mean));
    assert_int_equal(s.inputs[1].n_categories, 2);
    assert_true(s.inputs[1].counts[1] == INT64_MAX);
    assert_string_equal(s.target.classes[0], "1");
    assert_int_equal(schema_find(&s, STR("when")), 2);
    assert_int_equal(schema_find(&s, STR("whe")), -1);
    char *text = save(&s);
    assert_int_equal(load(&again, text, &e), 0);
    char *twice = save(&again);
    assert_string_equal(text, twice);
    mem_free(text);
    mem_free(twice);
    schema_clear(&s);
    schema_clear(&again);
    assert_int_equal(s.n_inputs, 0);
}

// The good schema with one text in it replaced by another.
static void expect_fault(const char *from, const char *to, const char *part)
{
    char text[2048];
    const char *at = strstr(good, from);
    if (!at) fail_msg("no %s in the schema", from);
    size_t before = (size_t)(at - good);
    memcpy(text, good, before);
    size_t len = strlen(to);
    memcpy(text + before, to, len);
    memcpy(text + before + len, at + strlen(from), strlen(at + strlen(from)) + 1);
    err e = ERR_NONE;
    schema s = {.n_inputs = 77};
    int rc = load(&s, text, &e);
    if (rc >= 0) fail_msg("%s for %s is accepted", to, from);
    if (!strstr(e.msg, part)) fail_msg("%s for %s: %s", to, from, e.msg);
    assert_int_equal(s.n_inputs, 77);
}

static void test_faults(void **state)
{
    (void)state;
    expect_fault("\"name\":\"age\",", "", "inputs[0]: JSON: \"name\" is missing");
    expect_fault("\"name\":\"age\"", "\"name\":\"\"", "\"name\" is empty");
    expect_fault("\"name\":\"age\"", "\"name\":3", "\"name\"");
    expect_fault("\"name\":\"age\"", "\"name\":\"sex\"", "column \"sex\" is there twice");
    expect_fault("\"name\":\"age\"", "\"name\":\"survived\"", "column \"survived\" is there twice");
    expect_fault("\"type\":\"real\"", "\"type\":\"float\"", "\"float\", which is no type");
    expect_fault("\"missing_ok\":true", "\"missing_ok\":1", "missing_ok");
    expect_fault("\"missing_rate\":0.125", "\"missing_rate\":1.5", "outside 0..1");
    expect_fault("\"missing_rate\":0.125", "\"missing_rate\":null", "missing_rate");
    expect_fault("\"slot\":3", "\"slot\":2", "two inputs go to slot 2 of \"x\"");
    expect_fault("\"slot\":3", "\"slot\":-1", "slot");
    expect_fault("\"slot\":3", "\"slot\":3.5", "slot");
    expect_fault("\"tensor\":\"age\"", "\"tensor\":\"\"", "\"tensor\" is empty");
    expect_fault("\"min\":0.1", "\"min\":\"low\"", "\"min\" must be");
    expect_fault("\"min\":0.1,", "", "\"min\" is missing");
    expect_fault("\"max\":0.30000000000000004", "\"max\":-2e300", "\"min\" is above");
    expect_fault("[0.1,1,2,", "[1,2,", "11 numbers");
    expect_fault("[0.1,1,2,", "[0.1,3,2,", "fall at 2");
    expect_fault("[0.1,1,2,", "[0.1,true,2,", "\"quantiles\" must be");
    expect_fault("[\"female\",\"male\"]", "[\"male\",\"female\"]", "is not after");
    expect_fault("[\"female\",\"male\"]", "[\"male\",\"male\"]", "is not after");
    expect_fault("[\"female\",\"male\"]", "[\"\",\"male\"]", "not empty");
    expect_fault("[\"female\",\"male\"]", "[\"male\"]", "1 in \"categories\" but 2");
    expect_fault("[\"female\",\"male\"]", "{}", "categories");
    expect_fault("[3,9223372036854775807]", "[3,-1]", "\"counts\"[1]");
    expect_fault("[3,9223372036854775807]", "[3,1.5]", "\"counts\"[1]");
    expect_fault("\"slot\":0,", "\"slot\":0,\"extra\":1,", "unknown field \"extra\"");
    expect_fault("\"slot\":3,", "\"slot\":3,\"min\":1,", "unknown field \"min\"");
    expect_fault("\"target\":", "\"more\":1,\"target\":", "unknown field \"more\"");
    expect_fault("\"task\":\"classification\"", "\"task\":\"guess\"", "target: \"task\"");
    expect_fault("\"task\":\"classification\"", "\"task\":\"regression\"", "unknown field");
    expect_fault("[\"1\",\"0\"]", "[\"1\",\"1\"]", "class \"1\" is there twice");
    expect_fault("\"classes\":[\"1\",\"0\"],\"counts\":[5,6]", "\"classes\":[\"1\"],\"counts\":[5]", "1 classes");
    err e = ERR_NONE;
    schema s;
    assert_int_equal(load(&s, "{\"inputs\":[],\"target\":{}}", &e), ERR_FORMAT);
    assert_int_equal(load(&s, "[]", &e), ERR_FORMAT);
    assert_int_equal(load(&s, "{\"inputs\":[3],\"target\":{}}", &e), ERR_FORMAT);
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned t = 0; t < COLUMN_TYPES_N; t++) {
        column_type back;
        assert_int_equal(column_type_find(column_type_name((column_type)t), &back), 0);
        assert_int_equal(back, t);
    }
    column_type t;
    task k;
    assert_int_equal(column_type_find("Real", &t), ERR_NOT_FOUND);
    assert_int_equal(task_find("regression", &k), 0);
    assert_int_equal(k, TASK_REGRESSION);
    assert_int_equal(task_find("", &k), ERR_NOT_FOUND);
    assert_int_equal(column_wire(COLUMN_BOOLEAN), WIRE_F32);
    assert_int_equal(column_wire(COLUMN_DATETIME), WIRE_I64);
    assert_int_equal(column_wire(COLUMN_IDENTIFIER), WIRE_STRING);
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
