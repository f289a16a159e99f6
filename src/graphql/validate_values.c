// Section 5.4 (arguments) and 5.6 (values).
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "graphql/validate_impl.h"

enum { FEW = 16 }; // up to here, comparing each with each is the faster way

static int by_name(const void *x, const void *y)
{
    const gql_value *const *a = x, *const *b = y;
    int order = str_compare((*a)->name, (*b)->name);
    return order ? order : ((*a)->at > (*b)->at) - ((*a)->at < (*b)->at);
}

int gql_find_duplicate(checker *c, const gql_value *first, const gql_value **out, err *e)
{
    size_t n = 0;
    *out = NULL;
    for (const gql_value *v = first; v; v = v->next) n++;
    if (n <= FEW) {
        for (const gql_value *v = first; v; v = v->next)
            for (const gql_value *w = first; w != v; w = w->next)
                if (str_equal(v->name, w->name)) {
                    *out = v;
                    return 0;
                }
        return 0;
    }
    arena_mark mark = arena_get_mark(c->memory);
    const gql_value **sorted = arena_alloc(c->memory, n, sizeof *sorted);
    if (!sorted) return err_set(e, ERR_MEMORY, "no memory for %zu names", n);
    n = 0;
    for (const gql_value *v = first; v; v = v->next) sorted[n++] = v;
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 1; i < n && !*out; i++)
        if (str_equal(sorted[i - 1]->name, sorted[i]->name)) *out = sorted[i];
    arena_rewind(c->memory, mark);
    return 0;
}

static int note_usage(checker *c, const gql_value *v, const gql_type *t, uint32_t wraps, bool has_default, bool one_of,
                      err *e)
{
    gql_usage *u = arena_zalloc(c->memory, 1, sizeof *u);
    if (!u) return err_set(e, ERR_MEMORY, "no memory for a variable");
    *u = (gql_usage){.name = v->text,
                     .at = v->at,
                     .type = t,
                     .wraps = wraps,
                     .has_default = has_default,
                     .one_of = one_of,
                     .next = c->now->usages};
    c->now->usages = u;
    return 0;
}

static void complain_value(checker *c, const gql_value *v, const gql_type *t, uint32_t wraps, const char *wanted)
{
    char text[200];
    buf b;
    buf_init(&b, sizeof text); // what is longer is cut
    gql_print_type(str_of(t->name), wraps, &b);
    str type = b.failed ? str_of(t->name) : buf_str(&b);
    gql_complain(c, v->at, "a value of type " STR_FORMAT " belongs here: %s", STR_ARGS(type), wanted);
    buf_clear(&b);
}

// What a scalar that takes anything holds, and what stands where nothing is known: only its variables and names count.
static int check_free(checker *c, const gql_value *v, err *e)
{
    if (v->kind == GQL_VARIABLE) return note_usage(c, v, NULL, GQL_BARE, false, false, e);
    if (v->kind == GQL_OBJECT) {
        const gql_value *again;
        TRY(gql_find_duplicate(c, v->first, &again, e));
        if (again) gql_complain(c, again->at, "the field \"" STR_FORMAT "\" is given twice", STR_ARGS(again->name));
    }
    if (v->kind == GQL_LIST || v->kind == GQL_OBJECT)
        for (const gql_value *x = v->first; x; x = x->next) TRY(check_free(c, x, e));
    return 0;
}

static int check_enum(checker *c, const gql_value *v, const gql_type *t)
{
    if (v->kind == GQL_ENUM)
        for (size_t i = 0; i < t->n_values; i++)
            if (str_equal(v->text, str_of(t->values[i].name))) return 0;
    complain_value(c, v, t, GQL_BARE, "the name of one of its values");
    return 0;
}

