// The registry: packages as numbered versions of named models, aliases that point at versions, and their history.
// SQLite for the records, content-addressed files for the blobs; docs/formats/registry.md describes both.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_REGISTRY_H
#define SLIPWAY_REGISTRY_REGISTRY_H

#include "base/err.h"
#include "base/json.h"
#include "model/package.h"

typedef struct registry registry; // one thread at a time; any number of handles and processes at once

enum { MODEL_PLAIN_MAX = 64, TENANT_MAX = 32, ALIAS_MAX = 64 };
enum { MODEL_NAME_MAX = TENANT_MAX + 1 + MODEL_PLAIN_MAX }; // of "TENANT/NAME"
#define ALIAS_DEFAULT "production"

// Letters, digits, '-', '_', '.'; the first a letter or digit. NULL, or why it is not. Aliases follow the same rule and
// are not all digits. A model is "NAME", which belongs to the default tenant, or "TENANT/NAME".
const char *model_name_fault(const char *name);
const char *tenant_fault(const char *tenant); // "" is one: the default
const char *alias_fault(const char *alias);

typedef struct registry_options {
    bool read_only; // never creates or changes anything, but for SQLite's own -wal and -shm files; a registry that is
                    // not there is ERR_NOT_FOUND
} registry_options;

// Opens DIR, making it (0700), and brings an older database up to date in one transaction after a copy beside it. A
// newer one is ERR_UNSUPPORTED and untouched. A network file system under SQLite is refused (ERR_UNSUPPORTED). A folder
// that cannot be written to is ERR_DENIED even for reading: SQLite's WAL needs its index there. o may be NULL.
MUST_CHECK int registry_open(registry **out, const char *dir, const registry_options *o, err *e);
void registry_close(registry *r); // NULL is fine

typedef struct registry_version {
    int64_t version; // 1, 2, ... in each model; a number is never used again
    char digest[SHA256_HEX_SIZE];
    char run_key[SHA256_HEX_SIZE]; // of training_key(); "" if the package came as a file
    int64_t created_ms;            // clock_utc_ms()
    int64_t size;                  // bytes of manifest and blobs
    char *metrics;                 // JSON text of the package's metrics; owned
} registry_version;

typedef struct registry_alias {
    char name[ALIAS_MAX + 1];
    int64_t version;
} registry_alias;

typedef struct registry_model {
    char name[MODEL_NAME_MAX + 1];
    size_t n_versions, n_aliases;
    registry_version *versions; // ascending
    registry_alias *aliases;    // by name
} registry_model;

typedef struct registry_list {
    size_t n;
    registry_model *models; // by name
} registry_list;

// Every change is durable when the call returns 0 (fsync of blobs and folder, then one SQLite transaction), and leaves
// nothing behind when it does not. Two exceptions, both seen only when the disk itself fails: blobs stay as orphans
// (for registry_gc) when somebody else is adding at that moment, and a change whose last fsync failed may be there
// after a restart. Waiting for another process takes at most 10 seconds, then ERR_BUSY.

// Stores a package as the next version. The same digest again gives the version that has it, with *existed set.
MUST_CHECK int registry_add(registry *r, const char *name, const package *p, const char *run_key, int64_t *version,
                            bool *existed, err *e);
// Points an alias at a version; what it pointed at before is kept in its history.
MUST_CHECK int registry_alias_set(registry *r, const char *name, const char *alias, int64_t version, err *e);
MUST_CHECK int registry_alias_remove(registry *r, const char *name, const char *alias, err *e);
// Both in one transaction: add the package and point the alias at it.
MUST_CHECK int registry_deploy(registry *r, const char *name, const package *p, const char *run_key, const char *alias,
                               int64_t *version, bool *existed, err *e);
// Points the alias back at what it pointed to before; again goes further back. ERR_CONFLICT if there is nothing before.
// Versions that were removed are passed over. After deploying 1, 2, 3 it leads to 2, then to 1; deploying 4 then and
// rolling back leads to 1.
MUST_CHECK int registry_rollback(registry *r, const char *name, const char *alias, int64_t *from, int64_t *to, err *e);
// version 0: the whole model. What an alias points at is ERR_CONFLICT unless `force`, which removes the alias too.
// Blobs stay until registry_gc().
MUST_CHECK int registry_remove(registry *r, const char *name, int64_t version, bool force, err *e);

MUST_CHECK int registry_models(registry *r, registry_list *out, err *e);
void registry_list_clear(registry_list *l);
// One of them: registry_model_clear(). ERR_NOT_FOUND if it has no versions; the message names no other model.
MUST_CHECK int registry_find(registry *r, const char *name, registry_model *out, err *e);
void registry_model_clear(registry_model *m); // a zeroed one is fine
// ref: "NAME", "NAME@ALIAS" or "NAME@3"; without @ the default alias, else the newest version. ERR_NOT_FOUND suggests
// the nearest name.
MUST_CHECK int registry_resolve(registry *r, const char *ref, char name[MODEL_NAME_MAX + 1], int64_t *version, err *e);
// With its blobs mapped and every sum checked: ERR_CORRUPT if one is missing or another.
MUST_CHECK int registry_load(registry *r, const char *name, int64_t version, package **out, err *e);
// The newest version of the model with that run key, or ERR_NOT_FOUND.
MUST_CHECK int registry_find_run(registry *r, const char *name, const char *run_key, int64_t *version, err *e);

// A number that is different after every committed change by anybody: what a running server polls. Cheap.
MUST_CHECK int registry_change(registry *r, int64_t *out, err *e);

// Upkeep. report: one line for each thing found or done; may be NULL.
typedef void registry_report(void *context, const char *line);
// Removes blobs nobody names and old temporary files.
MUST_CHECK int registry_gc(registry *r, int64_t *n_removed, int64_t *bytes, err *e);
// Looks at everything: the database's integrity, every manifest against its digest, every blob against its sum,
// aliases. A report is "fault: ..." for what is counted in n_faults, "note: ..." for orphans and strangers. 0 also with
// faults.
MUST_CHECK int registry_fsck(registry *r, registry_report *report, void *context, int64_t *n_faults, err *e);
// One file, described in docs/formats/registry.md; one that is there already is ERR_EXISTS.
MUST_CHECK int registry_backup(registry *r, const char *path, err *e);
// Into an empty or absent folder, which appears whole or not at all.
MUST_CHECK int registry_restore(const char *path, const char *dir, err *e);

#endif
