// Section 6. Which fields a selection asks of a type, and with which arguments, is found once and kept beside the
// selection, so that a list of a thousand objects costs a thousand times the resolvers and nothing else. The answer is
// written as it comes; when something turns out null that must not be, the text is cut back to what is around it.
// SPDX-License-Identifier: Apache-2.0
#include "graphql/execute.h"

#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/json.h"
#include "graphql/coerce_impl.h"

typedef struct plan plan;

// A field of an answer.
typedef struct entry {
    str key;
    const gql_field *field;           // NULL: __typename
    const gql_selection *const *same; // (n_same) the selections that ask for it
    size_t n_same;
    const gql_value **arguments;
    const err *fault; // why they cannot be had; NULL if they can
    plan *below;      // of each type that came up
} entry;

struct plan {
    plan *next;
    const gql_type *type;
    size_t n;
    entry *entries;
};

typedef struct executor {
    const gql_execution *x;
    gql_call call;
    gql_coercion coercion;
    buf *out;
    unsigned stamp; // of the last collection
    size_t n_values;
    err *e;
} executor;

enum {
    WROTE = 0,  // a value, or null where that may be
    IS_NULL,    // nothing was written: the value is null, and nobody said so yet
    HAS_FAILED, // nothing was written, and the error was added
};

static int no_memory(executor *x)
{
    return err_set(x->e, ERR_MEMORY, "no memory for an answer");
}

// Which fields.

static str key_of(const gql_selection *s)
{
    return s->alias.len > 0 ? s->alias : s->name;
}

static int directive_says(executor *x, const gql_directive *first, str name, bool *given, bool *truth)
{
    *given = false;
    for (const gql_directive *d = first; d; d = d->next) {
        if (!str_equal(d->name, name)) continue;
        const gql_value *v = d->arguments;
        if (v->kind == GQL_VARIABLE) v = gql_member(x->x->variables, v->text);
        if (!v || v->kind != GQL_BOOLEAN)
            return err_set_at(x->e, ERR_INPUT, d->at, "\"@" STR_FORMAT "\" has no value", STR_ARGS(name));
        *given = true;
        *truth = v->truth;
    }
    return 0;
}

static int is_left_out(executor *x, const gql_selection *s, bool *out)
{
    bool given, truth = false;
    *out = false;
    if (!s->directives) return 0;
    TRY(directive_says(x, s->directives, STR("skip"), &given, &truth));
    if (given && truth) *out = true;
    TRY(directive_says(x, s->directives, STR("include"), &given, &truth));
    if (given && !truth) *out = true;
    return 0;
}

// The selections that concern an object type, in their order; with `to` they are written.
static int collect(executor *x, const gql_selection *s, const gql_type *t, const gql_selection **to, size_t *n)
{
    for (; s; s = s->next) {
        bool out;
        TRY(is_left_out(x, s, &out));
        if (out) continue;
        if (s->kind == GQL_FIELD) {
            if (to) to[*n] = s;
            ++*n;
            continue;
        }
        gql_definition *f = s->fragment;
        if (f && f->state == x->stamp) continue;
        if (f) f->state = x->stamp;
        const gql_type *about = f ? f->type : s->parent;
        if (gql_is_possible(about, t)) TRY(collect(x, f ? f->children : s->children, t, to, n));
    }
    return 0;
}

static int collect_all(executor *x, const gql_selection *const *parents, size_t n_parents, const gql_type *t,
                       const gql_selection **to, size_t *n)
{
    x->stamp++;
    *n = 0;
    for (size_t i = 0; i < n_parents; i++) TRY(collect(x, parents[i]->children, t, to, n));
    return 0;
}

