// The walk over a document: operations, fields, fragments, directives (sections 5.1 to 5.5 and 5.7).
// SPDX-License-Identifier: Apache-2.0
#include "graphql/validate.h"

#include "base/nearest.h"
#include "graphql/validate_impl.h"

enum { DIRECTIVES_MAX = 16, NAMES_MAX = 64 };

static int check_directives(checker *c, const gql_directive *first, gql_location place, err *e)
{
    const gql_directive *all[DIRECTIVES_MAX];
    size_t n = 0;
    for (const gql_directive *d = first; d; d = d->next) {
        const gql_directive_type *t = gql_find_directive(d->name);
        if (!t) {
            gql_complain(c, d->at, "there is no directive \"@" STR_FORMAT "\"", STR_ARGS(d->name));
        } else if (!(t->locations >> place & 1)) {
            gql_complain(c, d->at, "\"@" STR_FORMAT "\" does not belong at a %s", STR_ARGS(d->name),
                         gql_location_names[place]);
        }
        for (size_t i = 0; i < n && t; i++)
            if (str_equal(all[i]->name, d->name)) {
                gql_complain(c, d->at, "\"@" STR_FORMAT "\" stands here twice", STR_ARGS(d->name));
                break;
            }
        if (n == DIRECTIVES_MAX) {
            gql_errors_add(c->errors, "limit", d->at, "more than %d directives at one place", DIRECTIVES_MAX);
            return 0;
        }
        all[n++] = d;
        TRY(gql_check_arguments(c, d->arguments, d->at, t ? t->arguments : NULL, t ? t->n_arguments : 0,
                                t ? "the directive " : NULL, d->name, e));
    }
    return 0;
}

// Whether an object can be of both types.
static bool can_meet(const checker *c, const gql_type *a, const gql_type *b)
{
    const gql_type *t;
    if (a->kind == GQL_KIND_OBJECT) return gql_is_possible(b, a);
    if (b->kind == GQL_KIND_OBJECT) return gql_is_possible(a, b);
    for (size_t i = 0; (t = gql_type_at(c->schema, i)); i++)
        if (t->kind == GQL_KIND_OBJECT && gql_is_possible(a, t) && gql_is_possible(b, t)) return true;
    return false;
}

// The type of a fragment's condition, if it exists and has fields.
static const gql_type *find_condition(checker *c, str name, uint32_t at)
{
    const gql_type *t = gql_find_type(c->schema, name);
    if (!t) {
        gql_complain(c, at, "there is no type \"" STR_FORMAT "\"", STR_ARGS(name));
        return NULL;
    }
    if (gql_is_composite(t)) return t;
    gql_complain(c, at, "a fragment cannot be on %s, which has no fields", t->name);
    return NULL;
}

static int walk(checker *c, gql_selection *s, const gql_type *parent, err *e);

static void complain_field(checker *c, const gql_selection *s, const gql_type *parent)
{
    const char *names[NAMES_MAX], *near = NULL;
    char text[64];
    size_t n = 0;
    for (; n < parent->n_fields && n < NAMES_MAX; n++) names[n] = parent->fields[n].name;
    if (s->name.len < sizeof text && c->errors->n < GQL_ERRORS_MAX) {
        memcpy(text, s->name.data, s->name.len);
        text[s->name.len] = '\0';
        near = nearest_name(text, names, n);
    }
    if (near)
        gql_complain(c, s->at, "%s has no field \"" STR_FORMAT "\"; did you mean \"%s\"?", parent->name,
                     STR_ARGS(s->name), near);
    else
        gql_complain(c, s->at, "%s has no field \"" STR_FORMAT "\"", parent->name, STR_ARGS(s->name));
}

static int walk_field(checker *c, gql_selection *s, const gql_type *parent, err *e)
{
    bool is_typename = str_equal(s->name, STR("__typename"));
    const gql_type *t = is_typename ? &gql_string : NULL;
    s->parent = parent;
    s->field = parent && !is_typename ? gql_find_field(c->schema, parent, s->name) : NULL;
    if (s->field) t = s->field->type;
    if (parent && !t) complain_field(c, s, parent);
    bool known = s->field || is_typename;
    TRY(gql_check_arguments(c, s->arguments, s->at, s->field ? s->field->arguments : NULL,
                            s->field ? s->field->n_arguments : 0, known ? "the field " : NULL, s->name, e));
    TRY(check_directives(c, s->directives, GQL_AT_FIELD, e));
    if (t && gql_is_leaf(t) && s->children)
        gql_complain(c, s->at, "\"" STR_FORMAT "\" is of type %s, which has no fields to select", STR_ARGS(s->name),
                     t->name);
    if (t && !gql_is_leaf(t) && !s->children)
        gql_complain(c, s->at, "\"" STR_FORMAT "\" is of type %s: say which of its fields", STR_ARGS(s->name), t->name);
    return walk(c, s->children, t && gql_is_composite(t) ? t : NULL, e);
}

