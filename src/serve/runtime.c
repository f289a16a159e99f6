// Loading a version to be run.
// SPDX-License-Identifier: Apache-2.0
#include "serve/runtime.h"

#include "base/mem.h"

static const size_t MEASURE_MEMORY_MAX = (size_t)1 << 30;

typedef struct measuring {
    const model *m;
    arena memory;
} measuring;

static int predict_blank(void *context, size_t n_rows, err *e)
{
    measuring *x = context;
    batch b;
    prediction out;
    arena_reset(&x->memory);
    TRY(batch_blank(&b, model_schema(x->m), n_rows, &x->memory, e));
    return model_predict(x->m, &b, &out, &x->memory, e);
}

int running_open(running **out, model **m, package *p, err *e)
{
    running *r = mem_zalloc(1, sizeof *r);
    if (!r) {
        package_free(p);
        return err_set(e, ERR_MEMORY, "no memory for a version");
    }
    int rc = model_open(m, p, e);
    if (rc < 0) {
        mem_free(r);
        return rc;
    }
    measuring x = {.m = *m};
    arena_init(&x.memory, MEASURE_MEMORY_MAX);
    rc = cost_measure(&r->cost, predict_blank, &x, e);
    arena_clear(&x.memory);
    if (rc < 0) {
        model_drop(*m);
        *m = NULL;
        running_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void running_close(running *r)
{
    mem_free(r);
}
