// Predictions, counted.
// SPDX-License-Identifier: Apache-2.0
#include "serve/inference.h"

bool inference_wants_worker(const serving *s, const served *version)
{
    (void)s, (void)version;
    return false;
}

int inference_run(serving *s, const request *q, response *r, inference *i, err *e)
{
    TRY(model_predict(i->version->model, &i->in, &i->out, q->memory, e));
    TRY(i->finish(q, r, i, e));
    model_meter_slot *meter = &i->version->meter->slots[s->slot];
    counter_add(&meter->rows, i->in.n_rows);
    counter_add(&meter->requests, 1);
    return 0;
}