// Arguments that cannot be had are the field's failure, each time that it is asked for.
static int coerce_of(executor *x, entry *f)
{
    const gql_field *field = f->field;
    if (!field || field->n_arguments == 0) return 0;
    err why = ERR_NONE;
    f->arguments = arena_alloc(x->x->memory, field->n_arguments, sizeof *f->arguments);
    if (!f->arguments) return no_memory(x);
    int rc = gql_coerce_arguments(f->arguments, &x->coercion, f->same[0]->arguments, field->arguments,
                                  field->n_arguments, &why);
    if (rc == ERR_MEMORY) return no_memory(x);
    if (rc == 0) return 0;
    err *kept = arena_alloc(x->x->memory, 1, sizeof *kept);
    if (!kept) return no_memory(x);
    *kept = why;
    kept->at = -1;
    f->fault = kept;
    return 0;
}

// Selections with the same key become one entry, at the place of the first.
static int make_plan(plan **out, executor *x, const gql_selection *const *parents, size_t n_parents, const gql_type *t)
{
    arena *a = x->x->memory;
    size_t n, places = 4;
    TRY(collect_all(x, parents, n_parents, t, NULL, &n));
    while (places < 2 * n) places *= 2;
    plan *p = arena_zalloc(a, 1, sizeof *p);
    const gql_selection **all = arena_alloc(a, n, sizeof *all), **sorted = arena_alloc(a, n, sizeof *sorted);
    uint32_t *table = arena_zalloc(a, places, sizeof *table), *entry_of = arena_alloc(a, n, sizeof *entry_of);
    if (!p || !all || !sorted || !table || !entry_of || !(p->entries = arena_zalloc(a, n, sizeof *p->entries)))
        return no_memory(x);
    p->type = t;
    TRY(collect_all(x, parents, n_parents, t, all, &n));
    for (size_t i = 0; i < n; i++) {
        str key = key_of(all[i]);
        size_t at = hash_bytes(key.data, key.len, 0) & (places - 1);
        while (table[at] && !str_equal(p->entries[table[at] - 1].key, key)) at = (at + 1) & (places - 1);
        if (!table[at]) {
            p->entries[p->n++] = (entry){.key = key, .field = all[i]->field};
            table[at] = (uint32_t)p->n;
        }
        entry_of[i] = table[at] - 1;
        p->entries[entry_of[i]].n_same++;
    }
    size_t from = 0;
    for (size_t i = 0; i < p->n; i++) {
        p->entries[i].same = sorted + from;
        from += p->entries[i].n_same;
        p->entries[i].n_same = 0;
    }
    for (size_t i = 0; i < n; i++) {
        entry *f = &p->entries[entry_of[i]];
        sorted[(size_t)(f->same - sorted) + f->n_same++] = all[i];
    }
    for (size_t i = 0; i < p->n; i++) TRY(coerce_of(x, &p->entries[i]));
    *out = p;
    return 0;
}

// Errors.

static const gql_path *keep_path(executor *x, const gql_path *p)
{
    const gql_path *first = NULL;
    gql_path *last = NULL;
    for (; p; p = p->parent) {
        gql_path *copy = arena_alloc(x->x->memory, 1, sizeof *copy);
        if (!copy) return NULL;
        *copy = *p;
        copy->parent = NULL;
        if (last)
            last->parent = copy;
        else
            first = copy;
        last = copy;
    }
    return first;
}

static void add_error(executor *x, const entry *f, const gql_path *path, const err *why)
{
    err told = err_outward(why);
    bool ours = strcmp(told.msg, why->msg) != 0; // no fault of the document, whatever the resolver was looking at
    const char *code = x->call.code && !ours ? x->call.code : err_name(why->code);
    gql_error *added = gql_errors_add(x->x->errors, code, f->same[0]->at, "%s", told.msg);
    if (!added) return;
    added->path = keep_path(x, path);
    added->extensions = x->call.extensions;
}

static void add_fault(executor *x, const entry *f, const gql_path *path, int code, const char *what)
{
    err why = ERR_NONE;
    err_set(&why, code, "%s", what);
    x->call.code = NULL;
    x->call.extensions = (str){0};
    add_error(x, f, path, &why);
}

// Values.

static int execute(executor *x, plan *p, const void *object, const gql_path *path);
static int complete(executor *x, entry *f, const gql_type *t, uint32_t wraps, const gql_result *r,
                    const gql_path *path);

