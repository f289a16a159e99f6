// Deployments: what is in service, its canary and its shadow. Both are given the model as their object.
// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "serve/graphql_impl.h"
#include "serve/guards.h"
#include "serve/shadow.h"

static const snapshot_model *canary_of(const void *object)
{
    return object;
}

static int read_clock(gql_call *c, int64_t ms, gql_result *out, err *e)
{
    char *text = arena_alloc(c->memory, CLOCK_TEXT_SIZE, 1);
    if (!text) return err_set(e, ERR_MEMORY, "no memory for a time");
    *out = gql_of_text(clock_format_utc(ms, text));
    return 0;
}

int graphql_deployment_canary(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out,
                              err *e)
{
    UNUSED;
    const snapshot_model *m = graphql_model_of(object);
    *out = gql_of_object(m->deployment.id ? m : NULL);
    return 0;
}

int graphql_deployment_shadow(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out,
                              err *e)
{
    UNUSED;
    const snapshot_model *m = graphql_model_of(object);
    *out = gql_of_object(m->shadowing.id ? m : NULL);
    return 0;
}

// ---- canaries

RESOLVER(canary_version)
{
    UNUSED;
    *out = gql_of_whole(canary_of(object)->deployment.canary);
    return 0;
}

RESOLVER(canary_loaded)
{
    UNUSED;
    *out = gql_of_truth(canary_of(object)->canary != NULL);
    return 0;
}

RESOLVER(canary_weight)
{
    UNUSED;
    *out = gql_of_whole(canary_of(object)->deployment.weight);
    return 0;
}

RESOLVER(canary_since)
{
    UNUSED;
    return read_clock(c, canary_of(object)->deployment.started_ms, out, e);
}

RESOLVER(canary_requests)
{
    UNUSED;
    const served *v = canary_of(object)->canary;
    if (v) *out = gql_of_whole((int64_t)served_requests(v));
    return 0;
}

RESOLVER(canary_failed)
{
    UNUSED;
    const served *v = canary_of(object)->canary;
    if (v) *out = gql_of_whole((int64_t)atomic_load_explicit(&v->counts->failed, memory_order_relaxed));
    return 0;
}

RESOLVER(canary_p95)
{
    UNUSED;
    reading r;
    const served *v = canary_of(object)->canary;
    if (!v) return 0;
    reading_take(&r, v);
    *out = gql_of_real((double)reading_percentile_ns(&r, 0.95) / 1e3);
    return 0;
}

static const gql_field canary_fields[] = {
    {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = canary_version},
    {.name = "loaded", .type = &gql_boolean, .wraps = GQL_REQUIRED, .resolve = canary_loaded},
    {.name = "weight",
     .type = &gql_int,
     .wraps = GQL_REQUIRED,
     .resolve = canary_weight,
     .about = "Of 1000 requests, so many go to it."},
    {.name = "since", .type = &graphql_datetime, .wraps = GQL_REQUIRED, .resolve = canary_since},
    {.name = "requests", .type = &graphql_long, .resolve = canary_requests, .about = "Since it was loaded."},
    {.name = "failed", .type = &graphql_long, .resolve = canary_failed},
    {.name = "p95us", .type = &gql_float, .resolve = canary_p95, .about = "95th percentile of time in microseconds."},
};
const gql_type graphql_canary = {.kind = GQL_KIND_OBJECT,
                                 .name = "Canary",
                                 .about = "A version that takes a share of the requests until it is promoted.",
                                 GQL_FIELDS(canary_fields)};

// ---- shadows

static const snapshot_model *shadow_of(const void *object)
{
    return object;
}

// False: it is not loaded, and there is nothing to read.
static bool read_shadow(const void *object, shadow_reading *r)
{
    const snapshot_model *m = shadow_of(object);
    if (m->shadow) shadow_read(m->shadow, r);
    return m->shadow != NULL;
}

RESOLVER(shadow_version_of)
{
    UNUSED;
    *out = gql_of_whole(shadow_of(object)->shadowing.version);
    return 0;
}

