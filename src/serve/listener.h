// Where a server is reached: the public port, the port of those who run it, and a socket in its data directory.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_LISTENER_H
#define SLIPWAY_SERVE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "serve/protocol.h"

typedef struct listener {
    int fd; // non-blocking; -1: closed
    entrance entrance;
    bool loopback;  // nobody beyond this machine reaches it
    bool encrypted; // speaks TLS
} listener;

enum { ADDRESS_TEXT_MAX = 255 };

// Listens at host (an address, or "localhost") and *port; 0 is any free one, and *port says which it became. `first`:
// of those that share a port; ERR_BUSY if anybody else has it. The socket is yours: listener_close().
MUST_CHECK int listener_open(listener *out, const char *host, uint16_t *port, bool first, err *e);
// A Unix socket of mode 0600. One that a server left behind is replaced; ERR_BUSY if a server answers there.
MUST_CHECK int listener_open_socket(listener *out, const char *path, err *e);
void listener_close(listener *l); // also if it is closed already

// Whether who connected may come in here: on the socket, only processes of the same user and of root.
bool listener_admits(const listener *l, int fd);

// Cuts "HOST:PORT", "[::1]:PORT" or "PORT" (of 127.0.0.1). ERR_INPUT.
MUST_CHECK int listener_parse(const char *text, char host[ADDRESS_TEXT_MAX + 1], uint16_t *port, err *e);

#endif
