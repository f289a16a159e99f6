// Models, their versions and aliases. What the snapshot knows is answered from it; versions and aliases come from the
// registry, once for each model that is asked about.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/clock.h"
#include "serve/access.h"
#include "serve/drift_report.h"
#include "serve/graphql_impl.h"
#include "serve/models.h"

enum { VERSIONS_FIRST = 1000, MODELS_FIRST = 1000 };

// What a Model's resolvers are given.
typedef struct model_object {
    const snapshot_model *model;
    const registry_model *record; // NULL until it was asked for
} model_object;

typedef struct version_object {
    model_object *model;
    const registry_version *version;
    const package *package; // NULL until it was asked for
} version_object;

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a model");
}

static int answer_model(gql_call *c, const snapshot_model *m, gql_result *out, err *e)
{
    model_object *o = arena_zalloc(c->memory, 1, sizeof *o);
    if (!o) return no_memory(e);
    o->model = m;
    *out = gql_of_object(o);
    return 0;
}

// Roots.

int graphql_find_model(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    graphql_context *g = graphql_of(c);
    response told = graphql_response();
    const snapshot_model *m;
    TRY(graphql_may(c, MAY_PREDICT | MAY_READ, e));
    int rc = models_find(g->serving, g->request, arguments[0]->text, &m, &told, e);
    return rc < 0 ? graphql_fail(c, &told, rc) : answer_model(c, m, out, e);
}

static const char *status_of(const snapshot_model *m)
{
    return !m->wanted ? "NOT_DEPLOYED" : !m->now ? "BROKEN" : m->fault ? "STALE" : "SERVING";
}

static bool passes(const snapshot_model *m, const gql_value *filter)
{
    if (!filter || filter->kind == GQL_NULL) return true;
    const gql_value *status = gql_member(filter->first, STR("status"));
    const gql_value *start = gql_member(filter->first, STR("nameStartsWith"));
    str name = str_of(principal_name_of(m->name));
    if (start && start->kind == GQL_STRING &&
        (name.len < start->text.len || (start->text.len > 0 && memcmp(name.data, start->text.data, start->text.len))))
        return false;
    if (!status || status->kind != GQL_LIST) return true;
    for (const gql_value *v = status->first; v; v = v->next)
        if (str_equal(v->text, str_of(status_of(m)))) return true;
    return false;
}

// How many of a list are wanted, from an argument "first".
static int read_first(gql_call *c, const gql_value *v, size_t max, size_t *out, err *e)
{
    *out = max;
    if (!v || v->kind == GQL_NULL) return 0;
    if (v->whole >= 0 && (uint64_t)v->whole <= max) {
        *out = (size_t)v->whole;
        return 0;
    }
    c->code = "out_of_range";
    return err_set(e, ERR_INPUT, "\"first\" must be from 0 to %zu", max);
}

int graphql_list_models(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    graphql_context *g = graphql_of(c);
    size_t first, n = 0, at = 0;
    TRY(graphql_may(c, MAY_PREDICT | MAY_READ, e));
    TRY(read_first(c, arguments[0], MODELS_FIRST, &first, e));
    gql_result *items = gql_list_of(c, first < g->serving->models->n ? first : g->serving->models->n, out);
    if (!items) return no_memory(e);
    const gql_value *after = arguments[1] && arguments[1]->kind == GQL_STRING ? arguments[1] : NULL;
    for (const snapshot_model *m; n < first && (m = models_next(g->serving, g->request, &at));) {
        if (after && str_compare(str_of(principal_name_of(m->name)), after->text) <= 0) continue;
        if (passes(m, arguments[2])) TRY(answer_model(c, m, &items[n++], e));
    }
    out->n = n;
    return 0;
}