static int walk_spread(checker *c, gql_selection *s, const gql_type *parent, err *e)
{
    TRY(check_directives(c, s->directives, GQL_AT_FRAGMENT_SPREAD, e));
    for (gql_definition *d = c->document->definitions; d; d = d->next)
        if (d->kind == GQL_FRAGMENT && str_equal(d->name, s->name)) {
            s->fragment = d;
            break;
        }
    s->parent = parent;
    if (!s->fragment) {
        gql_complain(c, s->at, "there is no fragment \"" STR_FORMAT "\"", STR_ARGS(s->name));
        return 0;
    }
    const gql_type *t = gql_find_type(c->schema, s->fragment->condition); // complained of at the fragment
    if (parent && t && gql_is_composite(t) && !can_meet(c, parent, t))
        gql_complain(c, s->at, "nothing of type %s is ever of type %s", parent->name, t->name);
    return 0;
}

static int walk_inline(checker *c, gql_selection *s, const gql_type *parent, err *e)
{
    const gql_type *t = parent;
    if (s->condition.len > 0) {
        t = find_condition(c, s->condition, s->condition_at);
        if (parent && t && !can_meet(c, parent, t))
            gql_complain(c, s->at, "nothing of type %s is ever of type %s", parent->name, t->name);
    }
    s->parent = t;
    TRY(check_directives(c, s->directives, GQL_AT_INLINE_FRAGMENT, e));
    return walk(c, s->children, t, e);
}

static int walk(checker *c, gql_selection *s, const gql_type *parent, err *e)
{
    for (; s; s = s->next)
        TRY(s->kind == GQL_FIELD    ? walk_field(c, s, parent, e)
            : s->kind == GQL_SPREAD ? walk_spread(c, s, parent, e)
                                    : walk_inline(c, s, parent, e));
    return 0;
}

static const gql_type *root_of(checker *c, const gql_definition *d)
{
    static const char *const kinds[] = {"queries", "mutations", "subscriptions"};
    const gql_type *t = d->kind == GQL_QUERY ? c->schema->query : d->kind == GQL_MUTATION ? c->schema->mutation : NULL;
    if (!t) gql_complain(c, d->at, "this service has no %s", kinds[d->kind]);
    return t;
}

static int check_definition(checker *c, gql_definition *d, err *e)
{
    static const gql_location places[] = {GQL_AT_QUERY, GQL_AT_MUTATION, GQL_AT_SUBSCRIPTION,
                                          GQL_AT_FRAGMENT_DEFINITION};
    bool is_fragment = d->kind == GQL_FRAGMENT;
    c->now = d;
    for (const gql_definition *o = c->document->definitions; o != d; o = o->next)
        if ((o->kind == GQL_FRAGMENT) == is_fragment && str_equal(o->name, d->name) && d->name.len > 0) {
            gql_complain(c, d->at, "the %s \"" STR_FORMAT "\" is defined twice", is_fragment ? "fragment" : "operation",
                         STR_ARGS(d->name));
            break;
        }
    d->type = is_fragment ? find_condition(c, d->condition, d->condition_at) : root_of(c, d);
    TRY(gql_check_variables(c, d, e));
    for (const gql_variable *v = d->variables; v; v = v->next)
        TRY(check_directives(c, v->directives, GQL_AT_VARIABLE_DEFINITION, e));
    TRY(check_directives(c, d->directives, places[d->kind], e));
    return walk(c, d->children, d->type, e);
}

// Fragments, each after those that it spreads. States: 0 not yet, 1 on the way, 2 done.
static void put_in_order(checker *c, gql_definition *d, gql_definition **order, size_t *n)
{
    d->state = 1;
    for (gql_selection *s = d->spreads; s; s = s->next_spread) {
        if (!s->fragment) continue;
        if (s->fragment->state == 1)
            gql_complain(c, s->at, "the fragment \"" STR_FORMAT "\" contains itself", STR_ARGS(s->name));
        if (s->fragment->state == 0) put_in_order(c, s->fragment, order, n);
    }
    d->state = 2;
    order[(*n)++] = d;
}

int gql_validate(gql_document *d, const gql_schema *s, gql_errors *errors, arena *a, err *e)
{
    checker c = {.document = d, .schema = s, .errors = errors, .memory = a, .stamp = 2};
    gql_definition **order = arena_alloc(a, d->n_definitions, sizeof *order);
    if (!order) return err_set(e, ERR_MEMORY, "no memory for a document");
    size_t n_operations = 0, n = 0;
    for (gql_definition *def = d->definitions; def; def = def->next) {
        TRY(check_definition(&c, def, e));
        n_operations += def->kind != GQL_FRAGMENT;
    }
    for (gql_definition *def = d->definitions; def; def = def->next)
        if (def->kind != GQL_FRAGMENT && def->name.len == 0 && n_operations > 1)
            gql_complain(&c, def->at, "an operation without a name must be the only one");
    // What operations lead to comes first; what is left then is never used, and may go in circles too.
    for (gql_definition *def = d->definitions; def; def = def->next)
        if (def->kind != GQL_FRAGMENT) put_in_order(&c, def, order, &n);
    for (gql_definition *def = d->definitions; def; def = def->next)
        if (def->state == 0) {
            gql_complain(&c, def->at, "the fragment \"" STR_FORMAT "\" is never used", STR_ARGS(def->name));
            put_in_order(&c, def, order, &n);
        }
    for (gql_definition *def = d->definitions; def; def = def->next)
        if (def->kind != GQL_FRAGMENT) gql_check_usages(&c, def);
    if (errors->n == 0) gql_check_cost(&c, order, n);
    return errors->n == 0 ? gql_check_merging(&c, e) : 0;
}
