// Schemas: memory, JSON, names. What is read back is checked field by field, because manifests come from outside.
// SPDX-License-Identifier: Apache-2.0
#include "data/schema.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { INPUTS_MAX = 65536, CATEGORIES_MAX = 1 << 24, SLOTS_MAX = 65536 };

static const char *const type_names[COLUMN_TYPES_N] = {
    [COLUMN_INTEGER] = "integer",       [COLUMN_REAL] = "real",         [COLUMN_BOOLEAN] = "boolean",
    [COLUMN_CATEGORY] = "category",     [COLUMN_DATETIME] = "datetime", [COLUMN_TEXT] = "text",
    [COLUMN_IDENTIFIER] = "identifier",
};

static const char *const task_names[TASKS_N] = {
    [TASK_CLASSIFICATION] = "classification",
    [TASK_REGRESSION] = "regression",
};

const char *column_type_name(column_type t)
{
    assert((unsigned)t < COLUMN_TYPES_N);
    return type_names[t];
}

int column_type_find(const char *name, column_type *out)
{
    for (unsigned t = 0; t < COLUMN_TYPES_N; t++)
        if (strcmp(name, type_names[t]) == 0) return *out = (column_type)t, 0;
    return ERR_NOT_FOUND;
}

const char *task_name(task t)
{
    assert((unsigned)t < TASKS_N);
    return task_names[t];
}

int task_find(const char *name, task *out)
{
    for (unsigned t = 0; t < TASKS_N; t++)
        if (strcmp(name, task_names[t]) == 0) return *out = (task)t, 0;
    return ERR_NOT_FOUND;
}

wire column_wire(column_type t)
{
    switch (t) {
    case COLUMN_INTEGER:
    case COLUMN_REAL:
    case COLUMN_BOOLEAN: return WIRE_F32;
    case COLUMN_DATETIME: return WIRE_I64;
    default: return WIRE_STRING;
    }
}

int64_t schema_find(const schema *s, str name)
{
    for (size_t i = 0; i < s->n_inputs; i++)
        if (str_equal(str_of(s->inputs[i].name), name)) return (int64_t)i;
    return -1;
}

static void free_texts(char **texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++) mem_free(texts[i]);
    mem_free(texts);
}

void schema_clear(schema *s)
{
    for (size_t i = 0; i < s->n_inputs; i++) {
        schema_input *in = &s->inputs[i];
        mem_free(in->name);
        mem_free(in->tensor);
        free_texts(in->categories, in->n_categories);
        mem_free(in->counts);
    }
    mem_free(s->inputs);
    mem_free(s->target.name);
    free_texts(s->target.classes, s->target.n_classes);
    mem_free(s->target.counts);
    *s = (schema){0};
}

// ---- to JSON ----

static int put_reals(json_t *o, const char *key, const double *values, size_t n, err *e)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        int rc = json_push(list, json_number(values[i]), e);
        if (rc < 0) return json_decref(list), rc;
    }
    return json_put(o, key, list, e);
}

static int put_texts(json_t *o, const char *key, char **texts, size_t n, err *e)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        int rc = json_push(list, json_string(texts[i]), e);
        if (rc < 0) return json_decref(list), rc;
    }
    return json_put(o, key, list, e);
}

static int put_counts(json_t *o, const char *key, const uint64_t *counts, size_t n, err *e)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++) {
        int rc = json_push(list, json_integer((json_int_t)counts[i]), e);
        if (rc < 0) return json_decref(list), rc;
    }
    return json_put(o, key, list, e);
}

static int fill_input(json_t *o, const schema_input *in, err *e)
{
    TRY(json_put(o, "name", json_string(in->name), e));
    TRY(json_put(o, "type", json_string(column_type_name(in->type)), e));
    TRY(json_put(o, "missing_ok", json_boolean(in->missing_ok), e));
    TRY(json_put(o, "missing_rate", json_number(in->missing_rate), e));
    TRY(json_put(o, "tensor", json_string(in->tensor), e));
    TRY(json_put(o, "slot", json_integer((json_int_t)in->slot), e));
    if (column_wire(in->type) == WIRE_STRING) {
        TRY(put_texts(o, "categories", in->categories, in->n_categories, e));
        return put_counts(o, "counts", in->counts, in->n_categories, e);
    }
    TRY(json_put(o, "min", json_number(in->min), e));
    TRY(json_put(o, "max", json_number(in->max), e));
    TRY(json_put(o, "mean", json_number(in->mean), e));
    return put_reals(o, "quantiles", in->quantiles, QUANTILES_N, e);
}

