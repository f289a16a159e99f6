// Fitting: statistics of the training rows in float64, kept as the float32 constants that the graph will hold.
// SPDX-License-Identifier: Apache-2.0
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/task_error.h"
#include "prepare/prepare.h"
#include "prepare/prepare_impl.h"
#include "prepare/statistics.h"

enum { FEATURES_MAX = 1 << 20 };
static const size_t MEMORY_MAX = (size_t)4 << 30;

typedef struct fit { // what the tasks share, one task a column
    const frame *f;
    const uint32_t *rows;
    size_t n_rows;
    const prepare_options *o;
    const size_t *columns; // frame indices by schema input
    preparation *p;
    task_error errors;
} fit;

// ---- numbers and dates

static int number_at(const column *c, uint32_t row, int64_t origin, double *out, err *e)
{
    *out = c->storage == STORAGE_F64 ? c->f64[row] : (double)(c->i64[row] - origin);
    if (fabs(*out) <= FLT_MAX) return 0;
    return err_set_at(e, ERR_INPUT, (int64_t)row + 1, "column \"%.80s\": row %u: %g is beyond float32", c->name,
                      row + 1, *out);
}

// The values that are there, in row order.
static int load_values(double *out, size_t *n, const fit *t, const column *c, int64_t origin, err *e)
{
    *n = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        uint32_t row = t->rows[i];
        if (column_missing(c, row)) continue;
        TRY(number_at(c, row, origin, &out[*n], e));
        ++*n;
    }
    return 0;
}

static int64_t earliest(const fit *t, const column *c)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < t->n_rows; i++) {
        int64_t v = c->i64[t->rows[i]];
        if (v != FRAME_I64_MISSING && v < least) least = v;
    }
    return least == INT64_MAX ? 0 : least;
}

static double fill_of(const prepare_options *o, const number_statistics *s, int64_t origin)
{
    switch (o->impute_number) {
    case IMPUTE_MEAN: return s->mean;
    case IMPUTE_MEDIAN: return s->median;
    case IMPUTE_MODE: return s->mode;
    case IMPUTE_CONSTANT: return o->constant_number - (double)origin;
    default: return 0;
    }
}

// Below this a deviation is rounding, and its column constant: the bound of Chan, Golub and LeVeque (1983) on the
// computed variance, as scikit-learn applies it.
static bool spread_is_rounding(double mean, double std, size_t n)
{
    double variance = std * std, count = (double)n;
    double doubt = count * mean * DBL_EPSILON;
    return variance <= count * DBL_EPSILON * variance + doubt * doubt;
}

static float reciprocal(double spread)
{
    double r = 1 / spread;
    return r <= FLT_MAX ? (float)r : 1.0F;
}

static void fit_scale(prepared *q, const fit *t, const number_statistics *s, const double *sorted, double fill)
{
    size_t n_filled = t->o->impute_number == IMPUTE_NONE ? 0 : t->n_rows - s->n;
    q->scale = 1;
    if (t->o->scale == SCALE_STANDARD) {
        double mean, std;
        spread_of(&mean, &std, sorted, s->n, n_filled, fill, t->o->ddof);
        q->offset = (float)mean;
        if (!spread_is_rounding(mean, std, s->n + n_filled)) q->scale = reciprocal(std);
    } else if (t->o->scale == SCALE_MINMAX) {
        double min = n_filled ? fmin(s->min, fill) : s->min, max = n_filled ? fmax(s->max, fill) : s->max;
        q->offset = (float)min;
        if (max - min >= 10 * DBL_EPSILON) q->scale = reciprocal(max - min); // scikit-learn's bound
    }
}

