// Options against data: names are looked up, defaults filled in, contradictions refused.
// SPDX-License-Identifier: Apache-2.0
#include "automl/setup.h"

#include <stdio.h>
#include <string.h>

#include "automl/target.h"
#include "base/mem.h"
#include "base/nearest.h"

enum { LIKELY_MAX = 3, NAMES_MAX = 64 };

// ---- looking up

static int no_target(const frame *f, const profile *p, err *e)
{
    size_t likely[LIKELY_MAX], n = profile_likely_targets(p, f, likely, LIKELY_MAX);
    char names[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < n && len < sizeof names; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s\"%.40s\"", i ? ", " : "",
                                frame_column(f, likely[i])->name);
    return err_set(e, ERR_USAGE, "which column is to be predicted? Name it with --target%s%s", n ? "; likely: " : "",
                   names);
}

static int find_target(size_t *out, const training_options *o, const frame *f, const profile *p, pool *workers, err *e)
{
    if (o->target) return frame_require(f, o->target, " to predict", out, e);
    if (p) return no_target(f, p, e);
    profile made;
    TRY(profile_make(&made, f, -1, workers, e));
    int rc = no_target(f, &made, e);
    profile_clear(&made);
    return rc;
}

static int unknown_name(const char *what, const char *name, const char *const *names, size_t n, err *e)
{
    const char *near = nearest_name(name, names, n);
    char all[160] = "";
    size_t len = 0;
    for (size_t i = 0; i < n && len < sizeof all; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i ? ", " : "", names[i]);
    if (near) return err_set(e, ERR_NOT_FOUND, "no %s \"%.60s\"; did you mean \"%s\"?", what, name, near);
    return err_set(e, ERR_NOT_FOUND, "no %s \"%.60s\"; there are: %s", what, name, all);
}

static int find_recipe(const recipe_row **out, const training_options *o, const frame *f, size_t target_column, err *e)
{
    if (!o->recipe) {
        *out = recipe_for(f, (int64_t)target_column);
        if (*out) return 0;
        const column *c = frame_column(f, target_column);
        return err_set(e, ERR_INPUT, "target \"%.80s\" is of type %s, which no recipe predicts", c->name,
                       column_type_name(c->type));
    }
    *out = recipe_find(o->recipe);
    if (*out) return 0;
    const char *names[NAMES_MAX];
    size_t n;
    const recipe_row *const *rows = recipe_rows(&n);
    for (size_t i = 0; i < n && i < NAMES_MAX; i++) names[i] = rows[i]->name;
    return unknown_name("recipe", o->recipe, names, n < NAMES_MAX ? n : NAMES_MAX, e);
}

static int find_family(const family_row **out, const training_options *o, const recipe_row *r, err *e)
{
    *out = family_find(o->family ? o->family : r->families[0]);
    if (!*out) {
        const char *names[NAMES_MAX];
        size_t n;
        const family_row *const *rows = family_rows(&n);
        for (size_t i = 0; i < n && i < NAMES_MAX; i++) names[i] = rows[i]->name;
        return unknown_name("family", o->family ? o->family : r->families[0], names, n < NAMES_MAX ? n : NAMES_MAX, e);
    }
    if ((*out)->tasks & 1U << r->task) return 0;
    return err_set(e, ERR_INPUT, "family \"%s\" does not do %s", (*out)->name, task_name(r->task));
}

static int make_family_options(void **out, const family_row *family, const training_options *o, err *e)
{
    void *options = mem_zalloc(1, family->options_size);
    if (!options) return err_set(e, ERR_MEMORY, "no memory for options");
    options_default(family->options, family->n_options, options);
    int rc = 0;
    for (size_t i = 0; i < o->n_settings && rc == 0; i++)
        rc = options_set(family->options, family->n_options, options, o->settings[i], e);
    const char *fault = rc == 0 && family->options_fault ? family->options_fault(options) : NULL;
    if (fault) rc = err_set(e, ERR_INPUT, "%s: %s", family->name, fault);
    if (rc < 0)
        mem_free(options);
    else
        *out = options;
    return rc;
}

int setup_make(setup *out, const training_options *o, const frame *f, const profile *p, pool *workers, err *e)
{
    setup s = {.prepare = PREPARE_OPTIONS_DEFAULT};
    TRY(find_target(&s.target, o, f, p, workers, e));
    TRY(find_recipe(&s.recipe, o, f, s.target, e));
    TRY(find_family(&s.family, o, s.recipe, e));
    s.prepare = o->prepare_given ? o->prepare : s.recipe->prepare;
    const char *fault = prepare_options_fault(&s.prepare);
    if (!fault) fault = split_options_fault(&o->split);
    if (!fault && o->folds == 1) fault = "cross-validation needs two folds or more";
    if (!fault && s.prepare.impute_number == IMPUTE_NONE && !s.family->takes_missing)
        fault = "this family needs missing numbers imputed";
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    TRY(make_family_options(&s.family_options, s.family, o, e));
    *out = s;
    return 0;
}