static int write_number(executor *x, const gql_result *r)
{
    char text[DECIMAL_TEXT_SIZE];
    size_t len = r->kind == GQL_RESULT_WHOLE ? decimal_format_i64(r->whole, text) : decimal_format_f64(r->real, text);
    buf_add(x->out, text, len);
    return WROTE;
}

static bool is_value_of(const gql_type *t, str name)
{
    for (size_t i = 0; i < t->n_values; i++)
        if (str_equal(name, str_of(t->values[i].name))) return true;
    return false;
}

static int complete_leaf(executor *x, entry *f, const gql_type *t, const gql_result *r, const gql_path *path)
{
    bool text = r->kind == GQL_RESULT_TEXT, whole = r->kind == GQL_RESULT_WHOLE, json = r->kind == GQL_RESULT_JSON;
    bool real = r->kind == GQL_RESULT_REAL, truth = r->kind == GQL_RESULT_TRUTH;
    bool fits = t == &gql_int       ? whole && r->whole >= INT32_MIN && r->whole <= INT32_MAX
                : t == &gql_float   ? whole || json || (real && isfinite(r->real))
                : t == &gql_string  ? text
                : t == &gql_boolean ? truth
                : t == &gql_id      ? text || whole
                : t->values         ? text && is_value_of(t, r->text)
                                    : text || whole || json || truth || (real && isfinite(r->real));
    if (!fits) {
        add_fault(x, f, path, ERR_INTERNAL, "the value does not fit the type of the field");
        return HAS_FAILED;
    }
    if (json) {
        buf_add_str(x->out, r->text);
    } else if (truth) {
        buf_add_text(x->out, r->truth ? "true" : "false");
    } else if (text || t == &gql_id) {
        if (text) {
            json_quote(x->out, r->text);
        } else {
            buf_add_char(x->out, '"');
            write_number(x, r);
            buf_add_char(x->out, '"');
        }
    } else {
        write_number(x, r);
    }
    return WROTE;
}

static int complete_list(executor *x, entry *f, const gql_type *t, uint32_t wraps, const gql_result *r,
                         const gql_path *path)
{
    if (r->kind != GQL_RESULT_LIST) {
        add_fault(x, f, path, ERR_INTERNAL, "no list where one belongs");
        return HAS_FAILED;
    }
    gql_path here = {.parent = path};
    buf_add_char(x->out, '[');
    for (size_t i = 0; i < r->n; i++) {
        if (i > 0) buf_add_char(x->out, ',');
        here.index = i;
        int rc = complete(x, f, t, wraps, &r->items[i], &here);
        if (rc != WROTE) return rc;
    }
    buf_add_char(x->out, ']');
    return WROTE;
}

static int complete_object(executor *x, entry *f, const gql_type *t, const gql_result *r, const gql_path *path)
{
    const gql_type *type = gql_is_abstract(t) ? r->type : t;
    if (r->kind != GQL_RESULT_OBJECT || !type || !gql_is_possible(t, type)) {
        add_fault(x, f, path, ERR_INTERNAL, "no object of a type that belongs here");
        return HAS_FAILED;
    }
    plan *p = f->below;
    while (p && p->type != type) p = p->next;
    if (!p) {
        TRY(make_plan(&p, x, f->same, f->n_same, type));
        p->next = f->below;
        f->below = p;
    }
    return execute(x, p, r->object, path);
}

static int complete_value(executor *x, entry *f, const gql_type *t, uint32_t wraps, const gql_result *r,
                          const gql_path *path)
{
    if (r->kind == GQL_RESULT_NULL) return IS_NULL;
    if ((wraps & 3) == GQL_LIST_OF) return complete_list(x, f, t, wraps >> 2, r, path);
    return gql_is_leaf(t) ? complete_leaf(x, f, t, r, path) : complete_object(x, f, t, r, path);
}

