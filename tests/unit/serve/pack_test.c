// Compressed answers: who accepts them, and what their headers say.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check.h"
#include "serve/inflate.h"
#include "serve/pack.h"

static void encodings_are_understood(void **state)
{
    (void)state;
    const char *yes[] = {"gzip", "GZIP", "br, gzip", "gzip;q=0.5", "*", "deflate;q=1, *;q=0.1", "gzip ; q=0.001"};
    const char *no[] = {"", "br", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "xgzip", "gzipx", "identity", ",,", ";q=1"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!pack_accepted(str_of(yes[i]))) fail_msg("\"%s\" lets gzip through", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (pack_accepted(str_of(no[i]))) fail_msg("\"%s\" does not let gzip through", no[i]);
}

static void bodies_come_back(void **state)
{
    (void)state;
    err fault = ERR_NONE;
    arena memory;
    buf body;
    arena_init(&memory, 1 << 22);
    buf_init(&body, 1 << 20);
    request q = {.method = HTTP_GET, .memory = &memory};
    response r = {.status = 200, .body = &body, .extra = "ETag: \"1f\"\r\n"};
    for (int i = 0; i < 1000; i++) buf_format(&body, "line %d\n", i);
    char *before = arena_strndup(&memory, body.data, body.len);
    size_t len = body.len;
    check_ok(pack_answer(&q, &r, &fault), &fault);
    assert_true(body.len < len / 2);
    assert_string_equal(r.extra, "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nETag: \"1f-gzip\"\r\n");
    str after;
    check_ok(inflate_gzip(buf_str(&body), 1 << 20, &after, &memory, &fault), &fault);
    assert_true(str_equal(after, (str){before, len}));
    // What does not get smaller stays, and says that it could have been.
    buf_reset(&body);
    uint64_t noise = 1;
    for (int i = 0; i < 4096; i++) buf_add_char(&body, (char)((noise = noise * 6364136223846793005u + 1) >> 56));
    r.extra = NULL;
    check_ok(pack_answer(&q, &r, &fault), &fault);
    assert_int_equal(body.len, 4096);
    assert_string_equal(r.extra, "Vary: Accept-Encoding\r\n");
    // Memory that runs out is an error.
    arena small;
    arena_init(&small, 1 << 14);
    q.memory = &small;
    buf_reset(&body);
    for (int i = 0; i < 1000; i++) buf_format(&body, "line %d\n", i);
    check_fails(pack_answer(&q, &r, &fault), ERR_MEMORY, &fault);
    arena_clear(&small);
    arena_clear(&memory);
    buf_clear(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodings_are_understood),
        cmocka_unit_test(bodies_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
