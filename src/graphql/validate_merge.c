// Section 5.3.2: fields that answer under the same name must be the same, or never be answered together.
//
// The specification compares each pair, which is quadratic on each level and so explodes with depth. Here all fields of
// one name are compared with the first of them and their selections are joined once: whether shapes agree is asked of
// all of them (a partition, so each field is seen once), and whether names and arguments agree of those whose parents
// can be the same object: grouped by object type, with the fields of interfaces and unions in every group.
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "graphql/validate_impl.h"

typedef struct fields {
    size_t n;
    const gql_selection **all; // (n) sorted by the name that they answer under, then by place
} fields;

typedef struct merger {
    checker *c;
    size_t n_steps;
    bool over; // a conflict, or the limit: it was told
    err *e;
} merger;

static str key_of(const gql_selection *s)
{
    return s->alias.len > 0 ? s->alias : s->name;
}

static int by_key(const void *x, const void *y)
{
    const gql_selection *const *a = x, *const *b = y;
    int order = str_compare(key_of(*a), key_of(*b));
    return order ? order : ((*a)->at > (*b)->at) - ((*a)->at < (*b)->at);
}

// Counts the fields of a selection, or with `to` writes them; each fragment once.
static size_t collect(merger *m, const gql_selection *s, const gql_selection **to)
{
    size_t n = 0;
    for (; s; s = s->next) {
        m->n_steps++;
        if (s->kind == GQL_FIELD) {
            if (to) to[n] = s;
            n++;
        } else if (s->kind == GQL_INLINE) {
            n += collect(m, s->children, to ? to + n : NULL);
        } else if (s->fragment->state != m->c->stamp) {
            s->fragment->state = m->c->stamp;
            n += collect(m, s->fragment->children, to ? to + n : NULL);
        }
    }
    return n;
}

static bool is_too_much(merger *m, const gql_selection *at)
{
    if (m->n_steps <= GQL_MERGE_MAX) return false;
    gql_errors_add(m->c->errors, "limit", at->at, "too many fields answer under the same names");
    return m->over = true;
}

// The joined selections of some fields.
static int join(merger *m, const gql_selection *const *parents, size_t n_parents, fields *out)
{
    out->n = 0;
    m->c->stamp++;
    for (size_t i = 0; i < n_parents; i++) out->n += collect(m, parents[i]->children, NULL);
    if (is_too_much(m, parents[0])) return 0;
    if (!(out->all = arena_alloc(m->c->memory, out->n, sizeof *out->all)))
        return err_set(m->e, ERR_MEMORY, "no memory for comparing fields");
    size_t n = 0;
    m->c->stamp++;
    for (size_t i = 0; i < n_parents; i++) n += collect(m, parents[i]->children, out->all + n);
    qsort(out->all, out->n, sizeof *out->all, by_key);
    return 0;
}

static size_t run_of(const fields *f, size_t from)
{
    size_t end = from + 1;
    while (end < f->n && str_equal(key_of(f->all[from]), key_of(f->all[end]))) end++;
    return end - from;
}

static void conflict(merger *m, const gql_selection *a, const gql_selection *b, const char *why)
{
    gql_complain(m->c, b->at, "two fields answer under the name \"" STR_FORMAT "\" and %s; give one an alias",
                 STR_ARGS(key_of(a)), why);
    m->over = true;
}

static bool same_shape(const gql_selection *a, const gql_selection *b)
{
    const gql_type *x = a->field ? a->field->type : &gql_string, *y = b->field ? b->field->type : &gql_string;
    uint32_t x_wraps = a->field ? a->field->wraps : GQL_REQUIRED, y_wraps = b->field ? b->field->wraps : GQL_REQUIRED;
    if (x_wraps != y_wraps) return false;
    return gql_is_leaf(x) || gql_is_leaf(y) ? x == y : true;
}

