// From the name in a request to the version that answers it: the same for every protocol.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_MODELS_H
#define SLIPWAY_SERVE_MODELS_H

#include "serve/serving.h"

// A model that the caller may see, deployed or not. ERR_NOT_FOUND, with r->at.code "unknown_model", suggests the
// nearest name among those; one of another tenant, or out of scope, is as if it were not there.
MUST_CHECK int models_find(const serving *s, const request *q, str name, const snapshot_model **out, response *r,
                           err *e);

// The version that is to answer a request. `version`: empty for the deployed one, else a number or an alias. What is
// not there is ERR_NOT_FOUND; sets r->status and r->at.code: "not_deployed", "unknown_version" 404; "model_broken",
// "not_loaded" (unloaded, or evicted) 503.
MUST_CHECK int models_pick(const serving *s, const request *q, str name, str version, const served **out, response *r,
                           err *e);

// The i-th model that the caller may see, from *at on; NULL at the end. Start with *at 0.
const snapshot_model *models_next(const serving *s, const request *q, size_t *at);

// How many deployed models cannot be served: no version of them is loaded, or its runner fails again and again.
size_t models_unready(const serving *s);

#endif
