// Each allocation of reading and writing JSON fails once.
// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "fault/faults.h"

static int round_trip(void *context, err *e)
{
    (void)context;
    json_t *value;
    TRY(json_parse(&value, STR("{\"b\":[1,2.5,\"text\",null,true],\"a\":{\"x\":\"\\u00e9\",\"y\":[[],{}]}}"), e));
    buf out;
    buf_init(&out, 1 << 16);
    int rc = json_format(value, true, &out, e);
    json_t *more = json_object();
    if (rc == 0) rc = json_put(more, "copy", json_incref(value), e);
    if (rc == 0) rc = json_put(more, "n", json_integer(7), e);
    json_decref(more);
    json_decref(value);
    buf_clear(&out);
    return rc;
}

static void test_round_trip(void **state)
{
    (void)state;
    assert_true(faults_of_memory(round_trip, NULL, NULL, 0) > 20);
    assert_true(faults_of_memory(round_trip, NULL, NULL, 1) > 20);
}

// Numbers longer than the buffer that jansson starts with: growing it may fail, and must neither change the number nor
// end the process.
static int long_tokens(void *context, err *e)
{
    (void)context;
    json_t *value;
    TRY(json_parse(
        &value, STR("{\"a\":[-9223372036854775808,0.12345678901234567],\"b\":\"a text of more than 16 bytes\"}"), e));
    const json_t *list = json_object_get(value, "a");
    bool same = json_integer_value(json_array_get(list, 0)) == INT64_MIN &&
                json_real_value(json_array_get(list, 1)) == 0.12345678901234567 &&
                strcmp(json_string_value(json_object_get(value, "b")), "a text of more than 16 bytes") == 0;
    json_decref(value);
    return same ? 0 : err_set(e, ERR_CORRUPT, "read as something else");
}

static void test_long_tokens(void **state)
{
    (void)state;
    assert_true(faults_of_memory(long_tokens, NULL, NULL, 0) > 10);
    assert_true(faults_of_memory(long_tokens, NULL, NULL, 1) > 10);
}

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_long_tokens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
