// MLflow's CSV bodies over any bytes, against a schema with every type: texts of what is accepted outlive the frame
// they were read into.
// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"
#include "helpers/batches.h"
#include "serve/mlflow_body.h"
#include "unit/serve/schema_of_all.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 300 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a;
    batch b;
    place at;
    err e = ERR_NONE;
    arena_init(&a, 1 << 20);
    int rc = mlflow_read_csv(&b, &schema_of_all, (str){(const char *)data, size}, ROWS_MAX, 1 << 22, &at, &a, &e);
    if (rc == 0)
        (void)batch_sum(&b, ROWS_MAX);
    else
        must(e.code == rc && e.msg[0]);
    arena_clear(&a);
    return 0;
}