RESOLVER(shadow_loaded)
{
    UNUSED;
    *out = gql_of_truth(shadow_of(object)->shadow != NULL);
    return 0;
}

RESOLVER(shadow_share)
{
    UNUSED;
    *out = gql_of_whole(shadow_of(object)->shadowing.share);
    return 0;
}

RESOLVER(shadow_since)
{
    UNUSED;
    return read_clock(c, shadow_of(object)->shadowing.started_ms, out, e);
}

RESOLVER(shadow_fault_text)
{
    UNUSED;
    *out = gql_of_text(snapshot_shadow_fault(shadow_of(object)));
    return 0;
}

RESOLVER(shadow_requests)
{
    UNUSED;
    shadow_reading r;
    if (read_shadow(object, &r)) *out = gql_of_whole((int64_t)r.seen.requests);
    return 0;
}

RESOLVER(shadow_rows)
{
    UNUSED;
    shadow_reading r;
    if (read_shadow(object, &r)) *out = gql_of_whole((int64_t)r.rows);
    return 0;
}

RESOLVER(shadow_failed)
{
    UNUSED;
    shadow_reading r;
    if (read_shadow(object, &r)) *out = gql_of_whole((int64_t)r.seen.failed);
    return 0;
}

RESOLVER(shadow_dropped)
{
    UNUSED;
    shadow_reading r;
    if (read_shadow(object, &r)) *out = gql_of_whole((int64_t)(r.dropped_busy + r.dropped_large));
    return 0;
}

RESOLVER(shadow_other_label)
{
    UNUSED;
    shadow_reading r;
    if (!read_shadow(object, &r) || r.rows == 0) return 0;
    if (model_schema(shadow_of(object)->now->model)->target.task == TASK_CLASSIFICATION)
        *out = gql_of_real((double)r.other_label / (double)r.rows);
    return 0;
}

RESOLVER(shadow_score_difference)
{
    UNUSED;
    shadow_reading r;
    if (read_shadow(object, &r) && r.rows > 0) *out = gql_of_real(r.difference / (double)r.rows);
    return 0;
}

RESOLVER(shadow_p95)
{
    UNUSED;
    shadow_reading r;
    if (read_shadow(object, &r)) *out = gql_of_real((double)reading_percentile_ns(&r.seen, 0.95) / 1e3);
    return 0;
}

static const gql_field shadow_fields[] = {
    {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = shadow_version_of},
    {.name = "loaded", .type = &gql_boolean, .wraps = GQL_REQUIRED, .resolve = shadow_loaded},
    {.name = "share",
     .type = &gql_int,
     .wraps = GQL_REQUIRED,
     .resolve = shadow_share,
     .about = "Of 1000 requests, so many are copied for it."},
    {.name = "since", .type = &graphql_datetime, .wraps = GQL_REQUIRED, .resolve = shadow_since},
    {.name = "fault",
     .type = &gql_string,
     .resolve = shadow_fault_text,
     .about = "Why it is not loaded, or would refuse every request."},
    {.name = "requests", .type = &graphql_long, .resolve = shadow_requests, .about = "Copies that it predicted."},
    {.name = "rows", .type = &graphql_long, .resolve = shadow_rows},
    {.name = "failed", .type = &graphql_long, .resolve = shadow_failed},
    {.name = "dropped", .type = &graphql_long, .resolve = shadow_dropped, .about = "Copies that found no room."},
    {.name = "otherLabel",
     .type = &gql_float,
     .resolve = shadow_other_label,
     .about = "Share of rows with another class than what was answered; null for a number."},
    {.name = "difference",
     .type = &gql_float,
     .resolve = shadow_score_difference,
     .about = "Mean absolute difference of scores."},
    {.name = "p95us", .type = &gql_float, .resolve = shadow_p95, .about = "95th percentile of time in microseconds."},
};
const gql_type graphql_shadow = {.kind = GQL_KIND_OBJECT,
                                 .name = "Shadow",
                                 .about = "A version that is given copies of requests and answers nobody.",
                                 GQL_FIELDS(shadow_fields)};
