// Section 5.8: variables.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/validate_impl.h"

int gql_check_variables(checker *c, gql_definition *d, err *e)
{
    for (gql_variable *v = d->variables; v; v = v->next) {
        for (const gql_variable *w = d->variables; w != v; w = w->next)
            if (str_equal(v->name, w->name)) {
                gql_complain(c, v->at, "the variable \"$" STR_FORMAT "\" is defined twice", STR_ARGS(v->name));
                break;
            }
        v->type = gql_find_type(c->schema, v->type_name);
        if (!v->type) {
            gql_complain(c, v->type_at, "there is no type \"" STR_FORMAT "\"", STR_ARGS(v->type_name));
        } else if (!gql_is_input(v->type)) {
            gql_complain(c, v->type_at, "\"$" STR_FORMAT "\" cannot be of type %s, which is only for answers",
                         STR_ARGS(v->name), v->type->name);
            v->type = NULL;
        }
        if (v->standard) TRY(gql_check_value(c, v->standard, v->type, v->wraps, false, e));
    }
    return 0;
}

// Whether a variable of a type fits where another is wanted: the same, or required where it need not be.
static bool fits(const gql_type *t, uint32_t wraps, const gql_type *wanted, uint32_t wanted_wraps)
{
    for (;;) {
        bool required = (wraps & 3) == GQL_REQUIRED, must = (wanted_wraps & 3) == GQL_REQUIRED;
        if (must && !required) return false;
        if (must) wanted_wraps >>= 2;
        if (required) wraps >>= 2;
        bool list = (wraps & 3) == GQL_LIST_OF;
        if (list != ((wanted_wraps & 3) == GQL_LIST_OF)) return false;
        if (!list) return t == wanted;
        wraps >>= 2;
        wanted_wraps >>= 2;
    }
}

static bool is_allowed(const gql_variable *v, const gql_usage *u)
{
    if (!u->type || !v->type) return true;
    bool required = (v->wraps & 3) == GQL_REQUIRED;
    if (u->one_of && !required) return false;
    if ((u->wraps & 3) != GQL_REQUIRED || required) return fits(v->type, v->wraps, u->type, u->wraps);
    bool filled = v->standard && v->standard->kind != GQL_NULL;
    return (filled || u->has_default) && fits(v->type, v->wraps, u->type, u->wraps >> 2);
}

static void check_usage(checker *c, gql_definition *operation, const gql_usage *u)
{
    gql_variable *v = operation->variables;
    while (v && !str_equal(v->name, u->name)) v = v->next;
    if (!v) {
        gql_complain(c, u->at, "the variable \"$" STR_FORMAT "\" is not defined", STR_ARGS(u->name));
        return;
    }
    v->used = true;
    if (!is_allowed(v, u))
        gql_complain(c, u->at, "the variable \"$" STR_FORMAT "\" has a type that does not fit where it is used",
                     STR_ARGS(u->name));
}

static void visit(checker *c, gql_definition *operation, gql_definition *d)
{
    for (const gql_usage *u = d->usages; u; u = u->next) check_usage(c, operation, u);
    for (gql_selection *s = d->spreads; s; s = s->next_spread)
        if (s->fragment && s->fragment->state != c->stamp) {
            s->fragment->state = c->stamp;
            visit(c, operation, s->fragment);
        }
}

void gql_check_usages(checker *c, gql_definition *d)
{
    c->stamp++;
    visit(c, d, d);
    for (const gql_variable *v = d->variables; v; v = v->next)
        if (!v->used) gql_complain(c, v->at, "the variable \"$" STR_FORMAT "\" is never used", STR_ARGS(v->name));
}
