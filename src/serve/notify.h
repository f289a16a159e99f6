// Telling systemd how we are (sd_notify(3)), without its library.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_NOTIFY_H
#define SLIPWAY_SERVE_NOTIFY_H

// "READY=1", "STOPPING=1": one datagram to $NOTIFY_SOCKET. Nothing happens without it, or if nobody listens.
void notify_send(const char *state);

#endif