static int fit_number(const fit *t, size_t input, err *e)
{
    const column *c = frame_column(t->f, t->columns[input]);
    prepared *q = &t->p->columns[input];
    schema_input *in = &t->p->schema.inputs[input];
    double *values = mem_alloc(t->n_rows, sizeof *values), *scratch = mem_alloc(t->n_rows, sizeof *scratch);
    int rc = 0;
    if (!values || !scratch) {
        rc = err_set(e, ERR_MEMORY, "no memory for the values of column \"%.80s\"", c->name);
        goto done;
    }
    q->origin = q->kind == PREPARED_DATE ? earliest(t, c) : 0;
    size_t n;
    if ((rc = load_values(values, &n, t, c, q->origin, e)) < 0) goto done;
    number_statistics s;
    number_statistics_of(&s, values, scratch, n);
    double fill = fill_of(t->o, &s, q->origin);
    q->fill = (float)fill;
    q->marked = t->o->indicator && n < t->n_rows && t->o->impute_number != IMPUTE_NONE;
    q->scale = 1;
    if (c->type != COLUMN_BOOLEAN) fit_scale(q, t, &s, values, fill);

    double origin = (double)q->origin;
    in->missing_rate = (double)(t->n_rows - n) / (double)t->n_rows;
    in->min = s.min + origin;
    in->max = s.max + origin;
    in->mean = s.mean + origin;
    for (int k = 0; k < QUANTILES_N; k++) in->quantiles[k] = s.quantiles[k] + origin;
done:
    mem_free(values);
    mem_free(scratch);
    return rc;
}

// ---- texts

// The categories of the training rows with their counts, for the schema.
static int fit_categories(const fit *t, const column *c, schema_input *in, err *e)
{
    uint64_t *counts = mem_zalloc(c->n_strings, sizeof *counts);
    if (!counts) return err_set(e, ERR_MEMORY, "no memory for %zu categories", c->n_strings);
    size_t n_missing = 0, n_seen = 0;
    for (size_t i = 0; i < t->n_rows; i++) {
        int32_t code = c->codes[t->rows[i]];
        if (code < 0)
            n_missing++;
        else
            counts[code]++;
    }
    for (size_t k = 0; k < c->n_strings; k++) n_seen += counts[k] > 0;
    in->missing_rate = (double)n_missing / (double)t->n_rows;
    in->categories = mem_zalloc(n_seen, sizeof *in->categories);
    in->counts = mem_zalloc(n_seen, sizeof *in->counts);
    bool failed = !in->categories || !in->counts;
    for (size_t k = 0; k < c->n_strings && !failed; k++) {
        if (!counts[k]) continue;
        char *text = mem_strndup(c->strings[k].data, c->strings[k].len);
        failed = !text;
        in->categories[in->n_categories] = text;
        in->counts[in->n_categories] = counts[k];
        in->n_categories += !failed;
    }
    mem_free(counts);
    return failed ? err_set(e, ERR_MEMORY, "no memory for %zu categories of column \"%.80s\"", n_seen, c->name) : 0;
}

static size_t most_frequent(const schema_input *in)
{
    size_t best = 0;
    for (size_t k = 1; k < in->n_categories; k++)
        if (in->counts[k] > in->counts[best]) best = k;
    return best;
}

