// Options by table: defaults, assignments, JSON, and what is refused.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/options.h"

typedef struct sample {
    bool shuffled;
    int mode;
    int64_t count;
    double share;
} sample;

static const char *const modes[] = {"plain", "fast", "exact", NULL};
static const option_row rows[] = {
    {"count", OPTION_INTEGER, offsetof(sample, count), 0, 1000, 7, NULL, "how many"},
    {"share", OPTION_REAL, offsetof(sample, share), 0, 1, 0.25, NULL, "how much"},
    {"shuffled", OPTION_BOOLEAN, offsetof(sample, shuffled), 0, 1, 1, NULL, "whether"},
    {"mode", OPTION_CHOICE, offsetof(sample, mode), 0, 2, 1, modes, "which"},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

static void test_default(void **state)
{
    (void)state;
    sample s;
    options_default(rows, N_ROWS, &s);
    assert_int_equal(s.count, 7);
    assert_true(s.share == 0.25);
    assert_true(s.shuffled);
    assert_int_equal(s.mode, 1);
}

static void set(sample *s, const char *assignment)
{
    err e = ERR_NONE;
    if (options_set(rows, N_ROWS, s, assignment, &e) < 0) fail_msg("%s: %s", assignment, e.msg);
}

static void test_set(void **state)
{
    (void)state;
    sample s;
    options_default(rows, N_ROWS, &s);
    set(&s, "count=1000");
    set(&s, "share=1e-3");
    set(&s, "shuffled=no");
    set(&s, "mode=exact");
    assert_int_equal(s.count, 1000);
    assert_true(s.share == 1e-3);
    assert_false(s.shuffled);
    assert_int_equal(s.mode, 2);
    set(&s, "share=1");
    assert_true(s.share == 1);
    set(&s, "count=1e2");
    assert_int_equal(s.count, 100);
    set(&s, "shuffled=true");
    assert_true(s.shuffled);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"count", "\"count\": must be NAME=VALUE"},
        {"cuont=3", "no option \"cuont\"; did you mean \"count\"?"},
        {"zzzzzz=3", "no option \"zzzzzz\""},
        {"=3", "no option \"\""},
        {"count=1001", "count is 1001, must be from 0 to 1000"},
        {"count=-1", "count is -1, must be from 0 to 1000"},
        {"count=99999999999999999999", "count is 1e+20, must be from 0 to 1000"},
        {"count=1.5", "count is 1.5, must be a whole number"},
        {"count=", "count is \"\", must be a whole number"},
        {"count=3x", "count is \"3x\", must be a whole number"},
        {"share=nan", "share is \"nan\", must be a number"},
        {"share=1.01", "share is 1.01, must be from 0 to 1"},
        {"shuffled=maybe", "shuffled is \"maybe\", must be true or false"},
        {"mode=slow", "mode is \"slow\", must be plain, fast or exact"},
    };
    sample s, before;
    memset(&s, 0, sizeof s);
    options_default(rows, N_ROWS, &s);
    before = s;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err e = ERR_NONE;
        assert_int_equal(options_set(rows, N_ROWS, &s, cases[i][0], &e), ERR_INPUT);
        assert_string_equal(e.msg, cases[i][1]);
        assert_memory_equal(&s, &before, sizeof s);
    }
}

static void test_json_round_trip(void **state)
{
    (void)state;
    sample s, back;
    memset(&s, 0, sizeof s);
    memset(&back, 0, sizeof back);
    options_default(rows, N_ROWS, &s);
    options_default(rows, N_ROWS, &back);
    set(&s, "count=12");
    set(&s, "share=0.1");
    set(&s, "mode=plain");
    set(&s, "shuffled=off");
    err e = ERR_NONE;
    json_t *j = NULL;
    assert_int_equal(options_to_json(rows, N_ROWS, &s, &j, &e), 0);
    assert_int_equal(options_from_json(rows, N_ROWS, &back, j, &e), 0);
    assert_memory_equal(&s, &back, sizeof s);
    assert_string_equal(json_string_value(json_object_get(j, "mode")), "plain");
    json_decref(j);
}

static void test_json_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[]", "options must be a JSON object"},
        {"{\"count\": 5, \"shar\": 1}", "no option \"shar\"; did you mean \"share\"?"},
        {"{\"count\": \"5\"}", "count must be a whole number"},
        {"{\"count\": 5, \"share\": 2}", "share is 2, must be from 0 to 1"},
        {"{\"count\": 5, \"mode\": 1}", "mode must be a text"},
        {"{\"count\": 5, \"mode\": \"none\"}", "mode is \"none\", must be plain, fast or exact"},
        {"{\"count\": 5, \"shuffled\": 1}", "shuffled must be true or false"},
        {"{\"count\": 5.5}", "count is 5.5, must be a whole number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sample s;
        options_default(rows, N_ROWS, &s);
        err e = ERR_NONE;
        json_t *j = NULL;
        assert_int_equal(json_parse(&j, str_of(cases[i][0]), &e), 0);
        assert_int_equal(options_from_json(rows, N_ROWS, &s, j, &e), ERR_INPUT);
        assert_string_equal(e.msg, cases[i][1]);
        assert_int_equal(s.count, 7);
        json_decref(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),         cmocka_unit_test(test_set),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_json_round_trip), cmocka_unit_test(test_json_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
