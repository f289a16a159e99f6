// Runs and datasets of the caller's tenant: looked at, and runs cancelled. What a run is asked for, and files, go
// through the native protocol: they have bodies of their own.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "registry/datasets.h"
#include "serve/graphql_impl.h"
#include "serve/jobs.h"

enum { FIRST_MAX = 500 };

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for an answer");
}

// A text that lives as long as the request.
static int keep(gql_call *c, const char *text, gql_result *out, err *e)
{
    char *kept = arena_strndup(c->memory, text, strlen(text));
    if (!kept) return no_memory(e);
    *out = gql_of_text(kept);
    return 0;
}

static int moment(gql_call *c, int64_t ms, gql_result *out, err *e)
{
    char text[CLOCK_TEXT_SIZE];
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    return ms ? keep(c, clock_format_utc(ms, text), out, e) : 0;
}

// A member of a JSON text, or all of it (key NULL); without one of its members.
static int part_of(gql_call *c, const char *text, const char *key, const char *without, gql_result *out, err *e)
{
    json_t *j;
    *out = (gql_result){.kind = GQL_RESULT_NULL};
    if (!text || !text[0]) return 0;
    TRY(json_parse(&j, str_of(text), e));
    if (without) json_object_del(j, without);
    int rc = gql_json_result(c, key ? json_object_get(j, key) : j, out, e);
    json_decref(j);
    return rc;
}

// Lists: the newest first, from below a number.
static int read_page(gql_call *c, const gql_value *first, const gql_value *before, size_t *n, int64_t *below, err *e)
{
    *n = first && first->kind != GQL_NULL ? (size_t)first->whole : 50;
    *below = before && before->kind != GQL_NULL ? before->whole : 0;
    if (first && first->kind != GQL_NULL && (first->whole < 1 || first->whole > FIRST_MAX)) {
        c->code = "out_of_range";
        return err_set(e, ERR_INPUT, "\"first\" must be from 1 to %d", FIRST_MAX);
    }
    return 0;
}

// Runs.

static int open_registry(gql_call *c, unsigned needed, registry **r, err *e)
{
    TRY(graphql_may(c, needed, e));
    return serving_registry(graphql_of(c)->serving, r, e);
}

static int find_run(gql_call *c, registry *r, const gql_value *id, graphql_held **out, err *e)
{
    graphql_context *g = graphql_of(c);
    const char *text;
    TRY(gql_text_argument(c, id, OBJECT_ID_SIZE - 1, &text, e));
    if (!(*out = graphql_hold(g))) return no_memory(e);
    int rc = registry_run_find(r, g->request->who->tenant, text, &(*out)->run, e);
    if (rc == ERR_NOT_FOUND) c->code = "unknown_run";
    return rc;
}

int graphql_find_run(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    registry *r;
    graphql_held *h;
    TRY(open_registry(c, MAY_READ, &r, e));
    TRY(find_run(c, r, arguments[0], &h, e));
    *out = gql_of_object(&h->run);
    return 0;
}

int graphql_list_runs(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    graphql_context *g = graphql_of(c);
    registry *r;
    size_t n;
    int64_t below;
    TRY(open_registry(c, MAY_READ, &r, e));
    TRY(read_page(c, arguments[0], arguments[1], &n, &below, e));
    bool batches = arguments[2] && arguments[2]->kind == GQL_BOOLEAN && arguments[2]->truth;
    graphql_held *h = graphql_hold(g);
    if (!h) return no_memory(e);
    TRY(registry_runs(r, g->request->who->tenant, batches ? "predict" : "", below, n, &h->runs, e));
    gql_result *items = gql_list_of(c, h->runs.n, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < h->runs.n; i++) items[i] = gql_of_object(&h->runs.runs[i]);
    return 0;
}

