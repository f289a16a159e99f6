// Splits and folds: every kind first brings the candidates into an order, then cuts it.
// SPDX-License-Identifier: Apache-2.0
#include "data/split.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/dictionary_impl.h"

enum { STREAM_RANDOM = 0x5011, STREAM_GROUPS = 0x5012, STREAM_CLASSES = 0x10000 }; // + class

const char *split_options_fault(const split_options *o)
{
    if (!(o->test_share > 0 && o->test_share < 1)) return "the test share must be above 0 and below 1";
    switch (o->kind) {
    case SPLIT_GROUP:
        if (!o->column) return "a split by group needs the column of the groups";
        break;
    case SPLIT_TIME:
        if (!o->column) return "a split by time needs the column of the times";
        break;
    case SPLIT_NUMPY:
        if (o->seed > UINT32_MAX) return "NumPy's seeds are below 4294967296";
        break;
    case SPLIT_RANDOM:
    case SPLIT_STRATIFIED: break;
    default: return "unknown kind of split";
    }
    if (o->column && o->kind != SPLIT_GROUP && o->kind != SPLIT_TIME)
        return "only splits by group or by time take a column";
    return NULL;
}

void split_clear(split *s)
{
    mem_free(s->train);
    mem_free(s->test);
    *s = (split){0};
}

static int no_memory(size_t n_rows, err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for splitting %zu rows", n_rows);
}

static int find_column(const frame *f, const char *name, const column **out, err *e)
{
    size_t index;
    TRY(frame_require(f, name, " to split by", &index, e));
    *out = frame_column(f, index);
    return 0;
}

// ---- orders of the candidates, as positions 0..n-1 in `rows` ----

static void identity(uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
}

static void order_random(uint32_t *order, size_t n, uint64_t seed)
{
    identity(order, n);
    rng r = rng_new(seed, STREAM_RANDOM);
    rng_shuffle(&r, order, n);
}

// Runs of positions that belong together: start[i] .. start[i + 1] in an order.
typedef struct runs {
    size_t n;
    size_t *start; // n + 1; owned
} runs;

// Groups the positions by label (0..n_labels-1), keeping their order within a label.
static int order_by_label(uint32_t *order, runs *out, const uint32_t *label, size_t n, size_t n_labels)
{
    size_t *start = mem_zalloc(n_labels + 2, sizeof *start);
    if (!start) return ERR_MEMORY;
    for (size_t i = 0; i < n; i++) start[label[i] + 2]++;
    for (size_t c = 2; c < n_labels + 2; c++) start[c] += start[c - 1];
    for (size_t i = 0; i < n; i++) order[start[label[i] + 1]++] = (uint32_t)i; // start[c + 1] ends as the end of c
    *out = (runs){.n = n_labels, .start = start};
    return 0;
}

// By class, shuffled within each. Classes that are not there make empty runs; -1 becomes the last.
static int order_by_class(uint32_t *order, runs *out, const int32_t *stratum, size_t n, uint64_t seed, err *e)
{
    int32_t last = -1;
    for (size_t i = 0; i < n; i++) last = stratum[i] > last ? stratum[i] : last;
    size_t n_labels = (size_t)last + 2;
    uint32_t *label = mem_alloc(n, sizeof *label);
    if (!label) return no_memory(n, e);
    for (size_t i = 0; i < n; i++) label[i] = stratum[i] < 0 ? (uint32_t)last + 1 : (uint32_t)stratum[i];
    int rc = order_by_label(order, out, label, n, n_labels);
    mem_free(label);
    if (rc < 0) return no_memory(n, e);
    for (size_t c = 0; c < out->n; c++) {
        rng r = rng_new(seed, STREAM_CLASSES + c);
        rng_shuffle(&r, order + out->start[c], out->start[c + 1] - out->start[c]);
    }
    return 0;
}

// The value's bytes: equal for equal values, and only for those.
static str key_of(const column *c, size_t row, double *scratch)
{
    if (column_missing(c, row)) return (str){0};
    switch (c->storage) {
    case STORAGE_F64:
        *scratch = c->f64[row] == 0 ? 0 : c->f64[row]; // zero has two signs
        return (str){(const char *)scratch, sizeof *scratch};
    case STORAGE_I64: return (str){(const char *)&c->i64[row], sizeof c->i64[row]};
    default: return c->strings[c->codes[row]];
    }
}

