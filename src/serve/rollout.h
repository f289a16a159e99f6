// Deployments that are under way: which version a request goes to, and the watch over the canary.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_ROLLOUT_H
#define SLIPWAY_SERVE_ROLLOUT_H

#include "base/hash.h"
#include "serve/http.h"
#include "serve/snapshot.h"

// Whether a request that names no version goes to the canary. By the hash of its X-Routing-Key, so that the same key
// goes the same way as long as the weight is not lowered; without a key by the request's lot. The seed differs from
// deployment to deployment, so that not the same keys are always the first. Any thread.
static inline bool rollout_takes_canary(const snapshot_model *m, str key, uint64_t lot)
{
    uint64_t number =
        key.len > 0 ? hash_bytes(key.data, key.len, m->canary_seed) : hash_bytes(&lot, sizeof lot, m->canary_seed);
    return number % WEIGHT_ALL < (uint64_t)m->deployment.weight;
}

// The watch: what was seen of each deployment in its present window. One thread: the one that watches the registry.
typedef struct trial trial;
typedef struct rollouts {
    trial *first;
    uint64_t looked_ns;
} rollouts;

// Looks at all that are under way, a few times a second, and takes back what breaks a guard, or cannot be loaded. The
// decision is in the registry when this returns; the next snapshot follows it.
void rollouts_watch(rollouts *w, registry *r, const snapshot *s, uint64_t now_ns);
void rollouts_clear(rollouts *w);

#endif