static int check_object(checker *c, const gql_value *v, const gql_type *t, err *e)
{
    const gql_value *again;
    if (v->kind != GQL_OBJECT) {
        complain_value(c, v, t, GQL_BARE, "an object");
        return check_free(c, v, e);
    }
    TRY(gql_find_duplicate(c, v->first, &again, e));
    if (again) gql_complain(c, again->at, "the field \"" STR_FORMAT "\" is given twice", STR_ARGS(again->name));
    for (const gql_value *x = v->first; x; x = x->next) {
        const gql_input *i = gql_find_input(t->inputs, t->n_inputs, x->name);
        if (!i) gql_complain(c, x->at, "%s has no field \"" STR_FORMAT "\"", t->name, STR_ARGS(x->name));
        if (t->one_of && x->kind == GQL_VARIABLE && i) {
            TRY(note_usage(c, x, i->type, i->wraps, false, true, e));
            continue;
        }
        TRY(gql_check_value(c, x, i ? i->type : NULL, i ? i->wraps : GQL_BARE, i && i->standard, e));
    }
    for (size_t i = 0; i < t->n_inputs; i++) {
        const gql_input *wanted = &t->inputs[i];
        if ((wanted->wraps & 3) == GQL_REQUIRED && !wanted->standard && !gql_member(v->first, str_of(wanted->name)))
            gql_complain(c, v->at, "the field \"%s\" of %s is missing", wanted->name, t->name);
    }
    if (t->one_of && (v->n != 1 || v->first->kind == GQL_NULL))
        gql_complain(c, v->at, "exactly one field of %s is to be given, and not null", t->name);
    return 0;
}

int gql_check_value(checker *c, const gql_value *v, const gql_type *t, uint32_t wraps, bool has_default, err *e)
{
    if (!t) return check_free(c, v, e);
    if (v->kind == GQL_VARIABLE) return note_usage(c, v, t, wraps, has_default, false, e);
    if ((wraps & 3) == GQL_REQUIRED) {
        if (v->kind == GQL_NULL) {
            complain_value(c, v, t, wraps, "not null");
            return 0;
        }
        wraps >>= 2;
    }
    if (v->kind == GQL_NULL) return 0;
    if ((wraps & 3) == GQL_LIST_OF) {
        if (v->kind != GQL_LIST) return gql_check_value(c, v, t, wraps >> 2, false, e); // a list of this one
        for (const gql_value *x = v->first; x; x = x->next) TRY(gql_check_value(c, x, t, wraps >> 2, false, e));
        return 0;
    }
    if (t->kind == GQL_KIND_ENUM) return check_enum(c, v, t);
    if (t->kind == GQL_KIND_INPUT) return check_object(c, v, t, e);
    gql_value copy = *v;
    const char *wanted = t->take(&copy);
    if (wanted) complain_value(c, v, t, GQL_BARE, wanted);
    return check_free(c, v, e);
}

int gql_check_arguments(checker *c, const gql_value *first, uint32_t at, const gql_input *inputs, size_t n,
                        const char *of, str name, err *e)
{
    const gql_value *again;
    TRY(gql_find_duplicate(c, first, &again, e));
    if (again) gql_complain(c, again->at, "the argument \"" STR_FORMAT "\" is given twice", STR_ARGS(again->name));
    for (const gql_value *v = first; v; v = v->next) {
        const gql_input *i = gql_find_input(inputs, n, v->name);
        if (!i && of)
            gql_complain(c, v->at, "%s\"" STR_FORMAT "\" has no argument \"" STR_FORMAT "\"", of, STR_ARGS(name),
                         STR_ARGS(v->name));
        TRY(gql_check_value(c, v, i ? i->type : NULL, i ? i->wraps : GQL_BARE, i && i->standard, e));
    }
    for (size_t i = 0; i < n; i++)
        if ((inputs[i].wraps & 3) == GQL_REQUIRED && !inputs[i].standard && !gql_member(first, str_of(inputs[i].name)))
            gql_complain(c, at, "%s\"" STR_FORMAT "\" needs the argument \"%s\"", of, STR_ARGS(name), inputs[i].name);
    return 0;
}
