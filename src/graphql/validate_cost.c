// What an operation comes to, fragments put in their places: found once for each fragment, so that the work grows with
// the text and not with what it stands for. Sums stick at their limits.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/validate_impl.h"

enum { MANY_USUALLY = 10 };
#define STUCK UINT32_MAX

typedef struct measure {
    uint64_t cost;
    unsigned depth, nesting, n_fields;
} measure;

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static unsigned add(unsigned a, unsigned b)
{
    return a > GQL_FIELDS_MAX || b > GQL_FIELDS_MAX ? GQL_FIELDS_MAX + 1 : a + b;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    return a > STUCK ? STUCK : a * b > STUCK ? STUCK : a * b; // b is a small number of the schema
}

// `parts` beside what is there, one level further down.
static void add_level(measure *m, measure part)
{
    m->cost += part.cost > STUCK ? STUCK : part.cost;
    if (m->cost > STUCK) m->cost = STUCK;
    m->depth = larger(m->depth, part.depth);
    m->nesting = larger(m->nesting, add(part.nesting, 1));
    m->n_fields = add(m->n_fields, part.n_fields);
}

static measure measure_selections(const gql_selection *s)
{
    measure m = {0};
    for (; s; s = s->next) {
        measure part = {0};
        if (s->kind == GQL_SPREAD) {
            const gql_definition *f = s->fragment;
            part = (measure){f->cost, f->depth, f->nesting, f->n_fields};
        } else {
            part = measure_selections(s->children);
        }
        if (s->kind == GQL_FIELD) {
            const gql_field *f = s->field; // NULL for __typename
            for (uint32_t w = f ? f->wraps : 0; w; w >>= 2)
                if ((w & 3) == GQL_LIST_OF) part.cost = multiply(part.cost, f->many ? f->many : MANY_USUALLY);
            part.cost += f && f->cost ? f->cost : 1;
            part.depth = add(part.depth, 1);
            part.n_fields = add(part.n_fields, 1);
        }
        add_level(&m, part);
    }
    return m;
}

static void refuse(checker *c, const gql_definition *d, const char *what, uint64_t have, int most)
{
    if (have > (uint64_t)most)
        gql_errors_add(c->errors, "limit", d->at, "with its fragments in their places this %s, at most %d", what, most);
}

void gql_check_cost(checker *c, gql_definition *const *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        gql_definition *d = order[i];
        measure m = measure_selections(d->children);
        d->cost = m.cost;
        d->depth = m.depth;
        d->nesting = m.nesting;
        d->n_fields = m.n_fields;
        refuse(c, d, "nests its fields too deep", m.depth, GQL_DEPTH_MAX);
        refuse(c, d, "nests too deep", m.nesting, GQL_EXPANDED_MAX);
        refuse(c, d, "has too many fields", m.n_fields, GQL_FIELDS_MAX);
        refuse(c, d, "may cost too much", m.cost, GQL_COST_MAX);
    }
}
