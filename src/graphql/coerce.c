// Values to what types want of them.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/coerce_impl.h"

#include "graphql/execute.h"

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a value");
}

static int copy_of(gql_value **out, const gql_coercion *c, const gql_value *v, err *e)
{
    gql_value *copy = arena_alloc(c->memory, 1, sizeof *copy);
    if (!copy) return no_memory(e);
    *copy = *v;
    copy->next = NULL;
    copy->name = (str){0};
    *out = copy;
    return 0;
}

// Within a scalar that may be anything: variables give way to their values, one that was not given to null.
static int coerce_free(gql_value **out, const gql_coercion *c, const gql_value *v, err *e)
{
    const gql_value *from = v;
    if (v->kind == GQL_VARIABLE) {
        from = gql_member(c->variables, v->text);
        if (!from) from = &gql_null;
        return copy_of(out, c, from, e); // without variables within
    }
    TRY(copy_of(out, c, v, e));
    if (v->kind != GQL_LIST && v->kind != GQL_OBJECT) return 0;
    gql_value **tail = &(*out)->first;
    for (const gql_value *x = v->first; x; x = x->next) {
        TRY(coerce_free(tail, c, x, e));
        (*tail)->name = x->name;
        tail = &(*tail)->next;
    }
    return 0;
}

static int coerce_enum(gql_value **out, const gql_coercion *c, const gql_value *v, const gql_type *t, err *e)
{
    bool name = v->kind == GQL_ENUM || (v->kind == GQL_STRING && v->at == GQL_AT_NONE);
    for (size_t i = 0; i < t->n_values && name; i++)
        if (str_equal(v->text, str_of(t->values[i].name))) {
            TRY(copy_of(out, c, v, e));
            (*out)->kind = GQL_ENUM;
            (*out)->index = (int32_t)i;
            return 0;
        }
    return err_set(e, ERR_INPUT, "the name of a value of %s belongs here", t->name);
}

static int coerce_list(gql_value **out, const gql_coercion *c, const gql_value *v, const gql_type *t, uint32_t wraps,
                       err *e)
{
    gql_value *list;
    TRY(copy_of(&list, c, v, e));
    list->kind = GQL_LIST;
    list->first = NULL;
    list->n = 0;
    gql_value **tail = &list->first;
    for (const gql_value *x = v->kind == GQL_LIST ? v->first : v; x; x = v->kind == GQL_LIST ? x->next : NULL) {
        gql_value *item;
        int rc = gql_coerce(&item, c, x, t, wraps, e);
        if (rc < 0) return v->kind == GQL_LIST && rc == ERR_INPUT ? err_prefix(e, rc, "item %u", list->n) : rc;
        if (!item) { // a variable without a value
            if ((wraps & 3) == GQL_REQUIRED) return err_set(e, ERR_INPUT, "item %u must not be null", list->n);
            TRY(copy_of(&item, c, &gql_null, e));
        }
        *tail = item;
        tail = &item->next;
        list->n++;
    }
    *out = list;
    return 0;
}

static int coerce_object(gql_value **out, const gql_coercion *c, const gql_value *v, const gql_type *t, err *e)
{
    if (v->kind != GQL_OBJECT) return err_set(e, ERR_INPUT, "an object of type %s belongs here", t->name);
    for (const gql_value *x = v->first; x; x = x->next)
        if (!gql_find_input(t->inputs, t->n_inputs, x->name))
            return err_set(e, ERR_INPUT, "%s has no field \"" STR_FORMAT "\"", t->name, STR_ARGS(x->name));
    const gql_value **fields = arena_alloc(c->memory, t->n_inputs, sizeof *fields);
    if (!fields) return no_memory(e);
    TRY(gql_coerce_arguments(fields, c, v->first, t->inputs, t->n_inputs, e));
    TRY(copy_of(out, c, v, e));
    (*out)->n = 0;
    (*out)->first = NULL;
    gql_value **tail = &(*out)->first;
    for (size_t i = 0; i < t->n_inputs; i++) {
        if (!fields[i]) continue;
        TRY(copy_of(tail, c, fields[i], e)); // its own link to the next one
        (*tail)->name = str_of(t->inputs[i].name);
        if (t->one_of && ((*tail)->kind == GQL_NULL || (*out)->n > 0)) (*out)->n = t->n_inputs + 1;
        tail = &(*tail)->next;
        (*out)->n++;
    }
    if (t->one_of && (*out)->n != 1)
        return err_set(e, ERR_INPUT, "exactly one field of %s is to be given, and not null", t->name);
    return 0;
}

