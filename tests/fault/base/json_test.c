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

int main(void)
{
    json_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
