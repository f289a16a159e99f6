// The proxies in front of a server that are believed when they say for whom they ask.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_PROXIES_H
#define SLIPWAY_SERVE_PROXIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"
#include "serve/protocol.h"

enum { PROXIES_MAX = 64 };

typedef struct proxy_range {
    uint8_t address[16]; // IPv4 as ::ffff:a.b.c.d
    unsigned bits;
} proxy_range;

typedef struct proxies { // immutable once filled
    size_t n;
    proxy_range ranges[PROXIES_MAX];
} proxies;

// list: addresses and networks ("10.0.0.0/8", "::1") with commas between; "" for none. ERR_INPUT names what is neither.
MUST_CHECK int proxies_parse(proxies *p, const char *list, err *e);
// Whether a connection comes from one.
bool proxies_have(const proxies *p, const struct sockaddr_storage *from);
// The client, from X-Forwarded-For: the last address in it that is no proxy of ours, because what stands before it is
// only what that one said. False, and `out` as it was, if there is none.
bool proxies_client(const proxies *p, str forwarded_for, char out[PEER_ADDRESS_SIZE]);

#endif
