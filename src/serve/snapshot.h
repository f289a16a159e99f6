// The models now served, as event loops see them: immutable, handed over by pointer.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_SNAPSHOT_H
#define SLIPWAY_SERVE_SNAPSHOT_H

#include <stdbool.h>

#include "registry/deployments.h"
#include "serve/access.h"
#include "serve/served.h"
#include "serve/shadow.h"

// A version that somebody wants loaded.
typedef struct snapshot_version {
    int64_t version;
    served *served;    // NULL: not loaded
    char *fault;       // why it is not, a sentence; NULL if it is
    int code;          // of the fault
    uint64_t tried_ns; // when it was found
    size_t memory;     // bytes that it takes, or is known or thought to need
    bool deployed;     // traffic is sent to it,
    bool asked;        // or catalog_load() was called,
    bool named;        // or an alias points at it
    bool evicted;      // it was loaded, and had to make room
} snapshot_version;

typedef struct snapshot_alias {
    char name[ALIAS_MAX + 1];
    int64_t version;
} snapshot_alias;

// A model of the registry. One whose wanted version could not be loaded keeps serving the one before.
typedef struct snapshot_model {
    char name[MODEL_NAME_MAX + 1];
    int64_t wanted;        // what the alias points at; 0: nothing is deployed
    int64_t newest;        // of the versions in the registry
    bool unloaded;         // by catalog_unload(): nothing of it is loaded, on purpose
    int64_t created_ms;    // of the version in service, else of the newest; 0: there is none
    deployment deployment; // with a canary; its id is 0 if there is none
    served *canary;        // takes a share of what names no version; NULL: none, or it is not loaded
    uint64_t canary_seed;
    shadowing shadowing; // copies go to a shadow; its id is 0 if there is none
    shadow *shadow;      // one hold; NULL: none, or it is not loaded
    served *now;         // answers requests that name no version; NULL: cannot be served
    char *fault;         // why `now` is not what is wanted; NULL if it is
    size_t n_versions, n_aliases;
    snapshot_version *versions; // ascending; `now` is among them
    snapshot_alias *aliases;    // by name
    str row;                    // what the list of models says of it
    str card;                   // answer of GET /api/v1/models/{name}
    char etag[19];              // of the card, quotes included
} snapshot_model;

typedef struct snapshot { // immutable and counted, so any thread
    atomic_size_t n_owners;
    size_t n;
    snapshot_model *models; // by name, in the order of bytes
    size_t n_serving, n_faults;
    access_table *access;        // the keys
    size_t n_loaded;             // versions
    size_t memory, memory_max;   // bytes of those versions, and the budget
    uint64_t n_loads, n_evicted; // since the start
    const model_meter *meters;   // of every model seen so far: a list that lives as long as the catalog
    const openapi *openapi;      // borrowed until the catalog is freed
} snapshot;

snapshot *snapshot_hold(snapshot *s);                             // one more owner; returns s
void snapshot_drop(snapshot *s);                                  // one less; the last frees it; NULL is fine
const snapshot_model *snapshot_find(const snapshot *s, str name); // NULL if there is none

// The version by number; NULL if nobody wants it loaded. By name: a number in digits or an alias; 0 if neither.
snapshot_version *snapshot_version_find(const snapshot_model *m, int64_t version);
int64_t snapshot_version_of(const snapshot_model *m, str name);

// Why a model's shadow predicts nothing, a sentence; NULL: it does. The model has one (shadowing.id).
const char *snapshot_shadow_fault(const snapshot_model *m);

// The texts of one model, for the catalog: row, card and etag.
MUST_CHECK int snapshot_describe(snapshot_model *s, const registry_model *m, err *e);

#endif
