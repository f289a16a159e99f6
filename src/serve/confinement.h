// What the process that faces the network gives up before it loads a model or answers anybody: docs/security.md has the
// list. Its runners and runs start with less than it has, and give up more.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_CONFINEMENT_H
#define SLIPWAY_SERVE_CONFINEMENT_H

#include "serve/server.h"

// For good, for the calling thread and those it makes: so before there are others, when what lies elsewhere was read
// once (certificates are read again, from the folders that they lie in). What the kernel cannot do is said in the log,
// once, and gone without.
MUST_CHECK int confinement_enter(const server_options *o, err *e);

// When the ports are open: this thread opens no others, and connects to nobody over TCP. The thread of the observer,
// which sends telemetry, was there before.
MUST_CHECK int confinement_close_ports(err *e);

#endif