static int fill_target(json_t *o, const schema_target *t, err *e)
{
    TRY(json_put(o, "name", json_string(t->name), e));
    TRY(json_put(o, "task", json_string(task_name(t->task)), e));
    TRY(json_put(o, "type", json_string(column_type_name(t->type)), e));
    if (t->task == TASK_CLASSIFICATION) {
        TRY(put_texts(o, "classes", t->classes, t->n_classes, e));
        return put_counts(o, "counts", t->counts, t->n_classes, e);
    }
    TRY(json_put(o, "min", json_number(t->min), e));
    TRY(json_put(o, "max", json_number(t->max), e));
    return json_put(o, "mean", json_number(t->mean), e);
}

int schema_to_json(const schema *s, json_t **out, err *e)
{
    int rc;
    json_t *o = json_object(), *inputs = json_array(), *target = json_object();
    if (!o || !inputs || !target) {
        rc = err_set(e, ERR_MEMORY, "no memory for the schema's JSON");
        goto failed;
    }
    for (size_t i = 0; i < s->n_inputs; i++) {
        json_t *input = json_object();
        rc = input ? fill_input(input, &s->inputs[i], e) : 0;
        if (rc < 0) {
            json_decref(input);
            goto failed;
        }
        if ((rc = json_push(inputs, input, e)) < 0) goto failed;
    }
    if ((rc = fill_target(target, &s->target, e)) < 0) goto failed;
    rc = json_put(o, "inputs", inputs, e);
    inputs = NULL; // taken, also on failure
    if (rc < 0) goto failed;
    rc = json_put(o, "target", target, e);
    target = NULL;
    if (rc < 0) goto failed;
    *out = o;
    return 0;
failed:
    json_decref(o);
    json_decref(inputs);
    json_decref(target);
    return rc;
}

// ---- from JSON ----

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a schema");
}

// Every key of the object must be one of these: a field that nobody reads is a field that somebody misspelt.
static int check_keys(const json_t *o, const char *const *keys, err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0) i++;
        if (!keys[i]) return err_set(e, ERR_FORMAT, "unknown field \"%.80s\"", key);
    }
    return 0;
}

static int real_from_json(const json_t *j, const char *key, double *out, err *e)
{
    if (json_is_null(j))
        *out = NAN;
    else if (json_is_number(j))
        *out = json_number_value(j);
    else if (json_is_string(j) && strcmp(json_string_value(j), "inf") == 0)
        *out = INFINITY;
    else if (json_is_string(j) && strcmp(json_string_value(j), "-inf") == 0)
        *out = -INFINITY;
    else
        return err_set(e, ERR_FORMAT, "\"%s\" must be a number, null, \"inf\" or \"-inf\"", key);
    return 0;
}

static int take_real(const json_t *o, const char *key, double *out, err *e)
{
    json_t *value = json_object_get(o, key);
    if (!value) return err_set(e, ERR_FORMAT, "\"%s\" is missing", key);
    return real_from_json(value, key, out, e);
}

static int take_range(const json_t *o, double *min, double *max, double *mean, err *e)
{
    TRY(take_real(o, "min", min, e));
    TRY(take_real(o, "max", max, e));
    TRY(take_real(o, "mean", mean, e));
    if (*min > *max) return err_set(e, ERR_FORMAT, "\"min\" is above \"max\"");
    return 0;
}

static int take_name(const json_t *o, const char *key, char **out, err *e)
{
    const char *text;
    TRY(json_member_text(o, key, &text, e));
    if (!*text) return err_set(e, ERR_FORMAT, "\"%s\" is empty", key);
    *out = mem_strdup(text);
    return *out ? 0 : no_memory(e);
}

