// Routes, and what can be refused when only the header is there.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "serve/serving.h"

static void routes_are_found(void **state)
{
    (void)state;
    route_match m = route_find(STR("/api/v1/models/titanic/predict"), HTTP_POST);
    assert_non_null(m.route);
    assert_string_equal(m.route->name, "predict");
    assert_true(str_equal(m.parameters[0], STR("titanic")));
    assert_ptr_equal(route_at(m.index), m.route);
    m = route_find(STR("/api/v1/models/a%2Fb"), HTTP_HEAD);
    assert_string_equal(m.route->name, "describeModel");
    assert_true(str_equal(m.parameters[0], STR("a%2Fb")));
    m = route_find(STR("/metrics"), HTTP_POST);
    assert_null(m.route);
    assert_int_equal(m.methods, HTTP_GET | HTTP_HEAD | HTTP_OPTIONS);
    const char *nothing[] = {
        "",   "/x",      "/api/v1/models/", "/api/v1/models//predict",   "/api/v1/models/a/predict/",
        "//", "/metric", "/metricsx",       "/api/v1/models/a/b/predict"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        m = route_find(str_of(nothing[i]), HTTP_GET);
        assert_int_equal(m.methods, 0);
        assert_int_equal(m.index, route_count());
    }
    assert_null(route_at(route_count()));
    assert_string_equal(route_find(STR("/v2/x"), HTTP_GET).protocol->name, "v2");
    assert_string_equal(route_find(STR("/v2"), HTTP_GET).protocol->name, "v2");
    assert_string_equal(route_find(STR("/v2x"), HTTP_GET).protocol->name, "rest");
    assert_true(route_count() <= ROUTES_MAX);
}

// The status for a request's header on a server bound to a loopback address; the body of a refusal is one JSON problem.
static int status_of(const char *head)
{
    char data[1024];
    size_t len = (size_t)snprintf(data, sizeof data, "%s\r\n", head);
    http_parser p;
    http_parser_init(&p);
    const http_limits limits = {.head_max = 1024, .body_max = 1000};
    assert_int_equal(http_parse(&p, data, len, &limits), STEP_HEAD);
    sites names;
    err e = ERR_NONE;
    assert_int_equal(sites_init(&names, "127.0.0.1", true, "slipway.example", "https://app.example", &e), 0);
    const serving s = {.loopback = true, .sites = &names};
    access_seen seen = {0};
    route_match m;
    buf body;
    buf_init(&body, 4096);
    response r = {.status = 200, .body = &body, .at = {.row = -1}};
    int status = dispatch_head(&s, &p, data, &seen, &m, &r);
    if (status >= 400) {
        json_t *problem;
        int64_t said;
        assert_int_equal(json_parse(&problem, buf_str(&body), NULL), 0);
        assert_int_equal(json_member_integer(problem, "status", 100, 599, &said, NULL), 0);
        assert_int_equal(said, status);
        assert_int_equal(r.status, status);
        assert_string_equal(r.content_type, "application/problem+json");
        json_decref(problem);
    }
    if (status == 204 || status == 405) assert_memory_equal(r.extra, m.cors ? "Access-" : "Allow: ", 7);
    if (status == 0)
        assert_ptr_equal(m.who, m.route->needs & FOR_ANYONE && strstr(head, "Forwarded") ? &anonymous_principal
                                                                                         : &local_principal);
    buf_clear(&body);
    sites_clear(&names);
    return status;
}

static void headers_are_judged(void **state)
{
    (void)state;
#define POST "POST /api/v1/models/a/predict HTTP/1.1\r\nHost: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n"
    const struct {
        int status; // 0: goes on
        const char *head;
    } examples[] = {
        {0, POST "Content-Type: application/json\r\n"},
        {0, POST "Content-Type: application/json\r\nContent-Encoding: GZIP\r\n"},
        {0, POST "Content-Encoding: identity\r\n"},
        {0, GET("http://localhost")},
        {0,
         GET("/metrics") "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3\r\n"},
        {204, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n"},
        {204, "OPTIONS /metrics HTTP/1.1\r\nHost: localhost\r\n"},
        {204, "OPTIONS /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.example\r\n"},
        {403, "OPTIONS /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://other.example\r\n"},
        {404, "OPTIONS /x HTTP/1.1\r\nHost: localhost\r\n"},
        {404, GET("/x")},
        {405, GET("/api/v1/models/a/predict")},
        {405, "DELETE / HTTP/1.1\r\nHost: localhost\r\n"},
        {406, GET("/metrics") "Accept: application/json\r\n"},
        {415, POST "Content-Type: text/plain\r\n"},
        {415, POST "Content-Encoding: gzip, gzip\r\n"},
        {415, POST "Content-Encoding: deflate\r\n"},
        {421, "GET / HTTP/1.1\r\nHost: example.org\r\n"},
        {421, "GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n"},
        {421, "GET / HTTP/1.1\r\nHost: 127.0.0.1.example.org\r\n"},
        {0, "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"},
        {0, "GET / HTTP/1.0\r\n"},
        {0, "GET / HTTP/1.1\r\nHost: Slipway.example:80\r\n"},
        {421, "GET / HTTP/1.1\r\nHost: 10.0.0.7\r\n"},
        {0, POST "Origin: http://localhost\r\n"},
        {403, POST "Origin: http://localhost:3000\r\n"},
        {403, POST "Origin: null\r\n"},
        {403, POST "Origin: https://other.example\r\n"},
        {0, POST "Origin: https://app.example\r\nSec-Fetch-Site: cross-site\r\n"},
        {403, GET("/") "Sec-Fetch-Site: cross-site\r\n"},
        {0, GET("/") "Sec-Fetch-Site: same-origin\r\n"},
        {0, GET("/health/live") "Sec-Fetch-Site: cross-site\r\nOrigin: https://other.example\r\n"},
        {401, GET("/") "X-Forwarded-For: 10.0.0.7\r\n"}, // a proxy is no user of this machine
        {401, GET("/nothing") "X-Forwarded-For: 10.0.0.7\r\n"},
        {0, GET("/health/ready") "X-Forwarded-For: 10.0.0.7\r\n"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        int status = status_of(examples[i].head);
        if (status != examples[i].status) fail_msg("%s: %d, want %d", examples[i].head, status, examples[i].status);
    }
}

// Only health is for everybody, and no row forgot to say whom it is for.
static void every_route_names_a_permission(void **state)
{
    (void)state;
    for (size_t i = 0; i < route_count(); i++) {
        const route *r = route_at(i);
        bool health = strncmp(r->pattern, "/health", 7) == 0 || strncmp(r->pattern, "/v2/health/", 11) == 0 ||
                      strcmp(r->pattern, "/ping") == 0;
        if (r->needs == 0) fail_msg("%s needs no permission: nobody can use it", r->name);
        if (health != (r->needs == FOR_ANYONE)) fail_msg("%s: only health is for anyone", r->name);
    }
}

static void codes_have_a_status(void **state)
{
    (void)state;
    for (int code = ERR_INTERNAL; code < 0; code++) {
        int status = http_status_of(code);
        assert_in_range(status, 400, 599);
        assert_string_not_equal(http_reason(status), "Unknown");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_found),
        cmocka_unit_test(headers_are_judged),
        cmocka_unit_test(every_route_names_a_permission),
        cmocka_unit_test(codes_have_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
