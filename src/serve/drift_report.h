// Drift of the versions that are loaded, as JSON and for Prometheus.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_DRIFT_REPORT_H
#define SLIPWAY_SERVE_DRIFT_REPORT_H

#include "base/json.h"
#include "serve/snapshot.h"

// The schema "drift" of the OpenAPI document. *out: json_decref(). One whose package has no baseline says so.
MUST_CHECK int drift_to_json(const served *v, int64_t now_ms, json_t **out, err *e);

// Prometheus text of every loaded version. Labels are names that models have themselves, of the first
// BASELINE_INPUTS_MAX columns of each.
void drift_write(const snapshot *s, int64_t now_ms, buf *out);

#endif