int graphql_cancel_run(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    graphql_context *g = graphql_of(c);
    registry *r;
    graphql_held *h;
    run_state before;
    TRY(open_registry(c, MAY_TRAIN, &r, e));
    TRY(find_run(c, r, arguments[0], &h, e));
    int rc = registry_run_cancel(r, g->request->who->tenant, h->run.id, &before, e);
    if (rc == ERR_CONFLICT) c->code = "ended";
    TRY(rc);
    if (before == RUN_QUEUED) {
        int told = run_event(g->serving->options->data_dir, h->run.id, 1, "state",
                             json_pack("{s:s}", "state", run_state_name(RUN_CANCELLED)), NULL);
        (void)told; // who looks at it now sees its state in the registry
    }
    if (g->serving->jobs) jobs_wake(g->serving->jobs);
    TRY(find_run(c, r, arguments[0], &h, e)); // as it is now
    *out = gql_of_object(&h->run);
    return 0;
}

static const run_record *run_of(const void *object)
{
    return object;
}

RESOLVER(run_id)
{
    UNUSED;
    *out = gql_of_text(run_of(object)->id);
    return 0;
}

RESOLVER(run_number)
{
    UNUSED;
    *out = gql_of_whole(run_of(object)->number);
    return 0;
}

RESOLVER(run_kind)
{
    UNUSED;
    *out = gql_of_text(run_of(object)->kind);
    return 0;
}

RESOLVER(run_state_of)
{
    UNUSED;
    static const char *const names[RUN_STATES_N] = {
        [RUN_QUEUED] = "QUEUED", [RUN_RUNNING] = "RUNNING",     [RUN_SUCCEEDED] = "SUCCEEDED",
        [RUN_FAILED] = "FAILED", [RUN_CANCELLED] = "CANCELLED", [RUN_INTERRUPTED] = "INTERRUPTED"};
    *out = gql_of_text(names[run_of(object)->state]);
    return 0;
}

RESOLVER(run_dataset)
{
    UNUSED;
    const char *id = run_of(object)->dataset;
    *out = gql_of_text(id[0] ? id : NULL);
    return 0;
}

RESOLVER(run_created)
{
    UNUSED;
    return moment(c, run_of(object)->created_ms, out, e);
}

RESOLVER(run_started)
{
    UNUSED;
    return moment(c, run_of(object)->started_ms, out, e);
}

RESOLVER(run_ended)
{
    UNUSED;
    return moment(c, run_of(object)->ended_ms, out, e);
}

RESOLVER(run_asked)
{
    UNUSED;
    return part_of(c, run_of(object)->spec, "asked", NULL, out, e);
}

RESOLVER(run_result)
{
    UNUSED;
    const run_record *run = object;
    return run->state == RUN_SUCCEEDED ? part_of(c, run->result, NULL, "profile", out, e) : 0;
}

RESOLVER(run_fault)
{
    UNUSED;
    const run_record *run = object;
    if (run->state == RUN_FAILED) *out = gql_of_object(run);
    return 0;
}

RESOLVER(fault_code)
{
    UNUSED;
    *out = gql_of_text(run_of(object)->code);
    return 0;
}

RESOLVER(fault_message)
{
    UNUSED;
    const char *text = run_of(object)->message;
    *out = gql_of_text(text ? text : "");
    return 0;
}

// Datasets.

int graphql_find_dataset(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    graphql_context *g = graphql_of(c);
    registry *r;
    const char *id;
    TRY(open_registry(c, MAY_READ, &r, e));
    TRY(gql_text_argument(c, arguments[0], OBJECT_ID_SIZE - 1, &id, e));
    graphql_held *h = graphql_hold(g);
    if (!h) return no_memory(e);
    int rc = registry_dataset_find(r, g->request->who->tenant, id, &h->dataset, e);
    if (rc == ERR_NOT_FOUND) c->code = "unknown_dataset";
    TRY(rc);
    *out = gql_of_object(&h->dataset);
    return 0;
}

int graphql_list_datasets(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    graphql_context *g = graphql_of(c);
    registry *r;
    size_t n;
    int64_t below;
    TRY(open_registry(c, MAY_READ, &r, e));
    TRY(read_page(c, arguments[0], arguments[1], &n, &below, e));
    graphql_held *h = graphql_hold(g);
    if (!h) return no_memory(e);
    TRY(registry_datasets(r, g->request->who->tenant, below, n, &h->datasets, e));
    gql_result *items = gql_list_of(c, h->datasets.n, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < h->datasets.n; i++) items[i] = gql_of_object(&h->datasets.datasets[i]);
    return 0;
}

