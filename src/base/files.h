// Files: read whole, mapped, written so that either the old or the new content is there, never half of it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_FILES_H
#define SLIPWAY_BASE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

// Errors name the path and the system's reason. Any thread.

// Reads at most `len_max` bytes; a larger file is ERR_LIMIT. Also of a pipe. *out is initialised by the call, empty on
// failure; buf_clear() afterwards.
MUST_CHECK int file_read(const char *path, size_t len_max, buf *out, err *e);

// Maps a regular file for reading; an empty one gives len 0. The view lives until file_unmap().
MUST_CHECK int file_map(const char *path, str *out, err *e);
void file_unmap(str map);

// Temporary file in the same folder, write, fsync, rename, fsync of the folder. On failure nothing is left behind and
// the old content is untouched; only when the very last step fails, the fsync of the folder, is the new content there,
// whole, but not sure to survive a power loss. `mode` as for open(), e.g. 0644.
MUST_CHECK int file_write_atomic(const char *path, str content, unsigned mode, err *e);

// The same for a file that is written piece by piece. One thread at a time; the fields are its own.
typedef struct file_out {
    char *path, *folder, *temporary;
    int fd;
} file_out;
MUST_CHECK int file_out_open(file_out *f, const char *path, unsigned mode, err *e);
MUST_CHECK int file_out_write(file_out *f, str content, err *e);
MUST_CHECK int file_out_commit(file_out *f, err *e); // fsync, rename, fsync of the folder; also ends it on failure
void file_out_abort(file_out *f);                    // ends it without a trace; after commit nothing happens

// Goes on with a file from byte `at`: what is behind it is cut off. Made if it is not there and `at` is 0; one that is
// shorter is ERR_CORRUPT. *fd is the caller's: close(2).
MUST_CHECK int file_resume(const char *path, uint64_t at, unsigned mode, int *fd, err *e);
MUST_CHECK int fd_sync(int fd, err *e);
// To another name in the same folder, which is synced.
MUST_CHECK int file_rename(const char *from, const char *to, err *e);

MUST_CHECK int dir_make(const char *path, unsigned mode, err *e); // with its parents; an existing one is fine
MUST_CHECK int dir_sync(const char *path, err *e);
bool path_exists(const char *path);

// "DIR/NAME" into a new text: mem_free(). NULL without memory.
char *path_join(const char *dir, const char *name);
// The name without folders, without ".gz" and without the last extension ("a/b/titanic.csv.gz" -> "titanic"):
// mem_free(). NULL without memory.
char *path_stem(const char *path);

// All of it, whatever signals and short writes do.
MUST_CHECK int fd_write_all(int fd, str content, err *e);

// Fault injection, for tests: the nth system call for I/O made by this file from now on fails with `number` (an errno).
// 0 switches it off. Returns the number of calls since the last time.
uint64_t files_fail_at(uint64_t nth, int number);

#endif
