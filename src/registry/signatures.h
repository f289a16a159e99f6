// Signatures beside packages: kept by digest, so that a package that is registered twice is signed once.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_SIGNATURES_H
#define SLIPWAY_REGISTRY_SIGNATURES_H

#include "model/signature.h"
#include "registry/registry.h"

enum { SIGNATURES_MAX = 16 }; // of one package

// Adds a signature that is sound (ERR_CORRUPT if not) to the package of a version; the same signer again replaces his
// own. More than SIGNATURES_MAX are ERR_LIMIT. Durable, and recorded in the audit log.
MUST_CHECK int registry_sign(registry *r, const char *name, int64_t version, const package_signature *s, err *e);
// The signatures of a package, by signer; *n of them, perhaps none.
MUST_CHECK int registry_signatures(registry *r, const char *digest, package_signature out[SIGNATURES_MAX], size_t *n,
                                   err *e);

#endif