// The texts and their counts. What was read so far is owned by the schema, also on failure.
static int take_counted(const json_t *o, const char *texts_key, char ***texts, uint64_t **counts, size_t *n, err *e)
{
    json_t *list, *numbers;
    TRY(json_member_array(o, texts_key, &list, e));
    TRY(json_member_array(o, "counts", &numbers, e));
    size_t len = json_array_size(list);
    if (len > CATEGORIES_MAX) return err_set(e, ERR_LIMIT, "%zu in \"%s\", at most %d", len, texts_key, CATEGORIES_MAX);
    if (json_array_size(numbers) != len)
        return err_set(e, ERR_FORMAT, "%zu in \"%s\" but %zu in \"counts\"", len, texts_key, json_array_size(numbers));
    if (len == 0) return 0;
    *texts = mem_zalloc(len, sizeof **texts);
    *counts = mem_zalloc(len, sizeof **counts);
    if (!*texts || !*counts) return no_memory(e);
    *n = len;
    for (size_t i = 0; i < len; i++) {
        const json_t *text = json_array_get(list, i), *count = json_array_get(numbers, i);
        size_t bytes =
            json_is_string(text) ? json_string_length(text) : 0; // empty means missing: no category, no class
        if (bytes == 0 || strlen(json_string_value(text)) != bytes)
            return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"%s\"[%zu] must be a text without NUL, not empty", texts_key,
                              i);
        if (!json_is_integer(count) || json_integer_value(count) < 0)
            return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"counts\"[%zu] must be an integer, at least 0", i);
        (*counts)[i] = (uint64_t)json_integer_value(count);
        if (!((*texts)[i] = mem_strdup(json_string_value(text)))) return no_memory(e);
    }
    return 0;
}

static int take_type(const json_t *o, column_type *out, err *e)
{
    const char *text;
    TRY(json_member_text(o, "type", &text, e));
    if (column_type_find(text, out) == 0) return 0;
    return err_set(e, ERR_FORMAT, "\"type\" is \"%.40s\", which is no type of column", text);
}

static int take_input(const json_t *o, schema_input *in, err *e)
{
    static const char *const numeric[] = {"name", "type", "missing_ok", "missing_rate", "tensor", "slot",
                                          "min",  "max",  "mean",       "quantiles",    NULL};
    static const char *const textual[] = {"name",       "type",   "missing_ok", "missing_rate", "tensor", "slot",
                                          "categories", "counts", NULL};
    TRY(take_name(o, "name", &in->name, e));
    TRY(take_name(o, "tensor", &in->tensor, e));
    TRY(take_type(o, &in->type, e));
    TRY(json_member_boolean(o, "missing_ok", &in->missing_ok, e));
    TRY(json_member_real(o, "missing_rate", &in->missing_rate, e));
    if (!(in->missing_rate >= 0 && in->missing_rate <= 1))
        return err_set(e, ERR_FORMAT, "\"missing_rate\" is outside 0..1");
    int64_t slot;
    TRY(json_member_integer(o, "slot", 0, SLOTS_MAX - 1, &slot, e));
    in->slot = (size_t)slot;
    if (column_wire(in->type) == WIRE_STRING) {
        TRY(check_keys(o, textual, e));
        TRY(take_counted(o, "categories", &in->categories, &in->counts, &in->n_categories, e));
        for (size_t i = 1; i < in->n_categories; i++)
            if (str_compare(str_of(in->categories[i - 1]), str_of(in->categories[i])) >= 0)
                return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"categories\"[%zu] is not after the one before it", i);
        return 0;
    }
    TRY(check_keys(o, numeric, e));
    TRY(take_range(o, &in->min, &in->max, &in->mean, e));
    json_t *quantiles;
    TRY(json_member_array(o, "quantiles", &quantiles, e));
    if (json_array_size(quantiles) != QUANTILES_N)
        return err_set(e, ERR_FORMAT, "\"quantiles\" must have %d numbers", QUANTILES_N);
    for (size_t i = 0; i < QUANTILES_N; i++) {
        TRY(real_from_json(json_array_get(quantiles, i), "quantiles", &in->quantiles[i], e));
        if (i && in->quantiles[i - 1] > in->quantiles[i])
            return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"quantiles\" fall at %zu", i);
    }
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The first text that is there twice, or NULL. *rc is ERR_MEMORY if there is no room to look.
static const char *find_twice(char *const *texts, size_t n, int *rc)
{
    *rc = 0;
    if (n < 2) return NULL;
    char **sorted = mem_alloc(n, sizeof *sorted);
    if (!sorted) return *rc = ERR_MEMORY, NULL;
    memcpy(sorted, texts, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_texts);
    const char *twice = NULL;
    for (size_t i = 1; i < n && !twice; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0) twice = sorted[i];
    mem_free(sorted);
    return twice;
}