int graphql_list_deployments(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out,
                             err *e)
{
    (void)object, (void)arguments;
    graphql_context *g = graphql_of(c);
    size_t n = 0, at = 0;
    TRY(graphql_may(c, MAY_READ, e));
    gql_result *items = gql_list_of(c, g->serving->models->n, out);
    if (!items) return no_memory(e);
    for (const snapshot_model *m; (m = models_next(g->serving, g->request, &at));)
        if (m->wanted) TRY(answer_model(c, m, &items[n++], e));
    out->n = n;
    return 0;
}

// Models.

static const snapshot_model *model_of(const void *object)
{
    return ((const model_object *)object)->model;
}

const snapshot_model *graphql_model_of(const void *object)
{
    return model_of(object);
}

static const schema *schema_of(const void *object) // NULL if nothing is in service
{
    const served *v = model_of(object)->now;
    return v ? model_schema(v->model) : NULL;
}

RESOLVER(name)
{
    UNUSED;
    *out = gql_of_text(principal_name_of(model_of(object)->name));
    return 0;
}

RESOLVER(status)
{
    UNUSED;
    *out = gql_of_text(status_of(model_of(object)));
    return 0;
}

RESOLVER(serving_version)
{
    UNUSED;
    const served *v = model_of(object)->now;
    if (v) *out = gql_of_whole(v->version);
    return 0;
}

RESOLVER(wanted_version)
{
    UNUSED;
    int64_t wanted = model_of(object)->wanted;
    if (wanted) *out = gql_of_whole(wanted);
    return 0;
}

RESOLVER(fault)
{
    UNUSED;
    *out = gql_of_text(model_of(object)->fault);
    return 0;
}

RESOLVER(inputs)
{
    UNUSED;
    const schema *s = schema_of(object);
    return s ? graphql_columns_of(c, s, out, e) : 0;
}

RESOLVER(target)
{
    UNUSED;
    const schema *s = schema_of(object);
    if (s) *out = graphql_target_of(s);
    return 0;
}

RESOLVER(recipe)
{
    UNUSED;
    const served *v = model_of(object)->now;
    if (v && model_package(v->model)->recipe[0]) *out = gql_of_text(model_package(v->model)->recipe);
    return 0;
}

RESOLVER(metrics)
{
    UNUSED;
    const served *v = model_of(object)->now;
    return v ? gql_json_result(c, model_package(v->model)->metrics, out, e) : 0;
}

RESOLVER(memory)
{
    UNUSED;
    const served *v = model_of(object)->now;
    if (v) *out = gql_of_whole((int64_t)model_memory(v->model));
    return 0;
}

RESOLVER(traffic)
{
    UNUSED;
    TRY(graphql_may(c, MAY_MONITOR, e));
    for (const model_meter *m = graphql_of(c)->serving->models->meters; m; m = m->next)
        if (strcmp(m->name, model_of(object)->name) == 0) *out = graphql_traffic_of(m);
    return 0;
}

// The registry's record, looked up once.
static int record_of(gql_call *c, const void *object, err *e)
{
    model_object *o = (model_object *)object; // made here, in the request's arena
    graphql_context *g = graphql_of(c);
    registry *r;
    if (o->record) return 0;
    TRY(graphql_may(c, MAY_READ, e));
    TRY(serving_registry(g->serving, &r, e));
    graphql_held *h = graphql_hold(g);
    if (!h) return no_memory(e);
    int rc = registry_find(r, o->model->name, &h->record, e);
    if (rc == ERR_NOT_FOUND) { // removed a moment ago
        c->code = "unknown_model";
        return err_set(e, rc, "there is no model \"%s\"", principal_name_of(o->model->name));
    }
    TRY(rc);
    o->record = &h->record;
    return 0;
}

RESOLVER(aliases)
{
    UNUSED;
    TRY(record_of(c, object, e));
    const registry_model *m = ((const model_object *)object)->record;
    gql_result *items = gql_list_of(c, m->n_aliases, out);
    if (!items) return no_memory(e);
    for (size_t i = 0; i < m->n_aliases; i++) items[i] = gql_of_object(&m->aliases[i]);
    return 0;
}

