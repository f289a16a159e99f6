// The roots of the service's schema, its scalars, and the list of its types.
// SPDX-License-Identifier: Apache-2.0
#include "base/decimal.h"
#include "serve/graphql_impl.h"

static const char *take_long(gql_value *v)
{
    int64_t whole;
    if (v->kind != GQL_INT || decimal_parse_i64(v->text, &whole) < 0) return "a whole number of 64 bits";
    v->whole = whole;
    return NULL;
}

static const char *take_json(gql_value *v)
{
    (void)v;
    return NULL;
}

static const char *take_datetime(gql_value *v)
{
    int64_t ms;
    return v->kind == GQL_STRING && parse_datetime(v->text, &ms) == 0 ? NULL : "a date and time (ISO 8601)";
}

const gql_type graphql_long = {
    .kind = GQL_KIND_SCALAR, .name = "Long", .about = "A whole number of 64 bits.", .take = take_long};
const gql_type graphql_json = {.kind = GQL_KIND_SCALAR,
                               .name = "JSON",
                               .about =
                                   "Any JSON value; in a document also written as a literal, with variables in it.",
                               .specified_by = "https://www.rfc-editor.org/rfc/rfc8259",
                               .take = take_json};
const gql_type graphql_datetime = {.kind = GQL_KIND_SCALAR,
                                   .name = "DateTime",
                                   .about = "A moment: 2026-01-31T12:00:00Z.",
                                   .specified_by = "https://www.rfc-editor.org/rfc/rfc3339",
                                   .take = take_datetime};

#define MODEL                                                       \
    {                                                               \
        .name = "model", .type = &gql_string, .wraps = GQL_REQUIRED \
    }
#define ALIAS                                                                                            \
    {                                                                                                    \
        .name = "alias", .type = &gql_string, .wraps = GQL_REQUIRED, .standard = "\"" ALIAS_DEFAULT "\"" \
    }
#define FORCE                                                                              \
    {                                                                                      \
        .name = "force", .type = &gql_boolean, .wraps = GQL_REQUIRED, .standard = "false", \
        .about = "Also what an alias points at; the alias goes too."                       \
    }

static const gql_input model_arguments[] = {{.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED}};
static const gql_input models_arguments[] = {
    {.name = "first", .type = &gql_int, .standard = "100", .about = "How many, at most 1000."},
    {.name = "after", .type = &gql_string, .about = "Only those whose name comes later."},
    {.name = "filter", .type = &graphql_model_filter},
};
static const gql_input predict_arguments[] = {
    MODEL,
    {.name = "version", .type = &gql_string, .about = "A number or an alias; without it the deployed one."},
    {.name = "rows",
     .type = &graphql_json,
     .wraps = GQL_REQUIRED_LIST,
     .about = "Objects: {age: 22, sex: \"male\"}. What columns a model wants is in Model.inputs; names that cannot be "
              "written here can be in a variable."},
    {.name = "explain",
     .type = &gql_boolean,
     .wraps = GQL_REQUIRED,
     .standard = "false",
     .about = "Also what each column adds, for Prediction.explanation: it takes many times what predicting does."},
};
#define PAGE                                                                                  \
    {.name = "first", .type = &gql_int, .standard = "50", .about = "How many, at most 500."}, \
    {                                                                                         \
        .name = "before", .type = &graphql_long, .about = "Only those with a lower number."   \
    }
static const gql_input id_arguments[] = {{.name = "id", .type = &gql_id, .wraps = GQL_REQUIRED}};
static const gql_input runs_arguments[] = {
    PAGE,
    {.name = "batches",
     .type = &gql_boolean,
     .wraps = GQL_REQUIRED,
     .standard = "false",
     .about = "Batch predictions, and not the other runs."},
};
static const gql_input datasets_arguments[] = {PAGE};
static const gql_input usage_arguments[] = {
    {.name = "days", .type = &gql_int, .standard = "31", .about = "So many, today included."}};
enum { PREDICT_COST = 2000, CHANGE_COST = 1000, RECORD_COST = 10 };

