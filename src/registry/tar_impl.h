// POSIX ustar archives of plain files: what a backup is written as.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_TAR_IMPL_H
#define SLIPWAY_REGISTRY_TAR_IMPL_H

#include "base/err.h"
#include "base/files.h"
#include "base/str.h"

enum { TAR_BLOCK = 512, TAR_NAME_MAX = 99 };

// A file's header into `block`: a name of at most TAR_NAME_MAX bytes, any size.
void tar_format_header(char block[TAR_BLOCK], const char *name, uint64_t size, unsigned mode, int64_t time_s);

// A whole member: header, content, padding.
MUST_CHECK int tar_write(file_out *out, const char *name, str content, unsigned mode, int64_t time_s, err *e);
MUST_CHECK int tar_end(file_out *out, err *e); // the two blocks of zeros

// The next member of an archive in memory; *rest moves behind it. 1, or 0 at the end (two blocks of zeros; nothing may
// follow), or an error: ERR_FORMAT with the offset in `whole` for anything but plain files as tar_write() makes them.
MUST_CHECK int tar_next(str whole, str *rest, char name[TAR_NAME_MAX + 1], str *content, err *e);

#endif
