// Where a registry may lie: not on a network file system.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_PLACE_IMPL_H
#define SLIPWAY_REGISTRY_PLACE_IMPL_H

#include "base/err.h"
#include "base/str.h"

// ERR_UNSUPPORTED if `dir`, or the nearest folder above it that exists, is on a network file system.
MUST_CHECK int place_check(const char *dir, err *e);

// The name of the network file system that this is, or NULL if it is none. magic: statfs's f_type. type: as
// /proc/self/mountinfo has it ("fuse.sshfs"), looked at for FUSE only; "" if unknown.
const char *place_network_name(unsigned long magic, const char *type);

// The type of the mount that holds the device `major`:`minor`, out of the text of a mountinfo; "" if it is not there.
void place_mount_type(str mountinfo, unsigned major_number, unsigned minor_number, char type[64]);

#endif
