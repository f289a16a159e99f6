// What the files of the registry share.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_REGISTRY_IMPL_H
#define SLIPWAY_REGISTRY_REGISTRY_IMPL_H

#include "registry/audit.h"
#include "registry/blobs_impl.h"
#include "registry/db_impl.h"
#include "registry/ladder_impl.h"
#include "registry/registry.h"

struct registry {
    char *dir;
    char *path; // of registry.db
    db *db;
    lock lock;
    bool read_only;
    char actor[AUDIT_TEXT_MAX + 1]; // who acts, for the audit log
    size_t version;                 // of the database, as this handle knows it
};

// registry_open() with a ladder of one's own: tests climb higher than the program can.
MUST_CHECK int registry_open_with(registry **out, const char *dir, const registry_options *o, const ladder *l, err *e);

// The id of a model that has versions; ERR_NOT_FOUND suggests the nearest name. Within a transaction.
MUST_CHECK int registry_find_model(registry *r, const char *name, int64_t *id, err *e);

// A write transaction that makes sure that the database is still of the version we know.
MUST_CHECK int registry_begin_change(registry *r, err *e);
// Raises the counter and commits; on failure everything is rolled back.
MUST_CHECK int registry_end_change(registry *r, err *e);

// A record of the audit log, within the write transaction that makes the change.
MUST_CHECK int registry_point_alias(registry *r, const char *name, const char *alias, int64_t version, bool *changed,
                                    err *e); // within a transaction
MUST_CHECK int registry_audit_within(registry *r, const audit_entry *a, err *e);

// Whether a version names this blob.
MUST_CHECK int registry_names_blob(registry *r, const char *sum, bool *named, err *e);

#endif
