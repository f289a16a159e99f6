// The HTTP parser: a table of requests good and bad, each also given byte by byte and cut in two at every place.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/http.h"

static const http_limits limits = {.head_max = 1024, .body_max = 64};

typedef struct outcome {
    int status; // 200: a whole request; 0: wants more
    http_parser parser;
    char body[128];
    char path[1200], host[200];
} outcome;

// Gives `text` cut after `first` bytes, the rest in pieces of `step`.
static outcome give(const char *text, size_t len, size_t first, size_t step)
{
    outcome o;
    memset(&o, 0, sizeof o);
    char *data = malloc(len + 1);
    assert_non_null(data);
    size_t have = first < len ? first : len;
    memcpy(data, text, have);
    http_parser_init(&o.parser);
    for (;;) {
        http_step said = http_parse(&o.parser, data, have, &limits);
        if (said == STEP_HEAD) continue;
        if (said == STEP_MORE && have < len) {
            size_t n = len - have < step ? len - have : step;
            memcpy(data + have, text + have, n);
            have += n;
            continue;
        }
        if (said == STEP_BAD) o.status = o.parser.status;
        if (said == STEP_DONE) {
            o.status = 200;
            memcpy(o.body, data + o.parser.body_at, o.parser.body_len);
            memcpy(o.path, data + o.parser.path.at, o.parser.path.len);
            memcpy(o.host, data + o.parser.fields[FIELD_HOST].at, o.parser.fields[FIELD_HOST].len);
        }
        break;
    }
    free(data);
    return o;
}

typedef struct example {
    int status;
    const char *text;
    size_t len; // 0: of the text
    const char *body, *path;
} example;

#define H "Host: a\r\n"
#define GET_LINE "GET / HTTP/1.1\r\n"
#define POST_LINE "POST /p HTTP/1.1\r\n" H
#define REFUSED(status, text)       \
    {                               \
        status, text, 0, NULL, NULL \
    }
#define REFUSED_BYTES(status, text)                \
    {                                              \
        status, text, sizeof(text) - 1, NULL, NULL \
    }

