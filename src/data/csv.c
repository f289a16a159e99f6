// CSV to a frame. One pass counts rows, part by part, so that every part knows where its rows belong; types are guessed
// from rows here and there; then the parts are read straight into the columns. A column whose guess was wrong is read
// again by a wider type, so the types are those of the whole file.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/mem.h"
#include "data/csv_reader_impl.h"

enum { PASSES_MAX = 8 }; // a column is read again at most once for each of its kinds

static void run_part(void *context, size_t part, size_t index)
{
    csv_reader *r = context;
    csv_worker *w = &r->workers[index];
    r->pass_workers[part] = (uint16_t)index;
    if (task_error_before(&r->failed, part)) return;
    err e = ERR_NONE;
    csv_view v;
    int rc = csv_load_part(r, part, w, &v, &e);
    for (size_t i = 0; rc == 0 && i < r->n_pass_columns; i++) rc = csv_read_column(r, r->columns[i], index, &v, &e);
    if (rc < 0) task_error_set(&r->failed, part, rc, &e);
}

static int reserve_columns(csv_reader *r, const uint32_t *columns, size_t n, err *e)
{
    for (size_t i = 0; i < n; i++) {
        int rc = store_reserve(&r->store, columns[i]);
        if (rc < 0)
            return err_set(e, rc, "no memory for %zu rows of column \"%.60s\"", r->store.n_rows, r->names[columns[i]]);
    }
    return 0;
}

static int check_memory(csv_reader *r, size_t *held, err *e)
{
    size_t need = store_bytes(&r->store);
    budget_give(r->budget, *held);
    *held = 0;
    if (budget_take(r->budget, need)) return *held = need, 0;
    char wanted[BYTES_TEXT_SIZE], limit[BYTES_TEXT_SIZE];
    return err_set(e, ERR_LIMIT, "%zu rows of %zu columns need %s of memory, more than the limit of %s",
                   r->store.n_rows, r->store.n_columns, format_bytes(need + atomic_load(&r->budget->used), wanted),
                   format_bytes(r->budget->max, limit));
}

// Columns of which only one letter was seen ("F" throughout) are no booleans.
static bool half_boolean(const csv_reader *r, size_t index)
{
    unsigned forms = 0;
    for (size_t w = 0; w < r->n_workers; w++) forms |= store_local_of(&r->store, w, index)->boolean_forms;
    return forms == BOOLEAN_FALSE_LETTER || forms == BOOLEAN_TRUE_LETTER;
}

// What is left to be read, by wider plans; returns how many columns.
static size_t widen(csv_reader *r, uint32_t *columns, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        store_column *c = &r->store.columns[columns[i]];
        bool again = atomic_load(&r->misfit[columns[i]]);
        if (again) c->kinds &= atomic_load(&r->kinds[columns[i]]);
        if (!again && c->plan == PLAN_BOOLEAN && !c->fixed && half_boolean(r, columns[i])) {
            again = true;
            c->kinds = 0;
        }
        if (!again) {
            c->workers = r->pass_workers;
            continue;
        }
        c->plan = plan_of_kinds(c->kinds, c->like_text);
        columns[left++] = columns[i];
    }
    return left;
}

static int read_columns(csv_reader *r, uint16_t *workers_of_passes, uint32_t *columns, err *e)
{
    size_t n = r->store.n_columns, held = 0;
    for (size_t i = 0; i < n; i++) columns[i] = (uint32_t)i;
    int rc = 0;
    for (size_t pass = 0; n > 0 && rc == 0; pass++) {
        if (pass == PASSES_MAX) return err_set(e, ERR_INTERNAL, "the types of the columns do not settle");
        for (size_t i = 0; i < n; i++) {
            atomic_store(&r->misfit[columns[i]], false);
            atomic_store(&r->kinds[columns[i]], KINDS_ALL);
        }
        r->columns = columns;
        r->n_pass_columns = n;
        r->pass_workers = workers_of_passes + pass * r->n_parts;
        TRY(check_memory(r, &held, e));
        TRY(reserve_columns(r, columns, n, e));
        task_error_init(&r->failed);
        pool_run(r->pool, r->n_parts, run_part, r);
        TRY(task_error_end(&r->failed, e));
        n = widen(r, columns, n);
    }
    return rc;
}

