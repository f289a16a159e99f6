// base/log: one line an event that nobody can forge.
// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <fcntl.h>

#include "base/json.h"
#include "check.h"

// What is written to standard error between begin() and end().
static int kept_stderr = -1;
static FILE *caught;

static void begin(void)
{
    caught = tmpfile();
    assert_non_null(caught);
    kept_stderr = dup(STDERR_FILENO);
    dup2(fileno(caught), STDERR_FILENO);
}

static size_t end(char *text, size_t size)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    rewind(caught);
    size_t n = fread(text, 1, size - 1, caught);
    text[n] = '\0';
    fclose(caught);
    return n;
}

static void test_text(void **state)
{
    (void)state;
    char text[8192];
    log_init(LOG_INFO, LOG_TEXT);
    begin();
    log_event(LOG_DEBUG, "hidden", "%d", 1);
    log_event(LOG_WARN, "version deployed", "%s %d", "titanic", 3);
    log_event(LOG_INFO, "started", "%s", "");
    end(text, sizeof text);
    // "2026-01-31T12:00:00.000Z warn version deployed: titanic 3"
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[23], 'Z');
    char *second = strchr(text, '\n');
    assert_non_null(second);
    *second++ = '\0';
    assert_string_equal(text + 24, " warn version deployed: titanic 3");
    assert_string_equal(second + 24, " info started\n");
}

static void test_escapes(void **state)
{
    (void)state;
    char text[8192];
    log_init(LOG_INFO, LOG_TEXT);
    begin();
    log_event(LOG_INFO, "x", "%s", "a\nb\r\x1b[31m\xC2\x9B 1 \x7F \\n \xC3\xA9 \xFF");
    end(text, sizeof text);
    assert_string_equal(text + 24, " info x: a\\x0ab\\x0d\\x1b[31m\\x9b 1 \\x7f \\\\n \xC3\xA9 \\xff\n");
}

static void test_json(void **state)
{
    (void)state;
    char text[8192];
    log_init(LOG_DEBUG, LOG_JSON);
    begin();
    log_event(LOG_ERROR, "a \"name\"", "%s", "quote \" back \\ line \n bell \x07 \xC2\x85 \xC3\xA9 \xFF end");
    size_t n = end(text, sizeof text);
    assert_int_equal(text[n - 1], '\n');
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
    json_t *line;
    err e = ERR_NONE;
    check_ok(json_parse(&line, (str){text, n}, &e), &e);
    const char *member;
    check_ok(json_member_text(line, "level", &member, &e), &e);
    assert_string_equal(member, "error");
    check_ok(json_member_text(line, "event", &member, &e), &e);
    assert_string_equal(member, "a \"name\"");
    check_ok(json_member_text(line, "details", &member, &e), &e);
    assert_string_equal(member, "quote \" back \\ line \n bell \x07 \xC2\x85 \xC3\xA9 \xEF\xBF\xBD end");
    check_ok(json_member_text(line, "time", &member, &e), &e);
    assert_int_equal(strlen(member), 24);
    json_decref(line);
}

// Longer than a line may be: cut, at a character, and still JSON.
static void test_long(void **state)
{
    (void)state;
    static char text[65536], details[20000];
    static const char *const fillings[] = {"\n", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x9A\xA2", "\""};
    log_init(LOG_INFO, LOG_JSON);
    for (size_t f = 0; f < 5; f++) {
        for (size_t before = 0; before < 4; before++) {
            size_t n = strlen(fillings[f]), len = before;
            memset(details, '.', before);
            for (; len + n < sizeof details; len += n) memcpy(details + len, fillings[f], n);
            details[len] = '\0';
            begin();
            log_event(LOG_INFO, "long", "%s", details);
            size_t written = end(text, sizeof text);
            assert_int_equal(text[written - 1], '\n');
            json_t *line;
            err e = ERR_NONE;
            check_ok(json_parse(&line, (str){text, written}, &e), &e);
            const char *shown;
            check_ok(json_member_text(line, "details", &shown, &e), &e);
            size_t shown_len = strlen(shown);
            assert_true(shown_len > 2000 && shown_len < 2100);
            assert_string_equal(shown + shown_len - 3, "...");
            assert_memory_equal(shown, details, shown_len - 3);
            json_decref(line);
        }
    }
}

static void test_keeps_errno(void **state)
{
    (void)state;
    char text[1024];
    log_init(LOG_INFO, LOG_TEXT);
    begin();
    errno = ENOSPC;
    log_event(LOG_INFO, "x", "%m");
    int after = errno;
    end(text, sizeof text);
    assert_int_equal(after, ENOSPC);
    assert_non_null(strstr(text, strerror(ENOSPC)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text), cmocka_unit_test(test_escapes),     cmocka_unit_test(test_json),
        cmocka_unit_test(test_long), cmocka_unit_test(test_keeps_errno),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
