// Networks compared bit by bit; IPv4 is looked at as the part of IPv6 that maps it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/proxies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/decimal.h"

enum { MAPPED_BITS = 96 };

// False if it is no address. *v4: it is one of IPv4.
static bool parse_address(str text, uint8_t out[16], bool *v4)
{
    char copy[INET6_ADDRSTRLEN + 1];
    if (text.len == 0 || text.len >= sizeof copy) return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    memcpy(out, mapped, sizeof mapped);
    *v4 = inet_pton(AF_INET, copy, out + sizeof mapped) == 1;
    return *v4 || inet_pton(AF_INET6, copy, out) == 1;
}

static bool is_within(const uint8_t address[16], const proxy_range *r)
{
    size_t whole = r->bits / 8, rest = r->bits % 8;
    if (memcmp(address, r->address, whole) != 0) return false;
    return rest == 0 || (address[whole] ^ r->address[whole]) >> (8 - rest) == 0;
}

static bool have(const proxies *p, const uint8_t address[16])
{
    for (size_t i = 0; i < p->n; i++)
        if (is_within(address, &p->ranges[i])) return true;
    return false;
}

static str trim(str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) s = (str){s.data + 1, s.len - 1};
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
    return s;
}

static int parse_range(proxy_range *r, str text, err *e)
{
    const char *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    str address = {text.data, slash ? (size_t)(slash - text.data) : text.len};
    bool v4;
    int64_t bits = 0;
    bool ok = parse_address(address, r->address, &v4);
    int64_t most = ok && v4 ? 32 : 128;
    if (slash)
        ok = ok && decimal_parse_i64((str){slash + 1, text.len - address.len - 1}, &bits) == 0 && bits >= 0 &&
             bits <= most;
    else
        bits = most;
    if (!ok)
        return err_set(e, ERR_INPUT, "\"%.*s\" is neither an address nor a network like 10.0.0.0/8", (int)text.len,
                       text.data);
    r->bits = (unsigned)bits + (v4 ? MAPPED_BITS : 0);
    return 0;
}

int proxies_parse(proxies *p, const char *list, err *e)
{
    proxies found = {0};
    for (str left = str_of(list); left.len > 0;) {
        const char *comma = memchr(left.data, ',', left.len);
        size_t len = comma ? (size_t)(comma - left.data) : left.len;
        if (found.n == PROXIES_MAX) return err_set(e, ERR_LIMIT, "more than %d trusted proxies", PROXIES_MAX);
        TRY(parse_range(&found.ranges[found.n++], trim((str){left.data, len}), e));
        size_t past = comma ? len + 1 : len;
        left = (str){left.data + past, left.len - past};
    }
    *p = found;
    return 0;
}

bool proxies_have(const proxies *p, const struct sockaddr_storage *from)
{
    uint8_t address[16] = {[10] = 0xFF, [11] = 0xFF};
    if (p->n == 0) return false;
    if (from->ss_family == AF_INET)
        memcpy(address + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    else if (from->ss_family == AF_INET6)
        memcpy(address, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    else
        return false;
    return have(p, address);
}

bool proxies_client(const proxies *p, str list, char out[PEER_ADDRESS_SIZE])
{
    bool found = false;
    while (list.len > 0) {
        size_t at = list.len;
        while (at > 0 && list.data[at - 1] != ',') at--;
        str one = trim((str){list.data + at, list.len - at});
        uint8_t address[16];
        bool v4;
        if (!parse_address(one, address, &v4)) break;
        found = true;
        memcpy(out, one.data, one.len);
        out[one.len] = '\0';
        if (!have(p, address)) break;
        list.len = at > 0 ? at - 1 : 0;
    }
    return found;
}
