// The baseline as the manifest holds it: written in one form, read strictly.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/baseline.h"

#define ROWS_MAX ((int64_t)1 << 53)

// ---- writing

static int put_counts(json_t *o, const distribution *d, err *e)
{
    json_t *counts = json_array();
    TRY(json_put(o, "counts", counts, e));
    for (size_t i = 0; i < d->n_bins; i++) TRY(json_push(counts, json_integer((json_int_t)d->counts[i]), e));
    return json_put(o, "missing", json_integer((json_int_t)d->missing), e);
}

static int put_numbers(json_t *o, const distribution *d, err *e)
{
    json_t *edges = json_array();
    TRY(json_put(o, "edges", edges, e));
    for (size_t i = 0; i + 1 < d->n_bins; i++) TRY(json_push(edges, json_number(d->edges[i]), e));
    return put_counts(o, d, e);
}

static int put_members(json_t *o, const distribution *d, char *const *list, err *e)
{
    json_t *members = json_array();
    TRY(json_put(o, "members", members, e));
    for (size_t i = 0; i + 1 < d->n_bins; i++) TRY(json_push(members, json_string(list[d->members[i]]), e));
    return put_counts(o, d, e);
}

static int put_input(json_t *all, const distribution *d, const schema_input *in, err *e)
{
    json_t *o = json_object();
    TRY(json_push(all, o, e));
    TRY(json_put(o, "name", json_string(in->name), e));
    return column_wire(in->type) == WIRE_STRING ? put_members(o, d, in->categories, e) : put_numbers(o, d, e);
}

static int put_all(json_t *root, const baseline *r, const schema *s, err *e)
{
    json_t *inputs = json_array(), *scores, *classes;
    TRY(json_put(root, "inputs", inputs, e));
    for (size_t i = 0; i < r->n_inputs; i++) TRY(put_input(inputs, &r->inputs[i], &s->inputs[i], e));
    TRY(json_put(root, "rows", json_integer((json_int_t)r->n_rows), e));
    TRY(json_put(root, "score_rows", json_integer((json_int_t)r->n_score_rows), e));
    TRY(json_put(root, "scores", scores = json_object(), e));
    TRY(put_numbers(scores, &r->scores, e));
    if (r->classes.n_bins == 0) return 0;
    TRY(json_put(root, "classes", classes = json_object(), e));
    return put_members(classes, &r->classes, s->target.classes, e);
}

int baseline_to_json(const baseline *r, const schema *s, json_t **out, err *e)
{
    json_t *root = json_object();
    if (!root) return err_set(e, ERR_MEMORY, "no memory for reference distributions");
    int rc = put_all(root, r, s, e);
    if (rc < 0)
        json_decref(root);
    else
        *out = root;
    return rc;
}

// ---- reading

// Members beyond those named are not known here, and so are refused.
static int check_size(const json_t *o, size_t n, err *e)
{
    return json_object_size(o) == n ? 0 : err_set(e, ERR_FORMAT, "unknown members");
}

static int read_counts(distribution *d, const json_t *o, size_t n_edges, uint64_t n_rows, err *e)
{
    json_t *counts;
    int64_t missing;
    TRY(json_member_array(o, "counts", &counts, e));
    TRY(json_member_integer(o, "missing", 0, ROWS_MAX, &missing, e));
    if (n_edges >= BASELINE_BINS_MAX || json_array_size(counts) != n_edges + 1)
        return err_set(e, ERR_FORMAT, "%zu counts for %zu bins, of which there are at most %d", json_array_size(counts),
                       n_edges + 1, BASELINE_BINS_MAX);
    uint64_t sum = d->missing = (uint64_t)missing;
    for (size_t i = 0; i <= n_edges; i++) {
        const json_t *count = json_array_get(counts, i);
        if (!json_is_integer(count) || json_integer_value(count) < 0 || json_integer_value(count) > ROWS_MAX)
            return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"counts\"[%zu] must be an integer, at least 0", i);
        sum += d->counts[i] = (uint64_t)json_integer_value(count);
    }
    if (sum != n_rows) return err_set(e, ERR_FORMAT, "counts and missing ones do not add up to the rows");
    d->n_bins = n_edges + 1;
    return 0;
}