static const example examples[] = {
    {200, GET_LINE H "\r\n", 0, "", "/"},
    {200, "\r\n" GET_LINE H "\r\n", 0, "", "/"},
    REFUSED(400, "\r\n\r\n" GET_LINE H "\r\n"),
    {200, "GET /a/b%20c?x=1 HTTP/1.1\r\n" H "\r\n", 0, "", "/a/b%20c"},
    {200, "GET / HTTP/1.0\r\n\r\n", 0, "", "/"},
    {200, "HEAD / HTTP/1.1\r\nhOsT:a\r\n\r\n", 0, "", "/"},
    {200, "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", 0, "", "/"},
    {200, "OPTIONS * HTTP/1.1\r\n" H "\r\n", 0, "", ""},
    {200, "GET http://a/x HTTP/1.1\r\n" H "\r\n", 0, "", "/x"},
    {200, "GET https://a HTTP/1.1\r\n" H "\r\n", 0, "", ""},
    {200, POST_LINE "Content-Length: 5\r\n\r\nhello", 0, "hello", "/p"},
    {200, POST_LINE "Content-Length: 0\r\n\r\n", 0, "", "/p"},
    {200, POST_LINE "\r\n", 0, "", "/p"},
    REFUSED(0, POST_LINE "Content-Length: 5\r\n\r\nhell"),
    {200, POST_LINE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 0, "hello world", "/p"},
    {200, POST_LINE "Transfer-Encoding: CHUNKED\r\n\r\n005;a=b;c=\"d e\"\r\nhello\r\n0\r\nX: y\r\n\r\n", 0, "hello",
     "/p"},
    REFUSED(0, POST_LINE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
    {200, POST_LINE "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 0, "x", "/p"},
    // The request line.
    REFUSED(400, "GET  / HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /  HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, " GET / HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET\t/ HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET / HTTP/1.1 \r\n" H "\r\n"),
    REFUSED(400, "GET /\r\n" H "\r\n"),
    REFUSED(400, "GET / http/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET / HTTP/11\r\n" H "\r\n"),
    REFUSED(505, "GET / HTTP/2.0\r\n" H "\r\n"),
    REFUSED(505, "GET / HTTP/1.2\r\n" H "\r\n"),
    REFUSED(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    REFUSED(501, "PURGE / HTTP/1.1\r\n" H "\r\n"),
    REFUSED(501, "get / HTTP/1.1\r\n" H "\r\n"),
    REFUSED(501, "CONNECT a:80 HTTP/1.1\r\n" H "\r\n"),
    REFUSED(501, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET * HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET a HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /a%0 HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /a%zz HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /a%00 HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /a#b HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /a\\b HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET /\x80 HTTP/1.1\r\n" H "\r\n"),
    REFUSED_BYTES(400, "GET /\0 HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET http:///x HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET http://u@a/x HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET ftp://a/x HTTP/1.1\r\n" H "\r\n"),
    REFUSED(400, "GET http://b/x HTTP/1.1\r\n" H "\r\n"),
    // Line ends.
    REFUSED(400, "GET / HTTP/1.1\n" H "\r\n"),
    REFUSED(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
    REFUSED(400, "GET / HTTP/1.1\r\n" H "\n"),
    REFUSED(400, "GET / HTTP/1.1\r\r\n" H "\r\n"),
    REFUSED(400, GET_LINE "Host: a\rb\r\n\r\n"),
    REFUSED(400, GET_LINE H "A: b\r\r\n\r\n"),
    REFUSED(400, GET_LINE H "\r\r\n"),
    // Header lines.
    REFUSED(400, GET_LINE "\r\n"),
    REFUSED(400, GET_LINE "Host : a\r\n\r\n"),
    REFUSED(400, GET_LINE " Host: a\r\n\r\n"),
    REFUSED(400, GET_LINE H " folded\r\n\r\n"),
    REFUSED(400, GET_LINE H "\tfolded\r\n\r\n"),
    REFUSED(400, GET_LINE H ": x\r\n\r\n"),
    REFUSED(400, GET_LINE H "A\r\n\r\n"),
    REFUSED(400, GET_LINE H "A B: c\r\n\r\n"),
    REFUSED(400, GET_LINE H "A(: c\r\n\r\n"),
    REFUSED(400, GET_LINE H "\x80: c\r\n\r\n"),
    REFUSED_BYTES(400, GET_LINE H "A: b\0c\r\n\r\n"),
    REFUSED_BYTES(400, GET_LINE H "A\0: b\r\n\r\n"),
    REFUSED(400, GET_LINE H "A: b\x01\r\n\r\n"),
    REFUSED(400, GET_LINE H "A: a long value with a \x7f in it\r\n\r\n"),
    {200, GET_LINE H "A: a long value with a \t in it, and \xff\r\n\r\n", 0, "", "/"},
    REFUSED(400, GET_LINE H H "\r\n"),
    REFUSED(400, GET_LINE "Host: a b\r\n\r\n"),
    REFUSED(400, GET_LINE "Host: a, b\r\n\r\n"),
    REFUSED(400, GET_LINE "Host: a:b\r\n\r\n"),
    REFUSED(400, GET_LINE "Host: [::1\r\n\r\n"),
    REFUSED(400, GET_LINE "Host: a]\r\n\r\n"),
    REFUSED(400, GET_LINE "Host: a/b\r\n\r\n"),
    {200, GET_LINE "Host: [::1]:80\r\n\r\n", 0, "", "/"},
    REFUSED(417, GET_LINE H "Expect: 200-ok\r\n\r\n"),
    // Where a body ends.
    REFUSED(400, POST_LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length: 5, 5\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length: +5\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length: -5\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length: 5 5\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length: 0x5\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length: 5.0\r\n\r\nhello"),
    REFUSED(400, POST_LINE "Content-Length:\r\n\r\n"),
    REFUSED(400, POST_LINE "Content-Length: 99999999999999999999999999\r\n\r\n"),
    REFUSED(400, POST_LINE "Content-Length: 18446744073709551621\r\n\r\nhello"),
    REFUSED(413, POST_LINE "Content-Length: 65\r\n\r\n"),
    REFUSED(400, POST_LINE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(400, POST_LINE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    REFUSED(400, POST_LINE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding: identity\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding: chunked, identity\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding: xchunked\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding: \"chunked\"\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding: chunked;q=1\r\n\r\n"),
    REFUSED(501, POST_LINE "Transfer-Encoding:\r\n\r\n"),
    REFUSED(400, POST_LINE "Transfer-Encoding: \vchunked\r\n\r\n"),
    REFUSED(400, POST_LINE "Transfer-Encoding : chunked\r\n\r\n"),
    REFUSED(400, "POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
#define CHUNKED POST_LINE "Transfer-Encoding: chunked\r\n\r\n"
    REFUSED(400, CHUNKED "\r\n"),
    REFUSED(400, CHUNKED "g\r\n"),
    REFUSED(400, CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED " 5\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5;a\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5\r\nhello0\r\n\r\n"),
    REFUSED(400, CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5\r\nhello\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "5\r\nhell\r\n0\r\n\r\n"),
    REFUSED(400, CHUNKED "0\r\nX : y\r\n\r\n"),
    REFUSED(400, CHUNKED "0\r\n y\r\n\r\n"),
    REFUSED(400, CHUNKED "0\r\nX: y\n\r\n"),
    REFUSED(413, CHUNKED "41\r\n"),
    REFUSED(413, CHUNKED "fffffffff\r\n"),
    REFUSED(413, CHUNKED "3f\r\n0123456789012345678901234567890123456789012345678901234567890ab\r\n2\r\n"),
};

static void examples_are_read_as_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const example *x = &examples[i];
        size_t len = x->len ? x->len : strlen(x->text);
        outcome whole = give(x->text, len, len, 1);
        if (whole.status != x->status)
            fail_msg("example %zu: %d, want %d (%s): %s", i, whole.status, x->status,
                     whole.parser.why ? whole.parser.why : "", x->text);
        if (x->body) assert_string_equal(whole.body, x->body);
        if (x->path) assert_string_equal(whole.path, x->path);
        if (x->status == 200) assert_int_equal(whole.parser.total, len);
    }
}

static void every_cut_gives_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const example *x = &examples[i];
        size_t len = x->len ? x->len : strlen(x->text);
        outcome whole = give(x->text, len, len, 1);
        for (size_t cut = 0; cut <= len; cut++) {
            for (int bytewise = 0; bytewise < 2; bytewise++) {
                outcome parts = give(x->text, len, cut, bytewise ? 1 : len);
                if (parts.status != whole.status || strcmp(parts.body, whole.body) != 0 ||
                    strcmp(parts.path, whole.path) != 0 || strcmp(parts.host, whole.host) != 0 ||
                    parts.parser.why != whole.parser.why || parts.parser.total != whole.parser.total)
                    fail_msg("example %zu cut at %zu: %d, want %d", i, cut, parts.status, whole.status);
            }
        }
    }
}

// `before`, then `n` times `unit`, then `after`.
static outcome give_repeated(const char *before, const char *unit, size_t n, const char *after, size_t step)
{
    size_t len = strlen(before) + n * strlen(unit) + strlen(after);
    char *text = malloc(len + 1);
    assert_non_null(text);
    char *at = stpcpy(text, before);
    for (size_t i = 0; i < n; i++) at = stpcpy(at, unit);
    stpcpy(at, after);
    outcome o = give(text, len, step, step);
    free(text);
    return o;
}

static void limits_hold_at_the_byte(void **state)
{
    (void)state;
    for (size_t step = 1; step <= 4096; step = step == 1 ? 7 : step == 7 ? 4096 : step + 1) {
        // GET /aaa HTTP/1.1 and its end are 15 bytes without the a's; head_max is 1024.
        const char *end = " HTTP/1.1\r\n" H "\r\n";
        assert_int_equal(give_repeated("GET /", "a", 1024 - 16 - 11, end, step).status, 200);
        assert_int_equal(give_repeated("GET /", "a", 1024 - 15, end, step).status, 414);
        assert_int_equal(give_repeated("GET /", "a", 1024 - 20, end, step).status, 431);
        assert_int_equal(give_repeated("GET /", "a", 5000, "", step).status, 414);
        assert_int_equal(give_repeated(GET_LINE H, "a: b\r\n", 99, "\r\n", step).status, 200);
        assert_int_equal(give_repeated(GET_LINE H, "a: b\r\n", 100, "\r\n", step).status, 431);
        assert_int_equal(give_repeated(GET_LINE H "a: ", "b", 1024 - 16 - 9 - 3 - 4, "\r\n\r\n", step).status, 200);
        assert_int_equal(give_repeated(GET_LINE H "a: ", "b", 1024 - 16 - 9 - 3 - 3, "\r\n\r\n", step).status, 431);
        assert_int_equal(give_repeated(GET_LINE H "a: ", "b", 9999, "", step).status, 431);
        assert_int_equal(give_repeated(CHUNKED "1;", "b", 252, "\r\nx\r\n0\r\n\r\n", step).status, 200);
        assert_int_equal(give_repeated(CHUNKED "1;", "b", 253, "\r\nx\r\n0\r\n\r\n", step).status, 400);
        assert_int_equal(give_repeated(CHUNKED "1;", "b", 99999, "", step).status, 400);
        assert_int_equal(give_repeated(CHUNKED "0\r\n", "a: b\r\n", 100, "\r\n", step).status, 200);
        assert_int_equal(give_repeated(CHUNKED "0\r\n", "a: b\r\n", 101, "\r\n", step).status, 431);
        assert_int_equal(give_repeated(CHUNKED "0\r\na: ", "b", 99999, "", step).status, 431);
    }
    // Extensions of all chunks together.
    char unit[260];
    snprintf(unit, sizeof unit, "0001;%0249d\r\nx\r\n", 0);
    assert_int_equal(give_repeated(CHUNKED, unit, 60, "0\r\n\r\n", 4096).status, 200);
    snprintf(unit, sizeof unit, "1;%0252d\r\nx\r\n", 0);
    http_limits wide = {.head_max = 1024, .body_max = 1000};
    http_parser p;
    http_parser_init(&p);
    char data[40000];
    size_t len = (size_t)snprintf(data, sizeof data, "%s", CHUNKED);
    for (int i = 0; i < 70; i++) len += (size_t)snprintf(data + len, sizeof data - len, "%s", unit);
    assert_int_equal(http_parse(&p, data, len, &wide), STEP_HEAD);
    assert_int_equal(http_parse(&p, data, len, &wide), STEP_BAD);
    assert_int_equal(p.status, 431);
}

static bool kept(const char *text)
{
    outcome o = give(text, strlen(text), strlen(text), 1);
    assert_int_equal(o.status, 200);
    return o.parser.keep_alive;
}

static void connections_are_kept_or_closed(void **state)
{
    (void)state;
    assert_true(kept(GET_LINE H "\r\n"));
    assert_false(kept(GET_LINE H "Connection: close\r\n\r\n"));
    assert_false(kept(GET_LINE H "Connection: foo ,CLOSE\r\n\r\n"));
    assert_false(kept(GET_LINE H "Connection: close\r\nConnection: keep-alive\r\n\r\n"));
    assert_true(kept(GET_LINE H "Connection: closed\r\n\r\n"));
    assert_false(kept("GET / HTTP/1.0\r\n\r\n"));
    assert_true(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert_false(kept("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
}

static void pipelined_requests_end_where_they_should(void **state)
{
    (void)state;
    char data[] = POST_LINE "Content-Length: 3\r\n\r\nabc" CHUNKED "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n" GET_LINE H "\r\n";
    const char *bodies[] = {"abc", "def", ""};
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        http_parser p;
        http_parser_init(&p);
        assert_int_equal(http_parse(&p, data + at, sizeof data - 1 - at, &limits), STEP_HEAD);
        assert_int_equal(http_parse(&p, data + at, sizeof data - 1 - at, &limits), STEP_DONE);
        assert_int_equal(p.body_len, strlen(bodies[i]));
        assert_memory_equal(data + at + p.body_at, bodies[i], p.body_len);
        at += p.total;
    }
    assert_int_equal(at, sizeof data - 1);
}

static void segments_are_decoded(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(http_decode_segment(STR("a%20b%C3%a9"), out), 5);
    assert_memory_equal(out, "a b\xc3\xa9", 5);
    assert_int_equal(http_decode_segment(STR("a%2Fb"), out), 3);
    assert_int_equal(http_decode_segment(STR("%ff"), out), -1);
    assert_int_equal(http_decode_segment(STR("%c0%af"), out), -1);
    assert_int_equal(http_decode_segment(STR("%00"), out), -1);
    assert_int_equal(http_decode_segment(STR("%0a"), out), -1);
    assert_int_equal(http_decode_segment(STR("%2"), out), -1);
    assert_int_equal(http_decode_segment(STR("%%41"), out), -1);
}

static void accept_and_content_type_are_understood(void **state)
{
    (void)state;
    const char *json = "application/json";
    assert_true(http_accepts(STR(""), json));
    assert_true(http_accepts(STR("*/*"), json));
    assert_true(http_accepts(STR("text/html, application/*;q=0.5"), json));
    assert_true(http_accepts(STR("text/html,APPLICATION/JSON"), json));
    assert_false(http_accepts(STR("text/html"), json));
    assert_false(http_accepts(STR("application/json;q=0, */*"), json));
    assert_false(http_accepts(STR("*/*;q=0.0"), json));
    assert_true(http_accepts(STR("*/*;q=0, application/json;q=0.1"), json));
    assert_false(http_accepts(STR("application/jsonp"), json));
    assert_true(http_type_is(STR("application/json"), json));
    assert_true(http_type_is(STR("Application/JSON; charset=UTF-8"), json));
    assert_true(http_type_is(STR("application/json;charset=\"utf-8\" ; x=y"), json));
    assert_false(http_type_is(STR("application/json; charset=latin1"), json));
    assert_false(http_type_is(STR("application/x-www-form-urlencoded"), json));
    assert_false(http_type_is(STR(""), json));
    assert_true(str_equal(http_host_name(STR("a.b:80")), STR("a.b")));
    assert_true(str_equal(http_host_name(STR("[::1]:80")), STR("[::1]")));
    assert_true(str_equal(http_host_name(STR("[::1]")), STR("[::1]")));
    assert_int_equal(http_host_name(STR("a:b")).len, 0);
    assert_int_equal(http_host_name(STR("[::1]x")).len, 0);
}

static void timeouts_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms; // 0: refused
    } all[] = {{"1", 1000},    {"0.5", 500},        {"0.001", 1},
               {"2.25", 2250}, {"86400", 86400000}, {"86400.001", 0},
               {"0", 0},       {"0.000", 0},        {"", 0},
               {".5", 0},      {"1.", 0},           {"1.2345", 0},
               {"-1", 0},      {"1e3", 0},          {" 1", 0},
               {"1 ", 0},      {"86401", 0},        {"0x10", 0},
               {"1.5.5", 0},   {"00001", 1000},     {"99999999999999999999999999", 0}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t ns = 0;
        assert_int_equal(http_parse_timeout(str_of(all[i].text), &ns), all[i].ms > 0);
        assert_int_equal(ns, all[i].ms * 1000000);
    }
}

// The same body in pieces of every length: what comes out, and where it ends, does not depend on them.
static void bodies_in_pieces_are_the_same(void **state)
{
    (void)state;
    static const struct {
        const char *head, *body;
        int status; // 200: all of it, and "next" is left
        const char *content;
    } all[] = {
        {POST_LINE "Content-Length: 5\r\n\r\n", "hellonext", 200, "hello"},
        {POST_LINE "\r\n", "next", 200, ""},
        {POST_LINE "Content-Length: 41\r\n\r\n", "hello", 413, ""},
        {CHUNKED, "5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nT: x\r\n\r\nnext", 200, "hello!"},
        {CHUNKED, "0\r\n\r\nnext", 200, ""},
        {CHUNKED, "14\r\n01234567890123456789\r\n15\r\nnext", 413, "01234567890123456789"},
        {CHUNKED, "5\r\nhelloXY", 400, "hello"},
        {CHUNKED, "5\nhello\r\n", 400, ""},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t len = strlen(all[i].body);
        for (size_t step = 1; step <= len; step++) {
            char data[256], body[256];
            http_parser p;
            http_parser_init(&p);
            size_t head_len = strlen(all[i].head);
            memcpy(data, all[i].head, head_len);
            assert_int_equal(http_parse(&p, data, head_len, &limits), STEP_HEAD);
            size_t n_body = 0, given = 0, have = 0, used, n;
            http_step said = STEP_MORE;
            while (said == STEP_MORE && given < len) {
                size_t more = len - given < step ? len - given : step;
                memcpy(data + have, all[i].body + given, more);
                given += more;
                have += more;
                said = http_parse_piece(&p, data, have, 40, &used, &n);
                memcpy(body + n_body, data, n);
                n_body += n;
                have -= used;
                memmove(data, data + used, have);
            }
            assert_int_equal(said, all[i].status == 200 ? STEP_DONE : STEP_BAD);
            if (said == STEP_BAD) assert_int_equal(p.status, all[i].status);
            assert_true(str_equal((str){body, n_body}, str_of(all[i].content)));
            if (said != STEP_DONE) continue;
            assert_memory_equal("next", data, have);
            assert_string_equal(all[i].body + given, &"next"[have]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_are_read_as_meant),
        cmocka_unit_test(every_cut_gives_the_same),
        cmocka_unit_test(limits_hold_at_the_byte),
        cmocka_unit_test(connections_are_kept_or_closed),
        cmocka_unit_test(pipelined_requests_end_where_they_should),
        cmocka_unit_test(segments_are_decoded),
        cmocka_unit_test(accept_and_content_type_are_understood),
        cmocka_unit_test(timeouts_are_parsed),
        cmocka_unit_test(bodies_in_pieces_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