// A column without any value: reals, as good as anything.
static void settle_empty(csv_reader *r)
{
    for (size_t i = 0; i < r->store.n_columns; i++) {
        store_column *c = &r->store.columns[i];
        if (c->fixed || c->plan != PLAN_INTEGER) continue;
        const int64_t *values = c->values;
        size_t row = 0;
        while (row < r->store.n_rows && values[row] == FRAME_I64_MISSING) row++;
        if (row < r->store.n_rows) continue;
        double *reals = c->values;
        for (row = 0; row < r->store.n_rows; row++) reals[row] = NAN;
        c->plan = PLAN_REAL;
    }
}

static int read_parts(csv_reader *r, frame **out, err *e)
{
    r->store.parts = r->parts;
    r->store.n_parts = r->n_parts;
    r->store.n_rows = csv_n_rows(r);
    uint16_t *workers = mem_alloc(r->n_parts * PASSES_MAX, sizeof *workers);
    uint32_t *columns = mem_alloc(r->store.n_columns, sizeof *columns);
    r->kinds = mem_alloc(r->store.n_columns, sizeof *r->kinds);
    r->misfit = mem_alloc(r->store.n_columns, sizeof *r->misfit);
    int rc = workers && columns && r->kinds && r->misfit ? 0 : err_set(e, ERR_MEMORY, "no memory for reading");
    if (rc == 0) rc = read_columns(r, workers, columns, e);
    for (size_t i = 0; i < r->n_workers; i++) csv_worker_clear(r, &r->workers[i]);
    if (rc == 0) {
        settle_empty(r);
        rc = store_finish(&r->store, out, r->pool, e);
    }
    mem_free(workers);
    mem_free(columns);
    mem_free(r->kinds);
    mem_free(r->misfit);
    return rc;
}

int csv_read(frame **out, const source *s, const read_options *o, size_t part_size, budget *b, pool *p, err *e)
{
    csv_reader r = {.source = s,
                    .options = o,
                    .budget = b,
                    .pool = p,
                    .scanner = csv_scanner_best(),
                    .missing = missing_set_of(o),
                    .n_workers = pool_size(p)};
    TRY(csv_sniff(&r.layout, s, o, b, e));
    r.part_size = csv_pick_part_size(&r.layout, part_size);
    r.workers = mem_zalloc(r.n_workers, sizeof *r.workers);
    r.names = mem_zalloc(r.layout.n_columns, sizeof *r.names);
    int rc = r.workers && r.names ? store_init(&r.store, r.layout.n_columns, r.n_workers, &r.missing, b) : ERR_MEMORY;
    if (rc < 0) {
        err_set(e, rc, "no memory for %zu columns", r.layout.n_columns);
        goto done;
    }
    if ((rc = csv_count_rows(&r, e)) < 0) goto done;
    if ((rc = csv_plan_columns(&r, e)) < 0) goto done;
    if (r.open_quote) {
        size_t row = csv_n_rows(&r) + 1;
        rc = err_set_at(e, ERR_FORMAT, (int64_t)row, "row %zu: a quote opens a cell that is never closed", row);
        goto done;
    }
    rc = read_parts(&r, out, e);
done:
    for (size_t i = 0; r.workers && i < r.n_workers; i++) csv_worker_clear(&r, &r.workers[i]);
    mem_free(r.workers);
    mem_free(r.names);
    mem_free(r.counts);
    mem_free(r.parts);
    mem_free(r.ranges);
    store_clear(&r.store);
    return rc;
}
