// Running the server from a command: options from the settings, signals, the line that says where.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_SERVING_H
#define SLIPWAY_CMD_SERVING_H

#include <stdint.h>

#include "base/err.h"
#include "serve/server.h"

server_options serving_options(void); // as the settings say
// Serves until SIGINT or SIGTERM. ready is called once the port is bound.
MUST_CHECK int serving_run(const server_options *o, void (*ready)(void *context, uint16_t port), void *context, err *e);

uint16_t serving_admin_port(void); // of the running server; 0: it has none

#endif
