// True values by class name or as numbers.
// SPDX-License-Identifier: Apache-2.0
#include "model/truth.h"

#include <stdlib.h>

#include "base/mem.h"

// Class ids by name: sorted once, found by halving, since a target may have thousands.
typedef struct class_index {
    str name;
    int32_t id;
} class_index;

static int compare_names(const void *a, const void *b)
{
    return str_compare(((const class_index *)a)->name, ((const class_index *)b)->name);
}

static int32_t find_class(const class_index *index, size_t n, str name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_compare(index[middle].name, name);
        if (order == 0) return index[middle].id;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

static int read_classes(truth *t, const schema_target *target, const column *c, err *e)
{
    class_index *index = mem_alloc(target->n_classes, sizeof *index);
    if (!index) return err_set(e, ERR_MEMORY, "no memory for %zu classes", target->n_classes);
    for (size_t i = 0; i < target->n_classes; i++)
        index[i] = (class_index){.name = str_of(target->classes[i]), .id = (int32_t)i};
    qsort(index, target->n_classes, sizeof *index, compare_names);
    int rc = 0;
    for (size_t i = 0; i < t->n_rows && rc == 0; i++) {
        char text[COLUMN_TEXT_SIZE];
        str name = column_text(c, t->rows[i], text);
        t->classes[i] = find_class(index, target->n_classes, name);
        if (t->classes[i] < 0)
            rc = err_set_at(e, ERR_INPUT, (int64_t)t->rows[i] + 1,
                            "row %u: \"" STR_FORMAT "\" in column \"%s\" is none of the model's %zu classes",
                            t->rows[i] + 1, STR_ARGS(name), target->name, target->n_classes);
    }
    mem_free(index);
    return rc;
}

static int read_values(truth *t, const schema_target *target, const column *c, err *e)
{
    if (c->storage == STORAGE_STRING)
        return err_set(e, ERR_INPUT, "column \"%s\" holds text, and the model predicts a number", target->name);
    for (size_t i = 0; i < t->n_rows; i++)
        t->values[i] = c->storage == STORAGE_F64 ? c->f64[t->rows[i]] : (double)c->i64[t->rows[i]];
    return 0;
}

int truth_of_frame(truth *out, const schema_target *target, const frame *f, err *e)
{
    size_t at;
    TRY(frame_require(f, target->name, " with the true values", &at, e));
    const column *c = frame_column(f, at);
    size_t n = frame_n_rows(f) - c->n_missing;
    if (n == 0) return err_set(e, ERR_INPUT, "column \"%s\" holds no true value", target->name);
    bool classes = target->task == TASK_CLASSIFICATION;
    truth t = {.rows = mem_alloc(n, sizeof *t.rows),
               .classes = classes ? mem_alloc(n, sizeof *t.classes) : NULL,
               .values = classes ? NULL : mem_alloc(n, sizeof *t.values)};
    int rc = 0;
    if (!t.rows || (classes ? !t.classes : !t.values)) rc = err_set(e, ERR_MEMORY, "no memory for %zu true values", n);
    for (size_t row = 0; rc == 0 && row < frame_n_rows(f) && t.n_rows < n; row++)
        if (!column_missing(c, row)) t.rows[t.n_rows++] = (uint32_t)row;
    if (rc == 0) rc = classes ? read_classes(&t, target, c, e) : read_values(&t, target, c, e);
    if (rc < 0)
        truth_clear(&t);
    else
        *out = t;
    return rc;
}

void truth_clear(truth *t)
{
    mem_free(t->rows);
    mem_free(t->classes);
    mem_free(t->values);
    *t = (truth){0};
}
