// The models now served: immutable snapshots, made from the registry, handed to the event loops by pointer.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_CATALOG_H
#define SLIPWAY_SERVE_CATALOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "model/model.h"
#include "registry/registry.h"
#include "registry/signatures.h"
#include "serve/access.h"
#include "serve/decode.h"
#include "serve/encode.h"
#include "serve/meters.h"
#include "serve/openapi.h"
#include "serve/runtime.h"

// One version of a model, made ready. Immutable and counted, so any thread.
typedef struct served {
    atomic_size_t n_owners;
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    model *model;
    decoder *decoder;
    encoder *encoder;
    running *running;
    openapi_part api;
    model_meter *meter; // borrowed until the catalog is freed
} served;

// A model of the registry. One whose wanted version could not be loaded keeps serving the one before.
typedef struct snapshot_model {
    char name[MODEL_NAME_MAX + 1];
    int64_t wanted;     // what the alias points at; 0: nothing is deployed
    int64_t created_ms; // of the version in service, else of the newest; 0: there is none
    served *now;        // NULL: cannot be served
    char *fault;        // why `now` is not what is wanted; NULL if it is
    str row;            // what the list of models says of it
    str card;           // answer of GET /api/v1/models/{name}
    char etag[19];      // of the card, quotes included
} snapshot_model;

typedef struct snapshot { // immutable and counted, so any thread
    atomic_size_t n_owners;
    size_t n;
    snapshot_model *models; // by name, in the order of bytes
    size_t n_serving, n_faults;
    access_table *access;      // the keys
    const model_meter *meters; // of every model seen so far: a list that lives as long as the catalog
    const openapi *openapi;    // borrowed until the catalog is freed
} snapshot;

snapshot *snapshot_hold(snapshot *s);                             // one more owner; returns s
void snapshot_drop(snapshot *s);                                  // one less; the last frees it; NULL is fine
const snapshot_model *snapshot_find(const snapshot *s, str name); // NULL if there is none

// Watches a registry. One thread at a time.
typedef struct catalog catalog;

// n_slots: threads that count predictions, see meters.h. Borrows the runtime until catalog_free(). Loads nothing yet.
MUST_CHECK int catalog_new(catalog **out, const char *data_dir, size_t n_slots, runtime *rt, err *e);
void catalog_free(catalog *c); // NULL is fine; after all who may hold a snapshot
// Fills leases that run low; when the server ends, gives back all of them. Often; cheap.
MUST_CHECK int catalog_tend_quotas(catalog *c, bool ends, err *e);
// From now on only versions that one of these keys has signed are loaded. Borrows them until catalog_free().
void catalog_trust(catalog *c, const trusted_keys *keys);

// Looks whether the registry changed and, if so, loads what is deployed. *changed: there is a new snapshot. A version
// that cannot be loaded is logged and is no failure; a failure leaves the present snapshot as it is.
MUST_CHECK int catalog_refresh(catalog *c, bool *changed, err *e);
snapshot *catalog_snapshot(catalog *c); // of the last refresh, held once more
// Old snapshots are freed here, by the watching thread, when nobody else holds them: never by an event loop.
void catalog_sweep(catalog *c);

#endif