static int answer_version(gql_call *c, const void *object, const registry_version *v, gql_result *out, err *e)
{
    version_object *o = arena_zalloc(c->memory, 1, sizeof *o);
    if (!o) return no_memory(e);
    o->model = (model_object *)object;
    o->version = v;
    *out = gql_of_object(o);
    return 0;
}

RESOLVER(versions)
{
    UNUSED;
    size_t first, n = 0;
    TRY(read_first(c, arguments[0], VERSIONS_FIRST, &first, e));
    TRY(record_of(c, object, e));
    const registry_model *m = ((const model_object *)object)->record;
    gql_result *items = gql_list_of(c, first < m->n_versions ? first : m->n_versions, out);
    if (!items) return no_memory(e);
    const gql_value *before = arguments[1] && arguments[1]->kind != GQL_NULL ? arguments[1] : NULL;
    for (size_t i = m->n_versions; i-- > 0 && n < first;)
        if (!before || m->versions[i].version < before->whole)
            TRY(answer_version(c, object, &m->versions[i], &items[n++], e));
    out->n = n;
    return 0;
}

RESOLVER(version)
{
    UNUSED;
    TRY(record_of(c, object, e));
    const registry_model *m = ((const model_object *)object)->record;
    for (size_t i = 0; i < m->n_versions; i++)
        if (m->versions[i].version == arguments[0]->whole) return answer_version(c, object, &m->versions[i], out, e);
    return 0;
}

// Aliases.

RESOLVER(alias_name)
{
    UNUSED;
    *out = gql_of_text(((const registry_alias *)object)->name);
    return 0;
}

RESOLVER(alias_version)
{
    UNUSED;
    *out = gql_of_whole(((const registry_alias *)object)->version);
    return 0;
}

// Versions.

static const registry_version *version_of(const void *object)
{
    return ((const version_object *)object)->version;
}

RESOLVER(version_number)
{
    UNUSED;
    *out = gql_of_whole(version_of(object)->version);
    return 0;
}

RESOLVER(version_digest)
{
    UNUSED;
    *out = gql_of_text(version_of(object)->digest);
    return 0;
}

RESOLVER(version_created)
{
    UNUSED;
    char text[CLOCK_TEXT_SIZE];
    clock_format_utc(version_of(object)->created_ms, text);
    char *kept = arena_strndup(c->memory, text, strlen(text));
    if (!kept) return no_memory(e);
    *out = gql_of_text(kept);
    return 0;
}

RESOLVER(version_size)
{
    UNUSED;
    *out = gql_of_whole(version_of(object)->size);
    return 0;
}

RESOLVER(version_metrics)
{
    UNUSED;
    const char *text = version_of(object)->metrics;
    *out = (gql_result){.kind = GQL_RESULT_JSON, .text = str_of(text && text[0] ? text : "{}")};
    return 0;
}

RESOLVER(version_aliases)
{
    UNUSED;
    const registry_model *m = ((const version_object *)object)->model->record;
    gql_result *items = gql_list_of(c, m->n_aliases, out);
    if (!items) return no_memory(e);
    size_t n = 0;
    for (size_t i = 0; i < m->n_aliases; i++)
        if (m->aliases[i].version == version_of(object)->version) items[n++] = gql_of_text(m->aliases[i].name);
    out->n = n;
    return 0;
}

// The package itself: read from the disk and checked, once for each version that is asked about.
static int package_of(gql_call *c, const void *object, const package **out, err *e)
{
    version_object *o = (version_object *)object;
    graphql_context *g = graphql_of(c);
    registry *r;
    if (!o->package) {
        TRY(serving_registry(g->serving, &r, e));
        graphql_held *h = graphql_hold(g);
        if (!h) return no_memory(e);
        int rc = registry_load(r, o->model->model->name, o->version->version, &h->package, e);
        if (rc == ERR_NOT_FOUND) c->code = "unknown_version";
        if (rc == ERR_NOT_FOUND) return err_set(e, rc, "version %lld was removed", (long long)o->version->version);
        TRY(rc);
        o->package = h->package;
    }
    *out = o->package;
    return 0;
}

