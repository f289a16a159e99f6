// The names that a server answers to, and the origins whose pages may call it from a browser. Browsers reach loopback
// addresses too, so both are looked at before anything else of a request.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SITES_H
#define SLIPWAY_SERVE_SITES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { SITES_MAX = 64, SITE_BYTES_MAX = 255 };

typedef struct site_origin {
    char *name;   // owned: "https://app.example.org"
    char *header; // owned: what an answer to a page from there says besides, as header lines
} site_origin;

typedef struct sites { // immutable once filled
    bool loopback;     // bound to a loopback address: addresses of other networks are no names of ours
    bool any_host;     // "*" is allowed
    size_t n_hosts, n_origins;
    char *hosts[SITES_MAX]; // owned
    site_origin origins[SITES_MAX];
} sites;

// host: what the server is bound to. hosts, origins: lists with commas, "" for none. A host is a name without port, or
// "*" for any; an origin is scheme, host and, if it is not the usual one, port. ERR_INPUT names what is neither.
MUST_CHECK int sites_init(sites *s, const char *host, bool loopback, const char *hosts, const char *origins, err *e);
void sites_clear(sites *s);

// Whether a Host header names this server: always "localhost" and loopback addresses; the address that it is bound to;
// every address, written as numbers, if it is not bound to loopback (a page of the web needs a name to get here); and
// the allowed hosts. Any port.
bool sites_have_host(const sites *s, str host);

// Whether an Origin header is this server's own: the Host header behind "http://" or "https://".
bool sites_same_origin(str origin, str host);
// The header lines for an answer to a page of that origin; NULL if it is not allowed.
const char *sites_find_origin(const sites *s, str origin);

#endif
