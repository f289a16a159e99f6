// JSON read where it lies: members, elements, values passed over, and what is no JSON.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/scan.h"

typedef struct fixture {
    arena memory;
    place at;
    err e;
    char *body; // exactly as long as the text, so that an overrun shows
    scan s;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    arena_init(&f->memory, 1 << 16);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    arena_clear(&f->memory);
    free(f->body);
    free(f);
    return 0;
}

static scan *scan_on(fixture *f, const char *text)
{
    free(f->body);
    f->body = malloc(strlen(text) + 1);
    assert_non_null(f->body);
    memcpy(f->body, text, strlen(text));
    f->e = ERR_NONE;
    f->s = scan_of((str){f->body, strlen(text)}, &f->at, &f->memory, &f->e);
    return &f->s;
}

static void values_are_passed_over(void **state)
{
    fixture *f = *state;
    const char *sound[] = {"1",
                           " -0.5e3",
                           "\"a\\n\\ud83d\\ude00\xc3\xa9\"",
                           "null",
                           "true",
                           "false",
                           "{}",
                           "[ ]",
                           "[1,2,[3,{\"a\":[]}],\"x\"]",
                           "{\"a\" : 1 , \"b\":{\"c\":[null,{}]}}"};
    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++) {
        scan *s = scan_on(f, sound[i]);
        if (scan_skip(s) != 0 || scan_left(s) != 0) fail_msg("%s: %s", sound[i], f->e.msg);
    }
    const char *broken[] = {"",
                            " ",
                            "-",
                            "01",
                            "nul",
                            "[",
                            "[1",
                            "[1,",
                            "[1,]",
                            "{",
                            "{\"a\"",
                            "{\"a\":",
                            "{a:1}",
                            "{\"a\":1,",
                            "[1}",
                            "{\"a\":1]",
                            "\"",
                            "\"\\x\"",
                            "\"\x01\"",
                            "\"\xff\"",
                            "{1:2}",
                            "{\"a\" 1}",
                            "[1 2]",
                            "{\"a\":1 \"b\":2}",
                            "\"\\ud800\"",
                            "+1",
                            "{\"a\":1,}",
                            "\"\\u12\""};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        scan *s = scan_on(f, broken[i]);
        int rc = scan_skip(s);
        if (rc == 0) rc = scan_end(s);
        if (rc != ERR_FORMAT) fail_msg("%s: %d", broken[i], rc);
        assert_string_equal(f->at.code, "invalid_json");
        assert_in_range(f->e.at, 0, strlen(broken[i]));
    }
}

static void depth_has_a_limit(void **state)
{
    fixture *f = *state;
    char text[3 * SCAN_DEPTH_MAX] = "";
    for (int depth = SCAN_DEPTH_MAX; depth <= SCAN_DEPTH_MAX + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(scan_skip(scan_on(f, text)), depth > SCAN_DEPTH_MAX ? ERR_FORMAT : 0);
    }
}

static void members_and_elements_are_told_one_by_one(void **state)
{
    fixture *f = *state;
    scan *s = scan_on(f, "{ \"a\" : [ ] , \"b\\u0062\":[1, 2 ,3] }");
    str name;
    size_t members = 0, elements = 0;
    assert_true(scan_take(s, '{'));
    assert_int_equal(scan_member(s, &members, &name), 1);
    assert_true(str_equal(name, STR("a")) && scan_take(s, '['));
    assert_int_equal(scan_element(s, &elements), 0);
    assert_int_equal(scan_member(s, &members, &name), 1);
    assert_true(str_equal(name, STR("bb")) && scan_take(s, '['));
    for (int i = 1; i <= 3; i++) {
        str token;
        double value;
        assert_int_equal(scan_element(s, &elements), 1);
        assert_int_equal(scan_number(s, &token, &value), 0);
        assert_true(value == i && token.len == 1);
    }
    assert_int_equal(scan_element(s, &elements), 0);
    assert_int_equal(scan_member(s, &members, &name), 0);
    assert_int_equal(scan_end(s), 0);
    assert_int_equal(elements, 3);
    assert_int_equal(members, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_has_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_and_elements_are_told_one_by_one, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
