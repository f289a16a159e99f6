// Options of a preparation: whether they make sense, and as JSON for the manifest.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "prepare/prepare.h"

static const char *const impute_names[] = {
    [IMPUTE_NONE] = "none", [IMPUTE_MEAN] = "mean",         [IMPUTE_MEDIAN] = "median",
    [IMPUTE_MODE] = "mode", [IMPUTE_CONSTANT] = "constant",
};
static const char *const scale_names[] = {
    [SCALE_NONE] = "none",
    [SCALE_STANDARD] = "standard",
    [SCALE_MINMAX] = "minmax",
};
static const char *const encode_names[] = {[ENCODE_ONE_HOT] = "one-hot", [ENCODE_ORDINAL] = "ordinal"};

const char *impute_name(impute_kind k)
{
    return impute_names[k];
}

const char *scale_name(scale_kind k)
{
    return scale_names[k];
}

const char *encode_name(encode_kind k)
{
    return encode_names[k];
}

static int find_name(const char *const *names, size_t n, const char *name, int *out)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (int)i;
        return 0;
    }
    return ERR_NOT_FOUND;
}

int impute_find(const char *name, impute_kind *out)
{
    int found;
    TRY(find_name(impute_names, sizeof impute_names / sizeof *impute_names, name, &found));
    *out = (impute_kind)found;
    return 0;
}

int scale_find(const char *name, scale_kind *out)
{
    int found;
    TRY(find_name(scale_names, sizeof scale_names / sizeof *scale_names, name, &found));
    *out = (scale_kind)found;
    return 0;
}

int encode_find(const char *name, encode_kind *out)
{
    int found;
    TRY(find_name(encode_names, sizeof encode_names / sizeof *encode_names, name, &found));
    *out = (encode_kind)found;
    return 0;
}

const char *prepare_options_fault(const prepare_options *o)
{
    if (o->impute_text == IMPUTE_MEAN || o->impute_text == IMPUTE_MEDIAN)
        return "categories have no mean or median: impute them by mode, constant or none";
    if (o->impute_text == IMPUTE_CONSTANT && (!o->constant_text || !*o->constant_text))
        return "imputing categories by a constant needs a text";
    if (o->impute_number == IMPUTE_CONSTANT && !(fabs(o->constant_number) <= 3e38))
        return "imputing numbers by a constant needs a number that float32 holds";
    if (o->ddof != 0 && o->ddof != 1) return "ddof is 0 or 1";
    if (o->one_hot_max < 1) return "a column in one-hot form needs room for one category";
    return NULL;
}

static int put_names(json_t *object, const char *key, const char *const *names, size_t n, err *e)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < n; i++) {
        int rc = json_push(array, json_string(names[i]), e);
        if (rc < 0) {
            json_decref(array);
            return rc;
        }
    }
    return json_put(object, key, array, e);
}

int prepare_options_to_json(const prepare_options *o, json_t **out, err *e)
{
    json_t *j = json_object();
    if (!j) return err_set(e, ERR_MEMORY, "no memory for options");
    int rc = 0;
    if (o->n_columns) rc = put_names(j, "columns", o->columns, o->n_columns, e);
    if (rc == 0 && o->n_dropped) rc = put_names(j, "dropped", o->dropped, o->n_dropped, e);
    if (rc == 0) rc = json_put(j, "impute_number", json_string(impute_names[o->impute_number]), e);
    if (rc == 0) rc = json_put(j, "impute_text", json_string(impute_names[o->impute_text]), e);
    if (rc == 0 && o->impute_number == IMPUTE_CONSTANT)
        rc = json_put(j, "constant_number", json_real(o->constant_number), e);
    if (rc == 0 && o->impute_text == IMPUTE_CONSTANT)
        rc = json_put(j, "constant_text", json_string(o->constant_text), e);
    if (rc == 0) rc = json_put(j, "indicator", json_boolean(o->indicator), e);
    if (rc == 0) rc = json_put(j, "scale", json_string(scale_names[o->scale]), e);
    if (rc == 0 && o->scale == SCALE_STANDARD) rc = json_put(j, "ddof", json_integer(o->ddof), e);
    if (rc == 0) rc = json_put(j, "encode", json_string(encode_names[o->encode]), e);
    if (rc == 0 && o->encode == ENCODE_ONE_HOT)
        rc = json_put(j, "one_hot_max", json_integer((json_int_t)o->one_hot_max), e);
    if (rc < 0) {
        json_decref(j);
        return rc;
    }
    *out = j;
    return 0;
}
