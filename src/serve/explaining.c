// When and where rows are explained.
// SPDX-License-Identifier: Apache-2.0
#include "serve/explaining.h"

#include "base/clock.h"
#include "serve/admission.h"

enum { ROWS_AT_ONCE = 128 }; // between looks at the deadline

static bool is_long(double ns)
{
    return ns > INLINE_NS_MAX;
}

static int refuse(response *r, int status, const char *code, int rc)
{
    r->status = status;
    r->at.code = code;
    if (status == 503) r->extra = "Retry-After: 1\r\n";
    return rc;
}

// The largest number of rows whose estimate is within the limit; 0 if one is too many.
static size_t rows_within(const model *m, double ns_max, size_t n)
{
    size_t low = 0;
    while (low < n) {
        size_t middle = low + (n - low + 1) / 2;
        if (model_explain_ns(m, middle) <= ns_max)
            low = middle;
        else
            n = middle - 1;
    }
    return low;
}

int explaining_admits(const serving *s, const request *q, response *r, const inference *i, err *e)
{
    const model *m = i->version->model;
    const size_t n = i->in.n_rows;
    const double ns_max = EXPLAIN_MS_MAX * 1e6, ns = model_explain_ns(m, n);
    int rc = model_explains(m, e);
    if (rc < 0) return rc == ERR_UNSUPPORTED ? refuse(r, 422, "not_explainable", rc) : rc;
    if (ns > ns_max) {
        rc = err_set(e, ERR_LIMIT, "explaining %zu rows takes too long, send at most %zu at once", n,
                     rows_within(m, ns_max, n));
        return refuse(r, 422, "too_many_rows", rc);
    }
    if (!serving_may_block(s)) {
        if (s->lag_ns > LAG_MS_MAX * UINT64_C(1000000))
            return refuse(r, 503, "overloaded", err_set(e, ERR_BUSY, "the server is overloaded"));
        if (i->version->running->queue || is_long(ns)) return HANDLER_WORKER;
    }
    if (!q->deadline_ns) return 0;
    rc = request_over(q, clock_monotonic_ns() + (uint64_t)ns, e);
    return rc == ERR_TIMEOUT ? refuse(r, 504, "request_timeout", rc) : rc;
}

static int explain(const request *q, inference *i, err *e)
{
    const model *m = i->version->model;
    TRY(explanation_new(&i->explained, m, &i->out, i->explain.class, q->memory, e));
    for (size_t at = 0, n; at < i->in.n_rows; at += n) {
        n = i->in.n_rows - at < ROWS_AT_ONCE ? i->in.n_rows - at : ROWS_AT_ONCE;
        if (at > 0) TRY(request_over(q, clock_monotonic_ns(), e));
        TRY(model_explain(m, &i->in, at, n, &i->out, &i->explained, q->memory, e));
    }
    return 0;
}

int explaining_run(const request *q, response *r, inference *i, err *e)
{
    running *how = i->version->running;
    bool counted = is_long(model_explain_ns(i->version->model, i->in.n_rows));
    if (counted && !running_explain_begin(how))
        return refuse(r, 503, "overloaded", err_set(e, ERR_BUSY, "enough is being explained at this moment"));
    int rc = explain(q, i, e);
    if (counted) running_explain_end(how);
    if (rc == ERR_TIMEOUT) r->at.code = "request_timeout";
    return rc;
}