// By group, groups in the order of their first row.
static int order_by_group(uint32_t *order, runs *out, const column *c, const uint32_t *rows, size_t n, err *e)
{
    uint32_t *label = mem_alloc(n, sizeof *label);
    dictionary d;
    dictionary_init(&d, NULL);
    int rc = label ? 0 : ERR_MEMORY;
    for (size_t i = 0; i < n && rc == 0; i++) {
        double scratch;
        str key = key_of(c, rows[i], &scratch);
        int32_t group = dictionary_add(&d, key, hash_bytes(key.data, key.len, 0), c->storage != STORAGE_F64);
        if (group < 0) rc = group;
        label[i] = (uint32_t)group;
    }
    if (rc == 0) rc = order_by_label(order, out, label, n, d.n);
    dictionary_clear(&d);
    mem_free(label);
    return rc < 0 ? no_memory(n, e) : 0;
}

typedef struct timed {
    double time;
    int64_t time_i64;
    uint32_t position;
} timed;

static bool later(const timed *a, const timed *b)
{
    if (a->time != b->time) return a->time > b->time;
    if (a->time_i64 != b->time_i64) return a->time_i64 > b->time_i64;
    return a->position > b->position;
}

static void sift_down(timed *heap, size_t n, size_t at)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && later(&heap[child + 1], &heap[child])) child++;
        if (!later(&heap[child], &heap[at])) return;
        timed swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

// The earliest first. Heap sort: in place, and never slow, whatever the times are.
static int order_by_time(uint32_t *order, const column *c, const uint32_t *rows, size_t n, err *e)
{
    if (c->storage == STORAGE_STRING || c->type == COLUMN_BOOLEAN)
        return err_set(e, ERR_INPUT, "column \"%.80s\" holds values of type %s, not times or numbers", c->name,
                       column_type_name(c->type));
    timed *heap = mem_alloc(n, sizeof *heap);
    if (!heap) return no_memory(n, e);
    for (size_t i = 0; i < n; i++) {
        heap[i] = (timed){.position = (uint32_t)i};
        if (c->storage == STORAGE_F64)
            heap[i].time = isnan(c->f64[rows[i]]) ? -INFINITY : c->f64[rows[i]];
        else
            heap[i].time_i64 = c->i64[rows[i]]; // "missing" is the least of them
    }
    for (size_t i = n / 2; i-- > 0;) sift_down(heap, n, i);
    for (size_t left = n; left-- > 0;) {
        order[left] = heap[0].position;
        heap[0] = heap[left];
        sift_down(heap, left, 0);
    }
    mem_free(heap);
    return 0;
}

// ---- the two parts ----

static size_t test_wanted(size_t n, double share)
{
    size_t wanted = (size_t)ceil(share * (double)n);
    return wanted < 1 ? 1 : wanted > n - 1 ? n - 1 : wanted;
}

// How many of each run are tested on: the whole part of its share, then one more by largest remainder.
static int allot(size_t *take, const runs *classes, size_t n, double share)
{
    double *rest = mem_alloc(classes->n, sizeof *rest);
    if (!rest) return ERR_MEMORY;
    size_t wanted = test_wanted(n, share), taken = 0;
    for (size_t c = 0; c < classes->n; c++) {
        size_t len = classes->start[c + 1] - classes->start[c];
        double exact = (double)wanted * (double)len / (double)n;
        take[c] = (size_t)exact;
        rest[c] = exact - (double)take[c];
        if (len < 2) take[c] = 0, rest[c] = -1;
        if (len >= 2 && take[c] == 0) take[c] = 1, rest[c] = -1;
        if (len >= 2 && take[c] >= len - 1) take[c] = len - 1, rest[c] = -1;
        taken += take[c];
    }
    while (taken < wanted) {
        size_t best = classes->n;
        for (size_t c = 0; c < classes->n; c++)
            if (rest[c] >= 0 && (best == classes->n || rest[c] > rest[best])) best = c;
        if (best == classes->n) break;
        take[best]++;
        rest[best] = -1;
        taken++;
    }
    mem_free(rest);
    return 0;
}

static int mark_stratified(bool *tested, uint32_t *order, const int32_t *stratum, size_t n, const split_options *o,
                           err *e)
{
    runs classes = {0};
    TRY(order_by_class(order, &classes, stratum, n, o->seed, e));
    size_t *take = mem_alloc(classes.n, sizeof *take);
    int rc = take ? allot(take, &classes, n, o->test_share) : ERR_MEMORY;
    size_t taken = 0;
    for (size_t c = 0; rc == 0 && c < classes.n; c++) {
        for (size_t i = 0; i < take[c]; i++) tested[order[classes.start[c] + i]] = true;
        taken += take[c];
    }
    if (rc == 0 && taken == 0) tested[order[0]] = true; // every class has one row
    mem_free(take);
    mem_free(classes.start);
    return rc < 0 ? no_memory(n, e) : 0;
}

static size_t run_len(const runs *r, size_t i)
{
    return r->start[i + 1] - r->start[i];
}

