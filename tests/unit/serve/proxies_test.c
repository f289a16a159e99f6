// Which proxies are believed, and who is behind them.
// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>

#include "check.h"
#include "serve/listener.h"
#include "serve/proxies.h"

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage s = {0};
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&s)->sin_addr) == 1)
        s.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&s)->sin6_addr) == 1)
        s.ss_family = AF_INET6;
    else
        s.ss_family = AF_UNIX;
    return s;
}

static void networks_are_matched(void **state)
{
    (void)state;
    proxies p;
    err e = ERR_NONE;
    check_ok(proxies_parse(&p, "10.0.0.0/9, 192.168.1.7,2001:db8::/33,::1", &e), &e);
    assert_int_equal(p.n, 4);
    static const struct {
        const char *address;
        bool trusted;
    } all[] = {{"10.0.0.1", true},    {"10.127.255.255", true}, {"10.128.0.0", false},      {"11.0.0.0", false},
               {"192.168.1.7", true}, {"192.168.1.6", false},   {"2001:db8:7fff::1", true}, {"2001:db8:8000::1", false},
               {"::1", true},         {"::2", false},           {"::ffff:10.1.2.3", true},  {"unix", false}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sockaddr_storage s = address_of(all[i].address);
        if (proxies_have(&p, &s) != all[i].trusted) fail_msg("%s", all[i].address);
    }
    check_ok(proxies_parse(&p, "", &e), &e);
    struct sockaddr_storage s = address_of("10.0.0.1");
    assert_false(proxies_have(&p, &s));
    check_ok(proxies_parse(&p, "0.0.0.0/0", &e), &e);
    assert_true(proxies_have(&p, &s));
    s = address_of("2001::1");
    assert_false(proxies_have(&p, &s));
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",        "10.0.0.0/33", "10.0.0.0/-1",  "::1/129",   "10.0.0.0/", "10.0.0.0/8,,::1",
        "10.0.0/8", "/8",          "10.0.0.0/8/8", "1.2.3.4:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        proxies p = {.n = 77};
        err e = ERR_NONE;
        check_fails(proxies_parse(&p, bad[i], &e), ERR_INPUT, &e);
        assert_int_equal(p.n, 77);
    }
}

static void the_client_is_who_the_last_proxy_saw(void **state)
{
    (void)state;
    proxies p;
    err e = ERR_NONE;
    check_ok(proxies_parse(&p, "10.0.0.0/8", &e), &e);
    static const struct {
        const char *list, *client; // NULL: none
    } all[] = {{"1.2.3.4", "1.2.3.4"},
               {"6.6.6.6, 1.2.3.4", "1.2.3.4"},
               {"6.6.6.6, 1.2.3.4, 10.0.0.1,10.9.9.9", "1.2.3.4"},
               {"10.0.0.1, 10.0.0.2", "10.0.0.1"},
               {"2001:db8::5", "2001:db8::5"},
               {"<script>, 10.0.0.1", "10.0.0.1"},
               {"unknown", NULL},
               {"", NULL},
               {",", NULL},
               {"1.2.3.4,", NULL},
               {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char out[PEER_ADDRESS_SIZE] = "as it was";
        bool found = proxies_client(&p, str_of(all[i].list), out);
        assert_int_equal(found, all[i].client != NULL);
        assert_string_equal(out, all[i].client ? all[i].client : "as it was");
    }
}

static void addresses_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
    } all[] = {{"127.0.0.1:80", "127.0.0.1", 80},
               {"[::1]:9090", "::1", 9090},
               {"8081", "127.0.0.1", 8081},
               {"localhost:0", "localhost", 0}};
    static const char *const bad[] = {"", ":", ":80", "a:", "a:x", "a:65536", "::1:80", "[::1]", "a:-1", "[]:1"};
    char host[ADDRESS_TEXT_MAX + 1];
    uint16_t port;
    err e = ERR_NONE;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check_ok(listener_parse(all[i].text, host, &port, &e), &e);
        assert_string_equal(host, all[i].host);
        assert_int_equal(port, all[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (listener_parse(bad[i], host, &port, &e) != ERR_INPUT) fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_matched),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(the_client_is_who_the_last_proxy_saw),
        cmocka_unit_test(addresses_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
