// Outgoing HTTP, for the few places that may speak first: telemetry, and packages between servers. libcurl, opened on
// first use by this file alone.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_FETCH_H
#define SLIPWAY_BASE_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

typedef struct fetch_options { // all borrowed for the call
    const char *url;           // http or https; a user or password in it is refused
    const char *host;          // the only host that the URL may name: what the user configured, not what a request said
    const char *method;        // "GET", "POST", "PUT"
    const char *const *headers; // "Name: value"; NULL-terminated, or NULL
    str body;
    size_t answer_max;    // bytes; more is ERR_LIMIT
    uint32_t time_ms_max; // from resolving to the last byte; 0: a minute
    const char *ca_file;  // NULL: the system's
} fetch_options;

typedef struct fetch_answer {
    int status;       // of HTTP: any is an answer
    char type[128];   // Content-Type, or ""
    uint32_t retry_s; // Retry-After in seconds, 0 if it was not said
    buf body;         // buf_clear()
} fetch_answer;

// No redirect is followed, no proxy of the environment used, and an address that the name resolves to is looked at
// before it is connected to: link-local ones (where clouds keep their secrets) are refused unless the host is that
// address itself. ERR_DENIED: another host, or such an address; ERR_UNSUPPORTED: there is no libcurl here; ERR_TIMEOUT;
// ERR_IO: what the network said. Any thread. On failure *out is untouched.
MUST_CHECK int fetch(fetch_answer *out, const fetch_options *o, err *e);

// The host of an http or https URL, lower case, without port and brackets, into `host` (room for 254). ERR_INPUT if it
// is no such URL.
enum { FETCH_HOST_SIZE = 254 };
MUST_CHECK int fetch_host(const char *url, char host[FETCH_HOST_SIZE], err *e);

#endif
