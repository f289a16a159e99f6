// base/err: codes, context, and a cut that leaves UTF-8 whole.
// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include "base/utf8.h"
#include "check.h"

static void test_set(void **state)
{
    (void)state;
    err e = ERR_NONE;
    assert_int_equal(err_set(&e, ERR_LIMIT, "%d columns", 7), ERR_LIMIT);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_int_equal(e.at, -1);
    assert_string_equal(e.msg, "7 columns");
    assert_int_equal(err_set_at(&e, ERR_FORMAT, 12, "bad"), ERR_FORMAT);
    assert_int_equal(e.at, 12);
    assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void test_errno(void **state)
{
    (void)state;
    static const struct {
        int number, code;
    } cases[] = {{ENOENT, ERR_NOT_FOUND}, {ENOTDIR, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS}, {EACCES, ERR_DENIED},
                 {EROFS, ERR_DENIED},     {ENOMEM, ERR_MEMORY},     {ENOSPC, ERR_FULL},   {EDQUOT, ERR_FULL},
                 {EADDRINUSE, ERR_BUSY},  {ETIMEDOUT, ERR_TIMEOUT}, {EMFILE, ERR_LIMIT},  {EIO, ERR_IO},
                 {EPIPE, ERR_IO}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err e = ERR_NONE;
        errno = cases[i].number;
        assert_int_equal(err_set_errno(&e, "%s", "a.csv"), cases[i].code);
        assert_int_equal(e.code, cases[i].code);
        char wanted[240];
        snprintf(wanted, sizeof wanted, "a.csv: %s", strerror(cases[i].number));
        assert_string_equal(e.msg, wanted);
    }
}

static void test_prefix(void **state)
{
    (void)state;
    err e = ERR_NONE;
    err_set_at(&e, ERR_FORMAT, 7, "row 7: not a number");
    assert_int_equal(err_prefix(&e, e.code, "%s", "train.csv"), ERR_FORMAT);
    assert_string_equal(e.msg, "train.csv: row 7: not a number");
    assert_int_equal(e.at, 7);
    assert_int_equal(err_prefix(NULL, ERR_IO, "x"), ERR_IO);
}

static int is_utf8(const char *text)
{
    for (str s = str_of(text); s.len > 0;) {
        size_t n = utf8_char_len(s);
        if (n == 0) return 0;
        s = (str){s.data + n, s.len - n};
    }
    return 1;
}

// Characters of 1 to 4 bytes, moved across the end of the message one byte at a time.
static void test_cut(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x9A\xA2"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t before = 0; before < 8; before++) {
            char text[1024] = "";
            size_t len = before, n = strlen(characters[c]);
            memset(text, '.', before);
            while (len < 600) {
                memcpy(text + len, characters[c], n);
                len += n;
            }
            text[len] = '\0';
            err e;
            err_set(&e, ERR_INPUT, "%s", text);
            size_t kept = strlen(e.msg), room = sizeof e.msg - 1;
            assert_true(kept <= room && kept > room - n); // no more lost than the character that did not fit
            assert_true(is_utf8(e.msg));
            assert_memory_equal(e.msg, text, kept);
            err_prefix(&e, e.code, "%.*s", (int)before, text);
            assert_true(is_utf8(e.msg));
        }
    }
    // What fits exactly is not cut.
    char full[240];
    memset(full, 'x', sizeof full - 1);
    full[sizeof full - 1] = '\0';
    err e;
    err_set(&e, ERR_INPUT, "%s", full);
    assert_string_equal(e.msg, full);
    memcpy(full + sizeof full - 3, "\xC3\xA9", 2);
    err_set(&e, ERR_INPUT, "%s", full);
    assert_string_equal(e.msg, full);
}

static void test_name(void **state)
{
    (void)state;
    assert_string_equal(err_name(0), "ok");
    assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
    assert_string_equal(err_name(ERR_INTERNAL), "internal");
    assert_string_equal(err_name(1), "unknown");
    assert_string_equal(err_name(-1000), "unknown");
    for (int code = ERR_INTERNAL; code < 0; code++) assert_non_null(err_name(code));
}

static void test_outward(void **state)
{
    (void)state;
    err e = ERR_NONE;
    err_set(&e, ERR_FULL, "%s", "/var/lib/slipway/datasets/1.part: cannot be written: No space left on device");
    assert_string_equal(err_outward(&e).msg, "there is no room on the server's disk; nothing was changed");
    assert_int_equal(err_outward(&e).code, ERR_FULL);
    err_set(&e, ERR_IO, "%s", "a run: /var/lib/slipway/runs/1: Input/output error");
    assert_null(strstr(err_outward(&e).msg, "/var"));
    err_set(&e, ERR_FULL, "%s", "the model needs 100 bytes of 10");
    assert_string_equal(err_outward(&e).msg, e.msg);
    err_set(&e, ERR_INPUT, "%s", "not a number: /rows/0/age");
    assert_string_equal(err_outward(&e).msg, e.msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),     cmocka_unit_test(test_errno), cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_outward), cmocka_unit_test(test_cut),   cmocka_unit_test(test_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