RESOLVER(version_recipe)
{
    UNUSED;
    const package *p;
    TRY(package_of(c, object, &p, e));
    if (p->recipe[0]) *out = gql_of_text(p->recipe);
    return 0;
}

RESOLVER(version_options)
{
    UNUSED;
    const package *p;
    TRY(package_of(c, object, &p, e));
    return gql_json_result(c, p->options, out, e);
}

RESOLVER(version_training)
{
    UNUSED;
    const package *p;
    TRY(package_of(c, object, &p, e));
    return gql_json_result(c, p->training, out, e);
}

RESOLVER(version_inputs)
{
    UNUSED;
    const package *p;
    TRY(package_of(c, object, &p, e));
    return graphql_columns_of(c, &p->schema, out, e);
}

RESOLVER(version_target)
{
    UNUSED;
    const package *p;
    TRY(package_of(c, object, &p, e));
    *out = graphql_target_of(&p->schema);
    return 0;
}

RESOLVER(version_drift)
{
    UNUSED;
    const version_object *o = object;
    const snapshot_version *v = snapshot_version_find(o->model->model, o->version->version);
    json_t *j;
    if (!v || !v->served) return 0; // null
    TRY(drift_to_json(v->served, clock_coarse_ms(), &j, e));
    int rc = gql_json_result(c, j, out, e);
    json_decref(j);
    return rc;
}

// Tables.

static const gql_enum_value statuses[] = {
    {.name = "NOT_DEPLOYED", .about = "No version is deployed."},
    {.name = "SERVING", .about = "The deployed version answers."},
    {.name = "STALE", .about = "The deployed version cannot be loaded; the one before answers."},
    {.name = "BROKEN", .about = "The deployed version cannot be loaded, and none answers."},
};
const gql_type graphql_model_status = {
    .kind = GQL_KIND_ENUM, .name = "ModelStatus", .values = statuses, .n_values = sizeof statuses / sizeof *statuses};

static const gql_input filter_inputs[] = {
    {.name = "status", .type = &graphql_model_status, .wraps = GQL_LIST_OF_REQUIRED, .about = "One of these."},
    {.name = "nameStartsWith", .type = &gql_string},
};
const gql_type graphql_model_filter = {.kind = GQL_KIND_INPUT,
                                       .name = "ModelFilter",
                                       .about = "Which models: those that all of it is true of.",
                                       .inputs = filter_inputs,
                                       .n_inputs = sizeof filter_inputs / sizeof *filter_inputs};

static const gql_input versions_arguments[] = {
    {.name = "first", .type = &gql_int, .standard = "100", .about = "How many, at most 1000."},
    {.name = "before", .type = &graphql_long, .about = "Only those with a lower number."},
};
static const gql_input version_arguments[] = {{.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED}};
enum { RECORD_COST = 10, PACKAGE_COST = 200, DRIFT_COST = 50 };

static const gql_field model_fields[] = {
    {.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = name},
    {.name = "status", .type = &graphql_model_status, .wraps = GQL_REQUIRED, .resolve = status},
    {.name = "serving", .type = &graphql_long, .resolve = serving_version, .about = "The version that answers."},
    {.name = "wanted",
     .type = &graphql_long,
     .resolve = wanted_version,
     .about = "The version that the alias \"production\" points at."},
    {.name = "fault", .type = &gql_string, .resolve = fault, .about = "Why the two are not the same."},
    {.name = "recipe", .type = &gql_string, .resolve = recipe},
    {.name = "inputs",
     .type = &graphql_column,
     .wraps = GQL_LIST_OF_REQUIRED,
     .resolve = inputs,
     .about = "What the version that answers wants to be given."},
    {.name = "target", .type = &graphql_target, .resolve = target, .about = "What it predicts."},
    {.name = "metrics", .type = &graphql_json, .resolve = metrics, .about = "Of its training.", .cost = 10},
    {.name = "memory", .type = &graphql_long, .resolve = memory, .about = "Bytes that it takes."},
    {.name = "traffic",
     .type = &graphql_traffic,
     .resolve = traffic,
     .about = "Since the server started. Wants the permission to monitor."},
    {.name = "aliases",
     .type = &graphql_alias,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = aliases,
     .about = "Wants the permission to read, as versions do.",
     .cost = RECORD_COST},
    {.name = "versions",
     .type = &graphql_version,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = versions,
     .about = "The newest first.",
     GQL_ARGUMENTS(versions_arguments),
     .cost = RECORD_COST},
    {.name = "version",
     .type = &graphql_version,
     .resolve = version,
     .about = "One by its number; null if there is none.",
     GQL_ARGUMENTS(version_arguments),
     .cost = RECORD_COST},
};
const gql_type graphql_model = {.kind = GQL_KIND_OBJECT, .name = "Model", GQL_FIELDS(model_fields)};