// WROTE or HAS_FAILED; the latter only where null must not be.
static int complete(executor *x, entry *f, const gql_type *t, uint32_t wraps, const gql_result *r, const gql_path *path)
{
    size_t before = x->out->len;
    if (++x->n_values > GQL_VALUES_MAX)
        return err_set(x->e, ERR_LIMIT, "the answer has more than %d values", GQL_VALUES_MAX);
    bool required = (wraps & 3) == GQL_REQUIRED;
    int rc = complete_value(x, f, t, required ? wraps >> 2 : wraps, r, path);
    if (rc == WROTE || rc < 0) return rc;
    x->out->len = before;
    if (!required) {
        buf_add_text(x->out, "null");
        return WROTE;
    }
    if (rc == IS_NULL) add_fault(x, f, path, ERR_INTERNAL, "null where the schema promises a value");
    return HAS_FAILED;
}

static int execute_field(executor *x, entry *f, const gql_type *parent, const void *object, const gql_path *path)
{
    gql_result r = {.kind = GQL_RESULT_NULL};
    err why = ERR_NONE;
    if (!f->field) {
        json_quote(x->out, str_of(parent->name));
        return WROTE;
    }
    x->call.code = NULL;
    x->call.extensions = (str){0};
    int rc;
    if (f->fault) {
        why = *f->fault;
        rc = why.code;
    } else {
        rc = f->field->resolve(&x->call, object, f->arguments, &r, &why);
    }
    if (rc < 0) {
        add_error(x, f, path, &why);
        if ((f->field->wraps & 3) == GQL_REQUIRED) return HAS_FAILED;
        buf_add_text(x->out, "null");
        return WROTE;
    }
    return complete(x, f, f->field->type, f->field->wraps, &r, path);
}

static int execute(executor *x, plan *p, const void *object, const gql_path *path)
{
    gql_path here = {.parent = path};
    buf_add_char(x->out, '{');
    for (size_t i = 0; i < p->n; i++) {
        entry *f = &p->entries[i];
        if (i > 0) buf_add_char(x->out, ',');
        json_quote(x->out, f->key);
        buf_add_char(x->out, ':');
        here.key = f->key;
        int rc = execute_field(x, f, p->type, object, &here);
        if (rc != WROTE) return rc;
    }
    buf_add_char(x->out, '}');
    return x->out->failed ? buf_check(x->out, x->e) : WROTE;
}

int gql_execute(const gql_execution *given, buf *out, err *e)
{
    executor x = {.x = given,
                  .call = {.context = given->context, .memory = given->memory, .schema = given->schema},
                  .coercion = {.variables = given->variables, .memory = given->memory},
                  .out = out,
                  .stamp = 1u << 31, // past those of the validator
                  .e = e};
    const gql_selection whole = {.children = given->operation->children};
    const gql_selection *parent = &whole;
    size_t before = out->len;
    plan *p;
    int rc = make_plan(&p, &x, &parent, 1, given->operation->type);
    if (rc == 0) rc = execute(&x, p, NULL, NULL);
    if (rc == ERR_INPUT) { // a directive without a value
        gql_errors_take(given->errors, "variables", e);
        rc = HAS_FAILED;
    }
    if (rc < 0) return rc;
    if (rc == HAS_FAILED) {
        out->len = before;
        buf_add_text(out, "null");
    }
    return buf_check(out, e);
}

gql_definition *gql_find_operation(const gql_document *d, str name, gql_errors *errors)
{
    gql_definition *found = NULL;
    size_t n = 0;
    for (gql_definition *o = d->definitions; o; o = o->next) {
        if (o->kind == GQL_FRAGMENT || (name.len > 0 && !str_equal(o->name, name))) continue;
        found = o;
        n++;
    }
    if (n == 1) return found;
    if (name.len > 0)
        gql_errors_add(errors, "operation", GQL_AT_NONE, "there is no operation \"" STR_FORMAT "\"", STR_ARGS(name));
    else
        gql_errors_add(errors, "operation", GQL_AT_NONE, "%s",
                       n > 1 ? "the document has several operations: name one" : "the document has no operation");
    return NULL;
}
