// From members to fields. Each reader leaves the default where there is no such member, or null.
// SPDX-License-Identifier: Apache-2.0
#include "automl/asked.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/nearest.h"

enum { SETTING_MAX = 256, FOLDS_MAX = 100 };

const char *const asked_members[] = {"target", "recipe", "model", "settings", "prepare", "drop_missing",
                                     "split",  "folds",  "seed",  "read",     NULL};

typedef struct asking {
    arena *a;
    char *pointer;      // ASKED_POINTER_SIZE
    const char *prefix; // "/prepare", or ""
    err *e;
} asking;

__attribute__((format(printf, 3, 4))) static int wrong(asking *w, const char *key, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool plain = !strpbrk(key, "~/") && strlen(key) < 100;
    snprintf(w->pointer, ASKED_POINTER_SIZE, "%s%s%s", w->prefix, plain ? "/" : "", plain ? key : "");
    return err_set(w->e, ERR_INPUT, "\"%.60s\": %s", key, text);
}

static json_t *member(const json_t *o, const char *key)
{
    json_t *j = json_object_get(o, key);
    return json_is_null(j) ? NULL : j;
}

static int only_known(asking *w, const json_t *o, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)o, key, value)
    {
        size_t n = 0;
        while (known[n] && strcmp(known[n], key) != 0) n++;
        if (known[n]) continue;
        const char *near = nearest_name(key, known, n);
        return near ? wrong(w, key, "no such member; did you mean \"%s\"?", near) : wrong(w, key, "no such member");
    }
    return 0;
}

// A text without NUL inside.
static int text_of(asking *w, const char *key, const json_t *j, const char **out)
{
    const char *text = json_string_value(j);
    if (!text || strlen(text) != json_string_length(j)) return wrong(w, key, "a text is wanted");
    *out = text;
    return 0;
}

static int take_text(asking *w, const json_t *o, const char *key, const char **out)
{
    const json_t *j = member(o, key);
    return j ? text_of(w, key, j, out) : 0;
}

static int take_boolean(asking *w, const json_t *o, const char *key, bool *out)
{
    const json_t *j = member(o, key);
    if (!j) return 0;
    if (!json_is_boolean(j)) return wrong(w, key, "true or false is wanted");
    *out = json_is_true(j);
    return 0;
}

static int take_integer(asking *w, const json_t *o, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const json_t *j = member(o, key);
    if (!j) return 0;
    int64_t n = json_integer_value(j);
    if (!json_is_integer(j) || n < min || n > max)
        return wrong(w, key, "a whole number from %lld to %lld is wanted", (long long)min, (long long)max);
    *out = n;
    return 0;
}

// One of the names, as its index.
static int take_choice(asking *w, const json_t *o, const char *key, const char *const *names, int *out)
{
    const char *text = NULL;
    char list[150] = "";
    TRY(take_text(w, o, key, &text));
    if (!text) return 0;
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return 0;
        }
        size_t len = strlen(list);
        snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", names[i]);
    }
    return wrong(w, key, "\"%.40s\" is none of %s", text, list);
}

static int take_names(asking *w, const json_t *o, const char *key, const char *const **out, size_t *n)
{
    const json_t *list = member(o, key);
    if (!list) return 0;
    if (!json_is_array(list) || json_array_size(list) > ASKED_NAMES_MAX)
        return wrong(w, key, "a list of at most %d texts is wanted", ASKED_NAMES_MAX);
    const char **names = arena_alloc(w->a, json_array_size(list), sizeof *names);
    if (!names) return err_set(w->e, ERR_MEMORY, "no memory for a list of names");
    for (size_t i = 0; i < json_array_size(list); i++) TRY(text_of(w, key, json_array_get(list, i), &names[i]));
    *out = names;
    *n = json_array_size(list);
    return 0;
}

static int take_object(asking *w, const json_t *o, const char *key, json_t **out)
{
    *out = member(o, key);
    return *out && !json_is_object(*out) ? wrong(w, key, "an object is wanted") : 0;
}

// The settings of a family.

