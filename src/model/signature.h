// Signatures of packages: Ed25519 over the package's digest, by libsodium. The digest is the sum of the manifest, which
// names every blob by its sum, so a signature vouches for all of it.
//
// Keys and signatures are lines of text, in base64 (RFC 4648, with padding), what stands behind them on the line is a
// comment:
//   slipway-secret SEED        32 bytes; the file that holds it is for its owner alone
//   slipway-public KEY         32 bytes
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_SIGNATURE_H
#define SLIPWAY_MODEL_SIGNATURE_H

#include "base/err.h"
#include "base/hash.h"

enum {
    SIGNER_SIZE = 45,    // a public key in base64, NUL included
    SIGNATURE_SIZE = 89, // a signature in base64, NUL included
    TRUSTED_MAX = 256,   // keys in one file
};

typedef struct package_signature { // of one digest by one key
    char signer[SIGNER_SIZE], text[SIGNATURE_SIZE];
} package_signature;

// Makes a pair of keys: FILE (0600, must not be there yet) and FILE.pub.
MUST_CHECK int signing_key_make(const char *path, char signer[SIGNER_SIZE], err *e);
// Signs with the secret key of a file. ERR_DENIED if others than its owner may read it.
MUST_CHECK int signature_make(package_signature *out, const char *digest, const char *key_path, err *e);

// Public keys that are trusted. Immutable, so any thread.
typedef struct trusted_keys {
    size_t n;
    char (*signers)[SIGNER_SIZE]; // owned
} trusted_keys;
// One key a line; empty lines, and those that start with '#', are passed over. A file without a key is ERR_INPUT.
MUST_CHECK int trusted_keys_load(trusted_keys *out, const char *path, err *e);
void trusted_keys_clear(trusted_keys *t); // a zeroed one is fine

// Whether a signature is sound, whoever made it: ERR_CORRUPT if not.
MUST_CHECK int signature_check(const package_signature *s, const char *digest, err *e);
// Whether one of n signatures is sound and by a trusted key: ERR_DENIED if not.
MUST_CHECK int signatures_trusted(const package_signature *all, size_t n, const char *digest, const trusted_keys *t,
                                  err *e);

#endif