static int mark_groups(bool *tested, uint32_t *order, const column *c, const uint32_t *rows, size_t n,
                       const split_options *o, err *e)
{
    runs groups = {0};
    uint32_t *shuffled = NULL;
    TRY(order_by_group(order, &groups, c, rows, n, e));
    int rc = 0;
    if (groups.n < 2) {
        rc = err_set(e, ERR_INPUT, "column \"%.80s\" has one value only: no group is left to test on", c->name);
        goto done;
    }
    if (!(shuffled = mem_alloc(groups.n, sizeof *shuffled))) {
        rc = no_memory(n, e);
        goto done;
    }
    identity(shuffled, groups.n);
    rng r = rng_new(o->seed, STREAM_GROUPS);
    rng_shuffle(&r, shuffled, groups.n);
    size_t wanted = test_wanted(n, o->test_share), taken = 0, smallest = 0;
    for (size_t i = 0; i < groups.n; i++) {
        size_t len = run_len(&groups, shuffled[i]);
        if (len < run_len(&groups, shuffled[smallest])) smallest = i;
        if (taken + len > wanted) continue;
        for (size_t k = 0; k < len; k++) tested[order[groups.start[shuffled[i]] + k]] = true;
        taken += len;
    }
    for (size_t k = 0; taken == 0 && k < run_len(&groups, shuffled[smallest]);
         k++) // none fits: the one that errs least
        tested[order[groups.start[shuffled[smallest]] + k]] = true;
done:
    mem_free(shuffled);
    mem_free(groups.start);
    return rc;
}

static int mark(bool *tested, uint32_t *order, const frame *f, const uint32_t *rows, size_t n, const int32_t *stratum,
                const split_options *o, err *e)
{
    const column *c;
    size_t n_test = test_wanted(n, o->test_share);
    switch (o->kind) {
    case SPLIT_STRATIFIED:
        if (stratum) return mark_stratified(tested, order, stratum, n, o, e);
        __attribute__((fallthrough));
    case SPLIT_RANDOM:
        order_random(order, n, o->seed);
        for (size_t i = 0; i < n_test; i++) tested[order[i]] = true;
        return 0;
    case SPLIT_GROUP: TRY(find_column(f, o->column, &c, e)); return mark_groups(tested, order, c, rows, n, o, e);
    case SPLIT_TIME:
        TRY(find_column(f, o->column, &c, e));
        TRY(order_by_time(order, c, rows, n, e));
        for (size_t i = n - n_test; i < n; i++) tested[order[i]] = true;
        return 0;
    default:
        numpy_permutation(order, n, (uint32_t)o->seed);
        for (size_t i = 0; i < n_test; i++) tested[order[i]] = true;
        return 0;
    }
}

int split_make(split *out, const frame *f, const uint32_t *rows, size_t n_rows, const int32_t *stratum,
               const split_options *o, err *e)
{
    const char *fault = split_options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    if (n_rows < 2) return err_set(e, ERR_INPUT, "%zu rows cannot be split in two", n_rows);
    if (n_rows > FRAME_ROWS_MAX) return err_set(e, ERR_LIMIT, "%zu rows, at most %zu", n_rows, FRAME_ROWS_MAX);
    split s = {0};
    uint32_t *order = mem_alloc(n_rows, sizeof *order);
    bool *tested = mem_zalloc(n_rows, sizeof *tested);
    int rc = order && tested ? mark(tested, order, f, rows, n_rows, stratum, o, e) : no_memory(n_rows, e);
    if (rc < 0) goto done;
    for (size_t i = 0; i < n_rows; i++) s.n_test += tested[i];
    s.n_train = n_rows - s.n_test;
    s.train = mem_alloc(s.n_train, sizeof *s.train);
    s.test = mem_alloc(s.n_test, sizeof *s.test);
    if (!s.train || !s.test) {
        rc = no_memory(n_rows, e);
        split_clear(&s);
        goto done;
    }
    if (o->kind != SPLIT_NUMPY) identity(order, n_rows); // ascending, if the candidates are
    size_t train = 0, test = 0;
    for (size_t i = 0; i < n_rows; i++) {
        uint32_t at = order[i];
        if (tested[at])
            s.test[test++] = rows[at];
        else
            s.train[train++] = rows[at];
    }
    *out = s;
done:
    mem_free(order);
    mem_free(tested);
    return rc;
}

// ---- folds ----

