// What the resolvers of the service share: who asks, what is held until the answer is written, how results are made.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_GRAPHQL_IMPL_H
#define SLIPWAY_SERVE_GRAPHQL_IMPL_H

#include "base/json.h"
#include "registry/datasets.h"
#include "serve/graphql.h"
#include "serve/serving.h"

// What of the registry the answer looks into: one of these; the others are zeroed.
typedef struct graphql_held {
    struct graphql_held *next;
    registry_model record;
    package *package;
    run_record run;
    run_list runs;
    dataset_record dataset;
    dataset_list datasets;
} graphql_held;

// gql_call.context. One request, on a worker.
typedef struct graphql_context {
    serving *serving;
    const request *request;
    graphql_held *held; // given back by graphql_let_go()
} graphql_context;

void graphql_let_go(graphql_context *g);
// Something to hold, zeroed, or NULL without memory.
graphql_held *graphql_hold(graphql_context *g);

static inline graphql_context *graphql_of(const gql_call *c)
{
    return c->context;
}

// Whether the caller may do one of these: ERR_DENIED "forbidden". Through the public port of a server with an entrance
// for administrators nobody may more than predict and read, as with the native routes.
MUST_CHECK int graphql_may(gql_call *c, unsigned needed, err *e);
// A response for functions that tell of a failure by it, and what it told, for the error's extensions. Returns rc.
response graphql_response(void);
int graphql_fail(gql_call *c, const response *told, int rc);

// Results. Texts are views.
#define RESOLVER(name) \
    static int name(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
#define UNUSED (void)c, (void)object, (void)arguments, (void)out, (void)e

static inline gql_result gql_of_text(const char *text) // NULL is null
{
    if (!text) return (gql_result){.kind = GQL_RESULT_NULL};
    return (gql_result){.kind = GQL_RESULT_TEXT, .text = str_of(text)};
}

static inline gql_result gql_of_whole(int64_t whole)
{
    return (gql_result){.kind = GQL_RESULT_WHOLE, .whole = whole};
}

static inline gql_result gql_of_truth(bool truth)
{
    return (gql_result){.kind = GQL_RESULT_TRUTH, .truth = truth};
}

static inline gql_result gql_of_object(const void *object) // NULL is null
{
    return (gql_result){.kind = object ? GQL_RESULT_OBJECT : GQL_RESULT_NULL, .object = object};
}

gql_result gql_of_real(double real); // one that is not finite is null
// A list of n results to fill in, or NULL without memory.
gql_result *gql_list_of(gql_call *c, size_t n, gql_result *out);
MUST_CHECK int gql_json_result(gql_call *c, const json_t *j, gql_result *out, err *e);
MUST_CHECK int gql_float_result(gql_call *c, float value, gql_result *out, err *e); // its shortest text
// The text of an argument, ended by NUL; ERR_INPUT "invalid_name" if it is too long or holds one.
MUST_CHECK int gql_text_argument(gql_call *c, const gql_value *v, size_t len_max, const char **out, err *e);

#define GQL_FIELDS(table) .fields = (table), .n_fields = sizeof(table) / sizeof *(table)
#define GQL_ARGUMENTS(table) .arguments = (table), .n_arguments = sizeof(table) / sizeof *(table)

// Types, by the file that has them.
extern const gql_type graphql_long, graphql_json, graphql_datetime;                        // graphql_schema.c
extern const gql_type graphql_model, graphql_model_status, graphql_alias, graphql_version; // graphql_models.c
extern const gql_type graphql_model_filter, graphql_deployment, graphql_traffic;
extern const gql_type graphql_canary, graphql_shadow;                                 // graphql_deployments.c
extern const gql_type graphql_column, graphql_number_column, graphql_category_column; // graphql_columns.c
extern const gql_type graphql_date_column, graphql_text_column, graphql_column_type, graphql_target, graphql_task;
extern const gql_type graphql_predictions, graphql_prediction, graphql_class_probability; // graphql_predict.c
extern const gql_type graphql_explanation, graphql_contribution;
extern const gql_type graphql_alias_change;                                               // graphql_changes.c
extern const gql_type graphql_run, graphql_run_state, graphql_run_fault, graphql_dataset; // graphql_jobs.c
extern const gql_type graphql_server, graphql_health, graphql_readiness, graphql_metrics, graphql_route_metrics;
extern const gql_type graphql_usage, graphql_quota; // graphql_usage.c

// Fields of the roots.
gql_resolver graphql_find_model, graphql_list_models, graphql_list_deployments; // graphql_models.c
gql_resolver graphql_deployment_canary, graphql_deployment_shadow; // graphql_deployments.c: of a Deployment
const snapshot_model *graphql_model_of(const void *object);        // graphql_models.c: of a Model, or a Deployment
gql_resolver graphql_predict;                                      // graphql_predict.c
gql_resolver graphql_set_alias, graphql_roll_back, graphql_remove_alias; // graphql_changes.c
gql_resolver graphql_remove_version, graphql_remove_model;
gql_resolver graphql_find_run, graphql_list_runs, graphql_cancel_run; // graphql_jobs.c
gql_resolver graphql_find_dataset, graphql_list_datasets;
gql_resolver graphql_list_usage, graphql_list_quotas;                     // graphql_usage.c
gql_resolver graphql_the_server, graphql_the_health, graphql_the_metrics; // graphql_server.c

// The columns and the target of a schema that lives until the answer is written.
MUST_CHECK int graphql_columns_of(gql_call *c, const schema *s, gql_result *out, err *e);
gql_result graphql_target_of(const schema *s);
// The traffic of a model, from its meter.
gql_result graphql_traffic_of(const model_meter *m);

#endif
