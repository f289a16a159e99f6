// libcurl's easy interface, one handle a call.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "base/fetch.h"

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/decimal.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo

enum { MINUTE_MS = 60000 };

static struct {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*setopt)(CURL *handle, CURLoption option, ...);
    CURLcode (*getinfo)(CURL *handle, CURLINFO info, ...);
    CURLcode (*perform)(CURL *handle);
    void (*cleanup)(CURL *handle);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free)(struct curl_slist *list);
    bool there;
} curl;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    static const struct {
        const char *name;
        void *to;
    } symbols[] = {
        {"curl_global_init", &curl.global_init},   {"curl_easy_init", &curl.easy_init},
        {"curl_easy_setopt", &curl.setopt},        {"curl_easy_getinfo", &curl.getinfo},
        {"curl_easy_perform", &curl.perform},      {"curl_easy_cleanup", &curl.cleanup},
        {"curl_slist_append", &curl.slist_append}, {"curl_slist_free_all", &curl.slist_free},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *found = dlsym(library, symbols[i].name);
        if (!found) return;
        memcpy(symbols[i].to, &found, sizeof found);
    }
    curl.there = curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int fetch_host(const char *url, char host[FETCH_HOST_SIZE], err *e)
{
    const char *at = strncasecmp(url, "https://", 8) == 0  ? url + 8
                     : strncasecmp(url, "http://", 7) == 0 ? url + 7
                                                           : NULL;
    if (!at) return err_set(e, ERR_INPUT, "\"%.100s\" is no http or https URL", url);
    size_t len = strcspn(at, "/?#");
    if (memchr(at, '@', len)) return err_set(e, ERR_INPUT, "a URL with a user name in it is not taken");
    bool brackets = *at == '[';
    const char *end = brackets ? memchr(at, ']', len) : memchr(at, ':', len);
    if (brackets && !end) return err_set(e, ERR_INPUT, "\"%.100s\": a bracket is not closed", url);
    size_t n = end ? (size_t)(end - at) : len;
    at += brackets;
    n -= brackets;
    if (n == 0 || n >= FETCH_HOST_SIZE) return err_set(e, ERR_INPUT, "\"%.100s\" names no host", url);
    for (size_t i = 0; i < n; i++) host[i] = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] | 0x20) : at[i];
    host[n] = '\0';
    return 0;
}

// One call.
typedef struct call {
    const fetch_options *o;
    buf body;
    int refused;  // the address was
    bool literal; // the host is an address
    uint32_t retry_s;
} call;

static bool is_link_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        uint32_t v4 = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
        return v4 >> 16 == 0xA9FE; // 169.254.0.0/16
    }
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) return v6->s6_addr[12] == 169 && v6->s6_addr[13] == 254;
    return IN6_IS_ADDR_LINKLOCAL(v6);
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    call *c = context;
    (void)purpose;
    bool internet = address->family == AF_INET || address->family == AF_INET6;
    if (!internet || (is_link_local(&address->addr) && !c->literal)) {
        c->refused = 1;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_body(char *data, size_t size, size_t n, void *context)
{
    call *c = context;
    buf_add(&c->body, data, size * n);
    return c->body.failed ? 0 : size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *context)
{
    call *c = context;
    size_t len = size * n;
    const char *name = "retry-after:";
    if (len > strlen(name) && strncasecmp(data, name, strlen(name)) == 0) {
        str value = {data + strlen(name), len - strlen(name)};
        while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) value.data++, value.len--;
        while (value.len > 0 && (unsigned char)value.data[value.len - 1] <= ' ') value.len--;
        int64_t seconds;
        if (decimal_parse_i64(value, &seconds) == 0 && seconds > 0 && seconds < 86400) c->retry_s = (uint32_t)seconds;
    }
    return len;
}

static int set_options(CURL *handle, call *c, struct curl_slist *headers, char *why, err *e)
{
    const fetch_options *o = c->o;
    bool ok = true;
#define SET(option, value) ok = curl.setopt(handle, option, value) == CURLE_OK && ok
    SET(CURLOPT_URL, o->url);
    SET(CURLOPT_ERRORBUFFER, why);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (o->ca_file) SET(CURLOPT_CAINFO, o->ca_file);
    SET(CURLOPT_CUSTOMREQUEST, o->method);
    if (o->body.data) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, o->body.data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body.len);
    }
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
    SET(CURLOPT_TIMEOUT_MS, (long)(o->time_ms_max ? o->time_ms_max : MINUTE_MS));
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, c);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, c);
#undef SET
    return ok ? 0 : err_set(e, ERR_UNSUPPORTED, "this libcurl lacks an option that is needed");
}

static int failure(const call *c, CURLcode code, const char *why, const char *host, err *e)
{
    if (c->refused) return err_set(e, ERR_DENIED, "%s resolves to an address that is not connected to", host);
    if (c->body.failed) return buf_check(&c->body, e);
    int rc = code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : code == CURLE_OUT_OF_MEMORY ? ERR_MEMORY : ERR_IO;
    return err_set(e, rc, "%s: %s", host, why[0] ? why : "the request failed");
}

int fetch(fetch_answer *out, const fetch_options *o, err *e)
{
    char host[FETCH_HOST_SIZE], why[CURL_ERROR_SIZE] = "";
    TRY(fetch_host(o->url, host, e));
    if (!o->host || strcasecmp(host, o->host) != 0)
        return err_set(e, ERR_DENIED, "\"%s\" is not a host that may be spoken to", host);
    pthread_once(&once, open_library);
    if (!curl.there) return err_set(e, ERR_UNSUPPORTED, "speaking HTTP to others needs libcurl (Debian: libcurl4)");
    CURL *handle = curl.easy_init();
    if (!handle) return err_set(e, ERR_MEMORY, "no memory for a request");
    struct in6_addr any;
    call c = {.o = o, .literal = inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1};
    buf_init(&c.body, o->answer_max);
    struct curl_slist *headers = NULL;
    int rc = 0;
    for (size_t i = 0; o->headers && o->headers[i] && rc == 0; i++) {
        struct curl_slist *more = curl.slist_append(headers, o->headers[i]);
        if (!more) rc = err_set(e, ERR_MEMORY, "no memory for a header");
        if (more) headers = more;
    }
    if (rc == 0) rc = set_options(handle, &c, headers, why, e);
    CURLcode code = CURLE_OK;
    if (rc == 0 && (code = curl.perform(handle)) != CURLE_OK) rc = failure(&c, code, why, host, e);
    long status = 0;
    char *type = NULL;
    if (rc == 0) {
        curl.getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        curl.getinfo(handle, CURLINFO_CONTENT_TYPE, &type);
        *out = (fetch_answer){.status = (int)status, .retry_s = c.retry_s, .body = c.body};
        snprintf(out->type, sizeof out->type, "%s", type ? type : "");
    } else {
        buf_clear(&c.body);
    }
    curl.slist_free(headers);
    curl.cleanup(handle);
    return rc;
}
