// Small packages for tests: two inputs, three classes, a graph that the checker accepts. Different tags give different
// packages; `padding` bytes of options make them larger.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_HELPERS_PACKAGES_H
#define SLIPWAY_TESTS_HELPERS_PACKAGES_H

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/package.h"

static char *sample_classes[] = {(char[]){"blue"}, (char[]){"green"}, (char[]){"red"}};
static char sample_target[] = "colour";
static uint64_t sample_counts[] = {3, 4, 5};
static char *sample_categories[] = {(char[]){"a"}, (char[]){"b"}};
static schema_input sample_inputs[] = {
    {.name = (char[]){"age"},
     .type = COLUMN_REAL,
     .min = 1,
     .max = 9,
     .mean = 4.5,
     .tensor = (char[]){"age"},
     .missing_ok = true},
    {.name = (char[]){"kind"},
     .type = COLUMN_CATEGORY,
     .n_categories = 2,
     .categories = sample_categories,
     .counts = sample_counts,
     .tensor = (char[]){"kind"}},
};

// Nothing in it is to be freed.
static inline schema sample_schema(void)
{
    schema s = {.n_inputs = 2, .inputs = sample_inputs};
    s.target = (schema_target){.name = sample_target,
                               .task = TASK_CLASSIFICATION,
                               .type = COLUMN_CATEGORY,
                               .n_classes = 3,
                               .classes = sample_classes,
                               .counts = sample_counts};
    return s;
}

// NULL on failure.
static inline graph *sample_graph(err *e)
{
    graph *g;
    if (graph_new(&g, 1 << 20, e) < 0) return NULL;
    value_type label_type = value_type_rows(DTYPE_STRING, -1);
    int age = graph_add_input(g, "age", value_type_rows(DTYPE_F32, 1), e);
    int kind = graph_add_input(g, "kind", value_type_rows(DTYPE_STRING, 1), e);
    int label = graph_add_value(g, "label", label_type, e);
    int scores = graph_add_value(g, "scores", value_type_rows(DTYPE_F32, 3), e);
    if (age < 0 || kind < 0 || label < 0 || scores < 0 ||
        graph_add_node(g, "slipway", "Sample", (value_id[]){age, kind}, 2, (value_id[]){label, scores}, 2, NULL, 0, e) <
            0 ||
        graph_add_output(g, label, e) < 0 || graph_add_output(g, scores, e) < 0) {
        graph_free(g);
        return NULL;
    }
    return g;
}

static inline int sample_package_padded(package **out, int64_t tag, size_t padding, err *e)
{
    graph *g = sample_graph(e);
    if (!g) return e ? e->code : ERR_MEMORY;
    schema s = sample_schema();
    char *filler = mem_alloc(padding + 1, 1);
    if (filler) memset(filler, 'x', padding), filler[padding] = '\0';
    json_t *options = filler ? json_pack("{sIss}", "tag", (json_int_t)tag, "filler", filler) : NULL;
    json_t *metrics = json_pack("{sf}", "accuracy", 0.5);
    package_parts parts = {.recipe = "tabular-classification",
                           .driver = "once",
                           .schema = &s,
                           .options = options,
                           .metrics = metrics,
                           .graph = g};
    int rc = options && metrics ? package_make(out, &parts, e) : err_set(e, ERR_MEMORY, "no memory for a sample");
    json_decref(options);
    json_decref(metrics);
    mem_free(filler);
    graph_free(g);
    return rc;
}

static inline int sample_package(package **out, int64_t tag, err *e)
{
    return sample_package_padded(out, tag, 0, e);
}

#endif