static int take_target(const json_t *o, schema_target *t, err *e)
{
    static const char *const classified[] = {"name", "task", "type", "classes", "counts", NULL};
    static const char *const regressed[] = {"name", "task", "type", "min", "max", "mean", NULL};
    TRY(take_name(o, "name", &t->name, e));
    TRY(take_type(o, &t->type, e));
    const char *text;
    TRY(json_member_text(o, "task", &text, e));
    if (task_find(text, &t->task) < 0)
        return err_set(e, ERR_FORMAT, "\"task\" is \"%.40s\", not classification or regression", text);
    if (t->task == TASK_CLASSIFICATION) {
        TRY(check_keys(o, classified, e));
        TRY(take_counted(o, "classes", &t->classes, &t->counts, &t->n_classes, e));
        if (t->n_classes < 2) return err_set(e, ERR_FORMAT, "%zu classes, at least 2 are needed", t->n_classes);
        int rc;
        const char *twice = find_twice(t->classes, t->n_classes, &rc);
        if (rc < 0) return no_memory(e);
        return twice ? err_set(e, ERR_FORMAT, "class \"%.80s\" is there twice", twice) : 0;
    }
    if (column_wire(t->type) != WIRE_F32)
        return err_set(e, ERR_FORMAT, "a target of type %s cannot be a regression's", column_type_name(t->type));
    TRY(check_keys(o, regressed, e));
    return take_range(o, &t->min, &t->max, &t->mean, e);
}

typedef struct place {
    const char *tensor;
    size_t slot;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    int order = strcmp(x->tensor, y->tensor);
    return order ? order : (x->slot > y->slot) - (x->slot < y->slot);
}

static int check_unique(const schema *s, err *e)
{
    size_t n = s->n_inputs;
    char **names = mem_alloc(n + 1, sizeof *names);
    place *places = mem_alloc(n, sizeof *places);
    int rc = names && places ? 0 : no_memory(e);
    if (rc < 0) goto done;
    for (size_t i = 0; i < n; i++) {
        names[i] = s->inputs[i].name;
        places[i] = (place){s->inputs[i].tensor, s->inputs[i].slot};
    }
    names[n] = s->target.name;
    const char *twice = find_twice(names, n + 1, &rc);
    if (rc < 0) {
        no_memory(e);
        goto done;
    }
    if (twice) {
        rc = err_set(e, ERR_FORMAT, "column \"%.80s\" is there twice", twice);
        goto done;
    }
    qsort(places, n, sizeof *places, compare_places);
    for (size_t i = 1; i < n && rc == 0; i++)
        if (compare_places(&places[i - 1], &places[i]) == 0)
            rc = err_set(e, ERR_FORMAT, "two inputs go to slot %zu of \"%.80s\"", places[i].slot, places[i].tensor);
done:
    mem_free(names);
    mem_free(places);
    return rc;
}

static int take_inputs(const json_t *list, schema *s, err *e)
{
    size_t n = json_array_size(list);
    if (n == 0) return err_set(e, ERR_FORMAT, "a schema without inputs");
    if (n > INPUTS_MAX) return err_set(e, ERR_LIMIT, "%zu inputs, at most %d", n, INPUTS_MAX);
    if (!(s->inputs = mem_zalloc(n, sizeof *s->inputs))) return no_memory(e);
    s->n_inputs = n;
    for (size_t i = 0; i < n; i++) {
        int rc = take_input(json_array_get(list, i), &s->inputs[i], e);
        if (rc < 0) return err_prefix(e, rc, "inputs[%zu]", i);
    }
    return 0;
}

int schema_from_json(schema *out, const json_t *j, err *e)
{
    static const char *const keys[] = {"inputs", "target", NULL};
    json_t *inputs, *target;
    TRY(json_member_array(j, "inputs", &inputs, e));
    TRY(json_member_object(j, "target", &target, e));
    TRY(check_keys(j, keys, e));
    schema s = {0};
    int rc = take_inputs(inputs, &s, e);
    if (rc == 0 && (rc = take_target(target, &s.target, e)) < 0) err_prefix(e, rc, "target");
    if (rc == 0) rc = check_unique(&s, e);
    if (rc < 0) {
        schema_clear(&s);
        return rc;
    }
    *out = s;
    return 0;
}
