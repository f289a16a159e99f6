// Blobs: content-addressed files under DIR/blobs, and the lock that keeps adders and the collector apart.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_BLOBS_IMPL_H
#define SLIPWAY_REGISTRY_BLOBS_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

// ---- the lock: an empty file under flock(2) ----

typedef struct lock { // one thread at a time
    char *path;       // owned
    int fd;           // -1 when it is not held
} lock;

enum { LOCK_WAIT_MS = 10000 };

MUST_CHECK int lock_init(lock *l, const char *dir, err *e); // takes no lock and makes no file yet
void lock_clear(lock *l);                                   // releases; a zeroed lock with fd -1 is fine
// Waits at most wait_ms, then ERR_BUSY. Makes the file if it may: a missing one that cannot be made is no error for a
// shared lock (nobody can collect there either).
MUST_CHECK int lock_take(lock *l, bool exclusive, int64_t wait_ms, err *e);
void lock_release(lock *l);

// ---- blobs; `dir` is the registry's folder ----

// Durable when it returns 0. *added: there was no such file before; also set on failure, when there may be one now that
// is not durable. Under a shared lock.
MUST_CHECK int blob_put(const char *dir, const char *sum, str content, bool *added, err *e);
// A mapping for file_unmap(). The content is not looked at. A missing one is ERR_CORRUPT.
MUST_CHECK int blob_map(const char *dir, const char *sum, str *out, err *e);
// Removes the file, and its folder if it is empty then. Under an exclusive lock.
MUST_CHECK int blob_remove(const char *dir, const char *sum, err *e);

typedef struct blob_entry {
    char path[320]; // below DIR: "blobs/ab/cdef..."
    char sha256[SHA256_HEX_SIZE];
    enum { BLOB_FILE, BLOB_TEMPORARY, BLOB_STRANGER } kind; // a stranger is no file of ours
    int64_t size;
} blob_entry;

// Calls back for everything below DIR/blobs, sorted by path; a negative answer ends it and is returned.
typedef int blob_call(void *context, const blob_entry *b, err *e);
MUST_CHECK int blobs_each(const char *dir, blob_call *call, void *context, err *e);

// Names in a folder without "." and "..", sorted by bytes: names_free(). Also used for whole trees.
MUST_CHECK int names_list(const char *folder, char ***names, size_t *n, err *e);
void names_free(char **names, size_t n);

// "blobs/ab/cdef..." below DIR.
enum { BLOB_PATH_SIZE = 6 + 3 + SHA256_HEX_SIZE - 2 };
void blob_path(const char *sum, char path[BLOB_PATH_SIZE]);

#endif