static const gql_field alias_fields[] = {
    {.name = "name", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = alias_name},
    {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = alias_version},
};
const gql_type graphql_alias = {
    .kind = GQL_KIND_OBJECT, .name = "Alias", .about = "A name that points at a version.", GQL_FIELDS(alias_fields)};

static const gql_field version_fields[] = {
    {.name = "version", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = version_number},
    {.name = "digest",
     .type = &gql_string,
     .wraps = GQL_REQUIRED,
     .resolve = version_digest,
     .about = "SHA-256 of its manifest: what it is known by everywhere."},
    {.name = "created", .type = &graphql_datetime, .wraps = GQL_REQUIRED, .resolve = version_created},
    {.name = "size", .type = &graphql_long, .wraps = GQL_REQUIRED, .resolve = version_size, .about = "Bytes."},
    {.name = "aliases",
     .type = &gql_string,
     .wraps = GQL_REQUIRED_LIST,
     .resolve = version_aliases,
     .about = "Those that point at it."},
    {.name = "metrics", .type = &graphql_json, .wraps = GQL_REQUIRED, .resolve = version_metrics},
    {.name = "recipe", .type = &gql_string, .resolve = version_recipe, .cost = PACKAGE_COST},
    {.name = "options",
     .type = &graphql_json,
     .resolve = version_options,
     .about = "How it was made: family, preparation, split.",
     .cost = PACKAGE_COST},
    {.name = "training",
     .type = &graphql_json,
     .resolve = version_training,
     .about = "From what: seed, rows, fingerprint of the data.",
     .cost = PACKAGE_COST},
    {.name = "inputs",
     .type = &graphql_column,
     .wraps = GQL_LIST_OF_REQUIRED,
     .resolve = version_inputs,
     .cost = PACKAGE_COST},
    {.name = "target", .type = &graphql_target, .resolve = version_target, .cost = PACKAGE_COST},
    {.name = "drift",
     .type = &graphql_json,
     .resolve = version_drift,
     .about = "What it is asked now against its training, as the native protocol has it; null if it is not loaded.",
     .cost = DRIFT_COST},
};
const gql_type graphql_version = {.kind = GQL_KIND_OBJECT, .name = "Version", GQL_FIELDS(version_fields)};

static const gql_field deployment_fields[] = {
    {.name = "model", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = name},
    {.name = "wanted", .type = &graphql_long, .resolve = wanted_version},
    {.name = "serving", .type = &graphql_long, .resolve = serving_version},
    {.name = "status", .type = &graphql_model_status, .wraps = GQL_REQUIRED, .resolve = status},
    {.name = "fault", .type = &gql_string, .resolve = fault},
    {.name = "canary", .type = &graphql_canary, .resolve = graphql_deployment_canary},
    {.name = "shadow", .type = &graphql_shadow, .resolve = graphql_deployment_shadow},
};
const gql_type graphql_deployment = {.kind = GQL_KIND_OBJECT,
                                     .name = "Deployment",
                                     .about = "A version that an alias points at, and so is served.",
                                     GQL_FIELDS(deployment_fields)};
