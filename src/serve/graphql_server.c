// The server itself: what it is, whether it can be used, what it counted.
// SPDX-License-Identifier: Apache-2.0
#include "serve/access.h"
#include "serve/graphql_impl.h"
#include "serve/models.h"

static const serving *serving_of(const gql_call *c)
{
    return graphql_of(c)->serving;
}

int graphql_the_server(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    UNUSED;
    *out = gql_of_object(serving_of(c));
    return 0;
}

RESOLVER(server_version)
{
    UNUSED;
    *out = gql_of_text(SLIPWAY_VERSION);
    return 0;
}

RESOLVER(server_instance)
{
    UNUSED;
    *out = gql_of_text(serving_of(c)->instance);
    return 0;
}

// Health: the same truth as /health/ready.

int graphql_the_health(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    UNUSED;
    *out = gql_of_object(serving_of(c));
    return 0;
}

static const char *readiness(const serving *s)
{
    bool without = false;
    for (size_t i = 0; i < s->models->n; i++) without |= s->models->models[i].wanted > 0 && !s->models->models[i].now;
    if (atomic_load_explicit(s->stopping, memory_order_relaxed)) return "STOPPING";
    return without ? "NOT_READY" : s->models->n_faults > 0 ? "DEGRADED" : "READY";
}

RESOLVER(health_status)
{
    UNUSED;
    *out = gql_of_text(readiness(serving_of(c)));
    return 0;
}

RESOLVER(health_ready)
{
    UNUSED;
    const char *status = readiness(serving_of(c));
    *out = gql_of_truth(status[0] == 'R' || status[0] == 'D');
    return 0;
}

// Metrics.

int graphql_the_metrics(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    UNUSED;
    TRY(graphql_may(c, MAY_MONITOR, e));
    *out = gql_of_object(serving_of(c));
    return 0;
}

static gql_result sum_of(const gql_call *c, size_t offset)
{
    const serving *s = serving_of(c);
    uint64_t sum = 0;
    for (size_t i = 0; i < s->n_meters; i++)
        sum += counter_get((const counter *)(const void *)((const char *)s->meters[i] + offset));
    return gql_of_whole((int64_t)sum);
}

#define COUNTER(name)                             \
    RESOLVER(count_##name)                        \
    {                                             \
        UNUSED;                                   \
        *out = sum_of(c, offsetof(meters, name)); \
        return 0;                                 \
    }

COUNTER(accepted)
COUNTER(refused)
COUNTER(closed)
COUNTER(requests_started)
COUNTER(requests_ended)
COUNTER(received_bytes)
COUNTER(sent_bytes)
COUNTER(timeouts)
COUNTER(cancelled)

RESOLVER(metrics_routes)
{
    UNUSED;
    size_t n = route_count();
    gql_result *items = gql_list_of(c, n, out);
    if (!items) return err_set(e, ERR_MEMORY, "no memory for %zu routes", n);
    for (size_t i = 0; i < n; i++) items[i] = gql_of_object(route_at(i));
    return 0;
}

static size_t index_of(const route *r)
{
    size_t i = 0;
    while (i < route_count() && route_at(i) != r) i++;
    return i;
}

RESOLVER(route_name)
{
    UNUSED;
    *out = gql_of_text(((const route *)object)->name);
    return 0;
}

static uint64_t requests_of(const serving *s, size_t index)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->n_meters; i++)
        for (size_t k = 0; k < STATUSES_N; k++) n += counter_get(&s->meters[i]->routes[index].by_status[k]);
    return n;
}

RESOLVER(route_requests)
{
    UNUSED;
    *out = gql_of_whole((int64_t)requests_of(serving_of(c), index_of(object)));
    return 0;
}

RESOLVER(route_latency)
{
    UNUSED;
    const serving *s = serving_of(c);
    size_t index = index_of(object);
    uint64_t ns = 0, n = requests_of(s, index);
    for (size_t i = 0; i < s->n_meters; i++) ns += counter_get(&s->meters[i]->routes[index].latency_ns);
    if (n > 0) *out = gql_of_real((double)ns / (double)n / 1e9);
    return 0;
}

gql_result graphql_traffic_of(const model_meter *m)
{
    return gql_of_object(m);
}

