// Predictions, counted and measured.
// SPDX-License-Identifier: Apache-2.0
#include "serve/inference.h"

#include "base/clock.h"

enum { MEASURED_EVERY = 256 }; // requests of a thread: two looks at the clock cost as much as a small model's row

int inference_begin(const serving *s, const request *q, const served *version, response *r, err *e)
{
    (void)s, (void)q, (void)version, (void)r, (void)e;
    return 0;
}

int inference_predict(serving *s, const request *q, response *r, inference *i, err *e)
{
    (void)r;
    const served *v = i->version;
    model_meter_slot *meter = &v->meter->slots[s->slot];
    cost *measured = &v->running->cost;
    if (!serving_may_block(s) && cost_of(measured, i->in.n_rows) > INLINE_NS_MAX) return HANDLER_WORKER;
    bool look = counter_get(&meter->requests) % MEASURED_EVERY == 0;
    uint64_t start = look ? clock_monotonic_ns() : 0;
    TRY(model_predict(v->model, &i->in, &i->out, q->memory, e));
    if (look) cost_add(measured, i->in.n_rows, clock_monotonic_ns() - start);
    counter_add(&meter->rows, i->in.n_rows);
    counter_add(&meter->requests, 1);
    return 0;
}

int inference_run(serving *s, const request *q, response *r, inference *i, err *e)
{
    int rc = inference_predict(s, q, r, i, e);
    return rc != 0 ? rc : i->finish(q, r, i, e);
}
