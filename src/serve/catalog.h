// The models now served: snapshots made from the registry, from what people ask to have loaded, and from what fits.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_CATALOG_H
#define SLIPWAY_SERVE_CATALOG_H

#include "serve/snapshot.h"

// What is loaded, in this order while it fits into the budget:
//   deployed   the version that the default alias points at, and those that a deployment sends traffic to;
//   asked for  by catalog_load();
//   named      by another alias.
// What is deployed or asked for makes room by evicting what is not deployed, the least recently used first. What is
// evicted is forgotten until somebody asks for it again; what is named comes back when there is room. A version that
// takes the place of another is loaded beside it, so there must be room for both.
//
// What was asked for belongs to this server and ends with it: a server that starts again loads what is deployed and
// named, and nothing else. Deployments and aliases are in the registry and stay.
typedef struct catalog catalog; // one thread at a time, but for what says "any thread"

// n_slots: threads that count predictions, see meters.h. memory_max: bytes of all loaded versions. Borrows the runtime
// until catalog_free(). Loads nothing yet.
MUST_CHECK int catalog_new(catalog **out, const char *data_dir, size_t n_slots, runtime *rt, size_t memory_max, err *e);
void catalog_free(catalog *c); // NULL is fine; after all who may hold a snapshot
// Fills leases that run low; when the server ends, gives back all of them. Often; cheap.
MUST_CHECK int catalog_tend_quotas(catalog *c, bool ends, err *e);
// From now on only versions that one of these keys has signed are loaded. Borrows them until catalog_free().
void catalog_trust(catalog *c, const trusted_keys *keys);

// How long a window of drift is, of versions loaded from now on; an hour unless said.
void catalog_watch_drift(catalog *c, int64_t window_ms);

// Looks whether the registry changed or somebody ordered something and, if so, loads and unloads. *changed: there is a
// new snapshot. A version that cannot be loaded is logged and is no failure; a failure leaves the present snapshot as
// it is.
MUST_CHECK int catalog_refresh(catalog *c, bool *changed, err *e);
snapshot *catalog_snapshot(catalog *c); // of the last refresh, held once more
// Lets those who ordered go on: call it when the snapshot has been handed to the event loops.
void catalog_settle(catalog *c);
// Old snapshots are freed here, by the watching thread, when nobody else holds them: never by an event loop.
void catalog_sweep(catalog *c);
// Waits until somebody orders something, for wait_ms at most. False: catalog_end() was called.
bool catalog_wait(catalog *c, uint32_t wait_ms);
void catalog_end(catalog *c); // any thread: those who wait go, and later orders are ERR_CANCELLED

// Orders, for workers: any thread that may wait, until the watching thread is done and every event loop has been given
// the result. `name` as the registry knows it, with its tenant. Nothing that is running is disturbed.
//
// Loads a version, 0 for the deployed one, or the newest if there is none; *loaded (may be NULL): which. One that is
// loaded already is fine. ERR_NOT_FOUND: no such model or version. ERR_FULL: it does not fit, with the numbers. Other
// failures say why it cannot be loaded. After a whole model was unloaded, this brings all of it back.
MUST_CHECK int catalog_load(catalog *c, const char *name, int64_t version, int64_t *loaded, err *e);
// Unloads a version, or with 0 the whole model: also what is deployed, until catalog_load(), or until the default alias
// is pointed at another version. A single version that is deployed is ERR_CONFLICT, one that is not loaded
// ERR_NOT_FOUND. Requests on their way are answered.
MUST_CHECK int catalog_unload(catalog *c, const char *name, int64_t version, err *e);

#endif
