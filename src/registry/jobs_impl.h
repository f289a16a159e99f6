// What the files of runs and datasets share.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_JOBS_IMPL_H
#define SLIPWAY_REGISTRY_JOBS_IMPL_H

#include "registry/audit.h"
#include "registry/jobs.h"
#include "registry/registry_impl.h"

// Commits what registry_begin_change() began, without raising the counter; after a failure rolls it back.
MUST_CHECK int jobs_end_change(registry *r, int rc, err *e);

MUST_CHECK int jobs_text(db_query *q, int at, char **out, err *e); // mem_free()
MUST_CHECK int jobs_short_text(db_query *q, int at, char *out, size_t size, err *e);

// Within a write transaction.
MUST_CHECK int jobs_keep(registry *r, const answer_key *k, int status, const char *location, const char *body, err *e);
MUST_CHECK int jobs_audit(registry *r, const char *tenant, const char *action, const char *object, const char *detail,
                          err *e);

#endif
