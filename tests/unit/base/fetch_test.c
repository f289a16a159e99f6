// Outgoing HTTP: against a server of one answer, and to where it must not go.
// SPDX-License-Identifier: Apache-2.0
#include "base/fetch.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const struct {
    const char *url, *host;
} urls[] = {
    {"http://example.org", "example.org"},
    {"HTTPS://Example.ORG:4318/v1/traces?x=1", "example.org"},
    {"http://[::1]:80/", "::1"},
    {"http://127.0.0.1#x", "127.0.0.1"},
};

static void hosts_are_found(void **state)
{
    (void)state;
    err e = ERR_NONE;
    char host[FETCH_HOST_SIZE];
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        check_ok(fetch_host(urls[i].url, host, &e), &e);
        assert_string_equal(host, urls[i].host);
    }
    static const char *const bad[] = {"",
                                      "example.org",
                                      "ftp://example.org",
                                      "file:///etc/passwd",
                                      "http://",
                                      "http:///x",
                                      "http://user:pass@example.org",
                                      "http://[::1",
                                      "http://:80/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_fails(fetch_host(bad[i], host, &e), ERR_INPUT, &e);
}

static pid_t serve_once(const char *answer, int *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    fflush(NULL);
    pid_t child = fork();
    if (child != 0) {
        close(fd);
        return child;
    }
    alarm(20);
    int c = accept(fd, NULL, NULL);
    char request[4096];
    ssize_t n = read(c, request, sizeof request - 1);
    request[n > 0 ? n : 0] = '\0';
    if (write(c, answer, strlen(answer)) < 0) _exit(1);
    shutdown(c, SHUT_WR);
    while (read(c, request + n, 1) > 0) continue;
    _exit(strstr(request, "POST /x HTTP/1.1\r\n") && strstr(request, "X-Test: 1\r\n") &&
                  strstr(request, "\r\n\r\nhello")
              ? 0
              : 2);
}

static int ask(fetch_answer *a, const char *answer, size_t answer_max, err *e)
{
    int port, status;
    static const char *const headers[] = {"X-Test: 1", NULL};
    char url[64];
    pid_t child = serve_once(answer, &port);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", port);
    int rc = fetch(a,
                   &(fetch_options){.url = url,
                                    .host = "127.0.0.1",
                                    .method = "POST",
                                    .headers = headers,
                                    .body = STR("hello"),
                                    .answer_max = answer_max,
                                    .time_ms_max = 5000},
                   e);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return rc;
}

static void answers_are_taken(void **state)
{
    (void)state;
    err e = ERR_NONE;
    fetch_answer a;
    check_ok(ask(&a, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok", 100, &e), &e);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.type, "text/plain");
    assert_true(str_equal(buf_str(&a.body), STR("ok")));
    buf_clear(&a.body);
    check_ok(ask(&a, "HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 100, &e), &e);
    assert_int_equal(a.status, 503);
    assert_int_equal(a.retry_s, 7);
    buf_clear(&a.body);
    // A redirect is an answer like any other: it is not followed.
    check_ok(ask(&a, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 100, &e), &e);
    assert_int_equal(a.status, 302);
    buf_clear(&a.body);
    check_fails(ask(&a, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", 4, &e), ERR_LIMIT, &e);
    check_fails(ask(&a, "what?\r\n\r\n", 100, &e), ERR_IO, &e);
}

static int try_url(const char *url, const char *host, err *e)
{
    fetch_answer a;
    return fetch(&a, &(fetch_options){.url = url, .host = host, .method = "GET", .answer_max = 10, .time_ms_max = 300},
                 e);
}

static void other_places_are_refused(void **state)
{
    (void)state;
    err e = ERR_NONE;
    check_fails(try_url("http://other.example/", "example.org", &e), ERR_DENIED, &e);
    check_fails(try_url("http://example.org/", NULL, &e), ERR_DENIED, &e);
    check_fails(try_url("file:///etc/passwd", "example.org", &e), ERR_INPUT, &e);
    // A name that resolves to a link-local address: here one that is a number in disguise.
    check_fails(try_url("http://0xa9fea9fe/latest/meta-data", "0xa9fea9fe", &e), ERR_DENIED, &e);
    check_fails(try_url("http://2852039166/", "2852039166", &e), ERR_DENIED, &e);
    check_says(&e, "resolves to an address");
    check_fails(try_url("http://127.0.0.1:1/", "127.0.0.1", &e), ERR_IO, &e);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {cmocka_unit_test(hosts_are_found), cmocka_unit_test(answers_are_taken),
                                       cmocka_unit_test(other_places_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
