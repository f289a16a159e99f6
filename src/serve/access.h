// Who may do what: from a request's header to a principal.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_ACCESS_H
#define SLIPWAY_SERVE_ACCESS_H

#include <stdbool.h>

#include "serve/protocol.h"

// Everybody who reaches a loopback server over which no key was made: everything in the default tenant.
extern const principal local_principal;

// Whether a model of the registry ("NAME", or "TENANT/NAME") is there for this principal: of its tenant, and in scope.
bool principal_sees(const principal *p, const char *model);
// The name as the principal knows it: without the tenant. A view.
const char *principal_name_of(const char *model);

#endif
