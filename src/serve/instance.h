// Which data directory a server serves, said without saying where it is.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_INSTANCE_H
#define SLIPWAY_SERVE_INSTANCE_H

#include "base/err.h"

enum { INSTANCE_SIZE = 33 };

// 32 hexadecimal digits of a hash over the device and inode of the folder: the same for every path that leads there.
MUST_CHECK int instance_of(const char *data_dir, char out[INSTANCE_SIZE], err *e);

#endif