static const gql_field query_fields[] = {
    {.name = "model",
     .type = &graphql_model,
     .resolve = graphql_find_model,
     .about = "A model by its name.",
     GQL_ARGUMENTS(model_arguments)},
    {.name = "models",
     .type = &graphql_model,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = graphql_list_models,
     .about = "Models by name.",
     GQL_ARGUMENTS(models_arguments)},
    {.name = "deployments",
     .type = &graphql_deployment,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = graphql_list_deployments,
     .about = "What is to be served. Wants the permission to read."},
    {.name = "predict",
     .type = &graphql_predictions,
     .resolve = graphql_predict,
     .about = "Predict rows.",
     GQL_ARGUMENTS(predict_arguments),
     .cost = PREDICT_COST},
    {.name = "run",
     .type = &graphql_run,
     .resolve = graphql_find_run,
     .about = "A run by its id. Wants the permission to read, as the next three do.",
     GQL_ARGUMENTS(id_arguments),
     .cost = RECORD_COST},
    {.name = "runs",
     .type = &graphql_run,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = graphql_list_runs,
     .about = "The newest first.",
     GQL_ARGUMENTS(runs_arguments),
     .cost = RECORD_COST},
    {.name = "dataset",
     .type = &graphql_dataset,
     .resolve = graphql_find_dataset,
     GQL_ARGUMENTS(id_arguments),
     .cost = RECORD_COST},
    {.name = "datasets",
     .type = &graphql_dataset,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = graphql_list_datasets,
     .about = "The newest first.",
     GQL_ARGUMENTS(datasets_arguments),
     .cost = RECORD_COST},
    {.name = "usage",
     .type = &graphql_usage,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = graphql_list_usage,
     .about = "What the caller's key used, by day; for administrators that of all keys, and of the tenant.",
     GQL_ARGUMENTS(usage_arguments),
     .cost = RECORD_COST},
    {.name = "quotas",
     .type = &graphql_quota,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = graphql_list_quotas,
     .about = "What may be used, of the same.",
     .cost = RECORD_COST},
    {.name = "health", .type = &graphql_health, .wraps = GQL_REQUIRED, .resolve = graphql_the_health},
    {.name = "server", .type = &graphql_server, .wraps = GQL_REQUIRED, .resolve = graphql_the_server},
    {.name = "metrics",
     .type = &graphql_metrics,
     .resolve = graphql_the_metrics,
     .about = "Counters. Wants the permission to monitor."},
};

static const gql_input set_alias_arguments[] = {
    MODEL, ALIAS, {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED}};
static const gql_input alias_arguments[] = {MODEL, ALIAS};
static const gql_input named_alias_arguments[] = {MODEL, {.name = "alias", .type = &gql_string, .wraps = GQL_REQUIRED}};
static const gql_input remove_version_arguments[] = {
    MODEL, {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED}, FORCE};
static const gql_input remove_model_arguments[] = {MODEL, FORCE};

static const gql_field mutation_fields[] = {
    {.name = "setAlias",
     .type = &graphql_alias_change,
     .resolve = graphql_set_alias,
     .about = "Point an alias at a version; \"production\" deploys it.",
     GQL_ARGUMENTS(set_alias_arguments),
     .cost = CHANGE_COST},
    {.name = "rollback",
     .type = &graphql_alias_change,
     .resolve = graphql_roll_back,
     .about = "Point an alias back at what it pointed at before.",
     GQL_ARGUMENTS(alias_arguments),
     .cost = CHANGE_COST},
    {.name = "removeAlias",
     .type = &graphql_alias_change,
     .resolve = graphql_remove_alias,
     GQL_ARGUMENTS(named_alias_arguments),
     .cost = CHANGE_COST},
    {.name = "deleteVersion",
     .type = &gql_boolean,
     .resolve = graphql_remove_version,
     .about = "Remove a version; its number is not used again.",
     GQL_ARGUMENTS(remove_version_arguments),
     .cost = CHANGE_COST},
    {.name = "deleteModel",
     .type = &gql_boolean,
     .resolve = graphql_remove_model,
     .about = "Remove a model with all its versions.",
     GQL_ARGUMENTS(remove_model_arguments),
     .cost = CHANGE_COST},
    {.name = "cancelRun",
     .type = &graphql_run,
     .resolve = graphql_cancel_run,
     .about = "Cancel a run, or a batch prediction. Wants the permission to train.",
     GQL_ARGUMENTS(id_arguments),
     .cost = CHANGE_COST},
};

static const gql_type query = {.kind = GQL_KIND_OBJECT, .name = "Query", GQL_FIELDS(query_fields)};
static const gql_type mutation = {.kind = GQL_KIND_OBJECT,
                                  .name = "Mutation",
                                  .about =
                                      "Changes, one after another. They want the permission to deploy, but for runs.",
                                  GQL_FIELDS(mutation_fields)};

static const gql_type *const types[] = {
    &query,
    &mutation,
    &graphql_model,
    &graphql_model_status,
    &graphql_model_filter,
    &graphql_alias,
    &graphql_version,
    &graphql_deployment,
    &graphql_canary,
    &graphql_shadow,
    &graphql_column,
    &graphql_number_column,
    &graphql_category_column,
    &graphql_date_column,
    &graphql_text_column,
    &graphql_column_type,
    &graphql_target,
    &graphql_task,
    &graphql_predictions,
    &graphql_prediction,
    &graphql_class_probability,
    &graphql_explanation,
    &graphql_contribution,
    &graphql_run,
    &graphql_run_state,
    &graphql_run_fault,
    &graphql_dataset,
    &graphql_alias_change,
    &graphql_server,
    &graphql_health,
    &graphql_readiness,
    &graphql_metrics,
    &graphql_route_metrics,
    &graphql_traffic,
    &graphql_usage,
    &graphql_quota,
    &graphql_long,
    &graphql_json,
    &graphql_datetime,
};

const gql_schema graphql_schema = {
    .about = "Models, their versions, and what they predict.",
    .query = &query,
    .mutation = &mutation,
    .types = types,
    .n_types = sizeof types / sizeof *types,
};