// Whole groups, the largest first, each to the fold that has the fewest rows so far.
static int fold_groups(uint32_t *fold, size_t k, uint32_t *order, const column *c, const uint32_t *rows, size_t n,
                       uint64_t seed, err *e)
{
    runs groups = {0}, sizes = {0};
    TRY(order_by_group(order, &groups, c, rows, n, e));
    uint32_t *label = mem_alloc(groups.n, sizeof *label);
    uint32_t *shuffled = mem_alloc(groups.n, sizeof *shuffled);
    uint32_t *by_size = mem_alloc(groups.n, sizeof *by_size);
    size_t *load = mem_zalloc(k, sizeof *load);
    int rc = label && shuffled && by_size && load ? 0 : no_memory(n, e);
    if (rc == 0 && groups.n < k)
        rc = err_set(e, ERR_INPUT, "column \"%.80s\" has %zu values, fewer than the %zu folds", c->name, groups.n, k);
    if (rc < 0) goto done;
    identity(shuffled, groups.n);
    rng r = rng_new(seed, STREAM_GROUPS);
    rng_shuffle(&r, shuffled, groups.n);
    size_t longest = 0;
    for (size_t i = 0; i < groups.n; i++) longest = run_len(&groups, i) > longest ? run_len(&groups, i) : longest;
    for (size_t i = 0; i < groups.n; i++) label[i] = (uint32_t)(longest - run_len(&groups, shuffled[i]));
    if (order_by_label(by_size, &sizes, label, groups.n, longest + 1) < 0) {
        rc = no_memory(n, e);
        goto done;
    }
    for (size_t i = 0; i < groups.n; i++) {
        size_t group = shuffled[by_size[i]], least = 0;
        for (size_t b = 1; b < k; b++) least = load[b] < load[least] ? b : least;
        load[least] += run_len(&groups, group);
        for (size_t at = groups.start[group]; at < groups.start[group + 1]; at++) fold[order[at]] = (uint32_t)least;
    }
done:
    mem_free(label);
    mem_free(shuffled);
    mem_free(by_size);
    mem_free(load);
    mem_free(groups.start);
    mem_free(sizes.start);
    return rc;
}

// Cuts an order into blocks; the first n % n_blocks have one more.
static void fold_blocks(uint32_t *fold, size_t n_blocks, const uint32_t *order, size_t n)
{
    size_t at = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        size_t end = at + n / n_blocks + (b < n % n_blocks);
        for (; at < end; at++) fold[order[at]] = (uint32_t)b;
    }
}

static int fold_rows(uint32_t *fold, size_t k, uint32_t *order, const frame *f, const uint32_t *rows, size_t n,
                     const int32_t *stratum, const split_options *o, err *e)
{
    const column *c;
    switch (o->kind) {
    case SPLIT_STRATIFIED:
        if (stratum) {
            runs classes = {0};
            TRY(order_by_class(order, &classes, stratum, n, o->seed, e));
            for (size_t i = 0; i < n; i++) fold[order[i]] = (uint32_t)(i % k); // dealt out, class after class
            mem_free(classes.start);
            return 0;
        }
        __attribute__((fallthrough));
    case SPLIT_RANDOM:
        order_random(order, n, o->seed);
        fold_blocks(fold, k, order, n);
        return 0;
    case SPLIT_GROUP: TRY(find_column(f, o->column, &c, e)); return fold_groups(fold, k, order, c, rows, n, o->seed, e);
    case SPLIT_TIME:
        TRY(find_column(f, o->column, &c, e));
        TRY(order_by_time(order, c, rows, n, e));
        fold_blocks(fold, k + 1, order, n);
        return 0;
    default:
        numpy_permutation(order, n, (uint32_t)o->seed);
        fold_blocks(fold, k, order, n);
        return 0;
    }
}

int split_folds(uint32_t *fold, size_t k, const frame *f, const uint32_t *rows, size_t n_rows, const int32_t *stratum,
                const split_options *o, err *e)
{
    const char *fault = split_options_fault(o);
    if (fault) return err_set(e, ERR_INPUT, "%s", fault);
    size_t n_blocks = k + (o->kind == SPLIT_TIME);
    if (k < 2) return err_set(e, ERR_INPUT, "%zu folds, at least 2 are needed", k);
    if (n_rows < n_blocks) return err_set(e, ERR_INPUT, "%zu rows are too few for %zu folds", n_rows, k);
    if (n_rows > FRAME_ROWS_MAX) return err_set(e, ERR_LIMIT, "%zu rows, at most %zu", n_rows, FRAME_ROWS_MAX);
    uint32_t *order = mem_alloc(n_rows, sizeof *order);
    uint32_t *made = mem_alloc(n_rows, sizeof *made); // so that a failure leaves `fold` as it was
    int rc = order && made ? fold_rows(made, k, order, f, rows, n_rows, stratum, o, e) : no_memory(n_rows, e);
    if (rc == 0) memcpy(fold, made, n_rows * sizeof *fold);
    mem_free(order);
    mem_free(made);
    return rc;
}