void setup_clear(setup *s)
{
    mem_free(s->family_options);
    *s = (setup){0};
}

// ---- JSON

static int split_to_json(const split_options *o, json_t **out, err *e)
{
    static const char *const kinds[] = {
        [SPLIT_RANDOM] = "random", [SPLIT_STRATIFIED] = "stratified", [SPLIT_GROUP] = "group",
        [SPLIT_TIME] = "time",     [SPLIT_NUMPY] = "numpy",
    };
    json_t *j = json_object();
    int rc = json_put(j, "kind", json_string(kinds[o->kind]), e);
    if (rc == 0 && o->column) rc = json_put(j, "column", json_string(o->column), e);
    if (rc == 0) rc = json_put(j, "test_share", json_real(o->test_share), e);
    if (rc == 0) rc = json_put(j, "seed", json_integer((json_int_t)o->seed), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

// What was asked of the reader, as far as it was: the rest is found out from the data.
static int read_to_json(const read_options *o, json_t **out, err *e)
{
    json_t *j = json_object(), *types = json_object(), *missing = json_array();
    int rc = j && types && missing ? 0 : err_set(e, ERR_MEMORY, "no memory for options");
    if (rc == 0 && o->format != FORMAT_AUTO)
        rc = json_put(j, "format", json_string(o->format == FORMAT_CSV ? "csv" : "jsonl"), e);
    if (rc == 0 && o->header != HEADER_AUTO) rc = json_put(j, "header", json_boolean(o->header == HEADER_YES), e);
    char delimiter[2] = {o->delimiter, '\0'};
    if (rc == 0 && o->delimiter) rc = json_put(j, "delimiter", json_string(delimiter), e);
    for (size_t i = 0; i < o->n_types && rc == 0; i++)
        rc = json_put(types, o->types[i].column, json_string(column_type_name(o->types[i].type)), e);
    for (size_t i = 0; i < o->n_missing && o->missing && rc == 0; i++)
        rc = json_push(missing, json_string(o->missing[i]), e);
    if (rc == 0 && o->n_types) rc = json_put(j, "types", json_incref(types), e);
    if (rc == 0 && o->missing) rc = json_put(j, "missing", json_incref(missing), e);
    json_decref(types);
    json_decref(missing);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

int setup_to_json(const setup *s, const training_options *o, json_t **out, err *e)
{
    json_t *j = json_object(), *settings = NULL, *prepare = NULL, *parts = NULL, *read = NULL;
    if (!j) return err_set(e, ERR_MEMORY, "no memory for options");
    int rc = options_to_json(s->family->options, s->family->n_options, s->family_options, &settings, e);
    if (rc == 0) rc = json_put(j, "settings", settings, e);
    if (rc == 0) rc = prepare_options_to_json(&s->prepare, &prepare, e);
    if (rc == 0) rc = json_put(j, "prepare", prepare, e);
    if (rc == 0) rc = split_to_json(&o->split, &parts, e);
    if (rc == 0) rc = json_put(j, "split", parts, e);
    if (rc == 0) rc = read_to_json(&o->read, &read, e);
    if (rc == 0) rc = json_put(j, "read", read, e);
    if (rc == 0) rc = json_put(j, "family", json_string(s->family->name), e);
    if (rc == 0) rc = json_put(j, "drop_incomplete", json_boolean(o->drop_incomplete), e);
    if (rc == 0) rc = json_put(j, "folds", json_integer((json_int_t)o->folds), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

int training_key(const training_options *o, const frame *f, char hex[65], err *e)
{
    setup s;
    TRY(setup_make(&s, o, f, NULL, NULL, e));
    char data[65];
    frame_fingerprint(f, data);
    json_t *j = NULL;
    buf text;
    buf_init(&text, (size_t)64 << 20);
    int rc = setup_to_json(&s, o, &j, e);
    if (rc == 0) rc = json_put(j, "data", json_string(data), e);
    if (rc == 0) rc = json_put(j, "target", json_string(frame_column(f, s.target)->name), e);
    if (rc == 0) rc = json_put(j, "recipe", json_string(s.recipe->name), e);
    if (rc == 0) rc = json_put(j, "seed", json_integer((json_int_t)o->seed), e);
    if (rc == 0) rc = json_put(j, "program", json_string(SLIPWAY_VERSION), e);
    if (rc == 0) rc = json_format(j, false, &text, e);
    if (rc == 0) sha256_hex_of(text.data, text.len, hex);
    buf_clear(&text);
    json_decref(j);
    setup_clear(&s);
    return rc;
}
