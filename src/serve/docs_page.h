// /docs: the description for people. A page of console/docs/ that reads /openapi.json; nothing in it comes from
// elsewhere.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_DOCS_PAGE_H
#define SLIPWAY_SERVE_DOCS_PAGE_H

#include "serve/protocol.h"

extern const protocol_row docs_protocol;

#endif