// "name=value", as --set has it.
static int format_setting(asking *w, const char *key, const json_t *value, const char **out)
{
    char *text = arena_alloc(w->a, SETTING_MAX, 1), number[DECIMAL_TEXT_SIZE];
    if (!text) return err_set(w->e, ERR_MEMORY, "no memory for settings");
    int n;
    if (json_is_integer(value)) {
        n = snprintf(text, SETTING_MAX, "%s=%lld", key, (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        size_t len = decimal_format_f64(json_real_value(value), number);
        n = snprintf(text, SETTING_MAX, "%s=%.*s", key, (int)len, number);
    } else if (json_is_boolean(value)) {
        n = snprintf(text, SETTING_MAX, "%s=%s", key, json_is_true(value) ? "true" : "false");
    } else {
        const char *given;
        TRY(text_of(w, key, value, &given));
        n = snprintf(text, SETTING_MAX, "%s=%s", key, given);
    }
    if (n < 0 || n >= SETTING_MAX) return wrong(w, key, "is too long");
    *out = text;
    return 0;
}

static int take_settings(asking *w, const json_t *o, training_options *out)
{
    json_t *settings, *value;
    const char *key;
    TRY(take_object(w, o, "settings", &settings));
    if (!settings) return 0;
    const char **list = arena_alloc(w->a, json_object_size(settings), sizeof *list);
    if (!list) return err_set(w->e, ERR_MEMORY, "no memory for settings");
    w->prefix = "/settings";
    size_t n = 0;
    json_object_foreach(settings, key, value)
    {
        if (strchr(key, '=')) return wrong(w, key, "no such setting");
        TRY(format_setting(w, key, value, &list[n++]));
    }
    w->prefix = "";
    out->settings = list;
    out->n_settings = n;
    return 0;
}

// Preparation.

static int take_constant(asking *w, const json_t *o, prepare_options *p)
{
    const json_t *j = member(o, "constant");
    if (!j) return 0;
    if (!json_is_number(j)) {
        TRY(text_of(w, "constant", j, &p->constant_text));
        double number;
        if (decimal_parse_f64(str_of(p->constant_text), &number) == 0) p->constant_number = number;
        return 0;
    }
    p->constant_number = json_number_value(j);
    char *text = arena_zalloc(w->a, DECIMAL_TEXT_SIZE + 1, 1);
    if (!text) return err_set(w->e, ERR_MEMORY, "no memory for options");
    if (json_is_integer(j))
        decimal_format_i64(json_integer_value(j), text);
    else
        decimal_format_f64(p->constant_number, text);
    p->constant_text = text;
    return 0;
}

static int take_prepare(asking *w, const json_t *o, training_options *out)
{
    static const char *const known[] = {"columns", "drop", "impute", "impute_text", "constant", "indicator",
                                        "scale",   "ddof", "encode", "one_hot_max", NULL};
    static const char *const imputes[] = {"none", "mean", "median", "mode", "constant", NULL};
    static const char *const scales[] = {"none", "standard", "minmax", NULL};
    static const char *const encodes[] = {"one-hot", "ordinal", NULL};
    json_t *j;
    TRY(take_boolean(w, o, "drop_missing", &out->drop_incomplete));
    TRY(take_object(w, o, "prepare", &j));
    out->prepare_given = j || out->drop_incomplete; // as --drop-missing says it
    if (!j) return 0;
    w->prefix = "/prepare";
    prepare_options *p = &out->prepare;
    int number = (int)p->impute_number, text = (int)p->impute_text, scale = (int)p->scale, encode = (int)p->encode;
    int64_t ddof = p->ddof, one_hot_max = (int64_t)p->one_hot_max;
    TRY(only_known(w, j, known));
    TRY(take_names(w, j, "columns", &p->columns, &p->n_columns));
    TRY(take_names(w, j, "drop", &p->dropped, &p->n_dropped));
    TRY(take_choice(w, j, "impute", imputes, &number));
    TRY(take_choice(w, j, "impute_text", imputes, &text));
    TRY(take_constant(w, j, p));
    TRY(take_boolean(w, j, "indicator", &p->indicator));
    TRY(take_choice(w, j, "scale", scales, &scale));
    TRY(take_integer(w, j, "ddof", 0, 1, &ddof));
    TRY(take_choice(w, j, "encode", encodes, &encode));
    TRY(take_integer(w, j, "one_hot_max", 1, 65536, &one_hot_max));
    p->impute_number = (impute_kind)number;
    p->impute_text = (impute_kind)text;
    p->scale = (scale_kind)scale;
    p->encode = (encode_kind)encode;
    p->ddof = (int)ddof;
    p->one_hot_max = (size_t)one_hot_max;
    w->prefix = "";
    const char *fault = prepare_options_fault(p);
    return fault ? wrong(w, "prepare", "%s", fault) : 0;
}

// Splitting and reading.

static int take_split(asking *w, const json_t *o, training_options *out)
{
    static const char *const known[] = {"kind", "column", "test_share", NULL};
    static const char *const kinds[] = {"random", "stratified", "group", "time", "numpy", NULL};
    json_t *j, *share;
    int64_t seed = (int64_t)out->seed;
    TRY(take_integer(w, o, "seed", 0, INT64_MAX, &seed));
    out->seed = out->split.seed = (uint64_t)seed;
    TRY(take_object(w, o, "split", &j));
    if (j) {
        int kind = (int)out->split.kind;
        w->prefix = "/split";
        TRY(only_known(w, j, known));
        TRY(take_choice(w, j, "kind", kinds, &kind));
        TRY(take_text(w, j, "column", &out->split.column));
        share = member(j, "test_share");
        if (share && !json_is_number(share)) return wrong(w, "test_share", "a number is wanted");
        if (share) out->split.test_share = json_number_value(share);
        out->split.kind = (split_kind)kind;
        w->prefix = "";
    }
    const char *fault = split_options_fault(&out->split);
    return fault ? wrong(w, "split", "%s", fault) : 0;
}

static int take_types(asking *w, const json_t *o, read_options *r)
{
    json_t *types, *value;
    const char *key, *name;
    TRY(take_object(w, o, "types", &types));
    if (!types) return 0;
    type_override *list = arena_alloc(w->a, json_object_size(types), sizeof *list);
    if (!list) return err_set(w->e, ERR_MEMORY, "no memory for types");
    w->prefix = "/read/types";
    size_t n = 0;
    json_object_foreach(types, key, value)
    {
        column_type type;
        TRY(text_of(w, key, value, &name));
        if (column_type_find(name, &type) < 0)
            return wrong(w, key, "\"%.40s\" is none of integer, real, boolean, category, datetime, text, identifier",
                         name);
        list[n++] = (type_override){.column = key, .type = type};
    }
    r->types = list;
    r->n_types = n;
    return 0;
}

static int take_read(asking *w, const json_t *o, training_options *out)
{
    static const char *const known[] = {"format", "delimiter", "header", "missing", "types", NULL};
    static const char *const formats[] = {"auto", "csv", "jsonl", NULL};
    json_t *j;
    TRY(take_object(w, o, "read", &j));
    if (!j) return 0;
    w->prefix = "/read";
    read_options *r = &out->read;
    int format = 0;
    bool header = false;
    const char *delimiter = NULL;
    TRY(only_known(w, j, known));
    TRY(take_choice(w, j, "format", formats, &format));
    TRY(take_boolean(w, j, "header", &header));
    TRY(take_text(w, j, "delimiter", &delimiter));
    TRY(take_names(w, j, "missing", &r->missing, &r->n_missing));
    if (delimiter && strlen(delimiter) != 1) return wrong(w, "delimiter", "one character is wanted");
    r->format = (file_format)format;
    if (member(j, "header")) r->header = header ? HEADER_YES : HEADER_NO;
    if (delimiter) r->delimiter = delimiter[0];
    TRY(take_types(w, j, r));
    w->prefix = "";
    const char *fault = read_options_fault(r);
    return fault ? wrong(w, "read", "%s", fault) : 0;
}

int asked_options(training_options *o, const json_t *object, arena *a, char pointer[ASKED_POINTER_SIZE], err *e)
{
    asking w = {.a = a, .pointer = pointer, .prefix = "", .e = e};
    training_options made = TRAINING_OPTIONS_DEFAULT;
    int64_t folds = 0;
    pointer[0] = '\0';
    TRY(take_text(&w, object, "target", &made.target));
    TRY(take_text(&w, object, "recipe", &made.recipe));
    TRY(take_text(&w, object, "model", &made.family));
    TRY(take_settings(&w, object, &made));
    TRY(take_prepare(&w, object, &made));
    TRY(take_split(&w, object, &made));
    TRY(take_integer(&w, object, "folds", 0, FOLDS_MAX, &folds));
    if (folds == 1) return wrong(&w, "folds", "cross-validation needs two folds or more");
    made.folds = (size_t)folds;
    TRY(take_read(&w, object, &made));
    *o = made;
    return 0;
}