static const dataset_record *dataset_of(const void *object)
{
    return object;
}

RESOLVER(dataset_id)
{
    UNUSED;
    *out = gql_of_text(dataset_of(object)->id);
    return 0;
}

RESOLVER(dataset_number)
{
    UNUSED;
    *out = gql_of_whole(dataset_of(object)->number);
    return 0;
}

RESOLVER(dataset_sum)
{
    UNUSED;
    *out = gql_of_text(dataset_of(object)->sha256);
    return 0;
}

RESOLVER(dataset_bytes)
{
    UNUSED;
    *out = gql_of_whole(dataset_of(object)->size);
    return 0;
}

RESOLVER(dataset_created)
{
    UNUSED;
    return moment(c, dataset_of(object)->created_ms, out, e);
}

RESOLVER(dataset_profile)
{
    UNUSED;
    return part_of(c, dataset_of(object)->profile, NULL, NULL, out, e);
}

// Tables.

static const gql_enum_value states[] = {
    {.name = "QUEUED"}, {.name = "RUNNING"},   {.name = "SUCCEEDED"},
    {.name = "FAILED"}, {.name = "CANCELLED"}, {.name = "INTERRUPTED", .about = "The server ended while it ran."},
};
const gql_type graphql_run_state = {
    .kind = GQL_KIND_ENUM, .name = "RunState", .values = states, .n_values = sizeof states / sizeof *states};

static const gql_field fault_fields[] = {
    {.name = "code", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = fault_code},
    {.name = "message", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = fault_message},
};
const gql_type graphql_run_fault = {.kind = GQL_KIND_OBJECT, .name = "RunFault", GQL_FIELDS(fault_fields)};

static const gql_field run_fields[] = {
    {.name = "id", .type = &gql_id, .wraps = GQL_REQUIRED, .resolve = run_id},
    {.name = "number",
     .type = &graphql_long,
     .wraps = GQL_REQUIRED,
     .resolve = run_number,
     .about = "The order in which they came: what Query.runs(before:) takes."},
    {.name = "kind", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = run_kind},
    {.name = "state", .type = &graphql_run_state, .wraps = GQL_REQUIRED, .resolve = run_state_of},
    {.name = "dataset", .type = &gql_id, .resolve = run_dataset},
    {.name = "created", .type = &graphql_datetime, .wraps = GQL_REQUIRED, .resolve = run_created},
    {.name = "started", .type = &graphql_datetime, .resolve = run_started},
    {.name = "ended", .type = &graphql_datetime, .resolve = run_ended},
    {.name = "asked", .type = &graphql_json, .resolve = run_asked, .about = "What was asked for.", .cost = 10},
    {.name = "result", .type = &graphql_json, .resolve = run_result, .about = "What came of it.", .cost = 10},
    {.name = "fault", .type = &graphql_run_fault, .resolve = run_fault, .about = "Why it failed."},
};
const gql_type graphql_run = {.kind = GQL_KIND_OBJECT,
                              .name = "Run",
                              .about = "A training, preparation, profile, evaluation or batch prediction.",
                              GQL_FIELDS(run_fields)};

static const gql_field dataset_fields[] = {
    {.name = "id", .type = &gql_id, .wraps = GQL_REQUIRED, .resolve = dataset_id},
    {.name = "number", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = dataset_number},
    {.name = "sha256", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = dataset_sum},
    {.name = "bytes", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = dataset_bytes},
    {.name = "created", .type = &graphql_datetime, .wraps = GQL_REQUIRED, .resolve = dataset_created},
    {.name = "profile",
     .type = &graphql_json,
     .resolve = dataset_profile,
     .about = "What its columns are; null until a run looked.",
     .cost = 10},
};
const gql_type graphql_dataset = {.kind = GQL_KIND_OBJECT, .name = "Dataset", GQL_FIELDS(dataset_fields)};
