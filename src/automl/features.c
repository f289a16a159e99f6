// The prepared matrix, row by row.
// SPDX-License-Identifier: Apache-2.0
#include "automl/features.h"

#include <math.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "data/write.h"

// Which part a row belongs to, by its number in the frame.
typedef enum part { PART_NONE, PART_TRAIN, PART_TEST } part;

int features_format(const training_prepared *p, const frame *f, const char *target, buf *out, pool *workers, err *e)
{
    size_t n_rows = frame_n_rows(f), n_features;
    const feature *features = preparation_features(p->preparation, &n_features);
    const column *truth = target ? frame_column(f, (size_t)frame_find(f, target)) : NULL;
    unsigned char *parts = mem_zalloc(n_rows, 1);
    uint32_t *rows = mem_alloc(n_rows, sizeof *rows);
    float *x = mem_alloc(n_rows * n_features, sizeof *x);
    int rc =
        parts && rows && x ? 0 : err_set(e, ERR_MEMORY, "no memory for %zu rows of %zu features", n_rows, n_features);
    for (size_t i = 0; rc == 0 && i < n_rows; i++) rows[i] = (uint32_t)i;
    if (rc == 0) rc = preparation_apply(p->preparation, f, rows, n_rows, x, workers, e);
    if (rc == 0) {
        for (size_t i = 0; i < p->parts.n_train; i++) parts[p->parts.train[i]] = PART_TRAIN;
        for (size_t i = 0; i < p->parts.n_test; i++) parts[p->parts.test[i]] = PART_TEST;
        for (size_t i = 0; i < n_features; i++) csv_add_cell(out, str_of(features[i].name), i == 0);
        if (truth) csv_add_cell(out, str_of(truth->name), n_features == 0);
        buf_add_text(out, ",split\n");
    }
    for (size_t row = 0; rc == 0 && row < n_rows; row++) {
        if (parts[row] == PART_NONE) continue; // cleaned away
        char text[COLUMN_TEXT_SIZE];
        for (size_t i = 0; i < n_features; i++) {
            float value = x[i * n_rows + row];
            csv_add_cell(out, isnan(value) ? STR("") : (str){text, decimal_format_f32(value, text)}, i == 0);
        }
        if (truth) csv_add_cell(out, column_text(truth, row, text), n_features == 0);
        buf_add_text(out, parts[row] == PART_TRAIN ? ",train\n" : ",test\n");
    }
    if (rc == 0) rc = buf_check(out, e);
    mem_free(x);
    mem_free(rows);
    mem_free(parts);
    return rc;
}