// The place of `text` among sorted categories, or where it would be.
static size_t place_of(const schema_input *in, str text, bool *found)
{
    size_t low = 0, high = in->n_categories;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(str_of(in->categories[middle]), text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < in->n_categories && str_equal(str_of(in->categories[low]), text);
    return low;
}

// Codes: the schema's categories, with "" before them where missing is a category, and a constant among them that is
// imputed but was never there.
static int fit_codes(preparation *p, size_t input, const prepare_options *o, err *e)
{
    schema_input *in = &p->schema.inputs[input];
    prepared *q = &p->columns[input];
    bool missing = in->missing_rate > 0;
    str extra = {0};
    size_t extra_at = SIZE_MAX;
    q->missing_code = CODE_UNKNOWN;
    if (o->impute_text == IMPUTE_NONE) {
        if (missing) {
            extra = STR("");
            extra_at = 0;
        }
    } else if (o->impute_text == IMPUTE_MODE) {
        if (in->n_categories) q->missing_code = (int64_t)most_frequent(in);
    } else {
        bool found;
        size_t at = place_of(in, str_of(o->constant_text), &found);
        if (!found && missing) {
            char *copy = arena_strndup(&p->memory, o->constant_text, strlen(o->constant_text));
            if (!copy) return err_set(e, ERR_MEMORY, "no memory for a category");
            extra = str_of(copy);
            extra_at = at;
        }
        if (found || missing) q->missing_code = (int64_t)at;
    }
    q->n_categories = in->n_categories + (extra_at != SIZE_MAX);
    str *list = arena_alloc(&p->memory, q->n_categories, sizeof *list);
    if (!list) return err_set(e, ERR_MEMORY, "no memory for %zu categories", q->n_categories);
    for (size_t k = 0, from = 0; k < q->n_categories; k++)
        list[k] = k == extra_at ? extra : str_of(in->categories[from++]);
    q->categories = list;
    q->encode = q->n_categories > o->one_hot_max ? ENCODE_ORDINAL : o->encode;
    q->marked = o->indicator && missing && o->impute_text != IMPUTE_NONE;
    return 0;
}

static void fit_column(void *context, size_t input, size_t worker)
{
    (void)worker;
    fit *t = context;
    if (task_error_before(&t->errors, input)) return;
    err e = ERR_NONE;
    int rc = t->p->columns[input].kind == PREPARED_TEXT
                 ? fit_categories(t, frame_column(t->f, t->columns[input]), &t->p->schema.inputs[input], &e)
                 : fit_number(t, input, &e);
    if (rc < 0) task_error_set(&t->errors, input, rc, &e);
}

// ---- features

static char *feature_name(arena *a, const char *head, const char *between, str value)
{
    size_t n = strlen(head), m = strlen(between);
    char *name = arena_alloc(a, n + m + value.len + 1, 1);
    if (!name) return NULL;
    memcpy(name, head, n);
    memcpy(name + n, between, m);
    if (value.len) memcpy(name + n + m, value.data, value.len);
    name[n + m + value.len] = '\0';
    return name;
}

static int add_feature(preparation *p, size_t input, const char *between, str value, err *e)
{
    char *name = feature_name(&p->memory, p->schema.inputs[input].name, between, value);
    if (!name) return err_set(e, ERR_MEMORY, "no memory for %zu features", p->n_features);
    p->features[p->n_features++] = (feature){.name = name, .input = input, .kind = FEATURE_NUMBER};
    return 0;
}

static int add_text_features(preparation *p, size_t input, err *e)
{
    const prepared *q = &p->columns[input];
    if (q->encode == ENCODE_ORDINAL) {
        TRY(add_feature(p, input, "", STR(""), e));
        p->features[p->n_features - 1].kind = FEATURE_CATEGORY;
        p->features[p->n_features - 1].n_categories = q->n_categories;
        return 0;
    }
    for (size_t k = 0; k < q->n_categories; k++) {
        bool missing = q->categories[k].len == 0;
        TRY(add_feature(p, input, missing ? " is missing" : "=", q->categories[k], e));
    }
    return 0;
}

// In the order that emission joins them: numbers, dates, texts, marks of numbers and dates, marks of texts.
static int list_features(preparation *p, err *e)
{
    size_t n = 0;
    for (size_t i = 0; i < p->schema.n_inputs; i++) {
        const prepared *q = &p->columns[i];
        n += q->marked + (q->kind == PREPARED_TEXT && q->encode == ENCODE_ONE_HOT ? q->n_categories : 1);
    }
    if (n > FEATURES_MAX) return err_set(e, ERR_LIMIT, "%zu features, at most %d", n, FEATURES_MAX);
    p->features = arena_zalloc(&p->memory, n, sizeof *p->features);
    if (!p->features) return err_set(e, ERR_MEMORY, "no memory for %zu features", n);
    for (prepared_kind kind = PREPARED_NUMBER; kind <= PREPARED_TEXT; kind++)
        for (size_t i = 0; i < p->schema.n_inputs; i++) {
            if (p->columns[i].kind != kind) continue;
            TRY(kind == PREPARED_TEXT ? add_text_features(p, i, e) : add_feature(p, i, "", STR(""), e));
        }
    for (prepared_kind kind = PREPARED_NUMBER; kind <= PREPARED_TEXT; kind++)
        for (size_t i = 0; i < p->schema.n_inputs; i++)
            if (p->columns[i].kind == kind && p->columns[i].marked) TRY(add_feature(p, i, " is missing", STR(""), e));
    assert(p->n_features == n);
    return 0;
}

// ---- the whole

// Names, types and places in the graph: a column's own input, or a slot of the one that many numbers share.
static int lay_out(preparation *p, const frame *f, const column_choice *choice, err *e)
{
    size_t n = choice->n_columns, n_of[PREPARED_TEXT + 1] = {0};
    p->columns = arena_zalloc(&p->memory, n, sizeof *p->columns);
    p->left_out = arena_alloc(&p->memory, choice->n_left_out, sizeof *p->left_out);
    p->schema.inputs = mem_zalloc(n, sizeof *p->schema.inputs);
    if (!p->columns || !p->left_out || !p->schema.inputs) return err_set(e, ERR_MEMORY, "no memory for %zu columns", n);
    p->n_left_out = choice->n_left_out;
    if (p->n_left_out) memcpy(p->left_out, choice->left_out, p->n_left_out * sizeof *p->left_out);
    p->schema.n_inputs = n;
    for (size_t i = 0; i < n; i++) {
        p->columns[i].kind = prepared_kind_of(frame_column(f, choice->columns[i])->type);
        n_of[p->columns[i].kind]++;
    }
    p->n_numbers = n_of[PREPARED_NUMBER];
    p->n_dates = n_of[PREPARED_DATE];
    p->n_texts = n_of[PREPARED_TEXT];

    char shared[32] = "features_in"; // not a column's name, so that inputs differ
    for (unsigned k = 2; frame_find(f, shared) >= 0; k++) snprintf(shared, sizeof shared, "features_in_%u", k);
    bool share = p->n_numbers > SINGLE_INPUTS_MAX;
    size_t slot = 0;
    for (size_t i = 0; i < n; i++) {
        const column *c = frame_column(f, choice->columns[i]);
        schema_input *in = &p->schema.inputs[i];
        bool shares = share && p->columns[i].kind == PREPARED_NUMBER;
        in->type = c->type;
        in->missing_ok = true; // imputed, a category of its own, or NaN that the family knows
        in->min = in->max = in->mean = NAN;
        for (int k = 0; k < QUANTILES_N; k++) in->quantiles[k] = NAN;
        in->name = mem_strdup(c->name);
        in->tensor = mem_strdup(shares ? shared : c->name);
        in->slot = shares ? slot++ : 0;
        if (!in->name || !in->tensor) return err_set(e, ERR_MEMORY, "no memory for %zu columns", n);
    }
    return 0;
}

int preparation_fit(preparation **out, const frame *f, int64_t target, const uint32_t *rows, size_t n_rows,
                    const prepare_options *o, pool *workers, err *e)
{
    if (n_rows == 0) return err_set(e, ERR_INPUT, "no rows to fit a preparation on");
    column_choice choice;
    TRY(column_choice_make(&choice, f, target, rows, n_rows, o, e));
    preparation *p = mem_zalloc(1, sizeof *p);
    int rc = 0;
    if (!p) {
        rc = err_set(e, ERR_MEMORY, "no memory for a preparation");
        goto done;
    }
    arena_init(&p->memory, MEMORY_MAX);
    p->impute_number = o->impute_number;
    p->scale = o->scale;
    if ((rc = lay_out(p, f, &choice, e)) < 0) goto done;
    fit t = {.f = f, .rows = rows, .n_rows = n_rows, .o = o, .columns = choice.columns, .p = p};
    task_error_init(&t.errors);
    pool_run(workers, choice.n_columns, fit_column, &t);
    if ((rc = task_error_end(&t.errors, e)) < 0) goto done;
    for (size_t i = 0; i < p->schema.n_inputs && rc == 0; i++)
        if (p->columns[i].kind == PREPARED_TEXT) rc = fit_codes(p, i, o, e);
    if (rc == 0) rc = list_features(p, e);
done:
    column_choice_clear(&choice);
    if (rc < 0)
        preparation_free(p);
    else
        *out = p;
    return rc;
}

void preparation_free(preparation *p)
{
    if (!p) return;
    arena_clear(&p->memory);
    schema_clear(&p->schema);
    mem_free(p);
}

const schema *preparation_schema(const preparation *p)
{
    return &p->schema;
}

const feature *preparation_features(const preparation *p, size_t *n)
{
    *n = p->n_features;
    return p->features;
}

const left_out *preparation_left_out(const preparation *p, size_t *n)
{
    *n = p->n_left_out;
    return p->left_out;
}
