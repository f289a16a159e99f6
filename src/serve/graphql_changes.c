// Mutations: what the native protocol's routes for aliases and versions do, with their permissions and codes.
// SPDX-License-Identifier: Apache-2.0
#include "serve/access.h"
#include "serve/graphql_impl.h"
#include "serve/rest_tools.h"

// What a mutation is about.
typedef struct subject {
    registry *registry;
    char name[OWNED_NAME_SIZE]; // the registry's
    const char *alias;          // NULL where there is none
} subject;

typedef struct alias_change {
    const char *model, *alias;
    int64_t from, version; // 0: there is none
} alias_change;

// What went wrong in the registry, as the caller may read it.
static int tell(gql_call *c, const char *code, int rc, err *e)
{
    rest_hide_tenant(graphql_of(c)->request, e);
    if (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) c->code = code;
    return rc;
}

// Arguments: the model first, then the alias where there is one.
static int find_subject(subject *t, gql_call *c, const gql_value *const *arguments, bool alias, err *e)
{
    graphql_context *g = graphql_of(c);
    response told = graphql_response();
    registry_model m;
    TRY(graphql_may(c, MAY_DEPLOY, e));
    int rc = rest_model_name(g->request, arguments[0]->text, t->name, &told, e);
    if (rc < 0) return graphql_fail(c, &told, rc);
    if (alias) {
        TRY(gql_text_argument(c, arguments[1], ALIAS_MAX, &t->alias, e));
        const char *fault = alias_fault(t->alias);
        if (fault) c->code = "invalid_name";
        if (fault) return err_set(e, ERR_INPUT, "the alias \"%s\" %s", t->alias, fault);
    }
    TRY(serving_registry(g->serving, &t->registry, e));
    rc = registry_find(t->registry, t->name, &m, e); // first: what is not there suggests no names of others
    if (rc < 0) return tell(c, "unknown_model", rc, e);
    registry_model_clear(&m);
    return 0;
}

static int answer_change(gql_call *c, const subject *t, int64_t from, int64_t version, gql_result *out, err *e)
{
    const char *shown = principal_name_of(t->name);
    alias_change *a = arena_alloc(c->memory, 1, sizeof *a);
    const char *name = arena_strndup(c->memory, shown, strlen(shown));
    if (!a || !name) return err_set(e, ERR_MEMORY, "no memory for an answer");
    *a = (alias_change){.model = name, .alias = t->alias, .from = from, .version = version};
    *out = gql_of_object(a);
    return 0;
}

int graphql_set_alias(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    subject t = {0};
    TRY(find_subject(&t, c, arguments, true, e));
    int rc = registry_alias_set(t.registry, t.name, t.alias, arguments[2]->whole, e);
    return rc < 0 ? tell(c, "unknown_version", rc, e) : answer_change(c, &t, 0, arguments[2]->whole, out, e);
}

int graphql_roll_back(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    subject t = {0};
    int64_t from = 0, to = 0;
    TRY(find_subject(&t, c, arguments, true, e));
    int rc = registry_rollback(t.registry, t.name, t.alias, &from, &to, e);
    if (rc < 0) return tell(c, rc == ERR_CONFLICT ? "nothing_before" : "unknown_alias", rc, e);
    return answer_change(c, &t, from, to, out, e);
}

int graphql_remove_alias(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    subject t = {0};
    TRY(find_subject(&t, c, arguments, true, e));
    int rc = registry_alias_remove(t.registry, t.name, t.alias, e);
    return rc < 0 ? tell(c, "unknown_alias", rc, e) : answer_change(c, &t, 0, 0, out, e);
}

static int remove_from(gql_call *c, const subject *t, int64_t version, const gql_value *force, gql_result *out, err *e)
{
    int rc = registry_remove(t->registry, t->name, version, force && force->kind == GQL_BOOLEAN && force->truth, e);
    if (rc < 0) return tell(c, rc == ERR_CONFLICT ? "aliased" : version ? "unknown_version" : "unknown_model", rc, e);
    *out = gql_of_truth(true);
    return 0;
}

int graphql_remove_version(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    subject t = {0};
    TRY(find_subject(&t, c, arguments, false, e));
    if (arguments[1]->whole < 1) c->code = "unknown_version"; // 0 would be the whole model
    if (arguments[1]->whole < 1) return err_set(e, ERR_NOT_FOUND, "versions are numbered from 1");
    return remove_from(c, &t, arguments[1]->whole, arguments[2], out, e);
}

int graphql_remove_model(gql_call *c, const void *object, const gql_value *const *arguments, gql_result *out, err *e)
{
    (void)object;
    subject t = {0};
    TRY(find_subject(&t, c, arguments, false, e));
    return remove_from(c, &t, 0, arguments[1], out, e);
}

RESOLVER(change_model)
{
    UNUSED;
    *out = gql_of_text(((const alias_change *)object)->model);
    return 0;
}

RESOLVER(change_alias)
{
    UNUSED;
    *out = gql_of_text(((const alias_change *)object)->alias);
    return 0;
}

RESOLVER(change_version)
{
    UNUSED;
    int64_t version = ((const alias_change *)object)->version;
    if (version) *out = gql_of_whole(version);
    return 0;
}

RESOLVER(change_from)
{
    UNUSED;
    int64_t from = ((const alias_change *)object)->from;
    if (from) *out = gql_of_whole(from);
    return 0;
}

static const gql_field change_fields[] = {
    {.name = "model", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = change_model},
    {.name = "alias", .type = &gql_string, .wraps = GQL_REQUIRED, .resolve = change_alias},
    {.name = "version",
     .type = &graphql_long,
     .resolve = change_version,
     .about = "What it points at now; null if it was removed."},
    {.name = "from", .type = &graphql_long, .resolve = change_from, .about = "Where a rollback came from."},
};
const gql_type graphql_alias_change = {.kind = GQL_KIND_OBJECT, .name = "AliasChange", GQL_FIELDS(change_fields)};