static int read_numbers(distribution *d, const json_t *o, uint64_t n_rows, err *e)
{
    json_t *edges;
    TRY(json_member_array(o, "edges", &edges, e));
    TRY(read_counts(d, o, json_array_size(edges), n_rows, e));
    for (size_t i = 0; i + 1 < d->n_bins; i++) {
        const json_t *edge = json_array_get(edges, i);
        d->edges[i] = json_number_value(edge);
        if (!json_is_number(edge) || !isfinite(d->edges[i]) || (i > 0 && d->edges[i] <= d->edges[i - 1]))
            return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"edges\" do not rise at %zu", i);
    }
    return 0;
}

static int read_members(distribution *d, const json_t *o, char *const *list, size_t n, uint64_t n_rows, err *e)
{
    json_t *members;
    TRY(json_member_array(o, "members", &members, e));
    TRY(read_counts(d, o, json_array_size(members), n_rows, e));
    size_t at = 0;
    for (size_t i = 0; i + 1 < d->n_bins; i++) {
        const char *member = json_string_value(json_array_get(members, i));
        while (member && at < n && strcmp(list[at], member) != 0) at++; // both are in one order
        if (!member || at == n)
            return err_set_at(e, ERR_FORMAT, (int64_t)i, "\"members\"[%zu] is none, or out of order", i);
        d->members[i] = (uint32_t)at++;
    }
    return 0;
}

static int read_input(distribution *d, const json_t *o, const schema_input *in, uint64_t n_rows, err *e)
{
    const char *name;
    TRY(json_member_text(o, "name", &name, e));
    if (strcmp(name, in->name) != 0)
        return err_set(e, ERR_FORMAT, "\"%.80s\" is where the schema has \"%.80s\"", name, in->name);
    TRY(check_size(o, 4, e));
    if (column_wire(in->type) != WIRE_STRING) return read_numbers(d, o, n_rows, e);
    return read_members(d, o, in->categories, in->n_categories, n_rows, e);
}

static int read_all(baseline *r, const json_t *j, const schema *s, err *e)
{
    json_t *inputs, *scores, *classes;
    int64_t n_rows, n_score_rows;
    bool classified = s->target.task == TASK_CLASSIFICATION;
    TRY(json_member_array(j, "inputs", &inputs, e));
    TRY(json_member_integer(j, "rows", 0, ROWS_MAX, &n_rows, e));
    TRY(json_member_integer(j, "score_rows", 0, ROWS_MAX, &n_score_rows, e));
    TRY(json_member_object(j, "scores", &scores, e));
    if (classified) TRY(json_member_object(j, "classes", &classes, e));
    TRY(check_size(j, classified ? 5 : 4, e));
    size_t n = json_array_size(inputs);
    if (n > s->n_inputs || n > BASELINE_INPUTS_MAX)
        return err_set(e, ERR_FORMAT, "%zu inputs, the schema has %zu", n, s->n_inputs);
    r->n_rows = (uint64_t)n_rows;
    r->n_score_rows = (uint64_t)n_score_rows;
    if (!(r->inputs = mem_zalloc(n, sizeof *r->inputs)))
        return err_set(e, ERR_MEMORY, "no memory for reference distributions");
    r->n_inputs = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(inputs, i);
        int rc = json_is_object(o) ? read_input(&r->inputs[i], o, &s->inputs[i], r->n_rows, e)
                                   : err_set(e, ERR_FORMAT, "not an object");
        if (rc < 0) return err_prefix(e, rc, "inputs[%zu]", i);
    }
    TRY(read_numbers(&r->scores, scores, r->n_score_rows, e));
    TRY(check_size(scores, 3, e));
    if (!classified) return 0;
    TRY(read_members(&r->classes, classes, s->target.classes, s->target.n_classes, r->n_score_rows, e));
    return check_size(classes, 3, e);
}

int baseline_from_json(baseline *out, const json_t *j, const schema *s, err *e)
{
    baseline r = {0};
    int rc = json_is_object(j) ? read_all(&r, j, s, e) : err_set(e, ERR_FORMAT, "not an object");
    if (rc < 0)
        baseline_clear(&r);
    else
        *out = r;
    return rc;
}