static int check_shapes(merger *m, const gql_selection *const *parents, size_t n_parents)
{
    fields f;
    arena_mark mark = arena_get_mark(m->c->memory);
    TRY(join(m, parents, n_parents, &f));
    for (size_t i = 0, n; !m->over && i < f.n; i += n) {
        n = run_of(&f, i);
        for (size_t k = 1; k < n && !m->over; k++)
            if (!same_shape(f.all[i], f.all[i + k])) conflict(m, f.all[i], f.all[i + k], "are of different types");
        if (!m->over && f.all[i]->children) TRY(check_shapes(m, f.all + i, n));
    }
    if (!m->over) arena_rewind(m->c->memory, mark); // else an error lies behind the mark
    return 0;
}

static bool same_arguments(const gql_value *a, const gql_value *b)
{
    size_t n_a = 0, n_b = 0;
    for (const gql_value *v = b; v; v = v->next) n_b++;
    for (; a; a = a->next, n_a++) {
        const gql_value *other = gql_member(b, a->name);
        if (!other || !gql_value_equal(a, other)) return false;
    }
    return n_a == n_b;
}

static int check_names(merger *m, const gql_selection *const *parents, size_t n_parents);

// Fields of one name whose parents can be the same object.
static int check_group(merger *m, const gql_selection *const *f, size_t n)
{
    m->n_steps += n;
    for (size_t i = 1; i < n; i++) {
        if (!str_equal(f[0]->name, f[i]->name)) {
            conflict(m, f[0], f[i], "are different fields");
            return 0;
        }
        if (!same_arguments(f[0]->arguments, f[i]->arguments)) {
            conflict(m, f[0], f[i], "have different arguments");
            return 0;
        }
    }
    return f[0]->children ? check_names(m, f, n) : 0;
}

static bool is_first_of_parent(const gql_selection *const *f, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (f[k]->parent == f[i]->parent) return false;
    return true;
}

static int check_run(merger *m, const gql_selection *const *f, size_t n)
{
    bool same = true;
    size_t n_objects = 0;
    for (size_t i = 1; i < n && same; i++) same = f[i]->parent == f[0]->parent;
    if (same) return check_group(m, f, n);
    const gql_selection **group = arena_alloc(m->c->memory, n, sizeof *group);
    if (!group) return err_set(m->e, ERR_MEMORY, "no memory for comparing fields");
    for (size_t i = 0; i < n && !m->over; i++) {
        m->n_steps += i;
        if (is_too_much(m, f[i])) break;
        if (f[i]->parent->kind != GQL_KIND_OBJECT || !is_first_of_parent(f, i)) continue;
        size_t n_group = 0;
        for (size_t k = 0; k < n; k++)
            if (f[k]->parent == f[i]->parent || gql_is_abstract(f[k]->parent)) group[n_group++] = f[k];
        m->n_steps += n;
        n_objects++;
        TRY(check_group(m, group, n_group));
    }
    return n_objects == 0 && !m->over ? check_group(m, f, n) : 0;
}

static int check_names(merger *m, const gql_selection *const *parents, size_t n_parents)
{
    fields f;
    arena_mark mark = arena_get_mark(m->c->memory);
    TRY(join(m, parents, n_parents, &f));
    for (size_t i = 0, n; !m->over && i < f.n; i += n) {
        n = run_of(&f, i);
        TRY(check_run(m, f.all + i, n));
    }
    if (!m->over) arena_rewind(m->c->memory, mark);
    return 0;
}

int gql_check_merging(checker *c, err *e)
{
    merger m = {.c = c, .e = e};
    for (gql_definition *d = c->document->definitions; d && !m.over; d = d->next) {
        const gql_selection whole = {.at = d->at, .children = d->children};
        const gql_selection *parent = &whole;
        TRY(check_shapes(&m, &parent, 1));
        if (!m.over) TRY(check_names(&m, &parent, 1));
    }
    return 0;
}