RESOLVER(metrics_models)
{
    UNUSED;
    const serving *s = serving_of(c);
    size_t n = 0;
    for (const model_meter *m = s->models->meters; m; m = m->next) n++;
    gql_result *items = gql_list_of(c, n, out);
    if (!items) return err_set(e, ERR_MEMORY, "no memory for %zu models", n);
    n = 0;
    for (const model_meter *m = s->models->meters; m && n < out->n; m = m->next)
        if (principal_sees(graphql_of(c)->request->who, m->name)) items[n++] = graphql_traffic_of(m);
    out->n = n;
    return 0;
}

RESOLVER(traffic_model)
{
    UNUSED;
    *out = gql_of_text(principal_name_of(((const model_meter *)object)->name));
    return 0;
}

RESOLVER(traffic_requests)
{
    UNUSED;
    const model_meter *m = object;
    uint64_t n = counter_get(&m->batches.answered);
    for (size_t i = 0; i < m->n_slots; i++) n += counter_get(&m->slots[i].requests);
    *out = gql_of_whole((int64_t)n);
    return 0;
}

RESOLVER(traffic_rows)
{
    UNUSED;
    const model_meter *m = object;
    uint64_t n = counter_get(&m->batches.answered_rows);
    for (size_t i = 0; i < m->n_slots; i++) n += counter_get(&m->slots[i].rows);
    *out = gql_of_whole((int64_t)n);
    return 0;
}

// Tables.

static const gql_enum_value readinesses[] = {
    {.name = "READY", .about = "Every deployed version answers."},
    {.name = "DEGRADED", .about = "Every deployed model answers, some with the version before."},
    {.name = "NOT_READY", .about = "A deployed model cannot be served."},
    {.name = "STOPPING"},
};
const gql_type graphql_readiness = {.kind = GQL_KIND_ENUM,
                                    .name = "Readiness",
                                    .values = readinesses,
                                    .n_values = sizeof readinesses / sizeof *readinesses};

static const gql_field server_fields[] = {
    {.name = "version", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = server_version},
    {.name = "instance",
     .type = &gql_string,
     .wraps = GQL_REQUIRED,
     .resolve = server_instance,
     .about = "Names the data directory."},
};
const gql_type graphql_server = {.kind = GQL_KIND_OBJECT, .name = "Server", GQL_FIELDS(server_fields)};

static const gql_field health_fields[] = {
    {.name = "ready", .type = &gql_boolean, .wraps = GQL_REQUIRED, .resolve = health_ready},
    {.name = "status", .type = &graphql_readiness, .wraps = GQL_REQUIRED, .resolve = health_status},
};
const gql_type graphql_health = {.kind = GQL_KIND_OBJECT, .name = "Health", GQL_FIELDS(health_fields)};

#define COUNT(field, resolver, text)                                                                    \
    {                                                                                                   \
        .name = field, .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = resolver, .about = text \
    }
static const gql_field metrics_fields[] = {
    COUNT("connectionsAccepted", count_accepted, NULL),
    COUNT("connectionsRefused", count_refused, NULL),
    COUNT("connectionsClosed", count_closed, NULL),
    COUNT("requestsStarted", count_requests_started, NULL),
    COUNT("requestsEnded", count_requests_ended, NULL),
    COUNT("receivedBytes", count_received_bytes, NULL),
    COUNT("sentBytes", count_sent_bytes, NULL),
    COUNT("timeouts", count_timeouts, "Connections cut at a deadline."),
    COUNT("cancelled", count_cancelled, "Requests dropped because their client had left."),
    {.name = "routes",
     .type = &graphql_route_metrics,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = metrics_routes,
     .many = 100},
    {.name = "models", .type = &graphql_traffic, .wraps = GQL_REQUIRED_LIST, .resolve = metrics_models},
};
const gql_type graphql_metrics = {.kind = GQL_KIND_OBJECT,
                                  .name = "Metrics",
                                  .about = "What was counted since the server started.",
                                  GQL_FIELDS(metrics_fields)};

static const gql_field route_fields[] = {
    {.name = "route", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = route_name},
    COUNT("requests", route_requests, NULL),
    {.name = "meanSeconds", .type = &gql_float, .resolve = route_latency, .about = "Null while there were none."},
};
const gql_type graphql_route_metrics = {.kind = GQL_KIND_OBJECT, .name = "RouteMetrics", GQL_FIELDS(route_fields)};

static const gql_field traffic_fields[] = {
    {.name = "model", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = traffic_model},
    COUNT("requests", traffic_requests, "Predictions answered."),
    COUNT("rows", traffic_rows, "Rows predicted."),
};
const gql_type graphql_traffic = {.kind = GQL_KIND_OBJECT, .name = "Traffic", GQL_FIELDS(traffic_fields)};
