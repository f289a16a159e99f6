// What single versions did, for Prometheus: those that are loaded, canaries and shadows.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_VERSION_METERS_H
#define SLIPWAY_SERVE_VERSION_METERS_H

#include "base/buf.h"
#include "serve/snapshot.h"

void version_meters_write(const snapshot *s, buf *out);

#endif
