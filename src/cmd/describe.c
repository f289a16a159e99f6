// Walking argp's tables.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/describe.h"

static void visit_own(const struct argp *a, void (*visit)(void *context, const struct argp_option *o), void *context)
{
    for (const struct argp_option *o = a->options; o && (o->name || o->key || o->doc); o++) visit(context, o);
}

void describe_options(const struct argp *a, void (*visit)(void *context, const struct argp_option *o), void *context)
{
    visit_own(a, visit, context);
    for (const struct argp_child *c = a->children; c && c->argp; c++) describe_options(c->argp, visit, context);
}

str describe_before(const struct argp *a)
{
    const char *cut = strchr(a->doc, '\v');
    return cut ? (str){a->doc, (size_t)(cut - a->doc)} : str_of(a->doc);
}

str describe_after(const struct argp *a)
{
    const char *cut = strchr(a->doc, '\v');
    return cut ? str_of(cut + 1) : (str){0};
}
