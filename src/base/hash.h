// SHA-256 for names of content, a fast keyed hash for tables. SHA-256 is libsodium's.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_HASH_H
#define SLIPWAY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { SHA256_HEX_SIZE = 65 };

typedef struct sha256 {
    _Alignas(16) unsigned char state[128];
} sha256;

void sha256_init(sha256 *h);
void sha256_add(sha256 *h, const void *data, size_t len);
void sha256_hex(sha256 *h, char hex[SHA256_HEX_SIZE]); // ends the sum; lower case, NUL-terminated
void sha256_hex_of(const void *data, size_t len, char hex[SHA256_HEX_SIZE]);

// A hash for tables in memory; equal on every machine. Not for hostile keys without a bound on probes.
uint64_t hash_bytes(const void *data, size_t len, uint64_t seed);

#endif
