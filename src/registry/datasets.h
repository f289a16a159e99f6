// Datasets: files under DIR/datasets, named by their SHA-256, with a record each; and uploads, which become datasets.
// A content is stored once, however many tenants have it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_DATASETS_H
#define SLIPWAY_REGISTRY_DATASETS_H

#include "registry/jobs.h"

typedef struct dataset_record {
    int64_t number; // the order in which they came
    char id[OBJECT_ID_SIZE];
    char sha256[SHA256_HEX_SIZE];
    int64_t size, created_ms;
    char *profile; // JSON, or "" until somebody made one; owned
} dataset_record;
void dataset_record_clear(dataset_record *d); // a zeroed one is fine

typedef struct dataset_list {
    size_t n;
    dataset_record *datasets; // newest first
} dataset_list;
void dataset_list_clear(dataset_list *l);

// Where a file of that name in DIR/datasets is, made if the folder is not there: mem_free().
MUST_CHECK int registry_dataset_path(registry *r, const char *name, char **out, err *e);

// Takes the synced file DIR/datasets/`file`, which has this sum, also on failure: it is renamed, or removed. The
// tenant's dataset of the same content, if there is one, is given instead, with *existed set. Durable.
MUST_CHECK int registry_dataset_add(registry *r, const char *tenant, const char *file, const char *sha256, int64_t size,
                                    dataset_record *out, bool *existed, err *e);
MUST_CHECK int registry_dataset_find(registry *r, const char *tenant, const char *id, dataset_record *out, err *e);
MUST_CHECK int registry_datasets(registry *r, const char *tenant, int64_t before, size_t n_max, dataset_list *out,
                                 err *e);
MUST_CHECK int registry_dataset_profile(registry *r, const char *id, const char *profile, err *e);
// ERR_CONFLICT while a run waits for it or works with it.
MUST_CHECK int registry_dataset_remove(registry *r, const char *tenant, const char *id, err *e);

// An upload on its way: DIR/datasets/ID.part holds `received` bytes that are safe.
typedef struct upload_record {
    char id[OBJECT_ID_SIZE];
    int64_t size, received, created_ms;
    char sha256[SHA256_HEX_SIZE]; // expected; "" if nobody said
} upload_record;

enum {
    UPLOADS_MAX = 100,
    UPLOAD_HOURS = 24
}; // open ones of a tenant; one that nobody touched for that long is removed

// ERR_BUSY if there are UPLOADS_MAX already. With a key that is known nothing is added and *kept holds the answer.
typedef struct upload_addition {
    const char *id, *tenant;
    int64_t size;
    const char *sha256; // "" if unknown
    answer_key key;
    int status;
    const char *location, *body;
} upload_addition;
MUST_CHECK int registry_upload_add(registry *r, const upload_addition *a, kept_answer *kept, err *e);
MUST_CHECK int registry_upload_find(registry *r, const char *tenant, const char *id, upload_record *out, err *e);
MUST_CHECK int registry_upload_grow(registry *r, const char *id, int64_t received, err *e);
// The record and its file.
MUST_CHECK int registry_upload_remove(registry *r, const char *tenant, const char *id, err *e);

// Removes uploads that nobody touched, files of uploads that are no more, and datasets' files that no record names.
MUST_CHECK int registry_datasets_sweep(registry *r, int64_t now_ms, err *e);

#endif