int gql_coerce(gql_value **out, const gql_coercion *c, const gql_value *v, const gql_type *t, uint32_t wraps, err *e)
{
    bool required = (wraps & 3) == GQL_REQUIRED;
    *out = NULL;
    if (v->kind == GQL_VARIABLE) { // coerced already, and validated to fit
        const gql_value *given = gql_member(c->variables, v->text);
        if (!given) return 0;
        v = given;
        if (v->kind == GQL_NULL && required) return err_set(e, ERR_INPUT, "it must not be null");
        if (v->kind == GQL_LIST || ((required ? wraps >> 2 : wraps) & 3) != GQL_LIST_OF) return copy_of(out, c, v, e);
    }
    if (v->kind == GQL_NULL) return required ? err_set(e, ERR_INPUT, "it must not be null") : copy_of(out, c, v, e);
    if (required) wraps >>= 2;
    if ((wraps & 3) == GQL_LIST_OF) return coerce_list(out, c, v, t, wraps >> 2, e);
    if (t->kind == GQL_KIND_ENUM) return coerce_enum(out, c, v, t, e);
    if (t->kind == GQL_KIND_INPUT) return coerce_object(out, c, v, t, e);
    TRY(coerce_free(out, c, v, e));
    const char *wanted = t->take(*out);
    if (wanted) return err_set(e, ERR_INPUT, "%s belongs here (%s)", wanted, t->name);
    return 0;
}

static int default_of(gql_value **out, const gql_coercion *c, const gql_input *i, err *e)
{
    gql_value *literal;
    TRY(gql_parse_value(&literal, str_of(i->standard), c->memory, e));
    return gql_coerce(out, c, literal, i->type, i->wraps, e);
}

int gql_coerce_arguments(const gql_value **out, const gql_coercion *c, const gql_value *given, const gql_input *inputs,
                         size_t n, err *e)
{
    for (size_t i = 0; i < n; i++) {
        const gql_value *v = gql_member(given, str_of(inputs[i].name));
        gql_value *coerced = NULL;
        if (v) {
            int rc = gql_coerce(&coerced, c, v, inputs[i].type, inputs[i].wraps, e);
            if (rc < 0) return rc == ERR_INPUT ? err_prefix(e, rc, "\"%s\"", inputs[i].name) : rc;
        }
        if (!coerced && inputs[i].standard) TRY(default_of(&coerced, c, &inputs[i], e));
        if (!coerced && (inputs[i].wraps & 3) == GQL_REQUIRED)
            return err_set(e, ERR_INPUT, "\"%s\" is missing", inputs[i].name);
        out[i] = coerced;
    }
    return 0;
}

int gql_coerce_variables(gql_value **out, const gql_definition *operation, const gql_value *sent, gql_errors *errors,
                         arena *a, err *e)
{
    const gql_coercion c = {.memory = a};
    gql_value **tail = out;
    *out = NULL;
    for (const gql_variable *v = operation->variables; v; v = v->next) {
        const gql_value *from = sent ? gql_member(sent->first, v->name) : NULL;
        err why = ERR_NONE;
        if (!from) from = v->standard;
        if (!from) {
            if ((v->wraps & 3) == GQL_REQUIRED)
                gql_errors_add(errors, "variables", v->at, "the variable \"$" STR_FORMAT "\" is missing",
                               STR_ARGS(v->name));
            continue;
        }
        int rc = gql_coerce(tail, &c, from, v->type, v->wraps, &why);
        if (rc == ERR_MEMORY) return err_set(e, rc, "%s", why.msg);
        if (rc < 0) {
            gql_errors_add(errors, "variables", v->at, "the variable \"$" STR_FORMAT "\": %s", STR_ARGS(v->name),
                           why.msg);
            *tail = NULL;
            continue;
        }
        (*tail)->name = v->name;
        tail = &(*tail)->next;
    }
    return 0;
}
