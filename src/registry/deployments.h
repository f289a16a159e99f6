// Deployments: a second version, the canary, that takes a share of a model's traffic until it is promoted or taken
// back, and a third, the shadow, that is given copies of requests and answers nobody. The first one, the primary, is
// what the default alias points at.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_DEPLOYMENTS_H
#define SLIPWAY_REGISTRY_DEPLOYMENTS_H

#include "registry/registry.h"

enum { WEIGHT_ALL = 1000, GUARD_ROWS_MIN = 50 };

// What takes a canary back by itself, looked at over a window; docs/rollout.md has the formulas. 0 switches one off.
typedef struct guards {
    int64_t error_permille;  // its error rate is this much above the primary's
    int64_t latency_percent; // its 95th percentile of time is this much of the primary's, and above 100 us
    int64_t psi_permille;    // population stability index between the scores of both
    int64_t requests_min;    // of each of the two, before anything is said
    int64_t window_s;
} guards;

#define GUARDS_DEFAULT \
    ((guards){.error_permille = 20, .latency_percent = 200, .psi_permille = 250, .requests_min = 500, .window_s = 60})
const char *guards_fault(const guards *g); // NULL, or why they make no sense

typedef struct deployment {
    char model[MODEL_NAME_MAX + 1];
    int64_t id; // a deployment that is started anew has another one
    int64_t primary, canary;
    int64_t weight; // of WEIGHT_ALL requests, so many go to the canary
    guards guards;
    int64_t started_ms;
} deployment;

// Copies of a model's requests go to a second version, whose answers are only compared.
typedef struct shadowing {
    char model[MODEL_NAME_MAX + 1];
    int64_t id; // one that is started anew has another one; a changed share keeps it
    int64_t version;
    int64_t share; // of WEIGHT_ALL requests that the primary answers, so many are copied; at least 1
    int64_t started_ms;
} shadowing;

typedef struct deployment_list {
    size_t n, n_shadowings;
    deployment *all; // by model
    shadowing *shadowings;
} deployment_list;

// Starts a deployment, or changes weight and guards of the one with this canary. ERR_NOT_FOUND: no such version;
// ERR_CONFLICT: nothing is deployed, it is the canary already, or another canary is out. d->model, canary, weight and
// guards are read.
MUST_CHECK int registry_deployment_set(registry *r, const deployment *d, err *e);

typedef enum deployment_end { DEPLOYMENT_PROMOTED, DEPLOYMENT_ABORTED, DEPLOYMENT_ROLLED_BACK } deployment_end;
const char *deployment_end_name(deployment_end how); // "promoted"

// Ends it: promoted, the default alias points at the canary from now on; else everything is as before. detail: JSON of
// why, kept with the event; NULL: {}. id: 0 for any, else ERR_CONFLICT if it is another one by now. ERR_NOT_FOUND if
// there is none. *ended (may be NULL): what it was.
MUST_CHECK int registry_deployment_end(registry *r, const char *model, int64_t id, deployment_end how,
                                       const char *detail, deployment *ended, err *e);

// Starts giving copies to a version, or changes the share of the one that is given them; another version takes its
// place. ERR_NOT_FOUND: no such version; ERR_CONFLICT: nothing is deployed, or it is this one. s->model, version and
// share are read.
MUST_CHECK int registry_shadowing_set(registry *r, const shadowing *s, err *e);
// Ends it. ERR_NOT_FOUND if there is none. *ended (may be NULL): what it was.
MUST_CHECK int registry_shadowing_end(registry *r, const char *model, shadowing *ended, err *e);

// Those whose model is deployed and whose canary, or shadow, is there.
MUST_CHECK int registry_deployments(registry *r, deployment_list *out, err *e);
void deployment_list_clear(deployment_list *l);

// What happened to a model's deployments, the newest first: event ("started", "changed", or how it ended), at_ms,
// primary, canary, weight, detail (JSON). Of a shadow the events are "shadow_started", "shadow_changed" and
// "shadow_ended", canary is the shadow and weight its share. Texts are views for the call; the callback must not use
// the registry.
typedef struct deployment_event {
    const char *event, *detail;
    int64_t at_ms, primary, canary, weight;
} deployment_event;
typedef int deployment_call(void *context, const deployment_event *d, err *e);
MUST_CHECK int registry_deployment_events(registry *r, const char *model, size_t n_max, deployment_call *call,
                                          void *context, err *e);

#endif
